"""A review as GeoJSON that QuPath (0.5 and later) opens: as the program's own file, with what the observer decided."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import shapely

from mvd.corrections import Review, ReviewedField, ReviewedObject
from mvd.corrections.state import ring_of
from mvd.counting import Assignment, FieldCount, assign
from mvd.geometry import Calibration, Ring
from mvd.review import reviewed_count, reviewed_vessels
from mvd.store.geojson import (
    MEASUREMENTS,
    Feature,
    annotation,
    closed_px,
    collection_text,
    corners,
    finite,
    identified,
    vessel_feature,
)
from mvd.store.measured import Measured

INVOLVED = "involved"
"""What the involved area's identifier is made of."""

DRAWN = ("annotation", "mask")
"""Where an involved area comes from that an observer drew."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The state of a review that a file shows; every feature bears it, for the file itself keeps nothing in QuPath."""

    observer: str
    lines: int
    """Corrections in the log then."""
    result: str
    """First digits of the SHA-256 of the program's result."""

    KEY = "review"
    """Of the features' metadata."""

    def __str__(self) -> str:
        return f"{self.observer}/{self.lines}/{self.result}"

    @classmethod
    def of(cls, review: Review, observer: str) -> Origin:
        return cls(observer, len(review.corrections), review.machine.sha256[:16])


def review_geojson(measured: Measured, review: Review, *, observer: str) -> str:
    """The file's text. The same review gives the same bytes."""
    origin = {Origin.KEY: str(Origin.of(review, observer))}
    features = []
    for feature in (*_area(measured, review), *_fields(measured, review), *_objects(measured, review)):
        properties = feature["properties"]
        metadata = {**properties.get("metadata", {}), **origin}
        features.append({**feature, "properties": {**properties, "metadata": metadata}})
    return collection_text(features)


def is_drawable(outline: Ring, lumens: Sequence[Ring]) -> bool:
    """Whether an outline with its lumens is a polygon by the rules; others QuPath mends in ways of its own."""
    return bool(shapely.Polygon(outline, lumens).is_valid)


def involved_source(measured: Measured, review: Review) -> str:
    """Where the involved area comes from: an observer who drew it, or what the protocol says without one."""
    return "annotation" if review.involved != measured.machine.involved else measured.row.involved_source or ""


def _area(measured: Measured, review: Review) -> Iterator[Feature]:
    if not review.involved:
        return
    polygons = [[closed_px(ring_of(ring), measured.calibration) for ring in polygon] for polygon in review.involved]
    name = f"Involved area ({involved_source(measured, review)})"
    feature = annotation(name, "Involved", {"type": "MultiPolygon", "coordinates": polygons})
    yield identified(measured.machine.specimen, INVOLVED, feature)


def _fields(measured: Measured, review: Review) -> Iterator[Feature]:
    counts = reviewed_count(review, measured.protocol)
    counted = {row.field.name: row for row in counts.fields} if counts else {}
    for name, reviewed in review.fields.items():
        feature = _field(reviewed, counted.get(name), measured.calibration)
        yield identified(measured.machine.specimen, f"field {name}", feature)


def _field(reviewed: ReviewedField, row: FieldCount | None, calibration: Calibration) -> Feature:
    field = reviewed.field
    left_out = "" if reviewed.unevaluable is None else f" (left out: {reviewed.unevaluable})"
    shape = {"type": "Polygon", "coordinates": [closed_px(corners(field.rect), calibration)]}
    feature = annotation(f"Field {field.name}{left_out}", "Field", shape)
    if row is not None:
        counted = {"Count": row.count, "Evaluable area mm^2": field.evaluable_mm2, "Density per mm^2": row.per_mm2}
        feature["properties"]["measurements"] = finite(counted, f"field {field.name}")
    return feature


def _objects(measured: Measured, review: Review) -> Iterator[Feature]:
    vessels = review.vessels
    places = assign(vessels, review.counted_fields, measured.protocol.fields.border)
    sizes = {vessel.name: vessel.size_class for vessel in reviewed_vessels(review, measured.protocol)}
    for vessel in vessels:
        reviewed = replace(review.objects[vessel.name], vessel=replace(vessel, size_class=sizes.get(vessel.name, "")))
        yield identified(measured.machine.specimen, f"vessel {vessel.name}", _object(measured, reviewed, places))


def _object(measured: Measured, reviewed: ReviewedObject, places: Mapping[str, Assignment]) -> Feature:
    vessel, specimen = reviewed.vessel, measured.machine.specimen
    unmeasured = math.isnan(vessel.mean_dab_od)
    whole = replace(vessel, mean_dab_od=0.0) if unmeasured else vessel
    # A lumen may lie across the edge of the outline: QuPath would cut it out, and the outline would be another.
    whole = whole if is_drawable(vessel.outline, vessel.lumens) else replace(whole, lumens=())
    feature = vessel_feature(specimen, whole, measured.calibration, places.get(vessel.name))
    properties = feature["properties"]
    if unmeasured:  # nobody measured the stain of an outline that was drawn
        del properties["measurements"][MEASUREMENTS["mean_dab_od"]]
    properties["metadata"] |= {"source": reviewed.source, "decided": "true" if reviewed.decided else "false"}
    if reviewed.comment:
        properties["metadata"]["comment"] = reviewed.comment
    return feature
