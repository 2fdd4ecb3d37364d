"""Places that exceed chance: their outlines, densities and counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.counting import FieldCount, count
from mvd.density.cells import Cells, Floats
from mvd.density.chance import Chance, Judge
from mvd.fields import field_at
from mvd.geometry import Mask, Ring
from mvd.protocol import FieldPlan
from mvd.vessels import Vessel
from mvd.vessels.outline import shoelace, trace, well_composed


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """One place of the map."""

    x_um: float
    y_um: float
    per_mm2: float
    """The map's density there."""
    p: float
    """How often a random section has a place as high, anywhere."""
    field: FieldCount | None
    """What a field round the place holds, whatever part of it is evaluable; None where nothing of it is."""


@dataclass(frozen=True, slots=True, eq=False)
class HotSpot:
    """A part of the area in which vessels lie denser than chance has them in one section of twenty."""

    name: str
    """"1", "2", … the least likely first."""
    place: Place
    """Where it exceeds chance most."""
    area_mm2: float
    """Evaluable."""
    vessels: int
    """Whose reference points lie in it."""
    outlines: tuple[tuple[Ring, ...], ...]
    """Each polygon's rings in µm, the outer boundary first; along pixels of the evaluable mask."""


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What hot spots are found in."""

    judge: Judge
    statistic: Floats
    density: Floats
    chance: Chance
    vessels: Sequence[Vessel]
    """Those that count."""
    plan: FieldPlan

    @property
    def cells(self) -> Cells:
        return self.judge.kernel.cells

    def places(self, cells: Sequence[tuple[int, int]]) -> tuple[Place, ...]:
        """The places at the centres of cells, (row, column) each."""
        centres = [self.cells.centre_um(row, column) for row, column in cells]
        around = [
            field_at(self.cells.evaluable, x_um, y_um, side_um=self.plan.side_um, name=str(number))
            for number, (x_um, y_um) in enumerate(centres)
        ]
        fields = [field for field in around if field.evaluable_mm2 > 0]
        counted = count(self.vessels, fields, border=self.plan.border, confidence=0.95).fields if fields else ()
        by_name = {row.field.name: row for row in counted}
        return tuple(
            Place(x, y, float(self.density[cell]), self.chance.p(float(self.statistic[cell])), by_name.get(field.name))
            for cell, (x, y), field in zip(cells, centres, around, strict=True)
        )

    def highest(self) -> Place:
        """The place that exceeds chance most, or comes nearest to it."""
        (place,) = self.places([divmod(int(self.statistic.argmax()), self.statistic.shape[1])])
        return place


def find_hot_spots(survey: Survey) -> tuple[HotSpot, ...]:
    """Every part of the area whose statistic exceeds the critical one, the least likely first.

    Between the centres of cells the statistic is interpolated: nowhere is it higher than at the highest centre, so
    that there is a hot spot just where a judged cell exceeds chance.
    """
    critical = survey.chance.critical()
    above = survey.judge.judged & (survey.statistic > critical)
    if not above.any():
        return ()
    filled = _filled(survey.statistic, survey.judge.judged)
    # Beyond the cells next to a higher centre nothing can be higher.
    near = cv2.dilate((filled > critical).astype(np.uint8), np.ones((3, 3), np.uint8))
    number, labels, boxes, _ = cv2.connectedComponentsWithStats(near, connectivity=8)
    parts: list[_Part] = []
    for label in range(1, number):
        x, y, width, height, _ = boxes[label].tolist()
        own = labels[y : y + height, x : x + width] == label
        parts += _in_window(survey, filled, above, (y, x, own))
    parts.sort(key=lambda part: (-part[0], part[1], part[2]))
    places = survey.places([(row, column) for _, row, column, *_ in parts])
    points = np.array([(vessel.x_um, vessel.y_um) for vessel in survey.vessels])
    return tuple(
        _hot_spot(survey.cells, part, points, (str(rank), place))
        for rank, (part, place) in enumerate(zip(parts, places, strict=True), start=1)
    )


_Part = tuple[float, int, int, Mask, int, int]
"""Highest statistic, its row and column, the pixels of the evaluable mask, and their first row and column."""


def _filled(statistic: Floats, judged: Mask) -> Floats:
    """Cells that are not judged take the value of the nearest one that is."""
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415  (keeps the import of mvd quick)

    nearest = distance_transform_edt(~judged, return_distances=False, return_indices=True)
    filled: Floats = statistic[tuple(nearest)]
    return filled


def _in_window(survey: Survey, filled: Floats, above: Mask, window: tuple[int, int, Mask]) -> Iterator[_Part]:
    """The hot spots among the cells `own` from (row, column) on."""
    top, left, own = window
    side, (rows, columns) = survey.cells.per_cell, own.shape
    padded = np.pad(filled, 1, mode="edge")[top : top + rows + 2, left : left + columns + 2]
    size = ((columns + 2) * side, (rows + 2) * side)
    fine = cv2.resize(padded, size, interpolation=cv2.INTER_LINEAR)[side:-side, side:-side]
    higher = (fine > survey.chance.critical()) & _spread(own, side)
    middle = slice((side - 1) // 2, side // 2 + 1)
    cells = above[top : top + rows, left : left + columns] & own
    # A place so small that it falls between pixels keeps those round its cell's centre.
    blocks = higher.reshape(rows, side, columns, side)
    blocks[:, middle, :, middle] |= cells[:, None, :, None]
    number, labels = cv2.connectedComponents(higher.astype(np.uint8), connectivity=4)
    centres = labels[middle.start :: side, middle.start :: side]
    marrow = survey.cells.evaluable.pixels[top * side : (top + rows) * side, left * side : (left + columns) * side]
    marrow = marrow & _spread(survey.judge.judged[top : top + rows, left : left + columns], side)
    here = survey.statistic[top : top + rows, left : left + columns]
    for label in range(1, number):
        of_it = np.where(cells & (centres == label), here, -np.inf)
        row, column = divmod(int(of_it.argmax()), columns)
        if np.isfinite(of_it[row, column]):
            part = (labels == label) & marrow
            if not part.any():  # only bone is so high: the marrow of the cell that it was told from
                cell = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
                part[cell] = marrow[cell]
            yield float(of_it[row, column]), top + row, left + column, part, top * side, left * side


def _spread(cells: Mask, side: int) -> Mask:
    """Cells -> pixels of the mask."""
    return cells.repeat(side, axis=0).repeat(side, axis=1)


def _hot_spot(cells: Cells, part: _Part, points: Ring, what: tuple[str, Place]) -> HotSpot:
    *_, pixels, top, left = part
    pixels = well_composed(pixels)
    mask, um = cells.evaluable, cells.evaluable.um_per_px
    x, y = (np.floor((points - (mask.x0_um, mask.y0_um)) / um).astype(int) - (left, top)).T
    on = (x >= 0) & (x < pixels.shape[1]) & (y >= 0) & (y < pixels.shape[0])
    corner = np.array([mask.x0_um + left * um, mask.y0_um + top * um])
    outlines = tuple(tuple(ring * um + corner for ring in rings) for rings in _polygons(pixels))
    name, place = what
    return HotSpot(name, place, int(pixels.sum()) * um**2 / 1e6, int(pixels[y[on], x[on]].sum()), outlines)


def _polygons(pixels: NDArray[np.bool_]) -> Iterator[tuple[Ring, ...]]:
    """Rings of each connected part in pixel edges, the outer one first."""
    number, labels, boxes, _ = cv2.connectedComponentsWithStats(pixels.astype(np.uint8), connectivity=4)
    for label in range(1, number):
        x, y, width, height, _ = boxes[label].tolist()
        rings = trace(labels[y : y + height, x : x + width] == label)
        yield tuple(ring + np.array([x, y]) for ring in sorted(rings, key=shoelace, reverse=True))
