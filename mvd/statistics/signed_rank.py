"""Wilcoxon's signed-rank test of paired differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mvd.statistics.ranks import Numbers, Ranks, doubled_midranks, has_ties, numbers, resolution_of

Zeros = Literal["wilcoxon", "pratt"]

MAX_EXACT_PAIRS = 500
"""Up to here every sign assignment is counted (0.1 s); beyond, the normal approximation is right to four digits."""


@dataclass(frozen=True, slots=True)
class SignedRankTest:
    """Two-sided test of differences that are symmetric about zero."""

    n: int
    """Pairs given, those without a difference included."""
    zeros: int
    """Pairs without a difference."""
    statistic: float | None
    """V: the sum of the ranks of the positive differences. None where there is none to rank."""
    p_value: float | None
    effect: float | None
    """Matched-pairs rank-biserial correlation: (sum of positive - negative ranks) / sum of all (Kerby 2014)."""
    method: str
    note: str
    """Why there is no p-value, or why none could be small."""


def signed_rank(
    differences: ArrayLike, *, zeros: Zeros = "wilcoxon", resolution: float | None = None
) -> SignedRankTest:
    """Test paired differences, two-sided.

    The null distribution is that of all 2^n assignments of signs to the ranks as they are, ties (midranks) included:
    counted out by the shift algorithm of Streitberg & Röhmel (1986), as R's exactRankTests and coin do.

    Parameters
    ----------
    differences
        Later minus earlier.
    zeros
        'wilcoxon' drops differences of zero before ranking, 'pratt' ranks them and drops them then (Pratt, J Am Stat
        Assoc 1959;54:655).
    resolution
        Differences closer than this are equal; by default 1e-9 of the largest.
    """
    given = numbers(differences)
    step = resolution_of(given) if resolution is None else resolution
    zero = np.abs(given) <= step
    ranked = given if zeros == "pratt" else given[~zero]
    ranks = doubled_midranks(np.where(np.abs(ranked) <= step, 0.0, np.abs(ranked)), step)
    signs = np.where(np.abs(ranked) <= step, 0, np.sign(ranked))
    scores, signs = ranks[signs != 0], signs[signs != 0]
    n, dropped = len(given), int(zero.sum())
    if not len(scores):
        why = "there are no pairs" if n == 0 else f"{_nobody(n)}; there is nothing to rank"
        return SignedRankTest(n, dropped, None, None, None, _method(scores, zeros, n, dropped), why)
    positive, total = int(scores[signs > 0].sum()), int(scores.sum())
    p = _exact_p(scores, positive) if len(scores) <= MAX_EXACT_PAIRS else _normal_p(scores, positive)
    effect = (2 * positive - total) / total
    method = _method(scores, zeros, n, dropped)
    return SignedRankTest(n, dropped, positive / 2, p, effect, method, _too_few(len(scores)))


def _nobody(n: int) -> str:
    return "the only pair does not differ" if n == 1 else f"none of the {n} pairs differs"


def sign_distribution(scores: Ranks) -> Numbers:
    """Probability of each sum of positive scores, from 0 to the sum of all, when each sign is a fair coin's."""
    total = int(scores.sum())
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    reached = 0
    for score in np.sort(scores):
        chance[score : reached + score + 1] += chance[: reached + 1].copy()
        chance /= 2
        reached += int(score)
    return chance


def _exact_p(scores: Ranks, positive: int) -> float:
    """The distribution is symmetric: both tails are twice the smaller one."""
    chance = sign_distribution(scores)
    smaller = min(positive, int(scores.sum()) - positive)
    return min(1.0, 2 * math.fsum(chance[: smaller + 1]))


def _normal_p(scores: Ranks, positive: int) -> float:
    """With the variance of the ranks as they are, and a continuity correction of half a rank."""
    away = max(0.0, abs(positive - int(scores.sum()) / 2) - 1.0)
    return math.erfc(away / math.sqrt(float((scores.astype(np.float64) ** 2).sum()) / 4) / math.sqrt(2))


def _method(scores: Ranks, zeros: Zeros, n: int, dropped: int) -> str:
    exact = len(scores) <= MAX_EXACT_PAIRS
    how = "exact, all 2^n sign assignments" if exact else "normal approximation with continuity correction"
    ties = "midranks" if has_ties(scores) else "none"
    rule = {"wilcoxon": "dropped before ranking (Wilcoxon)", "pratt": "ranked, then dropped (Pratt)"}[zeros]
    return f"{how}; ties: {ties}; zeros: {f'{dropped} of {n} {rule}' if dropped else 'none'}"


def _too_few(n: int) -> str:
    """Where even all differences in one direction would not give p ≤ 0.05."""
    least = 2 * 0.5**n
    return (
        ""
        if least <= 0.05
        else f"with {n} pair{'s' * (n > 1)} that differ{'s' * (n == 1)}, p cannot be below {least:g}"
    )
