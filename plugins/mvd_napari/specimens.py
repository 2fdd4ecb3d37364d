"""Specimens one after the other: opened without holding up the window, and the next one before it is wanted."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from mvd.errors import MvdError, StoreError
from mvd.reading import Reading
from mvd.store import SpecimenRow
from mvd_napari.session import Mode
from mvd_napari.workers import Prepared, prepare

if TYPE_CHECKING:
    from mvd_napari.working import Desk


class Specimens:
    """The part of the desk that goes from one specimen to another."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._wanted: str | None = None

    def begin(self) -> None:
        """Go to the first specimen that is not finished."""
        session = self._desk.session
        self._desk.show()
        self.open(session.next_unfinished() or next(iter(session.readings), None))

    def open_number(self, number: int) -> None:
        """The specimen in this line of the list."""
        self.open(self._desk.session.readings[number])

    def open(self, reading: Reading | None) -> None:
        """Show a specimen as soon as it is ready; at once, where it was prepared."""
        desk = self._desk
        if reading is None or desk.session.busy or not desk.question_away():
            return
        self._wanted = reading.code
        future = self._prepare(reading)
        if future.done():
            self._show_prepared(reading, future)
            return
        desk.note(f"Opening {reading.title} …")
        future.add_done_callback(lambda found: desk.workers.tell(lambda: self._show_prepared(reading, found)))

    def stay(self) -> None:
        """Open nothing that was asked for before: what is open is being worked on."""
        self._wanted = None

    def show_title(self) -> None:
        reading = self._desk.session.reading
        self._desk.viewer.title = f"mvd · {reading.title}" if reading else "mvd"

    def _prepare(self, reading: Reading) -> Future[Prepared]:
        session = self._desk.session
        specimen = session.specimen_of(reading)
        return self._desk.workers.ahead(reading.code, lambda: prepare(reading, specimen, session.read))

    def _show_prepared(self, reading: Reading, future: Future[Prepared]) -> None:
        if reading.code != self._wanted or future.cancelled():
            return
        self._wanted = None
        self._desk.workers.taken(reading.code)
        fault = future.exception()
        if fault is None:
            self._show(future.result())
            return
        self._desk.session.pass_by(reading)
        self._desk.show()
        if isinstance(fault, StoreError) and not self._desk.session.is_measured(reading):
            self._offer(reading)
            return
        if not isinstance(fault, MvdError):  # of the program's own, or of a library that reads slides
            fault = MvdError(f"{reading.title} cannot be opened: {fault!r}")
        self._desk.complain(fault)

    def _offer(self, reading: Reading) -> None:
        """Ask whether to measure what was not measured yet, and open it then."""
        desk = self._desk

        def measured(row: SpecimenRow) -> None:
            desk.session.look_again()
            if row.mvd_per_mm2 is None:
                raise StoreError(f"{reading.title} has no fields to review: {row.status}: {row.reason}")
            self.open(reading)

        desk.ask(
            f"{reading.title} was not measured yet. Find its vessels now? It may take from seconds to minutes.",
            lambda _: desk.waiting.run(
                lambda progress: desk.session.measure(reading, progress),
                measured,
                note=f"Finding the vessels of {reading.title} …",
            ),
            answers=("Find its vessels",),
        )

    def _show(self, prepared: Prepared) -> None:
        desk, session = self._desk, self._desk.session
        desk.panel.question.close_it()
        session.open(prepared.reading, prepared.opened)
        self.show_title()
        desk.canvas.set_mode(Mode.LOOK)
        desk.canvas.show_section(prepared.image)
        desk.canvas.show_involved(session.review.involved)
        desk.note(session.blinds.over(prepared.opened.outdated or ""))
        desk.look_at_field()
        desk.show()
        following = session.next_unfinished()
        if following is not None and following != prepared.reading:
            desk.workers.forget(but={following.code})
            self._prepare(following)
