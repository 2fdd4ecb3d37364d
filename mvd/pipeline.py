"""One specimen, end to end: image, tissue, stains, vessels, fields, counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mvd.blocks import Progress, grid, vessels_on_slide
from mvd.counting import Assignment, SpecimenCount, assign, count, hotspot_density
from mvd.errors import FieldError, InvolvedAreaError, MvdError
from mvd.fields import Placement, place_fields
from mvd.geometry import Calibration, Raster, Ring
from mvd.involved import (
    InvolvedArea,
    field_centres_from_geojson,
    involved_from_geojson,
    involved_from_mask,
    involved_from_raster,
)
from mvd.manifest import Specimen
from mvd.protocol import Protocol
from mvd.slide import Slide, open_slide, read_mask
from mvd.store import as_stored
from mvd.survey import Survey, survey_slide
from mvd.tissue import suggest_involved
from mvd.vessels import Reason, Vessel


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Every vessel of one image, without fields (`mvd find`)."""

    image: Path
    slide_sha256: str
    size_px: tuple[int, int]
    calibration: Calibration
    survey: Survey
    vessels: tuple[Vessel, ...]


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
    hotspot_per_mm2: float | None
    warnings: tuple[str, ...]


def find(
    image: str | Path,
    *,
    um_per_px: float | None = None,
    protocol: Protocol | None = None,
    progress: Progress | None = None,
) -> Found:
    """Every vessel of an image, counted by the protocol's rule, without fields.

    Parameters
    ----------
    image
        Path of an image that `open_slide` reads.
    um_per_px
        µm per level-0 pixel where the file does not say.
    protocol
        Stain and rule; the default is the `kini` rule.

    Raises
    ------
    MvdError
        One sentence: what is wrong with the image.
    """
    chosen = protocol or Protocol()
    with open_slide(image, um_per_px=um_per_px) as slide:
        survey = survey_slide(slide, chosen)
        tissue = survey.tissue.marrow.with_pixels(survey.tissue.marrow.pixels | survey.tissue.bone.pixels)
        vessels = vessels_on_slide(slide, survey, grid(tissue), rule=chosen.rule, progress=progress)
        return Found(
            Path(image), slide.sha256(), slide.size_px, slide.calibration, survey, as_stored(vessels, slide.calibration)
        )


def count_specimen(specimen: Specimen, protocol: Protocol, *, progress: Progress | None = None) -> SpecimenResult:
    """Find, place and count: one specimen of a study.

    Raises
    ------
    MvdError
        What keeps the specimen from being counted. Too few fields is no error but a shortfall in the result.
    """
    with open_slide(
        specimen.image, um_per_px=specimen.um_per_px, calibration_detail=f"specimens.csv, {specimen.specimen}"
    ) as slide:
        survey = survey_slide(slide, protocol)
        involved = _involved(specimen, protocol, slide, survey)
        evaluable = _evaluable(involved, survey)
        vessels, placement = _vessels_and_fields(slide, survey, evaluable, (specimen, protocol), progress)
        vessels = as_stored(vessels, slide.calibration)
        fields, plan = placement.fields, protocol.fields
        return SpecimenResult(
            specimen=specimen,
            slide_sha256=slide.sha256(),
            size_px=slide.size_px,
            calibration=slide.calibration,
            survey=survey,
            involved=involved,
            evaluable=evaluable,
            vessels=vessels,
            placement=placement,
            assignments=assign(vessels, fields, plan.border),
            counts=count(vessels, fields, border=plan.border, confidence=protocol.counts.confidence)
            if fields
            else None,
            hotspot_per_mm2=hotspot_density(vessels, evaluable, plan) if _whole_area(protocol) else None,
            warnings=survey.warnings,
        )


def _whole_area(protocol: Protocol) -> bool:
    """Whether the whole involved area is searched, or only the fields."""
    return protocol.counts.hotspot_density or protocol.fields.placement == "hotspot"


def _vessels_and_fields(
    slide: Slide,
    survey: Survey,
    evaluable: Raster,
    what: tuple[Specimen, Protocol],
    progress: Progress | None,
) -> tuple[tuple[Vessel, ...], Placement]:
    specimen, protocol = what
    plan, name = protocol.fields, specimen.specimen
    centres = manual_centres(specimen, slide.calibration) if plan.placement == "manual" else None
    if plan.placement == "hotspot":
        found = vessels_on_slide(slide, survey, grid(evaluable), rule=protocol.rule, progress=progress)
        vessels = _only_in(evaluable, found)
        points = np.array([(v.x_um, v.y_um) for v in vessels if v.accepted], np.float64).reshape(-1, 2)
        return vessels, place_fields(evaluable, plan, specimen=name, points=points)
    placement = place_fields(evaluable, plan, specimen=name, centres=centres)
    cores = grid(evaluable) if _whole_area(protocol) else tuple(field.rect for field in placement.fields)
    found = vessels_on_slide(slide, survey, cores, rule=protocol.rule, progress=progress)
    return _only_in(evaluable, found), placement


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
    return drawn_area(specimen.involved, slide)


def drawn_area(path: Path, slide: Slide) -> InvolvedArea:
    """The involved area as an observer drew it: GeoJSON, or a mask image of the whole slide."""
    if path.suffix.lower() in (".geojson", ".json"):
        return involved_from_geojson(
            _text(path, InvolvedAreaError), slide.calibration, bounds=slide.bounds, where=path.name
        )
    return involved_from_mask(read_mask(path), slide.bounds, where=path.name)


def _evaluable(involved: InvolvedArea, survey: Survey) -> Raster:
    marrow = survey.tissue.marrow
    evaluable = marrow.with_pixels(marrow.pixels & involved.raster(marrow).pixels)
    if not evaluable.pixels.any() and involved.source in ("annotation", "mask"):
        raise InvolvedAreaError("the involved area holds no marrow: it covers only glass or bone; draw it again")
    return evaluable


def manual_centres(specimen: Specimen, calibration: Calibration) -> Ring:
    """Centres of the fields that an observer placed."""
    if specimen.fields is None:
        raise FieldError("placement is 'manual', but the manifest names no file in its column 'fields'")
    text = _text(specimen.fields, FieldError)
    return field_centres_from_geojson(text, calibration, where=specimen.fields.name)


def _text(path: Path, kind: type[MvdError]) -> str:
    """What an observer exported; `kind` is the error if it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise kind(f"{path.name}: no such file; put it there, or empty its cell in specimens.csv") from None
    except UnicodeDecodeError as error:
        raise kind(f"{path.name} is not UTF-8 text; export it again as GeoJSON") from error
    except OSError as error:
        raise kind(f"{path.name} cannot be read ({error.strerror}); check the file and its folder") from error
