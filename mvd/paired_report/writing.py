"""The report's files: all are on the disk before the first takes its place, and no old one stays beside them."""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mvd.compare.model import Comparisons
from mvd.compare.plain import as_plain
from mvd.errors import StoreError
from mvd.paired_report.evidence import Evidence
from mvd.paired_report.figures import FIGURE_NAMES, draw_figures
from mvd.paired_report.keys import read_or_make_pseudonyms, write_key
from mvd.paired_report.limitations import limitations
from mvd.paired_report.methods import methods_text, results_text
from mvd.paired_report.page import Page, page_html
from mvd.paired_report.renaming import pseudonymised
from mvd.paired_report.tables import result_tables, tidy_tables
from mvd.paired_report.workbook import workbook
from mvd.store import table_text, write_together
from mvd.version import program_version

PAGE, WORKBOOK, NUMBERS = "paired.html", "paired.xlsx", "paired.json"
FIGURES = "figures"
TIDY = ("specimens.csv", "pairs.csv", "post_values.csv", "fields.csv", "vessels.csv")
_FIGURE_FILES = frozenset(f"{FIGURES}/{name}.{kind}" for name in FIGURE_NAMES for kind in ("svg", "png"))
_OWN = frozenset({PAGE, WORKBOOK, NUMBERS, *TIDY, FIGURES})
"""What a folder of a report holds."""


@dataclass(frozen=True, slots=True)
class Written:
    """A report that was written."""

    files: tuple[Path, ...]
    """The page first; the key file is not among them."""
    comparisons: Comparisons
    """As they were written: with codes for names where there is a key."""


def write_report(
    out: Path,
    comparisons: Comparisons,
    *,
    evidence: Evidence | None = None,
    key: Path | None = None,
    made_on: datetime.date | None = None,
) -> Written:
    """Write the page, the workbook, the numbers as JSON, the tidy tables and the figures.

    Parameters
    ----------
    out
        Folder of the report; an earlier report in it is replaced.
    key
        File with the key of the codes that stand for the names of patients and specimens, in every file of the report;
        it is made where it is not there, and every name that has a code is added to it. None leaves the names.
    made_on
        The day that the page gives; without it, the same input gives the same bytes on any day.

    Raises
    ------
    StoreError
        The folder holds what no report wrote, or the key would lie in it, or something cannot be read or written.
    """
    evidence = evidence or Evidence()
    _refuse_others(out, alone=key is not None)
    if key is not None:
        _refuse_beside(out, key)
        comparisons, evidence, known = pseudonymised(comparisons, evidence, read_or_make_pseudonyms(key))
        write_key(key, known)  # first: codes that nobody can lead back to their names would be of no use
    day = made_on.isoformat() if made_on else ""
    contents = report_files(comparisons, evidence, made_on=day, coded=key is not None)
    write_together({out / name: data for name, data in contents.items()})
    _remove_older(out, contents)
    return Written(tuple(out / name for name in contents), comparisons)


def key_beside(out: Path) -> Path:
    """Where the key of a report is kept when nobody names another place: beside its folder, so that whoever gives the
    folder away does not give the key with it."""
    out = out.absolute()
    return out.with_name(f"{out.name}.key.json")


def report_files(
    comparisons: Comparisons, evidence: Evidence, *, made_on: str = "", coded: bool = False
) -> dict[str, bytes]:
    """Every file of the report by its name within the folder, the page first."""
    drawn = draw_figures(comparisons, evidence)
    tidy = tidy_tables(comparisons, evidence)
    csv = {f"{sheet.name}.csv": table_text(sheet.row_type, sheet.rows).encode() for sheet in tidy}
    files = (WORKBOOK, NUMBERS, *csv, f"{FIGURES}/")
    page = Page(drawn, tidy, files, made_on, coded)
    figures = {f"{FIGURES}/{one.name}.{kind}": getattr(one, kind) for one in drawn for kind in ("svg", "png")}
    return {
        PAGE: page_html(comparisons, evidence, page).encode(),
        WORKBOOK: workbook(
            [*result_tables(comparisons), *tidy], comparisons, about=_about(comparisons, evidence, made_on)
        ),
        NUMBERS: _numbers(comparisons),
        **csv,
        **figures,
    }


def _numbers(comparisons: Comparisons) -> bytes:
    plain = as_plain(comparisons, version=program_version())
    return (json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _about(comparisons: Comparisons, evidence: Evidence, made_on: str) -> list[tuple[str, str]]:
    """The workbook's first sheet."""
    return [
        ("Study", comparisons.title),
        ("Counts", comparisons.source),
        ("Program", f"mvd {program_version()}"),
        *([("Made on", made_on)] if made_on else []),
        *(("Methods", text) for text in methods_text(comparisons, evidence)),
        *(("Results", text) for text in results_text(comparisons)),
        *(("Limitation", text) for text in limitations(comparisons, evidence)),
    ]


def _refuse_others(out: Path, *, alone: bool) -> None:
    """StoreError where files that no report wrote would be written over, or would name those who have codes."""
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if there & set(TIDY) and PAGE not in there:
        name = min(there & set(TIDY))
        raise StoreError(f"{out} holds a {name} that no report wrote, and it stays as it is; name another folder")
    drawn = {f"{FIGURES}/{path.name}" for path in (out / FIGURES).glob("*")}
    if alone and (others := (there - _OWN) | (drawn - _FIGURE_FILES)):
        raise StoreError(
            f"{out} holds {min(others)}, which may name patients and would lie beside their codes; name another folder "
            "for the report with codes"
        )


def _refuse_beside(out: Path, key: Path) -> None:
    """StoreError where the key would be given away with the report."""
    if key.resolve().is_relative_to(out.resolve()):
        raise StoreError(f"{key} lies in the folder of the report, which it must not be given away with; name another")


def _remove_older(out: Path, contents: Mapping[str, bytes]) -> None:
    """Take away what an earlier report wrote and this one does not; the folder then holds one report."""
    for name in {*TIDY, *_FIGURE_FILES} - set(contents):
        with contextlib.suppress(OSError):  # an empty table of a study without images harms nobody
            (out / name).unlink(missing_ok=True)
