"""Learning a score: labels from what is known, the learner's own steps, calibration and a cautious threshold."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.special import expit

from mvd.errors import TrainingError
from mvd.geometry import Rect
from mvd.models import weights_text
from mvd.training import learner
from mvd.training.boosting import even_weights, steps_of
from mvd.training.chart import calibration_png
from mvd.training.examples import Examples, Known, examples, joined_examples, label, phantom_specs
from mvd.training.learner import (
    cautious_threshold,
    example_weights,
    fit,
    fit_mixed,
    parts_of,
    platt,
    with_noise,
)
from mvd.training.shipped import new_specs
from mvd.training.validation import validate
from mvd.vessels import Candidate, Reason, Vessel
from mvd.vessels.score import FEATURES, ScoreModel, logits, probabilities
from mvd.vessels.steps import STEP_UNIT, Steps

TELLING = ("aspect", "solidity")


def simulated(seed: int = 1, *, number: int = 600, groups: int = 12) -> Examples:
    """Candidates of which two features tell, noisily and not in a line, whether they are vessels."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (number, len(FEATURES)))
    one, other = (features[:, list(FEATURES).index(name)] for name in TELLING)
    is_vessel = rng.random(number) < expit(2 * one - 2 * (np.abs(other) > 1) + 1)
    counted = rng.random(number) < 0.8
    group = np.array([f"section {k % groups}" for k in range(number)])
    suspected = ~counted & (rng.random(number) < 0.5)
    return Examples(features, is_vessel, counted, suspected, group, np.full(number, ""), rng.random(number) < 0.3)


@pytest.fixture(autouse=True)
def few_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning in a moment: two telling features need few steps."""
    monkeypatch.setattr("mvd.training.learner.SPLITS", 60)


# Examples -----------------------------------------------------------------------------------------------------------


def square(x: float, y: float, side: float = 10.0) -> np.ndarray:
    return np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], float)


def candidate(x: float, y: float, side: float = 10.0, reason: Reason | None = None) -> Candidate:
    vessel = Vessel(
        "v", square(x, y, side), (), x + side / 2, y + side / 2, side**2, 0, 0, side, side, 4 * side, 0.5, 1, reason
    )
    suspected = reason is Reason.SINGLE_CELL
    return Candidate(vessel, (float(x),) * len(FEATURES), suspected, Rect(x, y, x + side, y + side), None)


def known(x: float, y: float, side: float = 10.0, *, counts: bool = True, stained: bool = True) -> Known:
    return Known(square(x, y, side), "capillary_cross" if counts else "something", counts, stained)


LABELS = {
    "a vessel": ([candidate(0, 0)], [known(1, 1)], [True]),
    "nothing there": ([candidate(50, 0)], [known(1, 1)], [False]),
    "pigment": ([candidate(0, 0)], [known(0, 0, counts=False, stained=False)], [False]),
    "a large vessel": ([candidate(0, 0)], [known(0, 0, counts=False)], []),
    "a part of a vessel": ([candidate(0, 0), candidate(9, 0, 3.0)], [known(0, 0, 12)], [True]),
    "a vessel that the rule rejects": ([candidate(0, 0, reason=Reason.SINGLE_CELL)], [known(0, 0)], [True]),
    "the counted one of two": (
        [candidate(0, 0, reason=Reason.SINGLE_CELL), candidate(1, 1)],
        [known(0, 0)],
        [True],
    ),
    "a corner of a vessel": ([candidate(0, 0), candidate(29, 29)], [known(0, 0), known(20, 20)], [True, False]),
}


@pytest.mark.parametrize(("found", "truth", "expected"), LABELS.values(), ids=LABELS)
def test_candidates_are_labelled_by_what_is_known(
    found: list[Candidate], truth: list[Known], expected: list[bool]
) -> None:
    assert label(found, truth, group="s").is_vessel.tolist() == expected


def test_the_counted_candidate_takes_the_vessel() -> None:
    found = [candidate(0, 0, reason=Reason.SINGLE_CELL), candidate(1, 1)]
    assert label(found, [known(0, 0)], group="s").counted.tolist() == [True]


def test_the_score_decides_about_what_is_counted_or_only_suspected() -> None:
    found = [candidate(0, 0), candidate(50, 0, reason=Reason.SINGLE_CELL), candidate(90, 0, reason=Reason.HAZE)]
    assert examples(found, [True, False, False], group="s").decided.tolist() == [True, True, False]


def test_examples_are_taken_and_joined() -> None:
    one, other = (examples([candidate(x, 0) for x in xs], [True] * len(xs), group="g") for xs in ([1, 2], [3]))
    together = joined_examples([one, other])
    assert (len(together), together.features[:, 0].tolist()) == (3, [1, 2, 3])
    assert together.take(np.array([2])).features.tolist() == other.features.tolist()
    assert len(joined_examples([])) == 0


def test_sections_to_learn_from_are_as_drawn_and_varied_in_turn() -> None:
    specs = phantom_specs(1000, 40)
    assert specs == phantom_specs(1000, 40)
    assert [spec.stain_strength is None for spec in specs] == [True, False] * 20
    assert {spec.difficulty for spec in specs} == {"easy", "typical", "hard"}
    assert len({spec.um_per_px for spec in specs}) > 30
    assert not {spec.seed for spec in specs} & {spec.seed for spec in new_specs(2000, 40)}


# Learning -----------------------------------------------------------------------------------------------------------


def test_the_steps_say_what_scikit_learn_says() -> None:
    known_ = simulated()
    boosted = learner.booster(3)
    features, is_vessel, weight = with_noise(known_, 3)
    boosted.fit(features, is_vessel, sample_weight=weight)
    ours = learner._boosted(features, is_vessel, weight, 3)
    new = simulated(2).features
    apart = np.abs(logits(ours, new) - boosted.decision_function(new))
    assert np.median(apart) < 1e-3
    assert (apart > 2e-3).mean() < 0.01  # cuts are rounded: what lies beside one may fall on its other side


@pytest.mark.slow
def test_learning_twice_gives_the_same_model() -> None:
    one, other, third = (fit(simulated(), name="n", version="1", seed=seed) for seed in (1, 1, 2))
    assert weights_text(one) == weights_text(other) != weights_text(third)
    assert one.sha256 == hashlib.sha256(weights_text(one).encode()).hexdigest()


def test_a_model_knows_what_it_was_told_and_is_calibrated() -> None:
    model = fit(simulated(), name="n", version="1")
    tried = validate(model, simulated(99, number=4000))
    assert tried.auc is not None
    assert tried.auc > 0.8
    assert tried.ece < 0.06
    heights = {name: np.ptp(step.logits) for name, step in zip(FEATURES, model.steps, strict=True)}
    assert set(sorted(heights, key=lambda name: -heights[name])[:2]) == set(TELLING)


def test_what_the_rule_rejects_weighs_little_unless_it_is_a_vessel() -> None:
    some = simulated().take(np.arange(50))
    expected = [1.0 if decided or vessel else 0.1 for decided, vessel in zip(some.decided, some.is_vessel, strict=True)]
    assert example_weights(some).tolist() == expected


def test_noise_leaves_each_example_as_it_is_once() -> None:
    some = simulated()
    features, is_vessel, weight = with_noise(some, 1)
    assert np.array_equal(features[: len(some)], some.features)
    assert len(features) == len(is_vessel) == len(weight) == 3 * len(some)
    assert np.std(features[len(some) : 2 * len(some)] - some.features) == pytest.approx(0.3, rel=0.1)


def test_each_group_is_held_back_once() -> None:
    groups = np.array([f"g{k}" for k in range(13)])
    parts = parts_of(groups, 1)
    assert len(parts) == 5
    assert sorted(np.concatenate(parts).tolist()) == sorted(groups.tolist())
    assert len(parts_of(groups[:2], 1)) == 2


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, -1.0), (2.0, 0.7)])
def test_calibration_finds_the_line_that_made_the_labels(slope: float, intercept: float) -> None:
    rng = np.random.default_rng(4)
    raw = rng.normal(0, 2, 40_000)
    found = platt(raw, rng.random(len(raw)) < expit(slope * raw + intercept))
    assert found == pytest.approx((slope, intercept), abs=0.06)


def test_calibration_of_separate_kinds_stays_finite() -> None:
    raw = np.array([-5.0] * 50 + [5.0] * 50)
    slope, intercept = platt(raw, raw > 0)
    assert 0 < slope < 10
    assert abs(intercept) < 1


@pytest.mark.parametrize(
    ("chances", "expected"),
    [
        ([0.9] * 100, 0.003),  # never above that
        ([0.002, *[0.9] * 100], 0.002),  # a hundred may not lose one
        ([0.002, 0.0021, *[0.9] * 998], 0.003),  # a thousand may lose two
        ([0.002, 0.0021, 0.0025, *[0.9] * 997], 0.0025),
        ([0.00001, *[0.9] * 10], 0.0001),
        ([], 0.003),
    ],
)
def test_the_threshold_costs_one_vessel_in_five_hundred(chances: list[float], expected: float) -> None:
    assert cautious_threshold(np.array(chances)) == expected


def test_each_size_has_its_own_cautious_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    def spy(chances: np.ndarray) -> float:
        seen.append(chances)
        return 0.001 * len(seen)

    monkeypatch.setattr(learner, "cautious_threshold", spy)
    some = simulated()
    some.features[:, list(FEATURES).index("length")] = np.where(np.arange(len(some)) % 3 == 0, 2.0, 3.5)
    model = fit(some, name="n", version="1")
    assert (model.threshold, model.compact_threshold, model.groups) == (0.001, 0.002, None)
    vessels = some.counted & some.is_vessel
    assert [len(chances) for chances in seen] == [(vessels & ~some.compact).sum(), (vessels & some.compact).sum()]


def test_a_score_of_many_stains_has_the_thresholds_that_were_chosen_for_it() -> None:
    some = simulated()
    model = fit_mixed(some, np.ones(len(some)), name="n", version="1")
    assert (model.threshold, model.compact_threshold) == (learner.THRESHOLD, learner.THRESHOLD)
    assert model.sha256 == hashlib.sha256(weights_text(model).encode()).hexdigest()


def test_what_weighs_nothing_is_not_learned_from() -> None:
    some, other = simulated(), simulated(7)
    both = joined_examples([some, replace(other, is_vessel=~other.is_vessel)])
    weight = np.repeat([1.0, 1e-9], [len(some), len(other)])
    new = simulated(8, number=2000)
    tried = validate(fit_mixed(both, weight, name="n", version="1"), new)
    assert tried.auc is not None
    assert tried.auc > 0.8


def test_examples_of_each_name_weigh_the_same_together() -> None:
    weight = even_weights(["a", "b", "a", "a"])
    assert weight.tolist() == pytest.approx([2 / 3, 2, 2 / 3, 2 / 3])


class _Tree:
    """A tree of one split, as scikit-learn keeps it."""

    def __init__(self, feature: int, cut: float, below: float, above: float) -> None:
        self.tree_ = self
        self.feature, self.threshold = np.array([feature]), np.array([cut])
        self.value = np.array([0.0, below, above]).reshape(3, 1, 1)


def test_cuts_that_are_nearly_the_same_make_one_step() -> None:
    trees = [_Tree(0, 1.00001, 1.0, 3.0), _Tree(0, 1.00002, 0.0, 1.0), _Tree(0, 2.0, 0.0, -2.0)]
    base, (first, second) = steps_of(trees, features=2, rate=0.5, digits=3)
    assert base == 0.5
    assert (first.cuts.tolist(), first.logits.tolist()) == ([1.0, 2.0], [0, 1_500_000, 500_000])
    assert (second.cuts.tolist(), second.logits.tolist()) == ([], [0])


def test_a_tree_that_did_not_split_adds_to_the_constant() -> None:
    stump = _Tree(-2, 0.0, 0.0, 0.0)
    stump.value = np.array([0.8]).reshape(1, 1, 1)
    base, (only,) = steps_of([stump], features=1, rate=0.5, digits=3)
    assert (base, only.logits.tolist()) == (0.4, [0])


@pytest.mark.parametrize("fault", ["no vessel", "vessels alone", "one group"])
def test_what_cannot_be_learned_from_is_refused(fault: str) -> None:
    given = simulated(number=60)
    if fault == "one group":
        given = given.take(given.group == "section 0")
    else:
        given = given.take(given.is_vessel == (fault == "vessels alone"))
    with pytest.raises(TrainingError, match="of at least two sections or specimens"):
        fit(given, name="n", version="1")
    if fault != "one group":
        with pytest.raises(TrainingError, match="of at least two sections or specimens"):
            fit_mixed(given, np.ones(len(given)), name="n", version="1")


def test_without_scikit_learn_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.ensemble", None)
    with pytest.raises(TrainingError, match=r"mvd\[train\]"):
        fit(simulated(number=100), name="n", version="1")


# Trying -------------------------------------------------------------------------------------------------------------


def one_feature(threshold: float = 0.5, compact_threshold: float = 0.5) -> ScoreModel:
    """Probability 0.25 for a feature of at most 0, 0.75 above."""
    height = round(math.log(3) / STEP_UNIT)
    flat = Steps(np.zeros(0), np.zeros(1, np.int64))
    telling = Steps(np.zeros(1), np.array([-height, height]))
    others = [flat] * (len(FEATURES) - 1)
    at = list(FEATURES).index(TELLING[0])
    return ScoreModel("n", "1", "", 0, (*others[:at], telling, *others[at:]), threshold, compact_threshold)


def as_examples(first: np.ndarray, is_vessel: list[bool], *, counted: list[bool], compact: bool = False) -> Examples:
    table = np.zeros((len(first), len(FEATURES)))
    table[:, list(FEATURES).index(TELLING[0])] = first
    number = len(first)
    return Examples(
        table, np.array(is_vessel), np.array(counted), np.zeros(number, bool), np.full(number, "g"),
        np.full(number, ""), np.full(number, compact),
    )  # fmt: skip


def test_a_trial_counts_by_hand() -> None:
    first = np.array([-1.0, -1, -1, -1, 1, 1, 1, 1, 1])
    is_vessel = [True, False, False, False, True, True, True, False, False]
    some = as_examples(first, is_vessel, counted=[True] * 8 + [False])
    tried = validate(one_feature(), some)
    assert (tried.vessels, tried.others, tried.vessels_lost, tried.others_rejected) == (4, 4, 1, 3)
    assert tried.auc == pytest.approx((3 * 3 + 0.5 * (3 + 3)) / 16)
    assert tried.brier == pytest.approx((6 * 0.25**2 + 2 * 0.75**2) / 8)
    assert tried.curve == (pytest.approx((0.25, 0.25, 4)), pytest.approx((0.75, 0.75, 4)))
    assert tried.ece == pytest.approx(0, abs=1e-6)
    nothing = validate(one_feature(), some.take(some.is_vessel))
    assert nothing.auc is None


@pytest.mark.parametrize(
    ("compact", "suspected", "lost"),
    [(False, False, 0), (True, False, 2), (False, True, 0), (True, True, 2)],
    ids=["large", "compact", "suspected", "compact and suspected"],
)
def test_a_trial_rejects_what_the_program_would(compact: bool, suspected: bool, lost: int) -> None:
    """Two vessels of probability 0.25: enough for what is large, not for a cell; a suspicion asks no more."""
    some = as_examples(np.array([-1.0, -1.0]), [True, True], counted=[not suspected] * 2, compact=compact)
    some.suspected[:] = suspected
    assert validate(one_feature(0.2, 0.3), some).vessels_lost == lost


def test_the_chart_is_a_picture_of_the_curve() -> None:
    one, other = (calibration_png([(0.1, share, 30), (0.9, 0.95, 300)]) for share in (0.1, 0.6))
    assert one != other
    assert one == calibration_png([(0.1, 0.1, 30), (0.9, 0.95, 300)])
    assert Image.open(io.BytesIO(one)).size == (490, 480)


def test_probabilities_of_examples_and_of_rows_agree() -> None:
    model, some = fit(simulated(number=300), name="n", version="1"), simulated(3, number=20)
    assert probabilities(model, some.features.tolist()) == pytest.approx(expit(logits(model, some.features)).tolist())
