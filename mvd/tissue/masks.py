"""The overview's grid, and what is done to masks and maps on it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Mask

OVERVIEW_UM_PER_PX = 4.0
"""Pixel size of the overview: a nucleus spans one to two pixels, a 15 mm biopsy 4000."""


def within(values: FloatImage, mask: Mask | FloatImage, sigma_um: float) -> FloatImage:
    """Gaussian mean over the part of the window that lies in the mask (or by a weight of 0 to 1); 0 far from it."""
    weight = smoothed(mask.astype(np.float32), sigma_um)
    return np.asarray(smoothed(values * mask, sigma_um) / np.maximum(weight, 1e-6), np.float32)


def smoothed(values: FloatImage, sigma_um: float) -> FloatImage:
    blurred = cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma_um / OVERVIEW_UM_PER_PX)
    return np.asarray(blurred, np.float32)


def disc(radius_um: float, um_per_px: float = OVERVIEW_UM_PER_PX) -> NDArray[np.uint8]:
    size = 2 * round(radius_um / um_per_px) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def opened(mask: Mask, radius_um: float) -> Mask:
    """The parts that hold a disc."""
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc(radius_um)) > 0, bool)


def closed(mask: Mask, radius_um: float) -> Mask:
    """Morphological closing whose result at the border does not depend on what lies outside."""
    pad = round(radius_um / OVERVIEW_UM_PER_PX) + 1
    wide = cv2.copyMakeBorder(mask.astype(np.uint8), pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    whole = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, disc(radius_um))
    return np.asarray(whole[pad:-pad, pad:-pad] > 0, bool)


def holes_filled(mask: Mask, max_mm2: float) -> Mask:
    """The mask with its enclosed gaps up to `max_mm2` filled; a gap that reaches the picture's border is open."""
    count, labels = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    size = np.bincount(labels.ravel(), minlength=count) * OVERVIEW_UM_PER_PX**2 / 1e6
    fill = size < max_mm2
    fill[rim] = False
    return np.asarray(mask | (fill[labels] & ~mask), bool)


def without_small(mask: Mask, min_mm2: float) -> Mask:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    keep = stats[:, cv2.CC_STAT_AREA] * OVERVIEW_UM_PER_PX**2 / 1e6 >= min_mm2
    keep[0] = False
    return np.asarray(keep[labels]) if count > 1 else np.zeros_like(mask)


def grown_from(seeds: Mask, mask: Mask) -> Mask:
    """The connected parts of the mask that hold a seed."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    hit = np.zeros(int(labels.max()) + 1, bool)
    hit[labels[seeds & mask]] = True
    hit[0] = False
    return np.asarray(hit[labels], bool)


def grown(mask: Mask, by_um: float) -> Mask:
    """The mask and all within a distance of it."""
    if not mask.any():
        return mask.copy()
    return np.asarray(distance_um(mask) <= by_um, bool)


def distance_um(mask: Mask) -> FloatImage:
    """From each pixel to the nearest of the mask, which holds at least one."""
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away * OVERVIEW_UM_PER_PX, np.float32)
