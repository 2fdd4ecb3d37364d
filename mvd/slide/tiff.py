"""TIFF, OME-TIFF and SVS, tile by tile: bytes with pread on a file of our own, decoded by tifffile's codecs."""

from __future__ import annotations

import itertools
import logging
import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from mvd.errors import SlideError
from mvd.geometry import Pixels
from mvd.slide.calibration import PixelSize, first_believable, from_aperio, from_imagej, from_ome, from_tiff_tags
from mvd.slide.colour import FULL, range_of, to_rgb8
from mvd.slide.model import Box, Facts, pyramid
from mvd.slide.tiff_layout import TiffLevel, image_of, level_pages, main_series, refuse_unless_colour, tiff_level

DAMAGE = (
    ValueError,  # includes TiffFileError
    RuntimeError,  # codecs' errors, RecursionError and NotImplementedError
    LookupError,
    ArithmeticError,
    AttributeError,
    TypeError,
    AssertionError,
    ImportError,  # a codec that imagecodecs was built without
    MemoryError,  # sizes read from a damaged header
    OSError,
    struct.error,
)
"""What tifffile and imagecodecs raise on damaged files; found by cutting and altering files."""

KEPT_BYTES = 2**27
"""Decoded tiles and strips kept, those used last."""

RIM_TILES = 2
"""Blocks that lie side by side reach a tile into one another, so that the two outermost tiles of a read are read again
by its neighbours; what lies deeper inside is not, and is not kept."""

RANGE_TILES = 64
"""Of a picture of 16 bits that are looked at for its brightest sample: glass and fat are everywhere."""

APERIO_JPEG2000_YCBCR = "APERIO_JP2000_YCBC"


class TiffSource:
    """The pyramid of one TIFF file."""

    def __init__(self, path: Path, facts: Facts, levels: tuple[TiffLevel, ...]) -> None:
        self.facts = facts
        self._path = path
        self._levels = levels
        self._file = path.open("rb", buffering=0)
        self._lock, self._range_lock = threading.Lock(), threading.Lock()
        self._ended: dict[TiffLevel, bool] = {}
        self._kept = _KeptTiles()
        self._full: int | None = None if facts.bits > 8 else FULL
        size = os.fstat(self._file.fileno()).st_size
        needed = max(int((level.offsets + level.counts)[level.counts > 0].max(initial=0)) for level in levels)
        if needed > size:
            self._file.close()
            raise SlideError(
                f"{path.name} is cut short: it has {size} bytes and its pixels reach to {needed}; copy it again"
            )

    def read_level(self, index: int, box: Box) -> Pixels:
        """Pixels of the box; tiles that the file leaves out are white."""
        level = self._levels[index]
        pixels = np.empty((box.y1 - box.y0, box.x1 - box.x0, 3), np.uint8)
        wide, tall = level.tile_width, level.tile_height
        rows, columns = range(box.y0 // tall, -(-box.y1 // tall)), range(box.x0 // wide, -(-box.x1 // wide))
        for row, column in itertools.product(rows, columns):
            depth = min(row - rows[0], rows[-1] - row, column - columns[0], columns[-1] - column)
            tile = self._tile(index, row, column, keep=level.keep or depth < RIM_TILES)
            left, top = column * wide, row * tall
            x0, x1 = max(left, box.x0), min(left + wide, box.x1)
            y0, y1 = max(top, box.y0), min(top + tall, box.y1)
            target = pixels[y0 - box.y0 : y1 - box.y0, x0 - box.x0 : x1 - box.x0]
            target[:] = 255 if tile is None else tile[y0 - top : y1 - top, x0 - left : x1 - left]
        return pixels

    def _tile(self, index: int, row: int, column: int, *, keep: bool) -> Pixels | None:
        """RGB of one tile, at least the part inside the level; None where the file has none."""
        level = self._levels[index]
        number = row * level.across + column
        if kept := self._kept.get((index, number)):
            return kept[0]
        try:
            planes = [self._decoded(level, number + plane * level.across * level.down) for plane in range(level.planes)]
            present = [plane for plane in planes if plane is not None]
            if len(present) < len(planes):
                return None
            samples = np.concatenate(present, axis=2) if len(present) > 1 else present[0]
            pixels = to_rgb8(samples, level.opacity, full=self._range())
            inside = (
                min(level.tile_height, level.height - row * level.tile_height),
                min(level.tile_width, level.width - column * level.tile_width),
            )
            if pixels.shape[0] < inside[0] or pixels.shape[1] < inside[1] or pixels.shape[2] != 3:
                raise ValueError(f"tile of {pixels.shape}, expected {inside}")
        except DAMAGE as problem:
            raise SlideError(
                f"{self._path.name} is damaged at pixel {column * level.tile_width}, {row * level.tile_height} "
                f"of level {index}; copy or export it again"
            ) from problem
        if keep:
            self._kept.put((index, number), pixels)
        return pixels

    def _range(self) -> int:
        """The most that the camera gives, by the brightest of some tiles spread over the coarsest level."""
        with self._range_lock:
            if self._full is None:
                level = self._levels[-1]
                there = np.flatnonzero(level.counts)
                some = (
                    there[np.unique(np.linspace(0, len(there) - 1, RANGE_TILES).astype(np.int64))] if len(there) else ()
                )
                tiles = (self._decoded(level, int(number)) for number in some)
                most = max((int(tile[..., :3].max(initial=0)) for tile in tiles if tile is not None), default=FULL)
                self._full = range_of(most)
            return self._full

    def _decoded(self, level: TiffLevel, number: int) -> NDArray[Any] | None:
        count = int(level.counts[number])
        if count == 0:
            return None
        data = self._bytes(int(level.offsets[number]), count)
        if len(data) != count:
            raise ValueError(f"{len(data)} bytes of {count}")
        if level.ends not in data and self._marks_ends(level):
            raise ValueError("cut short")  # the codec fills the rest with grey, and says nothing
        return level.decode(data, number)

    def _marks_ends(self, level: TiffLevel) -> bool:
        """Whether the tiles of a level are ended as they should be: not every writer does it."""
        if level not in self._ended:
            (there,) = level.counts.nonzero()
            some = {int(there[place]) for place in (0, len(there) // 2, len(there) - 1)}
            tiles = (self._bytes(int(level.offsets[number]), int(level.counts[number])) for number in some)
            self._ended[level] = any(level.ends in data for data in tiles)
        return self._ended[level]

    def _bytes(self, offset: int, count: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), count, offset)
        with self._lock:  # Windows has no pread
            self._file.seek(offset)
            return self._file.read(count)

    @property
    def needs_openslide(self) -> bool:
        """Whether tifffile's codecs would give false colours: JPEG 2000 that holds YCbCr without saying so."""
        return any(level.compression == APERIO_JPEG2000_YCBCR for level in self._levels)

    def files(self) -> tuple[Path, ...]:
        return (self._path,)

    def close(self) -> None:
        self._file.close()
        self._kept.clear()


class _KeptTiles:
    """The tiles used last, up to KEPT_BYTES but at least one."""

    def __init__(self) -> None:
        self._tiles: OrderedDict[tuple[int, int], Pixels] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int]) -> tuple[Pixels] | None:
        with self._lock:
            if key not in self._tiles:
                return None
            self._tiles.move_to_end(key)
            return (self._tiles[key],)

    def put(self, key: tuple[int, int], pixels: Pixels) -> None:
        with self._lock:
            if key in self._tiles:  # another thread decoded it, too
                return
            self._tiles[key] = pixels
            self._bytes += pixels.nbytes
            while len(self._tiles) > 1 and self._bytes > KEPT_BYTES:
                self._bytes -= self._tiles.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        with self._lock:
            self._tiles.clear()
            self._bytes = 0


def open_tiff(path: Path) -> TiffSource:
    """Open a TIFF, BigTIFF, OME-TIFF or SVS.

    The TIFF Orientation tag is not applied; no program that reads slides does.
    """
    with _without_tifffile_log():
        try:
            with tifffile.TiffFile(path) as tif:
                facts, levels = _gathered(tif, path.name)
        except SlideError:
            raise
        except DAMAGE as problem:
            raise SlideError(
                f"{path.name} is a damaged TIFF or one of an unknown kind; copy or export it again"
            ) from problem
    return TiffSource(path, facts, levels)


def _gathered(tif: tifffile.TiffFile, name: str) -> tuple[Facts, tuple[TiffLevel, ...]]:
    series, others = main_series(tif, name)
    if any(page is None or page.parent is not tif for level in series.levels for page in level.pages):
        raise SlideError(f"{name} is one file of an OME-TIFF in several files; save it as a single file")
    refuse_unless_colour(series, name)
    levels = tuple(tiff_level(page) for page in level_pages(series))
    key, first = series.keyframe, levels[0]
    laid = f"tiles {first.tile_width} × {first.tile_height}" if key.is_tiled else "strips"
    facts = Facts(
        format=_format_name(tif),
        levels=pyramid([(level.width, level.height) for level in levels]),
        pixel_size=_pixel_size(tif, key),
        bits=int(key.bitspersample),
        channels=int(key.samplesperpixel),
        storage=f"{laid}, {first.compression}",
        images=tuple(image_of(tif, one) for one in (series, *others)),
    )
    return facts, levels


def _format_name(tif: tifffile.TiffFile) -> str:
    if tif.is_svs:
        return "Aperio SVS"
    if tif.is_ome:
        return "OME-TIFF"
    return "BigTIFF" if tif.is_bigtiff else "TIFF"


def _pixel_size(tif: tifffile.TiffFile, key: Any) -> PixelSize | None:
    """Of OME, Aperio, ImageJ and the resolution tags."""
    description = tif.pages.first.description
    size_px = (int(key.imagewidth), int(key.imagelength))
    resolution = [_ratio(key.tags.valueof(tag)) for tag in ("XResolution", "YResolution")]
    unit = int(key.tags.valueof("ResolutionUnit", 2))
    imagej = from_imagej(description, resolution)
    sources = (
        from_ome(tif.ome_metadata or "", size_px),
        from_aperio(description) if tif.is_svs else None,
        imagej,
        None if imagej else from_tiff_tags(resolution, unit),  # the same tags: ImageJ says what their unit is
    )
    return first_believable(sources)


def _ratio(value: Any) -> float | None:
    match value:
        case (numerator, denominator) if denominator:
            return float(numerator) / float(denominator)
        case int() | float():
            return float(value)
        case _:
            return None


@contextmanager
def _without_tifffile_log() -> Iterator[None]:
    """Drop what tifffile logs in this thread: its remarks on odd tags are noise, its errors are raised."""
    thread = threading.get_ident()
    logger = logging.getLogger("tifffile")

    def from_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(from_elsewhere)
    try:
        yield
    finally:
        logger.removeFilter(from_elsewhere)
