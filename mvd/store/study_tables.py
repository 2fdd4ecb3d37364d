"""The tables of a study, made from the results of its specimens. They hold nothing of their own.

The rows of a specimen's vessels are kept as text in a folder of their own, so that the vessels of thousands of
specimens are not read from GeoJSON again, nor held in memory together.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mvd.errors import StoreError
from mvd.store.atomic import read_whole, write_together, write_whole
from mvd.store.results import TABLES, SpecimenTables, geojson_of, read_result, read_vessel_rows, rows_without_vessels
from mvd.store.rows import FieldRow, HotSpotRow, SpecimenRow, VesselRow
from mvd.store.tables import table_text
from mvd.version import program_version

_FOR_VESSELS = ("geojson_sha256", "calibration")
"""Entries of a result; thousands of whole ones would be gigabytes."""
KEPT_FOLDER = ".rows"
"""May be deleted at any time: it is made again from the results."""


def write_study_tables(folder: Path, specimens: Iterable[str]) -> None:
    """Write specimens.csv, fields.csv, vessels.csv and hotspots.csv from the results there are, in the order given.

    Raises
    ------
    StoreError
        A result is damaged, or the disk refuses; the tables are then as they were.
    """
    found: list[SpecimenTables] = []
    parts: dict[str, dict[str, Any]] = {}
    for name in specimens:
        result = read_result(folder, name)
        if result is not None:
            found.append(rows_without_vessels(folder, name, result))
            parts[name] = {key: result.get(key) for key in _FOR_VESSELS}
    texts = (
        table_text(SpecimenRow, (tables.specimen for tables in found)),
        table_text(FieldRow, (row for tables in found for row in tables.fields)),
        table_text(HotSpotRow, (row for tables in found for row in tables.hotspots)),
    )
    of_specimens, of_fields, of_hot_spots = (text.encode() for text in texts)
    contents: tuple[bytes | Iterable[bytes], ...] = (of_specimens, of_fields, _vessels(folder, parts), of_hot_spots)
    write_together(dict(zip((folder / name for name in TABLES), contents, strict=True)))


def keep_rows(folder: Path, specimen: str) -> None:
    """Make the rows of a specimen's vessels, for `write_study_tables` to find; a fault is told there."""
    with contextlib.suppress(StoreError):
        result = read_result(folder, specimen)
        if result is not None:
            _rows(folder, specimen, result)


def _vessels(folder: Path, results: dict[str, dict[str, Any]]) -> Iterator[bytes]:
    yield table_text(VesselRow, ()).encode()
    for name, result in results.items():
        yield _rows(folder, name, result).encode()


def _rows(folder: Path, specimen: str, result: dict[str, Any]) -> str:
    """One specimen's lines of vessels.csv, made now unless they were kept."""
    made_from = result["geojson_sha256"]
    if made_from is None:
        return ""
    geojson_of(folder, specimen, result)  # what was removed or edited must not go unnoticed
    path = folder / KEPT_FOLDER / f"{specimen}.csv"
    with contextlib.suppress(StoreError):  # damaged is as good as absent
        head, _, text = (read_whole(path) or "").partition("\n")
        if head == _head(made_from, text):
            return text
    _, _, text = table_text(VesselRow, read_vessel_rows(folder, specimen, result)).partition("\n")
    with contextlib.suppress(StoreError):  # a disk that refuses costs only time later
        write_whole(path, f"{_head(made_from, text)}\n{text}".encode())
    return text


def _head(made_from: str, text: str) -> str:
    return f"# {made_from} mvd {program_version()} {hashlib.sha256(text.encode()).hexdigest()}"
