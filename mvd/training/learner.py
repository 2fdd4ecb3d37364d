"""From examples to a score: boosted step functions.

`fit` is for one laboratory's study: it sees its examples again with noise, is calibrated on held-back specimens, and
its thresholds are cautious. `fit_mixed` is for the shipped score, whose examples are of many stains: these are its
noise.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from mvd.errors import TrainingError
from mvd.models import weights_text
from mvd.training.boosting import ROWS, ensemble, steps_of, units
from mvd.training.examples import Examples
from mvd.vessels.choosing import GroupModel
from mvd.vessels.look import Look
from mvd.vessels.score import FEATURES, LOOK, ScoreModel, logits
from mvd.vessels.steps import STEP_UNIT, Steps

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SPLITS, RATE, COLUMNS, LEAST_LEAF = 300, 0.1, 0.4, 15
"""Trees, learning rate, share of the features that each tree is shown, and least number of examples on either side of a
split. With 60 splits it still learns, with 600 nothing changes on held-back sections."""
THRESHOLD = 0.15
"""Of the shipped score, for what is of a cell's size and what is larger. On laboratories that were left out mean F1 is
0.86, 0.86, 0.85 and 0.83 at 0.08, 0.12, 0.15 and 0.2, and the count of composites with brown cells in them 41, 18, 8
and 1 % too high. Two thresholds for the two sizes did no better."""
LOOK_SHARE = 0.5
"""Of the network in the logit of the shipped score. With a laboratory left out, the area under the curve among what is
to be told apart was 0.97, 0.91 and 0.85 on composites of colon, tumour and sarcoma by the measures alone, 0.93, 0.96
and 0.87 by the network alone, and 0.98, 0.96 and 0.90 by both, whether it had two or three fifths."""
_JITTER = 0.3
"""Each example is seen again with noise of this share of each feature's spread, so that no step is placed more exactly
than another stain or scanner would leave it."""
_COPIES = 2
_REJECTED_WEIGHT = 0.1
"""Of what the rule rejects for sure: it shows what else is brown, but the score has no say there."""
_MAX_LOST = 1 / 500
"""Share of the vessels of each size which the threshold may cost on held-back sections. Elsewhere it will cost
more than on sections like those it learned from, and a vessel lost costs more than something else kept."""
HIGHEST_THRESHOLD = 0.003
"""Three hundred to one against a vessel: a score is too sure of itself where sections are unlike those it learned from.
On 36 sections of a simulator of other make 0.003 rejected 7 of 132 other things for 3 of 855 vessels, 0.01 11 for 11,
0.03 21 for 24."""
_FOLDS = 5


def fit(examples: Examples, *, name: str, version: str, look: Look | None = None, seed: int = 1) -> ScoreModel:
    """A score from labelled candidates.

    Parameters
    ----------
    examples
        Of several sections or specimens (`group`), some of them vessels and some not.
    look
        The network that gave the feature `look`: the score goes with it.

    Raises
    ------
    TrainingError
        scikit-learn is not installed, or the examples are all of one kind or of one group.
    """
    _refuse_one_kind(examples)
    groups = np.unique(examples.group)
    if len(groups) < 2:
        raise TrainingError(_NEEDED)
    held_back = np.empty(len(examples))
    for number, part in enumerate(parts_of(groups, seed)):
        out = np.isin(examples.group, part)
        found = _boosted(*with_noise(examples.take(~out), seed + number), seed + number)
        held_back[out] = logits(found, examples.features[out])
    decided = examples.decided if examples.decided.any() else np.ones(len(examples), bool)
    slope, intercept = platt(held_back[decided], examples.is_vessel[decided])
    model = _scaled(_boosted(*with_noise(examples, seed), seed), slope, intercept)
    chances = expit(slope * held_back + intercept)
    vessels, compact = examples.counted & examples.is_vessel, examples.compact
    return signed(
        replace(
            model,
            name=name,
            version=version,
            threshold=cautious_threshold(chances[vessels & ~compact]),
            compact_threshold=cautious_threshold(chances[vessels & compact]),
            look=look,
        )
    )


def fit_mixed(  # noqa: PLR0913  (what it learns from, what it is called, what it goes with)
    examples: Examples,
    weight: Floats,
    *,
    name: str,
    version: str,
    groups: GroupModel | None = None,
    look: Look | None = None,
    seed: int = 1,
) -> ScoreModel:
    """A score from examples of many stains, with the thresholds of the shipped one.

    Parameters
    ----------
    weight
        How much each example counts; what comes of few pictures should weigh as much as what comes of many.
    groups
        By which the candidates were found, if not by what the program knows.
    look
        Has a share of `LOOK_SHARE` in the score. How far to trust it cannot be learned from examples that it has seen.

    Raises
    ------
    TrainingError
        scikit-learn is not installed, or the examples are all of one kind.
    """
    _refuse_one_kind(examples)
    measures = examples.features.copy()
    measures[:, LOOK] = 0
    model = _boosted(measures, examples.is_vessel, weight, seed)
    if look is not None:
        model = replace(_scaled(model, 1 - LOOK_SHARE, 0.0), look=look, look_weight=LOOK_SHARE)
    return signed(
        replace(
            model,
            name=name,
            version=version,
            threshold=THRESHOLD,
            compact_threshold=THRESHOLD,
            groups=groups,
        )
    )


_NEEDED = "a score is learned from vessels and other things, of at least two sections or specimens"


def _refuse_one_kind(examples: Examples) -> None:
    if examples.is_vessel.all() or not examples.is_vessel.any():
        raise TrainingError(_NEEDED)


def example_weights(examples: Examples) -> Floats:
    """How much each example counts in training."""
    return np.where(examples.decided | examples.is_vessel, 1.0, _REJECTED_WEIGHT)


def with_noise(examples: Examples, seed: int) -> tuple[Floats, Bools, Floats]:
    """Features, labels and weights for training: each example as it is, and again with noise."""
    rng = np.random.default_rng(seed)
    spread = examples.features[examples.is_vessel].std(axis=0)
    noisy = [examples.features + rng.normal(0, _JITTER, examples.features.shape) * spread for _ in range(_COPIES)]
    features = np.vstack([examples.features, *noisy])
    return features, np.tile(examples.is_vessel, _COPIES + 1), np.tile(example_weights(examples), _COPIES + 1)


def parts_of(groups: NDArray[np.str_], seed: int) -> list[NDArray[np.str_]]:
    """Groups in parts, each of which is held back once."""
    order = np.random.default_rng(seed).permutation(groups)
    return [order[k::_FOLDS] for k in range(min(_FOLDS, len(groups)))]


def _boosted(features: Floats, is_vessel: Bools, weight: Floats, seed: int) -> ScoreModel:
    """The additive model, not calibrated."""
    boosted = booster(seed)
    boosted.fit(features, is_vessel, sample_weight=weight)
    prior = float(np.average(is_vessel, weights=weight))
    base, steps = steps_of(boosted.estimators_[:, 0], features=len(FEATURES), rate=RATE, digits=4)
    return ScoreModel("", "", "", units(base + math.log(prior / (1 - prior))), steps, 0.5, 0.5)


def booster(seed: int) -> Any:
    """scikit-learn's, with one split a tree."""
    return ensemble().GradientBoostingClassifier(
        n_estimators=SPLITS, max_depth=1, learning_rate=RATE, subsample=ROWS, max_features=COLUMNS,
        min_samples_leaf=LEAST_LEAF, random_state=seed,
    )  # fmt: skip


def signed(model: ScoreModel) -> ScoreModel:
    """With the checksum of its weights file."""
    return replace(model, sha256=hashlib.sha256(weights_text(model).encode()).hexdigest())


def platt(raw: Floats, is_vessel: Bools) -> tuple[float, float]:
    """Slope and intercept that make logits calibrated (Platt 1999, with his smoothed targets), by Newton's method."""
    vessels, others = int(is_vessel.sum()), int((~is_vessel).sum())
    target = np.where(is_vessel, (vessels + 1) / (vessels + 2), 1 / (others + 2))
    terms = np.stack([raw, np.ones_like(raw)], axis=1)
    found = np.array([1.0, 0.0])
    for _ in range(100):
        p = expit(terms @ found)
        hessian = terms.T @ (terms * (p * (1 - p))[:, None]) + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, terms.T @ (p - target))
        found -= np.clip(step, -1, 1)
        if float(np.abs(step).max()) < 1e-9:
            break
    return float(found[0]), float(found[1])


def _scaled(model: ScoreModel, slope: float, intercept: float) -> ScoreModel:
    """The model whose logit is slope · logit + intercept."""
    steps = tuple(Steps(s.cuts, np.rint(s.logits * slope).astype(np.int64)) for s in model.steps)
    return replace(model, base=units(model.base * STEP_UNIT * slope + intercept), steps=steps)


def cautious_threshold(chances: Floats) -> float:
    """The highest threshold that costs few enough of the vessels."""
    allowed = int(_MAX_LOST * len(chances))
    highest = min(float(np.sort(chances)[allowed]), HIGHEST_THRESHOLD) if len(chances) else HIGHEST_THRESHOLD
    return max(math.floor(highest * 10_000) / 10_000, 0.0001)
