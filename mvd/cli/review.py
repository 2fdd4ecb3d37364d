"""mvd review: the observer's desk, which is a napari plugin and may not be installed."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
"""Any of them will do; napari takes the first that it finds."""


def review(
    study: Annotated[
        Path,
        typer.Argument(
            help="Folder of a study; what was not measured is measured from the desk, after asking.", show_default=False
        ),
    ],
    observer: Annotated[
        str, typer.Option("--observer", metavar="NAME", help="Who reviews; corrections are kept under this name.")
    ],
) -> None:
    """Review a study in napari: look at each field, correct the counts.

    Every decision is kept at once; close the window at any time and go on later.
    """
    from mvd.errors import MvdError  # noqa: PLC0415
    from mvd.review import observer_name  # noqa: PLC0415
    from mvd.store.log import REVIEWS_FOLDER  # noqa: PLC0415
    from mvd.study import read_study  # noqa: PLC0415

    read_study(study)
    name = observer_name(study / REVIEWS_FOLDER, observer)
    hindrance = why_no_desk()
    if hindrance:
        raise MvdError(hindrance)
    from mvd_napari import start  # noqa: PLC0415

    start(study, name)


def why_no_desk() -> str | None:
    """The sentence that says why the desk cannot be opened here; None where it can."""
    wanting = [name for name in ("mvd_napari", "napari") if find_spec(name) is None]
    if wanting or not any(find_spec(binding) for binding in QT_BINDINGS):
        return 'reviewing needs napari and Qt, which are not installed; install them with: pip install "mvd[napari]"'
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(os.environ.get(screen) for screen in screens):
        return "reviewing needs a screen, and there is none here; start it on the computer that you sit at"
    return None
