"""Agreement as files: JSON with everything, a table of it, the counts that were compared, and figures."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvd.agree.figures import FIGURE_FILES, figures
from mvd.agree.gathered import Gathered
from mvd.agreement import Agreement, BlandAltman, Detection, Estimate, FieldRead, Pair, Variation
from mvd.store import table_text, write_together
from mvd.version import program_version

AGREEMENT_JSON, AGREEMENT_TABLE, COUNTS_TABLE = "agreement.json", "agreement.csv", "agreement_counts.csv"

_DIGITS = 12
"""Significant digits of figures in JSON: the last few of a double differ between machines."""

DEFINITIONS = {
    "level": "a field enters with its count where all readers counted it at the same place; a specimen enters with "
    "its counts over its evaluable area (without areas: over the number of fields), each reader's in their own fields",
    "intervals": "of specimens, and of fields where each specimen has one: as the papers below; of several fields of a "
    "specimen: jackknife over specimens with Student's t, for fields of one specimen are alike; if_independent has "
    "those of the papers for the same fields, which are too narrow",
    "kind": "observers: one observer with another; program: the program with an observer; repeat: an observer's second "
    "read with the first; aid: an observer's count with the one before they saw what the program found",
    "direction": "difference is first reader minus second, ratio first over second; precision and recall are of what "
    "the first found of the second's",
    "icc_2_1": "intraclass correlation of single counts, absolute agreement, two-way random (Shrout & Fleiss 1979; "
    "interval by Satterthwaite's approximation, McGraw & Wong 1996)",
    "icc_3_1": "intraclass correlation of single counts, consistency, two-way mixed (the same papers)",
    "difference": "Bland & Altman 1999: bias and bias ± 1.96 sd, intervals with Student's t",
    "ratio": "the same on logarithms, given back as ratios; pairs with a count of 0 have none and are left out",
    "within_subject_cv": "root of the mean of (sd / mean)² of each field or specimen, as a fraction; where every count "
    "is 0 there is none; sd is the within-subject standard deviation in the unit, and mean that of all counts",
    "vessels": "vessels of the fields that all of them counted, one to one: the same object of the same result of the "
    "program, else boxes round the outlines with an intersection over union of at least 0.2 or the centre of each in "
    "the other",
}


@dataclass(frozen=True, slots=True)
class CountRow:
    """agreement_counts.csv: what was compared; `mvd agree --table` reads it."""

    specimen: str
    field: str
    observer: str
    read: int
    count: float
    area_mm2: float | None


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """agreement.csv: two readers, or all observers, at one level."""

    comparison: str
    kind: str
    level: str
    unit: str
    n: int
    icc_2_1: float | None
    icc_2_1_low: float | None
    icc_2_1_high: float | None
    icc_3_1: float | None
    icc_3_1_low: float | None
    icc_3_1_high: float | None
    bias: float | None
    bias_low: float | None
    bias_high: float | None
    lower_limit: float | None
    lower_limit_low: float | None
    lower_limit_high: float | None
    upper_limit: float | None
    upper_limit_low: float | None
    upper_limit_high: float | None
    ratio_n: int | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    lower_ratio: float | None
    lower_ratio_low: float | None
    lower_ratio_high: float | None
    upper_ratio: float | None
    upper_ratio_low: float | None
    upper_ratio_high: float | None
    within_subject_cv: float | None
    within_subject_cv_low: float | None
    within_subject_cv_high: float | None
    within_subject_sd: float | None
    mean: float | None
    matched: int | None
    extra: int | None
    missed: int | None
    precision: float | None
    recall: float | None
    f1: float | None
    note: str


def write_agreement(out: Path, agreement: Agreement, gathered: Gathered, *, source: str) -> tuple[Path, ...]:
    """Write everything, or nothing. Figures that an earlier comparison left there go.

    Parameters
    ----------
    source
        Where the counts come from, in words.

    Returns
    -------
    Paths of the files, JSON and tables first.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    contents = {
        out / AGREEMENT_JSON: _json(agreement, gathered, source).encode(),
        out / AGREEMENT_TABLE: table_text(AgreementRow, map(_row, agreement.pairs)).encode(),
        out / COUNTS_TABLE: counts_text(agreement.reads).encode(),
        **{out / name: data for name, data in figures(agreement)},
    }
    write_together(contents)
    for name in FIGURE_FILES:
        if out / name not in contents:
            with contextlib.suppress(OSError):
                (out / name).unlink(missing_ok=True)
    return tuple(contents)


def counts_text(reads: tuple[FieldRead, ...]) -> str:
    """The counts as a table that `mvd agree --table` reads."""
    rows = (
        CountRow(r.specimen, r.field, r.reader.name, 2 if r.reader.read == "second" else 1, r.count, r.area_mm2)
        for r in reads
    )
    return table_text(CountRow, rows)


def _json(agreement: Agreement, gathered: Gathered, source: str) -> str:
    value = {
        "version": program_version(),
        "source": source,
        "confidence": agreement.confidence,
        "definitions": DEFINITIONS,
        "comparisons": [_pair(pair) for pair in agreement.pairs],
        "left_out": [
            {"reader": one.reader.title, "specimen": one.specimen, "reason": one.reason} for one in gathered.left_out
        ],
        "remarks": gathered.remarks,
    }
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _pair(pair: Pair) -> dict[str, Any]:
    figures = _figures(pair)
    plain = pair.if_independent and {name: value for name, value in _figures(pair.if_independent).items() if value}
    return {
        "name": pair.title,
        "kind": pair.kind,
        "level": pair.level,
        "readers": [reader.title for reader in pair.readers],
        "unit": pair.unit,
        "n": pair.n,
        **figures,
        "vessels": _vessels(pair.vessels) if pair.vessels else None,
        "note": pair.note,
        "if_independent": plain,
    }


def _figures(pair: Pair) -> dict[str, Any]:
    return {
        "icc_2_1": _estimate(pair.icc_21),
        "icc_3_1": _estimate(pair.icc_31),
        "difference": _limits(pair.difference) if pair.difference else None,
        "ratio": _limits(pair.ratio) if pair.ratio else None,
        "within_subject_cv": _variation(pair.variation),
    }


def _number(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")


def _estimate(estimate: Estimate) -> dict[str, Any]:
    numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {**{key: _number(value) for key, value in numbers.items()}, "note": estimate.note}


def _limits(found: BlandAltman) -> dict[str, Any]:
    return {
        "n": found.n,
        "left_out": found.left_out,
        "bias": _estimate(found.bias),
        "lower_limit": _estimate(found.lower),
        "upper_limit": _estimate(found.upper),
        "sd": _number(found.sd),
    }


def _variation(found: Variation) -> dict[str, Any]:
    counted = {"n": found.n, "left_out": found.left_out}
    return {**counted, **_estimate(found.cv), "sd": _number(found.sd), "mean": _number(found.mean)}


def _vessels(found: Detection) -> dict[str, Any]:
    counts = {"matched": found.matched, "extra": found.extra, "missed": found.missed}
    shares = {"precision": found.precision, "recall": found.recall, "f1": found.f1}
    return {**counts, **{name: _number(value) for name, value in shares.items()}}


def _row(pair: Pair) -> AgreementRow:
    difference, ratio = pair.difference, pair.ratio
    cells: dict[str, Any] = {
        **_cells("icc_2_1", pair.icc_21),
        **_cells("icc_3_1", pair.icc_31),
        **_cells("bias", difference.bias if difference else None),
        **_cells("lower_limit", difference.lower if difference else None),
        **_cells("upper_limit", difference.upper if difference else None),
        **_cells("ratio", ratio.bias if ratio else None),
        **_cells("lower_ratio", ratio.lower if ratio else None),
        **_cells("upper_ratio", ratio.upper if ratio else None),
        **_cells("within_subject_cv", pair.variation.cv),
    }
    names = ("matched", "extra", "missed", "precision", "recall", "f1")
    return AgreementRow(
        comparison=pair.title,
        kind=pair.kind,
        level=pair.level,
        unit=pair.unit,
        n=pair.n,
        within_subject_sd=pair.variation.sd,
        mean=pair.variation.mean,
        ratio_n=ratio.n if ratio else None,
        note="; ".join(dict.fromkeys(_notes(pair))),
        **cells,
        **{name: getattr(pair.vessels, name, None) for name in names},
    )


def _cells(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    value = estimate or Estimate(None, None, None)
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def _notes(pair: Pair) -> Iterator[str]:
    """Why a figure or an interval is missing, and what to know."""
    told = {"ICC(2,1)": pair.icc_21, "ICC(3,1)": pair.icc_31, "CV": pair.variation.cv}
    told |= {found.scale: found.bias for found in (pair.difference, pair.ratio) if found}
    yield from (f"{name}: {estimate.note}" for name, estimate in told.items() if estimate.note)
    if pair.note:
        yield pair.note
