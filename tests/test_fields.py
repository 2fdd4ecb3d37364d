"""Fields lie where the plan says, in marrow that can be evaluated, and the same fields every time."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import mvd.fields
from mvd.errors import FieldError
from mvd.fields import CountField, Placement, densest_field, place_fields
from mvd.geometry import Raster, Rect
from mvd.protocol import FieldPlan

NO_POINTS = np.empty((0, 2))


def marrow(width_um: float, height_um: float, *, um_per_px: float = 10.0, x0: float = 0.0, y0: float = 0.0) -> Raster:
    """Evaluable everywhere."""
    return Raster(np.ones((round(height_um / um_per_px), round(width_um / um_per_px)), bool), x0, y0, um_per_px)


def corners(placement: Placement) -> list[tuple[float, float]]:
    return [(field.rect.x0_um, field.rect.y0_um) for field in placement.fields]


def overlap_mm2(raster: Raster, rect: Rect) -> float:
    """Evaluable area, pixel by pixel."""
    um, total = raster.um_per_px, 0.0
    for row, column in np.argwhere(raster.pixels):
        x, y = raster.x0_um + column * um, raster.y0_um + row * um
        common = rect.intersection(Rect(x, y, x + um, y + um))
        total += common.area_mm2 if common else 0.0
    return total


def overlap_in(raster: Raster, rect: Rect) -> float:
    """`overlap_mm2` of the pixels near one field only."""
    rows, columns = raster.window(rect.expanded(raster.um_per_px))
    um = raster.um_per_px
    part = Raster(raster.pixels[rows, columns], raster.x0_um + columns.start * um, raster.y0_um + rows.start * um, um)
    return overlap_mm2(part, rect)


def together(fields: tuple[CountField, ...]) -> bool:
    """Whether any two fields share area."""
    return any(a.rect.intersection(b.rect) for i, a in enumerate(fields) for b in fields[:i])


# Evaluable area


@pytest.mark.parametrize("um_per_px", [1.0, 2.5, 3.7, 4.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_field_that_is_evaluable_everywhere_has_exactly_its_full_area(um_per_px: float, seed: int) -> None:
    evaluable = marrow(1500, 1500, um_per_px=um_per_px, x0=17.3, y0=-211.9)
    placement = place_fields(evaluable, FieldPlan(min_evaluable_fraction=1, seed=seed), specimen="case_01")
    assert [field.evaluable_mm2 for field in placement.fields] == [0.0625] * 5


@pytest.mark.parametrize("side_um", [250.0, 333.333, 77.7])
def test_rounding_costs_no_full_field_its_place_or_its_area(side_um: float) -> None:
    evaluable = marrow(42_000, 1_000, um_per_px=3.7, x0=1234.567, y0=98765.4321)
    plan = FieldPlan(placement="manual", side_um=side_um, min_evaluable_fraction=1)
    centres = np.random.default_rng(2).uniform((0, 99_000), (60, 99_500), (100, 2))
    centres[:, 0] += 1500 + 400 * np.arange(100)
    fields = place_fields(evaluable, plan, specimen="s", centres=centres).fields
    assert {field.evaluable_mm2 for field in fields} == {side_um**2 / 1e6}


@given(
    bits=st.integers(0, 2**30 - 1),
    x0=st.floats(-30, 60),
    y0=st.floats(-30, 60),
    um_per_px=st.sampled_from([4.0, 5.3, 10.0]),
)
def test_evaluable_area_is_the_overlap_with_each_pixel(bits: int, x0: float, y0: float, um_per_px: float) -> None:
    pixels = np.array([bits >> k & 1 for k in range(30)], bool).reshape(5, 6)
    pixels[2, 3] = True
    raster = Raster(pixels, 3.0, -7.0, um_per_px)
    plan = FieldPlan(placement="manual", side_um=25, min_evaluable_fraction=1e-12, number=1)
    centre = np.array([[x0, y0]])
    rect = Rect.square(x0 - 12.5, y0 - 12.5, 25)
    expected = overlap_mm2(raster, rect)
    if expected < 1e-9:
        return
    (field,) = place_fields(raster, plan, specimen="s", centres=centre).fields
    assert field.evaluable_mm2 == pytest.approx(expected, abs=3e-8)  # corners are moved by up to half a nanometre


def test_what_lies_off_the_raster_is_not_evaluable() -> None:
    plan = FieldPlan(placement="manual", number=1)
    (field,) = place_fields(marrow(1000, 1000), plan, specimen="s", centres=np.array([[75.0, 500.0]])).fields
    assert field.rect == Rect(-50, 375, 200, 625)
    assert field.evaluable_mm2 == pytest.approx(0.05, abs=1e-12)


def test_an_evaluable_raster_must_be_a_mask() -> None:
    with pytest.raises(TypeError, match="boolean"):
        place_fields(Raster(np.ones((9, 9)), 0, 0, 4), FieldPlan(), specimen="s")


# Systematic fields


def test_systematic_fields_lie_on_one_lattice_and_share_their_edges_to_the_last_bit() -> None:
    for side in (250.0, 250.3, 111.111):
        placement = place_fields(marrow(4000, 1500), FieldPlan(number=60, side_um=side), specimen="s")
        assert len(placement.fields) == 60
        lines = sorted({value for f in placement.fields for value in (f.rect.x0_um, f.rect.x1_um)})
        assert all(b - a == pytest.approx(side, abs=1e-9) for a, b in pairwise(lines))
        assert not together(placement.fields)


def test_systematic_fields_are_named_in_reading_order() -> None:
    placement = place_fields(marrow(2000, 2000), FieldPlan(number=9), specimen="s")
    assert [field.name for field in placement.fields] == list("123456789")
    assert [(y, x) for x, y in corners(placement)] == sorted((y, x) for x, y in corners(placement))


def test_the_same_specimen_gets_the_same_fields_for_ever() -> None:
    placement = place_fields(marrow(3000, 2000), FieldPlan(number=3), specimen="case_01_pre")
    assert corners(placement) == [
        (1214.19921875, 396.396484375),
        (2214.19921875, 896.396484375),
        (2714.19921875, 1646.396484375),
    ]


@pytest.mark.parametrize("placement", ["systematic", "hotspot"])
def test_no_field_leaves_the_picture(placement: str) -> None:
    plan = FieldPlan.model_validate({"placement": placement, "min_evaluable_fraction": 0.5})
    edge = np.array([(1, 1), (2, 999), (1199, 3), (1198, 998)], float)
    for specimen in ("a", "b", "c", "d", "e"):
        fields = place_fields(marrow(1200, 1000), plan, specimen=specimen, points=np.repeat(edge, 5, axis=0)).fields
        assert len(fields) == 5
        for field in fields:
            rect = field.rect
            assert rect.x0_um >= 0 and rect.y0_um >= 0 and rect.x1_um <= 1200 and rect.y1_um <= 1000


def test_another_specimen_or_seed_gets_another_start() -> None:
    starts = {
        corners(place_fields(marrow(3000, 3000), FieldPlan(seed=seed), specimen=name))[0]
        for seed in (0, 1, 2)
        for name in ("case_01_pre", "case_01_3mo", "case_02_pre")
    }
    assert len(starts) == 9


@pytest.mark.parametrize("placement", ["systematic", "hotspot"])
def test_how_the_raster_is_cut_does_not_move_a_field(placement: str) -> None:
    rng = np.random.default_rng(1)
    pixels = np.zeros((200, 260), bool)
    pixels[40:150, 50:230] = rng.random((110, 180)) < 0.95
    plan = FieldPlan.model_validate({"placement": placement})
    points = rng.uniform((500, 400), (2300, 1500), (80, 2))
    whole = place_fields(Raster(pixels, 0, 0, 10), plan, specimen="s", points=points)
    cut = place_fields(Raster(pixels[33:160, 41:240], 410, 330, 10), plan, specimen="s", points=points)
    assert len(whole.fields) == 5
    assert whole == cut


@pytest.fixture(scope="module")
def thousand_placements() -> np.ndarray:
    """(n, 2) corners of all fields of 1,500 specimens with 3 × 3 mm of marrow."""
    evaluable = marrow(3000, 3000, um_per_px=50)
    plan = FieldPlan()
    return np.array([c for k in range(1500) for c in corners(place_fields(evaluable, plan, specimen=f"case_{k}"))])


def test_every_place_is_sampled_alike(thousand_placements: np.ndarray) -> None:
    # Away from the edge of the marrow, where eligible squares are fewer.
    inner, *_ = np.histogram2d(*thousand_placements.T, bins=8, range=((250, 2500), (250, 2500)))
    assert inner.min() > 0
    assert stats.chisquare(inner.ravel()).pvalue > 0.01


def test_the_start_of_the_lattice_is_uniform(thousand_placements: np.ndarray) -> None:
    first = thousand_placements[::5] % 250  # one field a specimen: the five of a specimen share a lattice
    for axis in (0, 1):
        assert stats.kstest(first[:, axis] / 250, "uniform").pvalue > 0.01
    squares, *_ = np.histogram2d(*first.T, bins=5, range=((0, 250), (0, 250)))
    assert stats.chisquare(squares.ravel()).pvalue > 0.01


@pytest.mark.parametrize(("size", "number"), [(7, 5), (23, 5), (100, 5), (6, 6), (31, 1)])
def test_each_eligible_square_has_the_same_chance(size: int, number: int) -> None:
    draws = 23 * 1000
    chosen = [mvd.fields._every(size, number, (k + 0.5) / draws) for k in range(draws)]
    assert all(len(set(positions)) == number for positions in chosen)
    share = np.bincount(np.concatenate(chosen), minlength=size) / draws
    assert share == pytest.approx(number / size, abs=2 / draws * number)


def test_further_lattices_are_tried_before_fewer_fields_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    core = marrow(1300, 280)  # holds five fields on some lattices only
    core = Raster(np.pad(core.pixels, 30), -30 * core.um_per_px, -30 * core.um_per_px, core.um_per_px)  # glass
    names = [f"case_{k}" for k in range(20)]
    many = [len(place_fields(core, FieldPlan(), specimen=name).fields) for name in names]
    monkeypatch.setattr(mvd.fields, "STARTS", 1)
    once = [len(place_fields(core, FieldPlan(), specimen=name).fields) for name in names]
    assert many == [5] * 20
    assert min(once) < 5


def test_the_lattice_with_most_fields_is_taken_where_none_has_enough() -> None:
    core = marrow(800, 260)
    placement = place_fields(core, FieldPlan(), specimen="s")
    assert len(placement.fields) == 3
    assert placement.asked == 5


def test_fields_are_evaluable_to_the_fraction_asked_and_lie_apart() -> None:
    rng = np.random.default_rng(3)
    pixels = np.repeat(np.repeat(rng.random((30, 40)) < 0.85, 10, axis=0), 10, axis=1)
    raster = Raster(pixels, 100, 50, 10)
    points = rng.uniform(0, 3000, (200, 2))
    for placement in ("systematic", "hotspot"):
        plan = FieldPlan.model_validate({"placement": placement, "number": 20, "min_evaluable_fraction": 0.8})
        found = place_fields(raster, plan, specimen="s", points=points).fields
        assert len(found) == 20
        assert not together(found)
        for field in found:
            assert field.evaluable_mm2 >= 0.8 * 0.0625 - 1e-9
            assert field.evaluable_mm2 == pytest.approx(overlap_in(raster, field.rect), abs=1e-9)


# Fewer than asked


@pytest.mark.parametrize(
    ("placement", "evaluable", "found", "sentence"),
    [
        (
            "systematic",
            Raster(np.zeros((50, 50), bool), 0, 0, 10),
            0,
            "0 of 5 fields fit: there is no evaluable involved marrow",
        ),
        (
            "systematic",
            marrow(200, 200),
            0,
            "0 of 5 fields fit: in the involved marrow (0.04 mm²) none of 32 random lattices has a further "
            "250 µm square that is at least 75 % evaluable",
        ),
        (
            "systematic",
            marrow(800, 260),
            3,
            "3 of 5 fields fit: in the involved marrow (0.21 mm²) none of 32 random lattices has a further "
            "250 µm square that is at least 75 % evaluable",
        ),
        (
            "hotspot",
            marrow(500, 250),
            2,
            "2 of 5 fields fit: the involved marrow (0.12 mm²) holds no further 250 µm square that is at least "
            "75 % evaluable",
        ),
        ("hotspot", marrow(100, 100), 0, None),
        ("systematic", marrow(3000, 3000), 5, ""),
    ],
    ids=["no marrow", "too small", "three fit", "two hot spots", "no hot spot", "enough"],
)
def test_fewer_fields_than_asked_are_explained(
    placement: str, evaluable: Raster, found: int, sentence: str | None
) -> None:
    plan = FieldPlan.model_validate({"placement": placement})
    result = place_fields(evaluable, plan, specimen="s", points=NO_POINTS)
    assert len(result.fields) == found
    assert result.asked == 5
    if sentence is not None:
        assert result.shortfall == (sentence or None)


# Hot spots


def test_hot_spots_come_densest_first() -> None:
    rng = np.random.default_rng(0)
    clusters = {(400, 400): 30, (1500, 500): 20, (900, 1500): 10}
    points = np.concatenate([rng.uniform(-50, 50, (n, 2)) + centre for centre, n in clusters.items()])
    plan = FieldPlan(placement="hotspot", number=3)
    fields = place_fields(marrow(2000, 2000), plan, specimen="s", points=points).fields
    assert [field.name for field in fields] == ["1", "2", "3"]
    for field, (x, y) in zip(fields, clusters, strict=True):
        assert field.rect.x0_um <= x - 50 < x + 50 <= field.rect.x1_um
        assert field.rect.y0_um <= y - 50 < y + 50 <= field.rect.y1_um
    assert not together(fields)


def test_a_cluster_outside_the_evaluable_marrow_is_no_hot_spot() -> None:
    pixels = np.ones((100, 200), bool)
    pixels[:, :100] = False
    points = np.array([[300.0, 500.0]] * 50 + [[1500.0, 500.0]])
    (field,) = place_fields(
        Raster(pixels, 0, 0, 10), FieldPlan(placement="hotspot", number=1), specimen="s", points=points
    ).fields
    assert field.rect.x0_um <= 1500 < field.rect.x1_um


def test_ties_go_to_the_larger_evaluable_area_then_up_then_left() -> None:
    plan = FieldPlan(placement="hotspot", number=2)
    fields = place_fields(marrow(1000, 1000), plan, specimen="s", points=NO_POINTS).fields
    assert [(f.rect.x0_um, f.rect.y0_um) for f in fields] == [(0, 0), (250, 0)]
    assert [f.evaluable_mm2 for f in fields] == [0.0625, 0.0625]


@settings(max_examples=25)
@given(
    points=st.lists(st.tuples(st.integers(-5, 85), st.integers(-5, 65)), max_size=25),
    hole=st.tuples(st.integers(0, 12), st.integers(0, 9)),
)
def test_the_first_hot_spot_holds_the_most_points_of_all_positions(
    points: list[tuple[int, int]], hole: tuple[int, int]
) -> None:
    raster = marrow(80, 60, um_per_px=5)
    raster.pixels[hole[1] : hole[1] + 3, hole[0] : hole[0] + 4] = False
    plan = FieldPlan(placement="hotspot", number=1, side_um=20)
    where = np.array(points, float).reshape(-1, 2)
    field = densest_field(raster, plan, points=where)
    assert field is not None

    def inside(x: float, y: float) -> int:
        return int(((where >= (x, y)) & (where < (x + 20, y + 20))).all(axis=1).sum())

    micrometres = np.pad(np.kron(raster.pixels, np.ones((5, 5), bool)), 20)
    best = max(
        inside(x, y)
        for x in range(0, 62, 2)
        for y in range(0, 42, 2)
        if micrometres[y + 20 : y + 40, x + 20 : x + 40].sum() >= 0.75 * 400
    )
    assert inside(field.rect.x0_um, field.rect.y0_um) == best


def test_the_densest_field_is_the_first_hot_spot_whatever_the_placement() -> None:
    points = np.random.default_rng(5).uniform(0, 2000, (60, 2))
    hot = place_fields(marrow(2000, 2000), FieldPlan(placement="hotspot"), specimen="s", points=points).fields[0]
    assert densest_field(marrow(2000, 2000), FieldPlan(placement="systematic"), points=points) == hot


@pytest.mark.parametrize("evaluable", [marrow(100, 100), Raster(np.zeros((9, 9), bool), 0, 0, 9)])
def test_no_densest_field_where_none_fits(evaluable: Raster) -> None:
    assert densest_field(evaluable, FieldPlan(), points=NO_POINTS) is None


def test_hot_spots_need_points() -> None:
    with pytest.raises(ValueError, match="reference points"):
        place_fields(marrow(1000, 1000), FieldPlan(placement="hotspot"), specimen="s")


# Manual fields


def test_manual_fields_keep_their_order_and_may_be_more_than_asked() -> None:
    centres = np.array([[700.0, 700.0], [200.0, 200.0], [450.0, 200.0]])  # the last two share an edge
    plan = FieldPlan(placement="manual", number=2)
    placement = place_fields(marrow(1000, 1000), plan, specimen="s", centres=centres)
    assert placement.shortfall is None
    assert [(f.name, f.rect.x0_um, f.rect.y0_um) for f in placement.fields] == [
        ("1", 575, 575),
        ("2", 75, 75),
        ("3", 325, 75),
    ]


@pytest.mark.parametrize("number", [0, 3])
def test_fewer_manual_fields_than_asked_are_explained(number: int) -> None:
    centres = np.array([[200.0 + 300 * k, 200.0] for k in range(number)]).reshape(-1, 2)
    placement = place_fields(marrow(1500, 500), FieldPlan(placement="manual"), specimen="s", centres=centres)
    assert len(placement.fields) == number
    assert placement.shortfall == f"{number} of 5 fields: the observer placed no more"


@pytest.mark.parametrize(
    ("centres", "message"),
    [
        (None, r"case_07: fields are placed by hand but none are given; .* 'fields' of specimens.csv"),
        ([[np.nan, 3.0]], "not a number"),
        (
            [[500.0, 500.0], [1000.0, 500.0]],
            r"case_07: field 2 \(centre 1000.0, 500.0 µm\) is 50 % evaluable, less than 75 %; move it",
        ),
        ([[9000.0, 500.0]], r"field 1 \(centre 9000.0, 500.0 µm\) is 0 % evaluable"),
        ([[300.0, 300.0], [700.0, 700.0], [500.0, 500.0]], "fields 1 and 3 overlap.*\n.*fields 2 and 3 overlap"),
        ([[300.0, 300.0], [300.0, 300.0]], "fields 1 and 2 overlap"),
        ([[1500.0, 0.0], [300.0, 300.0], [301.0, 300.0]], "field 1 .*\n.*fields 2 and 3 overlap"),
    ],
    ids=["no file", "nan", "half outside", "far outside", "overlap", "same twice", "two faults"],
)
def test_manual_fields_that_cannot_be_used_are_all_named(centres: list[list[float]] | None, message: str) -> None:
    given_centres = None if centres is None else np.array(centres)
    with pytest.raises(FieldError, match=f"(?s){message}"):
        place_fields(marrow(1000, 1000), FieldPlan(placement="manual"), specimen="case_07", centres=given_centres)


def test_adjacent_manual_fields_share_their_edge_to_the_last_bit() -> None:
    centres = np.array([[125.1 + 250 * k, 125.1] for k in range(4)])
    plan = FieldPlan(placement="manual")
    fields = place_fields(marrow(1100, 400), plan, specimen="s", centres=centres).fields
    assert all(a.rect.x1_um == b.rect.x0_um for a, b in pairwise(fields))
    assert math.isclose(fields[0].rect.x0_um, 0.1, abs_tol=0.001)


@pytest.mark.parametrize("axis", [0, 1])
def test_adjacent_manual_fields_of_any_side_do_not_overlap(axis: int) -> None:
    centres = np.full((12, 2), 1600.0)
    centres[:, axis] = 200 + 250.3 * np.arange(12)
    plan = FieldPlan(placement="manual", side_um=250.3)
    assert len(place_fields(marrow(3300, 3300), plan, specimen="s", centres=centres).fields) == 12


def test_manual_fields_in_no_marrow_are_not_evaluable() -> None:
    nothing = Raster(np.zeros((9, 9), bool), 0, 0, 9)
    with pytest.raises(FieldError, match="0 % evaluable"):
        place_fields(nothing, FieldPlan(placement="manual"), specimen="s", centres=np.array([[5.0, 5.0]]))
