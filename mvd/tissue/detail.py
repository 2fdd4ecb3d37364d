"""What the overview is too coarse for: texture, sharpness and layers, seen at 1 µm/px and kept on its grid."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np

from mvd.geometry import FloatImage, Raster
from mvd.stains import Stains, mean_density, optical_density, separate
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
_OCTAVES_UM = (0.7, 1.4, 2.8)
"""Gaussian sigmas: the first takes off noise, the others part chromatin and edges from nuclei."""
_NUCLEUS_UM = 6.0
"""Radius of a disc that no nucleus of the marrow fills but a megakaryocyte's."""
_NOISE_UM = 1.0
"""Gaussian sigma before least and greatest densities are taken, so that single pixels do not decide."""


@dataclass(frozen=True, slots=True, eq=False)
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
    density = mean_density(optical_density(region.pixels, stains.white))
    dab = np.ascontiguousarray(separate(region.pixels, stains)[..., 1])
    rise = dab - _gaussian(dab, _SURROUNDINGS_UM)
    brown = cv2.dilate((rise > brown_od).astype(np.uint8), disc(_BROWN_REACH_UM, DETAIL_UM_PER_PX)) > 0
    known = (~brown & (_gaussian(density, _CLEAR_SMOOTH_UM) > clear_od)).astype(np.float32)
    first, second, third = (_gaussian(density, sigma) for sigma in _OCTAVES_UM)
    smooth, nucleus = np.maximum(_gaussian(density, _NOISE_UM), 0), disc(_NUCLEUS_UM, DETAIL_UM_PER_PX)
    return Detail(
        known=_coarser(known),
        texture=_coarser(known * np.abs(first - third)),
        fine=_coarser(known * np.abs(first - second)),
        middle=_coarser(known * np.abs(second - third)),
        ground=_coarser(np.asarray(cv2.morphologyEx(smooth, cv2.MORPH_OPEN, nucleus), np.float32)),
        nuclear=_coarser(np.asarray(cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, nucleus), np.float32)),
        counterstain=_coarser(np.asarray(density - np.maximum(dab, 0) * np.float32(np.mean(stains.dab)), np.float32)),
    )


def _gaussian(values: FloatImage, sigma_um: float) -> FloatImage:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_um / DETAIL_UM_PER_PX), np.float32)


def _coarser(values: FloatImage) -> FloatImage:
    """Mean over each pixel of the overview; a part of one at the right or below goes on as its last pixels."""
    step = round(OVERVIEW_UM_PER_PX / DETAIL_UM_PER_PX)
    rows, columns = values.shape
    padded = cv2.copyMakeBorder(values, 0, -rows % step, 0, -columns % step, cv2.BORDER_REPLICATE)
    size = (padded.shape[1] // step, padded.shape[0] // step)
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA), np.float32)
