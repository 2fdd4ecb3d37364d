"""The manifest, specimens.csv: which specimens a study has, one row each.

Read as people save it (`mvd.delimited`). What cannot be read at all raises; everything wrong within rows is gathered,
so that one look shows all that is to be put right.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from pydantic import BaseModel, ConfigDict, Field

from mvd.delimited import (
    ABSENT,
    LOOKS_LIKE_A_ROW,
    SIGNS_AS_GROUPS,
    read_number,
    read_records,
    read_text,
    signs_as_groups,
)
from mvd.errors import ManifestError
from mvd.geometry import CALIBRATION_RANGE_UM_PER_PX
from mvd.protocol import Protocol
from mvd.spelling import spelling, told_apart

MANIFEST_FILE = "specimens.csv"

_LONGEST_NAME = 100
_LONGEST_NAME_BYTES = 200
"""File systems allow 255 bytes; the rest is for endings such as .geojson."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


class Specimen(BaseModel):
    """One row: one biopsy at one timepoint. The descriptions are the comments of the example manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    specimen: str = Field(description="name of the specimen, unique; results are files of this name")
    patient: str = Field(description="the patient's code; the specimens of one patient are paired")
    timepoint: str = Field(description="one of the timepoints in study.toml")
    image: Path = Field(description="slide file, relative to this folder or absolute")
    um_per_px: float | None = Field(None, description="µm per pixel, only where the slide file does not say")
    involved: Path | None = Field(
        None, description="file with the involved area: GeoJSON from QuPath, or a mask image of the whole slide"
    )
    fields: Path | None = Field(None, description="GeoJSON with the observer's fields, for placement = 'manual'")
    response: str | None = Field(None, description="response group of the patient, for comparing groups")


COLUMNS = tuple(Specimen.model_fields)
REQUIRED = tuple(name for name, field in Specimen.model_fields.items() if field.is_required())


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right in one row."""

    row: int
    """Line of the file, counted from 1 as an editor does."""
    specimen: str
    """As written; empty when the row has no name."""
    sentence: str
    patient: str = ""
    timepoint: str = ""

    def __str__(self) -> str:
        name = f" ({self.specimen})" if self.specimen else ""
        return f"{MANIFEST_FILE} row {self.row}{name}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The rows that can be used, in the file's order, and what is wrong with the others."""

    specimens: tuple[Specimen, ...]
    problems: tuple[Problem, ...]
    folder: Path = Path()
    """That relative paths start from."""


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    cells: dict[str, str]
    """By column, stripped; every known column, empty where the file has none."""
    decimal_comma: bool


def read_manifest(study: Path, protocol: Protocol) -> Manifest:
    """Read specimens.csv of a study and look for every file it names.

    Paths of the specimens returned are ready to open: relative ones are joined to `study`.

    Raises
    ------
    ManifestError
        The file is missing, empty or not UTF-8, has no rows, or its header has missing, double or unknown columns.
    """
    text = read_text(study / MANIFEST_FILE, missing="mvd init writes an example")
    rows, problems = _rows(text)
    seen = _Seen()
    specimens = []
    for row in rows:
        faults = [*_empty(row), *_name_faults(row), *seen.clashes(row), *_choice_faults(row, protocol)]
        paths = {column: _path(study, row.cells[column]) for column in ("image", "involved", "fields")}
        faults += [f"{column} {found}" for column, found in paths.items() if isinstance(found, str)]
        calibration = _um_per_px(row)
        if isinstance(calibration, str):
            faults.append(calibration)
        names = {column: row.cells[column] for column in ("specimen", "patient", "timepoint")}
        problems += [Problem(row.number, sentence=fault, **names) for fault in faults]
        if not faults:
            values = {"um_per_px": calibration, "response": row.cells["response"] or None, **paths}
            specimens.append(Specimen.model_validate({**names, **values}))
    return Manifest(tuple(specimens), tuple(sorted(problems, key=lambda problem: problem.row)), study)


def example_manifest() -> str:
    """A manifest to fill in: what each column means, an example row, and the header."""
    lines = [
        "One row for each specimen. Lines that start with # are comments; to leave a row out, delete it.",
        "Columns:",
    ]
    for name, field in Specimen.model_fields.items():
        lines.append(f"  {name}{'' if field.is_required() else ' (may be empty)'}: {field.description}")
    lines += [
        "Example:",
        "  case_01_pre,case_01,pre,slides/case_01_pre.svs,,annotations/case_01_pre.geojson,,responder",
    ]
    return "".join(f"# {line}\n" for line in lines) + ",".join(COLUMNS) + "\n"


def _rows(text: str) -> tuple[list[_Row], list[Problem]]:
    delimiter, records = read_records(text, where=MANIFEST_FILE)
    header = next(records, None)
    if header is None:
        raise ManifestError(f"{MANIFEST_FILE} is empty; its first row must name the columns {', '.join(COLUMNS)}")
    columns = _header(header[1])
    rows, problems, responses = [], [], set[str]()
    for number, cells in records:
        while len(cells) > len(columns) and not cells[-1]:
            cells.pop()
        if cells[0].startswith("#"):
            if len(cells) == len(columns):
                problems.append(Problem(number, cells[0], LOOKS_LIKE_A_ROW))
            continue
        if len(cells) != len(columns):
            sentence = (
                f"has {len(cells)} cells where the header has {len(columns)}; "
                "put a cell that holds a separator in quotes, and leave no cell out"
            )
            problems.append(Problem(number, cells[0], sentence))
            continue
        given = {**dict.fromkeys(COLUMNS, ""), **dict(zip(columns, cells, strict=True))}
        responses.add(given["response"])
        if given["response"].casefold() in ABSENT:
            given["response"] = ""
        rows.append(_Row(number, given, delimiter != ","))
    if signs_as_groups(responses):
        raise ManifestError(f"{MANIFEST_FILE}: {SIGNS_AS_GROUPS}")
    if not rows and not problems:
        raise ManifestError(f"{MANIFEST_FILE} has a header but no rows; add one row for each specimen")
    return rows, problems


def _header(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells.pop()
    columns = [cell.casefold() for cell in cells]
    known = f"the columns are {', '.join(REQUIRED)} and, if wanted, {', '.join(COLUMNS[len(REQUIRED) :])}"
    for cell, column in zip(cells, columns, strict=True):
        if column not in COLUMNS:
            near = difflib.get_close_matches(column, COLUMNS, n=1, cutoff=0.5)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            raise ManifestError(f"{MANIFEST_FILE} has the unknown column '{cell}'{hint}; {known}")
    double = [column for column in COLUMNS if columns.count(column) > 1]
    if double:
        raise ManifestError(f"{MANIFEST_FILE} has the column {_list(double)} more than once; keep one")
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise ManifestError(f"{MANIFEST_FILE} lacks the column {_list(missing)}; {known}")
    return columns


def _empty(row: _Row) -> Iterator[str]:
    for column in REQUIRED:
        if not row.cells[column]:
            yield f"{column} is empty; fill it in"


def can_name_files(name: str) -> bool:
    """Whether results can be files of this name, on every system."""
    odd = any(not (character.isalnum() or character in " ._-") for character in name)
    unsafe = odd or not name or name.startswith(".") or name.endswith(".") or _RESERVED.fullmatch(name)
    return not unsafe and len(name) <= _LONGEST_NAME and len(name.encode()) <= _LONGEST_NAME_BYTES


def _name_faults(row: _Row) -> Iterator[str]:
    name = row.cells["specimen"]
    if name and not can_name_files(name):
        odd = sorted({character for character in name if not (character.isalnum() or character in " ._-")})
        detail = f" (it has {', '.join(map(repr, odd))})" if odd else ""
        yield (
            f"the specimen's name '{name[:_LONGEST_NAME]}' cannot be a file name{detail}; use letters, digits, spaces "
            f"and . _ -, no dot first or last, at most {_LONGEST_NAME} characters, and no name that Windows reserves "
            "such as CON"
        )


def _choice_faults(row: _Row, protocol: Protocol) -> Iterator[str]:
    timepoint = row.cells["timepoint"]
    if timepoint and timepoint not in protocol.timepoints:
        known = ", ".join(protocol.timepoints)
        yield f"timepoint '{timepoint}' is not in study.toml, which has {known}; correct one of the two"
    if protocol.fields.placement == "manual" and not row.cells["fields"]:
        yield "fields is empty, but study.toml has placement = 'manual'; name the file with the observer's fields"


def _um_per_px(row: _Row) -> float | str | None:
    """The pixel size, None for an empty cell, or what is wrong with it."""
    cell = row.cells["um_per_px"]
    if not cell:
        return None
    number = read_number(cell, decimal_comma=row.decimal_comma)
    value = math.nan if number is None else number
    low, high = CALIBRATION_RANGE_UM_PER_PX
    if low <= value <= high:
        return value
    return f"um_per_px '{cell}' cannot be a pixel size in µm; give a number between {low:g} and {high:g} such as 0.25"


def _path(study: Path, cell: str) -> Path | str | None:
    """The file a cell names, None for an empty cell, or what is wrong with it."""
    if not cell:
        return None
    given = Path(cell)
    if given.is_absolute():
        return given if _is_file(given) else f"'{cell}' {_absence(given)}"
    portable = PurePosixPath(PureWindowsPath(cell).as_posix())
    depth = 0
    for part in portable.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return f"'{cell}' leaves the study folder; write an absolute path for a file that lies elsewhere"
    for path in (study / given, study / portable):
        if _is_file(path):
            return path
    return f"'{cell}' {_absence(study / portable)}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, a character no name can have
        return False


def _absence(path: Path) -> str:
    try:
        folder = path.is_dir()
    except (OSError, ValueError):
        folder = False
    return "is a folder; name the file" if folder else "does not exist; paths are relative to the study folder"


class _Seen:
    """What earlier rows said, to find rows that contradict them."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._pairs: dict[tuple[str, str], int] = {}
        self._patients: dict[str, tuple[str, int]] = {}
        self._responses: dict[str, tuple[str, int]] = {}

    def clashes(self, row: _Row) -> Iterator[str]:
        specimen, patient, timepoint = (row.cells[column] for column in ("specimen", "patient", "timepoint"))
        first = self._names.setdefault(specimen.casefold(), row.number)
        if specimen and first != row.number:
            yield f"the name '{specimen}' is taken by row {first} (capitals do not tell names apart); rename one"
        if not patient:
            return
        first = self._pairs.setdefault((patient, timepoint), row.number)
        if timepoint and first != row.number:
            yield f"patient '{patient}' already has a specimen at '{timepoint}' in row {first}; correct one of the two"
        spelt, first = self._patients.setdefault(spelling(patient), (patient, row.number))
        if spelt != patient:
            alike = told_apart(spelt, patient)
            yield f"patient '{patient}' is '{spelt}'{alike} in row {first}; write one patient the same way everywhere"
        response = row.cells["response"]
        if response:
            before, first = self._responses.setdefault(patient, (response, row.number))
            if before != response:
                yield f"response '{response}' of patient '{patient}' is '{before}' in row {first}; a patient has one"


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
