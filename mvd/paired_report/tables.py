"""The tidy tables of the report as rows: one row a specimen, a field, an object, a pair, a test, a timepoint.

The order of the attributes is the order of the columns; what a column means stands in `definitions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from mvd.compare.model import Comparison, Comparisons, CountRow, PatientChange, TimepointSummary
from mvd.paired_report.evidence import CountedField, Evidence, ReadVessel


@dataclass(frozen=True, slots=True)
class ReportSpecimen:
    """specimens.csv."""

    patient: str
    timepoint: str
    specimen: str | None
    response: str | None
    source: str
    reviewed: bool
    count: float | None
    area_mm2: float | None
    mvd_per_mm2: float | None
    ci_low: float | None
    ci_high: float | None
    reason: str | None
    caution: str | None


@dataclass(frozen=True, slots=True)
class ReportPair:
    """pairs.csv, and post_values.csv where a patient has several values after treatment."""

    patient: str
    timepoint: str
    response: str | None
    pre: float | None
    post: float | None
    difference: float | None
    ratio: float | None
    missing: str | None


@dataclass(frozen=True, slots=True)
class ReportTest:
    """One row a test; groups in words."""

    name: str
    n: int
    groups: str
    test: str
    method: str
    alternative: str
    statistic: float | None
    p_value: float | None
    p_adjusted: float | None
    estimate: float | None
    ci_low: float | None
    ci_high: float | None
    confidence: float | None
    effect: float | None
    effect_name: str
    note: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table with its name; `row_type` gives its columns also where there is no row."""

    name: str
    row_type: type[Any]
    rows: tuple[Any, ...]


def tidy_tables(comparisons: Comparisons, evidence: Evidence) -> tuple[Sheet, ...]:
    """The tables that are also CSV files: specimens, pairs, the chosen post values where there are several later
    timepoints, and of a study with images fields and vessels."""
    sheets = [
        Sheet("specimens", ReportSpecimen, tuple(_specimen(row) for row in comparisons.rows)),
        Sheet("pairs", ReportPair, _pairs(comparisons.pairs)),
    ]
    if comparisons.post_values:
        sheets.append(Sheet("post_values", ReportPair, _pairs(comparisons.post_values)))
    if evidence.origins:
        sheets += [
            Sheet("fields", CountedField, evidence.fields),
            Sheet("vessels", ReadVessel, evidence.vessels),
        ]
    return tuple(sheets)


def result_tables(comparisons: Comparisons) -> tuple[Sheet, ...]:
    """What was computed, as tables of the workbook."""
    return (
        Sheet("timepoints", TimepointSummary, comparisons.summaries),
        Sheet("tests", ReportTest, tuple(_test(one) for one in comparisons.comparisons)),
    )


def groups_in_words(comparison: Comparison) -> str:
    """Such as 'non-responder 9, responder 13'."""
    return ", ".join(f"{name} {number}" for name, number in comparison.groups)


def _pairs(changes: Iterable[PatientChange]) -> tuple[ReportPair, ...]:
    return tuple(ReportPair(**asdict(change)) for change in changes)


def _specimen(row: CountRow) -> ReportSpecimen:
    return ReportSpecimen(**{name: getattr(row, name) for name in ReportSpecimen.__dataclass_fields__})


def _test(comparison: Comparison) -> ReportTest:
    values = {name: getattr(comparison, name) for name in ReportTest.__dataclass_fields__ if name != "groups"}
    return ReportTest(**values, groups=groups_in_words(comparison))
