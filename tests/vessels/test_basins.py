"""Stain is parted along deep valleys, and no further."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_maps import LEVELS, Drawing
from hypothesis import given
from hypothesis import strategies as st

from mvd.vessels.basins import Basins, find_basins
from mvd.vessels.maps import WORK_UM_PER_PX


def basins(*, valley: float, lower: float = 0.6) -> Basins:
    """A wall with one peak of 0.8 and one lower, and a valley between them."""
    picture = Drawing.blank().line((20, 50), (80, 50), od=valley)
    return picture.disc(30, 50, 6, od=0.8).disc(70, 50, 6, od=lower).basins()


@pytest.mark.parametrize(
    ("valley", "lower", "number"), [(0.30, 0.6, 2), (0.36, 0.6, 1), (0.30, 0.5, 1), (0.36, 0.7, 2)], ids=str
)
def test_peaks_are_two_basins_where_the_valley_is_deep_for_the_lower_one(valley, lower, number):
    assert basins(valley=valley, lower=lower).size == number


def test_the_pass_between_two_basins_is_the_valleys_highest_density():
    found = basins(valley=0.3)
    assert (found.valleys.first.tolist(), found.valleys.second.tolist()) == ([1], [2])
    assert found.valleys.density == pytest.approx([0.3])
    assert found.peak == pytest.approx([0, 0.8, 0.6])


@pytest.mark.parametrize(("diameter_um", "number"), [(1.0, 0), (1.4, 0), (2.0, 1), (5.0, 1)], ids=str)
def test_a_speck_alone_is_noise(diameter_um, number):
    assert Drawing.blank().disc(50.25, 50.25, diameter_um).basins().size == number


def test_a_speck_belongs_to_the_stain_that_it_touches():
    """However deep the valley; were it larger it would be a basin of its own."""
    picture = Drawing.blank().line((20, 50), (80, 50), od=0.9)
    picture.dab[97, 100:102], picture.dab[95:97, 100:102] = 0.2, 0.8
    assert picture.basins().labels[95, 100] == picture.basins().labels[100, 100] == 1
    picture.dab[97, 100:106], picture.dab[93:97, 100:106] = 0.2, 0.8
    assert picture.basins().size == 2


@pytest.mark.parametrize(
    ("od", "number"), [(LEVELS.low - 0.01, 0), (LEVELS.low + 0.01, 1), (LEVELS.high - 0.01, 1)], ids=str
)
def test_a_basin_reaches_the_low_level_and_need_not_reach_the_high_one(od, number):
    assert Drawing.blank().disc(50, 50, 8, od=od).basins().size == number


def test_basins_hold_all_stain_and_nothing_else():
    picture = Drawing.blank().line((20, 30), (70, 30), width_um=3.0).ring(60, 70, 20, gaps_um=(5,))
    assert np.array_equal(picture.basins().labels > 0, picture.dab > LEVELS.low)
    assert Drawing.blank().basins().size == 0


def test_pixels_that_meet_at_a_corner_are_one_basin():
    picture = Drawing.blank()
    picture.dab[20:24, 20:24] = picture.dab[24:28, 24:28] = 0.6
    assert picture.basins().size == 1


def test_above_a_share_of_its_peak_each_basin_is_narrower():
    picture = Drawing.blank().disc(50, 50, 20, od=0.25).disc(50, 50, 10, od=0.8)
    found = picture.basins()
    areas = [(found.above(picture.dab, share) > 0).sum() * WORK_UM_PER_PX**2 for share in (0.3, 0.33)]
    assert areas == pytest.approx([np.pi * 100, np.pi * 25], rel=0.03)


def textured(seed: int, shape: tuple[int, int] = (60, 60)) -> np.ndarray:
    """Blobs of noise in steps that a sum holds exactly, so that many pixels are equal."""
    random = np.random.default_rng(seed)
    noise = np.zeros(shape, np.float32)
    for row, column, size in random.integers((0, 0, 2), (*shape, 9), (25, 3)).tolist():
        noise[row : row + size, column : column + size] += np.float32(0.125)
    return noise


@given(st.integers(0, 2**32 - 1))
def test_basins_are_numbered_in_raster_order(seed):
    labels = find_basins(textured(seed), 0.1).labels
    values, first = np.unique(labels.ravel(), return_index=True)
    first = first[values > 0]
    assert values[values > 0].tolist() == list(range(1, len(first) + 1))
    assert first.tolist() == sorted(first.tolist())


@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.integers(0, 9))
def test_stain_that_lies_whole_in_a_part_is_parted_there_as_in_the_whole(seed, down, right):
    """Two pictures with a strip of nothing between; either alone has the basins that it has beside the other."""
    one = np.pad(textured(seed), ((down, 2), (right, 2)))
    other = np.pad(textured(seed + 1), ((down, 2), (right, 2)))
    both = find_basins(np.concatenate([one, other], axis=1), 0.1).labels
    for alone, part in ((one, both[:, : one.shape[1]]), (other, both[:, one.shape[1] :])):
        labels = find_basins(alone, 0.1).labels
        pairs = {*zip(labels.ravel().tolist(), part.ravel().tolist(), strict=True)}
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
