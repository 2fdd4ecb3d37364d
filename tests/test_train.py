"""A model from observers' corrections: labels, held-back specimens, an honest verdict, and nothing put in force."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from command_line import mvd
from hypothesis import given
from hypothesis import strategies as st
from reviewed_example import SHA, begun, decided, machine, square, vessel_at
from simulated_observer import PROTOCOL, observe, write_crowded_study
from small_study import contents, write_protocol

from mvd.cohort import measure_cohort
from mvd.corrections import MachineResult, Review, decide, unreviewed
from mvd.errors import TrainingError
from mvd.fields import CountField
from mvd.geometry import Rect
from mvd.manifest import Specimen
from mvd.models import chosen_score, read_score
from mvd.protocol import FieldPlan, Protocol, ScorePlan
from mvd.review import open_review, take
from mvd.study import read_study
from mvd.training.examples import Examples
from mvd.training.gather import Gathered, Labelled, agreed, gather, refuse_too_few
from mvd.training.labels import Label, labels_of, matched
from mvd.training.learner import HIGHEST_THRESHOLD, fit
from mvd.training.study import train_score
from mvd.training.trial import (
    MEASURES,
    Measure,
    Scored,
    Trial,
    auc,
    brier,
    calibration,
    compare,
    f1,
    folds,
    in_words,
    log_loss,
)
from mvd.vessels.model import Reason
from mvd.vessels.score import FEATURES, ScoreModel
from mvd.vessels.steps import Steps

PLAN = FieldPlan(border="frame")

# Labels -------------------------------------------------------------------------------------------------------------

SEEN = MachineResult(
    "p1_pre",
    SHA,
    (
        vessel_at(1, 20, 20),
        vessel_at(2, 60, 20),
        vessel_at(3, 100, 20, Reason.SINGLE_CELL),
        vessel_at(4, 140, 20, Reason.IN_BONE),
        vessel_at(5, 20, 60, Reason.HAZE),
        vessel_at(6, 60, 60),
        vessel_at(7, 100, 300),
        vessel_at(8, 300, 20, Reason.PIGMENT),
    ),
    (CountField("1", Rect.square(0, 0, 80), 0.0064), CountField("2", Rect.square(80, 0, 80), 0.0064)),
)


def told(review: Review) -> dict[str, bool]:
    return {label.candidate.name: label.is_vessel for label in labels_of(review, PLAN)}


def finished(review: Review) -> Review:
    return decided(review, decide.finish())


def test_a_finished_review_labels_every_candidate_of_its_fields() -> None:
    assert told(finished(begun(SEEN))) == {
        "v00001": True,
        "v00002": True,
        "v00003": False,
        "v00005": False,
        "v00006": True,
    }


def test_a_review_that_goes_on_labels_what_was_decided() -> None:
    review = begun(SEEN)
    assert told(review) == {}
    review = decided(review, decide.accept(review, "v00001"))
    review = decided(review, decide.reject(review, "v00002", Reason.PIGMENT))
    assert told(review) == {"v00001": True, "v00002": False}
    assert [label.reason for label in labels_of(review, PLAN)] == [None, Reason.PIGMENT]
    assert told(decided(review, decide.undo(review))) == {"v00001": True}


def test_what_an_observer_was_not_shown_is_no_label() -> None:
    review = decided(unreviewed(SEEN), decide.hide(), decide.begin())
    review = finished(decided(review, decide.mark(review, 20, 20)))
    assert told(review) == {"v00001": True}
    assert len(told(decided(review, decide.reveal()))) > 1


def test_what_is_rejected_for_its_size_or_place_is_no_label() -> None:
    review = begun(SEEN)
    review = decided(review, decide.reject(review, "v00001", Reason.TOO_SMALL))
    review = decided(review, decide.reject(review, "v00002", Reason.BONE_EDGE))
    assert told(review) == {}


def test_a_field_left_out_labels_nothing() -> None:
    review = begun(SEEN)
    review = decided(review, decide.mark_unevaluable(review, "1", "fold"))
    assert told(finished(review)) == {"v00003": False}


def test_a_moved_field_labels_what_is_in_it_now() -> None:
    review = begun(SEEN)
    field = CountField("2", Rect.square(80, 280, 80), 0.0064)
    review = decided(review, decide.move_field(review, field, [vessel_at(9, 140, 300, Reason.HAZE)]))
    labels = told(finished(review))
    assert labels["v00007"] is True
    assert labels["c00002"] is False
    assert "v00003" not in labels


def test_a_candidate_of_a_move_that_was_undone_is_none() -> None:
    review = begun(SEEN)
    field = CountField("2", Rect.square(80, 280, 80), 0.0064)
    review = decided(review, decide.move_field(review, field, [vessel_at(9, 40, 40)]))
    assert "c00002" in told(finished(review))
    assert "c00002" not in told(finished(decided(review, decide.undo(review))))


@pytest.mark.parametrize("at", [(20.0, 60.0), (22.0, 58.0)])
def test_a_vessel_added_on_a_rejected_candidate_makes_it_one(at: tuple[float, float]) -> None:
    review = begun(SEEN)
    review = decided(review, decide.add_point(review, *at))
    assert told(review) == {"v00005": True}


def test_a_vessel_added_beside_a_candidate_says_nothing_of_it() -> None:
    review = begun(SEEN)
    review = decided(review, decide.add_outline(review, square(30, 60, 10)))
    assert told(review) == {}


def test_merged_and_split_candidates_are_what_they_became() -> None:
    review = begun(SEEN)
    review = decided(review, decide.merge(review, ["v00001", "v00005"]))
    line = np.array([[60.0, 40.0], [60.0, 80.0]])
    review = decided(review, decide.split(review, "v00006", line=line))
    assert told(review) == {"v00001": True, "v00005": True, "v00006": True}
    for name in [name for name in review.objects if name.startswith("c")]:
        review = decided(review, decide.reject(review, name, Reason.HAZE))
    assert told(review) == {"v00001": False, "v00005": False, "v00006": False}


def test_candidates_found_anew_are_matched_by_their_outlines() -> None:
    labels = [Label(vessel, True, None, True) for vessel in machine().vessels[:3]]
    moved = vessel_at(7, 21.0, 20.0)  # by a twelfth: IoU 0.85
    far = vessel_at(8, 68.0, 20.0)  # by two thirds: IoU 0.2
    assert [(index, label.candidate.name) for index, label in matched(labels, [far.outline, moved.outline])] == [
        (1, "v00001")
    ]
    assert len(matched(labels, [vessel.outline for vessel in machine().vessels])) == 3


# The trial ----------------------------------------------------------------------------------------------------------

TRUTH = np.array([True, True, False, False])
HALF = Scored(np.array([0.9, 0.4, 0.4, 0.1]), 0.5)


def test_measures_have_the_values_worked_out_by_hand() -> None:
    assert log_loss(TRUTH, HALF) == pytest.approx(-(2 * math.log(0.9) + math.log(0.4) + math.log(0.6)) / 4)
    assert brier(TRUTH, HALF) == pytest.approx((0.01 + 0.36 + 0.16 + 0.01) / 4)
    assert auc(TRUTH, HALF) == pytest.approx((1 + 1 + 0.5 + 1) / 4)  # of four pairs one is a tie
    assert f1(TRUTH, HALF) == pytest.approx(2 * 1 / (1 + 2))
    nothing = Scored(np.full(4, 0.5), 0.5)
    assert log_loss(TRUTH, nothing) == pytest.approx(math.log(2))
    assert auc(TRUTH, nothing) == 0.5


def test_a_sure_mistake_costs_much_but_not_without_end() -> None:
    assert 3 < log_loss(TRUTH, Scored(np.array([0.0, 1, 0, 0]), 0.5)) < 4


def test_measures_that_cannot_be_told_are_not_made_up() -> None:
    assert math.isnan(auc(np.array([True]), Scored(np.array([0.5]), 0.5)))
    assert math.isnan(f1(np.array([False]), Scored(np.array([0.1]), 0.5)))


@given(st.integers(1, 30), st.integers(0, 9))
def test_every_specimen_is_held_back_once(number: int, seed: int) -> None:
    names = [f"s{k}" for k in range(number)]
    parts = folds(names * 3, seed=seed)
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert len(parts) == min(number, 5)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert parts == folds(names[::-1], seed=seed)


def test_another_seed_holds_back_others() -> None:
    names = [f"s{k}" for k in range(12)]
    assert folds(names, seed=1) != folds(names, seed=2)


def some_labels(specimens: int, each: int = 40) -> tuple[np.ndarray, list[str], np.random.Generator]:
    rng = np.random.default_rng(5)
    return rng.random(specimens * each) < 0.6, [f"s{k // each}" for k in range(specimens * each)], rng


def scored(truth: np.ndarray, rng: np.random.Generator, *, good: float) -> Scored:
    return Scored(np.clip(good * truth + (1 - good) * rng.random(len(truth)), 0.01, 0.99), 0.5)


@pytest.mark.parametrize(("new", "shipped", "verdict"), [(0.6, 0.1, "better"), (0.1, 0.6, "worse")])
def test_the_better_score_is_said_to_be_better(new: float, shipped: float, verdict: str) -> None:
    truth, names, rng = some_labels(8)
    trial = compare(truth, names, new=scored(truth, rng, good=new), shipped=scored(truth, rng, good=shipped), seed=1)
    assert trial.verdict == verdict
    assert set(trial.new) == set(trial.shipped) == set(trial.difference) == set(MEASURES)
    for name in MEASURES:
        assert trial.difference[name].value == pytest.approx(trial.new[name].value - trial.shipped[name].value)
        assert trial.new[name].low <= trial.new[name].value <= trial.new[name].high


def test_equal_scores_are_no_different() -> None:
    truth, names, rng = some_labels(8)
    one = scored(truth, rng, good=0.4)
    trial = compare(truth, names, new=one, shipped=one, seed=1)
    assert trial.verdict == "no different"
    assert trial.difference["AUC"] == Measure(0.0, 0.0, 0.0)


def test_a_few_specimens_never_make_a_verdict() -> None:
    truth, names, rng = some_labels(4)
    good, bad = scored(truth, rng, good=0.7), scored(truth, rng, good=0.0)
    assert compare(truth, names, new=good, shipped=bad, seed=1).verdict == "too few specimens"


def test_specimens_are_drawn_not_objects() -> None:
    """One slide on which a score fails makes its interval wide, however many objects the others have."""
    truth, names, rng = some_labels(6, each=100)
    good = scored(truth, rng, good=0.5)
    failing = replace(good, probability=np.where(np.array(names) == "s0", 1 - good.probability, good.probability))
    one = compare(truth, names, new=failing, shipped=good, seed=1)
    assert one.new["log-loss"].high - one.new["log-loss"].low > 5 * (
        one.shipped["log-loss"].high - one.shipped["log-loss"].low
    )
    assert one.verdict == "no different"


def test_calibration_sets_what_was_said_beside_what_is_true() -> None:
    rows = calibration(np.array([True, False, True, True]), np.array([0.15, 0.15, 0.9, 1.0]))
    assert rows == ((0.15, 0.5, 2), (0.95, 1.0, 2))


def test_the_same_seed_gives_the_same_trial() -> None:
    truth, names, rng = some_labels(5)
    one, other = scored(truth, rng, good=0.3), scored(truth, rng, good=0.2)
    trials = [compare(truth, names, new=one, shipped=other, seed=3) for _ in range(2)]
    assert trials[0] == trials[1]
    assert isinstance(trials[0], Trial)


@pytest.mark.parametrize(
    ("low", "high", "specimens", "words"),
    [
        (
            -0.3,
            -0.1,
            8,
            "is better than the shipped one: log-loss 0.200 against 0.400, difference -0.200 (95 % interval",
        ),
        (0.1, 0.3, 8, "is worse than the shipped one"),
        (-0.3, 0.1, 8, "cannot be told from the shipped one: .*; there is no reason to choose it"),
        (-0.3, -0.1, 4, "cannot be told: .* a verdict needs 5 specimens"),
    ],
)
def test_the_verdict_is_a_plain_sentence(low: float, high: float, specimens: int, words: str) -> None:
    def loss(value: float, low: float = 0.0, high: float = 1.0) -> dict[str, Measure]:
        return {"log-loss": Measure(value, low, high)}

    sentence = in_words(Trial(loss(0.2), loss(0.4), loss(-0.2, low, high), specimens))
    assert all(part in sentence for part in words.split(".*"))
    assert not sentence.endswith(".")


# Too little to learn from -------------------------------------------------------------------------------------------

SPECIMEN = Specimen(specimen="s1", patient="p", timepoint="pre", image=Path("s1.tif"))


def gathered(*numbers: tuple[int, int]) -> Gathered:
    """So many vessels and others in each specimen."""
    return Gathered(
        tuple(
            Labelled(
                SPECIMEN.model_copy(update={"specimen": f"s{n}"}),
                Protocol(),
                (),
                tuple(("anna", Label(vessel_at(k, 0, 0), k < vessels, None, True)) for k in range(vessels + others)),
            )
            for n, (vessels, others) in enumerate(numbers, start=1)
        ),
        (),
    )


TOO_FEW = {
    "no review": (gathered(), "no observer has decided on anything in this study; review some specimens first"),
    "one specimen": (gathered((90, 90)), "candidates of 1 specimen; a model needs at least 3"),
    "two specimens": (gathered((90, 90), (90, 90)), "candidates of 2 specimens; a model needs at least 3"),
    "few vessels": (gathered((9, 90), (10, 9), (10, 9)), "took 29 candidates for vessels and 108 for something else"),
    "few others": (gathered((90, 9), (90, 9), (90, 9)), "needs at least 30 of each; review more fields"),
}


@pytest.mark.parametrize(("labels", "sentence"), TOO_FEW.values(), ids=TOO_FEW.keys())
def test_too_few_labels_make_no_model(labels: Gathered, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvd.training.gather.LEAST_OF_EACH", 30)
    with pytest.raises(TrainingError, match=sentence):
        refuse_too_few(labels)
    refuse_too_few(gathered((10, 10), (10, 10), (10, 10)))


def test_what_observers_differ_on_is_no_label() -> None:
    one, other = machine().vessels[:2]
    labels = [
        ("anna", Label(one, True, None, True)),
        ("ben", Label(one, False, Reason.HAZE, True)),
        ("anna", Label(other, True, None, True)),
        ("ben", Label(other, True, None, False)),
    ]
    found, disputed = agreed(labels, [one.outline, other.outline])
    assert (list(found), disputed) == ([1], 1)
    assert found[1].is_vessel


# A model from reviews -----------------------------------------------------------------------------------------------

SPECIMENS = 5


@pytest.fixture(scope="module")
def reviewed_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated sections, each reviewed by an observer who knows the truth; tests change a copy."""
    study = write_crowded_study(tmp_path_factory.mktemp("reviewed") / "study", SPECIMENS)
    plan = read_study(study)
    measure_cohort(plan.manifest, plan.protocol, study / "results")
    for number in range(1, SPECIMENS + 1):
        observe(study, f"s{number}")
    return study


@pytest.fixture(scope="module", autouse=True)
def small_limits() -> Iterator[None]:
    """Limits and a learner that suit five small sections, and a shipped score that knows nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mvd.training.gather.LEAST_OF_EACH", 20)
        patch.setattr("mvd.training.study.LEAST_OF_EACH", 5)
        patch.setattr("mvd.training.learner.SPLITS", 60)
        patch.setattr("mvd.training.study.shipped_score", says_nothing)
        yield


def says_nothing() -> ScoreModel:
    """A score of one half for everything."""
    flat = Steps(np.zeros(0), np.zeros(1, np.int64))
    return ScoreModel("nothing", "0", "00" * 32, 0, (flat,) * len(FEATURES), 0.5, 0.5)


@dataclass(frozen=True)
class Run:
    study: Path
    before: dict[str, bytes]
    after: dict[str, bytes]
    out: str
    model: ScoreModel


@pytest.fixture(scope="module")
def run(reviewed_study: Path, small_limits: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`mvd train` once."""
    study = Path(shutil.copytree(reviewed_study, tmp_path_factory.mktemp("run") / "study"))
    before = contents(study)
    done = mvd("train", study, "--name", "ours")
    assert done.status == 0, done.err
    return Run(study, before, contents(study), done.out, read_score(study / "models" / "ours"))


@pytest.fixture
def study(reviewed_study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reviewed_study, tmp_path / "study"))


def labels_in(study: Path) -> Gathered:
    return gather(read_study(study).manifest.specimens, study / "results", study / "reviews")


@pytest.mark.slow
def test_a_model_is_made_and_tried_and_its_verdict_told(run: Run) -> None:
    assert "is better than the shipped one: log-loss" in run.out
    assert 'it is not in force: to count by it, set model = "models/ours" under [score] in study.toml' in run.out
    card = json.loads(run.after["models/ours/card.json"])
    assert (run.model.name, card["weights_sha256"]) == ("ours", run.model.sha256)
    assert card["data"]["specimens"] == ["s1", "s2", "s3", "s4", "s5"]
    assert card["validation"]["verdict"] == "better"
    assert card["validation"]["new"]["AUC"]["value"] > 0.75
    tried = sum(row["candidates"] for row in card["validation"]["calibration"])
    assert tried == sum(card["data"]["counted or suspected by the rule"].values())
    assert card["compact_threshold"] == run.model.compact_threshold <= HIGHEST_THRESHOLD
    assert run.model.groups is None


@pytest.mark.slow
def test_a_model_is_written_but_not_put_in_force(run: Run) -> None:
    assert {name: data for name, data in run.after.items() if not name.startswith("models/")} == run.before
    assert set(run.after) - set(run.before) == {"models/ours/card.json", "models/ours/weights.json"}


@pytest.mark.slow
def test_a_model_can_be_chosen_as_the_program_says(run: Run, tmp_path: Path) -> None:
    study = Path(shutil.copytree(run.study, tmp_path / "study"))
    write_protocol(study, PROTOCOL.model_copy(update={"score": ScorePlan(model="models/ours")}))
    chosen = chosen_score(read_study(study).protocol.score.model, study)
    assert chosen is not None
    assert chosen.sha256 == run.model.sha256


@pytest.mark.slow
def test_each_specimen_is_judged_by_a_model_that_has_not_seen_it(
    run: Run, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned_from: list[set[str]] = []

    def spy(examples: Examples, **more: object) -> ScoreModel:
        learned_from.append(set(examples.group.tolist()))
        return fit(examples, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("mvd.training.study.fit", spy)
    trained = train_score(labels_in(study), study / "models", name="again")
    *held_back, whole = learned_from
    names = {f"s{n}" for n in range(1, SPECIMENS + 1)}
    assert whole == names
    assert sorted(min(names - seen) for seen in held_back) == sorted(names)
    assert all(len(names - seen) == 1 for seen in held_back)
    assert trained.model.sha256 == run.model.sha256  # the same reviews and seed give the same model


@pytest.mark.slow
def test_a_model_of_a_name_that_is_taken_is_not_overwritten(study: Path) -> None:
    (study / "models" / "trained-1").mkdir(parents=True)
    for name, words in (("trained-1", "exists already and stays as it is"), ("../ours", "cannot be a model's name")):
        done = mvd("train", study, "--name", name)
        assert (done.status, done.out) == (1, "")
        assert words in done.err
    assert mvd("train", study).status == 0
    assert [path.name for path in sorted((study / "models").glob("*/card.json"))] == ["card.json"]
    assert (study / "models" / "trained-2" / "card.json").is_file()
    assert not (study / "ours").exists()


@pytest.mark.slow
def test_a_model_that_is_no_better_is_not_called_better(run: Run, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a score that has seen what is held back."""
    monkeypatch.setattr("mvd.training.study.shipped_score", lambda: run.model)
    trained = train_score(labels_in(study), study / "models", name="second")
    assert trained.trial.verdict in ("worse", "no different")


def without_reviews(study: Path) -> None:
    shutil.rmtree(study / "reviews")


def two_reviews(study: Path) -> None:
    for number in (3, 4, 5):
        (study / "reviews" / "anna" / f"s{number}.jsonl").unlink()


def a_broken_log(study: Path) -> None:
    two_reviews(study)
    path = study / "reviews" / "anna" / "s1.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"accept"', b'"reject"', 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without_reviews, "no observer has decided on anything in this study"),
        (two_reviews, "candidates of 2 specimens; a model needs at least 3"),
        (a_broken_log, "candidates of 1 specimen; a model needs at least 3"),
    ],
)
def test_too_little_gives_one_sentence_and_no_folder(
    study: Path, change: Callable[[Path], None], sentence: str
) -> None:
    change(study)
    done = mvd("train", study)
    assert (done.status, done.out) == (1, "")
    (line,) = done.err.splitlines()
    assert sentence in line
    assert not (study / "models").exists()


@pytest.mark.slow
def test_what_is_left_out_is_told(study: Path) -> None:
    (study / "s5.ome.tif").write_bytes(b"no image")
    opened = open_review(study / "results", study / "reviews", specimen="s1", observer="ben")
    opened = take(opened, decide.begin())
    label = next(label for _, label in labels_in(study).specimens[0].labels if label.is_vessel)
    take(opened, decide.reject(opened.review, label.candidate.name, Reason.HAZE))
    trained = train_score(labels_in(study), study / "models", name="ours")
    assert trained.observers == ("anna", "ben")
    assert [note.split(":")[0] for note in trained.notes] == [
        "s5 is left out",
        "1 candidate is left out because the observers differ on it",
    ]
    assert trained.trial.verdict == "too few specimens"
