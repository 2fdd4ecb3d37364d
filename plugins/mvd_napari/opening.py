"""Which study, and who: asked where the desk is opened from napari's own menu."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from mvd.errors import MvdError
from mvd_napari.style import SHEET, WIDTH_PX


class Opening(QWidget):
    """The first page of the desk."""

    def __init__(self, open_it: Callable[[Path, str], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("desk")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setStyleSheet(SHEET)
        self.setMinimumWidth(WIDTH_PX)
        self._open_it = open_it
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 14)
        column.setSpacing(10)
        self.folder, self.observer = QLineEdit(), QLineEdit()
        self.folder.setPlaceholderText("folder with study.toml and specimens.csv")
        self.observer.setPlaceholderText("your name or initials")
        choose, go = QPushButton("Choose a folder …"), QPushButton("Begin")
        go.setObjectName("finish")
        choose.clicked.connect(self._choose)
        go.clicked.connect(self._go)
        self.observer.returnPressed.connect(self._go)
        self.note = QLabel()
        self.note.setObjectName("note")
        self.note.setProperty("wrong", True)
        self.note.setWordWrap(True)
        self.note.hide()
        title = QLabel("Review a study")
        title.setObjectName("title")
        for widget in (title, QLabel("Study"), self.folder, choose, QLabel("Observer"), self.observer, go, self.note):
            column.addWidget(widget)
        column.addStretch(1)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the study", self.folder.text())
        if folder:
            self.folder.setText(folder)

    def _go(self) -> None:
        try:
            self._open_it(Path(self.folder.text().strip()), self.observer.text())
        except MvdError as error:
            self.note.setText(str(error))
            self.note.show()
