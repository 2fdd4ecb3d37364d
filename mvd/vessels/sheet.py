"""Small pictures of many objects laid side by side on one sheet, so that one look at the sheet measures them all.

A call of the image libraries costs some 10 µs before it looks at a pixel; most objects are smaller than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Mask

_SHELF_PX = 1024
"""Width of a sheet whose pictures are no wider."""
_SHEET_PX = 1 << 20
"""Pixels of a sheet of more than one picture: what is computed on it stays within some 50 MB."""

T = TypeVar("T")
Shape = tuple[int, int]
Box = tuple[slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Where each picture lies: on background, and at least two pixels from every other."""

    shape: Shape
    places: tuple[Box, ...]

    def put(self, pictures: Sequence[Mask]) -> Mask:
        """All pictures on the sheet."""
        sheet = np.zeros(self.shape, bool)
        for place, picture in zip(self.places, pictures, strict=True):
            sheet[place] = picture
        return sheet

    def put_open(self, pictures: Sequence[Mask], boxes: Sequence[Box], region: Shape) -> Mask:
        """All pictures on the sheet, each going on beyond those of its sides along which the region ends.

        Parameters
        ----------
        boxes
            Where in the region each picture was cut out.
        region
            Rows and columns.
        """
        sheet = self.put(pictures)
        for (rows, columns), box in zip(self.places, boxes, strict=True):
            across, along = (slice(side.start - 1, side.stop + 1) for side in (rows, columns))
            if box[0].start == 0:
                sheet[rows.start - 1, along] = True
            if box[1].start == 0:
                sheet[across, columns.start - 1] = True
            if box[0].stop >= region[0]:
                sheet[rows.stop, along] = True
            if box[1].stop >= region[1]:
                sheet[across, columns.stop] = True
        return sheet

    def owners(self) -> NDArray[np.int32]:
        """(rows, columns) number, from 0, of the picture that a pixel belongs to, a frame of one pixel round it too."""
        sheet = np.full(self.shape, -1, np.int32)
        for number, (rows, columns) in enumerate(self.places):
            sheet[rows.start - 1 : rows.stop + 1, columns.start - 1 : columns.stop + 1] = number
        return sheet

    def in_region(
        self, at: NDArray[np.intp], owner: NDArray[np.int32], boxes: Sequence[Box], columns: int
    ) -> NDArray[np.intp]:
        """Where pixels of the sheet lie in the region that its pictures were cut from.

        Parameters
        ----------
        at, owner
            Positions in the flat sheet, and the number of the picture that each belongs to.
        boxes
            Where in the region each picture was cut out.
        columns
            Of the region.

        Returns
        -------
        Positions in the flat region.
        """
        pairs = list(zip(boxes, self.places, strict=True))
        down, right = (np.array([box[i].start - place[i].start for box, place in pairs], np.intp) for i in (0, 1))
        row, column = np.divmod(at, self.shape[1])
        return np.asarray((row + down[owner]) * columns + column + right[owner], np.intp)


def box_shape(box: Box) -> Shape:
    rows, columns = box
    return rows.stop - rows.start, columns.stop - columns.start


def lay_out(shapes: Sequence[Shape]) -> Sheet:
    """A sheet for pictures of these shapes: on shelves, the tallest first."""
    width = max([_SHELF_PX, *(columns + 2 for _, columns in shapes)])
    places: list[Box] = [(slice(0), slice(0))] * len(shapes)
    top = bottom = left = 0
    for number in sorted(range(len(shapes)), key=lambda number: -shapes[number][0]):
        rows, columns = shapes[number]
        if left + columns + 2 > width:
            top, left = bottom, 0
        places[number] = (slice(top + 1, top + 1 + rows), slice(left + 1, left + 1 + columns))
        bottom, left = max(bottom, top + rows + 2), left + columns + 2
    return Sheet((bottom, width), tuple(places))


def by_owner(mask: Mask, owner: NDArray[np.int32], size: int) -> tuple[NDArray[np.intp], list[int]]:
    """Positions of the pixels of a sheet, those of each picture in raster order, and where each picture's begin.

    Parameters
    ----------
    owner, size
        `Sheet.owners`, and how many pictures there are.
    """
    at = np.flatnonzero(mask)
    of = owner.ravel()[at].astype(np.min_scalar_type(size))  # 16 bits are sorted by radix
    starts = np.cumsum(np.bincount(of, minlength=size))
    return at[np.argsort(of, kind="stable")], [0, *starts.tolist()]


def in_sheets(things: Iterable[T], shape: Callable[[T], Shape]) -> Iterator[list[T]]:
    """Things with a picture of a shape, those together that go on one sheet; no more than these are asked for."""
    together: list[T] = []
    pixels = 0
    for thing in things:
        rows, columns = shape(thing)
        area = (rows + 2) * (columns + 2)
        if together and pixels + area > _SHEET_PX:
            yield together
            together, pixels = [], 0
        together.append(thing)
        pixels += area
    if together:
        yield together
