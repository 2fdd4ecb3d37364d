"""Outlines along pixel edges, so that the area of an outline is the area of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Mask, Ring
from mvd.vessels.sheet import Sheet


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
    x, y, heading = _edges(mask)
    following = _following(x, y, heading, mask.shape).tolist()
    corner = (heading[following] != heading).tolist()
    ends = np.stack([x + _DX[heading], y + _DY[heading]], axis=1).astype(np.float64)
    left = [True] * len(following)
    rings: list[Ring] = []
    for start in range(len(following)):
        if left[start]:
            rings.append(ends[_walk(start, following, corner, left)])
    return rings


def trace_all(mask: Mask, sheet: Sheet) -> list[list[Ring]]:
    """The rings of each picture on a sheet, as `trace` gives them, in pixels of the sheet."""
    owner = sheet.owners()
    rings: list[list[Ring]] = [[] for _ in sheet.places]
    for ring in trace(mask):
        x, y = ring[0].astype(int)
        rings[owner[y, x]].append(ring)
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


_DX, _DY = np.array((1, 0, -1, 0)), np.array((0, 1, 0, -1))  # east, south, west, north

Integers = NDArray[np.int64]


def _edges(mask: Mask) -> tuple[Integers, Integers, Integers]:
    """x, y, heading of every boundary edge of a mask, the mask on the right of the heading; in raster order."""
    columns = mask.shape[1] + 2
    padded = np.zeros((mask.shape[0] + 2, columns), bool)
    padded[1:-1, 1:-1] = mask
    flat = padded.ravel()
    falls, ends = flat[columns:] != flat[:-columns], flat[1:] != flat[:-1]
    # An edge on top of a pixel heads east, on its right south, below it west, on its left north. Numbered by the padded
    # pixel above it or to its left, then counted from the corner of the mask that it starts in.
    tops, bottoms = _parted(flat, np.flatnonzero(falls), columns)
    lefts, rights = _parted(flat, np.flatnonzero(ends), 1)
    place = np.concatenate([tops - 1, rights - columns, bottoms, lefts])
    heading = np.repeat(np.arange(4), [len(found) for found in (tops, rights, bottoms, lefts)])
    order = np.argsort(place * 4 + heading, kind="stable")
    y, x = np.divmod(place[order], columns)
    return x, y, heading[order]


def _parted(flat: Mask, at: Integers, step: int) -> tuple[Integers, Integers]:
    """Of the places before a change along `step`, those where the mask begins, and those where it ends."""
    begins = flat[at + step]
    return at[begins], at[~begins]


def _following(x: Integers, y: Integers, heading: Integers, shape: tuple[int, ...]) -> Integers:
    """Number of the edge that each edge goes on in: to the right where it can, else straight on, else to the left."""
    size = (shape[0] + 1) * (shape[1] + 1)
    number = np.full(4 * size, -1, np.int32)
    at = y * (shape[1] + 1) + x
    number[heading * size + at] = np.arange(len(x))
    end = at + _DY[heading] * (shape[1] + 1) + _DX[heading]
    right, on, left = (number[(heading + turn) % 4 * size + end] for turn in (1, 0, 3))
    return np.asarray(np.where(right >= 0, right, np.where(on >= 0, on, left)), np.int64)


def _walk(start: int, following: list[int], corner: list[bool], left: list[bool]) -> list[int]:
    """The edges of the ring through `start` that end in a corner; all of its edges are taken off what is left."""
    corners = []
    edge = start
    while True:
        left[edge] = False
        if corner[edge]:
            corners.append(edge)
        edge = following[edge]
        if edge == start:
            return corners


def shoelace(ring: Ring) -> float:
    """Signed area of a ring; positive when it runs clockwise on the screen (y downwards)."""
    x, y = ring.T
    xn, yn = np.concatenate([x[1:], x[:1]]), np.concatenate([y[1:], y[:1]])
    return float(np.dot(x, yn) - np.dot(y, xn)) / 2
