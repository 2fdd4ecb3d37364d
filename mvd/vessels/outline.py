"""Outlines along pixel edges, so that the area of an outline is the area of its pixels."""

from __future__ import annotations

import numpy as np

from mvd.geometry import Mask, Ring


def trace(mask: Mask) -> list[Ring]:
    """Boundaries of a mask along pixel edges.

    Parameters
    ----------
    mask
        (rows, columns); `well_composed` it first, or rings may touch themselves at corners.

    Returns
    -------
    list of (n, 2) arrays of x (column), y (row) in pixel edges, corners only. Outer boundaries run clockwise on the
    screen and have a positive shoelace area, holes a negative one; in the raster order of their first corner.

    Notes
    -----
    Every boundary edge is directed with the mask on its right, and the trace turns right where it can.
    """
    padded = np.pad(mask, 1)
    after: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    starts = _edges(padded)
    for x, y, heading in starts:
        ex, ey = x + _DX[heading], y + _DY[heading]
        for turn in (1, 0, 3):  # right, straight on, left
            following = (ex, ey, (heading + turn) % 4)
            if following in starts:
                after[(x, y, heading)] = following
                break
    rings: list[Ring] = []
    left = dict.fromkeys(sorted(starts, key=lambda e: (e[1], e[0], e[2])))
    while left:
        rings.append(_walk(next(iter(left)), after, left))
    return rings


def well_composed(mask: Mask) -> Mask:
    """The mask with one pixel added wherever two of its pixels meet at a corner only.

    Without such corners every boundary is a simple closed curve, so that outlines are valid polygons.
    """
    filled = mask.copy()
    while True:
        a, b, c, d = filled[:-1, :-1], filled[:-1, 1:], filled[1:, :-1], filled[1:, 1:]
        falling, rising = a & d & ~b & ~c, b & c & ~a & ~d
        if not (falling.any() or rising.any()):
            return filled
        filled[:-1, 1:] |= falling
        filled[:-1, :-1] |= rising


_DX, _DY = (1, 0, -1, 0), (0, 1, 0, -1)  # east, south, west, north


def _edges(padded: Mask) -> set[tuple[int, int, int]]:
    """(x, y, heading) of every boundary edge of a padded mask, the mask on the right of the heading."""
    edges: set[tuple[int, int, int]] = set()
    # An edge on top of a pixel heads east, on its right south, below it west, on its left north.
    tops = np.argwhere(padded[1:, :] & ~padded[:-1, :])
    bottoms = np.argwhere(padded[:-1, :] & ~padded[1:, :])
    lefts = np.argwhere(padded[:, 1:] & ~padded[:, :-1])
    rights = np.argwhere(padded[:, :-1] & ~padded[:, 1:])
    edges.update((c - 1, r, 0) for r, c in tops.tolist())
    edges.update((c, r, 2) for r, c in bottoms.tolist())
    edges.update((c, r, 3) for r, c in lefts.tolist())
    edges.update((c, r - 1, 1) for r, c in rights.tolist())
    return edges


def _walk(
    start: tuple[int, int, int],
    after: dict[tuple[int, int, int], tuple[int, int, int]],
    left: dict[tuple[int, int, int], None],
) -> Ring:
    corners: list[tuple[int, int]] = []
    edge = start
    while True:
        del left[edge]
        following = after[edge]
        if following[2] != edge[2]:
            corners.append(following[:2])
        edge = following
        if edge == start:
            return np.array(corners, np.float64)


def shoelace(ring: Ring) -> float:
    """Signed area of a ring; positive when it runs clockwise on the screen (y downwards)."""
    x, y = ring.T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
