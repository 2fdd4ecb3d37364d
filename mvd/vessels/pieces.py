"""Separately stained pieces: what the low level of DAB density leaves."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, StainMaps

Labels = NDArray[np.int32]
"""(rows, columns), 0 for background and 1..n in raster order of each object's first pixel."""

_MIN_PIECE_UM2 = 2.0
"""A stained speck smaller than this is noise at any stain strength (a 1.6 µm disc)."""


def find_pieces(maps: StainMaps, levels: StainLevels) -> Labels:
    """Connected stain above `levels.low`, specks left out. A piece need not reach `levels.high`."""
    stained = (maps.dab > levels.low).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(stained, 8, cv2.CV_32S, cv2.CCL_WU)
    keep = stats[:, cv2.CC_STAT_AREA] * WORK_UM_PER_PX**2 >= _MIN_PIECE_UM2
    keep[0] = False
    number = np.zeros(count, np.int32)
    number[keep] = np.arange(1, int(keep.sum()) + 1, dtype=np.int32)
    return number[labels]
