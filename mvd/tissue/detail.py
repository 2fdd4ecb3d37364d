"""What the overview is too coarse for: texture, sharpness and layers, seen at 1 µm/px and kept on its grid."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import cv2
import numpy as np

from mvd.geometry import FloatImage, Mask, Pixels, Raster
from mvd.stains import BAND_ROWS, Stains, densities_of, separate_density
from mvd.tissue.masks import OVERVIEW_UM_PER_PX, disc

DETAIL_UM_PER_PX = 1.0
"""Nuclei span five to eight pixels and the gaps between packed ones one or two."""
DETAIL_MARGIN_UM = 32.0
"""Read round a region; what lies farther away reaches in with less than a thousandth (four sigmas of blur)."""

_CLEAR_SMOOTH_UM = 2.0
"""Gaussian sigma that keeps the pale gaps between cells from being taken for glass."""
_SURROUNDINGS_UM = 8.0
"""Gaussian sigma, wider than a vessel's wall."""
_BROWN_REACH_UM = 4.0
"""Blur and the halo of stain that has spread reach this far from brown."""
_FILL_UM = 4.0
"""Gaussian sigma: from across the reach of a wall's blur."""
_OCTAVES_UM = (0.7, 1.4, 2.8)
"""Gaussian sigmas: the first takes off noise, the others part chromatin and edges from nuclei."""
_NUCLEUS_PX = 6
"""Radius, in pixels of 1 µm, of a disc that no nucleus of the marrow fills but a megakaryocyte's."""
_NOISE_UM = 1.0
"""Gaussian sigma before least and greatest densities are taken, so that single pixels do not decide."""


_RECTANGLE = np.ones((5, 7), np.uint8)
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


@dataclass(slots=True, eq=False)
class Detail:
    """Maps on the overview's grid, each float32 (rows, columns); 0 where nothing was looked at.

    The first four leave out what is clear or brown: `known` is the share of the pixel that is neither, and the others
    are already multiplied by it.
    """

    known: FloatImage
    texture: FloatImage
    """Mean amplitude (OD) of what is 1 to 5 µm across."""
    fine: FloatImage
    """Of what is 1 to 2 µm across: the first to go where the focus is lost."""
    middle: FloatImage
    """Of what is 2 to 5 µm across."""
    ground: FloatImage
    """Density (OD) that a disc wider than a nucleus holds everywhere: what lies between the nuclei."""
    nuclear: FloatImage
    """Density (OD) that no disc wider than the gaps between nuclei stays below: the nuclei."""
    counterstain: FloatImage
    """Mean density (OD) without the brown."""

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Detail:
        return cls(*(np.zeros(shape, np.float32) for _ in fields(cls)))

    def forget(self, *names: str) -> None:
        """Let go of maps that are not needed any more: of a large slide each is a hundred MB."""
        for name in names:
            setattr(self, name, np.empty((0, 0), np.float32))

    def put(self, part: Detail, rows: slice, columns: slice, *, skip: tuple[int, int]) -> None:
        """Copy the pixels of a part, without its first `skip` rows and columns, in place."""
        for field in fields(self):
            target = getattr(self, field.name)[rows, columns]
            height, width = target.shape
            source = getattr(part, field.name)
            target[...] = source[skip[0] : skip[0] + height, skip[1] : skip[1] + width]


def measure_detail(region: Raster, stains: Stains, *, brown_od: float, clear_od: float) -> Detail:
    """Detail of a region.

    Parameters
    ----------
    region
        (rows, columns, 3) RGB at `DETAIL_UM_PER_PX`; its corner lies on the overview's grid.
    brown_od
        DAB density above the surroundings' from which on a pixel is brown. Bone's own tint is even.
    clear_od
        Mean density up to which it is clear (`clear_level`).
    """
    density, dab = _densities(region.pixels, stains)
    spare = np.empty_like(density)  # steps write over what is no longer needed: fresh memory costs a fifth of the time
    brown = _brown(dab, spare, brown_od)
    known = _known(density, brown, spare, clear_od)
    around = _gaussian((~brown).astype(np.float32), _FILL_UM)
    unstained = _without_brown(density, brown, around, spare)
    first, second, third = (_gaussian(unstained, sigma) for sigma in _OCTAVES_UM)
    texture, fine, middle = (
        _coarser(_amplitude(known, one, other, into=spare))
        for one, other in ((first, third), (first, second), (second, third))
    )
    smooth = np.maximum(_gaussian(unstained, _NOISE_UM, into=first), 0, out=first)
    ground = extreme_in_disc(extreme_in_disc(smooth, "least", second), "greatest", third)
    ground, nuclear = _coarser(ground), extreme_in_disc(extreme_in_disc(smooth, "greatest", second), "least", third)
    np.maximum(dab, 0, out=dab)
    dab *= np.float32(np.mean(stains.dab))
    return Detail(
        known=_coarser(known),
        texture=texture,
        fine=fine,
        middle=middle,
        ground=ground,
        nuclear=_coarser(nuclear),
        counterstain=_coarser(_without_brown(np.subtract(density, dab, out=density), brown, around, spare)),
    )


def _brown(dab: FloatImage, spare: FloatImage, brown_od: float) -> Mask:
    """Brown and what its blur and halo reach; `spare` is written over, as by the next two."""
    rise = np.subtract(dab, _gaussian(dab, _SURROUNDINGS_UM, into=spare), out=spare)
    brown = cv2.dilate((rise > brown_od).view(np.uint8), disc(_BROWN_REACH_UM, DETAIL_UM_PER_PX))
    return np.asarray(brown, np.uint8).view(bool)


def _known(density: FloatImage, brown: Mask, spare: FloatImage, clear_od: float) -> FloatImage:
    """1 where a pixel is neither clear nor brown, 0 elsewhere."""
    clear = _gaussian(density, _CLEAR_SMOOTH_UM, into=spare) <= clear_od
    return np.asarray(~(brown | clear), np.float32)


def _without_brown(density: FloatImage, brown: Mask, around: FloatImage, spare: FloatImage) -> FloatImage:
    """The density, as if what lies round the brown went on under it; `around` is how much of that there is.

    A dense wall is a hundred times what nuclei differ from what lies between them. Blurred, it would be seen for 8 µm.
    """
    filled = density.copy()
    filled[brown] = 0
    fill = np.divide(_gaussian(filled, _FILL_UM, into=spare), np.maximum(around, 1e-3), out=spare)
    np.copyto(filled, fill, where=brown)
    return filled


def _amplitude(known: FloatImage, one: FloatImage, other: FloatImage, into: FloatImage) -> FloatImage:
    return np.multiply(known, cv2.absdiff(one, other, dst=into), out=into)


def _densities(pixels: Pixels, stains: Stains) -> tuple[FloatImage, FloatImage]:
    """Mean density and that of DAB, each (rows, columns)."""
    mean, dab = (np.empty(pixels.shape[:2], np.float32) for _ in range(2))
    for top in range(0, len(pixels), BAND_ROWS):
        rows = slice(top, top + BAND_ROWS)
        density, mean[rows] = densities_of(pixels[rows], stains.white)
        cv2.extractChannel(separate_density(density, stains), 1, dst=dab[rows])
    return mean, dab


def extreme_in_disc(values: FloatImage, which: Literal["least", "greatest"], into: FloatImage) -> FloatImage:
    """What `cv2.erode` or `cv2.dilate` with a disc of `_NUCLEUS_PX` gives, in 20 steps a pixel instead of 119.

    The disc of 13 pixels is an octagon and a pixel at its top and bottom; the octagon is a rectangle of 7 by 5, grown
    three times by its four neighbours.
    """
    reach, beyond = (cv2.erode, cv2.min) if which == "least" else (cv2.dilate, cv2.max)
    reach(reach(values, _RECTANGLE, dst=into), _CROSS, dst=into, iterations=3)
    upper, lower = slice(None, -_NUCLEUS_PX), slice(_NUCLEUS_PX, None)
    if len(values) > _NUCLEUS_PX:
        beyond(into[lower], values[upper], dst=into[lower])
        beyond(into[upper], values[lower], dst=into[upper])
    return into


def _gaussian(values: FloatImage, sigma_um: float, into: FloatImage | None = None) -> FloatImage:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_um / DETAIL_UM_PER_PX, dst=into), np.float32)


def _coarser(values: FloatImage) -> FloatImage:
    """Mean over each pixel of the overview; a part of one at the right or below goes on as its last pixels."""
    step = round(OVERVIEW_UM_PER_PX / DETAIL_UM_PER_PX)
    rows, columns = values.shape
    if rows % step or columns % step:
        padded = cv2.copyMakeBorder(values, 0, -rows % step, 0, -columns % step, cv2.BORDER_REPLICATE)
        values = np.asarray(padded, np.float32)
    size = (-(-columns // step), -(-rows // step))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
