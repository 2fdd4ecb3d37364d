"""What is written of one specimen: its row, its fields, and everything that its numbers trace back to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mvd.density import LEVEL, DensityMap, Place
from mvd.measures import SpecimenMeasures
from mvd.pipeline import Found, SpecimenResult
from mvd.protocol import NOT_MEASURING, Protocol
from mvd.store import SpecimenRow, field_rows, hot_spot_rows, map_features, specimen_geojson, tables_entry
from mvd.survey import Survey
from mvd.tissue import area_mm2
from mvd.version import program_version
from mvd.vessels import ScoreModel, Vessel

MEASURED = "measured"
"""An MVD from as many fields as asked."""
TOO_FEW_FIELDS = "too few fields"
"""An MVD, but from fewer fields than asked; the reason says why."""
DOUBTFUL = "doubtful"
"""An MVD, but of a slide that does not look as it should; the reason says how."""
NO_FIELDS = "no fields"
"""No MVD: the vessels were found, but no field could be placed; the reason says why."""
FAILED = "failed"
"""No MVD: something has to be put right first; the reason says what."""


@dataclass(frozen=True, slots=True)
class Record:
    """One result as `mvd.store.write_result` takes it."""

    row: SpecimenRow
    payload: dict[str, Any]
    geojson: str | None = None


def specimen_record(
    result: SpecimenResult, protocol: Protocol, *, inputs: Mapping[str, Any], pictures: Sequence[str] = ()
) -> Record:
    """The record of a specimen that was counted.

    Parameters
    ----------
    inputs
        What the result was made from, to be compared on the next run.
    pictures
        Names of the picture files that belong to the result.
    """
    row, rows = specimen_row(result, protocol), result.counts.fields if result.counts else ()
    measures = result.measures.fields if result.measures else ()
    specimen, placement = result.specimen, result.placement
    payload = {
        **_made(),
        "inputs": dict(inputs),
        "tables": tables_entry(
            row,
            field_rows(specimen.specimen, rows, measures),
            hotspots=hot_spot_rows(specimen.specimen, result.density),
        ),
        **_measured(result, protocol, image=specimen.image.name),
        "involved": {
            "source": result.involved.source,
            "file": specimen.involved.name if specimen.involved else None,
            "area_mm2": result.involved.area_mm2,
            "classes": list(result.involved.classes),
            "cut_out": list(result.involved.cut_out),
            "lost_share": result.involved.lost_share,
            "evaluable_mm2": area_mm2(result.evaluable),
        },
        "fields": {
            "placement": protocol.fields.placement,
            "border": protocol.fields.border,
            "asked": placement.asked,
            "placed": len(placement.fields),
            "shortfall": placement.shortfall,
            "vessels": {field.field.name: list(field.vessels) for field in rows},
        },
        "mvd": _mvd(result),
        "hotspot_per_mm2": result.hotspot_per_mm2,
        "density": _density(result.density),
        "measures": _measures(result.measures),
        "vessels": _tally(result.vessels),
        "warnings": list(result.warnings),
        "pictures": list(pictures),
    }
    geojson = specimen_geojson(
        specimen.specimen,
        result.vessels,
        calibration=result.calibration,
        assignments=result.assignments,
        fields=rows,
        measures=measures,
        involved=result.involved.outlines(),
        involved_source=result.involved.source,
        more=map_features(specimen.specimen, result.density, result.calibration),
    )
    return Record(row, payload, geojson)


def failed_record(row: SpecimenRow, *, trace: str | None = None) -> Record:
    """The record of a specimen that could not be measured; its row says why, and `trace` where the program failed."""
    payload = {**_made(), "tables": tables_entry(row, ())}
    return Record(row, {**payload, "trace": trace.splitlines()} if trace else payload)


def found_record(found: Found, protocol: Protocol, *, name: str) -> tuple[dict[str, Any], str]:
    """Payload and GeoJSON of one image whose vessels were found without fields."""
    payload = {
        **_made(),
        **_measured(found, protocol, image=found.image.name),
        "vessels": _tally(found.vessels),
        "accepted_per_mm2": accepted_per_mm2(found),
        "warnings": list(found.survey.warnings),
    }
    return payload, specimen_geojson(name, found.vessels, calibration=found.calibration, assignments={})


def specimen_row(result: SpecimenResult, protocol: Protocol) -> SpecimenRow:
    """The row of specimens.csv."""
    specimen, counts, measures = result.specimen, result.counts, result.measures
    shortfall = result.placement.shortfall
    if counts is None:
        status = NO_FIELDS
    elif result.warnings:
        status = DOUBTFUL
    else:
        status = TOO_FEW_FIELDS if shortfall else MEASURED
    return SpecimenRow(
        specimen=specimen.specimen,
        patient=specimen.patient,
        timepoint=specimen.timepoint,
        status=status,
        reason="; ".join([*result.warnings, *result.involved.remarks, *([shortfall] if shortfall else [])]),
        fields=len(result.placement.fields),
        count=counts.count if counts else None,
        ambiguous=measures.ambiguous if measures else None,
        area_mm2=counts.area_mm2 if counts else None,
        mvd_per_mm2=counts.mvd_per_mm2 if counts else None,
        ci_low=counts.ci_low_per_mm2 if counts else None,
        ci_high=counts.ci_high_per_mm2 if counts else None,
        hotspot_per_mm2=result.hotspot_per_mm2,
        vessel_area_fraction=measures.area.vessel_fraction if measures else None,
        stained_area_fraction=measures.area.stained_fraction if measures else None,
        chalkley=measures.chalkley if measures else None,
        involved_source=result.involved.source,
        um_per_px=result.calibration.um_per_px,
        calibration_source=f"{result.calibration.source}: {result.calibration.detail}",
        slide_sha256=result.slide_sha256,
        rule=protocol.rule.name,
        protocol=protocol.digest,
        version=program_version(),
        response=specimen.response,
        by_size=measures.by_size if measures else {},
    )


def accepted_per_mm2(found: Found) -> float | None:
    """Vessels over the analysable marrow of the whole image; None where there is none. No estimate of the MVD."""
    area = found.survey.tissue.marrow_mm2
    return sum(vessel.accepted for vessel in found.vessels) / area if area > 0 else None


def rejected(vessels: Iterable[Vessel]) -> dict[str, int]:
    """How many objects do not count, by reason, the most frequent first."""
    tally = Counter(vessel.reason.value for vessel in vessels if vessel.reason)
    return dict(sorted(tally.items(), key=lambda item: (-item[1], item[0])))


def _made() -> dict[str, str]:
    """By which program; when is in times.csv, so that the same input gives the same bytes."""
    return {"version": program_version()}


def _measured(what: Found | SpecimenResult, protocol: Protocol, *, image: str) -> dict[str, Any]:
    width, height = what.size_px
    return {
        "slide": {
            "file": image,
            "sha256": what.slide_sha256,
            "width_px": width,
            "height_px": height,
            "corner_px": list(what.corner_px),
        },
        "images": [asdict(image) | {"measured": number == 0} for number, image in enumerate(what.images)],
        "calibration": asdict(what.calibration),
        "protocol_digest": protocol.digest,
        "protocol": protocol.model_dump(mode="json", exclude=set(NOT_MEASURING)),
        "score": _score(what.score),
        **_survey(what.survey),
    }


def _score(score: ScoreModel | None) -> dict[str, Any] | None:
    """Which learned score had a word in the count."""
    if score is None:
        return None
    return {
        "model": score.name,
        "version": score.version,
        "weights_sha256": score.sha256,
        "threshold": score.threshold,
    }


def _survey(survey: Survey) -> dict[str, Any]:
    stains, tissue = survey.stains, survey.tissue
    return {
        "stains": {
            "source": stains.source,
            "white": list(stains.white),
            "white_source": stains.white_source,
            "haematoxylin": list(stains.haematoxylin),
            "dab": list(stains.dab),
            "counterstain": None if stains.counterstain is None else list(stains.counterstain),
        },
        "levels_od": asdict(survey.levels),
        "nucleus_um": survey.nucleus_um,
        "tissue": {
            "marrow_mm2": tissue.marrow_mm2,
            "fat_mm2": tissue.fat_mm2,
            "bone_mm2": tissue.bone_mm2,
            "fold_mm2": tissue.fold_mm2,
            "out_of_focus_mm2": tissue.out_of_focus_mm2,
            "sharpness": tissue.sharpness,
        },
    }


def _mvd(result: SpecimenResult) -> dict[str, Any] | None:
    counts = result.counts
    if counts is None:
        return None
    return {
        "count": counts.count,
        "area_mm2": counts.area_mm2,
        "per_mm2": counts.mvd_per_mm2,
        "confidence": counts.confidence,
        "ci_low_per_mm2": counts.ci_low_per_mm2,
        "ci_high_per_mm2": counts.ci_high_per_mm2,
        "dispersion": counts.dispersion,
    }


def _density(density: DensityMap | None) -> dict[str, Any] | None:
    """The map in numbers; its hot spots are in "tables", its outlines in the GeoJSON file."""
    if density is None:
        return None
    raster = density.raster
    return {
        "kernel_um": density.kernel_um,
        "um_per_px": raster.um_per_px if raster else None,
        "area_mm2": density.area_mm2,
        "vessels": density.vessels,
        "mean_per_mm2": density.mean_per_mm2,
        "lowest_per_mm2": float(np.nanmin(raster.pixels)) if raster else None,
        "highest_per_mm2": float(np.nanmax(raster.pixels)) if raster else None,
        "random_sections": density.simulations,
        "level": LEVEL,
        "least_likely_place": _place(density.highest) if density.highest else None,
        "hot_spots": len(density.hotspots) if density.simulations else None,
        "reason": density.reason,
    }


def _place(place: Place) -> dict[str, Any]:
    around = place.field
    return {
        "x_um": place.x_um,
        "y_um": place.y_um,
        "per_mm2": place.per_mm2,
        "p": place.p,
        "field_count": around.count if around else None,
        "field_evaluable_mm2": around.field.evaluable_mm2 if around else None,
        "field_per_mm2": around.per_mm2 if around else None,
    }


def _measures(measures: SpecimenMeasures | None) -> dict[str, Any] | None:
    """Beside the count; the single fields are in "tables"."""
    if measures is None:
        return None
    return {
        "ambiguous": measures.ambiguous,
        "vessel_area_um2": measures.area.vessel_um2,
        "stained_area_um2": measures.area.stained_um2,
        "vessel_area_fraction": measures.area.vessel_fraction,
        "stained_area_fraction": measures.area.stained_fraction,
        "chalkley": measures.chalkley,
        "count_by_size": measures.by_size,
    }


def _tally(vessels: Sequence[Vessel]) -> dict[str, Any]:
    return {
        "found": len(vessels),
        "accepted": sum(vessel.accepted for vessel in vessels),
        "rejected": rejected(vessels),
    }


def image_stem(image: Path) -> str:
    """The name of an image's results: its own without endings such as .ome.tif, fit for a file name anywhere."""
    return re.sub(r"[\\:]", "_", image.stem.removesuffix(".ome")).lstrip(".") or "image"
