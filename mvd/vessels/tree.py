"""Which basins could be one vessel: a tree of groups, from single basins up to all that is connected.

Groups are made one by one over the highest pass that is left, then over the narrowest gap. Every vessel that is in the
picture should be one of the groups: on three real stains 98 to 100 % are (IoU of the boxes). `mvd.vessels.choosing`
takes them from the tree, much as Arteta et al. choose cells among extremal regions (MICCAI 2012;15:348).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage
from mvd.vessels.basins import BODY_SHARE, WALL_SHARE, Basins, Floats, Labels, find_root
from mvd.vessels.gaps import Gaps, directions_at, find_gaps
from mvd.vessels.maps import WORK_UM_PER_PX

FAR_UM = 10.0
"""Bodies farther apart than this are as far apart as can be."""
_NO_DIRECTION = 0.7
"""Cosine taken for an end that has no direction (45°)."""
_LEAST_PASS = 0.03
"""Share of the lower peak below which a pass is as good as none."""
_PX_UM2 = WORK_UM_PER_PX**2


@dataclass(frozen=True, slots=True)
class Link:
    """How two groups lie to each other."""

    gap_um: float
    """Between their bodies, at most `FAR_UM`."""
    alignment: float
    """Cosine between the gap and the less aligned of the two ends."""
    firm: bool = False
    """Whether the rule's gap in a line joins them."""


@dataclass(frozen=True, slots=True)
class Joint:
    """Two groups put together."""

    group: int
    """Number of the new group; single basins are 1..n, and these follow."""
    parts: tuple[int, int]
    """The one with the higher peak first."""
    pass_share: float
    """Density of the pass between them over the lower peak; 0 across a gap."""
    link: Link
    convexity: float
    """Sum of the two convex hulls' areas over that of their common hull: 1 and more for pieces of one compact thing,
    little for two that lie askew."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What is known of a group."""

    hull: NDArray[np.float32]
    """(n, 2) x, y in pixels, of what is at least a third as dense as the peak of its basin."""
    hull_um2: float
    wall_um2: float
    """Stained area inside it."""
    peak: float


@dataclass(slots=True, eq=False)
class Tree:
    """Groups of the basins of a region."""

    size: int
    """Number of basins."""
    shapes: dict[int, Shape]
    joints: list[Joint] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    """Groups that are no part of a larger one."""
    beside: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Of each root the roots that it was kept apart from."""

    def parts(self) -> dict[int, tuple[int, int]]:
        """The two parts of each group of several basins."""
        return {joint.group: joint.parts for joint in self.joints}


@dataclass(frozen=True, slots=True)
class Edge:
    """Two basins that may be joined: over a pass, or across a gap."""

    first: int
    second: int
    density: float
    """Of the pass; 0 for a gap."""
    width_um: float
    """Of the gap; 0 for a pass."""
    firm: bool = False
    """Whether the rule joins them across the gap."""


def grow_tree(basins: Basins, density: FloatImage, gaps: Sequence[Edge], *, may_join: Callable[[Joint], bool]) -> Tree:
    """All groups of basins that touch or lie across one of the gaps.

    Parameters
    ----------
    density
        (rows, columns) what the basins are of.
    gaps
        Between basins that do not touch.
    may_join
        What it says no to stays apart for good, so that not all of a dense tissue is one group.
    """
    valleys = basins.valleys
    passes = [
        Edge(a, b, d, 0.0)
        for a, b, d in zip(valleys.first.tolist(), valleys.second.tolist(), valleys.density.tolist(), strict=True)
    ]
    edges = sorted([*passes, *gaps], key=lambda e: (e.width_um, -e.density, e.first, e.second))
    tree = Tree(basins.size, _shapes(basins, density))
    links = _links(basins, density, edges)
    parent = list(range(2 * basins.size + 1))
    for edge in edges:
        a, b = find_root(parent, edge.first), find_root(parent, edge.second)
        if a == b:
            continue
        if (tree.shapes[a].peak, -a) < (tree.shapes[b].peak, -b):
            a, b = b, a
        group = basins.size + len(tree.joints) + 1
        joint, shape = _joint(group, (a, b), tree.shapes, edge, links[a][b])
        if not may_join(joint):
            continue
        tree.joints.append(joint)
        tree.shapes[group] = shape
        parent[a] = parent[b] = group
        _hand_on(links, (a, b), group)
    tree.roots = [i for i in range(1, basins.size + len(tree.joints) + 1) if parent[i] == i]
    tree.beside = {root: tuple(links[root]) for root in tree.roots}
    return tree


def _joint(group: int, parts: tuple[int, int], shapes: dict[int, Shape], edge: Edge, link: Link) -> tuple[Joint, Shape]:
    a, b = (shapes[part] for part in parts)
    hull = np.asarray(cv2.convexHull(np.concatenate([a.hull, b.hull])), np.float32)[:, 0]
    area = max(float(cv2.contourArea(hull)) * _PX_UM2, _PX_UM2)
    convexity = (a.hull_um2 + b.hull_um2) / area
    joint = Joint(group, parts, max(edge.density, 0.0) / b.peak, link, convexity)
    return joint, Shape(hull, area, a.wall_um2 + b.wall_um2, a.peak)


def _hand_on(links: list[dict[int, Link]], parts: tuple[int, int], group: int) -> None:
    """The narrowest link of either part to each neighbour becomes that of the group."""
    a, b = parts
    new = dict(links[a])
    for neighbour, link in links[b].items():
        other = new.get(neighbour, link)
        nearer = min(link, other, key=lambda one: (one.gap_um, -one.alignment))
        new[neighbour] = replace(nearer, firm=link.firm or other.firm)
    new.pop(a, None)
    new.pop(b, None)
    links.append(new)
    assert len(links) == group + 1
    for neighbour, link in new.items():
        links[neighbour].pop(a, None)
        links[neighbour].pop(b, None)
        links[neighbour][group] = link


def _links(basins: Basins, density: FloatImage, edges: list[Edge]) -> list[dict[int, Link]]:
    """Of each basin to those that it shares an edge with; entry 0 is empty."""
    body = basins.above(density, BODY_SHARE)
    gaps = find_gaps(body, FAR_UM)
    near = _alignments(body, gaps)
    far = Link(FAR_UM, _NO_DIRECTION)
    links: list[dict[int, Link]] = [{} for _ in range(basins.size + 1)]
    for edge in edges:
        a, b = edge.first, edge.second
        link = links[a].get(b, near.get((min(a, b), max(a, b)), far))
        links[a][b] = links[b][a] = replace(link, firm=link.firm or edge.firm)
    return links


def _alignments(body: Labels, gaps: Gaps) -> dict[tuple[int, int], Link]:
    n = len(gaps.first)
    ends = np.concatenate([gaps.p, gaps.q])
    sides = directions_at(body, np.concatenate([gaps.first, gaps.second]), ends)
    found = {}
    for i in range(n):
        between = (gaps.q[i] - gaps.p[i]).astype(np.float64)
        along = between / max(math.hypot(*between), 1e-9)
        cosines = [_NO_DIRECTION if s is None else abs(float(s @ along)) for s in (sides[i], sides[i + n])]
        pair = (int(gaps.first[i]), int(gaps.second[i]))
        found[pair] = Link(max(min(float(gaps.width_um[i]), FAR_UM), 0.0), min(cosines))
    return found


def _shapes(basins: Basins, density: FloatImage) -> dict[int, Shape]:
    at = basins.places_above(density, WALL_SHARE)
    owner = basins.labels.ravel()[at]
    order = np.argsort(owner, kind="stable")
    at, ends = at[order], np.cumsum(np.bincount(owner, minlength=basins.size + 1))
    shapes = {}
    for number in range(1, basins.size + 1):
        rows, columns = np.divmod(at[ends[number - 1] : ends[number]], basins.labels.shape[1])
        corners = np.stack([columns, rows], axis=1).astype(np.float32)
        corners = np.concatenate([corners + step for step in ((0, 0), (1, 0), (0, 1), (1, 1))]).astype(np.float32)
        hull = np.asarray(cv2.convexHull(corners), np.float32)[:, 0]
        shapes[number] = Shape(
            hull, float(cv2.contourArea(hull)) * _PX_UM2, len(rows) * _PX_UM2, float(basins.peak[number])
        )
    return shapes


def joint_features(joint: Joint) -> tuple[float, ...]:
    """What tells whether a joint is within one vessel, in the order of `JOINT_FEATURES`."""
    return (
        math.log(max(joint.pass_share, _LEAST_PASS)),
        joint.link.gap_um,
        joint.link.alignment,
        min(joint.convexity, 1.3),
    )


JOINT_FEATURES = {
    "pass": "ln density of the pass over that of the lower peak, at least ln 0.03",
    "gap": "between the bodies (half of their own height), µm, at most 10",
    "alignment": "cosine between the gap and the less aligned end",
    "convexity": "areas of both convex hulls over that of the common one, at most 1.3",
}
GROUP_FEATURES = {
    "length": "ln longer side of the smallest rectangle round it, µm",
    "aspect": "shorter over longer side",
    "fill": "stained area over that of the convex hull",
    "inner_pass": "lowest pass within it (density over the lower peak)",
    "inner_convexity": "least convexity of a joint within it",
    "inner_gap": "widest gap between bodies within it, µm",
    "outer_pass": "density of the pass to what it would be joined with next, over its own peak",
    "outer_convexity": "convexity of that joint",
    "outer_gap": "gap between bodies of that joint, µm",
}
"""What tells whether a group is one whole vessel: shape and contrast to what lies beside it, no density as such."""


def group_features(tree: Tree) -> Floats:
    """(groups + 1, features) of every group, in the order of `GROUP_FEATURES`; the first row is of nothing."""
    size = tree.size + len(tree.joints) + 1
    inner = np.tile([1.0, 1.2, 0.0], (size, 1))
    outer = np.tile([0.0, 0.0, FAR_UM], (size, 1))
    for joint in tree.joints:
        a, b = joint.parts
        own = (joint.pass_share, joint.convexity, joint.link.gap_um)
        inner[joint.group] = (
            min(inner[a, 0], inner[b, 0], own[0]),
            min(inner[a, 1], inner[b, 1], own[1]),
            max(inner[a, 2], inner[b, 2], own[2]),
        )
        density = joint.pass_share * tree.shapes[b].peak
        for part in joint.parts:
            outer[part] = (min(density / tree.shapes[part].peak, 1.0), own[1], own[2])
    shape = np.zeros((size, 3))
    for number, one in tree.shapes.items():
        _, sides, _ = cv2.minAreaRect(one.hull)
        long_um, short_um = (max(side * WORK_UM_PER_PX, 1.0) for side in (max(sides), min(sides)))
        shape[number] = math.log(long_um), short_um / long_um, one.wall_um2 / max(one.hull_um2, _PX_UM2)
    return np.concatenate([shape, inner, outer], axis=1)
