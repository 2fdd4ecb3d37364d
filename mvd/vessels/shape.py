"""Shape of a mask: hull, fitted rim, midline, widths."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Mask, Ring
from mvd.stains import TISSUE_OD
from mvd.vessels.maps import WORK_UM_PER_PX, StainMaps
from mvd.vessels.summary import mean, share

_MAX_CELL_UM = 20.0
"""Beyond this radius the inside of a fitted circle is not looked at; no lymphoid cell is as large."""


@dataclass(frozen=True, slots=True)
class Rim:
    """A circle fitted to the stained pixels (Kåsa, IEEE Trans Instrum Meas 1976;25:8)."""

    diameter_um: float
    residual_um: float
    """Root mean square distance of the stained pixels from the circle."""
    cover: float
    """Share of the circle's directions in which there is stain."""
    inside_h_od: float
    """Haematoxylin inside the circle, stain left out."""
    inside_clear_share: float
    """Share of that inside that is as clear as glass."""


_SECTORS = 16
"""In which a rim's cover is counted; 1.5 µm each on a cell of 8 µm."""


def fit_rim(stained: Mask, place: tuple[slice, slice], maps: StainMaps) -> Rim:
    """Circle through the stain of an object that lies at `place` in its region, and what the circle encloses."""
    rows, columns = np.divmod(np.flatnonzero(stained), stained.shape[1])
    middle_row, middle_column = float(rows.sum()) / len(rows), float(columns.sum()) / len(rows)
    y, x = rows - middle_row, columns - middle_column
    # Kåsa: least squares in a·x + b·y + c = x² + y², centre (a/2, b/2).
    system = np.ones((len(x), 3))
    system[:, 0], system[:, 1] = x, y
    a, b, c = np.linalg.lstsq(system, x**2 + y**2, rcond=None)[0].tolist()
    cx, cy = a / 2, b / 2
    radius = math.sqrt(max(c + cx**2 + cy**2, 1.0))
    x -= cx
    y -= cy
    off = np.hypot(x, y) - radius
    sectors = np.floor((np.arctan2(y, x) / (2 * math.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS
    row = place[0].start + middle_row + cy
    column = place[1].start + middle_column + cx
    h_od, clear = _inside_circle(maps, (stained, place), (row, column), 0.75 * radius)
    return Rim(
        diameter_um=2 * radius * WORK_UM_PER_PX,
        residual_um=math.sqrt(float(np.add.reduce(off**2)) / len(off)) * WORK_UM_PER_PX,
        cover=len(set(sectors.tolist())) / _SECTORS,
        inside_h_od=h_od,
        inside_clear_share=clear,
    )


def _inside_circle(
    maps: StainMaps, own: tuple[Mask, tuple[slice, slice]], centre: tuple[float, float], radius: float
) -> tuple[float, float]:
    """Mean haematoxylin and share of clear pixels inside a circle (pixels), the object's own stain left out."""
    row, column = centre
    height, width = maps.dab.shape
    radius = min(radius, _MAX_CELL_UM / WORK_UM_PER_PX)  # no cell is larger; a straight wall fits an endless circle
    top, bottom = max(int(row - radius), 0), min(int(row + radius) + 2, height)
    left, right = max(int(column - radius), 0), min(int(column + radius) + 2, width)
    if top >= bottom or left >= right:
        return 0.0, 0.0
    down, along = np.arange(top, bottom) - row, np.arange(left, right) - column
    chosen = np.hypot(down[:, None], along) <= radius
    stained, place = own
    r0, r1 = max(top, place[0].start), min(bottom, place[0].start + stained.shape[0])
    c0, c1 = max(left, place[1].start), min(right, place[1].start + stained.shape[1])
    if r0 < r1 and c0 < c1:
        part = stained[r0 - place[0].start : r1 - place[0].start, c0 - place[1].start : c1 - place[1].start]
        chosen[r0 - top : r1 - top, c0 - left : c1 - left] &= ~part
    window = (slice(top, bottom), slice(left, right))
    haematoxylin = maps.haematoxylin[window][chosen]
    if not len(haematoxylin):
        return 0.0, 0.0
    return mean(haematoxylin), share(maps.total[window][chosen] < TISSUE_OD)


@dataclass(frozen=True, slots=True)
class Hull:
    """Convex hull of an object."""

    diameter_um: float
    aspect: float
    inside: Mask


def convex_hull(filled: Mask, outline: Ring) -> Hull:
    """Convex hull of an object, in the pixels of its view."""
    points = cv2.convexHull(outline.astype(np.float32))
    _, sides, _ = cv2.minAreaRect(points)
    inside = filled.astype(np.uint8)
    cv2.fillConvexPoly(inside, points.astype(np.int32), 1)  # pixel edges: whole numbers
    diameter_um = math.sqrt(4 * cv2.contourArea(points) / math.pi) * WORK_UM_PER_PX
    return Hull(diameter_um, min(sides) / max(sides), inside.view(bool))


def widest_um(mask: Mask) -> float:
    """Diameter of the largest circle inside a mask."""
    return width_um(depth(mask))


def width_um(deep: FloatImage) -> float:
    """Diameter of the largest circle inside a mask of which this is the `depth`."""
    deepest = float(deep.max(initial=0))
    return 2 * (deepest - 0.5) * WORK_UM_PER_PX if deepest > 0 else 0.0


def _framed(mask: Mask) -> NDArray[np.uint8]:
    """A mask as 0 and 1 with a frame of one pixel of 0."""
    framed = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.uint8)
    framed[1:-1, 1:-1] = mask
    return framed


def without_holes(mask: Mask) -> Mask:
    """The mask with everything that it encloses (what does not reach the border by an edge of a pixel)."""
    padded = _framed(mask)
    cv2.floodFill(padded, None, (0, 0), 2)  # ten times as fast as scipy's binary_fill_holes on a vessel
    return np.asarray(padded[1:-1, 1:-1] != 2, bool)


def depth(mask: Mask) -> FloatImage:
    """Distance of every pixel of a mask from what is not mask, in pixels; what lies off the picture is not mask."""
    deep = cv2.distanceTransform(_framed(mask), cv2.DIST_L2, 5)
    return np.asarray(deep[1:-1, 1:-1], np.float32)


def centroid(ring: Ring) -> tuple[float, float]:
    """Centroid of the area inside a ring."""
    x, y = ring.T
    xn, yn = np.concatenate([ring[1:], ring[:1]]).T  # np.roll, without its overhead
    cross = x * yn - xn * y
    total = float(cross.sum())
    return float(((x + xn) * cross).sum() / (3 * total)), float(((y + yn) * cross).sum() / (3 * total))
