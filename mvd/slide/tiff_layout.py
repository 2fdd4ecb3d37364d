"""Where a TIFF page keeps its pixels, gathered once so that reading needs no TiffFile (which is not thread-safe)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from mvd.errors import SlideError
from mvd.slide.colour import Opacity
from mvd.slide.model import Image

RAW_STRIP_BYTES = 2**18
"""Uncompressed pixels that lie in one piece are read in strips of about this size, whatever strips the writer made
(often a single one of the whole image)."""

JPEG_COMPRESSIONS = (6, 7, 34892, 33007)
JPEG_END = b"\xff\xd9"
"""EOI of ITU T.81; does not occur within the coded pixels."""
PHOTOMETRIC_GREY, PHOTOMETRIC_RGB, PHOTOMETRIC_YCBCR = (0, 1), 2, 6
EXTRA_PREMULTIPLIED, EXTRA_STRAIGHT = 1, 2

Decode = Callable[[bytes, int], NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class TiffLevel:
    """One level's tiles; strips are tiles as wide as the level."""

    width: int
    height: int
    tile_width: int
    tile_height: int
    planes: int
    """1 when a tile holds all channels; else the number of channels, each in tiles of its own, plane after plane."""
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    """Bytes of each tile; 0 for a tile the scanner left out."""
    decode: Decode
    """Bytes and number of a tile to (rows, columns, channels); tiles at the edge may come full size."""
    opacity: Opacity
    keep: bool
    """Decoding one is costly and serves many reads (compressed strips): worth keeping."""
    compression: str
    ends: bytes = b""
    """What the bytes of a whole tile hold near their end, after whatever fills it up; empty where nobody knows."""

    @property
    def across(self) -> int:
        return -(-self.width // self.tile_width)

    @property
    def down(self) -> int:
        return -(-self.height // self.tile_height)


_APART = re.compile(
    r"label|barcode|bar code|qr ?code|macro|thumbnail|overview|preview|slide ?scan|etikett|übersicht|\bmap\b",
    re.IGNORECASE,
)
"""Names of images beside the section, as scanners and converters spell them; a label shows the patient's name."""


def main_series(
    tif: tifffile.TiffFile, name: str
) -> tuple[tifffile.TiffPageSeries, tuple[tifffile.TiffPageSeries, ...]]:
    """The series with the section, and all others: of those that are no label or overview by name, the one of most
    pixels, for an overview without such a name is a small picture of the same; of equal ones the first.

    Raises
    ------
    SlideError
        There is none, or another image is as large: which of several sections is meant cannot be told.
    """
    sections = [series for series in tif.series if not _is_apart(series)]
    if not sections:
        raise SlideError(f"{name} holds only label or overview images; give the image of the section")
    main = max(sections, key=_pixels)
    rivals = [series for series in sections if series is not main and _pixels(series) > _RIVAL_SHARE * _pixels(main)]
    if rivals:
        listed = ", ".join(_told(image_of(tif, series)) for series in (main, *rivals))
        raise SlideError(f"{name} holds several images of a section ({listed}); save each in a file of its own")
    return main, tuple(series for series in tif.series if series is not main)


_RIVAL_SHARE = 0.25
"""An image with more than this share of the largest one's pixels is no overview of it: scanners make those at a
sixteenth of its pixels and less."""


def _pixels(series: tifffile.TiffPageSeries) -> int:
    key = series.keyframe
    return int(key.imagewidth) * int(key.imagelength)


def _is_apart(series: tifffile.TiffPageSeries) -> bool:
    return _APART.search(re.sub(r"[_-]+", " ", series.name or "")) is not None


def _told(image: Image) -> str:
    return f"number {image.number} of {image.size_px[0]} × {image.size_px[1]} pixels"


def image_of(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Image:
    """What is told of an image, and never a pixel of it."""
    key = series.keyframe
    number = next(number for number, other in enumerate(tif.series, start=1) if other is series)
    return Image(number, (int(key.imagewidth), int(key.imagelength)), _is_apart(series))


def refuse_unless_colour(series: tifffile.TiffPageSeries, name: str) -> None:
    """SlideError unless the series is one RGB or RGBA image of 8 or 16 bits."""
    page = series.keyframe
    stacked = {
        axis: size for axis, size in zip(series.axes, series.shape, strict=True) if size > 1 and axis not in "YXS"
    }
    if "C" in stacked:
        raise SlideError(
            f"{name} has {stacked['C']} separate channels, as fluorescence images do; "
            "a CD34/haematoxylin section must be in colour (RGB)"
        )
    if page.samplesperpixel < 3 and page.photometric in PHOTOMETRIC_GREY:
        raise SlideError(f"{name} is greyscale; a CD34/haematoxylin section must be in colour")
    if stacked:
        count = int(np.prod(list(stacked.values())))
        raise SlideError(f"{name} is a stack of {count} images; save the one to be measured on its own")
    as_rgb = page.photometric == PHOTOMETRIC_RGB or (
        page.photometric == PHOTOMETRIC_YCBCR and page.compression in JPEG_COMPRESSIONS
    )
    if not as_rgb or page.samplesperpixel not in (3, 4):
        kind = getattr(page.photometric, "name", str(page.photometric))
        raise SlideError(f"{name} has {page.samplesperpixel} channel(s) marked {kind}; save it as RGB")
    if page.dtype is None or page.dtype.kind != "u" or page.bitspersample not in (8, 16):
        stored = "floating-point" if page.sampleformat == 3 else f"{page.bitspersample}-bit"
        raise SlideError(f"{name} has {stored} pixels; save it as RGB of 8 or 16 bits")


def level_pages(series: tifffile.TiffPageSeries) -> list[Any]:
    """One page a level, finest first; reduced images that are not the same picture smaller are left out."""
    pages: list[Any] = [level.pages[0] for level in series.levels]
    full = pages[0].keyframe
    kept = pages[:1]
    for page in pages[1:]:
        key, last = page.keyframe, kept[-1].keyframe
        smaller = key.imagewidth < last.imagewidth and key.imagelength < last.imagelength
        across, down = full.imagewidth / key.imagewidth, full.imagelength / key.imagelength
        slack = 0.01 + 1 / min(key.imagewidth, key.imagelength)
        alike = (key.samplesperpixel, key.dtype) == (full.samplesperpixel, full.dtype)
        if smaller and alike and abs(across / down - 1) <= slack:
            kept.append(page)
    return kept


def tiff_level(page: Any) -> TiffLevel:
    """Gather what reading one page needs; `page` is a TiffPage or TiffFrame of a file that is still open."""
    key = page.keyframe
    width, height = int(key.imagewidth), int(key.imagelength)
    planes = int(key.samplesperpixel) if key.planarconfig == 2 else 1
    offsets = np.asarray(page.dataoffsets, np.int64)
    counts = np.asarray(page.databytecounts, np.int64)
    tile_width, tile_height = (
        (int(key.tilewidth), int(key.tilelength)) if key.is_tiled else (width, int(key.rowsperstrip))
    )
    level = TiffLevel(
        width=width,
        height=height,
        tile_width=tile_width,
        tile_height=tile_height,
        planes=planes,
        offsets=offsets,
        counts=counts,
        decode=_decoder(page),
        opacity=_opacity(key),
        keep=not key.is_tiled,
        compression="uncompressed" if key.compression == 1 else getattr(key.compression, "name", str(key.compression)),
        # Hamamatsu's tiles are cut out of one large JPEG, and have a header of their own instead.
        ends=JPEG_END if key.compression in JPEG_COMPRESSIONS and not key.jpegheader else b"",
    )
    if len(offsets) < level.across * level.down * planes or len(counts) != len(offsets):
        raise ValueError(f"{len(offsets)} tiles of {level.across * level.down * planes}")
    in_one_piece = not key.is_tiled and key.compression == 1 and key.predictor == 1 and key.fillorder == 1
    return _restripped(level, key) if in_one_piece else level


def _opacity(key: Any) -> Opacity:
    if key.samplesperpixel == 4 and key.extrasamples:
        if key.extrasamples[0] == EXTRA_PREMULTIPLIED:
            return "premultiplied"
        if key.extrasamples[0] == EXTRA_STRAIGHT:
            return "straight"
    return "none"


def _decoder(page: Any) -> Decode:
    key = page.keyframe
    decode, tables, header = key.decode, page.jpegtables, key.jpegheader  # gathered now: they move the file pointer
    is_jpeg = key.compression in JPEG_COMPRESSIONS

    def decoded(data: bytes, index: int) -> NDArray[Any]:
        more = {"jpegtables": tables, "jpegheader": header} if is_jpeg else {}
        return np.asarray(decode(data, index, **more)[0][0])

    return decoded


def _restripped(level: TiffLevel, key: Any) -> TiffLevel:
    """The same pixels in strips of a handy size, if each plane lies in the file in one piece."""
    dtype = np.dtype(key.parent.byteorder + key.dtype.char)
    samples = 1 if level.planes > 1 else int(key.samplesperpixel)
    row_bytes = level.width * samples * dtype.itemsize
    by_plane = level.offsets[: level.down * level.planes].reshape(level.planes, level.down)
    apart = row_bytes * level.tile_height
    if (by_plane == 0).any() or (np.diff(by_plane, axis=1) != apart).any():
        return level
    rows = min(max(1, RAW_STRIP_BYTES // row_bytes), level.height)
    tops = np.arange(0, level.height, rows)
    offsets = (by_plane[:, :1] + tops * row_bytes).ravel()
    counts = np.tile(np.minimum(rows, level.height - tops) * row_bytes, level.planes)

    def decoded(data: bytes, index: int) -> NDArray[Any]:
        pixels = np.frombuffer(data, dtype).reshape(-1, level.width, samples)
        return pixels.astype(dtype.newbyteorder("="), copy=False)

    return TiffLevel(
        width=level.width,
        height=level.height,
        tile_width=level.width,
        tile_height=rows,
        planes=level.planes,
        offsets=offsets.astype(np.int64),
        counts=counts.astype(np.int64),
        decode=decoded,
        opacity=level.opacity,
        keep=False,
        compression=level.compression,
    )
