"""Counts made at the microscope: a table with a row for each field that an observer counted.

Columns specimen, field, observer, count; if wanted, area_mm2 (evaluable area of the field) and read (1, or 2 for a
second read of the same specimen by the same observer). An observer named "program" is the program. Read as
`mvd.count_table` is: any separator, decimal commas, a byte-order mark, comments, quotes.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mvd.agree.gathered import Gathered
from mvd.agreement import FieldRead, Reader
from mvd.agreement.reads import PROGRAM, Read
from mvd.count_table import AREAS_MM2, MOST_VESSELS
from mvd.delimited import (
    LOOKS_LIKE_A_ROW,
    decimal_marks,
    read_number,
    read_records,
    read_text,
    separates_thousands,
    thousands,
)
from mvd.errors import ManifestError

REQUIRED, OPTIONAL = ("specimen", "field", "observer", "count"), ("area_mm2", "read")
COLUMNS = (*REQUIRED, *OPTIONAL)

_NUMBERS = ("count", "area_mm2")

_READS: dict[str, Read] = {"": "first", "1": "first", "2": "second"}


def read_counts(path: Path) -> Gathered:
    """Read a table of counts.

    Raises
    ------
    ManifestError
        Everything that is wrong in it, one a line.
    """
    text = read_text(path, missing=f"make a table with the columns {', '.join(REQUIRED)}")
    delimiter, records = read_records(text, where=path.name)
    header = next(records, None)
    if header is None:
        raise ManifestError(f"{path.name} is empty; its first row must name the columns {', '.join(REQUIRED)}")
    columns = _header(header[1], where=path.name)
    reads, faults, seen = [], [], _Seen()
    rows = [(number, _row(cells, columns, decimal_comma=delimiter != ",")) for number, cells in records]
    marks = decimal_marks(row.cells[column] for _, row in rows for column in _NUMBERS)
    for number, row in rows:
        found = list(_faults(row, marks))
        if not found:
            read = _read(row)
            reads.append(read)
            found = list(seen.clashes(read, number))
        faults += [f"{path.name} row {number}: {fault}" for fault in found]
    if not (reads or faults):
        raise ManifestError(f"{path.name} has a header but no rows; add one row for each field that was counted")
    areas = {read.area_mm2 is None for read in reads}
    if len(areas) > 1:
        faults.append(f"{path.name}: area_mm2 is given in some rows and empty in others; give it in all or in none")
    if faults:
        raise ManifestError("\n".join(faults))
    return Gathered(tuple(reads), frozenset(), ())


def _header(cells: list[str], *, where: str) -> tuple[str, ...]:
    while cells and not cells[-1]:
        cells.pop()
    columns = tuple(cell.casefold() for cell in cells)
    known = f"the columns are {', '.join(REQUIRED)} and, if wanted, {', '.join(OPTIONAL)}"
    for cell, column in zip(cells, columns, strict=True):
        if column not in COLUMNS:
            near = difflib.get_close_matches(column, COLUMNS, n=1, cutoff=0.5)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            raise ManifestError(f"{where} has the unknown column '{cell}'{hint}; {known}")
        if columns.count(column) > 1:
            raise ManifestError(f"{where} has the column '{column}' more than once; keep one")
    if missing := [column for column in REQUIRED if column not in columns]:
        raise ManifestError(f"{where} lacks the column '{missing[0]}'; {known}")
    return columns


@dataclass(frozen=True, slots=True)
class _Row:
    cells: dict[str, str]
    """By column, stripped; every known column, empty where the file has none."""
    hash: bool
    """It starts as a comment does."""
    odd: int
    """Cells more than the header has."""
    decimal_comma: bool

    def number(self, column: str) -> float:
        """NaN for what is none: it lies within no bounds."""
        number = read_number(self.cells[column], decimal_comma=self.decimal_comma)
        return math.nan if number is None else number


def _row(cells: list[str], columns: Sequence[str], *, decimal_comma: bool) -> _Row:
    while len(cells) > len(columns) and not cells[-1]:
        cells.pop()
    by_column = {**dict.fromkeys(COLUMNS, ""), **dict(zip(columns, cells, strict=False))}
    return _Row(by_column, cells[0].startswith("#"), len(cells) - len(columns), decimal_comma)


def _faults(row: _Row, marks: frozenset[str]) -> Iterator[str]:
    if row.hash:
        yield LOOKS_LIKE_A_ROW
        return
    if row.odd:
        yield f"has {abs(row.odd)} cells {'more' if row.odd > 0 else 'fewer'} than the header; leave none out"
        return
    yield from (f"{column} is empty; fill it in" for column in REQUIRED if not row.cells[column])
    count, area, read = (row.cells[column] for column in ("count", "area_mm2", "read"))
    if count and not 0 <= row.number("count") <= MOST_VESSELS:
        yield f"count '{count}' is no number of vessels; give 0 or more"
    if area and not AREAS_MM2[0] <= row.number("area_mm2") <= AREAS_MM2[1]:
        yield f"area_mm2 '{area}' is no area in mm²; a field of 250 µm has 0.0625"
    for column in _NUMBERS:
        if row.decimal_comma and separates_thousands(row.cells[column], marks):
            yield f"{column} '{row.cells[column]}' {thousands(row.cells[column])}"
    if read not in _READS:
        yield f"read is '{read}'; give 1, or 2 for a second read by the same observer"


def _read(row: _Row) -> FieldRead:
    cells, area = row.cells, row.number("area_mm2") if row.cells["area_mm2"] else None
    program = cells["observer"] == PROGRAM.name
    reader = PROGRAM if program else Reader(_plain(cells["observer"]), _READS[cells["read"]])
    return FieldRead(reader, _plain(cells["specimen"]), _plain(cells["field"]), row.number("count"), area)


def _plain(cell: str) -> str:
    """A text without the apostrophe that keeps a spreadsheet from running it."""
    return re.sub(r"^'(?='*\s*[=+\-@＝＋－＠])", "", cell)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What earlier rows said, to find rows that contradict them."""

    reads: dict[tuple[Reader, str, str], int] = field(default_factory=dict)
    spelt: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)

    def clashes(self, read: FieldRead, number: int) -> Iterator[str]:
        first = self.reads.setdefault((read.reader, *read.unit), number)
        if first != number:
            yield (
                f"{read.reader.title} counted field {read.field} of {read.specimen} in row {first} already; give a "
                "second read the number 2 in the column read"
            )
        for what, name in (("specimen", read.specimen), ("observer", read.reader.name)):
            spelt, first = self.spelt.setdefault((what, name.casefold()), (name, number))
            if spelt != name:
                yield f"{what} '{name}' is '{spelt}' in row {first}; write one {what} the same way everywhere"
