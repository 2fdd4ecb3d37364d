"""Agreement against R 4.2.2 with psych 2.2.9: intraclass correlation, limits of agreement, variation.

Each matrix `m` has a row for each subject and a column for each reader. The values come from:

    r <- psych::ICC(m, lmer = FALSE)$results         # rows 2 and 3: ICC2 and ICC3, with their bounds
    k <- rowMeans(m) > 0; q <- apply(m[k, ], 1, var) / rowMeans(m[k, ])^2
    sqrt(mean(q)); sqrt(pmax(t.test(q)$conf.int, 0)) # variation
    sqrt(mean(apply(m, 1, var)))                     # its sd
    d <- m[, 1] - m[, 2]                             # of the ratio: log(m[, 1] / m[, 2]) where both > 0, then exp
    n <- length(d); s <- sd(d); se <- s * sqrt(1 / n + 1.96^2 / (2 * (n - 1))); t <- qt(0.975, n - 1)
    c(mean(d), t.test(d)$conf.int)                   # bias
    lo <- mean(d) - 1.96 * s; c(lo, lo - t * se, lo + t * se)
    hi <- mean(d) + 1.96 * s; c(hi, hi - t * se, hi + t * se)
"""

from dataclasses import dataclass

import numpy as np
import pytest

from mvd.agreement import Estimate, bland_altman, icc, intraclass, within_subject_variation

Interval = tuple[float, float, float]


@dataclass(frozen=True)
class Case:
    ratings: list[list[float]]
    icc_21: Interval
    icc_31: Interval
    cv: Interval
    sd: float
    difference: tuple[int, Interval, Interval, Interval] | None = None
    """Pairs, bias, lower and upper limit; the same of the ratio. Of two readers only."""
    ratio: tuple[int, Interval, Interval, Interval] | None = None

    @property
    def table(self) -> np.ndarray:
        return np.array(self.ratings, np.float64)


R = {
    "shrout_fleiss": Case(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]],
        icc_21=(0.289763779528, 0.0187865133747, 0.761084369649),
        icc_31=(0.714840714841, 0.342464765034, 0.945858259955),
        cv=(0.539042657191, 0.285873042011, 0.706689872854),
        sd=2.50277623628,
    ),
    "near_agreement": Case(
        [[12, 12], [7, 8], [0, 1], [15, 14], [9, 9], [22, 21], [5, 5], [11, 13]],
        icc_21=(0.987681478223, 0.943981030399, 0.997486707599),
        icc_31=(0.986813186813, 0.935823478715, 0.99734595358),
        cv=(0.503269009182, 0, 0.918337154245),
        sd=0.707106781187,
        difference=(
            8,
            (-0.25, -1.11536386736, 0.615363867359),
            (-2.27879274447, -3.82564124745, -0.73194424148),
            (1.77879274447, 0.23194424148, 3.32564124745),
        ),
        ratio=(
            7,
            (0.973907507398, 0.896766181456, 1.05768465915),
            (0.817647644544, 0.704770332666, 0.948603594166),
            (1.16003004387, 0.999886400178, 1.34582258788),
        ),
    ),
    "two_subjects": Case(
        [[4, 6], [11, 10]],
        icc_21=(0.918032786885, -5.62418702782, 0.999880675655),
        icc_31=(0.861538461538, -0.959335256485, 0.999770383182),
        cv=(0.205590791856, 0, 0.722290459238),
        sd=1.11803398875,
        difference=(
            2,
            (-0.5, -19.5593071043, 18.5593071043),
            (-4.65778787338, -46.5951935872, 37.2796178404),
            (3.65778787338, -38.2796178404, 45.5951935872),
        ),
        ratio=(
            2,
            (0.856348838578, 0.0355592794432, 20.6228400804),
            (0.427792675439, 0.000389938284011, 469.321891856),
            (1.71422601516, 0.00156253809178, 1880.63948425),
        ),
    ),
    "constant_bias": Case(
        [[3, 8], [9, 14.5], [6, 11], [12, 17], [1, 6]],
        icc_21=(0.606198034769, 0.000800731075346, 0.949496798489),
        icc_31=(0.998754669988, 0.988102932072, 0.999870266936),
        cv=(0.595927269035, 0, 0.920148988522),
        sd=3.60901648652,
        difference=(
            5,
            (-5.1, -5.37764451052, -4.82235548948),
            (-5.53826932359, -6.05029578661, -5.02624286057),
            (-4.66173067641, -5.17375713943, -4.14970421339),
        ),
        ratio=(
            5,
            (0.431369150219, 0.209467130902, 0.888346266835),
            (0.137915409989, 0.0363942097349, 0.522628749217),
            (1.34922807956, 0.356044982294, 5.11288320633),
        ),
    ),
    "no_relation": Case(
        [[5, 9], [8, 4], [6, 6], [7, 3], [4, 8], [6, 7]],
        icc_21=(-1.07006369427, -1.42401288365, -0.0131782523188),
        icc_31=(-0.760180995475, -0.962583074374, -0.013339828327),
        cv=(0.395715400697, 0.152163157142, 0.538542227041),
        sd=2.32737334063,
        difference=(
            6,
            (-0.166666666667, -3.94560654503, 3.6122732117),
            (-7.22448124815, -14.0944234977, -0.354538998639),
            (6.89114791482, 0.0212056653055, 13.7610901643),
        ),
        ratio=(
            6,
            (1.01771517069, 0.520072200286, 1.99153919029),
            (0.290458012687, 0.0857108279005, 0.984308041357),
            (3.5658997976, 1.0522561283, 12.084169457),
        ),
    ),
    "three_readers": Case(
        [[10, 11, 9], [14, 16, 15], [3, 5, 2], [21, 24, 20], [8, 8, 8], [17, 19, 15], [6, 7, 4]],
        icc_21=(0.952813701503, 0.670228693585, 0.992176297595),
        icc_31=(0.983405483405, 0.939943487886, 0.996879521743),
        cv=(0.21386925378, 0, 0.341334085122),
        sd=1.46385010942,
    ),
    "many_ties": Case(
        [[5, 5], [5, 5], [5, 6], [6, 5], [5, 5], [6, 6], [5, 5], [6, 6], [6, 6]],
        icc_21=(0.578947368421, -0.143461785454, 0.889220501597),
        icc_31=(0.55, -0.125520761235, 0.877075256969),
        cv=(0.0606060606061, 0, 0.0963098452117),
        sd=0.333333333333,
        difference=(
            9,
            (0, -0.384334022534, 0.384334022534),
            (-0.98, -1.66330438792, -0.296695612081),
            (0.98, 0.296695612081, 1.66330438792),
        ),
        ratio=(
            9,
            (1, 0.932326338185, 1.07258580933),
            (0.836377572878, 0.738409857976, 0.947343046491),
            (1.19563225082, 1.05558382859, 1.35426144329),
        ),
    ),
    "one_outlier": Case(
        [[5, 6], [7, 7], [6, 5], [8, 9], [7, 96]],
        icc_21=(0.012831693036, -0.796525173496, 0.814714420523),
        icc_31=(0.0129024176375, -0.806946892846, 0.815763509449),
        cv=(0.553757836191, 0, 1.06317193297),
        sd=28.1496003524,
        difference=(
            5,
            (-18, -67.2926532809, 31.2926532809),
            (-95.8097783058, -186.714305339, -4.90525127297),
            (59.8097783058, -31.094748727, 150.714305339),
        ),
        ratio=(
            5,
            (0.578541952452, 0.135992811287, 2.46123885211),
            (0.0588474042565, 0.00407447859599, 0.849928869704),
            (5.68777493207, 0.393810355993, 82.1481283707),
        ),
    ),
    "zeros": Case(
        [[0, 0], [0, 1], [2, 0], [0, 0], [3, 4], [1, 1]],
        icc_21=(0.736842105263, -0.14185853109, 0.959510396832),
        icc_31=(0.7, -0.115485020025, 0.951802773513),
        cv=(1.00508909139, 0, 1.68197346897),
        sd=0.707106781187,
        difference=(
            6,
            (0, -1.14959914524, 1.14959914524),
            (-2.14707242542, -4.23699181872, -0.0571530321206),
            (2.14707242542, 0.0571530321206, 4.23699181872),
        ),
        ratio=(
            2,
            (0.866025403784, 0.139245781931, 5.38615956334),
            (0.58126527261, 0.0104193081282, 32.4272315381),
            (1.29028867772, 0.0231287089407, 71.9817468462),
        ),
    ),
    "densities": Case(
        [[52.8, 56.0], [16.0, 22.4], [156.8, 150.4], [76.8, 76.8], [60.8, 48.0], [38.4, 41.6], [108.8, 99.2]],
        icc_21=(0.987419876595, 0.936496658146, 0.997784376076),
        icc_31=(0.986828713405, 0.925704544906, 0.997724386387),
        cv=(0.115446790988, 0, 0.180922067735),
        sd=5.05964425627,
        difference=(
            7,
            (2.28571428571, -4.48767408692, 9.05910265834),
            (-12.068940244, -24.2627952519, 0.124914763967),
            (16.6403688154, 4.44651380746, 28.8342238233),
        ),
        ratio=(
            7,
            (0.985123106653, 0.836482916622, 1.16017615659),
            (0.696548439307, 0.518886933799, 0.935039402029),
            (1.39325204178, 1.03788945488, 1.87028709348),
        ),
    ),
    "five_readers": Case(
        [[1, 2, 1, 3, 2], [9, 8, 10, 9, 11], [5, 5, 6, 4, 5], [14, 12, 15, 13, 16]],
        icc_21=(0.957252778569, 0.839433240947, 0.996899502747),
        icc_31=(0.964675473866, 0.8560813517, 0.997469529355),
        cv=(0.256669546483, 0, 0.474611888584),
        sd=1.11803398875,
    ),
    "large_counts": Case(
        [[1021, 990], [1503, 1490], [880, 905], [1200, 1230], [1333, 1301]],
        icc_21=(0.993703205135, 0.944122370976, 0.99933931336),
        icc_31=(0.992328333974, 0.928671490354, 0.999198490674),
        cv=(0.0173512097061, 0.00984779091112, 0.0224755416109),
        sd=19.180719486,
        difference=(
            5,
            (4.2, -33.002292378, 41.402292378),
            (-54.5248186034, -123.132543448, 14.0829062413),
            (62.9248186034, -5.68290624129, 131.532543448),
        ),
        ratio=(
            5,
            (1.00222508357, 0.968793173552, 1.03681068938),
            (0.949963546757, 0.892348353011, 1.01129871213),
            (1.0573617499, 0.993232865915, 1.12563116719),
        ),
    ),
}

every_case = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in R.items()])
two_readers = pytest.mark.parametrize(
    "case", [pytest.param(case, id=name) for name, case in R.items() if case.difference]
)


def near(interval: Interval) -> object:
    return pytest.approx(interval, rel=1e-9, abs=1e-9)


def told(estimate: Estimate) -> Interval:
    assert estimate.value is not None and estimate.low is not None and estimate.high is not None
    assert estimate.note == ""
    return estimate.value, estimate.low, estimate.high


@every_case
def test_intraclass_correlation_is_that_of_psych(case: Case) -> None:
    assert told(intraclass(case.table, form="2,1")) == near(case.icc_21)
    assert told(intraclass(case.table, form="3,1")) == near(case.icc_31)
    assert icc(case.table, form="2,1") == near(case.icc_21[0])


@every_case
def test_within_subject_variation_is_that_of_r(case: Case) -> None:
    found = within_subject_variation(case.table)
    assert told(found.cv) == near(case.cv)
    assert found.sd == near(case.sd)
    assert found.mean == near(float(case.table.mean()))
    assert (found.n, found.left_out) == (int(case.table.any(axis=1).sum()), int((~case.table.any(axis=1)).sum()))


@two_readers
@pytest.mark.parametrize("scale", ["difference", "ratio"])
def test_limits_of_agreement_are_those_of_r(case: Case, scale: str) -> None:
    n, bias, lower, upper = getattr(case, scale)
    first, second = case.table.T
    found = bland_altman(first, second, scale=scale)
    assert (found.n, found.left_out) == (n, len(first) - n)
    assert told(found.bias) == near(bias)
    assert told(found.lower) == near(lower)
    assert told(found.upper) == near(upper)


def test_a_wider_level_gives_wider_intervals_about_the_same_figure() -> None:
    table = R["densities"].table
    for form in ("2,1", "3,1"):
        narrow, wide = (told(intraclass(table, form=form, confidence=level)) for level in (0.9, 0.99))
        assert wide[1] < narrow[1] < narrow[0] == wide[0] < narrow[2] < wide[2]
    narrow, wide = (told(bland_altman(*table.T, scale="ratio", confidence=level).upper) for level in (0.9, 0.99))
    assert wide[1] < narrow[1] < narrow[0] == wide[0] < narrow[2] < wide[2]
