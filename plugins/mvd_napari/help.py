"""The table of keys in a window of its own."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QTextBrowser, QVBoxLayout, QWidget


def show_table(markdown: str, parent: QWidget) -> QDialog:
    """Show it beside the section, which can be worked on meanwhile."""
    dialog = QDialog(parent)
    dialog.setObjectName("keys")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, True)
    dialog.setWindowTitle("Keys")
    dialog.setStyleSheet(
        "QDialog, QTextBrowser { background: #ffffff; color: #20282b; border: none; font-size: 15px; }"
    )
    text = QTextBrowser()
    text.setMarkdown(markdown)
    column = QVBoxLayout(dialog)
    column.addWidget(text)
    dialog.resize(760, 820)
    dialog.show()
    return dialog
