"""The density all over the area: right in total, right on average up to every edge, and tied to nothing else."""

import math
import re

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scattered import KERNEL_UM, PROTOCOL, UM, at, at_random, marrow, with_bone

from mvd.density import DensityMap, contour_levels, contour_lines, map_density
from mvd.density.cells import Cells, cells_of
from mvd.density.kernel import kernel_on, whole_support_mm2
from mvd.geometry import Raster
from mvd.protocol import CountPlan, Protocol
from mvd.vessels.model import Reason

SIDE_UM = 12.0  # of the cells of a kernel of 40 µm
NARROW = PROTOCOL.model_copy(update={"counts": CountPlan(map_kernel_um=40.0)})


def mapped(evaluable: Raster, points: np.ndarray, protocol: Protocol = PROTOCOL) -> DensityMap:
    return map_density(at(points), evaluable, protocol)


def pixels(found: DensityMap) -> np.ndarray:
    assert found.raster is not None
    return found.raster.pixels


def cells(evaluable: Raster, kernel_um: float = KERNEL_UM) -> Cells:
    found = cells_of(evaluable, kernel_um)
    assert found is not None
    return found


# Right in total and on average


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    width=st.floats(500, 2500),
    height=st.floats(500, 1500),
    number=st.integers(0, 300),
    kernel=st.floats(30, 114),
)
def test_the_mean_of_the_map_is_the_total_density(seed, width, height, number, kernel):
    area = cells(with_bone(width, height, seed), kernel)
    density = kernel_on(area, kernel).density(area.counts(at_random(area.evaluable, number, seed)))
    mean = (density * area.share).sum() / area.share.sum()
    assert mean == pytest.approx(number / area.area_mm2, rel=1e-9, abs=1e-12)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), width=st.floats(500, 2500), kernel=st.floats(30, 300))
def test_an_even_density_is_even_up_to_every_edge(seed, width, kernel):
    area = cells(with_bone(width, 900, seed), kernel)
    expected = area.share * area.cell_mm2 * 50.0  # of vessels that lie anywhere with the same chance
    density = kernel_on(area, kernel).density(expected)
    assert density[area.share > 0] == pytest.approx(50.0, rel=1e-9)


def test_far_from_every_edge_the_map_is_the_gaussian_round_each_vessel():
    found = mapped(marrow(4000, 4000), np.array([(2000.0, 2000.0), (2000.0, 2000.0)]))
    raster = found.raster
    assert raster is not None
    row, column = 62, 66
    x, y = ((index + 0.5) * raster.um_per_px for index in (column, row))
    # The vessels lie in the cell from 1984 to 2016 µm, and count from its middle.
    distance = math.hypot(x - 2000, y - 2000)
    gaussian = 2e6 / (2 * math.pi * KERNEL_UM**2) * math.exp(-(distance**2) / (2 * KERNEL_UM**2))
    assert raster.pixels[row, column] == pytest.approx(gaussian, rel=2e-3)
    assert raster.pixels[0, 0] == 0  # and beyond four standard deviations nothing


def test_a_place_is_averaged_over_the_kernels_own_area_and_over_less_at_an_edge():
    area = cells(marrow(3200, 3200))
    support = kernel_on(area, KERNEL_UM).support_mm2
    assert support[50, 50] == pytest.approx(whole_support_mm2(KERNEL_UM), rel=1e-3)
    assert 0.3 < support[50, 0] / support[50, 50] < 0.6
    assert 0.1 < support[0, 0] / support[50, 50] < 0.3


@pytest.mark.parametrize(("kernel_um", "side_um"), [(114.0, 32.0), (40.0, 12.0), (30.0, 8.0), (500.0, 140.0)])
def test_the_cells_are_small_to_the_kernel(kernel_um, side_um):
    assert cells(marrow(3000, 2500), kernel_um).um_per_px == side_um


# Tied to nothing else


@pytest.mark.slow
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), left=st.integers(0, 40), top=st.integers(0, 40))
def test_what_of_the_slide_the_mask_covers_changes_nothing(seed, left, top):
    evaluable = with_bone(800, 600, seed)
    points = at_random(evaluable, 40, seed)
    wide = np.zeros((evaluable.pixels.shape[0] + top, evaluable.pixels.shape[1] + left), bool)
    wide[top:, left:] = evaluable.pixels
    whole = Raster(wide, 0.0, 0.0, UM)
    cut = Raster(evaluable.pixels, left * UM, top * UM, UM)
    moved = points + np.array([left * UM, top * UM])
    one, other = mapped(whole, moved, NARROW), mapped(cut, moved, NARROW)
    assert np.array_equal(pixels(one), pixels(other), equal_nan=True)
    assert (one.raster.x0_um, one.raster.y0_um) == (other.raster.x0_um, other.raster.y0_um)
    assert one.highest is not None and other.highest is not None
    assert one.highest.p == other.highest.p


@pytest.mark.slow
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_the_map_of_a_mirrored_section_is_the_mirrored_map(seed):
    evaluable = with_bone(40 * SIDE_UM, 30 * SIDE_UM, seed)
    points = at_random(evaluable, 60, seed)
    mirrored = points * (-1, 1) + (40 * SIDE_UM, 0)
    other = mapped(evaluable.with_pixels(evaluable.pixels[:, ::-1]), mirrored, NARROW)
    found = pixels(mapped(evaluable, points, NARROW))
    assert np.allclose(pixels(other)[:, ::-1], found, rtol=1e-9, equal_nan=True)


def test_the_order_of_the_vessels_and_those_that_do_not_count_change_nothing():
    evaluable = with_bone(1500, 1200)
    points = at_random(evaluable, 80)
    found = mapped(evaluable, points)
    more = (*at(points[::-1]), *at([(-50.0, 9e9), (20.0, 20.0)], reason=Reason.PIGMENT))
    other = map_density(more, evaluable, PROTOCOL)
    assert np.array_equal(pixels(found), pixels(other), equal_nan=True)
    assert found.vessels == other.vessels == 80


def test_the_map_is_the_same_on_any_number_of_cores():
    evaluable = with_bone(3000, 2500)
    points, before = at_random(evaluable, 300), cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = mapped(evaluable, points)
        cv2.setNumThreads(4)
        shared = mapped(evaluable, points)
    finally:
        cv2.setNumThreads(before)
    assert pixels(alone).tobytes() == pixels(shared).tobytes()
    assert alone.highest is not None and shared.highest is not None
    assert alone.highest.p == shared.highest.p


def test_the_map_is_undefined_just_where_nothing_is_evaluable():
    evaluable = with_bone(1500, 1200)
    found = mapped(evaluable, at_random(evaluable, 80))
    assert np.array_equal(np.isnan(pixels(found)), cells(evaluable).share == 0)
    assert np.nanmin(pixels(found)) >= 0


def test_a_vessel_that_counts_outside_of_the_evaluable_marrow_is_an_error_and_not_left_out():
    evaluable = marrow(1000, 1000)
    evaluable.pixels[100:150, 100:150] = False
    for place in ((500.0, 500.0), (-1.0, 20.0), (20.0, 1000.0)):
        with pytest.raises(ValueError, match="outside of the evaluable marrow"):
            mapped(evaluable, np.array([place]))


# No map, or no comparison: why

_EVERY_MM = np.arange(3000) // 10 % 25 == 0
SPLINTERS = np.logical_and.outer(_EVERY_MM, _EVERY_MM)
DEGENERATE = {
    "nothing evaluable": (marrow(1000, 1000).with_pixels(np.zeros((250, 250), bool)), 0, None, "0.000 mm², is smaller"),
    "one pixel": (marrow(4, 4), 1, None, "no density map: the evaluable area, 0.000 mm²"),
    "smaller than the kernel": (marrow(400, 400), 20, None, "0.160 mm², is smaller .*, 0.163 mm²"),
    "no vessel": (marrow(1000, 1000), 0, 0.0, "not sought: fewer than two vessels"),
    "one vessel": (marrow(1000, 1000), 1, 1.0, "not sought: fewer than two vessels"),
    "splinters": (marrow(12000, 12000).with_pixels(SPLINTERS), 9, None, "not sought: everywhere there is too little"),
    "two vessels": (marrow(1000, 1000), 2, 2.0, None),
}


@pytest.mark.parametrize(("evaluable", "number", "mean", "reason"), DEGENERATE.values(), ids=DEGENERATE.keys())
def test_what_cannot_be_told_is_none_with_a_reason(evaluable, number, mean, reason):
    points = at_random(evaluable, number) if number else np.empty((0, 2))
    found = mapped(evaluable, points)
    if reason is None:
        assert found.reason is None and found.highest is not None and 0 < found.highest.p <= 1
    else:
        assert found.reason is not None
        assert re.search(reason, found.reason)
        assert (found.highest, found.hotspots, found.simulations) == (None, (), 0)
    if mean is not None:
        assert found.mean_per_mm2 == pytest.approx(mean)
        assert np.isfinite(pixels(found)).all()


# Lines of equal density


@pytest.mark.parametrize(
    ("highest", "levels"),
    [
        (0.0, ()),
        (0.9, (0.2, 0.4, 0.6, 0.8)),
        (8.0, tuple(range(1, 9))),
        (107.0, (20, 40, 60, 80, 100)),
        (300.0, tuple(range(50, 301, 50))),
    ],
)
def test_levels_are_round_and_few(highest, levels):
    found = DensityMap(marrow(40, 40).with_pixels(np.full((10, 10), highest)), 114, 1, 1, None, (), 0, None)
    assert contour_levels(found) == pytest.approx(levels)


def test_lines_of_equal_density_run_where_the_map_has_that_density():
    evaluable = with_bone(1500, 1200, 3)
    found = mapped(evaluable, at_random(evaluable, 90))
    raster = found.raster
    assert raster is not None
    lines = contour_lines(found, 50.0)
    assert lines
    points = (np.concatenate(lines) - (raster.x0_um, raster.y0_um)) / raster.um_per_px - 0.5
    column, row = points.T
    low_row, low_column = np.floor(row + 1e-9).astype(int), np.floor(column + 1e-9).astype(int)
    high_row, high_column = np.ceil(row - 1e-9).astype(int), np.ceil(column - 1e-9).astype(int)
    part = (row - low_row) + (column - low_column)  # a line crosses the sides between neighbouring centres
    between = raster.pixels[low_row, low_column] * (1 - part) + raster.pixels[high_row, high_column] * part
    assert between == pytest.approx(50.0, rel=1e-6)
