"""Tissue, fat and bone from an overview of the slide, and where lymphocytes are dense (a suggestion only)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.errors import StainError
from mvd.geometry import FloatImage, Mask, Raster
from mvd.stains import BLACK_OD, TISSUE_OD, Stains, Vector, optical_density, separate

OVERVIEW_UM_PER_PX = 4.0
"""Pixel size of the overview: a nucleus spans one to two pixels, a 15 mm biopsy 4000."""

_TISSUE_SMOOTH_UM = 6.0
"""Gaussian sigma that closes the gaps between cells but not fat cells (40-80 µm)."""
_FAT_CLOSING_UM = 45.0
"""Radius of the largest gap that is marrow when tissue surrounds it: a fat cell of 90 µm."""
_MAX_HOLE_MM2 = 0.05
"""An enclosed gap up to this area is fat or a torn sinusoid; a larger one is a hole in the section."""
_MIN_INK_UM = 12.0
"""Radius of the smallest black patch that is ink; clumps of precipitate stay below it."""
_MIN_TISSUE_MM2 = 0.01
"""Smaller pieces of tissue are debris; a counting field holds 0.0625 mm²."""
_TEXTURE_UM = 12.0
"""Gaussian sigma of the window for texture: two to four nuclei wide."""
_BONE_TEXTURE_SHARE = 0.45
"""Bone varies less than this share of what the slide's cellular tissue varies."""
_MIN_BONE_UM2 = 4000.0
"""Smaller smooth patches are cytoplasm, plasma or stroma; trabeculae are 100 µm thick and more."""
_BONE_OPENING_UM = 14.0
"""Radius that a trabecula holds everywhere."""
_LYMPHOID_UM = 40.0
"""Gaussian sigma over which lymphoid density is judged: an infiltrate measures 100 µm and more."""


@dataclass(frozen=True, slots=True)
class Tissue:
    """What lies where on the overview grid; boolean rasters, bone and fat inside or beside the marrow."""

    marrow: Raster
    """Analysable marrow: tissue with its fat, without bone."""
    bone: Raster
    fat: Raster
    """Clear gaps inside the marrow: fat cells, also lumens and tears."""

    @property
    def marrow_mm2(self) -> float:
        return area_mm2(self.marrow)

    @property
    def bone_mm2(self) -> float:
        return area_mm2(self.bone)

    @property
    def fat_mm2(self) -> float:
        return area_mm2(self.fat)


def area_mm2(mask: Raster) -> float:
    """Area of the true pixels of a boolean raster."""
    return int(np.count_nonzero(mask.pixels)) * mask.um_per_px**2 / 1e6


def find_tissue(overview: Raster, white: Vector) -> Raster:
    """Stained tissue with the fat inside it, bone included.

    Parameters
    ----------
    overview
        (rows, columns, 3) RGB at `OVERVIEW_UM_PER_PX`.
    white
        White point of the slide.

    Raises
    ------
    StainError
        There is no tissue.
    """
    density = optical_density(overview.pixels, white)
    ink = find_ink(density)
    total = _smoothed(np.where(ink, 0, density.mean(axis=2)).astype(np.float32), _TISSUE_SMOOTH_UM)
    stained = (total > TISSUE_OD).astype(np.uint8)
    closed = _closing(stained, _FAT_CLOSING_UM)
    tissue = _without_small(_holes_filled(closed > 0, _MAX_HOLE_MM2) & ~ink, _MIN_TISSUE_MM2)
    if not tissue.any():
        raise StainError("no tissue: nothing on the slide is stained over as much as 0.01 mm²")
    return overview.with_pixels(tissue)


def find_ink(density: FloatImage) -> Mask:
    """Black patches wider than a grain of pigment, with their blurred edge: marker ink, a frame, the empty stage.

    `density` is (rows, columns, 3) OD of the overview.
    """
    black = (density.min(axis=2) > BLACK_OD).astype(np.uint8)
    opened = cv2.morphologyEx(black, cv2.MORPH_OPEN, _disc(_MIN_INK_UM))
    return np.asarray(cv2.dilate(opened, _disc(_MIN_INK_UM)) > 0, bool)


def map_tissue(overview: Raster, stains: Stains) -> Tissue:
    """Marrow, bone and fat of a slide.

    Bone is stained, evenly so, and without nuclei: where the density varies much less than in the slide's cellular
    tissue, over an area as wide as a trabecula.
    """
    tissue = np.asarray(find_tissue(overview, stains.white).pixels, bool)
    total = optical_density(overview.pixels, stains.white).mean(axis=2)
    fat = tissue & (total < TISSUE_OD)
    bone = _find_bone(total, tissue & ~fat)
    fat &= ~bone
    return Tissue(
        marrow=overview.with_pixels(tissue & ~bone), bone=overview.with_pixels(bone), fat=overview.with_pixels(fat)
    )


def suggest_involved(overview: Raster, stains: Stains, tissue: Tissue) -> Raster:
    """Where lymphocytes are dense enough to be an infiltrate: a suggestion for an observer, never a finding.

    Haematoxylin over an infiltrate's width, parted by Otsu's threshold inside the marrow; pieces smaller than one
    counting field (0.0625 mm²) are left out.
    """
    marrow = np.asarray(tissue.marrow.pixels, bool)
    blue = np.ascontiguousarray(separate(overview.pixels, stains)[..., 0])
    smooth = _within(blue, marrow, _LYMPHOID_UM)
    scaled = np.clip(smooth[marrow] * 200, 0, 255).astype(np.uint8).reshape(-1, 1)
    if not len(scaled):
        return tissue.marrow
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_OTSU)
    dense = marrow & (smooth * 200 > level)
    return tissue.marrow.with_pixels(_without_small(dense, 0.0625))


def _find_bone(total: FloatImage, solid: Mask) -> Mask:
    """Smooth stained patches at least as large and as thick as a trabecula.

    Found where a wide window is even, then followed as far as a narrow one is: the wide window is sure but mixes
    marrow in along the edge and in thin trabeculae.
    """
    if not solid.any():
        return np.zeros_like(solid)
    sure = _even(total, solid, _TEXTURE_UM, _BONE_TEXTURE_SHARE)
    likely = _even(total, solid, _TEXTURE_UM / 3, 1.3 * _BONE_TEXTURE_SHARE) | sure
    likely = cv2.morphologyEx(likely.astype(np.uint8), cv2.MORPH_OPEN, _disc(_BONE_OPENING_UM)) > 0
    seeds = _without_small(cv2.morphologyEx(sure.astype(np.uint8), cv2.MORPH_OPEN, _disc(_BONE_OPENING_UM)) > 0, 1e-3)
    _, labels = cv2.connectedComponents(likely.astype(np.uint8), connectivity=4)
    hit = np.zeros(int(labels.max()) + 1, bool)
    hit[labels[seeds & likely]] = True
    hit[0] = False
    bone = _without_small(hit[labels], _MIN_BONE_UM2 / 1e6)
    # Osteocytes and their lacunae.
    return _holes_filled(bone, _MIN_BONE_UM2 / 1e6)


def _even(total: FloatImage, solid: Mask, sigma_um: float, share: float) -> Mask:
    """Where the density varies less than `share` of what it does in most of the tissue."""
    mean, mean_square = _within(total, solid, sigma_um), _within(total**2, solid, sigma_um)
    texture = np.sqrt(np.maximum(mean_square - mean**2, 0))
    return np.asarray(solid & (texture < share * float(np.percentile(texture[solid], 75))), bool)


def _within(values: FloatImage, mask: Mask, sigma_um: float) -> FloatImage:
    """Gaussian mean over the part of the window that lies in the mask; 0 far from it."""
    weight = _smoothed(mask.astype(np.float32), sigma_um)
    return np.asarray(_smoothed(values * mask, sigma_um) / np.maximum(weight, 1e-6), np.float32)


def _smoothed(values: FloatImage, sigma_um: float) -> FloatImage:
    blurred = cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma_um / OVERVIEW_UM_PER_PX)
    return np.asarray(blurred, np.float32)


def _disc(radius_um: float) -> NDArray[np.uint8]:
    size = 2 * round(radius_um / OVERVIEW_UM_PER_PX) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def _closing(mask: NDArray[np.uint8], radius_um: float) -> NDArray[np.uint8]:
    """Morphological closing whose result at the border does not depend on what lies outside."""
    pad = round(radius_um / OVERVIEW_UM_PER_PX) + 1
    wide = cv2.copyMakeBorder(mask, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, _disc(radius_um))
    return np.asarray(closed[pad:-pad, pad:-pad], np.uint8)


def _holes_filled(mask: Mask, max_mm2: float) -> Mask:
    """The mask with its enclosed gaps up to `max_mm2` filled; a gap that reaches the picture's border is open."""
    count, labels = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    size = np.bincount(labels.ravel(), minlength=count) * OVERVIEW_UM_PER_PX**2 / 1e6
    fill = size < max_mm2
    fill[rim] = False
    return np.asarray(mask | (fill[labels] & ~mask), bool)


def _without_small(mask: Mask, min_mm2: float) -> Mask:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    keep = stats[:, cv2.CC_STAT_AREA] * OVERVIEW_UM_PER_PX**2 / 1e6 >= min_mm2
    keep[0] = False
    return np.asarray(keep[labels]) if count > 1 else np.zeros_like(mask)
