"""What the mouse does on the section: a click adds or turns, a drag draws, the pointer shows what lies under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvd.geometry import Ring
from mvd_napari import deciding
from mvd_napari.facing import pointed_words
from mvd_napari.keys import Action, Moment
from mvd_napari.menu import object_menu
from mvd_napari.session import Mode, Session
from mvd_napari.sight import loop

if TYPE_CHECKING:
    from mvd_napari.working import Desk


class Mouse:
    """The part of the desk that follows the mouse; places are x, y in µm."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def _session(self) -> Session:
        return self._desk.session

    def click(self, x_um: float, y_um: float, held: frozenset[str]) -> None:
        desk, session = self._desk, self._session
        if not desk.is_seen or not desk.question_away():
            return
        if session.mode is Mode.PLACE:
            desk.attempt(lambda: desk.relocating.put_down(x_um, y_um))
        elif "Shift" in held and desk.may(Moment.REVIEW):
            desk.attempt(lambda: session.choose_at(x_um, y_um))
        else:
            desk.act(Action.ADD, lambda: deciding.click(session, x_um, y_um))
            self.hover(x_um, y_um)

    def menu(self, x_um: float, y_um: float) -> None:
        """Everything that can be done with the object there."""
        desk, session = self._desk, self._session
        if not desk.is_seen or not desk.question_away():
            return
        self.hover(x_um, y_um)
        if session.pointed is not None and session.pointed not in session.chosen:
            session.choose(None)
        if desk.may(Moment.OBJECT):
            object_menu(desk.panel, session.review.objects[session.target[0]], desk.press, desk.reject_as)

    def hover(self, x_um: float, y_um: float) -> None:
        desk, session = self._desk, self._session
        if session.opened is None:
            return
        if session.mode is Mode.PLACE:
            desk.relocating.hover(x_um, y_um)
            return
        name = session.at(x_um, y_um) if session.mode is Mode.LOOK else session.pointed
        if name != session.pointed:
            session.pointed = name
            desk.canvas.show_chosen(session)
            desk.panel.show_object(pointed_words(session))
            desk.show_help()

    # Drawing

    def begin_split(self) -> None:
        self.begin_drawing(Mode.LINE, "Drag a line right across it.")

    def begin_drawing(self, mode: Mode, note: str) -> None:
        self._session.mode = mode
        self._desk.canvas.set_mode(mode)
        self._desk.note(note)

    def end_drawing(self) -> None:
        self._session.mode = Mode.LOOK
        self._desk.canvas.set_mode(Mode.LOOK)

    def stroke(self, ring: Ring) -> None:
        """A line or an outline was drawn."""
        desk, session = self._desk, self._session
        mode, target = session.mode, session.target
        if mode is not Mode.LINE:
            ring = loop(ring)
        if mode is Mode.INVOLVED:
            desk.attempt(lambda: desk.relocating.drawn(ring))
            return
        self.end_drawing()
        if mode is Mode.LINE:
            desk.attempt(lambda: deciding.split(session, target[0], ring))
        elif mode is Mode.OUTLINE:
            desk.attempt(lambda: deciding.outline(session, ring, target[0] if target else None))
