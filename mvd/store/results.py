"""One specimen's result on disk.

`<specimen>.json` holds everything about one specimen but its vessels, which are in `<specimen>.geojson`; the first
names the second's checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from mvd.errors import CalibrationError, StoreError
from mvd.geometry import Calibration
from mvd.store.atomic import read_whole, write_together
from mvd.store.geojson import read_assigned
from mvd.store.rows import FieldRow, HotSpotRow, SpecimenRow, VesselRow, vessel_rows
from mvd.store.tables import Row, read_table

SCHEMA = 1
"""Of the JSON files; raised whenever a reader of the old ones would go wrong."""

TABLES = ("specimens.csv", "fields.csv", "vessels.csv", "hotspots.csv")
_HEADER_KEYS = ("schema", "specimen", "geojson_sha256")


@dataclass(frozen=True, slots=True)
class SpecimenTables:
    """What one specimen adds to the study tables."""

    specimen: SpecimenRow
    fields: tuple[FieldRow, ...] = ()
    vessels: tuple[VesselRow, ...] = ()
    hotspots: tuple[HotSpotRow, ...] = ()


def tables_entry(
    specimen: SpecimenRow, fields: Iterable[FieldRow], *, hotspots: Iterable[HotSpotRow] = ()
) -> dict[str, Any]:
    """The entry "tables" of a result, from which `read_tables` makes the rows again."""
    return {
        "specimen": asdict(specimen),
        "fields": [asdict(row) for row in fields],
        "hotspots": [asdict(row) for row in hotspots],
    }


def write_result(folder: Path, specimen: str, *, payload: Mapping[str, Any], geojson: str | None = None) -> None:
    """Write `<specimen>.json` and `<specimen>.geojson` together.

    Parameters
    ----------
    payload
        What JSON can hold, floats finite, in the order to be written. "tables" (see `tables_entry`) and, with a
        `geojson`, "calibration" (um_per_px_x, um_per_px_y, source, detail) are needed to make the study tables. The
        schema number, the specimen's name and the checksum of the GeoJSON file are put first.
    geojson
        Text of `specimen_geojson`. Without it, one left from an earlier run is removed.

    Raises
    ------
    StoreError
        The disk refuses, or the payload holds what JSON cannot; the files of an earlier run are then unchanged.
    """
    path, vessels_path = (_file(folder, specimen, ending) for ending in (".json", ".geojson"))
    fault = next(_unfit(payload, ""), None)
    if fault:
        raise StoreError(f"the result of {specimen} cannot be stored: {fault}")
    checksum = None if geojson is None else hashlib.sha256(geojson.encode()).hexdigest()
    header = dict(zip(_HEADER_KEYS, (SCHEMA, specimen, checksum), strict=True))
    entries = {**header, **{key: value for key, value in payload.items() if key not in header}}
    text = json.dumps(entries, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    contents = {} if geojson is None else {vessels_path: geojson.encode()}
    write_together({**contents, path: text.encode()})
    if geojson is None:
        with contextlib.suppress(OSError):  # not needed any more, and its checksum keeps it from being read
            vessels_path.unlink(missing_ok=True)


def read_result(folder: Path, specimen: str) -> dict[str, Any] | None:
    """The result of one specimen as written, None if there is none.

    Raises
    ------
    StoreError
        The file is damaged, of another specimen, or of a version of the program that this one does not know.
    """
    path = _file(folder, specimen, ".json")
    text = read_whole(path)
    if text is None:
        return None
    try:
        result = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged ({error}); delete it and run again") from error
    if not isinstance(result, dict) or "schema" not in result:
        raise StoreError(f"{path} is not a result written by mvd; delete it and run again")
    if result["schema"] != SCHEMA:
        raise StoreError(
            f"{path} has schema {result['schema']}, this version reads {SCHEMA}; read it with the version that "
            "wrote it, or delete it and run again"
        )
    if result.get("specimen") != specimen:
        raise StoreError(f"{path} is the result of '{result.get('specimen')}'; was it renamed? Delete it and run again")
    return result


def read_tables(folder: Path, specimen: str) -> SpecimenTables | None:
    """Rows of one specimen, None if it has no result yet.

    Raises
    ------
    StoreError
        A file is damaged, or the two are not of the same run.
    """
    result = read_result(folder, specimen)
    if result is None:
        return None
    tables = rows_without_vessels(folder, specimen, result)
    if result["geojson_sha256"] is None:
        return tables
    return replace(tables, vessels=read_vessel_rows(folder, specimen, result))


def rows_without_vessels(folder: Path, specimen: str, result: Mapping[str, Any]) -> SpecimenTables:
    """The rows that stand in a result itself.

    Raises
    ------
    StoreError
        They are damaged.
    """
    path = _file(folder, specimen, ".json")
    try:
        row = _row(SpecimenRow, result["tables"]["specimen"])
        field_rows = tuple(_row(FieldRow, entry) for entry in result["tables"]["fields"])
        hot_spots = tuple(_row(HotSpotRow, entry) for entry in result["tables"].get("hotspots", ()))
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path} has no usable tables ({error!r}); delete it and run again") from error
    return SpecimenTables(row, field_rows, hotspots=hot_spots)


def geojson_of(folder: Path, specimen: str, result: Mapping[str, Any]) -> str:
    """The text of the GeoJSON file that belongs to a result.

    Raises
    ------
    StoreError
        It is not there, or another one is.
    """
    path = _file(folder, specimen, ".geojson")
    text = read_whole(path)
    if text is None:
        raise StoreError(f"{path} is missing, but {specimen}.json belongs to it; analyse the specimen again")
    if hashlib.sha256(text.encode()).hexdigest() != result["geojson_sha256"]:
        raise StoreError(
            f"{path} is not the one that {specimen}.json belongs to; if it was edited in QuPath, save that elsewhere, "
            "and analyse the specimen again"
        )
    return text


def read_vessel_rows(folder: Path, specimen: str, result: Mapping[str, Any]) -> tuple[VesselRow, ...]:
    """The rows of the vessels of a result that has a GeoJSON file.

    Raises
    ------
    StoreError
        It is not the file that belongs to the result, or damaged.
    """
    text = geojson_of(folder, specimen, result)
    try:
        entry = result["calibration"]
        calibration = Calibration(entry["um_per_px_x"], entry["um_per_px_y"], entry["source"], entry["detail"])
    except (KeyError, TypeError, CalibrationError) as error:
        raise StoreError(
            f"{specimen}.json has no usable calibration ({error!r}); analyse the specimen again"
        ) from error
    vessels, assignments = read_assigned(text, calibration, where=str(_file(folder, specimen, ".geojson")))
    return vessel_rows(specimen, vessels, assignments=assignments)


def refuse_foreign(folder: Path, name: str) -> None:
    """StoreError if a folder holds the results of a study, or the vessels of another image than `name`."""
    if any((folder / table).exists() for table in TABLES[:2]):
        raise StoreError(f"{folder} holds the results of a study, which stay as they are; name another folder")
    others = {row.specimen for row in read_table(VesselRow, folder / TABLES[2]) or ()} - {name}
    if others:
        raise StoreError(f"{folder} holds the vessels of {min(others)}, which stay as they are; name another folder")


def _file(folder: Path, specimen: str, ending: str) -> Path:
    if not specimen or specimen.startswith(".") or any(character in specimen for character in "/\\:\0"):
        raise StoreError(f"'{specimen}' cannot be the name of a result file; rename the specimen")
    return folder / f"{specimen}{ending}"


def _row(row_type: type[Row], entry: Mapping[str, Any]) -> Row:
    """A row from JSON; an unknown or missing column raises TypeError, a wrong value ValueError."""
    hints = get_type_hints(row_type)
    for name, value in entry.items():
        if not _fits(value, hints.get(name)):
            raise ValueError(f"{name} is {value!r}")
    missing = {column.name for column in fields(row_type)} - set(entry)
    if missing:
        raise ValueError(f"no {', '.join(sorted(missing))}")
    return row_type(**entry)


def _fits(value: object, hint: Any) -> bool:
    """Whether a value from JSON is what a column holds."""
    if get_origin(hint) is dict:  # the counts of the size classes
        return isinstance(value, dict) and all(isinstance(count, int) for count in value.values())
    kinds = get_args(hint) or (hint,)
    allowed = tuple({float: (int, float)}.get(kind, kind) for kind in kinds if kind is not NoneType)
    return (value is None and NoneType in kinds) or isinstance(value, allowed)


def _unfit(value: object, key: str) -> Iterator[str]:
    """What JSON cannot hold, with the key where it stands."""
    match value:
        case Mapping():
            for name, item in value.items():
                if not isinstance(name, str):
                    yield f"the key {name!r} of '{key}' is not a text"
                yield from _unfit(item, f"{key}.{name}" if key else str(name))
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _unfit(item, f"{key}[{index}]")
        case float() if not math.isfinite(value):
            yield f"'{key}' is {value}; what could not be measured must be null, with a reason"
        case None | bool() | int() | float() | str():
            return
        case _:
            yield f"'{key}' is a {type(value).__name__}, which JSON cannot hold"
