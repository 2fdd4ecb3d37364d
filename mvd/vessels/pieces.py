"""Separately stained pieces: what the low level of DAB density leaves."""

from __future__ import annotations

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


_CELL_PX = 4
"""Side of the cells whose densest stain tells, for most pixels, which side of the edge level they are on."""


def find_pieces(maps: StainMaps, levels: StainLevels) -> Labels:
    """Connected stain above `levels.low` and above its own neighbourhood's edge level, specks left out.

    A piece need not reach `levels.high`; the object that it belongs to must.
    """
    at = np.flatnonzero(maps.dab > levels.low)
    stained = np.zeros(maps.dab.shape, np.uint8)
    stained.ravel()[at[_exceeds_surroundings(maps.dab, at, levels.background)]] = 1
    _, labels = cv2.connectedComponentsWithAlgorithm(stained, 8, cv2.CV_32S, cv2.CCL_WU)
    flat = labels.ravel()
    at = np.flatnonzero(stained)
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
    radius = round(_LOCAL_RADIUS_UM / WORK_UM_PER_PX)
    # A pixel's cell and all within the first distance lie in its disc (7 px, the diagonal 10); the second covers it.
    inner, outer = (
        cv2.dilate(cells, np.ones((2 * reach + 1,) * 2, np.uint8))[rows // _CELL_PX, columns // _CELL_PX]
        for reach in (1, -(-radius // _CELL_PX))
    )
    values = dab.ravel()[at]
    exceeds = values > _edge(outer, background)
    open_ = np.flatnonzero(~exceeds & (values > _edge(inner, background)))
    exceeds[open_] = values[open_] > _edge(_densest(dab, rows[open_], columns[open_]), background)
    return exceeds


def _edge(densest: FloatImage, background: float) -> FloatImage:
    return background + _LOCAL_SHARE * (densest - background)


def _densest_cells(dab: FloatImage) -> FloatImage:
    """The densest stain of each cell of `_CELL_PX`."""
    height, width = dab.shape
    rows = np.maximum.reduceat(dab, np.arange(0, height, _CELL_PX), axis=0)
    return np.ascontiguousarray(np.maximum.reduceat(rows, np.arange(0, width, _CELL_PX), axis=1))


def _densest(dab: FloatImage, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> FloatImage:
    """The densest stain in the neighbourhood of each of some pixels."""
    radius = round(_LOCAL_RADIUS_UM / WORK_UM_PER_PX)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    height, width = dab.shape
    found = np.full(len(rows), -np.inf, np.float32)
    for down, right in (np.argwhere(disc) - radius).tolist():
        # A pixel off the region stands for the nearest one in it, which is in the disc, too.
        beside = np.clip(rows + down, 0, height - 1) * width + np.clip(columns + right, 0, width - 1)
        np.maximum(found, dab.ravel()[beside], out=found)
    return found
