"""An observer's hands on a desk in a real viewer: a pointer that moves, buttons that click, keys that are pressed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely
from mvd_napari.desk import put_into
from mvd_napari.session import Mode, Session
from mvd_napari.sight import object_at
from on_screen import settle
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QCursor, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from small_study import write_protocol

from mvd.corrections import What
from mvd.protocol import Protocol
from mvd.store.log import read_log

if TYPE_CHECKING:
    import napari
    from mvd_napari.working import Desk

TIMES = ("baseline", "followup")
CHOICES = {"timepoints": TIMES, "fields": {"number": 4, "side_um": 110.0, "min_evaluable_fraction": 0.5}}
KEY, HELD, BUTTON = Qt.Key, Qt.KeyboardModifier, Qt.MouseButton


def wait_for(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"waited in vain for {what}"
        settle(1)


class Hands:
    """An observer's hands on a desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.session = desk, desk.session
        self.canvas = desk.canvas.native

    def pixel(self, x_um: float, y_um: float) -> QPoint:
        camera = self.desk.viewer.scene.camera
        _, y, x = camera.center
        size = self.canvas.size()
        place = size.width() / 2 + (x_um - x) * camera.zoom, size.height() / 2 + (y_um - y) * camera.zoom
        return QPoint(*(round(value) for value in place))

    def point(self, x_um: float, y_um: float) -> None:
        """Rest the pointer on a place, coming from one beside it: where it lies already, nothing would be told."""
        pixel = self.pixel(x_um, y_um)
        self._move(pixel + QPoint(0, 3))
        self._move(pixel)
        settle(2)

    def _move(self, pixel: QPoint, button: Any = BUTTON.NoButton) -> None:
        """Move the pointer as `QTest.mouseClick` clicks: by an event of Qt's own.

        `QTest.mouseMove` asks the screen instead, which tells of it when it likes. Either way, vispy drops a move that
        follows another within 10 ms, and napari tells of some a moment later.
        """
        settle(2)
        self._send(pixel, button)
        if button is BUTTON.NoButton or self.session.mode is not Mode.LOOK:  # else the section goes along with it
            wait_for(lambda: self._is_at(pixel), f"the pointer at {pixel}")

    def rush(self, *places: tuple[float, float]) -> None:
        """Move the pointer along places faster than the viewer listens."""
        for place in places:
            self._send(self.pixel(*place), BUTTON.NoButton)

    def _send(self, pixel: QPoint, button: Any) -> None:
        places = QPointF(pixel), QPointF(self.canvas.mapToGlobal(pixel))
        moved = QMouseEvent(QEvent.Type.MouseMove, *places, BUTTON.NoButton, button, HELD.NoModifier)
        QApplication.sendEvent(self.canvas, moved)

    def _is_at(self, pixel: QPoint) -> bool:
        y_um, x_um = self.desk.viewer.cursor.position[-2:]
        there = self.pixel(x_um, y_um) - pixel
        return max(abs(there.x()), abs(there.y())) <= 1

    def click(self, place: tuple[float, float], held: Any = HELD.NoModifier, button: Any = BUTTON.LeftButton) -> None:
        self.point(*place)
        QTest.mouseClick(self.canvas, button, held, self.pixel(*place))
        settle()

    def drag(self, *places: tuple[float, float]) -> None:
        """Press at the first place, go along the others, let go at the last; where they lie as it begins."""
        self.point(*places[0])
        pixels = [self.pixel(*place) for place in places]
        QTest.mousePress(self.canvas, BUTTON.LeftButton, HELD.NoModifier, pixels[0])
        for pixel in pixels[1:]:
            self._move(pixel, BUTTON.LeftButton)
        QTest.mouseRelease(self.canvas, BUTTON.LeftButton, HELD.NoModifier, pixels[-1])
        settle()

    def press(self, key: Any, held: Any = HELD.NoModifier) -> None:
        QTest.keyClick(self.canvas, key, held)
        settle()

    def write(self, text: str) -> None:
        """Answer an open question in words."""
        line = self.desk.panel.question.line
        assert line.isVisible()
        QTest.keyClicks(line, text)
        QTest.keyClick(line, KEY.Key_Return)
        settle()

    def log(self) -> list[What]:
        log = read_log(self.session.opened.log.path)
        return [line.what for line in log.corrections]

    def bare(self) -> tuple[float, float]:
        """A place in the field with no object near it."""
        rect, objects = self.session.rect, self.session.review.objects.values()
        places = [(rect.x0_um + x, rect.y0_um + y) for x in range(15, 95, 4) for y in range(15, 95, 4)]
        return next(place for place in places if object_at(objects, *place) is None)

    def counted(self) -> list[tuple[str, tuple[float, float]]]:
        """Vessels that count, each with a place in it that can be clicked on."""
        found = []
        for one in self.session.near():
            inside = shapely.Polygon(one.vessel.outline).representative_point()
            place = (float(inside.x), float(inside.y))
            pixel = self.pixel(*place)
            if one.vessel.accepted and self.canvas.rect().contains(pixel):
                found.append((one.vessel.name, place))
        return found


def protocol_with(study: Path, **review: Any) -> None:
    """The study's protocol, with these choices about the review."""
    write_protocol(study, Protocol.model_validate({**CHOICES, "review": review}))


def hands_on(viewer: napari.Viewer, study: Path) -> Iterator[Hands]:
    """Hands on a desk at its first specimen; the desk is closed afterwards."""
    QCursor.setPos(viewer.window._qt_window.screen().geometry().bottomRight())  # the screen's own is out of the way
    viewer.window.resize(1400, 900)
    desk = put_into(viewer, Session(study, "anna"))
    hands = Hands(desk)
    wait_for(lambda: desk.session.opened is not None, "the first specimen")
    settle()
    yield hands
    desk.close()
    vars(hands).clear()
