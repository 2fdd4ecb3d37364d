"""Order statistics of millions of pixels, without putting them in order."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Pixels

_COUNTED_PX = 2**22
"""Counted at a time: OpenCV gives histograms as float32, whole numbers up to 2²⁴."""
_MEDIAN_SAMPLE = 2**14
"""Values from which is told about where the median of millions lies."""


def histogram_of(values: Pixels, mask: Pixels | None = None) -> NDArray[np.int64]:
    """(256,) how often each grey level occurs in (rows, columns), or in the part of it where `mask` is not 0."""
    found = np.zeros(256, np.int64)
    rows = max(1, _COUNTED_PX // max(1, values.shape[1]))
    for top in range(0, len(values), rows):
        part = None if mask is None else mask[top : top + rows]
        seen = cv2.calcHist([values[top : top + rows]], [0], part, [256], [0, 256])
        found += seen.ravel().astype(np.int64)
    return found


def percentile_of(histogram: NDArray[np.int64], percentile: float) -> float:
    """What `numpy.percentile` gives for the grey levels that were counted."""
    up_to = np.cumsum(histogram)
    place = (int(up_to[-1]) - 1) * (percentile / 100)
    low, high = (int(np.searchsorted(up_to, n, side="right")) for n in (math.floor(place), math.ceil(place)))
    return low + (high - low) * (place - math.floor(place))


def median_of(values: NDArray[np.float32]) -> np.float32:
    """`numpy.median` of millions of values: only those near it, as a few thousand of them tell, are put in order."""
    middle = slice((len(values) - 1) // 2, len(values) // 2 + 1)
    low, high = np.quantile(values[:: max(1, len(values) // _MEDIAN_SAMPLE)], (0.47, 0.53)).astype(np.float32)
    first, near = int(np.count_nonzero(values < low)), values[(values >= low) & (values <= high)]
    if first > middle.start or first + len(near) < middle.stop:
        return np.float32(np.median(values))
    within = slice(middle.start - first, middle.stop - first)
    return np.float32(np.mean(np.partition(near, (within.start, within.stop - 1))[within]))
