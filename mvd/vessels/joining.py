"""Which stained pieces are one vessel: round one lumen, or in one line, but never across neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Mask
from mvd.protocol import CountingRule
from mvd.vessels.gaps import Gaps, Positions, find_gaps
from mvd.vessels.lumens import walled_lumens
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, StainMaps
from mvd.vessels.pieces import Labels
from mvd.vessels.summary import share

DOUBT = 0.15
"""Share of a limit that a measure may be off: moving the limits by it would decide a doubtful case otherwise."""
_TOUCHING_UM = 1.5
"""Pieces this close are one: the gap is no wider than the blur of the optics."""
_PALE_COST = 0.6
"""Weight of a weakly stained micrometre of a gap against an unstained one: the wall is seen to go on, faintly."""
_UNDIRECTED_SHARE = 0.5
"""Two round dots, which have no direction, are one beaded vessel only across half the gap of the rule."""
_REACH_UM = 6.0
"""Radius within which the direction of a wall is taken at its end; about one endothelial nucleus."""
_ALIGNMENT = (0.7, 0.94)
"""Cosines of 45° and 20°: within 20° of the gap's direction a wall runs towards the other side, beyond 45° it does
not; between the two the gap that is bridged grows evenly."""
_MIN_ELONGATION = 0.3
"""(major - minor) / (major + minor) axis of the local pixels; below it a piece has no direction. A wall of 3 µm within
the reach has 0.33, a disc 0."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Pieces grouped into objects."""

    group: NDArray[np.int32]
    """(pieces + 1,) object 1..m of each piece, in the order of their first pieces; group[0] is 0."""
    bridges: Gaps
    """The gaps that were closed."""
    lumens: Labels
    """(rows, columns) clear lumens 1..k with a stained wall round most of them."""
    lumen_group: NDArray[np.int32]
    """(lumens + 1,) object that each lumen belongs to; lumen_group[0] is 0."""
    doubtful: NDArray[np.bool_]
    """(objects + 1,) whether bridging a little more or less would make it one with a neighbour, or two."""


def widest_gap_um(rule: CountingRule) -> float:
    """The widest gap that a rule can bridge, where the wall goes on faintly all along it."""
    return max(rule.join_gap_um / _PALE_COST, _TOUCHING_UM)


def join_pieces(labels: Labels, maps: StainMaps, *, levels: StainLevels, rule: CountingRule) -> Joined:
    """Group pieces into objects.

    Parameters
    ----------
    labels
        (rows, columns) pieces, 1..n.
    maps
        Stain densities on the same grid.
    levels, rule
        The slide's stain levels; the rule's `join_gap_um` and `max_lumen_width_um`.
    """
    size = int(labels.max()) + 1
    gaps = find_gaps(labels, widest_gap_um(rule))
    pale = maps.dab > levels.weak
    spare = _spare_um(gaps, labels, pale, rule.join_gap_um)
    bridges = gaps.take(spare >= 0)
    lumens, walls = walled_lumens(labels, maps, levels, rule.max_lumen_width_um)
    round_lumens = [(int(wall[0]), int(piece)) for wall in walls for piece in wall[1:]]
    group = _number_groups(size, _links(bridges) + round_lumens)
    lumen_group = np.array([0, *(group[wall[0]] for wall in walls)], np.int32)
    doubt_um = DOUBT * rule.join_gap_um
    firm = _number_groups(size, _links(gaps.take(spare >= doubt_um)) + round_lumens)
    doubtful = _would_part(labels, maps, (group, firm), levels.high)
    missed = gaps.take((spare < 0) & (spare >= -doubt_um))
    doubtful |= _would_join(labels, maps, (group, missed), levels.high)
    return Joined(group, bridges, lumens, lumen_group, doubtful)


def _links(gaps: Gaps) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in zip(gaps.first, gaps.second, strict=True)]


def _would_part(
    labels: Labels, maps: StainMaps, groups: tuple[NDArray[np.int32], NDArray[np.int32]], high: float
) -> NDArray[np.bool_]:
    """The objects (first grouping) of which the firm joins alone (second) make two or more that reach `high`."""
    group, firm = groups
    reached = densest(labels, firm, maps)
    objects = np.zeros_like(reached, np.int32)
    objects[firm] = group
    found = (reached >= high) & (objects > 0)
    return np.asarray(np.bincount(objects[found], minlength=int(group.max()) + 1) > 1, bool)


def densest(labels: Labels, group: NDArray[np.int32], maps: StainMaps) -> NDArray[np.float32]:
    """(groups + 1,) the densest DAB of each group of pieces, at least 0; that of group 0 is 0."""
    stained = np.flatnonzero(labels != 0)
    reached = np.zeros(int(group.max()) + 1, np.float32)
    np.maximum.at(reached, group[labels.ravel()[stained]], maps.dab.ravel()[stained])
    return reached


def _would_join(
    labels: Labels, maps: StainMaps, groups: tuple[NDArray[np.int32], Gaps], high: float
) -> NDArray[np.bool_]:
    """The objects with a gap that was left open by little, and dense stain at both of its ends."""
    group, gaps = groups
    doubtful = np.zeros(int(group.max()) + 1, bool)
    for first, second, p, q in zip(gaps.first, gaps.second, gaps.p, gaps.q, strict=True):
        ends = ((int(first), p), (int(second), q))
        if group[first] != group[second] and all(_reached(labels, maps, *end) >= high for end in ends):
            doubtful[group[[first, second]]] = True
    return doubtful


def _reached(labels: Labels, maps: StainMaps, piece: int, end: NDArray[np.int32]) -> float:
    """The densest stain of a piece near one of its pixels. Near, so that it is the same however a slide is cut up."""
    reach = round(_REACH_UM / WORK_UM_PER_PX)
    (row, column) = end.tolist()
    box = (slice(max(row - reach, 0), row + reach + 1), slice(max(column - reach, 0), column + reach + 1))
    return float(maps.dab[box][labels[box] == piece].max())


def _number_groups(size: int, links: list[tuple[int, int]]) -> NDArray[np.int32]:
    """Connected groups of 1..size-1, numbered by their first members; 0 stays alone."""
    from scipy.sparse import coo_array  # noqa: PLC0415  (loads slowly)
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    ends = np.array(links, np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    group = np.zeros(size, np.int32)
    _, first, inverse = np.unique(component[1:], return_index=True, return_inverse=True)
    group[1:] = (np.argsort(np.argsort(first)) + 1)[inverse]
    return group


def _spare_um(gaps: Gaps, labels: Labels, pale: Mask, join_gap_um: float) -> NDArray[np.float64]:
    """By how much each gap is narrower than one across which a wall goes on; negative where it is wider.

    The gap's cost, its width with pale stretches counted less, is held against the rule's gap: in full where both
    sides run towards each other, in part where one is round, not at all where they lie side by side.
    """
    spare = np.where(gaps.width_um <= _TOUCHING_UM, math.inf, -math.inf)
    open_ = np.flatnonzero(gaps.width_um > _TOUCHING_UM)
    cost = np.array([_cost_um(gaps, i, pale) for i in open_.tolist()])
    near = cost <= (1 + DOUBT) * join_gap_um
    open_, cost = open_[near], cost[near]
    sides = _directions(
        labels,
        np.concatenate([gaps.first[open_], gaps.second[open_]]),
        np.concatenate([gaps.p[open_], gaps.q[open_]]),
    )
    for number, i in enumerate(open_.tolist()):
        between = gaps.q[i] - gaps.p[i]
        along = between / np.hypot(*between)
        seen = [side for side in (sides[number], sides[number + len(open_)]) if side is not None]
        if seen:
            alignment = min(abs(float(side @ along)) for side in seen)
            full = 1.0 if len(seen) == 2 else _UNDIRECTED_SHARE
            spare[i] = join_gap_um * float(np.interp(alignment, _ALIGNMENT, (0.0, full))) - cost[number]
        else:
            spare[i] = _UNDIRECTED_SHARE * join_gap_um - cost[number]
    return spare


def _cost_um(gaps: Gaps, i: int, pale: Mask) -> float:
    between = pale[line_between(gaps.p[i], gaps.q[i])]
    return float(gaps.width_um[i]) * (1 - share(between) * (1 - _PALE_COST))


def line_between(p: NDArray[np.int32], q: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the pixels strictly between two pixels, at least one."""
    steps = int(np.abs(q - p).max())
    t = np.arange(1, max(steps, 2)) / max(steps, 2)
    # Rounded from p, not from the corner of the region: halves go the same way wherever the region starts.
    points = p.astype(np.int64) + np.floor(t[:, None] * (q - p) + 0.5).astype(np.int64)
    return points[:, 0], points[:, 1]


def _directions(labels: Labels, pieces: NDArray[np.int32], ends: Positions) -> list[NDArray[np.float64] | None]:
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
