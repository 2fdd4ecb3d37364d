"""The one table of keys and clicks: the desk acts by it, its help line shows it, the README prints it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, auto

from mvd.vessels import Reason

CLICK, RIGHT_CLICK, SHIFT_CLICK, DRAG = "click", "right click", "Shift+click", "drag"


class Action(StrEnum):
    """What a key or a click does."""

    ADD = auto()
    MENU = auto()
    CHOOSE = auto()
    ACCEPT = auto()
    REJECT = auto()
    REASON = auto()
    MERGE = auto()
    SPLIT = auto()
    OUTLINE = auto()
    COMMENT = auto()
    NEXT_FIELD = auto()
    PREVIOUS_FIELD = auto()
    NEXT_DOUBTFUL = auto()
    MARKS = auto()
    OUTLINES = auto()
    UNDO = auto()
    REDO = auto()
    MOVE_FIELD = auto()
    REPLACE_FIELD = auto()
    LEAVE_OUT = auto()
    INVOLVED = auto()
    SENSITIVITY = auto()
    REVEAL = auto()
    UNBLIND = auto()
    FINISH = auto()
    REOPEN = auto()
    NEXT_SPECIMEN = auto()
    PREVIOUS_SPECIMEN = auto()
    DRAW = auto()
    PLACE = auto()
    CANCEL = auto()
    HELP = auto()


class Moment(StrEnum):
    """When a key works; several hold at once."""

    EVER = auto()
    """At any time."""
    OPEN = auto()
    """A specimen is on the screen."""
    REVIEW = auto()
    """Its review can be gone on with: it is not finished, and nothing else is being done."""
    TISSUE = auto()
    """A review can be gone on with, and nothing is under the pointer: a click adds."""
    COUNTED = auto()
    """A vessel that counts is under the pointer."""
    REJECTED = auto()
    """An object that does not count is under the pointer."""
    OBJECT = auto()
    """An object is under the pointer or chosen."""
    SEVERAL = auto()
    """Two or more are chosen."""
    UNDOABLE = auto()
    REDOABLE = auto()
    HIDDEN = auto()
    """What the program found is not shown yet."""
    SHOWN = auto()
    """A review can be gone on with, and what the program found is shown."""
    BLIND = auto()
    """The names are hidden from the observer."""
    FINISHED = auto()
    DRAWING = auto()
    """A line or an outline is being drawn."""
    PLACING = auto()
    """A field is being moved."""
    BUSY = auto()
    """Something is being found that can be cancelled."""


@dataclass(frozen=True, slots=True)
class Key:
    """One line of the table."""

    action: Action
    keys: tuple[str, ...]
    """As Qt writes them; a mouse's as the constants above. The first is shown."""
    short: str
    """In the help line."""
    says: str
    """In the table of the README and of the help."""
    when: Moment
    quiet: bool = False
    """Whether it is left out of the help line, where room is scarce, and stands in the table only."""


KEYS = (
    Key(Action.NEXT_FIELD, ("F", "PgDown"), "next field", "go to the next field", Moment.OPEN),
    Key(Action.PREVIOUS_FIELD, ("D", "PgUp"), "previous field", "go to the previous field", Moment.OPEN, quiet=True),
    Key(Action.ADD, (CLICK,), "add a vessel", "on tissue: add a vessel", Moment.TISSUE),
    Key(Action.ADD, (CLICK,), "reject it", "on a vessel that is counted: reject it", Moment.COUNTED),
    Key(Action.ADD, (CLICK,), "count it", "on an object that is not counted: count it", Moment.REJECTED),
    Key(Action.ACCEPT, ("A",), "count it", "count the object under the pointer, or those chosen", Moment.OBJECT),
    Key(Action.REJECT, ("R", "Del"), "reject", "reject it, or those chosen", Moment.OBJECT),
    Key(
        Action.REASON,
        ("1", "2", "3", "4", "5", "6", "7", "8", "9", "0"),
        "reason",
        "reject it for a reason, or change the reason (the list below)",
        Moment.OBJECT,
        quiet=True,  # the help line shows the reasons themselves
    ),
    Key(
        Action.MENU,
        (RIGHT_CLICK,),
        "menu",
        "on an object: a menu with all that can be done with it, and every reason",
        Moment.OBJECT,
    ),
    Key(Action.CHOOSE, (SHIFT_CLICK,), "choose", "choose an object, or let it go", Moment.REVIEW, quiet=True),
    Key(Action.MERGE, ("M",), "merge the chosen", "merge the chosen objects into one vessel", Moment.SEVERAL),
    Key(Action.SPLIT, ("S",), "split it", "split it: then drag a line right across", Moment.OBJECT),
    Key(
        Action.OUTLINE,
        ("O",),
        "draw an outline",
        "draw it anew: then drag round it; where there is no object, the outline is a new vessel",
        Moment.REVIEW,
    ),
    Key(
        Action.COMMENT,
        ("C",),
        "comment",
        "remark on the object under the pointer, else on the field",
        Moment.REVIEW,
        quiet=True,
    ),
    Key(
        Action.NEXT_DOUBTFUL,
        ("E",),
        "next doubtful",
        "go to the next object that the program is not sure of",
        Moment.SHOWN,
    ),
    Key(Action.MARKS, ("W",), "bare tissue", "hide the marks, or show them again", Moment.OPEN),
    Key(Action.OUTLINES, ("Q",), "outlines or points", "show outlines, or points only", Moment.OPEN, quiet=True),
    Key(Action.UNDO, ("Z", "Ctrl+Z"), "undo", "undo the last decision", Moment.UNDOABLE),
    Key(Action.REDO, ("Shift+Z", "Ctrl+Shift+Z", "Ctrl+Y"), "redo", "do again what was undone", Moment.REDOABLE),
    Key(
        Action.MOVE_FIELD,
        ("P",),
        "move the field",
        "move the field: it follows the pointer, and a click puts it down",
        Moment.REVIEW,
        quiet=True,
    ),
    Key(
        Action.REPLACE_FIELD,
        ("Shift+P",),
        "another place",
        "let the program draw another place for the field by lot",
        Moment.REVIEW,
        quiet=True,
    ),
    Key(
        Action.LEAVE_OUT,
        ("U",),
        "leave the field out",
        "leave the field out of the count, for a reason, or take it in again",
        Moment.REVIEW,
        quiet=True,
    ),
    Key(
        Action.INVOLVED,
        ("I",),
        "involved area",
        "draw the involved area anew; the fields are then placed anew, after asking",
        Moment.REVIEW,
        quiet=True,
    ),
    Key(
        Action.SENSITIVITY,
        ("K",),
        "try a sensitivity",
        "show the field as it would be counted if paler, or only denser, stain counted; nothing is changed",
        Moment.SHOWN,
        quiet=True,
    ),
    Key(
        Action.REVEAL,
        ("V",),
        "show the program's",
        "first read unaided: when you have counted, show what the program found",
        Moment.HIDDEN,
    ),
    Key(Action.FINISH, ("Return", "Enter"), "finish", "finish the specimen and go to the next", Moment.REVIEW),
    Key(Action.REOPEN, ("X",), "reopen", "go on with a finished specimen", Moment.FINISHED),
    Key(Action.NEXT_SPECIMEN, ("N",), "next specimen", "go to the next specimen", Moment.OPEN, quiet=True),
    Key(
        Action.PREVIOUS_SPECIMEN,
        ("Shift+N",),
        "previous specimen",
        "go to the previous specimen",
        Moment.OPEN,
        quiet=True,
    ),
    Key(
        Action.UNBLIND,
        ("Ctrl+B",),
        "show the names",
        "blinded: show the names from now on, for a reason; it stays in the log",
        Moment.BLIND,
        quiet=True,
    ),
    Key(Action.DRAW, (DRAG,), "draw", "while a line or an outline is drawn: draw it", Moment.DRAWING),
    Key(Action.PLACE, (CLICK,), "put the field down", "while a field is moved: put it down", Moment.PLACING),
    Key(Action.CANCEL, ("Esc",), "cancel", "let go of what is chosen, or of what was begun", Moment.DRAWING),
    Key(Action.CANCEL, ("Esc",), "cancel", "let go of what is chosen, or of what was begun", Moment.PLACING),
    Key(Action.CANCEL, ("Esc",), "cancel", "let go of what is chosen, or of what was begun", Moment.BUSY),
    Key(Action.HELP, ("H", "F1"), "all keys", "show this table", Moment.EVER),
)

REASON_KEYS: dict[str, Reason] = {
    "1": Reason.UNLIKE_VESSEL,
    "2": Reason.SINGLE_CELL,
    "3": Reason.PIGMENT,
    "4": Reason.HAZE,
    "5": Reason.LARGE_VESSEL,
    "6": Reason.MEGAKARYOCYTE,
    "7": Reason.TOO_SMALL,
    "8": Reason.BONE_EDGE,
    "9": Reason.IN_FOLD,
    "0": Reason.OUT_OF_FOCUS,
}
"""The commonest first, under the fingers of the left hand; the menu has the others."""

PLAIN_REASON = Reason.UNLIKE_VESSEL
"""Of an object that is rejected without saying why: it says no more than that."""


def action_of(key: str) -> Action | None:
    """What a key does, None for one that does nothing; `key` as Qt writes it ("Shift+Z")."""
    return _BY_KEY.get(key)


def working(moments: Iterable[Moment]) -> tuple[Key, ...]:
    """The keys that work now, for the help line."""
    held = {Moment.EVER, *moments}
    return tuple(key for key in KEYS if key.when in held and not key.quiet)


def table() -> str:
    """Every key as a table in Markdown, then the reasons."""
    lines = ["| key | what it does |", "|---|---|"]
    for key in {(key.keys, key.says): key for key in KEYS}.values():
        names = ["1 … 9, 0"] if key.action is Action.REASON else key.keys
        lines.append(f"| {', '.join(names)} | {key.says} |")
    reasons = ", ".join(f"{digit} {reason}" for digit, reason in REASON_KEYS.items())
    return "\n".join([*lines, "", f"Reasons: {reasons}."])


_BY_KEY = {name: key.action for key in KEYS for name in key.keys if name not in (CLICK, RIGHT_CLICK, SHIFT_CLICK, DRAG)}

if __name__ == "__main__":
    print(table())  # noqa: T201
