"""The desk's questions: comments, why a field is left out, why names are shown, and whether all was looked at."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mvd_napari import deciding

if TYPE_CHECKING:
    from mvd_napari.working import Desk

LEAVE_OUT_REASONS = ("fold", "out of focus", "torn or crushed", "no marrow")
"""Offered when a field is left out; any other can be written."""


class Asking:
    """The part of the desk that asks before it decides."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def comment(self) -> None:
        session = self._desk.session
        if session.target:
            name = session.target[0]
            what, before = "this object", session.review.objects[name].comment
            send = partial(deciding.comment, session, on_object=name)
        else:
            field = str(session.field)
            what, before = f"field {field}", session.review.fields[field].comment
            send = partial(deciding.comment, session, on_field=field)
        self._desk.ask(f"Your comment on {what}:", lambda text: self._desk.attempt(lambda: send(text)), line=before)

    def leave_out(self) -> None:
        field = str(self._desk.session.field)
        if self._desk.session.review.fields[field].unevaluable is not None:
            deciding.take_in(self._desk.session)
            return
        self._desk.ask(
            f"Why can field {field} not be counted?",
            lambda reason: self._desk.attempt(lambda: deciding.leave_out(self._desk.session, reason)),
            answers=LEAVE_OUT_REASONS,
            line="",
        )

    def reveal(self) -> None:
        """Show what the program found; there is no way back to a count of one's own."""
        counts = ", ".join(str(field.count) for field in self._desk.session.tally.fields)
        self._desk.ask(
            f"You counted {counts} in the fields. Show what the program found? It cannot be hidden again.",
            lambda _: self._desk.attempt(lambda: deciding.reveal(self._desk.session)),
            answers=("Show it",),
        )

    def unblind(self) -> None:
        self._desk.ask(
            "Why are the names to be shown? It stays in the log, and cannot be undone.",
            lambda why: self._desk.attempt(lambda: self._unblind(why)),
            line="",
        )

    def _unblind(self, why: str) -> None:
        self._desk.session.unblind(why)
        self._desk.workers.forget(but=set())  # what was prepared does not know of it
        self._desk.specimens.show_title()

    def finish(self) -> None:
        """Finish the specimen; fields that nobody looked at are asked about."""
        code = self._desk.session.reading.code if self._desk.session.reading else ""
        fields_of = self._desk.session.review.fields.items()
        unseen = [name for name, one in fields_of if (code, one.field.rect) not in self._desk.seen]
        if not unseen:
            self._finish()
            return
        fields = f"Field {unseen[0]} was" if len(unseen) == 1 else f"Fields {', '.join(unseen)} were"
        self._desk.ask(
            f"{fields} not looked at since you opened this specimen. Finish all the same?",
            lambda _: self._desk.attempt(self._finish),
            answers=("Finish all the same",),
        )

    def _finish(self) -> None:
        deciding.finish(self._desk.session)
        self._desk.show()
        following = self._desk.session.next_unfinished()
        if following is None:
            self._desk.note("All specimens are finished. Thank you.")
        else:
            self._desk.specimens.open(following)
