"""The field in view as it would be counted at another sensitivity: shown, and kept in study.toml for a reason."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from mvd.fields import CountField
from mvd.moves import Ground
from mvd.protocol import MOST_STEPS
from mvd.steering.preview import Preview, ground_as_measured, keep_sensitivity, preview
from mvd.study import PROTOCOL_FILE
from mvd_napari.relocating import LOOKING

if TYPE_CHECKING:
    from mvd_napari.working import Desk

PALER, DENSER, KEEP = "Paler counts too", "Only denser counts", "Keep it for the study …"


class Steering:
    """The part of the desk that tries a sensitivity. It decides nothing and changes no count."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ground: tuple[str, Ground] | None = None
        self._shown: dict[tuple[str, CountField, int], Preview] = {}

    def begin(self) -> None:
        """Show the field as it was measured, and ask which way to go."""
        session = self._desk.session
        opened, reading = session.opened, session.reading
        if opened is None or reading is None:
            return
        if self._ground is not None and self._ground[0] == reading.specimen:
            self._try(self._now)
            return

        def known(ground: Ground) -> None:
            self._ground = reading.specimen, ground
            self._try(self._now)

        specimen = session.specimen_of(reading)
        self._desk.waiting.run(
            lambda _: ground_as_measured(specimen, opened, study=session.folder), known, note=LOOKING
        )

    @property
    def _now(self) -> int:
        """What the specimen was measured by."""
        return self._desk.session.measured_protocol.stain.sensitivity

    def _try(self, steps: int) -> None:
        session = self._desk.session
        assert self._ground is not None
        assert session.field is not None
        name, ground = self._ground
        field = session.review.fields[session.field].field
        found = self._shown.get((name, field, steps))
        if found is not None:
            self._show(found)
            return
        involved, protocol = session.review.involved, session.measured_protocol

        def seen(made: Preview) -> None:
            self._shown[name, field, steps] = made
            self._show(made)

        self._desk.waiting.run(
            lambda _: preview(ground, field, involved, protocol=protocol, steps=steps), seen, note="Counting …"
        )

    def _show(self, found: Preview) -> None:
        """The outlines that would count, in place of the marks, until the question is answered."""
        desk = self._desk
        desk.canvas.show_tried([vessel.outline for vessel in found.counted])
        number = len(found.counted)
        vessels = "1 vessel" if number == 1 else f"{number} vessels"
        measured = ", as it was measured" if found.steps == self._now else ""
        answers = [PALER] if found.steps < MOST_STEPS else []
        answers += [DENSER] if found.steps > -MOST_STEPS else []
        answers += [KEEP] if found.steps != self._now else []
        desk.ask(
            f"At sensitivity {_signed(found.steps)}{measured} the program alone counts {vessels} in field "
            f"{desk.session.field}. Nothing is changed by looking.",
            lambda answer: desk.attempt(lambda: self._answered(found.steps, answer)),
            answers=answers,
            closed=self._end,
        )

    def _answered(self, steps: int, answer: str) -> None:
        if answer == KEEP:
            self._desk.ask(
                f"Why is the sensitivity to be {_signed(steps)}? It holds for every specimen, and goes into study.toml "
                "with your reason. The next mvd run measures all of them again.",
                lambda why: self._desk.attempt(lambda: self._keep(steps, why)),
                line="",
            )
            return
        self._try(steps + (1 if answer == PALER else -1))

    def _keep(self, steps: int, why: str) -> None:
        session = self._desk.session
        said = f"{session.observer}, {date.today().isoformat()}: {why}" if why.strip() else ""
        keep_sensitivity(session.folder / PROTOCOL_FILE, steps, said)
        self._desk.note(
            f"study.toml has sensitivity = {steps} now. What you see was measured by {_signed(self._now)}; "
            "close the desk and run mvd run to measure anew."
        )

    def _end(self) -> None:
        self._desk.canvas.show_tried(None)
        self._desk.show()


def _signed(steps: int) -> str:
    return f"{steps:+d}" if steps else "0"
