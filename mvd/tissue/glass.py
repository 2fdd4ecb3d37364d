"""Whether a slide shows glass at all, and what is white on it.

A photograph or a crop may hold nothing but tissue. Its palest part is no glass then, whatever its density: glass, fat
and empty lumens are even, as bright as anything on the slide, and bounded by a clear step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.errors import StainError
from mvd.geometry import FloatImage, Mask, Pixels, Raster
from mvd.histograms import histogram_of, percentile_of
from mvd.stains import TISSUE_OD, Vector, mean_density_of, mode_of, optical_density
from mvd.threads import for_each
from mvd.tissue.bands import Band, bands
from mvd.tissue.masks import closed, without_small
from mvd.tissue.stained import find_ink, least_tissue_mm2

_FULL: Vector = (255.0, 255.0, 255.0)
"""Densities here are against the brightest that a picture can hold, for white is not known yet."""
_SATURATED = 254
"""Grey level from which on all channels are at their end: often paper round a picture, brighter than its glass."""
_LEVELS_PER_OD = 1000
_LEVELS = 2500
"""Densities are counted to 0.001 OD, the step of half a grey level, up to 2.5."""
_SIDE_PX = 3
"""Texture is the greatest less the least density of a square of 12 µm: it holds a nucleus, or none."""
_LEAST_EVEN_OD = 0.012
"""Range in that square that is no texture: five grey levels of 220. Sensor noise leaves 0.003 of it at 4 µm/px."""
_MOST_EVEN_OD = 0.03
_EVEN_SHARE = 0.14
"""Of the tissue's own texture (median), the lesser of that in all channels and in red, where brown absorbs least:
wrinkles and drops in fat are stronger on a slide of strong counterstain, but not beside sheets of brown."""
_CORE_PX = 3
"""Even squares must lie beside each other in threes both ways: an even patch of 20 µm, wider than a cell."""
_LEAST_CORE_PX = 9
_WHITEST_PERCENTILE = 99.9
_BRIGHTEST_PERCENTILE = 0.5
_BRIGHT_OD = 0.025
"""Glass is within 6 % of light of the brightest of the slide: light falls off by less over a scan."""
_RING_PX = (2, 4)
"""What lies 8 to 16 µm beyond an even patch: past its blurred edge, and the cells next to it."""
_STEP_OD = 0.025
"""Least median step from there. Of 41 real pictures those with fat, lumens or glass had 0.03 and more; even patches of
solid tissue (brain, tumour, epithelium, sarcoma), also blurred by 1 or 2 µm, cropped or noisy, had 0.023 and less, but
for one crop between sheets of brown (0.05)."""
_MOST_EVEN_SHARE = 0.5
"""A slide even over more than that is glass with something on it; solid tissue reached 0.02, blurred by 4 µm 0.16."""
_MOST_ROUGH = 0.85
"""Mean square difference of neighbours over that of pixels twice as far apart: 1 is noise. Real tissue had 0.5 to 0.7,
also with noise of 25 grey levels a pixel."""
_BRIDGE_UM = 8.0
"""Texture nearer than this is of one piece."""


@dataclass(frozen=True, slots=True)
class Glass:
    """What glass looks like on a slide, or would."""

    white: Vector
    """Intensity (0-255) in red, green, blue."""
    source: Literal["glass", "assumed"]
    """Measured on glass, fat or a lumen; or none is in view, and it is the brightest that the picture holds."""
    tissue_od: float
    """Mean density (OD) above which a pixel holds stained matter; minus infinity where no glass is in view."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """How many pixels have each density, each texture, and each texture in red (in steps of 1 / `_LEVELS_PER_OD`)."""

    density: NDArray[np.int64]
    texture: NDArray[np.int64]
    red: NDArray[np.int64]


def find_glass(overview: Raster) -> Glass:
    """Look for glass, fat or lumens.

    Parameters
    ----------
    overview
        (rows, columns, 3) RGB at `OVERVIEW_UM_PER_PX`. Of gaps narrower than some 35 µm it shows no even part.

    Raises
    ------
    StainError
        There is no tissue: nothing that has texture is as large as the smallest piece of tissue, or it is noise.
    """
    pixels = overview.pixels
    light = brightest(pixels)
    ink = find_ink(overview, light)
    counts = _counted(pixels, ink)
    limit = min(_even_limit(counts.texture), _even_limit(counts.red))
    bright = _percentile(counts.density, _BRIGHTEST_PERCENTILE) + _BRIGHT_OD
    even, core = _even(pixels, ink, limit), _even(pixels, ink, limit, bright)
    if np.count_nonzero(core) >= _LEAST_CORE_PX:
        level, step, typical = _edge(pixels, core, even | ink)
        if step >= _STEP_OD or (np.count_nonzero(even) > _MOST_EVEN_SHARE * even.size and _has_texture(even | ink)):
            pale = _STEP_OD <= typical - level < 2 * TISSUE_OD  # or it is no tissue, but dust on glass
            return Glass(_white(pixels, core), "glass", (typical - level) / 2 if pale else TISSUE_OD)
    if not _has_texture(even | ink) or _roughness(pixels, ink) > _MOST_ROUGH:
        raise StainError("no tissue: the picture shows nothing but even glass, black or noise")
    return Glass(light, "assumed", -math.inf)


def brightest(pixels: Pixels) -> Vector:
    """Red, green and blue that a thousandth of the pixels exceeds, each by itself.

    What is left of white where no glass is in view: the gaps between cells are all but clear. In 15 real pictures whose
    glass was left out it was 0 to 8 grey levels above that; in crops of 200 µm of solid tissue up to 0.05 OD below.
    """
    planes = (np.ascontiguousarray(plane, np.uint8) for plane in cv2.split(pixels))
    red, green, blue = (max(percentile_of(histogram_of(plane), _WHITEST_PERCENTILE), 1.0) for plane in planes)
    return (red, green, blue)


def _texture(density: FloatImage) -> FloatImage:
    """Greatest less least in the square round each pixel; exact, and the same whichever way the picture lies."""
    square = np.ones((_SIDE_PX, _SIDE_PX), np.uint8)
    return np.asarray(cv2.dilate(density, square) - cv2.erode(density, square), np.float32)


def _look(pixels: Pixels, band: Band) -> tuple[FloatImage, FloatImage]:
    """Density and texture of the rows of a band."""
    density = mean_density_of(pixels[band.wide], _FULL)
    return density[band.own], _texture(density)[band.own]


def _counted(pixels: Pixels, ink: Mask) -> _Counts:
    """Of all but ink; for the density also without what is saturated."""

    def look(band: Band) -> list[NDArray[np.int64]]:
        density, texture = _look(pixels, band)
        red = cv2.extractChannel(optical_density(pixels[band.wide], _FULL), 0)
        seen = ~ink[band.rows]
        below = cv2.inRange(pixels[band.rows], (_SATURATED,) * 3, (255,) * 3) == 0
        textures = texture[seen], _texture(np.asarray(red, np.float32))[band.own][seen]
        return [_histogram(values) for values in (density[seen & below], *textures)]

    found = for_each(look, bands(pixels.shape, 1))
    return _Counts(*(np.sum(each, axis=0) for each in zip(*found, strict=True)))


def _histogram(values: FloatImage) -> NDArray[np.int64]:
    levels = np.clip(np.rint(values * np.float32(_LEVELS_PER_OD)), 0, _LEVELS - 1).astype(np.int64)
    return np.bincount(levels.ravel(), minlength=_LEVELS)


def _percentile(histogram: NDArray[np.int64], percentile: float) -> float:
    """0 where nothing was counted."""
    up_to = np.cumsum(histogram)
    return float(np.searchsorted(up_to, max(percentile / 100 * up_to[-1], 1e-9))) / _LEVELS_PER_OD if up_to[-1] else 0.0


def _even_limit(texture: NDArray[np.int64]) -> float:
    of_tissue = texture.copy()
    of_tissue[: round(1.5 * _LEAST_EVEN_OD * _LEVELS_PER_OD)] = 0
    return min(max(_EVEN_SHARE * _percentile(of_tissue, 50.0), _LEAST_EVEN_OD), _MOST_EVEN_OD)


def _even(pixels: Pixels, ink: Mask, limit: float, bright: float = math.inf) -> Mask:
    """Even patches wide enough to tell, of at most a given density."""
    even = np.empty(ink.shape, np.uint8)

    def look(band: Band) -> None:
        density, texture = _look(pixels, band)
        even[band.rows] = (texture <= limit) & (density <= bright) & ~ink[band.rows]

    for_each(look, bands(pixels.shape, 1))
    square = np.ones((_CORE_PX, _CORE_PX), np.uint8)
    return np.asarray(cv2.morphologyEx(even, cv2.MORPH_OPEN, square), np.uint8).view(bool)


def _edge(pixels: Pixels, core: Mask, other: Mask) -> tuple[float, float, float]:
    """Density of the even patches, the step to what borders on them, and the density of the tissue beyond.

    Parameters
    ----------
    other
        What is even, or ink, and so no border of anything.
    """
    close, near = (_grown(core, radius) for radius in _RING_PX)
    ring, beyond = near & ~close & ~other, ~close & ~other

    def look(band: Band) -> list[NDArray[np.int64]]:
        density = mean_density_of(pixels[band.rows], _FULL)
        return [_histogram(density[mask[band.rows]]) for mask in (core, ring, beyond)]

    found = [np.sum(each, axis=0) for each in zip(*for_each(look, bands(pixels.shape)), strict=True)]
    level, border, typical = (_percentile(histogram, 50.0) for histogram in found)
    step = border - level if found[1].sum() >= _LEAST_CORE_PX else 0.0
    return level, step, typical


def _grown(mask: Mask, radius_px: int) -> Mask:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1,) * 2)
    return np.asarray(cv2.dilate(mask.view(np.uint8), disc), np.uint8).view(bool)


def _has_texture(even: Mask) -> bool:
    pieces = closed(~even, _BRIDGE_UM)
    return bool(without_small(pieces, least_tissue_mm2(even.shape)).any())


def _roughness(pixels: Pixels, ink: Mask) -> float:
    """How far neighbouring pixels differ, against those twice as far apart."""

    def look(band: Band) -> tuple[int, int]:
        green, seen = pixels[band.wide, :, 1].astype(np.int16), ~ink[band.wide]

        def apart(step: int) -> int:
            down = slice(band.own.start, band.own.stop + step)
            across = green[band.own].T, seen[band.own].T
            return _difference(green[down], seen[down], step) + _difference(*across, step)

        return apart(1), apart(2)

    near, far = (sum(each) for each in zip(*for_each(look, bands(ink.shape, 2)), strict=True))
    return near / far if far else 1.0


def _difference(green: NDArray[np.int16], seen: Mask, step: int) -> int:
    """Sum of the squared differences between rows so far apart."""
    both = seen[step:] & seen[:-step]
    return int(np.sum(np.square(green[step:] - green[:-step], dtype=np.int64), where=both))


def _white(pixels: Pixels, core: Mask) -> Vector:
    """Of what is not saturated, as long as there is enough of it."""
    saturated = cv2.inRange(pixels, (_SATURATED,) * 3, (255,) * 3) > 0
    below = core & ~saturated
    return mode_of(pixels, below if np.count_nonzero(below) >= _LEAST_CORE_PX else core)
