"""The Chalkley count: 25 points at most, none without vessels, the same however the field is turned."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_example import vessel

from mvd.chalkley import POINTS, STEP_DEG, chalkley_count, graticule
from mvd.fields import CountField
from mvd.geometry import Rect, Ring
from mvd.vessels.model import Reason, Vessel

FIELD = CountField("1", Rect.square(100.0, 200.0, 500.0), 0.25)
MIDDLE = np.array([350.0, 450.0])


def disc(x_um: float, y_um: float, radius_um: float, name: str = "v1", corners: int = 24) -> Vessel:
    angles = np.arange(corners) * 2 * math.pi / corners
    outline = np.stack([x_um + radius_um * np.cos(angles), y_um + radius_um * np.sin(angles)], axis=1)
    return vessel(name, outline=outline, lumens=())


def turned(points: Ring, degrees: float) -> Ring:
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return (points - MIDDLE) @ turn + MIDDLE


def test_the_points_lie_one_in_each_of_25_cells_of_equal_area() -> None:
    points = graticule()
    radius, angle = np.hypot(*points.T), np.degrees(np.arctan2(points[:, 1], points[:, 0])) % 360
    assert points.shape == (POINTS, 2)
    edges = [0.0, math.sqrt(1 / 25), math.sqrt(9 / 25), 1.0]  # areas 1, 8 and 16 of 25
    for cells, low, high in zip((1, 8, 16), edges, edges[1:], strict=False):
        inside = (radius >= low) & (radius < high)
        assert sorted((angle[inside] * cells // 360).astype(int).tolist()) == list(range(cells))


def test_the_points_never_move() -> None:
    assert np.round(graticule()[[0, 1, 24]], 4).tolist() == [[0.1263, 0.0612], [0.2774, 0.0605], [0.9228, -0.0346]]


def test_the_graticule_is_the_circle_inside_the_field() -> None:
    assert chalkley_count([disc(350, 450, 251, corners=360)], FIELD) == POINTS
    assert chalkley_count([disc(350 + 600, 450, 300)], FIELD) == 0
    corner = np.array([(100, 200), (172, 200), (100, 272)], float)  # the circle leaves it out: 73.2 µm
    assert chalkley_count([vessel(outline=corner, lumens=())], FIELD) == 0


CASES = {
    "no vessel": ([], 0),
    "all is vessel": ([disc(350, 450, 900)], 25),
    "all is one that does not count": ([replace(disc(350, 450, 900), reason=Reason.LARGE_VESSEL)], 0),
    "two that overlap are hit once": ([disc(350, 450, 900), disc(350, 450, 900, "v2")], 25),
    "beyond the field": ([disc(900, 450, 200)], 0),
}


@pytest.mark.parametrize(("vessels", "points"), CASES.values(), ids=CASES.keys())
def test_chalkley_count(vessels: list[Vessel], points: int) -> None:
    assert chalkley_count(vessels, FIELD) == points


def test_the_graticule_is_turned_to_where_most_points_lie_on_vessels() -> None:
    own = graticule() * 250.0 + MIDDLE
    at = turned(own, 40 * STEP_DEG)
    small = [disc(x, y, 1.0, f"v{number}") for number, (x, y) in enumerate(at.tolist())]
    assert chalkley_count(small, FIELD) == POINTS
    for_few = [disc(x, y, 1.0, f"v{number}") for number, (x, y) in enumerate(at[[0, 5, 20]].tolist())]
    assert chalkley_count(for_few, FIELD) == 3


@st.composite
def vessels(draw: st.DrawFn) -> list[Vessel]:
    places = st.tuples(st.floats(80, 620), st.floats(180, 720), st.floats(2, 60))
    return [disc(*place, f"v{number}") for number, place in enumerate(draw(st.lists(places, max_size=25)))]


@settings(max_examples=20)
@given(found=vessels(), steps=st.integers(0, 359))
def test_turning_the_section_by_whole_steps_changes_nothing(found: list[Vessel], steps: int) -> None:
    other = [replace(one, outline=turned(one.outline, steps * STEP_DEG)) for one in found]
    assert chalkley_count(other, FIELD) == chalkley_count(found, FIELD)


@settings(max_examples=20)
@given(found=vessels(), shift=st.tuples(st.integers(-500, 500), st.integers(-500, 500)))
def test_a_vessel_more_never_lowers_the_count_and_the_place_on_the_slide_does_not_matter(
    found: list[Vessel], shift: tuple[int, int]
) -> None:
    count = chalkley_count(found, FIELD)
    assert 0 <= count <= POINTS
    assert chalkley_count([*found, disc(350, 450, 40, "more")], FIELD) >= count
    moved = [replace(one, outline=one.outline + shift) for one in found]
    rect = Rect.square(FIELD.rect.x0_um + shift[0], FIELD.rect.y0_um + shift[1], 500.0)
    assert chalkley_count(moved, replace(FIELD, rect=rect)) == count


def test_on_many_small_vessels_the_count_is_above_the_share_that_they_cover() -> None:
    rng = np.random.default_rng(3)
    found = [
        disc(x, y, 12.0, f"v{k}") for k, (x, y) in enumerate(rng.uniform([100, 200], [600, 700], (120, 2)).tolist())
    ]
    covered = 120 * math.pi * 12**2 / 500**2
    assert POINTS * covered < chalkley_count(found, FIELD) < POINTS
