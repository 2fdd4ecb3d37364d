"""What an observer can decide about a review as it stands. Each function gives the decision, ready to be recorded.

decision = decide.reject(review, "v00012", Reason.PIGMENT)
correction = record(review, decision, observer="anna", version="1.0")  # checked against the review, numbered and dated
...                                                         # appended to the log, and only then:
review = go_on(review, [correction])
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mvd.corrections.correction import Correction, Decision, new_name
from mvd.corrections.forms import What
from mvd.corrections.model import ObjectState, Polygon, Shape, Snapshot
from mvd.corrections.replay import consider, reversal
from mvd.corrections.shapes import cut, disc, drawn, holds, is_same, meets, merged, parted, reference_point
from mvd.corrections.state import Review, ReviewedField, ReviewedObject, shape_of
from mvd.errors import CorrectionError
from mvd.fields import CountField
from mvd.geometry import Ring
from mvd.vessels.model import Reason, Vessel


def record(
    review: Review,
    decision: Decision,
    *,
    observer: str,
    version: str,
    why: str = "",
    made_at: datetime | None = None,
) -> Correction:
    """The decision as the next line of an observer's log.

    Parameters
    ----------
    version
        Of the program.
    why
        In the observer's words.
    made_at
        Now by default; UTC.

    Raises
    ------
    CorrectionError
        It cannot be taken as things stand.
    """
    consider(review, decision)
    return Correction(
        what=decision.what,
        of=decision.of,
        before=decision.before,
        after=decision.after,
        why=why or decision.why,
        number=review.next_number,
        id=str(uuid.uuid4()),
        made_at=made_at or datetime.now(UTC),
        observer=observer,
        specimen=review.machine.specimen,
        version=version,
        result_sha256=review.machine.sha256,
    )


def begin() -> Decision:
    """The observer begins with the specimen: the first line of every log."""
    return Decision(what=What.BEGIN)


def finish() -> Decision:
    """The observer stands by the count."""
    return Decision(what=What.FINISH)


def reopen() -> Decision:
    """A finished review is gone on with."""
    return Decision(what=What.REOPEN)


def unblind() -> Decision:
    """The observer sees what was hidden; it stays in the log for good."""
    return Decision(what=What.UNBLIND)


def hide() -> Decision:
    """The observer is to count before seeing what the program found."""
    return Decision(what=What.HIDE)


def reveal() -> Decision:
    """What was hidden is shown, and what the observer did not decide on counts as the program judged it."""
    return Decision(what=What.REVEAL)


def accept(review: Review, name: str) -> Decision:
    """The object counts. Accepting what counts already says that the observer looked at it."""
    return _judge(What.ACCEPT, review, name, None)


def reject(review: Review, name: str, reason: Reason) -> Decision:
    """The object does not count, for a reason."""
    return _judge(What.REJECT, review, name, reason)


def change_reason(review: Review, name: str, reason: Reason) -> Decision:
    """A rejected object is rejected for another reason."""
    if _object(review, name).vessel.accepted:
        raise CorrectionError(f"'{name}' counts and has no reason to change; reject it")
    return _judge(What.CHANGE_REASON, review, name, reason)


def add_point(review: Review, x_um: float, y_um: float) -> Decision:
    """A vessel at a point where nothing was counted: a disc of `NOMINAL_DIAMETER_UM`.

    Raises
    ------
    CorrectionError
        The point lies in a vessel that counts.
    """
    for name, reviewed in review.objects.items():
        if reviewed.vessel.accepted and holds(reviewed.vessel, x_um, y_um):
            raise CorrectionError(f"'{name}' is counted there already; split it if it is more than one vessel")
    return _add(review, disc(x_um, y_um))


def mark(review: Review, x_um: float, y_um: float) -> Decision:
    """A vessel where an observer who does not see what the program found counts one.

    What the program found and the observer has not decided on is accepted where the disc of `add_point` touches it, so
    that it is not counted a second time when it is shown; elsewhere that disc is added.
    """
    shape = disc(x_um, y_um)
    at = [one.vessel for one in review.objects.values() if not one.decided and meets(one.vessel, shape)]
    if not at:
        return _add(review, shape)
    nearest = min(at, key=lambda vessel: (not vessel.accepted, math.dist((vessel.x_um, vessel.y_um), (x_um, y_um))))
    return accept(review, nearest.name)


def add_outline(review: Review, outline: Ring) -> Decision:
    """A vessel whose outline, (n, 2) µm, was drawn; while the program's findings are hidden, see `mark_outline`.

    Raises
    ------
    CorrectionError
        It is drawn round a vessel that counts, or within it.
    """
    shape = drawn(outline)
    for name, reviewed in review.objects.items():
        if reviewed.vessel.accepted and (reviewed.decided or not review.hidden) and is_same(reviewed.vessel, shape):
            raise CorrectionError(f"'{name}' is counted there already; give it another outline, or reject it first")
    return _add(review, shape)


def mark_outline(review: Review, outline: Ring) -> str | None:
    """What the program found, and hides, where an outline is drawn: it is to be accepted and redrawn, not added to."""
    shape = drawn(outline)
    at = [one.vessel for one in review.objects.values() if not one.decided and is_same(one.vessel, shape)]
    best = min(at, key=lambda vessel: (not vessel.accepted, -vessel.area_um2), default=None)
    return None if best is None else best.name


def merge(review: Review, names: Sequence[str]) -> Decision:
    """Several objects are one. It counts if one of them did; else it keeps the first one's reason."""
    if len(set(names)) < 2:
        raise CorrectionError("two objects or more make one; choose another")
    parts = [_object(review, name) for name in dict.fromkeys(names)]
    reason = None if any(part.vessel.accepted for part in parts) else parts[0].vessel.reason
    comment = "; ".join(part.comment for part in parts if part.comment)
    whole = _new(review, [merged([part.vessel for part in parts])], reason, comment=comment)
    return _decision(What.MERGE, [part.state() for part in parts], whole)


def split(review: Review, name: str, *, line: Ring | None = None, outlines: Sequence[Ring] | None = None) -> Decision:
    """One object is several: parted by a `line` right across it, or as their `outlines` were drawn, (n, 2) µm each."""
    if (line is None) == (outlines is None):
        raise ValueError("a line or outlines")
    found = _object(review, name)
    shapes = cut(found.vessel, line) if line is not None else parted(found.vessel, outlines or ())
    parts = _new(review, shapes, found.vessel.reason, comment=found.comment)
    return _decision(What.SPLIT, [found.state()], parts)


def redraw(review: Review, name: str, outline: Ring) -> Decision:
    """The object has another outline, (n, 2) µm."""
    found = _object(review, name)
    shape = drawn(outline, found.vessel)
    x_um, y_um = reference_point(shape)
    before = found.state(shape=True)
    after = replace(before, shape=shape, x_um=x_um, y_um=y_um)
    return _decision(What.REDRAW, [before], [after])


def comment(review: Review, text: str, *, on_object: str | None = None, on_field: str | None = None) -> Decision:
    """A remark on an object, a field, or, with neither, the specimen; an empty one takes the last away."""
    if on_object is not None:
        before = _object(review, on_object).state()
        return _decision(What.COMMENT, [before], [replace(before, comment=text)])
    if on_field is not None:
        return _field_decision(What.COMMENT, review, on_field, {"comment": text})
    return Decision(what=What.COMMENT, before=Snapshot(comment=review.comment), after=Snapshot(comment=text))


def mark_unevaluable(review: Review, name: str, reason: str) -> Decision:
    """The field is left out of counts and area, for a reason."""
    if not reason.strip():
        raise CorrectionError(f"field '{name}' is left out without a reason; give one")
    return _field_decision(What.MARK_UNEVALUABLE, review, name, {"unevaluable": reason.strip()})


def mark_evaluable(review: Review, name: str) -> Decision:
    """The field is counted after all."""
    if _field(review, name).unevaluable is None:
        raise CorrectionError(f"field '{name}' is evaluable already")
    return _field_decision(What.MARK_EVALUABLE, review, name, {"unevaluable": None})


def move_field(review: Review, field: CountField, found: Iterable[Vessel] = ()) -> Decision:
    """The field of the same name lies elsewhere, and is evaluable there.

    Parameters
    ----------
    found
        Vessels of the new place. Those that the review holds already are passed over.
    """
    earlier = _field(review, field.name)
    if abs(field.rect.width_um - earlier.field.rect.width_um) > 1e-3:
        raise CorrectionError(f"field '{field.name}' has a fixed size of {earlier.field.rect.width_um:g} µm")
    after = ReviewedField(field, comment=earlier.comment).state()
    return Decision(
        what=What.MOVE_FIELD,
        before=Snapshot(fields=(earlier.state(),)),
        after=Snapshot(fields=(after,), objects=_unknown(review, found)),
    )


def change_involved(
    review: Review,
    involved: Sequence[Polygon],
    *,
    fields: Iterable[CountField],
    inside: Mapping[str, bool],
    found: Iterable[Vessel] = (),
) -> Decision:
    """The involved area is another, and with it the fields, which are all placed anew.

    Parameters
    ----------
    fields
        Every field from now on.
    inside
        For each object whether it lies in evaluable involved marrow now. Those that were counted and do not are
        rejected as `NOT_INVOLVED`; those rejected as that which do are counted. Others stay as they are.
    found
        Vessels of the new places. Those that the review holds already are passed over.
    """
    before, after = [], []
    for name, reviewed in review.objects.items():
        reason = reviewed.vessel.reason
        turned = {None: Reason.NOT_INVOLVED, Reason.NOT_INVOLVED: None}
        if reason in turned and inside.get(name, reason is None) != (reason is None):
            before.append(reviewed.state())
            after.append(replace(before[-1], reason=turned[reason]))
    return Decision(
        what=What.CHANGE_INVOLVED,
        before=Snapshot(
            objects=tuple(before),
            fields=tuple(reviewed.state() for reviewed in review.fields.values()),
            involved=review.involved,
        ),
        after=Snapshot(
            objects=(*after, *_unknown(review, found)),
            fields=tuple(ReviewedField(field).state() for field in fields),
            involved=tuple(involved),
        ),
    )


def undo(review: Review, of: str | None = None) -> Decision:
    """Take back one edit, the last one in effect by default; `of` is its identifier."""
    return _reverse(What.UNDO, review, of, review.history.done, "there is nothing to undo")


def redo(review: Review, of: str | None = None) -> Decision:
    """Do again what was undone, by default what was undone last and has had no new edit after it."""
    return _reverse(What.REDO, review, of, review.history.undone, "there is nothing to do again")


def _reverse(what: What, review: Review, of: str | None, choice: Sequence[str], nothing: str) -> Decision:
    if of is None and not choice:
        raise CorrectionError(nothing)
    chosen = of if of is not None else choice[-1]
    if chosen not in review.history.edits:
        raise CorrectionError(f"no earlier edit has the identifier {chosen}")
    before, after = reversal(review.history.edits[chosen][0], what)
    return Decision(what=what, of=chosen, before=before, after=after)


def _decision(what: What, before: Iterable[ObjectState], after: Iterable[ObjectState]) -> Decision:
    return Decision(what=what, before=Snapshot(objects=tuple(before)), after=Snapshot(objects=tuple(after)))


def _judge(what: What, review: Review, name: str, reason: Reason | None) -> Decision:
    before = _object(review, name).state()
    return _decision(what, [before], [replace(before, reason=reason)])


def _add(review: Review, shape: Shape) -> Decision:
    return _decision(What.ADD, [], _new(review, [shape], None))


def _new(
    review: Review, shapes: Sequence[Shape], reason: Reason | None, *, comment: str = ""
) -> tuple[ObjectState, ...]:
    states = []
    for index, shape in enumerate(shapes):
        x_um, y_um = reference_point(shape)
        name = new_name(review.next_number, index, len(shapes))
        states.append(ObjectState(name=name, reason=reason, x_um=x_um, y_um=y_um, comment=comment, shape=shape))
    return tuple(states)


def _unknown(review: Review, found: Iterable[Vessel]) -> tuple[ObjectState, ...]:
    """Vessels that the review does not hold, under new names. The same vessel has the same reference point always."""
    known = {_place(vessel) for vessel in review.machine.vessels}
    known |= {_place(reviewed.vessel) for reviewed in review.objects.values() if reviewed.source == "found"}
    unknown = [vessel for vessel in found if _place(vessel) not in known]
    return tuple(
        ObjectState(
            name=new_name(review.next_number, index, len(unknown)),
            reason=vessel.reason,
            x_um=_place(vessel)[0],
            y_um=_place(vessel)[1],
            shape=shape_of(vessel, "found"),
        )
        for index, vessel in enumerate(unknown)
    )


def _place(vessel: Vessel) -> tuple[float, float]:
    return round(vessel.x_um, 3), round(vessel.y_um, 3)


def _object(review: Review, name: str) -> ReviewedObject:
    found = review.objects.get(name)
    if found is None:
        raise CorrectionError(f"there is no object '{name}'")
    return found


def _field(review: Review, name: str) -> ReviewedField:
    found = review.fields.get(name)
    if found is None:
        raise CorrectionError(f"there is no field '{name}'")
    return found


def _field_decision(what: What, review: Review, name: str, change: Mapping[str, Any]) -> Decision:
    before = _field(review, name).state()
    after = replace(before, **change)
    return Decision(what=what, before=Snapshot(fields=(before,)), after=Snapshot(fields=(after,)))
