"""Counts made at the microscope: a table with a row for each specimen and, where several counted, each observer."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mvd.compare import CountRow, ObserverCount, mean_count
from mvd.delimited import (
    ABSENT,
    LOOKS_LIKE_A_ROW,
    SIGNS_AS_GROUPS,
    decimal_marks,
    read_number,
    read_records,
    read_text,
    separates_thousands,
    signs_as_groups,
    thousands,
)
from mvd.errors import ManifestError
from mvd.protocol import ComparisonPlan
from mvd.spelling import spelling, told_apart
from mvd.timepoints import ordered

COLUMNS = ("patient", "timepoint", "count", "area_mm2", "mvd_per_mm2", "response", "observer", "specimen")
_NUMBERS = ("count", "area_mm2", "mvd_per_mm2")

AREAS_MM2 = (1e-4, 100.0)
"""Areas in which vessels are counted: a square of 10 µm holds not one, 312.5 is in another unit."""

MOST_VESSELS = 1e6
"""More than anybody counts."""

_MOST_PER_MM2 = 10_000.0
"""A vessel in every square of 10 µm, the width of one capillary."""

_ROUNDING_PER_MM2, _ROUNDING = 0.06, 0.006
"""A density beside a count may be rounded to 0.1, or to a hundredth of itself; more apart, one of the two is wrong."""

_MOST_FAULTS = 20
"""Said of one table; the rest is counted."""


@dataclass(frozen=True, slots=True)
class CountTable:
    """The counts of a table, one row a patient and timepoint."""

    rows: tuple[CountRow, ...]
    timepoints: tuple[str, ...]
    source: str
    """Whose counts they are, in words."""
    counts: str
    """The same as `ComparisonPlan.counts` has it; 'table' where no observer is named."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One row as it stands."""

    number: int
    cells: Mapping[str, str]
    decimal_comma: bool
    marks: frozenset[str]
    """Decimal marks of the table (`decimal_marks`)."""

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    @property
    def specimen(self) -> tuple[str, str]:
        return self["patient"], self["timepoint"]

    def value(self, column: str) -> float | None:
        """None for a cell that stands for no value, nan for one that holds no number."""
        cell = self[column]
        if cell.casefold() in ABSENT:
            return None
        number = read_number(cell, decimal_comma=self.decimal_comma)
        return float("nan") if number is None else number


def read_counts(path: Path, *, plan: ComparisonPlan, timepoints: Sequence[str] | None = None) -> CountTable:
    """Read a table of counts.

    Parameters
    ----------
    plan
        Says which observer's counts are taken. 'program' takes those of all observers, as 'mean' does.
    timepoints
        The protocol's; without them, those of the table in the order of `mvd.timepoints.ordered`, which refuses names
        that do not tell it.

    Raises
    ------
    ManifestError
        The table cannot be read, or everything that is wrong in its rows, one a line: nothing is left out unseen.
    """
    text = read_text(path, missing="name a table with the columns patient, timepoint, count and area_mm2")
    lines = _lines(text, path.name)
    faults = [fault for line in lines for fault in _faults(line)]
    faults += [*_clashes(lines), *_unknown(lines, timepoints)]
    if faults:
        faults.sort(key=lambda fault: fault[0])
        said = [f"{path.name} row {number}: {sentence}" for number, sentence in faults[:_MOST_FAULTS]]
        if len(faults) > _MOST_FAULTS:
            said.append(f"{path.name}: and {len(faults) - _MOST_FAULTS} more such rows")
        raise ManifestError("\n".join(said))
    observers = tuple(dict.fromkeys(line["observer"] for line in lines if line["observer"]))
    for name in plan.observers:
        if name not in observers:
            known = f"it has {', '.join(observers)}" if observers else "it has no column observer"
            raise ManifestError(f"{path.name} has no counts of '{name}' ({known})")
    specimens: dict[tuple[str, str], list[_Line]] = {}
    for line in lines:
        specimens.setdefault(line.specimen, []).append(line)
    rows = tuple(_row(found, plan.observers) for found in specimens.values())
    order = tuple(timepoints) if timepoints is not None else ordered((r.timepoint for r in rows), where=path.name)
    return CountTable(rows, order, _source(path.name, plan, observers), _whose(plan, observers))


def _lines(text: str, where: str) -> list[_Line]:
    delimiter, records = read_records(text, where=where)
    header = next(records, None)
    if header is None:
        raise ManifestError(f"{where} is empty; its first row must name the columns {', '.join(COLUMNS[:4])}")
    columns = _header(header[1], where)
    found: list[tuple[int, dict[str, str]]] = []
    for number, cells in records:
        if cells[0].startswith("#"):
            raise ManifestError(f"{where} row {number} {LOOKS_LIKE_A_ROW}")
        while len(cells) > len(columns) and not cells[-1]:
            cells.pop()
        if len(cells) != len(columns):
            comma = "; a decimal comma needs semicolons between the cells" if len(cells) > len(columns) else ""
            raise ManifestError(
                f"{where} row {number} has {len(cells)} cells where the header has {len(columns)}; put a cell that "
                f"holds a separator in quotes, and leave no cell out{comma}"
            )
        found.append((number, dict(zip(columns, cells, strict=True))))
    if not found:
        raise ManifestError(f"{where} has a header but no rows; add one row for each specimen")
    responses = {cells.get("response", "") for _, cells in found}
    if signs_as_groups(responses):
        raise ManifestError(f"{where}: {SIGNS_AS_GROUPS}")
    marks = decimal_marks(cells.get(column, "") for _, cells in found for column in _NUMBERS)
    return [_Line(number, _without_absent(cells), delimiter != ",", marks) for number, cells in found]


def _without_absent(cells: Mapping[str, str]) -> dict[str, str]:
    """Cells of a row; empty where a response, an observer or a specimen's name is a word for none."""
    optional = ("response", "observer", "specimen")
    return {column: "" if column in optional and cell.casefold() in ABSENT else cell for column, cell in cells.items()}


def _header(cells: list[str], where: str) -> list[str]:
    while cells and not cells[-1]:
        cells.pop()
    columns = [cell.casefold().replace("²", "2").replace(" ", "_") for cell in cells]
    for cell, column in zip(cells, columns, strict=True):
        if column not in COLUMNS:
            near = difflib.get_close_matches(column, COLUMNS, n=1, cutoff=0.5)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            raise ManifestError(f"{where} has the unknown column '{cell}'{hint}; the columns are {', '.join(COLUMNS)}")
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise ManifestError(f"{where} has the column '{twice}' more than once; keep one")
    missing = [column for column in ("patient", "timepoint") if column not in columns]
    if "mvd_per_mm2" not in columns:
        missing += [column for column in ("count", "area_mm2") if column not in columns]
    if missing:
        either = "" if missing[-1] in ("patient", "timepoint") else " (or mvd_per_mm2 in place of count and area_mm2)"
        raise ManifestError(f"{where} lacks the column {', '.join(repr(column) for column in missing)}{either}")
    return columns


Fault = tuple[int, str]
"""A row's number, and what is wrong with it."""


def _faults(line: _Line) -> Iterator[Fault]:
    """What is wrong in one row by itself."""
    for column in ("patient", "timepoint"):
        if line[column].casefold() in ABSENT:
            said = f"'{line[column]}', a word for none" if line[column] else "empty"
            yield line.number, f"{column} is {said}; fill it in"
    count, area, density = (line.value(column) for column in _NUMBERS)
    for column, value, most in (("count", count, MOST_VESSELS), ("mvd_per_mm2", density, _MOST_PER_MM2)):
        if value is not None and not 0 <= value < float("inf"):
            yield line.number, f"{column} '{line[column]}' is no number of at least 0; leave it empty if nobody counted"
        elif value is not None and value > most:
            yield line.number, f"{column} '{line[column]}' is more than marrow can hold ({most:g}); correct it"
    for column in _NUMBERS:
        if line.decimal_comma and separates_thousands(line[column], line.marks):
            yield line.number, f"{column} '{line[column]}' {thousands(line[column])}"
    if area is not None and not AREAS_MM2[0] <= area <= AREAS_MM2[1]:
        yield line.number, f"area_mm2 '{line['area_mm2']}' cannot be an area in mm²; five fields of 250 µm are 0.3125"
    elif count is not None and area is None and density is None:
        yield line.number, "there is a count but no area_mm2; give the area that was counted in"
    elif count is not None and area is not None and density is not None and _differ(count / area, density):
        yield line.number, f"mvd_per_mm2 is {density:g}, but count over area_mm2 is {count / area:g}; correct one"
    elif count is not None and area is not None and count <= MOST_VESSELS and count / area > _MOST_PER_MM2:
        yield line.number, f"{count:g} vessels in {area:g} mm² are more than marrow can hold; correct one of the two"


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > max(_ROUNDING_PER_MM2, _ROUNDING * one)


def _clashes(lines: Sequence[_Line]) -> Iterator[Fault]:
    """Rows that say what an earlier one has said, or the opposite."""
    counted: dict[tuple[str, ...], int] = {}
    seen: dict[tuple[str, str], tuple[str, int]] = {}
    named = any(line["observer"] for line in lines)
    for line in lines:
        patient, timepoint = line.specimen
        observer = line["observer"]
        first = counted.setdefault((patient, timepoint, observer), line.number)
        if first != line.number:
            who = f" by {observer}" if observer else ""
            yield line.number, f"patient '{patient}' already has a count{who} at '{timepoint}' in row {first}; keep one"
        if named and not observer:
            yield line.number, "observer is empty where other rows name one; fill it in"
        for key, value, sentence in _claims(line):
            before, first = seen.setdefault(key, (value, line.number))
            if before != value:
                alike = told_apart(before, value)
                yield line.number, f"{sentence} '{before}'{alike} in row {first}; correct one of the two"


def _claims(line: _Line) -> Iterator[tuple[tuple[str, str], str, str]]:
    """What a row says of what; how another row that says something else is spoken of."""
    patient, timepoint = line.specimen
    for column in ("patient", "timepoint", "observer", "response"):
        name = line[column]
        if name:
            yield (column, spelling(name, hyphens=column != "timepoint")), name, f"{column} '{name}' is written"
    if response := line["response"]:
        yield ("response of", patient), response, f"the response of patient '{patient}' is '{response}' here and"
    if specimen := line["specimen"]:
        yield ("name of", f"{patient}\0{timepoint}"), specimen, f"this specimen is '{specimen}' here and"
        yield ("place of", specimen), f"{patient}, {timepoint}", f"specimen '{specimen}' is that of"


def _unknown(lines: Sequence[_Line], timepoints: Sequence[str] | None) -> Iterator[Fault]:
    for line in lines:
        if timepoints is not None and line["timepoint"] and line["timepoint"] not in timepoints:
            known = ", ".join(timepoints)
            yield line.number, f"timepoint '{line['timepoint']}' is not in the protocol, which has {known}"


def _row(lines: Sequence[_Line], wanted: Sequence[str]) -> CountRow:
    """The row of one specimen, from those of its observers."""
    counted = {line["observer"]: found for line in lines if (found := _counted(line))}
    chosen = [counted[name] for name in wanted if name in counted] if wanted else list(counted.values())
    absent = [name for name in wanted if name not in counted]
    patient, timepoint = lines[0].specimen
    specimen = next((line["specimen"] for line in lines if line["specimen"]), None)
    response = next((line["response"] for line in lines if line["response"]), None)
    if absent or not chosen:
        reason = f"not counted by {', '.join(absent)}" if absent else "no count in the table"
        return CountRow(patient, timepoint, specimen, None, None, None, response, "table", False, reason)
    one = mean_count(chosen)
    return CountRow(
        patient, timepoint, specimen, one.count, one.area_mm2, one.mvd_per_mm2, response, one.observer or "table", True
    )


def _counted(line: _Line) -> ObserverCount | None:
    count, area, density = (line.value(column) for column in ("count", "area_mm2", "mvd_per_mm2"))
    if count is not None and area is not None:
        return ObserverCount(line["observer"], count, area, count / area)
    return None if density is None else ObserverCount(line["observer"], None, None, density)


def _source(where: str, plan: ComparisonPlan, observers: Sequence[str]) -> str:
    chosen = plan.observers or observers
    if not chosen:
        return f"the counts of {where}"
    if len(chosen) == 1:
        return f"the counts of {chosen[0]} in {where}"
    those = "" if plan.observers else " (of those who counted the specimen)"
    return f"the mean of the counts of {', '.join(chosen)}{those} in {where}"


def _whose(plan: ComparisonPlan, observers: Sequence[str]) -> str:
    """What was taken, as `ComparisonPlan.counts` has it."""
    if plan.observers:
        return plan.counts
    if len(observers) == 1 and "," not in observers[0]:
        return f"observer:{observers[0]}"
    return "mean" if observers else "table"
