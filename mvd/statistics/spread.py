"""What a set of values looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mvd.statistics.ranks import numbers


@dataclass(frozen=True, slots=True)
class Spread:
    """Centre and spread; every number is None without values."""

    n: int
    median: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    q1: float | None = None
    """Quartiles are linear between the two nearest values: numpy's default, R's type 7."""
    q3: float | None = None
    mean: float | None = None
    sd: float | None = None
    """Of the sample (n - 1); None also for one value."""


def spread(values: ArrayLike) -> Spread:
    given = numbers(values)
    if not given.size:
        return Spread(0)
    low, q1, median, q3, high = (float(q) for q in np.quantile(given, (0, 0.25, 0.5, 0.75, 1)))
    sd = float(given.std(ddof=1)) if given.size > 1 else None
    return Spread(given.size, median, low, high, q1, q3, float(given.mean()), sd)
