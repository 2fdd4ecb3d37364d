"""How an object looks: thickness and texture of its stain, and what shows through it.

Densities are OD as measured; `score` sets them against the object's own peak and the slide's levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.vessels.cutout import View
from mvd.vessels.maps import WORK_UM_PER_PX, StainMaps
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
    h_od: float
    """Haematoxylin under the stain: nuclei that it covers."""
    red_sd_od: float
    """Spread of the red density that the DAB does not explain (at the object's own red share)."""
    residual_od: float
    """What neither haematoxylin nor DAB explains: another colour than theirs."""
    residual_sd_od: float


def appearance(
    view: View, at: NDArray[np.intp], maps: StainMaps, *, depth_px: NDArray[np.float32], red_share: float
) -> Appearance:
    """Measure an object.

    Parameters
    ----------
    at, depth_px
        Positions of its stained pixels in the flat region, in raster order; their distance from what is not stained.
    red_share
        The object's own red over DAB density.
    """
    dab, h, residual, red = (of.ravel()[at] for of in (maps.dab, maps.haematoxylin, maps.residual, maps.red))
    smooth = cv2.GaussianBlur(np.ascontiguousarray(maps.dab[view.box]), (0, 0), _DETAIL_UM / WORK_UM_PER_PX)
    return Appearance(
        depth_um=mean(depth_px) * WORK_UM_PER_PX,
        dab_sd_od=standard_deviation(dab),
        detail_od=standard_deviation(dab - smooth[view.stained]),
        h_od=mean(h),
        red_sd_od=standard_deviation(red - np.float32(red_share) * dab),
        residual_od=mean(residual),
        residual_sd_od=standard_deviation(residual),
    )
