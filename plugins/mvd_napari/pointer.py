"""Where the pointer comes to rest: of two moves within 10 ms, vispy tells of the first only, and it is not there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QMouseEvent

REST_MS = 15
"""More than the time within which moves are dropped, and less than a hand needs from the mouse to a key."""


class Pointer(QObject):
    """Tells where the pointer rests on a widget, in its pixels; a key acts on what lies there."""

    def __init__(self, rests: Callable[[float, float], None], widget: Any) -> None:
        super().__init__()
        self._rests, self._widget = rests, widget
        self._place = (0.0, 0.0)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(lambda: self._rests(*self._place))
        widget.installEventFilter(self)

    def close(self) -> None:
        """Tell nothing any more."""
        self._timer.stop()
        with contextlib.suppress(RuntimeError):  # the widget is gone already, and its filters with it
            self._widget.removeEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802  (Qt's name)
        """Qt's hook: whether the event goes no further."""
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseMove:
            self._place = (event.position().x(), event.position().y())
            self._timer.start(REST_MS)
        elif event is not None and event.type() == QEvent.Type.Leave:
            self._timer.stop()
        return super().eventFilter(watched, event)
