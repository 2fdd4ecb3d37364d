"""Marrow, bone, fat, folds and lost focus of a slide, and where lymphocytes are dense (a suggestion only)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag, auto

import cv2
import numpy as np

from mvd.geometry import FloatImage, Mask, Pixels, Raster, Rect
from mvd.stains import Stains, separate
from mvd.tissue.bone import find_bone
from mvd.tissue.focus import find_focus
from mvd.tissue.folds import find_folds
from mvd.tissue.islands import Island
from mvd.tissue.masks import opened, within, without_small
from mvd.tissue.stained import clear_level, total_density

_GAP_UM = 4.0
"""Radius that fat holds everywhere; single pale pixels are the gaps between cells. In four simulated sections the found
fat agreed better with the true one by 0.03 to 0.04 (Dice)."""
_LYMPHOID_UM = 40.0
"""Gaussian sigma over which lymphoid density is judged: an infiltrate measures 100 µm and more."""


_PALEST_BONE_OD = 0.05
"""Above glass: bone of 24 simulated sections had as much and more."""


class Kind(IntFlag):
    """What a pixel of the overview can be, also several."""

    MARROW = auto()
    BONE = auto()
    FAT = auto()
    FOLD = auto()
    OUT_OF_FOCUS = auto()
    SOFT = auto()


@dataclass(frozen=True, slots=True)
class Tissue:
    """What lies where on the overview grid. Marrow, bone, folds and lost focus share no pixel."""

    kinds: Raster
    """(rows, columns) uint8 `Kind`; kept as the masks that the properties give, it would take six times the memory."""
    sharpness: float
    """Of the slide's sharpest tenth (`Focus.sharpness`)."""

    @property
    def marrow(self) -> Raster:
        """Analysable marrow: tissue with its fat, without bone, folds and what is out of focus; boolean, as all are."""
        return self._where(Kind.MARROW)

    @property
    def bone(self) -> Raster:
        return self._where(Kind.BONE)

    @property
    def fat(self) -> Raster:
        """Clear gaps inside the marrow: fat cells, also lumens and tears."""
        return self._where(Kind.FAT)

    @property
    def fold(self) -> Raster:
        """Where the section lies double."""
        return self._where(Kind.FOLD)

    @property
    def out_of_focus(self) -> Raster:
        """Where the focus is lost."""
        return self._where(Kind.OUT_OF_FOCUS)

    @property
    def soft(self) -> Raster:
        """Where the focus is lost, and marrow where it nearly is: a count there is in doubt."""
        return self._where(Kind.SOFT)

    @property
    def whole(self) -> Raster:
        """All of it, analysable or not."""
        return self._where(Kind.MARROW | Kind.BONE | Kind.FOLD | Kind.OUT_OF_FOCUS)

    def _where(self, kind: Kind) -> Raster:
        return self.kinds.with_pixels((self.kinds.pixels & np.uint8(kind)).astype(bool))

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

    def crop(self, rect: Rect) -> Tissue:
        """The part whose pixels' centres lie in `rect`."""
        return Tissue(self.kinds.crop(rect), self.sharpness)


def area_mm2(mask: Raster) -> float:
    """Area of the true pixels of a boolean raster."""
    return int(np.count_nonzero(mask.pixels)) * mask.um_per_px**2 / 1e6


def map_tissue(overview: Raster, stains: Stains, *, tissue: Raster, islands: Sequence[Island]) -> Tissue:
    """Marrow, bone, fat, folds and lost focus of a slide.

    Parameters
    ----------
    tissue
        All stained tissue (`find_tissue`).
    islands
        Of the tissue (`islands_of`), looked at (`measure_detail`). Their detail is used up.
    """
    inside = [np.asarray(tissue.pixels[island.box], bool) for island in islands]
    stained, solid, glassy = _by_density(overview.pixels, stains, islands, inside)
    details = [island.detail for island in islands]
    focus = find_focus(details, stained)
    bone = list(find_bone(details, [mask & ~lost for mask, lost in zip(solid, focus.lost, strict=True)]))
    for detail in details:
        detail.forget("known", "texture")
    found = find_folds(details, [mask & ~of for mask, of in zip(stained, bone, strict=True)])
    fold = [mask & of for mask, of in zip(found, inside, strict=True)]
    bone = [mask & ~of for mask, of in zip(bone, fold, strict=True)]
    kinds = np.zeros(tissue.pixels.shape, np.uint8)
    for number, island in enumerate(islands):
        out_of_focus = focus.lost[number] & inside[number] & ~bone[number] & ~fold[number]
        marrow = inside[number] & ~bone[number] & ~fold[number] & ~out_of_focus
        masks = {
            Kind.MARROW: marrow,
            Kind.BONE: bone[number],
            Kind.FAT: marrow & opened(glassy[number], _GAP_UM),
            Kind.FOLD: fold[number],
            Kind.OUT_OF_FOCUS: out_of_focus,
            Kind.SOFT: out_of_focus | (focus.soft[number] & marrow),
        }
        for kind, mask in masks.items():
            kinds[island.box] |= mask * np.uint8(kind)
    return Tissue(overview.with_pixels(kinds), focus.sharpness)


def _by_density(
    pixels: Pixels, stains: Stains, islands: Sequence[Island], inside: Sequence[Mask]
) -> tuple[list[Mask], list[Mask], list[Mask]]:
    """Of each island: its tissue without glassy gaps, without any that is clear, and the glassy gaps."""

    def total() -> Iterator[FloatImage]:  # twice: all at once they take more memory than time
        return (total_density(pixels[island.box], stains.white) for island in islands)

    level = clear_level(total(), inside, stains.tissue_od)
    if stains.white_source == "assumed":  # what is even there may be a lumen that was not told from tissue
        level = _PALEST_BONE_OD
    by_island = [
        (mask & (density > stains.tissue_od), mask & (density > level), mask & (density < stains.tissue_od))
        for mask, density in zip(inside, total(), strict=True)
    ]
    stained, solid, glassy = map(list, zip(*by_island, strict=True))
    return stained, solid, glassy


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
