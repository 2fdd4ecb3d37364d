"""Hot spots: as rare as said where vessels lie at random, found where they do not, and counted as drawn."""

import hashlib

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scattered import PROTOCOL, at, at_random, marrow, ring_of, with_bone

from mvd.counting import belongs
from mvd.density import LEVEL, SIMULATIONS, DensityMap, map_density
from mvd.density.cells import cells_of
from mvd.density.chance import Chance, by_chance, judge_of, random_sections
from mvd.density.hotspots import Survey, find_hot_spots
from mvd.density.kernel import Kernel, kernel_on
from mvd.fields import field_at
from mvd.geometry import Raster
from mvd.protocol import FieldPlan
from mvd.store import hot_spot_rows


def kernel_of(evaluable: Raster, kernel_um: float = 114.0) -> Kernel:
    cells = cells_of(evaluable, kernel_um)
    assert cells is not None
    return kernel_on(cells, kernel_um)


def clustered(evaluable: Raster, seed: int) -> DensityMap:
    """A random section with 0 to 3 clusters of up to 30 vessels."""
    rng = np.random.default_rng(seed)
    points = [at_random(evaluable, 60, seed)]
    for centre in at_random(evaluable, int(rng.integers(0, 4)), seed + 1):
        cluster = ring_of(*centre, int(rng.integers(5, 31)), float(rng.uniform(30, 250)))
        rows, columns = evaluable.pixels.shape
        pixel = np.floor(cluster / evaluable.um_per_px).astype(int)
        on = ((pixel >= 0) & (pixel < (columns, rows))).all(axis=1)
        on[on] = evaluable.pixels[pixel[on, 1], pixel[on, 0]]
        points.append(cluster[on])
    return map_density(at(np.concatenate(points)), evaluable, PROTOCOL)


# Where vessels lie at random


@pytest.mark.parametrize(
    ("evaluable", "number"),
    [(marrow(5000, 1500), 40), (marrow(5000, 1500), 400), (with_bone(4000, 2000, 5), 150)],
    ids=["few vessels", "many vessels", "bone"],
)
def test_in_one_random_section_of_twenty_there_is_a_hot_spot(evaluable, number):
    kernel = kernel_of(evaluable)
    judge = judge_of(kernel, number)
    chance = by_chance(judge, number)
    ps = [chance.p(float(judge.statistic(counts).max())) for counts in random_sections(kernel, number, 1000, 77)]
    # With 999 random sections behind it the rate itself is 5 ± 0.7 %, and 1000 sections show it to ± 0.7 %: four times
    # both together.
    assert 0.01 <= np.mean(np.array(ps) <= LEVEL) <= 0.09
    assert np.mean(np.array(ps) <= 0.5) == pytest.approx(0.5, abs=0.08)


def test_random_sections_hold_every_vessel_and_only_in_the_evaluable_area():
    kernel = kernel_of(with_bone(3000, 2000, 9))
    total = np.zeros(kernel.cells.share.shape)
    for counts in random_sections(kernel, 101, 400, 3):
        assert counts.sum() == 101
        total += counts
    share = kernel.cells.share
    assert not total[share == 0].any()
    expected = 101 * 400 * share[share > 0] / share.sum()
    enough = expected > 2
    chi2 = (np.square(total[share > 0] - expected) / expected)[enough]
    assert chi2.mean() == pytest.approx(1.0, abs=0.15)


def test_the_random_sections_are_the_same_for_ever():
    kernel = kernel_of(marrow(640, 480))
    drawn = b"".join(counts.astype(np.uint8).tobytes() for counts in random_sections(kernel, 30, 5, 1))
    assert hashlib.sha256(drawn).hexdigest()[:16] == "85a8dfab7ce08269"


def test_a_place_is_judged_by_the_square_root_of_its_own_count_against_the_one_expected():
    evaluable = with_bone(3000, 2000, 9)
    kernel = kernel_of(evaluable)
    counts = kernel.cells.counts(at_random(evaluable, 120, 2))
    judge = judge_of(kernel, 120)
    seen = kernel.density(counts) * kernel.support_mm2
    expected = 120 / kernel.cells.area_mm2 * kernel.support_mm2
    by_hand = 2 * np.sqrt(seen + 0.375) - 2 * np.sqrt(expected + 0.375)
    statistic = judge.statistic(counts.astype(np.float32))
    assert 0.5 < judge.judged.mean() < 1
    assert statistic[judge.judged] == pytest.approx(by_hand[judge.judged], abs=1e-4)
    assert (statistic[~judge.judged] < -1e5).all()


@pytest.mark.slow
def test_chance_spreads_the_statistic_alike_at_edges_and_far_from_them():
    kernel = kernel_of(marrow(2500, 2500))
    judge = judge_of(kernel, 600)
    many = np.stack([judge.statistic(counts) for counts in random_sections(kernel, 600, 400, 5)])
    spread = many.std(axis=0)[judge.judged]
    assert spread.mean() == pytest.approx(1.0, abs=0.05)
    assert spread.min() > 0.8 and spread.max() < 1.2


@pytest.mark.parametrize(
    ("statistic", "p"),
    [(2000.0, 0.001), (999.0, 0.002), (998.5, 0.002), (950.0, 0.051), (950.5, 0.05), (1.0, 1.0), (-5.0, 1.0)],
)
def test_p_is_the_share_of_sections_that_are_as_high_with_the_section_itself(statistic, p):
    assert Chance(np.arange(1.0, 1000.0)).p(statistic) == pytest.approx(p)


def test_what_exceeds_the_critical_statistic_has_a_p_of_at_most_the_level():
    chance = Chance(np.sort(np.random.default_rng(1).normal(size=SIMULATIONS)))
    assert chance.p(chance.critical() + 1e-3) <= LEVEL < chance.p(chance.critical() - 1e-3)


# Where they do not

PLANTED = {
    "in the middle": (marrow(3000, 2500), (1500.0, 1250.0), 25, 60.0),
    "at an edge": (marrow(3000, 2500), (1500.0, 70.0), 25, 60.0),
    "wide": (marrow(4000, 3000), (2000.0, 1500.0), 90, 250.0),
    "on a coarser mask": (Raster(np.ones((250, 300), bool), 0.0, 0.0, 10.0), (1500.0, 1250.0), 25, 60.0),
}


@pytest.mark.parametrize(("evaluable", "centre", "number", "radius"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_hot_spot_is_found_where_it_is(evaluable, centre, number, radius):
    rect = evaluable.rect
    background = np.random.default_rng(4).random((250, 2)) * (rect.width_um, rect.height_um)
    found = map_density(at(np.vstack([background, ring_of(*centre, number, radius)])), evaluable, PROTOCOL)
    (spot,) = found.hotspots
    assert spot.name == "1" and spot.place.p == 1 / (1 + SIMULATIONS)
    assert (spot.place.x_um, spot.place.y_um) == pytest.approx(centre, abs=80)
    assert spot.place.per_mm2 > 2 * found.mean_per_mm2
    assert spot.vessels >= number * 0.8
    outline = shapely.union_all([shapely.Polygon(rings[0], rings[1:]) for rings in spot.outlines])
    assert outline.contains(shapely.Point(centre))


def test_two_hot_spots_are_told_apart_and_the_less_likely_one_is_the_first():
    background = np.random.default_rng(8).random((300, 2)) * (4000, 3000)
    points = np.vstack([background, ring_of(1000, 1000, 22), ring_of(3000, 2000, 40)])
    one, other = map_density(at(points), marrow(4000, 3000), PROTOCOL).hotspots
    assert (one.place.x_um, one.place.y_um) == pytest.approx((3000, 2000), abs=60)
    assert (other.place.x_um, other.place.y_um) == pytest.approx((1000, 1000), abs=60)
    assert (one.name, other.name) == ("1", "2")


@pytest.mark.slow
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), bone=st.booleans())
def test_there_is_a_hot_spot_just_where_a_place_exceeds_chance(seed, bone):
    evaluable = with_bone(2000, 1600, seed) if bone else marrow(2000, 1600)
    found = clustered(evaluable, seed)
    assert found.highest is not None
    assert bool(found.hotspots) == (found.highest.p <= LEVEL)
    assert all(spot.place.p <= LEVEL for spot in found.hotspots)
    if found.hotspots:
        first = found.hotspots[0].place
        assert (first.x_um, first.y_um, first.p) == (found.highest.x_um, found.highest.y_um, found.highest.p)


@pytest.mark.slow
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), bone=st.booleans())
def test_area_and_vessels_of_a_hot_spot_are_those_in_its_outline(seed, bone):
    evaluable = with_bone(2000, 1600, seed) if bone else marrow(2000, 1600)
    vessels_of = clustered(evaluable, seed)
    for spot in vessels_of.hotspots:
        polygons = [shapely.Polygon(rings[0], rings[1:]) for rings in spot.outlines]
        assert all(polygon.is_valid for polygon in polygons)
        outline = shapely.union_all(polygons)
        assert outline.area / 1e6 == pytest.approx(spot.area_mm2, rel=1e-9)
        rows, columns = np.nonzero(evaluable.pixels)
        marrow_in_it = shapely.contains_xy(outline, (columns + 0.5) * 4, (rows + 0.5) * 4).sum() * 16 / 1e6
        assert spot.area_mm2 == pytest.approx(marrow_in_it, rel=0.02)  # pixels that meet at a corner are joined by one
        assert 0 <= spot.vessels <= vessels_of.vessels


def test_the_vessels_of_a_hot_spot_are_those_whose_reference_points_lie_in_it():
    evaluable = with_bone(3000, 2500, 2)
    points = np.vstack([at_random(evaluable, 250, 2), ring_of(1500, 1250, 60, 120)])
    pixel = np.floor(points / 4).astype(int)
    points = points[evaluable.pixels[pixel[:, 1], pixel[:, 0]]]
    (spot, *_) = map_density(at(points), evaluable, PROTOCOL).hotspots
    outline = shapely.union_all([shapely.Polygon(rings[0], rings[1:]) for rings in spot.outlines])
    assert spot.vessels == sum(outline.contains(shapely.Point(point)) for point in points) > 30


def test_the_field_round_a_hot_spot_is_counted_by_the_border_rule_over_what_is_evaluable():
    evaluable = marrow(3000, 2500)
    evaluable.pixels[:300, :] = False
    plan = FieldPlan(side_um=200.0, border="touching")
    points = np.vstack([np.random.default_rng(4).random((200, 2)) * (3000, 1300) + (0, 1200), ring_of(1500, 1270, 40)])
    vessels = at(points)
    (spot,) = map_density(vessels, evaluable, PROTOCOL.model_copy(update={"fields": plan})).hotspots
    field = spot.place.field.field
    assert (field.rect.width_um, field.rect.height_um) == (200.0, 200.0)
    assert spot.place.field.count == sum(belongs(vessel, field.rect, "touching") for vessel in vessels)
    inside = (min(field.rect.y1_um, 2500) - max(field.rect.y0_um, 1200)) * 200 / 1e6
    assert field.evaluable_mm2 == pytest.approx(inside)
    assert spot.place.field.per_mm2 == pytest.approx(spot.place.field.count / inside)


def test_a_hot_spot_that_is_a_single_cell_has_an_area_even_where_its_middle_is_bone():
    evaluable = marrow(3200, 3200)
    points = at_random(evaluable, 100, 1)
    hole = evaluable.pixels.copy()
    hole[400:408, 400:408] = False  # cell 50, 50 of 32 µm, but for a pixel in its corner
    hole[400, 400] = True
    kernel = kernel_of(evaluable.with_pixels(hole))
    judge = judge_of(kernel, 100)
    chance = by_chance(judge, 100)
    statistic = np.full(kernel.cells.share.shape, -1.0)
    statistic[50, 50] = chance.critical() + 1e-3
    statistic[20, 20] = chance.critical() + 1e-9
    survey = Survey(judge, statistic, statistic, chance, at(points), FieldPlan(side_um=20.0))
    bone, plain = find_hot_spots(survey)
    assert bone.area_mm2 == pytest.approx(16e-6)
    assert [len(rings) for rings in bone.outlines] == [1]
    assert 0 < plain.area_mm2 <= 64e-6
    assert bone.place.field is None and plain.place.field is not None  # nothing of 20 µm round it is marrow
    found = DensityMap(None, 114.0, 100, 10.0, None, (bone, plain), SIMULATIONS, None)
    assert [row.field_count is None for row in hot_spot_rows("s1", found)] == [True, False]


@pytest.mark.parametrize(
    ("x_um", "y_um", "mm2"),
    [
        (500.0, 500.0, 0.0625),
        (0.0, 500.0, 0.03125),
        (0.0, 0.0, 0.015625),
        (-125.0, 500.0, 0.0),
        (1000.0, 1000.0, 0.015625),
    ],
)
def test_a_field_may_lie_anywhere_and_knows_what_of_it_is_evaluable(x_um, y_um, mm2):
    field = field_at(marrow(1000, 1000), x_um, y_um, side_um=250.0, name="one")
    assert field.evaluable_mm2 == pytest.approx(mm2, abs=1e-12)
    assert field.rect.width_um == 250.0
