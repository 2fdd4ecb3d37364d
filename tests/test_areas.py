"""What vessels cover of a field: cut along the field and along what is evaluable, exactly."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_example import vessel

from mvd.areas import CoveredArea, covered_areas, total_area
from mvd.fields import CountField
from mvd.geometry import Raster, Rect, Ring
from mvd.vessels.model import Reason, Vessel

ALL = Raster(np.ones((100, 100), bool), 0.0, 0.0, 4.0)
"""400 µm, all evaluable."""


def box(x: float, y: float, width: float, height: float) -> Ring:
    return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], float)


def block(x: float, y: float, width: float, height: float, *, lumen: Ring | None = None, name: str = "v1") -> Vessel:
    """A rectangular vessel, all of its wall stained."""
    inner = 0.0 if lumen is None else shapely.Polygon(lumen).area
    return vessel(
        name, outline=box(x, y, width, height), lumens=() if lumen is None else (lumen,),
        area_um2=width * height - inner, lumen_area_um2=inner,
    )  # fmt: skip


def full(x: float = 100, y: float = 100, side: float = 200, name: str = "1") -> CountField:
    return CountField(name, Rect.square(x, y, side), side**2 / 1e6)


CASES = {
    "inside": ([block(150, 150, 20, 10)], 200, 200),
    "a lumen is covered, but not stained": ([block(150, 150, 20, 10, lumen=box(155, 152, 10, 5))], 200, 150),
    "half out through the left edge": ([block(90, 150, 20, 10)], 100, 100),
    "a quarter in, at a corner": ([block(290, 290, 20, 20)], 100, 100),
    "only the lumen in": ([block(292, 150, 30, 10, lumen=box(293, 150, 20, 10))], 80, 10),
    "touching from outside": ([block(80, 150, 20, 10)], 0, 0),
    "outside": ([block(10, 10, 20, 10)], 0, 0),
    "larger than the field": ([block(50, 50, 300, 300)], 40_000, 40_000),
    "two": ([block(150, 150, 20, 10), block(200, 200, 10, 10, name="v2")], 300, 300),
    "none": ([], 0, 0),
    "not counted by the rule": ([replace(block(150, 150, 20, 10), reason=Reason.PIGMENT)], 0, 0),
}


@pytest.mark.parametrize(("vessels", "covered", "stained"), CASES.values(), ids=CASES.keys())
def test_covered_area(vessels: list[Vessel], covered: float, stained: float) -> None:
    (area,) = covered_areas(vessels, [full()], ALL)
    assert (area.vessel_um2, area.stained_um2) == pytest.approx((covered, stained))
    assert area.vessel_fraction == pytest.approx(covered / 40_000)
    assert area.stained_fraction == pytest.approx(stained / 40_000)


def test_gaps_in_the_wall_are_covered_but_not_stained() -> None:
    broken = replace(block(150, 150, 20, 10), area_um2=120.0)
    (area,) = covered_areas([broken], [full()], ALL)
    assert (area.vessel_um2, area.stained_um2) == pytest.approx((200, 120))
    (half,) = covered_areas([replace(broken, outline=box(90, 150, 20, 10))], [full()], ALL)
    assert (half.vessel_um2, half.stained_um2) == pytest.approx((100, 60))


def test_an_outline_that_meets_itself_has_its_own_area() -> None:
    corner = [(150, 150), (160, 150), (160, 160), (170, 160), (170, 170), (160, 170), (160, 160), (150, 160)]
    one = vessel(outline=np.array(corner, float), lumens=(), area_um2=200.0)
    (area,) = covered_areas([one], [full()], ALL)
    assert (area.vessel_um2, area.stained_um2) == pytest.approx((200, 200))


def test_an_outline_that_crosses_itself_has_the_area_of_its_parts() -> None:
    bow_tie = np.array([(150, 150), (250, 250), (250, 150), (150, 250)], float)
    (area,) = covered_areas([vessel(outline=bow_tie, lumens=(), area_um2=5000.0)], [full()], ALL)
    assert area.vessel_um2 == pytest.approx(5000)


def test_what_lies_where_nothing_is_evaluable_is_not_covered() -> None:
    pixels = ALL.pixels.copy()
    pixels[:, 50:] = False  # from x = 200 on
    field = replace(full(), evaluable_mm2=0.02)
    (area,) = covered_areas([block(190, 150, 40, 10)], [field], ALL.with_pixels(pixels))
    assert area.vessel_um2 == pytest.approx(100)
    assert area.vessel_fraction == pytest.approx(100 / 20_000)


def test_holes_smaller_than_a_vessel_are_cut_out_of_it() -> None:
    pixels = ALL.pixels.copy()
    pixels[40, 40] = False  # 160 to 164 µm, both ways
    pixels[45, 40:43] = False
    (area,) = covered_areas(
        [block(150, 150, 30, 50)], [replace(full(), evaluable_mm2=0.039936)], ALL.with_pixels(pixels)
    )
    assert area.vessel_um2 == pytest.approx(1500 - 4 * 16)


def test_the_sum_over_fields_is_a_share_of_all_their_area() -> None:
    total = total_area([CoveredArea(500, 100, 0.05), CoveredArea(100, 50, 0.0125)])
    assert total.vessel_fraction == pytest.approx(600 / 62_500)
    assert total.stained_fraction == pytest.approx(150 / 62_500)


@st.composite
def blobs(draw: st.DrawFn) -> list[Vessel]:
    """Convex vessels anywhere, some beyond the fields."""
    found = []
    for number in range(draw(st.integers(0, 4))):
        corners = draw(st.lists(st.tuples(st.floats(-20, 420), st.floats(-20, 420)), min_size=3, max_size=8))
        hull = shapely.convex_hull(shapely.MultiPoint(corners))
        if hull.geom_type == "Polygon" and hull.area > 1:
            ring = np.array(hull.exterior.coords[:-1])
            found.append(vessel(f"v{number}", outline=ring, lumens=(), area_um2=0.5 * hull.area))
    return found


@settings(max_examples=30)
@given(vessels=blobs(), seed=st.integers(0, 1000))
def test_the_parts_in_adjacent_fields_add_up_to_what_is_evaluable_of_the_whole(
    vessels: list[Vessel], seed: int
) -> None:
    evaluable = Raster(np.random.default_rng(seed).random((16, 16)) < 0.7, 0.0, 0.0, 25.0)
    pixels = [shapely.box(25 * c, 25 * r, 25 * c + 25, 25 * r + 25) for r, c in np.argwhere(evaluable.pixels).tolist()]
    tiles = [replace(full(x, y, 100), evaluable_mm2=0.007) for x in range(0, 400, 100) for y in range(0, 400, 100)]
    total = total_area(covered_areas(vessels, tiles, evaluable))
    where = shapely.union_all(pixels)
    expected = sum(shapely.Polygon(one.outline).intersection(where).area for one in vessels)
    assert total.vessel_um2 == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert total.stained_um2 == pytest.approx(0.5 * expected, rel=1e-9, abs=1e-6)
