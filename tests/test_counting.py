"""A vessel is counted once, the density is counts over area, and the interval covers what it says."""

import math
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from shapely.geometry import LineString, Polygon, box

from mvd.counting import (
    Assignment,
    Border,
    assign,
    belongs,
    count,
    dispersion,
    hotspot_density,
    mvd_interval,
)
from mvd.errors import FieldError
from mvd.fields import CountField
from mvd.geometry import Raster, Rect, Ring
from mvd.protocol import FieldPlan
from mvd.vessels.model import Reason, Vessel

FIELD = Rect(100, 100, 200, 200)
BORDERS: tuple[Border, ...] = ("frame", "centre", "touching")


def vessel(
    outline: Ring | list[tuple[float, float]],
    name: str = "v1",
    *,
    at: tuple[float, float] | None = None,
    reason: Reason | None = None,
) -> Vessel:
    """A vessel with this outline; its reference point is the centroid unless it is given."""
    ring = np.asarray(outline, float)
    if at is None:
        centroid = Polygon(ring).centroid
        at = (centroid.x, centroid.y)
    return Vessel(
        name=name,
        outline=ring,
        lumens=(),
        x_um=at[0],
        y_um=at[1],
        area_um2=50,
        lumen_area_um2=0,
        lumen_width_um=0,
        length_um=10,
        width_um=5,
        perimeter_um=30,
        mean_dab_od=0.5,
        pieces=1,
        reason=reason,
    )


def square(x: float, y: float, side: float = 10, name: str = "v1", *, reason: Reason | None = None) -> Vessel:
    """A vessel [x, x + side] × [y, y + side]."""
    return vessel([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], name, reason=reason)


def full(name: str, x: float, y: float, side: float = 250) -> CountField:
    return CountField(name, Rect.square(x, y, side), side * side / 1e6)


# Border rules, by hand (y points down: the bottom edge of the field is y = 200)


@pytest.mark.parametrize(
    ("one", "frame", "touching"),
    [
        (square(140, 140), True, True),
        (square(140, 90), True, True),
        (square(140, 95), True, True),
        (square(140, 190), False, True),
        (square(140, 195), False, True),
        (square(140, 200), False, True),
        (square(200, 140), True, True),
        (square(195, 140), True, True),
        (square(90, 140), False, True),
        (square(95, 140), False, True),
        (square(100, 140), False, True),
        (square(140, 100), True, True),
        (square(190, 140), True, True),
        (square(200, 90), True, True),
        (square(90, 90), False, True),
        (square(90, 200), False, True),
        (square(200, 200), False, True),
        (square(195, 85), False, False),
        (square(140, 89), False, False),
        (square(201, 140), False, False),
        (square(89, 140), False, False),
        (square(140, 201), False, False),
        (square(50, 50, 300), False, True),
        (vessel([(150, 150), (152, 150), (152, 20), (150, 20)]), True, True),
        (vessel([(150, 150), (400, 150), (400, 152), (150, 152)]), True, True),
        (vessel([(190, 150), (250, 150), (250, 300), (248, 300), (248, 152), (190, 152)]), True, True),
        (vessel([(190, 150), (250, 150), (250, 300), (190, 300), (190, 298), (248, 298), (248, 152)]), False, True),
        (vessel([(190, 150), (250, 150), (250, 300), (200, 300), (200, 298), (248, 298), (248, 152)]), False, True),
        (vessel([(190, 150), (250, 150), (250, 300), (201, 300), (201, 298), (248, 298), (248, 152)]), True, True),
        (vessel([(150, 150), (152, 150), (152, 20), (90, 20), (90, 18), (150, 18)]), False, True),
        (vessel([(150, 150), (152, 150), (152, 20), (101, 20), (101, 18), (150, 18)]), True, True),
        (vessel([(90, 60), (160, 60), (160, 62), (90, 62)]), False, False),
        (vessel([(190, 190), (220, 220), (222, 218), (192, 188)]), False, True),
        (vessel([(196, 180), (220, 204), (222, 202), (198, 178)]), True, True),
    ],
    ids=[
        "inside",
        "tangent to the top edge from above",
        "across the top edge",
        "tangent to the bottom edge from inside",
        "across the bottom edge",
        "tangent to the bottom edge from below",
        "tangent to the right edge from outside",
        "across the right edge",
        "tangent to the left edge from outside",
        "across the left edge",
        "tangent to the left edge from inside",
        "tangent to the top edge from inside",
        "tangent to the right edge from inside",
        "corner touch top right",
        "corner touch top left",
        "corner touch bottom left",
        "corner touch bottom right",
        "above the top right corner",
        "above",
        "right",
        "left",
        "below",
        "larger than the field, all around it",
        "out through the top",
        "out through the right",
        "out through the right, then down beside the extension",
        "out through the right, then down and back across the extension",
        "out through the right, then down and back onto the extension",
        "out through the right, then down and back short of the extension",
        "out through the top, then back across the extension of the left edge",
        "out through the top, then back short of the extension of the left edge",
        "across the extension of the left edge, not in the field",
        "slanting through the bottom right corner",
        "slanting through the right edge close to the corner",
    ],
)
def test_frame_and_touching_at_each_edge(one: Vessel, frame: bool, touching: bool) -> None:
    assert belongs(one, FIELD, "frame") is frame
    assert belongs(one, FIELD, "touching") is touching


def test_a_vessel_through_the_very_corner_touches_the_exclusion_line() -> None:
    # (47 · 12) / 94 is 6, but 47 · (12 / 94) is not quite.
    strip = vessel([(53, 0), (147, 12), (148, 11), (54, -1)])
    assert not belongs(strip, Rect(0, 0, 100, 6), "frame")
    assert belongs(strip, Rect(0, 6, 100, 12), "frame")


@pytest.mark.parametrize(
    ("x", "y", "inside"),
    [
        (150, 150, True),
        (100, 150, True),
        (150, 100, True),
        (100, 100, True),
        (200, 150, False),
        (150, 200, False),
        (200, 200, False),
        (100, 200, False),
        (200, 100, False),
        (math.nextafter(200, 0), 150, True),
        (math.nextafter(100, 0), 150, False),
    ],
)
def test_centre_has_its_left_and_top_edge(x: float, y: float, inside: bool) -> None:
    outline = square(x - 5, y - 5).outline
    assert belongs(vessel(outline, at=(x, y)), FIELD, "centre") is inside


def test_an_outline_that_meets_itself_still_touches() -> None:
    corner = vessel([(150, 150), (160, 150), (160, 160), (170, 160), (170, 170), (160, 170), (160, 160), (150, 160)])
    spike = vessel([(90, 150), (50, 150), (50, 160), (90, 160), (90, 155), (110, 155), (90, 155)])
    assert not shapely.is_valid(Polygon(corner.outline))
    assert belongs(corner, FIELD, "touching")
    assert belongs(spike, FIELD, "touching")


# Border rules, as properties

SIDE = 10
TILES = [Rect(x, y, x + SIDE, y + SIDE) for x in range(-40, 90, SIDE) for y in range(-40, 90, SIDE)]


@st.composite
def walks(draw: st.DrawFn) -> Ring:
    """Outline of the pixels a walk passes: thin, L-shaped, spiral, ring-like, often with edges on field edges."""
    x, y = draw(st.integers(10, 30)), draw(st.integers(10, 30))
    cells = {(x, y)}
    legs = draw(
        st.lists(st.tuples(st.sampled_from([(1, 0), (-1, 0), (0, 1), (0, -1)]), st.integers(1, 25)), max_size=8)
    )
    for (dx, dy), length in legs:
        for _ in range(length):
            x, y = min(max(x + dx, -35), 75), min(max(y + dy, -35), 75)
            cells.add((x, y))
    outline = shapely.union_all([box(x, y, x + 1, y + 1) for x, y in cells])
    return np.array(outline.exterior.coords[:-1])


@st.composite
def polygons(draw: st.DrawFn) -> Ring:
    """Any convex or slanting polygon with whole-number corners."""
    points = draw(st.lists(st.tuples(st.integers(-30, 70), st.integers(-30, 70)), min_size=3, max_size=12))
    hull = shapely.convex_hull(shapely.MultiPoint(points))
    if hull.area == 0:
        hull = box(*points[0], points[0][0] + 1, points[0][1] + 1)
    return np.array(hull.exterior.coords[:-1])


@st.composite
def strips(draw: st.DrawFn) -> Ring:
    """A bent strip about a µm wide, long against the field, with corners anywhere."""
    coordinate = st.integers(-30_000, 70_000).map(lambda nm: nm / 1000)
    points = draw(st.lists(st.tuples(coordinate, coordinate), min_size=2, max_size=6))
    strip = LineString(points).buffer(draw(st.floats(0.2, 2)), cap_style="flat", join_style="mitre", mitre_limit=1.5)
    if strip.area == 0 or strip.geom_type != "Polygon":
        strip = LineString(points).buffer(0.5, quad_segs=2)
    return np.array(strip.exterior.coords[:-1])


@settings(max_examples=150)
@given(outline=st.one_of(walks(), polygons(), strips()))
def test_adjacent_fields_count_every_vessel_exactly_once(outline: Ring) -> None:
    one = vessel(outline)
    for border in ("frame", "centre"):
        assert sum(belongs(one, tile, border) for tile in TILES) == 1, border


@settings(max_examples=60)
@given(
    outline=st.one_of(walks(), polygons(), strips()),
    x0=st.floats(-30, 0),
    y0=st.floats(-30, 0),
    side=st.floats(3, 40),
)
def test_a_lattice_of_any_start_counts_every_vessel_exactly_once(
    outline: Ring, x0: float, y0: float, side: float
) -> None:
    steps = np.arange(-40, 45) * side
    x, y = (x0 + steps).tolist(), (y0 + steps).tolist()
    one = vessel(outline)
    left, top = outline.min(axis=0)
    right, bottom = outline.max(axis=0)
    tiles = [
        Rect(x[i], y[j], x[i + 1], y[j + 1])
        for i in range(84)
        if x[i] <= right and x[i + 1] >= left
        for j in range(84)
        if y[j] <= bottom and y[j + 1] >= top
    ]
    for border in ("frame", "centre"):
        assert sum(belongs(one, tile, border) for tile in tiles) == 1, border


@settings(max_examples=60)
@given(x=st.integers(-30, 70), y=st.integers(-30, 70))
def test_reference_points_on_edges_are_counted_exactly_once(x: int, y: int) -> None:
    one = vessel(square(x - 1, y - 1, 2).outline, at=(x, y))
    assert sum(belongs(one, tile, "centre") for tile in TILES) == 1


@settings(max_examples=80)
@given(outline=st.one_of(walks(), polygons()))
def test_frame_is_gundersens_exclusion_line(outline: Ring) -> None:
    shape = Polygon(outline)
    for tile in TILES[::3]:
        x0, y0, x1, y1 = tile.x0_um, tile.y0_um, tile.x1_um, tile.y1_um
        line = LineString([(x0, -1e4), (x0, y1), (x1, y1), (x1, 1e4)])
        expected = box(x0, y0, x1, y1).intersects(shape) and not line.intersects(shape)
        assert belongs(vessel(outline), tile, "frame") is expected


@given(outline=st.one_of(walks(), polygons(), strips()))
def test_where_an_outline_starts_and_turns_does_not_matter(outline: Ring) -> None:
    turned = np.roll(outline[::-1], 3, axis=0)
    for tile in TILES[::7]:
        for border in BORDERS:
            assert belongs(vessel(outline, at=(0, 0)), tile, border) == belongs(vessel(turned, at=(0, 0)), tile, border)


# Counts


def test_five_full_fields_with_33_vessels_give_exactly_105_6() -> None:
    fields = [full(str(k + 1), 300 * k, 0) for k in range(5)]
    vessels = [
        square(300 * k + 30 * i + 10, 50, name=f"v{k}{i}") for k, n in enumerate((7, 6, 8, 5, 7)) for i in range(n)
    ]
    for border in BORDERS:
        result = count(vessels, fields, border=border, confidence=0.95)
        assert [row.count for row in result.fields] == [7, 6, 8, 5, 7]
        assert result.count == 33
        assert result.area_mm2 == 0.3125
        assert result.mvd_per_mm2 == 105.6
        assert result.fields[0].per_mm2 == 112.0
        assert result.fields[1].vessels == ("v10", "v11", "v12", "v13", "v14", "v15")
        assert result.ci_low_per_mm2 == pytest.approx(22.7157 * 3.2, rel=1e-5)
        assert result.ci_high_per_mm2 == pytest.approx(46.3443 * 3.2, rel=1e-5)
        assert result.confidence == 0.95


def test_mvd_is_the_sum_of_counts_over_the_sum_of_areas() -> None:
    fields = [full("1", 0, 0), replace(full("2", 300, 0), evaluable_mm2=0.05)]
    vessels = [square(20, 20, name="a"), square(320, 20, name="b"), square(360, 20, name="c")]
    result = count(vessels, fields, border="frame", confidence=0.95)
    assert [row.per_mm2 for row in result.fields] == [16, 40]
    assert result.mvd_per_mm2 == pytest.approx(3 / 0.1125)


def test_what_the_rule_does_not_accept_is_not_counted() -> None:
    vessels = [square(20, 20, name="a"), square(60, 20, name="b", reason=Reason.SINGLE_CELL)]
    result = count(vessels, [full("1", 0, 0)], border="frame", confidence=0.95)
    assert result.fields[0].vessels == ("a",)


def test_no_vessel_gives_zero_with_an_upper_limit() -> None:
    result = count([], [full(str(k), 300 * k, 0) for k in range(5)], border="frame", confidence=0.95)
    assert (result.count, result.mvd_per_mm2, result.ci_low_per_mm2) == (0, 0, 0)
    assert result.ci_high_per_mm2 == pytest.approx(3.6889 / 0.3125, rel=1e-4)
    assert result.dispersion is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "no field to count in"),
        ([replace(full("3", 0, 0), evaluable_mm2=0.0)], "field 3 has no evaluable area"),
    ],
    ids=["none", "no area"],
)
def test_no_density_without_area(fields: list[CountField], message: str) -> None:
    with pytest.raises(FieldError, match=message):
        count([square(20, 20)], fields, border="frame", confidence=0.95)


def test_a_count_is_frozen() -> None:
    result = count([], [full("1", 0, 0)], border="frame", confidence=0.95)
    with pytest.raises(FrozenInstanceError):
        result.count = 3  # type: ignore[misc]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80), st.integers(1, 30)), max_size=30))
def test_counting_agrees_with_belongs_for_each_vessel(squares: list[tuple[int, int, int]]) -> None:
    vessels = [square(x, y, side, name=f"v{k}") for k, (x, y, side) in enumerate(squares)]
    fields = [full(f"{x},{y}", x, y, 20) for x in (0, 20, 60) for y in (0, 20, 40, 60)]
    for border in BORDERS:
        result = count(vessels, fields, border=border, confidence=0.9)
        places = assign(vessels, fields, border)
        for row in result.fields:
            assert row.vessels == tuple(v.name for v in vessels if belongs(v, row.field.rect, border))
            assert row.vessels == tuple(name for name, place in places.items() if row.field.name in place.fields)


# Where each vessel lies


def test_every_object_is_assigned_or_told_why_not() -> None:
    fields = [full("1", 0, 0), full("2", 250, 0), full("3", 600, 0)]
    vessels = [
        square(20, 20, name="inside 1"),
        square(245, 20, name="between 1 and 2"),
        square(595, 20, name="on the left edge of 3"),
        square(500, 20, name="between 2 and 3"),
        square(540, 20, name="nowhere"),
        square(700, 245, name="rejected, on the bottom edge of 3", reason=Reason.HAZE),
        square(700, 20, name="rejected, inside 3", reason=Reason.HAZE),
        vessel([(540, -9), (640, -9), (640, -5), (544, -5), (544, 90), (540, 90)], "around the corner of 3"),
    ]
    assert assign(vessels, fields, "frame") == {
        "inside 1": Assignment(("1",), None),
        "between 1 and 2": Assignment(("1",), None),
        "on the left edge of 3": Assignment((), "border"),
        "between 2 and 3": Assignment(("2",), None),
        "nowhere": Assignment((), "outside fields"),
        "rejected, on the bottom edge of 3": Assignment((), "border"),
        "rejected, inside 3": Assignment(("3",), None),
        "around the corner of 3": Assignment((), "outside fields"),
    }
    assert assign(vessels, fields, "touching")["between 1 and 2"] == Assignment(("1", "2"), None)
    assert assign(vessels, fields, "centre")["between 2 and 3"] == Assignment((), "border")


def test_without_fields_every_object_lies_outside() -> None:
    assert assign([square(0, 0)], [], "frame") == {"v1": Assignment((), "outside fields")}


def test_two_vessels_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        assign([square(0, 0), square(50, 50)], [full("1", 0, 0)], "frame")


# The densest field


def test_hotspot_density_is_counted_by_the_border_rule_over_the_evaluable_area() -> None:
    evaluable = Raster(np.ones((200, 200), bool), 0, 0, 10)
    vessels = [square(1000 + 20 * k, 1000, name=f"v{k}") for k in range(10)] + [square(100, 100, name="far")]
    vessels += [square(300 + 5 * k, 1800, name=f"r{k}", reason=Reason.PIGMENT) for k in range(20)]
    assert hotspot_density(vessels, evaluable, FieldPlan()) == 160.0
    assert hotspot_density([], evaluable, FieldPlan()) == 0.0


@pytest.mark.parametrize(("border", "per_mm2"), [("frame", 32.0), ("centre", 16.0), ("touching", 48.0)])
def test_hotspot_density_follows_the_plans_border_rule(border: Border, per_mm2: float) -> None:
    one_field = Raster(np.ones((25, 25), bool), 0, 0, 10)
    vessels = [square(100, 100, name="inside"), square(100, 248, name="bottom"), square(100, -8, name="top")]
    plan = FieldPlan(border=border, min_evaluable_fraction=1)
    assert hotspot_density(vessels, one_field, plan) == per_mm2


def test_no_hotspot_density_where_no_field_fits() -> None:
    assert hotspot_density([], Raster(np.ones((9, 9), bool), 0, 0, 9), FieldPlan()) is None


# Dispersion and interval


@pytest.mark.parametrize(
    ("total", "low", "high"),
    [
        (0, 0, 3.6889),
        (1, 0.0253, 5.5716),
        (5, 1.6235, 11.6683),
        (10, 4.7954, 18.3904),
        (20, 12.2165, 30.8884),
        (33, 22.7157, 46.3443),
        (50, 37.1110, 65.9188),
        (100, 81.3640, 121.6268),
    ],
)
def test_one_field_has_garwoods_limits(total: int, low: float, high: float) -> None:
    # Found independently, by bisection on the Poisson distribution; as in the printed tables (Garwood 1936).
    assert mvd_interval([total], [1.0], confidence=0.95) == pytest.approx((low, high), abs=6e-5)
    assert mvd_interval([total], [0.0625], confidence=0.95) == pytest.approx((16 * low, 16 * high), abs=1e-3)


@given(
    counts=st.lists(st.integers(0, 40), min_size=2, max_size=8).filter(any),
    areas=st.lists(st.floats(0.03, 0.07), min_size=8, max_size=8),
)
def test_dispersion_is_pearsons_chi_square_over_its_degrees_of_freedom(counts: list[int], areas: list[float]) -> None:
    share = np.array(areas[: len(counts)])
    expected = stats.chisquare(counts, share / share.sum() * sum(counts)).statistic / (len(counts) - 1)
    assert dispersion(counts, share.tolist()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([7], None), ([0, 0, 0], None), ([5, 5, 5], 0.0), ([2, 4], 2 / 3), ([0, 10], 10.0)],
    ids=["one field", "no vessel", "all alike", "2 and 4", "0 and 10"],
)
def test_dispersion_by_hand(counts: list[int], expected: float | None) -> None:
    assert dispersion(counts, [0.0625] * len(counts)) == (None if expected is None else pytest.approx(expected))


def test_fields_that_agree_have_garwoods_limits_and_fields_that_differ_wider_ones() -> None:
    garwood = mvd_interval([30], [0.3125], confidence=0.95)
    alike = mvd_interval([6, 6, 6, 6, 6], [0.0625] * 5, confidence=0.95)
    apart = mvd_interval([0, 2, 4, 9, 15], [0.0625] * 5, confidence=0.95)
    assert alike == pytest.approx(garwood)
    assert apart[0] < garwood[0]
    assert apart[1] > garwood[1]
    # (√30 ± 2.7764 √φ / 2)² × 3.2 with φ = (36 + 16 + 4 + 9 + 81) / 6 / 4
    assert apart == pytest.approx((13.491, 253.540), abs=0.002)


@given(
    counts=st.lists(st.integers(0, 30), min_size=1, max_size=8),
    confidence=st.floats(0.55, 0.98),
)
def test_the_interval_holds_the_mvd_and_grows_with_confidence(counts: list[int], confidence: float) -> None:
    areas = [0.0625] * len(counts)
    low, high = mvd_interval(counts, areas, confidence=confidence)
    wider = mvd_interval(counts, areas, confidence=confidence + 0.01)
    assert 0 <= wider[0] <= low <= sum(counts) / math.fsum(areas) < high < wider[1]


@pytest.mark.parametrize(
    ("mean", "cv", "areas", "at_least"),
    [
        (3.5, 0.0, (1, 1, 1, 1, 1), 0.96),
        (10, 0.0, (1, 1, 1, 1, 1), 0.96),
        (3.5, 0.4, (1, 1, 1, 1, 1), 0.945),
        (10, 0.4, (1, 1, 1, 1, 1), 0.935),
        (6.6, 0.2, (1, 0.75, 0.9, 0.8, 1), 0.95),
        (6.6, 0.4, (1, 0.75, 1), 0.95),
    ],
    ids=["few, chance", "many, chance", "few, clustered", "many, clustered", "unequal areas", "three fields"],
)
def test_the_interval_covers_the_true_density(
    mean: float, cv: float, areas: tuple[float, ...], at_least: float
) -> None:
    rng, specimens, covered = np.random.default_rng(11), 1200, 0
    shape = (specimens, len(areas))
    densities = rng.gamma(1 / cv**2, mean * cv**2, shape) if cv else np.full(shape, mean)
    for counts in rng.poisson(densities * np.array(areas)).tolist():
        low, high = mvd_interval(counts, areas, confidence=0.95)
        covered += low <= mean <= high
    assert covered / specimens >= at_least
