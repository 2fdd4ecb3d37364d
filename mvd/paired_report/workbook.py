"""The tables as one XLSX file: typed columns, frozen headers, definitions and units.

Every text is written as a text, so that a name that begins with =, +, - or @ stays a name (no apostrophe is needed, as
in CSV), and so does one that looks like an address, a number or a date.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mvd.compare.model import Comparisons, ModelTerm, Power
from mvd.paired_report.definitions import DEFINITIONS
from mvd.paired_report.tables import Sheet

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    Formats = dict[str, Format]

_MOST_ROWS = 200_000
"""A sheet may hold 1,048,575 below its header, but with so many objects a spreadsheet takes minutes to open."""
_LONGEST_CELL = 32_767
"""Characters of a cell, as the file format allows."""
_EPOCH = datetime(2000, 1, 1)
"""Written as the time of making, so that the same tables give the same bytes; the day is on the sheet 'about'."""

_DECIMALS = {
    "0.0": {"median", "minimum", "maximum", "q1", "q3", "mean", "sd", "mvd_per_mm2", "pre", "post", "difference",
            "per_mm2", "estimate", "detectable", "ci_low", "ci_high"},
    "0.000": {"ratio", "effect", "confidence", "score", "mean_dab_od", "power"},
    "0.0000": {"p_value", "p_adjusted", "area_mm2", "evaluable_mm2"},
}  # fmt: skip
"""How many decimals are shown; the cells hold the whole numbers."""
_FORMATS = {column: shown for shown, columns in _DECIMALS.items() for column in columns}
_WIDE = {"method": 60, "note": 60, "reason": 50, "caution": 50, "missing": 40, "text": 80, "effect_name": 36,
         "name": 32}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _NamedReason:
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class _NotReviewed:
    specimen: str


def workbook(sheets: Sequence[Sheet], comparisons: Comparisons, *, about: Sequence[tuple[str, str]]) -> bytes:
    """The XLSX file; `about` is what the first sheet says, label and text."""
    from xlsxwriter import Workbook  # noqa: PLC0415  (loads with the first workbook)

    stream = io.BytesIO()
    book = Workbook(
        stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    book.set_properties({"title": comparisons.title[:255], "created": _EPOCH})
    formats = {shown: book.add_format({"num_format": shown}) for shown in _DECIMALS}
    formats["header"] = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    formats["text"] = book.add_format({"text_wrap": True, "valign": "top"})
    _about(book.add_worksheet("about"), about, formats)
    everything = [*sheets, *_more(comparisons)]
    for sheet in everything:
        _table(book.add_worksheet(sheet.name), sheet, formats)
    _definitions(book.add_worksheet("definitions"), everything, formats)
    book.close()
    return stream.getvalue()


def _more(comparisons: Comparisons) -> tuple[Sheet, ...]:
    """What is no table of its own elsewhere."""
    return (
        Sheet("model", ModelTerm, comparisons.model.terms),
        Sheet("power", Power, comparisons.power),
        Sheet("left out", _NamedReason, tuple(_NamedReason(*entry) for entry in comparisons.left_out)),
        Sheet("not reviewed", _NotReviewed, tuple(_NotReviewed(name) for name in comparisons.unreviewed)),
    )


def _about(page: Worksheet, about: Sequence[tuple[str, str]], formats: Formats) -> None:
    page.set_column(0, 0, 24)
    page.set_column(1, 1, 110)
    for row, (label, text) in enumerate(about):
        page.write_string(row, 0, label, formats["header"])
        page.write_string(row, 1, text[:_LONGEST_CELL], formats["text"])


def _table(page: Worksheet, sheet: Sheet, formats: Formats) -> None:
    columns = [column.name for column in fields(sheet.row_type)]
    _header(page, columns, formats)
    for index, name in enumerate(columns):
        page.set_column(index, index, _WIDE.get(name, max(11, len(name) + 3)), formats.get(_FORMATS.get(name, "")))
    rows = sheet.rows[:_MOST_ROWS]
    for number, row in enumerate(rows, start=1):
        for index, name in enumerate(columns):
            _write(page, (number, index), getattr(row, name), formats.get(_FORMATS.get(name, "")))
    page.autofilter(0, 0, max(len(rows), 1), len(columns) - 1)


def _header(page: Worksheet, columns: Iterable[str], formats: Formats) -> None:
    for index, name in enumerate(columns):
        page.write_string(0, index, name, formats["header"])
    page.freeze_panes(1, 0)


def _write(page: Worksheet, at: tuple[int, int], value: Any, shown: Format | None) -> None:
    """One cell by its type; nothing for None."""
    if isinstance(value, bool):
        page.write_boolean(*at, value)
    elif isinstance(value, str):
        page.write_string(*at, value[:_LONGEST_CELL])
    elif value is not None:
        page.write_number(*at, value, shown)


def _definitions(page: Worksheet, sheets: Sequence[Sheet], formats: Formats) -> None:
    names = ("sheet", "column", "unit", "meaning")
    _header(page, names, formats)
    for index, width in enumerate((16, 20, 16, 100)):
        page.set_column(index, index, width)
    row = 1
    for sheet in sheets:
        for column in (column.name for column in fields(sheet.row_type)):
            unit, meaning = DEFINITIONS[sheet.name][column]
            for index, text in enumerate((sheet.name, column, unit, meaning)):
                page.write_string(row, index, text)
            row += 1
        if len(sheet.rows) > _MOST_ROWS:
            page.write_string(row, 0, sheet.name)
            page.write_string(row, 3, f"the first {_MOST_ROWS} rows; all {len(sheet.rows)} are in {sheet.name}.csv")
            row += 1
