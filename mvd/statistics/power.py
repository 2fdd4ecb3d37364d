"""The smallest shift that a design could have found.

Not the power at the shift that was seen, which says nothing that p does not say already (Hoenig & Heisey 2001), but
the shift that studies of this size and spread find with a power chosen beforehand. Simulated with normal differences
and a fixed seed; the studies are the same for every shift, so that the share which finds it grows with it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mvd.statistics.rank_sum import sum_distribution
from mvd.statistics.ranks import Numbers
from mvd.statistics.signed_rank import sign_distribution

STUDIES = 4000
"""Simulated: the power is right to 0.006 (one standard error at 0.8)."""

_SEED = 2001
_LARGEST = 20.0
"""In standard deviations; a design that does not find this finds nothing."""
MAX_PATIENTS = 200
"""The studies of more would take long to simulate, and a shift that small is not in question."""


def detectable_paired_shift(n: int, *, sd: float, alpha: float, power: float) -> float | None:
    """In the unit of `sd`, the standard deviation of the differences; None where no result could reach `alpha`."""
    if n < 1 or n > MAX_PATIENTS or sd <= 0:
        return None
    chance = sign_distribution(np.arange(1, n + 1))
    limit = _largest_significant(chance, alpha)
    if limit < 0:
        return None
    noise = np.random.default_rng(_SEED).standard_normal((STUDIES, n))

    def found(shift: float) -> float:
        values = noise + shift
        ranks = np.abs(values).argsort(axis=1).argsort(axis=1) + 1
        positive = (ranks * (values > 0)).sum(axis=1)
        return float((np.minimum(positive, n * (n + 1) // 2 - positive) <= limit).mean())

    return _smallest(found, power, sd)


def detectable_shift_between(sizes: tuple[int, int], *, sd: float, alpha: float, power: float) -> float | None:
    """Between two groups whose values spread by `sd` each; None where no result could reach `alpha`."""
    m, n = sizes
    if min(sizes) < 1 or m + n > MAX_PATIENTS or sd <= 0:
        return None
    lowest = m * (m + 1) // 2
    chance = sum_distribution(np.arange(1, m + n + 1), m)[lowest : lowest + m * n + 1]
    limit = _largest_significant(chance, alpha)
    if limit < 0:
        return None
    noise = np.random.default_rng(_SEED).standard_normal((STUDIES, m + n))

    def found(shift: float) -> float:
        values = noise + np.r_[np.full(m, shift), np.zeros(n)]
        u = (values.argsort(axis=1).argsort(axis=1)[:, :m] + 1).sum(axis=1) - lowest
        return float((np.minimum(u, m * n - u) <= limit).mean())

    return _smallest(found, power, sd)


def _largest_significant(chance: Numbers, alpha: float) -> int:
    """Largest smaller tail with a two-sided p of at most `alpha`; -1 where there is none."""
    return int(np.searchsorted(2 * np.cumsum(chance), alpha + 1e-12, side="right")) - 1


def _smallest(found: Callable[[float], float], power: float, sd: float) -> float | None:
    """Bisection to a thousandth of a standard deviation."""
    low, high = 0.0, _LARGEST
    if found(high) < power:
        return None
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    return high * sd
