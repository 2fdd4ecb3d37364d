"""Ranks of values that ties must not be lost from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]
Ranks = NDArray[np.int64]

_SAME = 1e-9
"""Of the largest value: closer ones are equal. Densities are whole counts over areas known to some six digits, so that
true differences are far larger, and what floating point adds (52.8 - 16.0 is not 36.8) is far smaller."""


def numbers(values: ArrayLike) -> Numbers:
    """Values as an array.

    Raises
    ------
    ValueError
        One of them is not finite: what was not measured must not come here.
    """
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a value is not finite; leave out what was not measured")
    return array


def resolution_of(*values: ArrayLike) -> float:
    """Values, or their differences, that are closer than this are equal; 0 without values."""
    return _SAME * max((float(np.abs(v).max()) for v in map(numbers, values) if v.size), default=0.0)


def doubled_midranks(values: Numbers, resolution: float) -> Ranks:
    """Twice the ranks from 1, equal values sharing the mean of theirs: whole numbers, whatever the ties."""
    order = np.argsort(values, kind="stable")
    starts = np.r_[True, np.diff(values[order]) > resolution][: len(values)]
    group = np.cumsum(starts) - 1
    last = np.cumsum(np.bincount(group)) if len(values) else np.zeros(0, np.int64)
    first = np.r_[0, last[:-1]] + 1
    ranks = np.empty(len(values), np.int64)
    ranks[order] = (first + last)[group]
    return ranks


def has_ties(ranks: Ranks) -> bool:
    return len(np.unique(ranks)) < len(ranks)
