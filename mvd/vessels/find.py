"""From an RGB region to its vessels."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Raster, Ring
from mvd.protocol import CountingRule
from mvd.stains import Stains
from mvd.vessels.joining import join_pieces
from mvd.vessels.judge import judge, judge_place
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, stain_maps
from mvd.vessels.measure import Measured, measure_objects
from mvd.vessels.model import Reason, Vessel
from mvd.vessels.pieces import find_pieces


def find_vessels(
    region: Raster, stains: Stains, levels: StainLevels, *, rule: CountingRule, bone: Raster | None = None
) -> tuple[Vessel, ...]:
    """Every object of a region that reaches the slide's high level, counted or not.

    Parameters
    ----------
    region
        (rows, columns, 3) RGB at `WORK_UM_PER_PX`.
    stains, levels
        Of the whole slide, never of the region, so that a region's vessels do not depend on how a slide is cut up.
    rule
        What counts.
    bone
        True in bone, on any grid that covers the region; None where it is not known.

    Returns
    -------
    Vessels in raster order of their first pixel, named v00001, v00002, …
    """
    if abs(region.um_per_px - WORK_UM_PER_PX) > 1e-9:
        raise ValueError(f"vessels are found at {WORK_UM_PER_PX} µm/px, not {region.um_per_px}")
    maps = stain_maps(region, stains)
    pieces = find_pieces(maps, levels)
    if not pieces.any():
        return ()
    joined = join_pieces(pieces, maps, levels=levels, rule=rule)
    away = None if bone is None else _distance_um(bone)
    objects = measure_objects(pieces, joined, maps, levels=levels, part=rule.branches == "separate")
    vessels = []
    for number, found in enumerate(objects, start=1):
        outline = _place(found.outline, region)
        reason = judge(found, rule, levels) or (away and judge_place(_sample(away, outline), rule))
        vessels.append(_vessel(f"v{number:05d}", found, reason or None, region))
    return tuple(vessels)


def _distance_um(bone: Raster) -> Raster:
    """Distance of every pixel from bone; 0 in it."""
    free = (~bone.pixels.astype(bool)).astype(np.uint8)
    if free.all():
        return bone.with_pixels(np.full(bone.pixels.shape, np.inf, np.float32))
    return bone.with_pixels(cv2.distanceTransform(free, cv2.DIST_L2, 5) * bone.um_per_px)


def _sample(raster: Raster, points: Ring) -> NDArray[np.float32]:
    """Values of the pixels in which points lie; those beyond the raster take its nearest pixel."""
    rows, columns = raster.pixels.shape
    column = np.clip(((points[:, 0] - raster.x0_um) / raster.um_per_px).astype(int), 0, columns - 1)
    row = np.clip(((points[:, 1] - raster.y0_um) / raster.um_per_px).astype(int), 0, rows - 1)
    return np.asarray(raster.pixels[row, column], np.float32)


def _place(ring: Ring, region: Raster) -> Ring:
    return ring * region.um_per_px + (region.x0_um, region.y0_um)


def _vessel(name: str, measured: Measured, reason: Reason | None, region: Raster) -> Vessel:
    return Vessel(
        name=name,
        outline=_place(measured.outline, region),
        lumens=tuple(_place(ring, region) for ring in measured.lumens),
        x_um=measured.x_px * region.um_per_px + region.x0_um,
        y_um=measured.y_px * region.um_per_px + region.y0_um,
        area_um2=measured.area_um2,
        lumen_area_um2=measured.lumen_area_um2,
        lumen_width_um=measured.lumen_width_um,
        length_um=measured.length_um,
        width_um=measured.width_um,
        perimeter_um=measured.perimeter_um,
        mean_dab_od=measured.mean_dab_od,
        pieces=measured.pieces,
        reason=reason,
    )
