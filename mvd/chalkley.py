"""The Chalkley count: points of a graticule that lie on vessels, the graticule turned until there are most.

In each of three hot spots an eyepiece graticule of 25 points in a circle is turned to where most points lie on stained
vessels; the mean of the three numbers is the Chalkley count, a measure of the area that vessels cover. Chalkley HW. J
Natl Cancer Inst 1943;4:47 (points on tissue); Fox SB and others. J Pathol 1995;177:275; Vermeulen PB and others. Eur J
Cancer 2002;38:1564 (consensus). Cited from memory.

The points of the graticule that is sold are spread at random and, as far as we know, not published. These are: one
random point in each of 25 cells of equal area (a disc, 8 parts of the ring round it, 16 of the next), so that their
number on a texture of any kind varies less than that of 25 points at random.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from mvd.fields import CountField
from mvd.geometry import Ring
from mvd.vessels.model import Vessel

POINTS = 25
STEP_DEG = 1
"""The outermost point of a graticule of 500 µm moves by 4.4 µm a step, less than a capillary is wide."""

_CELLS = (1, 8, 16)
"""Cells in the disc and in the two rings round it; the area of each is 1/25 of the whole."""


def graticule() -> Ring:
    """(25, 2) points in the circle of radius 1 about (0, 0); always the same."""
    points: list[tuple[float, float]] = []
    inside = 0
    for cells in _CELLS:
        for cell in range(cells):
            across, around = (_uniform(2 * len(points) + axis) for axis in range(2))
            radius = math.sqrt((inside + across * cells) / POINTS)
            angle = 2 * math.pi * (cell + around) / cells
            points.append((radius * math.cos(angle), radius * math.sin(angle)))
        inside += cells
    return np.array(points)


def chalkley_count(vessels: Sequence[Vessel], field: CountField) -> int:
    """The most points that lie on accepted vessels, lumen included, of the graticule in the circle inside a field."""
    import shapely  # noqa: PLC0415  (slow to import)

    accepted = [shapely.polygons(vessel.outline) for vessel in vessels if vessel.accepted]
    turned = _orientations() * (field.rect.width_um / 2) + _centre(field)
    hit = np.zeros(len(turned), bool)
    hit[shapely.STRtree(accepted).query(shapely.points(turned), predicate="intersects")[0]] = True
    return int(hit.reshape(-1, POINTS).sum(axis=1).max())


def _orientations() -> Ring:
    """The graticule in every orientation, one after the other."""
    angles = np.radians(np.arange(0, 360, STEP_DEG))
    x, y = graticule().T
    turned = (np.outer(np.cos(angles), x) - np.outer(np.sin(angles), y)).ravel()
    return np.stack([turned, (np.outer(np.sin(angles), x) + np.outer(np.cos(angles), y)).ravel()], axis=1)


def _centre(field: CountField) -> tuple[float, float]:
    rect = field.rect
    return (rect.x0_um + rect.x1_um) / 2, (rect.y0_um + rect.y1_um) / 2


def _uniform(draw: int) -> float:
    """A number in [0, 1), the same on every platform, for ever."""
    digest = hashlib.sha256(f"chalkley/{draw}".encode()).digest()
    return float((int.from_bytes(digest[:8], "big") >> 11) / 2**53)
