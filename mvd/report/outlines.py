"""Outlines as they are drawn: the measured ones, rounded off, a little outside the stain."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import shapely

from mvd.geometry import Mask, Raster, Ring
from mvd.report.sheet import View, distances

_STEP_UM = 0.5
"""Size of the pixels along whose edges outlines run."""


def round_outside(ring: Ring, clear_um: float) -> tuple[Ring, ...]:
    """A ring without its stairs, `clear_um` outside of what it encloses."""
    return _rings(_smooth(ring).buffer(clear_um))


def round_inside(ring: Ring) -> tuple[Ring, ...]:
    """The boundary of a lumen without its stairs."""
    return _rings(_smooth(ring))


def _smooth(ring: Ring) -> Any:
    """Corners cut at the middle of the pixel edges; the area stays within half a pixel of what was measured."""
    closed = np.vstack([ring, ring[:1]])
    along = distances(closed)
    at = (np.arange(max(4, round(along[-1] / _STEP_UM))) + 0.5) * _STEP_UM
    dense = np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], axis=1)
    cut = (np.roll(dense, 1, axis=0) + 2 * dense + np.roll(dense, -1, axis=0)) / 4
    # A ring that touches itself at a pixel's corner is no valid polygon; growing it by nothing much makes it one.
    return shapely.Polygon(cut).buffer(1e-3)


def _rings(shape: Any) -> tuple[Ring, ...]:
    parts = shapely.get_parts(shape)
    return tuple(shapely.get_coordinates(part.exterior)[:-1] for part in parts if not part.is_empty)


def mask_on(view: View, mask: Raster, shape: tuple[int, int]) -> Mask:
    """A coarse mask on the pixels of a picture, its stairs smoothed; false off the mask."""
    rows, columns = shape
    scale = view.um_per_px / mask.um_per_px
    # A picture's pixel centre (j + 0.5) in pixels of the mask, less the half that a mask's pixel centre has.
    move_x = (view.rect.x0_um - mask.x0_um) / mask.um_per_px + 0.5 * scale - 0.5
    move_y = (view.rect.y0_um - mask.y0_um) / mask.um_per_px + 0.5 * scale - 0.5
    matrix = np.array([[scale, 0, move_x], [0, scale, move_y]])
    margin = view.rect.expanded(4 * mask.um_per_px)
    part_rows, part_columns = mask.window(margin)
    part = np.ascontiguousarray(mask.pixels[part_rows, part_columns], np.float32)
    if not part.size:
        return np.zeros(shape, bool)
    matrix[:, 2] -= part_columns.start, part_rows.start
    soft = cv2.GaussianBlur(part, (0, 0), 0.7, borderType=cv2.BORDER_REPLICATE)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    share = cv2.warpAffine(soft, matrix, (columns, rows), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(share) > 0.5
