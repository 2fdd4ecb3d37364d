"""Islands of tissue: all of it, each pixel once, and the same tissue found as if there were one."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sections import section, survey_of

from mvd.geometry import Raster
from mvd.phantom import PhantomSpec
from mvd.tissue import Detail, islands_of
from mvd.tissue import bands as in_bands
from mvd.tissue.bands import areas_px, bands, chosen
from mvd.tissue.masks import smoothed, smoothed_above

FOLDED = PhantomSpec(seed=19, width_um=480, height_um=440, bone_fraction=0.0, fat_fraction=0.15, folds=1)
SOFT = PhantomSpec(seed=16, width_um=480, height_um=440, bone_fraction=0.06, soft_parts=1, soft_um=3.0)


def whole(tissue: np.ndarray) -> list[tuple[slice, slice]]:
    """The one island that there was before islands."""
    return [(slice(0, tissue.shape[0]), slice(0, tissue.shape[1]))]


@st.composite
def tissues(draw: st.DrawFn) -> np.ndarray:
    tissue = np.zeros((draw(st.integers(1, 900)), draw(st.integers(1, 900))), bool)
    for _ in range(draw(st.integers(0, 6))):
        y, x = draw(st.integers(0, tissue.shape[0] - 1)), draw(st.integers(0, tissue.shape[1] - 1))
        tissue[y : y + draw(st.integers(1, 300)), x : x + draw(st.integers(1, 300))] = True
    return tissue


@given(tissues())
def test_islands_hold_all_tissue_with_a_margin_and_no_pixel_twice(tissue):
    held = np.zeros(tissue.shape, int)
    for island in islands_of(tissue):
        held[island.box] += 1
        assert tissue[island.box].any()
        assert island.detail.known.shape == tissue[island.box].shape
    near = cv2.dilate(tissue.astype(np.uint8), np.ones((129, 129), np.uint8)) > 0
    assert (held[near] == 1).all()
    assert held.max(initial=0) <= 1


def test_far_pieces_are_islands_of_their_own_and_near_ones_are_not():
    tissue = np.zeros((600, 1500), bool)
    tissue[100:150, 100:150] = tissue[100:150, 1200:1260] = True
    assert len(islands_of(tissue)) == 2
    tissue[120, 100:900] = True  # reaches to within 300 pixels
    assert len(islands_of(tissue)) == 2
    tissue[120, 100:1100] = True
    assert len(islands_of(tissue)) == 1


def test_a_piece_inside_the_bend_of_another_is_in_its_island():
    tissue = np.zeros((1200, 1200), bool)
    tissue[100:1100, 100:130] = tissue[1070:1100, 100:1100] = True  # an L
    tissue[300:330, 700:730] = True
    (island,) = islands_of(tissue)
    assert tissue[island.box].sum() == tissue.sum()


@pytest.mark.parametrize("block", [64, 100, 1000])
def test_detail_reaches_the_islands_that_it_belongs_to(block):
    tissue = np.zeros((500, 900), bool)
    tissue[100:110, 100:110] = tissue[400:410, 700:720] = True
    values = np.random.default_rng(3).random(tissue.shape, np.float32)
    islands = islands_of(tissue)
    for top, left in itertools.product(range(0, 500, block), range(0, 900, block)):
        place = (slice(top, min(top + block, 500)), slice(left, min(left + block, 900)))
        skip = (min(top, 5), min(left, 7))
        part = values[top - skip[0] : place[0].stop, left - skip[1] : place[1].stop]
        for island in islands:
            island.put(Detail(*[part] * 7), place, skip=skip)
    assert len(islands) == 2
    for island in islands:
        assert np.array_equal(island.detail.nuclear, values[island.box])


def far_apart() -> Raster:
    """A fold, and, 2 mm away, a part out of focus, on glass."""
    folded, soft = (section(spec).image.pixels for spec in (FOLDED, SOFT))
    height, width = folded.shape[:2]
    pixels = np.full((height + 2400, width + 5200, 3), 243, np.uint8)
    pixels[400 : 400 + height, 300 : 300 + width] = folded
    pixels[-height - 200 : -200, -width - 333 : -333] = soft
    return Raster(pixels, 0.0, 0.0, 0.5)


@pytest.mark.slow
def test_what_is_found_is_the_same_as_in_one_piece(monkeypatch):
    image = far_apart()
    apart = survey_of(image)
    assert len(islands_of(apart.tissue.whole.pixels)) == 2
    monkeypatch.setattr("mvd.tissue.islands._boxes", whole)
    together = survey_of(image)
    assert np.array_equal(apart.tissue.kinds.pixels, together.tissue.kinds.pixels)
    assert apart.tissue.sharpness == together.tissue.sharpness
    assert apart.tissue.fold.pixels.any() and apart.tissue.out_of_focus.pixels.any() and apart.tissue.bone.pixels.any()


@pytest.mark.parametrize("sigma_um", [5.0, 6.0, 8.0, 12.0])
@pytest.mark.parametrize("shape", [(1, 40), (130, 7), (700, 333), (300, 1250)])
def test_a_map_smoothed_in_bands_is_the_map_smoothed_at_once(monkeypatch, shape, sigma_um):
    monkeypatch.setattr(in_bands, "_BAND_PX", 1)
    monkeypatch.setattr(in_bands, "_LEAST_ROWS", 60)
    values = np.random.default_rng(8).random(shape, np.float32)
    for least in np.quantile(smoothed(values, sigma_um), (0.2, 0.5, 0.8)).tolist():
        found = smoothed_above(values, sigma_um, least)
        assert np.array_equal(found, smoothed(values, sigma_um) > least)


@given(st.integers(1, 500), st.integers(1, 3000), st.integers(0, 40))
def test_bands_are_all_rows_once_and_what_reaches_into_them(rows, columns, reach):
    found = list(bands((rows, columns), reach))
    assert [row for band in found for row in range(rows)[band.rows]] == list(range(rows))
    for band in found:
        assert list(range(rows)[band.wide])[band.own] == list(range(rows)[band.rows])
        assert band.wide.start == max(band.rows.start - reach, 0)
        assert band.wide.stop == min(band.rows.stop + reach, rows)


def test_labels_are_counted_and_chosen_in_bands_as_at_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(in_bands, "_BAND_PX", 1)
    labels = np.random.default_rng(2).integers(0, 50, (777, 30), np.int32)
    keep = np.arange(50) % 3 == 0
    assert np.array_equal(chosen(keep, labels), keep[labels])
    assert areas_px(labels, 60).tolist() == np.bincount(labels.ravel(), minlength=60).tolist()
