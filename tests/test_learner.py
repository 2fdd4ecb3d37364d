"""Learning a score: labels from what is known, the learner's own steps, calibration and a cautious threshold."""

from __future__ import annotations

import hashlib
import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.special import expit

from mvd.errors import TrainingError
from mvd.models import Card, read_score, weights_text
from mvd.phantom import PhantomSpec
from mvd.training import learner, rivals
from mvd.training.chart import calibration_png
from mvd.training.examples import (
    Examples,
    Known,
    examples,
    joined_examples,
    label,
    phantom_examples,
    phantom_specs,
    section_examples,
)
from mvd.training.learner import cautious_threshold, example_weights, fit, parts_of, platt, with_noise
from mvd.training.shipped import Reference, make_shipped, new_specs
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
    return Examples(features, is_vessel, counted, group, np.full(number, ""))


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
    return Candidate(vessel, (float(x),) * len(FEATURES))


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


SMALL = PhantomSpec(
    seed=5, width_um=150, height_um=150, um_per_px=0.5, vessel_density_per_mm2=300, bone_fraction=0, tissue_edge=False
)


@pytest.mark.slow
def test_a_section_gives_the_same_examples_on_any_number_of_processes() -> None:
    alone = section_examples(SMALL)
    assert alone.is_vessel.any()
    assert set(alone.group.tolist()) == {"phantom typical 5"}
    assert "capillary" in " ".join(alone.kind[alone.is_vessel].tolist())
    for workers in (1, 2):
        both = phantom_examples([SMALL, SMALL], workers=workers)
        assert both.features.tolist() == alone.features.tolist() * 2


# Learning -----------------------------------------------------------------------------------------------------------


def test_the_steps_say_what_scikit_learn_says() -> None:
    known_ = simulated()
    boosted = learner.booster(3)
    features, is_vessel, weight = with_noise(known_, 3)
    boosted.fit(features, is_vessel, sample_weight=weight)
    ours = learner._steps(known_, 3)
    new = simulated(2).features
    assert logits(ours, new) == pytest.approx(boosted.decision_function(new), abs=1e-4)


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
    expected = [1.0 if counted or vessel else 0.1 for counted, vessel in zip(some.counted, some.is_vessel, strict=True)]
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


@pytest.mark.parametrize("fault", ["no vessel", "vessels alone", "one group"])
def test_what_cannot_be_learned_from_is_refused(fault: str) -> None:
    given = simulated(number=60)
    if fault == "one group":
        given = given.take(given.group == "section 0")
    else:
        given = given.take(given.is_vessel == (fault == "vessels alone"))
    with pytest.raises(TrainingError, match="of at least two sections or specimens"):
        fit(given, name="n", version="1")


def test_without_scikit_learn_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.ensemble", None)
    with pytest.raises(TrainingError, match=r"mvd\[train\]"):
        fit(simulated(number=100), name="n", version="1")


# Trying -------------------------------------------------------------------------------------------------------------


def one_feature(threshold: float = 0.5) -> ScoreModel:
    """Probability 0.25 for a feature of at most 0, 0.75 above."""
    height = round(math.log(3) / STEP_UNIT)
    flat = Steps(np.zeros(0), np.zeros(1, np.int64))
    telling = Steps(np.zeros(1), np.array([-height, height]))
    return ScoreModel("n", "1", "", 0, (telling, *[flat] * (len(FEATURES) - 1)), threshold)


def test_a_trial_counts_by_hand() -> None:
    first = np.array([-1.0, -1, -1, -1, 1, 1, 1, 1, 1])
    table = np.zeros((9, len(FEATURES)))
    table[:, 0] = first
    is_vessel = np.array([True, False, False, False, True, True, True, False, False])
    counted = np.array([True] * 8 + [False])
    some = Examples(table, is_vessel, counted, np.full(9, "g"), np.full(9, ""))
    tried = validate(one_feature(), some)
    assert (tried.vessels, tried.others, tried.vessels_lost, tried.others_rejected) == (4, 4, 1, 3)
    assert tried.auc == pytest.approx((3 * 3 + 0.5 * (3 + 3)) / 16)
    assert tried.brier == pytest.approx((6 * 0.25**2 + 2 * 0.75**2) / 8)
    assert tried.curve == (pytest.approx((0.25, 0.25, 4)), pytest.approx((0.75, 0.75, 4)))
    assert tried.ece == pytest.approx(0, abs=1e-6)
    nothing = validate(one_feature(), some.take(some.is_vessel))
    assert nothing.auc is None


@pytest.mark.slow
def test_rivals_are_tried_on_sections_unlike_those_they_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    some = simulated(number=400)
    kinds = np.array(["easy", "typical varied", "hard", "hard varied"])[np.arange(400) % 4]
    some = Examples(
        some.features, some.is_vessel, some.counted, np.char.add(np.char.add("phantom ", kinds), " 7"), some.kind
    )
    seen: list[set[str]] = []
    chances = rivals._chances

    def watched(made: object, source: Examples, new: Examples, seed: int) -> np.ndarray:
        assert not set(source.group.tolist()) & set(new.group.tolist())
        seen.append(set(new.group.tolist()))
        return chances(made, source, new, seed)

    monkeypatch.setattr(rivals, "_chances", watched)
    results = list(rivals.race(some))
    assert [(r.learner, r.tried_on) for r in results] == [
        (name, target) for name in rivals.LEARNERS for target in ("the fifth", "hard ones", "varied looks")
    ]
    assert all(result.auc > 0.6 for result in results)
    assert {"phantom hard 7", "phantom hard varied 7"} in seen
    assert {"phantom typical varied 7", "phantom hard varied 7"} in seen


def test_the_chart_is_a_picture_of_the_curve() -> None:
    one, other = (calibration_png([(0.1, share, 30), (0.9, 0.95, 300)]) for share in (0.1, 0.6))
    assert one != other
    assert one == calibration_png([(0.1, 0.1, 30), (0.9, 0.95, 300)])
    assert Image.open(io.BytesIO(one)).size == (490, 480)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_shipped_model_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two dozen quick sections instead of hundreds."""
    monkeypatch.setattr("mvd.training.shipped.SECTIONS", 12)
    monkeypatch.setattr("mvd.training.shipped.NEW_SECTIONS", 6)
    monkeypatch.setattr("mvd.training.shipped.RED_CELL_SECTIONS", 3)
    monkeypatch.setattr("mvd.training.examples._SECTION_UM", 160.0)
    monkeypatch.setattr("mvd.training.shipped.race", lambda known: ())
    picture, boxes = tmp_path / "real.png", tmp_path / "boxes.csv"
    Image.fromarray(_picture()).save(picture)
    boxes.write_text("kind,x0,y0,x1,y1\nvessel,0,0,20,20\nambiguous,30,30,60,60\n", encoding="utf-8")
    folder = tmp_path / "model"
    made = make_shipped(folder, workers=1, kept=tmp_path / "kept", reference=Reference(picture, boxes, um_per_px=0.5))
    assert {path.name for path in folder.iterdir()} == {"weights.json", "card.json", "README.md", "calibration.png"}
    assert read_score(folder).sha256 == made.sha256
    card = Card.model_validate_json((folder / "card.json").read_bytes())
    assert list(card.validation["tried on"]) == [
        "new easy sections", "new typical sections", "new hard sections", "all new sections",
        "new sections with brown red cells", "real picture real.png",
    ]  # fmt: skip
    parts = [card.validation["tried on"][f"new {d} sections"]["vessels"] for d in ("easy", "typical", "hard")]
    assert sum(parts) == card.validation["tried on"]["all new sections"]["vessels"] > 0
    assert card.validation["tried on"]["new sections with brown red cells"]["vessels"] > 0
    again = make_shipped(tmp_path / "again", workers=1, kept=tmp_path / "kept")
    assert again.sha256 == made.sha256


def _picture() -> np.ndarray:
    from sections import section  # noqa: PLC0415

    return section(SMALL).image.pixels


def test_probabilities_of_examples_and_of_rows_agree() -> None:
    model, some = fit(simulated(number=300), name="n", version="1"), simulated(3, number=20)
    assert probabilities(model, some.features.tolist()) == pytest.approx(expit(logits(model, some.features)).tolist())
