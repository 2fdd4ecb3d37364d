"""The statistics give R's values. `statistics_values.R`, beside this file, has the same data and prints the values."""

import numpy as np
import pytest

from mvd.statistics import friedman, holm, paired_shift, rank_sum, shift_between, signed_rank, spread

DIFFERENCES = {
    "one pair": [3],
    "two pairs": [3, -1],
    "five pairs, no ties": [12, -3, 7, 25, 1],
    "five pairs, one way": [2, 4, 9, 11, 16],
    "ties": [3, 3, -3, 5, 5, 8, -8, 12],
    "zeros": [0, 0, 4, -2, 7, 9, 1],
    "ties and zeros": [0, 0, 0, 2, 2, -2, 5, 5, -5, 9, 12],
    "all differences equal": [5] * 6,
    "one giant outlier": [1, 2, -3, 4, 5, -6, 7, 1e6],
    "22 pairs": [5, -9, 12, 3, 3, -7, 18, 22, -1, 6, 6, 6, -15, 30, 11, -2, 0, 8, 41, -4, 17, 10],
    "22 pairs, no ties": [5, -9, 12, 3, 4, -7, 18, 22, -1, 6, 13, 14, -15, 30, 11, -2, 19, 8, 41, -21, 17, 10],
    "densities": [52.8, 16, 36.8, -16, -36.8, 3.2, 6.4],
    "40 pairs": [3, -1, 4, -1, 5, -9, 2, 6] * 5,
    "400 pairs": [3, -1, 4, -1, 5, -9, 2, 6] * 50,
}


@pytest.mark.parametrize(
    ("name", "statistic", "p_wilcoxon", "p_pratt"),
    [
        # wilcox.exact(d)$statistic, $p.value; pvalue(wilcoxsign_test(d ~ 0, zero.method = "Pratt",
        # distribution = "exact")), and the same with "Wilcoxon" for the first p
        ("one pair", 1, 1, 1),  # coin refuses one pair
        ("two pairs", 2, 1, 1),
        ("five pairs, no ties", 13, 0.1875, 0.1875),
        ("five pairs, one way", 15, 0.0625, 0.0625),
        ("ties", 27.5, 0.2421875, 0.2421875),
        ("zeros", 13, 0.1875, 0.1875),
        ("ties and zeros", 29, 0.1640625, 0.1640625),
        ("all differences equal", 21, 0.03125, 0.03125),
        ("one giant outlier", 27, 0.25, 0.25),
        ("22 pairs", 185, 0.0137548446655, 0.0144186019897),
        ("22 pairs, no ties", 200, 0.0155830383301, 0.0155830383301),
        ("densities", 19, 0.46875, 0.46875),
        ("40 pairs", 575, 0.0253090777533, 0.0253090777533),
        ("400 pairs", 56375, 6.54476163688e-13, 6.54476163688e-13),
    ],
)
def test_signed_rank(name: str, statistic: float, p_wilcoxon: float, p_pratt: float) -> None:
    dropped, ranked = signed_rank(DIFFERENCES[name]), signed_rank(DIFFERENCES[name], zeros="pratt")
    assert dropped.statistic == statistic
    assert dropped.p_value == pytest.approx(p_wilcoxon, rel=1e-9)
    assert ranked.p_value == pytest.approx(p_pratt, rel=1e-9)
    assert "exact" in dropped.method


@pytest.mark.parametrize(
    ("name", "estimate", "low", "high"),
    [
        # d <- d[d != 0]; means <- sort(outer(d, d, "+")[!lower.tri(diag(n))] / 2); k <- max(qsignrank(0.025, n), 1);
        # median(means), means[k], rev(means)[k]; without ties the $estimate and $conf.int of
        # wilcox.test(d, conf.int = TRUE) and of wilcox.exact(d, conf.int = TRUE)
        ("two pairs", 1, -1, 3),
        ("five pairs, no ties", 7, -3, 25),
        ("five pairs, one way", 9, 2, 16),
        ("ties", 4, -2.5, 8.5),
        ("zeros", 4, -2, 9),
        ("ties and zeros", 3.5, -1.5, 8.5),
        ("all differences equal", 5, 5, 5),
        ("one giant outlier", 3, -2.5, 500002),
        ("22 pairs", 6.5, 1.5, 13),
        ("22 pairs, no ties", 8, 1.5, 14),
        ("densities", 8.8, -16.8, 36.8),
        ("40 pairs", 2, 0.5, 3),
        ("400 pairs", 2, 1.5, 2),
    ],
)
def test_shift_of_pairs(name: str, estimate: float, low: float, high: float) -> None:
    shift = paired_shift(DIFFERENCES[name])
    assert (shift.estimate, shift.low, shift.high) == pytest.approx((estimate, low, high))


GROUPS = {
    "one and one": ([3], [5]),
    "one and five": ([9], [1, 2, 3, 4, 5]),
    "no ties": ([1.1, 2.2, 9.9, 7.5], [0.3, 3.3, 4.4, 5.5, 6.6]),
    "ties": ([1, 2, 2, 3, 9, 9, 12], [2, 2, 4, 9]),
    "ties, skewed": ([0, 0, 0, 3, 5, 8], [0, 1, 7, 7, 7, 9, 15]),
    "all equal": ([4, 4, 4], [4, 4]),
    "no overlap": ([1, 2, 3, 4], [5, 6, 7, 8, 9]),
    "one giant outlier": ([1, 2, 3, 4, 1e6], [2, 3, 4, 5, 6]),
    "9 and 13": ([-3, 5, 5, 8, 0, 12, -7, 2, 5], [11, 5, 14, -3, 20, 8, 8, 31, 0, 17, 6, 12, 25]),
    "30 and 30": ([1, 4, 2, 8, 5, 7] * 5, [2, 7, 1, 8, 9, 9] * 5),
}


@pytest.mark.parametrize(
    ("name", "statistic", "p"),
    [
        # wilcox.exact(x, y)$statistic, $p.value; the p of pvalue(wilcox_test(values ~ group, distribution = "exact"))
        ("one and one", 0, 1),
        ("one and five", 5, 0.333333333333),
        ("no ties", 12, 0.730158730159),
        ("ties", 15, 0.945454545455),
        ("ties, skewed", 10.5, 0.142191142191),
        ("all equal", 3, 1),
        ("no overlap", 0, 0.015873015873),
        ("one giant outlier", 9.5, 0.603174603175),
        ("9 and 13", 24, 0.0190864862691),
        ("30 and 30", 300, 0.0253788243311),
    ],
)
def test_rank_sum(name: str, statistic: float, p: float) -> None:
    test = rank_sum(*GROUPS[name])
    assert test.statistic == statistic
    assert test.p_value == pytest.approx(p, rel=1e-9)
    assert "exact" in test.method


@pytest.mark.parametrize(
    ("name", "estimate", "low", "high"),
    [
        # apart <- sort(outer(x, y, "-")); k <- max(qwilcox(0.025, m, n), 1); median(apart), apart[k], rev(apart)[k];
        # without ties the $estimate and $conf.int of wilcox.test(x, y, conf.int = TRUE) and of wilcox.exact
        ("one and five", 6, 4, 8),
        ("no ties", 1.4, -4.4, 7.2),
        ("ties", 0, -6, 7),
        ("ties, skewed", -4, -9, 1),
        ("all equal", 0, 0, 0),
        ("no overlap", -4.5, -7, -2),
        ("one giant outlier", -1, -4, 999996),
        ("9 and 13", -8, -15, -1),
        ("30 and 30", -1.5, -4, 0),
    ],
)
def test_shift_between_groups(name: str, estimate: float, low: float, high: float) -> None:
    shift = shift_between(*GROUPS[name])
    assert (shift.estimate, shift.low, shift.high) == pytest.approx((estimate, low, high))


@pytest.mark.parametrize(
    ("values", "statistic", "p_chi_squared"),
    [
        # friedman.test(values)
        ([[1, 2, 3], [2, 1, 3], [1, 3, 2], [4, 5, 6]], 4.5, 0.105399224562),
        ([[3, 1, 2], [5, 5, 4], [1, 2, 3], [2, 9, 4], [7, 7, 7]], 0.133333333333, 0.935506985032),
        (
            [[5, 4, 7, 10], [6, 8, 5, 11], [7, 7, 7, 12], [9, 8, 9, 13], [3, 5, 4, 6]],
            10.0666666667,
            0.0180078623983,
        ),
    ],
    ids=["no ties", "ties", "four timepoints"],
)
def test_friedman(values: list[list[float]], statistic: float, p_chi_squared: float) -> None:
    test = friedman(values)
    assert test.statistic == pytest.approx(statistic)
    assert test.p_chi_squared == pytest.approx(p_chi_squared)


def test_where_too_many_for_exactness_the_normal_approximation_is_rs() -> None:
    pairs = signed_rank([3, -1, 4, -1, 5, -9, 2, 6, 0, -4] * 60)
    groups = rank_sum([1, 4, 2, 8, 5] * 40, [2, 7, 1, 8, 6] * 40)
    assert pairs.p_value == pytest.approx(2.18979550626e-06)  # wilcox.test(d, exact = FALSE, correct = TRUE)
    assert groups.p_value == pytest.approx(0.00500116098293)  # wilcox.test(x, y, exact = FALSE, correct = TRUE)
    assert "normal approximation" in pairs.method
    assert "normal approximation" in groups.method


def test_holm_and_quartiles() -> None:
    assert holm([0.04, 0.01, 0.03, 0.2]) == pytest.approx((0.09, 0.04, 0.09, 0.2))  # p.adjust(p, "holm")
    found = spread([16, 3.2, 52.8, 80, 41.6, 9.6])
    quartiles = (found.minimum, found.q1, found.median, found.q3, found.maximum)
    assert quartiles == pytest.approx((3.2, 11.2, 28.8, 50, 80))  # quantile(x)


def test_the_level_of_an_interval_that_few_pairs_cannot_reach_is_said() -> None:
    """Five pairs: the widest interval misses with a chance of 2/32 (psignrank(0, 5) twice)."""
    assert paired_shift([12, -3, 7, 25, 1]).confidence == pytest.approx(1 - 2 / 32)
    assert paired_shift([3]).low is None
    assert paired_shift(np.arange(1.0, 7.0)).confidence == 0.95
