"""An observer who knows the truth of simulated sections, and a study for such an observer to review."""

import contextlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import shapely
from small_study import write_manifest, write_protocol

from mvd.corrections import decide
from mvd.counting import assign
from mvd.errors import CorrectionError
from mvd.phantom import Kind, Phantom, PhantomSpec, TruthVessel, make_phantom
from mvd.phantom.write import write_ome_tiff
from mvd.protocol import Protocol
from mvd.review import OpenReview, open_review, take
from mvd.vessels.model import Reason

SIDE_UM, UM_PER_PX = 250.0, 0.5
PROTOCOL = Protocol.model_validate({"fields": {"number": 4, "side_um": 110.0, "min_evaluable_fraction": 0.5}})

REASONS = {
    Kind.LARGE_VESSEL: Reason.LARGE_VESSEL,
    Kind.PROGENITOR: Reason.SINGLE_CELL,
    Kind.MEGAKARYOCYTE: Reason.MEGAKARYOCYTE,
    Kind.PIGMENT_GOLDEN: Reason.PIGMENT,
    Kind.PIGMENT_BLACK: Reason.PIGMENT,
    Kind.HAZE: Reason.HAZE,
    Kind.BONE_EDGE: Reason.BONE_EDGE,
}
"""Why an observer rejects what is no microvessel."""


@cache
def section(seed: int) -> Phantom:
    """A section crowded with vessels and with what looks like them, so that few sections make many labels."""
    spec = PhantomSpec(
        seed=seed,
        width_um=SIDE_UM,
        height_um=SIDE_UM,
        um_per_px=UM_PER_PX,
        difficulty="hard",
        vessel_density_per_mm2=250,
        bone_fraction=0,
        fat_fraction=0.1,
        tissue_edge=False,
        confounders=8,
    )
    return make_phantom(spec)


def write_crowded_study(study: Path, number: int, *, first: int = 1) -> Path:
    """A study of crowded sections s1, s2, …"""
    study.mkdir(parents=True)
    write_protocol(study, PROTOCOL)
    rows = [
        {"specimen": f"s{n}", "patient": f"p{n}", "timepoint": "pre", "image": f"s{n}.ome.tif"}
        for n in range(first, first + number)
    ]
    write_manifest(study, *rows)
    for n in range(first, first + number):
        write_ome_tiff(study / f"s{n}.ome.tif", section(n).image)
    return study


def observe(
    study: Path,
    specimen: str,
    *,
    observer: str = "anna",
    finish: bool = True,
    truth: Sequence[TruthVessel] | None = None,
) -> OpenReview:
    """A review in which every candidate of the fields is decided on as the truth is, and missed vessels are added.

    The truth is that of the crowded section of the specimen's number, unless another is given.
    """
    truth = truth or section(int(specimen.removeprefix("s"))).truth
    opened = open_review(study / "results", study / "reviews", specimen=specimen, observer=observer)
    opened = take(opened, decide.begin())
    shapes = [shapely.Polygon(one.outline) for one in truth]
    places = assign(opened.review.vessels, opened.review.counted_fields, opened.measured.protocol.fields.border)
    seen: set[int] = set()
    for vessel in opened.review.vessels:
        if not places[vessel.name].fields:
            continue
        index = _under(shapely.make_valid(shapely.Polygon(vessel.outline)), shapes)
        one = None if index is None else truth[index]
        seen |= set() if index is None else {index}
        if one is not None and one.counts:
            decision = decide.accept(opened.review, vessel.name)
        else:
            decision = decide.reject(opened.review, vessel.name, REASONS[Kind(one.kind)] if one else Reason.HAZE)
        opened = take(opened, decision)
    for one in _missed(truth, seen, opened):
        with contextlib.suppress(CorrectionError):  # it is part of another that was counted
            opened = take(opened, decide.add_outline(opened.review, one.outline))
    return take(opened, decide.finish()) if finish else opened


def _under(outline: shapely.Geometry, shapes: Sequence[shapely.Geometry]) -> int | None:
    """The object of the truth that shares most area with an outline."""
    shared = [float(outline.intersection(shape).area) for shape in shapes]
    best = max(range(len(shapes)), key=shared.__getitem__)
    return best if shared[best] > 0 else None


def _missed(truth: Sequence[TruthVessel], seen: set[int], opened: OpenReview) -> list[TruthVessel]:
    """Vessels of the truth in the fields, on which there was no candidate."""
    fields = [field.rect for field in opened.review.counted_fields]
    return [
        one
        for index, one in enumerate(truth)
        if one.counts
        and index not in seen
        and any(f.x0_um < one.x_um < f.x1_um and f.y0_um < one.y_um < f.y1_um for f in fields)
    ]
