"""Resampling whose every output pixel depends on its absolute place alone.

All sums are of whole numbers below 2²⁴ held in float32, so they are exact: neither the order of summation, nor the
processor, nor the window that was asked for can change a byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Pixels

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SUBPIXEL = 4096
"""Edges of output pixels are rounded to this fraction of a level pixel."""

WEIGHT_SUM = 4096
"""The whole-number weights of one output pixel add up to this."""

HALFWAY_STEPS = 16
"""Grey levels are kept to 1/16 between the two passes: 255 · 16 · 4096 < 2²⁴."""

BAND_PX = 2**16
"""Output rows times level columns computed at a time: keeps the work, a few MB as float32, in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Consecutive output pixels along x or y, laid over the pixels of one level."""

    edges: NDArray[np.int64]
    """Borders of the output pixels, count + 1, in 1/SUBPIXEL level pixels; may be negative."""
    factor: int
    """Level pixels per output pixel where each output pixel is made of whole ones; 0 elsewhere."""
    start: int
    """First level pixel that is needed."""
    stop: int
    """One past the last level pixel that is needed."""
    first: NDArray[np.int64]
    """First level pixel of each output pixel, counted from `start`; empty where `factor` is set."""
    weights: NDArray[np.int64]
    """(count, taps) whole numbers, each row adding up to WEIGHT_SUM; empty where `factor` is set."""

    @property
    def count(self) -> int:
        return len(self.edges) - 1


def axis(index: int, phase: float, *, count: int, scale: float) -> Axis:
    """Lay output pixels `index` to `index + count` over a level.

    Parameters
    ----------
    index : int
        Number of the first output pixel on its grid.
    phase : float
        Offset of the grid in output pixels, a multiple of 1/1024 so that index + phase is exact.
    count : int
        Output pixels.
    scale : float
        Level pixels per output pixel.
    """
    whole = round(scale)
    if whole >= 1 and abs(scale - whole) < 1e-9:  # 0.455 / 0.2275 is not quite 2
        scale = float(whole)
    edges = np.rint((index + np.arange(count + 1) + phase) * scale * SUBPIXEL).astype(np.int64)
    if scale == whole and (phase * whole).is_integer():
        none = np.empty(0, np.int64)
        return Axis(edges, whole, int(edges[0]) // SUBPIXEL, int(edges[-1]) // SUBPIXEL, none, none)
    first, weights = _area_weights(edges) if scale >= 1 else _linear_weights(edges)
    start = int(first[0])
    return Axis(edges, 0, start, int(first[-1]) + weights.shape[1], first - start, weights)


def _area_weights(edges: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each level pixel weighs as much as the output pixel covers of it."""
    low, high = edges[:-1], edges[1:]
    length = (high - low)[:, None]
    first = low // SUBPIXEL
    taps = int(((high - 1) // SUBPIXEL - first).max()) + 1
    borders = (first[:, None] + 1 + np.arange(taps)) * SUBPIXEL
    covered = np.minimum(borders, high[:, None]) - low[:, None]
    cumulated = (2 * covered * WEIGHT_SUM + length) // (2 * length)
    return first, np.diff(cumulated, axis=1, prepend=0)


def _linear_weights(edges: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Linear interpolation at the middle of each output pixel between the middles of two level pixels."""
    middle = edges[:-1] + edges[1:] - SUBPIXEL  # in 1/(2 SUBPIXEL), from the middle of level pixel 0
    first = middle // (2 * SUBPIXEL)
    beyond = ((middle - first * 2 * SUBPIXEL) * WEIGHT_SUM + SUBPIXEL) // (2 * SUBPIXEL)
    return first, np.stack([WEIGHT_SUM - beyond, beyond], axis=1)


def resample(pixels: Pixels, down: Axis, across: Axis) -> Pixels:
    """Bring level pixels onto the output grid.

    Parameters
    ----------
    pixels : Pixels
        (down.stop - down.start, across.stop - across.start, 3) uint8.
    down, across : Axis
        The rows and the columns asked for.

    Returns
    -------
    Pixels
        (down.count, across.count, 3) uint8, rounded to the nearest grey level.
    """
    if down.factor == 1 and across.factor == 1:
        return pixels
    if down.factor and across.factor:
        small = cv2.resize(pixels, (across.count, down.count), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)
    return _weigh(pixels, _with_weights(down), _with_weights(across))


def _with_weights(along: Axis) -> Axis:
    if not along.factor:
        return along
    first, weights = _area_weights(along.edges)
    return Axis(along.edges, 0, along.start, along.stop, first - along.start, weights)


def _weigh(pixels: Pixels, down: Axis, across: Axis) -> Pixels:
    columns = pixels.shape[1]
    out = np.empty((down.count, across.count, 3), np.uint8)
    horizontal = _matrix(across.first, across.weights, columns)
    taps, tall = down.weights.shape[1], max(1, BAND_PX // columns)
    for top in range(0, down.count, tall):
        rows = slice(top, min(top + tall, down.count))
        first = down.first[rows]
        source = pixels[first[0] : first[-1] + taps]
        vertical = _matrix(first - first[0], down.weights[rows], len(source))
        band: FloatImage = vertical @ source.reshape(len(source), -1).astype(np.float32)
        band *= np.float32(HALFWAY_STEPS / WEIGHT_SUM)
        np.rint(band, out=band)
        turned = cv2.transpose(band.reshape(len(first), columns, 3)).reshape(columns, -1)
        band = horizontal @ turned
        band *= np.float32(1 / (HALFWAY_STEPS * WEIGHT_SUM))
        band += np.float32(0.5)
        out[rows] = cv2.transpose(band.reshape(across.count, len(first), 3))
    return out


def _matrix(first: NDArray[np.int64], weights: NDArray[np.int64], size: int) -> csr_array:
    """(len(first), size) banded matrix."""
    from scipy.sparse import csr_array  # noqa: PLC0415  (loads slowly, and grids that fit a level need it not)

    count, taps = weights.shape
    columns = first[:, None] + np.arange(taps)
    return csr_array(
        (weights.ravel().astype(np.float32), columns.ravel(), np.arange(0, count * taps + 1, taps)), shape=(count, size)
    )
