"""Which stained pieces are one vessel: round one lumen, in one line, or so near and so shaped that they are one thing.

The rule joins pieces in a line across a gap; whether basins of stain that touch, or lie side by side within half that
gap, are one vessel or two is chosen from the tree of all that they could make (`tree`, `choosing`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Mask
from mvd.protocol import CountingRule
from mvd.vessels.basins import WALL_SHARE, Basins, Floats, Labels, find_root
from mvd.vessels.choosing import Choice, GroupModel, choose
from mvd.vessels.gaps import Gaps, directions_at, find_gaps, line_between
from mvd.vessels.learned import SHIPPED
from mvd.vessels.lumens import walled_lumens
from mvd.vessels.maps import StainLevels, StainMaps
from mvd.vessels.summary import share
from mvd.vessels.tree import Edge, Tree, grow_tree

DOUBT = 0.15
"""Share of a limit that a measure may be off: moving the limits by it would decide a doubtful case otherwise."""
_TOUCHING_UM = 1.5
"""Pieces this close may be one in any direction: the gap is no wider than the blur of the optics."""
_PALE_COST = 0.6
"""Weight of a weakly stained micrometre of a gap against an unstained one: the wall is seen to go on, faintly."""
_UNDIRECTED_SHARE = 0.5
"""Two round dots, which have no direction, may be one beaded vessel only across half the gap of the rule."""
_ALIGNMENT = (0.7, 0.94)
"""Cosines of 45° and 20°: within 20° of the gap's direction a wall runs towards the other side, beyond 45° it does
not; between the two the gap that is bridged grows evenly."""
_BRIDGE_UM = 20.0
"""Pieces of one vessel that lie farther apart are not drawn as one shape."""
_NEAR_THING = 0.02
"""A vessel whose value exceeds that of the next best way to part or join it by less is a near thing; the value of a
vessel is its expected agreement less a price, 0.3 for most."""


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Pieces grouped into objects."""

    pieces: Labels
    """(rows, columns) separately stained pieces 1..n: what is at least a third as dense as the peak beside it."""
    group: NDArray[np.int32]
    """(pieces + 1,) object 1..m of each piece, in the order of their first pieces; group[0] is 0."""
    bridges: Gaps
    """The gaps that were closed."""
    lumens: Labels
    """(rows, columns) clear lumens 1..k with a stained wall round most of them."""
    lumen_group: NDArray[np.int32]
    """(lumens + 1,) object that each lumen belongs to; lumen_group[0] is 0."""
    doubtful: NDArray[np.bool_]
    """(objects + 1,) whether a little more or less would make it one with a neighbour, two, or none."""
    scrap: NDArray[np.bool_]
    """(objects + 1,) whether it was taken for no vessel: a speck, or a piece beside a vessel."""
    reach: NDArray[np.int64]
    """(objects + 1, 4) top, left, bottom and right of all that had a part in the choice, pixels."""


def widest_gap_um(rule: CountingRule) -> float:
    """The widest gap that a rule can bridge, where the wall goes on faintly all along it."""
    return max(rule.join_gap_um / _PALE_COST, _TOUCHING_UM)


def join_pieces(
    basins: Basins, maps: StainMaps, *, levels: StainLevels, rule: CountingRule, model: GroupModel = SHIPPED
) -> Joined:
    """Group basins of stain into objects.

    Parameters
    ----------
    maps
        Stain densities on the same grid.
    levels, rule
        The slide's stain levels; the rule's `join_gap_um` and `max_lumen_width_um`.
    model
        What was learned of groups that are whole vessels.
    """
    tree = grow_tree(basins, maps.dab, open_gaps(basins, maps, levels, rule), may_join=model.may_join)
    choice = choose(tree, model, levels.high)
    owner = _with_scraps(tree, choice, levels.high)
    pieces, object_of = _pieces(basins, maps, owner)
    scrap = np.arange(int(owner.max(initial=0)) + 1) > int(choice.owner.max(initial=0))
    lumens, walls = walled_lumens(pieces, maps, levels, rule.max_lumen_width_um)
    group = _round_lumens(object_of, walls, scrap)
    size = int(group.max(initial=0)) + 1
    of_object = np.zeros(len(scrap), np.int32)
    of_object[object_of] = group
    near = np.full(size, np.inf)
    vessels = np.flatnonzero(~scrap & (of_object > 0))
    np.minimum.at(near, of_object[vessels], choice.margin[vessels])
    whole = np.zeros(size, bool)
    whole[of_object[vessels]] = True
    return Joined(
        pieces=pieces,
        group=group,
        bridges=_bridges(pieces, group),
        lumens=lumens,
        lumen_group=np.array([0, *(group[wall[0]] for wall in walls)], np.int32),
        doubtful=near < _NEAR_THING,
        scrap=~whole,
        reach=_reach(tree, choice, owner, of_object, size),
    )


def open_gaps(basins: Basins, maps: StainMaps, levels: StainLevels, rule: CountingRule) -> tuple[Edge, ...]:
    """The gaps between pieces that do not touch across which they may be one vessel."""
    stained = (basins.labels > 0).astype(np.uint8)
    _, found = cv2.connectedComponentsWithAlgorithm(stained, 8, cv2.CV_32S, cv2.CCL_WU)
    pieces = np.asarray(found, np.int32)
    gaps = find_gaps(pieces, widest_gap_um(rule))
    spare, directed = _spare_um(gaps, pieces, maps.dab > levels.weak, rule.join_gap_um)
    near_um = max(_UNDIRECTED_SHARE * rule.join_gap_um, _TOUCHING_UM)
    edges = []
    for i in np.flatnonzero((spare >= 0) | (gaps.width_um <= near_um)).tolist():
        first, second = sorted(int(basins.labels[tuple(end)]) for end in (gaps.p[i], gaps.q[i]))
        edges.append(Edge(first, second, 0.0, float(gaps.width_um[i]), bool(spare[i] >= 0 and directed[i])))
    return tuple(edges)


def _spare_um(
    gaps: Gaps, labels: Labels, pale: Mask, join_gap_um: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """By how much each gap is narrower than one across which a wall goes on; negative where it is wider.

    The gap's cost, its width with pale stretches counted less, is held against the rule's gap: in full where both
    sides run towards each other, in part where one is round, not at all where they lie side by side. And whether both
    sides have a direction.
    """
    spare, directed = np.full(len(gaps.first), -np.inf), np.zeros(len(gaps.first), bool)
    cost = np.array([_cost_um(gaps, i, pale) for i in range(len(gaps.first))])
    likely = np.flatnonzero(cost <= join_gap_um)
    sides = directions_at(
        labels,
        np.concatenate([gaps.first[likely], gaps.second[likely]]),
        np.concatenate([gaps.p[likely], gaps.q[likely]]),
    )
    for number, i in enumerate(likely.tolist()):
        between = gaps.q[i] - gaps.p[i]
        along = between / np.hypot(*between)
        seen = [side for side in (sides[number], sides[number + len(likely)]) if side is not None]
        directed[i] = len(seen) == 2
        if seen:
            alignment = min(abs(float(side @ along)) for side in seen)
            full = 1.0 if len(seen) == 2 else _UNDIRECTED_SHARE
            spare[i] = join_gap_um * float(np.interp(alignment, _ALIGNMENT, (0.0, full))) - cost[i]
        else:
            spare[i] = _UNDIRECTED_SHARE * join_gap_um - cost[i]
    return spare, directed


def _cost_um(gaps: Gaps, i: int, pale: Mask) -> float:
    between = pale[line_between(gaps.p[i], gaps.q[i])]
    return float(gaps.width_um[i]) * (1 - share(between) * (1 - _PALE_COST))


def _with_scraps(tree: Tree, choice: Choice, high: float) -> NDArray[np.int32]:
    """(basins + 1,) the vessels, and after them what reaches `high` and is none: it stays in the results."""
    owner = choice.owner.copy()
    number = int(owner.max(initial=0))
    taken = set(choice.root[owner > 0].tolist())
    alone: dict[int, int] = {}
    for basin in range(1, tree.size + 1):
        root = int(choice.root[basin])
        if owner[basin] or tree.shapes[basin if root in taken else root].peak < high:
            continue
        if root in taken or root not in alone:
            number += 1
            alone[root] = number
        owner[basin] = number if root in taken else alone[root]
    return owner


def _pieces(basins: Basins, maps: StainMaps, owner: NDArray[np.int32]) -> tuple[Labels, NDArray[np.int32]]:
    """Separately stained pieces in raster order, and (pieces + 1,) the object of each."""
    from skimage.measure import label  # noqa: PLC0415  (loads slowly)

    at = basins.places_above(maps.dab, WALL_SHARE)
    of = owner[basins.labels.ravel()[at]]
    at, of = at[of > 0], of[of > 0]
    wall = np.zeros_like(basins.labels)
    wall.ravel()[at] = of
    # What is denser than a third of one basin's peak may lie in several places.
    pieces = np.asarray(label(wall, background=0, connectivity=2), np.int32)  # type: ignore[no-untyped-call]
    object_of = np.zeros(int(pieces.max(initial=0)) + 1, np.int32)
    object_of[pieces.ravel()[at]] = of
    return pieces, object_of


def _round_lumens(
    object_of: NDArray[np.int32], walls: list[NDArray[np.int32]], scrap: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """(pieces + 1,) objects in the order of their first pieces; vessels round one lumen are one."""
    parent = list(range(len(scrap)))
    for wall in walls:
        round_it = [int(object_of[piece]) for piece in wall]
        round_it = [one for one in round_it if not scrap[one]] or round_it
        for other in round_it[1:]:
            parent[find_root(parent, other)] = find_root(parent, round_it[0])
    root = np.array([find_root(parent, i) for i in range(len(scrap))])[object_of]
    _, first, inverse = np.unique(root[1:], return_index=True, return_inverse=True)
    group = np.zeros(len(root), np.int32)
    group[1:] = (np.argsort(np.argsort(first)) + 1)[inverse]
    return group


def _bridges(pieces: Labels, group: NDArray[np.int32]) -> Gaps:
    """The narrowest gaps by which the pieces of each object hang together."""
    gaps = find_gaps(pieces, _BRIDGE_UM)
    within = gaps.take(group[gaps.first] == group[gaps.second])
    order = np.lexsort((within.second, within.first, within.width_um))
    parent, kept = list(range(len(group))), np.zeros(len(order), bool)
    for i in order.tolist():
        a, b = find_root(parent, int(within.first[i])), find_root(parent, int(within.second[i]))
        kept[i] = a != b
        parent[b] = a
    return within.take(kept)


def _reach(
    tree: Tree, choice: Choice, owner: NDArray[np.int32], of_object: NDArray[np.int32], size: int
) -> NDArray[np.int64]:
    far = np.iinfo(np.int32).max
    reach = np.tile(np.array([far, far, -far, -far], np.int64), (size, 1))
    boxes: dict[int, NDArray[np.int64]] = {}
    for basin in np.flatnonzero(owner).tolist():
        root, number = int(choice.root[basin]), int(of_object[owner[basin]])
        if not number:
            continue
        if root not in boxes:
            boxes[root] = _around([root, *tree.beside[root]], tree)
        reach[number, :2] = np.minimum(reach[number, :2], boxes[root][:2])
        reach[number, 2:] = np.maximum(reach[number, 2:], boxes[root][2:])
    return reach


def _around(groups: list[int], tree: Tree) -> NDArray[np.int64]:
    corners: Floats = np.concatenate([tree.shapes[group].hull for group in groups]).astype(np.float64)
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return np.array([top, left, bottom, right]).astype(np.int64)
