"""Intraclass correlation of single counts, with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mvd.agreement.estimate import CONFIDENCE, SAME, Estimate, untold

Form = Literal["2,1", "3,1"]

TOO_FEW = "fewer than two were counted by every reader"
NO_SPREAD = "all counts are equal: there is no spread to share out"
NO_ERROR = "the readers differ by nothing else than a constant: there is no error to make an interval of"


@dataclass(frozen=True, slots=True)
class _MeanSquares:
    """Two-way analysis of variance without replication."""

    n: int
    k: int
    rows: float
    """Between subjects."""
    columns: float
    """Between raters."""
    error: float


def icc(ratings: NDArray[np.float64], *, form: str = "2,1") -> float | None:
    """Intraclass correlation of single ratings; None with fewer than two subjects, or without any spread.

    Parameters
    ----------
    ratings
        (subjects, raters), complete.
    form
        ``"2,1"``: raters are a random sample, their bias counts against agreement; ``"3,1"``: just these raters,
        consistency only. Shrout & Fleiss, Psychol Bull 1979;86:420.
    """
    if ratings.shape[0] < 2 or ratings.shape[1] < 2:
        return None
    return _value(_mean_squares(ratings), form)


def intraclass(ratings: NDArray[np.float64], *, form: Form, confidence: float = CONFIDENCE) -> Estimate:
    """The `icc` with its interval.

    Of ``"3,1"`` the interval is exact where errors are normal; of ``"2,1"`` it is Satterthwaite's approximation, as in
    Shrout & Fleiss 1979 and McGraw & Wong, Psychol Methods 1996;1:30, table 7. R's psych::ICC gives the same with
    ``lmer = FALSE``.
    """
    if ratings.shape[0] < 2 or ratings.shape[1] < 2:
        return untold(TOO_FEW)
    squares = _mean_squares(ratings)
    value = _value(squares, form)
    if value is None:
        return untold(NO_SPREAD)
    if squares.error == 0 and (form == "3,1" or squares.columns == 0):
        return Estimate(value, None, None, NO_ERROR)
    low, high = (_consistency if form == "3,1" else _agreement)(squares, value, (1 + confidence) / 2)
    if not (math.isfinite(low) and math.isfinite(high)):
        return Estimate(value, None, None, "the interval cannot be computed from counts like these")
    return Estimate(value, low, high)


def _mean_squares(ratings: NDArray[np.float64]) -> _MeanSquares:
    n, k = ratings.shape
    grand = ratings.mean()
    rows = k * float(((ratings.mean(axis=1) - grand) ** 2).sum()) / (n - 1)
    columns = n * float(((ratings.mean(axis=0) - grand) ** 2).sum()) / (k - 1)
    residual = ratings - ratings.mean(axis=1, keepdims=True) - ratings.mean(axis=0, keepdims=True) + grand
    error = float((residual**2).sum()) / ((n - 1) * (k - 1))
    nothing = (SAME * float(np.abs(ratings).max())) ** 2
    rows, columns, error = (value if value > nothing else 0.0 for value in (rows, columns, error))
    return _MeanSquares(n, k, rows, columns, error)


def _value(of: _MeanSquares, form: str) -> float | None:
    bias = {"2,1": of.k * (of.columns - of.error) / of.n, "3,1": 0.0}[form]
    total = of.rows + (of.k - 1) * of.error + bias
    return (of.rows - of.error) / total if total > 0 else None


def _consistency(of: _MeanSquares, _: float, level: float) -> tuple[float, float]:
    between, within = of.n - 1, (of.n - 1) * (of.k - 1)
    ratio = of.rows / of.error
    low, high = ratio / _f_quantile(between, within, level), ratio * _f_quantile(within, between, level)
    return (low - 1) / (low + of.k - 1), (high - 1) / (high + of.k - 1)


def _agreement(of: _MeanSquares, value: float, level: float) -> tuple[float, float]:
    n, k = of.n, of.k
    # Satterthwaite's degrees of freedom; both terms multiplied by 1 - ICC, so that an ICC of 1 divides nothing by 0.
    a, b = k * value / n * of.columns, (1 - value + k * value * (n - 1) / n) * of.error
    spread = a**2 / (k - 1) + b**2 / ((n - 1) * (k - 1))
    if abs(a + b) <= SAME * (abs(a) + abs(b)):  # no degrees of freedom are left
        return math.nan, math.nan
    freedom = (a + b) ** 2 / spread
    upper, lower = _f_quantile(n - 1, freedom, level), _f_quantile(freedom, n - 1, level)
    others = k * of.columns + (k * n - k - n) * of.error
    low = n * (of.rows - upper * of.error) / (upper * others + n * of.rows)
    high = n * (lower * of.rows - of.error) / (others + n * lower * of.rows)
    return low, high


def _f_quantile(above: float, below: float, level: float) -> float:
    from scipy.special import fdtri  # noqa: PLC0415  (keeps the import of mvd quick)

    return float(fdtri(above, below, level))
