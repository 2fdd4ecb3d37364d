"""The observer's desk: a session, its canvas and its panel, and what each key, click and button does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mvd.errors import MvdError
from mvd.geometry import Rect
from mvd.vessels import Reason
from mvd_napari import deciding
from mvd_napari.asking import Asking
from mvd_napari.canvas import Canvas, Hand
from mvd_napari.facing import face_of
from mvd_napari.help import show_table
from mvd_napari.keyboard import Keyboard
from mvd_napari.keys import KEYS, REASON_KEYS, Action, Moment, action_of, table, working
from mvd_napari.moments import moments
from mvd_napari.mouse import Mouse
from mvd_napari.panel import Panel, Pressed
from mvd_napari.relocating import Relocating
from mvd_napari.session import Mode, Session
from mvd_napari.specimens import Specimens
from mvd_napari.steering import Steering
from mvd_napari.waiting import Waiting
from mvd_napari.wording import STATUS_SIGNS
from mvd_napari.workers import Workers

_WHY_NOT = {
    Moment.OBJECT: "Put the pointer on an object first, or go to one with E.",
    Moment.SEVERAL: "Choose two objects or more with Shift and a click, then press M.",
    Moment.REVIEW: "This specimen is finished; X goes on with it.",
    Moment.UNDOABLE: "There is nothing to undo.",
    Moment.REDOABLE: "There is nothing to do again.",
    Moment.FINISHED: "This specimen is not finished.",
    Moment.HIDDEN: "What the program found is shown already.",
    Moment.SHOWN: "What the program found is not shown yet.",
    Moment.BLIND: "The names are shown already.",
    Moment.OPEN: "No specimen is open; choose one from the list.",
}


class Desk:
    """One observer's desk in one viewer."""

    def __init__(self, viewer: Any, session: Session) -> None:
        self.viewer, self.session = viewer, session
        self.mouse, self.specimens = Mouse(self), Specimens(self)
        self.relocating, self.asking, self.waiting = Relocating(self), Asking(self), Waiting(self)
        self.steering = Steering(self)
        self.panel = Panel(
            Pressed(self.go_to_field, self.specimens.open_number, self.undo, self.redo, self.press_finish, self.cancel)
        )
        self.workers = Workers(self.panel)
        self.canvas = Canvas(viewer, Hand(self.mouse.click, self.mouse.menu, self.mouse.hover, self.mouse.stroke))
        self.keyboard = Keyboard(self.press, self.canvas.native, viewer.window._qt_window)
        self.marks = self.outlines = True
        self.seen: set[tuple[str, Rect]] = set()
        """Where fields were looked at, by reading: one that is placed anew was not."""
        self._acts: dict[Action, Callable[[], None]] = {
            Action.NEXT_FIELD: lambda: self.step_field(1),
            Action.PREVIOUS_FIELD: lambda: self.step_field(-1),
            Action.ACCEPT: lambda: deciding.accept(self.session, self.session.target),
            Action.REJECT: lambda: deciding.reject(self.session, self.session.target),
            Action.MERGE: lambda: deciding.merge(self.session, self.session.chosen),
            Action.SPLIT: self.mouse.begin_split,
            Action.OUTLINE: lambda: self.mouse.begin_drawing(Mode.OUTLINE, "Drag round the vessel."),
            Action.COMMENT: self.asking.comment,
            Action.NEXT_DOUBTFUL: self.next_doubtful,
            Action.MARKS: self.toggle_marks,
            Action.OUTLINES: self.toggle_outlines,
            Action.UNDO: lambda: deciding.undo(self.session),
            Action.REDO: lambda: deciding.redo(self.session),
            Action.MOVE_FIELD: self.relocating.begin_move,
            Action.REPLACE_FIELD: self.relocating.replace,
            Action.LEAVE_OUT: self.asking.leave_out,
            Action.INVOLVED: self.relocating.begin_involved,
            Action.SENSITIVITY: self.steering.begin,
            Action.REVEAL: self.asking.reveal,
            Action.UNBLIND: self.asking.unblind,
            Action.FINISH: self.asking.finish,
            Action.REOPEN: lambda: deciding.reopen(self.session),
            Action.NEXT_SPECIMEN: lambda: self.specimens.open(self.session.next_reading(1)),
            Action.PREVIOUS_SPECIMEN: lambda: self.specimens.open(self.session.next_reading(-1)),
            Action.HELP: self.show_keys,
        }

    # Looking

    def step_field(self, step: int) -> None:
        self.session.step_field(step)
        self.look_at_field()

    def go_to_field(self, name: str) -> None:
        """A field's button."""
        if self.may(Moment.OPEN) and self.question_away():
            self.session.go_to_field(name)
            self.look_at_field()
            self.show()

    def look_at_field(self) -> None:
        rect, reading = self.session.rect, self.session.reading
        if rect is not None and reading is not None:
            self.canvas.go_to(rect)
            self.seen.add((reading.code, rect))

    def next_doubtful(self) -> None:
        before = self.session.field
        if self.session.next_doubtful() is None:
            self.note("There is no doubtful object left in the fields of this specimen.")
        elif self.session.field != before:
            self.look_at_field()

    def toggle_marks(self) -> None:
        self.marks = not self.marks

    def toggle_outlines(self) -> None:
        self.marks, self.outlines = True, not self.outlines

    # Keys and buttons

    @property
    def is_seen(self) -> bool:
        """Whether the panel is on the screen. A desk whose panel was closed decides nothing: another may be open."""
        return self.panel.isVisible()

    def question_away(self) -> bool:
        """Close an open question, for it is about what is about to change; not one with an answer half written."""
        question = self.panel.question
        if question.is_open and question.is_half_written:
            self.note("First press Return to keep what you wrote, or Cancel.")
            return False
        if question.is_open:
            question.close_it()
        return True

    def press(self, key: str) -> bool:
        """A key; whether it is one of the desk's."""
        action = action_of(key)
        if action is None or not self.is_seen:
            return False
        question = self.panel.question
        if question.is_open:
            if action is Action.FINISH and question.has_answers:
                question.press_first()
                return True
            question.close_it()
            if action is Action.CANCEL:
                return True
        if action is Action.CANCEL:
            self.cancel()
        elif action is Action.REASON:
            self.act(action, lambda: deciding.reject(self.session, self.session.target, REASON_KEYS[key]))
        else:
            self.act(action, self._acts[action])
        return True

    def act(self, action: Action, do: Callable[[], None]) -> None:
        """Do what an action does, if it can be done now; say why where it cannot."""
        needed = {key.when for key in KEYS if key.action is action}
        if any(self.may(moment) for moment in needed):
            self.note("")
            self.attempt(do)
        else:
            self.note(self._why_not(needed))

    def may(self, moment: Moment) -> bool:
        return moment is Moment.EVER or moment in moments(self.session)

    def _why_not(self, needed: set[Moment]) -> str:
        held = moments(self.session)
        if self.session.opened is None:
            return _WHY_NOT[Moment.OPEN]
        if Moment.BUSY in held:
            return "Something is being found; Esc cancels it."
        if held & {Moment.DRAWING, Moment.PLACING}:
            return "First end what you began, or cancel it with Esc."
        if Moment.FINISHED in held:
            return _WHY_NOT[Moment.REVIEW]
        return next((_WHY_NOT[moment] for moment in needed if moment in _WHY_NOT), "")

    def reject_as(self, reason: Reason) -> None:
        self.act(Action.REASON, lambda: deciding.reject(self.session, self.session.target, reason))

    def attempt(self, do: Callable[[], object]) -> None:
        """Do it and show what it changed; what is refused is said, and nothing is changed."""
        try:
            do()
        except MvdError as error:
            self.complain(error)
        self.show()

    def undo(self) -> None:
        self.press("Z")

    def redo(self) -> None:
        self.press("Shift+Z")

    def press_finish(self) -> None:
        """The big button: finish, or go on with what is finished, or show what was hidden."""
        if not self.question_away():
            return
        held = moments(self.session)
        action = Action.REOPEN if Moment.FINISHED in held else Action.REVEAL if Moment.HIDDEN in held else Action.FINISH
        self.act(action, self._acts[action])

    def cancel(self) -> None:
        """Let go of what was begun, else of what is chosen."""
        if self.session.busy:
            self.waiting.cancel()
        elif self.session.mode is not Mode.LOOK:
            self.mouse.end_drawing()
        else:
            self.session.choose(None)
        self.note("")
        self.show()

    # Showing

    def ask(self, text: str, then: Callable[[str], None], **how: Any) -> None:
        """A question in the panel; see `Question.ask`."""
        self.note("")
        self.panel.question.ask(text, then, back_to=self.canvas.native, **how)

    def show(self) -> None:
        """Everything, as the session stands."""
        self.canvas.show(self.session, marks=self.marks, outlines=self.outlines)
        self.panel.show_face(face_of(self.session))
        rows = [f"{STATUS_SIGNS[self.session.statuses[one.code]]}  {one.title}" for one in self.session.readings]
        finished = sum(status == "finished" for status in self.session.statuses.values())
        present = self.session.readings.index(self.session.reading) if self.session.reading else None
        self.panel.show_specimens(f"Specimens: {finished} of {len(rows)} finished", rows, present)
        self.show_help()

    def show_help(self) -> None:
        reasons = [(digit, str(reason)) for digit, reason in REASON_KEYS.items()]
        self.panel.show_help(list(self._help()), reasons if self.may(Moment.OBJECT) else ())

    def _help(self) -> Iterator[tuple[str, str]]:
        for key in working(moments(self.session)):
            yield ("1…0" if key.action is Action.REASON else key.keys[0]), key.short

    def show_keys(self) -> None:
        """The whole table."""
        show_table(table(), self.panel)

    def note(self, text: str) -> None:
        self.panel.show_note(text)

    def complain(self, error: MvdError) -> None:
        """What was refused and why, without a name that may not be shown."""
        said = self.session.blinds.over(str(error))
        first = said.split(" ", 1)[0].strip("'")
        is_name = any(first in (one.code, one.specimen) for one in self.session.readings)
        self.panel.show_note((said if is_name else said[:1].upper() + said[1:]) + ".", wrong=True)

    def close(self) -> None:
        """Let go of the viewer; every decision is on the disk already."""
        self.keyboard.close()
        self.canvas.close()
        self.workers.close()
        self.viewer = None
