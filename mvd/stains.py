"""Optical density and colour deconvolution with vectors estimated from the slide itself.

Light that passes stained tissue is attenuated by Beer and Lambert's law: OD = -log10(I / I0) is additive in the
stains. With one unit OD vector per stain, the amounts of haematoxylin and DAB follow from each pixel by a 3 × 3
matrix (Ruifrok & Johnston, Anal Quant Cytol Histol 2001;23:291).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.errors import StainError
from mvd.geometry import FloatImage, Mask, Pixels
from mvd.histograms import histogram_of, median_of, percentile_of
from mvd.threads import for_each

Vector = tuple[float, float, float]

H_STANDARD: Vector = (0.650, 0.704, 0.286)
"""Haematoxylin, red-green-blue OD (Ruifrok & Johnston 2001)."""
DAB_STANDARD: Vector = (0.268, 0.570, 0.776)
"""Diaminobenzidine, red-green-blue OD (Ruifrok & Johnston 2001)."""

TISSUE_OD = 0.08
"""Mean OD over the channels above which a pixel holds stained matter; glass and empty lumens stay below it at any
usual white balance (0.08 is 83 % transmission)."""
BLACK_OD = 1.5
"""A pixel that passes less than 3 % in every channel is ink, a mask or the stage, not stained tissue."""
_GREY_CHROMA, _GREY_SHARE = 0.05, 0.9
"""Spread of the channels over their mean, and the share of the pixels that stay below it in a grey image: blue and
brown reach 0.5 and more, a grey image only noise."""
COUNTERSTAIN_RED = tuple(round(0.02 * i - 0.1, 2) for i in range(111))
"""Red densities at which the curve of a counterstain is given (`Stains.counterstain`): a little brighter than white to
nearly black."""
BAND_ROWS = 64
"""Rows handled at once: three float channels of a band of a few thousand columns stay in the processor's cache."""
_SAMPLE_BAND_PX = 2**18
"""Pixels of the sample looked at together, some 3 MB as densities: each step finds the last one's in the cache."""
_MIN_STAINED_PX = 400
"""Fewer stained pixels than this carry no estimate (100 µm² at 0.5 µm/px)."""
_BLUE_ANGLES_DEG = (10.0, 50.0)
"""Range of the angle atan2(OD blue, OD red) that holds haematoxylin (standard 24°); DAB lies near 70°."""
_MIN_BLUE_SHARE = 0.02
"""Least share of the total density that must be blue for the counterstain to be estimated."""
_PRIOR_PX = 2000
"""Weight, in pixels, of the standard DAB vector against the estimated one (500 µm² at 0.5 µm/px: ten vessels)."""
_MAX_TILT_DEG = 25.0
"""An estimated vector farther than this from the standard one is another stain; the standard one is used."""
_SMOOTH_UM = 0.5
"""Gaussian sigma against sensor and JPEG noise; half the thinnest wall."""
_SURROUNDINGS_UM = 4.0
"""Gaussian sigma of what counts as a pixel's surroundings: wider than a wall or a nucleus, narrower than bone."""
_INK_RADIUS_UM = 5.0
"""Radius of the smallest black patch that is ink or a mask: a frame round the picture, not a grain of pigment."""
_STAND_OUT_SIGMAS = 5.0
"""Brown detail this far above its own spread is stain, not the noise of a million pixels."""


@dataclass(frozen=True, slots=True)
class Stains:
    """White point and unit OD vectors of one slide."""

    white: Vector
    """Intensity (0-255) of unstained glass in red, green, blue."""
    haematoxylin: Vector
    dab: Vector
    source: Literal["slide", "slide, DAB standard", "h-dab"]
    """Where the vectors came from: estimated, estimated but for DAB (too little brown), or the standard ones."""
    counterstain: tuple[float, ...] | None = None
    """Blue density of tissue without DAB at each of `COUNTERSTAIN_RED`; None where only its direction is known."""
    white_source: Literal["glass", "assumed"] = "glass"
    """Whether white was measured on glass, fat or a lumen; or none is in view, and it is the brightest that the picture
    holds, so that densities may all be too low by the same small amount."""
    tissue_od: float = TISSUE_OD
    """Mean OD over the channels above which a pixel holds stained matter; minus infinity where no glass is in view."""

    @property
    def unmixing(self) -> NDArray[np.float64]:
        """(3, 3): rows give haematoxylin, DAB and residual from an (r, g, b) OD vector."""
        return _unmixing(self.haematoxylin, self.dab)


@lru_cache(maxsize=16)
def _unmixing(haematoxylin: Vector, dab: Vector) -> NDArray[np.float64]:
    """Kept, for it takes longer than a band of pixels; nobody may write to it."""
    h, d = np.asarray(haematoxylin), np.asarray(dab)
    residual = np.cross(h, d)
    matrix = np.linalg.inv(np.stack([h, d, residual / np.linalg.norm(residual)], axis=1))
    matrix.setflags(write=False)
    return matrix


def measure_white(*parts: Pixels) -> Vector:
    """Intensity of unstained glass: the mode of the brightest unsaturated pixels.

    Parameters
    ----------
    parts
        (rows, columns, 3) RGB, any parts of the slide that hold some glass, fat or lumen.

    Notes
    -----
    The mode of each channel among the pixels within 12 % of the 99.5th percentile of brightness. A section without
    any gap gives its palest cytoplasm, which understates every OD by the same small amount.
    """
    planes = [_planes(part) for part in parts]
    darkest = [np.minimum(np.minimum(red, green), blue) for red, green, blue in planes]
    histogram = np.sum([histogram_of(values) for values in darkest], axis=0)
    least = math.ceil(0.88 * percentile_of(histogram, 99.5))
    bright = [(values >= least).view(np.uint8) for values in darkest]
    counted = [[histogram_of(p, mask) for p in part] for part, mask in zip(planes, bright, strict=True)]
    red, green, blue = (_mode(np.sum(seen, axis=0)) for seen in zip(*counted, strict=True))
    return (red, green, blue)


def mode_of(pixels: Pixels, mask: Mask) -> Vector:
    """Mode of red, green and blue where the mask is true."""
    red, green, blue = (_mode(histogram_of(plane, mask.view(np.uint8))) for plane in _planes(pixels))
    return (red, green, blue)


def _mode(histogram: NDArray[np.int64]) -> float:
    smooth = np.convolve(histogram.astype(np.float64), np.ones(5) / 5, mode="same")
    return max(float(np.argmax(smooth)), 1.0)


def _planes(pixels: Pixels) -> tuple[Pixels, ...]:
    """Red, green and blue, each (rows, columns) in one piece."""
    return tuple(np.asarray(plane, np.uint8) for plane in cv2.split(pixels))


@lru_cache(maxsize=16)
def _density_table(white: Vector) -> NDArray[np.float32]:
    """(1, 256, 3) lookup from intensity to OD; kept, and nobody may write to it."""
    levels = np.maximum(np.arange(256, dtype=np.float64), 1.0)[:, None]
    table = np.asarray(-np.log10(levels / np.asarray(white))[None], np.float32)
    table.setflags(write=False)
    return table


def optical_density(pixels: Pixels, white: Vector) -> FloatImage:
    """(rows, columns, 3) OD, log10; slightly negative where a pixel is brighter than the white point."""
    return np.asarray(cv2.LUT(pixels, _density_table(white)), dtype=np.float32)


def mean_density(density: FloatImage) -> FloatImage:
    """(rows, columns) mean over the three channels of (rows, columns, 3); numpy's own mean, eight times as fast."""
    red, green, blue = (np.asarray(plane, np.float32) for plane in cv2.split(density))
    return _mean(red, green, blue)


def mean_density_of(pixels: Pixels, white: Vector) -> FloatImage:
    """`mean_density` of the optical density of (rows, columns, 3), in less than half the time."""
    red, green, blue = _density_planes(pixels, white)
    return _mean(red, green, blue)


def densities_of(pixels: Pixels, white: Vector) -> tuple[FloatImage, FloatImage]:
    """`optical_density` and its mean, in two thirds of the time."""
    red, green, blue = _density_planes(pixels, white)
    density = np.asarray(cv2.merge((red, green, blue)), np.float32)
    return density, _mean(red, green, blue)


def _density_planes(pixels: Pixels, white: Vector) -> list[FloatImage]:
    tables = cv2.split(_density_table(white))
    return [
        np.asarray(cv2.LUT(plane, table), np.float32) for plane, table in zip(cv2.split(pixels), tables, strict=True)
    ]


def _mean(red: FloatImage, green: FloatImage, blue: FloatImage) -> FloatImage:
    """Over the three; the first is written over."""
    red += green
    red += blue
    red /= np.float32(3)
    return red


def is_black(pixels: Pixels, white: Vector) -> Pixels:
    """(rows, columns) 1 where every channel is denser than `BLACK_OD`, 0 elsewhere."""
    darkest = (_density_table(white)[0] > BLACK_OD).sum(axis=0)  # grey levels of each channel: density falls with them
    if not darkest.all():
        return np.zeros(pixels.shape[:2], np.uint8)
    black = np.asarray(cv2.inRange(pixels, (0, 0, 0), tuple((darkest - 1).tolist())), np.uint8)
    return black & np.uint8(1)


def separate(pixels: Pixels, stains: Stains) -> FloatImage:
    """(rows, columns, 3): haematoxylin, DAB and residual density (OD, log10) of every pixel."""
    out = np.empty(pixels.shape, np.float32)
    for row in range(0, pixels.shape[0], BAND_ROWS):
        band = slice(row, row + BAND_ROWS)
        out[band] = separate_density(optical_density(pixels[band], stains.white), stains)
    return out


def separate_density(density: FloatImage, stains: Stains) -> FloatImage:
    """`separate`, from the optical density of a band of at most `BAND_ROWS` rows."""
    return np.asarray(cv2.transform(density, stains.unmixing.astype(np.float32)), np.float32)


def estimate_stains(
    pixels: Pixels,
    white: Vector,
    *,
    um_per_px: float,
    vectors: Literal["slide", "h-dab"] = "slide",
    tissue_od: float = TISSUE_OD,
) -> Stains:
    """Stain vectors of a slide from a sample of its tissue.

    Parameters
    ----------
    pixels
        (rows, columns, 3) RGB sample of the tissue, at about the resolution at which vessels are found.
    white
        White point, from a part of the slide that shows glass (`measure_white`).
    um_per_px
        Pixel size of the sample.
    vectors
        ``"h-dab"`` keeps the standard vectors.
    tissue_od
        Mean OD over the channels above which a pixel is looked at.

    Raises
    ------
    StainError
        No stained tissue, or no colour at all.

    Notes
    -----
    Brown is rare (1-5 % of marrow), so percentiles of all tissue (Macenko 2009) would miss it, and haze, bone and
    the tint of unstained tissue would pull an average. Both vectors are therefore taken from what varies over a few
    µm, after the smooth part (Gaussian of 4 µm) is taken off: the counterstain is the first principal component of
    the blue side, nuclei against what lies between them; DAB is the OD direction at the brown end of what rises
    clearly above its surroundings in brown.
    """
    smooth = np.asarray(cv2.GaussianBlur(pixels, (0, 0), _SMOOTH_UM / um_per_px), np.uint8)
    sample = _looked_at(smooth, white, um_per_px, tissue_od)
    if vectors == "h-dab":
        return Stains(white, _unit(H_STANDARD), _unit(DAB_STANDARD), "h-dab", tissue_od=tissue_od)
    haematoxylin = _counterstain(sample)
    dab = _brown(sample, haematoxylin)
    if dab is None:
        return Stains(white, haematoxylin, _unit(DAB_STANDARD), "slide, DAB standard", tissue_od=tissue_od)
    return Stains(white, haematoxylin, dab, "slide", tissue_od=tissue_od)


@dataclass(frozen=True, slots=True)
class _Looked:
    """A sample of the tissue; (rows, columns, 3) but for `stained`."""

    pixels: Pixels
    density: FloatImage
    """(256, 3) of each grey level in each channel."""
    detail: FloatImage
    """Density without its smooth part."""
    stained: Mask
    """(rows, columns) What there is to look at."""

    def where(self, angles: NDArray[np.bool_], rows: slice = slice(None)) -> Mask:
        """The pixels of these rows whose angle (`_angles_deg`) is among the true ones."""
        pairs = self.pixels[rows, :, 0].astype(np.uint16)
        pairs <<= 8
        pairs |= self.pixels[rows, :, 2]
        return np.asarray(angles.ravel().take(pairs) & self.stained[rows], bool)


def _looked_at(pixels: Pixels, white: Vector, um_per_px: float, tissue_od: float = TISSUE_OD) -> _Looked:
    """The detail of a smoothed sample, and where it is stained."""
    sigma = _SURROUNDINGS_UM / um_per_px
    reach = math.ceil(4 * sigma) + 1  # OpenCV cuts a Gaussian of float32 off at four sigmas
    usable = _usable(pixels, white, um_per_px)
    stained, detail = np.empty(pixels.shape[:2], bool), np.empty(pixels.shape, np.float32)

    def look(band: slice) -> int:
        first = max(band.start - reach, 0)
        own = slice(band.start - first, band.stop - first)
        density = optical_density(pixels[first : band.stop + reach], white)
        total = mean_density(density[own])
        stained[band] = (total > tissue_od) & usable[band]
        cv2.subtract(density[own], cv2.GaussianBlur(density, (0, 0), sigma)[own], dst=detail[band])
        return int(np.count_nonzero((_spread(density[own]) < _GREY_CHROMA * total) & stained[band]))

    grey = sum(for_each(look, _bands(pixels)))
    seen = int(np.count_nonzero(stained))
    if seen < _MIN_STAINED_PX:
        raise StainError("no stained tissue: nearly every pixel is as bright as the glass around it")
    if grey > _GREY_SHARE * seen:
        raise StainError("the image has no colour; a DAB and haematoxylin section is needed")
    return _Looked(pixels, _density_table(white)[0], detail, stained)


def _bands(pixels: Pixels) -> list[slice]:
    rows = max(1, _SAMPLE_BAND_PX // pixels.shape[1])
    return [slice(top, min(top + rows, len(pixels))) for top in range(0, len(pixels), rows)]


def _usable(pixels: Pixels, white: Vector, um_per_px: float) -> Mask:
    """What is not black, and whose surroundings do not reach into ink, so that its detail would be the ink's edge."""
    black = is_black(pixels, white)
    ink = cv2.morphologyEx(black, cv2.MORPH_OPEN, _square(_INK_RADIUS_UM / um_per_px))
    near = cv2.dilate(ink, _square(3 * _SURROUNDINGS_UM / um_per_px)) if ink.any() else ink
    return np.asarray((black == 0) & (np.asarray(near) == 0), bool)


def _square(radius_px: float) -> NDArray[np.uint8]:
    return np.ones((2 * round(radius_px) + 1,) * 2, np.uint8)


def _spread(density: FloatImage) -> FloatImage:
    """Greatest less least of the channels."""
    red, green, blue = (np.asarray(plane, np.float32) for plane in cv2.split(density))
    return np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)


def _counterstain(sample: _Looked) -> Vector:
    """First principal component of the detail on the blue side; the standard vector where blue is absent."""
    angles = _angles_deg(sample.density)
    is_blue = (angles > _BLUE_ANGLES_DEG[0]) & (angles < _BLUE_ANGLES_DEG[1])

    def look(band: slice) -> tuple[NDArray[np.float64], float, float]:
        blue = sample.where(is_blue, band)
        of_blue, of_all = (_total(sample.pixels[band], mask, sample.density) for mask in (blue, sample.stained[band]))
        detail = cv2.copyTo(sample.detail[band], blue.view(np.uint8)).reshape(-1, 3).astype(np.float64)
        return detail.T @ detail, of_blue, of_all

    covariance, of_blue, of_all = np.zeros((3, 3)), 0.0, 0.0
    for seen in for_each(look, _bands(sample.pixels)):  # added up in one order, for the last bit
        covariance, of_blue, of_all = covariance + seen[0], of_blue + seen[1], of_all + seen[2]
    if of_blue < _MIN_BLUE_SHARE * of_all:
        return _unit(H_STANDARD)
    direction = np.linalg.eigh(covariance)[1][:, 2]
    vector = _unit(direction * np.sign(direction.sum()))
    return vector if _tilt_deg(vector, H_STANDARD) <= _MAX_TILT_DEG and min(vector) > 0 else _unit(H_STANDARD)


def _total(pixels: Pixels, mask: Mask, density: FloatImage) -> float:
    """Sum of the density over all channels of the masked pixels."""
    histograms = [histogram_of(plane, mask.view(np.uint8)) for plane in _planes(pixels)]
    return float(np.sum(np.stack(histograms, axis=1) * density))


def _brown(sample: _Looked, haematoxylin: Vector) -> Vector | None:
    """OD direction of the brownest of what stands out in brown; None where there is too little of it.

    Pulled towards the standard vector as if that had been seen in `_PRIOR_PX` pixels, so that a few brown pixels
    cannot turn it.
    """
    rough = Stains((255.0, 255.0, 255.0), haematoxylin, _unit(DAB_STANDARD), "slide")
    rise = (sample.detail.reshape(-1, 3) @ rough.unmixing[1].astype(np.float32)).reshape(sample.stained.shape)
    of_tissue = rise[sample.stained]
    spread = 1.4826 * float(median_of(np.abs(of_tissue - median_of(of_tissue))))
    blue, standard = (_red_blue_angle_deg(np.asarray([v]))[0] for v in (haematoxylin, DAB_STANDARD))
    stands_out = sample.pixels[(rise > _STAND_OUT_SIGMAS * spread) & sample.stained]
    angle = _angles_deg(sample.density)[stands_out[:, 0], stands_out[:, 2]]
    # Past half-way from blue to brown, more than half of a pixel's absorption is brown.
    brown = angle > (blue + standard) / 2
    if int(brown.sum()) < _MIN_STAINED_PX // 4:
        return None
    low, high = np.percentile(angle[brown], (50, 90))  # the palest is mixed with blue, the yellowest is pigment
    brownest = stands_out[brown & (angle >= low) & (angle <= high)]
    density = np.stack([sample.density[brownest[:, channel], channel] for channel in range(3)], axis=1)
    seen = np.asarray(_unit(np.median(_directions(density), axis=0)))
    share = brown.sum() / (brown.sum() + _PRIOR_PX)
    vector = _unit(share * seen + (1 - share) * np.asarray(_unit(DAB_STANDARD)))
    return vector if _tilt_deg(vector, DAB_STANDARD) <= _MAX_TILT_DEG else None


def _tilt_deg(first: Vector, second: Vector) -> float:
    return float(np.degrees(np.arccos(np.clip(np.dot(_unit(first), _unit(second)), -1.0, 1.0))))


def _angles_deg(density: FloatImage) -> NDArray[np.float64]:
    """(256, 256) the angle from red to blue of each pair of their grey levels."""
    red, blue = (np.broadcast_to(density[:, channel], (256, 256)) for channel in (0, 2))
    return np.degrees(np.arctan2(blue, red.T)).astype(np.float64)


def _red_blue_angle_deg(density: FloatImage) -> NDArray[np.float64]:
    return np.degrees(np.arctan2(density[:, 2], density[:, 0])).astype(np.float64)


def _directions(density: FloatImage) -> FloatImage:
    return np.asarray(density / np.maximum(np.linalg.norm(density, axis=1, keepdims=True), 1e-6), np.float32)


def _unit(vector: NDArray[np.floating] | Vector) -> Vector:
    values = np.asarray(vector, dtype=np.float64)
    r, g, b = (values / np.linalg.norm(values)).tolist()
    return (r, g, b)
