"""What an observer can decide, and what before and after of each decision look like.

A line whose before and after are not those of what it says it is was not written by this program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import StrEnum

from mvd.corrections.model import FieldState, ObjectState, Snapshot, Source
from mvd.vessels.model import Reason

_OBJECTS, _FIELDS, _INVOLVED, _COMMENT = 1, 2, 4, 8
"""Parts of a snapshot, to be added up; whole numbers, for this is run for every line of every log."""

_SAME_SIDE_UM = 2e-3
"""Corners of fields are moved to the nearest 1/1024 µm: sides differ by no more than this."""


class What(StrEnum):
    """What an observer can decide."""

    BEGIN = "begin"
    ACCEPT = "accept"
    REJECT = "reject"
    CHANGE_REASON = "change reason"
    ADD = "add"
    MERGE = "merge"
    SPLIT = "split"
    REDRAW = "redraw"
    COMMENT = "comment"
    MARK_UNEVALUABLE = "mark unevaluable"
    MARK_EVALUABLE = "mark evaluable"
    MOVE_FIELD = "move field"
    CHANGE_INVOLVED = "change involved area"
    UNDO = "undo"
    REDO = "redo"
    FINISH = "finish"
    REOPEN = "reopen"
    UNBLIND = "unblind"
    HIDE = "hide"
    REVEAL = "reveal"


MILESTONES = frozenset({What.BEGIN, What.FINISH, What.REOPEN, What.UNBLIND, What.HIDE, What.REVEAL})
"""Not edits: they cannot be undone. What was seen stays seen, and a finished review is opened again by `reopen`."""

JUDGED = frozenset(
    {What.ACCEPT, What.REJECT, What.CHANGE_REASON, What.ADD, What.MERGE, What.SPLIT, What.REDRAW}
)  # fmt: skip
"""Decisions on objects themselves: each object that they leave was looked at and decided on."""


def fits(what: What, before: Snapshot, after: Snapshot) -> bool:
    """Whether before and after are those of such a decision."""
    return _FORMS[what](before, after)


def _only(before: Snapshot, after: Snapshot, parts: int) -> bool:
    """Nothing is touched but these parts."""
    return not (_touched(before) | _touched(after)) & ~parts


def _touched(snapshot: Snapshot) -> int:
    return (
        _OBJECTS * bool(snapshot.objects)
        | _FIELDS * bool(snapshot.fields)
        | _INVOLVED * (snapshot.involved is not None)
        | _COMMENT * (snapshot.comment is not None)
    )


def _stays_in_place(before: Snapshot, after: Snapshot) -> tuple[ObjectState, ObjectState] | None:
    """One object whose outline is not touched, before and after."""
    if len(before.objects) != 1 or len(after.objects) != 1 or not _only(before, after, _OBJECTS):
        return None
    (old,), (new,) = before.objects, after.objects
    at_rest = old.x_um == new.x_um and old.y_um == new.y_um and old.shape is None and new.shape is None
    return (old, new) if at_rest and old.name == new.name else None


def _accepts(before: Snapshot, after: Snapshot) -> bool:
    pair = _stays_in_place(before, after)
    return pair is not None and pair[1].reason is None and pair[0].comment == pair[1].comment


def _rejects(before: Snapshot, after: Snapshot) -> bool:
    pair = _stays_in_place(before, after)
    return pair is not None and pair[1].reason is not None and pair[0].comment == pair[1].comment


def _changes_reason(before: Snapshot, after: Snapshot) -> bool:
    return _rejects(before, after) and before.objects[0].reason is not None


def _adds(before: Snapshot, after: Snapshot) -> bool:
    if before.objects or len(after.objects) != 1 or not _only(before, after, _OBJECTS):
        return False
    (new,) = after.objects
    return new.reason is None and new.shape is not None and new.shape.source in ("point", "drawn")


def _merges(before: Snapshot, after: Snapshot) -> bool:
    return len(before.objects) >= 2 and len(after.objects) == 1 and _makes(before, after, "merged")


def _splits(before: Snapshot, after: Snapshot) -> bool:
    return len(before.objects) == 1 and len(after.objects) >= 2 and _makes(before, after, "split")


def _makes(before: Snapshot, after: Snapshot, source: Source) -> bool:
    """New objects take the place of the old."""
    old = {state.name for state in before.objects}
    anew = all(state.name not in old for state in after.objects) and _all_from(source, after.objects)
    return anew and _only(before, after, _OBJECTS)


def _all_from(source: Source, objects: Sequence[ObjectState]) -> bool:
    return all(state.shape is not None and state.shape.source == source for state in objects)


def _redraws(before: Snapshot, after: Snapshot) -> bool:
    if len(before.objects) != 1 or len(after.objects) != 1 or not _only(before, after, _OBJECTS):
        return False
    (old,), (new,) = before.objects, after.objects
    same = (old.name, old.reason, old.comment) == (new.name, new.reason, new.comment)
    return same and old.shape is not None and new.shape is not None and new.shape.source == "drawn"


def _comments(before: Snapshot, after: Snapshot) -> bool:
    if before.comment is not None and after.comment is not None:
        return _only(before, after, _COMMENT)
    if pair := _one_field(before, after, _FIELDS):
        old, new = pair
        return _rect(old) == _rect(new) and (old.evaluable_mm2, old.unevaluable) == (new.evaluable_mm2, new.unevaluable)
    objects = _stays_in_place(before, after)
    return objects is not None and objects[0].reason == objects[1].reason


def _rect(state: FieldState) -> tuple[float, ...]:
    return state.x0_um, state.y0_um, state.x1_um, state.y1_um


def _one_field(before: Snapshot, after: Snapshot, parts: int) -> tuple[FieldState, FieldState] | None:
    """One field, before and after, and nothing touched but `parts`."""
    if len(before.fields) != 1 or len(after.fields) != 1 or not _only(before, after, parts):
        return None
    (old,), (new,) = before.fields, after.fields
    return (old, new) if old.name == new.name else None


def _marked(before: Snapshot, after: Snapshot) -> tuple[str | None, str | None] | None:
    """Why a field was, and is, left out, where nothing else of it is touched."""
    pair = _one_field(before, after, _FIELDS)
    if pair is None:
        return None
    old, new = pair
    same = (*_rect(old), old.evaluable_mm2, old.comment) == (*_rect(new), new.evaluable_mm2, new.comment)
    return (old.unevaluable, new.unevaluable) if same else None


def _marks_unevaluable(before: Snapshot, after: Snapshot) -> bool:
    marked = _marked(before, after)
    return marked is not None and marked[1] is not None


def _marks_evaluable(before: Snapshot, after: Snapshot) -> bool:
    marked = _marked(before, after)
    return marked is not None and marked[0] is not None and marked[1] is None


def _moves_field(before: Snapshot, after: Snapshot) -> bool:
    pair = _one_field(before, after, _FIELDS | _OBJECTS)
    if pair is None or before.objects or not _all_from("found", after.objects):
        return False
    old, new = pair
    same_size = math.isclose(old.x1_um - old.x0_um, new.x1_um - new.x0_um, rel_tol=0, abs_tol=_SAME_SIDE_UM)
    return same_size and new.unevaluable is None and old.comment == new.comment


def _changes_involved(before: Snapshot, after: Snapshot) -> bool:
    if before.involved is None or not after.involved or not _only(before, after, _OBJECTS | _FIELDS | _INVOLVED):
        return False
    old = {state.name: state.reason for state in before.objects}
    kept = [state for state in after.objects if state.name in old]
    turned = all({old[state.name], state.reason} == {None, Reason.NOT_INVOLVED} for state in kept)
    found = [state for state in after.objects if state.name not in old]
    return turned and len(kept) == len(old) and _all_from("found", found)


def _touches_nothing(before: Snapshot, after: Snapshot) -> bool:
    return _only(before, after, 0)


def _reverses(_before: Snapshot, _after: Snapshot) -> bool:
    return True  # what it does is what the correction that it names did; replaying compares the two


_FORMS: dict[What, Callable[[Snapshot, Snapshot], bool]] = {
    What.BEGIN: _touches_nothing,
    What.ACCEPT: _accepts,
    What.REJECT: _rejects,
    What.CHANGE_REASON: _changes_reason,
    What.ADD: _adds,
    What.MERGE: _merges,
    What.SPLIT: _splits,
    What.REDRAW: _redraws,
    What.COMMENT: _comments,
    What.MARK_UNEVALUABLE: _marks_unevaluable,
    What.MARK_EVALUABLE: _marks_evaluable,
    What.MOVE_FIELD: _moves_field,
    What.CHANGE_INVOLVED: _changes_involved,
    What.UNDO: _reverses,
    What.REDO: _reverses,
    What.FINISH: _touches_nothing,
    What.REOPEN: _touches_nothing,
    What.UNBLIND: _touches_nothing,
    What.HIDE: _touches_nothing,
    What.REVEAL: _touches_nothing,
}
