"""The counting rule applied to what was measured: a vessel, or the reason why not.

After Kini, Kay & Peterson (Leukemia 2000;14:1414): any stained endothelial cell or cluster that is clearly separate
from its neighbours is one microvessel, a lumen is not needed; single round stained cells, large vessels, pigment and
brown haze are left out.
"""

from __future__ import annotations

from mvd.protocol import CountingRule
from mvd.vessels.maps import StainLevels
from mvd.vessels.measure import Measured
from mvd.vessels.model import Reason

_BLACK_RED_OD = 0.9
"""DAB over a nucleus absorbs up to about 0.65 in red; twelve per cent transmission and less is pigment or dirt."""
_HAZE_SLOPE_PER_UM = 0.10
"""An edge that takes more than 10 µm to fall from its peak is diffuse: optics blur a wall over 2-4 µm."""
_CELL_DIAMETER_UM = (6.5, 14.0)
"""Progenitors and blasts measure 8-12 µm; the outline of their stain may be a micrometre or two off."""
_CELL_ROUNDNESS = 0.6
"""Area over that of a circle on the longest axis: an ellipse of 3:5 has 0.6."""
_MEGAKARYOCYTE_DIAMETER_UM = 22.0
"""Megakaryocytes measure 30-60 µm; what is stained of them may be less."""
_GOLDEN_H_SHARE = -0.12
"""Haematoxylin over DAB below which the brown is yellower than DAB can be (haemosiderin)."""


def judge(found: Measured, rule: CountingRule, levels: StainLevels) -> Reason | None:
    """Why an object does not count; None for a vessel. Reasons are tried from what it is made of to how large it is."""
    for reason, applies in (
        (Reason.PIGMENT, _is_pigment(found)),
        (Reason.HAZE, found.edge_slope_per_um < _HAZE_SLOPE_PER_UM),
        (Reason.LARGE_VESSEL, found.lumen_width_um > rule.max_lumen_width_um),
        (Reason.MEGAKARYOCYTE, _is_megakaryocyte(found, levels)),
        (Reason.SINGLE_CELL, rule.single_cells == "reject" and _is_single_cell(found, levels)),
        (Reason.TOO_SMALL, found.area_um2 < rule.min_area_um2),
        (Reason.NO_LUMEN, rule.lumen_required and found.lumen_area_um2 == 0),
    ):
        if applies:
            return reason
    return None


def _is_pigment(found: Measured) -> bool:
    black = found.mean_red_od > _BLACK_RED_OD
    golden = found.mean_h_od < _GOLDEN_H_SHARE * found.mean_dab_od
    return black or golden


def _is_single_cell(found: Measured, levels: StainLevels) -> bool:
    """A round cell of a progenitor's size, without a lumen, with its own nucleus inside."""
    low, high = _CELL_DIAMETER_UM
    return (
        low <= found.equivalent_diameter_um <= high
        and found.roundness >= _CELL_ROUNDNESS
        and found.lumen_area_um2 == 0
        and found.core_h_od > levels.nuclear
    )


def _is_megakaryocyte(found: Measured, levels: StainLevels) -> bool:
    """A very large round cell whose inside is nucleus, not lumen."""
    return (
        found.equivalent_diameter_um >= _MEGAKARYOCYTE_DIAMETER_UM
        and found.roundness >= _CELL_ROUNDNESS
        and found.lumen_area_um2 < 0.1 * found.outline_area_um2
        and found.core_h_od > levels.nuclear
    )
