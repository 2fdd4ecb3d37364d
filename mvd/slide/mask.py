"""Mask images: any picture of which only zero or not matters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvd.errors import SlideError


def read_mask(path: Path) -> NDArray[Any]:
    """Pixels of a mask image, (rows, columns) or (rows, columns, channels), zero outside; PNG, TIFF or JPEG.

    A palette is read by its colours. Of a JPEG, and of what has a soft edge (many grey levels up to white), what is
    darker than half of white is zero: the rim of such a mask is half way.

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
            return _hard(np.asarray(tifffile.imread(path)), soft=False)
        with Image.open(path) as image:
            if image.mode not in ("P", "PA"):
                return _hard(np.asarray(image), soft=image.format == "JPEG")
            coloured = np.asarray(image.convert("RGBA"))
            if coloured[..., :3].any(axis=2).all():
                raise SlideError(
                    f"{path.name} has a palette without black, so that what is outside cannot be told; save the mask "
                    "in black and white"
                )
            return coloured
    except (UnidentifiedImageError, tifffile.TiffFileError, OSError, ValueError, SyntaxError) as error:
        raise SlideError(
            f"{path.name} cannot be read as a mask image; save the involved area as PNG, TIFF or GeoJSON"
        ) from error


def _hard(pixels: NDArray[Any], *, soft: bool) -> NDArray[Any]:
    """Zero where a soft mask is darker than half of white; others as they are."""
    if pixels.dtype != np.uint8:
        return pixels
    colour = pixels[..., :-1] if pixels.ndim == 3 and pixels.shape[2] in (2, 4) else pixels
    levels = np.unique(colour)
    if not soft and (len(levels) < _SOFT_LEVELS or levels[-1] < _WHITE):
        return pixels
    hard = pixels.copy()
    hard[..., : colour.shape[2] if colour.ndim == 3 else None][colour < _HALF] = 0
    return hard


_SOFT_LEVELS, _WHITE, _HALF = 16, 255, 128
"""A mask of fewer grey levels, or of none that is white, holds numbers of objects and not shades."""
