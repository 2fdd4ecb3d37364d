"""Values proposed from an observer's corrections: chosen on some specimens, tried on others, and never put in force."""

import json
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import mvd
from simulated_observer import PROTOCOL, observe
from small_study import contents, write_manifest, write_protocol

from mvd.agreement import Detection
from mvd.cohort import measure_cohort
from mvd.corrections import decide
from mvd.counting import count
from mvd.errors import ProtocolError
from mvd.moves import survey_ground, vessels_at
from mvd.phantom import PhantomSpec, TruthVessel, make_phantom
from mvd.phantom.write import write_ome_tiff
from mvd.protocol import CountingRule, Protocol, ScorePlan, StainPlan
from mvd.review import open_review, reviewed_count, take
from mvd.steering.preview import keep_sensitivity
from mvd.steering.reads import Read, read_finished
from mvd.steering.search import Proposal, Tried, best_values, propose
from mvd.steering.study import Steered, in_toml, in_words
from mvd.steering.trial import try_values
from mvd.steering.values import Grid, Values, grid_round
from mvd.study import read_study

NOW, PALER, PALEST, LARGER = (
    Values(0, 12.5, 8.0),
    Values(1, 12.5, 8.0),
    Values(2, 12.5, 8.0),
    Values(0, 20.0, 8.0),
)

# The search ---------------------------------------------------------------------------------------------------------


def tried(specimen: str, **outcomes: tuple[int, int, int]) -> Tried:
    """Matched, extra and missed vessels, by the name of the values."""
    names = {"now": NOW, "paler": PALER, "palest": PALEST, "larger": LARGER}
    return Tried(specimen, {names[name]: Detection(*outcome) for name, outcome in outcomes.items()})


MISSES = {"now": (6, 0, 4), "paler": (10, 0, 0), "larger": (5, 0, 5)}
"""An observer who counts paler vessels."""
AGREES = {"now": (10, 0, 0), "paler": (10, 4, 0), "larger": (8, 0, 2)}


def test_values_of_the_least_disagreement_are_chosen() -> None:
    assert best_values([tried("s1", **MISSES), tried("s2", **MISSES)], NOW) == PALER
    assert best_values([tried("s1", **AGREES), tried("s2", **AGREES)], NOW) == NOW


def test_as_much_too_many_as_missed_is_no_agreement() -> None:
    """The count with the first is right by chance; with the second one vessel is missed, no more."""
    assert best_values([tried("s1", now=(5, 5, 5), paler=(9, 0, 1))], NOW) == PALER


@pytest.mark.parametrize(
    ("outcomes", "chosen"),
    [
        ({"palest": (9, 0, 1), "now": (9, 0, 1), "paler": (9, 0, 1)}, NOW),
        ({"palest": (9, 0, 1), "now": (8, 0, 2), "paler": (9, 0, 1)}, PALER),
    ],
)
def test_among_equal_values_the_nearest_to_the_present_ones_are_chosen(
    outcomes: dict[str, tuple[int, int, int]], chosen: Values
) -> None:
    assert best_values([tried("s1", **outcomes)], NOW) == chosen
    assert best_values([tried("s1", **dict(reversed(outcomes.items())))], NOW) == chosen


def test_a_specimen_has_no_say_in_the_values_that_it_is_counted_with() -> None:
    odd = tried("odd", now=(10, 0, 0), paler=(10, 99, 0), larger=(8, 0, 2))
    rows = propose([tried("s1", **MISSES), tried("s2", **MISSES), odd], NOW).left_out
    assert [(row.specimen, row.values) for row in rows] == [("s1", NOW), ("s2", NOW), ("odd", PALER)]
    assert rows[2].proposed == Detection(10, 99, 0)


def test_errors_have_the_values_worked_out_by_hand() -> None:
    found = propose([tried(f"s{n}", **MISSES) for n in (1, 2, 3)], NOW)
    assert (found.error_now, found.error_proposed) == (4.0, 0.0)
    assert (found.f1_now, found.f1_proposed) == (pytest.approx(12 / 16), 1.0)
    assert [(row.observed, row.nearer) for row in found.left_out] == [(10, 4)] * 3


ON_OTHERS = {
    "all of them miss the same": ([MISSES] * 4, "better"),
    "all of them agree": ([AGREES] * 4, "as they are"),
    "two are too few": ([MISSES] * 2, "too few specimens"),
    "none": ([], "too few specimens"),
    "one misses much, the others agree": ([{**MISSES, "now": (1, 0, 99)}, AGREES, AGREES], "no better"),
    "much nearer in two, farther in two": (
        [{"now": (9, 0, 9), "paler": (18, 0, 0)}] * 2 + [{"now": (9, 0, 0), "paler": (9, 1, 0)}] * 2,
        "no better",
    ),
    "the count is nearer, the vessels are wrong": ([{"now": (9, 0, 5), "paler": (4, 2, 4)}] * 3, "no better"),
}


@pytest.mark.parametrize(("outcomes", "verdict"), ON_OTHERS.values(), ids=ON_OTHERS.keys())
def test_only_what_helps_on_specimens_left_out_is_proposed(
    outcomes: list[dict[str, tuple[int, int, int]]], verdict: str
) -> None:
    found = propose([tried(f"s{n}", **outcome) for n, outcome in enumerate(outcomes)], NOW)
    assert found.verdict == verdict
    leave = "Leave the values as they are." in in_words(steered(found))
    assert leave == (verdict != "better")


def steered(found: Proposal) -> Steered:
    return Steered("anna", found, tried=4, fields=9, vessels=30, left_out=())


# The values ---------------------------------------------------------------------------------------------------------


def test_the_present_values_are_always_among_those_tried() -> None:
    assert grid_round(NOW) == Grid((-3, -2, -1, 0, 1, 2, 3), (8.0, 12.5, 20.0), (4.0, 8.0, 12.0))
    far = Values(5, 999.0, 49.0)
    grid = grid_round(far)
    assert (far.sensitivity in grid.sensitivities, far.min_area_um2 in grid.sizes_um2) == (True, True)
    assert (max(grid.sizes_um2), grid.gaps_um) == (1000.0, (45.0, 49.0, 50.0))
    assert grid_round(Values(0, 0.0, 0.0)) == Grid(tuple(range(-3, 4)), (0.0,), (0.0, 4.0))


@pytest.mark.parametrize("best", [PALER, LARGER, Values(-2, 8.0, 12.0)])
def test_the_lines_to_set_make_a_protocol_of_the_values(best: Values) -> None:
    lines = in_toml(Protocol(), best)
    assert Values.of(Protocol.model_validate(tomllib.loads(lines))) == best


def test_a_rule_with_a_name_of_its_own_keeps_it() -> None:
    ours = Protocol(rule=CountingRule(name="ours"))
    assert in_toml(ours, LARGER) == "[rule]\nmin_area_um2 = 20.0"


# A study ------------------------------------------------------------------------------------------------------------

SPECIMENS = ("s1", "s2", "s3", "s4")
WITHOUT_SCORE = PROTOCOL.model_copy(update={"score": ScorePlan(model="none")})


def half_pale(path: Path, seed: int) -> tuple[TruthVessel, ...]:
    """A section whose right half holds a quarter of the DAB; what is true of it."""
    spec = PhantomSpec(
        seed=seed,
        width_um=250,
        height_um=250,
        difficulty="easy",
        vessel_density_per_mm2=200,
        bone_fraction=0,
        fat_fraction=0.1,
        tissue_edge=False,
        stain_strength=1.0,
    )
    strong, weak = make_phantom(spec), make_phantom(replace(spec, stain_strength=0.25))
    half = strong.image.pixels.shape[1] // 2
    pixels = np.hstack([strong.image.pixels[:, :half], weak.image.pixels[:, half:]])
    write_ome_tiff(path, strong.image.with_pixels(pixels))
    return strong.truth


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sections with pale vessels. anna counts them, ben counts what the program does, cleo finished two, dora none."""
    study = tmp_path_factory.mktemp("steered") / "study"
    study.mkdir()
    write_protocol(study, WITHOUT_SCORE)
    write_manifest(
        study,
        *({"specimen": s, "patient": f"p{s}", "timepoint": "pre", "image": f"{s}.ome.tif"} for s in SPECIMENS),
    )
    truth = {name: half_pale(study / f"{name}.ome.tif", int(name[1:])) for name in SPECIMENS}
    plan = read_study(study)
    measure_cohort(plan.manifest, plan.protocol, study / "results")
    for name in SPECIMENS:
        observe(study, name, truth=truth[name])
        agree(study, name, "ben")
        agree(study, name, "cleo", finish=name in SPECIMENS[:2])
    return study


def agree(study: Path, specimen: str, observer: str, *, finish: bool = True) -> None:
    """A review without a correction."""
    opened = open_review(study / "results", study / "reviews", specimen=specimen, observer=observer)
    opened = take(opened, decide.begin())
    if finish:
        take(opened, decide.finish())


@pytest.fixture
def few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for these sections; to try all takes minutes."""
    monkeypatch.setattr("mvd.steering.values.SENSITIVITIES", (0, 1, 2, 3))
    monkeypatch.setattr("mvd.steering.values._GAP_STEP_UM", 0.0)


@pytest.mark.slow
@pytest.mark.usefixtures("few_values")
def test_an_observer_who_counts_paler_vessels_gets_more_sensitivity_and_a_smaller_error(reviewed: Path) -> None:
    before = contents(reviewed)
    done = mvd("calibrate", reviewed, "--observer", "anna", "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert (told["verdict"], told["specimens"]) == ("better", 4)
    assert told["best"]["sensitivity"] > 0
    assert all(row["values"]["sensitivity"] > 0 for row in told["left_out"])
    assert told["mean_absolute_error"]["left_out"] < 0.6 * told["mean_absolute_error"]["now"]
    assert told["f1"]["left_out"] > told["f1"]["now"]
    assert contents(reviewed) == before
    again = mvd("calibrate", reviewed, "--observer", "anna", "--json")
    assert again.out == done.out


@pytest.mark.slow
@pytest.mark.usefixtures("few_values")
def test_the_values_proposed_do_bring_the_count_nearer(reviewed: Path, tmp_path: Path) -> None:
    """The lines to set, set; the study measured anew."""
    study = Path(shutil.copytree(reviewed, tmp_path / "study"))
    told = json.loads(mvd("calibrate", study, "--observer", "anna", "--json").out)
    chosen = tomllib.loads(told["study_toml"])
    protocol = Protocol.model_validate({k: {**WITHOUT_SCORE.model_dump()[k], **v} for k, v in chosen.items()})
    assert protocol.stain == StainPlan(sensitivity=told["best"]["sensitivity"])
    write_protocol(study, protocol.model_copy(update={"fields": WITHOUT_SCORE.fields, "score": WITHOUT_SCORE.score}))
    plan = read_study(study)
    anew = [row.count or 0 for row in measure_cohort(plan.manifest, plan.protocol, study / "results")]
    error = [abs(count - row["observer"]) for count, row in zip(anew, told["left_out"], strict=True)]
    assert sum(error) / len(error) < told["mean_absolute_error"]["now"]


@pytest.mark.slow
@pytest.mark.usefixtures("few_values")
def test_an_observer_who_agrees_with_the_program_is_told_to_leave_it(reviewed: Path) -> None:
    done = mvd("calibrate", reviewed, "--observer", "ben")
    assert done.status == 0, done.err
    assert "No other values that were tried agree better with ben. Leave the values as they are." in done.out
    assert "study.toml" not in done.out
    lines = [line.split() for line in done.out.splitlines() if line.split()[:1] and line.split()[0] in SPECIMENS]
    assert len(lines) == 4
    assert all(observer == now == held_out for _, observer, now, held_out, *_ in lines)


@pytest.mark.slow
def test_two_finished_specimens_are_said_to_be_too_few(reviewed: Path) -> None:
    done = mvd("calibrate", reviewed, "--observer", "cleo")
    assert done.status == 0
    assert done.out.startswith("The evidence is too thin: 2 finished specimens of cleo's can be used, and at least 3")
    assert "Leave the values as they are." in done.out
    assert done.err.splitlines() == [f"mvd: {name} is left out: the review is not finished" for name in SPECIMENS[2:]]


def nobody(study: Path) -> list[str]:
    shutil.rmtree(study / "reviews")
    return []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (nobody, "mvd: no observer has reviewed anything in this study; review some specimens with mvd review first"),
        (lambda _: [], "mvd: observers are anna, ben, cleo; name one of them: --observer 'anna'"),
        (
            lambda _: ["--observer", "dora"],
            "mvd: nobody named 'dora' has reviewed anything here; observers are anna, ben, cleo",
        ),
    ],
)
def test_whose_corrections_are_meant_must_be_plain(
    reviewed: Path, tmp_path: Path, change: Callable[[Path], list[str]], sentence: str
) -> None:
    study = Path(shutil.copytree(reviewed, tmp_path / "study"))
    done = mvd("calibrate", study, *change(study))
    assert (done.status, done.out, done.err.splitlines()) == (1, "", [sentence])


def first_read(study: Path, observer: str) -> Read:
    specimens = read_study(study).manifest.specimens
    return read_finished(specimens, study / "results", study / "reviews", observer=observer).reads[0]


@pytest.mark.slow
def test_with_the_present_values_the_count_is_that_of_the_result(reviewed: Path) -> None:
    read = first_read(reviewed, "ben")
    outcome = try_values(read, Grid((0,), (12.5,), (8.0,)), protocol=WITHOUT_SCORE, study=reviewed).outcomes[NOW]
    counts = reviewed_count(read.opened.review, WITHOUT_SCORE)
    assert counts is not None
    assert outcome == Detection(counts.count, 0, 0)


@pytest.mark.slow
def test_a_larger_least_size_counts_what_a_search_with_it_counts(reviewed: Path) -> None:
    read, sizes = first_read(reviewed, "anna"), (12.5, 150.0)
    outcomes = try_values(read, Grid((0,), sizes, (8.0,)), protocol=WITHOUT_SCORE, study=reviewed).outcomes
    for size_um2 in sizes:
        rule = WITHOUT_SCORE.rule.model_copy(update={"min_area_um2": size_um2})
        ground = survey_ground(read.specimen, read.opened, study=reviewed)
        rects = [field.rect for field in read.opened.review.counted_fields]
        found = vessels_at(ground, rects, evaluable=ground.evaluable(read.opened.review.involved), rule=rule)
        fields = read.opened.review.counted_fields
        counted = count(found, fields, border=WITHOUT_SCORE.fields.border, confidence=0.95).count
        outcome = outcomes[Values(0, size_um2, 8.0)]
        assert outcome.matched + outcome.extra == counted
    assert outcomes[Values(0, 150.0, 8.0)] != outcomes[NOW]


# Kept in study.toml ---------------------------------------------------------------------------------------------------

FILES = {
    "an empty file": ("", "[stain]\nsensitivity = 2 # why\n"),
    "no section": ("[review]\nblinded = true\n", "[review]\nblinded = true\n\n[stain]\nsensitivity = 2 # why\n"),
    "a section without it": (
        '[stain]\n# sensitivity = 0\n\n[rule]\nname = "mine"\n',
        '[stain]\nsensitivity = 2 # why\n# sensitivity = 0\n\n[rule]\nname = "mine"\n',
    ),
    "a value": ("[stain]\n  sensitivity = -1  # old\n[counts]\n", "[stain]\nsensitivity = 2 # why\n[counts]\n"),
    "a section at the end": ("[stain] # stain", "[stain] # stain\nsensitivity = 2 # why\n"),
}


@pytest.mark.parametrize(("text", "expected"), FILES.values(), ids=FILES)
def test_a_sensitivity_is_kept_in_its_line_and_all_else_stays(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "study.toml"
    file.write_text(text, encoding="utf-8")
    keep_sensitivity(file, 2, " why ")
    assert file.read_text(encoding="utf-8") == expected
    assert Protocol.from_toml(expected).stain.sensitivity == 2


def test_a_file_of_a_windows_editor_keeps_its_ends_of_lines(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_bytes(b"\xef\xbb\xbf[stain]\r\nsensitivity = 0\r\n\r\n[review]\r\nblinded = true\r\n")
    keep_sensitivity(file, 2, "why")
    assert file.read_bytes() == b"[stain]\r\nsensitivity = 2 # why\r\n\r\n[review]\r\nblinded = true\r\n"


def test_a_reason_is_one_line_and_cannot_become_a_key(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text("", encoding="utf-8")
    keep_sensitivity(file, 1, 'pale\nsensitivity = 5 \\1 "')
    assert Protocol.from_toml(file.read_text(encoding="utf-8")).stain.sensitivity == 1
    kept = file.read_bytes()
    for why in ("", " \n ", "x" * 201, "a\u202eb", "\x1b[2J"):
        with pytest.raises(ProtocolError, match="reason"):
            keep_sensitivity(file, 2, why)
    assert file.read_bytes() == kept


@pytest.mark.parametrize(
    "text",
    ["stain = {sensitivity = 1}\n", "stain.sensitivity = 1\n", "[ stain ]\n'sensitivity' = 1\n", "[stain"],
    ids=["inline", "dotted", "quoted", "broken"],
)
def test_a_file_that_cannot_be_changed_safely_stays_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "study.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ProtocolError):
        keep_sensitivity(file, 2, "why")
    assert file.read_text(encoding="utf-8") == text
