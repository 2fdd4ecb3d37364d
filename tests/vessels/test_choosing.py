"""Groups of basins, and which of them are vessels, with models made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn_maps import KINI, LEVELS, Drawing, group_model
from hypothesis import given
from hypothesis import strategies as st

from mvd.vessels.choosing import PRICE, GroupModel, choose
from mvd.vessels.joining import join_pieces, open_gaps
from mvd.vessels.tree import GROUP_FEATURES, JOINT_FEATURES, Tree, group_features, grow_tree, joint_features


def blank() -> Drawing:
    return Drawing.blank()


def tree_of(picture: Drawing, model: GroupModel | None = None) -> Tree:
    model, found, maps = model or group_model(), picture.basins(), picture.maps()
    return grow_tree(found, maps.dab, open_gaps(found, maps, LEVELS, KINI), may_join=model.may_join)


def chosen(picture: Drawing, model: GroupModel, high: float = LEVELS.high) -> list[int]:
    """The vessel that each basin is in."""
    return choose(tree_of(picture, model), model, high).owner[1:].tolist()


def named(names: dict[str, str], values: object) -> dict[str, float]:
    return dict(zip(names, values, strict=True))  # type: ignore[call-overload]


def dumbbell(valley: float) -> Drawing:
    """Two dense rounds, 16 µm apart, and paler stain between them."""
    picture = blank().line((40, 50), (56, 50), width_um=3.0, od=valley)
    return picture.disc(40, 50, 8, od=0.8).disc(56, 50, 8, od=0.6)


IN_LINE = blank().line((20, 50.25), (40, 50.25)).line((44, 50.25), (64, 50.25))
BESIDE = blank().disc(40, 50, 8).disc(51, 50, 8)
"""3 µm apart: within half the gap of the rule, and without a direction."""


# The tree -----------------------------------------------------------------------------------------------------------


def test_a_pass_is_told_as_a_share_of_the_lower_peak():
    (joint,) = tree_of(dumbbell(0.24)).joints
    told = named(JOINT_FEATURES, joint_features(joint))
    assert told["pass"] == pytest.approx(math.log(0.24 / 0.6))
    assert 7 <= told["gap"] <= 9, "from body to body: what is half as dense as its peak"
    assert joint.parts == (1, 2)


def test_a_gap_is_told_by_its_width_and_how_the_two_ends_lie_to_it():
    (joint,) = tree_of(IN_LINE).joints
    told = named(JOINT_FEATURES, joint_features(joint))
    assert told["pass"] == pytest.approx(math.log(0.03)), "none"
    assert told["gap"] == pytest.approx(4.0, abs=0.51)
    assert told["alignment"] > 0.99
    assert joint.link.firm, "the rule joins them"


def test_what_lies_side_by_side_within_half_the_gap_may_be_one_and_need_not_be():
    (joint,) = tree_of(BESIDE).joints
    assert not joint.link.firm
    assert not tree_of(blank().disc(40, 50, 8).disc(53, 50, 8)).joints, "5 µm apart"


def test_pieces_of_one_compact_thing_are_more_convex_than_two_that_lie_askew():
    halves = blank().ring(50, 50, 12, gaps_um=(2, 2), wall_um=3)
    askew = blank().line((20, 50), (50, 50)).line((52, 50), (52, 80))
    (one,), (other,) = (tree_of(picture).joints for picture in (halves, askew))
    assert one.convexity > 0.7
    assert other.convexity < 0.5


def test_a_group_knows_its_size_and_the_passes_within_and_without():
    picture = dumbbell(0.24)
    tree = tree_of(picture)
    first, second, whole = (named(GROUP_FEATURES, row) for row in group_features(tree)[1:])
    assert math.exp(whole["length"]) == pytest.approx(24, abs=1)
    assert math.exp(first["length"]) == pytest.approx(8, abs=1)
    assert whole["inner_pass"] == pytest.approx(0.24 / 0.6)
    assert second["outer_pass"] == pytest.approx(0.24 / 0.6)
    assert first["outer_pass"] == pytest.approx(0.24 / 0.8)
    assert (first["inner_pass"], whole["outer_pass"], whole["outer_gap"]) == (1, 0, 10)


def scattered(seed: int) -> Drawing:
    random, picture = np.random.default_rng(seed), Drawing.blank(60)
    for x, y, size, od in random.uniform((0, 0, 3, 0.2), (60, 60, 9, 1.0), (18, 4)).tolist():
        picture.disc(x, y, size, od=od)
    return picture


seeds = st.integers(0, 2**32 - 1)


@given(seeds)
def test_every_group_is_part_of_one_larger_one_or_of_none(seed):
    tree = tree_of(scattered(seed))
    parts = [part for joint in tree.joints for part in joint.parts]
    assert sorted([*parts, *tree.roots]) == list(range(1, tree.size + len(tree.joints) + 1))


def test_what_a_model_is_sure_of_stays_apart_but_for_what_the_rule_joins():
    never = group_model(joint=-3.5)
    assert not tree_of(dumbbell(0.24), never).joints
    assert len(tree_of(dumbbell(0.24), group_model(joint=-2.5)).joints) == 1
    assert len(tree_of(IN_LINE, never).joints) == 1
    tree = tree_of(dumbbell(0.24), never)
    assert tree.beside == {1: (2,), 2: (1,)}, "and had a part in it"


# The choice ---------------------------------------------------------------------------------------------------------


def test_a_whole_vessel_is_worth_more_than_its_pieces():
    """The price is paid for each: where the whole agrees as well as either piece, two cost more than one is better."""
    assert chosen(dumbbell(0.24), group_model(agreement=0.4, length=(12, 0.2))) == [1, 1]
    assert chosen(dumbbell(0.24), group_model(agreement=0.6, length=(12, -0.2))) == [1, 2]


@pytest.mark.parametrize(("agreement", "owner"), [(PRICE + 0.01, [1]), (PRICE - 0.01, [0])])
def test_a_group_that_agrees_with_no_vessel_is_none(agreement, owner):
    assert chosen(blank().disc(50, 50, 8), group_model(agreement=agreement)) == owner


def test_what_speaks_for_a_joint_decides_between_equals():
    for joint, owner in ((1.0, [1, 1]), (-1.0, [1, 2])):
        assert chosen(dumbbell(0.24), group_model(agreement=0.5, length=(12, 0.25), joint=joint)) == owner


def test_a_firm_joint_is_never_undone():
    apart = group_model(agreement=1.0, length=(30, -1.0), joint=-3.5)
    assert chosen(IN_LINE, apart) == [1, 1]
    assert chosen(BESIDE, group_model(agreement=1.0, length=(12, -1.0))) == [1, 2]


def test_a_vessel_somewhere_reaches_the_high_level():
    picture, model = dumbbell(0.24), group_model(length=(12, 0.5))
    assert chosen(picture, model, high=0.79) == [1, 1], "the whole, by its dense end"
    assert chosen(picture, model, high=0.81) == [0, 0]
    assert chosen(picture, group_model(length=(12, -0.5)), high=0.7) == [1, 0]


@given(seeds, st.floats(-2, 2), st.floats(-0.3, 0.3))
def test_vessels_are_disjoint_groups_numbered_by_their_first_basins(seed, joint, longer):
    model = group_model(length=(8, longer), joint=joint, pass_slope=1.0)
    tree = tree_of(scattered(seed), model)
    choice = choose(tree, model, LEVELS.high)
    parts = tree.parts()

    def basins_of(group: int) -> set[int]:
        return {group} if group <= tree.size else set().union(*map(basins_of, parts[group]))

    groups = [basins_of(int(group)) for group in choice.group[1:]]
    assert [set(np.flatnonzero(choice.owner == number).tolist()) for number in range(1, len(groups) + 1)] == groups
    firsts = [min(group) for group in groups]
    assert firsts == sorted(firsts)
    assert all(max(tree.shapes[one].peak for one in group) >= LEVELS.high for group in groups)


@pytest.mark.parametrize(("whole", "near"), [(0.21, True), (0.19, True), (0.15, False), (0.25, False)], ids=str)
def test_a_vessel_is_a_near_thing_where_another_parting_is_worth_almost_as_much(whole, near):
    """Two that agree by 0.5 are worth 0.2 each: as much as one that agrees by 0.7."""
    picture = dumbbell(0.24)
    model = group_model(agreement=0.5, length=(12, whole))
    joined = join_pieces(picture.basins(), picture.maps(), levels=LEVELS, rule=KINI, model=model)
    assert set(joined.doubtful[1:].tolist()) == {near}


def test_a_joint_of_the_rule_is_no_near_thing():
    assert not IN_LINE.joined().doubtful.any()


def test_what_is_no_vessel_but_reaches_the_high_level_stays_as_scrap():
    picture, nothing = dumbbell(0.24).disc(80, 80, 8, od=LEVELS.high - 0.02), group_model(agreement=-9.0)
    joined = join_pieces(picture.basins(), picture.maps(), levels=LEVELS, rule=KINI, model=nothing)
    assert joined.group.max() == 1 and joined.scrap.all()
