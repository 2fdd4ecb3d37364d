"""What generic tools do with such a section: one DAB threshold, holes filled, a minimum area."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from mvd.geometry import FloatImage, Pixels, Rect
from mvd.stains import DAB_STANDARD, H_STANDARD, Stains, measure_white, separate

NAIVE_OD, NAIVE_UM2 = 0.25, 20.0


def baseline(pixels: Pixels, um_per_px: float) -> list[Rect]:
    """The boxes of everything above `NAIVE_OD`, µm."""
    return above(dab_density(pixels), um_per_px, NAIVE_OD)


def dab_density(pixels: Pixels) -> FloatImage:
    """(rows, columns) DAB density by the standard stain vectors, OD (log10)."""
    stains = Stains(measure_white(pixels), H_STANDARD, DAB_STANDARD, "h-dab")
    return separate(pixels, stains)[..., 1]


def above(density: FloatImage, um_per_px: float, threshold_od: float) -> list[Rect]:
    """The boxes of what lies above a threshold and has at least `NAIVE_UM2`, holes filled; µm."""
    mask = ndimage.binary_fill_holes(density > threshold_od)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return [
        Rect(x * um_per_px, y * um_per_px, (x + w) * um_per_px, (y + h) * um_per_px)
        for x, y, w, h, area in stats[1:].tolist()
        if area * um_per_px**2 >= NAIVE_UM2
    ]
