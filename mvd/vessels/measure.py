"""Measures of an object: what the rule judges it by, and what the results carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Mask, Ring
from mvd.stains import TISSUE_OD
from mvd.vessels.appearance import Appearance, appearance
from mvd.vessels.basins import Labels
from mvd.vessels.cutout import MIN_HOLE_UM2, View, cut_out
from mvd.vessels.joining import Joined
from mvd.vessels.lengths import lengths_px, perimeters_um
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, StainMaps, red_share
from mvd.vessels.outline import shoelace, trace_all, well_composed
from mvd.vessels.shape import Hull, Rim, centroid, convex_hull, depth, fit_rim, width_um, without_holes
from mvd.vessels.sheet import Box, Sheet, box_shape, by_owner, in_sheets, lay_out
from mvd.vessels.summary import mean, median, quantile, share

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
    """Whether a little more or less would make it two objects, one with its neighbour, or none."""
    scrap: bool
    """Whether it was taken for no vessel where vessels were chosen."""
    reach: tuple[int, int, int, int]
    """Top, left, bottom and right, in pixels, of all that had a part in the choice."""
    stained_at: NDArray[np.intp]
    """Positions of its stained pixels in the flat region."""


@dataclass(frozen=True, slots=True, eq=False)
class _Shapes:
    """What one look at the sheet tells of every object on it."""

    outline: list[Ring]
    """In pixels of the view."""
    hull: list[Hull]
    length_px: list[float]
    perimeter_um: list[float]
    lumens: list[list[Ring]]
    lumen_px: list[int]
    lumen_width_um: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class _Stain:
    """The stained pixels of one object, in raster order."""

    at: NDArray[np.intp]
    """Positions in the flat region."""
    depth_px: NDArray[np.float32]
    """Distance of each from what is not stained."""
    slope: NDArray[np.float32]
    """Steepness of the DAB density at those along the edge of the stain, OD per µm."""
    core: NDArray[np.intp]
    """Positions of the inner half of the hull."""


def measure_objects(
    labels: Labels,
    joined: Joined,
    maps: StainMaps,
    *,
    levels: StainLevels,
    part: bool = False,
    within: Box | None = None,
) -> list[Measured]:
    """Measure every object that somewhere reaches `levels.high`; in object order.

    With `part`, the branches of an object are objects of their own. Objects that do not reach into `within` may be left
    out.
    """
    views = cut_out(labels, joined, maps, levels=levels, part=part, within=within)
    return [
        measured
        for together in in_sheets(views, lambda view: view.filled.shape)
        for measured in _on_sheet(together, maps, levels)
    ]


def _on_sheet(views: Sequence[View], maps: StainMaps, levels: StainLevels) -> Iterator[Measured]:
    crops = [_crop(view.filled) for view in views]
    sheet = lay_out([box_shape(crop) for crop in crops])
    shapes = _shapes(sheet, views, crops)
    stains = _stains(sheet, views, crops, shapes=shapes, maps=maps)
    for number, (view, stain) in enumerate(zip(views, stains, strict=True)):
        yield _measured(number, view, shapes, stain=stain, maps=maps, levels=levels)


def _crop(filled: Mask) -> Box:
    """Where in its view an object lies, and the pixels to the right and below, into which its hull may reach."""
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    return (
        slice(int(rows[0]), min(int(rows[-1]) + 2, filled.shape[0])),
        slice(int(columns[0]), min(int(columns[-1]) + 2, filled.shape[1])),
    )


def _shapes(sheet: Sheet, views: Sequence[View], crops: Sequence[Box]) -> _Shapes:
    filled = [view.filled[crop] for view, crop in zip(views, crops, strict=True)]
    on = sheet.put(filled)
    deep = depth(on)
    shifts = [
        (crop[1].start - place[1].start, crop[0].start - place[0].start)
        for crop, place in zip(crops, sheet.places, strict=True)
    ]
    rings = zip(trace_all(on, sheet), shifts, strict=True)
    outlines = [np.add(max(traced, key=shoelace), shift) for traced, shift in rings]
    lumen = _without_specks(sheet.put([view.lumen[crop] for view, crop in zip(views, crops, strict=True)]))
    rings = zip(trace_all(well_composed(lumen), sheet), shifts, strict=True)
    wide = depth(without_holes(lumen))  # red cells float in it
    return _Shapes(
        outline=outlines,
        hull=[convex_hull(view.filled, outline) for view, outline in zip(views, outlines, strict=True)],
        length_px=lengths_px(sheet, filled, [deep[place] for place in sheet.places]),
        perimeter_um=perimeters_um(sheet, filled),
        lumens=[[ring + shift for ring in traced if shoelace(ring) > 0] for traced, shift in rings],
        lumen_px=[int(np.count_nonzero(lumen[place])) for place in sheet.places],
        lumen_width_um=[width_um(wide[place]) for place in sheet.places],
    )


def _without_specks(lumen: Mask) -> Mask:
    """Lumens that are no mere texture of the stain."""
    _, labels = cv2.connectedComponents(lumen.view(np.uint8), connectivity=4)
    keep = np.bincount(labels.ravel()) * _PX_UM2 >= MIN_HOLE_UM2
    keep[0] = False
    return np.asarray(keep[labels], bool)


def _stains(
    sheet: Sheet, views: Sequence[View], crops: Sequence[Box], *, shapes: _Shapes, maps: StainMaps
) -> Iterator[_Stain]:
    columns = maps.dab.shape[1]
    boxes = [_within(view.box, crop) for view, crop in zip(views, crops, strict=True)]
    stains = [view.stained[crop] for view, crop in zip(views, crops, strict=True)]
    stained = sheet.put(stains)
    owner = sheet.owners()
    at, starts = by_owner(stained, owner, len(views))
    place = sheet.in_region(at, owner.ravel()[at], boxes, columns)
    deep = depth(stained).ravel()[at]
    # What lies off the region is no edge.
    inner = cv2.erode(sheet.put_open(stains, boxes, maps.dab.shape).view(np.uint8), np.ones((3, 3), np.uint8))
    edge = inner.ravel()[at] == 0
    edges = np.concatenate([[0], np.cumsum(edge)])[starts]
    slope = _slope(maps.dab, place[edge])
    hulls = depth(sheet.put([hull.inside[crop] for hull, crop in zip(shapes.hull, crops, strict=True)]))
    core = np.zeros(sheet.shape, bool)
    for spot in sheet.places:
        core[spot] = hulls[spot] >= hulls[spot].max() / 2
    middle, cores = by_owner(core, owner, len(views))
    in_core = sheet.in_region(middle, owner.ravel()[middle], boxes, columns)
    for number in range(len(views)):
        own, rim, mid = (slice(ends[number], ends[number + 1]) for ends in (starts, edges, cores))
        yield _Stain(place[own], deep[own], slope[rim], in_core[mid])


def _within(box: Box, crop: Box) -> Box:
    rows, columns = (slice(b.start + c.start, b.start + c.stop) for b, c in zip(box, crop, strict=True))
    return rows, columns


def _slope(dab: FloatImage, at: NDArray[np.intp]) -> NDArray[np.float32]:
    """Steepness of the DAB density at pixels of the flat region (Sobel), OD per µm; the region's edge mirrors.

    Not by OpenCV's magnitude: its square roots hang on where in memory a value lies, and on what lies beside it.
    """
    (height, width), flat = dab.shape, dab.ravel()
    row, column = np.divmod(at, width)
    up, down = (_mirrored(row + step, height) * width for step in (-1, 1))
    left, right = (_mirrored(column + step, width) for step in (-1, 1))
    row = row * width
    a, b, c = flat[up + left], flat[up + column], flat[up + right]
    d, e = flat[row + left], flat[row + right]
    f, g, h = flat[down + left], flat[down + column], flat[down + right]
    eighth, quarter = np.float32(1 / 8), np.float32(1 / 4)
    dx = ((c - a) + (h - f)) * eighth + (e - d) * quarter
    dy = ((f + h) * eighth + g * quarter) - ((a + c) * eighth + b * quarter)
    return np.asarray(np.sqrt(dx * dx + dy * dy) / np.float32(WORK_UM_PER_PX), np.float32)


def _mirrored(at: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Places up to one beyond either end, those beyond mirrored at the middle of the last pixel."""
    return size - 1 - np.abs(size - 1 - np.abs(at)) if size > 1 else np.zeros_like(at)


def _measured(
    number: int, view: View, shapes: _Shapes, *, stain: _Stain, maps: StainMaps, levels: StainLevels
) -> Measured:
    outline, hull = shapes.outline[number], shapes.hull[number]
    length_um = shapes.length_px[number] * WORK_UM_PER_PX
    outline_area_um2 = shoelace(outline) * _PX_UM2
    values, reds = maps.dab.ravel()[stain.at], maps.red.ravel()[stain.at]
    rising = np.sort(values)
    peak = quantile(rising, 0.95)
    red = red_share(reds, values)
    cx, cy = centroid(outline)
    offset = np.array([view.box[1].start, view.box[0].start], np.float64)
    return Measured(
        outline=outline + offset,
        lumens=tuple(ring + offset for ring in shapes.lumens[number]),
        x_px=cx + float(offset[0]),
        y_px=cy + float(offset[1]),
        area_um2=float(len(values)) * _PX_UM2,
        lumen_area_um2=float(shapes.lumen_px[number]) * _PX_UM2,
        lumen_width_um=shapes.lumen_width_um[number],
        length_um=length_um,
        width_um=outline_area_um2 / length_um,
        perimeter_um=shapes.perimeter_um[number],
        pieces=view.pieces,
        mean_dab_od=mean(values),
        peak_dab_od=peak,
        red_share=red,
        dense_red_od=mean(reds[values >= median(rising)]),
        outline_area_um2=outline_area_um2,
        edge_slope_per_um=mean(stain.slope) / max(peak - levels.background, 1e-6),
        hull_diameter_um=hull.diameter_um,
        hull_aspect=hull.aspect,
        core_h_od=mean(maps.haematoxylin.ravel()[stain.core]),
        core_clear_share=share(maps.total.ravel()[stain.core] < TISSUE_OD),
        rim=fit_rim(view.stained, view.box, maps),
        appearance=appearance(view, stain.at, maps, depth_px=stain.depth_px),
        doubtful_join=view.doubtful_join,
        scrap=view.scrap,
        reach=view.reach,
        stained_at=stain.at,
    )
