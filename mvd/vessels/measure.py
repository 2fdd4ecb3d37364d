"""Measures of an object: what the rule judges it by, and what the results carry."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.ndimage import find_objects
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from skimage.measure import perimeter_crofton
from skimage.morphology import skeletonize

from mvd.geometry import FloatImage, Mask, Ring
from mvd.stains import TISSUE_OD
from mvd.vessels.joining import Joined, line_between
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, StainMaps
from mvd.vessels.outline import shoelace, trace, well_composed
from mvd.vessels.pieces import Labels

_MIN_HOLE_UM2 = 3.0
"""Enclosed gaps smaller than this are texture of the stain, not a lumen."""
_ISLAND_UM = 20.0
"""A gap wider than this inside a loop of stain is lumen only if it is clear; else it is tissue between branches."""
_PX_UM2 = WORK_UM_PER_PX**2


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One object: geometry in pixels of its region, measures in µm, densities in OD."""

    outline: Ring
    lumens: tuple[Ring, ...]
    x_px: float
    y_px: float
    area_um2: float
    lumen_area_um2: float
    lumen_width_um: float
    length_um: float
    width_um: float
    perimeter_um: float
    pieces: int
    mean_dab_od: float
    peak_dab_od: float
    """95th percentile of the DAB density over the stained area."""
    dense_h_share: float
    """Haematoxylin over DAB in the denser half of the stain: about 0 for DAB, negative for what is yellower, 1 and
    more for what is grey or black."""
    dense_red_od: float
    """Red OD in the denser half of the stain."""
    outline_area_um2: float
    edge_slope_per_um: float
    """Fall of the DAB density across the outline, per µm, over the peak: low for haze and what is out of focus."""
    hull_diameter_um: float
    """Diameter of the circle with the area of the convex hull; a cell's size even if only part of its rim is stained."""
    hull_aspect: float
    """Shorter over longer side of the smallest rectangle round the object."""
    core_h_od: float
    """Haematoxylin in the inner half of the hull, where a cell has its nucleus and a vessel its lumen."""
    core_clear_share: float
    """Share of that inner half that is as clear as glass."""


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """One object cut out of its region, with a margin of background."""

    box: tuple[slice, slice]
    stained: Mask
    solid: Mask
    """Stained pixels, bridges and open lumens: one connected shape."""
    open_lumen: Mask
    pieces: int


def measure_objects(labels: Labels, joined: Joined, maps: StainMaps, levels: StainLevels) -> list[Measured]:
    """Measure every object that somewhere reaches `levels.high`; in object order."""
    group = joined.group[labels]
    lumens = joined.lumen_group[joined.lumens]
    reached = np.zeros(int(joined.group.max()) + 1, np.float32)
    np.maximum.at(reached, group.ravel(), maps.dab.ravel())
    bridges: dict[int, list[int]] = {}
    for i, piece in enumerate(joined.bridges.first.tolist()):
        bridges.setdefault(int(joined.group[piece]), []).append(i)
    number_of_pieces = np.bincount(joined.group, minlength=len(reached))
    slope = _slope(maps)
    found: list[Measured] = []
    for number, place in enumerate(find_objects(np.maximum(group, lumens)), start=1):
        if place is None or reached[number] < levels.high:
            continue
        box = _with_margin(place)
        stained, lumen = group[box] == number, lumens[box] == number
        solid = stained | lumen
        for i in bridges.get(number, ()):
            _draw_bridge(solid, joined.bridges.p[i], joined.bridges.q[i], box)
        view = _View(box, stained, well_composed(solid), lumen & ~stained, int(number_of_pieces[number]))
        found.append(_measure(view, maps, slope, levels))
    return found


def _with_margin(place: tuple[slice, ...]) -> tuple[slice, slice]:
    rows, columns = place
    return (
        slice(max(rows.start - 2, 0), rows.stop + 2),
        slice(max(columns.start - 2, 0), columns.stop + 2),
    )


def _draw_bridge(solid: Mask, p: NDArray[np.int32], q: NDArray[np.int32], box: tuple[slice, slice]) -> None:
    rows, columns = line_between(p, q)
    solid[rows - box[0].start, columns - box[1].start] = True


def _slope(maps: StainMaps) -> FloatImage:
    """Steepness of the DAB density, OD per µm."""
    dx = cv2.Sobel(maps.dab, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    dy = cv2.Sobel(maps.dab, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    return np.asarray(cv2.magnitude(dx, dy) / WORK_UM_PER_PX, np.float32)


def _measure(view: _View, maps: StainMaps, slope: FloatImage, levels: StainLevels) -> Measured:
    box, stained = view.box, view.stained
    haematoxylin, dab = maps.haematoxylin[box], maps.dab[box]
    lumen = view.open_lumen | _closed_lumens(view, maps, levels)
    filled = view.solid | lumen
    rings = trace(filled)
    outline = max(rings, key=shoelace)
    inside = cv2.distanceTransform(np.pad(filled, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    length_um = _length_px(filled, inside) * WORK_UM_PER_PX
    outline_area_um2 = shoelace(outline) * _PX_UM2
    values = dab[stained]
    peak = float(np.percentile(values, 95))
    dense = stained & (dab >= np.median(values))
    rim = stained & (cv2.erode(stained.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    cx, cy = _centroid(outline)
    hull = _hull(filled, outline)
    offset = np.array([box[1].start, box[0].start], np.float64)
    return Measured(
        outline=outline + offset,
        lumens=tuple(ring + offset for ring in trace(well_composed(lumen)) if shoelace(ring) > 0),
        x_px=cx + offset[0],
        y_px=cy + offset[1],
        area_um2=float(stained.sum()) * _PX_UM2,
        lumen_area_um2=float(lumen.sum()) * _PX_UM2,
        lumen_width_um=_widest_um(lumen),
        length_um=length_um,
        width_um=outline_area_um2 / length_um,
        perimeter_um=_perimeter_um(filled),
        pieces=view.pieces,
        mean_dab_od=float(np.mean(values)),
        peak_dab_od=peak,
        dense_h_share=float(np.mean(haematoxylin[dense])) / max(float(np.mean(dab[dense])), 1e-6),
        dense_red_od=float(np.mean(maps.red[box][dense])),
        outline_area_um2=outline_area_um2,
        edge_slope_per_um=float(np.mean(slope[box][rim])) / max(peak - levels.background, 1e-6),
        hull_diameter_um=hull.diameter_um,
        hull_aspect=hull.aspect,
        core_h_od=float(np.mean(haematoxylin[hull.core])),
        core_clear_share=float(np.mean(maps.total[box][hull.core] < TISSUE_OD)),
    )


@dataclass(frozen=True, slots=True)
class _Hull:
    diameter_um: float
    aspect: float
    core: Mask


def _hull(filled: Mask, outline: Ring) -> _Hull:
    """Convex hull of an object, in the pixels of its view."""
    points = cv2.convexHull(outline.astype(np.float32))
    _, sides, _ = cv2.minAreaRect(points)
    inside = np.zeros(filled.shape, np.uint8)
    cv2.fillConvexPoly(inside, np.floor(points).astype(np.int32), 1)
    inside |= filled.astype(np.uint8)
    depth = cv2.distanceTransform(np.pad(inside, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    diameter_um = math.sqrt(4 * cv2.contourArea(points) / math.pi) * WORK_UM_PER_PX
    return _Hull(diameter_um, min(sides) / max(sides), depth >= depth.max() / 2)


def _closed_lumens(view: _View, maps: StainMaps, levels: StainLevels) -> Mask:
    """Holes of the object that are lumen: not a nucleus ringed by its own stain, not an island of tissue."""
    holes = ndimage.binary_fill_holes(view.solid) & ~view.solid
    lumen = np.zeros_like(holes)
    count, labels = cv2.connectedComponents(holes.astype(np.uint8), connectivity=4)
    for number in range(1, count):
        hole = labels == number
        if hole.sum() * _PX_UM2 < _MIN_HOLE_UM2:
            lumen |= hole
            continue
        nuclear = float(np.mean(maps.haematoxylin[view.box][hole] > levels.nuclear))
        glassy = float(np.mean(maps.total[view.box][hole] < TISSUE_OD))
        wide = _widest_um(hole) > _ISLAND_UM
        if (glassy if wide else 1 - nuclear) >= 0.5:
            lumen |= hole
    return lumen


def _widest_um(mask: Mask) -> float:
    """Diameter of the largest circle inside a mask."""
    if not mask.any():
        return 0.0
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)
    return 2 * (float(depth.max()) - 0.5) * WORK_UM_PER_PX


def _centroid(ring: Ring) -> tuple[float, float]:
    """Centroid of the area inside a ring."""
    x, y = ring.T
    xn, yn = np.roll(x, -1), np.roll(y, -1)
    cross = x * yn - xn * y
    total = float(cross.sum())
    return float(((x + xn) * cross).sum() / (3 * total)), float(((y + yn) * cross).sum() / (3 * total))


def _perimeter_um(filled: Mask) -> float:
    """Length of the outer boundary by Crofton's formula in four directions, free of the staircase of pixel edges."""
    return float(perimeter_crofton(filled, directions=4)) * WORK_UM_PER_PX


def _length_px(filled: Mask, inside: FloatImage) -> float:
    """Longest path along the midline, to the outline at both ends; for a disc its diameter."""
    points = np.argwhere(skeletonize(filled))
    index = np.full(filled.shape, -1, np.int64)
    index[points[:, 0], points[:, 1]] = np.arange(len(points))
    first, second, step = [], [], []
    for dr, dc in ((0, 1), (1, 0), (1, 1), (1, -1)):
        rows, columns = points[:, 0] + dr, points[:, 1] + dc
        ok = (rows < filled.shape[0]) & (columns >= 0) & (columns < filled.shape[1])
        there = np.full(len(points), -1, np.int64)
        there[ok] = index[rows[ok], columns[ok]]
        linked = there >= 0
        first.append(np.flatnonzero(linked))
        second.append(there[linked])
        step.append(np.full(int(linked.sum()), math.hypot(dr, dc)))
    n = len(points)
    graph = coo_array((np.concatenate(step), (np.concatenate(first), np.concatenate(second))), shape=(n, n)).tocsr()
    depth = inside[points[:, 0], points[:, 1]]
    # Twice the farthest point: exact on a tree, and within a loop's half length otherwise.
    end = 0
    path = 0.0
    for _ in range(2):
        reach = dijkstra(graph, directed=False, indices=end)
        reach[~np.isfinite(reach)] = -1.0
        start, end = end, int(np.argmax(reach))
        path = float(reach[end])
    return path + float(depth[start]) + float(depth[end])
