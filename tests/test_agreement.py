"""Agreement of two readers, object by object and count by count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvd.agreement import Detection, detect, icc, limits_of_agreement, match_boxes
from mvd.geometry import Rect

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], np.float64
)
"""Six subjects, four judges: table 2 of Shrout & Fleiss, Psychol Bull 1979;86:420."""

boxes = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 20), st.integers(1, 20)).map(
        lambda b: Rect(b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    max_size=8,
)


@pytest.mark.parametrize(
    ("found", "reference", "matched"),
    [
        (Rect(0, 0, 10, 10), Rect(0, 0, 10, 10), True),
        (Rect(0, 0, 10, 10), Rect(0, 0, 10, 2), True),  # IoU 0.2 exactly
        (Rect(0, 0, 10, 10), Rect(0, 0, 10, 1.9), False),
        (Rect(0, 0, 10, 10), Rect(4, 4, 6, 6), True),  # IoU 0.04, but centres inside each other
        (Rect(0, 0, 10, 10), Rect(0, 0, 3, 3), False),
        (Rect(0, 0, 10, 10), Rect(10, 0, 20, 10), False),  # they only touch
    ],
)
def test_boxes_match_by_overlap_or_by_their_centres(found: Rect, reference: Rect, matched: bool) -> None:
    assert match_boxes([found], [reference]) == (((0, 0),) if matched else ())


@pytest.mark.parametrize(
    ("found", "reference", "grown_um", "matched"),
    [
        (Rect(0, 0, 10, 4), Rect(7, 0, 17, 4), 0.0, False),
        (Rect(0, 0, 10, 4), Rect(7, 0, 17, 4), 2.0, True),  # IoU 0.18; centres at 5 and 12, 2 µm outside each other
        (Rect(0, 0, 10, 4), Rect(7, 0, 17, 4), 1.9, False),
        (Rect(0, 0, 3, 3), Rect(3.4, 0, 6.4, 3), 2.0, True),  # no common area at all
        (Rect(0, 0, 40, 40), Rect(0, 0, 9, 9), 2.0, False),  # the small one grown still lacks the other's centre
    ],
)
def test_boxes_may_be_grown_before_their_centres_are_looked_for(
    found: Rect, reference: Rect, grown_um: float, matched: bool
) -> None:
    assert match_boxes([found], [reference], grown_um=grown_um) == (((0, 0),) if matched else ())
    assert detect([found], [reference], grown_um=grown_um).matched == matched
    assert detect([found], [], ignored=[reference], grown_um=grown_um).extra == (not matched)


def test_of_two_grown_pairs_the_more_alike_is_taken() -> None:
    touching, overlapping = Rect(-3.4, 0, -0.4, 3), Rect(1, 0, 4, 3)
    assert match_boxes([touching, overlapping], [Rect(0, 0, 3, 3)], grown_um=2.0) == ((1, 0),)


def test_one_large_box_is_one_vessel_only() -> None:
    assert detect([Rect(0, 0, 20, 10)], [Rect(0, 0, 10, 10), Rect(10, 0, 20, 10)]) == Detection(1, 0, 1)


def test_as_many_pairs_as_possible_before_the_most_alike() -> None:
    found = [Rect(0, 0, 10, 10), Rect(0, 0, 10, 25)]
    reference = [Rect(0, 0, 10, 11), Rect(0, 0, 10, 2.5)]
    # The first is most like the first; but only the first can take the second.
    assert set(match_boxes(found, reference)) == {(0, 1), (1, 0)}


def test_what_lies_on_a_doubtful_place_counts_neither_way() -> None:
    found = [Rect(0, 0, 10, 10), Rect(30, 30, 40, 40)]
    reference = [Rect(0, 0, 10, 10)]
    assert detect(found, reference) == Detection(1, 1, 0)
    assert detect(found, reference, ignored=[Rect(30, 30, 40, 41)]) == Detection(1, 0, 0)


@given(boxes, boxes)
def test_agreement_is_the_same_from_either_side(first: list[Rect], second: list[Rect]) -> None:
    one, other = detect(first, second), detect(second, first)
    assert (one.matched, one.extra, one.missed) == (other.matched, other.missed, other.extra)
    assert one.matched + one.extra == len(first)
    assert one.f1 == other.f1


def test_nothing_on_either_side_has_no_figure() -> None:
    empty = detect([], [])
    assert (empty.f1, empty.precision, empty.recall) == (None, None, None)
    assert detect([], [Rect(0, 0, 1, 1)]).recall == 0


def test_f1_of_a_sum_is_not_a_mean_of_f1() -> None:
    assert (Detection(9, 1, 0) + Detection(1, 0, 4)).f1 == pytest.approx(20 / 25)


@pytest.mark.parametrize(("form", "published"), [("2,1", 0.29), ("3,1", 0.71)])
def test_icc_as_published(form: str, published: float) -> None:
    assert icc(SHROUT_FLEISS, form=form) == pytest.approx(published, abs=0.005)


def test_a_constant_bias_lowers_agreement_but_not_consistency() -> None:
    rng = np.random.default_rng(1)
    first = rng.poisson(8, 30).astype(float)
    pair = np.stack([first, first + 5], axis=1)
    agreement, consistency = icc(pair, form="2,1"), icc(pair, form="3,1")
    assert agreement is not None and agreement < 0.6
    assert consistency == pytest.approx(1)


def test_icc_is_not_told_without_subjects_or_spread() -> None:
    assert icc(np.array([[3.0, 4.0]])) is None
    assert icc(np.full((4, 2), 5.0)) is None


def test_limits_of_agreement_by_hand() -> None:
    limits = limits_of_agreement(np.array([1.0, 2, 3, 4]), np.array([0.0, 2, 2, 6]))
    assert limits is not None  # differences 1, 0, 1, -2: mean 0, sd √2
    assert limits.bias == 0
    assert limits.high == pytest.approx(1.96 * 2**0.5)
    assert limits.low == -limits.high
    assert limits_of_agreement(np.array([1.0]), np.array([1.0])) is None
