"""A slide's vessels do not depend on how it is cut into blocks."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sections import KINI, section, slide_of, survey_of, surveyed

import mvd.blocks
from mvd import threads
from mvd.blocks import grid, vessels_on_slide
from mvd.geometry import Raster, Rect
from mvd.models import shipped_score
from mvd.phantom import PhantomSpec, empty_marrow
from mvd.protocol import CountingRule
from mvd.vessels import Candidate, Vessel, find_candidates, find_vessels

SPEC = PhantomSpec(seed=4, width_um=330, height_um=300, vessel_density_per_mm2=200.0, bone_fraction=0.05)
FATTY = replace(SPEC, seed=12, fat_fraction=0.5, vessel_density_per_mm2=250.0, tissue_edge=True)


def whole(spec: PhantomSpec) -> Raster:
    overview = surveyed(spec).overview
    return overview.with_pixels(np.ones(overview.pixels.shape[:2], bool))


def searched(spec: PhantomSpec, cores: tuple[Rect, ...], rule: CountingRule = KINI) -> tuple[Vessel, ...]:
    slide, score = slide_of(section(spec).image), shipped_score()
    return vessels_on_slide(slide, surveyed(spec), cores, rule=rule, score=score)


@cache
def found_in(spec: PhantomSpec, rule: CountingRule = KINI) -> tuple[Vessel, ...]:
    """Every object of a section, searched as one region."""
    survey = surveyed(spec)
    return find_vessels(
        section(spec).image, survey.stains, survey.levels, rule=rule, tissue=survey.tissue, score=shipped_score()
    )


def candidates_of(spec: PhantomSpec) -> tuple[Candidate, ...]:
    survey = surveyed(spec)
    return find_candidates(section(spec).image, survey.stains, survey.levels, rule=KINI, tissue=survey.tissue)


def told(vessel: Vessel) -> tuple[object, ...]:
    """Everything of a vessel but its name, to the nanometre."""
    numbers = (
        vessel.x_um, vessel.y_um, vessel.area_um2, vessel.lumen_area_um2, vessel.lumen_width_um, vessel.length_um,
        vessel.width_um, vessel.perimeter_um, vessel.mean_dab_od,
    )  # fmt: skip
    rings = tuple(ring.tobytes() for ring in (vessel.outline, *vessel.lumens))
    return (*(round(float(n), 3) for n in numbers), vessel.pieces, vessel.reason, vessel.ambiguous, vessel.score, rings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "core_um"), [(SPEC, 128.0), (FATTY, 200.0)], ids=["cellular, 128 µm", "fatty, 200 µm"]
)
def test_blocks_of_any_size_find_the_same_vessels(monkeypatch, spec, core_um):
    monkeypatch.setattr(mvd.blocks, "CORE_UM", core_um)
    found = searched(spec, grid(whole(spec)))
    assert len(found) > 12
    assert sorted(map(told, found), key=str) == sorted(map(told, found_in(spec)), key=str)


def cuts(length_um: float) -> st.SearchStrategy[list[float]]:
    """Places to cut a side at; from none to blocks narrower than a vessel is long."""
    inner = st.lists(st.integers(1, int(length_um) - 1), max_size=5, unique=True)
    return inner.map(lambda places: [0.0, *(float(place) for place in sorted(places)), length_um])


@pytest.mark.slow
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(spec=st.sampled_from([SPEC, FATTY]), xs=cuts(SPEC.width_um), ys=cuts(SPEC.height_um), order=st.randoms())
def test_however_a_slide_is_cut_every_object_is_found_once_and_whole(spec, xs, ys, order):
    cores = [
        Rect(left, top, right, bottom)
        for top, bottom in itertools.pairwise(ys)
        for left, right in itertools.pairwise(xs)
    ]
    order.shuffle(cores)
    found = searched(spec, tuple(cores))
    assert sorted(map(told, found), key=str) == sorted(map(told, found_in(spec)), key=str)


@pytest.mark.parametrize(("join_gap_um", "cut"), [(8.0, False), (24.0, True)])
def test_the_wider_a_rule_joins_the_more_must_be_seen_round_a_vessel(join_gap_um, cut):
    candidate = min(candidates_of(SPEC), key=lambda one: one.reach.x0_um)
    slide = Rect(-1000, -1000, 2000, 2000)
    seen = candidate.reach.expanded(40)  # 13 and 40 µm of gap and 14 µm of surroundings
    assert mvd.blocks._is_cut(candidate, seen, slide, CountingRule(join_gap_um=join_gap_um)) is cut


@pytest.mark.parametrize("away_um", [(-30, 0), (0, -30), (30, 0), (0, 30)], ids=["left", "above", "right", "below"])
def test_what_had_a_part_in_a_vessel_must_be_seen_as_the_vessel_itself(away_um):
    vessel = found_in(SPEC)[0]
    slide, box, (right, down) = Rect(-1000, -1000, 2000, 2000), vessel.bounds, away_um
    seen = box.expanded(40)
    far = Rect(box.x0_um + min(right, 0), box.y0_um + min(down, 0), box.x1_um + max(right, 0), box.y1_um + max(down, 0))
    assert not mvd.blocks._is_cut(Candidate(vessel, (), False, box, None), seen, slide, KINI)
    assert mvd.blocks._is_cut(Candidate(vessel, (), False, far, None), seen, slide, KINI)


@pytest.mark.parametrize("away_um", [(-50, 0), (0, -50), (50, 0), (0, 50)], ids=["left", "above", "right", "below"])
def test_what_a_network_saw_round_a_vessel_must_have_been_read(away_um):
    vessel = found_in(SPEC)[0]
    slide, box, (right, down) = Rect(-1000, -1000, 2000, 2000), vessel.bounds, away_um
    near = Rect(box.x0_um + right, box.y0_um + down, box.x1_um + right, box.y1_um + down)
    for read_um, cut in ((54.1, False), (53.9, True)):
        candidate = Candidate(vessel, (), False, box, near)
        assert mvd.blocks._is_cut(candidate, box.expanded(read_um), slide, KINI) is cut
        assert not mvd.blocks._is_cut(candidate, box.expanded(read_um), box.expanded(read_um), KINI)


def test_fields_alone_find_what_the_whole_slide_has_there():
    fields = (Rect.square(20.5, 30.25, 110), Rect.square(130.5, 30.25, 110), Rect.square(200.0, 170.0, 120))
    found = {told(v) for v in searched(SPEC, fields)}
    everywhere = {told(v): v for v in found_in(SPEC)}
    touching = {key for key, v in everywhere.items() if any(v.bounds.intersection(field) for field in fields)}
    assert len(touching) > 5
    assert found == touching


@pytest.mark.slow
def test_blocks_may_overlap_and_come_in_any_order():
    cores = (*grid(whole(SPEC)), Rect.square(50, 50, 200), Rect.square(120, 90, 200))
    names = {v.name: told(v) for v in searched(SPEC, cores)}
    assert names == {v.name: told(v) for v in searched(SPEC, cores[::-1])}
    assert len(names) == len(found_in(SPEC))


def test_vessels_are_named_from_top_to_bottom():
    found = searched(SPEC, grid(whole(SPEC)))
    assert [v.name for v in found] == [f"v{n:05d}" for n in range(1, len(found) + 1)]
    assert [v.y_um for v in found] == sorted(v.y_um for v in found)


def with_long_vessel() -> Raster:
    """Marrow with a wavy wall 280 µm long across it, thinner every 60 µm."""
    strip = replace(empty_marrow(340.0, seed=2, um_per_px=0.5), height_um=130.0)
    light = section(strip).image.pixels.astype(float)
    y, x = (np.indices(light.shape[:2]) + 0.5) * 0.5
    wall = (np.abs(y - 65 - 12 * np.sin(x / 40)) < np.where(x % 60 > 4, 2, 1)) & (x > 30) & (x < 310)
    light[wall] *= 10 ** -(0.6 * np.array([0.27, 0.57, 0.78]))
    return Raster(light.astype(np.uint8), 0.0, 0.0, 0.5)


@pytest.fixture(scope="module")
def long():
    """Slide, survey and its vessels found in one look."""
    image = with_long_vessel()
    survey = survey_of(image)
    everything = vessels_on_slide(slide_of(image), survey, (image.rect,), rule=KINI)
    return slide_of(image), survey, everything


@pytest.mark.parametrize("core_um", [256.0, 100.0])
def test_a_vessel_longer_than_the_margin_comes_back_once_and_whole(monkeypatch, long, core_um):
    slide, survey, everything = long
    monkeypatch.setattr(mvd.blocks, "CORE_UM", core_um)
    monkeypatch.setattr(mvd.blocks, "MARGIN_UM", 32.0)
    blocks = grid(survey.overview.with_pixels(np.ones(survey.overview.pixels.shape[:2], bool)))
    found = vessels_on_slide(slide, survey, blocks, rule=KINI)
    assert sorted(map(told, found), key=str) == sorted(map(told, everything), key=str)
    (vessel,) = (v for v in found if v.length_um > 100)
    assert vessel.bounds.width_um == pytest.approx(280, abs=6)


def test_a_field_at_one_end_of_a_long_vessel_gets_all_of_it(long):
    slide, survey, everything = long
    (vessel,) = (v for v in everything if v.length_um > 100)
    end = Rect.square(20.0, 60.0, 40.0)
    assert told(vessel) in {told(v) for v in vessels_on_slide(slide, survey, (end,), rule=KINI)}


def test_what_is_no_object_once_its_surroundings_are_seen_is_none(monkeypatch, long):
    slide, survey, _ = long
    look, looks = mvd.blocks._find, []

    def seen_once(search: Any, rect: Rect, within: Rect) -> list[Candidate]:
        looks.append(within)
        return look(search, rect, within) if len(looks) == 1 else []

    monkeypatch.setattr(mvd.blocks, "_find", seen_once)
    end = Rect.square(20.0, 60.0, 40.0)
    assert vessels_on_slide(slide, survey, (end,), rule=KINI) == ()
    assert looks[0] == end and len(looks) > 1


def test_separate_branches_do_not_depend_on_blocks(monkeypatch):
    rule = CountingRule(branches="separate")
    monkeypatch.setattr(mvd.blocks, "CORE_UM", 256.0)
    found = {told(v) for v in searched(SPEC, grid(whole(SPEC)), rule)}
    assert found == {told(v) for v in found_in(SPEC, rule)}


@pytest.mark.parametrize(
    ("marked", "blocks"),
    [
        ((slice(0, 1), slice(0, 1)), 1),
        ((slice(250, 260), slice(0, 1)), 2),
        (([3, 90, 200], [300, 270, 290]), 1),
        ((slice(None), slice(None)), 6),
    ],
    ids=["one corner", "across an edge", "scattered", "everywhere"],
)
def test_the_grid_holds_just_the_blocks_that_are_needed(marked, blocks):
    mask = np.zeros((500, 600), bool)  # 2.0 × 2.4 mm at 4 µm
    mask[marked] = True
    cores = grid(Raster(mask, 0.0, 0.0, 4.0))
    assert len(cores) == blocks
    held = [mask[Raster(mask, 0.0, 0.0, 4.0).window(core)] for core in cores]
    assert sum(int(part.sum()) for part in held) == mask.sum(), "every marked pixel lies in one block"
    for part in held:
        assert part[0].any() and part[-1].any() and part[:, 0].any() and part[:, -1].any(), "and no block is larger"


def test_nothing_to_search_has_no_blocks():
    assert grid(Raster(np.zeros((10, 10), bool), 0.0, 0.0, 4.0)) == ()
    assert searched(SPEC, ()) == ()


@pytest.mark.parametrize("number", [1, 4])
def test_progress_counts_every_block_by_however_many_they_are_searched(monkeypatch, number):
    monkeypatch.setattr(threads, "_allowed", number)
    seen: list[tuple[int, int]] = []
    cores = tuple(Rect.square(x, y, 60) for y in (0, 60, 120) for x in (0, 60, 120))
    slide = slide_of(section(SPEC).image)
    found = vessels_on_slide(
        slide, surveyed(SPEC), cores, rule=KINI, score=shipped_score(), progress=lambda *done: seen.append(done)
    )
    assert seen == [(done, 9) for done in range(1, 10)]
    monkeypatch.setattr(threads, "_allowed", 1)
    assert list(map(told, found)) == list(map(told, searched(SPEC, cores)))


def test_no_more_than_two_blocks_are_in_memory(monkeypatch):
    monkeypatch.setattr(threads, "_allowed", threads.MOST)
    look, at_work, most = mvd.blocks._find, [], []

    def watched(search: Any, rect: Rect, within: Rect) -> list[Candidate]:
        at_work.append(rect)
        most.append(len(at_work))
        time.sleep(0.05)
        found = look(search, rect, within)
        at_work.remove(rect)
        return found

    monkeypatch.setattr(mvd.blocks, "_find", watched)
    searched(SPEC, tuple(Rect.square(x, 0, 30) for x in range(0, 240, 30)))
    assert max(most) == 2


@pytest.mark.slow
def test_pixels_of_another_size_give_nearly_the_same_vessels():
    """Found at 0.5 µm/px whatever the slide's pixels are."""
    fine = section(replace(SPEC, um_per_px=0.25))
    survey = survey_of(fine.image)
    found = vessels_on_slide(slide_of(fine.image), survey, grid(whole(SPEC)), rule=KINI)
    counted = sum(v.accepted for v in found_in(SPEC))
    assert sum(v.accepted for v in found) == pytest.approx(counted, abs=max(2, 0.12 * counted))
