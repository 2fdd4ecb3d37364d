"""The rank tests are what they say: enumerated, indifferent to what must not matter, silent where nothing is known."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import rankdata

from mvd.statistics import (
    detectable_paired_shift,
    detectable_shift_between,
    fit_counts,
    friedman,
    holm,
    paired_shift,
    rank_sum,
    resolution_of,
    shift_between,
    signed_rank,
    spread,
)

SMALL = st.integers(-6, 6)
"""Small whole numbers tie often."""


def enumerated_signed_rank(differences: list[int], zeros: str) -> Fraction | None:
    """Every assignment of signs, one by one."""
    kept = [d for d in differences if d] if zeros == "wilcoxon" else differences
    ranks = [Fraction(rank) for rank in rankdata([abs(d) for d in kept])] if kept else []
    scores = [rank for rank, d in zip(ranks, kept, strict=True) if d]
    if not scores:
        return None
    away = abs(sum(rank for rank, d in zip(ranks, kept, strict=True) if d > 0) - sum(scores) / 2)
    sums = [
        sum(r for r, positive in zip(scores, signs, strict=True) if positive)
        for signs in itertools.product((0, 1), repeat=len(scores))
    ]
    return Fraction(sum(abs(total - sum(scores) / 2) >= away for total in sums), len(sums))


@given(st.lists(SMALL, max_size=10), st.sampled_from(["wilcoxon", "pratt"]))
def test_the_exact_signed_rank_p_is_that_of_all_signs(differences: list[int], zeros: str) -> None:
    expected = enumerated_signed_rank(differences, zeros)
    found = signed_rank(differences, zeros=zeros).p_value  # type: ignore[arg-type]
    assert found == (None if expected is None else pytest.approx(float(expected), abs=1e-12))


@given(st.lists(SMALL, min_size=1, max_size=5), st.lists(SMALL, min_size=1, max_size=5))
def test_the_exact_rank_sum_p_is_that_of_all_divisions(first: list[int], second: list[int]) -> None:
    ranks = [Fraction(rank) for rank in rankdata(first + second)]
    mean = sum(ranks) * len(first) / len(ranks)
    away = abs(sum(ranks[: len(first)]) - mean)
    sums = [abs(sum(drawn) - mean) for drawn in itertools.combinations(ranks, len(first))]
    expected = Fraction(sum(one >= away for one in sums), len(sums))
    assert rank_sum(first, second).p_value == pytest.approx(float(expected), abs=1e-12)


@given(st.lists(st.tuples(SMALL, SMALL, SMALL), min_size=2, max_size=4))
@settings(max_examples=20)
def test_the_exact_friedman_p_is_that_of_all_orders(values: list[tuple[int, int, int]]) -> None:
    ranks = [[Fraction(rank) for rank in rankdata(row)] for row in values]
    if all(len(set(row)) == 1 for row in ranks):
        assert friedman(values).p_value is None
        return

    def uneven(rows: list[list[Fraction]]) -> Fraction:
        return sum((sum(column) ** 2 for column in zip(*rows, strict=True)), Fraction(0))

    orders = list(itertools.product(*(list(itertools.permutations(row)) for row in ranks)))
    extreme = sum(uneven([list(row) for row in order]) >= uneven(ranks) for order in orders)
    assert friedman(values).p_value == pytest.approx(extreme / len(orders), abs=1e-12)


COUNTS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=2, max_size=25)


@given(COUNTS)
def test_a_density_gives_the_p_of_its_counts(pairs: list[tuple[int, int]]) -> None:
    """52.8 - 16.0 and 36.8 - 0 differ in their last bit, and so do products with 3.2: ties must not be lost."""
    counts = [after - before for before, after in pairs]
    densities = [after * 3.2 - before * 3.2 for before, after in pairs]
    resolution = resolution_of([value * 3.2 for pair in pairs for value in pair])
    assert signed_rank(densities, resolution=resolution).p_value == signed_rank(counts).p_value
    assert paired_shift(densities, resolution=resolution).estimate == pytest.approx(
        3.2 * (paired_shift(counts).estimate or 0), abs=1e-9
    )


@given(st.lists(SMALL, min_size=1, max_size=20), st.integers(1, 1000))
def test_swapping_before_and_after_or_changing_the_unit_leaves_p(differences: list[int], factor: int) -> None:
    test, swapped = signed_rank(differences), signed_rank([-d for d in differences])
    assert test.p_value == swapped.p_value == signed_rank([factor * d for d in differences]).p_value
    if test.effect is not None and swapped.effect is not None:
        assert test.effect == pytest.approx(-swapped.effect)
    shift, back = paired_shift(differences), paired_shift([-d for d in differences])
    assert shift.estimate == -(back.estimate or 0)
    assert (shift.low, shift.high) == (
        None if back.high is None else -back.high,
        None if back.low is None else -back.low,
    )


@given(st.lists(SMALL, min_size=1, max_size=12), st.lists(SMALL, min_size=1, max_size=12), st.integers(-50, 50))
def test_swapping_groups_or_moving_both_leaves_p(first: list[int], second: list[int], by: int) -> None:
    p = rank_sum(first, second).p_value
    assert rank_sum(second, first).p_value == pytest.approx(p, abs=1e-12)
    moved = rank_sum([x + by for x in first], [y + by for y in second], resolution=1e-9)
    assert moved.p_value == p
    shift = shift_between([x + by for x in first], second)
    assert shift.estimate == (shift_between(first, second).estimate or 0) + by


@given(st.lists(SMALL, min_size=6, max_size=20), st.integers(-9, 9))
def test_a_shift_moves_with_the_values_and_lies_in_its_interval(differences: list[int], by: int) -> None:
    assume(any(differences) and any(d + by for d in differences))
    shift, moved = (paired_shift([d + more for d in differences], zeros="pratt") for more in (0, by))
    assert None not in (shift.estimate, shift.low, shift.high)
    assert shift.low <= shift.estimate <= shift.high  # type: ignore[operator]
    assert moved.estimate == shift.estimate + by  # type: ignore[operator]
    assert (moved.low, moved.high) == (shift.low + by, shift.high + by)  # type: ignore[operator]


@given(st.lists(st.integers(-500, 500), min_size=6, max_size=20, unique_by=abs).filter(lambda d: 0 not in d))
def test_without_ties_the_interval_holds_the_shifts_that_the_test_does_not_refuse(differences: list[int]) -> None:
    low, high = paired_shift(differences).low, paired_shift(differences).high
    assert low is not None
    assert high is not None
    for shift in (low + 1e-4, (low + high) / 2 + 1e-4, high - 1e-4):
        if low < shift < high:
            assert (signed_rank([d - shift for d in differences], resolution=1e-6).p_value or 0) > 0.05
    for shift in (low - 1e-4, high + 1e-4):
        assert (signed_rank([d - shift for d in differences], resolution=1e-6).p_value or 0) <= 0.05


def test_the_interval_of_tied_differences_holds_its_level() -> None:
    """Whole numbers symmetric about 2: the true shift lies outside at most as often as stated."""
    draw = np.random.default_rng(7)
    missed = 0
    for _ in range(1000):
        shift = paired_shift(2 + np.rint(draw.normal(0, 2, 13)))
        missed += not (shift.low or 0) <= 2 <= (shift.high or 0)
    assert missed <= 50 + 3 * math.sqrt(50)


@pytest.mark.parametrize(
    ("differences", "reason"),
    [([], "no pairs"), ([0], "the only pair does not differ"), ([0.0] * 7, "none of the 7 pairs differs")],
    ids=["no pairs", "one zero", "all zeros"],
)
@pytest.mark.parametrize("zeros", ["wilcoxon", "pratt"])
def test_without_a_difference_there_is_no_p_but_a_reason(differences: list[float], reason: str, zeros: str) -> None:
    test = signed_rank(differences, zeros=zeros)  # type: ignore[arg-type]
    assert (test.statistic, test.p_value, test.effect) == (None, None, None)
    assert reason in test.note


def test_an_empty_group_gives_no_p_but_a_reason() -> None:
    for groups in (([], [1, 2]), ([1, 2], []), ([], [])):
        test, shift = rank_sum(*groups), shift_between(*groups)
        assert (test.statistic, test.p_value, shift.estimate) == (None, None, None)
        assert test.note
    assert friedman(np.zeros((0, 3))).p_value is None
    assert friedman(np.full((4, 3), 7.0)).p_value is None
    assert spread([]).median is None


def test_values_that_are_all_the_same_have_a_shift_of_zero_and_no_interval() -> None:
    for shift in (paired_shift([0.0] * 7), paired_shift([0.0] * 7, zeros="pratt"), shift_between([4, 4, 4], [4, 4])):
        assert (shift.estimate, shift.low, shift.high, shift.confidence) == (0.0, None, None, None)


def test_what_so_few_cannot_show_is_said() -> None:
    assert signed_rank([1, 2, 3, 4, 5]).note == "with 5 pairs that differ, p cannot be below 0.0625"
    assert signed_rank([1, 2, 3, 4, 5, 6]).note == ""
    assert rank_sum([1, 2], [3, 4, 5]).note == "with groups of 2 and 3, p cannot be below 0.2"
    tied = rank_sum([9], [1, 1, 1, 1, 1])  # no rank sum lies as far below its mean as this one above
    assert tied.p_value == pytest.approx(1 / 6)
    assert tied.note == "with groups of 1 and 5, p cannot be below 0.17"
    assert "all values are equal" in rank_sum([1, 1], [1, 1, 1]).note


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    for call in (signed_rank, paired_shift, spread):
        with pytest.raises(ValueError, match="not finite"):
            call([1.0, value])


def test_drawn_orders_are_the_same_every_time_and_near_the_large_sample_value() -> None:
    """Five timepoints of 40 patients are too many to count out."""
    values = np.random.default_rng(3).poisson(20, (40, 5))
    drawn = friedman(values)
    assert "random orders" in drawn.method
    assert drawn.p_value == friedman(values).p_value  # the same counts, the same p
    assert drawn.p_value == pytest.approx(drawn.p_chi_squared, abs=0.02)  # 40 patients: nearly the large-sample value


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8))
def test_holm_never_lowers_a_p_and_keeps_their_order(p_values: list[float | None]) -> None:
    adjusted = holm(p_values)
    both = sorted((p, q) for p, q in zip(p_values, adjusted, strict=True) if p is not None and q is not None)
    assert [q is None for q in adjusted] == [p is None for p in p_values]
    assert all(p <= q <= 1 for p, q in both)
    assert [q for _, q in both] == sorted(q for _, q in both)


@pytest.mark.slow
def test_the_detectable_shift_is_found_as_often_as_it_says() -> None:
    """Checked with other draws than those it was computed from."""
    shift = detectable_paired_shift(19, sd=30.0, alpha=0.05, power=0.8)
    between = detectable_shift_between((9, 13), sd=30.0, alpha=0.05, power=0.8)
    assert shift is not None
    assert between is not None
    draw = np.random.default_rng(11)
    found = np.mean([(signed_rank(draw.normal(shift, 30, 19)).p_value or 1) <= 0.05 for _ in range(1500)])
    apart = np.mean(
        [(rank_sum(draw.normal(between, 30, 9), draw.normal(0, 30, 13)).p_value or 1) <= 0.05 for _ in range(1500)]
    )
    assert found == pytest.approx(0.8, abs=0.04)
    assert apart == pytest.approx(0.8, abs=0.04)
    assert shift == pytest.approx(2 * detectable_paired_shift(19, sd=15.0, alpha=0.05, power=0.8))  # type: ignore[operator]


def test_a_design_that_can_find_nothing_has_no_detectable_shift() -> None:
    assert detectable_paired_shift(5, sd=30.0, alpha=0.05, power=0.8) is None  # p is never below 0.0625
    assert detectable_shift_between((2, 3), sd=30.0, alpha=0.05, power=0.8) is None
    assert detectable_paired_shift(19, sd=0.0, alpha=0.05, power=0.8) is None


def test_the_model_gives_the_ratio_of_the_totals_and_an_interval_that_holds_it() -> None:
    """Everybody measured twice over one area: the estimate is the ratio of the sums, whatever the correlation."""
    draw = np.random.default_rng(5)
    level = draw.gamma(3, 6, 22)
    pre, post = draw.poisson(level), draw.poisson(1.5 * level)
    fitted = fit_counts(
        np.r_[pre, post],
        np.full(44, 0.3125),
        patients=[f"p{i}" for i in range(22)] * 2,
        terms={"post vs pre": np.r_[np.zeros(22), np.ones(22)]},
    )
    (term,) = fitted.terms
    assert term.ratio == pytest.approx(post.sum() / pre.sum(), rel=1e-6)
    assert term.low < 1.5 < term.high
    assert 0 < term.p_value < 0.05
    assert (fitted.dispersion or 0) > 1


def test_the_model_compares_densities_and_not_counts() -> None:
    counts, areas = [6, 9, 12, 20, 8, 24, 36, 30, 44, 20], [0.1] * 5 + [0.4] * 5
    fitted = fit_counts(counts, areas, patients=list("abcdeabcde"), terms={"post vs pre": [0] * 5 + [1] * 5})
    assert fitted.terms[0].ratio == pytest.approx((sum(counts[5:]) / 0.4) / (sum(counts[:5]) / 0.1), rel=1e-6)


@pytest.mark.parametrize(
    ("counts", "patients", "reason"),
    [
        ([3, 5], ["a", "a"], "fewer than 3 patients"),
        ([3, 5, 2, 9], list("abab"), "fewer than 3 patients"),
        ([3, 4, 5, 6, 0, 0, 0, 0], list("abcdabcd"), "no vessel at all"),
        ([0] * 8, list("abcdabcd"), "no vessel at all"),
        ([10] * 5 + [12] * 5, list("abcde") * 2, "nothing left over"),
        ([10] * 10, list("abcde") * 2, "nothing left over"),
        ([5, 10, 15, 20, 25, 6, 12, 18, 24, 30], list("abcde") * 2, "nothing left over"),
    ],
    ids=["one patient", "two patients", "none after", "none at all", "all alike", "all equal", "each by a fifth"],
)
def test_a_model_that_cannot_be_fitted_says_why(counts: list[int], patients: list[str], reason: str) -> None:
    half = len(counts) // 2
    fitted = fit_counts(counts, [0.3] * len(counts), patients=patients, terms={"post": [0] * half + [1] * half})
    assert fitted.terms == ()
    assert reason in fitted.note


def test_a_timepoint_of_few_patients_is_as_unsure_as_they_are() -> None:
    """t with 2 degrees of freedom for three specimens before treatment, however many there are after it."""
    counts = [9, 14, 22, *range(20, 42)]
    who = [f"p{i}" for i in (0, 1, 2, *range(22))]
    fitted = fit_counts(counts, [0.3] * 25, patients=who, terms={"post": [0] * 3 + [1] * 22})
    (term,) = fitted.terms
    error = np.log(term.high / term.ratio) / stats.t.ppf(0.975, 2)
    assert term.p_value == pytest.approx(2 * stats.t.sf(abs(np.log(term.ratio)) / error, 2), rel=1e-6)


def test_counts_whose_correlation_does_not_converge_are_taken_as_independent() -> None:
    fitted = fit_counts([48, 30, 34, 18, 32, 7], [0.3] * 6, patients=list("adcabc"), terms={"post": [0, 0, 0, 1, 1, 1]})
    assert fitted.terms[0].ratio == pytest.approx((18 + 32 + 7) / (48 + 30 + 34), rel=1e-6)
    assert fitted.correlation is None
    assert "did not converge" in fitted.note


def test_a_timepoint_that_is_all_there_is_cannot_be_told_from_the_intercept() -> None:
    fitted = fit_counts([3, 4, 5, 6, 7], [0.3] * 5, patients=list("abcde"), terms={"post": [1] * 5})
    assert "cannot be told apart" in fitted.note
