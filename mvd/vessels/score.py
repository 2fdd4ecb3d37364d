"""Whether a candidate looks like a vessel: a probability from its measures, by a small model of plain numbers.

The model is additive (Hastie & Tibshirani, Stat Sci 1986;1:297): each feature alone adds or takes away, in steps, and
the sum is the logit of the probability. What lies beyond the range seen in training counts as its end.

The rule decides what counts. The score has one word in it: a candidate that the rule would count, and that the model
takes for something else, "does not look like a vessel". It never makes a vessel of what the rule rejects.

Every feature is in µm or a ratio to the slide's own levels, so that it means the same at another stain strength,
brightness or pixel size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mvd.vessels.joining import DOUBT
from mvd.vessels.maps import StainLevels
from mvd.vessels.measure import Measured
from mvd.vessels.model import Reason, Vessel
from mvd.vessels.steps import STEP_UNIT, Steps, summed

Floats = NDArray[np.float64]

FEATURES: dict[str, str] = {
    "aspect": "shorter over longer side of the smallest rectangle round it",
    "solidity": "area inside the outline over that of its convex hull",
    "ruggedness": "ln perimeter² / (4π area); 0 for a disc",
    "log_pieces": "ln number of separately stained pieces",
    "stained_share": "stained area over that inside the outline",
    "depth_um": "mean distance of the stain from what is not stained, µm",
    "rim_residual_um": "distance of the stain from the circle that fits it best, root mean square, µm",
    "rim_cover": "share of that circle's directions with stain",
    "lumen_share": "lumen over area inside the outline",
    "log_lumen_width": "ln (1 + lumen width, µm)",
    "core_clear_share": "share of the hull's inner half that is as clear as glass",
    "contrast": "ln peak DAB over the slide's typical peak",
    "mean_dab": "mean DAB over its own peak",
    "dab_sd": "spread of the DAB over its own peak",
    "detail": "spread of the DAB finer than 1 µm over its own peak",
    "edge_slope": "fall of the DAB across the outline over its own peak, per µm",
    "colour": "red over DAB density, against the slide's typical one",
    "red_sd": "spread of red that DAB does not explain, over its own DAB peak",
    "residual": "density that neither stain explains, over its own DAB peak",
    "residual_sd": "spread of that",
    "under_h": "haematoxylin under the stain over the slide's nuclear level",
    "core_h": "haematoxylin in the hull's inner half over the slide's nuclear level",
}
"""What the model judges by, in this order, and in what unit. DAB counts from the slide's background.

Size is not among them, it is the rule's; nor what lies round the object, which differs between marrow and other
tissues. With both, a model learned from simulated marrow gave five of 30 vessels of a real colon section less than
0.1, without them two, and told no worse on simulated marrow what is none."""

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
    """Candidates of a lower probability do not look like a vessel."""


def features(found: Measured, levels: StainLevels) -> tuple[float, ...]:
    """Features of a candidate, in the order of `FEATURES`; all finite."""
    look, rim = found.appearance, found.rim
    own = max(found.peak_dab_od - levels.background, _LEAST_OD)
    typical = max(levels.peak - levels.background, _LEAST_OD)
    nuclear = max(levels.nuclear, _LEAST_OD)
    red = None if levels.red_share is None else max(levels.red_share, _LEAST_RED_SHARE)
    area = found.outline_area_um2
    return (
        found.hull_aspect,
        area / (math.pi / 4 * found.hull_diameter_um**2),
        math.log(max(found.perimeter_um, _LEAST_UM) ** 2 / (4 * math.pi * area)),
        math.log(found.pieces),
        found.area_um2 / area,
        look.depth_um,
        rim.residual_um,
        rim.cover,
        found.lumen_area_um2 / area,
        math.log1p(found.lumen_width_um),
        found.core_clear_share,
        math.log(own / typical),
        (found.mean_dab_od - levels.background) / own,
        look.dab_sd_od / own,
        look.detail_od / own,
        found.edge_slope_per_um,
        1.0 if red is None else found.red_share / red,
        look.red_sd_od / own,
        look.residual_od / own,
        look.residual_sd_od / own,
        look.h_od / nuclear,
        found.core_h_od / nuclear,
    )


def probabilities(model: ScoreModel, rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Probability of being a vessel, for the `features` of each candidate."""
    return tuple(_sigmoid(logit) for logit in logits(model, np.asarray(rows, np.float64)).tolist())


def logits(model: ScoreModel, table: Floats) -> Floats:
    """Logit of the probability for each row of (candidates, features)."""
    total = summed(model.base, model.steps, table.reshape(-1, len(model.steps)))
    return np.asarray(total * STEP_UNIT, np.float64)


def with_score(vessel: Vessel, probability: float, threshold: float) -> Vessel:
    """A candidate with its score: rejected if the rule would count it and it does not look like a vessel.

    Between the threshold and a half the model takes it rather for something else but does not reject it: ambiguous.
    """
    if not vessel.accepted:
        return replace(vessel, score=probability)
    reason = Reason.UNLIKE_VESSEL if probability < threshold else None
    near = (1 - DOUBT) * threshold <= probability < 0.5
    return replace(vessel, score=probability, reason=reason, ambiguous=vessel.ambiguous or near)


def _sigmoid(logit: float) -> float:
    """Without overflow at either end."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    return math.exp(logit) / (1 + math.exp(logit))
