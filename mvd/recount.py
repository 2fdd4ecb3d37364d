"""The counts of a study as its observers corrected them, from their logs to a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mvd.corrections import Status
from mvd.reading import REPEATS_FOLDER
from mvd.review import OpenReview, known_observer, observers, read_review, reviewed_count, reviewed_row
from mvd.store import SpecimenRow, table_text, write_whole
from mvd.store.log import REVIEWS_FOLDER, logs_in
from mvd.study import RESULTS_FOLDER, read_study, specimen_names

RECOUNT_FILE = "specimens.csv"
"""Beside an observer's logs; the columns are those of the table of the same name in the results."""


@dataclass(frozen=True, slots=True)
class ReviewedSpecimen:
    """One specimen that an observer has begun."""

    row: SpecimenRow
    counts: tuple[int, ...]
    """Field by field."""
    machine: SpecimenRow
    """As the program measured it."""
    status: Status


@dataclass(frozen=True, slots=True)
class Recounted:
    """What one observer has counted."""

    observer: str
    repeats: bool
    """Whether these are second reads."""
    path: Path
    """The table that was written."""
    specimens: tuple[ReviewedSpecimen, ...]
    not_begun: tuple[str, ...]
    """Specimens of the manifest; none among second reads, which only some are."""
    unknown: tuple[str, ...] = ()
    """Specimens with a log that the manifest does not name: they are in no table."""

    @property
    def begun(self) -> tuple[str, ...]:
        """Specimens that are not finished."""
        return tuple(one.row.specimen for one in self.specimens if one.status == "begun")

    @property
    def unfinished(self) -> bool:
        return bool(self.begun or self.not_begun or self.unknown)


def recount_study(study: Path, observer: str | None = None) -> tuple[Recounted, ...]:
    """Recount what observers, or one of them, have begun, and write a table beside each one's logs.

    Raises
    ------
    MvdError
        Nobody of that name has reviewed anything; a log is damaged or does not fit its result; or the table cannot be
        written. Tables of observers before are.
    """
    reviews = study / REVIEWS_FOLDER
    names = specimen_names(read_study(study))
    if observer is not None:
        observer = known_observer(observer, (*observers(reviews), *observers(study / REPEATS_FOLDER)))
    found = []
    for folder in (reviews, study / REPEATS_FOLDER):
        for name in (one for one in observers(folder) if observer in (None, one)):
            reviewed = recounted(study / RESULTS_FOLDER, folder, observer=name, specimens=names)
            logs = (path for path in logs_in(folder) if path.parent.name == name)
            unknown = tuple(log.stem for log in logs if log.stem not in names)
            if not reviewed and not unknown:
                continue
            path = folder / name / RECOUNT_FILE
            write_whole(path, recount_text(one.row for one in reviewed).encode())
            known = {one.row.specimen for one in reviewed}
            missing = () if folder != reviews else tuple(n for n in names if n not in known)
            found.append(Recounted(name, folder != reviews, path, reviewed, missing, unknown))
    return tuple(found)


def recounted(results: Path, reviews: Path, *, observer: str, specimens: Iterable[str]) -> tuple[ReviewedSpecimen, ...]:
    """Each specimen that the observer has begun, in the order given."""
    found = (read_review(results, reviews, specimen=name, observer=observer) for name in specimens)
    return tuple(_reviewed(opened) for opened in found if opened and opened.review.status != "not begun")


def recount_text(rows: Iterable[SpecimenRow]) -> str:
    """The table's text; rows of `mvd.review.reviewed_row`, on a screen or here, give the same bytes."""
    return table_text(SpecimenRow, rows)


def _reviewed(opened: OpenReview) -> ReviewedSpecimen:
    counts = reviewed_count(opened.review, opened.measured.protocol)
    fields = tuple(field.count for field in counts.fields) if counts else ()
    return ReviewedSpecimen(reviewed_row(opened), fields, opened.measured.row, opened.review.status)
