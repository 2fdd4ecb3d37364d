"""One specimen, end to end: image, tissue, stains, vessels, fields, counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from mvd.blocks import Progress, Share, grid, vessels_on_slide
from mvd.counting import Assignment, SpecimenCount, assign, count, hotspot_density
from mvd.density import DensityMap, map_density
from mvd.errors import FieldError, InvolvedAreaError, MvdError
from mvd.fields import Placement, place_fields
from mvd.geometry import Calibration, Raster, Rect, Ring
from mvd.involved import (
    InvolvedArea,
    field_centres_from_geojson,
    involved_from_geojson,
    involved_from_mask,
    involved_from_raster,
)
from mvd.manifest import Specimen
from mvd.measures import SpecimenMeasures, measure_fields
from mvd.models import chosen_score
from mvd.packed import is_geojson, unpacked
from mvd.protocol import InvolvedPlan, Protocol
from mvd.sizes import with_size_classes
from mvd.slide import Image, Slide, open_slide, read_mask
from mvd.store import as_stored
from mvd.survey import Survey, survey_slide
from mvd.threads import both
from mvd.tissue import suggest_involved
from mvd.vessels import Reason, ScoreModel, Vessel


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Every vessel of one image, without fields (`mvd find`)."""

    image: Path
    slide_sha256: str
    size_px: tuple[int, int]
    calibration: Calibration
    survey: Survey
    vessels: tuple[Vessel, ...]
    score: ScoreModel | None = None
    """The learned score that had a word in it."""
    images: tuple[Image, ...] = ()
    """Of the file: the one that was measured, then the others."""
    corner_px: tuple[int, int] = (0, 0)
    """Where (0, 0) of all coordinates lies on the scanner's canvas (`Slide.corner_px`)."""


@dataclass(frozen=True, slots=True, eq=False)
class SpecimenResult:
    """One specimen, counted."""

    specimen: Specimen
    slide_sha256: str
    size_px: tuple[int, int]
    calibration: Calibration
    survey: Survey
    involved: InvolvedArea
    evaluable: Raster
    """True where the marrow is involved and can be counted."""
    vessels: tuple[Vessel, ...]
    placement: Placement
    assignments: dict[str, Assignment]
    counts: SpecimenCount | None
    """None when no field could be placed; `placement.shortfall` says why."""
    measures: SpecimenMeasures | None
    """None with `counts`."""
    hotspot_per_mm2: float | None
    density: DensityMap | None
    """With `hotspot_per_mm2` None where the protocol does not ask for the whole involved area."""
    warnings: tuple[str, ...]
    score: ScoreModel | None = None
    """The learned score that had a word in it."""
    images: tuple[Image, ...] = ()
    """Of the file: the one that was measured, then the others."""
    corner_px: tuple[int, int] = (0, 0)
    """Where (0, 0) of all coordinates lies on the scanner's canvas (`Slide.corner_px`)."""


def find(
    image: str | Path,
    *,
    um_per_px: float | None = None,
    protocol: Protocol | None = None,
    progress: Progress | None = None,
    share: Share | None = None,
) -> Found:
    """Every vessel of an image, counted by the protocol's rule, without fields.

    Parameters
    ----------
    image
        Path of an image that `open_slide` reads.
    um_per_px
        µm per level-0 pixel where the file does not say.
    protocol
        Stain, rule and score; the default is the `kini` rule. A score's folder is relative to the current one.
    share
        Has the parts of a big slide searched; the same is found without.

    Raises
    ------
    MvdError
        One sentence: what is wrong with the image.
    """
    chosen = protocol or Protocol()
    score = chosen_score(chosen.score.model, Path())
    with open_slide(image, um_per_px=um_per_px) as slide:
        survey = survey_slide(slide, chosen)
        blocks = grid(survey.tissue.whole)
        vessels = vessels_on_slide(slide, survey, blocks, rule=chosen.rule, score=score, progress=progress, share=share)
        vessels = with_size_classes(as_stored(vessels, slide.calibration), chosen.rule)
        return Found(
            Path(image),
            slide.sha256(),
            slide.size_px,
            slide.calibration,
            survey,
            vessels,
            score,
            slide.images,
            slide.corner_px,
        )


def count_specimen(
    specimen: Specimen,
    protocol: Protocol,
    *,
    score: ScoreModel | None = None,
    progress: Progress | None = None,
    share: Share | None = None,
) -> SpecimenResult:
    """Find, place and count: one specimen of a study.

    Parameters
    ----------
    score
        The model that the protocol names, if it is read already; its folder is relative to the current one otherwise.
    share
        Has the parts of a big slide searched; the count is the same without.

    Raises
    ------
    MvdError
        What keeps the specimen from being counted. Too few fields is no error but a shortfall in the result.
    """
    score = score or chosen_score(protocol.score.model, Path())
    with open_slide(
        specimen.image, um_per_px=specimen.um_per_px, calibration_detail=f"specimens.csv, {specimen.specimen}"
    ) as slide:
        survey, sha256 = both(lambda: survey_slide(slide, protocol), slide.sha256)
        involved = _involved(specimen, protocol, slide, survey)
        evaluable = _evaluable(involved, survey)
        search = partial(
            vessels_on_slide, slide, survey, rule=protocol.rule, score=score, progress=progress, share=share
        )
        vessels, placement = _vessels_and_fields(slide, evaluable, specimen, protocol, search)
        vessels = with_size_classes(as_stored(vessels, slide.calibration), protocol.rule)
        fields, plan = placement.fields, protocol.fields
        counts = count(vessels, fields, border=plan.border, confidence=protocol.counts.confidence) if fields else None
        whole = _whole_area(protocol)
        return SpecimenResult(
            specimen=specimen,
            slide_sha256=sha256,
            size_px=slide.size_px,
            calibration=slide.calibration,
            survey=survey,
            involved=involved,
            evaluable=evaluable,
            vessels=vessels,
            placement=placement,
            assignments=assign(vessels, fields, plan.border),
            counts=counts,
            measures=measure_fields(vessels, counts, evaluable, protocol) if counts else None,
            hotspot_per_mm2=hotspot_density(vessels, evaluable, plan) if whole else None,
            density=map_density(vessels, evaluable, protocol) if whole else None,
            warnings=survey.warnings,
            score=score,
            images=slide.images,
            corner_px=slide.corner_px,
        )


def _whole_area(protocol: Protocol) -> bool:
    """Whether the whole involved area is searched, or only the fields."""
    return protocol.counts.hotspot_density or protocol.fields.placement == "hotspot"


def _vessels_and_fields(
    slide: Slide,
    evaluable: Raster,
    specimen: Specimen,
    protocol: Protocol,
    search: Callable[[Sequence[Rect]], tuple[Vessel, ...]],
) -> tuple[tuple[Vessel, ...], Placement]:
    plan, name = protocol.fields, specimen.specimen
    centres = manual_centres(specimen, slide, protocol) if plan.placement == "manual" else None
    if plan.placement == "hotspot":
        vessels = _only_in(evaluable, search(grid(evaluable)))
        points = np.array([(v.x_um, v.y_um) for v in vessels if v.accepted], np.float64).reshape(-1, 2)
        return vessels, place_fields(evaluable, plan, specimen=name, points=points)
    placement = place_fields(evaluable, plan, specimen=name, centres=centres)
    cores = grid(evaluable) if _whole_area(protocol) else tuple(field.rect for field in placement.fields)
    return _only_in(evaluable, search(cores)), placement


def _only_in(evaluable: Raster, vessels: tuple[Vessel, ...]) -> tuple[Vessel, ...]:
    """The vessels; those whose reference point is not in evaluable involved marrow do not count.

    The area that they lie in is not measured either: a field that is only partly involved is a smaller field.
    """

    def inside(vessel: Vessel) -> bool:
        row = math.floor((vessel.y_um - evaluable.y0_um) / evaluable.um_per_px)
        column = math.floor((vessel.x_um - evaluable.x0_um) / evaluable.um_per_px)
        rows, columns = evaluable.pixels.shape
        return 0 <= row < rows and 0 <= column < columns and bool(evaluable.pixels[row, column])

    return tuple(
        replace(vessel, reason=Reason.NOT_INVOLVED) if vessel.accepted and not inside(vessel) else vessel
        for vessel in vessels
    )


def _involved(specimen: Specimen, protocol: Protocol, slide: Slide, survey: Survey) -> InvolvedArea:
    """The involved area as an observer drew it, or what the protocol says without one."""
    if specimen.involved is None:
        if protocol.involved.default == "suggest":
            suggested = suggest_involved(survey.overview, survey.stains, survey.tissue)
            return involved_from_raster(suggested, "suggestion")
        return involved_from_raster(survey.tissue.marrow, "whole marrow")
    return drawn_area(specimen.involved, slide, protocol.involved)


def drawn_area(path: Path, slide: Slide, plan: InvolvedPlan) -> InvolvedArea:
    """The involved area as an observer drew it: GeoJSON, or a mask image of the whole slide."""
    if not is_geojson(path):
        return involved_from_mask(read_mask(path), slide.bounds, where=path.name)
    text, where = _text(path, InvolvedAreaError), path.name
    try:
        return involved_from_geojson(
            text, slide.calibration, bounds=slide.bounds, where=where, plan=plan, origin_px=_origin(slide, plan)
        )
    except InvolvedAreaError as error:
        if slide.corner_px == (0, 0):
            raise
        other = "canvas" if plan.frame == "scanned" else "scanned"
        raise InvolvedAreaError(
            f'{error}; or set frame = "{other}" under [involved], if it was drawn on the {_FRAMES[other]}'
        ) from error


_FRAMES = {"canvas": "whole canvas (QuPath with --no-crop)", "scanned": "scanned part alone (as QuPath shows it)"}


def _origin(slide: Slide, plan: InvolvedPlan) -> tuple[int, int]:
    """Where (0, 0) of the slide lies in the coordinates of GeoJSON files."""
    return slide.corner_px if plan.frame == "canvas" else (0, 0)


def _evaluable(involved: InvolvedArea, survey: Survey) -> Raster:
    marrow = survey.tissue.marrow
    evaluable = marrow.with_pixels(marrow.pixels & involved.raster(marrow).pixels)
    if not evaluable.pixels.any() and involved.source in ("annotation", "mask"):
        raise InvolvedAreaError(
            "the involved area holds no marrow: it covers only glass, bone, folds or parts out of focus; draw it again"
        )
    return evaluable


def manual_centres(specimen: Specimen, slide: Slide, protocol: Protocol) -> Ring:
    """Centres of the fields that an observer placed."""
    if specimen.fields is None:
        raise FieldError("placement is 'manual', but the manifest names no file in its column 'fields'")
    text = _text(specimen.fields, FieldError)
    return field_centres_from_geojson(
        text,
        slide.calibration,
        where=specimen.fields.name,
        origin_px=_origin(slide, protocol.involved),
        side_um=protocol.fields.side_um,
    )


def _text(path: Path, kind: type[MvdError]) -> str:
    """What an observer exported; `kind` is the error if it cannot be read."""
    try:
        return unpacked(path, kind).decode("utf-8-sig")
    except FileNotFoundError:
        raise kind(f"{path.name}: no such file; put it there, or empty its cell in specimens.csv") from None
    except UnicodeDecodeError as error:
        raise kind(f"{path.name} is not UTF-8 text; export it again as GeoJSON") from error
    except OSError as error:
        raise kind(f"{path.name} cannot be read ({error.strerror}); check the file and its folder") from error
