"""The open slide, its pyramid, and what a file reader must offer to be one."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from mvd.errors import SlideError
from mvd.geometry import Calibration, Pixels, Raster, Rect
from mvd.slide.calibration import PixelSize


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the pyramid; a pixel of it spans downsample_x × downsample_y level-0 pixels."""

    width: int
    height: int
    downsample_x: float
    downsample_y: float


@dataclass(frozen=True, slots=True)
class Image:
    """One of the images that a file holds; not its name, which can be the patient's."""

    number: int
    """In the order of the file, from 1."""
    size_px: tuple[int, int]
    is_apart: bool
    """Whether its name says that it is a label, a macro image or an overview."""


@dataclass(frozen=True, slots=True)
class SlideInfo:
    """What an image file holds, read without any pixel.

    Never carries free text from the file: descriptions and labels can name the patient.
    """

    path: Path
    format: str
    """"Aperio SVS", "OME-TIFF", "PNG", …"""
    size_px: tuple[int, int]
    """Width and height of level 0."""
    levels: tuple[Level, ...]
    calibration: Calibration | None
    calibration_problem: str | None
    """A sentence, when `calibration` is None."""
    images: tuple[Image, ...]
    """Of a file that can hold several: the one that is read, then the others."""
    bits: int
    """Per channel, as stored; `Slide.read` gives 8."""
    channels: int
    """3 (RGB) or 4 (RGB and opacity), as stored; `Slide.read` gives 3."""
    storage: str
    """How the pixels lie in the file: "tiles 240 × 240, JPEG"."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a source knows about its file once open."""

    format: str
    levels: tuple[Level, ...]
    pixel_size: PixelSize | None
    bits: int
    channels: int
    storage: str
    images: tuple[Image, ...] = ()
    """Of a file that can hold several: the one that is read, then the others. None are named where it cannot."""
    corner_px: tuple[int, int] = (0, 0)
    """x, y of the scanned part on a canvas that is larger than what was scanned; (0, 0) of level 0 lies there."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of one level's pixels, half-open."""

    x0: int
    y0: int
    x1: int
    y1: int


class PixelSource(Protocol):
    """One kind of file; safe to read from several threads at once."""

    @property
    def facts(self) -> Facts: ...

    def read_level(self, index: int, box: Box) -> Pixels:
        """(rows, columns, 3) uint8 of a box that lies wholly inside the level; SlideError if it cannot be read."""
        ...

    def files(self) -> Sequence[Path]:
        """Every file the pixels come from, the named one first."""
        ...

    def close(self) -> None: ...


def pyramid(sizes: Sequence[tuple[int, int]]) -> tuple[Level, ...]:
    """Levels of these (width, height), level 0 first.

    Writers halve and drop or keep the odd last column, so 4443 -> 2221 is a factor of 2 and not 2.0005. Where one whole
    number explains both axes it is taken; otherwise the ratio of the sizes, each axis its own.
    """
    full_width, full_height = sizes[0]
    return tuple(
        Level(width, height, *_downsample((full_width, full_height), (width, height))) for width, height in sizes
    )


def _downsample(full: tuple[int, int], reduced: tuple[int, int]) -> tuple[float, float]:
    factor = max(1, round(full[0] / reduced[0]))
    if all(size in (whole // factor, -(-whole // factor)) for whole, size in zip(full, reduced, strict=True)):
        return float(factor), float(factor)
    return full[0] / reduced[0], full[1] / reduced[1]


class Slide:
    """An open image with a pixel size. Close it, or use it as a context manager; reads are thread-safe.

    Attributes
    ----------
    path : Path
    calibration : Calibration
        µm per level-0 pixel, and where that came from.
    """

    def __init__(self, path: Path, source: PixelSource, calibration: Calibration) -> None:
        self.path = path
        self.calibration = calibration
        self._source = source
        self._open = True

    @property
    def format(self) -> str:
        """ "Aperio SVS", "OME-TIFF", "PNG", …"""
        return self._source.facts.format

    @property
    def levels(self) -> tuple[Level, ...]:
        """The pyramid, finest first."""
        return self._source.facts.levels

    @property
    def images(self) -> tuple[Image, ...]:
        """Of a file that can hold several: the one that is read, then the others."""
        return self._source.facts.images

    @property
    def corner_px(self) -> tuple[int, int]:
        """Where (0, 0) lies on the scanner's canvas, which can be larger than what was scanned."""
        return self._source.facts.corner_px

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of level 0."""
        return self.levels[0].width, self.levels[0].height

    @property
    def bounds(self) -> Rect:
        """The whole slide in µm; its corner is (0, 0)."""
        width, height = self.size_px
        return Rect(0.0, 0.0, width * self.calibration.um_per_px_x, height * self.calibration.um_per_px_y)

    def read(self, rect: Rect, um_per_px: float) -> Raster:
        """The pixels of `rect` on a square grid that starts at its x0, y0.

        Shrinking averages over the area of each output pixel, enlarging interpolates linearly; both start from the
        nearest pyramid level that is at least as fine as asked (2 % coarser is accepted).

        Parameters
        ----------
        rect : Rect
            µm; may reach beyond the slide, where the answer is white.
        um_per_px : float
            Pixel size of the answer.

        Returns
        -------
        Raster
            uint8 RGB, (rows, columns, 3) with rows = round(height / um_per_px), at least 1. Two rectangles on one grid
            of `um_per_px` get identical bytes where they overlap.

        Raises
        ------
        SlideError
            The slide is closed, the file is damaged there, or the answer would exceed 2³⁰ pixels.
        """
        from mvd.slide import sampling  # noqa: PLC0415  (cv2 and scipy load on the first read)

        if not (math.isfinite(um_per_px) and um_per_px > 0):
            raise ValueError(f"um_per_px is {um_per_px}")
        if not self._open:
            raise SlideError(f"{self.path.name} has been closed; open it again to read it")
        shape = (max(1, round(rect.height_um / um_per_px)), max(1, round(rect.width_um / um_per_px)))
        if shape[0] * shape[1] > sampling.MAX_READ_PIXELS:
            raise SlideError(
                f"{self.path.name}: {shape[1]} × {shape[0]} pixels are too many for one read; "
                f"ask for a smaller area or for more than {um_per_px:g} µm per pixel"
            )
        grid = sampling.Grid(rect.x0_um, rect.y0_um, um_per_px, shape)
        return Raster(sampling.sample(self._source, self.calibration, grid), rect.x0_um, rect.y0_um, um_per_px)

    def sha256(self) -> str:
        """Hexadecimal digest of the file's bytes, the same as `sha256sum` gives.

        A MIRAX slide is a folder of files: there it is the digest of the list of all files' digests. For other formats
        of several files (DICOM series, Hamamatsu VMS) it covers the named file alone.
        """
        digests = [(file.name, _file_digest(file)) for file in self._source.files()]
        if len(digests) == 1:
            return digests[0][1]
        return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in digests).encode()).hexdigest()

    def close(self) -> None:
        """Let go of the file; closing twice does no harm."""
        self._open = False
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        width, height = self.size_px
        return f"<Slide {self.path.name}: {self.format}, {width} × {height}, {self.calibration.um_per_px:.4g} µm/px>"


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as problem:
        raise SlideError(f"{path.name} cannot be read ({problem.strerror}); check the file and its folder") from problem
