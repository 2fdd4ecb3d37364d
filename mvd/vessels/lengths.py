"""How long objects are: along their midline, and round them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Mask
from mvd.vessels.maps import WORK_UM_PER_PX
from mvd.vessels.sheet import Sheet, lay_out

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_AROUND = np.array([(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)])

_STEP, _SLANT, _BOTH = np.pi / 4, np.pi / (4 * np.sqrt(2)), np.pi / 4 * (1 + 1 / np.sqrt(2))
_CROFTON = np.array([
    0, _BOTH, _SLANT, 2 * _SLANT, 0, _BOTH, 0, _SLANT,
    _STEP, 2 * _STEP, _SLANT, _SLANT, _STEP, 2 * _STEP, 0, 0,
])  # fmt: skip
"""Length in pixels that each pattern of a pixel (1), that above it (2), to its left (4) and above that (8) adds."""


def perimeters_um(sheet: Sheet, filled: Sequence[Mask]) -> list[float]:
    """Length of the outer boundary by Crofton's formula in four directions, free of the staircase of pixel edges."""
    on = sheet.put(filled).astype(np.uint8)
    pattern = on.copy()
    pattern[1:] += 2 * on[:-1]
    pattern[:, 1:] += 4 * on[:, :-1]
    pattern[1:, 1:] += 8 * on[:-1, :-1]
    at = np.flatnonzero(pattern)
    kinds = sheet.owners().ravel()[at].astype(np.intp) * 16 + pattern.ravel()[at]
    seen = np.bincount(kinds, minlength=16 * len(filled)).reshape(-1, 16)
    return [float(_CROFTON @ numbers) * WORK_UM_PER_PX for numbers in seen]


def perimeter_um(filled: Mask) -> float:
    """`perimeters_um` of one object."""
    return perimeters_um(lay_out([filled.shape]), [filled])[0]


def lengths_px(sheet: Sheet, filled: Sequence[Mask], inside: Sequence[FloatImage]) -> list[float]:
    """Longest path along the midline of each object, to the outline at both ends; for a disc its diameter.

    Parameters
    ----------
    inside
        Distance of the pixels of each object from what is not object.
    """
    from scipy.sparse.csgraph import dijkstra  # noqa: PLC0415  (loads slowly, and is not needed to ask for work)
    from skimage.morphology import skeletonize  # noqa: PLC0415

    midlines: list[Mask] = [skeletonize(one) for one in filled]  # type: ignore[no-untyped-call]
    to_edge = np.concatenate([deep[midline] for deep, midline in zip(inside, midlines, strict=True)])
    points = np.argwhere(sheet.put(midlines))
    owner = sheet.owners()[points[:, 0], points[:, 1]]
    graph = _neighbours(points[np.argsort(owner, kind="stable")], sheet.shape)
    first = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(filled)))])
    # Twice the farthest point: exact on a tree, and within a loop's half length otherwise. Nothing joins two objects,
    # so that the nearest of all starts is the object's own.
    end = first[:-1]
    for _ in range(2):
        reach = np.ravel(dijkstra(graph, indices=end, min_only=True))
        reach[~np.isfinite(reach)] = -1.0
        start, end = end, np.array([a + int(np.argmax(reach[a:b])) for a, b in pairwise(first.tolist())])
    return [
        float(path) + float(a) + float(b) for path, a, b in zip(reach[end], to_edge[start], to_edge[end], strict=True)
    ]


def length_px(filled: Mask, inside: FloatImage) -> float:
    """`lengths_px` of one object."""
    return lengths_px(lay_out([filled.shape]), [filled], [inside])[0]


def _neighbours(points: NDArray[np.int64], shape: tuple[int, ...]) -> csr_array:
    """Graph of the (n, 2) pixels of midlines: the distance of each to the up to eight beside it."""
    from scipy.sparse import csr_array  # noqa: PLC0415  (loads slowly)

    columns = shape[1] + 2
    number = np.full((shape[0] + 2) * columns, -1, np.int32)
    at = (points[:, 0] + 1) * columns + points[:, 1] + 1
    number[at] = np.arange(len(points))
    near = number[at[:, None] + _AROUND @ (columns, 1)]
    linked = near >= 0
    steps = np.broadcast_to(np.hypot(*_AROUND.T), linked.shape)[linked]
    starts = np.concatenate([[0], np.cumsum(linked.sum(axis=1))]).astype(np.int32)
    return csr_array((steps, near[linked], starts), shape=(len(points),) * 2)
