"""What one reader counted in one field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mvd.agreement.objects import Marked
from mvd.geometry import Rect

Read = Literal["program", "first", "second"]

SAME_PLACE_UM = 0.01
"""Corners of two observers' fields that differ by less are one field: results and logs hold them to 0.001 µm."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who counted, and which of their reads it is."""

    observer: str
    """Empty for the program."""
    read: Read
    """The first of a specimen, or a second one by the same observer."""
    unaided: bool = False
    """Whether it is the count at the moment when the observer was shown what the program found."""

    @property
    def name(self) -> str:
        """Who, whichever read it is."""
        return self.observer + ", unaided" * self.unaided if self.observer else "program"

    @property
    def title(self) -> str:
        """As tables and figures name it."""
        return self.name + ", second read" * (self.read == "second")


PROGRAM = Reader("", "program")


@dataclass(frozen=True, slots=True)
class FieldRead:
    """One reader's count of one field."""

    reader: Reader
    specimen: str
    field: str
    count: float
    area_mm2: float | None
    """Evaluable area; None where only counts were given."""
    place: Rect | None = None
    """None where only counts were given: fields of one name are then the same."""
    marked: tuple[Marked, ...] | None = None
    """The vessels that were counted; None where only counts were given."""

    @property
    def unit(self) -> tuple[str, str]:
        """Which field it is."""
        return self.specimen, self.field


def same_place(one: FieldRead, other: FieldRead) -> bool:
    """Whether two reads of a field of one name are of the same field: an observer may have moved it."""
    a, b = one.place, other.place
    if a is None or b is None:
        return a is b
    corners = ((a.x0_um, b.x0_um), (a.y0_um, b.y0_um), (a.x1_um, b.x1_um), (a.y1_um, b.y1_um))
    return all(abs(x - y) <= SAME_PLACE_UM for x, y in corners)
