"""Nuclei have a size: where they measure what none does, the pixel size is wrong, and the slide says so."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from sections import section, survey_of

from mvd.geometry import Pixels
from mvd.nuclei import POSSIBLE_UM
from mvd.phantom import PhantomSpec
from mvd.stains import estimate_stains, measure_white, separate
from mvd.survey import Survey

CHECK = "check the pixel size"
FOCUS = "out of focus"
SCENES = {
    name: PhantomSpec(seed=5, difficulty=difficulty, width_um=480, height_um=480, um_per_px=um_per_px, soft_parts=0)
    for name, difficulty, um_per_px in (
        ("easy 0.5", "easy", 0.5),
        ("typical 0.5", "typical", 0.5),
        ("hard 0.5", "hard", 0.5),
        ("typical 0.25", "typical", 0.25),
    )
}


@cache
def stated(name: str, factor: float) -> Survey:
    """A section of which the pixel size is said to be so many times what it is."""
    image = section(SCENES[name]).image
    return survey_of(image.pixels, um_per_px=image.um_per_px * factor)


def sizes(survey: Survey) -> list[str]:
    return [warning for warning in survey.warnings if CHECK in warning]


@pytest.mark.parametrize("name", SCENES)
def test_nuclei_of_the_right_pixel_size_are_possible(name):
    survey = stated(name, 1.0)
    assert survey.nucleus_um == pytest.approx(6.0, rel=0.2)
    assert not sizes(survey)


@pytest.mark.parametrize("factor", [1 / 2.54, 0.5, 2.0, 2.54, 10.0])
@pytest.mark.parametrize("name", SCENES)
def test_a_wrong_pixel_size_is_named(name, factor):
    survey = stated(name, factor)
    (warning,) = sizes(survey)
    assert survey.nucleus_um is not None
    assert f"{survey.nucleus_um:.2g} µm across" in warning


def test_above_a_micrometre_a_pixel_the_focus_is_not_to_blame():
    warnings = stated("typical 0.25", 10.0).warnings
    assert any("at 2.5 µm/px" in warning for warning in warnings)
    assert not any(FOCUS in warning for warning in warnings)
    pixels = cv2.GaussianBlur(section(SCENES["typical 0.25"]).image.pixels, (0, 0), 1.7 / 0.25)
    coarse = cv2.resize(pixels, None, fx=0.25 / 1.2, fy=0.25 / 1.2, interpolation=cv2.INTER_AREA)
    (warning,) = survey_of(coarse, um_per_px=1.2).warnings
    assert CHECK in warning and "blurred at 1.2 µm/px" in warning


def unblued(pixels: Pixels) -> Pixels:
    """The picture without its haematoxylin; what is left is tinted faintly and unevenly, as cytoplasm is."""
    white = measure_white(pixels)
    stains = estimate_stains(pixels, white, um_per_px=0.5)
    density = separate(pixels, stains)
    density[..., 0] = cv2.GaussianBlur(np.clip(density[..., 0], 0.0, 0.15), (0, 0), 20.0)
    grain = cv2.GaussianBlur(np.random.default_rng(3).normal(0.0, 1.0, density.shape[:2]), (0, 0), 4.0)
    density[..., 0] += 0.008 * grain / grain.std()
    light = np.asarray(white) * 10 ** -(density @ np.linalg.inv(stains.unmixing).T)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_without_haematoxylin_nothing_is_said_of_nuclei(factor):
    survey = survey_of(unblued(section(SCENES["typical 0.5"]).image.pixels), um_per_px=0.5 * factor)
    assert survey.nucleus_um is None
    assert not sizes(survey)


def degraded(pixels: Pixels) -> dict[str, Pixels]:
    noise = np.random.default_rng(7).normal(0.0, 15.0, pixels.shape)
    coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    soft = cv2.GaussianBlur(pixels, (0, 0), 2.0).astype(float)
    return {
        "noise": np.clip(pixels + noise, 0, 255).astype(np.uint8),
        "compression": np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8),
        "sharpening": np.clip(pixels + 1.5 * (pixels - soft), 0, 255).astype(np.uint8),
        "faint stain": np.rint(255 * (pixels / 255.0) ** 0.5).astype(np.uint8),
    }


@pytest.mark.parametrize("how", ["noise", "compression", "sharpening", "faint stain"])
def test_a_poor_picture_of_the_right_size_raises_no_alarm(how):
    least, most = POSSIBLE_UM
    size = survey_of(degraded(section(SCENES["typical 0.5"]).image.pixels)[how]).nucleus_um
    assert size is not None
    assert 1.05 * least < size < 0.8 * most


@pytest.mark.parametrize("name", SCENES)
def test_lost_focus_that_merges_nuclei_is_told_beside_the_pixel_size(name):
    image = section(SCENES[name]).image
    blurred = cv2.GaussianBlur(image.pixels, (0, 0), 3.0 / image.um_per_px)
    warnings = survey_of(blurred, um_per_px=image.um_per_px).warnings
    assert any(FOCUS in warning for warning in warnings)


@pytest.mark.parametrize(
    ("name", "um_per_px"),
    [("real/colon", 0.45), ("real/tumour", 0.45), ("real/sarcoma", 0.7), ("marrow_he/0006_01", 0.25),
     ("composites/03", 0.5), ("negatives/brain_cd3_scattered", 1.0), ("negatives/mucosa_keratin", 0.37)],
)  # fmt: skip
def test_nuclei_of_real_tissue_are_possible(shared_data, name, um_per_px):
    pixels = cv2.cvtColor(cv2.imread(str(shared_data / f"{name}.png")), cv2.COLOR_BGR2RGB)
    assert not sizes(survey_of(pixels, um_per_px=um_per_px))
