"""Reads -> everything about how well every two readers agree, field by field and specimen by specimen.

A field enters where both readers counted it at the same place, with its count. A specimen enters where both counted
any field of it, with the number that a study would take from each: counts over evaluable area, each in the fields that
this reader counted. Vessels are compared in the fields that enter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mvd.agreement.clusters import correlation_with_specimens, limits_with_specimens, variation_with_specimens
from mvd.agreement.correlation import intraclass
from mvd.agreement.estimate import CONFIDENCE, Estimate
from mvd.agreement.limits import BlandAltman, bland_altman
from mvd.agreement.objects import Detection, Marked, match_marked
from mvd.agreement.reads import PROGRAM, FieldRead, Reader, same_place
from mvd.agreement.variation import Variation, within_subject_variation

Level = Literal["field", "specimen"]
Kind = Literal["observers", "program", "repeat", "aid"]
"""What is compared: observers with each other, the program with an observer, an observer's second read with the first,
an observer's count with the one before they saw what the program found."""

ALIKE = "fields of one specimen are alike: intervals by field are made by a jackknife over specimens"
NOT_INDEPENDENT = "the observers saw what the program found: their counts are not independent of it, nor of each other"


@dataclass(frozen=True, slots=True)
class Point:
    """What is compared of one field or specimen."""

    specimen: str
    field: str | None
    """None of a specimen."""
    counts: tuple[float, ...]
    """One of each reader, in their order."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two or more readers at one level. With more than two there is neither a difference nor a ratio nor a vessel."""

    kind: Kind
    level: Level
    readers: tuple[Reader, ...]
    unit: str
    points: tuple[Point, ...]
    icc_21: Estimate
    icc_31: Estimate
    variation: Variation
    difference: BlandAltman | None
    """First reader minus second."""
    ratio: BlandAltman | None
    """First reader over second."""
    vessels: Detection | None
    """What the first found of the second's; None where vessels were not marked, or were told for the fields already."""
    note: str
    if_independent: Pair | None = None
    """The same with intervals that take fields of one specimen as independent: too narrow, but what others report.
    None where every specimen has one field, and of specimens: there the intervals above are these."""

    @property
    def title(self) -> str:
        names = [reader.title for reader in self.readers]
        return " – ".join(names) if len(names) == 2 else f"all {len(names)} observers"

    @property
    def n(self) -> int:
        """Fields or specimens."""
        return len(self.points)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well readers agree."""

    reads: tuple[FieldRead, ...]
    """What was compared."""
    pairs: tuple[Pair, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class _Matter:
    """Readers to be compared, with their reads by specimen and field."""

    kind: Kind
    readers: tuple[Reader, ...]
    sides: tuple[_Reads, ...]
    with_areas: bool
    note: str


def agreement_of(
    reads: Iterable[FieldRead], *, aided: Iterable[Reader] = (), confidence: float = CONFIDENCE
) -> Agreement:
    """Compare every two readers, and all observers together where there are more than two.

    Parameters
    ----------
    reads
        At most one of a reader, specimen and field. Readers are compared in the order in which they first appear.
    aided
        Readers who saw what the program found when they counted.
    """
    reads, aided = tuple(reads), frozenset(aided)
    by_reader: dict[Reader, _Reads] = {}
    for read in reads:
        mine = by_reader.setdefault(read.reader, {})
        if read.unit in mine:
            raise ValueError(f"{read.reader.title} counted field {read.field} of {read.specimen} twice")
        mine[read.unit] = read
    with_areas = all(read.area_mm2 is not None for read in reads)
    pairs = []
    for kind, readers in _compared(tuple(by_reader)):
        note = NOT_INDEPENDENT if kind != "aid" and aided.intersection(readers) else ""
        matter = _Matter(kind, readers, tuple(by_reader[reader] for reader in readers), with_areas, note)
        pairs += [_at_fields(matter, confidence), _at_specimens(matter, confidence)]
    return Agreement(reads, tuple(pairs), confidence)


_Reads = dict[tuple[str, str], FieldRead]
"""One reader's, by specimen and field."""


def _compared(readers: Sequence[Reader]) -> Iterator[tuple[Kind, tuple[Reader, ...]]]:
    """Who is compared with whom."""
    first = [reader for reader in readers if reader.read == "first"]
    for unaided in (False, True):
        group = [reader for reader in first if reader.unaided is unaided]
        yield from (("observers", pair) for pair in combinations(group, 2))
        if len(group) > 2:
            yield "observers", tuple(group)
    if PROGRAM in readers:
        yield from (("program", (PROGRAM, reader)) for reader in first)
    for reader in first:
        if (second := replace(reader, read="second")) in readers:
            yield "repeat", (second, reader)
    for reader in first:
        if not reader.unaided and (alone := replace(reader, unaided=True)) in first:
            yield "aid", (reader, alone)


def _at_fields(matter: _Matter, confidence: float) -> Pair:
    """Counts of the fields that all of them counted at the same place."""
    first, *others = matter.sides
    common = [
        unit for unit, read in first.items() if all(unit in other and same_place(read, other[unit]) for other in others)
    ]
    points = [Point(*unit, tuple(side[unit].count for side in matter.sides)) for unit in common]
    shared = set.intersection(*({specimen for specimen, _ in side} for side in matter.sides))
    units = {unit for side in matter.sides for unit in side if unit[0] in shared}
    notes = [
        _unshared(len(units) - len(common)),
        ALIKE if len({specimen for specimen, _ in common}) < len(common) else "",
    ]
    vessels = _vessels(matter, common) if len(matter.sides) == 2 else None
    pair = _pair(matter, "field", points, notes=notes, vessels=vessels, confidence=confidence)
    return _with_specimens(pair, confidence) if ALIKE in notes else pair


def _with_specimens(pair: Pair, confidence: float) -> Pair:
    """The pair with intervals that know which fields are of one specimen."""
    counts: dict[str, list[tuple[float, ...]]] = {}
    for point in pair.points:
        counts.setdefault(point.specimen, []).append(point.counts)
    tables = [np.array(rows, np.float64) for rows in counts.values()]

    def limits(found: BlandAltman | None) -> BlandAltman | None:
        return None if found is None else limits_with_specimens(found, tables, confidence=confidence)

    return replace(
        pair,
        icc_21=correlation_with_specimens(pair.icc_21, tables, form="2,1", confidence=confidence),
        icc_31=correlation_with_specimens(pair.icc_31, tables, form="3,1", confidence=confidence),
        variation=variation_with_specimens(pair.variation, tables, confidence=confidence),
        difference=limits(pair.difference),
        ratio=limits(pair.ratio),
        if_independent=pair,
    )


def _unshared(number: int) -> str:
    if not number:
        return ""
    return f"{number} field{' was' if number == 1 else 's were'} not counted by all of them at the same place"


def _vessels(matter: _Matter, common: Sequence[tuple[str, str]]) -> Detection | None:
    """Vessels of the common fields, specimen by specimen; None where they were not marked."""
    specimens: dict[str, tuple[set[Marked], ...]] = {}
    for unit in common:
        sets = specimens.setdefault(unit[0], tuple(set() for _ in matter.sides))
        for side, of in zip(matter.sides, sets, strict=True):
            marked = side[unit].marked
            if marked is None:
                return None
            of.update(marked)  # one that belongs to two fields is one vessel
    found = (match_marked(*(sorted(side, key=_by_place) for side in sets)) for sets in specimens.values())
    return reduce(Detection.__add__, found, Detection(0, 0, 0)) if specimens else None


def _by_place(marked: Marked) -> tuple[float, ...]:
    box = marked.box
    return box.x0_um, box.y0_um, box.x1_um, box.y1_um


def _at_specimens(matter: _Matter, confidence: float) -> Pair:
    """Densities of the specimens that all of them counted; without areas, counts per field."""
    values = [_per_specimen(side, with_areas=matter.with_areas) for side in matter.sides]
    common = [specimen for specimen in values[0] if all(specimen in other for other in values[1:])]
    points = [Point(specimen, None, tuple(side[specimen] for side in values)) for specimen in common]
    return _pair(matter, "specimen", points, notes=[], vessels=None, confidence=confidence)


def _per_specimen(side: _Reads, *, with_areas: bool) -> dict[str, float]:
    reads: dict[str, list[FieldRead]] = {}
    for read in side.values():
        reads.setdefault(read.specimen, []).append(read)
    return {
        specimen: math.fsum(read.count for read in own)
        / (math.fsum(read.area_mm2 or 0.0 for read in own) if with_areas else len(own))
        for specimen, own in reads.items()
    }


def _pair(
    matter: _Matter,
    level: Level,
    points: Sequence[Point],
    *,
    notes: Sequence[str],
    vessels: Detection | None,
    confidence: float,
) -> Pair:
    table: NDArray[np.float64] = np.array([p.counts for p in points], np.float64).reshape(-1, len(matter.readers))
    first, second = table[:, 0], table[:, 1]
    two = len(matter.readers) == 2
    unit = "vessels" if level == "field" else "vessels/mm²" if matter.with_areas else "vessels per field"
    return Pair(
        kind=matter.kind,
        level=level,
        readers=matter.readers,
        unit=unit,
        points=tuple(points),
        icc_21=intraclass(table, form="2,1", confidence=confidence),
        icc_31=intraclass(table, form="3,1", confidence=confidence),
        variation=within_subject_variation(table, confidence=confidence),
        difference=bland_altman(first, second, scale="difference", confidence=confidence) if two else None,
        ratio=bland_altman(first, second, scale="ratio", confidence=confidence) if two else None,
        vessels=vessels,
        note="; ".join(note for note in (*notes, matter.note) if note),
    )
