"""How good a score is on examples that it did not learn from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from mvd.training.examples import Examples
from mvd.training.trial import Scored, auc, brier, calibration
from mvd.vessels.score import ScoreModel, logits


@dataclass(frozen=True, slots=True)
class Validation:
    """A score on one set of candidates that the rule counts or only suspects: where it decides."""

    vessels: int
    others: int
    vessels_lost: int
    """Vessels that it takes for something else."""
    others_rejected: int
    auc: float | None
    """Chance that a vessel has a higher probability than something else; None without both."""
    brier: float
    ece: float
    """Expected calibration error: mean distance of probability and truth over the bins, weighted by their number
    (Naeini, Cooper & Hauskrecht, AAAI 2015)."""
    curve: tuple[tuple[float, float, int], ...]
    """Mean probability, share of vessels, and number, in bins of a tenth."""

    def as_json(self) -> dict[str, Any]:
        values = asdict(self)
        rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}
        return rounded | {"curve": [[round(p, 4), round(share, 4), n] for p, share, n in self.curve]}


def validate(model: ScoreModel, examples: Examples) -> Validation:
    """Try a score on those among some examples about which it decides."""
    examples = examples.take(examples.decided)
    return validation_of(examples.is_vessel, scored(model, examples))


def scored(model: ScoreModel, examples: Examples) -> Scored:
    """What a score makes of examples."""
    return Scored(expit(logits(model, examples.features)), limits(model, examples))


def limits(model: ScoreModel, examples: Examples) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(examples,) the probability from which on each is a vessel: as `with_score` has it."""
    return np.where(examples.compact, model.compact_threshold, model.threshold)


def validation_of(is_vessel: np.ndarray[Any, np.dtype[np.bool_]], scored: Scored) -> Validation:
    """Of any learner's probabilities."""
    lost = ~scored.says_vessel
    curve = calibration(is_vessel, scored.probability)
    both = bool(is_vessel.any() and not is_vessel.all())
    return Validation(
        vessels=int(is_vessel.sum()),
        others=int((~is_vessel).sum()),
        vessels_lost=int((is_vessel & lost).sum()),
        others_rejected=int((~is_vessel & lost).sum()),
        auc=auc(is_vessel, scored) if both else None,
        brier=brier(is_vessel, scored) if len(is_vessel) else 0.0,
        ece=sum(n * abs(p - share) for p, share, n in curve) / max(len(is_vessel), 1),
        curve=curve,
    )
