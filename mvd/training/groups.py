"""Learning which groups of stain are whole vessels: trees of pictures in which everything is known, to a `GroupModel`.

Two things are learned apart. Of each joint: whether what it joins is of one vessel (logistic regression). Of each
group: how well its box agrees with that of any one thing that is known (boosted trees of one split).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mvd.errors import TrainingError
from mvd.training.boosting import ROWS, ensemble, even_weights, steps_of, units
from mvd.training.grown import Grown
from mvd.vessels.choosing import GroupModel
from mvd.vessels.tree import GROUP_FEATURES

SPLITS, RATE, COLUMNS, LEAST_LEAF = 300, 0.08, 0.5, 60
"""Trees, learning rate, share of the features that each tree is shown, and least number of groups on either side of a
split: a step for fewer is one for a single vessel."""


def fit_groups(trees: Iterable[Grown], *, seed: int = 1) -> GroupModel:
    """What trees with labels say of joints and groups; each stock of pictures weighs the same.

    Raises
    ------
    TrainingError
        scikit-learn is not installed, or there is nothing to tell apart.
    """
    trees = list(trees)
    if not trees:
        raise TrainingError("groups are learned from pictures in which everything is known; there are none")
    base, slopes = _fit_joints(trees)
    group_base, steps = _fit_groups(trees, seed)
    return GroupModel(base, slopes, group_base, steps)


def _fit_joints(trees: Sequence[Grown]) -> tuple[float, tuple[float, ...]]:
    """Intercept and slopes of the logit, for as many joints within a thing as between two."""
    ensemble()  # says what to install
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  (an extra, for training alone)

    is_one = np.concatenate([tree.is_one for tree in trees])
    known = ~np.isnan(is_one)
    stocks = np.repeat([tree.stock for tree in trees], [len(tree.is_one) for tree in trees])[known]
    features, is_one = np.concatenate([tree.joints for tree in trees])[known], is_one[known] == 1
    if is_one.all() or not is_one.any():
        raise TrainingError("groups are learned from joints within vessels and between them; these are all of one kind")
    weight = even_weights(stocks.tolist())
    weight[~is_one] *= weight[is_one].sum() / weight[~is_one].sum()
    middle, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread == 0] = 1.0
    line: Any = LogisticRegression(max_iter=1000).fit((features - middle) / spread, is_one, sample_weight=weight)
    slopes = line.coef_[0] / spread
    return round(float(line.intercept_[0] - slopes @ middle), 4), tuple(round(float(slope), 4) for slope in slopes)


def _fit_groups(trees: Sequence[Grown], seed: int) -> tuple[int, Any]:
    """Expected agreement: its constant and its steps."""
    stocks = np.repeat([tree.stock for tree in trees], [len(tree.agreement) for tree in trees])
    weight = even_weights(stocks.tolist()) * np.concatenate([tree.is_told for tree in trees])
    features, agreement = (np.concatenate([getattr(t, name) for t in trees]) for name in ("groups", "agreement"))
    boosted = ensemble().GradientBoostingRegressor(
        n_estimators=SPLITS, max_depth=1, learning_rate=RATE, subsample=ROWS, max_features=COLUMNS,
        min_samples_leaf=LEAST_LEAF, random_state=seed,
    )  # fmt: skip
    boosted.fit(features, agreement, sample_weight=weight)
    base, steps = steps_of(boosted.estimators_[:, 0], features=len(GROUP_FEATURES), rate=RATE, digits=3)
    return units(float(boosted.init_.predict(features[:1])[0]) + base), steps


def learned_text(model: GroupModel) -> str:
    """A `GroupModel` as the module `mvd.vessels.learned`."""
    rows = "\n".join(_row(step.cuts.tolist(), step.logits.tolist()) for step in model.group_steps)
    return _MODULE.format(rows=rows, base=model.joint_base, slopes=model.joint_slopes, group_base=model.group_base)


def _row(cuts: list[float], heights: list[int]) -> str:
    return f"    (\n{_wrapped(cuts)}\n{_wrapped(heights)}\n    ),"


def _wrapped(values: Sequence[float]) -> str:
    text = ", ".join(map(repr, values))
    return "\n".join(textwrap.wrap(f"[{text}],", 112, initial_indent=" " * 8, subsequent_indent=" " * 9))


_MODULE = '''"""The numbers of the shipped `GroupModel`: made by `make model`, not to be edited by hand."""

from __future__ import annotations

import numpy as np

from mvd.vessels.choosing import GroupModel
from mvd.vessels.steps import Steps

# fmt: off
_STEPS = (
{rows}
)
# fmt: on
"""Cuts and heights (in millionths) of each feature, in the order of `GROUP_FEATURES`."""

SHIPPED = GroupModel(
    joint_base={base!r},
    joint_slopes={slopes!r},
    group_base={group_base},
    group_steps=tuple(Steps(np.array(cuts, np.float64), np.array(heights, np.int64)) for cuts, heights in _STEPS),
)
"""Learned from all that there is to learn from."""
'''
