"""Tests between response groups: the change since the first timepoint, and the values after treatment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from mvd.compare.model import Comparison
from mvd.compare.values import Patients
from mvd.compare.within import interval_note, joined, post_value, scaled, stated
from mvd.protocol import ComparisonPlan
from mvd.statistics import holm, rank_sum, resolution_of, shift_between

RANK_SUM_EFFECT = "rank-biserial r"

Group = tuple[str, list[float]]
"""A response group and its values."""

_NO_OTHER = ""
"""Stands for the second group where there is none; no group has an empty name."""


def group_comparisons(patients: Patients, plan: ComparisonPlan) -> Iterator[Comparison]:
    """Each later timepoint (and the chosen post value): the change by response, then the value by response.

    None where no patient has a response group. Three groups or more are compared two by two, with Holm's adjustment.
    """
    if not patients.responses:
        return
    targets = (*patients.later, *([plan.post] if len(patients.later) > 1 else []))
    for target in targets:
        values = {name: post_value(patients, name, target) for name in patients.names}
        before = {name: patients.value(name, patients.first) for name in patients.names}
        change = {
            name: after - pre
            for name, after in values.items()
            if after is not None and (pre := before[name]) is not None
        }
        step = resolution_of([value for value in (*values.values(), *before.values()) if value is not None])
        present = {name: value for name, value in values.items() if value is not None}
        yield from _by_response(patients, f"change {target} vs {patients.first}", change, plan, step)
        yield from _by_response(patients, target, present, plan, step)


def response_groups(patients: Patients) -> tuple[str, ...]:
    """In the order of the alphabet, as R orders them: the shift is of the first less the second."""
    return tuple(sorted(set(patients.responses.values()), key=lambda name: (name.casefold(), name)))


def _by_response(
    patients: Patients, what: str, values: dict[str, float], plan: ComparisonPlan, step: float
) -> Iterator[Comparison]:
    groups = {
        group: [value for name, value in values.items() if patients.responses.get(name) == group]
        for group in response_groups(patients)
    }
    names = [f"{what} by response"]
    couples = list(combinations(groups.items(), 2))
    if len(groups) == 1:
        couples = [(next(iter(groups.items())), (_NO_OTHER, []))]
    elif len(couples) > 1:
        names = [f"{names[0]}: {a} vs {b}" for (a, _), (b, _) in couples]
    unknown = sum(name not in patients.responses for name in values)
    note = f"{unknown} without a response group left out" if unknown else ""
    found = [_two_groups(one, other, patients=patients, plan=plan, resolution=step) for one, other in couples]
    named = [replace(one, name=name, note=joined(one.note, note)) for one, name in zip(found, names, strict=True)]
    yield from _adjusted(named)


def _two_groups(one: Group, other: Group, *, patients: Patients, plan: ComparisonPlan, resolution: float) -> Comparison:
    (first, x), (second, y) = one, other
    test = rank_sum(x, y, resolution=resolution)
    shift = shift_between(x, y, confidence=plan.confidence)
    note = test.note
    if second == _NO_OTHER:
        note = f"every response is '{first}'; there is no second group"
    elif test.p_value is None:
        note = f"nobody to compare among {' and '.join(name for name, values in (one, other) if not values)}"
    elif shift.estimate is not None:
        note = joined(f"shift: {first} less {second}", note, interval_note(shift, plan.confidence))
    told = stated(shift)
    return Comparison(
        name="",
        n=len(x) + len(y),
        groups=tuple((name, len(values)) for name, values in (one, other) if name != _NO_OTHER),
        test="mann_whitney",
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
        effect_name=RANK_SUM_EFFECT,
        note=note,
    )


def _adjusted(found: Sequence[Comparison]) -> Iterator[Comparison]:
    adjusted = holm([one.p_value for one in found])
    tested = sum(p is not None for p in adjusted)
    for one, p in zip(found, adjusted, strict=True):
        if p is None or tested < 2:
            yield one
        else:
            yield replace(
                one, p_adjusted=p, note=joined(one.note, f"Holm's adjustment over {tested} couples of groups")
            )
