"""The dock widget as it looks: it shows what it is given and says what was pressed. It knows nothing of a review.

Nothing in it takes the keyboard but an open question: the keys stay with the section.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from mvd_napari.question import Question
from mvd_napari.style import SHEET, WIDTH_PX
from mvd_napari.widgets import NO_FOCUS, button, label

FIELDS_IN_A_ROW = 5

DOUBTFUL_SIGN = "?"

_FIELD_PX = 62
_BESIDE_TITLE_PX = 130
_OBJECT_PX = 92
_HELP_PX = 250
"""The same heights whatever is under the pointer, so that nothing jumps: both lines may wrap; keys and reasons fit."""


@dataclass(frozen=True, slots=True)
class FieldFace:
    """One field's button."""

    name: str
    count: str
    hint: str
    present: bool
    left_out: bool
    doubtful: bool


@dataclass(frozen=True, slots=True)
class Face:
    """Everything that the panel shows of a specimen."""

    title: str
    status: str
    mvd: str
    unit: str
    sure: str
    fields: tuple[FieldFace, ...]
    object_words: tuple[str, str]
    can_undo: bool
    can_redo: bool
    finish: str
    """What the big button does now; empty where there is nothing to finish."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """What is called when something is pressed."""

    field: Callable[[str], None]
    specimen: Callable[[int], None]
    undo: Callable[[], None]
    redo: Callable[[], None]
    finish: Callable[[], None]
    cancel: Callable[[], None]


class Panel(QWidget):
    """The desk's dock."""

    def __init__(self, pressed: Pressed, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("desk")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setStyleSheet(SHEET)
        self.setMinimumWidth(WIDTH_PX)
        self.setMaximumWidth(round(WIDTH_PX * 1.4))
        self._pressed = pressed
        self.fields: dict[str, FieldButton] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.setSpacing(10)
        self._add_head(column)
        self._add_fields(column)
        self._add_object(column)
        self._add_buttons(column)
        self._add_list(column)
        self.question = Question(self, in_place_of=(self.list_title, self.specimens))
        column.addWidget(self.question)
        column.addStretch(0)
        self._add_foot(column)

    def _add_head(self, column: QVBoxLayout) -> None:
        row = QHBoxLayout()
        self.title, self.status = label("title"), label("status")
        row.addWidget(self.title, 1)
        row.addWidget(self.status, 0, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom)
        column.addLayout(row)
        row = QHBoxLayout()
        self.mvd, self.unit = label("mvd"), label("unit")
        row.addWidget(self.mvd)
        row.addWidget(self.unit, 1, Qt.AlignmentFlag.AlignBottom)
        column.addLayout(row)
        self.sure = label("sure", wraps=True)
        column.addWidget(self.sure)

    def _add_fields(self, column: QVBoxLayout) -> None:
        self._grid = QGridLayout()
        self._grid.setSpacing(6)
        column.addLayout(self._grid)

    def _add_object(self, column: QVBoxLayout) -> None:
        box = QFrame()
        box.setObjectName("object")
        inner = QVBoxLayout(box)
        inner.setContentsMargins(10, 8, 10, 8)
        inner.setSpacing(2)
        self.object_stands, self.object_measures = label("stands", wraps=True), label("measures", wraps=True)
        inner.addWidget(self.object_stands)
        inner.addWidget(self.object_measures)
        inner.addStretch(1)
        box.setFixedHeight(_OBJECT_PX)
        column.addWidget(box)

    def _add_buttons(self, column: QVBoxLayout) -> None:
        row = QHBoxLayout()
        self.undo, self.redo = button("Undo", self._pressed.undo), button("Redo", self._pressed.redo)
        row.addWidget(self.undo)
        row.addWidget(self.redo)
        column.addLayout(row)
        self.finish = button("Finish", self._pressed.finish, "finish")
        column.addWidget(self.finish)

    def _add_list(self, column: QVBoxLayout) -> None:
        self.list_title = label("listTitle")
        column.addWidget(self.list_title)
        self.specimens = QListWidget()
        self.specimens.setFocusPolicy(NO_FOCUS)
        self.specimens.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.specimens.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.specimens.itemClicked.connect(lambda item: self._pressed.specimen(self.specimens.row(item)))
        self.specimens.setMinimumHeight(110)
        column.addWidget(self.specimens, 1)

    def _add_foot(self, column: QVBoxLayout) -> None:
        row = QHBoxLayout()
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.cancel = button("Cancel", self._pressed.cancel)
        row.addWidget(self.progress, 1)
        row.addWidget(self.cancel)
        column.addLayout(row)
        self.note = label("note", wraps=True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.note)
        self.help = label("help", wraps=True)
        self.help.setTextFormat(Qt.TextFormat.RichText)
        self.help.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.help.setFixedHeight(_HELP_PX)
        column.addWidget(self.help)
        self.show_progress(None)

    # Showing

    def show_face(self, face: Face) -> None:
        room = self.width() - _BESIDE_TITLE_PX
        self.title.setText(self.title.fontMetrics().elidedText(face.title, Qt.TextElideMode.ElideMiddle, room))
        self.title.setToolTip(face.title)
        self.status.setText(face.status)
        self.mvd.setText(face.mvd)
        self.unit.setText(face.unit)
        self.sure.setText(face.sure)
        self._show_fields(face.fields)
        self.show_object(face.object_words)
        self.undo.setEnabled(face.can_undo)
        self.redo.setEnabled(face.can_redo)
        self.finish.setText(face.finish or "Finish")
        self.finish.setEnabled(bool(face.finish))

    def show_object(self, words: tuple[str, str]) -> None:
        self.object_stands.setText(words[0])
        self.object_stands.setVisible(bool(words[0]))
        self.object_measures.setText(words[1])

    def _show_fields(self, faces: Sequence[FieldFace]) -> None:
        if list(self.fields) != [face.name for face in faces]:
            for old in self.fields.values():
                self._grid.removeWidget(old)
                old.deleteLater()
            self.fields = {face.name: self._field_button(face.name, place) for place, face in enumerate(faces)}
        for face in faces:
            self.fields[face.name].show_face(face)

    def _field_button(self, name: str, place: int) -> FieldButton:
        made = FieldButton(name, lambda: self._pressed.field(name))
        self._grid.addWidget(made, place // FIELDS_IN_A_ROW, place % FIELDS_IN_A_ROW)
        return made

    def show_specimens(self, title: str, rows: Sequence[str], present: int | None) -> None:
        self.list_title.setText(title)
        while self.specimens.count() > len(rows):
            self.specimens.takeItem(self.specimens.count() - 1)
        for number, text in enumerate(rows):
            if number == self.specimens.count():
                self.specimens.addItem(QListWidgetItem())
            item = self.specimens.item(number)
            assert item is not None
            item.setText(text)
        if present is not None:
            self.specimens.setCurrentRow(present)

    def show_note(self, text: str, *, wrong: bool = False) -> None:
        self.note.setText(text)
        _styled(self.note, wrong=wrong)
        self.note.setVisible(bool(text))

    def show_help(self, keys: Sequence[tuple[str, str]], reasons: Sequence[tuple[str, str]] = ()) -> None:
        """Keys with what they do; below them the reasons, where one can be given."""
        rows = [_row([pair]) for pair in reasons[:1]] + _rows(reasons[1:])  # the first is too long for a column
        self.help.setText(
            f'<table cellspacing="0" cellpadding="1" width="100%">{"".join([*_rows(keys), *rows])}</table>'
        )

    def show_progress(self, part: tuple[int, int] | None) -> None:
        """How far something is; None where nothing is being waited for."""
        for widget in (self.progress, self.cancel):
            widget.setVisible(part is not None)
        if part is not None:
            self.progress.setRange(0, part[1])
            self.progress.setValue(part[0])


class FieldButton(QPushButton):
    """A field: its name small, its count large, a sign where something in it is doubtful."""

    def __init__(self, name: str, press: Callable[[], None]) -> None:
        super().__init__()
        self.setObjectName("field")
        self.setFocusPolicy(NO_FOCUS)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_FIELD_PX)
        self.clicked.connect(lambda _=False: press())
        self._name, self.count = label("fieldName"), label("fieldCount")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 0, 8)
        column.setSpacing(0)
        for line in (self._name, self.count):
            line.setAlignment(Qt.AlignmentFlag.AlignCenter)
            line.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents, True)
            column.addWidget(line)
        self._name.setText(name)

    def show_face(self, face: FieldFace) -> None:
        self._name.setText(f"{face.name} {DOUBTFUL_SIGN}" if face.doubtful else face.name)
        self.count.setText(face.count)
        self.setToolTip(face.hint)
        for widget in (self, self._name, self.count):
            _styled(widget, present=face.present, leftOut=face.left_out)


def _rows(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Two columns, read downwards."""
    half = (len(pairs) + 1) // 2
    return [_row(pair) for pair in zip_longest(pairs[:half], pairs[half:], fillvalue=("", ""))]


def _row(pairs: Sequence[tuple[str, str]]) -> str:
    span = f'colspan="{3 - len(pairs)}" width="{100 // len(pairs)}%"'
    cells = (f"<td {span}><b>{_escaped(key)}</b>&nbsp; {_escaped(says)}</td>" for key, says in pairs)
    return f"<tr>{''.join(cells)}</tr>"


def _styled(widget: QWidget, **properties: bool) -> None:
    """Give a widget properties that the style sheet looks at."""
    if all(widget.property(name) == value for name, value in properties.items()):
        return
    for name, value in properties.items():
        widget.setProperty(name, value)
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
