"""Tables as people save them.

With or without a byte-order mark, separated by commas, semicolons or tabs, any line ends, cells in quotes, empty lines,
and comment lines that start with #.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from mvd.errors import ManifestError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")


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

    Parameters
    ----------
    where
        Name of the file, for what is said of it.

    Raises
    ------
    ManifestError
        While the rows are read: the quotes of one are not closed.
    """
    delimiter, lines = "", []  # (line number, line)
    within_quotes = False
    for number, line in enumerate(io.StringIO(text, newline=""), start=1):
        if not within_quotes and (not line.strip() or line.lstrip().startswith(("#", '"#'))):
            continue
        if not delimiter and (named := re.fullmatch(r"sep=([,;\t])\s*", line)):  # Excel's own hint
            delimiter = named.group(1)
            continue
        within_quotes ^= line.count('"') % 2 == 1
        lines.append((number, line))
    first = lines[0][1] if lines else ""
    delimiter = delimiter or max(",;\t", key=first.count)

    def parsed() -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader((line for _, line in lines), delimiter=delimiter, strict=True, skipinitialspace=True)
        while True:
            at = lines[min(reader.line_num, len(lines) - 1)][0] if lines else 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise ManifestError(f"{where} row {at}: {error}; check the quotes") from error
            if cells is None:
                return
            cells = [unicodedata.normalize("NFC", cell).strip() for cell in cells]
            if any(cells):
                yield at, cells

    return delimiter, parsed()


def read_number(cell: str, *, decimal_comma: bool) -> float | None:
    """A number as written, None where the cell holds none.

    Parameters
    ----------
    decimal_comma
        Whether a comma may stand for the point: where commas do not separate the cells.
    """
    point = cell.replace(",", ".") if decimal_comma and _DECIMAL_COMMA.fullmatch(cell) else cell
    return float(point) if _NUMBER.fullmatch(point) else None
