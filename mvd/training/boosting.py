"""What the score and the groups share in learning: boosted trees of one split, kept as step functions.

Gradient boosting (Friedman, Ann Stat 2001;29:1189) with trees of one split gives an additive model: every split adds a
step to one feature. scikit-learn makes them; what is kept are the steps, plain numbers that need no scikit-learn.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvd.errors import TrainingError
from mvd.vessels.steps import STEP_UNIT, Steps

Floats = NDArray[np.float64]

ROWS = 0.5
"""Share of the examples that each tree is shown (stochastic gradient boosting, Friedman 2002)."""


def units(value: float) -> int:
    """A value in `STEP_UNIT`."""
    return round(value / STEP_UNIT)


def steps_of(trees: Iterable[Any], *, features: int, rate: float, digits: int) -> tuple[float, tuple[Steps, ...]]:
    """What trees of one split add up to: a constant, and a step function that starts at 0 for each feature.

    Parameters
    ----------
    trees
        scikit-learn's, fitted.
    rate
        What each is multiplied by.
    digits
        To which the cuts are rounded: cuts that differ by less are one.
    """
    base = 0.0
    jumps: list[dict[float, float]] = [{} for _ in range(features)]
    for tree in trees:
        split = tree.tree_
        feature, values = int(split.feature[0]), rate * split.value[:, 0, 0]
        if feature < 0:  # no split was worth while
            base += float(values[0])
            continue
        cut = round(float(split.threshold[0]), digits)
        base += float(values[1])
        jumps[feature][cut] = jumps[feature].get(cut, 0.0) + float(values[2] - values[1])
    return base, tuple(_summed(at) for at in jumps)


def _summed(jumps: dict[float, float]) -> Steps:
    cuts = sorted(jumps)
    heights = np.cumsum([0.0, *(jumps[cut] for cut in cuts)])
    return Steps(np.array(cuts, np.float64), np.array([units(height) for height in heights], np.int64))


def even_weights(names: Sequence[str]) -> Floats:
    """Weights of examples that make all of one name weigh as much as all of any other; 1 on average."""
    _, which, number = np.unique(np.asarray(names, np.str_), return_inverse=True, return_counts=True)
    return np.asarray(len(which) / len(number) / number[which], np.float64)


def ensemble() -> Any:
    """scikit-learn's module of boosted trees.

    Raises
    ------
    TrainingError
        scikit-learn is not installed.
    """
    try:
        return importlib.import_module("sklearn.ensemble")  # an extra, for training alone
    except ImportError as error:
        raise TrainingError("training needs scikit-learn: python -m pip install 'mvd[train]'") from error
