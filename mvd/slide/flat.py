"""PNG and JPEG: one level, decoded whole on the first read."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import ImageOps
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from mvd.errors import SlideError
from mvd.geometry import Pixels
from mvd.slide.calibration import PixelSize, from_dpi
from mvd.slide.colour import range_of, to_rgb8
from mvd.slide.model import Box, Facts, pyramid

MAX_FLAT_PIXELS = 400_000_000
"""1.2 GB of RGB. A larger section must be tiled, or every read would need all of it in memory."""

DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, KeyError, RuntimeError)
"""What Pillow and imagecodecs raise on a damaged file (Pillow's SyntaxError means "not of this format")."""

EXIF_ORIENTATION = 0x0112
GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L")


class FlatImage:
    """A PNG or JPEG file.

    A JPEG's EXIF orientation is applied: the pixels are those that any picture viewer shows.
    """

    def __init__(self, path: Path, facts: Facts, decode: Callable[[], Pixels]) -> None:
        self.facts = facts
        self._path = path
        self._decode = decode
        self._lock = threading.Lock()
        self._pixels: Pixels | None = None

    def read_level(self, index: int, box: Box) -> Pixels:
        """Pixels of the box; `index` is always 0."""
        with self._lock:
            if self._pixels is None:
                try:
                    self._pixels = self._decode()
                except DAMAGE as problem:
                    raise SlideError(f"{self._path.name} is cut short or damaged; copy or export it again") from problem
            pixels = self._pixels
        return pixels[box.y0 : box.y1, box.x0 : box.x1].copy()

    def files(self) -> tuple[Path, ...]:
        return (self._path,)

    def close(self) -> None:
        with self._lock:
            self._pixels = None


def open_png(path: Path) -> FlatImage:
    """A PNG in RGB, RGBA or with a palette, 8 or 16 bits."""
    with path.open("rb") as stream:
        header = stream.read(26)
        stream.seek(0)
        try:
            with PngImageFile(stream) as image:
                mode, size, clear = image.mode, image.size, "transparency" in image.info
                dpi = image.info.get("dpi")
        except DAMAGE as problem:
            raise SlideError(f"{path.name} is not a complete PNG file; copy or export it again") from problem
    _refuse(path.name, mode, size)
    deep = header[24] == 16  # IHDR: bit depth
    facts = Facts(
        format="PNG",
        levels=pyramid([size]),
        pixel_size=_density(dpi, "PNG pHYs"),
        bits=16 if deep else 8,
        channels=4 if mode == "RGBA" or clear else 3,
        storage="one image",
    )
    return FlatImage(path, facts, lambda: _deep_png(path) if deep else _decoded(path, PngImageFile))


def open_jpeg(path: Path) -> FlatImage:
    """A colour JPEG."""
    with path.open("rb") as stream:
        try:
            with JpegImageFile(stream) as image:
                mode, size, dpi = image.mode, image.size, image.info.get("dpi")
                turned = image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
        except DAMAGE as problem:
            raise SlideError(f"{path.name} is not a complete JPEG file; copy or export it again") from problem
    _refuse(path.name, mode, size)
    if turned:
        size, dpi = size[::-1], dpi[::-1] if dpi else None
    facts = Facts(
        format="JPEG",
        levels=pyramid([size]),
        pixel_size=_density(dpi, "JPEG density"),
        bits=8,
        channels=3,
        storage="one image",
    )
    return FlatImage(path, facts, lambda: _decoded(path, JpegImageFile))


def _density(dpi: tuple[float, float] | None, detail: str) -> PixelSize | None:
    return from_dpi(dpi, detail) if dpi else None


def _refuse(name: str, mode: str, size: tuple[int, int]) -> None:
    if mode in GREY_MODES:
        raise SlideError(f"{name} is greyscale; a CD34/haematoxylin section must be in colour")
    if mode not in ("RGB", "RGBA", "P"):
        raise SlideError(f"{name} is a {mode} image; save it as RGB")
    if size[0] * size[1] > MAX_FLAT_PIXELS:
        raise SlideError(
            f"{name} is {size[0]} × {size[1]} pixels, too large for a file without tiles; "
            "save it as a tiled TIFF or OME-TIFF"
        )


def _decoded(path: Path, kind: type[ImageFile]) -> Pixels:
    with path.open("rb") as stream, kind(stream) as image:
        upright = ImageOps.exif_transpose(image) if kind is JpegImageFile else image
        if upright.mode == "RGB" and "transparency" not in upright.info:
            return np.asarray(upright, np.uint8)
        return to_rgb8(np.asarray(upright.convert("RGBA"), np.uint8), "straight")


def _deep_png(path: Path) -> Pixels:
    import imagecodecs  # noqa: PLC0415  (Pillow keeps only the high byte of 16 bits)

    samples = imagecodecs.png_decode(path.read_bytes())
    return to_rgb8(samples, "straight", full=range_of(int(samples[..., :3].max(initial=0))))
