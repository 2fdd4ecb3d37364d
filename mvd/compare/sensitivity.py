"""Beside the tests: a model of the counts themselves, and what the design could have found."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mvd.compare.between import response_groups
from mvd.compare.model import Comparison, CountModel, CountRow, ModelTerm, PatientChange, Power
from mvd.compare.values import Patients, tidy
from mvd.compare.within import joined
from mvd.protocol import ComparisonPlan
from mvd.statistics import FittedTerms, detectable_paired_shift, detectable_shift_between, fit_counts
from mvd.statistics.power import MAX_PATIENTS, STUDIES


def _method(*, correlated: bool = True) -> str:
    within = "exchangeable correlation within patients" if correlated else "counts of a patient taken as independent"
    return (
        f"Poisson means with the area as offset, generalised estimating equations, {within}, Mancl-DeRouen standard "
        "errors, t with one degree of freedom less than the smallest timepoint or group has patients (at most "
        "patients - terms)"
    )


def count_model(patients: Patients, plan: ComparisonPlan) -> CountModel:
    """Ratio of the mean density at each later timepoint to that at the first and, with two response groups, how much
    more it changed in the first group than in the second."""
    rows = [row for row in patients.rows.values() if row.mvd_per_mm2 is not None]
    counted = [row for row in rows if row.count is not None and row.area_mm2 is not None]
    if not counted:
        return CountModel("", _method(), (), "there are no counts with areas, only densities" if rows else "no counts")
    used = [at for at in patients.later if any(row.timepoint == at for row in counted)]
    terms = {f"{at} vs {patients.first}": [float(row.timepoint == at) for row in counted] for at in used}
    fitted = _fitted(counted, terms, plan)
    if not fitted.terms:
        return CountModel("", _method(), (), fitted.note)
    by_group, note = _by_group(patients, counted, used, plan)
    dispersion = "" if fitted.dispersion is None else f"; dispersion {fitted.dispersion:.2f} (1 for Poisson counts)"
    text = (
        f"{len(counted)} counts of {len({row.patient for row in counted})} patients, also those without a pair"
        f"{dispersion}"
    )
    left = len(rows) - len(counted)
    densities = f"{left} specimens with a density but no count left out" if left else ""
    method = _method(correlated=fitted.correlation is not None)
    return CountModel(text, method, (*_terms(fitted), *by_group), joined(densities, fitted.note, note))


def _fitted(rows: Sequence[CountRow], terms: Mapping[str, Sequence[float]], plan: ComparisonPlan) -> FittedTerms:
    counts = [row.count or 0.0 for row in rows]
    areas = [row.area_mm2 or math.nan for row in rows]
    return fit_counts(counts, areas, patients=[row.patient for row in rows], terms=terms, confidence=plan.confidence)


def _by_group(
    patients: Patients, counted: Sequence[CountRow], used: Sequence[str], plan: ComparisonPlan
) -> tuple[tuple[ModelTerm, ...], str]:
    """Ratios of ratios, from a second model with the response; and why there are none, or what to know."""
    groups = response_groups(patients)
    if len(groups) != 2:
        return (), ""
    known = [row for row in counted if row.patient in patients.responses]
    first = [float(patients.responses[row.patient] == groups[0]) for row in known]
    terms: dict[str, list[float]] = {f"{groups[0]} vs {groups[1]} at {patients.first}": first}
    for at in used:
        terms[f"{at} vs {patients.first}, {groups[1]}"] = [float(row.timepoint == at) for row in known]
    wanted = {f"change {at} vs {patients.first}, {groups[0]} vs {groups[1]}": at for at in used}
    for name, at in wanted.items():
        terms[name] = [own * float(row.timepoint == at) for own, row in zip(first, known, strict=True)]
    fitted = _fitted(known, terms, plan)
    if not fitted.terms:
        return (), f"by response: {fitted.note}"
    return tuple(term for term in _terms(fitted) if term.name in wanted), fitted.note and f"by response: {fitted.note}"


def _terms(fitted: FittedTerms) -> tuple[ModelTerm, ...]:
    """To six digits: the last bits of an iteration are not the same on every machine."""
    return tuple(
        ModelTerm(one.name, *(float(f"{value:.6g}") for value in (one.ratio, one.low, one.high, one.p_value)))
        for one in fitted.terms
    )


def without_cautioned(row: CountRow) -> CountRow:
    """The row as it would be if an MVD with a caution were none."""
    if not row.caution:
        return row
    return replace(
        row, count=None, area_mm2=None, mvd_per_mm2=None, reason=row.caution, caution=None, ci_low=None, ci_high=None
    )


def told_without_cautioned(tests: Sequence[Comparison], surer: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Each test with what it gives without specimens that have a caution, where one of them entered it."""
    others = {one.name: one for one in surer}
    return tuple(_told(one, others.get(one.name)) for one in tests)


def _told(one: Comparison, other: Comparison | None) -> Comparison:
    if other is not None and (other.n, other.p_value, other.estimate) == (one.n, one.p_value, one.estimate):
        return one
    if other is None or other.p_value is None:
        found = f"no p-value (n = {other.n if other else 0})"
    else:
        found = f"n = {other.n}, p = {other.p_value:.4g}"
        if other.estimate is not None:
            found += f", shift {other.estimate:+.1f}"
            if other.ci_low is not None and other.ci_high is not None:
                found += f" ({other.ci_low:.1f} to {other.ci_high:.1f})"
    return replace(one, note=joined(one.note, f"without specimens that have a caution: {found}"))


def design_power(
    comparisons: Sequence[Comparison], changes: Sequence[PatientChange], plan: ComparisonPlan, *, first: str
) -> Iterator[Power]:
    """Of every comparison with the first timepoint and every change by response."""
    alpha = round(1 - plan.confidence, 12)
    for one in comparisons:
        for target in dict.fromkeys(change.timepoint for change in changes):
            seen = [c for c in changes if c.timepoint == target and c.difference is not None]
            if one.test == "wilcoxon_signed_rank" and one.name == f"{target} vs {first}":
                yield _paired_power(one, seen, alpha, plan.power)
            elif one.name.startswith(f"change {target} vs {first} by ") and len(one.groups) == 2:
                yield _power_between(one, seen, alpha, plan.power)


def _paired_power(one: Comparison, seen: Sequence[PatientChange], alpha: float, power: float) -> Power:
    sd = _sd([change.difference for change in seen])
    found = None if sd is None else detectable_paired_shift(one.n, sd=sd, alpha=alpha, power=power)
    return _said(one, found, sd, (alpha, power), "pair" if one.n == 1 else "pairs")


def _power_between(one: Comparison, seen: Sequence[PatientChange], alpha: float, power: float) -> Power:
    sizes = one.groups[0][1], one.groups[1][1]
    spreads = []
    for (group, n), sd in ((g, _sd([c.difference for c in seen if c.response == g[0]])) for g in one.groups):
        if sd is not None:
            spreads.append(((n - 1) * sd**2, n - 1, group))
    freedom = sum(weight for _, weight, _ in spreads)
    sd = math.sqrt(sum(squares for squares, _, _ in spreads) / freedom) if freedom else None
    found = None if sd is None else detectable_shift_between(sizes, sd=sd, alpha=alpha, power=power)
    return _said(one, found, sd, (alpha, power), f"patients ({' and '.join(str(size) for size in sizes)})")


def _sd(differences: Sequence[float | None]) -> float | None:
    known = [value for value in differences if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def _said(one: Comparison, found: float | None, sd: float | None, levels: tuple[float, float], who: str) -> Power:
    alpha, power = levels
    if sd is None or sd == 0:
        return Power(one.name, one.n, None, None, f"no spread of differences to go by ({one.n} {who})")
    if one.n > MAX_PATIENTS:
        return Power(one.name, one.n, None, None, f"not computed for more than {MAX_PATIENTS} patients")
    if found is None:
        return Power(one.name, one.n, None, None, f"with {one.n} {who} no shift, however large, gives p ≤ {alpha:g}")
    text = (
        f"{one.n} {who} find a shift of {found:.1f} vessels/mm² with power {power:.0%} (two-sided exact test at "
        f"{alpha:g}; normal differences with the standard deviation seen, {sd:.1f}; {STUDIES} simulated studies)"
    )
    return Power(one.name, one.n, tidy(float(f"{found:.3g}")), power, text)
