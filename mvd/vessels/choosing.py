"""Which groups of a tree are vessels: those that together look most like whole vessels.

Each group has a value: how well it is expected to agree with a vessel that a careful reader would outline (IoU of the
boxes, learned), less a price, so that one whole vessel is worth more than its pieces, plus what speaks for the joints
within it. The groups of greatest total value, none within another, are taken (dynamic programming on the tree; Arteta
et al., MICCAI 2012;15:348). What is learned are shapes and contrasts, not densities: those differ from slide to slide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvd.vessels.basins import Floats
from mvd.vessels.steps import STEP_UNIT, Steps, summed
from mvd.vessels.tree import GROUP_FEATURES, JOINT_FEATURES, Joint, Tree, group_features, joint_features

PRICE = 0.3
"""Of each vessel taken: a group that is expected to agree by less with any vessel is none. Between 0.25 and 0.35 F1
changes by less than 0.04 on any laboratory that was left out; the mean is best here, whichever of them is not asked."""
_JOINT_WEIGHT = 0.05
"""Value of a logit of a joint within a group. Chosen among 0, 0.05, 0.1 and 0.25 with each laboratory left out in turn:
0 leaves large vessels in pieces, 0.25 joins neighbours."""
_MOST_LOGIT = 3.0
"""No joint has more of a say: twenty to one."""
_FIRM_VALUE = 2.0
"""Of a joint that the rule itself makes: more than any vessel is worth, so that it is never taken apart."""
_NEVER_LOGIT = -3.0
"""Twenty to one against a joint: what it would join stays apart, whatever the rest looks like."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupModel:
    """What was learned of groups and joints, as plain numbers."""

    joint_base: float
    joint_slopes: tuple[float, ...]
    """In the order of `JOINT_FEATURES`; the logit of a joint within one vessel is linear in them."""
    group_base: int
    """Expected agreement before any feature, in `STEP_UNIT`."""
    group_steps: tuple[Steps, ...]
    """In the order of `GROUP_FEATURES`."""

    def __post_init__(self) -> None:
        assert len(self.joint_slopes) == len(JOINT_FEATURES)
        assert len(self.group_steps) == len(GROUP_FEATURES)

    def logit(self, joint: Joint) -> float:
        """Of a joint's being within one vessel."""
        terms = (slope * value for slope, value in zip(self.joint_slopes, joint_features(joint), strict=True))
        return self.joint_base + sum(terms)

    def may_join(self, joint: Joint) -> bool:
        return joint.link.firm or self.logit(joint) > _NEVER_LOGIT

    def agreement(self, tree: Tree) -> Floats:
        """(groups + 1,) expected agreement of each group with a vessel."""
        total = summed(self.group_base, self.group_steps, group_features(tree))
        return np.asarray(total * STEP_UNIT, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The groups that were taken, and how near a thing it was."""

    owner: NDArray[np.int32]
    """(basins + 1,) number of the vessel that each basin belongs to, in the order of their first basins; 0 of none."""
    margin: Floats
    """(vessels + 1,) by how much the value of each exceeds that of the next best way to part or join it."""
    group: NDArray[np.int32]
    """(vessels + 1,) group of the tree that each is."""
    root: NDArray[np.int32]
    """(basins + 1,) the root that each basin is in."""


def choose(tree: Tree, model: GroupModel, high: float) -> Choice:
    """The groups of a tree that are vessels.

    Parameters
    ----------
    high
        Density that a vessel somewhere reaches.
    """
    value = model.agreement(tree) - PRICE
    held, best, taken = np.zeros(len(value)), np.zeros(len(value)), np.zeros(len(value), bool)
    margin = np.abs(value)
    for number in range(1, tree.size + 1):
        taken[number] = value[number] > 0 and tree.shapes[number].peak >= high
        best[number] = value[number] if taken[number] else 0.0
    for joint in tree.joints:
        number, (a, b) = joint.group, joint.parts
        logit = min(max(model.logit(joint), -_MOST_LOGIT), _MOST_LOGIT)
        held[number] = held[a] + held[b] + _JOINT_WEIGHT * logit + _FIRM_VALUE * joint.link.firm
        whole, parted = value[number] + held[number], best[a] + best[b]
        margin[number] = abs(whole - parted)
        taken[number] = whole > max(parted, 0.0) and tree.shapes[number].peak >= high
        best[number] = whole if taken[number] else parted
    return _taken(tree, taken, margin)


def _taken(tree: Tree, taken: NDArray[np.bool_], margin: Floats) -> Choice:
    """The outermost groups that were taken."""
    parts = tree.parts()
    size = tree.size + 1
    group_of, root_of = np.zeros(size, np.int32), np.zeros(size, np.int32)
    doubt = np.zeros(size)
    left = [(root, root, 0, np.inf) for root in tree.roots]
    while left:
        group, root, within, near = left.pop()
        # A group was nearly not taken where the one round it nearly was.
        near = near if within else min(near, float(margin[group]))
        within = within or (group if taken[group] else 0)
        if group < size:
            group_of[group], root_of[group], doubt[group] = within, root, near
        else:
            left += [(part, root, within, near) for part in parts[group]]
    groups, first, inverse = np.unique(group_of, return_index=True, return_inverse=True)
    real = groups > 0
    rank = np.zeros(len(groups), np.int32)
    rank[real] = np.argsort(np.argsort(first[real])) + 1
    owner = rank[inverse].astype(np.int32)
    vessels = int(rank.max(initial=0))
    of, nearest = np.zeros(vessels + 1, np.int32), np.full(vessels + 1, np.inf)
    of[rank[real]] = groups[real]
    np.minimum.at(nearest, owner, doubt)
    return Choice(owner, nearest, of, root_of)
