"""Friedman's test of three or more timepoints of the same patients."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mvd.statistics.ranks import Numbers, Ranks, doubled_midranks, has_ties, numbers, resolution_of

MAX_EXACT_STATES = 1_000_000
"""Rank totals times orders held at once: 100 patients at three timepoints, 20 at four stay below (a second)."""

DRAWS = 100_000
"""Where exactness would take too long: the standard error of p = 0.05 is then 0.0007."""

_SEED = 1937
"""Of those draws, so that the same counts give the same p; the year of Friedman's paper."""


@dataclass(frozen=True, slots=True)
class FriedmanTest:
    """Test of timepoints with one distribution within each patient."""

    n: int
    timepoints: int
    statistic: float | None
    """Friedman's chi-squared, corrected for ties."""
    p_value: float | None
    p_chi_squared: float | None
    """The large-sample p-value of the same statistic, as R's friedman.test gives it."""
    effect: float | None
    """Kendall's W: 0 without agreement between patients, 1 with complete agreement."""
    method: str
    note: str


def friedman(values: ArrayLike, *, resolution: float | None = None) -> FriedmanTest:
    """Test complete patients.

    The null distribution is that of all orders of the timepoints within each patient, ties (midranks) included. It is
    counted out where that is feasible, else drawn with a fixed seed; `method` says which.

    Parameters
    ----------
    values
        (patients, timepoints), complete; at least two timepoints.
    """
    given = numbers(values)
    n, k = given.shape
    step = resolution_of(given) if resolution is None else resolution
    if n < 2:
        why = "there is no complete patient" if n == 0 else "only one patient is complete"
        return FriedmanTest(n, k, None, None, None, None, "none", why)
    ranks = np.array([doubled_midranks(row, step) for row in given])
    centred = ranks - (k + 1)  # whole numbers, sum 0 in each patient
    spread = int((centred**2).sum())
    if spread == 0:
        why = f"none of the {n} patients differs between timepoints; there is nothing to rank"
        return FriedmanTest(n, k, None, None, None, None, "none", why)
    seen = int((centred.sum(axis=0) ** 2).sum())
    statistic = (k - 1) * seen / spread
    ties = f"ties: {'midranks' if any(has_ties(row) for row in ranks) else 'none'}; zeros: as any value"
    p = _exact_p(centred, seen)
    how = "exact, all orders of the timepoints within patients"
    if p is None:
        p, how = _drawn_p(centred, seen), f"{DRAWS} random orders within patients, seed {_SEED}"
    return FriedmanTest(
        n, k, statistic, p, _chi_squared_p(statistic, k), statistic / (n * (k - 1)), f"{how}; {ties}", ""
    )


def _exact_p(centred: Ranks, seen: int) -> float | None:
    """Patient by patient, all totals of the timepoints; None when they become too many.

    Every order of a patient's ranks is as likely as every other, so that totals may be sorted: which timepoint has
    which does not matter to the statistic. Sorted totals are told apart as the digits of one whole number.
    """
    n, k = centred.shape
    base = 2 * n * k  # totals lie within ±n(k-1)
    if math.factorial(k) > MAX_EXACT_STATES or base**k >= 2**63:
        return None
    digits = base ** np.arange(k, dtype=np.int64)
    totals: Ranks = np.zeros((1, k), np.int64)
    chance: Numbers = np.ones(1)
    for row in centred:
        orders = np.array(sorted(set(itertools.permutations(row.tolist()))))
        if len(totals) * len(orders) > MAX_EXACT_STATES:
            return None
        reached = np.sort((totals[:, None, :] + orders).reshape(-1, k), axis=1)
        names = (reached + n * k) @ digits
        _, first, where = np.unique(names, return_index=True, return_inverse=True)
        weights = np.repeat(chance / len(orders), len(orders))
        chance = np.bincount(where, weights).astype(np.float64)
        totals = reached[first]
    return min(1.0, math.fsum(chance[(totals**2).sum(axis=1) >= seen]))


def _drawn_p(centred: Ranks, seen: int) -> float:
    """Share of random orders at least as extreme, the order seen among them (Phipson & Smyth 2010)."""
    draw = np.random.default_rng(_SEED)
    extreme, batch = 0, 1000
    for _ in range(DRAWS // batch):
        orders = draw.permuted(np.broadcast_to(centred, (batch, *centred.shape)), axis=2)
        extreme += int(((orders.sum(axis=1) ** 2).sum(axis=1) >= seen).sum())
    return (extreme + 1) / (DRAWS + 1)


def _chi_squared_p(statistic: float, k: int) -> float:
    from scipy.special import chdtrc  # noqa: PLC0415

    return float(chdtrc(k - 1, statistic))
