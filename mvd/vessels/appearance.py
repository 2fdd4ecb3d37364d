"""How an object looks: thickness and texture of its stain, and what shows through it.

Densities are OD as measured; `score` sets them against the object's own peak and the slide's levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mvd.geometry import Mask
from mvd.vessels.maps import WORK_UM_PER_PX, StainMaps
from mvd.vessels.shape import depth

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


def appearance(stained: Mask, box: tuple[slice, slice], maps: StainMaps, *, red_share: float) -> Appearance:
    """Measure an object that lies at `box` in its region.

    Parameters
    ----------
    stained
        (rows, columns) of the box.
    red_share
        The object's own red over DAB density.
    """
    dab, h, residual = (of[box][stained] for of in (maps.dab, maps.haematoxylin, maps.residual))
    smooth = cv2.GaussianBlur(np.ascontiguousarray(maps.dab[box]), (0, 0), _DETAIL_UM / WORK_UM_PER_PX)
    return Appearance(
        depth_um=float(np.mean(depth(stained)[stained])) * WORK_UM_PER_PX,
        dab_sd_od=float(np.std(dab)),
        detail_od=float(np.std((maps.dab[box] - smooth)[stained])),
        h_od=float(np.mean(h)),
        red_sd_od=float(np.std(maps.red[box][stained] - np.float32(red_share) * dab)),
        residual_od=float(np.mean(residual)),
        residual_sd_od=float(np.std(residual)),
    )
