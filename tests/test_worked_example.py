"""The worked example: invented counts with the numbers, medians and ranges of the source paper's table."""

import csv
import importlib.util
import json
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from command_line import mvd

from mvd.comparison import compare_table

FOLDER = Path(__file__).parents[1] / "docs" / "worked-example"

TABLE = """\
timepoint   n  median MVD/mm²       range
pre        22            52.8    16–156.8
3mo        19            76.8     6.4–160
6mo        13            60.8  38.4–108.8
"""
"""As the paper has it: Ferrajoli et al., Blood 2008."""


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_counts", FOLDER / "make_counts.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mvd_compare_prints_the_papers_table_to_the_digit(tmp_path: Path) -> None:
    outcome = mvd("compare", "--table", FOLDER / "counts.csv", "--out", tmp_path)
    assert (outcome.status, outcome.err) == (0, "")
    for line in TABLE.splitlines():
        assert any(shown.startswith(line) for shown in outcome.out.splitlines()), line
    found = json.loads((tmp_path / "paired.json").read_text(encoding="utf-8"))
    assert [(one["n"], one["median"], one["minimum"], one["maximum"]) for one in found["timepoints"]] == [
        (22, 52.8, 16.0, 156.8),
        (19, 76.8, 6.4, 160.0),
        (13, 60.8, 38.4, 108.8),
    ]


R_P_VALUES = {
    "3mo vs pre": 0.6721039,
    "6mo vs pre": 0.8374023,
    "earliest vs pre": 0.6965828,
    "change 3mo vs pre by response": 0.1517765,
    "3mo by response": 0.1210010,
    "change 6mo vs pre by response": 0.7587413,
    "6mo by response": 0.8578089,
    "change earliest vs pre by response": 0.2998030,
    "earliest by response": 0.2831310,
}
"""Of check.R, beside the counts; the paper has .697 for the change, and .300 for it by response."""


def test_the_p_values_are_rs() -> None:
    found = compare_table(FOLDER / "counts.csv").comparisons
    assert {one.name: one.p_value for one in found if one.test != "friedman"} == pytest.approx(R_P_VALUES, abs=1e-7)


def test_what_the_page_shows_is_what_is_printed(tmp_path: Path) -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    shown = page.partition("--out report\n")[2].partition("…\n")[0]
    assert len(shown.splitlines()) > 10
    assert mvd("compare", "--table", FOLDER / "counts.csv", "--out", tmp_path).out.startswith(shown)


def test_every_patient_has_a_pair_and_every_value_is_a_whole_count_over_five_fields() -> None:
    rows = list(
        csv.DictReader(
            line for line in (FOLDER / "counts.csv").read_text(encoding="utf-8").splitlines() if line[0] != "#"
        )
    )
    responses = {row["patient"]: row["response"] for row in rows}
    assert Counter(responses.values()) == {"responder": 13, "non-responder": 9}
    assert all({row["timepoint"] for row in rows if row["patient"] == name} > {"pre"} for name in responses)
    assert all(row["count"].isdigit() and row["area_mm2"] == "0.3125" for row in rows)


def test_the_script_beside_it_makes_the_same_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = maker()
    monkeypatch.setattr(made, "FILE", tmp_path / "counts.csv")
    made.main()
    assert (tmp_path / "counts.csv").read_bytes() == (FOLDER / "counts.csv").read_bytes()
