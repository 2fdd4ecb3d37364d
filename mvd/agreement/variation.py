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
    """A fraction: 0.1 is 10 %."""


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
    left_out = len(ratings) - len(counted)
    if len(counted) < 2 or ratings.shape[1] < 2:
        return Variation(len(counted), left_out, untold("fewer than two subjects with a count above 0"))
    squares = counted.var(axis=1, ddof=1) / counted.mean(axis=1) ** 2
    mean = float(squares.mean())
    value = math.sqrt(mean)
    if value <= SAME:
        return Variation(len(counted), left_out, Estimate(0.0, None, None, "no two counts of a subject differ"))
    spread = math.sqrt(float(squares.var(ddof=1)))
    if spread <= SAME * mean:
        return Variation(len(counted), left_out, Estimate(value, None, None, "all subjects vary alike"))
    half = t_quantile(len(counted) - 1, (1 + confidence) / 2) * spread / math.sqrt(len(counted))
    interval = math.sqrt(max(mean - half, 0.0)), math.sqrt(mean + half)
    return Variation(len(counted), left_out, Estimate(value, *interval))
