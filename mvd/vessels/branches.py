"""Parting a branched vessel into its branches, for rules that count them one by one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.morphology import skeletonize

from mvd.geometry import Mask
from mvd.vessels.maps import WORK_UM_PER_PX
from mvd.vessels.shape import depth

_MIN_BRANCH_UM = 10.0
"""An arm shorter than this beyond the vessel's own wall is a bulge; an endothelial cell is longer."""
_REACH_UM = 8.0
"""How far from a fork an arm's direction is taken."""
_STRAIGHT_ON = -0.7
"""Cosine between two arms, seen from the fork, up to which they are one vessel that runs on (within 45°)."""

_EIGHT = np.ones((3, 3), int)


def part_branches(filled: Mask) -> NDArray[np.int32]:
    """Number the branches of an object.

    Parameters
    ----------
    filled
        (rows, columns) the object, lumens included.

    Returns
    -------
    (rows, columns) 1..n on the object, 0 elsewhere. At every fork the two arms that run straight on are one vessel,
    and every other arm is another; pixels belong to the nearest midline.
    """
    midline = _pruned(np.asarray(skeletonize(filled)), filled)  # type: ignore[no-untyped-call]
    forks = _forks(midline)
    arms, count = ndimage.label(midline & ~forks, structure=_EIGHT)
    if count <= 1 or not forks.any():
        return filled.astype(np.int32)
    group = _through(np.asarray(arms, np.int32), forks, int(count))
    near = (arms == 0).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(near, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    owner = np.zeros(int(nearest.max()) + 1, np.int32)
    owner[nearest[arms > 0]] = group[arms[arms > 0]]
    return np.where(filled, owner[nearest], 0).astype(np.int32)


def _forks(midline: Mask) -> Mask:
    """Pixels of the midline with three and more neighbours, and those beside them."""
    neighbours = ndimage.convolve(midline.astype(int), _EIGHT, mode="constant") - 1
    return np.asarray(midline & (ndimage.binary_dilation(midline & (neighbours >= 3), structure=_EIGHT)), bool)


def _pruned(midline: Mask, filled: Mask) -> Mask:
    """The midline without end pieces that are bulges of the wall."""
    forks = _forks(midline)
    arms, count = ndimage.label(midline & ~forks, structure=_EIGHT)
    wide = depth(filled)
    clusters, _ = ndimage.label(forks, structure=_EIGHT)
    kept = midline.copy()
    for number, place in enumerate(ndimage.find_objects(arms), start=1):
        box = tuple(slice(max(side.start - 2, 0), side.stop + 2) for side in place)
        arm = arms[box] == number
        beside = ndimage.binary_dilation(arm, structure=_EIGHT, iterations=2)
        touched = np.unique(clusters[box][beside & forks[box]])
        half_width = float(wide[box][beside & forks[box]].max()) if len(touched) else 0.0
        if count > 1 and len(touched) == 1 and int(arm.sum()) < _MIN_BRANCH_UM / WORK_UM_PER_PX + half_width:
            kept[box] &= ~arm
    # What is left of a fork without its arm is a bend: thin it again.
    thinned: Mask = skeletonize(kept)  # type: ignore[no-untyped-call]
    return thinned


def _through(arms: NDArray[np.int32], forks: Mask, count: int) -> NDArray[np.int32]:
    """(count + 1,) vessel number of each arm, after the straightest two of every fork are made one."""
    clusters, number = ndimage.label(forks, structure=_EIGHT)
    links: list[tuple[int, int]] = []
    reach = round(_REACH_UM / WORK_UM_PER_PX)
    for fork in range(1, number + 1):
        centre = np.argwhere(clusters == fork).mean(axis=0)
        directions = _arm_directions(arms, clusters == fork, centre, reach)
        pairs = [(float(directions[a] @ directions[b]), a, b) for a in directions for b in directions if a < b]
        if pairs and min(pairs)[0] <= _STRAIGHT_ON:
            links.append(min(pairs)[1:])
    ends = np.array(links, np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count + 1, count + 1))
    _, component = connected_components(graph, directed=False)
    _, group = np.unique(component[1:], return_inverse=True)
    return np.concatenate([[0], group + 1]).astype(np.int32)


def _arm_directions(
    arms: NDArray[np.int32], fork: Mask, centre: NDArray[np.float64], reach: int
) -> dict[int, NDArray[np.float64]]:
    """Unit (row, column) direction in which each arm leaves a fork."""
    beside = ndimage.binary_dilation(fork, structure=_EIGHT, iterations=2)
    directions = {}
    for arm in np.unique(arms[beside & (arms > 0)]).tolist():
        points = np.argwhere(arms == arm) - centre
        near = points[np.hypot(points[:, 0], points[:, 1]) <= reach]
        mean = (near if len(near) else points).mean(axis=0)
        directions[arm] = mean / max(float(np.hypot(*mean)), 1e-9)
    return directions
