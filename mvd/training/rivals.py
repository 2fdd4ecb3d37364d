"""Other learners on the same examples, so that the choice of this one rests on figures.

All are small and well known, and see the same features, weights and noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvd.training.examples import Examples
from mvd.training.learner import booster, parts_of, with_noise
from mvd.training.trial import Scored, auc

Floats = NDArray[np.float64]
_LOST = 0.01
"""At which learners are compared: the share of others rejected when the threshold costs this share of the vessels."""


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  (an extra, for training alone)
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    class Standardised:
        def fit(self, features: Floats, is_vessel: NDArray[np.bool_], sample_weight: Floats) -> None:
            self.scale = StandardScaler().fit(features)
            self.line = LogisticRegression(C=0.1, max_iter=2000)
            self.line.fit(self.scale.transform(features), is_vessel, sample_weight=sample_weight)

        def predict_proba(self, features: Floats) -> Floats:
            return np.asarray(self.line.predict_proba(self.scale.transform(features)), np.float64)

    return Standardised()


def _trees(seed: int) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier  # noqa: PLC0415

    return GradientBoostingClassifier(
        n_estimators=150, max_depth=2, learning_rate=0.15, subsample=0.5, max_features=0.4, random_state=seed
    )


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    return RandomForestClassifier(200, min_samples_leaf=5, max_features="sqrt", random_state=seed)


LEARNERS: Mapping[str, Callable[[int], Any]] = {
    "logistic regression": _logistic,
    "boosting, one split a tree": booster,
    "boosting, three splits a tree": _trees,
    "random forest": _forest,
}


@dataclass(frozen=True, slots=True)
class Result:
    """One learner on candidates that it did not learn from."""

    learner: str
    learned_from: str
    tried_on: str
    auc: float
    others_rejected: float
    """Share, when one vessel in a hundred is lost."""


def race(examples: Examples, *, seed: int = 1) -> Iterator[Result]:
    """Each learner on held-back sections like those it learned from, and on sections unlike them."""
    hard, varied = (np.char.find(examples.group, word) >= 0 for word in (" hard", " varied"))
    for name, make in LEARNERS.items():
        chances = np.empty(len(examples))
        for part in parts_of(np.unique(examples.group), seed):
            out = np.isin(examples.group, part)
            chances[out] = _chances(make(seed), examples.take(~out), examples.take(out), seed)
        yield _result((name, "four fifths of the sections", "the fifth"), examples, chances)
        for source, target, which in (
            ("easy and typical sections", "hard ones", hard),
            ("looks as drawn", "varied looks", varied),
        ):
            test = examples.take(which)
            yield _result((name, source, target), test, _chances(make(seed), examples.take(~which), test, seed))


def _chances(learner: Any, known: Examples, new: Examples, seed: int) -> Floats:
    features, is_vessel, weight = with_noise(known, seed)
    learner.fit(features, is_vessel, sample_weight=weight)
    return np.asarray(learner.predict_proba(new.features)[:, 1], np.float64)


def _result(names: tuple[str, str, str], examples: Examples, chances: Floats) -> Result:
    is_vessel, chances = examples.is_vessel[examples.counted], chances[examples.counted]
    vessels = np.sort(chances[is_vessel])
    limit = vessels[int(_LOST * len(vessels))]
    return Result(*names, auc(is_vessel, Scored(chances, limit)), float(np.mean(chances[~is_vessel] < limit)))
