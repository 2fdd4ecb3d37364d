"""Microvessel area fraction: how much of a field's evaluable marrow the vessels cover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvd.fields import CountField
from mvd.geometry import Raster, Rect, Ring
from mvd.vessels.model import Vessel

Geometries = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class CoveredArea:
    """What the vessels cover of one field's evaluable area."""

    vessel_um2: float
    """Inside the outlines: wall, its gaps, and lumen."""
    stained_um2: float
    """Stained wall alone."""
    evaluable_mm2: float

    @property
    def vessel_fraction(self) -> float:
        return self.vessel_um2 / 1e6 / self.evaluable_mm2

    @property
    def stained_fraction(self) -> float:
        return self.stained_um2 / 1e6 / self.evaluable_mm2


def total_area(parts: Sequence[CoveredArea]) -> CoveredArea:
    """Sum over fields."""
    return CoveredArea(
        math.fsum(part.vessel_um2 for part in parts),
        math.fsum(part.stained_um2 for part in parts),
        math.fsum(part.evaluable_mm2 for part in parts),
    )


def covered_areas(
    vessels: Sequence[Vessel], fields: Sequence[CountField], evaluable: Raster
) -> tuple[CoveredArea, ...]:
    """What the accepted vessels cover of each field.

    Every vessel is cut along the field's edges and along the edge of what is evaluable there, whatever the border
    rule: the parts of a vessel in adjacent fields add up to the whole. The stained area of a vessel that is cut is
    shared out as the area of its wall (outline without lumens) is.

    Parameters
    ----------
    evaluable : Raster
        Boolean; that from which the fields were placed.
    """
    rects = [field.rect for field in fields]
    shapes = _Shapes.of([vessel for vessel in vessels if vessel.accepted and _is_near(vessel, rects)])
    return tuple(shapes.within(_region(field, evaluable), field) for field in fields)


def _is_near(vessel: Vessel, rects: Sequence[Rect]) -> bool:
    """Whether a vessel may reach a field: most of a slide's vessels are spared the geometry."""
    bounds = vessel.bounds
    return any(bounds.intersection(rect) is not None for rect in rects)


@dataclass(frozen=True, slots=True, eq=False)
class _Shapes:
    """Outlines and lumens as geometries."""

    outlines: Geometries
    lumens: Geometries
    """All lumens of a vessel as one geometry, empty without one."""
    stained_share: NDArray[np.float64]
    """Stained area over the area of the wall."""

    @classmethod
    def of(cls, vessels: Sequence[Vessel]) -> _Shapes:
        import shapely  # noqa: PLC0415  (slow to import)

        outlines = np.array([_valid([vessel.outline]) for vessel in vessels], object)
        lumens = np.array([_valid(vessel.lumens) for vessel in vessels], object)
        walls = shapely.area(outlines) - shapely.area(lumens)
        stained = np.array([vessel.area_um2 for vessel in vessels], np.float64)
        share = np.divide(stained, walls, out=np.zeros_like(stained), where=walls > 0)
        return cls(outlines, lumens, share)

    def within(self, region: object, field: CountField) -> CoveredArea:
        import shapely  # noqa: PLC0415

        near = shapely.intersects(self.outlines, region)
        outlines = shapely.area(shapely.intersection(self.outlines[near], region))
        lumens = shapely.area(shapely.intersection(self.lumens[near], region))
        stained = (outlines - lumens) * self.stained_share[near]
        return CoveredArea(math.fsum(outlines), math.fsum(stained), field.evaluable_mm2)


def _valid(rings: Sequence[Ring]) -> object:
    """Rings as one geometry that can be cut, also where a ring meets itself at a corner."""
    import shapely  # noqa: PLC0415

    return shapely.union_all([shapely.make_valid(shapely.polygons(ring)) for ring in rings])


def _region(field: CountField, evaluable: Raster) -> object:
    """The evaluable part of a field as one geometry, exact along the raster's pixels."""
    import shapely  # noqa: PLC0415

    rect = field.rect
    square = shapely.box(rect.x0_um, rect.y0_um, rect.x1_um, rect.y1_um)
    if math.isclose(field.evaluable_mm2, rect.area_mm2, rel_tol=1e-9):
        return square
    runs = [_run(evaluable, *run) for run in _runs(evaluable, rect)]
    return shapely.intersection(square, shapely.union_all([shapely.box(*run) for run in runs]))


def _runs(evaluable: Raster, rect: Rect) -> list[tuple[int, int, int]]:
    """(row, first column, column past the last) of the evaluable runs of pixels round a field."""
    rows, columns = evaluable.pixels.shape
    um, x0, y0 = evaluable.um_per_px, evaluable.x0_um, evaluable.y0_um
    top, bottom = max(math.floor((rect.y0_um - y0) / um), 0), min(math.ceil((rect.y1_um - y0) / um), rows)
    left, right = max(math.floor((rect.x0_um - x0) / um), 0), min(math.ceil((rect.x1_um - x0) / um), columns)
    window = np.pad(evaluable.pixels[top:bottom, left:right].astype(np.int8), ((0, 0), (1, 1)))
    change = np.diff(window, axis=1)
    starts, stops = np.argwhere(change == 1), np.argwhere(change == -1)
    return [
        (top + row, left + first, left + stop)
        for (row, first), (_, stop) in zip(starts.tolist(), stops.tolist(), strict=True)
    ]


def _run(evaluable: Raster, row: int, first: int, stop: int) -> tuple[float, float, float, float]:
    um, x0, y0 = evaluable.um_per_px, evaluable.x0_um, evaluable.y0_um
    return x0 + first * um, y0 + row * um, x0 + stop * um, y0 + (row + 1) * um
