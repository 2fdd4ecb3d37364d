"""The counting rule applied to what was measured: a vessel, or the reason why not.

After Kini, Kay & Peterson (Leukemia 2000;14:1414): any stained endothelial cell or cluster that is clearly separate
from its neighbours is one microvessel, a lumen is not needed; single round stained cells, large vessels, pigment and
brown haze are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvd.protocol import CountingRule
from mvd.tissue import OVERVIEW_UM_PER_PX
from mvd.vessels.joining import DOUBT
from mvd.vessels.maps import StainLevels
from mvd.vessels.measure import Measured
from mvd.vessels.model import Reason

_RED_SHARES = (0.6, 1.85)
"""Red over DAB density, against what most of the slide's stain has: below the first the brown is yellower than DAB
(haemosiderin), above the second it is black. Of 166 vessels of three real stains 96 % lie between; of 220 simulated
grains of haemosiderin two thirds have less, of 146 of black precipitate nine in ten have more."""
_SURE_RED_SHARES = (0.5, 2.5)
"""Beyond these no vessel of the three was: here colour alone decides."""
_BLACK_RED_OD = 0.45
"""Red OD that black reaches besides; faint brown over a nucleus has as high a share but not the density."""
_HAZE_SLOPE_PER_UM = 0.10
"""An edge that takes more than 10 µm to fall from its peak is diffuse: optics blur a wall over 2-4 µm."""
_CELL_DIAMETER_UM = (6.5, 14.0)
"""Progenitors and blasts measure 8-12 µm; the outline of their stain may be a micrometre or two off."""
_CELL_ASPECT = 0.7
"""Shorter over longer side of a cell that is still round; an endothelial cell with its nucleus is longer."""
_RIM_DIAMETER_UM = (4.0, 12.5)
"""Of the circle along the middle of a stained rim: the nucleus of a lymphoid cell (5-7 µm) and its membrane."""
_MAX_RIM_RESIDUAL_UM = 1.1
"""Spread of stain about that circle: a membrane's 1-2 µm with its blur (simulated progenitors: 0.5-1.05); a filled,
bent or long shape has more."""
_MIN_RIM_COVER = 0.45
"""Share of the rim that is seen."""
_CLOSED_RIM_COVER = 0.85
"""From here on the whole cell is seen, and so whether it is round."""
_MAX_CLEAR_SHARE = 0.05
"""A nucleus lets no clear light through."""
_NUCLEAR_SHARE = 0.55
"""Of the slide's nuclear level: a nucleus that is partly out of the section or covered by stain still exceeds it,
plasma and empty lumen do not."""
_CYTOPLASM_SLOPE_PER_UM = 0.2
"""Stain of a cell's wide cytoplasm falls off over 5 µm and more of its edge; a wall's does within 4 µm."""
_MEGAKARYOCYTE_DIAMETER_UM = 22.0
"""Megakaryocytes measure 30-60 µm; what is stained of them may be less."""
_BODY_SHARE = 0.4
"""Stain fills this much of its hull, as a cell's cytoplasm does and a branching vessel does not."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule says of an object."""

    reason: Reason | None
    """Why it does not count; None for a vessel."""
    ambiguous: bool
    """Whether limits moved by `DOUBT` would decide otherwise."""
    suspected: bool = False
    """Whether the reason is but a suspicion, of colour or haematoxylin: where there is a learned score, it decides."""


def judge(found: Measured, rule: CountingRule, levels: StainLevels) -> Verdict:
    """Whether an object counts, why not, and whether that is a near thing.

    Each reason has a margin: how far, as a share of the limit, the object is beyond the limit that decides; negative
    on the side of the vessels. A reason that needs several things has the least of their margins, one that has
    alternatives the greatest. Reasons are tried from what the object is made of to how large it is.
    """
    single_cell = _single_cell(found, levels) if rule.single_cells == "reject" else -math.inf
    no_lumen = math.inf if rule.lumen_required and found.lumen_area_um2 == 0 else -math.inf
    margins = (
        (Reason.PIGMENT, _pigment(found, levels, _SURE_RED_SHARES), False),
        (Reason.HAZE, _below(found.edge_slope_per_um, _HAZE_SLOPE_PER_UM), False),
        (Reason.LARGE_VESSEL, _above(found.lumen_width_um, rule.max_lumen_width_um), False),
        (Reason.TOO_SMALL, _below(found.area_um2 + found.lumen_area_um2, rule.min_area_um2), False),
        (Reason.NO_LUMEN, no_lumen, False),
        (Reason.PIGMENT, _pigment(found, levels, _RED_SHARES), True),
        (Reason.MEGAKARYOCYTE, _megakaryocyte(found, levels), True),
        (Reason.SINGLE_CELL, single_cell, True),
    )
    reason, suspected = next(((reason, only) for reason, margin, only in margins if margin > 0), (None, False))
    # Stain that hardly reaches the slide's high level may as well have been left out.
    faint = _below(found.peak_dab_od - levels.background, levels.high - levels.background)
    nearest = max(margin for _, margin, only in margins if not only)
    return Verdict(reason, abs(nearest) < DOUBT or (reason is None and faint > -DOUBT), suspected)


def judge_place(bone_distance_um: NDArray[np.float32], rule: CountingRule) -> Reason | None:
    """Whether an object lies in bone or along its edge, from the distances of its outline's corners to bone.

    Distances are negative in bone. Stain on the surface may lie on either side of the edge that was found.
    """
    edge_um, distance_um = rule.bone_edge_um + OVERVIEW_UM_PER_PX, float(np.median(bone_distance_um))
    if distance_um < -edge_um:
        return Reason.IN_BONE
    return Reason.BONE_EDGE if distance_um <= edge_um else None


def _above(value: float, limit: float) -> float:
    """How far a value exceeds a limit, as a share of the limit."""
    return (value - limit) / max(abs(limit), 1e-6)


def _below(value: float, limit: float) -> float:
    return -_above(value, limit)


def _pigment(found: Measured, levels: StainLevels, red_shares: tuple[float, float]) -> float:
    if levels.red_share is None:
        return -math.inf
    golden, black = (share * levels.red_share for share in red_shares)
    is_black = min(_above(found.red_share, black), _above(found.dense_red_od, _BLACK_RED_OD))
    return max(_below(found.red_share, golden), is_black)


def _single_cell(found: Measured, levels: StainLevels) -> float:
    """A round cell of a progenitor's size with its own nucleus: stained all over, or round its rim or a part of it."""
    is_round = _above(found.hull_aspect, _CELL_ASPECT)
    whole = min(_within(found.hull_diameter_um, _CELL_DIAMETER_UM), is_round, _nucleus(found, levels))
    rim = found.rim
    ringed = min(
        _within(rim.diameter_um, _RIM_DIAMETER_UM),
        _below(rim.residual_um, _MAX_RIM_RESIDUAL_UM),
        _above(rim.cover, _MIN_RIM_COVER),
        max(is_round, _below(rim.cover, _CLOSED_RIM_COVER)),
        _above(rim.inside_h_od, _NUCLEAR_SHARE * levels.nuclear),
        _below(rim.inside_clear_share, _MAX_CLEAR_SHARE),
    )
    return max(whole, ringed)


def _within(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return min(_above(value, low), _below(value, high))


def _megakaryocyte(found: Measured, levels: StainLevels) -> float:
    """A very large round cell whose inside is nucleus, not lumen."""
    return min(
        _above(found.hull_diameter_um, _MEGAKARYOCYTE_DIAMETER_UM),
        _below(found.edge_slope_per_um, _CYTOPLASM_SLOPE_PER_UM),
        _above(found.outline_area_um2, _BODY_SHARE * math.pi / 4 * found.hull_diameter_um**2),
        _above(found.hull_aspect, _CELL_ASPECT),
        _nucleus(found, levels),
    )


def _nucleus(found: Measured, levels: StainLevels) -> float:
    """Nucleus, not lumen, fills the inner half."""
    return min(
        _above(found.core_h_od, _NUCLEAR_SHARE * levels.nuclear), _below(found.core_clear_share, _MAX_CLEAR_SHARE)
    )
