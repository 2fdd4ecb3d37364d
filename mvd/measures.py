"""What is measured in each field beside the count: size classes, area fraction, Chalkley count, doubtful vessels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from mvd.areas import CoveredArea, covered_areas, total_area
from mvd.chalkley import chalkley_count
from mvd.counting import SpecimenCount
from mvd.geometry import Raster
from mvd.protocol import Protocol
from mvd.sizes import count_by_size
from mvd.vessels.model import Vessel


@dataclass(frozen=True, slots=True)
class FieldMeasures:
    """One field."""

    field: str
    area: CoveredArea
    ambiguous: int
    """Counted vessels that are near a limit of the rule."""
    by_size: dict[str, int]
    """Counted vessels of each size class; empty where the rule has no classes."""
    chalkley: int | None
    """None where the protocol does not ask for it."""


@dataclass(frozen=True, slots=True)
class SpecimenMeasures:
    """All fields of one specimen."""

    fields: tuple[FieldMeasures, ...]
    area: CoveredArea
    """Sum over the fields."""
    ambiguous: int
    by_size: dict[str, int]
    """Sum over the fields."""
    chalkley: float | None
    """Mean over the fields."""


def measure_fields(
    vessels: Sequence[Vessel], counts: SpecimenCount, evaluable: Raster, protocol: Protocol
) -> SpecimenMeasures:
    """Measure the fields in which the vessels were counted.

    Parameters
    ----------
    vessels
        With their size classes, if the rule has any.
    evaluable
        That from which the fields were placed.
    """
    fields = [row.field for row in counts.fields]
    named = {vessel.name: vessel for vessel in vessels}
    asked = protocol.counts.measure == "chalkley"
    rows = tuple(
        FieldMeasures(
            row.field.name,
            area,
            sum(named[name].ambiguous for name in row.vessels),
            count_by_size((named[name] for name in row.vessels), protocol.rule),
            chalkley_count(vessels, row.field) if asked else None,
        )
        for row, area in zip(counts.fields, covered_areas(vessels, fields, evaluable), strict=True)
    )
    return SpecimenMeasures(
        rows,
        total_area([row.area for row in rows]),
        sum(row.ambiguous for row in rows),
        {one.name: sum(row.by_size[one.name] for row in rows) for one in protocol.rule.size_classes},
        fmean(row.chalkley for row in rows if row.chalkley is not None) if asked else None,
    )
