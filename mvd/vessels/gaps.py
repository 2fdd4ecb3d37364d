"""Gaps between neighbouring stained pieces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Mask
from mvd.vessels.basins import Labels
from mvd.vessels.maps import WORK_UM_PER_PX
from mvd.vessels.sheet import in_sheets, lay_out

Positions = NDArray[np.int32]
"""(n, 2) row, column."""

_CELL_PX = 4
"""Side of the cells by which pieces that may share a gap are put together."""
_REACH_UM = 6.0
"""Radius within which the direction of a wall is taken at its end; about one endothelial nucleus."""
_MIN_ELONGATION = 0.3
"""(major - minor) / (major + minor) axis of the local pixels; below it a piece has no direction. A wall of 3 µm within
the reach has 0.33, a disc 0."""
_BESIDE = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Steps to the neighbours of a pixel, one of each two opposite ones."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """The narrowest gap between each two neighbouring pieces; arrays of one entry a gap."""

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    p: Positions
    """End on the first piece."""
    q: Positions
    """End on the second piece."""
    width_um: NDArray[np.float64]

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Gaps:
        return Gaps(*(getattr(self, field.name)[which] for field in fields(self)))


def find_gaps(labels: Labels, max_gap_um: float) -> Gaps:
    """Gaps of at most `max_gap_um` between pieces that have no third piece between them.

    The distance transform gives each background pixel its nearest piece; where two such regions meet, the line
    between the two nearest stained pixels is the gap there. They are looked for no farther from the stain than
    `reach_px`: what lies farther says nothing of the gap, and differs with the block that a piece is seen in.
    """
    reach = reach_px(max_gap_um)
    at = np.flatnonzero(labels != 0)  # ten times as fast as of whole numbers
    groups = _groups(at, labels, reach)
    size = math.ceil(reach)
    sheets = in_sheets(groups, lambda group: group.shape(size))
    found = [_none(), *(_on_sheet(together, labels, reach) for together in sheets)]
    gaps = Gaps(*(np.concatenate([getattr(part, field.name) for part in found]) for field in fields(Gaps)))
    return _narrowest(gaps.take(gaps.width_um <= max_gap_um))


def reach_px(max_gap_um: float) -> float:
    """How far from both of its ends the middle of a gap can lie.

    Half the gap, a pixel because the middle may lie between two, and a pixel because the distances are up to 2 % off.
    """
    return (max_gap_um / WORK_UM_PER_PX + 1) / 2 + 2


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Stained pixels so far from all others that no gap leads there."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    top: int
    left: int
    bottom: int
    right: int

    def shape(self, margin: int) -> tuple[int, int]:
        return self.bottom - self.top + 2 * margin, self.right - self.left + 2 * margin


def _groups(at: NDArray[np.intp], labels: Labels, reach: float) -> list[_Group]:
    """Groups of two pieces and more; pixels within twice the reach of one another are in one group."""
    rows, columns = np.divmod(at, labels.shape[1])
    cells = np.zeros((-(-labels.shape[0] // _CELL_PX), -(-labels.shape[1] // _CELL_PX)), np.uint8)
    cells[rows // _CELL_PX, columns // _CELL_PX] = 1
    # Pixels that are n apart lie in cells at most ⌈n / side⌉ apart; grown by half of that, these touch.
    grow = math.ceil(2 * reach / _CELL_PX) // 2
    grown = cv2.dilate(cells, np.ones((2 * grow + 1,) * 2, np.uint8))
    count, group_of_cell = cv2.connectedComponents(grown, connectivity=8)
    group = np.asarray(group_of_cell, np.int32)[rows // _CELL_PX, columns // _CELL_PX]
    piece = labels.ravel()[at]
    order = np.argsort(group.astype(np.min_scalar_type(count)), kind="stable")  # 16 bits are sorted by radix
    ends = np.cumsum(np.bincount(group, minlength=count))[1:-1]
    groups = []
    for own in np.split(order, ends):
        if len(own) and (piece[own] != piece[own[0]]).any():
            down, right = rows[own], columns[own]
            edges = (down[0], right.min(), down[-1] + 1, right.max() + 1)
            groups.append(_Group(down, right, *map(int, edges)))
    return groups


def _on_sheet(groups: Sequence[_Group], labels: Labels, reach: float) -> Gaps:
    """The gaps within each group, at every place where two pieces meet."""
    margin = math.ceil(reach)
    sheet = lay_out([group.shape(margin) for group in groups])
    pieces = np.zeros(sheet.shape, np.int32)
    within = np.zeros(sheet.shape, bool)
    shifts = []
    for group, place in zip(groups, sheet.places, strict=True):
        down, right = place[0].start + margin - group.top, place[1].start + margin - group.left
        pieces[group.rows + down, group.columns + right] = labels[group.rows, group.columns]
        rows = slice(max(place[0].start, down), min(place[0].stop, labels.shape[0] + down))
        columns = slice(max(place[1].start, right), min(place[1].stop, labels.shape[1] + right))
        within[rows, columns] = True
        shifts.append((down, right))
    first, second, one, other = _met(pieces, within, reach)
    shift = np.array(shifts, np.int64)[sheet.owners().ravel()[one]]
    p, q = ((np.stack(np.divmod(end, sheet.shape[1]), axis=1) - shift).astype(np.int32) for end in (one, other))
    return Gaps(first, second, p, q, (np.hypot(*(p - q).T.astype(np.float64)) - 1) * WORK_UM_PER_PX)


def _met(pieces: Labels, within: Mask, reach: float) -> tuple[NDArray[Any], ...]:
    """The two pieces, and the nearest pixels of both, wherever two pieces meet within the reach of both."""
    background = (pieces == 0).astype(np.uint8)
    distance, found = cv2.distanceTransformWithLabels(background, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    nearest = np.asarray(found, np.int32)
    stained = np.flatnonzero(pieces != 0)
    place = np.zeros(len(stained) + 1, np.int64)
    place[nearest.ravel()[stained]] = stained
    narrow = pieces.astype(np.min_scalar_type(int(pieces.max())))
    owner = narrow.ravel()[place][nearest]
    owner[~(within & (distance <= reach))] = 0
    first, second, one, other = (
        np.concatenate(part) for part in zip(*(_meetings(owner, nearest, step) for step in _BESIDE), strict=True)
    )
    return first, second, place[one], place[other]


def _meetings(owner: NDArray[Any], nearest: NDArray[np.int32], step: tuple[int, int]) -> tuple[NDArray[np.int32], ...]:
    """Neighbouring pixels that belong to different pieces: the two pieces and the numbers of their nearest pixels."""
    (down, right), (rows, columns) = step, owner.shape
    here = (slice(0, rows - down), slice(max(0, -right), columns - max(0, right)))
    there = (slice(down, rows), slice(max(0, right), columns - max(0, -right)))
    one, other = owner[here], owner[there]
    rows, columns = np.divmod(np.flatnonzero((one != other) & (one != 0) & (other != 0)), one.shape[1])
    at = rows * owner.shape[1] + columns + here[1].start
    beside = at + down * owner.shape[1] + right
    a, b = (owner.ravel()[end].astype(np.int32) for end in (at, beside))
    pa, pb = nearest.ravel()[at], nearest.ravel()[beside]
    swap = a > b
    return np.where(swap, b, a), np.where(swap, a, b), np.where(swap, pb, pa), np.where(swap, pa, pb)


def _narrowest(gaps: Gaps) -> Gaps:
    """One gap for each pair of pieces; ties by position, so that the order of scanning does not matter."""
    keys = (gaps.q[:, 1], gaps.q[:, 0], gaps.p[:, 1], gaps.p[:, 0], gaps.width_um, gaps.second, gaps.first)
    ordered = gaps.take(np.lexsort(keys))
    fresh = np.ones(len(ordered.first), bool)
    fresh[1:] = (np.diff(ordered.first) != 0) | (np.diff(ordered.second) != 0)
    return ordered.take(fresh)


def _none() -> Gaps:
    pair, ends = np.zeros(0, np.int32), np.zeros((0, 2), np.int32)
    return Gaps(pair, pair, ends, ends, np.zeros(0))


def directions_at(labels: Labels, pieces: NDArray[np.int32], ends: Positions) -> list[NDArray[np.float64] | None]:
    """Unit (row, column) direction of each piece near one of its pixels; None where it is round there."""
    reach = round(_REACH_UM / WORK_UM_PER_PX)
    spreads = np.zeros((len(pieces), 2, 2))  # of too few pixels it stays 0, which has no direction
    for number, (piece, (row, column)) in enumerate(zip(pieces.tolist(), ends.tolist(), strict=True)):
        top, left = max(row - reach, 0), max(column - reach, 0)
        window = labels[top : row + reach + 1, left : column + reach + 1] == piece
        rows, columns = np.divmod(np.flatnonzero(window), window.shape[1])
        down, right = (rows + (top - row)).astype(np.float64), (columns + (left - column)).astype(np.float64)
        near = np.hypot(down, right) <= reach
        points = np.stack([down[near], right[near]], axis=1)
        if len(points) >= 3:
            off = points - points.sum(axis=0) / len(points)
            spreads[number] = np.dot(off.T, off) * (1 / (len(points) - 1))
    values, vectors = np.linalg.eigh(spreads)
    minor, major = np.sqrt(np.maximum(values, 1 / 12)).T  # one pixel's own width
    directed = (major - minor) / (major + minor) >= _MIN_ELONGATION
    return [vector if is_so else None for vector, is_so in zip(vectors[:, :, 1], directed.tolist(), strict=True)]


def line_between(p: NDArray[np.int32], q: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the pixels strictly between two pixels, at least one."""
    steps = int(np.abs(q - p).max())
    t = np.arange(1, max(steps, 2)) / max(steps, 2)
    # Rounded from p, not from the corner of the region: halves go the same way wherever the region starts.
    points = p.astype(np.int64) + np.floor(t[:, None] * (q - p) + 0.5).astype(np.int64)
    return points[:, 0], points[:, 1]
