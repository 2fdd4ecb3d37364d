"""Whether a candidate looks like a vessel: a probability from its measures, by a small model of plain numbers.

The model is additive (Hastie & Tibshirani, Stat Sci 1986;1:297): each feature alone adds or takes away, in steps, and
the sum is the logit of the probability. What lies beyond the range seen in training counts as its end. One feature is
what a network says that sees the object (`mvd.vessels.look`); in the shipped score that has a fixed share.

The rule decides what counts. The score has a word in it where the rule would count, or only suspects: see `with_score`.
It never makes a vessel of what the rule rejects for sure.

Every feature is in µm or a ratio to the slide's own levels, so that it means the same at another stain strength,
brightness or pixel size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.vessels.choosing import GroupModel
from mvd.vessels.look import Look
from mvd.vessels.maps import StainLevels
from mvd.vessels.measure import Measured
from mvd.vessels.model import Reason, Vessel
from mvd.vessels.steps import STEP_UNIT, Steps, summed

Floats = NDArray[np.float64]

FEATURES: dict[str, str] = {
    "length": "ln length of its midline, µm",
    "width": "ln mean width, µm",
    "aspect": "shorter over longer side of the smallest rectangle round it",
    "solidity": "area inside the outline over that of its convex hull",
    "ruggedness": "ln perimeter² / (4π area); 0 for a disc",
    "roundness": "spread of the distance of the outline from the middle, over its mean",
    "stained_share": "stained area over that inside the outline",
    "depth_um": "mean distance of the stain from what is not stained, µm",
    "rim_residual_um": "distance of the stain from the circle that fits it best, root mean square, µm",
    "rim_cover": "share of that circle's directions with stain",
    "lumen_share": "lumen over area inside the outline",
    "log_lumen_width": "ln (1 + lumen width, µm)",
    "mean_dab": "mean DAB over its own peak",
    "dab_sd": "spread of the DAB over its own peak",
    "detail": "spread of the DAB finer than 1 µm over its own peak",
    "edge_slope": "fall of the DAB across the outline over its own peak, per µm",
    "middle": "DAB in the middle over that along the edge",
    "middle_red": "red density in the middle less that along the edge, over its own DAB peak",
    "colour": "red over DAB density, against the slide's typical one",
    "look": "logit of its being a vessel by a network that sees it and what lies round it",
}
"""What the model judges by, in this order, and in what unit. DAB counts from the slide's background.

Shape, and densities against the object's own: what a real stain has in common with another. How dense an object is
against the slide, what of it neither stain explains, and the haematoxylin under it, which is a small difference of two
large densities on real slides, were among them and did not carry over from one laboratory to the next."""

LOOK = list(FEATURES).index("look")

COMPACT_UM = 18.0
"""Longer side of the smallest rectangle round what can be a single cell or two: a blast measures 8-12 µm. Not its
midline, which runs all round where only its rim is stained."""
_DOUBT_BELOW = 0.6
"""A candidate that counts and is less likely a vessel is ambiguous. On pictures of laboratories that were left out this
marks a sixth of what counts on three real stains, where one in twenty is wrong, and on composites a third, with two
thirds of what counts wrongly there."""
_LEAST_OD = 0.01
"""Least divisor: below it a level of the slide is as good as zero."""
_LEAST_UM = 0.5
"""Least perimeter: a pixel's side."""
_LEAST_RED_SHARE = 0.1
"""Of DAB, red is a third; a slide's share below this is an artefact of its stain vectors."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreModel:
    """A learned score, as plain numbers: the logit of the probability is a sum of one step function a feature."""

    name: str
    version: str
    sha256: str
    """Of the file that its numbers were read from."""
    base: int
    """Logit before any feature, in `STEP_UNIT`."""
    steps: tuple[Steps, ...]
    """In the order of `FEATURES`."""
    threshold: float
    """Candidates of a lower probability do not look like a vessel …"""
    compact_threshold: float
    """… and those of the size of a cell (`COMPACT_UM`) below this one."""
    groups: GroupModel | None = None
    """What it knows of groups of stain that are one vessel; None for what the program knows."""
    look: Look | None = None
    """The network of the feature `look`; None where that is not looked at, and 0."""
    look_weight: float = 0.0
    """What that feature adds to the logit, a unit, besides its steps."""


def features(found: Measured, levels: StainLevels, seen: float = 0.0) -> tuple[float, ...]:
    """Features of a candidate, in the order of `FEATURES`; all finite.

    Parameters
    ----------
    seen
        What the network says of it; 0 where it was not asked.
    """
    look, rim = found.appearance, found.rim
    own = max(found.peak_dab_od - levels.background, _LEAST_OD)
    red = None if levels.red_share is None else max(levels.red_share, _LEAST_RED_SHARE)
    area = max(found.outline_area_um2, _LEAST_UM**2)
    return (
        math.log(max(found.length_um, _LEAST_UM)),
        math.log(max(found.width_um, _LEAST_UM)),
        found.hull_aspect,
        area / (math.pi / 4 * found.hull_diameter_um**2),
        math.log(max(found.perimeter_um, _LEAST_UM) ** 2 / (4 * math.pi * area)),
        look.roundness,
        found.area_um2 / area,
        look.depth_um,
        rim.residual_um,
        rim.cover,
        found.lumen_area_um2 / area,
        math.log1p(found.lumen_width_um),
        (found.mean_dab_od - levels.background) / own,
        look.dab_sd_od / own,
        look.detail_od / own,
        found.edge_slope_per_um,
        look.middle,
        look.middle_red_od / own,
        1.0 if red is None else found.red_share / red,
        seen,
    )


def probabilities(model: ScoreModel, rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Probability of being a vessel, for the `features` of each candidate."""
    return tuple(_sigmoid(logit) for logit in logits(model, np.asarray(rows, np.float64)).tolist())


def logits(model: ScoreModel, table: Floats) -> Floats:
    """Logit of the probability for each row of (candidates, features)."""
    table = table.reshape(-1, len(model.steps))
    total = summed(model.base, model.steps, table) * STEP_UNIT
    return np.asarray(total + model.look_weight * table[:, LOOK], np.float64)


def with_score(
    vessel: Vessel, probability: float, model: ScoreModel, *, suspected: bool = False, cells: bool = True
) -> Vessel:
    """A candidate with its score.

    What the rule would count, or only suspects, is rejected below the threshold for its size. Above, it counts, and is
    ambiguous below `_DOUBT_BELOW`. A suspicion alone says nothing more: on stains of laboratories that were left out,
    one in ten of what counts is suspected, and one in a hundred of what counts wrongly.

    Parameters
    ----------
    suspected
        Whether the rule's reason is but a suspicion.
    cells
        Whether single cells are to be rejected; if not, nothing of their size is.
    """
    if not (vessel.accepted or suspected):
        return replace(vessel, score=probability)
    compact = is_compact(vessel)
    is_unlike = probability < (model.compact_threshold if compact else model.threshold)
    if is_unlike and (cells or not compact):
        unlike = Reason.SINGLE_CELL if compact else Reason.UNLIKE_VESSEL
        reason = vessel.reason or unlike
        return replace(vessel, score=probability, reason=reason, ambiguous=vessel.ambiguous or not suspected)
    doubtful = vessel.ambiguous or probability < _DOUBT_BELOW
    return replace(vessel, score=probability, reason=None, ambiguous=doubtful)


def is_compact(vessel: Vessel) -> bool:
    """Whether it has the size of a single cell or two."""
    _, sides, _ = cv2.minAreaRect(vessel.outline.astype(np.float32))
    return max(sides) < COMPACT_UM


def _sigmoid(logit: float) -> float:
    """Without overflow at either end."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))
