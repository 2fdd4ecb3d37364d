"""The vessel as a value: what was found, its measures, and the reason if it does not count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from mvd.geometry import Rect, Ring


class Reason(StrEnum):
    """Why the counting rule does not count an object that was found."""

    TOO_SMALL = "too small"
    NO_LUMEN = "no lumen"
    UNLIKE_VESSEL = "does not look like a vessel"
    LARGE_VESSEL = "large vessel"
    SINGLE_CELL = "single cell"
    MEGAKARYOCYTE = "megakaryocyte"
    PIGMENT = "pigment"
    HAZE = "haze"
    IN_BONE = "in bone"
    BONE_EDGE = "bone edge"
    IN_FOLD = "in fold"
    OUT_OF_FOCUS = "out of focus"
    NOT_INVOLVED = "not in involved marrow"


@dataclass(frozen=True, slots=True, eq=False)
class Vessel:
    """One object that was found, counted or not.

    The outline is one ring even where the wall is broken: the gaps between joined pieces are bridged by thin strips.
    """

    name: str
    outline: Ring
    """(n, 2) µm, outer boundary along pixel edges, bridges included."""
    lumens: tuple[Ring, ...]
    """Boundaries of the lumens inside the outline."""
    x_um: float
    y_um: float
    """Reference point: the centroid of the outline's area."""
    area_um2: float
    """Stained area, bridges and lumens left out."""
    lumen_area_um2: float
    lumen_width_um: float
    """Diameter of the largest circle inside a lumen; 0 without a lumen."""
    length_um: float
    """Longest path along the vessel's midline."""
    width_um: float
    """Mean width: outline area over length."""
    perimeter_um: float
    """Of the outline."""
    mean_dab_od: float
    """Mean DAB optical density (log10) over the stained area."""
    pieces: int
    """Separately stained pieces that make up this vessel."""
    reason: Reason | None
    """Why it does not count; None for a vessel."""
    ambiguous: bool = False
    """Whether it is near a limit: an observer should look here first."""
    score: float | None = None
    """Probability of being a vessel by the learned score; None where none was asked."""
    size_class: str = ""
    """Name of its size class under the rule; empty where the rule has none, and for what does not count."""

    @property
    def accepted(self) -> bool:
        return self.reason is None

    @property
    def wall_um(self) -> float:
        """Mean thickness of the stained wall; of a strand without a lumen half its width, as for two walls that meet.

        From Steiner's formula, stained area = perimeter · wall - π · wall²: exact for a closed wall of even thickness
        round a convex lumen. A broken wall is thicker than this where it is stained.
        """
        root = max(self.perimeter_um**2 - 4 * math.pi * self.area_um2, 0.0)
        return (self.perimeter_um - math.sqrt(root)) / (2 * math.pi)

    @property
    def bounds(self) -> Rect:
        (x0, y0), (x1, y1) = self.outline.min(axis=0), self.outline.max(axis=0)
        return Rect(float(x0), float(y0), float(x1), float(y1))
