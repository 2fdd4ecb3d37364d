"""A slide as lazy levels of RGB for napari: square pixels in µm, read chunk by chunk, never whole.

Each level has half the pixels of the one before along both sides, whatever levels the file holds: `Slide.read` makes
them, from the nearest level that is fine enough. napari takes the ratio of the levels' shapes for their factor; shapes
are therefore filled up with white, at the right and the bottom, until every ratio is a whole number. A pixel of any
level then lies where it lies on the slide.
"""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mvd.errors import SlideError
from mvd.geometry import Pixels, Rect
from mvd.slide import Slide, open_slide

CHUNK_PX = 256
"""Side of what is read and kept at once; the tiles of most scanners are as large."""

COARSEST_PX = 1024
"""The coarsest level is at most this wide and tall: napari holds it whole, for the overview and the thumbnail."""

KEPT_BYTES = 2**28
"""Chunks kept, newest first: about eight screens of 2560 × 1440 pixels at up to twice their resolution."""

WHOLE_BYTES = 2**28
"""A read beyond this is a slip of the caller's (a level taken whole), and would end in a MemoryError."""

AFFORDABLE_PX = 2**26
"""The file's own pixels that may be read for one screen: half a second's work. Where the file has no smaller copy of
itself than this, what is seen from afar is put together of samples."""

AFFORDABLE_STEP = 4
"""Up to this many of the file's pixels along one side of a level's pixel, all of them are read."""

SAMPLE_PX, COARSE_SAMPLE_PX = 64, 32
"""Side of the square that one sample stands for; smaller at the coarsest level, which is seen first and is small."""

READERS = 4
"""Threads that decode chunks. They gain 1.7 times with two cores; more than four wait for the disk."""

ImageLayer = tuple[list["LazyLevel"], dict[str, Any], Literal["image"]]


class LazyLevel:
    """One level as napari wants an array: (rows, columns, 3) uint8, read when it is sliced; safe in any thread.

    Attributes
    ----------
    um_per_px : float
        Of this level. The outer corner of pixel [0, 0] is the slide's corner.
    """

    dtype: np.dtype[np.uint8] = np.dtype(np.uint8)
    ndim = 3
    chunks = (CHUNK_PX, CHUNK_PX, 3)
    """napari then asks for whole chunks, and not again for every pixel of a pan."""

    def __init__(self, reader: SlideReader, factor: int, shape: tuple[int, int]) -> None:
        self.shape = (*shape, 3)
        self.um_per_px = factor * reader.um_per_px
        self.reader = reader
        self._factor = factor

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def sampled(self) -> bool:
        """Whether it is put together of samples, for the file holds no smaller copy of itself."""
        return self.reader.source_um(self._factor) is not None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Pixels:
        """Pixels by slices or whole numbers, as of an array.

        Raises
        ------
        SlideError
            More is asked for than can be meant.
        """
        wanted = _three(key)
        rows, columns = (_span(one, size) for one, size in zip(wanted[:2], self.shape[:2], strict=True))
        if 3 * (rows[1] - rows[0]) * (columns[1] - columns[0]) > WHOLE_BYTES:
            raise SlideError(
                f"{self.shape[1]} × {self.shape[0]} pixels are too many for one read; take a part, or a coarser level"
            )
        pixels = self.reader.read(self._factor, rows, columns)
        part: Pixels = pixels[_within(wanted[0], rows), _within(wanted[1], columns), wanted[2]]
        return part

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:, :], dtype)

    def __repr__(self) -> str:
        return f"<LazyLevel {self.shape[1]} × {self.shape[0]}, {self.um_per_px:.4g} µm/px>"


class SlideReader:
    """A slide in chunks: the newest are kept, those that are missing are decoded side by side."""

    def __init__(self, slide: Slide, name: str | None = None) -> None:
        self._name = name
        self.um_per_px = min(slide.calibration.um_per_px_x, slide.calibration.um_per_px_y)
        self._slide = slide
        self._size = max(slide.bounds.width_um, slide.bounds.height_um) / self.um_per_px
        self._kept = _KeptChunks()
        self._threads = ThreadPoolExecutor(min(READERS, os.cpu_count() or 1), thread_name_prefix="slide")
        self._has_warned = False

    def read(self, factor: int, rows: tuple[int, int], columns: tuple[int, int]) -> Pixels:
        """Pixels of half-open spans of the level with `factor` × `factor` level-0 pixels in each of its own.

        What the file cannot give is striped grey, and one warning says so: a part of the tissue must not look empty.
        """
        places = list(_chunks_over(factor, rows, columns))
        if len(places) > 1:
            found = list(self._threads.map(self._chunk, places))
        else:
            found = [self._chunk(place) for place in places]
        pixels = np.empty((rows[1] - rows[0], columns[1] - columns[0], 3), np.uint8)
        for (_, row, column), (chunk, problem) in zip(places, found, strict=True):
            self._tell(problem)
            top, left = row * CHUNK_PX, column * CHUNK_PX
            y0, y1 = max(top, rows[0]), min(top + CHUNK_PX, rows[1])
            x0, x1 = max(left, columns[0]), min(left + CHUNK_PX, columns[1])
            pixels[y0 - rows[0] : y1 - rows[0], x0 - columns[0] : x1 - columns[0]] = chunk[
                y0 - top : y1 - top, x0 - left : x1 - left
            ]
        return pixels

    @property
    def kept_bytes(self) -> int:
        """What is held of the slide at this moment."""
        return self._kept.bytes

    def _chunk(self, place: tuple[int, int, int]) -> tuple[Pixels, str]:
        """One chunk, and a sentence where it could not be read."""
        kept = self._kept.get(place)
        if kept is not None:
            return kept, ""
        factor, row, column = place
        side_um = CHUNK_PX * factor * self.um_per_px
        where = Rect.square(column * side_um, row * side_um, side_um)
        finest = self.source_um(factor)
        try:
            if finest is None:
                pixels = self._slide.read(where, factor * self.um_per_px).pixels
            else:
                pixels = self._sampled(where, finest, coarsest=self._size / factor <= COARSEST_PX)
        except SlideError as error:
            return _striped(), str(error)
        self._kept.put(place, pixels)
        return pixels, ""

    def source_um(self, factor: int) -> float | None:
        """µm per pixel of the file's level that a level is made from, where that is too fine to be read for it."""
        if self._slide.format in ("PNG", "JPEG"):  # held whole by now
            return None
        fine = [level for level in self._slide.levels if max(level.downsample_x, level.downsample_y) <= factor * 1.02]
        source = fine[-1] if fine else self._slide.levels[0]
        step = factor / source.downsample_x
        affordable = step <= AFFORDABLE_STEP or source.width * source.height <= AFFORDABLE_PX
        return None if affordable else source.downsample_x * self.um_per_px

    def _sampled(self, where: Rect, um_per_px: float, *, coarsest: bool) -> Pixels:
        """A chunk in squares, each of the mean colour of a few pixels in its middle."""
        square_px = COARSE_SAMPLE_PX if coarsest else SAMPLE_PX
        number = CHUNK_PX // square_px
        step_um, half_um = where.width_um / number, 8 * um_per_px
        colours = np.empty((number, number, 3), np.uint8)
        for row, column in np.ndindex(number, number):
            x, y = where.x0_um + (column + 0.5) * step_um, where.y0_um + (row + 0.5) * step_um
            middle = self._slide.read(Rect(x - half_um, y - half_um, x + half_um, y + half_um), um_per_px)
            colours[row, column] = middle.pixels.mean(axis=(0, 1)).round()
        return colours.repeat(square_px, axis=0).repeat(square_px, axis=1)

    def _tell(self, problem: str) -> None:
        if problem and not self._has_warned:
            self._has_warned = True
            said = f"{self._name} cannot be read in places; they are striped grey" if self._name else problem
            warnings.warn(said, stacklevel=2)


class _KeptChunks:
    """The chunks read last, up to KEPT_BYTES."""

    def __init__(self) -> None:
        self._chunks: OrderedDict[tuple[int, int, int], Pixels] = OrderedDict()
        self.bytes = 0
        self._lock = threading.Lock()

    def get(self, place: tuple[int, int, int]) -> Pixels | None:
        with self._lock:
            if place in self._chunks:
                self._chunks.move_to_end(place)
            return self._chunks.get(place)

    def put(self, place: tuple[int, int, int], pixels: Pixels) -> None:
        with self._lock:
            if place not in self._chunks:
                self._chunks[place] = pixels
                self.bytes += pixels.nbytes
            while self.bytes > KEPT_BYTES:
                self.bytes -= self._chunks.popitem(last=False)[1].nbytes


def slide_levels(slide: Slide, name: str | None = None) -> list[LazyLevel]:
    """Levels of an open slide, the finest first; they hold the slide, and closing it is left to the caller.

    A warning about a part that cannot be read calls the slide by `name`, where there is one, and not by its file's.
    """
    reader = SlideReader(slide, name)
    bounds = slide.bounds
    wide, tall = (_pixels(length, reader.um_per_px) for length in (bounds.width_um, bounds.height_um))
    doublings = 0
    while -(-max(wide, tall) // 2**doublings) > COARSEST_PX:
        doublings += 1
    coarsest = (-(-tall // 2**doublings), -(-wide // 2**doublings))
    factors = [2**doubling for doubling in range(doublings + 1)]
    return [LazyLevel(reader, f, (coarsest[0] * factors[-1] // f, coarsest[1] * factors[-1] // f)) for f in factors]


def image_layer(
    path: str | Path, um_per_px: float | tuple[float, float] | None = None, *, name: str | None = None
) -> ImageLayer:
    """A slide as napari adds it: data, the layer's attributes, its kind. The world's unit is µm, in the slide's frame.

    The file is open as long as the levels are in use.

    Parameters
    ----------
    um_per_px
        As for `mvd.slide.open_slide`.
    name
        Of the layer; the file's by default.

    Raises
    ------
    SlideError
        The file is no image of a section, or (CalibrationError) gives no pixel size.
    """
    path = Path(path)
    slide = open_slide(path, um_per_px=um_per_px)
    levels = slide_levels(slide, name)
    # napari tells nobody that a layer was removed: the file goes with the last level.
    weakref.finalize(levels[0].reader, slide.close)
    um = levels[0].um_per_px
    attributes: dict[str, Any] = {
        "name": path.name if name is None else name,
        "rgb": True,
        "multiscale": True,
        "contrast_limits": [0, 255],
        "interpolation2d": "linear",
        "axis_labels": ("y", "x"),
        "units": ("µm", "µm"),
        "scale": (um, um),
        "translate": (um / 2, um / 2),  # napari's places are the middles of pixels
    }
    return levels, attributes, "image"


def _pixels(length_um: float, um_per_px: float) -> int:
    return int(np.ceil(length_um / um_per_px - 1e-6))


def _chunks_over(factor: int, rows: tuple[int, int], columns: tuple[int, int]) -> Iterator[tuple[int, int, int]]:
    for row in range(rows[0] // CHUNK_PX, -(-rows[1] // CHUNK_PX)):
        for column in range(columns[0] // CHUNK_PX, -(-columns[1] // CHUNK_PX)):
            yield factor, row, column


def _striped() -> Pixels:
    """What stands where a file is damaged."""
    rows, columns = np.indices((CHUNK_PX, CHUNK_PX))
    grey = np.where((rows + columns) // 16 % 2, 150, 110).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _three(key: Any) -> tuple[Any, Any, Any]:
    """An index as one for each axis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts[at : at + 1] = [slice(None)] * (4 - len(parts))
    parts += [slice(None)] * (3 - len(parts))
    rows, columns, channels = parts
    return rows, columns, channels


def _span(one: Any, size: int) -> tuple[int, int]:
    """What must be read along an axis for an index, half-open and not empty."""
    if isinstance(one, slice):
        start, stop, _ = one.indices(size) if (one.step or 1) > 0 else (0, size, 1)
        return start, max(stop, start)
    index = range(size)[one]
    return index, index + 1


def _within(one: Any, span: tuple[int, int]) -> Any:
    """The same index, in what was read."""
    if not isinstance(one, slice):
        return 0
    return slice(None, None, one.step) if (one.step or 1) > 0 else one
