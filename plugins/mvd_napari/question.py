"""A question in the panel itself, and not in a window over the section."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QFrame, QGridLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from mvd_napari.widgets import button, label

_SHORT = 18
"""Letters of an answer that has room beside another."""


class Question(QFrame):
    """A question in the panel itself: a line to fill in, some answers to press."""

    def __init__(self, parent: QWidget, in_place_of: Sequence[QWidget]) -> None:
        super().__init__(parent)
        self.setObjectName("question")
        self._others = in_place_of
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 10)
        self.text = label("asked", wraps=True)
        self.line = _Line(lambda: self._answer(self.line.text()))
        column.addWidget(self.text)
        column.addWidget(self.line)
        self._answers = QGridLayout()
        column.addLayout(self._answers)
        self._then: Callable[[str], None] | None = None
        self._back_to: QWidget | None = None
        self._closed: Callable[[], None] | None = None
        self._is_long = False
        self.buttons: list[QPushButton] = []
        self.hide()

    @property
    def is_open(self) -> bool:
        return self._then is not None

    @property
    def is_half_written(self) -> bool:
        """Whether its line was changed and not entered."""
        return self.is_open and self.line.isModified()

    @property
    def has_answers(self) -> bool:
        """Whether there is one to press, beside Cancel."""
        return len(self.buttons) > 1

    def press_first(self) -> None:
        self.buttons[0].click()

    def ask(
        self,
        text: str,
        then: Callable[[str], None],
        *,
        answers: Sequence[str] = (),
        line: str | None = None,
        back_to: QWidget | None = None,
        closed: Callable[[], None] | None = None,
    ) -> None:
        """Ask; `then` is called with the answer pressed or the line entered.

        Parameters
        ----------
        line
            What the line begins with; no line where None.
        back_to
            The widget that gets the keyboard afterwards.
        closed
            Called when the question goes away, answered or not.
        """
        self.close_it()
        self._then, self._back_to, self._closed = then, back_to, closed
        self.text.setText(text)
        self._is_long = any(len(answer) > _SHORT for answer in answers)
        for answer in answers:
            self._add(answer, partial(self._answer, answer))
        self._add("Cancel", self.close_it)
        self.line.setVisible(line is not None)
        self.line.setText(line or "")
        self._swap(asked=True)
        if line is not None:
            self.line.setFocus()
            self.line.selectAll()

    def close_it(self) -> None:
        """Take the question away, unanswered."""
        self._then = None
        for old in self.buttons:
            self._answers.removeWidget(old)
            old.hide()
            old.deleteLater()
        self.buttons = []
        self._swap(asked=False)
        if self._back_to is not None:
            self._back_to.setFocus()
        closed, self._closed = self._closed, None
        if closed is not None:
            closed()

    def _add(self, text: str, press: Callable[[], None]) -> None:
        made, place = button(text, press), len(self.buttons)
        across = 1 if self._is_long else 2
        self.buttons.append(made)
        self._answers.addWidget(made, place // across, place % across)

    def _swap(self, *, asked: bool) -> None:
        # Never both at once: the window would grow to hold them.
        for widget in (self,) if not asked else self._others:
            widget.hide()
        for widget in (self,) if asked else self._others:
            widget.show()

    def _answer(self, answer: str) -> None:
        then = self._then
        self.close_it()
        if then is not None:
            then(answer)


class _Line(QLineEdit):
    """A line whose Return goes no further: the key that ends a comment must not finish the specimen."""

    def __init__(self, enter: Callable[[], None]) -> None:
        super().__init__()
        self._enter = enter

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802  (Qt's name)
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()
            self._enter()
            return
        super().keyPressEvent(event)
