"""Reads to be compared, and those that cannot be."""

from __future__ import annotations

from dataclasses import dataclass

from mvd.agreement import FieldRead, Reader


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A read that is not compared."""

    reader: Reader
    specimen: str
    reason: str

    def __str__(self) -> str:
        return f"{self.reader.title}, {self.specimen}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What there is to compare."""

    reads: tuple[FieldRead, ...]
    aided: frozenset[Reader]
    """Readers who saw what the program found before or while they counted."""
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...] = ()
    """What to know of reads that are compared all the same."""
    blinded: tuple[str, ...] = ()
    """Observers to whom names have not been shown yet: what is written names specimens, and is not for them."""
