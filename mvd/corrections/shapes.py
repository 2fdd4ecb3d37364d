"""Outlines that an observer makes: by a click, by hand, out of other objects. Measured as the program measures its own.

Lengths are taken on the working grid of `mvd.vessels`, so that a redrawn vessel's length is comparable with a found
one's. The stain inside a new outline is not measured here (there are no pixels): `mean_dab_od` is None, but for a
merged object, whose stain is that of its parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import shapely
from shapely.ops import split as split_by

from mvd.corrections.model import Shape, Source
from mvd.corrections.state import points_of
from mvd.errors import CorrectionError
from mvd.geometry import Mask, Ring
from mvd.vessels.lengths import length_px, perimeter_um
from mvd.vessels.maps import WORK_UM_PER_PX
from mvd.vessels.model import Vessel
from mvd.vessels.shape import depth, widest_um

NOMINAL_DIAMETER_UM = 10.0
"""Of the disc that stands for a vessel that was only clicked on: about a capillary cut across (simulated ones have the
area of a disc of 8 to 14 µm). Under `frame` its size does not bias the count, it only decides which of two neighbouring
fields gets a vessel on their common edge."""

_DISC_CORNERS = 32
_BRIDGE_UM = 2 * WORK_UM_PER_PX
"""Width of the strips between merged outlines: on the working grid they hang together in any direction."""
_LEAST_PART_UM2 = 1.0
"""What a cut leaves over that is smaller than this is a splinter of the line, not a part."""


def disc(x_um: float, y_um: float) -> Shape:
    """A vessel that was clicked on."""
    angles = np.arange(_DISC_CORNERS) * (2 * math.pi / _DISC_CORNERS)
    radius = NOMINAL_DIAMETER_UM / 2
    ring = np.stack([x_um + radius * np.cos(angles), y_um + radius * np.sin(angles)], axis=1)
    return _shape("point", shapely.Polygon(ring))


def drawn(outline: Ring, like: Vessel | None = None) -> Shape:
    """A vessel whose outline was drawn; of `like`, which it replaces, it keeps the lumens that lie inside."""
    polygon = _polygon(outline)
    return _shape("drawn", polygon, lumens=_within(like.lumens, polygon) if like else ())


def merged(vessels: Sequence[Vessel]) -> Shape:
    """Several vessels that are one; where they do not touch, thin strips join their outlines."""
    polygon = _joined([_outline(vessel) for vessel in vessels])
    areas = [vessel.area_um2 for vessel in vessels]
    stain = math.fsum(v.mean_dab_od * v.area_um2 for v in vessels) / math.fsum(areas) if math.fsum(areas) else math.nan
    shape = _shape("merged", polygon, lumens=[lumen for vessel in vessels for lumen in vessel.lumens])
    return replace(
        shape,
        area_um2=round(math.fsum(areas), 3),
        lumen_area_um2=round(math.fsum(vessel.lumen_area_um2 for vessel in vessels), 3),
        lumen_width_um=round(max(vessel.lumen_width_um for vessel in vessels), 3),
        mean_dab_od=None if math.isnan(stain) else round(stain, 4),
        pieces=sum(vessel.pieces for vessel in vessels),
    )


def cut(vessel: Vessel, line: Ring) -> tuple[Shape, ...]:
    """The parts of a vessel on either side of a line, (n, 2) µm, that is drawn right across it."""
    if len(line) < 2 or not np.isfinite(line).all():
        raise CorrectionError(f"the line across '{vessel.name}' has fewer than two points; draw it again")
    parts = shapely.get_parts(split_by(_outline(vessel), shapely.LineString(line)))
    parts = [part for part in parts if part.area >= _LEAST_PART_UM2]
    if len(parts) < 2:
        raise CorrectionError(f"the line does not part '{vessel.name}'; draw it right across, from outside to outside")
    parts.sort(key=lambda part: (part.centroid.y, part.centroid.x))
    return tuple(_shape("split", part, lumens=_within(vessel.lumens, part)) for part in parts)


def parted(vessel: Vessel, outlines: Sequence[Ring]) -> tuple[Shape, ...]:
    """The parts of a vessel as they were drawn."""
    if len(outlines) < 2:
        raise CorrectionError(f"'{vessel.name}' is split into two outlines or more; draw another")
    whole, polygons = _outline(vessel), [_polygon(ring) for ring in outlines]
    if not all(polygon.intersects(whole) for polygon in polygons):
        raise CorrectionError(f"an outline lies beside '{vessel.name}', which it is to be a part of; draw it again")
    return tuple(_shape("split", polygon, lumens=_within(vessel.lumens, polygon)) for polygon in polygons)


def reference_point(shape: Shape) -> tuple[float, float]:
    """The centroid of the outline's area."""
    centre = shapely.Polygon(shape.outline).centroid
    return round(float(centre.x), 3), round(float(centre.y), 3)


def holds(vessel: Vessel, x_um: float, y_um: float) -> bool:
    """Whether a point lies inside a vessel's outline."""
    # An outline is nowhere farther from its centroid than half its length round; this spares most of the work.
    if max(abs(vessel.x_um - x_um), abs(vessel.y_um - y_um)) > vessel.perimeter_um:
        return False
    return bool(_outline(vessel).covers(shapely.Point(x_um, y_um)))


def meets(vessel: Vessel, shape: Shape) -> bool:
    """Whether an outline touches a vessel's."""
    if _is_far(vessel, shape):
        return False
    return bool(_outline(vessel).intersects(shapely.Polygon(shape.outline)))


def is_same(vessel: Vessel, shape: Shape) -> bool:
    """Whether an outline is drawn round a vessel, or within it: the reference point of one lies in the other."""
    if _is_far(vessel, shape):
        return False
    x_um, y_um = reference_point(shape)
    within = shapely.Polygon(shape.outline).covers(shapely.Point(vessel.x_um, vessel.y_um))
    return bool(within) or holds(vessel, x_um, y_um)


def _is_far(vessel: Vessel, shape: Shape) -> bool:
    """Quick, and never True for what touches: an outline reaches half its length round from its centroid at most."""
    x_um, y_um = shape.outline[0]
    return max(abs(vessel.x_um - x_um), abs(vessel.y_um - y_um)) > vessel.perimeter_um + shape.perimeter_um


def _outline(vessel: Vessel) -> Any:
    """The outline as a valid polygon; one that meets itself at a pixel corner is mended there."""
    polygon = shapely.Polygon(vessel.outline)
    return polygon if polygon.is_valid else _largest(shapely.make_valid(polygon))


def _polygon(ring: Ring) -> Any:
    """An outline as it was drawn; CorrectionError if it is none."""
    points = np.asarray(ring, np.float64)
    if points.ndim != 2 or points.shape[1:] != (2,) or not np.isfinite(points).all():
        raise CorrectionError("the outline is not a ring of points; draw it again")
    points = points[np.any(points != np.roll(points, 1, axis=0), axis=1)]  # also a repeated first point at the end
    polygon = shapely.Polygon(points) if len(points) >= 3 else None
    if polygon is None or polygon.area < _LEAST_PART_UM2:
        raise CorrectionError(f"the outline encloses less than {_LEAST_PART_UM2:g} µm²; draw it again")
    if not polygon.is_valid:
        raise CorrectionError("the outline crosses or touches itself; draw it again")
    return polygon


def _largest(geometry: Any) -> Any:
    polygons = [part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"]
    return max(polygons, key=lambda polygon: polygon.area)


def _joined(polygons: list[Any]) -> Any:
    """One outline round all, the shortest strips between what does not touch."""
    while True:
        parts = list(shapely.get_parts(shapely.union_all(polygons)))
        if len(parts) == 1:
            return shapely.Polygon(parts[0].exterior)
        rest = shapely.union_all(parts[1:])
        strip = shapely.shortest_line(parts[0], rest).buffer(_BRIDGE_UM / 2, quad_segs=1, cap_style="square")
        polygons = [*parts, strip]


def _within(lumens: Iterable[Ring], polygon: Any) -> tuple[Ring, ...]:
    """The parts of the lumens that lie inside an outline."""
    inside = []
    for lumen in lumens:
        hole = shapely.Polygon(lumen)
        common = (hole if hole.is_valid else shapely.make_valid(hole)).intersection(polygon)
        parts = [part for part in shapely.get_parts(common) if part.geom_type == "Polygon"]
        inside += [np.array(part.exterior.coords)[:-1] for part in parts if part.area >= _LEAST_PART_UM2]
    return tuple(inside)


def _shape(source: Source, polygon: Any, *, lumens: Sequence[Ring] = ()) -> Shape:
    """An outline with its measures; its stained area is all that is not lumen."""
    outline = np.array(shapely.Polygon(polygon.exterior).normalize().exterior.coords)[:-1]
    mask, x, y = _mask(polygon)
    lumen = np.zeros_like(mask)
    for ring in lumens:
        lumen |= shapely.contains_xy(shapely.Polygon(ring), x, y)
    area_um2 = float(shapely.Polygon(outline).area)
    lumen_area_um2 = min(math.fsum(float(shapely.Polygon(ring).area) for ring in lumens), area_um2)
    length_um = length_px(mask, depth(mask)) * WORK_UM_PER_PX
    return Shape(
        source=source,
        outline=points_of(outline),
        lumens=tuple(points_of(ring) for ring in lumens),
        area_um2=round(area_um2 - lumen_area_um2, 3),
        lumen_area_um2=round(lumen_area_um2, 3),
        lumen_width_um=round(widest_um(lumen), 3),
        length_um=round(length_um, 3),
        width_um=round(area_um2 / length_um, 3),
        perimeter_um=round(perimeter_um(mask), 3),
        mean_dab_od=None,
        pieces=1,
    )


def _mask(polygon: Any) -> tuple[Mask, Ring, Ring]:
    """The polygon on the working grid, a pixel's margin round it, and the pixels' centres in x and y."""
    x0, y0, x1, y1 = (value / WORK_UM_PER_PX for value in polygon.bounds)
    columns = (np.arange(math.floor(x0) - 1, math.ceil(x1) + 1) + 0.5) * WORK_UM_PER_PX
    rows = (np.arange(math.floor(y0) - 1, math.ceil(y1) + 1) + 0.5) * WORK_UM_PER_PX
    x, y = np.meshgrid(columns, rows)
    shapely.prepare(polygon)
    mask: Mask = shapely.contains_xy(polygon, x, y)
    if not mask.any():
        raise CorrectionError("the outline is too thin to enclose a pixel; draw it again")
    return mask, x, y
