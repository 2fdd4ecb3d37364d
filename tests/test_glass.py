"""Whether glass is in view is decided first: without any, all of a picture is tissue, however pale."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from sections import section, survey_of

from mvd.errors import StainError
from mvd.geometry import FloatImage, Pixels, Raster
from mvd.phantom import PhantomSpec
from mvd.phantom.optics import draw_look
from mvd.survey import Survey
from mvd.tissue import OVERVIEW_UM_PER_PX, find_glass
from mvd.tissue import bands as in_bands
from mvd.tissue.glass import brightest

UM = 0.5
GREY = (206, 202, 206)
"""What a microscope camera shows where there is nothing."""


def tissue(side_um: float, *, seed: int = 1, strength: float = 1.0) -> Pixels:
    """Nuclei 5 µm across, a brown one among twelve, on pale ground that is fibrous: nothing clear anywhere."""
    rng = np.random.default_rng(seed)
    side = round(side_um / UM)
    ground = sum(_grain(rng, side, sigma_um) for sigma_um in (0.7, 1.5, 3.0))
    density = strength * (0.06 + 0.015 * ground)[..., None] * np.float32((1.0, 1.1, 0.9))
    blue, brown = np.zeros((2, side, side), np.float32)
    for number, (x, y) in enumerate(rng.uniform(0, side, (round(side_um**2 / 70), 2))):
        amount = float(rng.uniform(0.1, 0.5))
        cv2.circle(brown if number % 12 == 0 else blue, (round(x), round(y)), round(2.5 / UM), amount, -1)
    for stain, vector in ((blue, (0.65, 0.70, 0.29)), (brown, (0.27, 0.57, 0.78))):
        density = density + strength * cv2.GaussianBlur(stain, (0, 0), 0.6 / UM)[..., None] * np.float32(vector)
    light = np.asarray(GREY) * 10.0 ** -np.clip(density, 0.01, None) + rng.normal(0, 2, density.shape)
    return np.clip(light, 0, 255).astype(np.uint8)


def _grain(rng: np.random.Generator, side: int, sigma_um: float) -> FloatImage:
    grain = cv2.GaussianBlur(rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), sigma_um / UM)
    return np.asarray(grain / grain.std(), np.float32)


def with_gap(pixels: Pixels, x_um: float, y_um: float, radius_um: float) -> Pixels:
    """A round gap with a blurred edge, as clear as glass and as noisy as the rest."""
    gap = np.zeros(pixels.shape[:2], np.float32)
    cv2.circle(gap, (round(x_um / UM), round(y_um / UM)), round(radius_um / UM), 1.0, -1)
    share = cv2.GaussianBlur(gap, (0, 0), 1.0 / UM)[..., None]
    glass = np.asarray(GREY) + np.random.default_rng(2).normal(0, 2, pixels.shape)
    return np.clip(share * glass + (1 - share) * pixels, 0, 255).astype(np.uint8)


def areas_mm2(survey: Survey) -> dict[str, float]:
    names = ("whole", "fat", "bone", "fold", "out_of_focus")
    return {name: np.count_nonzero(getattr(survey.tissue, name).pixels) * 16e-6 for name in names}


def overview_of(pixels: Pixels) -> Raster:
    size = tuple(round(n * UM / OVERVIEW_UM_PER_PX) for n in pixels.shape[1::-1])
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Raster(small, 0, 0, OVERVIEW_UM_PER_PX)


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0], ids=["pale", "usual", "dense"])
@pytest.mark.parametrize("side_um", [80.0, 200.0, 500.0])
def test_a_picture_full_of_tissue_without_glass_is_tissue_all_over(side_um, strength):
    survey = survey_of(tissue(side_um, strength=strength))
    found = areas_mm2(survey)
    assert survey.stains.white_source == "assumed"
    assert found.pop("whole") == pytest.approx(side_um**2 / 1e6, rel=0.01)
    assert found == dict.fromkeys(found, 0.0)


@pytest.mark.parametrize("light", [0.5, 0.75, 1.2])
def test_how_bright_a_photograph_is_does_not_decide_what_is_tissue(light):
    pixels = np.clip(tissue(300) * light, 0, 255).astype(np.uint8)
    assert areas_mm2(survey_of(pixels))["whole"] == pytest.approx(0.09, rel=0.01)


@pytest.mark.parametrize("strength", [0.6, 1.0, 2.0], ids=["pale", "usual", "dense"])
def test_a_single_lumen_is_told_from_tissue_and_gives_white(strength):
    survey = survey_of(with_gap(tissue(300, strength=strength), 150, 140, 25))
    assert survey.stains.white_source == "glass"
    assert survey.stains.white == pytest.approx(GREY, abs=2)
    found = areas_mm2(survey)
    assert found["whole"] == pytest.approx(0.09, rel=0.01)
    assert found["fat"] == pytest.approx(np.pi * 0.025**2, rel=0.4)
    assert survey.tissue.fat.pixels[35, 37]


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_it_does_not_matter_how_a_picture_lies(turns, mirrored):
    pixels = with_gap(tissue(320), 100, 120, 30)
    turned = np.rot90(pixels, turns)
    turned = np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)
    assert find_glass(overview_of(turned)) == find_glass(overview_of(pixels))


@pytest.mark.parametrize(("x_um", "y_um"), [(0, 150), (150, 300), (300, 0)], ids=["left", "bottom", "corner"])
def test_fat_that_the_border_cuts_is_marrow(x_um, y_um):
    pixels = with_gap(with_gap(tissue(300), 150, 150, 40), x_um, y_um, 60)
    found = areas_mm2(survey_of(pixels))
    assert found["whole"] == pytest.approx(0.09, rel=0.01)
    assert found["fat"] > 0.006


def test_glass_along_a_side_is_no_marrow():
    pixels = tissue(400)
    pixels[:, :300] = np.clip(np.asarray(GREY) + np.random.default_rng(3).normal(0, 2, (800, 300, 3)), 0, 255)
    assert areas_mm2(survey_of(pixels))["whole"] == pytest.approx(0.4 * 0.25, rel=0.03)


def test_black_round_a_picture_without_glass_is_no_tissue():
    framed = cv2.copyMakeBorder(tissue(300), *(80,) * 4, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    survey = survey_of(framed)
    assert survey.stains.white_source == "assumed"
    assert areas_mm2(survey)["whole"] == pytest.approx(0.276**2, rel=0.03)  # the blurred edge of black is 12 µm wide


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_white_of_a_section_is_that_of_its_glass(seed):
    spec = PhantomSpec(seed=seed, width_um=400, height_um=400, fat_fraction=0.3, tissue_edge=True)
    glass = find_glass(overview_of(section(spec).image.pixels))
    assert glass.source == "glass"
    # The simulated light varies by 1.2 % (one standard deviation) over the picture.
    assert glass.white == pytest.approx(255 * np.asarray(draw_look(spec).white), rel=0.018)


def test_the_brightest_of_tissue_is_near_its_glass():
    assert brightest(overview_of(tissue(500)).pixels) == pytest.approx(GREY, rel=0.09)


@cache
def noisy(grey: float, side_um: float = 400) -> Pixels:
    side = round(side_um / UM)
    return np.clip(np.random.default_rng(1).normal(grey, 2.0, (side, side, 3)), 0, 255).astype(np.uint8)


def dusty() -> Pixels:
    """Dark specks of 6 µm on glass: together 0.006 mm²."""
    pixels = noisy(235.0).copy()
    for x, y in np.random.default_rng(4).integers(20, 780, (200, 2)).tolist():
        cv2.circle(pixels, (x, y), 6, (110, 90, 80), -1)
    return pixels


def falling_off() -> Pixels:
    """Glass that a microscope lights less well in the corners."""
    y, x = np.mgrid[-1:1:800j, -1:1:800j]
    return np.clip(noisy(235.0) * (1 - 0.1 * (x**2 + y**2))[..., None], 0, 255).astype(np.uint8)


EMPTY = {
    "glass": noisy(235.0),
    "a grey background": noisy(190.0),
    "glass with dust": dusty(),
    "glass lit unevenly": falling_off(),
    "black": np.zeros((800, 800, 3), np.uint8),
    "nearly black": noisy(4.0),
    "noise": np.random.default_rng(5).integers(0, 256, (800, 800, 3)).astype(np.uint8),
    "a small piece of glass": noisy(235.0, 60),
}


@pytest.mark.parametrize("pixels", EMPTY.values(), ids=EMPTY.keys())
def test_a_picture_of_nothing_is_refused_in_a_sentence(pixels):
    with pytest.raises(StainError, match=r"simulated\.png: no tissue: "):
        survey_of(pixels)


def test_tissue_without_colour_and_without_glass_is_refused():
    grey = np.repeat(tissue(300)[..., 1:2], 3, axis=2)
    with pytest.raises(StainError, match="no colour"):
        survey_of(grey)


@pytest.mark.parametrize("pixels", [with_gap(tissue(320), 100, 120, 30), tissue(320)], ids=["a lumen", "none"])
def test_glass_is_found_in_bands_as_at_once(pixels, monkeypatch):
    overview = overview_of(pixels)
    at_once = find_glass(overview)
    monkeypatch.setattr(in_bands, "_BAND_PX", 1)
    monkeypatch.setattr(in_bands, "_LEAST_ROWS", 9)
    assert find_glass(overview) == at_once


def test_what_lies_beyond_a_slide_is_not_taken_for_glass():
    """The last row and column of the overview lie half beyond the slide."""
    pixels = tissue(302)
    assert survey_of(pixels).stains.white == pytest.approx(survey_of(pixels[:600, :600]).stains.white, abs=3)


def test_dense_walls_do_not_put_what_lies_beside_them_out_of_focus():
    """A section full of vessels: pale even stroma between long walls of almost black brown."""
    pixels = tissue(400, strength=0.5)
    walls = np.zeros(pixels.shape[:2], np.float32)
    rng = np.random.default_rng(6)
    for x, y in rng.uniform(0, 800, (90, 2)):
        along = rng.normal((0, 40), (12, 10))
        ends = [(round(x + way * along[0]), round(y + way * along[1])) for way in (-1, 1)]
        cv2.line(walls, ends[0], ends[1], 1.0, 12)
    amount = 4 * cv2.GaussianBlur(walls, (0, 0), 0.8 / UM)[..., None]
    stained = (pixels * 10.0 ** -(amount * np.array([0.27, 0.57, 0.78]))).astype(np.uint8)
    survey = survey_of(stained)
    found = areas_mm2(survey)
    assert (found["out_of_focus"], found["bone"], found["fold"]) == (0, 0, 0)
    assert not any("out of focus" in warning for warning in survey.warnings)


REAL = {"tumour": ("real/tumour.png", 0.45, "assumed"), "sarcoma": ("real/sarcoma.png", 0.7, "assumed")}
REAL |= {f"marrow {n}": (f"marrow_he/000{n}_01.png", 0.25, "glass") for n in (1, 3, 4, 6, 7, 8)}
REAL |= {f"grey marrow {n}": (f"composites/0{n}.png", um, "glass") for n, um in ((1, 0.25), (3, 0.5), (5, 0.25))}
REAL |= {
    "gut": ("negatives/mouse_colon_cd8b.png", 0.32, "glass"),
    "nerve": ("negatives/mouse_colon_tbet.png", 0.32, "assumed"),
}


@pytest.mark.parametrize(("path", "um_per_px", "source"), REAL.values(), ids=REAL.keys())
def test_real_pictures_are_tissue_all_over_in_focus_and_without_bone(shared_data, path, um_per_px, source):
    pixels = np.ascontiguousarray(cv2.imread(str(shared_data / path))[..., ::-1])
    survey = survey_of(pixels, um_per_px=um_per_px)
    found = areas_mm2(survey)
    assert survey.stains.white_source == source
    assert found["whole"] == pytest.approx(pixels[..., 0].size * um_per_px**2 / 1e6, rel=0.02)
    assert (found["bone"], found["fold"], found["out_of_focus"]) == (0, 0, 0)
    assert (found["fat"] > 0.004) == (source == "glass")
    assert not any("out of focus" in warning for warning in survey.warnings)
