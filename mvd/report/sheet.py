"""A page with a picture on it: fine lines over pixels, text and keys below, PNG bytes out."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Pixels, Rect, Ring
from mvd.report.lettering import INK, PAPER, Colour, Type, width_px, write

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

FINE = 2
"""Lines are drawn this many times larger and averaged, on top of their own smoothing."""

_PNG_MARK, _PNG_UP = b"\x89PNG\r\n\x1a\n", 2
"""What a PNG begins with, and the filter by which a row is written as its difference from the one above."""
_SHIFT = 4
"""Binary digits of a pixel in the coordinates of lines."""

Points = NDArray[np.float64]
"""(n, 2) x, y in pixels of the page, from its outer corner."""


@dataclass(frozen=True, slots=True)
class View:
    """What part of the slide a picture shows, and how large."""

    rect: Rect
    um_per_px: float

    def px(self, points_um: Ring) -> Points:
        """µm -> pixels of the picture, from its outer corner."""
        return (np.asarray(points_um, np.float64) - (self.rect.x0_um, self.rect.y0_um)) / self.um_per_px


@dataclass(frozen=True, slots=True)
class Pen:
    """How a line looks; widths and dashes in pixels. Told apart by its dashes as well as by its colour."""

    colour: Colour
    width_px: float = 1.5
    dash_px: tuple[float, float] | None = None
    """Drawn and left out, in turn."""
    rim: Colour | None = None
    """A darker or lighter line under it, one pixel wider on either side, for stain of any colour behind."""


@dataclass(frozen=True, slots=True)
class Dot:
    """How a mark looks: a disc with a rim of one pixel."""

    colour: Colour
    radius_px: float
    rim: Colour


class Sheet:
    """A page being drawn on; coordinates in its pixels.

    Lines on the picture, the upper `rows`, do not run over into the caption, until `caption` is called.
    """

    def __init__(self, page: Pixels, rows: int) -> None:
        larger = cv2.resize(np.ascontiguousarray(page), None, fx=FINE, fy=FINE, interpolation=cv2.INTER_NEAREST)
        self._page = np.asarray(larger, np.uint8)
        self._fine = self._page[: rows * FINE]

    def caption(self) -> None:
        """From here on draw on the whole page."""
        self._fine = self._page

    def line(self, points: Points, pen: Pen, *, closed: bool = False) -> None:
        """A line through points."""
        runs = _fixed_runs([points] if pen.dash_px is None else _dashes(points, pen.dash_px, closed=closed))
        closed = closed and pen.dash_px is None
        if pen.rim is not None:
            self._stroke(runs, pen.rim, pen.width_px + 1.6, closed=closed)
        self._stroke(runs, pen.colour, pen.width_px, closed=closed)

    def dot(self, x: float, y: float, dot: Dot) -> None:
        """A mark."""
        centre = _fixed(np.array([[x, y]]))[0].tolist()
        for radius, ink in ((dot.radius_px + 1, dot.rim), (dot.radius_px, dot.colour)):
            cv2.circle(self._fine, centre, round(radius * FINE * 2**_SHIFT), ink, -1, cv2.LINE_AA, _SHIFT)

    def _stroke(self, runs: list[NDArray[np.int32]], colour: Colour, width_px: float, *, closed: bool) -> None:
        width = max(1, round(width_px * FINE))
        cv2.polylines(self._fine, runs, closed, colour, width, cv2.LINE_AA, _SHIFT)

    def finished(self) -> Image:
        """The page at its own size."""
        from PIL.Image import fromarray  # noqa: PLC0415  (Pillow loads with the first picture)

        rows, columns = self._page.shape[:2]
        page = cv2.resize(self._page, (columns // FINE, rows // FINE), interpolation=cv2.INTER_AREA)
        return fromarray(np.asarray(page))


def _fixed(points: Points) -> NDArray[np.int32]:
    """Page pixels -> whole numbers as cv2 wants them, in which a pixel's centre is a whole number of pixels."""
    fixed: NDArray[np.int32] = np.round((points * FINE - 0.5) * 2**_SHIFT).astype(np.int32)
    return fixed


def _fixed_runs(runs: list[Points]) -> list[NDArray[np.int32]]:
    """`_fixed` of each run; of all at once, for a dashed line has hundreds."""
    if not runs:
        return []
    fixed, ends = _fixed(np.concatenate(runs)), np.cumsum([len(run) for run in runs]).tolist()
    return [fixed[end - len(run) : end] for run, end in zip(runs, ends, strict=True)]


def _dashes(points: Points, dash_px: tuple[float, float], *, closed: bool) -> list[Points]:
    """The drawn parts of a dashed line; round a ring the dashes are stretched so that they come out even."""
    if closed:
        points = np.vstack([points, points[:1]])
    along = distances(points)
    drawn, period = dash_px[0], sum(dash_px)
    if closed:
        stretch = along[-1] / period / max(2, round(along[-1] / period))
        drawn, period = drawn * stretch, period * stretch
    if period <= 0:
        return []
    starts = np.arange(math.ceil(along[-1] / period - 1e-9)) * period
    ends = np.minimum(starts + drawn, along[-1])
    heads, tails = (
        np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1) for at in (starts, ends)
    )
    first, stop = np.searchsorted(along, starts, side="right"), np.searchsorted(along, ends, side="left")
    return [
        np.concatenate([heads[n : n + 1], points[first[n] : stop[n]], tails[n : n + 1]]) for n in range(len(starts))
    ]


def distances(points: Points) -> NDArray[np.float64]:
    """How far along the line each of its points lies."""
    steps = np.diff(points, axis=0)
    return np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])


def png(image: Image) -> bytes:
    """The picture as PNG, without any text in it; packed for speed, as stain does not pack well anyway.

    Put together here: with libdeflate it takes half the time of libpng, for as many bytes.
    """
    import imagecodecs  # noqa: PLC0415  (loads with the first picture)

    pixels = np.asarray(image.convert("RGB"))
    rows, columns = pixels.shape[:2]
    flat = pixels.reshape(rows, -1)
    filtered = np.full((rows, 1 + flat.shape[1]), _PNG_UP, np.uint8)
    filtered[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)  # 8 bits, RGB, and the only kinds there are
    packed = imagecodecs.deflate_encode(filtered.tobytes(), level=1)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return _PNG_MARK + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
        for kind, data in chunks
    )


def faded(pixels: Pixels, keep: NDArray[np.bool_], share: float) -> Pixels:
    """The picture mixed with white by `share` wherever `keep` is false."""
    pale = np.round(np.arange(256) * (1 - share) + 255 * share).astype(np.uint8)
    return np.asarray(cv2.copyTo(pixels, keep.view(np.uint8), dst=cv2.LUT(pixels, pale)), np.uint8)


def hatched(
    pixels: Pixels, where: NDArray[np.bool_], *, colour: Colour, every_px: int = 14, share: float = 0.7
) -> Pixels:
    """The picture with thin diagonal lines over a part of it."""
    rows, columns = np.nonzero(where)
    distance = np.abs((rows + columns) % every_px - every_px / 2)
    struck = distance < 1.7
    rows, columns = rows[struck], columns[struck]
    ink = (np.clip(1.2 - distance[struck] / math.sqrt(2), 0, 1) * share)[:, None]
    drawn = pixels.copy()
    drawn[rows, columns] = np.round(pixels[rows, columns] * (1 - ink) + np.array(colour) * ink).astype(np.uint8)
    return drawn


def round_length_um(span_um: float) -> float:
    """1, 2 or 5 times a power of ten, at most a fifth of the span."""
    power = 10.0 ** math.floor(math.log10(span_um / 5))
    return max(step * power for step in (1, 2, 5) if step * power <= span_um / 5)


def scale_bar(draw: ImageDraw, right_bottom: tuple[int, int], length_um: float, um_per_px: float) -> None:
    """A black bar of `length_um` with its length above it, on a white rim."""
    length = round(length_um / um_per_px)
    right, bottom = right_bottom
    left, top = right - length, bottom - 6
    draw.rectangle((left - 2, top - 2, right + 1, bottom + 1), fill=PAPER)
    draw.rectangle((left, top, right - 1, bottom - 1), fill=(0, 0, 0))
    text = f"{length_um:g} µm" if length_um < 1000 else f"{length_um / 1000:g} mm"
    start = left + (length - width_px(text, 17)) / 2
    write(draw, (start, top - 7), text, style=Type(17, INK, halo_px=2))
