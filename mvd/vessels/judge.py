"""The counting rule applied to what was measured: a vessel, or the reason why not.

After Kini, Kay & Peterson (Leukemia 2000;14:1414): any stained endothelial cell or cluster that is clearly separate
from its neighbours is one microvessel, a lumen is not needed; single round stained cells, large vessels, pigment and
brown haze are left out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mvd.protocol import CountingRule
from mvd.tissue import OVERVIEW_UM_PER_PX
from mvd.vessels.maps import StainLevels
from mvd.vessels.measure import Measured
from mvd.vessels.model import Reason

_RED_SHARES = (0.57, 1.85)
"""Red over DAB density, against what the slide's stained objects typically have: below the first the brown is yellower
than DAB (haemosiderin), above the second it is black. In simulated sections of drawn stain vectors vessels have 0.59 to
1.7, haemosiderin up to 0.54, precipitate from 1.9."""
_BLACK_RED_OD = 0.45
"""Red OD that black reaches besides; faint brown over a nucleus has as high a share but not the density."""
_HAZE_SLOPE_PER_UM = 0.10
"""An edge that takes more than 10 µm to fall from its peak is diffuse: optics blur a wall over 2-4 µm."""
_CELL_DIAMETER_UM = (6.5, 14.0)
"""Progenitors and blasts measure 8-12 µm; the outline of their stain may be a micrometre or two off."""
_CELL_ASPECT = 0.6
"""Shorter over longer side of a cell that is still round."""
_RIM_DIAMETER_UM = (4.0, 12.5)
"""Of the circle along the middle of a stained rim: the nucleus of a lymphoid cell (5-7 µm) and its membrane."""
_MAX_RIM_RESIDUAL_UM = 1.15
"""Spread of stain about that circle: a membrane's 1-2 µm with its blur; a filled or bent shape has more."""
_MIN_RIM_COVER = 0.45
"""Share of the rim that is seen."""
_MAX_CLEAR_SHARE = 0.05
"""A nucleus lets no clear light through."""
_NUCLEAR_SHARE = 0.55
"""Of the slide's nuclear level: a nucleus that is partly out of the section or covered by stain still exceeds it,
plasma and empty lumen do not."""
_CYTOPLASM_SLOPE_PER_UM = 0.2
"""Stain of a cell's wide cytoplasm falls off over 5 µm and more of its edge; a wall's does within 4 µm."""
_MEGAKARYOCYTE_DIAMETER_UM = 22.0
"""Megakaryocytes measure 30-60 µm; what is stained of them may be less."""


def judge(found: Measured, rule: CountingRule, levels: StainLevels) -> Reason | None:
    """Why an object does not count; None for a vessel. Reasons are tried from what it is made of to how large it is."""
    for reason, applies in (
        (Reason.PIGMENT, _is_pigment(found, levels)),
        (Reason.HAZE, found.edge_slope_per_um < _HAZE_SLOPE_PER_UM),
        (Reason.LARGE_VESSEL, found.lumen_width_um > rule.max_lumen_width_um),
        (Reason.MEGAKARYOCYTE, _is_megakaryocyte(found, levels)),
        (Reason.SINGLE_CELL, rule.single_cells == "reject" and _is_single_cell(found, levels)),
        (Reason.TOO_SMALL, found.area_um2 + found.lumen_area_um2 < rule.min_area_um2),
        (Reason.NO_LUMEN, rule.lumen_required and found.lumen_area_um2 == 0),
    ):
        if applies:
            return reason
    return None


def judge_place(bone_distance_um: NDArray[np.float32], rule: CountingRule) -> Reason | None:
    """Whether an object lies in bone or along its edge, from the distances of its outline's corners to bone."""
    if float(np.mean(bone_distance_um == 0)) > 0.5:
        return Reason.IN_BONE
    if float(np.median(bone_distance_um)) <= rule.bone_edge_um + OVERVIEW_UM_PER_PX:
        return Reason.BONE_EDGE
    return None


def _is_pigment(found: Measured, levels: StainLevels) -> bool:
    if levels.red_share is None:
        return False
    golden, black = (share * levels.red_share for share in _RED_SHARES)
    return found.red_share < golden or (found.red_share > black and found.dense_red_od > _BLACK_RED_OD)


def _is_single_cell(found: Measured, levels: StainLevels) -> bool:
    """A round cell of a progenitor's size with its own nucleus: stained all over, or round its rim or a part of it."""
    low, high = _CELL_DIAMETER_UM
    whole = low <= found.hull_diameter_um <= high and found.hull_aspect >= _CELL_ASPECT and _has_nucleus(found, levels)
    rim = found.rim
    ringed = (
        _RIM_DIAMETER_UM[0] <= rim.diameter_um <= _RIM_DIAMETER_UM[1]
        and rim.residual_um <= _MAX_RIM_RESIDUAL_UM
        and rim.cover >= _MIN_RIM_COVER
        and rim.inside_h_od > _NUCLEAR_SHARE * levels.nuclear
        and rim.inside_clear_share < _MAX_CLEAR_SHARE
    )
    return whole or ringed


def _is_megakaryocyte(found: Measured, levels: StainLevels) -> bool:
    """A very large round cell whose inside is nucleus, not lumen."""
    large = found.hull_diameter_um >= _MEGAKARYOCYTE_DIAMETER_UM
    cytoplasm = found.edge_slope_per_um < _CYTOPLASM_SLOPE_PER_UM and _is_one_body(found)
    return large and cytoplasm and found.hull_aspect >= _CELL_ASPECT and _has_nucleus(found, levels)


def _has_nucleus(found: Measured, levels: StainLevels) -> bool:
    """Nucleus, not lumen, fills the inner half."""
    return found.core_h_od > _NUCLEAR_SHARE * levels.nuclear and found.core_clear_share < _MAX_CLEAR_SHARE


def _is_one_body(found: Measured) -> bool:
    """Stain fills a good part of its hull, as a cell's cytoplasm does and a branching vessel does not."""
    return found.outline_area_um2 > 0.4 * math.pi / 4 * found.hull_diameter_um**2
