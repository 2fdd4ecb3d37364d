"""The machine's result and an observer's corrections -> the specimen as reviewed. Pure and deterministic.

The corrections are applied one by one in the order of the log. Each says what the things it touches were before: where
that is not so, the log does not belong to this result, or was changed, and replaying stops with the line and the name.

Undo takes back what one correction did, redo does it again; both are corrections themselves. Any edit can be undone as
long as nothing that is in effect builds on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from itertools import combinations
from types import MappingProxyType

from mvd.corrections.correction import Correction, Decision, new_name
from mvd.corrections.forms import JUDGED, MILESTONES, What
from mvd.corrections.model import FieldState, ObjectState, Snapshot
from mvd.corrections.state import (
    Held,
    History,
    MachineResult,
    Review,
    ReviewedField,
    ReviewedObject,
    Status,
    vessel_of,
)
from mvd.errors import CorrectionError
from mvd.fields import SNAP_UM

_OVERLAP_UM = 2 * SNAP_UM
"""Fields that share less than this share no more than their corners were moved by."""


def replay(machine: MachineResult, corrections: Iterable[Correction]) -> Review:
    """The specimen as the corrections leave it.

    Raises
    ------
    CorrectionError
        The first correction that does not apply: its line in the log, the object or field, and why.
    """
    return go_on(unreviewed(machine), corrections)


def unreviewed(machine: MachineResult) -> Review:
    """The machine's result before any correction."""
    return Review(
        machine=machine,
        status="not begun",
        unblinded=False,
        hidden=False,
        objects={vessel.name: ReviewedObject(vessel, order=(0, i)) for i, vessel in enumerate(machine.vessels)},
        replaced={},
        fields={field.name: ReviewedField(field) for field in machine.fields},
        involved=machine.involved,
        comment="",
        corrections=(),
        history=History(edits={}, latest={}, done=(), undone=()),
    )


def go_on(review: Review, corrections: Iterable[Correction]) -> Review:
    """The review after more corrections; the one given stays as it is."""
    desk = _Desk(review)
    for correction in corrections:
        try:
            desk.take(correction)
        except CorrectionError as error:
            raise CorrectionError(
                f"{correction.specimen}, line {correction.line} of the log of {correction.observer} "
                f"({correction.what}): {error}"
            ) from None
    return desk.review()


def consider(review: Review, decision: Decision) -> None:
    """Nothing, if the decision can be taken as things stand.

    Raises
    ------
    CorrectionError
        Why not.
    """
    _Desk(review).apply(decision, number=review.next_number)


def status_after(corrections: Iterable[Correction]) -> Status:
    """How far a log has come; for this alone nothing needs to be replayed."""
    status: Status = "not begun"
    for correction in corrections:
        status = _MILESTONES[correction.what][1] if correction.what in _MILESTONES else status
    return status


def reversal(correction: Correction, what: What) -> tuple[Snapshot, Snapshot]:
    """What undoing or redoing a correction says of before and after: as the correction itself, without outlines."""
    before, after = (_brief(snapshot) for snapshot in (correction.before, correction.after))
    return (after, before) if what is What.UNDO else (before, after)


def _brief(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, objects=tuple(replace(state, shape=None) for state in snapshot.objects), involved=None)


class _Desk:
    """A review while corrections are applied: the only place where its parts change."""

    def __init__(self, review: Review) -> None:
        self.machine = review.machine
        self.status: Status = review.status
        self.unblinded = review.unblinded
        self.hidden = review.hidden
        self.objects = dict(review.objects)
        self.replaced = dict(review.replaced)
        self.fields = dict(review.fields)
        self.involved = review.involved
        self.comment = review.comment
        self.corrections = list(review.corrections)
        self.edits = dict(review.history.edits)
        self.latest = dict(review.history.latest)
        self.done = dict.fromkeys(review.history.done)
        self.undone = dict.fromkeys(review.history.undone)

    def review(self) -> Review:
        objects = sorted(self.objects.items(), key=lambda item: item[1].order)
        fields = sorted(self.fields.items(), key=lambda item: (len(item[0]), item[0]))  # "2" before "10"
        return Review(
            machine=self.machine,
            status=self.status,
            unblinded=self.unblinded,
            hidden=self.hidden,
            objects=MappingProxyType(dict(objects)),
            replaced=MappingProxyType(self.replaced),
            fields=MappingProxyType(dict(fields)),
            involved=self.involved,
            comment=self.comment,
            corrections=tuple(self.corrections),
            history=History(self.edits, self.latest, tuple(self.done), tuple(self.undone)),
        )

    def take(self, correction: Correction) -> None:
        """One more line of the log."""
        self._refuse_foreign(correction)
        held = self.apply(correction, number=correction.number)
        if held is not None:
            self.edits[correction.id] = correction, held
            self._note(correction.id, held)
            self.undone.clear()
        self.corrections.append(correction)

    def _refuse_foreign(self, correction: Correction) -> None:
        expected = len(self.corrections) + 1
        first = self.corrections[0] if self.corrections else correction
        if correction.number != expected:
            raise CorrectionError(f"it has the number {correction.number}, expected was {expected}")
        if correction.specimen != self.machine.specimen:
            raise CorrectionError(f"it is of another specimen than {self.machine.specimen}")
        if correction.result_sha256 != self.machine.sha256:
            raise CorrectionError("it was made on another result than the present one of the program")
        if correction.observer != first.observer:
            raise CorrectionError(f"it is {correction.observer}'s, not {first.observer}'s")
        if correction.id in self.edits:
            raise CorrectionError("its identifier is that of an earlier line")

    def apply(self, decision: Decision, *, number: int) -> Held | None:
        """Do what is decided; what it touched as it was before, if it is an edit."""
        if decision.what in MILESTONES:
            self._milestone(decision.what)
            return None
        if self.status != "begun":
            raise CorrectionError(f"the review {_CLOSED[self.status]}")
        match decision.what:
            case What.UNDO:
                self._undo(decision)
            case What.REDO:
                self._redo(decision)
            case _:
                return self._edit(decision, number=number)
        return None

    def _milestone(self, what: What) -> None:
        match what:
            case What.UNBLIND:
                if self.unblinded:
                    raise CorrectionError("the review is unblinded already")
                self.unblinded = True
            case What.HIDE:
                if self.status != "not begun" or any(earlier.what is What.HIDE for earlier in self.corrections):
                    raise CorrectionError("what the program found can be hidden before the review begins, and once")
                self.hidden = True
            case What.REVEAL:
                if not self.hidden:
                    raise CorrectionError("what the program found is not hidden")
                self.hidden = False
            case _:
                needed, becomes = _MILESTONES[what]
                if self.status != needed:
                    raise CorrectionError(f"the review is {self.status}, not {needed}")
                self.status = becomes

    def _note(self, identifier: str, held: Held) -> None:
        """An edit is in effect."""
        self.done[identifier] = None
        for thing in held.things:
            self.latest[thing] = (*self.latest.get(thing, ()), identifier)

    def _undo(self, decision: Decision) -> None:
        correction, held = self._edit_named(decision)
        if correction.id not in self.done:
            raise CorrectionError(f"correction {correction.number} is undone already")
        for thing in held.things:
            last = self.latest[thing][-1]
            if last != correction.id:
                what = " ".join(thing).strip()
                raise CorrectionError(
                    f"correction {correction.number} cannot be undone before correction {self.edits[last][0].number}, "
                    f"which changed {what} after it"
                )
        self._restore(held)
        self._refuse_overlaps()
        for thing in held.things:
            self.latest[thing] = self.latest[thing][:-1]
        del self.done[correction.id]
        self.undone[correction.id] = None

    def _redo(self, decision: Decision) -> None:
        correction, _ = self._edit_named(decision)
        if correction.id in self.done:
            raise CorrectionError(f"correction {correction.number} is in effect and cannot be done again")
        held = self._edit(correction, number=correction.number)
        self.edits[correction.id] = correction, held
        self._note(correction.id, held)
        self.undone.pop(correction.id, None)

    def _edit_named(self, decision: Decision) -> tuple[Correction, Held]:
        found = self.edits.get(decision.of or "")
        if found is None:
            raise CorrectionError(f"no earlier edit has the identifier {decision.of}")
        if (decision.before, decision.after) != reversal(found[0], decision.what):
            raise CorrectionError(f"before and after are not those of correction {found[0].number}")
        return found

    def _restore(self, held: Held) -> None:
        for name, earlier in held.objects.items():
            if earlier is None:
                del self.objects[name]
            else:
                self.objects[name] = earlier
                self.replaced.pop(name, None)
        for name, field in held.fields.items():
            if field is None:
                del self.fields[name]
            else:
                self.fields[name] = field
        if held.involved is not None:
            self.involved = held.involved
        if held.comment is not None:
            self.comment = held.comment

    def _edit(self, decision: Decision, *, number: int) -> Held:
        before, after = decision.before, decision.after
        if before.involved is not None and before.involved != self.involved:
            raise CorrectionError("the involved area was another than it says")
        if before.comment is not None and before.comment != self.comment:
            raise CorrectionError("the comment was another than it says")
        objects = self._edit_objects(decision, number=number)
        fields = self._edit_fields(before.fields, after.fields)
        held = Held(
            objects,
            fields,
            self.involved if after.involved is not None else None,
            self.comment if after.comment is not None else None,
        )
        self.involved = self.involved if after.involved is None else after.involved
        self.comment = self.comment if after.comment is None else after.comment
        return held

    def _edit_objects(self, decision: Decision, *, number: int) -> dict[str, ReviewedObject | None]:
        before, after = decision.before.objects, decision.after.objects
        held: dict[str, ReviewedObject | None] = {state.name: self._object(state) for state in before}
        new = [state for state in after if state.name not in held]
        left = {state.name for state in after}
        gone = [state.name for state in before if state.name not in left]
        decided = decision.what in JUDGED
        for state in after:
            earlier = held.get(state.name)
            if earlier is not None:
                self.objects[state.name] = _changed(earlier, state, decided=decided)
        for index, state in enumerate(new):
            if state.name != new_name(number, index, len(new)):
                raise CorrectionError(f"object '{state.name}' is new but not named after correction {number}")
            held[state.name] = None
            self.objects[state.name] = _made(state, order=(number, index), decided=decided)
        for name in gone:
            del self.objects[name]
            self.replaced[name] = tuple(state.name for state in new)
        return held

    def _object(self, told: ObjectState) -> ReviewedObject:
        """The object as it is, which must be as it is told."""
        found = self.objects.get(told.name)
        if found is None:
            successors = self.replaced.get(told.name)
            became = f" any more; it became {' and '.join(successors)}" if successors else ""
            raise CorrectionError(f"there is no object '{told.name}'{became}")
        state = found.state(shape=told.shape is not None)
        if state != told:
            names = (field.name for field in fields(told))
            differing = [name for name in names if getattr(state, name) != getattr(told, name)]
            raise CorrectionError(f"object '{told.name}' was not as it says ({', '.join(differing)})")
        return found

    def _edit_fields(
        self, before: tuple[FieldState, ...], after: tuple[FieldState, ...]
    ) -> dict[str, ReviewedField | None]:
        held: dict[str, ReviewedField | None] = {}
        for told in before:
            found = self.fields.pop(told.name, None)
            if found is None:
                raise CorrectionError(f"there is no field '{told.name}'")
            if found.state() != told:
                raise CorrectionError(f"field '{told.name}' was not as it says")
            held[told.name] = found
        for state in after:
            if state.name in self.fields:
                raise CorrectionError(f"there is a field '{state.name}' already")
            held.setdefault(state.name, None)
            self.fields[state.name] = ReviewedField(state.field, state.unevaluable, state.comment)
        if after:
            self._refuse_overlaps()
        return held

    def _refuse_overlaps(self) -> None:
        """A vessel in two fields would be counted twice."""
        counted = [reviewed.field for reviewed in self.fields.values() if reviewed.unevaluable is None]
        for one, other in combinations(counted, 2):
            common = one.rect.intersection(other.rect)
            if common is not None and min(common.width_um, common.height_um) > _OVERLAP_UM:
                raise CorrectionError(f"field '{one.name}' overlaps field '{other.name}'")


_CLOSED: dict[Status, str] = {"not begun": "has not begun", "finished": "is finished; reopen it to change it"}

_MILESTONES: dict[What, tuple[Status, Status]] = {
    What.BEGIN: ("not begun", "begun"),
    What.FINISH: ("begun", "finished"),
    What.REOPEN: ("finished", "begun"),
}


def _changed(earlier: ReviewedObject, state: ObjectState, *, decided: bool) -> ReviewedObject:
    """An object after a correction that did not make it."""
    if state.shape is None:
        vessel, source = replace(earlier.vessel, reason=state.reason), earlier.source
    else:
        vessel, source = vessel_of(state, state.shape), state.shape.source
    return replace(earlier, vessel=vessel, source=source, decided=earlier.decided or decided, comment=state.comment)


def _made(state: ObjectState, *, order: tuple[int, int], decided: bool) -> ReviewedObject:
    if state.shape is None:
        raise CorrectionError(f"object '{state.name}' is new but has no outline")
    return ReviewedObject(vessel_of(state, state.shape), state.shape.source, decided, state.comment, order)
