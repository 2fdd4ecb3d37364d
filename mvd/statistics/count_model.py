"""Ratios of densities from the counts themselves, by generalised estimating equations.

Poisson means with the area as offset; the counts of one patient may go together (exchangeable correlation) and may
spread more than Poisson counts do: the standard errors come from what is left over between patients (sandwich), with
Mancl & DeRouen's correction for few patients (Biometrics 2001;57:126). A mixed model would have to assume how patients
and counts are distributed, and with some twenty patients nothing could show it wrong; this asks only that the mean is
right.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mvd.statistics.ranks import Numbers, numbers

_NARROWEST = 1e-6
"""Standard error of a log ratio: less is rounding. Ten counts of 10^6 vessels each would give 3e-4."""
_WIDEST = 5.0
"""Standard error of a log ratio: an interval that spans a factor of 10^8 says that nothing was estimated."""


@dataclass(frozen=True, slots=True)
class FittedTerm:
    """A ratio of two mean densities."""

    name: str
    ratio: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True, slots=True)
class FittedTerms:
    """The ratios, or why there are none."""

    terms: tuple[FittedTerm, ...]
    dispersion: float | None
    """Spread of the counts over that of Poisson counts."""
    correlation: float | None
    """Of two counts of one patient."""
    note: str


def fit_counts(
    counts: ArrayLike,
    areas_mm2: ArrayLike,
    *,
    patients: Sequence[str],
    terms: Mapping[str, ArrayLike],
    confidence: float = 0.95,
) -> FittedTerms:
    """Fit, or say why not: nothing is given that did not converge.

    Parameters
    ----------
    counts, areas_mm2
        One a specimen; a mean of several observers' counts may be a fraction.
    patients
        Whose specimen it is.
    terms
        Columns of zeros and ones beside the intercept; the ratio of each is that of the ones to the zeros.
    """
    observed, area = numbers(counts), numbers(areas_mm2)
    names = list(terms)
    columns = np.column_stack([np.ones(len(observed)), *(numbers(terms[name]) for name in names)])
    clusters = len(set(patients))
    freedom = clusters - columns.shape[1]
    if why := _cannot(observed, columns, names, freedom):
        return FittedTerms((), None, None, why)
    fitted = _fit(observed, area, patients, columns)
    if isinstance(fitted, str):
        return FittedTerms((), None, None, fitted)
    estimates, errors, dispersion, correlation = fitted
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415

    half = float(stdtrit(freedom, (1 + confidence) / 2))
    found = tuple(
        FittedTerm(
            name,
            math.exp(value),
            math.exp(value - half * error),
            math.exp(value + half * error),
            2 * float(stdtr(freedom, -abs(value / error))),
        )
        for name, value, error in zip(names, estimates[1:], errors[1:], strict=True)
    )
    return FittedTerms(found, dispersion, correlation, "")


def _cannot(observed: Numbers, columns: Numbers, names: Sequence[str], freedom: int) -> str:
    """Why there is nothing to fit, empty where there is."""
    if not names:
        return "there is nothing to compare"
    if freedom < 2:
        return "too few patients for a model of the counts"
    if np.linalg.matrix_rank(columns) < columns.shape[1]:
        return "the timepoints and groups cannot be told apart in these counts"
    cells = np.unique(columns, axis=0)
    if any(observed[(columns == cell).all(axis=1)].sum() == 0 for cell in cells):
        return "no vessel at all at one timepoint or in one group, so that there is no ratio"
    return ""


def _fit(
    observed: Numbers, area: Numbers, patients: Sequence[str], columns: Numbers
) -> tuple[Numbers, Numbers, float, float] | str:
    """Estimates, their standard errors, dispersion and correlation; or why it did not fit."""
    from statsmodels.genmod.cov_struct import Exchangeable  # noqa: PLC0415  (a second that only this needs)
    from statsmodels.genmod.families import Poisson  # noqa: PLC0415
    from statsmodels.genmod.generalized_estimating_equations import GEE  # noqa: PLC0415

    groups = np.unique(np.asarray(patients, np.str_), return_inverse=True)[1]
    structure = Exchangeable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whatever it warns of is looked for in the result
        try:
            model = GEE(observed, columns, groups, offset=np.log(area), family=Poisson(), cov_struct=structure)
            result = model.fit(cov_type="bias_reduced", maxiter=200)
            estimates, errors = np.asarray(result.params, np.float64), np.asarray(result.bse, np.float64)
        except (np.linalg.LinAlgError, ValueError, ZeroDivisionError, FloatingPointError) as error:
            return f"it did not fit ({error})"
    if not result.converged or not np.isfinite(estimates).all():
        return "it did not converge"
    if not np.isfinite(errors).all() or errors.min() < _NARROWEST:
        return "the ratios fit these counts with nothing left over, from which an interval would be computed"
    if errors.max() > _WIDEST:
        return "it converged on a ratio that the counts say nothing about"
    expected = np.asarray(result.fittedvalues, np.float64)
    spare = len(observed) - columns.shape[1]
    dispersion = float(((observed - expected) ** 2 / expected).sum()) / spare
    return estimates, errors, dispersion, float(structure.dep_params)
