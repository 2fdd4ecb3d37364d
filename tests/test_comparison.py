"""mvd compare: whose counts of a study, or of a table, are compared, and what is written."""

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from command_line import mvd
from small_study import PROTOCOL, ROWS, copy_of, write_protocol

from mvd.cli.compared import number
from mvd.comparison import compare_study, compare_table
from mvd.corrections import decide
from mvd.counting import assign
from mvd.errors import MvdError, StoreError
from mvd.protocol import ComparisonPlan, Protocol
from mvd.reading import Reading, open_reading
from mvd.review import take
from mvd.vessels.model import Reason

COUNTS = "patient,timepoint,count,area_mm2\na,pre,17,0.3125\na,3mo,20,0.3125\nb,pre,4,0.3125\nb,3mo,9,0.3125\n"


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    return copy_of(measured_study, tmp_path)


def review(study: Path, specimen: str, observer: str, *, rejected: int = 1, finish: bool = True) -> None:
    """A review in which some vessels that counted do not."""
    opened = take(open_reading(study, Reading(specimen, specimen, False, specimen), observer), decide.begin())
    places = assign(opened.review.vessels, opened.review.counted_fields, "frame")
    counted = [v.name for v in opened.review.vessels if v.accepted and places[v.name].fields]
    for name in counted[:rejected]:
        opened = take(opened, decide.reject(opened.review, name, Reason.HAZE))
    if finish:
        take(opened, decide.finish())


def counts_of(study: Path, counts: str | None = None) -> dict[str, Any]:
    rows = compare_study(study, counts=counts).rows
    return {row.specimen or "": (row.count, row.source, row.reviewed, row.reason) for row in rows}


def plain(folder: Path) -> Any:
    return json.loads((folder / "paired.json").read_text(encoding="utf-8"))


def test_the_programs_counts_are_compared_and_who_was_not_reviewed_is_named(study: Path) -> None:
    machine = counts_of(study)
    assert [row[1:] for row in machine.values()] == [("program", False, None)] * 2
    review(study, "p1_pre", "anna")
    assert counts_of(study)["p1_pre"] == (machine["p1_pre"][0], "program", True, None)
    found = compare_study(study)
    results = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (study / "results").glob("p1_*.json")
    }
    told = {name: result["tables"]["specimen"] for name, result in results.items()}
    assert {row.specimen: (row.ci_low, row.ci_high) for row in found.rows} == {
        name: (row["ci_low"], row["ci_high"]) for name, row in told.items()
    }
    assert found.unreviewed == ("p1_post",)
    assert found.source == "the program's own counts, without observers' corrections"
    assert (found.comparisons[0].name, found.comparisons[0].n) == ("post vs pre", 1)


def test_results_may_lie_elsewhere(study: Path, tmp_path: Path) -> None:
    machine = counts_of(study)
    elsewhere = (study / "results").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="holds no result of this study"):
        compare_study(study)
    outcome = mvd("compare", study, "--results", elsewhere, "--out", tmp_path / "report")
    assert (outcome.status, outcome.err) == (0, "")
    counts = {row["specimen"]: row["count"] for row in plain(tmp_path / "report")["specimens"]}
    assert counts == {name: row[0] for name, row in machine.items()}
    assert (tmp_path / "report" / "paired.html").read_text(encoding="utf-8").count("<img") >= 6, "field pictures"


def test_observers_counts_are_of_what_they_finished(study: Path) -> None:
    machine = counts_of(study)
    count = {name: row[0] for name, row in machine.items()}
    review(study, "p1_pre", "anna", rejected=0)
    review(study, "p1_pre", "bert", rejected=1)
    review(study, "p1_post", "anna", rejected=1)
    review(study, "p1_post", "bert", finish=False)
    assert counts_of(study, "observer:bert") == {
        "p1_pre": (count["p1_pre"] - 1, "bert", True, None),
        "p1_post": (None, "bert", False, "not finished by bert"),
    }
    assert counts_of(study, "mean") == {
        "p1_pre": (count["p1_pre"] - 0.5, "mean of anna, bert", True, None),
        "p1_post": (count["p1_post"] - 1, "anna", True, None),
    }
    assert counts_of(study, "mean:anna,bert") == {
        "p1_pre": (count["p1_pre"] - 0.5, "mean of anna, bert", True, None),
        "p1_post": (None, "anna and bert", True, "not finished by bert"),
    }
    found = compare_study(study, counts="observer:bert")
    assert found.source == "the counts of bert, of finished specimens"
    assert found.left_out[0] == ("p1_post", "not finished by bert")
    with pytest.raises(MvdError, match="'carl' has reviewed nothing; those who have: anna, bert"):
        compare_study(study, counts="observer:carl")


def test_a_damaged_log_stops_only_what_is_made_of_it(study: Path) -> None:
    review(study, "p1_pre", "anna")
    review(study, "p1_post", "bert")
    machine, annas = counts_of(study), counts_of(study, "observer:anna")
    (log,) = (path for path in (study / "reviews" / "bert").glob("p1_post*") if b"begin" in path.read_bytes())
    log.write_bytes(log.read_bytes().replace(b"begin", b"bogus"))
    assert counts_of(study)["p1_post"] == (machine["p1_post"][0], "program", False, None)
    assert counts_of(study, "observer:anna") == annas
    for counts in ("program", "observer:anna"):
        assert "not read" in compare_study(study, counts=counts).source
        assert compare_study(study, counts=counts).source.endswith("(see mvd audit): p1_post by bert")
    for counts in ("observer:bert", "mean"):
        with pytest.raises(StoreError, match="p1_post"):
            compare_study(study, counts=counts)


@pytest.mark.slow
def test_the_protocol_says_whose_counts_unless_the_command_does(study: Path) -> None:
    review(study, "p1_pre", "anna")
    write_protocol(study, PROTOCOL.model_copy(update={"compare": PROTOCOL.compare.with_counts("observer:anna")}))
    assert mvd("compare", study).status == 0
    assert plain(study / "report")["counts"] == "the counts of anna, of finished specimens"
    assert mvd("compare", study, "--counts", "program").status == 0
    assert plain(study / "report")["counts"].startswith("the program's own counts")


def test_a_specimen_without_a_result_stays_in_with_the_reason(study: Path) -> None:
    for path in (study / "results").glob("p1_post*"):
        if path.is_file():
            path.unlink()
    assert counts_of(study)["p1_post"] == (None, "program", False, "not measured yet; run mvd run")
    (study / ROWS[0]["image"]).unlink()  # the images are not needed any more
    assert counts_of(study)["p1_pre"][0] is not None


FEW = "2 of 5 fields fit: no room"


def mark(study: Path, specimen: str, **changes: Any) -> None:
    """Another status or reason in a specimen's result."""
    path = study / "results" / f"{specimen}.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["tables"]["specimen"] |= changes
    path.write_text(json.dumps(stored), encoding="utf-8")


def cautions_of(study: Path, counts: str | None = None) -> dict[str, str | None]:
    return {row.specimen or "": row.caution for row in compare_study(study, counts=counts).rows}


def test_a_value_of_too_few_fields_or_of_a_doubtful_slide_is_used_with_a_caution(study: Path) -> None:
    assert cautions_of(study) == {"p1_pre": None, "p1_post": None}
    mark(study, "p1_pre", status="too few fields", reason=FEW)
    mark(study, "p1_post", status="doubtful", reason="hardly any brown")
    assert cautions_of(study) == {"p1_pre": f"too few fields: {FEW}", "p1_post": "doubtful: hardly any brown"}
    outcome = mvd("compare", study)
    assert f"Counted with a caution\n  p1_pre: too few fields: {FEW}\n  p1_post: doubtful: hardly" in outcome.out
    rows = plain(study / "report")["specimens"]
    assert [row["caution"] for row in rows] == [f"too few fields: {FEW}", "doubtful: hardly any brown"]


def test_an_observers_count_keeps_the_caution_of_its_fields_and_of_its_slide(study: Path) -> None:
    mark(study, "p1_post", status="doubtful", reason="hardly any brown")
    opened = take(open_reading(study, Reading("p1_pre", "p1_pre", False, "p1_pre"), "anna"), decide.begin())
    opened = take(opened, decide.mark_unevaluable(opened.review, "1", "a fold"))
    take(opened, decide.finish())
    review(study, "p1_pre", "bert")
    review(study, "p1_post", "bert")
    few = "too few fields: field 1 is left out: a fold"
    assert cautions_of(study, "observer:anna") == {"p1_pre": few, "p1_post": None}
    assert cautions_of(study, "observer:bert") == {"p1_pre": None, "p1_post": "doubtful: hardly any brown"}
    assert cautions_of(study, "mean") == {"p1_pre": f"{few} (by anna)", "p1_post": "doubtful: hardly any brown"}
    assert cautions_of(study)["p1_pre"] is None, "the program counted in all its fields"


def test_specimens_that_were_measured_by_different_protocols_are_not_compared(study: Path) -> None:
    path = study / "results" / "p1_post.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["tables"]["specimen"]["protocol"] = "another"
    path.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(MvdError, match=r"p1_post: measured by another protocol \(another\) than the other specimens"):
        compare_study(study)


def test_a_study_that_was_not_measured_or_reviewed_is_refused(study: Path) -> None:
    with pytest.raises(MvdError, match=r"holds no reviews; review the study with mvd review"):
        compare_study(study, counts="mean")
    (study / "results").rename(study / "elsewhere")
    with pytest.raises(MvdError, match="holds no result of this study; measure it with mvd run"):
        compare_study(study)


def test_a_table_is_compared_without_any_image(tmp_path: Path) -> None:
    table, out = tmp_path / "microscope.csv", tmp_path / "out"
    table.write_text(COUNTS, encoding="utf-8")
    outcome = mvd("compare", "--table", table, "--out", out)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == f"wrote {out / 'paired.json'}"
    found = plain(out)
    assert found["title"] == "microscope"
    assert found["timepoints"][1] == {
        "timepoint": "3mo", "n": 2, "median": 46.4, "minimum": 28.8, "maximum": 64.0, "q1": 37.6, "q3": 55.2,
        "mean": 46.4, "sd": pytest.approx(24.8902, abs=1e-4),
    }  # fmt: skip
    (test,) = found["comparisons"]
    assert test == {
        "name": "3mo vs pre", "n": 2, "groups": [], "test": "wilcoxon_signed_rank",
        "method": "exact, all 2^n sign assignments; ties: none; zeros: none; on counts over equal areas (0.3125 mm²)",
        "alternative": "two-sided", "statistic": 3.0, "p_value": 0.5, "p_adjusted": None, "estimate": 12.8,
        "ci_low": None, "ci_high": None, "confidence": None, "effect": 1.0,
        "effect_name": "matched-pairs rank-biserial r",
        "note": "with 2 pairs that differ, p cannot be below 0.5; so few values give no interval: "
        "the widest there is has a level of 50.0%; 2 went up, 0 stayed, 0 went down; median change +12.8",
    }  # fmt: skip


def test_whose_counts_of_a_table_were_taken_is_in_the_plan(tmp_path: Path) -> None:
    table = tmp_path / "microscope.csv"
    table.write_text(COUNTS, encoding="utf-8")
    assert compare_table(table).plan.counts == "table"
    assert compare_table(table, protocol=PROTOCOL.model_copy(update={"timepoints": ("pre", "3mo")})).plan.counts == (
        "table"
    )
    table.write_text(COUNTS.replace(",0.3125", ",0.3125,anna").replace("mm2", "mm2,observer"), encoding="utf-8")
    assert compare_table(table).plan.counts == "observer:anna"
    outcome = mvd("compare", "--table", table, "--counts", "program", "--out", tmp_path / "out")
    assert (outcome.status, len(outcome.err.splitlines())) == (1, 1)
    assert "microscope.csv holds no counts of the program; leave --counts out, or name an observer" in outcome.err


def test_a_study_has_no_counts_of_a_table(study: Path) -> None:
    with pytest.raises(MvdError, match="'table' goes with mvd compare --table"):
        compare_study(study, counts="table")


@pytest.mark.slow
def test_the_same_counts_give_the_same_bytes(tmp_path: Path) -> None:
    table = tmp_path / "microscope.csv"
    table.write_text(COUNTS, encoding="utf-8")
    for out in ("one", "two"):
        assert mvd("compare", "--table", table, "--out", tmp_path / out).status == 0
    assert (tmp_path / "one" / "paired.json").read_bytes() == (tmp_path / "two" / "paired.json").read_bytes()


def test_a_protocol_says_how_a_table_is_compared(tmp_path: Path) -> None:
    table, protocol = tmp_path / "microscope.csv", tmp_path / "study.toml"
    table.write_text(COUNTS, encoding="utf-8")
    protocol.write_text(
        'title = "Our study"\ntimepoints = ["3mo", "pre"]\n[compare]\nzeros = "pratt"\n', encoding="utf-8"
    )
    assert mvd("compare", "--table", table, "--protocol", protocol, "--out", tmp_path).status == 0
    found = plain(tmp_path)
    assert (found["title"], found["comparisons"][0]["name"]) == ("Our study", "pre vs 3mo")
    assert (found["comparisons"][0]["estimate"], found["plan"]["zeros"]) == (-12.8, "pratt")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "give the folder of a study, or --table"),
        (["study", "--table", "t.csv"], "give the folder of a study, or --table"),
        (["--table", "t.csv"], "--table needs --out"),
        (["study", "--protocol", "p.toml"], "--protocol goes with --table"),
        (["--table", "t.csv", "--out", "o", "--results", "r"], "--results goes with the folder of a study"),
    ],
    ids=["nothing", "both", "no folder", "protocol", "results"],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], sentence: str) -> None:
    outcome = mvd("compare", *arguments)
    assert outcome.status == 2
    assert sentence in outcome.err


def test_one_timepoint_is_a_table_and_nothing_to_compare(tmp_path: Path) -> None:
    table = tmp_path / "counts.csv"
    table.write_text("patient,timepoint,count,area_mm2\na,pre,17,0.3125\n", encoding="utf-8")
    outcome = mvd("compare", "--table", table, "--out", tmp_path / "out")
    assert outcome.status == 0
    assert "There is only one timepoint, and nothing to compare." in outcome.out
    assert plain(tmp_path / "out")["comparisons"] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(52.8, "52.8"), (160.0, "160"), (-0.04, "0"), (0.0, "0"), (16.0, "+16"), (-3.2, "-3.2"), (None, "–")],
)
def test_densities_are_shown_as_papers_give_them(value: float | None, text: str) -> None:
    assert number(value, sign="+" if text.startswith("+") or text == "0" else "") == text


def test_names_from_outside_are_shown_as_text(tmp_path: Path) -> None:
    table = tmp_path / "counts.csv"
    table.write_text(COUNTS.replace("3mo", "[red]3mo").replace("a,", "\x1b[2Ja,"), encoding="utf-8")
    outcome = mvd("compare", "--table", table, "--out", tmp_path / "out")
    assert "[red]3mo vs pre" in outcome.out
    assert "\x1b" not in outcome.out


def test_what_counts_are_named_wrongly_is_said(tmp_path: Path) -> None:
    table = tmp_path / "counts.csv"
    table.write_text(COUNTS, encoding="utf-8")
    for counts in ("anna", "observer:", "observer:a,b", "mean:a", "mean:a,a", "mean:", ""):
        with pytest.raises(MvdError, match="does not say whose counts"):
            compare_table(table, counts=counts)


def test_a_test_that_gave_no_p_is_not_told_how_p_was_computed(tmp_path: Path) -> None:
    table = tmp_path / "counts.csv"
    table.write_text(COUNTS + "b,6mo,,\na,6mo,,\n", encoding="utf-8")
    shown = mvd("compare", "--table", table, "--out", tmp_path / "out").out
    how = shown.partition("How p was computed\n")[2].partition("\nNotes")[0]
    assert "3mo vs pre" in how
    assert "6mo vs pre" in shown
    assert "6mo vs pre" not in how
    assert "all timepoints" not in how


@pytest.mark.parametrize("zeros", ["wilcoxon", "pratt"])
def test_shift_and_interval_are_of_all_pairs_also_of_those_that_did_not_change(tmp_path: Path, zeros: str) -> None:
    """Six of ten stayed: half of the means of two differences are near 0, whatever the test makes of zeros."""
    after = [10] * 6 + [20, 24, 28, 8]
    rows = [f"p{k},{at},{count},1.0" for k, last in enumerate(after) for at, count in (("pre", 10), ("3mo", last))]
    table = tmp_path / "counts.csv"
    table.write_text("\n".join(["patient,timepoint,count,area_mm2", *rows, ""]), encoding="utf-8")
    protocol = Protocol(timepoints=("pre", "3mo"), compare=ComparisonPlan(zeros=zeros))
    found = compare_table(table, protocol=protocol)
    one = next(test for test in found.comparisons if test.name == "3mo vs pre")
    differences = [last - 10 for last in after]
    means = sorted((a + b) / 2 for i, a in enumerate(differences) for b in differences[i:])
    assert one.estimate == pytest.approx(median(means))
    assert one.ci_low is not None and one.ci_high is not None
    assert one.ci_low <= 0 <= one.ci_high
    assert "3 went up, 6 stayed, 1 went down; median change +0" in one.note
    assert ("the test is of the 4 pairs that differ, shift and interval of all 10" in one.note) == (zeros == "wilcoxon")
