"""Micrometres, pixels, and which pixel lies where."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvd.errors import CalibrationError
from mvd.geometry import Calibration, Raster, Rect

# Rectangles


@pytest.mark.parametrize(
    "corners",
    [(0, 0, 0, 1), (0, 0, 1, 0), (1, 0, 0, 1), (0, 1, 1, 0), (math.nan, 0, 1, 1), (0, 0, 1, math.nan)],
)
def test_a_rectangle_has_an_area(corners: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="empty rectangle"):
        Rect(*corners)


def test_a_field_of_250_um_has_a_sixteenth_of_a_square_millimetre() -> None:
    field = Rect.square(100, 200, 250)
    assert field == Rect(100, 200, 350, 450)
    assert (field.width_um, field.height_um, field.area_mm2) == (250, 250, 0.0625)
    assert field.expanded(10) == Rect(90, 190, 360, 460)


@pytest.mark.parametrize(
    ("other", "common"),
    [
        (Rect(5, 5, 20, 20), Rect(5, 5, 10, 10)),
        (Rect(-5, 2, 20, 3), Rect(0, 2, 10, 3)),
        (Rect(2, 2, 3, 3), Rect(2, 2, 3, 3)),
        (Rect(10, 0, 20, 10), None),
        (Rect(0, 10, 10, 20), None),
        (Rect(10, 10, 20, 20), None),
        (Rect(30, 0, 40, 10), None),
    ],
    ids=["corner", "across", "inside", "shares the right edge", "shares the bottom edge", "shares a corner", "apart"],
)
def test_rectangles_have_a_common_part_only_where_they_share_area(other: Rect, common: Rect | None) -> None:
    one = Rect(0, 0, 10, 10)
    assert one.intersection(other) == common
    assert other.intersection(one) == common


# Calibration


@pytest.mark.parametrize("um_per_px", [0.05, 0.12, 0.2465, 0.5, 1.0, 5.0])
def test_pixel_sizes_of_microscopes_are_accepted(um_per_px: float) -> None:
    assert Calibration(um_per_px, um_per_px, "file", "aperio.MPP").um_per_px == pytest.approx(um_per_px)


@pytest.mark.parametrize("um_per_px", [0.0, -0.25, 0.049, 5.01, 352.8, 1e9, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_pixel_sizes_that_cannot_be_are_refused(um_per_px: float, axis: str) -> None:
    x, y = (um_per_px, 0.25) if axis == "x" else (0.25, um_per_px)
    with pytest.raises(CalibrationError, match=r"tiff\.XResolution.*between 0\.05 and 5"):
        Calibration(x, y, "file", "tiff.XResolution")


def test_pixels_that_are_not_square_have_a_mean_size_for_tables() -> None:
    assert Calibration(0.2, 0.3, "user", "--um-per-px").um_per_px == pytest.approx(math.sqrt(0.06))


# Rasters


def raster(rows: int, columns: int, *, x0: float = 0, y0: float = 0, um_per_px: float = 1) -> Raster:
    return Raster(np.zeros((rows, columns)), x0, y0, um_per_px)


def test_a_raster_knows_where_it_lies() -> None:
    assert raster(4, 6, x0=10, y0=20, um_per_px=0.5).rect == Rect(10, 20, 13, 22)
    assert Raster(np.zeros((4, 6, 3)), 10, 20, 0.5).rect == Rect(10, 20, 13, 22)


def test_rasters_can_be_compared_and_kept_in_sets() -> None:
    one, other = raster(4, 6), raster(4, 6)
    assert one != other
    assert len({one, other, one}) == 2


def test_other_pixels_on_the_same_grid_keep_their_place() -> None:
    colour = raster(4, 6, x0=10, y0=20, um_per_px=0.5).with_pixels(np.ones((4, 6, 3)))
    assert (colour.x0_um, colour.y0_um, colour.um_per_px, colour.pixels.shape) == (10, 20, 0.5, (4, 6, 3))
    with pytest.raises(ValueError, match="grid is"):
        raster(4, 6).with_pixels(np.ones((6, 4)))


@pytest.mark.parametrize(
    ("rect", "rows", "columns"),
    [
        (Rect(0, 0, 6, 4), (0, 4), (0, 6)),
        (Rect(1, 2, 3, 3), (2, 3), (1, 3)),
        (Rect(0.5, 0.5, 1.5, 1.5), (0, 1), (0, 1)),
        (Rect(0.51, 0, 1.49, 1), (0, 1), (1, 1)),
        (Rect(-9, -9, 99, 99), (0, 4), (0, 6)),
        (Rect(-9, -9, -1, -1), (0, 0), (0, 0)),
        (Rect(20, 20, 30, 30), (4, 4), (6, 6)),
    ],
    ids=["all", "pixel edges", "pixel centres are half-open", "no centre", "larger", "before", "after"],
)
def test_a_window_holds_the_pixels_whose_centres_lie_inside(
    rect: Rect, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    assert raster(4, 6).window(rect) == (slice(*rows), slice(*columns))


@given(
    cuts=st.lists(st.floats(-5, 40), min_size=1, max_size=8, unique=True),
    origin=st.floats(-10, 10),
    um_per_px=st.sampled_from([0.25, 0.2465, 1.0, 4.0]),
)
def test_adjacent_windows_share_no_pixel_and_lose_none(cuts: list[float], origin: float, um_per_px: float) -> None:
    grid = raster(1, 30, x0=origin, um_per_px=um_per_px)
    lines = [-1e3, *sorted(cuts), 1e3]
    windows = [grid.window(Rect(a, -1, b, 10))[1] for a, b in pairwise(lines)]
    seen = [column for window in windows for column in range(window.start, window.stop)]
    assert seen == list(range(30))
