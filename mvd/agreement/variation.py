"""Coefficient of variation of counts of one and the same thing by several readers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvd.agreement.estimate import CONFIDENCE, SAME, Estimate, t_quantile, untold


@dataclass(frozen=True, slots=True)
class Variation:
    """How far counts of one subject scatter about their mean."""

    n: int
    left_out: int
    """Subjects in which every reader counted 0: they have no coefficient of variation."""
    cv: Estimate
    """A fraction: 0.1 is 10 %. Where counts are small and one of them is 0, that alone makes it large."""
    sd: float | None
    """Within-subject standard deviation, of all subjects; in the unit of the counts. None without subjects."""
    mean: float | None
    """Of all counts."""


def within_subject_variation(ratings: NDArray[np.float64], *, confidence: float = CONFIDENCE) -> Variation:
    """The within-subject coefficient of variation: root of the mean of (sd / mean)² of each subject.

    Readers' bias is part of it. Jones R, Payne B. Clinical Investigation and Statistics in Laboratory Medicine. London:
    ACB Venture; 1997; as explained by Bland (How should I calculate a within-subject coefficient of variation? 2006),
    whose interval this is: that of the mean of the squares, here with Student's t, and its roots; not below 0.

    Parameters
    ----------
    ratings
        (subjects, readers), complete, none below 0.
    """
    counted = ratings[ratings.mean(axis=1) > 0] if ratings.size else ratings
    n, left_out = len(counted), len(ratings) - len(counted)
    if not len(ratings) or ratings.shape[1] < 2:
        return Variation(n, left_out, untold("no subject was counted by two readers"), None, None)
    sd, overall = math.sqrt(float(ratings.var(axis=1, ddof=1).mean())), float(ratings.mean())
    return Variation(n, left_out, _coefficient(counted, confidence), sd, overall)


def mean_square(ratings: NDArray[np.float64]) -> float:
    """Mean of the squares of the coefficients of variation; nan where no subject has one."""
    counted = ratings[ratings.mean(axis=1) > 0]
    return float(_squares(counted).mean()) if len(counted) else math.nan


def _squares(counted: NDArray[np.float64]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = counted.var(axis=1, ddof=1) / counted.mean(axis=1) ** 2
    return squares


def _coefficient(counted: NDArray[np.float64], confidence: float) -> Estimate:
    n = len(counted)
    if n < 2:
        return untold("fewer than two subjects with a count above 0")
    squares = _squares(counted)
    mean = float(squares.mean())
    value, spread = math.sqrt(mean), math.sqrt(float(squares.var(ddof=1)))
    if value <= SAME:
        return Estimate(0.0, None, None, "no two counts of a subject differ")
    if spread <= SAME * mean:
        return Estimate(value, None, None, "all subjects vary alike")
    half = t_quantile(n - 1, (1 + confidence) / 2) * spread / math.sqrt(n)
    return Estimate(value, math.sqrt(max(mean - half, 0.0)), math.sqrt(mean + half))
