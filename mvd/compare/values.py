"""The counts of a study by patient and timepoint, and on which scale they are ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mvd.compare.model import CountRow
from mvd.errors import ManifestError

_SAME_AREA = 1e-9
"""Relative: areas that differ by less are one, read from two texts."""


@dataclass(frozen=True, slots=True)
class Patients:
    """The rows of a study, found by patient and timepoint."""

    rows: Mapping[tuple[str, str], CountRow]
    names: tuple[str, ...]
    """In the order in which they first appear."""
    responses: Mapping[str, str]
    """Response group of each patient who has one."""
    timepoints: tuple[str, ...]
    equal_area_mm2: float | None
    """The area of every count, where all are over one area: counts are then compared as they are."""

    @property
    def first(self) -> str:
        return self.timepoints[0]

    @property
    def later(self) -> tuple[str, ...]:
        return self.timepoints[1:]

    @property
    def unit(self) -> float:
        """vessels/mm² of one step of `value`."""
        return 1.0 if self.equal_area_mm2 is None else 1 / self.equal_area_mm2

    @property
    def scale(self) -> str:
        return "on densities" if self.equal_area_mm2 is None else f"on counts over equal areas ({self.area_text} mm²)"

    @property
    def area_text(self) -> str:
        return f"{self.equal_area_mm2:g}"

    def value(self, patient: str, timepoint: str) -> float | None:
        """The count over the area that all share, else the MVD; None where there is none."""
        row = self.rows.get((patient, timepoint))
        if row is None or row.mvd_per_mm2 is None:
            return None
        return row.mvd_per_mm2 if self.equal_area_mm2 is None else row.count

    def missing(self, patient: str, timepoint: str) -> str | None:
        """Why there is no value, None where there is one."""
        row = self.rows.get((patient, timepoint))
        if row is None:
            return f"no specimen at '{timepoint}'"
        return row.reason and f"{row.specimen or timepoint}: {row.reason}"


def by_patient(rows: Sequence[CountRow], *, timepoints: Sequence[str]) -> Patients:
    """Sort rows by patient.

    Raises
    ------
    ManifestError
        A timepoint that is not named, two rows of one patient at one timepoint, or a patient in two response groups.
    """
    found: dict[tuple[str, str], CountRow] = {}
    responses: dict[str, str] = {}
    for row in rows:
        if row.timepoint not in timepoints:
            raise ManifestError(
                f"patient {row.patient}: there is no timepoint '{row.timepoint}' (there are {', '.join(timepoints)})"
            )
        if (row.patient, row.timepoint) in found:
            raise ManifestError(f"patient {row.patient} has two counts at '{row.timepoint}'; keep one of them")
        found[row.patient, row.timepoint] = row
        if row.response and responses.setdefault(row.patient, row.response) != row.response:
            raise ManifestError(
                f"patient {row.patient} is '{responses[row.patient]}' and '{row.response}'; a patient has one response"
            )
    names = tuple(dict.fromkeys(row.patient for row in rows))
    return Patients(found, names, responses, tuple(timepoints), _equal_area_mm2(rows))


def _equal_area_mm2(rows: Iterable[CountRow]) -> float | None:
    """None unless every MVD is a count over one and the same area."""
    counted = [row for row in rows if row.mvd_per_mm2 is not None]
    areas = [row.area_mm2 for row in counted if row.area_mm2 is not None and row.count is not None]
    if not areas or len(areas) < len(counted) or max(areas) - min(areas) > _SAME_AREA * max(areas):
        return None
    return areas[0]


def tidy(value: float | None) -> float | None:
    """Twelve significant digits: 36.8 and not 36.800000000000004, which is what 52.8 - 16.0 gives."""
    return None if value is None else float(f"{value:.12g}")
