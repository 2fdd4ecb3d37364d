"""What a study with images has beside its counts: fields, vessels, pictures, and what the numbers trace back to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mvd.protocol import Protocol
from mvd.store import VesselRow

PROGRAM = "program"
"""Who counted, where no observer did."""


@dataclass(frozen=True, slots=True)
class CountedField:
    """One field of one specimen, as one reader counted it; x, y is the top left corner."""

    specimen: str
    field: str
    source: str
    """'program', or an observer's name."""
    x_um: float
    y_um: float
    side_um: float
    evaluable_mm2: float
    count: int
    per_mm2: float


@dataclass(frozen=True, slots=True)
class ReadVessel(VesselRow):
    """One object of one specimen, as one reader left it."""

    source: str = PROGRAM


@dataclass(frozen=True, slots=True)
class FieldPicture:
    """The program's picture of one of its fields: an observer may have counted at another place."""

    path: Path
    x_um: float
    y_um: float
    side_um: float
    count: int
    """The program's: as many vessels are numbered in the picture."""

    def shows(self, field: CountedField) -> bool:
        """Whether the picture is of the place where the field was counted."""
        return (self.x_um, self.y_um, self.side_um) == (field.x_um, field.y_um, field.side_um)


@dataclass(frozen=True, slots=True)
class Origin:
    """What the numbers of one specimen trace back to."""

    specimen: str
    slide: str
    """Name of the slide file."""
    slide_sha256: str
    result_sha256: str
    """Of the file with the vessels."""
    um_per_px: float | None
    calibration: str
    """Where the pixel size came from."""
    stains: str
    """Where the stain vectors came from."""
    score: str
    """The learned score and its version; 'none' where the rule counted alone."""
    protocol: str
    """Digest of every choice."""
    version: str
    measured_at: str
    """UTC."""


@dataclass(frozen=True, slots=True)
class ObserverRecord:
    """What one observer did."""

    observer: str
    finished: int
    begun: int
    """Specimens that are not finished."""
    corrections: int
    last: str
    """Time of the last correction (UTC); empty without any."""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table that another part of the program made, to be shown as it is."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it may be absent: a table of counts made at the microscope gives a report without pictures."""

    fields: tuple[CountedField, ...] = ()
    """By those readers whose counts are compared."""
    vessels: tuple[ReadVessel, ...] = ()
    pictures: Mapping[tuple[str, str], FieldPicture] = field(default_factory=dict)
    """By specimen and field."""
    origins: tuple[Origin, ...] = ()
    observers: tuple[ObserverRecord, ...] = ()
    protocol: Protocol | None = None
    agreement: tuple[ReportTable, ...] = ()
    file_names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Specimen, and names and paths of its files, which may name the patient: replaced with pseudonyms."""
