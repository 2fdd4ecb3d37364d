"""Hodges-Lehmann shifts with exact intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mvd.statistics.rank_sum import MAX_EXACT_WORK, sum_distribution
from mvd.statistics.ranks import Numbers, numbers
from mvd.statistics.signed_rank import MAX_EXACT_PAIRS, sign_distribution


@dataclass(frozen=True, slots=True)
class Shift:
    """How far values moved, or how far two groups lie apart."""

    estimate: float | None
    low: float | None
    high: float | None
    confidence: float | None
    """Level that the interval has at least: the one asked for, or less where so few values cannot reach it."""


NO_SHIFT = Shift(None, None, None, None)


def paired_shift(differences: ArrayLike, *, confidence: float = 0.95) -> Shift:
    """Median of all means of two differences, each with itself too (Hodges & Lehmann 1963), over all pairs.

    The interval runs from the k-th smallest to the k-th largest of these means (Walsh averages), ends included; k
    comes from the exact null distribution without ties. Without ties it is the set of shifts that the signed-rank test
    does not refuse. With ties its level is at least the one stated (Noether, J Am Stat Assoc 1967;62:184), which no
    inversion at ranks that belong to another shift can promise.

    Pairs without a difference belong to it, for a shift is of all patients; R drops them here too. With ties R's
    exactRankTests gives not this median but a point up to one average beside it, and -Inf where all pairs agree.
    """
    given = numbers(differences)
    n = len(given)
    if n == 0:
        return NO_SHIFT
    one, other = np.triu_indices(n)
    means = np.sort((given[one] + given[other]) / 2)
    if n <= MAX_EXACT_PAIRS:
        chance = sign_distribution(np.arange(1, n + 1))
        return _between(means, chance, confidence)
    return _approximately(means, n * (n + 1) * (2 * n + 1) / 24, confidence)


def shift_between(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> Shift:
    """Median of all differences first minus second (Hodges & Lehmann 1963); the interval as in `paired_shift`."""
    x, y = numbers(first), numbers(second)
    m, n = len(x), len(y)
    if not m or not n:
        return NO_SHIFT
    apart = np.sort((x[:, None] - y).ravel())
    small, size = min(m, n), m + n
    if small * size**3 / 2 <= MAX_EXACT_WORK:
        chance = sum_distribution(np.arange(1, size + 1), small)
        lowest = small * (small + 1) // 2
        return _between(apart, chance[lowest : lowest + m * n + 1], confidence)
    return _approximately(apart, m * n * (size + 1) / 12, confidence)


def _between(ordered: Numbers, chance: Numbers, confidence: float) -> Shift:
    """From the k-th smallest to the k-th largest, k as large as the level allows.

    The interval misses with twice the chance of a statistic below k.
    """
    below = np.cumsum(chance)
    # 1e-12: a level that is reached exactly is reached
    k = int(np.searchsorted(below, (1 - confidence) / 2 + 1e-12, side="right"))
    reached = confidence if k else 1 - 2 * float(chance[0])
    if reached <= 0:  # one value: the interval would have no width and mean nothing
        return Shift(float(np.median(ordered)), None, None, None)
    k = max(k, 1)
    return Shift(float(np.median(ordered)), float(ordered[k - 1]), float(ordered[-k]), reached)


def _approximately(ordered: Numbers, variance: float, confidence: float) -> Shift:
    from scipy.special import ndtri  # noqa: PLC0415

    k = int(len(ordered) / 2 - float(ndtri((1 + confidence) / 2)) * variance**0.5)
    return Shift(float(np.median(ordered)), float(ordered[k - 1]), float(ordered[-k]), confidence)
