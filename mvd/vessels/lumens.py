"""Clear lumens with a stained wall round most of them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Mask
from mvd.stains import TISSUE_OD
from mvd.vessels.basins import Labels
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, StainMaps
from mvd.vessels.shape import without_holes
from mvd.vessels.sheet import Box, box_shape, by_owner, in_sheets, lay_out

LUMEN_WALL_UM = 2.5
"""Stain this close to a lumen is its wall: the blur of the edge and half a wall."""
LUMEN_OPENING_UM = 1.0
"""Clear clefts thinner than twice this are shrinkage between cells, not lumen."""
_MAX_ONE_SIDEDNESS = 0.5
"""Length of the mean direction from a lumen's middle to its stained edge: 0 all round, 0.3 with a quarter missing, 0.64
for a wall along one side (the mean of a half circle, 2/π)."""
_LUMEN_LEVELS = ((0.0, 0.45, 8.0), (0.3, 0.6, 12.5), (0.45, 0.7, 12.5))
"""What may be lumen: total density below this share of the tissue's median (glass; plasma; plasma with red cells), the
share of its edge that must then be stained, and its least area in µm². The less clear the region, the more wall and
width: stroma is pale too, in clefts between stained cells most of all (12.5 µm² is a disc of 4 µm: with the blur of its
edge the narrowest that lets a red cell through), and fat cells with a capillary beside them are clear."""


def walled_lumens(
    labels: Labels, maps: StainMaps, levels: StainLevels, max_width_um: float
) -> tuple[Labels, list[NDArray[np.int32]]]:
    """Pale regions with stain round most of their edge, and the pieces round each.

    Looked for from the clearest to the palest level: a lumen may hold plasma or leak into clear stroma.
    """
    stained = labels != 0
    near_stain = cv2.dilate(stained.view(np.uint8), disc(LUMEN_WALL_UM)).view(bool)
    taken = stained.copy()
    lumens = np.zeros(labels.shape, np.int32)  # unlike zeros_like, touches no page that stays 0
    walls: list[NDArray[np.int32]] = []
    clearer = -np.inf
    for density_share, wall_share, min_area_um2 in _LUMEN_LEVELS:
        density = max(TISSUE_OD, density_share * levels.tissue)
        if density == clearer:
            continue  # the same regions without those taken: what has too little wall has too little still
        clearer = density
        free = maps.total < density
        free &= ~taken
        opened = cv2.morphologyEx(free.view(np.uint8), cv2.MORPH_OPEN, disc(LUMEN_OPENING_UM)).view(bool)
        # A lumen cut lengthwise may be ten times as long as it is wide.
        for lumen, box in _walled(opened, near_stain, (min_area_um2, 10 * max_width_um**2), wall_share):
            reached = labels[box][cv2.dilate(lumen.view(np.uint8), disc(LUMEN_WALL_UM)) > 0]
            walls.append(np.unique(reached[reached > 0]))
            lumens[box][lumen & ~stained[box]] = len(walls)
            taken[box] |= lumen
    return lumens, walls


def _walled(
    opened: Mask, near_stain: Mask, area_um2: tuple[float, float], wall_share: float
) -> Iterator[tuple[Mask, Box]]:
    """The pale regions of an area between two that have a wall, in raster order; each with its holes, and its box."""
    found, likely = _regions_near(opened, near_stain, area_um2)
    for together in in_sheets(likely, lambda one: box_shape(one[1])):
        boxes = [box for _, box in together]
        sheet = lay_out([box_shape(box) for box in boxes])
        # Red cells float in a lumen.
        filled = without_holes(sheet.put([found[box] == number for number, box in together]))
        lumens = [filled[place] for place in sheet.places]
        inner = cv2.erode(sheet.put_open(lumens, boxes, found.shape).view(np.uint8), disc(0.5))
        owner = sheet.owners()
        at, starts = by_owner(filled & (inner == 0), owner, len(boxes))
        near = near_stain.ravel()[sheet.in_region(at, owner.ravel()[at], boxes, found.shape[1])]
        stained = np.diff(np.concatenate([[0], np.cumsum(near)])[starts])
        enough = stained / np.maximum(np.diff(starts), 1) >= wall_share
        for number in np.flatnonzero(enough).tolist():
            own, place = slice(starts[number], starts[number + 1]), sheet.places[number]
            rows, columns = np.divmod(at[own], sheet.shape[1])
            points = np.stack([rows - place[0].start, columns - place[1].start], axis=1)
            if _goes_round(points, near[own]):
                yield np.ascontiguousarray(filled[place]), boxes[number]


def _regions_near(
    opened: Mask, near_stain: Mask, area_um2: tuple[float, float]
) -> tuple[Labels, list[tuple[int, Box]]]:
    """Pale regions numbered; number and box of those of an area between two with stain beside them."""
    count, labels = cv2.connectedComponentsWithAlgorithm(opened.view(np.uint8), 4, cv2.CV_32S, cv2.CCL_WU)
    found = np.asarray(labels, np.int32)
    # Most pale regions have no stain at all beside them.
    likely = np.zeros(count, bool)
    likely[found.ravel()[np.flatnonzero(opened & near_stain)]] = True
    rows, starts, stops = _runs(opened)
    of = found[rows, starts]
    area = np.bincount(of, weights=stops - starts, minlength=count) * WORK_UM_PER_PX**2
    likely &= (area >= area_um2[0]) & (area <= area_um2[1])
    chosen = np.flatnonzero(likely[of])
    of = of[chosen]
    ends = np.full((count, 4), np.iinfo(np.int64).min)
    for side, place in enumerate((-rows, -starts, rows + 1, stops)):
        np.maximum.at(ends[:, side], of, place[chosen])
    numbers = np.flatnonzero(likely).tolist()
    return found, [(number, _around(ends[number].tolist(), opened.shape)) for number in numbers]


def _runs(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Row, first column and one past the last of every stretch of a row that lies in a mask: far fewer than pixels."""
    columns = mask.shape[1] + 1
    apart = np.zeros((len(mask), columns), bool)  # a column between the end of each row and the start of the next
    apart[:, :-1] = mask
    flat = apart.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        changes = np.concatenate([[0], changes])
    rows, starts = np.divmod(changes[::2], columns)
    return rows, starts, changes[1::2] - rows * columns


def _goes_round(points: NDArray[np.int64], stained: Mask) -> bool:
    """Whether the stain along the edge of a lumen, its (n, 2) points, is not on one side of it only."""
    towards = (points - points.mean(axis=0))[stained]
    length = np.hypot(towards[:, 0], towards[:, 1])
    directions = towards / np.maximum(length, 1e-9)[:, None]
    return float(np.hypot(*directions.mean(axis=0))) <= _MAX_ONE_SIDEDNESS


def _around(ends: list[int], shape: tuple[int, int]) -> Box:
    """A box with room for the wall, from -top, -left, bottom and right."""
    margin = round(LUMEN_WALL_UM / WORK_UM_PER_PX) + 1
    top, left, bottom, right = ends
    return (
        slice(max(-top - margin, 0), min(bottom + margin, shape[0])),
        slice(max(-left - margin, 0), min(right + margin, shape[1])),
    )


def disc(radius_um: float) -> NDArray[np.uint8]:
    """Structuring element."""
    size = 2 * round(radius_um / WORK_UM_PER_PX) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
