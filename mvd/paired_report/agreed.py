"""The agreement of a study's readers, from the table that `mvd agree` wrote."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from mvd.errors import StoreError
from mvd.paired_report.evidence import ReportTable
from mvd.paired_report.words import NOTHING, fixed
from mvd.store import read_whole

AGREEMENT_FILE = "agreement.csv"

_COLUMNS = ("Readers", "Of", "n", "ICC(2,1)", "ICC(3,1)", "Difference", "Limits", "Ratio", "Limits of the ratio", "CV",
            "F1", "Note")  # fmt: skip
_NOTE = (
    "Each figure with its 95 % interval. ICC(2,1): single counts, absolute agreement; ICC(3,1): consistency (Shrout & "
    "Fleiss 1979). Difference and ratio, the first reader against the second, with their limits of agreement (Bland & "
    "Altman 1999). CV: coefficient of variation within fields or specimens. F1: of the vessels that both marked."
)


def agreement_table(path: Path) -> tuple[ReportTable, ...]:
    """One table, none where nobody has run `mvd agree`.

    Raises
    ------
    StoreError
        The file is not one that `mvd agree` wrote.
    """
    text = read_whole(path)
    if text is None:
        return ()
    try:
        rows = tuple(_row(row) for row in csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise StoreError(f"{path} is damaged ({error!r}); run mvd agree to write it anew") from error
    return (ReportTable("Readers compared", _NOTE, _COLUMNS, rows),) if rows else ()


def _row(row: Mapping[str, str]) -> tuple[str, ...]:
    unit = row["unit"]
    return (
        row["comparison"],
        row["level"],
        row["n"],
        _with_interval(row, "icc_2_1", 2),
        _with_interval(row, "icc_3_1", 2),
        f"{_with_interval(row, 'bias', 1)} {unit}" if row["bias"] else NOTHING,
        _limits(row, "lower_limit", "upper_limit", 1),
        _with_interval(row, "ratio", 2),
        _limits(row, "lower_ratio", "upper_ratio", 2),
        _with_interval(row, "within_subject_cv", 2),
        _number(row, "f1", 2),
        row["note"].removeprefix("'"),
    )


def _with_interval(row: Mapping[str, str], name: str, decimals: int) -> str:
    value = _number(row, name, decimals)
    ends = [_number(row, f"{name}_{end}", decimals) for end in ("low", "high")]
    return value if NOTHING in (value, *ends) else f"{value} ({ends[0]} to {ends[1]})"


def _limits(row: Mapping[str, str], lower: str, upper: str, decimals: int) -> str:
    ends = [_number(row, name, decimals) for name in (lower, upper)]
    return NOTHING if NOTHING in ends else f"{ends[0]} to {ends[1]}"


def _number(row: Mapping[str, str], name: str, decimals: int) -> str:
    return fixed(float(row[name]), decimals) if row[name] else NOTHING
