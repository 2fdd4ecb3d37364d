"""Labels and buttons of the desk: plain text, and the keyboard left to the section."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton

NO_FOCUS = Qt.FocusPolicy.NoFocus


def label(name: str, *, wraps: bool = False) -> QLabel:
    made = QLabel()
    made.setObjectName(name)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wraps)
    made.setIndent(0)
    return made


def button(text: str, press: Callable[[], None], name: str = "plain") -> QPushButton:
    made = QPushButton(text)
    made.setObjectName(name)
    made.setFocusPolicy(NO_FOCUS)
    made.clicked.connect(lambda _=False: press())
    return made
