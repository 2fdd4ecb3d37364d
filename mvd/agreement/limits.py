"""Bland–Altman limits of agreement: of the difference of two readers' counts, and of their ratio."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mvd.agreement.estimate import CONFIDENCE, SAME, Estimate, t_quantile, untold

COVERAGE = 1.96
"""Standard deviations on either side that hold 95 % of the differences (Bland & Altman, Lancet 1986;1:307)."""

Scale = Literal["difference", "ratio"]

_GIVEN_BACK: dict[Scale, Callable[[float], float]] = {"difference": float, "ratio": math.exp}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bland–Altman limits of agreement (Lancet 1986;1:307)."""

    bias: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class BlandAltman:
    """First reader against second: the bias, and the limits that hold 95 % of what there is between them."""

    scale: Scale
    n: int
    """Pairs of counts that entered."""
    left_out: int
    """Pairs without a ratio, for one count is 0 or both are."""
    bias: Estimate
    """Mean difference, or geometric mean of the ratios; 0, or 1, is none."""
    lower: Estimate
    upper: Estimate
    sd: float | None
    """Of the differences, or of the ratios' natural logarithms."""


def limits_of_agreement(first: NDArray[np.float64], second: NDArray[np.float64]) -> Limits | None:
    """Mean of first minus second and the range that holds 95 % of the differences; None with fewer than two pairs."""
    difference = first - second
    if len(difference) < 2:
        return None
    spread = COVERAGE * math.sqrt(float(difference.var(ddof=1)))
    bias = float(difference.mean())
    return Limits(bias, bias - spread, bias + spread)


def between(first: NDArray[np.float64], second: NDArray[np.float64], *, scale: Scale) -> NDArray[np.float64]:
    """Differences, or logarithms of the ratios of those that have one."""
    if scale == "difference":
        return first - second
    both = (first > 0) & (second > 0)
    return np.log(first[both] / second[both])


def bland_altman(
    first: NDArray[np.float64], second: NDArray[np.float64], *, scale: Scale, confidence: float = CONFIDENCE
) -> BlandAltman:
    """Bias and limits of agreement, each with its interval.

    Of the ratio they are computed on logarithms and given back as ratios; counts of which one is 0 have no ratio, are
    left out and are told. Intervals as in Bland & Altman, Stat Methods Med Res 1999;8:135, with Student's t and n - 1
    degrees of freedom: standard error s / √n of the bias, s √(1/n + 1.96² / (2 (n - 1))) of a limit.
    """
    values = between(first, second, scale=scale)
    size = float(np.maximum(np.abs(first), np.abs(second)).max(initial=0.0)) if scale == "difference" else 1.0
    n, left_out, given_back = len(values), len(first) - len(values), _GIVEN_BACK[scale]
    if n < 2:
        missing = untold(f"fewer than two pairs{' of counts above 0' if left_out else ''}")
        return BlandAltman(scale, n, left_out, missing, missing, missing, None)
    bias, sd = float(values.mean()), math.sqrt(float(values.var(ddof=1)))
    if sd <= SAME * size:
        told = f"all {scale}s are the same: there is no spread to make an interval of"
        alone = Estimate(given_back(bias), None, None, told)
        return BlandAltman(scale, n, left_out, alone, alone, alone, 0.0)
    t = t_quantile(n - 1, (1 + confidence) / 2)

    def estimate(value: float, error: float) -> Estimate:
        return Estimate(given_back(value), given_back(value - t * error), given_back(value + t * error))

    at_limit = sd * math.sqrt(1 / n + COVERAGE**2 / (2 * (n - 1)))
    lower, upper = (estimate(bias + side * COVERAGE * sd, at_limit) for side in (-1, 1))
    return BlandAltman(scale, n, left_out, estimate(bias, sd / math.sqrt(n)), lower, upper, sd)
