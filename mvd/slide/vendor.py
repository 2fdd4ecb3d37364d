"""What OpenSlide opens: NDPI, MIRAX, Leica SCN, Philips, Ventana, DICOM and other vendors' formats."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import openslide

from mvd.errors import SlideError
from mvd.geometry import Pixels
from mvd.slide.calibration import from_openslide
from mvd.slide.colour import to_rgb8
from mvd.slide.model import Box, Facts, Level, pyramid

FORMAT_NAMES = {
    "aperio": "Aperio SVS",
    "dicom": "DICOM",
    "hamamatsu": "Hamamatsu",
    "leica": "Leica SCN",
    "mirax": "MIRAX",
    "philips": "Philips TIFF",
    "sakura": "Sakura",
    "trestle": "Trestle",
    "ventana": "Ventana BIF",
    "zeiss": "Zeiss CZI",
}

BLOCK_PX = 512
"""Side of the fixed blocks in which a level is read where OpenSlide would interpolate between pixels."""


def vendor_of(path: Path) -> str | None:
    """OpenSlide's name for the kind of file; None when it does not know it."""
    return openslide.OpenSlide.detect_format(str(path))


class OpenSlideSource:
    """A slide behind OpenSlide, which is itself safe to read from several threads."""

    def __init__(self, path: Path, vendor: str) -> None:
        self._path = path
        self._vendor = vendor
        try:
            self._slide = openslide.OpenSlide(str(path))
        except openslide.OpenSlideError as problem:
            raise SlideError(
                f"{path.name} cannot be opened as {_format_name(path, vendor)} ({_reason(problem, path)}); "
                "check that the file and those beside it are complete"
            ) from problem
        self._scanned = _scanned(self._slide.properties, self._slide.dimensions)
        self._downsamples = self._slide.level_downsamples
        self.facts = self._facts()

    def _facts(self) -> Facts:
        properties = self._slide.properties
        tile = (
            properties.get("openslide.level[0].tile-width"),
            properties.get("openslide.level[0].tile-height"),
        )
        return Facts(
            format=_format_name(self._path, self._vendor),
            levels=self._levels(),
            pixel_size=from_openslide(
                properties.get(openslide.PROPERTY_NAME_MPP_X), properties.get(openslide.PROPERTY_NAME_MPP_Y)
            ),
            bits=8,
            channels=3,
            storage=f"tiles {tile[0]} × {tile[1]}" if all(tile) else "tiles",
            corner_px=(self._scanned.x0, self._scanned.y0),
        )

    def _levels(self) -> tuple[Level, ...]:
        """The scanned part alone, as QuPath shows it: its corner is (0, 0)."""
        box, sizes = self._scanned, self._slide.level_dimensions
        if (box.x0, box.y0, box.x1, box.y1) == (0, 0, *sizes[0]):
            return pyramid(sizes)
        width, height = box.x1 - box.x0, box.y1 - box.y0
        return tuple(
            Level(max(int(width / down), 1), max(int(height / down), 1), down, down) for down in self._downsamples
        )

    def read_level(self, index: int, box: Box) -> Pixels:
        """Pixels of the box, transparent ones white.

        OpenSlide takes the corner in whole level-0 pixels and interpolates where that falls between two pixels of the
        level; such levels are read in fixed blocks, so that a pixel does not depend on the box.
        """
        if self._downsamples[index].is_integer():
            return self._region(index, box)
        width, height = self.facts.levels[index].width, self.facts.levels[index].height
        pixels = np.empty((box.y1 - box.y0, box.x1 - box.x0, 3), np.uint8)
        for top in range(box.y0 // BLOCK_PX * BLOCK_PX, box.y1, BLOCK_PX):
            for left in range(box.x0 // BLOCK_PX * BLOCK_PX, box.x1, BLOCK_PX):
                block = Box(left, top, min(left + BLOCK_PX, width), min(top + BLOCK_PX, height))
                x0, x1 = max(left, box.x0), min(block.x1, box.x1)
                y0, y1 = max(top, box.y0), min(block.y1, box.y1)
                region = self._region(index, block)
                pixels[y0 - box.y0 : y1 - box.y0, x0 - box.x0 : x1 - box.x0] = region[
                    y0 - top : y1 - top, x0 - left : x1 - left
                ]
        return pixels

    def _region(self, index: int, box: Box) -> Pixels:
        downsample = self._downsamples[index]
        corner = (self._scanned.x0 + round(box.x0 * downsample), self._scanned.y0 + round(box.y0 * downsample))
        try:
            region = self._slide.read_region(corner, index, (box.x1 - box.x0, box.y1 - box.y0))
        except openslide.OpenSlideError as problem:
            raise SlideError(
                f"{self._path.name} is damaged at pixel {corner[0]}, {corner[1]} ({_reason(problem, self._path)}); "
                "copy it again"
            ) from problem
        return to_rgb8(np.asarray(region), "straight")

    def files(self) -> tuple[Path, ...]:
        """The named file; for MIRAX also those in the folder of the same name."""
        if self._vendor != "mirax":
            return (self._path,)
        return (self._path, *sorted(file for file in self._path.with_suffix("").iterdir() if file.is_file()))

    def close(self) -> None:
        self._slide.close()


def _scanned(properties: Mapping[str, str], size: tuple[int, int]) -> Box:
    """The part of the canvas that was scanned, where the file says so (MIRAX, SCN, BIF); else all of it."""
    names = (
        openslide.PROPERTY_NAME_BOUNDS_X,
        openslide.PROPERTY_NAME_BOUNDS_Y,
        openslide.PROPERTY_NAME_BOUNDS_WIDTH,
        openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
    )
    told = [properties.get(name, "") for name in names]
    if not all(one.isdecimal() for one in told):
        return Box(0, 0, *size)
    left, top, width, height = map(int, told)
    box = Box(left, top, min(left + width, size[0]), min(top + height, size[1]))
    return box if box.x1 > box.x0 and box.y1 > box.y0 else Box(0, 0, *size)


def _format_name(path: Path, vendor: str) -> str:
    if vendor == "hamamatsu" and path.suffix.lower() == ".ndpi":
        return "Hamamatsu NDPI"
    return FORMAT_NAMES.get(vendor, vendor)


def _reason(problem: Exception, path: Path) -> str:
    """The first line of OpenSlide's own words, folders left out."""
    return str(problem).partition("\n")[0].replace(str(path), path.name)[:120]
