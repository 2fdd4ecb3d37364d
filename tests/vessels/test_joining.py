"""Pieces of one wall are one vessel; neighbours are not. Shapes drawn in µm, then a few simulated sections."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_maps import KINI, LEVELS, WALL_OD, Drawing, group_model
from hypothesis import given, settings
from hypothesis import strategies as st
from sections import found_alone

from mvd.phantom import example
from mvd.protocol import CountingRule
from mvd.vessels.gaps import find_gaps
from mvd.vessels.joining import join_pieces, line_between


def blank() -> Drawing:
    return Drawing.blank()


def in_line(gap_um: float, *, width_um: float = 2.0) -> Drawing:
    """Two stretches of wall of 20 µm, end to end."""
    middle = 50.0
    left = (middle - gap_um / 2 - 20, 50.25), (middle - gap_um / 2, 50.25)
    right = (middle + gap_um / 2, 50.25), (middle + gap_um / 2 + 20, 50.25)
    return blank().line(*left, width_um=width_um).line(*right, width_um=width_um)


def at_angle(angle_deg: float, gap_um: float) -> Drawing:
    """Two stretches of wall whose ends face each other, the second turned by an angle."""
    turn = np.radians(angle_deg)
    start = np.array([50 + gap_um, 50.25])
    end = start + 20 * np.array([np.cos(turn), np.sin(turn)])
    return blank().line((30, 50.25), (50, 50.25)).line(tuple(start), tuple(end))


ONE = {
    "an unbroken ring": blank().ring(50, 50, 16),
    "a ring with one gap": blank().ring(50, 50, 16, gaps_um=(5,)),
    "a ring with three gaps": blank().ring(50, 50, 18, gaps_um=(4, 4, 4)),
    "a ring in four pieces": blank().ring(50, 50, 20, gaps_um=(5, 5, 5, 5)),
    "two halves of a wall round a clear lumen": blank().ring(50, 50, 24, gaps_um=(10, 10)),
    "in line, touching": in_line(1.0),
    "in line, 4 µm apart": in_line(4.0),
    "in line, 7 µm apart": in_line(7.0),
    "in a bend of 15°": at_angle(15, 4.0),
    "three in line": blank().line((10, 50.25), (30, 50.25)).line((35, 50.25), (55, 50.25))
    .line((60, 50.25), (80, 50.25)),
    "a pale stretch in a wall": blank().line((20, 50.25), (40, 50.25)).line((50, 50.25), (70, 50.25))
    .line((40, 50.25), (50, 50.25), od=(LEVELS.weak + LEVELS.low) / 2),
}  # fmt: skip

TWO = {
    "in line, 9.5 µm apart": in_line(9.5),
    "in line, 14 µm apart": in_line(14.0),
    "parallel, 12 µm apart": blank().line((20, 44), (80, 44)).line((20, 58), (80, 58)),
    "parallel, 5 µm apart": blank().line((20, 47), (80, 47)).line((20, 54), (80, 54)),
    "at right angles, 5 µm apart": blank().line((20, 50.25), (80, 50.25)).line((50.25, 56.25), (50.25, 80)),
    "at right angles, end to end": at_angle(90, 6.0),
    "two rings 6 µm apart": blank().ring(38, 50, 14).ring(58, 50, 14),
    "two discs 6 µm apart": blank().disc(40, 50, 8).disc(54, 50, 8),
    "a disc beside a wall": blank().line((20, 50.25), (80, 50.25)).disc(50, 60.5, 8),
    "a ring beside a wall": blank().line((20, 40.25), (80, 40.25)).ring(50, 53.5, 14),
}


@pytest.mark.parametrize("picture", ONE.values(), ids=ONE.keys())
def test_these_pieces_are_one_vessel(picture):
    assert picture.objects() == 1


@pytest.mark.parametrize("picture", TWO.values(), ids=TWO.keys())
def test_these_pieces_are_two_vessels(picture):
    assert picture.joined().pieces.max() == 2
    assert picture.objects() == 2


def test_the_tables_hold_pieces_to_be_joined():
    whole = {"an unbroken ring", "a ring with one gap", "in line, touching"}
    broken = {name for name, picture in ONE.items() if picture.joined().pieces.max() > 1}
    assert broken >= ONE.keys() - whole


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("mirrored", [False, True], ids=["", "mirrored"])
def test_turning_or_mirroring_the_picture_changes_nothing(turn, mirrored):
    for expected, pictures in ((1, ONE), (2, TWO)):
        found = {name: picture.turned(turn, mirrored=mirrored).objects() for name, picture in pictures.items()}
        assert found == dict.fromkeys(pictures, expected)


@pytest.mark.parametrize("join_gap_um", [3.0, 5.0, 8.0, 12.0])
def test_a_gap_in_line_is_bridged_up_to_the_rules_gap(join_gap_um):
    rule = CountingRule(join_gap_um=join_gap_um)
    assert in_line(join_gap_um - 0.5).objects(rule) == 1
    assert in_line(join_gap_um + 1.0).objects(rule) == 2


def test_without_a_gap_only_pieces_that_touch_are_joined():
    """Within 1.5 µm, the blur of the optics; and round one lumen, which is one vessel however it is broken."""
    rule = CountingRule(join_gap_um=0)
    assert in_line(1.0).objects(rule) == 1
    assert in_line(2.5).objects(rule) == 2
    assert blank().ring(50, 50, 18, gaps_um=(4, 4, 4), clear=False).objects(rule) == 3


@settings(max_examples=15)
@given(st.floats(0, 12), st.floats(0, 12))
def test_a_wider_rule_never_parts_what_a_narrower_one_joined(one, other):
    rules = [CountingRule(join_gap_um=gap) for gap in sorted((one, other))]
    for picture in (ONE["a ring with three gaps"], TWO["at right angles, 5 µm apart"], in_line(6.0)):
        assert picture.objects(rules[0]) >= picture.objects(rules[1])


def test_the_bridge_is_the_narrowest_gap():
    gaps = find_gaps(in_line(6.0).joined().pieces, 10.0)
    assert len(gaps.first) == 1
    assert gaps.width_um[0] == pytest.approx(6.0, abs=0.51)
    assert gaps.p[0, 0] == gaps.q[0, 0], "straight across"


def test_pieces_with_a_third_between_them_have_no_gap():
    picture = blank().line((40, 20), (40, 80)).line((46, 20), (46, 80)).line((52, 20), (52, 80))
    gaps = find_gaps(picture.joined().pieces, 30.0)
    assert sorted(zip(gaps.first.tolist(), gaps.second.tolist(), strict=True)) == [(1, 2), (2, 3)]


@pytest.mark.parametrize(("beside_px", "gap"), [(0, False), (1, False), (2, False), (4, True)])
def test_dots_have_a_gap_only_if_they_meet_no_farther_than_half_of_it_away(beside_px, gap):
    """A third dot, beside the middle of the line: the other two meet on its far side, 18, 10 or 6.5 px away."""
    labels = np.zeros((80, 80), np.int32)
    labels[30 - beside_px, 36], labels[30, 30], labels[30, 42] = 1, 2, 3
    gaps = find_gaps(labels, 5.5)
    assert ((2, 3) in zip(gaps.first.tolist(), gaps.second.tolist(), strict=True)) == gap


def test_pieces_round_one_lumen_are_one_object_even_where_none_of_them_looks_like_a_vessel():
    picture, nothing = ONE["two halves of a wall round a clear lumen"], group_model(agreement=-1.0)
    joined = join_pieces(picture.basins(), picture.maps(), levels=LEVELS, rule=KINI, model=nothing)
    assert joined.group.tolist() == [0, 1, 1]
    assert joined.scrap.all()


def test_a_piece_that_lies_in_two_places_is_two_pieces_of_one_object():
    """Joined by stain paler than a third of its peak, which is not drawn."""
    picture = blank().line((20, 50.25), (80, 50.25), width_um=4.0)
    picture.dab[:, 78:84] = np.minimum(picture.dab[:, 78:84], 0.32 * WALL_OD)
    joined = picture.joined()
    assert joined.group.tolist() == [0, 1, 1]
    (found,) = picture.measured()
    assert found.outline_area_um2 >= found.area_um2


def test_groups_are_numbered_by_their_first_pieces():
    picture = blank().disc(80, 20, 6).line((10, 40.25), (30, 40.25)).line((34, 40.25), (54, 40.25)).disc(10, 90, 6)
    assert picture.joined().group.tolist() == [0, 1, 2, 2, 3]


def test_a_lumen_belongs_to_the_wall_round_it():
    joined = blank().disc(15, 15, 6).ring(60, 60, 24, gaps_um=(6, 6)).joined()
    assert joined.lumen_group.tolist() == [0, 2]
    assert joined.lumens[120, 120] == 1 and not joined.lumens[:60, :60].any()


def test_a_clear_gap_with_a_wall_on_one_side_is_no_lumen():
    """A fat cell with a capillary beside it."""
    picture = blank().line((20, 30), (80, 30))
    picture.clear[64:160, 40:160] = 1
    assert len(picture.joined().lumen_group) == 1


ends = st.tuples(st.integers(0, 40), st.integers(0, 40))


@given(ends, ends, ends)
def test_a_bridge_runs_the_same_way_wherever_the_region_starts(p, q, shift):
    here = np.stack(line_between(np.array(p, np.int32), np.array(q, np.int32)))
    there = np.stack(line_between(np.array(p, np.int32) + shift, np.array(q, np.int32) + shift))
    assert np.array_equal(here + np.array(shift)[:, None], there)


BROKEN = [("capillary_cross", 3, 2), ("capillary_cross", 2, 4), ("slanted", 2, 4), ("sinusoid", 3, 4)]
"""Kind, breaks, and of five how many at least are counted: of a ring of 8 µm three breaks leave little."""
SEEDS = (1, 2, 3, 4, 5)


@pytest.mark.parametrize(("kind", "breaks", "at_least"), BROKEN, ids=str)
def test_a_broken_wall_of_a_simulated_vessel_is_counted_once(kind, breaks, at_least):
    numbers, pieces = [], []
    for seed in SEEDS:
        found = found_alone(example(kind, seed=seed, um_per_px=0.5, breaks=breaks).image)
        numbers.append(sum(vessel.accepted for vessel in found))
        pieces.append(max(vessel.pieces for vessel in found))
    assert max(numbers) == 1 and sum(numbers) >= at_least, numbers
    assert max(pieces) > 1
