"""Hodges-Lehmann shifts with exact intervals.

The interval runs from the k-th smallest to the k-th largest of the means (or differences) whose median is the estimate,
both included; k comes from the exact null distribution without ties. Without ties it is the set of shifts that the test
does not refuse: R's wilcox.test and exactRankTests. With ties its level is at least the one stated (Noether, J Am Stat
Assoc 1967;62:184).

R's exactRankTests inverts, with ties, the distribution that belongs to the ranks at a shift of zero. Its intervals of
counts are a little wider, but in half of such data they are not the same, negated, for pre - post as for post - pre,
and at times they hold zero where p ≤ 0.05; its estimate is then not the median, and is -Inf where all pairs agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mvd.statistics.rank_sum import MAX_EXACT_WORK, sum_distribution
from mvd.statistics.ranks import Numbers, numbers, resolution_of
from mvd.statistics.signed_rank import MAX_EXACT_PAIRS, Zeros, sign_distribution


@dataclass(frozen=True, slots=True)
class Shift:
    """How far values moved, or how far two groups lie apart."""

    estimate: float | None
    low: float | None
    high: float | None
    confidence: float | None
    """Level that the interval has at least: the one asked for, or less where so few values cannot reach it."""


NO_SHIFT = Shift(None, None, None, None)


def paired_shift(
    differences: ArrayLike, *, confidence: float = 0.95, zeros: Zeros = "wilcoxon", resolution: float | None = None
) -> Shift:
    """Median of all means of two differences, each with itself too (Walsh averages; Hodges & Lehmann 1963).

    Parameters
    ----------
    zeros
        As in the test: 'wilcoxon' leaves pairs without a difference out, as R does, 'pratt' takes them. Where no pair
        differs, the shift is zero.
    resolution
        Differences closer to zero than this are zero; by default 1e-9 of the largest.
    """
    given = numbers(differences)
    differ = np.abs(given) > (resolution_of(given) if resolution is None else resolution)
    used = given[differ] if zeros == "wilcoxon" and differ.any() else given
    n = len(used)
    if n == 0:
        return NO_SHIFT
    means = np.sort(np.concatenate([(used[place:] + used[place]) / 2 for place in range(n)]))
    if n <= MAX_EXACT_PAIRS:
        return _between(means, sign_distribution(np.arange(1, n + 1)), confidence)
    return _approximately(means, n * (n + 1) * (2 * n + 1) / 24, confidence)


def shift_between(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> Shift:
    """Median of all differences first minus second (Hodges & Lehmann 1963)."""
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
    # 1e-12: a chance that is reached exactly, but for the last bit, is reached
    k = int(np.searchsorted(below, (1 - confidence) / 2 - 1e-12, side="left"))
    reached = confidence if k else min(confidence, 1 - 2 * float(chance[0]))
    if reached <= 0:  # one value: the interval would have no width and mean nothing
        return Shift(float(np.median(ordered)), None, None, None)
    k = max(k, 1)
    return Shift(float(np.median(ordered)), float(ordered[k - 1]), float(ordered[-k]), reached)


def _approximately(ordered: Numbers, variance: float, confidence: float) -> Shift:
    from scipy.special import ndtri  # noqa: PLC0415

    k = int(len(ordered) / 2 - float(ndtri((1 + confidence) / 2)) * variance**0.5)
    return Shift(float(np.median(ordered)), float(ordered[k - 1]), float(ordered[-k]), confidence)
