"""Stain parted into basins: each the surroundings of one peak of the DAB density, cut along the valleys between peaks.

What lies in one basin is one piece of stain at every level. Which basins are one vessel is decided later
(`mvd.vessels.tree`), where more of them is known than how dense the valley between two is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage
from mvd.vessels.maps import WORK_UM_PER_PX

Labels = NDArray[np.int32]
"""(rows, columns), 0 for background and 1..n in raster order of each object's first pixel."""
Numbers = NDArray[np.int32]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

_SAME_PEAK = 0.55
"""Two peaks with a valley of more than this share of the lower one are one: of 83 valleys between vessels that two
readers parted in a dense sarcoma nine in ten were deeper, of 1,602 within one vessel one in ten."""
_MIN_BASIN_UM2 = 3.0
"""A speck of stain (a disc of 2 µm) is grain of the wall beside it; where there is none it is noise, and no basin."""
BODY_SHARE = 0.5
"""The body of a basin reaches out to half of its own peak: a blurred edge lies at half of its height."""
WALL_SHARE = 0.33
"""Stain paler than a third of its own basin's peak is the blur of a wall, or haze beside it."""
_PX_UM2 = WORK_UM_PER_PX**2
_BESIDE = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Steps to the neighbours of a pixel, one of each two opposite ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Valleys:
    """Where two basins meet; arrays of one entry a pair, sorted by it."""

    first: Numbers
    second: Numbers
    density: Floats
    """Of the highest pass between the two."""


@dataclass(frozen=True, slots=True, eq=False)
class Basins:
    """The basins of a region."""

    labels: Labels
    peak: Floats
    """(n + 1,) greatest density of each; 0 for the background."""
    valleys: Valleys
    at: Positions
    """Of the pixels in any basin, in the flat region; to look for them takes longer than most of what is done there."""

    @property
    def size(self) -> int:
        return len(self.peak) - 1

    def places_above(self, density: FloatImage, share: float) -> Positions:
        """Positions of the pixels that are at least as dense as a share of their own basin's peak."""
        owner = self.labels.ravel()[self.at]
        return self.at[density.ravel()[self.at] >= share * self.peak[owner]]

    def above(self, density: FloatImage, share: float) -> Labels:
        """The labels of those pixels, 0 elsewhere."""
        kept = self.places_above(density, share)
        out = np.zeros_like(self.labels)
        out.ravel()[kept] = self.labels.ravel()[kept]
        return out


def find_basins(density: FloatImage, low: float) -> Basins:
    """Part what is denser than `low`.

    Parameters
    ----------
    density
        (rows, columns) DAB over that of unstained tissue, OD.
    """
    stained = density > low
    at = np.flatnonzero(stained)
    if not len(at):
        nothing = np.zeros(0, np.int32)
        valleys = Valleys(nothing, nothing, np.zeros(0))
        return Basins(np.zeros(density.shape, np.int32), np.zeros(1), valleys, at)
    labels = _flooded(density, stained, at)
    at = at[labels.ravel()[at] > 0]
    peak = _peaks(labels, density, at)
    owner = _merged(labels, peak, meetings(labels, density, at), at)
    labels.ravel()[at] = owner[labels.ravel()[at]]
    at = at[labels.ravel()[at] > 0]
    return Basins(labels, _peaks(labels, density, at), meetings(labels, density, at), at)


def _flooded(density: FloatImage, stained: NDArray[np.bool_], at: Positions) -> Labels:
    """A watershed from every local maximum."""
    from skimage.segmentation import watershed  # noqa: PLC0415  (loads slowly)

    highest = np.asarray(cv2.dilate(density, np.ones((3, 3), np.uint8)))
    tops = ((density == highest) & stained).astype(np.uint8)
    _, seeds = cv2.connectedComponentsWithAlgorithm(tops, 8, cv2.CV_32S, cv2.CCL_WU)
    # By rank, for which of two equally dense pixels is first flooded would depend on all of the region.
    depth = np.zeros(density.shape, np.int32)
    depth.ravel()[at[np.argsort(-density.ravel()[at], kind="stable")]] = np.arange(len(at), dtype=np.int32)
    return np.asarray(watershed(depth, seeds, mask=stained, connectivity=2), np.int32)  # type: ignore[no-untyped-call]


def _peaks(labels: Labels, density: FloatImage, at: Positions) -> Floats:
    owner = labels.ravel()[at]
    peak = np.zeros(int(owner.max(initial=0)) + 1)
    np.maximum.at(peak, owner, density.ravel()[at])
    return peak


def meetings(labels: Labels, density: FloatImage, at: Positions) -> Valleys:
    """The highest pass between each two labelled areas that touch; `at` are the positions of all that is labelled."""
    (height, width), flat = labels.shape, labels.ravel()
    rows, columns = np.divmod(at, width)
    parts = []
    for down, right in _BESIDE:
        inside = (rows + down < height) & (columns + right < width) & (columns + right >= 0)
        here = at[inside]
        there = here + down * width + right
        other = flat[there]
        met = (other != 0) & (other != flat[here])
        here, there = here[met], there[met]
        passes = np.minimum(density.ravel()[here], density.ravel()[there])
        parts.append((np.minimum(flat[here], flat[there]), np.maximum(flat[here], flat[there]), passes))
    first, second, passes = (np.concatenate([part[k] for part in parts]) for k in range(3))
    order = np.lexsort((-passes, second, first))
    first, second, passes = first[order], second[order], passes[order]
    fresh = np.ones(len(first), bool)
    fresh[1:] = (np.diff(first) != 0) | (np.diff(second) != 0)
    return Valleys(first[fresh], second[fresh], passes[fresh].astype(np.float64))


def _merged(labels: Labels, peak: Floats, valleys: Valleys, at: Positions) -> Numbers:
    """The new number of each basin when those of one peak, and specks, go to the neighbour over the highest pass.

    0 for specks without one.
    """
    parent = list(range(len(peak)))
    top, area = peak.tolist(), (np.bincount(labels.ravel()[at], minlength=len(peak)) * _PX_UM2).tolist()
    for k in np.argsort(-valleys.density, kind="stable").tolist():
        a, b = find_root(parent, int(valleys.first[k])), find_root(parent, int(valleys.second[k]))
        if a == b:
            continue
        if (top[a], -a) < (top[b], -b):
            a, b = b, a
        if valleys.density[k] >= _SAME_PEAK * top[b] or area[b] < _MIN_BASIN_UM2:
            parent[b] = a
            area[a] += area[b]
    root = np.array([find_root(parent, i) for i in range(len(parent))])
    root[np.array(area)[root] < _MIN_BASIN_UM2] = 0
    at = at[::-1]
    first = np.full(len(root), labels.size)
    first[root[labels.ravel()[at]]] = at  # the last that is written is the first pixel
    first[0] = -1
    rank: Numbers = np.zeros(len(root), np.int32)
    rank[np.argsort(first)] = np.arange(len(root))
    return np.asarray(rank[root], np.int32)


def find_root(parent: list[int], i: int) -> int:
    """The representative of the set that `i` is in; halves the path to it."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
