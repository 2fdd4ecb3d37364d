"""All comparisons of one study, from its counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mvd.compare.between import group_comparisons
from mvd.compare.model import Comparison, Comparisons, CountRow, PatientChange, TimepointSummary
from mvd.compare.sensitivity import count_model, design_power, told_without_cautioned, without_cautioned
from mvd.compare.values import Patients, by_patient, tidy
from mvd.compare.within import all_timepoints, changes, paired_comparisons
from mvd.errors import ManifestError
from mvd.protocol import ComparisonPlan
from mvd.statistics import spread


def compare_counts(
    rows: Sequence[CountRow],
    *,
    timepoints: Sequence[str],
    plan: ComparisonPlan,
    title: str,
    source: str,
    file: str | None = None,
) -> Comparisons:
    """Compare timepoints and response groups.

    Parameters
    ----------
    rows
        At most one a patient and timepoint, in any order; those without a count too, so that they are named.
    timepoints
        In order; the first is the one before treatment.
    source
        Whose counts these are, in words.
    file
        Name of the file of the counts, if `title` or `source` gives it.

    Raises
    ------
    ManifestError
        A timepoint that is not named or has a name that means something else, two rows of one patient at one
        timepoint, or a patient in two response groups.
    """
    if plan.post in timepoints:
        raise ManifestError(f"a timepoint cannot be named '{plan.post}', as a rule for the value after treatment is")
    patients = by_patient(rows, timepoints=timepoints)
    found = changes(patients, plan)
    tests = _tests(patients, plan)
    if any(row.caution for row in rows):
        surer = by_patient([without_cautioned(row) for row in rows], timepoints=timepoints)
        tests = told_without_cautioned(tests, _tests(surer, plan))
    return Comparisons(
        title=title,
        timepoints=tuple(timepoints),
        source=source,
        rows=tuple(rows),
        changes=found,
        summaries=tuple(_summary(patients, at) for at in timepoints),
        comparisons=tests,
        model=count_model(patients, plan),
        power=tuple(design_power(tests, found, plan, first=patients.first)),
        unreviewed=tuple(row.name for row in rows if not row.reviewed and row.mvd_per_mm2 is not None),
        left_out=(*((row.name, row.reason) for row in rows if row.reason), *_without_pair(found)),
        plan=plan,
        file=file,
    )


def _tests(patients: Patients, plan: ComparisonPlan) -> tuple[Comparison, ...]:
    return (
        *paired_comparisons(patients, plan),
        *all_timepoints(patients),
        *group_comparisons(patients, plan),
    )


def _summary(patients: Patients, timepoint: str) -> TimepointSummary:
    values = [value for name in patients.names if (value := patients.value(name, timepoint)) is not None]
    found, unit = spread(values), patients.unit
    numbers = (found.median, found.minimum, found.maximum, found.q1, found.q3, found.mean, found.sd)
    return TimepointSummary(timepoint, found.n, *(None if n is None else tidy(n * unit) for n in numbers))


def _without_pair(found: Sequence[PatientChange]) -> Iterator[tuple[str, str]]:
    """Patients who have no pair at any timepoint."""
    paired = {change.patient for change in found if change.missing is None}
    reasons: dict[str, list[str]] = {}
    for change in found:
        if change.patient not in paired and change.missing:
            reasons.setdefault(change.patient, []).extend(change.missing.split("; "))
    for patient, why in reasons.items():
        yield patient, "no pair: " + "; ".join(dict.fromkeys(why))
