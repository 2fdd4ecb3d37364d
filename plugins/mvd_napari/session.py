"""An observer at work, without a screen: what is open, where they look, what they decide.

Every decision goes to the disk before anything shows it (`mvd.review.take`). Nothing is kept here that the log does not
hold, but for where the observer looks: killed at any moment and opened again, a session is where its last decision left
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum, auto
from pathlib import Path

from mvd.corrections import Decision, Review, ReviewedObject, Status, decide
from mvd.corrections.shapes import NOMINAL_DIAMETER_UM
from mvd.errors import CorrectionError, MvdError
from mvd.geometry import Rect, Ring
from mvd.manifest import Specimen
from mvd.protocol import Protocol
from mvd.reading import Reading, is_unblinded, open_reading, reading_status, readings, unblind
from mvd.review import OpenReview, observer_name, take
from mvd.store.log import REVIEWS_FOLDER
from mvd.study import Study, read_study
from mvd.vessels import Reason
from mvd_napari.blinding import Blinds
from mvd_napari.keys import PLAIN_REASON, Moment
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
        self.mode = Mode.LOOK
        self.busy = False
        self._tally: tuple[OpenReview, Tally] | None = None

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

    def near(self) -> tuple[ReviewedObject, ...]:
        """The objects of the field in view and round it."""
        return objects_near(self.review, self.rect) if self.rect else ()

    def at(self, x_um: float, y_um: float) -> str | None:
        """The object at a place."""
        return object_at(self.near(), x_um, y_um)

    def moments(self) -> frozenset[Moment]:
        """What holds now: by this the keys work and are shown."""
        return frozenset(self._moments())

    def _moments(self) -> Iterator[Moment]:
        if self.busy:
            yield Moment.BUSY
        if self.opened is None or self.busy:
            return
        if self.mode is not Mode.LOOK:
            yield Moment.PLACING if self.mode is Mode.PLACE else Moment.DRAWING
            return
        yield Moment.OPEN
        if self.review.status == "finished":
            yield Moment.FINISHED
            return
        yield Moment.REVIEW
        under = self.review.objects[self.pointed].vessel.accepted if self.pointed else None
        yield {None: Moment.TISSUE, True: Moment.COUNTED, False: Moment.REJECTED}[under]
        for holds, moment in (
            (bool(self.target), Moment.OBJECT),
            (len(self.chosen) > 1, Moment.SEVERAL),
            (bool(self.review.history.done), Moment.UNDOABLE),
            (bool(self.review.history.undone), Moment.REDOABLE),
            (self.review.hidden, Moment.HIDDEN),
        ):
            if holds:
                yield moment

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
        same = self.reading == reading
        self.reading, self.opened, self.mode = reading, opened, Mode.LOOK
        self.chosen, self.pointed = (), None
        if not same or self.field not in opened.review.fields:
            self.field = next(iter(opened.review.fields), None)
        self.statuses[reading.code] = opened.review.status

    def next_reading(self, step: int = 1) -> Reading | None:
        """The read after this one in the list, round and round."""
        codes = [reading.code for reading in self.readings]
        code = following(codes, self.reading.code if self.reading else None, step)
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
        opened = self.begun()
        self._keep(take(opened, decision, why=why))

    def click(self, x_um: float, y_um: float) -> None:
        """Add a vessel, or turn what is there: reject what counts, count what does not."""
        name = self.at(x_um, y_um)
        if name is None and not self._shows(x_um, y_um):
            raise CorrectionError(f"this is outside field {self.field}, and vessels are counted in fields")
        if name is None and self.review.hidden:
            self.take(decide.mark(self.begun().review, x_um, y_um))
        elif name is None:
            self.take(decide.add_point(self.begun().review, x_um, y_um))
        elif self.review.objects[name].vessel.accepted:
            self.reject((name,))
        else:
            self.accept((name,))

    def _shows(self, x_um: float, y_um: float) -> bool:
        """Whether a vessel that a click makes here touches the field in view."""
        near = self.rect.expanded(NOMINAL_DIAMETER_UM / 2) if self.rect else None
        return near is not None and near.x0_um <= x_um <= near.x1_um and near.y0_um <= y_um <= near.y1_um

    def accept(self, names: Sequence[str]) -> None:
        for name in names:
            self.take(decide.accept(self.review, name))
        self.chosen = ()

    def reject(self, names: Sequence[str], reason: Reason = PLAIN_REASON) -> None:
        """Reject objects; what is rejected already is so for this reason now."""
        for name in names:
            counted = self.review.objects[name].vessel.accepted if name in self.review.objects else True
            decision = decide.reject if counted else decide.change_reason
            self.take(decision(self.review, name, reason))
        self.chosen = ()

    def merge(self, names: Sequence[str]) -> None:
        self.take(decide.merge(self.begun().review, names))
        self.chosen = ()

    def split(self, name: str, line: Ring) -> None:
        self.take(decide.split(self.begun().review, name, line=line))
        self.chosen = ()

    def outline(self, ring: Ring, name: str | None) -> None:
        """Another outline for an object, or without one a new vessel."""
        review = self.begun().review
        self.take(decide.redraw(review, name, ring) if name else decide.add_outline(review, ring))
        self.chosen = ()

    def comment(self, text: str, *, on_object: str | None = None, on_field: str | None = None) -> None:
        self.take(decide.comment(self.review, text.strip(), on_object=on_object, on_field=on_field))

    def leave_out(self, reason: str) -> None:
        """Leave the field in view out of the count."""
        self.take(decide.mark_unevaluable(self.review, self.field or "", reason))

    def take_in(self) -> None:
        self.take(decide.mark_evaluable(self.review, self.field or ""))

    def undo(self) -> None:
        self.take(decide.undo(self.review))

    def redo(self) -> None:
        self.take(decide.redo(self.review))

    def reveal(self) -> None:
        self.take(decide.reveal())

    def finish(self) -> None:
        self.take(decide.finish())

    def reopen(self) -> None:
        self._keep(take(self._open(), decide.reopen()))

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
