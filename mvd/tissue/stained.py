"""What of the slide is tissue: stained, with the fat in it and the palest bone; not ink and not debris."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from mvd.errors import StainError
from mvd.geometry import FloatImage, Mask, Pixels, Raster
from mvd.stains import TISSUE_OD, Vector, is_black, mean_density_of
from mvd.threads import for_each
from mvd.tissue.bands import Band, bands
from mvd.tissue.masks import (
    OVERVIEW_UM_PER_PX,
    closed,
    distance_um,
    grown,
    holes_filled,
    opened,
    percentile_in,
    smoothed_above,
    without_small,
)

_TISSUE_SMOOTH_UM = 6.0
"""Gaussian sigma that closes the gaps between cells but not fat cells (40-80 µm)."""
_FAT_CLOSING_UM = 45.0
"""Radius of the largest gap that is marrow when tissue surrounds it: a fat cell of 90 µm."""
_MAX_HOLE_MM2 = 0.05
"""An enclosed gap up to this area is fat or a torn sinusoid; a larger one is a hole in the section."""
_MIRROR_PX = 64
"""256 µm: as far as a round gap of that area reaches."""
_MIN_INK_UM = 12.0
"""Radius of the smallest black patch that is ink; clumps of precipitate stay below it."""
_MIN_TISSUE_MM2 = 0.01
"""Smaller pieces of tissue are debris; a counting field holds 0.0625 mm²."""
_GAP_PERCENTILE = 1.0
"""The palest of the tissue are its gaps, fat cells and lumens; without any it is the palest tissue."""
_ABOVE_GAP_OD = 0.04
"""In 24 simulated sections gaps and glass stayed within 0.02 of their own median, and bone 0.05 and more above it."""
_PALE_UM = 14.0
"""Radius that a trabecula holds everywhere."""
_MIN_PALE_MM2 = 1e-3
_MIN_SHARED_EDGE = 0.5
"""Bone borders on marrow on most sides; a film of glue or plasma round the section borders on glass."""


_BESIDE_PALE_UM = (16.0, 24.0)
"""What lies beside it: the smoothed edges of either side lie between."""


def find_tissue(overview: Raster, white: Vector, *, tissue_od: float = TISSUE_OD) -> Raster:
    """Stained tissue with the fat inside it, bone included.

    Parameters
    ----------
    overview
        (rows, columns, 3) RGB at `OVERVIEW_UM_PER_PX`.
    white
        White point of the slide.
    tissue_od
        Mean density (OD) above which a pixel holds stained matter; minus infinity where no glass is in view, and all
        but ink is tissue.

    Raises
    ------
    StainError
        There is no tissue.
    """
    ink = find_ink(overview, white)
    total = total_density(overview.pixels, white)
    total[ink] = 0
    stained = smoothed_above(total, _TISSUE_SMOOTH_UM, tissue_od)
    tissue = _whole(stained, ink)
    if not tissue.any():
        raise StainError("no tissue: nothing on the slide is stained over as much as 0.01 mm²")
    not_clear = smoothed_above(total, _TISSUE_SMOOTH_UM, clear_level([total], [tissue], tissue_od))
    del total
    pale = _pale_bone(not_clear, tissue)
    return overview.with_pixels(_whole(stained | pale, ink) if pale.any() else tissue)


def total_density(pixels: Pixels, white: Vector) -> FloatImage:
    """Mean density (OD) over the channels of each pixel of the overview (`mean_density_of`)."""
    total = np.empty(pixels.shape[:2], np.float32)

    def look(band: Band) -> None:
        total[band.rows] = mean_density_of(pixels[band.rows], white)

    for_each(look, bands(total.shape))
    return total


def clear_level(total: Iterable[FloatImage], tissue: Sequence[Mask], tissue_od: float = TISSUE_OD) -> float:
    """Mean density (OD) up to which a pixel is a gap or glass; bone can be paler than other tissue ever is.

    Parameters
    ----------
    total, tissue
        Of each part of a slide.
    tissue_od
        As for `find_tissue`: it is no more than that.
    """
    return min(max(percentile_in(total, tissue, _GAP_PERCENTILE), 0.0) + _ABOVE_GAP_OD, tissue_od)


def find_ink(overview: Raster, white: Vector) -> Mask:
    """Black patches wider than a grain of pigment, with their blurred edge: marker ink, a frame, the empty stage."""
    return grown(opened(is_black(overview.pixels, white).view(bool), _MIN_INK_UM), _MIN_INK_UM)


def _whole(stained: Mask, ink: Mask) -> Mask:
    whole = _gaps_filled(closed(stained, _FAT_CLOSING_UM)) & ~ink
    return without_small(whole, least_tissue_mm2(whole.shape))


def _gaps_filled(tissue: Mask) -> Mask:
    """With the gaps in it, also those that the picture's border cuts: beyond it they go on as their mirror image."""
    pad = min(_MIRROR_PX, *tissue.shape)
    wide = cv2.copyMakeBorder(tissue.view(np.uint8), pad, pad, pad, pad, cv2.BORDER_REFLECT)
    return holes_filled(np.asarray(wide, np.uint8).view(bool), _MAX_HOLE_MM2)[pad:-pad, pad:-pad]


def least_tissue_mm2(shape: tuple[int, ...]) -> float:
    """Area below which a piece of tissue is debris: half of a picture that is itself hardly larger."""
    return min(_MIN_TISSUE_MM2, 0.5 * shape[0] * shape[1] * OVERVIEW_UM_PER_PX**2 / 1e6)


def _pale_bone(not_clear: Mask, tissue: Mask) -> Mask:
    """Patches beside the tissue that are too pale to be called stained, but no glass."""
    patches = without_small(opened(~tissue & not_clear, _PALE_UM), _MIN_PALE_MM2)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(patches.view(np.uint8), connectivity=4)
    margin = round(_BESIDE_PALE_UM[1] / OVERVIEW_UM_PER_PX) + 1
    for number in range(1, count):
        left, top, width, height = (int(n) for n in stats[number, :4])
        place = (
            slice(max(top - margin, 0), top + height + margin),
            slice(max(left - margin, 0), left + width + margin),
        )
        patch = np.asarray(labels[place] == number, bool)
        away_um = distance_um(patch)
        beside = (away_um <= _BESIDE_PALE_UM[1]) & ~(away_um <= _BESIDE_PALE_UM[0])
        if not beside.any() or float(np.mean(tissue[place][beside])) < _MIN_SHARED_EDGE:
            patches[place] &= ~patch
    return patches
