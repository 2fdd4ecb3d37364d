"""Small pictures of objects, all of one size and turned along their longer axis, as a network looks at them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Mask
from mvd.vessels.basins import WALL_SHARE
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, StainMaps

PATCH_PX = 48
"""Side of a patch: an object with what lies round it."""
CHANNELS = ("object", "stain beside it", "DAB over own peak", "DAB over noise", "total over tissue")
PATCH_UM_PER_PX = 1.0
"""Of objects that fit; larger ones are made smaller."""
_OBJECT_SHARE = 0.72
"""Of the patch's side that the longer side of an object takes at the most."""
_FULL_PEAK, _FULL_NOISE, _FULL_TOTAL = 1.5, 4.5, 3.2
"""What is white in the last three channels: so many peaks, arsinh of a third of the noises, tissues."""
_GRAIN_PX = 8
"""The square that is cut out for a patch has a side of so many pixels, or a multiple."""
_LEAST_PEAK_OD, _LEAST_NOISE_OD, _LEAST_TISSUE_OD = 0.05, 0.001, 0.02

Patch = NDArray[np.uint8]
"""(channels, rows, columns) in the order of `CHANNELS`."""


@dataclass(frozen=True, slots=True, eq=False)
class Patched:
    """A patch, and where it is from."""

    pixels: Patch
    shrunk: float
    """ln of how many µm a pixel is; 0 for what fits."""
    box: tuple[int, int, int, int]
    """Top, left, bottom and right of what was looked at, in pixels of the region; it may reach off the region."""


def cut_patch(at: NDArray[np.intp], maps: StainMaps, levels: StainLevels) -> Patched:
    """An object as a small picture, the same wherever the region begins.

    Parameters
    ----------
    at
        Positions of its stained pixels in the flat region.
    """
    rows, columns = np.divmod(at, maps.dab.shape[1])
    top, left = int(rows.min()), int(columns.min())
    view = _view_of(rows - top, columns - left)
    down, right = top + view.top, left + view.left
    own = np.zeros((view.side, view.side), bool)
    own[rows - down, columns - right] = True
    dab, total = (_cropped(plane, down, right, view.side) for plane in (maps.dab, maps.total))
    dab = dab - np.float32(levels.background)
    peak = max(float(dab[own].max()), _LEAST_PEAK_OD)
    stained = (dab > max(WALL_SHARE * peak, levels.low - levels.background)) & ~own
    dab, total = (view.shown(plane) for plane in (dab, total))
    noise = np.arcsinh(np.maximum(dab, 0) / np.float32(3 * max(levels.noise, _LEAST_NOISE_OD)))
    planes = (
        dab / (peak * _FULL_PEAK),
        noise / _FULL_NOISE,
        total / (max(levels.tissue, _LEAST_TISSUE_OD) * _FULL_TOTAL),
    )
    grey = [np.clip(np.round(255 * plane), 0, 255).astype(np.uint8) for plane in planes]
    return Patched(
        np.stack([view.covered(own), view.covered(stained), *grey]),
        math.log(view.step * WORK_UM_PER_PX / PATCH_UM_PER_PX),
        (down, right, down + view.side, right + view.side),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """How a patch lies in the square that is cut out for it."""

    top: int
    left: int
    """Of the square, from the object's own first row and column."""
    side: int
    step: float
    """Pixels of the region in one of the patch."""
    axis: tuple[float, float]
    """x, y of the unit vector along which rows of the patch run."""
    centre: tuple[float, float]
    """x, y in the square."""
    halvings: int
    """How often it is halved until a pixel of it is nearly as large as one of the patch."""

    def shown(self, plane: FloatImage) -> FloatImage:
        """(rows, columns) of the patch, between the pixels of the square."""
        for _ in range(self.halvings):
            plane = np.asarray(cv2.resize(plane, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
        size, (x, y) = 1 << self.halvings, self.centre
        place = self._map(self.step / size, ((x + 0.5) / size - 0.5, (y + 0.5) / size - 0.5), PATCH_PX)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(plane, place, (PATCH_PX, PATCH_PX), flags=flags), np.float32)

    def covered(self, mask: Mask) -> NDArray[np.uint8]:
        """How much of each pixel of the patch a mask covers, from four samples; 255 for all."""
        side = 2 * PATCH_PX
        place = self._map(self.step / 2, self.centre, side)
        flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        hit = np.asarray(cv2.warpAffine(mask.astype(np.uint8), place, (side, side), flags=flags))
        four = hit.reshape(PATCH_PX, 2, PATCH_PX, 2).sum(axis=(1, 3), dtype=np.uint16)
        return np.asarray((255 * four + 2) // 4, np.uint8)

    def _map(self, step: float, centre: tuple[float, float], side: int) -> NDArray[np.float64]:
        """From a patch of `side` pixels, each `step` large, to a picture in which it lies round `centre`."""
        cos, sin = step * self.axis[0], step * self.axis[1]
        middle = (side - 1) / 2
        return np.array(
            [
                [cos, -sin, centre[0] - (cos - sin) * middle],
                [sin, cos, centre[1] - (sin + cos) * middle],
            ]
        )


def _view_of(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> _View:
    """Along the longer axis of some pixels, and round the middle of the rectangle along it."""
    x, y = columns.astype(np.float64), rows.astype(np.float64)
    dx, dy = x - x.mean(), y - y.mean()
    angle = 0.5 * math.atan2(2 * float(np.mean(dx * dy)), float(np.mean(dx * dx) - np.mean(dy * dy)))
    cos, sin = math.cos(angle), math.sin(angle)
    along, across = x * cos + y * sin, y * cos - x * sin
    u, v = (float(side.max() + side.min()) / 2 for side in (along, across))
    extent = 1 + max(float(np.ptp(along)), float(np.ptp(across)))
    step = max(PATCH_UM_PER_PX / WORK_UM_PER_PX, extent / (_OBJECT_SHARE * PATCH_PX))
    halvings = max(round(math.log2(step * WORK_UM_PER_PX / PATCH_UM_PER_PX)), 0)
    # The square begins and ends with a whole pixel after all halvings.
    grain = _GRAIN_PX << halvings
    reach = math.ceil(step * PATCH_PX / math.sqrt(2)) + 2
    centre = (u * cos - v * sin, u * sin + v * cos)
    left, top = (math.floor((at - reach) / grain) * grain for at in centre)
    side = math.ceil((2 * reach + grain) / grain) * grain
    return _View(top, left, side, step, (cos, sin), (centre[0] - left, centre[1] - top), halvings)


def _cropped(plane: FloatImage, down: int, right: int, side: int) -> FloatImage:
    """A square of a plane, which may reach beyond it; there is what lies nearest."""
    height, width = plane.shape
    inside = plane[max(down, 0) : down + side, max(right, 0) : right + side]
    above, before = max(-down, 0), max(-right, 0)
    below, behind = max(down + side - height, 0), max(right + side - width, 0)
    if not (above or before or below or behind):
        return inside
    return np.pad(inside, ((above, below), (before, behind)), mode="edge")
