"""Tests within patients: timepoint against timepoint, and all timepoints together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import median

import numpy as np

from mvd.compare.model import Comparison, PatientChange
from mvd.compare.values import Patients, tidy
from mvd.protocol import ComparisonPlan
from mvd.statistics import Shift, friedman, holm, paired_shift, resolution_of, signed_rank

SIGNED_RANK_EFFECT = "matched-pairs rank-biserial r"


def changes(patients: Patients, plan: ComparisonPlan) -> tuple[PatientChange, ...]:
    """Every patient at every later timepoint and, where there are several, at the chosen post value."""
    targets = (*patients.later, *([plan.post] if len(patients.later) > 1 else []))
    return tuple(_change(patients, patient, target) for patient in patients.names for target in targets)


def _change(patients: Patients, patient: str, target: str) -> PatientChange:
    pre, post = patients.value(patient, patients.first), post_value(patients, patient, target)
    response, unit = patients.responses.get(patient), patients.unit
    before, after = (None if value is None else tidy(value * unit) for value in (pre, post))
    if pre is None or post is None:
        missing = joined(
            patients.missing(patient, patients.first) or "",
            "" if post is not None else _no_post(patients, patient, target),
        )
        return PatientChange(patient, target, response, before, after, None, None, missing)
    ratio = tidy(post / pre) if pre > 0 else None
    return PatientChange(patient, target, response, before, after, tidy((post - pre) * unit), ratio, None)


def post_value(patients: Patients, patient: str, target: str) -> float | None:
    """The value at a timepoint, or the one that 'earliest', 'latest' or 'mean' chooses of those after treatment."""
    if target in patients.timepoints:
        return patients.value(patient, target)
    found = [value for value in (patients.value(patient, at) for at in patients.later) if value is not None]
    if not found:
        return None
    return {"earliest": found[0], "latest": found[-1], "mean": sum(found) / len(found)}[target]


def _no_post(patients: Patients, patient: str, target: str) -> str:
    if target in patients.timepoints:
        return patients.missing(patient, target) or ""
    return "; ".join(filter(None, (patients.missing(patient, at) for at in patients.later)))


def paired_comparisons(patients: Patients, plan: ComparisonPlan) -> Iterator[Comparison]:
    """Each later timepoint against the first (or all pairs), adjusted together; then the chosen post value."""
    later = [(at, patients.first) for at in patients.later]
    if plan.pairwise == "all":
        later += [(post, pre) for pre, post in combinations(patients.later, 2)]
    yield from _adjusted([paired(patients, post, pre, plan) for post, pre in later])
    if len(patients.later) > 1:
        yield paired(patients, plan.post, patients.first, plan)


def _adjusted(family: Sequence[Comparison]) -> Iterator[Comparison]:
    adjusted = holm([one.p_value for one in family])
    tested = [one.name for one in family if one.p_value is not None]
    for one, p in zip(family, adjusted, strict=True):
        if p is None or len(tested) < 2:
            yield one
        else:
            note = f"Holm's adjustment over {len(tested)} tests: {', '.join(tested)}"
            yield replace(one, p_adjusted=p, note=joined(one.note, note))


def paired(patients: Patients, post: str, pre: str, plan: ComparisonPlan) -> Comparison:
    """The signed-rank test of all patients who have both."""
    pairs = [(post_value(patients, name, post), patients.value(name, pre)) for name in patients.names]
    complete = [(after, before) for after, before in pairs if after is not None and before is not None]
    differences = [after - before for after, before in complete]
    step = resolution_of(complete)
    test = signed_rank(differences, zeros=plan.zeros, resolution=step)
    # Of all pairs: a patient who stayed as before says as much of how far patients moved as one who did not.
    shift = paired_shift(differences, confidence=plan.confidence, zeros="pratt", resolution=step)
    notes = [test.note, interval_note(shift, plan.confidence), _ways(differences, step, patients.unit)]
    told = stated(shift)
    if test.p_value is not None and test.zeros and plan.zeros == "wilcoxon":
        notes.append(f"the test is of the {_pairs(test.n - test.zeros)}, shift and interval of all {test.n}")
    return Comparison(
        name=f"{post} vs {pre}",
        n=test.n,
        groups=(),
        test="wilcoxon_signed_rank",
        method=f"{test.method}; {patients.scale}",
        alternative="two-sided",
        statistic=test.statistic,
        p_value=test.p_value,
        p_adjusted=None,
        estimate=scaled(told.estimate, patients.unit),
        ci_low=scaled(told.low, patients.unit),
        ci_high=scaled(told.high, patients.unit),
        confidence=told.confidence,
        effect=test.effect,
        effect_name=SIGNED_RANK_EFFECT,
        note=joined(*notes),
    )


def all_timepoints(patients: Patients) -> Iterator[Comparison]:
    """Friedman's test of the patients who have every timepoint; none with fewer than three timepoints."""
    if len(patients.timepoints) < 3:
        return
    everyone = [[patients.value(name, at) for at in patients.timepoints] for name in patients.names]
    complete = [values for values in everyone if None not in values]
    test = friedman(np.array(complete, np.float64).reshape(-1, len(patients.timepoints)))
    note = test.note
    if test.p_chi_squared is not None:
        note = f"patients with every timepoint; large-sample chi-squared p = {test.p_chi_squared:.4g}"
    yield Comparison(
        name="all timepoints",
        n=test.n,
        groups=(),
        test="friedman",
        method=f"{test.method}; {patients.scale}",
        alternative="two-sided",
        statistic=test.statistic,
        p_value=test.p_value,
        p_adjusted=None,
        estimate=None,
        ci_low=None,
        ci_high=None,
        confidence=None,
        effect=test.effect,
        effect_name="Kendall's W",
        note=note,
    )


def _ways(differences: Sequence[float], step: float, unit: float) -> str:
    """How many went which way, and the median change."""
    if not differences:
        return ""
    up, down = (sum(sign * one > step for one in differences) for sign in (1, -1))
    change = scaled(median(differences), unit)
    return f"{up} went up, {len(differences) - up - down} stayed, {down} went down; median change {change:+.4g}"


def _pairs(number: int) -> str:
    return "one pair that differs" if number == 1 else f"{number} pairs that differ"


LEAST_CONFIDENCE = 0.9
"""Of an interval that is given: beside a p of 0.33 one of 66.7 % that holds no zero says the opposite."""


def stated(shift: Shift) -> Shift:
    """A shift, without an interval of a level below `LEAST_CONFIDENCE`."""
    if shift.confidence is None or shift.confidence >= LEAST_CONFIDENCE:
        return shift
    return Shift(shift.estimate, None, None, None)


def interval_note(shift: Shift, wanted: float) -> str:
    """Where so few values cannot give the interval that was asked for."""
    reached = shift.confidence
    if reached is None or reached >= min(wanted, 1.0):
        return ""
    if reached < LEAST_CONFIDENCE:
        return f"so few values give no interval: the widest there is has a level of {reached:.1%}"
    return f"so few values give an interval of {reached:.1%} at most"


def scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else tidy(value * unit)


def joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
