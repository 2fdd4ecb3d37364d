"""What a survey computes in a quicker way gives the very numbers of the plain one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sections import section

from mvd import histograms, stains
from mvd.histograms import histogram_of, median_of, percentile_of
from mvd.phantom import PhantomSpec
from mvd.stains import (
    BLACK_OD,
    Vector,
    densities_of,
    estimate_stains,
    is_black,
    mean_density,
    mean_density_of,
    measure_white,
    optical_density,
)
from mvd.tissue import folds
from mvd.tissue import masks as m
from mvd.tissue.detail import extreme_in_disc
from mvd.tissue.masks import OVERVIEW_UM_PER_PX, disc

SPEC = PhantomSpec(seed=5, width_um=170, height_um=150, vessel_density_per_mm2=400.0, tissue_edge=True)
WHITE: Vector = (240.0, 238.0, 243.0)


@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=30)), st.sampled_from([0.0, 1.0, 50.0, 99.5, 100])
)
def test_percentiles_of_a_histogram_are_those_of_the_pixels(values, percentile):
    assert percentile_of(histogram_of(values), percentile) == pytest.approx(
        np.percentile(values, percentile), abs=1e-12
    )


@given(arrays(np.uint8, (9, 11)), arrays(bool, (9, 11)), st.integers(1, 120))
def test_a_histogram_counts_every_masked_pixel_once_whatever_is_counted_at_a_time(values, mask, at_a_time):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(histograms, "_COUNTED_PX", at_a_time)
        found = histogram_of(values, mask.view(np.uint8))
    assert found.tolist() == np.bincount(values[mask], minlength=256).tolist()


def plain_white(pixels: np.ndarray) -> list[float]:
    flat = pixels.reshape(-1, 3)
    bright = flat[flat.min(axis=1) >= 0.88 * np.percentile(flat.min(axis=1), 99.5)]
    counts = (np.bincount(bright[:, channel], minlength=256) for channel in range(3))
    return [max(float(np.argmax(np.convolve(c, np.ones(5) / 5, mode="same"))), 1.0) for c in counts]


def pale_tissue_and_a_little_glass() -> np.ndarray:
    pixels = np.random.default_rng(8).normal(204, 3, (220, 90, 3))
    pixels[:30] += 36
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("cut", [1, 60, 200])
@pytest.mark.parametrize("drawn", [lambda: section(SPEC).image.pixels, pale_tissue_and_a_little_glass])
def test_the_white_point_of_parts_is_that_of_all_of_them(cut, drawn):
    pixels = drawn()
    assert list(measure_white(pixels[:cut], pixels[cut:])) == plain_white(pixels)


VALUES = {
    "bell": np.random.default_rng(1).normal(0.1, 0.2, 200_001),
    "an even number": np.random.default_rng(2).normal(0.1, 0.2, 200_000),
    "all alike": np.full(70_000, 0.25),
    "two values": np.repeat([0.1, 0.2], 40_000),
    "in order": np.linspace(-1, 1, 100_003),
    "a period that the few values looked at share": np.tile([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 20_000),
    "a single one": np.array([0.5]),
    "two": np.array([0.5, 0.75]),
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_the_median_is_numpys_to_the_bit(values):
    values = values.astype(np.float32)
    assert median_of(values).tobytes() == np.float32(np.median(values)).tobytes()


@given(arrays(np.float32, st.integers(1, 60), elements=st.floats(-1, 1, width=32)))
@example(np.array([0, 0, 1, 1], np.float32))
def test_the_median_is_numpys_where_few_values_are_looked_at(values):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(histograms, "_MEDIAN_SAMPLE", 5)
        assert median_of(values) == np.float32(np.median(values))


@pytest.mark.parametrize("at_a_time", [1, 5_000, 10**9])
def test_detail_is_the_same_whatever_is_looked_at_at_a_time(at_a_time, monkeypatch):
    pixels = section(SPEC).image.pixels
    monkeypatch.setattr(stains, "_SAMPLE_BAND_PX", at_a_time)
    sample = stains._looked_at(pixels, WHITE, 0.5)
    density = optical_density(pixels, WHITE)
    plain = density - cv2.GaussianBlur(density, (0, 0), 8.0)
    assert sample.detail.tobytes() == plain.tobytes()
    assert np.array_equal(sample.stained, mean_density(density) > stains.TISSUE_OD)
    vectors = estimate_stains(pixels, WHITE, um_per_px=0.5)
    monkeypatch.undo()
    assert vectors.dab == pytest.approx(estimate_stains(pixels, WHITE, um_per_px=0.5).dab, abs=1e-12)


def test_angles_of_grey_levels_are_those_of_their_densities():
    levels = np.random.default_rng(3).integers(0, 256, (500, 3), dtype=np.uint8)
    density = optical_density(levels[None], WHITE)[0]
    table = stains._angles_deg(stains._density_table(WHITE)[0])
    assert table[levels[:, 0], levels[:, 2]].tolist() == stains._red_blue_angle_deg(density).tolist()


@pytest.mark.parametrize("shape", [(1, 1), (6, 20), (7, 7), (20, 5), (13, 13), (64, 90)])
@pytest.mark.parametrize(("which", "plain"), [("least", cv2.erode), ("greatest", cv2.dilate)])
def test_the_disc_taken_apart_is_the_disc(shape, which, plain):
    values = np.random.default_rng(4).random(shape, np.float32)
    found = extreme_in_disc(values, which, np.empty_like(values))
    assert found.tobytes() == plain(values, disc(6.0, 1.0)).tobytes()


def bars() -> folds._Densities:
    """Forty bars in tissue of density 1, of every length and density."""
    random = np.random.default_rng(5)
    layers, counterstain = np.ones((2, 400, 500), np.float32)
    for row in range(8):
        for column in range(5):
            place = (
                slice(50 * row + 20, 50 * row + 32),
                slice(100 * column + 20, 100 * column + random.integers(34, 80)),
            )
            layers[place], counterstain[place] = random.uniform(1.26, 2.0), random.uniform(0.9, 1.6)
    return folds._Densities(layers, layers, counterstain)


@pytest.mark.parametrize("kinds", [(folds._FOLD, folds._CONTINUATION), (folds._BAND,)], ids=["fold", "band"])
def test_no_patch_is_passed_over_that_would_be_a_fold(kinds):
    densities = bars()
    stained = np.ones(densities.layers.shape, bool)
    any_at_all = folds._Limits(area_um2=0.0, layers=0.0, step=0.0, counterstain=0.0)
    looked_at, all_of_them = (
        list(folds._candidates(stained, densities, 1.25, limits)) for limits in (kinds, (any_at_all,))
    )

    def reaching(candidates: list[folds._Candidate]) -> list[tuple[slice, slice]]:
        return [c.place for c in candidates if any(c.reaches(kind) for kind in kinds)]

    assert reaching(looked_at) == reaching(all_of_them) != []
    assert len(looked_at) < len(all_of_them) == 40


WHITES = st.tuples(*[st.sampled_from([3.0, 31.0, 32.0, 200.0, 243.0, 255.0])] * 3)


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 40), st.just(3))), WHITES)
@example(np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3), (243.0, 238.0, 251.0))
@example(np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3), (31.0, 200.0, 200.0))
def test_densities_by_planes_are_those_of_the_pixels_to_the_bit(pixels, white):
    plain = optical_density(pixels, white)
    density, mean = densities_of(pixels, white)
    assert density.tobytes() == plain.tobytes()
    assert mean.tobytes() == mean_density_of(pixels, white).tobytes() == mean_density(plain).tobytes()
    assert np.array_equal(is_black(pixels, white), plain.min(axis=2) > BLACK_OD)


def plainly_closed(mask, radius_um):
    pad = round(radius_um / OVERVIEW_UM_PER_PX) + 1
    wide = np.pad(mask.astype(np.uint8), pad, mode="edge")
    return cv2.morphologyEx(wide, cv2.MORPH_CLOSE, disc(radius_um))[pad:-pad, pad:-pad] > 0


def plainly_filled(mask, max_mm2):
    _, labels = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)
    rim = {*labels[0].tolist(), *labels[-1].tolist(), *labels[:, 0].tolist(), *labels[:, -1].tolist()}
    gaps = (labels == n for n in range(1, labels.max() + 1) if n not in rim)
    return np.logical_or.reduce([mask, *(gap for gap in gaps if gap.sum() * OVERVIEW_UM_PER_PX**2 / 1e6 < max_mm2)])


def plainly_without_small(mask, min_mm2):
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    parts = (labels == n for n in range(1, labels.max() + 1))
    large = [part for part in parts if part.sum() * OVERVIEW_UM_PER_PX**2 / 1e6 >= min_mm2]
    return np.logical_or.reduce([np.zeros_like(mask), *large])


def plainly_grown(mask, by_um):
    return m.distance_um(mask) <= by_um if mask.any() else mask


ON_MASKS = {
    "opened": (m.opened, lambda mask, um: cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc(um)) > 0, 8.0),
    "closed": (m.closed, plainly_closed, 12.0),
    "holes filled": (m.holes_filled, plainly_filled, 20e-6 * OVERVIEW_UM_PER_PX**2),
    "without small": (m.without_small, plainly_without_small, 6e-6 * OVERVIEW_UM_PER_PX**2),
    "grown": (m.grown, plainly_grown, 13.0),
}


@pytest.mark.parametrize("name", ON_MASKS)
@given(st.integers(0, 2**32), st.tuples(*[st.integers(0, 40)] * 4), st.sampled_from([0.3, 0.5, 0.6, 0.9]))
@example(0, (0, 40, 0, 40), 1.0)  # all of it
@example(0, (7, 7, 3, 3), 1.0)  # nothing
def test_masks_worked_on_where_they_lie_are_those_of_the_whole_picture(name, seed, ends, share):
    quick, plain, limit = ON_MASKS[name]
    (top, bottom), (left, right) = sorted(ends[:2]), sorted(ends[2:])
    mask = np.zeros((40, 40), bool)
    part = mask[top:bottom, left:right]
    part[...] = np.random.default_rng(seed).random(part.shape) < share
    before = mask.copy()
    found = quick(mask, limit)
    assert np.array_equal(found, plain(mask, limit))
    assert np.array_equal(mask, before)
    assert not np.shares_memory(found, mask)
