"""Where agreement cannot be told: None and the reason, never nan, never an interval out of nothing."""

import json
import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mvd.agreement import BlandAltman, Estimate, bland_altman, intraclass, within_subject_variation
from mvd.agreement.correlation import NO_ERROR, NO_SPREAD, TOO_FEW

tables = st.tuples(st.integers(0, 6), st.integers(2, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 9).map(float))
)
pairs = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12).map(
    lambda rows: np.array(rows, np.float64).reshape(-1, 2)
)


@pytest.mark.parametrize(
    ("ratings", "form", "value", "note"),
    [
        pytest.param(np.empty((0, 2)), "2,1", None, TOO_FEW, id="nothing"),
        pytest.param([[3, 4]], "2,1", None, TOO_FEW, id="one subject"),
        pytest.param([[3], [4]], "3,1", None, TOO_FEW, id="one reader"),
        pytest.param([[5, 5], [5, 5], [5, 5]], "2,1", None, NO_SPREAD, id="all equal"),
        pytest.param([[0, 0], [0, 0]], "3,1", None, NO_SPREAD, id="all zero"),
        pytest.param([[2, 2], [7, 7], [4, 4]], "2,1", 1.0, NO_ERROR, id="readers never differ"),
        pytest.param([[2, 2], [7, 7], [4, 4]], "3,1", 1.0, NO_ERROR, id="readers never differ, consistency"),
        pytest.param([[2, 5], [7, 10], [4, 7]], "3,1", 1.0, NO_ERROR, id="a constant apart"),
        pytest.param([[3.2 * 11, 3.2 * 16], [16.0, 32.0], [0.0, 16.0]], "3,1", 1.0, NO_ERROR, id="apart as floats are"),
        pytest.param([[52.8, 52.8 + 1e-13], [16.0, 16.0]], "2,1", 1.0, NO_ERROR, id="equal but for rounding"),
        pytest.param([[5, 7], [5, 7], [5, 7]], "3,1", None, NO_SPREAD, id="readers differ, subjects do not"),
    ],
)
def test_correlation_that_cannot_be_told(ratings: object, form: str, value: float | None, note: str) -> None:
    found = intraclass(np.array(ratings, np.float64), form=form)
    assert found.value == (None if value is None else pytest.approx(value))
    assert (found.low, found.high, found.note) == (None, None, note)


def test_a_constant_bias_has_an_interval_of_agreement() -> None:
    """Without error the limits of Shrout and Fleiss still stand: McGraw & Wong's with the columns alone."""
    table = np.array([[2, 5], [7, 10], [4, 7]], np.float64)
    found = intraclass(table, form="2,1")
    # psych::ICC(m, lmer = FALSE)$results[2, ]
    assert (found.value, found.low, found.high) == pytest.approx((0.5846154, 0.001757266, 0.9818821), rel=1e-6)


@pytest.mark.parametrize("scale", ["difference", "ratio"])
@pytest.mark.parametrize(
    ("first", "second", "n", "bias", "left_out"),
    [
        pytest.param([], [], 0, None, 0, id="nothing"),
        pytest.param([4], [5], 1, None, 0, id="one pair"),
        pytest.param([4, 8, 6], [4, 8, 6], 3, (0.0, 1.0), 0, id="never apart"),
        pytest.param([52.8, 16.0], [52.8 + 1e-13, 16.0], 2, (0.0, 1.0), 0, id="apart by rounding alone"),
    ],
)
def test_limits_that_cannot_be_told(
    first: list[float], second: list[float], n: int, bias: tuple[float, float] | None, left_out: int, scale: str
) -> None:
    found = bland_altman(np.array(first, np.float64), np.array(second, np.float64), scale=scale)
    assert (found.n, found.left_out) == (n, left_out)
    expected = None if bias is None else pytest.approx(bias[scale == "ratio"], abs=1e-9)
    for estimate in (found.bias, found.lower, found.upper):
        assert estimate.value == expected
        assert (estimate.low, estimate.high) == (None, None)
        assert estimate.note


@pytest.mark.parametrize(
    ("first", "second", "n", "left_out"),
    [
        pytest.param([0, 3, 5], [2, 0, 4], 1, 2, id="a zero on either side"),
        pytest.param([0, 0], [0, 0], 0, 2, id="nothing but zeros"),
        pytest.param([0, 3, 6, 9], [0, 4, 6, 8], 3, 1, id="a zero on both sides"),
    ],
)
def test_a_count_of_zero_has_no_ratio_and_is_told(first: list[int], second: list[int], n: int, left_out: int) -> None:
    found = bland_altman(np.array(first, np.float64), np.array(second, np.float64), scale="ratio")
    assert (found.n, found.left_out) == (n, left_out)
    assert (found.bias.value is None) == (n < 2)
    if n < 2:
        assert found.bias.note == "fewer than two pairs of counts above 0"


@pytest.mark.parametrize(
    ("ratings", "cv", "note"),
    [
        pytest.param(np.empty((0, 2)), None, "no subject was counted by two readers", id="nothing"),
        pytest.param([[0, 0], [0, 0]], None, "fewer than two subjects with a count above 0", id="all zero"),
        pytest.param([[3, 4], [0, 0]], None, "fewer than two subjects with a count above 0", id="one left"),
        pytest.param([[3, 3], [5, 5]], 0.0, "no two counts of a subject differ", id="never apart"),
        pytest.param([[1, 3], [2, 6]], math.sqrt(0.5), "all subjects vary alike", id="all alike"),
    ],
)
def test_variation_that_cannot_be_told(ratings: object, cv: float | None, note: str) -> None:
    found = within_subject_variation(np.array(ratings, np.float64)).cv
    assert found.value == (None if cv is None else pytest.approx(cv))
    assert (found.low, found.high, found.note) == (None, None, note)


def sound(estimate: Estimate) -> None:
    """Finite numbers in order, or none and a reason."""
    json.dumps(astuple(estimate), allow_nan=False)
    if estimate.low is None or estimate.high is None:
        assert estimate.low is estimate.high is None
        assert estimate.note
    else:
        assert estimate.value is not None
        assert estimate.low <= estimate.value <= estimate.high
        assert not estimate.note


@given(tables)
def test_no_table_of_counts_gives_nan(table: np.ndarray) -> None:
    for estimate in (within_subject_variation(table).cv, intraclass(table, form="3,1")):
        sound(estimate)
    agreement = intraclass(table, form="2,1")
    json.dumps(astuple(agreement), allow_nan=False)
    assert (agreement.low is None) == bool(agreement.note)


@given(pairs)
def test_no_two_readers_give_nan(table: np.ndarray) -> None:
    for scale in ("difference", "ratio"):
        found = bland_altman(*table.T, scale=scale)
        for estimate in (found.bias, found.lower, found.upper):
            sound(estimate)


@given(pairs)
def test_readers_exchanged_turn_difference_and_ratio_round(table: np.ndarray) -> None:
    first, second = table.T
    for scale, turned in (("difference", lambda x: -x), ("ratio", lambda x: 1 / x)):
        one, other = bland_altman(first, second, scale=scale), bland_altman(second, first, scale=scale)
        for mine, theirs in ((one.bias, other.bias), (one.lower, other.upper), (one.upper, other.lower)):
            for a, b in ((mine.value, theirs.value), (mine.low, theirs.high), (mine.high, theirs.low)):
                assert (a is None) == (b is None)
                assert b is None or a == pytest.approx(turned(b), rel=1e-9, abs=1e-9)


@given(tables, st.integers(1, 50))
def test_a_larger_unit_changes_no_correlation_and_no_variation(table: np.ndarray, factor: int) -> None:
    for form in ("2,1", "3,1"):
        assert same(intraclass(table * factor, form=form), intraclass(table, form=form))
    assert same(within_subject_variation(table * factor).cv, within_subject_variation(table).cv)


@given(tables)
def test_order_of_subjects_and_readers_does_not_matter(table: np.ndarray) -> None:
    for form in ("2,1", "3,1"):
        assert same(intraclass(table[::-1, ::-1], form=form), intraclass(table, form=form))
    assert same(within_subject_variation(table[::-1, ::-1]).cv, within_subject_variation(table).cv)


def same(one: Estimate, other: Estimate) -> bool:
    numbers = ((one.value, other.value), (one.low, other.low), (one.high, other.high))
    return one.note == other.note and all(
        (a is None) == (b is None) and (a is None or a == pytest.approx(b, rel=1e-6, abs=1e-6)) for a, b in numbers
    )


def test_a_ratio_is_the_difference_of_logarithms() -> None:
    first, second = np.array([4.0, 9, 16, 7]), np.array([5.0, 8, 18, 9])
    logs: BlandAltman = bland_altman(np.log(first), np.log(second), scale="difference")
    ratio = bland_altman(first, second, scale="ratio")
    assert logs.upper.high is not None
    assert ratio.upper.high == pytest.approx(math.exp(logs.upper.high))
    assert ratio.sd == pytest.approx(logs.sd)
