"""Involved area + field plan -> counting fields, with the area of each that can be evaluated.

The lattice of systematic fields and the positions tried for hot spots are tied to the slide's frame, not to the
raster, and the random numbers come from SHA-256: how the raster is cut, the machine and the version of numpy do not
move a field.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvd.errors import FieldError
from mvd.geometry import Raster, Rect, Ring
from mvd.protocol import FieldPlan

STARTS = 32
"""Random lattices tried before fewer fields than asked are accepted. In a narrow or broken core one lattice may miss
what the next one holds; the number is fixed so that the answer is."""

STEPS_PER_SIDE = 10
"""Hot spots are sought at positions side / 10 apart (25 µm for the default field)."""

SNAP_UM = 1 / 1024
"""Field corners lie on multiples of 1 nm (a power of two), so that adjacent fields share their edge to the last bit."""

_SAME = 1e-9
"""Fractions of a field's area that differ by less are the same."""

_Counts = NDArray[np.int64]
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CountField:
    """One square in which vessels are counted."""

    name: str
    """"1", "2", … in reading order (systematic), densest first (hotspot) or as given (manual)."""
    rect: Rect
    evaluable_mm2: float
    """Area inside `rect` that is evaluable involved marrow; exactly side² where all of it is."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The fields of one specimen, and why there are fewer than asked."""

    fields: tuple[CountField, ...]
    asked: int
    shortfall: str | None
    """A sentence; None when there are at least as many fields as asked."""


@dataclass(frozen=True, slots=True, eq=False)
class _AreaTable:
    """Evaluable area of any rectangle, exact to the fraction of a pixel.

    The integral of a picture of constant pixels is bilinear between the pixels' corners, so that interpolating the
    summed-area table there is exact and not an approximation. Outside the raster nothing is evaluable.
    """

    sums: NDArray[np.integer[Any]]
    """(rows + 1, columns + 1) evaluable pixels above and to the left; cut to the evaluable part of the raster."""
    x0_um: float
    y0_um: float
    um_per_px: float
    seen: Rect
    """The whole raster: beyond it nothing is known, not even what a vessel at its edge would be."""

    @property
    def total_mm2(self) -> float:
        return int(self.sums[-1, -1]) * self.um_per_px * self.um_per_px / 1e6

    @property
    def x1_um(self) -> float:
        return self.x0_um + (int(self.sums.shape[1]) - 1) * self.um_per_px

    @property
    def y1_um(self) -> float:
        return self.y0_um + (int(self.sums.shape[0]) - 1) * self.um_per_px

    def cells_um2(self, x_um: _Floats, y_um: _Floats, *, span: int = 1) -> _Floats:
        """Evaluable µm² of the cells [x[j], x[j + span]] × [y[i], y[i + span]]; (len(y) - span, len(x) - span)."""
        row, row_part = _split((y_um - self.y0_um) / self.um_per_px, self.sums.shape[0] - 1)
        column, column_part = _split((x_um - self.x0_um) / self.um_per_px, self.sums.shape[1] - 1)
        part = row_part[:, None]
        bands = self.sums[row] * (1 - part) + self.sums[row + 1] * part
        bands = bands[span:] - bands[:-span]
        corners = bands[:, column] * (1 - column_part) + bands[:, column + 1] * column_part
        areas: _Floats = (corners[:, span:] - corners[:, :-span]) * self.um_per_px**2
        return areas

    def fraction(self, rect: Rect) -> float:
        """Evaluable part of one rectangle, 0 to 1."""
        cell = self.cells_um2(np.array([rect.x0_um, rect.x1_um]), np.array([rect.y0_um, rect.y1_um]))
        return float(cell[0, 0]) / (rect.width_um * rect.height_um)


def _split(position: _Floats, size: int) -> tuple[NDArray[np.intp], _Floats]:
    """Positions along one axis in pixels -> index of the pixel and the part of it that is passed."""
    inside = np.clip(position, 0, size)
    index = np.minimum(inside.astype(np.intp), size - 1)
    return index, inside - index


def _area_table(evaluable: Raster) -> _AreaTable | None:
    """The table of an evaluable mask; None when nothing in it is evaluable."""
    mask = evaluable.pixels
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise TypeError(f"evaluable must be a boolean (rows, columns) raster, not {mask.dtype} {mask.shape}")
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    top, left = int(rows[0]), int(columns[0])
    cut = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    fitting = np.int32 if cut.size <= np.iinfo(np.int32).max else np.int64  # half the memory, which is four a pixel
    sums = np.zeros((cut.shape[0] + 1, cut.shape[1] + 1), fitting)
    np.cumsum(cut, axis=0, dtype=fitting, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    um = evaluable.um_per_px
    return _AreaTable(sums, evaluable.x0_um + left * um, evaluable.y0_um + top * um, um, evaluable.rect)


def place_fields(
    evaluable: Raster,
    plan: FieldPlan,
    *,
    specimen: str,
    points: Ring | None = None,
    centres: Ring | None = None,
) -> Placement:
    """Place the counting fields of one specimen.

    Parameters
    ----------
    evaluable : Raster
        Boolean (rows, columns), True in evaluable involved marrow; a few µm per pixel. It covers the whole picture:
        fields that are not placed by hand lie wholly inside it.
    plan : FieldPlan
        `systematic`: a lattice of squares with a uniform random start; of the squares that are evaluable enough, in
        serpentine order, every (N/n)-th is taken from a random first one, so that each of the N has the same chance.
        The first of `STARTS` lattices that holds the number asked is used, else the one that holds most.
        `hotspot`: the square with most `points`, then the next that does not overlap it, and so on, on positions
        side / 10 apart; ties go to the larger evaluable area, then to the upper, then to the left square.
        `manual`: all squares around `centres` are used, also when they are more than asked.
    specimen : str
        Name; with `plan.seed` it is the source of the random start.
    points : Ring, optional
        (n, 2) µm, reference points of the vessels that count. Needed for `hotspot`, not used otherwise.
    centres : Ring, optional
        (n, 2) µm, centres of manual fields. Needed for `manual`, not used otherwise.

    Returns
    -------
    Placement
        With no field at all, and the reason, where nothing is evaluable.

    Raises
    ------
    FieldError
        Manual fields that are missing, overlap or are not evaluable enough; one line for each fault.

    Notes
    -----
    Marrow within about half a field of the edge of the involved area lies in fewer eligible squares than marrow in
    the middle, and is sampled less; `min_evaluable_fraction` below 1 lessens this.
    """
    table = _area_table(evaluable)
    if plan.placement == "manual":
        return _manual(table, plan, specimen=specimen, centres=centres)
    if plan.placement == "hotspot" and points is None:
        raise ValueError("hotspot fields need the reference points of the vessels")
    if table is None:
        return Placement((), plan.number, f"0 of {plan.number} fields fit: there is no evaluable involved marrow")
    if points is not None and plan.placement == "hotspot":
        rects = _hotspots(table, plan, points)
    else:
        rects = _systematic(table, plan, specimen=specimen)
    return Placement(_named(table, plan, rects), plan.number, _shortfall(table, plan, len(rects)))


def densest_field(evaluable: Raster, plan: FieldPlan, *, points: Ring) -> CountField | None:
    """The single field with most `points` ((n, 2) µm); None where no field is evaluable enough.

    Whatever `plan.placement` says. Ties are broken as for `hotspot` fields.
    """
    table = _area_table(evaluable)
    if table is None:
        return None
    fields = _named(table, plan, _hotspots(table, plan.model_copy(update={"number": 1}), points))
    return fields[0] if fields else None


def field_at(evaluable: Raster, x_um: float, y_um: float, *, side_um: float, name: str) -> CountField:
    """The field round a place, wherever that is, with what of it is evaluable."""
    rect = Rect.square(_snapped(x_um - side_um / 2), _snapped(y_um - side_um / 2), side_um)
    table = _area_table(evaluable.crop(rect.expanded(2 * evaluable.um_per_px)))
    return CountField(name, rect, _evaluable_mm2(table.fraction(rect), side_um) if table else 0.0)


def _named(table: _AreaTable, plan: FieldPlan, rects: Iterable[Rect]) -> tuple[CountField, ...]:
    return tuple(
        CountField(str(number), rect, _evaluable_mm2(table.fraction(rect), plan.side_um))
        for number, rect in enumerate(rects, start=1)
    )


def _evaluable_mm2(fraction: float, side_um: float) -> float:
    full = side_um**2 / 1e6
    # A thousandth of a µm² is far below what the mask can tell, and far above rounding noise.
    return full if abs(fraction - 1) < _SAME else round(fraction * full, 9)


def _shortfall(table: _AreaTable, plan: FieldPlan, found: int) -> str | None:
    if found >= plan.number:
        return None
    square = f"{plan.side_um:g} µm square that is at least {100 * plan.min_evaluable_fraction:g} % evaluable"
    marrow = f"the involved marrow ({table.total_mm2:.2f} mm²)"
    if plan.placement == "hotspot":
        return f"{found} of {plan.number} fields fit: {marrow} holds no further {square}"
    return f"{found} of {plan.number} fields fit: in {marrow} none of {STARTS} random lattices has a further {square}"


def _uniform(plan: FieldPlan, specimen: str, draw: int) -> float:
    """The `draw`-th uniform number in [0, 1) of one specimen; the same on every platform, for ever."""
    digest = hashlib.sha256(f"{plan.seed}/{specimen}/{draw}".encode()).digest()
    return float((int.from_bytes(digest[:8], "big") >> 11) / 2**53)


def _systematic(table: _AreaTable, plan: FieldPlan, *, specimen: str) -> list[Rect]:
    best: list[Rect] = []
    for start in range(STARTS):
        across, down, first = (_uniform(plan, specimen, 3 * start + axis) for axis in range(3))
        rects = _lattice(table, plan, across=across, down=down)
        if len(rects) > plan.number:
            rects = [rects[position] for position in _every(len(rects), plan.number, first)]
        if len(rects) > len(best):
            best = rects
        if len(best) == plan.number:
            break
    return sorted(best, key=lambda rect: (rect.y0_um, rect.x0_um))


def _every(size: int, number: int, first: float) -> list[int]:
    """`number` of `size` positions, evenly spread from a random first; each has the chance number / size."""
    return [min(int((first + step) * size / number), size - 1) for step in range(number)]


def _lattice(table: _AreaTable, plan: FieldPlan, *, across: float, down: float) -> list[Rect]:
    """Eligible squares of the lattice that starts at these parts of a side, in serpentine order."""
    x_um = _edges(table.x0_um, table.x1_um, plan.side_um, across)
    y_um = _edges(table.y0_um, table.y1_um, plan.side_um, down)
    rows, columns = np.nonzero(_eligible(table, plan, x_um, y_um))
    order = np.lexsort((np.where(rows % 2, -columns, columns), rows))
    x, y = x_um.tolist(), y_um.tolist()
    return [Rect(x[c], y[r], x[c + 1], y[r + 1]) for r, c in zip(rows[order], columns[order], strict=True)]


def _edges(low_um: float, high_um: float, side_um: float, start: float) -> _Floats:
    """Lattice lines start · side + k · side from at or below `low_um` to at or above `high_um`."""
    offset = _snapped(start * side_um)
    first, last = math.floor((low_um - offset) / side_um), math.ceil((high_um - offset) / side_um)
    return _steps(first, max(last, first + 1), side_um) + offset


def _steps(first: int, last: int, step_um: float) -> _Floats:
    return np.arange(first, last + 1, dtype=np.float64) * step_um


def _snapped(value_um: float) -> float:
    return round(value_um / SNAP_UM) * SNAP_UM


def _eligible(table: _AreaTable, plan: FieldPlan, x_um: _Floats, y_um: _Floats, *, span: int = 1) -> NDArray[np.bool_]:
    """Which cells (see `_AreaTable.cells_um2`) are evaluable enough and lie wholly in the picture.

    A vessel that the picture's edge cuts off may go on beyond: a field across that edge would count it unseen.
    """
    enough = table.cells_um2(x_um, y_um, span=span) / plan.side_um**2 >= plan.min_evaluable_fraction - _SAME
    across = (x_um[:-span] >= table.seen.x0_um - SNAP_UM) & (x_um[span:] <= table.seen.x1_um + SNAP_UM)
    down = (y_um[:-span] >= table.seen.y0_um - SNAP_UM) & (y_um[span:] <= table.seen.y1_um + SNAP_UM)
    eligible: NDArray[np.bool_] = enough & down[:, None] & across
    return eligible


def _hotspots(table: _AreaTable, plan: FieldPlan, points: Ring) -> list[Rect]:
    """Densest squares first; greedy, without overlap."""
    step, span = plan.side_um / STEPS_PER_SIDE, STEPS_PER_SIDE
    x_um = _steps(math.floor(table.x0_um / step) - span, math.ceil(table.x1_um / step) + span, step)
    y_um = _steps(math.floor(table.y0_um / step) - span, math.ceil(table.y1_um / step) + span, step)
    areas = table.cells_um2(x_um, y_um, span=span)
    rank = np.where(_eligible(table, plan, x_um, y_um, span=span), _inside(points, x_um, y_um, span=span), -1)
    areas = np.round(areas, 3)
    x, y = x_um.tolist(), y_um.tolist()
    rects: list[Rect] = []
    while len(rects) < plan.number and rank.size and (most := rank.max()) >= 0:
        row, column = divmod(int(np.argmax(np.where(rank == most, areas, -1.0))), rank.shape[1])
        rects.append(Rect(x[column], y[row], x[column + span], y[row + span]))
        rank[max(row - span + 1, 0) : row + span, max(column - span + 1, 0) : column + span] = -1
    return rects


def _inside(points: Ring, x_um: _Floats, y_um: _Floats, *, span: int) -> _Counts:
    """Points in each half-open square of `span` steps; (len(y) - span, len(x) - span)."""
    points = np.asarray(points, np.float64).reshape(-1, 2)
    column = np.searchsorted(x_um, points[:, 0], side="right") - 1
    row = np.searchsorted(y_um, points[:, 1], side="right") - 1
    on = (column >= 0) & (column < len(x_um) - 1) & (row >= 0) & (row < len(y_um) - 1)
    sums = np.zeros((len(y_um), len(x_um)), np.int64)
    np.add.at(sums, (row[on] + 1, column[on] + 1), 1)
    sums = sums.cumsum(axis=0).cumsum(axis=1)
    return sums[span:, span:] - sums[:-span, span:] - sums[span:, :-span] + sums[:-span, :-span]


def _manual(table: _AreaTable | None, plan: FieldPlan, *, specimen: str, centres: Ring | None) -> Placement:
    if centres is None:
        raise FieldError(
            f"{specimen}: fields are placed by hand but none are given; "
            "name the file that holds them in the column 'fields' of specimens.csv"
        )
    centres = np.asarray(centres, np.float64).reshape(-1, 2)
    if not np.isfinite(centres).all():
        raise FieldError(f"{specimen}: the centre of a field is not a number; give x and y in µm")
    corners = [(_snapped(x - plan.side_um / 2), _snapped(y - plan.side_um / 2)) for x, y in centres.tolist()]
    rects = [Rect.square(x, y, plan.side_um) for x, y in corners]
    faults = [*_not_evaluable(table, plan, rects), *_overlapping(rects)]
    if faults:
        raise FieldError("\n".join(f"{specimen}: {fault}" for fault in faults))
    shortfall = (
        f"{len(rects)} of {plan.number} fields: the observer placed no more" if len(rects) < plan.number else None
    )
    return Placement(_named(table, plan, rects) if table else (), plan.number, shortfall)


def _not_evaluable(table: _AreaTable | None, plan: FieldPlan, rects: Sequence[Rect]) -> Iterable[str]:
    for number, rect in enumerate(rects, start=1):
        fraction = table.fraction(rect) if table else 0.0
        if fraction < plan.min_evaluable_fraction - _SAME:
            x, y = (rect.x0_um + rect.x1_um) / 2, (rect.y0_um + rect.y1_um) / 2
            yield (
                f"field {number} (centre {x:.1f}, {y:.1f} µm) is {math.floor(1000 * fraction) / 10:g} % evaluable, "
                f"less than {100 * plan.min_evaluable_fraction:g} %; move it or lower min_evaluable_fraction"
            )


def _overlapping(rects: Sequence[Rect]) -> Iterable[str]:
    """Each pair that shares more than its corners were moved by."""
    sliver = 2 * SNAP_UM
    order = sorted(range(len(rects)), key=lambda number: rects[number].x0_um)
    for position, one in enumerate(order):
        for other in order[position + 1 :]:
            if rects[other].x0_um >= rects[one].x1_um - sliver:
                break
            common = rects[one].intersection(rects[other])
            if common is not None and common.height_um > sliver:
                first, second = sorted((one + 1, other + 1))
                yield f"fields {first} and {second} overlap; move one of them"
