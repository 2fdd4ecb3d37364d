"""Rows to CSV and back, the same bytes every time.

UTF-8 without a byte-order mark, commas, lines that end in "\\n" (not RFC 4180's CR LF: spreadsheets read both, and git
and diff prefer this one), cells quoted only where they must be. An absent value is an empty cell. A text that a
spreadsheet would run as a formula gets a leading apostrophe, which reading takes off again; numbers are left alone.

The counts of the size classes, whose names the rule gives, are columns `count_<name>` after the others, in the order in
which the rows first name them; where no row has any, there are no such columns.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from mvd.errors import StoreError
from mvd.store.atomic import read_whole
from mvd.store.rows import FieldRow, HotSpotRow, SpecimenRow, VesselRow

Row = TypeVar("Row", VesselRow, FieldRow, HotSpotRow, SpecimenRow)

_FORMULA = re.compile(r"'*(\s*[=+\-@＝＋－＠]|[\t\r\n])")
"""What spreadsheets take for a formula (OWASP, CSV injection; with the full-width signs), behind any apostrophes: one
more apostrophe can then always be told from those of the text itself."""

_SIGNIFICANT_DIGITS = 6
_BY_SIZE = "by_size"
_SIZE_COLUMN = "count_"


def table_text(row_type: type[Any], rows: Iterable[Any]) -> str:
    """The table as CSV text, header first; a row is a dataclass of texts, numbers, booleans and None.

    Raises
    ------
    StoreError
        A number is not finite; what could not be measured must be None.
    """
    hints = get_type_hints(row_type, include_extras=True)
    columns: dict[str, int | None] = {
        name: get_args(hint)[1] if get_origin(hint) is Annotated else None
        for name, hint in hints.items()
        if name != _BY_SIZE
    }
    return "".join(",".join(line) + "\n" for line in _lines(columns, list(rows)))


def _lines(columns: Mapping[str, int | None], rows: Sequence[Any]) -> Iterator[list[str]]:
    """Header and rows; `columns` gives the decimals of each."""
    counts: list[dict[str, int]] = [getattr(row, _BY_SIZE, {}) for row in rows]
    sizes = list(dict.fromkeys(size for by_size in counts for size in by_size))
    yield [*columns, *(_SIZE_COLUMN + size for size in sizes)]
    for row, by_size in zip(rows, counts, strict=True):
        cells = [_cell(row, name, decimals) for name, decimals in columns.items()]
        yield [*cells, *(str(by_size.get(size, "")) for size in sizes)]


def parse_table(row_type: type[Row], text: str, *, where: str) -> tuple[Row, ...]:
    """Rows of a table that `table_text` wrote.

    Raises
    ------
    StoreError
        Another header, a row too long or too short, or a cell that is not what its column holds.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names = [column.name for column in fields(row_type) if column.name != _BY_SIZE]
    try:
        header, *records = reader
    except (csv.Error, ValueError) as error:
        raise StoreError(f"{where} is damaged ({error}); run again to write it anew") from error
    hints = get_type_hints(row_type)
    sizes = [name for name in header[len(names) :] if _BY_SIZE in hints and name.startswith(_SIZE_COLUMN)]
    if header != names + sizes:
        raise StoreError(f"{where} has the columns {','.join(header)[:200]} instead of {','.join(names)}; run again")
    rows = []
    for number, cells in enumerate(records, start=2):
        try:
            values = _values(dict(zip(header, cells, strict=True)), hints)
        except ValueError as error:
            raise StoreError(f"{where} row {number} is damaged ({error}); run again to write it anew") from error
        rows.append(row_type(**values))
    return tuple(rows)


def read_table(row_type: type[Row], path: Path) -> tuple[Row, ...] | None:
    """Rows of a table on disk, None if there is none."""
    text = read_whole(path)
    return None if text is None else parse_table(row_type, text, where=str(path))


def _cell(row: Any, name: str, decimals: int | None) -> str:
    value = getattr(row, name)
    if hasattr(value, "item"):  # numpy's; its True is no bool
        value = value.item()
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            text = f"'{value}" if _FORMULA.match(value) else value
            return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]|^\s|\s$', text) else text
    number = float(value)
    if not math.isfinite(number):
        whose = getattr(row, "specimen", None) or getattr(row, "patient", "")
        raise StoreError(f"{whose}: {name} is {number}, which is no result; it must be left empty with a reason")
    if decimals is not None:
        return f"{round(number, decimals) + 0.0:.{decimals}f}"  # + 0.0: no negative zero
    if number == int(number):
        return str(int(number))
    return f"{Decimal(f'{number:.{_SIGNIFICANT_DIGITS}g}'):f}"


def _values(cells: Mapping[str, str], hints: Mapping[str, Any]) -> dict[str, Any]:
    """Cells by their columns -> a row's attributes; ValueError if one is not what its column holds."""
    values = {name: _value(cell, hints[name]) for name, cell in cells.items() if name in hints}
    if _BY_SIZE in hints:
        counts = {name: cell for name, cell in cells.items() if name not in hints and cell}
        values[_BY_SIZE] = {name.removeprefix(_SIZE_COLUMN): int(cell) for name, cell in counts.items()}
    return values


def _value(cell: str, hint: Any) -> Any:
    """A cell as its column's type; ValueError if it is none."""
    kinds = get_args(hint) or (hint,)
    if NoneType in kinds and not cell:
        return None
    if str in kinds:
        return cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell
    if bool in kinds:
        if cell not in ("true", "false"):
            raise ValueError(f"'{cell[:40]}' is not true or false")
        return cell == "true"
    number = int(cell) if int in kinds else float(cell)
    if not math.isfinite(number):
        raise ValueError(f"'{cell}' is no result")
    return number
