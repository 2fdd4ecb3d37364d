"""All comparisons of a study: who enters which test, on which scale, and what is said where there is no p-value."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvd.compare import Comparison, Comparisons, CountRow, as_plain, compare_counts
from mvd.errors import ManifestError
from mvd.protocol import ComparisonPlan

AREA_MM2 = 0.3125
VISITS = ("pre", "3mo", "6mo")


def row(patient: str, timepoint: str, count: float | None, response: str | None = None, **changes: Any) -> CountRow:
    given_: dict[str, Any] = {
        "specimen": None,
        "count": count,
        "area_mm2": AREA_MM2 if count is not None else None,
        "mvd_per_mm2": None if count is None else count / AREA_MM2,
        "source": "table",
        "reviewed": True,
        "reason": None if count is not None else "torn",
    }
    return CountRow(patient=patient, timepoint=timepoint, response=response, **(given_ | changes))


def compared(*rows: CountRow, timepoints: tuple[str, ...] = VISITS, **plan: Any) -> Comparisons:
    return compare_counts(rows, timepoints=timepoints, plan=ComparisonPlan(**plan), title="t", source="the counts")


def named(found: Comparisons) -> Mapping[str, Comparison]:
    assert len({one.name for one in found.comparisons}) == len(found.comparisons)
    return {one.name: one for one in found.comparisons}


def visits(patient: str, *counts: float | None, response: str | None = None) -> list[CountRow]:
    """A patient at the visits that have a count, None for a visit that was not made."""
    return [row(patient, at, n, response) for at, n in zip(VISITS, counts, strict=False) if n is not None]


EIGHT = [
    *visits("a", 10, 14, 12, response="R"),
    *visits("b", 12, 20, 30, response="NR"),
    *visits("c", 9, 9, 15, response="R"),
    *visits("d", 20, 31, None, response="R"),
    *visits("e", 7, None, 12, response="NR"),
    *visits("f", 15, 12, 11, response="NR"),
    *visits("g", 8, 16, 10, response="R"),
    *visits("h", None, 22, 25, response="NR"),
]


def test_every_pair_enters_and_whoever_has_none_is_named() -> None:
    found = compared(*EIGHT)
    tests = named(found)
    assert list(tests) == [
        "3mo vs pre",
        "6mo vs pre",
        "earliest vs pre",
        "all timepoints",
        "change 3mo vs pre by response",
        "3mo by response",
        "change 6mo vs pre by response",
        "6mo by response",
        "change earliest vs pre by response",
        "earliest by response",
    ]
    assert [tests[name].n for name in list(tests)[:5]] == [6, 6, 7, 5, 6]
    assert tests["3mo by response"].n == 7  # h has no pair, but a value
    assert tests["3mo by response"].groups == (("NR", 3), ("R", 4))
    missing = {(c.patient, c.timepoint): c.missing for c in found.changes if c.missing}
    assert missing == {
        ("d", "6mo"): "no specimen at '6mo'",
        ("e", "3mo"): "no specimen at '3mo'",
        ("h", "3mo"): "no specimen at 'pre'",
        ("h", "6mo"): "no specimen at 'pre'",
        ("h", "earliest"): "no specimen at 'pre'",
    }
    assert found.left_out == (("h", "no pair: no specimen at 'pre'"),)
    assert [(one.timepoint, one.n, one.median) for one in found.summaries] == [
        ("pre", 7, 32.0),
        ("3mo", 7, 51.2),
        ("6mo", 7, 38.4),
    ]


@pytest.mark.parametrize(
    ("post", "values"),
    [
        ("earliest", {"a": 14, "b": 20, "c": 9, "d": 31, "e": 12, "f": 12, "g": 16, "h": 22}),
        ("latest", {"a": 12, "b": 30, "c": 15, "d": 31, "e": 12, "f": 11, "g": 10, "h": 25}),
        ("mean", {"a": 13, "b": 25, "c": 12, "d": 31, "e": 12, "f": 11.5, "g": 13, "h": 23.5}),
    ],
)
def test_the_post_value_is_chosen_by_the_protocols_rule(post: str, values: dict[str, float]) -> None:
    found = compared(*EIGHT, post=post)
    chosen = {change.patient: change.post for change in found.changes if change.timepoint == post}
    assert chosen == {patient: pytest.approx(3.2 * count) for patient, count in values.items()}
    assert f"{post} vs pre" in named(found)


def test_one_later_timepoint_needs_no_chosen_value_no_friedman_and_no_adjustment() -> None:
    found = compared(*(one for one in EIGHT if one.timepoint != "6mo"), timepoints=("pre", "3mo"))
    assert list(named(found)) == ["3mo vs pre", "change 3mo vs pre by response", "3mo by response"]
    assert found.comparisons[0].p_adjusted is None


@pytest.mark.parametrize("pairwise", ["first", "all"])
def test_the_tests_of_timepoints_are_adjusted_together_and_no_others(pairwise: str) -> None:
    tests = named(compared(*EIGHT, pairwise=pairwise))
    family = ["3mo vs pre", "6mo vs pre", *(["6mo vs 3mo"] if pairwise == "all" else [])]
    assert [name for name, one in tests.items() if one.p_adjusted is not None] == family
    smallest = min(tests[name].p_value or 1 for name in family)
    adjusted = min(tests[name].p_adjusted or 1 for name in family)
    assert adjusted == pytest.approx(min(1.0, len(family) * smallest))
    assert all(f"over {len(family)} tests" in tests[name].note for name in family)


def test_three_response_groups_are_compared_two_by_two_and_adjusted() -> None:
    rows = [*EIGHT, *visits("i", 5, 9, 9, response="CR"), *visits("k", 6, 9, 14, response="CR")]
    tests = named(compared(*rows))
    couples = [name for name in tests if name.startswith("3mo by response")]
    assert couples == [f"3mo by response: {couple}" for couple in ("CR vs NR", "CR vs R", "NR vs R")]
    assert all(tests[name].p_adjusted is not None for name in couples)


def test_the_shift_is_of_the_group_that_is_named_first() -> None:
    rows = [*visits("a", 10, 30, response="b"), *visits("c", 10, 12, response="A")]
    (one,) = (t for t in compared(*rows).comparisons if t.name == "change 3mo vs pre by response")
    assert one.groups == (("A", 1), ("b", 1))
    assert one.estimate == pytest.approx(3.2 * (2 - 20))
    assert "shift: A less b" in one.note


def test_counts_over_one_area_are_compared_as_counts_and_others_as_densities() -> None:
    """The same eleven and a half vessels more, by whatever densities; over another area they are not."""
    assert 16.5 * 3.2 - 5 * 3.2 == 11.5 * 3.2
    assert 12.5 * 3.2 - 1 * 3.2 != 11.5 * 3.2  # in floating point
    rows = [*visits("a", 5, 16.5), *visits("b", 1, 12.5), *visits("c", 20, 13)]
    same = compared(*rows).comparisons[0]
    assert "ties: midranks" in same.method
    assert "on counts over equal areas (0.3125 mm²)" in same.method
    densities = [row(r.patient, r.timepoint, None, mvd_per_mm2=3.2 * r.count, reason=None) for r in rows]  # type: ignore[operator]
    noted = compared(*densities).comparisons[0]
    assert "ties: midranks" in noted.method
    assert "on densities" in noted.method
    assert (noted.p_value, noted.statistic) == (same.p_value, same.statistic)
    assert noted.estimate == pytest.approx(same.estimate)
    other = compared(*rows[:-1], row("c", "3mo", 13, area_mm2=0.25, mvd_per_mm2=52.0)).comparisons[0]
    assert "on densities" in other.method
    assert other.estimate == 24.6  # of 36.8, 36.8 and 52 - 64


def test_numbers_have_no_floating_point_dust() -> None:
    found = compared(*visits("a", 5, 16.5), *visits("b", 0, 11.5))
    assert (found.changes[0].difference, found.comparisons[0].estimate) == (36.8, 36.8)


def test_pratts_zeros_are_ranked() -> None:
    rows = [
        r for n, (x, y) in enumerate([(5, 5), (7, 7), (9, 4), (9, 12), (3, 9), (8, 10)]) for r in visits(f"p{n}", x, y)
    ]
    dropped, ranked = (compared(*rows, zeros=zeros).comparisons[0] for zeros in ("wilcoxon", "pratt"))
    assert "zeros: 2 of 6 dropped before ranking (Wilcoxon)" in dropped.method
    assert "zeros: 2 of 6 ranked, then dropped (Pratt)" in ranked.method
    assert dropped.statistic != ranked.statistic


UNUSABLE = {
    "no rows": ([], {}),
    "no timepoint after the first": (visits("a", 5), {"3mo vs pre": "there are no pairs"}),
    "one pair": (visits("a", 5, 9), {}),
    "no change": (
        [*visits("a", 5, 5, 5), *visits("b", 7, 7, 7)],
        {"3mo vs pre": "none of the 2 pairs differs", "all timepoints": "none of the 2 patients differs"},
    ),
    "nothing counted": ([row("a", "pre", None), row("a", "3mo", None)], {"3mo vs pre": "there are no pairs"}),
    "all zero": ([*visits("a", 0, 0), *visits("b", 0, 0)], {"3mo vs pre": "none of the 2 pairs differs"}),
    "one response": (
        [*visits("a", 5, 9, response="R"), *visits("b", 5, 3, response="R")],
        {"change 3mo vs pre by response": "every response is 'R'; there is no second group"},
    ),
    "a group without pairs": (
        [*visits("a", 5, 9, response="R"), *visits("b", 5, response="NR")],
        {"change 3mo vs pre by response": "nobody to compare among NR"},
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_where_there_is_no_p_it_is_said_why(case: str) -> None:
    rows, notes = UNUSABLE[case]
    found = compared(*rows)
    tests = named(found)
    for name, note in notes.items():
        assert (tests[name].p_value, tests[name].statistic) == (None, None)
        assert note in tests[name].note
    for one in found.comparisons:
        assert (one.p_value is None) == (one.statistic is None)
        assert one.p_value is not None or one.note
    assert found.model.terms == ()
    assert found.model.note
    json.dumps(as_plain(found, version="1"), allow_nan=False)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([row("a", "9mo", 3)], "patient a: there is no timepoint '9mo' (there are pre, 3mo, 6mo)"),
        ([row("a", "pre", 3), row("a", "pre", 4)], "patient a has two counts at 'pre'; keep one of them"),
        ([row("a", "pre", 3, "R"), row("a", "3mo", 4, "N")], "patient a is 'R' and 'N'; a patient has one response"),
    ],
    ids=["timepoint", "twice", "response"],
)
def test_rows_that_contradict_each_other_are_refused(rows: list[CountRow], sentence: str) -> None:
    with pytest.raises(ManifestError) as refused:
        compared(*rows)
    assert str(refused.value) == sentence


def test_a_timepoint_cannot_have_the_name_of_a_rule_for_the_post_value() -> None:
    with pytest.raises(ManifestError, match="a timepoint cannot be named 'latest'"):
        compared(row("a", "pre", 3), timepoints=("pre", "latest"), post="latest")


def test_unreviewed_specimens_and_those_without_a_count_are_named() -> None:
    found = compared(
        row("a", "pre", 5, specimen="a_pre", reviewed=False),
        row("a", "3mo", None, specimen="a_3mo"),
        row("b", "pre", 7),
    )
    assert found.unreviewed == ("a_pre",)
    assert found.left_out[0] == ("a_3mo", "torn")
    assert found.changes[0].missing == "a_3mo: torn"


def test_the_model_of_the_counts_says_what_the_tests_say() -> None:
    rows = [r for n in range(12) for r in visits(f"p{n}", 10 + n, 20 + 2 * n + n % 3, response="RN"[n % 2])]
    model = compared(*rows).model
    assert [term.name for term in model.terms] == ["3mo vs pre", "change 3mo vs pre, N vs R"]
    assert 1.9 < model.terms[0].ratio < 2.2
    assert model.terms[0].p_value < 0.001
    assert model.terms[1].ci_low < 1 < model.terms[1].ci_high
    assert model.text.startswith("24 counts of 12 patients")


def test_power_is_of_the_first_timepoint_and_of_changes_by_response() -> None:
    rows = [r for n in range(12) for r in visits(f"p{n}", 10 + n, 20 + (5 * n) % 11, response="RN"[n % 2])]
    power = {one.comparison: one for one in compared(*rows, timepoints=VISITS[:2]).power}
    assert list(power) == ["3mo vs pre", "change 3mo vs pre by response"]
    assert all((one.detectable or 0) > 0 and one.power == 0.8 for one in power.values())
    few = compared(*rows[:8], timepoints=VISITS[:2]).power[0]
    assert (few.detectable, few.power) == (None, None)
    assert "no shift, however large, gives p ≤ 0.05" in few.text


def test_power_goes_by_the_differences_from_the_first_timepoint() -> None:
    rows = [r for n in range(10) for r in visits(f"p{n}", 10 + 3 * n % 7, 25 + 13 * n % 11, 26 + 13 * n % 11)]
    found = compared(*rows, pairwise="all")
    assert "6mo vs 3mo" in named(found)
    assert [one.comparison for one in found.power] == ["3mo vs pre", "6mo vs pre", "earliest vs pre"]


SOME = st.one_of(st.none(), st.integers(0, 30))


@given(st.lists(st.tuples(SOME, SOME, SOME, st.sampled_from([None, "R", "NR"])), max_size=9), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_counts_give_a_nan_or_a_p_without_its_description(cohort: list[Any], densities: bool) -> None:
    rows = [
        row(f"p{n}", at, count, response)
        for n, (*counts, response) in enumerate(cohort)
        for at, count in zip(VISITS, counts, strict=True)
    ]
    if densities:
        rows = [row(r.patient, r.timepoint, None, r.response, mvd_per_mm2=r.mvd_per_mm2, reason=r.reason) for r in rows]
    found = compared(*rows)
    text = json.dumps(as_plain(found, version="1"), allow_nan=False)
    assert "nan" not in text.casefold()
    for one in found.comparisons:
        if one.p_value is None:
            assert one.note
        else:
            assert 0 < one.p_value <= 1
            assert one.n > 0
            assert one.alternative == "two-sided"
            assert "ties: " in one.method
            assert "zeros: " in one.method
        limits = (one.ci_low, one.estimate, one.ci_high)
        known = [value for value in limits if value is not None]
        assert all(math.isfinite(value) for value in known)
        assert known == sorted(known)


def test_each_test_that_a_cautioned_value_entered_is_told_without_it() -> None:
    rows = list(EIGHT)
    odd = next(index for index, one in enumerate(rows) if (one.patient, one.timepoint) == ("b", "3mo"))
    rows[odd] = replace(rows[odd], caution="doubtful: pale")
    rest = [one for index, one in enumerate(rows) if index != odd]
    found, without = named(compared(*rows)), named(compared(*rest))
    told = without["3mo vs pre"]
    said = f"without specimens that have a caution: n = {told.n}, p = {told.p_value:.4g}, shift {told.estimate:+.1f}"
    assert said in found["3mo vs pre"].note
    assert found["3mo vs pre"].n == told.n + 1
    assert "caution" not in found["6mo vs pre"].note
    assert found["6mo vs pre"] == named(compared(*EIGHT))["6mo vs pre"]


def test_a_test_that_hangs_on_cautioned_values_says_so() -> None:
    rows = [replace(one, caution="doubtful: pale") for one in EIGHT]
    assert "without specimens that have a caution: no p-value" in named(compared(*rows))["3mo vs pre"].note


def test_a_caution_is_about_a_value_that_is_used() -> None:
    used = row("a", "pre", 5, caution="too few fields: 2 of 5 fields fit: no room")
    assert compared(used, row("a", "3mo", 5)).cautioned == (used,)
    assert (used.name, used.caution_in_short) == ("a, pre", "too few fields")
    with pytest.raises(ValueError, match="a caution is about an MVD, and there is none"):
        row("a", "pre", None, caution="doubtful")
