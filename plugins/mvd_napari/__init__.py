"""The observer's desk in napari. It converts and calls: what is measured, counted and stored is `mvd`'s.

pyramid   a slide as lazy levels of RGB
layers    vessels, fields and the involved area to what napari's layers hold, and back
reader    files that are dropped on napari
samples   a section to try it with

Nothing is imported here: `mvd review` and napari's own plugin menu load what they need.
"""

from pathlib import Path

__all__ = ["start"]


def start(study: Path, observer: str) -> None:
    """Open napari with the desk on a study, for an observer; returns when the window is closed.

    Raises
    ------
    MvdError
        The study or the observer's reviews cannot be used.
    """
    from mvd_napari.desk import start as start_desk  # noqa: PLC0415  (loads Qt)

    start_desk(study, observer)
