"""What a comparison of made-up counts gives, as the tests of the report take it: 22 patients, three timepoints.

The counts are invented. The p-values are not computed either: the report only shows what it is given.
"""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import mean, median, quantiles, stdev
from typing import Any

from mvd.compare.model import (
    Comparison,
    Comparisons,
    CountModel,
    CountRow,
    ModelTerm,
    PatientChange,
    Power,
    TimepointSummary,
)
from mvd.paired_report import CountedField, Evidence, ObserverRecord, Origin, ReadVessel, ReportTable
from mvd.protocol import ComparisonPlan, Protocol

AREA_MM2 = 0.3125
TIMEPOINTS = ("pre", "3mo", "6mo")
RESPONDER, OTHER = "responder", "non-responder"
PATIENTS = tuple(f"P{number:02d}" for number in range(1, 23))
FEWER = {"pre": PATIENTS, "3mo": PATIENTS[:19], "6mo": PATIENTS[:13]}

WILCOXON = Comparison(
    name="3mo vs pre",
    n=19,
    groups=(),
    test="wilcoxon_signed_rank",
    method="exact, all 2^n sign assignments; ties: midranks; zeros dropped (1 of 19)",
    alternative="two-sided",
    statistic=137.5,
    p_value=0.0123456,
    p_adjusted=0.0246912,
    estimate=22.4,
    ci_low=6.4,
    ci_high=38.4,
    confidence=0.9512,
    effect=0.61,
    effect_name="matched-pairs rank-biserial correlation",
    note="Holm's adjustment over 2 tests",
)
COMPARISONS = (
    replace(
        WILCOXON,
        name="all timepoints",
        n=13,
        test="friedman",
        method="exact permutation distribution; ties: midranks",
        statistic=4.77,
        p_value=0.0975,
        p_adjusted=None,
        estimate=None,
        ci_low=None,
        ci_high=None,
        confidence=None,
        effect=0.18,
        effect_name="Kendall's W",
        note="",
    ),
    WILCOXON,
    replace(
        WILCOXON, name="6mo vs pre", n=13, p_value=0.2163, p_adjusted=0.2163, estimate=11.2, ci_low=-8.0, ci_high=30.4
    ),
    replace(
        WILCOXON,
        name="change 3mo vs pre by response",
        n=19,
        groups=((OTHER, 8), (RESPONDER, 11)),
        test="mann_whitney",
        method="exact, all divisions into groups; ties: midranks",
        statistic=31.0,
        p_value=0.31,
        p_adjusted=None,
        estimate=-12.8,
        ci_low=-44.8,
        ci_high=16.0,
        effect=-0.29,
        effect_name="rank-biserial correlation",
        note="",
    ),
    replace(
        WILCOXON,
        name="change 6mo vs pre by response",
        n=0,
        groups=((OTHER, 0), (RESPONDER, 0)),
        test="mann_whitney",
        method="none",
        statistic=None,
        p_value=None,
        p_adjusted=None,
        estimate=None,
        ci_low=None,
        ci_high=None,
        confidence=None,
        effect=None,
        effect_name="rank-biserial correlation",
        note="no test: nobody is in the group non-responder",
    ),
)


def example(rename: dict[str, str] | None = None, **changes: Any) -> Comparisons:
    """A study of 22 patients; `rename` gives patients and specimens other names."""
    names = rename or {}
    chance = random.Random(7)
    rows = []
    for timepoint, patients in FEWER.items():
        for index, patient in enumerate(patients):
            count = max(2, round(chance.lognormvariate(2.85 if timepoint == "pre" else 3.1, 0.5)))
            specimen = f"{patient}_{timepoint}"
            rows.append(
                CountRow(
                    names.get(patient, patient),
                    timepoint,
                    names.get(specimen, specimen),
                    count,
                    AREA_MM2,
                    count * 3.2,
                    RESPONDER if index % 5 < 3 else OTHER,
                    "program",
                    index % 2 == 0,
                    ci_low=count * 1.9,
                    ci_high=count * 5.2,
                )
            )
    lost = names.get(PATIENTS[19], PATIENTS[19])
    where = names.get(f"{PATIENTS[19]}_3mo", f"{PATIENTS[19]}_3mo")
    why = f"{where}.svs has no pixel size; add um_per_px to its row in specimens.csv"
    rows.append(CountRow(lost, "3mo", where, None, None, None, OTHER, "program", False, why))
    made = Comparisons(
        title="Lenalidomide and marrow vessels (invented counts)",
        timepoints=TIMEPOINTS,
        source="the program's counts",
        rows=tuple(rows),
        changes=tuple(_changes(rows)),
        summaries=tuple(_summary(rows, timepoint) for timepoint in TIMEPOINTS),
        comparisons=COMPARISONS,
        model=CountModel(
            "Poisson model of the counts with an effect of each patient, log(area) as offset",
            "statsmodels, conditional Poisson",
            (ModelTerm("3mo vs pre", 1.31, 1.12, 1.53, 0.0007), ModelTerm("6mo vs pre", 1.12, 0.93, 1.35, 0.23)),
            "",
        ),
        power=(Power("3mo vs pre", 19, 21.4, 0.8, "With 19 pairs a shift of 21.4/mm² is found in 80 % of studies."),),
        unreviewed=tuple(row.specimen or "" for row in rows if not row.reviewed)[:5],
        left_out=((lost, f"no pair at '3mo': {where}: {why}"),),
        plan=ComparisonPlan(),
    )
    return replace(made, **changes)


def evidence(comparisons: Comparisons, **changes: Any) -> Evidence:
    """Five fields and two objects for every specimen, and where they came from; no pictures."""
    chance = random.Random(3)
    names = [row.specimen for row in comparisons.rows if row.specimen and row.count is not None]
    fields = [
        CountedField(name, str(number), "program", 250.0 * number, 0.0, 250.0, 0.0625, count, count * 16.0)
        for name in names
        for number in range(1, 6)
        for count in [chance.randint(0, 9)]
    ]
    made = Evidence(
        fields=tuple(fields),
        vessels=tuple(_vessel(name, f"v{number:05d}") for name in names for number in (1, 2)),
        origins=tuple(_origin(name) for name in names),
        observers=(ObserverRecord("anna", 20, 1, 130, "2026-11-22T10:00:00+00:00"),),
        protocol=Protocol(timepoints=TIMEPOINTS),
        agreement=(
            ReportTable("anna, program", "by specimen", ("specimen", "anna", "program"), ((names[0], "9", "8"),)),
        ),
        file_names=tuple((name, (f"/slides/{name}.svs", f"{name}.svs", name)) for name in names),
    )
    return replace(made, **changes)


def _vessel(specimen: str, name: str) -> ReadVessel:
    return ReadVessel(
        specimen, name, 1.0, 2.0, 0.0, 0.0, 5.0, 5.0, 20.5, 0.0, 6.0, 5.0, 2.0, 18.0, 0.41, 1, True, "", "1", score=0.91
    )


def _origin(specimen: str) -> Origin:
    return Origin(
        specimen,
        f"{specimen}.svs",
        "ab" * 32,
        "cd" * 32,
        0.2526,
        f"manifest: specimens.csv, {specimen}",
        "slide",
        "vessel_score 1",
        "b80e5a92241e4c33",
        "0.1.0",
        "2026-11-22T16:47:04+00:00",
    )


def _changes(rows: list[CountRow]) -> list[PatientChange]:
    """At each later timepoint, and at the earliest that there is."""
    value = {(row.patient, row.timepoint): row.mvd_per_mm2 for row in rows}
    found = []
    for patient, response in {row.patient: row.response for row in rows}.items():
        pre = value.get((patient, "pre"))
        later = {timepoint: value.get((patient, timepoint)) for timepoint in TIMEPOINTS[1:]}
        earliest = next((post for post in later.values() if post is not None), None)
        for timepoint, post in (later | {"earliest": earliest}).items():
            if pre is None or post is None:
                missing = f"no specimen at '{timepoint}'"
                found.append(PatientChange(patient, timepoint, response, pre, post, None, None, missing))
            else:
                found.append(PatientChange(patient, timepoint, response, pre, post, post - pre, post / pre, None))
    return found


def _summary(rows: list[CountRow], timepoint: str) -> TimepointSummary:
    values = [row.mvd_per_mm2 for row in rows if row.timepoint == timepoint and row.mvd_per_mm2 is not None]
    q1, _, q3 = quantiles(values, n=4, method="inclusive")
    return TimepointSummary(
        timepoint, len(values), median(values), min(values), max(values), q1, q3, mean(values), stdev(values)
    )
