"""Pictures in which everything is known, grown into trees of groups: what groups, joints and looks are learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mvd.errors import MvdError
from mvd.protocol import CountingRule, Protocol
from mvd.survey import survey_slide
from mvd.training.examples import Known
from mvd.training.pictures import Objects, Opened, Source, opened
from mvd.vessels import WORK_UM_PER_PX, StainLevels, StainMaps, stain_maps
from mvd.vessels.basins import WALL_SHARE, Basins, Labels, find_basins
from mvd.vessels.joining import open_gaps
from mvd.vessels.patches import CHANNELS, PATCH_PX, Patched, cut_patch
from mvd.vessels.tree import JOINT_FEATURES, Tree, group_features, grow_tree, joint_features

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

_OF_ONE = 0.6
"""Share of a group's stain that must be of one thing for the group to be of that thing; a joint of groups that are of
none says nothing."""
_NOTHING, _UNKNOWN = -1, -2
_RIM_UM = 1.5
"""Stain this close to a thing in a mask is still of it: its blur."""
_BOX_UM = 1.0
"""By how much a reader's box is grown before it is asked whether it holds the middle of a basin."""
_DOUBTFUL_IOU = 0.15
"""A group that agrees by more than this with a thing that is neither right nor wrong, and by less with any other, is no
example; nor is one within such a thing that agrees with nothing (less than 0.1)."""
_NO_AGREEMENT = 0.1
_SURE_IOU, _NONE_IOU = 0.4, 0.05
"""A group that agrees by at least the first with a thing looks like that; one that agrees by less than the second with
all of them is nothing."""
VESSEL, OTHER, NOTHING, PART = "vessel", "something else", "nothing", "part"
"""What a group looks like: `PART` is too little or too much of a thing to look like it."""


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """The tree of one picture, as what is learned from."""

    stock: str
    laboratory: str
    joints: Floats
    """(joints, features) in the order of `JOINT_FEATURES`."""
    is_one: Floats
    """(joints,) 1 for what lies within one thing, 0 for what does not, NaN where that is not known."""
    groups: Floats
    """(groups, features) in the order of `GROUP_FEATURES`."""
    agreement: Floats
    """(groups,) IoU of the box with that of the thing that it agrees with best."""
    is_told: NDArray[np.bool_]
    """(groups,) whether the group is an example: not of something doubtful."""
    looks_like: NDArray[np.str_]
    """(groups,) `VESSEL`, `OTHER`, `NOTHING` or `PART`; empty for what is no example."""
    patches: NDArray[np.uint8]
    """(groups, channels, rows, columns)."""
    shrunk: Floats
    """(groups,) of each patch."""


def grown(source: Source) -> Grown | None:
    """The tree of a picture with its labels; None where the program refuses the picture."""
    cv2.setNumThreads(1)  # one process a picture uses the cores better
    with opened(source) as picture:
        try:
            survey = survey_slide(picture.slide, Protocol())
        except MvdError:
            return None
        maps = stain_maps(picture.slide.read(picture.slide.bounds, WORK_UM_PER_PX), survey.stains)
        basins = find_basins(maps.dab, survey.levels.low)
        gaps = open_gaps(basins, maps, survey.levels, CountingRule())
        tree = grow_tree(basins, maps.dab, gaps, may_join=lambda _joint: True)
        things = _of_boxes(basins, picture.known) if picture.objects is None else _of_mask(basins, picture.objects)
        density = np.maximum(maps.dab.ravel(), 0).astype(np.float64)
        stain = np.asarray(np.bincount(basins.labels.ravel(), density, basins.size + 1), np.float64)
        boxes = _boxes(tree)
        agreement, is_told = agreements(boxes, picture)
        patches = _patches(tree, basins, maps, survey.levels)
    return Grown(
        source.stock,
        source.laboratory,
        np.array([joint_features(joint) for joint in tree.joints], np.float64).reshape(-1, len(JOINT_FEATURES)),
        is_one_thing(tree, things, stain),
        group_features(tree)[1:],
        agreement,
        is_told,
        looks(boxes, picture.known, is_told),
        np.array([patch.pixels for patch in patches], np.uint8).reshape(-1, len(CHANNELS), PATCH_PX, PATCH_PX),
        np.array([patch.shrunk for patch in patches], np.float64),
    )


def _patches(tree: Tree, basins: Basins, maps: StainMaps, levels: StainLevels) -> list[Patched]:
    """Of each group; its stain is what is of a wall, as in what is measured."""
    wall = basins.above(maps.dab, WALL_SHARE).ravel()
    at = np.flatnonzero(wall)
    at = at[np.argsort(wall[at], kind="stable")]
    ends = np.searchsorted(wall[at], np.arange(basins.size + 2))
    held = {number: at[ends[number] : ends[number + 1]] for number in range(1, basins.size + 1)}
    for joint in tree.joints:
        held[joint.group] = np.sort(np.concatenate([held[part] for part in joint.parts]))
    return [cut_patch(held[number], maps, levels) for number in sorted(held)]


def _of_boxes(basins: Basins, known: Sequence[Known]) -> Numbers:
    """(basins + 1,) the one box that holds the middle of each basin: its number, or nothing, or unknown for several."""
    x, y = (np.array(middle) for middle in _middles(basins.labels, basins.size))
    held = np.zeros((len(known), basins.size + 1), bool)
    for number, thing in enumerate(known):
        box = thing.bounds.expanded(_BOX_UM)
        held[number] = (box.x0_um <= x) & (x <= box.x1_um) & (box.y0_um <= y) & (y <= box.y1_um)
    boxes = held.sum(axis=0)
    first = held.argmax(axis=0) if len(known) else np.zeros(basins.size + 1, np.int64)
    return np.where(boxes == 1, first, np.where(boxes == 0, _NOTHING, _UNKNOWN)).astype(np.int64)


def _middles(labels: Labels, size: int) -> tuple[Floats, Floats]:
    """x and y of the middle of each basin, µm."""
    rows, columns = np.nonzero(labels)
    owner = labels[rows, columns]
    number = np.maximum(np.bincount(owner, minlength=size + 1), 1)
    x, y = (np.bincount(owner, at, size + 1) / number * WORK_UM_PER_PX for at in (columns, rows))
    return x, y


def _of_mask(basins: Basins, objects: Objects) -> Numbers:
    """(basins + 1,) the thing that most of each basin lies on: its number, or nothing, or unknown."""
    labels = basins.labels
    size = (labels.shape[1], labels.shape[0])
    on = cv2.resize(objects.astype(np.uint16), size, interpolation=cv2.INTER_NEAREST).astype(np.int64)
    away, nearest = ndimage.distance_transform_edt(on == 0, return_indices=True)
    on = np.where(away <= _RIM_UM / WORK_UM_PER_PX, on[nearest[0], nearest[1]], 0)
    at = np.flatnonzero(labels)
    names, which = np.unique(on.ravel()[at], return_inverse=True)
    area = np.zeros((basins.size + 1, len(names)))
    np.add.at(area, (labels.ravel()[at], which), 1)
    if not len(names):
        return np.full(basins.size + 1, _NOTHING, np.int64)
    most = names[area.argmax(axis=1)]
    share = area.max(axis=1) / np.maximum(area.sum(axis=1), 1)
    return np.where(share <= 0.5, _UNKNOWN, np.where(most > 0, most, _NOTHING)).astype(np.int64)


def is_one_thing(tree: Tree, things: Numbers, stain: Floats) -> Floats:
    """(joints,) whether both parts of each are of the same thing; NaN where either is of none, or of several.

    Parameters
    ----------
    things, stain
        (basins + 1,) what each basin is of (negative for nothing), and how much stain is in it.
    """
    held = {number: {int(things[number]): float(stain[number])} for number in range(1, tree.size + 1)}
    found = np.full(len(tree.joints), np.nan)
    for index, joint in enumerate(tree.joints):
        first, other = (held[part] for part in joint.parts)
        one, two = _main(first), _main(other)
        if one is not None and two is not None:
            found[index] = float(one == two)
        together = dict(first)
        for thing, amount in other.items():
            together[thing] = together.get(thing, 0.0) + amount
        held[joint.group] = together
    return found


def _main(held: dict[int, float]) -> int | None:
    """The thing that most of a group's stain is of, if any."""
    thing = max(held, key=lambda key: held[key])
    total = sum(held.values())
    return thing if thing >= 0 and total > 0 and held[thing] >= _OF_ONE * total else None


def _boxes(tree: Tree) -> Floats:
    """(groups, 4) left, top, right and bottom of each group, µm."""
    hulls = (tree.shapes[number].hull for number in range(1, tree.size + len(tree.joints) + 1))
    boxes = [np.concatenate([hull.min(axis=0), hull.max(axis=0)]) for hull in hulls]
    return np.array(boxes, np.float64).reshape(-1, 4) * WORK_UM_PER_PX


def agreements(boxes: Floats, picture: Opened) -> tuple[Floats, NDArray[np.bool_]]:
    """(groups,) how well each box agrees with a vessel or a decoy, and whether it is an example.

    A decoy is one thing as a vessel is: that it is none is what the score has to say.
    """
    doubtful = _rings([thing for thing in picture.known if thing.is_stained_vessel and not thing.counts])
    best = _best(boxes, _rings([thing for thing in picture.known if thing.counts or not thing.is_stained_vessel]))
    other = _best(boxes, doubtful)
    told = ~((other > best) & (other > _DOUBTFUL_IOU))
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    for x0, y0, x1, y1 in doubtful.tolist():
        told &= ~((x0 < x) & (x < x1) & (y0 < y) & (y < y1) & (best < _NO_AGREEMENT))
    return best, told


def looks(boxes: Floats, known: Sequence[Known], is_told: NDArray[np.bool_]) -> NDArray[np.str_]:
    """(groups,) what each group looks like, by its box."""
    vessels = _rings([thing for thing in known if thing.counts])
    others = _rings([thing for thing in known if not thing.is_stained_vessel])
    doubtful = _rings([thing for thing in known if thing.is_stained_vessel and not thing.counts])
    vessel, other, doubt = (_best(boxes, rings) for rings in (vessels, others, doubtful))
    found = np.full(len(boxes), PART, np.dtype(f"<U{len(OTHER)}"))
    found[(vessel >= _SURE_IOU) & (vessel > other)] = VESSEL
    found[(other >= _SURE_IOU) & (other > vessel)] = OTHER
    found[np.maximum(np.maximum(vessel, other), doubt) < _NONE_IOU] = NOTHING
    found[(doubt > vessel) & (doubt > other) & (doubt > _DOUBTFUL_IOU) | ~is_told] = ""
    return found


def _rings(known: Sequence[Known]) -> Floats:
    boxes = [(b.x0_um, b.y0_um, b.x1_um, b.y1_um) for b in (thing.bounds for thing in known)]
    return np.array(boxes, np.float64).reshape(-1, 4)


def _best(boxes: Floats, others: Floats) -> Floats:
    """(boxes,) greatest intersection over union with any of the others."""
    if not len(others):
        return np.zeros(len(boxes))
    one, two = boxes[:, None], others[None]
    sides = np.clip(np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2]), 0, None)
    common = sides.prod(axis=2)
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=2) for box in (one, two)]
    return np.asarray((common / np.maximum(areas[0] + areas[1] - common, 1e-9)).max(axis=1), np.float64)
