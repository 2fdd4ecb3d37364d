"""A section to try napari with."""

from __future__ import annotations

from pathlib import Path

from mvd.errors import SlideError
from mvd_napari.layers import LayerTuple
from mvd_napari.pyramid import image_layer
from mvd_napari.reader import show_scale_bar

SAMPLE_FOLDER = Path(__file__).resolve().parents[2] / "sample_images"
"""Beside plugins/ in the repository. An installed wheel leaves these 11 MB out."""
SAMPLE_IMAGE = "p01_pre.ome.tif"


def sample_section() -> list[LayerTuple]:
    """A simulated CD34 section of the sample study.

    Raises
    ------
    SlideError
        The program was installed without the sample study.
    """
    path = SAMPLE_FOLDER / SAMPLE_IMAGE
    if not path.is_file():
        raise SlideError(
            "The sample section is not part of an installed mvd; it lies in the folder sample_images of the project's "
            "repository. Make sections of your own with: mvd phantom NEW_FOLDER"
        )
    levels, attributes, kind = image_layer(path)
    show_scale_bar()
    return [(levels, attributes, kind)]
