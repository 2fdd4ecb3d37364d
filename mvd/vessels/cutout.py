"""Objects cut out of their region: what of them is stained, what is lumen, and the whole shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Mask
from mvd.stains import TISSUE_OD
from mvd.vessels.basins import Labels
from mvd.vessels.gaps import line_between
from mvd.vessels.joining import Joined
from mvd.vessels.lumens import LUMEN_OPENING_UM, LUMEN_WALL_UM, disc
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, StainMaps
from mvd.vessels.outline import well_composed
from mvd.vessels.shape import widest_um, without_holes
from mvd.vessels.sheet import Box, Sheet, in_sheets, lay_out

MIN_HOLE_UM2 = 3.0
"""Enclosed gaps smaller than this are texture of the stain, not a lumen."""
_ISLAND_UM = 20.0
"""A gap wider than this inside a loop of stain is lumen only if it is clear; else it is tissue between branches."""
_ISLAND_UM2 = 250.0
"""No gap of less is that wide: a disc of 20 µm has 314 µm², and distances are 2 % off at the most."""
_MARGIN_PX = round(LUMEN_WALL_UM / WORK_UM_PER_PX) + 2
_PX_UM2 = WORK_UM_PER_PX**2


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One object cut out of its region, with a margin of background."""

    box: Box
    stained: Mask
    filled: Mask
    """Stained pixels, bridges and lumens: one connected shape, well composed."""
    lumen: Mask
    pieces: int
    doubtful_join: bool
    scrap: bool
    reach: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """An object before its holes are looked at."""

    number: int
    box: Box
    stained: Mask
    lumen: Mask
    solid: Mask
    """Stained pixels, bridges and lumens."""


def cut_out(
    labels: Labels, joined: Joined, maps: StainMaps, *, levels: StainLevels, part: bool, within: Box | None = None
) -> Iterator[View]:
    """Every object that somewhere reaches `levels.high`, in object order; with `part`, its branches one by one.

    Those that do not reach into `within` are left out, but for some close to it.
    """
    pieces = np.bincount(joined.group)
    objects = _parts(labels, joined, maps, levels=levels, within=within)
    for parts in in_sheets(objects, lambda one: one.solid.shape):
        for one, (lumen, filled) in zip(parts, _closed(parts, maps, levels), strict=True):
            number = one.number
            top, left, bottom, right = joined.reach[number].tolist()
            view = View(
                box=one.box,
                stained=one.stained,
                filled=filled,
                lumen=lumen,
                pieces=int(pieces[number]),
                doubtful_join=bool(joined.doubtful[number]),
                scrap=bool(joined.scrap[number]),
                reach=(top, left, bottom, right),
            )
            yield from _branches(view, labels) if part else (view,)


def _parts(
    labels: Labels, joined: Joined, maps: StainMaps, *, levels: StainLevels, within: Box | None
) -> Iterator[_Part]:
    reached = densest(labels, joined.group, maps)
    bridges: dict[int, list[int]] = {}
    for i, piece in enumerate(joined.bridges.first.tolist()):
        bridges.setdefault(int(joined.group[piece]), []).append(i)
    with_lumen = set(joined.lumen_group.tolist())
    for number, box in enumerate(_boxes(labels, joined, len(reached)), start=1):
        if reached[number] < levels.high or (within is not None and not _meet(box, within)):
            continue
        stained = joined.group[labels[box]] == number
        lumen = np.zeros_like(stained)
        if number in with_lumen:
            lumen = _up_to_wall(joined.lumen_group[joined.lumens[box]] == number, stained)
        solid = stained | lumen
        for i in bridges.get(number, ()):
            _draw_bridge(solid, joined.bridges.p[i], joined.bridges.q[i], box)
        yield _Part(number, box, stained, lumen, solid)


def _boxes(labels: Labels, joined: Joined, size: int) -> list[Box]:
    """Where the stain and the lumens of each object lie, with the margin."""
    height, width = labels.shape
    ends = np.array([[height, width, 0, 0]] * size)
    for numbers, owner in ((labels, joined.group), (joined.lumens, joined.lumen_group)):
        at = np.flatnonzero(numbers != 0)  # ten times as fast as of whole numbers
        of = owner[numbers.ravel()[at]]
        for axis, place in enumerate(np.divmod(at, width)):
            np.minimum.at(ends[:, axis], of, place)
            np.maximum.at(ends[:, axis + 2], of, place + 1)
    first, stop = np.maximum(ends[1:, :2] - _MARGIN_PX, 0).tolist(), (ends[1:, 2:] + _MARGIN_PX).tolist()
    return [
        (slice(top, min(bottom, height)), slice(left, min(right, width)))
        for (top, left), (bottom, right) in zip(first, stop, strict=True)
    ]


def _meet(one: Box, other: Box) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


def _up_to_wall(lumen: Mask, stained: Mask) -> Mask:
    """A lumen's clear middle grown through the blur of its edge to the stained wall, where there is one."""
    grown, wall = (cv2.dilate(mask.astype(np.uint8), disc(LUMEN_WALL_UM)) > 0 for mask in (lumen, stained))
    edge = cv2.dilate(lumen.astype(np.uint8), disc(LUMEN_OPENING_UM)) > 0
    return np.asarray(((grown & wall) | edge) & ~stained, bool)


def _draw_bridge(solid: Mask, p: NDArray[np.int32], q: NDArray[np.int32], box: Box) -> None:
    rows, columns = line_between(p, q)
    solid[rows - box[0].start, columns - box[1].start] = True


def _closed(parts: Sequence[_Part], maps: StainMaps, levels: StainLevels) -> Iterator[tuple[Mask, Mask]]:
    """Lumen and whole shape of each object, the holes in it that are lumen among them."""
    sheet = lay_out([one.solid.shape for one in parts])
    solid = sheet.put([one.solid for one in parts])
    closed = _closed_lumens(sheet, solid, [one.box for one in parts], maps=maps, levels=levels)
    filled = well_composed(solid | closed)
    for one, place in zip(parts, sheet.places, strict=True):
        yield one.lumen | closed[place], filled[place].copy()


def _closed_lumens(sheet: Sheet, solid: Mask, boxes: Sequence[Box], *, maps: StainMaps, levels: StainLevels) -> Mask:
    """Holes of the objects that are lumen: not a nucleus ringed by its own stain, not an island of tissue."""
    holes = without_holes(solid) & ~solid
    at = np.flatnonzero(holes)
    count, labels = cv2.connectedComponents(holes.view(np.uint8), connectivity=4)
    hole = labels.ravel()[at]
    area = np.bincount(hole, minlength=count)
    owners = sheet.owners().ravel()[at]
    place = sheet.in_region(at, owners, boxes, maps.dab.shape[1])
    nuclear, glassy = (
        np.bincount(hole, weights=is_so, minlength=count) / np.maximum(area, 1)
        for is_so in (
            maps.haematoxylin.ravel()[place] > levels.nuclear,
            maps.total.ravel()[place] < TISSUE_OD,
        )
    )
    wide = np.zeros(count, bool)
    for number in np.flatnonzero(area * _PX_UM2 >= _ISLAND_UM2).tolist():
        owner = sheet.places[int(owners[np.argmax(hole == number)])]
        wide[number] = widest_um(labels[owner] == number) > _ISLAND_UM
    lumen = (area * _PX_UM2 < MIN_HOLE_UM2) | (np.where(wide, glassy, 1 - nuclear) >= 0.5)
    lumen[0] = False
    closed = np.zeros_like(holes)
    closed.ravel()[at] = lumen[hole]
    return closed


def _branches(view: View, labels: Labels) -> Iterator[View]:
    """The object's branches, each cut out as the object was."""
    from mvd.vessels.branches import part_branches  # noqa: PLC0415  (few rules part them, and what it needs loads slowly)

    parts = part_branches(view.filled)
    for number in range(1, int(parts.max()) + 1):
        branch = well_composed(parts == number)
        stained = view.stained & branch
        if stained.any():
            pieces = len(np.unique(labels[view.box][stained]))
            yield replace(view, stained=stained, filled=branch, lumen=view.lumen & branch, pieces=pieces)


def densest(labels: Labels, group: NDArray[np.int32], maps: StainMaps) -> NDArray[np.float32]:
    """(groups + 1,) the densest DAB of each group of pieces, at least 0; that of group 0 is 0."""
    stained = np.flatnonzero(labels != 0)
    reached = np.zeros(int(group.max()) + 1, np.float32)
    np.maximum.at(reached, group[labels.ravel()[stained]], maps.dab.ravel()[stained])
    return reached
