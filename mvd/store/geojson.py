"""A specimen's vessels, fields and involved area as GeoJSON for QuPath (0.5 and later), and the vessels read back.

Coordinates are level-0 pixels with three decimals, a quarter of a nanometre in a 40x scan; `as_stored` gives the
vessels exactly as a reader of the file will see them. Measures are written with all digits. Everything outside ASCII is
escaped: some versions of QuPath read files in the system's encoding, where "µm" would not survive.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
import shapely

from mvd.counting import Assignment, FieldCount
from mvd.errors import StoreError
from mvd.geometry import Calibration, Rect, Ring
from mvd.measures import FieldMeasures
from mvd.store.rows import why_not_counted
from mvd.vessels.model import Reason, Vessel

_IDENTITIES = uuid.UUID("5c1f7e0a-6a3b-5b0e-9f57-2d1c34cd34cd")
"""Root of the features' identifiers: the same specimen and name give the same one on every run."""

_PIXEL_DECIMALS = 3
MEASUREMENTS = {
    "x_um": "Centre X µm",
    "y_um": "Centre Y µm",
    "area_um2": "Area µm^2",
    "lumen_area_um2": "Lumen area µm^2",
    "lumen_width_um": "Lumen width µm",
    "length_um": "Length µm",
    "width_um": "Width µm",
    "perimeter_um": "Perimeter µm",
    "mean_dab_od": "Mean DAB OD",
    "pieces": "Pieces",
}
_LUMENS = "lumens"
"""Lumens that are no holes of the outline, as rings in pixels."""
_SCORE = "Probability of being a vessel"
"""By the learned score; only where one was asked."""
_COLOURS = {
    "Microvessel": [0, 160, 60],
    "Rejected": [120, 120, 120],
    "Field": [0, 90, 200],
    "Involved": [230, 160, 0],
    "Hot spot": [213, 0, 120],
    "Density": [120, 80, 200],
}
_INSIDE = "inside"
_FIRST_LINE, _LAST_LINE = '{"type":"FeatureCollection","features":[', "]}"

Feature = dict[str, Any]


def specimen_geojson(  # noqa: PLR0913  (the parameters are what the file shows)
    specimen: str,
    vessels: Iterable[Vessel],
    *,
    calibration: Calibration,
    assignments: Mapping[str, Assignment],
    fields: Sequence[FieldCount] = (),
    measures: Sequence[FieldMeasures] = (),
    involved: Sequence[Sequence[Ring]] = (),
    involved_source: str = "annotation",
    more: Iterable[Feature] = (),
) -> str:
    """The file's text: involved area and fields as locked annotations, vessels as detections, one feature a line.

    Parameters
    ----------
    assignments
        Where each vessel lies among the fields; empty when there are no fields.
    fields, measures
        What was counted and what was measured in each field, in the same order.
    involved
        Each polygon's rings in µm, the outer boundary and then its holes.
    involved_source
        Where the involved area comes from; in its name, so that the whole marrow is not taken for a drawn area.
    more
        Annotations of the density map.

    Raises
    ------
    StoreError
        A measure is not finite.
    """

    def features() -> Iterator[Feature]:  # one at a time: as text they take a tenth of the memory
        if involved:
            coordinates = [[closed_px(ring, calibration) for ring in polygon] for polygon in involved]
            area = annotation(
                f"Involved area ({involved_source})", "Involved", {"type": "MultiPolygon", "coordinates": coordinates}
            )
            yield identified(specimen, "involved", area)
        for row, beside in zip(fields, measures, strict=True):
            yield identified(specimen, f"field {row.field.name}", _field(row, beside, calibration))
        yield from more
        for vessel in vessels:
            feature = vessel_feature(specimen, vessel, calibration, assignments.get(vessel.name))
            yield identified(specimen, f"vessel {vessel.name}", feature)

    return collection_text(features())


def collection_text(features: Iterable[Feature]) -> str:
    """Features as one file, one a line."""
    lines = ",\n".join(json.dumps(feature, allow_nan=False, separators=(",", ":")) for feature in features)
    return f"{_FIRST_LINE}\n{lines}\n{_LAST_LINE}\n"


def read_vessels(text: str, calibration: Calibration, *, where: str = "the GeoJSON file") -> tuple[Vessel, ...]:
    """Vessels of a file that `specimen_geojson` wrote, in its order.

    Raises
    ------
    StoreError
        Not such a file, or a vessel lacks a measure.
    """
    return read_assigned(text, calibration, where=where)[0]


def read_assignments(text: str, *, where: str = "the GeoJSON file") -> dict[str, Assignment]:
    """Where each vessel of the file lies among the fields; empty for a file without fields."""
    return dict(_assigned(feature) for feature in _detections(text, where) if _is_assigned(feature))


def read_assigned(
    text: str, calibration: Calibration, *, where: str
) -> tuple[tuple[Vessel, ...], dict[str, Assignment]]:
    """Both at once, for the text is long."""
    vessels, assignments = [], {}
    for feature in _detections(text, where):
        vessels.append(_read_vessel(feature, calibration, where))
        if _is_assigned(feature):
            name, assignment = _assigned(feature)
            assignments[name] = assignment
    return tuple(vessels), assignments


def as_stored(vessels: Iterable[Vessel], calibration: Calibration) -> tuple[Vessel, ...]:
    """The vessels as `read_vessels` will give them: outlines rounded as in the file.

    Counting these, a vessel that touches a field's edge by a hair counts the same now and when the file is read again.
    """
    return tuple(
        replace(
            vessel,
            outline=_to_um(_to_px(vessel.outline, calibration), calibration),
            lumens=tuple(_to_um(_to_px(lumen, calibration), calibration) for lumen in vessel.lumens),
        )
        for vessel in vessels
    )


def _scale(calibration: Calibration) -> Ring:
    return np.array([calibration.um_per_px_x, calibration.um_per_px_y])


def _to_px(ring: Ring, calibration: Calibration) -> Ring:
    return np.round(np.asarray(ring, dtype=np.float64) / _scale(calibration), _PIXEL_DECIMALS) + 0.0


def _to_um(ring: Ring, calibration: Calibration) -> Ring:
    return ring * _scale(calibration)


def open_px(line: Ring, calibration: Calibration) -> list[Any]:
    points: list[Any] = _to_px(line, calibration).tolist()
    return points


def closed_px(ring: Ring, calibration: Calibration) -> list[Any]:
    points = open_px(ring, calibration)
    return [*points, points[0]]


def identity(specimen: str, what: str) -> str:
    """The identifier of "vessel v00012", "field 3" or "involved" of a specimen; QuPath keeps it."""
    return str(uuid.uuid5(_IDENTITIES, f"{specimen}\n{what}"))


def identified(specimen: str, what: str, rest: Feature) -> Feature:
    return {"type": "Feature", "id": identity(specimen, what), **rest}


def annotation(name: str, classification: str, geometry: Feature) -> Feature:
    return {
        "geometry": geometry,
        "properties": {
            "objectType": "annotation",
            "name": name,
            "classification": {"name": classification, "color": _COLOURS[classification]},
            "isLocked": True,
        },
    }


def _field(row: FieldCount, beside: FieldMeasures, calibration: Calibration) -> Feature:
    feature = annotation(
        f"Field {row.field.name}",
        "Field",
        {"type": "Polygon", "coordinates": [closed_px(corners(row.field.rect), calibration)]},
    )
    measurements = {
        "Count": row.count,
        "Ambiguous": beside.ambiguous,
        "Evaluable area mm^2": row.field.evaluable_mm2,
        "Density per mm^2": row.per_mm2,
        "Vessel area %": 100 * beside.area.vessel_fraction,
        "Stained area %": 100 * beside.area.stained_fraction,
        **({} if beside.chalkley is None else {"Chalkley points": beside.chalkley}),
        **{f"Count {size}": count for size, count in beside.by_size.items()},
    }
    feature["properties"]["measurements"] = finite(measurements, f"field {row.field.name}")
    return feature


def corners(rect: Rect) -> Ring:
    x0, y0, x1, y1 = rect.x0_um, rect.y0_um, rect.x1_um, rect.y1_um
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def vessel_feature(specimen: str, vessel: Vessel, calibration: Calibration, assignment: Assignment | None) -> Feature:
    kind = "Microvessel" if vessel.reason is None else "Rejected"
    classification = kind if vessel.reason is None else f"{kind}: {vessel.reason.value}"
    reason = why_not_counted(vessel, assignment)
    metadata = {"vessel": vessel.name, "counted": "false" if reason else "true", "reason": reason}
    if vessel.ambiguous:
        metadata["ambiguous"] = "true"
    if vessel.size_class:
        metadata["size class"] = vessel.size_class
    if assignment is not None:
        metadata |= {"field": ";".join(assignment.fields), "position": assignment.why_not or _INSIDE}
    outline, *lumens = [closed_px(ring, calibration) for ring in (vessel.outline, *vessel.lumens)]
    # The lumen of an open wall crosses the outline: as a hole, it would make a polygon that other programs refuse.
    has_holes = shapely.Polygon(outline, lumens).is_valid
    measurements = {name: getattr(vessel, key) for key, name in MEASUREMENTS.items()}
    if vessel.score is not None:
        measurements[_SCORE] = vessel.score
    return {
        "geometry": {"type": "Polygon", "coordinates": [outline, *lumens] if has_holes else [outline]},
        "properties": {
            **({} if has_holes else {_LUMENS: lumens}),
            "objectType": "detection",
            "name": vessel.name,
            "classification": {"name": classification, "color": _COLOURS[kind]},
            "isLocked": False,
            "measurements": finite(measurements, f"{specimen}, vessel {vessel.name}"),
            "metadata": metadata,
        },
    }


def finite(measurements: Mapping[str, float], whose: str) -> dict[str, float]:
    for name, value in measurements.items():
        if not math.isfinite(value):
            raise StoreError(f"{whose}: the measure '{name}' is {value}, which is no result and cannot be stored")
    return {name: value if isinstance(value, int) else float(value) for name, value in measurements.items()}


def _detections(text: str, where: str) -> Iterator[Feature]:
    """The features that are vessels, one at a time: as Python's lists they take ten times the memory of the text."""
    try:
        for feature in _features(text):
            own = feature["properties"]
            if own["objectType"] == "detection" and "vessel" in own["metadata"]:
                yield feature
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{where} is damaged or not written by mvd ({error!r}); run again to write it anew") from error


def _features(text: str) -> Iterator[Feature]:
    """Of any GeoJSON file; line by line where it is laid out as `collection_text` does it."""
    lines = text.rstrip("\n").split("\n")
    if (lines[0], lines[-1]) == (_FIRST_LINE, _LAST_LINE) and all(line.endswith("},") for line in lines[1:-2]):
        yield from (json.loads(line.removesuffix(",")) for line in lines[1:-1] if line)
    else:
        yield from json.loads(text)["features"]


def _is_assigned(feature: Feature) -> bool:
    return "position" in feature["properties"]["metadata"]


def _assigned(feature: Feature) -> tuple[str, Assignment]:
    """The name of a vessel, and where it lies among the fields."""
    metadata = feature["properties"]["metadata"]
    position, names = metadata["position"], metadata.get("field", "")
    why_not = None if position == _INSIDE else cast(Literal["outside fields", "border"], position)
    return metadata["vessel"], Assignment(tuple(names.split(";")) if names else (), why_not)


def _read_vessel(feature: Feature, calibration: Calibration, where: str) -> Vessel:
    try:
        properties = feature["properties"]
        name, reason = properties["metadata"]["vessel"], properties["metadata"]["reason"]
        measures: dict[str, Any] = {
            key: float(properties["measurements"][label]) for key, label in MEASUREMENTS.items()
        }
        score = properties["measurements"].get(_SCORE)
        measures["score"] = None if score is None else float(score)
        drawn, *holes = feature["geometry"]["coordinates"]
        rings = [drawn, *holes, *properties.get(_LUMENS, ())]
        outline, *lumens = [_to_um(_to_px_ring(ring), calibration) for ring in rings]
    except (KeyError, TypeError, ValueError) as error:
        label = str(feature.get("properties", {}).get("name", "without a name"))
        raise StoreError(f"{where}: vessel {label} is damaged ({error}); run again to write it anew") from error
    pieces = int(measures.pop("pieces"))
    rule = Reason(reason) if reason in set(Reason) else None
    return Vessel(
        name=name,
        outline=outline,
        lumens=tuple(lumens),
        pieces=pieces,
        reason=rule,
        ambiguous=properties["metadata"].get("ambiguous") == "true",
        size_class=properties["metadata"].get("size class", ""),
        **measures,
    )


def _to_px_ring(points: list[Any]) -> Ring:
    ring = np.array(points[:-1], dtype=np.float64)
    if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3 or not np.isfinite(ring).all():
        raise ValueError("an outline is not a ring of points")
    return ring
