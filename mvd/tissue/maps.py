"""Marrow, bone, fat, folds and lost focus of a slide, and where lymphocytes are dense (a suggestion only)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mvd.geometry import Mask, Pixels, Raster, Rect
from mvd.stains import TISSUE_OD, Stains, separate
from mvd.tissue.bone import find_bone
from mvd.tissue.detail import Detail
from mvd.tissue.focus import find_focus
from mvd.tissue.folds import find_folds
from mvd.tissue.masks import around, spread, within, without_small
from mvd.tissue.stained import clear_level, total_density

_MARGIN_PX = 64
"""Of the overview, round the tissue: wider than anything that decides about a pixel of it (80 µm, and the widest blur
reaches 48)."""
_START_AT = 64
"""So that rows begin and end, for the processor's vectors, as those of the whole overview: the last bit is the same."""
_LYMPHOID_UM = 40.0
"""Gaussian sigma over which lymphoid density is judged: an infiltrate measures 100 µm and more."""


@dataclass(frozen=True, slots=True)
class Tissue:
    """What lies where on the overview grid; boolean rasters. Marrow, bone, folds and lost focus share no pixel."""

    marrow: Raster
    """Analysable marrow: tissue with its fat, without bone, folds and what is out of focus."""
    bone: Raster
    fat: Raster
    """Clear gaps inside the marrow: fat cells, also lumens and tears."""
    fold: Raster
    """Where the section lies double."""
    out_of_focus: Raster
    """Where the focus is lost."""
    soft: Raster
    """Where the focus is lost, and marrow where it nearly is: a count there is in doubt."""
    sharpness: float
    """Of the slide's sharpest tenth (`Focus.sharpness`)."""

    @property
    def marrow_mm2(self) -> float:
        return area_mm2(self.marrow)

    @property
    def bone_mm2(self) -> float:
        return area_mm2(self.bone)

    @property
    def fat_mm2(self) -> float:
        return area_mm2(self.fat)

    @property
    def fold_mm2(self) -> float:
        return area_mm2(self.fold)

    @property
    def out_of_focus_mm2(self) -> float:
        return area_mm2(self.out_of_focus)

    @property
    def whole(self) -> Raster:
        """All of it, analysable or not."""
        parts = (self.marrow, self.bone, self.fold, self.out_of_focus)
        return self.marrow.with_pixels(np.logical_or.reduce([part.pixels for part in parts]))

    def crop(self, rect: Rect) -> Tissue:
        """The part whose pixels' centres lie in `rect`."""
        return Tissue(
            marrow=self.marrow.crop(rect),
            bone=self.bone.crop(rect),
            fat=self.fat.crop(rect),
            fold=self.fold.crop(rect),
            out_of_focus=self.out_of_focus.crop(rect),
            soft=self.soft.crop(rect),
            sharpness=self.sharpness,
        )


def area_mm2(mask: Raster) -> float:
    """Area of the true pixels of a boolean raster."""
    return int(np.count_nonzero(mask.pixels)) * mask.um_per_px**2 / 1e6


def map_tissue(overview: Raster, stains: Stains, *, tissue: Raster, detail: Detail) -> Tissue:
    """Marrow, bone, fat, folds and lost focus of a slide.

    Parameters
    ----------
    tissue
        All stained tissue (`find_tissue`).
    detail
        Of all of `tissue` (`measure_detail`).
    """
    shape, box = tissue.pixels.shape, around(tissue.pixels, _MARGIN_PX, start_at=_START_AT)
    near = _map_near(overview.pixels[box], stains, inside=np.asarray(tissue.pixels[box], bool), detail=detail.part(box))
    masks = {name: overview.with_pixels(spread(mask, box, shape)) for name, mask in near.masks.items()}
    return Tissue(**masks, sharpness=near.sharpness)


@dataclass(frozen=True, slots=True, eq=False)
class _Near:
    """Near the tissue: the masks of `Tissue` by name, and its sharpness."""

    masks: dict[str, Mask]
    sharpness: float


def _map_near(pixels: Pixels, stains: Stains, *, inside: Mask, detail: Detail) -> _Near:
    total = total_density(pixels, stains.white)
    stained, solid = inside & (total > TISSUE_OD), inside & (total > clear_level(total, inside))
    glassy = inside & (total < TISSUE_OD)
    del total  # of a large slide more than a hundred MB
    focus = find_focus(detail, stained)
    bone = find_bone(detail, solid & ~focus.lost)
    fold = find_folds(detail, stained & ~bone) & inside
    bone &= ~fold
    out_of_focus = focus.lost & inside & ~bone & ~fold
    marrow = inside & ~bone & ~fold & ~out_of_focus
    masks = {
        "marrow": marrow,
        "bone": bone,
        "fat": marrow & glassy,
        "fold": fold,
        "out_of_focus": out_of_focus,
        "soft": out_of_focus | (focus.soft & marrow),
    }
    return _Near(masks, focus.sharpness)


def suggest_involved(overview: Raster, stains: Stains, tissue: Tissue) -> Raster:
    """Where lymphocytes are dense enough to be an infiltrate: a suggestion for an observer, never a finding.

    Haematoxylin over an infiltrate's width, parted by Otsu's threshold inside the marrow; pieces smaller than one
    counting field (0.0625 mm²) are left out.
    """
    marrow = np.asarray(tissue.marrow.pixels, bool)
    blue = np.ascontiguousarray(separate(overview.pixels, stains)[..., 0])
    smooth = within(blue, marrow, _LYMPHOID_UM)
    scaled = np.clip(smooth[marrow] * 200, 0, 255).astype(np.uint8).reshape(-1, 1)
    if not len(scaled):
        return tissue.marrow
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_OTSU)
    dense = marrow & (smooth * 200 > level)
    return tissue.marrow.with_pixels(without_small(dense, 0.0625))
