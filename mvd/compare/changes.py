"""Specimens of one patient side by side: each later timepoint against the one before treatment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mvd.errors import ManifestError


@dataclass(frozen=True, slots=True)
class SpecimenValue:
    """One measure of one specimen (its MVD, or another), or why there is none."""

    specimen: str
    patient: str
    timepoint: str
    value: float | None
    reason: str | None = None
    """Why there is no value; None when there is one."""

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"{self.specimen}: give either a value or the reason why there is none")


@dataclass(frozen=True, slots=True)
class PairedChange:
    """One patient at one later timepoint, against the first timepoint; in the unit of the values given."""

    patient: str
    timepoint: str
    """The later one."""
    pre: float | None
    post: float | None
    difference: float | None
    """Post minus pre; None unless both are measured."""
    ratio: float | None
    """Post over pre; None unless both are measured and pre is above 0."""
    missing: str | None
    """Why the pair is not complete; None for a pair."""


def paired_differences(rows: Sequence[SpecimenValue], *, timepoints: Sequence[str]) -> tuple[PairedChange, ...]:
    """Each patient's later timepoints against the first.

    Parameters
    ----------
    rows : sequence of SpecimenValue
        In any order; at most one a patient and timepoint.
    timepoints : sequence of str
        The protocol's, in order; the first is the one before treatment.

    Returns
    -------
    tuple of PairedChange
        One for every patient (in the order in which they first appear) and every later timepoint, also where a
        partner is missing: a patient drops out of sight nowhere.

    Raises
    ------
    ManifestError
        A timepoint that the protocol does not name, or two specimens of one patient at one timepoint.
    """
    measured: dict[tuple[str, str], SpecimenValue] = {}
    for row in rows:
        if row.timepoint not in timepoints:
            raise ManifestError(
                f"{row.specimen}: the protocol has no timepoint '{row.timepoint}' (it has {', '.join(timepoints)})"
            )
        if other := measured.get((row.patient, row.timepoint)):
            raise ManifestError(
                f"patient {row.patient} has two specimens at '{row.timepoint}' ({other.specimen}, {row.specimen}); "
                "keep one of them"
            )
        measured[row.patient, row.timepoint] = row
    first, *later = timepoints
    return tuple(
        _change(patient, measured, first=first, later=timepoint)
        for patient in dict.fromkeys(row.patient for row in rows)
        for timepoint in later
    )


def _change(patient: str, measured: dict[tuple[str, str], SpecimenValue], *, first: str, later: str) -> PairedChange:
    pre, before = _partner(patient, measured, first)
    post, after = _partner(patient, measured, later)
    if pre is None or post is None:
        missing = "; ".join(reason for reason in (before, after) if reason)
        return PairedChange(patient, later, pre, post, None, None, missing)
    return PairedChange(patient, later, pre, post, post - pre, post / pre if pre > 0 else None, None)


def _partner(
    patient: str, measured: dict[tuple[str, str], SpecimenValue], timepoint: str
) -> tuple[float | None, str | None]:
    """One value, or None and why."""
    row = measured.get((patient, timepoint))
    if row is None:
        return None, f"no specimen at '{timepoint}'"
    return row.value, row.reason and f"{row.specimen}: {row.reason}"
