"""How an object looks: thickness and texture of its stain, and what shows through it.

Densities are OD as measured; `score` sets them against the object's own peak and the slide's levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage
from mvd.vessels.cutout import View
from mvd.vessels.maps import WORK_UM_PER_PX, StainMaps
from mvd.vessels.shape import depth
from mvd.vessels.summary import mean, standard_deviation

_DETAIL_UM = 1.0
"""Gaussian sigma: finer than this is grain and edge, coarser is how stain varies along a wall."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """Of one object."""

    depth_um: float
    """Mean distance of the stain from what is not stained: a quarter of the thickness of an even wall."""
    dab_sd_od: float
    """Spread of the DAB density over the stain."""
    detail_od: float
    """Spread of that part of it that is finer than 1 µm."""
    middle: float
    """DAB in the middle of the shape over that along its edge: little in a ring, 1 and more in what is filled."""
    middle_red_od: float
    """Red density in the middle less that along the edge: high where a nucleus is in the middle."""
    roundness: float
    """Spread of the distance of the outline from the middle, over its mean: 0 for a disc, 0.3 for an ellipse of 2:1."""


_RIM_PX = 2.5
"""What lies this close to the outline is edge: a wall of 1-2 µm with its blur."""
_MIDDLE_SHARE = 0.6
"""What lies deeper than this share of the deepest place is middle."""
_LEAST_OD = 0.01
"""Least divisor."""


def appearance(view: View, at: NDArray[np.intp], maps: StainMaps, *, depth_px: NDArray[np.float32]) -> Appearance:
    """Measure an object.

    Parameters
    ----------
    at, depth_px
        Positions of its stained pixels in the flat region, in raster order; their distance from what is not stained.
    """
    own = maps.dab.ravel()[at]
    smooth = cv2.GaussianBlur(np.ascontiguousarray(maps.dab[view.box]), (0, 0), _DETAIL_UM / WORK_UM_PER_PX)
    deep = depth(view.filled)
    middle, edge = deep >= _MIDDLE_SHARE * deep.max(), (deep > 0) & (deep <= _RIM_PX)
    dab, red = maps.dab[view.box], maps.red[view.box]
    return Appearance(
        depth_um=mean(depth_px) * WORK_UM_PER_PX,
        dab_sd_od=standard_deviation(own),
        detail_od=standard_deviation(own - smooth[view.stained]),
        middle=mean(dab[middle]) / max(mean(dab[edge]), _LEAST_OD),
        middle_red_od=mean(red[middle]) - mean(red[edge]),
        roundness=_roundness(deep),
    )


def _roundness(deep: FloatImage) -> float:
    rows, columns = np.nonzero(deep > 0)
    on_edge = deep[rows, columns] <= 1.01
    away = np.hypot(rows[on_edge] - rows.mean(), columns[on_edge] - columns.mean()).astype(np.float32)
    return standard_deviation(away) / max(mean(away), 1e-6)
