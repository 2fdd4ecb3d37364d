"""Numbers that sum up a few hundred values: numpy's own, to the bit, without what its functions do besides.

On so few values numpy spends most of its time on arguments that were not given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Mask

Values = NDArray[np.float32]


def mean(values: Values) -> float:
    """`numpy.mean`."""
    return float(np.add.reduce(values) / np.float32(len(values)))


def standard_deviation(values: Values) -> float:
    """`numpy.std`."""
    off = values - np.add.reduce(values) / np.float32(len(values))
    off *= off
    return float(np.sqrt(np.add.reduce(off) / np.float32(len(values))))


def share(of: Mask) -> float:
    """Of the pixels, how many are True."""
    return int(np.count_nonzero(of)) / of.size


def quantile(rising: Values, at: float) -> float:
    """`numpy.quantile` of values that are in order already."""
    place = (len(rising) - 1) * at
    below = int(place)
    low, high, part = rising[below], rising[min(below + 1, len(rising) - 1)], place - below
    step = high - low
    return float(high - step * (1 - part) if part >= 0.5 else low + step * part)


def median(rising: Values) -> float:
    """`numpy.median` of values that are in order already."""
    middle = len(rising) // 2
    return float(rising[middle] if len(rising) % 2 else (rising[middle - 1] + rising[middle]) / np.float32(2))
