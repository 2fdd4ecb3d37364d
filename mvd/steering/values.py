"""The values that an observer steers the count by, and those that are tried in their place."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mvd.protocol import CountingRule, Protocol, StainPlan

SENSITIVITIES = range(-3, 4)
"""Steps that are tried: stain 1.7 times as dense to 1.7 times as pale."""
_SIZE_FACTOR = 1.6
"""A disc of 4 µm becomes one of 3.2 or 5.1: a pixel more or less at 20x all round."""
_GAP_STEP_UM = 4.0
"""Half of the usual gap."""


@dataclass(frozen=True, slots=True, order=True)
class Values:
    """What the count is steered by; each is a key of the protocol."""

    sensitivity: int
    min_area_um2: float
    join_gap_um: float

    @classmethod
    def of(cls, protocol: Protocol) -> Values:
        return cls(protocol.stain.sensitivity, protocol.rule.min_area_um2, protocol.rule.join_gap_um)

    def __str__(self) -> str:
        steps = f"{self.sensitivity:+d}" if self.sensitivity else "0"
        return f"{steps}, {self.min_area_um2:g} µm², {self.join_gap_um:g} µm"

    def moves_from(self, other: Values) -> int:
        """How far from another: steps of sensitivity, and one for each of the others that differs."""
        sizes, gaps = self.min_area_um2 != other.min_area_um2, self.join_gap_um != other.join_gap_um
        return abs(self.sensitivity - other.sensitivity) + sizes + gaps


@dataclass(frozen=True, slots=True)
class Grid:
    """The values that are tried: each of one kind with each of the others."""

    sensitivities: tuple[int, ...]
    sizes_um2: tuple[float, ...]
    gaps_um: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.sensitivities) * len(self.sizes_um2) * len(self.gaps_um)


def grid_round(now: Values) -> Grid:
    """The values now in force and those beside them, as far as the protocol allows."""
    rule, stain = CountingRule.model_fields, StainPlan.model_fields
    allowed = (_bounds(stain["sensitivity"].metadata), _bounds(rule["min_area_um2"].metadata))
    (least, most), (_, largest) = allowed
    widest = _bounds(rule["join_gap_um"].metadata)[1]
    steps = {now.sensitivity, *(step for step in SENSITIVITIES if least <= step <= most)}
    sizes = {
        now.min_area_um2,
        *(_rounded(min(now.min_area_um2 * f, largest)) for f in (1 / _SIZE_FACTOR, _SIZE_FACTOR)),
    }
    gaps = {min(max(now.join_gap_um + move, 0.0), widest) for move in (-_GAP_STEP_UM, 0.0, _GAP_STEP_UM)}
    return Grid(tuple(sorted(steps)), tuple(sorted(sizes)), tuple(sorted(gaps)))


def _bounds(metadata: list[object]) -> tuple[float, float]:
    """The least and the most that the protocol allows of a key."""
    least = max((float(limit.ge) for limit in metadata if hasattr(limit, "ge")), default=-math.inf)
    most = min((float(limit.le) for limit in metadata if hasattr(limit, "le")), default=math.inf)
    return least, most


def _rounded(size_um2: float) -> float:
    """To a half: a number that can be said."""
    return round(2 * size_um2) / 2
