"""Stain maps drawn by hand: shapes of known size in µm, with DAB on them and nothing by chance."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mvd.protocol import CountingRule
from mvd.vessels.basins import Basins, find_basins
from mvd.vessels.choosing import GroupModel
from mvd.vessels.joining import Joined, join_pieces
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, StainMaps
from mvd.vessels.measure import Measured, measure_objects
from mvd.vessels.steps import STEP_UNIT, Steps
from mvd.vessels.tree import GROUP_FEATURES, JOINT_FEATURES

LEVELS = StainLevels(
    background=0.02,
    noise=0.01,
    peak=0.6,
    weak=0.1,
    low=0.17,
    high=0.32,
    nuclear=0.3,
    tissue=0.25,
    stained_share=0.03,
    red_share=0.3,
)
KINI = CountingRule()
WALL_OD = 0.6


def group_model(
    *, agreement: float = 0.5, length: tuple[float, float] | None = None, joint: float = 0.0, pass_slope: float = 0.0
) -> GroupModel:
    """A hand-made model of groups: all agree alike with a vessel but those longer than a length, µm, which add a value.

    Joints have the logit `joint` plus a slope of the logarithm of their pass.
    """

    def steps(cuts: list[float], heights: list[float]) -> Steps:
        return Steps(np.array(cuts), np.array([round(h / STEP_UNIT) for h in heights], np.int64))

    flat = steps([], [0.0])
    longer = flat if length is None else steps([float(np.log(length[0]))], [0.0, length[1]])
    group_steps = tuple(longer if name == "length" else flat for name in GROUP_FEATURES)
    slopes = tuple(pass_slope if name == "pass" else 0.0 for name in JOINT_FEATURES)
    return GroupModel(joint, slopes, round(agreement / STEP_UNIT), group_steps)


@dataclass
class Drawing:
    """Tissue without stain, `side_um` square; draw on it in µm."""

    dab: np.ndarray
    haematoxylin: np.ndarray
    clear: np.ndarray

    @classmethod
    def blank(cls, side_um: float = 100.0) -> Drawing:
        side = round(side_um / WORK_UM_PER_PX)
        return cls(
            np.full((side, side), LEVELS.background, np.float32),
            np.full((side, side), 0.15, np.float32),
            np.zeros((side, side), np.uint8),
        )

    def line(self, *ends_um: tuple[float, float], width_um: float = 2.0, od: float = WALL_OD) -> Drawing:
        """A stained wall from corner to corner with square ends, of an exact width and length."""
        y, x = (np.indices(self.dab.shape) + 0.5) * WORK_UM_PER_PX
        for (x0, y0), (x1, y1) in pairwise(ends_um):
            length = np.hypot(x1 - x0, y1 - y0)
            along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length
            across = np.abs((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length
            self.dab[(along >= 0) & (along <= length) & (across <= width_um / 2)] = od
        return self

    def ring(
        self, x_um: float, y_um: float, diameter_um: float, *, wall_um: float = 2.0, gaps_um: tuple[float, ...] = (),
        at_deg: tuple[float, ...] | None = None, od: float = WALL_OD, clear: bool = True,
    ) -> Drawing:  # fmt: skip
        """A cross-cut wall of an outer diameter with gaps of a width, evenly spread or centred at given angles."""
        y, x = (np.indices(self.dab.shape) + 0.5) * WORK_UM_PER_PX
        radius, angle = np.hypot(x - x_um, y - y_um), np.degrees(np.arctan2(y - y_um, x - x_um))
        wall = (radius <= diameter_um / 2) & (radius > diameter_um / 2 - wall_um)
        middle = diameter_um / 2 - wall_um / 2
        for number, gap_um in enumerate(gaps_um):
            centre = at_deg[number] if at_deg else 360 * number / len(gaps_um)
            off = np.abs((angle - centre + 180) % 360 - 180)
            wall &= off > np.degrees(gap_um / middle) / 2
        self.dab[wall] = od
        if clear:
            self.clear[radius <= diameter_um / 2 - wall_um - WORK_UM_PER_PX] = 1
        return self

    def disc(self, x_um: float, y_um: float, diameter_um: float, *, od: float = WALL_OD) -> Drawing:
        y, x = (np.indices(self.dab.shape) + 0.5) * WORK_UM_PER_PX
        self.dab[np.hypot(x - x_um, y - y_um) <= diameter_um / 2] = od
        return self

    def maps(self) -> StainMaps:
        total = np.where(self.clear == 1, 0.01, LEVELS.tissue).astype(np.float32)
        total = np.maximum(total, np.where(self.dab > LEVELS.low, self.dab * 0.55, 0)).astype(np.float32)
        haematoxylin = np.where(self.clear == 1, 0.0, self.haematoxylin).astype(np.float32)
        haematoxylin[self.dab > LEVELS.low] = 0.0
        red = (0.65 * haematoxylin + 0.3 * self.dab).astype(np.float32)
        return StainMaps(self.dab.copy(), haematoxylin, total, red, np.zeros_like(red))

    def turned(self, quarters: int, *, mirrored: bool = False) -> Drawing:
        flip = np.fliplr if mirrored else np.asarray
        parts = (np.ascontiguousarray(np.rot90(flip(p), quarters)) for p in (self.dab, self.haematoxylin, self.clear))
        return Drawing(*parts)

    def basins(self) -> Basins:
        return find_basins(self.dab, LEVELS.low)

    def joined(self, rule: CountingRule = KINI) -> Joined:
        return join_pieces(self.basins(), self.maps(), levels=LEVELS, rule=rule)

    def objects(self, rule: CountingRule = KINI) -> int:
        return int(self.joined(rule).group.max())

    def measured(self, rule: CountingRule = KINI) -> list[Measured]:
        joined, part = self.joined(rule), rule.branches == "separate"
        return measure_objects(joined.pieces, joined, self.maps(), levels=LEVELS, part=part)
