"""Maps of a whole slide looked at in bands of rows: what a step needs besides its result stays small beside a map.

A slide of 25 × 25 mm has 40 million pixels of the overview; one map of as many floats is 160 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Mask

_BAND_PX = 1 << 18
"""1 MB of float32: a few maps of a band stay in the processor's cache."""
_LEAST_ROWS = 128
"""A blur reaches 26 rows into each band."""


@dataclass(frozen=True, slots=True)
class Band:
    """Some rows of a map, and those near them that decide about them."""

    rows: slice
    """Of the map."""
    wide: slice
    """Of the map: these rows and what reaches into them."""
    own: slice
    """Where the rows lie among the wide ones."""


def bands(shape: tuple[int, ...], reach_px: int = 0) -> Iterator[Band]:
    """All rows of a map (rows, columns, …) from top to bottom, each with what lies within `reach_px` of it."""
    tall = max(_LEAST_ROWS, _BAND_PX // max(1, shape[1]))
    for top in range(0, shape[0], tall):
        bottom = min(top + tall, shape[0])
        first = max(top - reach_px, 0)
        yield Band(
            slice(top, bottom), slice(first, min(bottom + reach_px, shape[0])), slice(top - first, bottom - first)
        )


def chosen(keep: NDArray[np.bool_], labels: NDArray[Any]) -> Mask:
    """`keep[labels]`, for which numpy makes a copy of the labels twice as large as they are."""
    mask = np.empty(labels.shape, bool)
    for band in bands(labels.shape):
        mask[band.rows] = keep[labels[band.rows]]
    return mask


def areas_px(labels: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """(count,) how many pixels have each label."""
    areas = np.zeros(count, np.int64)
    for band in bands(labels.shape):
        areas += np.bincount(labels[band.rows].ravel(), minlength=count)
    return areas
