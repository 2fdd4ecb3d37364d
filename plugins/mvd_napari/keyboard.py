"""Keys pressed over the section, before napari sees them: its own shortcuts change with the layer that is selected."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QApplication, QLineEdit

_ALONE = (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_Meta, Qt.Key.Key_AltGr)


class Keyboard(QObject):
    """Tells which key was pressed, as Qt writes it ("Shift+Z"), unless something is being written."""

    def __init__(self, press: Callable[[str], bool], *widgets: Any) -> None:
        super().__init__()
        self._press = press
        self._widgets: tuple[Any, ...] = widgets
        for widget in widgets:
            widget.installEventFilter(self)

    def close(self) -> None:
        for widget in self._widgets:
            with contextlib.suppress(RuntimeError):  # it is gone already, and its filters with it
                widget.removeEventFilter(self)
        self._widgets = ()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802  (Qt's name)
        """Qt's hook: whether the event goes no further."""
        if not isinstance(event, QKeyEvent) or event.type() not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return super().eventFilter(watched, event)
        if isinstance(QApplication.focusWidget(), QLineEdit) and event.key() != Qt.Key.Key_Escape:
            return super().eventFilter(watched, event)
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()  # then it comes again as a key, and no menu takes it
            return True
        name = key_name(event)
        if not name or event.isAutoRepeat():
            return bool(name)
        return self._press(name) or super().eventFilter(watched, event)


def key_name(event: QKeyEvent) -> str:
    """A key as the table of keys has it; empty for Shift and its like alone."""
    if event.key() in _ALONE:
        return ""
    name = QKeySequence(event.keyCombination()).toString(QKeySequence.SequenceFormat.PortableText)
    return name.replace("Num+", "")  # of the keys beside the others
