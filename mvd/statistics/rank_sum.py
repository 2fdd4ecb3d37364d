"""The rank-sum test of two groups (Wilcoxon 1945, Mann & Whitney 1947)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mvd.statistics.ranks import Numbers, Ranks, doubled_midranks, has_ties, numbers, resolution_of

MAX_EXACT_WORK = 3e8
"""Additions up to which every division into two groups is counted (about a second: some 75 values a group)."""


@dataclass(frozen=True, slots=True)
class RankSumTest:
    """Two-sided test of two groups with one distribution."""

    sizes: tuple[int, int]
    statistic: float | None
    """Mann-Whitney U of the first group: how many pairs it wins, ties half."""
    p_value: float | None
    effect: float | None
    """Rank-biserial correlation of the first group: pairs won less pairs lost, over all pairs."""
    method: str
    note: str
    """Why there is no p-value, or what to know about it."""


def rank_sum(first: ArrayLike, second: ArrayLike, *, resolution: float | None = None) -> RankSumTest:
    """Test two groups, two-sided.

    The null distribution is that of all divisions of the ranks as they are, ties (midranks) included. With ties it is
    not symmetric: p is the chance of a rank sum at least as far from its mean, as in R's coin. (With ties
    exactRankTests at times gives another p for the groups the other way round.)

    Parameters
    ----------
    resolution
        Values closer than this are equal; by default 1e-9 of the largest.
    """
    x, y = numbers(first), numbers(second)
    m, n = len(x), len(y)
    together = np.r_[x, y]
    ranks = doubled_midranks(together, resolution_of(together) if resolution is None else resolution)
    if not m or not n:
        why = "there are no values" if not m + n else "one of the two groups is empty"
        return RankSumTest((m, n), None, None, None, _method(ranks, m), why)
    own = int(ranks[:m].sum())
    u = own / 2 - m * (m + 1) / 2
    p = _exact_p(ranks, m, own) if _is_exact(ranks, m) else _normal_p(ranks, m, own)
    note = (
        "all values are equal, so that p is 1 whatever the groups"
        if len(set(ranks)) == 1
        else _too_few(m, n, ties=has_ties(ranks))
    )
    return RankSumTest((m, n), u, p, 2 * u / (m * n) - 1, _method(ranks, m), note)


def sum_distribution(ranks: Ranks, m: int) -> Numbers:
    """Probability of each sum of m ranks drawn from all, from 0 to the sum of all."""
    total = int(ranks.sum())
    ways = np.zeros((m + 1, total + 1))
    ways[0, 0] = 1.0
    for done, rank in enumerate(np.sort(ranks), start=1):
        for drawn in range(min(done, m), 0, -1):
            ways[drawn, rank:] += ways[drawn - 1, : total + 1 - rank]
    chance: Numbers = ways[m] / math.comb(len(ranks), m)
    return chance


def _exact_p(ranks: Ranks, m: int, own: int) -> float:
    """By the smaller group, whose table is smaller; its sum is as far from the mean as the other's."""
    total, size = int(ranks.sum()), len(ranks)
    if 2 * m > size:
        m, own = size - m, total - own
    chance = sum_distribution(ranks, m)
    # In whole numbers: size times the distance of a sum from its mean.
    away = np.abs(size * np.arange(total + 1) - m * total)
    return min(1.0, math.fsum(chance[away >= abs(size * own - m * total)]))


def _normal_p(ranks: Ranks, m: int, own: int) -> float:
    """With the variance of the ranks as they are, and a continuity correction of half a rank."""
    size = len(ranks)
    n = size - m
    variance = m * n / (size * (size - 1)) * float(((ranks - ranks.mean()) ** 2).sum())
    if variance == 0:
        return 1.0
    away = max(0.0, abs(own - m * float(ranks.mean())) - 1.0)
    return math.erfc(away / math.sqrt(variance) / math.sqrt(2))


def _is_exact(ranks: Ranks, m: int) -> bool:
    return min(m, len(ranks) - m) * len(ranks) * float(ranks.sum()) <= MAX_EXACT_WORK


def _method(ranks: Ranks, m: int) -> str:
    how = (
        "exact, all divisions into the two groups"
        if _is_exact(ranks, m)
        else "normal approximation with continuity correction"
    )
    return f"{how}; ties: {'midranks' if has_ties(ranks) else 'none'}; zeros: as any value"


def _too_few(m: int, n: int, *, ties: bool) -> str:
    """Where even groups that do not overlap would not give p ≤ 0.05.

    With ties the opposite of the most extreme division may not be as extreme, and does not count twice.
    """
    least = min(1.0, (1 if ties else 2) / math.comb(m + n, m))
    return "" if least <= 0.05 else f"with groups of {m} and {n}, p cannot be below {least:.2g}"
