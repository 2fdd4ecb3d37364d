"""The order in which a blinded observer reads, as it was drawn: reviews/<observer>/order.csv.

One row for each read, in order. Rows are only ever added, so that a code stands for one read for good.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mvd.errors import StoreError
from mvd.store.atomic import read_whole, write_whole

ORDER_FILE = "order.csv"
_COLUMNS = ["code", "specimen", "read"]
_READS = ("first", "second")


@dataclass(frozen=True, slots=True)
class Drawn:
    """One row."""

    code: str
    """Stands for the specimen on the screen."""
    specimen: str
    repeat: bool


def read_order(path: Path) -> tuple[Drawn, ...]:
    """The rows in order; none where there is no such file.

    Raises
    ------
    StoreError
        It is damaged.
    """
    text = read_whole(path)
    if text is None:
        return ()
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        drawn = tuple(Drawn(code, specimen, bool(_READS.index(read))) for code, specimen, read in rows)
    except (csv.Error, ValueError):
        raise _damaged(path) from None
    reads = {(row.specimen, row.repeat) for row in drawn}
    if header != _COLUMNS or len({row.code for row in drawn}) != len(drawn) or len(reads) != len(drawn):
        raise _damaged(path)
    return drawn


def write_order(path: Path, drawn: Sequence[Drawn]) -> None:
    """Write the rows, the file whole or not at all."""
    out = io.StringIO(newline="")
    table = csv.writer(out, lineterminator="\n")
    table.writerows([_COLUMNS, *([row.code, row.specimen, _READS[row.repeat]] for row in drawn)])
    write_whole(path, out.getvalue().encode())


def _damaged(path: Path) -> StoreError:
    return StoreError(f"{path} is damaged; put it back from a copy: it says which specimen each code stands for")
