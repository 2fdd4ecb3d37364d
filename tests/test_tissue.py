"""Marrow, fat and bone are told apart on the overview; areas are those of the pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sections import section, slide_of, surveyed

from mvd.errors import StainError
from mvd.geometry import Raster
from mvd.phantom import PhantomSpec
from mvd.stains import Stains
from mvd.tissue import OVERVIEW_UM_PER_PX, area_mm2, find_tissue, map_tissue, suggest_involved

WHITE = (240.0, 240.0, 240.0)
STANDARD = Stains(WHITE, (0.6500, 0.7040, 0.2860), (0.2680, 0.5700, 0.7760), "h-dab")
BONY = PhantomSpec(seed=6, width_um=520, height_um=480, bone_fraction=0.15, fat_fraction=0.2, tissue_edge=False)
EDGED = PhantomSpec(seed=9, width_um=460, height_um=420, bone_fraction=0.0, fat_fraction=0.3, tissue_edge=True)


def drawn(shape: tuple[int, int]) -> np.ndarray:
    """Glass, RGB, for `cells` to be put on."""
    return np.full((*shape, 3), 240, np.uint8)


def cells(pixels: np.ndarray, where: tuple[slice, slice]) -> None:
    """Speckled blue tissue, in place."""
    part = pixels[where]
    part[...] = np.random.default_rng(1).integers(70, 210, part.shape[:2])[..., None] + [0, -10, 25]


def on_overview(mask: Raster) -> np.ndarray:
    """A phantom's mask on the overview's grid."""
    rows, columns = (round(n * mask.um_per_px / OVERVIEW_UM_PER_PX) for n in mask.pixels.shape)
    return cv2.resize(mask.pixels.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA) > 0.5


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


@pytest.mark.parametrize("um_per_px", [0.5, 4.0, 10.0])
@pytest.mark.parametrize("pixels", [0, 1, 77, 600])
def test_an_area_is_its_pixels(um_per_px, pixels):
    mask = np.zeros((20, 30), bool)
    mask.ravel()[:pixels] = True
    assert area_mm2(Raster(mask, 5.0, -3.0, um_per_px)) == pytest.approx(pixels * um_per_px**2 / 1e6, rel=1e-12)


@pytest.mark.slow
def test_bone_is_found_where_it_is():
    truth = on_overview(section(BONY).bone)
    assert truth.mean() > 0.05
    assert dice(surveyed(BONY).tissue.bone.pixels, truth) > 0.85


@pytest.mark.parametrize("spec", [BONY, EDGED], ids=["with bone", "at the section's edge"])
def test_fat_is_found_where_it_is_and_is_marrow(spec):
    phantom, tissue = section(spec), surveyed(spec).tissue
    truth = on_overview(phantom.fat)
    assert dice(tissue.fat.pixels, truth) > 0.75
    inner = cv2.erode(truth.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    assert inner.sum() > 50
    assert tissue.marrow.pixels[inner].mean() > 0.9  # a fat cell cut by the picture's border may be glass instead
    assert not (tissue.fat.pixels & ~tissue.marrow.pixels).any()


@pytest.mark.parametrize("spec", [BONY, EDGED], ids=["with bone", "at the section's edge"])
def test_marrow_is_tissue_without_bone(spec):
    phantom, tissue = section(spec), surveyed(spec).tissue
    truth = on_overview(phantom.tissue) & ~on_overview(phantom.bone)
    assert dice(tissue.marrow.pixels, truth) > 0.96
    assert not (tissue.marrow.pixels & tissue.bone.pixels).any()
    assert tissue.marrow_mm2 == pytest.approx(truth.sum() * 16e-6, rel=0.06)


def test_a_section_without_bone_has_none():
    assert surveyed(EDGED).tissue.bone_mm2 < 0.01 * surveyed(EDGED).tissue.marrow_mm2


def test_a_strip_of_glass_beside_the_section_is_not_marrow():
    pixels = drawn((120, 200))
    cells(pixels, (slice(None), slice(0, 150)))
    marrow = map_tissue(Raster(pixels, 0, 0, OVERVIEW_UM_PER_PX), STANDARD).marrow.pixels
    assert marrow[:, :149].all()
    assert not marrow[:, 155:].any()


GAPS = {"fat cell": (10, True), "two fat cells": (18, True), "hole in the section": (70, False)}
"""Side in pixels of 4 µm."""


@pytest.mark.parametrize(("side_px", "is_marrow"), GAPS.values(), ids=GAPS.keys())
def test_a_small_clear_gap_inside_is_marrow_and_a_large_one_is_not(side_px, is_marrow):
    pixels = drawn((200, 200))
    cells(pixels, (slice(None), slice(None)))
    pixels[60 : 60 + side_px, 50 : 50 + side_px] = 240
    tissue = map_tissue(Raster(pixels, 0, 0, OVERVIEW_UM_PER_PX), STANDARD)
    middle = 60 + side_px // 2, 50 + side_px // 2
    assert tissue.marrow.pixels[middle] == is_marrow
    assert tissue.fat.pixels[middle] == is_marrow


def test_debris_is_no_tissue():
    pixels = drawn((200, 200))
    cells(pixels, (slice(20, 120), slice(20, 120)))
    cells(pixels, (slice(160, 175), slice(160, 175)))
    tissue = find_tissue(Raster(pixels, 0, 0, OVERVIEW_UM_PER_PX), WHITE).pixels
    assert tissue[70, 70] and not tissue[150:, 150:].any()


NO_TISSUE = {"glass": drawn((150, 150)), "a speck": drawn((150, 150))}
cells(NO_TISSUE["a speck"], (slice(70, 80), slice(70, 80)))


@pytest.mark.parametrize("pixels", NO_TISSUE.values(), ids=NO_TISSUE.keys())
def test_a_slide_without_tissue_is_refused(pixels):
    with pytest.raises(StainError, match=r"no tissue: nothing on the slide is stained over as much as 0.01 mm²"):
        find_tissue(Raster(pixels, 0, 0, OVERVIEW_UM_PER_PX), WHITE)


def test_the_suggestion_is_where_nuclei_are_dense():
    pixels = drawn((200, 260))
    cells(pixels, (slice(None), slice(None)))
    pixels[:, 130:] = 120 + pixels[:, 130:] // 2
    overview = Raster(pixels, 0, 0, OVERVIEW_UM_PER_PX)
    tissue = map_tissue(overview, STANDARD)
    suggested = suggest_involved(overview, STANDARD, tissue).pixels
    assert suggested[:, :115].all() and not suggested[:, 145:].any()
    assert not (suggested & ~tissue.marrow.pixels).any()


def test_an_infiltrate_smaller_than_one_field_is_not_suggested():
    pixels = drawn((200, 260))
    cells(pixels, (slice(None), slice(None)))
    dense = pixels[60:100, 60:100].copy()
    pixels[...] = 120 + pixels // 2
    pixels[60:100, 60:100] = dense  # 160 µm square: 0.0256 mm²
    overview = Raster(pixels, 0, 0, OVERVIEW_UM_PER_PX)
    assert not suggest_involved(overview, STANDARD, map_tissue(overview, STANDARD)).pixels.any()


def test_the_map_has_the_overviews_grid():
    survey = surveyed(BONY)
    bounds = slide_of(section(BONY).image).bounds
    for mask in (survey.tissue.marrow, survey.tissue.bone, survey.tissue.fat):
        assert mask.pixels.dtype == bool
        assert mask.rect == survey.overview.rect
        assert mask.rect.width_um == pytest.approx(bounds.width_um, abs=OVERVIEW_UM_PER_PX)
