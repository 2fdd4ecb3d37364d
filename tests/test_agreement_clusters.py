"""Intervals by field where specimens have several: a jackknife over specimens, against R and at its ends.

R 4.2.2, with `m` the counts below and `g <- rep(1:5, each = 3)`:

    jack <- function(f) { w <- f(m); l <- sapply(unique(g), function(i) f(m[g != i, ])); n <- length(l)
      e <- sqrt((n - 1) / n * sum((l - mean(l))^2)); w + c(0, -1, 1) * qt(0.975, n - 1) * e }
    z <- function(row) function(x) atanh(psych::ICC(x, lmer = FALSE)$results[row, "ICC"])
    d <- function(x) x[, 1] - x[, 2]; q <- function(x) { k <- x[, 1] > 0 & x[, 2] > 0; log(x[k, 1] / x[k, 2]) }
    s <- function(x) { k <- rowMeans(x) > 0; mean(apply(x[k, ], 1, var) / rowMeans(x[k, ])^2) }
    tanh(jack(z(2))); tanh(jack(z(3))); sqrt(pmax(jack(s), 0))
    jack(function(x) mean(d(x))); jack(function(x) mean(d(x)) - 1.96 * sd(d(x)))     # and exp() of the same of q
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvd.agreement import Estimate, FieldRead, Pair, Reader, agreement_of
from mvd.agreement.clusters import NO_SPREAD, UNTOLD

ANNA, BERT, CLARA = (Reader(name, "first") for name in ("anna", "bert", "clara"))
COUNTS = (
    ((5, 6), (7, 7), (4, 6)),
    ((12, 11), (9, 10), (14, 12)),
    ((2, 2), (1, 0), (3, 4)),
    ((8, 6), (6, 6), (9, 8)),
    ((5, 9), (7, 8), (6, 8)),
)
R = {
    "icc_21": (0.885726245291, -0.212122034124, 0.995237413328),
    "icc_31": (0.883138564274, -0.175558510259, 0.994612936415),
    "variation.cv": (0.401597453471, 0, 0.723049383205),
    "difference.bias": (-0.333333333333, -2.01455433451, 1.34788766784),
    "difference.lower": (-3.53399993057, -6.82023905469, -0.247760806446),
    "difference.upper": (2.8673332639, 1.21199387437, 4.52267265343),
    "ratio.bias": (0.908515785842, 0.703880671019, 1.17264327195),
    "ratio.lower": (0.56977001796, 0.390272959215, 0.831822614661),
    "ratio.upper": (1.44865631238, 1.09923457991, 1.90915128561),
}


def fields(counts: object, readers: tuple[Reader, ...] = (ANNA, BERT)) -> Pair:
    """All readers at the level of fields; counts by specimen, field and reader."""
    reads = [
        FieldRead(reader, f"s{s}", str(f), row[side], 0.0625)
        for side, reader in enumerate(readers)
        for s, specimen in enumerate(counts)  # type: ignore[arg-type, var-annotated]
        for f, row in enumerate(specimen)
    ]
    pairs = [pair for pair in agreement_of(reads).pairs if pair.level == "field" and len(pair.readers) == len(readers)]
    return pairs[-1]


def figure(pair: Pair, path: str) -> Estimate:
    found: object = pair
    for name in path.split("."):
        found = getattr(found, name)
    assert isinstance(found, Estimate)
    return found


@pytest.mark.parametrize("path", R)
def test_intervals_by_field_are_those_of_r(path: str) -> None:
    found = figure(fields(COUNTS), path)
    assert (found.value, found.low, found.high) == pytest.approx(R[path], rel=1e-9, abs=1e-9)
    assert found.note == ""


@pytest.mark.parametrize("path", R)
def test_intervals_that_take_fields_as_independent_are_kept_beside_them(path: str) -> None:
    pair = fields(COUNTS)
    assert pair.if_independent is not None
    one_field_each = fields([(row,) for specimen in COUNTS for row in specimen])
    assert one_field_each.if_independent is None
    assert figure(pair.if_independent, path) == figure(one_field_each, path)
    assert figure(pair.if_independent, path).value == figure(pair, path).value


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("icc_21", (0.900643974241, 0.271881616468, 0.992040929592)),
        ("icc_31", (0.915197649573, 0.137417392116, 0.996030413989)),
        ("variation.cv", (0.289199387045, 0, 0.499203699417)),
    ],
)
def test_three_readers_are_compared_by_specimen_too(path: str, expected: tuple[float, float, float]) -> None:
    """R: f <- rep(0:2, 5); h <- rep(0:4, each = 3); m <- cbind(m, m[, 1] + (f + h) %% 3), and Fisher's scale for three,
    z <- function(row) function(x) { r <- ICC(x, lmer = FALSE)$results[row, "ICC"]; log((1 + 2 * r) / (1 - r)) / 2 }
    """
    three = [[(*row, row[0] + (f + s) % 3) for f, row in enumerate(specimen)] for s, specimen in enumerate(COUNTS)]
    found = figure(fields(three, (ANNA, BERT, CLARA)), path)
    assert (found.value, found.low, found.high) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "path", "note"),
    [
        pytest.param([COUNTS[0]], "icc_21", UNTOLD, id="one specimen"),
        pytest.param([COUNTS[0]], "difference.bias", UNTOLD, id="one specimen, bias"),
        pytest.param([COUNTS[0], ((4, 4), (4, 4))], "icc_31", UNTOLD, id="one specimen has all the spread"),
        pytest.param([((0, 3), (2, 0)), ((5, 6), (7, 6))], "ratio.bias", UNTOLD, id="one specimen has all the ratios"),
        pytest.param([((3, 4), (5, 4)), ((8, 9), (7, 6))], "difference.bias", NO_SPREAD, id="specimens agree"),
    ],
)
def test_an_interval_that_specimens_cannot_give_is_not_given(counts: object, path: str, note: str) -> None:
    found = figure(fields(counts), path)
    assert found.value is not None
    assert (found.low, found.high, found.note) == (None, None, note)


tables = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4), min_size=1, max_size=5
)


@given(tables)
def test_every_interval_holds_its_figure_or_says_why_there_is_none(counts: list[list[tuple[int, int]]]) -> None:
    pair = fields(counts)
    for path in R:
        found = figure(pair, path)
        if found.low is None or found.high is None:
            assert found.note
        elif path != "icc_21" or pair.if_independent:
            assert found.value is not None
            assert found.low <= found.value + 1e-12 and found.value <= found.high + 1e-12


@given(tables, st.randoms())
def test_the_order_of_specimens_and_fields_does_not_matter(counts: list[list[tuple[int, int]]], draw: object) -> None:
    mixed = [draw.sample(specimen, len(specimen)) for specimen in draw.sample(counts, len(counts))]  # type: ignore[attr-defined]
    one, other = fields(counts), fields(mixed)
    for path in R:
        a, b = figure(one, path), figure(other, path)
        assert a.note == b.note
        assert (a.low is None) == (b.low is None)
        assert a.low is None or (a.low, a.high) == pytest.approx((b.low, b.high), rel=1e-6, abs=1e-6)


def test_specimens_themselves_have_the_intervals_of_the_papers() -> None:
    pair = fields([(row,) for row in COUNTS[1]])
    assert replace(pair, if_independent=None) == pair
    assert pair.note == ""
