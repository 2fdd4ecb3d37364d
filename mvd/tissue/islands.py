"""Islands of tissue: so far from one another that nothing of one decides about a pixel of the next.

A slide of 25 × 25 mm may hold the particles of a clot with glass between them; maps are made of the islands alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mvd.geometry import Mask
from mvd.tissue.detail import Detail
from mvd.tissue.masks import Box

_CELL_PX = 64
"""Islands are made of whole cells of the overview, with a free one round each. It is wider than anything that decides
about a pixel (80 µm, and the widest blur reaches 48); and rows begin and end, for the processor's vectors, as those of
the whole overview: the last bit is the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Island:
    """A rectangle of the overview that holds some of the tissue, and a margin."""

    box: Box
    detail: Detail
    """Of the box; 0 where nothing was looked at."""

    def put(self, part: Detail, block: Box, *, skip: tuple[int, int]) -> None:
        """Take what belongs to this island from the detail of a block of the overview.

        Parameters
        ----------
        skip
            Rows and columns of the part before the block's own begin.
        """
        own = _overlap(block, self.box)
        if own is None:
            return
        rows, columns = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(own, self.box, strict=True))
        down, right = (n + a.start - b.start for n, a, b in zip(skip, own, block, strict=True))
        self.detail.put(part, rows, columns, skip=(down, right))


def islands_of(tissue: Mask) -> tuple[Island, ...]:
    """Islands that hold all of the tissue, nothing of them looked at yet; no two share a pixel."""
    return tuple(Island(box, Detail.empty(tissue[box].shape)) for box in _boxes(tissue))


def _boxes(tissue: Mask) -> list[Box]:
    starts = [np.arange(0, size, _CELL_PX) for size in tissue.shape]
    cells = np.logical_or.reduceat(np.logical_or.reduceat(tissue, starts[0], axis=0), starts[1], axis=1)
    near = cv2.dilate(cells.view(np.uint8), np.ones((3, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    apart: list[Box] = []
    for left, top, width, height in stats[1:, :4].tolist():
        box = (slice(top, top + height), slice(left, left + width))
        while meeting := [other for other in apart if _overlap(box, other)]:
            apart = [other for other in apart if other not in meeting]
            box = _round(box, *meeting)
        apart.append(box)
    rows, columns = tissue.shape
    return [
        (
            slice(_CELL_PX * box[0].start, min(_CELL_PX * box[0].stop, rows)),
            slice(_CELL_PX * box[1].start, min(_CELL_PX * box[1].stop, columns)),
        )
        for box in apart
    ]


def _overlap(one: Box, other: Box) -> Box | None:
    rows, columns = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def _round(*boxes: Box) -> Box:
    """The smallest box that holds all."""
    rows, columns = (
        slice(min(box[side].start for box in boxes), max(box[side].stop for box in boxes)) for side in (0, 1)
    )
    return rows, columns
