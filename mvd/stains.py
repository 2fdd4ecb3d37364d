"""Optical density and colour deconvolution with vectors estimated from the slide itself.

Light that passes stained tissue is attenuated by Beer and Lambert's law: OD = -log10(I / I0) is additive in the
stains. With one unit OD vector per stain, the amounts of haematoxylin and DAB follow from each pixel by a 3 × 3
matrix (Ruifrok & Johnston, Anal Quant Cytol Histol 2001;23:291).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.errors import StainError
from mvd.geometry import FloatImage, Mask, Pixels

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
_GREY_CHROMA = 0.05
"""Spread of the channels over their mean: blue and brown reach 0.5 and more, a grey image only noise."""
BAND_ROWS = 64
"""Rows handled at once: three float channels of a band of a few thousand columns stay in the processor's cache."""
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

    @property
    def unmixing(self) -> NDArray[np.float64]:
        """(3, 3): rows give haematoxylin, DAB and residual from an (r, g, b) OD vector."""
        h, d = np.asarray(self.haematoxylin), np.asarray(self.dab)
        residual = np.cross(h, d)
        return np.linalg.inv(np.stack([h, d, residual / np.linalg.norm(residual)], axis=1))


def measure_white(pixels: Pixels) -> Vector:
    """Intensity of unstained glass: the mode of the brightest unsaturated pixels.

    Parameters
    ----------
    pixels
        (rows, columns, 3) RGB, any part of the slide that holds some glass, fat or lumen.

    Notes
    -----
    The mode of each channel among the pixels within 12 % of the 99.5th percentile of brightness. A section without
    any gap gives its palest cytoplasm, which understates every OD by the same small amount.
    """
    flat = pixels.reshape(-1, 3)
    brightness = flat.min(axis=1)
    top = float(np.percentile(brightness, 99.5))
    bright = flat[brightness >= 0.88 * top]
    white = []
    for channel in range(3):
        histogram = np.bincount(bright[:, channel], minlength=256).astype(np.float64)
        smooth = np.convolve(histogram, np.ones(5) / 5, mode="same")
        white.append(float(np.argmax(smooth)))
    return (max(white[0], 1.0), max(white[1], 1.0), max(white[2], 1.0))


def _density_table(white: Vector) -> NDArray[np.float32]:
    """(1, 256, 3) lookup from intensity to OD."""
    levels = np.maximum(np.arange(256, dtype=np.float64), 1.0)[:, None]
    return np.asarray(-np.log10(levels / np.asarray(white))[None], np.float32)


def optical_density(pixels: Pixels, white: Vector) -> FloatImage:
    """(rows, columns, 3) OD, log10; slightly negative where a pixel is brighter than the white point."""
    return np.asarray(cv2.LUT(pixels, _density_table(white)), dtype=np.float32)


def mean_density(density: FloatImage) -> FloatImage:
    """(rows, columns) mean over the three channels of (rows, columns, 3); numpy's own mean, eight times as fast."""
    red, green, blue = cv2.split(density)
    red += green
    red += blue
    red /= np.float32(3)
    return np.asarray(red, np.float32)


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
    pixels: Pixels, white: Vector, *, um_per_px: float, vectors: Literal["slide", "h-dab"] = "slide"
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
    density = optical_density(smooth, white)
    total = mean_density(density)
    black = cv2.min(cv2.min(*cv2.split(density)[:2]), cv2.extractChannel(density, 2)) >= BLACK_OD
    stained = (total > TISSUE_OD) & ~black & ~_beside_ink(black, um_per_px)
    if int(stained.sum()) < _MIN_STAINED_PX:
        raise StainError("no stained tissue: nearly every pixel is as bright as the glass around it")
    seen = density[stained]
    chroma = _spread(seen) / total[stained]
    if float(np.percentile(chroma, 90)) < _GREY_CHROMA:
        raise StainError("the image has no colour; a DAB and haematoxylin section is needed")
    if vectors == "h-dab":
        return Stains(white, _unit(H_STANDARD), _unit(DAB_STANDARD), "h-dab")
    detail = density - cv2.GaussianBlur(density, (0, 0), _SURROUNDINGS_UM / um_per_px)
    looked_at = _Looked(seen, detail[stained], _red_blue_angle_deg(seen))
    haematoxylin = _counterstain(looked_at)
    dab = _brown(looked_at, haematoxylin)
    if dab is None:
        return Stains(white, haematoxylin, _unit(DAB_STANDARD), "slide, DAB standard")
    return Stains(white, haematoxylin, dab, "slide")


def _beside_ink(black: Mask, um_per_px: float) -> Mask:
    """Where the surroundings of a pixel reach into ink, so that its detail is the ink's edge."""
    ink = cv2.morphologyEx(black.astype(np.uint8), cv2.MORPH_OPEN, _square(_INK_RADIUS_UM / um_per_px))
    return np.asarray(cv2.dilate(ink, _square(3 * _SURROUNDINGS_UM / um_per_px)) > 0, bool)


def _square(radius_px: float) -> NDArray[np.uint8]:
    return np.ones((2 * round(radius_px) + 1,) * 2, np.uint8)


@dataclass(frozen=True, slots=True)
class _Looked:
    """Stained pixels: (n, 3) density, (n, 3) of it without its smooth part, (n,) angle from red to blue."""

    density: FloatImage
    detail: FloatImage
    angle_deg: NDArray[np.float64]


def _spread(density: FloatImage) -> FloatImage:
    """(n,) greatest less least of the channels."""
    red, green, blue = density.T
    return np.asarray(np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue), np.float32)


def _counterstain(pixels: _Looked) -> Vector:
    """First principal component of the detail on the blue side; the standard vector where blue is absent."""
    density, angle = pixels.density, pixels.angle_deg
    blue = (angle > _BLUE_ANGLES_DEG[0]) & (angle < _BLUE_ANGLES_DEG[1])
    if float(density[blue].sum()) < _MIN_BLUE_SHARE * float(density.sum()):
        return _unit(H_STANDARD)
    detail = pixels.detail[blue].astype(np.float64)
    covariance = detail.T.copy(order="K") @ detail
    direction = np.linalg.eigh(covariance)[1][:, 2]
    vector = _unit(direction * np.sign(direction.sum()))
    return vector if _tilt_deg(vector, H_STANDARD) <= _MAX_TILT_DEG and min(vector) > 0 else _unit(H_STANDARD)


def _brown(pixels: _Looked, haematoxylin: Vector) -> Vector | None:
    """OD direction of the brownest of what stands out in brown; None where there is too little of it.

    Pulled towards the standard vector as if that had been seen in `_PRIOR_PX` pixels, so that a few brown pixels
    cannot turn it.
    """
    rough = Stains((255.0, 255.0, 255.0), haematoxylin, _unit(DAB_STANDARD), "slide")
    density, angle = pixels.density, pixels.angle_deg
    rise = pixels.detail @ rough.unmixing[1].astype(np.float32)
    spread = 1.4826 * float(np.median(np.abs(rise - np.median(rise))))
    blue, standard = (float(_red_blue_angle_deg(np.asarray([v]))[0]) for v in (haematoxylin, DAB_STANDARD))
    # Past half-way from blue to brown, more than half of a pixel's absorption is brown.
    brown = (rise > _STAND_OUT_SIGMAS * spread) & (angle > (blue + standard) / 2)
    if int(brown.sum()) < _MIN_STAINED_PX // 4:
        return None
    low, high = np.percentile(angle[brown], (50, 90))  # the palest is mixed with blue, the yellowest is pigment
    brownest = brown & (angle >= low) & (angle <= high)
    seen = np.asarray(_unit(np.median(_directions(density[brownest]), axis=0)))
    share = brown.sum() / (brown.sum() + _PRIOR_PX)
    vector = _unit(share * seen + (1 - share) * np.asarray(_unit(DAB_STANDARD)))
    return vector if _tilt_deg(vector, DAB_STANDARD) <= _MAX_TILT_DEG else None


def _tilt_deg(first: Vector, second: Vector) -> float:
    return float(np.degrees(np.arccos(np.clip(np.dot(_unit(first), _unit(second)), -1.0, 1.0))))


def _red_blue_angle_deg(density: FloatImage) -> NDArray[np.float64]:
    return np.degrees(np.arctan2(density[:, 2], density[:, 0])).astype(np.float64)


def _directions(density: FloatImage) -> FloatImage:
    return np.asarray(density / np.maximum(np.linalg.norm(density, axis=1, keepdims=True), 1e-6), np.float32)


def _unit(vector: NDArray[np.floating] | Vector) -> Vector:
    values = np.asarray(vector, dtype=np.float64)
    r, g, b = (values / np.linalg.norm(values)).tolist()
    return (r, g, b)
