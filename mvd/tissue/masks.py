"""The overview's grid, and what is done to masks and maps on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Mask
from mvd.threads import for_each
from mvd.tissue.bands import Band, areas_px, bands, chosen

OVERVIEW_UM_PER_PX = 4.0
"""Pixel size of the overview: a nucleus spans one to two pixels, a 15 mm biopsy 4000."""
_BLUR_SIGMAS = 4
"""OpenCV cuts a Gaussian of float32 off at so many sigmas."""


def within(values: FloatImage, mask: Mask | FloatImage, sigma_um: float) -> FloatImage:
    """Gaussian mean over the part of the window that lies in the mask (or by a weight of 0 to 1); 0 far from it."""
    weight = smoothed(mask.astype(np.float32), sigma_um)
    return np.asarray(smoothed(values * mask, sigma_um) / np.maximum(weight, 1e-6), np.float32)


def smoothed(values: FloatImage, sigma_um: float) -> FloatImage:
    blurred = cv2.GaussianBlur(values.astype(np.float32, copy=False), (0, 0), sigma_um / OVERVIEW_UM_PER_PX)
    return np.asarray(blurred, np.float32)


def blur_reach_px(sigma_um: float) -> int:
    """How far `smoothed` reaches."""
    return math.ceil(_BLUR_SIGMAS * sigma_um / OVERVIEW_UM_PER_PX) + 1


def smoothed_above(values: FloatImage, sigma_um: float, least: float) -> Mask:
    """Where the smoothed map exceeds a value."""
    above = np.empty(values.shape, bool)

    def look(band: Band) -> None:
        np.greater(smoothed(values[band.wide], sigma_um)[band.own], least, out=above[band.rows])

    for_each(look, bands(values.shape, blur_reach_px(sigma_um)))
    return above


def percentile_in(values: Iterable[FloatImage], masks: Sequence[Mask], percentile: float) -> float:
    """`numpy.percentile` of maps, each inside its mask; there is some pixel in one of them."""
    ends = np.cumsum([0, *map(np.count_nonzero, masks)])
    seen = np.empty(ends[-1], np.float32)
    for of, mask, (first, stop) in zip(values, masks, pairwise(ends), strict=True):
        seen[first:stop] = of[mask]
    return float(np.percentile(seen, percentile, overwrite_input=True))


def disc(radius_um: float, um_per_px: float = OVERVIEW_UM_PER_PX) -> NDArray[np.uint8]:
    size = 2 * round(radius_um / um_per_px) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


Box = tuple[slice, slice]
"""Rows and columns of a map."""


def around(mask: Mask, margin_px: int) -> Box:
    """The rows and columns that hold the mask, with a margin; none where it is empty."""
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
    if not width:
        return slice(0, 0), slice(0, 0)
    return (
        slice(max(top - margin_px, 0), min(top + height + margin_px, mask.shape[0])),
        slice(max(left - margin_px, 0), min(left + width + margin_px, mask.shape[1])),
    )


def spread(part: Mask, box: Box, shape: tuple[int, ...]) -> Mask:
    """A part of a mask in the whole of it, false elsewhere."""
    whole = np.zeros(shape, bool)
    whole[box] = part
    return whole


def opened(mask: Mask, radius_um: float) -> Mask:
    """The parts that hold a disc."""
    box = around(mask, _radius_px(radius_um) + 1)
    if not mask[box].size:
        return mask.copy()
    kept = cv2.morphologyEx(mask[box].view(np.uint8), cv2.MORPH_OPEN, disc(radius_um))
    return spread(np.asarray(kept, np.uint8).view(bool), box, mask.shape)


def _radius_px(radius_um: float) -> int:
    return round(radius_um / OVERVIEW_UM_PER_PX)


def closed(mask: Mask, radius_um: float) -> Mask:
    """Morphological closing whose result at the border does not depend on what lies outside."""
    pad = _radius_px(radius_um) + 1
    box = around(mask, pad)
    if not mask[box].size:
        return mask.copy()
    wide = cv2.copyMakeBorder(mask[box].view(np.uint8), pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    whole = np.asarray(cv2.morphologyEx(wide, cv2.MORPH_CLOSE, disc(radius_um)), np.uint8)
    return spread(whole[pad:-pad, pad:-pad].view(bool), box, mask.shape)


def holes_filled(mask: Mask, max_mm2: float) -> Mask:
    """The mask with its enclosed gaps up to `max_mm2` filled; a gap that reaches the picture's border is open."""
    box = around(mask, 0)  # a gap at its edge is open to what lies round it
    if not mask[box].size:
        return mask.copy()
    part = mask[box]
    labels, areas_mm2 = _parts(~part)
    rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    fill = areas_mm2 < max_mm2
    fill[rim] = False
    fill[0] = False  # the mask itself
    return spread(part | chosen(fill, labels), box, mask.shape) if fill.any() else mask.copy()


def without_small(mask: Mask, min_mm2: float) -> Mask:
    box = around(mask, 0)
    if not mask[box].size:
        return mask.copy()
    labels, areas_mm2 = _parts(mask[box])
    keep = areas_mm2 >= min_mm2
    if keep[1:].all():
        return mask.copy()
    keep[0] = False
    return spread(chosen(keep, labels), box, mask.shape)


def _parts(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The number of each pixel's connected part, and the parts' areas; OpenCV takes three times as long over these."""
    count, found = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    labels = np.asarray(found, np.int32)
    return labels, np.asarray(areas_px(labels, count) * OVERVIEW_UM_PER_PX**2 / 1e6, np.float64)


def grown_from(seeds: Mask, mask: Mask) -> Mask:
    """The connected parts of the mask that hold a seed."""
    box = around(mask, 0)
    if not mask[box].size:
        return mask.copy()
    count, found = cv2.connectedComponents(mask[box].view(np.uint8), connectivity=4)
    labels, hit = np.asarray(found, np.int32), np.zeros(count, bool)
    hit[labels[seeds[box] & mask[box]]] = True
    hit[0] = False
    return spread(chosen(hit, labels), box, mask.shape)


def grown(mask: Mask, by_um: float) -> Mask:
    """The mask and all within a distance of it."""
    box = around(mask, math.ceil(by_um / OVERVIEW_UM_PER_PX) + 1)
    if not mask[box].size:
        return mask.copy()
    return spread(np.asarray(distance_um(mask[box]) <= by_um, bool), box, mask.shape)


def distance_um(mask: Mask) -> FloatImage:
    """From each pixel to the nearest of the mask, which holds at least one."""
    away = cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(away * OVERVIEW_UM_PER_PX, np.float32)
