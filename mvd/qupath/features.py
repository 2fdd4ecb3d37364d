"""What a GeoJSON file holds, as QuPath writes it: also with `names` for a class, and with objects inside objects."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mvd.errors import StoreError
from mvd.geometry import Ring

_FARTHEST_PX = 1e7
"""No slide is this many pixels wide."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One object of the file."""

    id: str
    name: str
    kind: str
    """annotation, detection, cell, …"""
    classification: str
    """As written; "A: b" for a derived class, empty for none."""
    metadata: Mapping[str, str]
    polygons: tuple[tuple[Ring, ...], ...]
    """Each polygon's rings in level-0 pixels, the outer boundary first; the last point is not the first again."""
    points: Ring
    """(n, 2) in level-0 pixels."""

    @property
    def outlines(self) -> tuple[Ring, ...]:
        return tuple(polygon[0] for polygon in self.polygons)


def shown_objects(text: str, *, where: str) -> tuple[Shown, ...]:
    """The objects of a file, in its order.

    Raises
    ------
    StoreError
        It is not GeoJSON, or a geometry is none.
    """
    try:
        root = json.loads(text.removeprefix("\ufeff"))
        return tuple(_shown(feature) for feature in _features(root))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise StoreError(f"{where} is not GeoJSON as QuPath writes it ({error}); export all objects again") from error


def _features(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from _features(item)
    elif node.get("type") == "FeatureCollection":
        yield from _features(node["features"])
    elif node.get("type") == "Feature":
        yield node
        yield from _features((node.get("properties") or {}).get("childObjects", []))
    else:
        raise ValueError(f"a {str(node.get('type'))[:40]} where a Feature is expected")


def _shown(feature: dict[str, Any]) -> Shown:
    properties = feature.get("properties") or {}
    polygons, points = _geometry(feature.get("geometry") or {})
    metadata = properties.get("metadata") or {}
    return Shown(
        id=str(feature.get("id", "")),
        name=str(properties.get("name", "")),
        kind=str(properties.get("objectType", properties.get("object_type", "annotation"))),
        classification=_class(properties.get("classification")),
        metadata={str(key): str(value) for key, value in metadata.items()},
        polygons=polygons,
        points=points,
    )


def _class(value: Any) -> str:
    """Since 0.5 a derived class may be a list of names."""
    if isinstance(value, dict):
        names = value.get("names")
        return ": ".join(str(name) for name in names) if names else str(value.get("name") or "")
    return str(value or "")


def _geometry(geometry: dict[str, Any]) -> tuple[tuple[tuple[Ring, ...], ...], Ring]:
    """Polygons and points; lines are neither."""
    none, kind = np.empty((0, 2)), geometry.get("type")
    if kind == "GeometryCollection":
        parts = [_geometry(part) for part in geometry["geometries"]]
        points = [none, *(points for _, points in parts)]
        return tuple(polygon for polygons, _ in parts for polygon in polygons), np.concatenate(points)
    coordinates = geometry.get("coordinates")
    match kind:
        case "Polygon":
            return (_polygon(coordinates),), none
        case "MultiPolygon":
            return tuple(_polygon(part) for part in coordinates or ()), none
        case "Point":
            return (), _positions([coordinates])
        case "MultiPoint":
            return (), _positions(coordinates)
    return (), none


def _polygon(rings: Any) -> tuple[Ring, ...]:
    polygon = []
    for ring in rings:
        points = _positions(ring)
        points = points[:-1] if len(points) > 1 and np.array_equal(points[0], points[-1]) else points
        if len(points) < 3:
            raise ValueError("a ring of fewer than three points")
        polygon.append(points)
    if not polygon:
        raise ValueError("a polygon without a boundary")
    return tuple(polygon)


def _positions(values: Any) -> Ring:
    points = [(float(value[0]), float(value[1])) for value in values]
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y) and max(abs(x), abs(y)) <= _FARTHEST_PX):
            raise ValueError(f"the coordinate {x:g}, {y:g}, which is no pixel of a slide")
    return np.array(points, np.float64).reshape(-1, 2)
