"""What is on the screen: pictures of the canvas, and where a place of the slide lies in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import napari

OnScreen = Callable[[float, float], tuple[int, int]]


def settle(rounds: int = 6) -> None:
    """Let Qt draw what is waiting."""
    from qtpy.QtWidgets import QApplication  # noqa: PLC0415

    for _ in range(rounds):
        QApplication.processEvents()
        time.sleep(0.01)


def picture(viewer: napari.Viewer, folder: Path, name: str = "canvas") -> Any:
    """The canvas as it is on the screen, (rows, columns, 3); kept in the test's folder, to be looked at."""
    settle()
    return viewer.screenshot(str(folder / f"{name}.png"), canvas_only=True, flash=False)[:, :, :3]


def look_at(viewer: napari.Viewer, x_um: float, y_um: float, px_per_um: float) -> None:
    viewer.scene.camera.center = (y_um, x_um)
    viewer.scene.camera.zoom = px_per_um
    settle()


def on_screen(viewer: napari.Viewer, shown: np.ndarray) -> OnScreen:
    """From x, y in µm to row, column of a picture of the canvas."""
    centre, zoom = viewer.scene.camera.center[-2:], viewer.scene.camera.zoom
    ratio = shown.shape[1] / viewer.window._qt_viewer.canvas.native.width()

    def place(x_um: float, y_um: float) -> tuple[int, int]:
        row = shown.shape[0] / 2 + (y_um - centre[0]) * zoom * ratio
        column = shown.shape[1] / 2 + (x_um - centre[1]) * zoom * ratio
        return int(row), int(column)

    return place


def near(shown: np.ndarray, at: tuple[int, int], colour: str, *, reach: int = 3) -> float:
    """How far the most alike of the pixels round a place is from a colour, per channel at most."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    row, column = at
    patch = shown[row - reach : row + reach + 1, column - reach : column + reach + 1].astype(int)
    return float(np.abs(patch - wanted).max(axis=2).min())
