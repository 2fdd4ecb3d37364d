"""One row of each study table, as a value. The order of the attributes is the order of the columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as declared
from typing import Annotated

from mvd.counting import Assignment, FieldCount
from mvd.density import DensityMap, HotSpot
from mvd.measures import FieldMeasures
from mvd.protocol import Measure
from mvd.vessels.model import Vessel

TwoDecimals = Annotated[float, 2]
FourDecimals = Annotated[float, 4]
"""Columns written with a fixed number of decimals; other numbers have six significant digits."""


@dataclass(frozen=True, slots=True)
class VesselRow:
    """vessels.csv: everything that was found, counted or not. x0 to y1 is the bounding box."""

    specimen: str
    vessel: str
    x_um: TwoDecimals
    y_um: TwoDecimals
    x0_um: TwoDecimals
    y0_um: TwoDecimals
    x1_um: TwoDecimals
    y1_um: TwoDecimals
    area_um2: TwoDecimals
    lumen_area_um2: TwoDecimals
    length_um: TwoDecimals
    width_um: TwoDecimals
    wall_um: TwoDecimals
    perimeter_um: TwoDecimals
    mean_dab_od: FourDecimals
    pieces: int
    counted: bool
    reason: str
    """Why it is not counted: the counting rule's reason, "border" or "outside fields"; empty when counted."""
    field: str
    """Names of the fields it belongs to, joined with ";"."""
    ambiguous: bool = False
    """Near a limit of the rule, whether counted or not."""
    size_class: str = ""
    """Empty where the rule has no size classes, and where the rule does not accept it."""
    score: float | None = None
    """Probability of being a vessel by the learned score; empty where none was asked."""


@dataclass(frozen=True, slots=True)
class FieldRow:
    """fields.csv. x, y is the top left corner."""

    specimen: str
    field: str
    x_um: TwoDecimals
    y_um: TwoDecimals
    side_um: TwoDecimals
    evaluable_mm2: float
    count: int
    per_mm2: float
    ambiguous: int
    """Of the vessels counted."""
    vessel_area_fraction: float
    stained_area_fraction: float
    chalkley: int | None
    by_size: dict[str, int] = declared(default_factory=dict)
    """A column `count_<size class>` each."""


@dataclass(frozen=True, slots=True)
class HotSpotRow:
    """hotspots.csv. x, y is the place that exceeds chance most; the field is one round it."""

    specimen: str
    hot_spot: str
    x_um: TwoDecimals
    y_um: TwoDecimals
    area_mm2: float
    """Evaluable."""
    vessels: int
    """Whose reference points lie in the hot spot."""
    per_mm2: float
    """Of the map at x, y."""
    p: float
    """How often a random section has a place as high, anywhere."""
    field_evaluable_mm2: float | None
    """The three are empty where nothing of the field is evaluable."""
    field_count: int | None
    field_per_mm2: float | None


@dataclass(frozen=True, slots=True)
class SpecimenRow:
    """results/specimens.csv. What could not be measured is None, and `reason` says why."""

    specimen: str
    patient: str
    timepoint: str
    status: str
    reason: str = ""
    fields: int | None = None
    count: int | None = None
    ambiguous: int | None = None
    """Of the vessels counted."""
    area_mm2: float | None = None
    mvd_per_mm2: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    hotspot_per_mm2: float | None = None
    vessel_area_fraction: float | None = None
    stained_area_fraction: float | None = None
    chalkley: float | None = None
    involved_source: str | None = None
    um_per_px: float | None = None
    calibration_source: str | None = None
    slide_sha256: str | None = None
    rule: str | None = None
    protocol: str | None = None
    version: str | None = None
    response: str | None = None
    by_size: dict[str, int] = declared(default_factory=dict)
    """A column `count_<size class>` each."""

    def measured(self, measure: Measure) -> float | None:
        """The value of one measure, as the protocol's `counts.measure` names it."""
        values = {"density": self.mvd_per_mm2, "area": self.vessel_area_fraction, "chalkley": self.chalkley}
        return values[measure]


def vessel_rows(
    specimen: str, vessels: Iterable[Vessel], *, assignments: Mapping[str, Assignment]
) -> tuple[VesselRow, ...]:
    """Rows of one specimen. A vessel without an assignment counts if the rule accepts it (no fields were placed)."""
    return tuple(_vessel_row(specimen, vessel, assignments.get(vessel.name)) for vessel in vessels)


def field_rows(specimen: str, counts: Iterable[FieldCount], measures: Iterable[FieldMeasures]) -> tuple[FieldRow, ...]:
    """Rows of one specimen; the counts and the measures of its fields go together one by one."""
    return tuple(
        FieldRow(
            specimen=specimen,
            field=row.field.name,
            x_um=row.field.rect.x0_um,
            y_um=row.field.rect.y0_um,
            side_um=row.field.rect.width_um,
            evaluable_mm2=row.field.evaluable_mm2,
            count=row.count,
            per_mm2=row.per_mm2,
            ambiguous=beside.ambiguous,
            vessel_area_fraction=beside.area.vessel_fraction,
            stained_area_fraction=beside.area.stained_fraction,
            chalkley=beside.chalkley,
            by_size=beside.by_size,
        )
        for row, beside in zip(counts, measures, strict=True)
    )


def hot_spot_rows(specimen: str, density: DensityMap | None) -> tuple[HotSpotRow, ...]:
    """Rows of one specimen; none where no hot spots were sought or found."""
    return tuple(_hot_spot_row(specimen, spot) for spot in (density.hotspots if density else ()))


def _hot_spot_row(specimen: str, spot: HotSpot) -> HotSpotRow:
    place, around = spot.place, spot.place.field
    return HotSpotRow(
        specimen=specimen,
        hot_spot=spot.name,
        x_um=place.x_um,
        y_um=place.y_um,
        area_mm2=spot.area_mm2,
        vessels=spot.vessels,
        per_mm2=place.per_mm2,
        p=place.p,
        field_evaluable_mm2=around.field.evaluable_mm2 if around else None,
        field_count=around.count if around else None,
        field_per_mm2=around.per_mm2 if around else None,
    )


def why_not_counted(vessel: Vessel, assignment: Assignment | None) -> str:
    """The reason in words, empty for a vessel that counts."""
    if vessel.reason is not None:
        return vessel.reason.value
    return (assignment.why_not or "") if assignment else ""


def _vessel_row(specimen: str, vessel: Vessel, assignment: Assignment | None) -> VesselRow:
    bounds = vessel.bounds
    reason = why_not_counted(vessel, assignment)
    return VesselRow(
        specimen=specimen,
        vessel=vessel.name,
        x_um=vessel.x_um,
        y_um=vessel.y_um,
        x0_um=bounds.x0_um,
        y0_um=bounds.y0_um,
        x1_um=bounds.x1_um,
        y1_um=bounds.y1_um,
        area_um2=vessel.area_um2,
        lumen_area_um2=vessel.lumen_area_um2,
        length_um=vessel.length_um,
        width_um=vessel.width_um,
        wall_um=vessel.wall_um,
        perimeter_um=vessel.perimeter_um,
        mean_dab_od=vessel.mean_dab_od,
        pieces=vessel.pieces,
        counted=not reason,
        reason=reason,
        field=";".join(assignment.fields) if assignment else "",
        ambiguous=vessel.ambiguous,
        size_class=vessel.size_class,
        score=vessel.score,
    )
