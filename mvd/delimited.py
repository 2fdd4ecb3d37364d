"""Tables as people save them.

With or without a byte-order mark, separated by commas, semicolons or tabs, any line ends, cells in quotes, empty lines,
and comment lines that start with #: any above the header, below it those that no row looks like.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from mvd.errors import ManifestError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}([.,])\d{3}")

LOOKS_LIKE_A_ROW = (
    "starts with # as a comment does; write a name without #, delete a row that is not wanted, and put comments above "
    "the header"
)
"""Of a line below the header."""

ABSENT = frozenset(("", "na", "n/a", "n.a.", "#n/a", "nan", "null", "-", "–", "—", "."))
"""Cells that stand for nothing, as people, spreadsheets, R and pandas write them; compared without capitals. Not
`none`, which is a response group."""

SIGNS_AS_GROUPS = "response '-' stands for none beside '+'; write the groups out, such as responder and non-responder"


def read_text(path: Path, *, missing: str) -> str:
    """The text of a table.

    Parameters
    ----------
    missing
        What to do where there is no such file.

    Raises
    ------
    ManifestError
        There is none, it cannot be read, or it is not UTF-8 text.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ManifestError(f"{path} does not exist; {missing}") from error
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{path.name} is not UTF-8 text (line {line}); in Excel save it as 'CSV UTF-8 (comma delimited)'"
        ) from error
    if "\0" in text:
        raise ManifestError(f"{path.name} holds zero bytes and is not UTF-8 text; save it as CSV in UTF-8")
    return text


def read_records(text: str, *, where: str) -> tuple[str, Iterator[tuple[int, list[str]]]]:
    """The delimiter, and each row that is neither empty nor a comment with the line it starts on.

    Below the header, a line that starts with # and fills two cells or more may be a row: of a patient called #12. It is
    given like any other, its first cell starts with #, and the reader refuses it (`LOOKS_LIKE_A_ROW`).

    Parameters
    ----------
    where
        Name of the file, for what is said of it.

    Raises
    ------
    ManifestError
        While the rows are read: the quotes of one are not closed.
    """
    lines = list(enumerate(io.StringIO(text, newline=""), start=1))
    delimiter, header = "", len(lines)
    for at, (_, line) in enumerate(lines):
        if not line.strip() or _starts_with_hash(line):
            continue
        if not delimiter and (named := re.fullmatch(r"sep=([,;\t])\s*", line)):  # Excel's own hint
            delimiter = named.group(1)
            continue
        header = at
        break
    first = lines[header][1] if header < len(lines) else ""
    delimiter = delimiter or max(",;\t", key=first.count)

    def parsed() -> Iterator[tuple[int, list[str]]]:
        rest = iter(lines[header:])
        for number, line in rest:
            if not line.strip():
                continue
            alone = _starts_with_hash(line)  # quotes that such a line leaves open do not swallow those below
            more = () if alone else (line for _, line in rest)
            reader = csv.reader(chain((line,), more), delimiter=delimiter, strict=not alone, skipinitialspace=True)
            try:
                cells = next(reader)
            except csv.Error as error:
                raise ManifestError(f"{where} row {number}: {error}; check the quotes") from error
            cells = [unicodedata.normalize("NFC", cell).strip() for cell in cells]
            if sum(map(bool, cells)) > alone:
                yield number, cells

    return delimiter, parsed()


def _starts_with_hash(line: str) -> bool:
    return line.lstrip().startswith(("#", '"#'))


def read_number(cell: str, *, decimal_comma: bool) -> float | None:
    """A number as written, None where the cell holds none.

    Parameters
    ----------
    decimal_comma
        Whether a comma may stand for the point: where commas do not separate the cells.
    """
    point = cell.replace(",", ".") if decimal_comma and _DECIMAL_COMMA.fullmatch(cell) else cell
    return float(point) if _NUMBER.fullmatch(point) else None


def decimal_marks(cells: Iterable[str]) -> frozenset[str]:
    """The marks, point or comma, that can only be decimal in one of these cells."""
    numbers = (cell for cell in cells if re.fullmatch(r"[+-]?\d*[.,]\d+", cell) and not _THOUSANDS.fullmatch(cell))
    return frozenset("," if "," in cell else "." for cell in numbers)


def separates_thousands(cell: str, marks: frozenset[str]) -> bool:
    """Whether a cell such as `1.234` may be 1234, for other cells of its table have the other mark (`marks`)."""
    found = _THOUSANDS.fullmatch(cell)
    return found is not None and bool(marks - {found.group(1)})


def signs_as_groups(responses: Iterable[str]) -> bool:
    """Whether response groups are called + and -, of which the second is a word for none."""
    found = set(responses)
    return "+" in found and not found.isdisjoint(("-", "–", "—"))


def thousands(cell: str) -> str:
    """What is said of such a cell, behind its column."""
    mark = "." if "." in cell else ","
    other = "," if mark == "." else "."
    return (
        f"may be thousands, as decimals have '{other}' elsewhere; write {cell.replace(mark, '')} or "
        f"{cell.replace(mark, other)}"
    )
