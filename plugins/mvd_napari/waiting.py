"""Work that is waited for: in another thread, with progress and a way out, while the review stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mvd.errors import MvdError
from mvd_napari.workers import Job, Progress

if TYPE_CHECKING:
    from mvd_napari.working import Desk


class Waiting:
    """The part of the desk that waits."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._job: Job | None = None

    def run(self, work: Callable[[Progress], Any], then: Callable[[Any], None], *, note: str) -> None:
        """Work, then go on with what it gave; nothing can be decided meanwhile but to cancel it."""

        def done(found: Any) -> None:
            self._end()
            self._desk.attempt(lambda: then(found))

        def failed(error: MvdError) -> None:
            self._end()
            self._desk.complain(error)

        self._desk.specimens.stay()
        self._desk.session.busy = True
        self._desk.note(note)
        self._desk.panel.show_progress((0, 0))
        self._job = self._desk.workers.run(
            work, done=done, failed=failed, progress=lambda part, whole: self._desk.panel.show_progress((part, whole))
        )
        self._desk.show()

    def cancel(self) -> None:
        """Stop it where it next tells how far it is; what it would have given is dropped."""
        if self._job is not None:
            self._job.cancel()
        self._end()

    def _end(self) -> None:
        self._job = None
        session = self._desk.session
        session.busy = False
        self._desk.panel.show_progress(None)
        self._desk.note("")
        if session.opened is not None:
            self._desk.canvas.show_involved(session.review.involved)  # one may have been drawn that is not decided on
        self._desk.show()
