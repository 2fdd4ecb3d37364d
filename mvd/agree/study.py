"""The reads of a study: what the program and every observer counted in the fields.

Only what an observer has finished is compared. An observer who was to count before seeing what the program found has
two counts: the one at the moment when that was shown ("unaided"), and the one that they finished with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from mvd.agree.gathered import Gathered, LeftOut
from mvd.agreement import FieldRead, Marked, Reader
from mvd.agreement.reads import PROGRAM
from mvd.corrections import Review, What, replay, unreviewed
from mvd.corrections.forms import MILESTONES
from mvd.errors import MvdError
from mvd.protocol import Protocol
from mvd.reading import REPEATS_FOLDER, is_unblinded
from mvd.review import OpenReview, read_review, reviewed_count, reviewed_vessels
from mvd.store.log import REVIEWS_FOLDER, log_path, logs_in
from mvd.store.measured import read_measured
from mvd.study import RESULTS_FOLDER, Study, specimen_names

NO_FIELD = "the observer left no field to count in"
NOT_FINISHED = "the review is not finished"
STILL_HIDDEN = "what the program found was never shown: this is the observer's unaided count alone"
NOTHING_MARKED = "nothing was marked before the program's objects were shown: there is no unaided count"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one observer's reads of one kind are."""

    reviews: Path
    observer: str
    repeat: bool


def gather_study(study: Study) -> Gathered:
    """Every read of a study that can be compared; the program's of the specimens that anybody has begun.

    Nothing is written. A log that cannot be read or replayed is left out with the reason.

    Raises
    ------
    MvdError
        The folders cannot be read.
    """
    specimens = specimen_names(study)
    places = tuple(_places(study.folder))
    found = [item for place in places for name in specimens for item in _of_review(study.folder, place, name)]
    begun = {item.specimen for item in found if not isinstance(item, str)}
    program = [item for name in specimens if name in begun for item in _of_program(study.folder, name)]
    items = [*program, *found]
    reads = tuple(item for item in items if isinstance(item, FieldRead))
    blinded = study.protocol.review.blinded
    observers = dict.fromkeys(place.observer for place in places)
    return Gathered(
        reads,
        frozenset(read.reader for read in reads if read.reader != PROGRAM and not read.reader.unaided),
        tuple(item for item in items if isinstance(item, LeftOut)),
        tuple(item for item in items if isinstance(item, str)),
        tuple(name for name in observers if blinded and not is_unblinded(study.folder, name)),
    )


def _places(study: Path) -> Iterator[_Place]:
    for folder, repeat in ((REVIEWS_FOLDER, False), (REPEATS_FOLDER, True)):
        for observer in dict.fromkeys(path.parent.name for path in logs_in(study / folder)):
            yield _Place(study / folder, observer, repeat)


def _of_program(study: Path, specimen: str) -> Iterator[FieldRead | LeftOut]:
    try:
        measured = read_measured(study / RESULTS_FOLDER, specimen)
    except MvdError as error:
        yield LeftOut(PROGRAM, specimen, str(error))
        return
    yield from _reads(PROGRAM, unreviewed(measured.machine), measured.protocol)


def _of_review(study: Path, place: _Place, specimen: str) -> Iterator[FieldRead | LeftOut | str]:
    """An observer's reads of a specimen, and remarks on them; none where they have not begun with it."""
    reader = Reader(place.observer, "second" if place.repeat else "first")
    try:
        if not log_path(place.reviews, place.observer, specimen).exists():
            return
        opened = read_review(study / RESULTS_FOLDER, place.reviews, specimen=specimen, observer=place.observer)
    except MvdError as error:
        yield LeftOut(reader, specimen, str(error))
        return
    if opened is None or opened.review.status == "not begun":
        return
    if opened.review.status == "begun":
        yield LeftOut(reader, specimen, NOT_FINISHED)
        return
    protocol = opened.measured.protocol
    if opened.outdated:
        yield f"{reader.title}, {specimen}: {opened.outdated}"
    yield from _unaided(opened, replace(reader, unaided=True))
    if opened.review.hidden:
        yield LeftOut(reader, specimen, STILL_HIDDEN)
    else:
        yield from _reads(reader, opened.review, protocol)


def _unaided(opened: OpenReview, reader: Reader) -> Iterator[FieldRead | LeftOut]:
    """The count of an observer to whom the program's objects had not been shown; nothing where they always were."""
    corrections = opened.review.corrections
    if all(line.what is not What.HIDE for line in corrections):
        return
    alone = tuple(takewhile(lambda line: line.what is not What.REVEAL, corrections))
    if opened.review.hidden or any(line.what not in MILESTONES for line in alone):
        yield from _reads(reader, replay(opened.measured.machine, alone), opened.measured.protocol)
    else:
        yield LeftOut(reader, opened.log.header.specimen, NOTHING_MARKED)


def _reads(reader: Reader, review: Review, protocol: Protocol) -> Iterator[FieldRead | LeftOut]:
    """Field by field, by the function that every other count of a review is made with."""
    specimen, counts = review.machine.specimen, reviewed_count(review, protocol)
    if counts is None:
        yield LeftOut(reader, specimen, NO_FIELD)
        return
    boxes = {vessel.name: vessel.bounds for vessel in reviewed_vessels(review, protocol)}
    by_program = {vessel.name for vessel in review.machine.vessels}
    for found in counts.fields:
        marked = tuple(
            Marked(boxes[name], (review.machine.sha256, name) if name in by_program else None) for name in found.vessels
        )
        yield FieldRead(
            reader, specimen, found.field.name, found.count, found.field.evaluable_mm2, found.field.rect, marked
        )
