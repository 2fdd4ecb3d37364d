"""Mask images: any picture of which only zero or not matters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvd.errors import SlideError


def read_mask(path: Path) -> NDArray[Any]:
    """Pixels of a mask image, (rows, columns) or (rows, columns, channels), as stored; PNG or TIFF.

    Raises
    ------
    SlideError
        No such file, or not an image.
    """
    import tifffile  # noqa: PLC0415  (only masks need these here)
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415

    if not path.is_file():
        raise SlideError(f"{path.name}: no such file; put it there or empty the cell 'involved'")
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            return np.asarray(tifffile.imread(path))
        with Image.open(path) as image:
            return np.asarray(image)
    except (UnidentifiedImageError, tifffile.TiffFileError, OSError, ValueError, SyntaxError) as error:
        raise SlideError(
            f"{path.name} cannot be read as a mask image; save the involved area as PNG, TIFF or GeoJSON"
        ) from error
