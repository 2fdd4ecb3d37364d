"""Separately stained pieces: what the low level of DAB density leaves."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Mask
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, StainMaps

Labels = NDArray[np.int32]
"""(rows, columns), 0 for background and 1..n in raster order of each object's first pixel."""

_LOCAL_RADIUS_UM = 6.0
"""Neighbourhood of a wall: its own thickness and a capillary's lumen."""
_LOCAL_SHARE = 0.33
"""Stain paler than a third of the densest stain beside it is the blur of that wall or a process of its cell, not wall:
a blurred edge lies at half of its own height, and density varies along a wall by a third and more. Chosen among 0.25,
0.33 and 0.4 on simulated sections and one real stain: lower joins neighbours, higher breaks clusters up."""
_MIN_PIECE_UM2 = 2.0
"""A stained speck smaller than this is noise at any stain strength (a 1.6 µm disc)."""


_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(_LOCAL_RADIUS_UM / WORK_UM_PER_PX) + 1,) * 2)
_HALF_WIDTHS = np.append(_DISC[len(_DISC) // 2 :].sum(axis=1, dtype=int) // 2, -1)
"""Of the rows of the neighbourhood, from its middle one down; -1 where there is none."""
_CELL_PX = 4
"""Side of the cells whose densest stain tells, for most pixels, which side of the edge level they are on."""
_REACH_CELLS = -(-(len(_DISC) // 2) // _CELL_PX)


def find_pieces(maps: StainMaps, levels: StainLevels) -> Labels:
    """Connected stain above `levels.low` and above its own neighbourhood's edge level, specks left out.

    A piece need not reach `levels.high`; the object that it belongs to must.
    """
    at = np.flatnonzero(maps.dab > levels.low)
    stained = np.zeros(maps.dab.shape, np.uint8)
    stained.ravel()[at[_exceeds_surroundings(maps.dab, at, levels.background)]] = 1
    _, found_labels = cv2.connectedComponentsWithAlgorithm(stained, 8, cv2.CV_32S, cv2.CCL_WU)
    labels = np.asarray(found_labels, np.int32)
    flat = labels.ravel()
    at = np.flatnonzero(stained.view(bool))
    found = flat[at]
    keep = np.bincount(found, minlength=1) * WORK_UM_PER_PX**2 >= _MIN_PIECE_UM2
    keep[0] = False
    number = np.zeros(len(keep), np.int32)
    number[keep] = np.arange(1, int(keep.sum()) + 1, dtype=np.int32)
    flat[at] = number[found]
    return labels


def _exceeds_surroundings(dab: FloatImage, at: NDArray[np.intp], background: float) -> Mask:
    """Whether pixels, of the flat region, are denser than the edge level of their neighbourhood, a disc.

    The densest cell among those that the disc touches, and among those that lie in it, settle nine of ten pixels.
    """
    rows, columns = np.divmod(at, dab.shape[1])
    cells = _densest_cells(dab)
    # A pixel's cell and all beside it lie in its disc (7 px, the diagonal 10); the second distance covers the disc.
    inner, outer = (
        cv2.dilate(cells, np.ones((2 * reach + 1,) * 2, np.uint8))[rows // _CELL_PX, columns // _CELL_PX]
        for reach in (1, _REACH_CELLS)
    )
    values = dab.ravel()[at]
    exceeds = values > _edge(outer, background)
    unsettled = np.flatnonzero(~exceeds & (values > _edge(inner, background)))
    edge_pixels = _Unsettled(rows[unsettled], columns[unsettled], values[unsettled])
    exceeds[unsettled] = ~_has_denser(edge_pixels, dab, cells, background)
    return exceeds


def _edge(densest: FloatImage, background: float) -> FloatImage:
    return background + _LOCAL_SHARE * (densest - background)


def _densest_cells(dab: FloatImage) -> FloatImage:
    """The densest stain of each cell of `_CELL_PX`; cells that the region's edge cuts off have what is left of them."""
    height, width = dab.shape
    rows = np.full((-(-height // _CELL_PX), width), -np.inf, np.float32)
    for first in range(min(_CELL_PX, height)):
        part = dab[first::_CELL_PX]
        np.maximum(rows[: len(part)], part, out=rows[: len(part)])
    cells = np.full((len(rows), -(-width // _CELL_PX)), -np.inf, np.float32)
    for first in range(min(_CELL_PX, width)):
        part = rows[:, first::_CELL_PX]
        np.maximum(cells[:, : part.shape[1]], part, out=cells[:, : part.shape[1]])
    return cells


@dataclass(frozen=True, slots=True, eq=False)
class _Unsettled:
    """Pixels near which there may be far denser stain."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    dab: FloatImage

    def take(self, which: NDArray[np.intp]) -> _Unsettled:
        return _Unsettled(self.rows[which], self.columns[which], self.dab[which])


def _has_denser(pixels: _Unsettled, dab: FloatImage, cells: FloatImage, background: float) -> Mask:
    """Whether there is stain in the neighbourhood of each pixel of which the pixel is no more than the blurred edge."""
    edges = _edge(np.pad(cells, _REACH_CELLS, constant_values=-np.inf), background)
    row, column = pixels.rows // _CELL_PX, pixels.columns // _CELL_PX
    denser = np.zeros(len(pixels.dab), bool)
    for down, right in itertools.product(range(-_REACH_CELLS, _REACH_CELLS + 1), repeat=2):
        there = edges[row + down + _REACH_CELLS, column + right + _REACH_CELLS]
        which = np.flatnonzero((pixels.dab <= there) & ~denser)
        if len(which):
            cell = (_CELL_PX * (row[which] + down), _CELL_PX * (column[which] + right))
            denser[which] = _has_denser_in(pixels.take(which), cell, dab, background)
    return denser


def _has_denser_in(
    pixels: _Unsettled, cell: tuple[NDArray[np.intp], NDArray[np.intp]], dab: FloatImage, background: float
) -> Mask:
    """The same, of what of the neighbourhood lies in one cell (its first row and column) of each pixel."""
    within = np.arange(_CELL_PX)
    rows = np.minimum(cell[0][:, None] + within, dab.shape[0] - 1)
    columns = np.minimum(cell[1][:, None] + within, dab.shape[1] - 1)
    reach = _HALF_WIDTHS[np.minimum(np.abs(rows - pixels.rows[:, None]), len(_HALF_WIDTHS) - 1)]
    near = np.abs(columns - pixels.columns[:, None])[:, None, :] <= reach[:, :, None]
    there = _edge(dab[rows[:, :, None], columns[:, None, :]], background)
    return np.asarray((near & (pixels.dab[:, None, None] <= there)).any(axis=(1, 2)), bool)
