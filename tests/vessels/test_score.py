"""The learned score: what it looks at, that it is a sum of steps, and that the rule stays in charge."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from drawn_looks import a_look
from drawn_maps import LEVELS, WALL_OD, Drawing, group_model
from hypothesis import given
from hypothesis import strategies as st
from sections import KINI, section, slide_of, surveyed

from mvd.geometry import Rect
from mvd.models import shipped_score
from mvd.phantom import PhantomSpec
from mvd.vessels import WORK_UM_PER_PX, Candidate, Reason, Vessel, find_candidates, find_scored, find_vessels
from mvd.vessels.measure import measure_objects
from mvd.vessels.score import FEATURES, ScoreModel, features, is_compact, logits, probabilities, with_score
from mvd.vessels.steps import STEP_UNIT, Steps

SPEC = PhantomSpec(
    seed=31, width_um=300, height_um=300, difficulty="typical", vessel_density_per_mm2=150, confounders=2.0,
    bone_fraction=0.0, tissue_edge=False,
)  # fmt: skip


def steps(cuts: tuple[float, ...] = (), *heights: float) -> Steps:
    return Steps(np.array(cuts, np.float64), np.array([round(h / STEP_UNIT) for h in heights or (0.0,)], np.int64))


def model(*, base: float = 0.0, threshold: float = 0.3, compact: float = 0.3, **features_: Steps) -> ScoreModel:
    """A score of the features named, and of no other."""
    chosen = tuple(features_.get(name, steps()) for name in FEATURES)
    return ScoreModel("test", "1", "", round(base / STEP_UNIT), chosen, threshold, compact)


@cache
def candidates(spec: PhantomSpec, part: Rect | None = None) -> tuple[Candidate, ...]:
    survey, slide = surveyed(spec), slide_of(section(spec).image)
    region = slide.read(part or slide.bounds, WORK_UM_PER_PX)
    return find_candidates(region, survey.stains, survey.levels, rule=KINI, look=shipped_score().look)


def row(**values: float) -> list[float]:
    return [values.get(name, 0.0) for name in FEATURES]


# What it looks at ---------------------------------------------------------------------------------------------------


def named(drawing: Drawing) -> dict[str, float]:
    (found,) = drawing.measured()
    return dict(zip(FEATURES, features(found, LEVELS), strict=True))


def test_a_drawn_ring_has_the_features_that_were_drawn() -> None:
    ring = named(Drawing.blank().ring(50, 50, 14, wall_um=2.0))
    assert ring["lumen_share"] == pytest.approx((10 / 14) ** 2, abs=0.05)
    assert math.expm1(ring["log_lumen_width"]) == pytest.approx(10, abs=1.2)
    assert (ring["aspect"], ring["solidity"], ring["rim_cover"]) == pytest.approx((1, 1, 1), abs=0.04)
    assert ring["ruggedness"] == pytest.approx(0, abs=0.06)
    assert ring["rim_residual_um"] < 0.8
    assert (ring["mean_dab"], ring["dab_sd"]) == pytest.approx((1, 0), abs=0.01)
    assert ring["stained_share"] == pytest.approx(1 - (10 / 14) ** 2, abs=0.05)
    assert ring["roundness"] < 0.05
    assert ring["middle"] < 0.3 and ring["colour"] == pytest.approx(1, abs=0.1)


def test_a_thick_wall_is_deeper_than_a_thin_one() -> None:
    thin, thick = (named(Drawing.blank().line((20, 50), (80, 50), width_um=width)) for width in (2.0, 6.0))
    assert thick["depth_um"] > 2 * thin["depth_um"]


def test_a_filled_round_has_a_middle_and_a_nucleus_reddens_it() -> None:
    drawing = Drawing.blank().disc(50, 50, 12)
    (plain,), joined, maps = drawing.measured(), drawing.joined(), drawing.maps()
    y, x = (np.indices(maps.red.shape) + 0.5) * WORK_UM_PER_PX
    red = maps.red + np.where(np.hypot(x - 50, y - 50) < 3, np.float32(0.2), np.float32(0))
    (other,) = measure_objects(joined.pieces, joined, replace(maps, red=red), levels=LEVELS)
    before, after = (dict(zip(FEATURES, features(found, LEVELS), strict=True)) for found in (plain, other))
    assert before["middle"] == pytest.approx(1, abs=0.01)
    assert before["middle_red"] == pytest.approx(0, abs=0.01)
    assert after["middle_red"] == pytest.approx(0.2 / 0.58, abs=0.05)
    assert after["colour"] > before["colour"]


def test_an_ellipse_is_less_round_than_a_disc() -> None:
    drawing = Drawing.blank()
    y, x = (np.indices(drawing.dab.shape) + 0.5) * WORK_UM_PER_PX
    drawing.dab[np.hypot((x - 50) / 2, y - 50) <= 8] = WALL_OD
    assert named(drawing)["roundness"] == pytest.approx(0.23, abs=0.05)


def test_no_feature_depends_on_how_dense_an_object_is() -> None:
    pale, dense = (named(Drawing.blank().ring(50, 50, 14, od=LEVELS.background + od)) for od in (0.4, 0.8))
    # Red is drawn from 0, DAB counts from the background.
    pale.pop("colour"), dense.pop("colour")
    assert pale == pytest.approx(dense, abs=0.06)


def test_an_object_that_touches_every_edge_has_features_too() -> None:
    values = named(Drawing.blank(20.0).line((0, 10), (20, 10), width_um=18.0))
    assert all(math.isfinite(value) for value in values.values())


@pytest.mark.parametrize("changed", [{"red_share": None}, {"red_share": -0.2}, {"nuclear": 0.0}, {"noise": 0.0}])
def test_a_slide_without_a_level_has_features_too(changed: dict[str, float | None]) -> None:
    (found,) = Drawing.blank().ring(50, 50, 12).measured()
    assert all(math.isfinite(value) for value in features(found, replace(LEVELS, **changed)))


SAME_SCENE = {
    "brighter": {"brightness": 0.98},
    "darker": {"brightness": 0.82},
    "stained more": {"stain_strength": 1.3},
    "stained less": {"stain_strength": 0.75},
    "at 40x": {"um_per_px": 0.25},
}


FINE = ("detail", "edge_slope")
"""Grain and sharpness, which a scanner's optics, its noise and the amount of stain do change."""


@pytest.mark.slow
@pytest.mark.parametrize("change", SAME_SCENE.values(), ids=SAME_SCENE)
def test_the_same_scene_has_the_same_features_however_it_is_stained_and_scanned(change: dict[str, float]) -> None:
    pairs: list[tuple[Candidate, Candidate]] = []
    everything: list[tuple[float, ...]] = []
    counted = 0
    for seed in (31, 32):
        base = replace(SPEC, seed=seed, brightness=0.92, stain_strength=1.0)
        one = candidates(base)
        same = same_objects(one, candidates(replace(base, **change)))
        counted += sum(candidate.vessel.accepted for candidate in one)
        pairs, everything = pairs + same, everything + [candidate.features for candidate in one]
    assert len(pairs) >= 0.8 * counted
    moved = np.array([np.subtract(a.features, b.features) for a, b in pairs]) / np.std(everything, axis=0)
    typical = dict(zip(FEATURES, np.median(np.abs(moved), axis=0).tolist(), strict=True))
    fine = {name: typical.pop(name) for name in FINE}
    assert max(typical.values()) < 0.45, typical
    assert max(fine.values()) < 0.9, fine
    assert np.median(list(typical.values())) < 0.1
    chances = [probabilities(shipped_score(), [candidate.features for candidate in pair]) for pair in pairs]
    assert np.mean([abs(a - b) for a, b in chances]) < 0.1


def same_objects(one: tuple[Candidate, ...], other: tuple[Candidate, ...]) -> list[tuple[Candidate, Candidate]]:
    """Those of one that the rule counts with those of the other whose boxes agree within 1.5 µm on every side."""
    return [
        (a, b) for a in one for b in other
        if a.vessel.accepted and max(abs(x - y) for x, y in zip(box(a), box(b), strict=True)) <= 1.5
    ]  # fmt: skip


# A sum of steps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "logit"), [(-1e300, -2.0), (0.0, -2.0), (0.0001, 0.5), (3.0, 0.5), (3.1, 4.0), (1e300, 4.0)]
)
def test_a_step_holds_up_to_its_cut_and_ends_are_flat(value: float, logit: float) -> None:
    score = model(base=0.25, aspect=steps((0.0, 3.0), -2.0, 0.5, 4.0))
    assert logits(score, np.array([row(aspect=value)])) == pytest.approx([logit + 0.25], abs=1e-9)


def test_features_add_up() -> None:
    score = model(base=-1.0, aspect=steps((0.5,), 0.0, 2.0), solidity=steps((0.5,), 0.0, -3.0))
    rows = [row(), row(aspect=1), row(solidity=1), row(aspect=1, solidity=1)]
    assert probabilities(score, rows) == pytest.approx([1 / (1 + math.exp(x)) for x in (1, -1, 4, 2)])


@pytest.mark.parametrize("logit", [-1e5, -50.0, 50.0, 1e5])
def test_extremes_stay_probabilities(logit: float) -> None:
    (chance,) = probabilities(model(base=logit), [row()])
    assert chance == (1.0 if logit > 0 else pytest.approx(0.0, abs=1e-20))


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=len(FEATURES), max_size=len(FEATURES)), max_size=6))
def test_each_candidate_has_its_own_probability_whatever_stands_beside_it(rows: list[list[float]]) -> None:
    score = shipped_score()
    together = probabilities(score, rows)
    assert all(0 <= chance <= 1 for chance in together)
    assert together == tuple(probabilities(score, [one])[0] for one in rows)
    assert together == tuple(reversed(probabilities(score, rows[::-1])))


# The rule stays in charge -------------------------------------------------------------------------------------------


def a_vessel(**changes: object) -> Vessel:
    (candidate, *_) = (c for c in candidates(SPEC) if c.vessel.accepted and not c.vessel.ambiguous)
    return replace(candidate.vessel, **changes)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.UNLIKE_VESSEL])
@given(chance=st.floats(0, 1))
def test_what_the_rule_rejects_stays_rejected_for_its_reason(reason: Reason, chance: float) -> None:
    judged = with_score(a_vessel(reason=reason), chance, model())
    assert (judged.reason, judged.score, judged.ambiguous) == (reason, chance, False)


@pytest.mark.parametrize("reason", [Reason.PIGMENT, Reason.SINGLE_CELL, Reason.MEGAKARYOCYTE])
@given(chance=st.floats(0, 1))
def test_what_the_rule_but_suspects_is_judged_as_what_it_counts(reason: Reason, chance: float) -> None:
    for length_um, threshold in ((17.9, 0.4), (18.1, 0.2)):
        vessel = a_vessel(reason=reason, outline=bar(length_um))
        judged = with_score(vessel, chance, model(threshold=0.2, compact=0.4), suspected=True)
        assert judged.score == chance
        assert (judged.reason, judged.ambiguous) == ((reason, False) if chance < threshold else (None, chance < 0.6))


def bar(length_um: float) -> np.ndarray:
    """An outline 5 µm wide, askew."""
    x, y = np.array([(0, 0), (length_um, 0), (length_um, 5), (0, 5)], float).T
    return np.stack([50 + 0.6 * x - 0.8 * y, 50 + 0.8 * x + 0.6 * y], axis=1)


SIZES = {
    # longer side µm, whether cells are rejected: which threshold, and what falls below it
    "as small as a cell": (17.9, True, "compact", Reason.SINGLE_CELL),
    "longer than a cell": (18.1, True, "long", Reason.UNLIKE_VESSEL),
    "longer than a cell, where cells count": (18.1, False, "long", Reason.UNLIKE_VESSEL),
}


@pytest.mark.parametrize(("length_um", "cells", "which", "reason"), SIZES.values(), ids=SIZES)
@given(chance=st.floats(0, 1), thresholds=st.tuples(st.floats(0.001, 0.6), st.floats(0.001, 0.6)))
def test_what_the_rule_counts_is_rejected_below_the_threshold_of_its_size(
    length_um: float, cells: bool, which: str, reason: Reason, chance: float, thresholds: tuple[float, float]
) -> None:
    long, compact = thresholds
    score, vessel = model(threshold=long, compact=compact), a_vessel(outline=bar(length_um))
    judged = with_score(vessel, chance, score, cells=cells)
    assert judged.reason is (reason if chance < {"long": long, "compact": compact}[which] else None)
    assert judged.ambiguous == (chance < 0.6)
    assert with_score(replace(vessel, ambiguous=True), chance, score, cells=cells).ambiguous


@given(chance=st.floats(0, 1))
def test_where_cells_count_nothing_of_their_size_is_rejected(chance: float) -> None:
    judged = with_score(a_vessel(outline=bar(17.9)), chance, model(threshold=0.9, compact=0.9), cells=False)
    assert (judged.reason, judged.ambiguous) == (None, chance < 0.6)


def test_a_ring_is_as_large_as_it_is_across() -> None:
    turns = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring = np.stack([9 * np.cos(turns), 9 * np.sin(turns)], axis=1) + 50
    assert is_compact(a_vessel(outline=0.97 * ring, length_um=50))
    assert not is_compact(a_vessel(outline=1.05 * ring, length_um=10))


def test_the_network_adds_its_share() -> None:
    plain = model(base=0.3, length=steps((1.0,), 0.0, 0.5))
    seeing = replace(plain, look=a_look(), look_weight=0.4)
    table = np.array([row(length=2.0, look=3.0), row(length=0.0, look=-1.0)])
    assert logits(plain, table).tolist() == pytest.approx([0.8, 0.3])
    assert logits(seeing, table).tolist() == pytest.approx([0.8 + 1.2, 0.3 - 0.4])


def test_what_the_rule_decides_is_looked_at_and_nothing_else() -> None:
    survey, image = surveyed(SPEC), section(SPEC).image
    blind = find_candidates(image, survey.stains, survey.levels, rule=KINI)
    seeing = find_candidates(image, survey.stains, survey.levels, rule=KINI, look=a_look())
    at = list(FEATURES).index("look")
    assert {one.seen for one in blind} == {None} and {one.features[at] for one in blind} == {0.0}
    for before, one in zip(blind, seeing, strict=True):
        decided = one.vessel.reason is None or one.suspected
        assert (one.seen is not None) == decided == (one.features[at] != 0)
        assert one.features[:at] == before.features[:at]
        assert one.seen is None or one.seen.intersection(one.vessel.bounds) == one.vessel.bounds


def test_a_score_changes_no_more_than_what_counts() -> None:
    survey, image = surveyed(SPEC), section(SPEC).image
    rule_alone, all_refused, all_accepted = (
        find_vessels(image, survey.stains, survey.levels, rule=KINI, score=score)
        for score in (None, model(base=-9.0), model(base=9.0))
    )
    assert any(vessel.accepted for vessel in rule_alone)
    assert [v.score for v in rule_alone] == [None] * len(rule_alone)
    assert not any(vessel.accepted for vessel in all_refused)
    suspected = [one.suspected for one in candidates(SPEC)]
    for before, refused, accepted, only in zip(rule_alone, all_refused, all_accepted, suspected, strict=True):
        assert accepted.reason is (None if only else before.reason)
        unlike = Reason.SINGLE_CELL if is_compact(before) else Reason.UNLIKE_VESSEL
        assert refused.reason is (before.reason or unlike)
        for vessel in (refused, accepted):
            assert vessel.name == before.name
            assert np.array_equal(vessel.outline, before.outline)


def test_a_score_that_knows_of_groups_chooses_what_is_one_vessel() -> None:
    survey, image = surveyed(SPEC), section(SPEC).image
    nothing = replace(model(), groups=group_model(agreement=-99.0))
    found = find_scored(image, survey.stains, survey.levels, rule=KINI, score=nothing)
    assert found and not any(one.vessel.accepted for one in found)


def test_features_are_the_same_whatever_was_read_round_the_object() -> None:
    part = Rect(0.0, 0.0, 230.0, 230.0)
    whole = {box(c): c.features for c in candidates(SPEC)}
    inside = Rect(0.0, 0.0, 202.0, 202.0)
    furthest = 226.0  # smoothing reaches 4 µm from the edge
    seen = [
        c for c in candidates(SPEC, part)
        if inside.intersection(c.reach) == c.reach
        and (c.seen is None or max(c.seen.x1_um, c.seen.y1_um) <= furthest)
    ]  # fmt: skip
    assert sum(c.seen is not None for c in seen) >= 3
    assert all(whole[box(c)] == c.features for c in seen)


def box(candidate: Candidate) -> tuple[float, ...]:
    bounds = candidate.vessel.bounds
    return bounds.x0_um, bounds.y0_um, bounds.x1_um, bounds.y1_um
