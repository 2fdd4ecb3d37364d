"""What corrections speak of: objects, fields and the involved area as they were, and as they became."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from mvd.fields import CountField
from mvd.geometry import Rect
from mvd.vessels.model import Reason

Source = Literal["found", "point", "drawn", "merged", "split"]
"""Where an outline comes from: the program, a click (a disc of nominal size), a hand, or other objects."""

Points = Annotated[tuple[tuple[float, float], ...], Field(min_length=3)]
"""x, y in µm in the slide's frame; closed implicitly."""

Polygon = Annotated[tuple[Points, ...], Field(min_length=1)]
"""The outer boundary, then its holes."""

NonNegative = Annotated[float, Field(ge=0)]


CHECKED = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)
"""What comes from outside is checked. Dataclasses with slots are read from a log three times as fast as models."""


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class Shape:
    """Outline and measures of an object that is not, or no longer, as the program found it; see `Vessel`."""

    source: Source
    outline: Points
    lumens: tuple[Points, ...] = ()
    area_um2: NonNegative
    lumen_area_um2: NonNegative
    lumen_width_um: NonNegative
    length_um: NonNegative
    width_um: NonNegative
    perimeter_um: NonNegative
    mean_dab_od: float | None
    """None where no pixels were measured within this outline."""
    pieces: Annotated[int, Field(ge=1)]
    ambiguous: bool = False
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class ObjectState:
    """One object as it was, or as it became."""

    name: Annotated[str, Field(min_length=1)]
    reason: Reason | None
    """Why it does not count; None for a vessel."""
    x_um: float
    y_um: float
    """Reference point."""
    comment: str = ""
    shape: Shape | None = None
    """Only where the decision makes or changes it."""


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class FieldState:
    """One field as it was, or as it became."""

    name: Annotated[str, Field(min_length=1)]
    x0_um: float
    y0_um: float
    x1_um: float
    y1_um: float
    evaluable_mm2: NonNegative
    unevaluable: Annotated[str, Field(min_length=1)] | None = None
    """The observer's reason for leaving it out; None where it is counted."""
    comment: str = ""

    @model_validator(mode="after")
    def _is_a_square(self) -> Self:
        if not (self.x0_um < self.x1_um and self.y0_um < self.y1_um):
            raise ValueError(f"field {self.name} has no area")
        return self

    @property
    def field(self) -> CountField:
        return CountField(self.name, Rect(self.x0_um, self.y0_um, self.x1_um, self.y1_um), self.evaluable_mm2)

    @property
    def side_um(self) -> float:
        return self.x1_um - self.x0_um


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class Snapshot:
    """Everything that a decision touches, at one moment."""

    objects: tuple[ObjectState, ...] = ()
    fields: tuple[FieldState, ...] = ()
    involved: tuple[Polygon, ...] | None = None
    """The involved area; only where the decision changes it."""
    comment: str | None = None
    """On the specimen; only where the decision changes it."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for what, states in (("an object", self.objects), ("a field", self.fields)):
            if len(states) > 1 and len({state.name for state in states}) < len(states):
                raise ValueError(f"{what} is named twice")
        return self
