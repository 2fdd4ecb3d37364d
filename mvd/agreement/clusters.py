"""Intervals by field that know that fields of one specimen are alike: a jackknife over specimens.

Each figure is computed again without each specimen in turn; Student's t with as many degrees of freedom as there are
specimens, less one (Efron B. The jackknife, the bootstrap and other resampling plans. Philadelphia: SIAM; 1982). The
intraclass correlation on Fisher's scale, ratios on logarithms, the coefficient of variation on squares.

Notes
-----
Coverage in per cent of 95 % intervals by field: simulated observers who find 95 and 90 % of the vessels and add a few,
8 or 20 specimens of five fields whose means vary between specimens (CV 50 %) and within (40 %), 1500 studies each.
`apart` is the standard deviation, between specimens, of the share that an observer finds; `plain` are the intervals
that take fields as independent:

=====  =========  ==============  ==============  ==============
apart  specimens  ICC(2,1)        bias            upper limit
                  plain, here     plain, here     plain, here
=====  =========  ==============  ==============  ==============
0      8          82, 91          94, 95          86, 92
0      20         81, 91          93, 95          85, 92
5 %    8          81, 91          89, 95          78, 90
5 %    20         76, 90          87, 94          77, 90
10 %   8          76, 93          80, 95          69, 84
10 %   20         73, 93          81, 95          66, 87
=====  =========  ==============  ==============  ==============
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mvd.agreement.correlation import icc
from mvd.agreement.estimate import SAME, Estimate, t_quantile
from mvd.agreement.limits import COVERAGE, BlandAltman, Scale, between
from mvd.agreement.variation import Variation, mean_square

Table = NDArray[np.float64]
Figure = Callable[[Table], float]
"""A figure of a table on the scale on which its interval is made; nan where it cannot be told."""

UNTOLD = "without one of the specimens it cannot be told: there is no interval"
NO_SPREAD = "it is the same without any of the specimens: there is no spread to make an interval of"


def with_specimens(estimate: Estimate, figure: Figure, tables: Sequence[Table], *, confidence: float) -> Estimate:
    """An estimate with the jackknife's interval, on the figure's scale; one without an interval stays as it is."""
    if estimate.low is None:
        return estimate
    m, whole = len(tables), figure(np.concatenate(tables))
    without = [figure(np.concatenate([*tables[:i], *tables[i + 1 :]])) if m > 1 else math.nan for i in range(m)]
    if not all(math.isfinite(value) for value in (whole, *without)):
        return replace(estimate, low=None, high=None, note=UNTOLD)
    error = math.sqrt((m - 1) / m * float(np.square(np.array(without) - np.mean(without)).sum()))
    if error <= SAME * max(abs(whole), 1.0):
        return replace(estimate, low=None, high=None, note=NO_SPREAD)
    half = t_quantile(m - 1, (1 + confidence) / 2) * error
    return replace(estimate, low=whole - half, high=whole + half)


def correlation_with_specimens(
    estimate: Estimate, tables: Sequence[Table], *, form: str, confidence: float
) -> Estimate:
    """The intraclass correlation's; see the module."""
    others = tables[0].shape[1] - 1

    def figure(table: Table) -> float:
        value = icc(table, form=form)
        return math.nan if value is None or not -1 / others < value < 1 else _fisher(value, others)

    return _given_back(
        with_specimens(estimate, figure, tables, confidence=confidence),
        lambda z: (math.exp(2 * z) - 1) / (math.exp(2 * z) + others),
    )


def _fisher(value: float, others: int) -> float:
    return math.log((1 + others * value) / (1 - value)) / 2


def limits_with_specimens(found: BlandAltman, tables: Sequence[Table], *, confidence: float) -> BlandAltman:
    """Those of the bias and of the limits of agreement."""

    def figure(side: int) -> Figure:
        return lambda table: _limit(table, found.scale, side)

    def again(estimate: Estimate, side: int) -> Estimate:
        made = with_specimens(estimate, figure(side), tables, confidence=confidence)
        return made if found.scale == "difference" else _given_back(made, math.exp)

    return replace(found, bias=again(found.bias, 0), lower=again(found.lower, -1), upper=again(found.upper, 1))


def _limit(table: Table, scale: Scale, side: int) -> float:
    values = between(table[:, 0], table[:, 1], scale=scale)
    if len(values) < 2:
        return math.nan
    return float(values.mean()) + side * COVERAGE * math.sqrt(float(values.var(ddof=1)))


def variation_with_specimens(found: Variation, tables: Sequence[Table], *, confidence: float) -> Variation:
    """That of the coefficient of variation; not below 0."""
    made = with_specimens(found.cv, mean_square, tables, confidence=confidence)
    return replace(found, cv=_given_back(made, lambda square: math.sqrt(max(square, 0.0))))


def _given_back(estimate: Estimate, back: Callable[[float], float]) -> Estimate:
    """The interval on the scale of the figure itself."""
    if estimate.low is None or estimate.high is None:
        return estimate
    return replace(estimate, low=back(estimate.low), high=back(estimate.high))
