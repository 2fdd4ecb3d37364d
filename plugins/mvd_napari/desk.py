"""The desk in a napari window: how it is opened, from the command line and from napari's own menu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QStackedWidget, QWidget

from mvd_napari.opening import Opening
from mvd_napari.session import Session
from mvd_napari.working import Desk

LIGHT = "light"
"""napari's theme: round a bright-field section, a dark window makes the eye work."""


def start(study: Path, observer: str) -> None:
    """Open napari with the desk on a study; returns when the window is closed.

    Raises
    ------
    MvdError
        The study or the observer's reviews cannot be used.
    """
    session = Session(Path(study), observer)  # what is wrong with it is said before a window opens
    viewer = napari.Viewer(title="mvd", show=False)
    put_into(viewer, session)
    viewer.window._qt_window.showMaximized()
    napari.run()


def put_into(viewer: napari.Viewer, session: Session) -> Desk:
    """A desk in the dock of a viewer; it goes to the first open specimen as soon as the window has its size."""
    desk = _desk(viewer, session)
    dock = viewer.window.add_dock_widget(desk.panel, name="Desk", area="right", add_vertical_stretch=False)
    dock.setTitleBarWidget(QWidget())  # it says nothing, and a stray click on it would close the desk
    return desk


class Pages(QStackedWidget):
    """What napari's menu opens: a page that asks, then the desk."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.desk: Desk | None = None
        self._viewer = viewer
        self.addWidget(Opening(self._begin))

    def _begin(self, study: Path, observer: str) -> None:
        self.desk = _desk(self._viewer, Session(study, observer))
        self.addWidget(self.desk.panel)
        self.setCurrentWidget(self.desk.panel)


def open_desk(napari_viewer: napari.Viewer) -> QWidget:
    """Ask for study and observer, and be the desk then."""
    return Pages(napari_viewer)


def _desk(viewer: Any, session: Session) -> Desk:
    viewer.theme = LIGHT
    for layer in viewer.layers:  # another slide, or an earlier desk's marks, would lie over the section
        layer.visible = False
    desk = Desk(viewer, session)
    desk.panel.destroyed.connect(desk.close)
    clear_away(viewer)
    viewer.canvas.overlays.scale_bar.visible = True
    QTimer.singleShot(0, desk.specimens.begin)
    return desk


def clear_away(viewer: Any) -> None:
    """Hide what the desk does not need; napari's View and Window menus bring it back."""
    window = viewer.window._qt_viewer
    for dock in (window.dockLayerControls, window.dockLayerList):
        dock.setVisible(False)
    viewer.window._qt_window.statusBar().hide()
