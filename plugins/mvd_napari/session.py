"""An observer at work, without a screen: what is open, where they look, what they decide.

Every decision goes to the disk before anything shows it (`mvd.review.take`). Nothing is kept here that the log does not
hold, but for where the observer looks: killed at any moment and opened again, a session is where its last decision left
it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum, auto
from pathlib import Path

from mvd.cohort import Watch
from mvd.corrections import Decision, Review, ReviewedObject, Status, What, decide
from mvd.errors import CorrectionError, MvdError
from mvd.geometry import Rect
from mvd.manifest import Specimen
from mvd.protocol import Protocol
from mvd.reading import Reading, is_unblinded, open_reading, reading_status, readings, unblind
from mvd.review import OpenReview, observer_name, take
from mvd.store import SpecimenRow
from mvd.store.log import REVIEWS_FOLDER
from mvd.study import Study, is_measured, read_study, run_specimen
from mvd_napari.blinding import Blinds
from mvd_napari.sight import (
    Tally,
    doubtful_objects,
    following,
    object_at,
    objects_near,
    tally,
)


class Mode(StrEnum):
    """What the hand is doing."""

    LOOK = auto()
    """Clicks add and turn."""
    LINE = auto()
    """A drag is the line that splits an object."""
    OUTLINE = auto()
    """A drag is an outline."""
    INVOLVED = auto()
    """A drag is the outline of the involved area."""
    PLACE = auto()
    """The field follows the pointer."""


class Session:
    """One observer and one study. Whatever is refused raises an `MvdError` and changes nothing."""

    def __init__(self, study: Path, observer: str) -> None:
        self.study: Study = read_study(study)
        self.observer = observer_name(study / REVIEWS_FOLDER, observer)
        self.readings: tuple[Reading, ...] = ()
        self.blinds: Blinds
        self.statuses: dict[str, Status | None] = {}
        """By the reading's code; None where the log cannot be read."""
        self.look_again()
        self.reading: Reading | None = None
        self.opened: OpenReview | None = None
        self.field: str | None = None
        self.chosen: tuple[str, ...] = ()
        self.pointed: str | None = None
        """The object under the pointer."""
        self.marked_at: dict[str, tuple[float, float]] = {}
        """Where the observer clicked on what is hidden: it is shown there, and not where the program found it."""
        self.mode = Mode.LOOK
        self.busy = False
        self._tally: tuple[OpenReview, Tally] | None = None
        self._passed: str | None = None

    # What there is

    @property
    def folder(self) -> Path:
        return self.study.folder

    @property
    def review(self) -> Review:
        return self._open().review

    @property
    def tally(self) -> Tally:
        """Of the open review; counted once for each decision."""
        opened = self._open()
        if self._tally is None or self._tally[0] is not opened:
            self._tally = opened, tally(opened.review, opened.measured.protocol)
        return self._tally[1]

    @property
    def measured_protocol(self) -> Protocol:
        """That by which the open specimen was measured."""
        return self._open().measured.protocol

    @property
    def rect(self) -> Rect | None:
        """The field in view."""
        return self.review.fields[self.field].field.rect if self.opened and self.field else None

    @property
    def target(self) -> tuple[str, ...]:
        """What a key acts on: the chosen objects, else the one under the pointer."""
        return self.chosen or ((self.pointed,) if self.pointed else ())

    def specimen_of(self, reading: Reading) -> Specimen:
        """Its row of the manifest."""
        return next(one for one in self.study.manifest.specimens if one.specimen == reading.specimen)

    def is_measured(self, reading: Reading) -> bool:
        """Whether there is a result, also one that cannot be reviewed or read."""
        try:
            return is_measured(self.study, reading.specimen)
        except MvdError:
            return True

    def measure(self, reading: Reading, progress: Callable[[int, int], None]) -> SpecimenRow:
        """Find a specimen's vessels; changes nothing here, so that another thread may do it."""
        watch = Watch(blocks=lambda _name, done, blocks: progress(done, blocks))
        return run_specimen(self.study, reading.specimen, watch=watch)

    def near(self) -> tuple[ReviewedObject, ...]:
        """The objects of the field in view and round it."""
        return objects_near(self.review, self.rect, self.marked_at) if self.rect else ()

    def at(self, x_um: float, y_um: float) -> str | None:
        """The object at a place."""
        return object_at(self.near(), x_um, y_um)

    # Opening

    def look_again(self) -> None:
        """Read the list of reads anew: after it was unblinded, or specimens were measured."""
        self.readings = readings(self.folder, self.observer)
        blinded = self.study.protocol.review.blinded and not is_unblinded(self.folder, self.observer)
        self.blinds = Blinds.of(self.study.manifest, self.readings, blinded=blinded)
        self.statuses = {reading.code: self._status(reading) for reading in self.readings}

    def _status(self, reading: Reading) -> Status | None:
        try:
            return reading_status(self.folder, reading, self.observer)
        except MvdError:
            return None

    def read(self, reading: Reading) -> OpenReview:
        """A read as it is on the disk; changes nothing here, so that another thread may do it."""
        return open_reading(self.folder, reading, self.observer)

    def open(self, reading: Reading, opened: OpenReview | None = None) -> None:
        """Go to a read; `opened` is what `read` gave for it."""
        opened = opened or self.read(reading)
        same = self.reading is not None and self.reading.code == reading.code
        self.reading, self.opened, self.mode = reading, opened, Mode.LOOK
        self.chosen, self.pointed = (), None
        if not same:
            self.marked_at = {}  # objects of different specimens share names
        if not same or self.field not in opened.review.fields:
            self.field = next(iter(opened.review.fields), None)
        self.statuses[reading.code] = opened.review.status
        self._passed = None

    def pass_by(self, reading: Reading) -> None:
        """A read that cannot be opened: the next one is that after it."""
        self.statuses[reading.code], self._passed = None, reading.code

    def next_reading(self, step: int = 1) -> Reading | None:
        """The read after this one in the list, round and round."""
        codes = [reading.code for reading in self.readings]
        code = following(codes, self._passed or (self.reading.code if self.reading else None), step)
        return next((reading for reading in self.readings if reading.code == code), None)

    def next_unfinished(self) -> Reading | None:
        """The next read that is not finished, from the present one on; None where all are."""
        codes = [reading.code for reading in self.readings]
        start = codes.index(self.reading.code) + 1 if self.reading else 0
        order = (*self.readings[start:], *self.readings[:start])
        return next((reading for reading in order if self.statuses[reading.code] in ("not begun", "begun")), None)

    def unblind(self, why: str) -> None:
        """Show the names from now on; it stays in the log for good."""
        unblind(self.folder, self.observer, why)
        reading = self.reading
        self.look_again()
        if reading is not None:
            self.open(next(one for one in self.readings if one.code == reading.code))

    # Looking

    def go_to_field(self, name: str) -> None:
        if name not in self.review.fields:
            raise CorrectionError(f"there is no field {name}")
        self.field, self.chosen, self.pointed = name, (), None

    def step_field(self, step: int) -> None:
        name = following(list(self.review.fields), self.field, step)
        if name is not None:
            self.go_to_field(name)

    def next_doubtful(self) -> str | None:
        """Go to the next object that the program is not sure of, and choose it; None where there is none left."""
        found = doubtful_objects(self.review, self.measured_protocol)
        fields = list(self.review.fields)
        if not found or self.field is None:
            return None
        here = fields.index(self.field)
        later = sorted(found, key=lambda pair: (fields.index(pair[1]) - here) % len(fields))
        names = [name for name, _ in later]
        name = following(names, self.chosen[0] if len(self.chosen) == 1 else None, 1) or names[0]
        self.go_to_field(dict(found)[name])
        self.chosen = (name,)
        return name

    def choose(self, name: str | None) -> None:
        """Choose an object, or let it go; None lets all go."""
        if name is None:
            self.chosen = ()
        elif name in self.chosen:
            self.chosen = tuple(other for other in self.chosen if other != name)
        else:
            self.chosen = (*self.chosen, name)

    def choose_at(self, x_um: float, y_um: float) -> None:
        """Choose the object at a place, or let it go."""
        name = self.at(x_um, y_um)
        if name is None:
            raise CorrectionError("there is no object here to choose")
        self.choose(name)

    # Deciding

    def take(self, decision: Decision, *, why: str = "") -> None:
        """One decision: on the disk when this returns. A review that is not begun begins with it."""
        opened = self._open() if decision.what is What.REOPEN else self.begun()
        self._keep(take(opened, decision, why=why))

    def _open(self) -> OpenReview:
        if self.opened is None:
            raise CorrectionError("no specimen is open; choose one from the list")
        return self.opened

    def begun(self) -> OpenReview:
        """The open review, begun: what is decided next carries the number that follows."""
        if self._open().review.status == "not begun":
            self._keep(take(self._open(), decide.begin()))
        return self._open()

    def _keep(self, opened: OpenReview) -> None:
        self.opened = opened
        there = opened.review.objects
        self.chosen = tuple(name for name in self.chosen if name in there)
        self.pointed = self.pointed if self.pointed in there else None
        if self.field not in opened.review.fields:
            self.field = next(iter(opened.review.fields), None)
        if self.reading is not None:
            self.statuses[self.reading.code] = opened.review.status
