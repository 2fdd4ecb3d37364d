"""Separately stained pieces: what the low level of DAB density leaves."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

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


def find_pieces(maps: StainMaps, levels: StainLevels) -> Labels:
    """Connected stain above `levels.low` and above its own neighbourhood's edge level, specks left out.

    A piece need not reach `levels.high`; the object that it belongs to must.
    """
    size = 2 * round(_LOCAL_RADIUS_UM / WORK_UM_PER_PX) + 1
    densest = cv2.dilate(maps.dab, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    edge = levels.background + _LOCAL_SHARE * (densest - levels.background)
    stained = (maps.dab > np.maximum(edge, levels.low)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(stained, 8, cv2.CV_32S, cv2.CCL_WU)
    keep = stats[:, cv2.CC_STAT_AREA] * WORK_UM_PER_PX**2 >= _MIN_PIECE_UM2
    keep[0] = False
    number = np.zeros(count, np.int32)
    number[keep] = np.arange(1, int(keep.sum()) + 1, dtype=np.int32)
    return number[labels]
