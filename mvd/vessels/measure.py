"""Measures of an object: what the rule judges it by, and what the results carry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mvd.geometry import FloatImage, Mask, Ring
from mvd.stains import TISSUE_OD
from mvd.vessels.appearance import Appearance, appearance
from mvd.vessels.branches import part_branches
from mvd.vessels.joining import LUMEN_OPENING_UM, LUMEN_WALL_UM, Joined, densest, disc, line_between
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, StainMaps, red_share
from mvd.vessels.outline import shoelace, trace, well_composed
from mvd.vessels.pieces import Labels
from mvd.vessels.shape import (
    Rim,
    centroid,
    convex_hull,
    depth,
    fit_rim,
    length_px,
    perimeter_um,
    widest_um,
    without_holes,
)

_MIN_HOLE_UM2 = 3.0
"""Enclosed gaps smaller than this are texture of the stain, not a lumen."""
_ISLAND_UM = 20.0
"""A gap wider than this inside a loop of stain is lumen only if it is clear; else it is tissue between branches."""
_MARGIN_PX = round(LUMEN_WALL_UM / WORK_UM_PER_PX) + 2
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
    red_share: float
    """Red over DAB density (`maps.red_share`)."""
    dense_red_od: float
    """In the denser half of the stain."""
    outline_area_um2: float
    edge_slope_per_um: float
    """Fall of the DAB density across the outline, per µm, over the peak: low for haze and where out of focus."""
    hull_diameter_um: float
    """Diameter of the circle with the area of the convex hull; a cell's size if only part of it is stained."""
    hull_aspect: float
    """Shorter over longer side of the smallest rectangle round the object."""
    core_h_od: float
    """Haematoxylin in the inner half of the hull, where a cell has its nucleus and a vessel its lumen."""
    core_clear_share: float
    """Share of that inner half that is as clear as glass."""
    rim: Rim
    """The circle that the stain lies on, as it does round a single cell."""
    appearance: Appearance
    """How its stain looks."""
    doubtful_join: bool
    """Whether a little more or less of a gap would make it two objects, or one with its neighbour."""


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """One object cut out of its region, with a margin of background."""

    box: tuple[slice, slice]
    stained: Mask
    filled: Mask
    """Stained pixels, bridges and lumens: one connected shape, well composed."""
    lumen: Mask
    pieces: int
    doubtful_join: bool


def measure_objects(
    labels: Labels, joined: Joined, maps: StainMaps, *, levels: StainLevels, part: bool = False
) -> list[Measured]:
    """Measure every object that somewhere reaches `levels.high`; in object order.

    With `part`, the branches of an object are objects of their own.
    """
    slope = _slope(maps)
    return [
        _measure(branch, maps, slope, levels)
        for view in _views(labels, joined, maps, levels)
        for branch in (_branches(view, labels) if part else (view,))
    ]


def _views(labels: Labels, joined: Joined, maps: StainMaps, levels: StainLevels) -> Iterator[_View]:
    group = joined.group[labels]
    lumens = joined.lumen_group[joined.lumens]
    reached = densest(labels, joined.group, maps)
    bridges: dict[int, list[int]] = {}
    for i, piece in enumerate(joined.bridges.first.tolist()):
        bridges.setdefault(int(joined.group[piece]), []).append(i)
    pieces = np.bincount(joined.group, minlength=len(reached))
    for number, place in enumerate(ndimage.find_objects(np.maximum(group, lumens)), start=1):
        if place is None or reached[number] < levels.high:
            continue
        box = _with_margin(place)
        stained = group[box] == number
        lumen = _up_to_wall(lumens[box] == number, stained)
        solid = stained | lumen
        for i in bridges.get(number, ()):
            _draw_bridge(solid, joined.bridges.p[i], joined.bridges.q[i], box)
        lumen |= _closed_lumens(solid, box, maps, levels)
        yield _View(
            box, stained, well_composed(solid | lumen), lumen, int(pieces[number]), bool(joined.doubtful[number])
        )


def _branches(view: _View, labels: Labels) -> Iterator[_View]:
    """The object's branches, each cut out as the object was."""
    parts = part_branches(view.filled)
    for number in range(1, int(parts.max()) + 1):
        branch = well_composed(parts == number)
        stained = view.stained & branch
        if stained.any():
            pieces = len(np.unique(labels[view.box][stained]))
            yield _View(view.box, stained, branch, view.lumen & branch, pieces, view.doubtful_join)


def _up_to_wall(lumen: Mask, stained: Mask) -> Mask:
    """A lumen's clear middle grown through the blur of its edge to the stained wall, where there is one."""
    if not lumen.any():
        return lumen
    grown, wall = (cv2.dilate(mask.astype(np.uint8), disc(LUMEN_WALL_UM)) > 0 for mask in (lumen, stained))
    edge = cv2.dilate(lumen.astype(np.uint8), disc(LUMEN_OPENING_UM)) > 0
    return np.asarray(((grown & wall) | edge) & ~stained, bool)


def _with_margin(place: tuple[slice, ...]) -> tuple[slice, slice]:
    rows, columns = place
    return (
        slice(max(rows.start - _MARGIN_PX, 0), rows.stop + _MARGIN_PX),
        slice(max(columns.start - _MARGIN_PX, 0), columns.stop + _MARGIN_PX),
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
    lumen, filled = _without_specks(view.lumen), view.filled
    rings = trace(filled)
    outline = max(rings, key=shoelace)
    length_um = length_px(filled, depth(filled)) * WORK_UM_PER_PX
    outline_area_um2 = shoelace(outline) * _PX_UM2
    values = dab[stained]
    peak = float(np.percentile(values, 95))
    dense = stained & (dab >= np.median(values))
    rim = stained & (cv2.erode(stained.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    cx, cy = centroid(outline)
    hull = convex_hull(filled, outline)
    red = red_share(maps.red[box][stained], values)
    offset = np.array([box[1].start, box[0].start], np.float64)
    return Measured(
        outline=outline + offset,
        lumens=tuple(ring + offset for ring in trace(well_composed(lumen)) if shoelace(ring) > 0),
        x_px=cx + offset[0],
        y_px=cy + offset[1],
        area_um2=float(stained.sum()) * _PX_UM2,
        lumen_area_um2=float(lumen.sum()) * _PX_UM2,
        lumen_width_um=widest_um(without_holes(lumen)),  # red cells float in it
        length_um=length_um,
        width_um=outline_area_um2 / length_um,
        perimeter_um=perimeter_um(filled),
        pieces=view.pieces,
        mean_dab_od=float(np.mean(values)),
        peak_dab_od=peak,
        red_share=red,
        dense_red_od=float(np.mean(maps.red[box][dense])),
        outline_area_um2=outline_area_um2,
        edge_slope_per_um=float(np.mean(slope[box][rim])) / max(peak - levels.background, 1e-6),
        hull_diameter_um=hull.diameter_um,
        hull_aspect=hull.aspect,
        core_h_od=float(np.mean(haematoxylin[hull.core])),
        core_clear_share=float(np.mean(maps.total[box][hull.core] < TISSUE_OD)),
        rim=fit_rim(stained, box, maps),
        appearance=appearance(stained, box, maps, red_share=red),
        doubtful_join=view.doubtful_join,
    )


def _without_specks(lumen: Mask) -> Mask:
    """Lumens that are no mere texture of the stain."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(lumen.astype(np.uint8), connectivity=4)
    keep = stats[:, cv2.CC_STAT_AREA] * _PX_UM2 >= _MIN_HOLE_UM2
    keep[0] = False
    return np.asarray(keep[labels], bool)


def _closed_lumens(solid: Mask, box: tuple[slice, slice], maps: StainMaps, levels: StainLevels) -> Mask:
    """Holes of the object that are lumen: not a nucleus ringed by its own stain, not an island of tissue."""
    holes = without_holes(solid) & ~solid
    lumen = np.zeros_like(holes)
    count, labels = cv2.connectedComponents(holes.astype(np.uint8), connectivity=4)
    for number in range(1, count):
        hole = labels == number
        if hole.sum() * _PX_UM2 < _MIN_HOLE_UM2:
            lumen |= hole
            continue
        nuclear = float(np.mean(maps.haematoxylin[box][hole] > levels.nuclear))
        glassy = float(np.mean(maps.total[box][hole] < TISSUE_OD))
        wide = widest_um(hole) > _ISLAND_UM
        if (glassy if wide else 1 - nuclear) >= 0.5:
            lumen |= hole
    return lumen
