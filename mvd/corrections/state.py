"""A specimen under review: the machine's result, and the state in which an observer's corrections leave it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mvd.corrections.correction import Correction
from mvd.corrections.model import FieldState, ObjectState, Polygon, Shape, Source
from mvd.fields import CountField
from mvd.geometry import Ring
from mvd.vessels.model import Vessel

Status = Literal["not begun", "begun", "finished"]


@dataclass(frozen=True, slots=True, eq=False)
class MachineResult:
    """What the program measured of one specimen; corrections never change it."""

    specimen: str
    sha256: str
    """Names this very result; corrections of another one do not apply."""
    vessels: tuple[Vessel, ...]
    fields: tuple[CountField, ...]
    involved: tuple[Polygon, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewedObject:
    """One object as the corrections leave it."""

    vessel: Vessel
    """With the observer's reason and outline. `mean_dab_od` is NaN where nobody measured the stain of an outline."""
    source: Source = "found"
    decided: bool = False
    """Whether the observer decided on this very object; otherwise it stands as the machine judged it."""
    comment: str = ""
    order: tuple[int, int] = (0, 0)
    """Objects are listed by this: the machine's first, then in the order of the corrections that made them."""

    def state(self, *, shape: bool = False) -> ObjectState:
        """As a correction tells it, with the outline where that is asked for."""
        x_um, y_um = (round(value, 3) for value in (self.vessel.x_um, self.vessel.y_um))
        return ObjectState(
            name=self.vessel.name,
            reason=self.vessel.reason,
            x_um=x_um,
            y_um=y_um,
            comment=self.comment,
            shape=shape_of(self.vessel, self.source) if shape else None,
        )


@dataclass(frozen=True, slots=True)
class ReviewedField:
    """One field as the corrections leave it."""

    field: CountField
    unevaluable: str | None = None
    """The observer's reason for leaving it out."""
    comment: str = ""

    def state(self) -> FieldState:
        rect = self.field.rect
        return FieldState(
            name=self.field.name,
            x0_um=rect.x0_um,
            y0_um=rect.y0_um,
            x1_um=rect.x1_um,
            y1_um=rect.y1_um,
            evaluable_mm2=self.field.evaluable_mm2,
            unevaluable=self.unevaluable,
            comment=self.comment,
        )


Thing = tuple[Literal["object", "field", "involved area", "comment"], str]
"""What a correction can touch: an object or a field by name, the involved area, the comment on the specimen."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a correction touched, as it was before; with this it can be undone."""

    objects: Mapping[str, ReviewedObject | None]
    """None for what was not there; the same of fields."""
    fields: Mapping[str, ReviewedField | None]
    involved: tuple[Polygon, ...] | None
    """None where it was not touched; the same of the comment."""
    comment: str | None

    @property
    def things(self) -> tuple[Thing, ...]:
        touched: list[Thing] = [("object", name) for name in self.objects]
        touched += [("field", name) for name in self.fields]
        touched += [("involved area", "")] if self.involved is not None else []
        touched += [("comment", "")] if self.comment is not None else []
        return tuple(touched)


@dataclass(frozen=True, slots=True)
class History:
    """What is needed to go on from a review: nothing that a reader of it looks at."""

    edits: Mapping[str, tuple[Correction, Held]]
    """By the correction's identifier; those that were undone, too."""
    latest: Mapping[Thing, tuple[str, ...]]
    """Identifiers of the corrections in effect that touched a thing, the last one last."""
    done: tuple[str, ...]
    """The edits in effect, in order."""
    undone: tuple[str, ...]
    """Those undone since the last new edit, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class Review:
    """A specimen as one observer's corrections leave it."""

    machine: MachineResult
    status: Status
    unblinded: bool
    hidden: bool
    """Whether the observer counts without seeing what the program found: what they did not decide on is not counted."""
    objects: Mapping[str, ReviewedObject]
    """All that is there, counted or not, in a fixed order."""
    replaced: Mapping[str, tuple[str, ...]]
    """Objects that are no more, with the names of those that took their place (`merge`, `split`)."""
    fields: Mapping[str, ReviewedField]
    involved: tuple[Polygon, ...]
    comment: str
    """On the specimen."""
    corrections: tuple[Correction, ...]
    history: History

    @property
    def vessels(self) -> tuple[Vessel, ...]:
        """Every object, those that do not count with their reason; for `mvd.counting.count`.

        While what the program found is hidden, those that the observer decided on.
        """
        return tuple(reviewed.vessel for reviewed in self.objects.values() if reviewed.decided or not self.hidden)

    @property
    def counted_fields(self) -> tuple[CountField, ...]:
        """The fields that are counted: not those that the observer marked unevaluable."""
        return tuple(reviewed.field for reviewed in self.fields.values() if reviewed.unevaluable is None)

    @property
    def next_number(self) -> int:
        return len(self.corrections) + 1


def ring_of(points: Sequence[tuple[float, float]]) -> Ring:
    """Points of a log as an array that nobody can write to."""
    ring = np.array(points, np.float64)
    ring.flags.writeable = False
    return ring


def points_of(ring: Ring) -> tuple[tuple[float, float], ...]:
    """An outline as the log holds it: to 0.001 µm, a two-hundredth of what a microscope resolves."""
    return tuple((x, y) for x, y in (np.round(ring, 3) + 0.0).tolist())


def shape_of(vessel: Vessel, source: Source) -> Shape:
    """Outline and measures of a vessel as the log holds them."""
    return Shape(
        source=source,
        outline=points_of(vessel.outline),
        lumens=tuple(points_of(lumen) for lumen in vessel.lumens),
        area_um2=round(vessel.area_um2, 3),
        lumen_area_um2=round(vessel.lumen_area_um2, 3),
        lumen_width_um=round(vessel.lumen_width_um, 3),
        length_um=round(vessel.length_um, 3),
        width_um=round(vessel.width_um, 3),
        perimeter_um=round(vessel.perimeter_um, 3),
        mean_dab_od=None if math.isnan(vessel.mean_dab_od) else round(vessel.mean_dab_od, 4),
        pieces=vessel.pieces,
        ambiguous=vessel.ambiguous,
        score=vessel.score,
    )


def vessel_of(state: ObjectState, shape: Shape) -> Vessel:
    """The vessel that a log describes."""
    return Vessel(
        name=state.name,
        outline=ring_of(shape.outline),
        lumens=tuple(ring_of(lumen) for lumen in shape.lumens),
        x_um=state.x_um,
        y_um=state.y_um,
        area_um2=shape.area_um2,
        lumen_area_um2=shape.lumen_area_um2,
        lumen_width_um=shape.lumen_width_um,
        length_um=shape.length_um,
        width_um=shape.width_um,
        perimeter_um=shape.perimeter_um,
        mean_dab_od=math.nan if shape.mean_dab_od is None else shape.mean_dab_od,
        pieces=shape.pieces,
        reason=state.reason,
        ambiguous=shape.ambiguous,
        score=shape.score,
    )
