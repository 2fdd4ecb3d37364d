"""Density is additive, separation gives back what was mixed, and the vectors come from the slide itself."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sections import section
from skimage.color import combine_stains, separate_stains

from mvd.errors import StainError
from mvd.phantom import PhantomSpec, make_phantom
from mvd.phantom.optics import draw_look
from mvd.stains import (
    DAB_STANDARD,
    H_STANDARD,
    Stains,
    Vector,
    estimate_stains,
    measure_white,
    optical_density,
    separate,
)

WHITE = (240.0, 238.0, 243.0)
STANDARD = Stains(WHITE, H_STANDARD, DAB_STANDARD, "h-dab")
SECTION = PhantomSpec(seed=5, width_um=170, height_um=170, vessel_density_per_mm2=400.0, tissue_edge=True)


def unit(vector: Vector) -> np.ndarray:
    return np.asarray(vector) / np.linalg.norm(vector)


def angle_deg(one: Vector, other: Vector) -> float:
    return float(np.degrees(np.arccos(np.clip(unit(one) @ unit(other), -1, 1))))


def mixed(haematoxylin: np.ndarray, dab: np.ndarray, stains: Stains = STANDARD) -> np.ndarray:
    """The light that passes given amounts of both stains, rounded to grey levels."""
    density = haematoxylin[..., None] * unit(stains.haematoxylin) + dab[..., None] * unit(stains.dab)
    return np.round(np.asarray(stains.white) * 10**-density).astype(np.uint8)


def estimated(pixels: np.ndarray) -> Stains:
    return estimate_stains(pixels, measure_white(pixels), um_per_px=0.5)


def noisy(grey: Vector, *, side_px: int = 200) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.clip(rng.normal(grey, 1.5, (side_px, side_px, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("grey", "od"), [(240, 0.0), (24, 1.0), (120, 0.30103), (255, -0.02633)], ids=["glass", "tenth", "half", "brighter"]
)
def test_density_is_the_logarithm_of_what_the_glass_lets_through(grey, od):
    density = optical_density(np.full((1, 1, 3), grey, np.uint8), (240.0, 240.0, 240.0))
    assert density.ravel() == pytest.approx([od] * 3, abs=1e-5)


def test_a_pixel_that_passes_no_light_has_a_finite_density():
    assert np.isfinite(optical_density(np.zeros((1, 1, 3), np.uint8), WHITE)).all()


@given(h=st.floats(0, 0.7), d=st.floats(0, 0.7))
def test_the_amounts_that_were_mixed_come_back(h, d):
    pixels = mixed(np.array([[h]]), np.array([[d]]))
    found = separate(pixels, Stains(WHITE, tuple(unit(H_STANDARD)), tuple(unit(DAB_STANDARD)), "h-dab"))
    # Half a grey level of the darkest channel, through the unmixing matrix.
    half_level = 0.5 / (float(pixels.min()) * np.log(10))
    bound = half_level * np.abs(STANDARD.unmixing).sum(axis=1).max() * 1.1 + 1e-5
    assert found[0, 0] == pytest.approx([h, d, 0.0], abs=bound)


def test_twice_the_stain_is_twice_the_density():
    amounts = np.array([[0.1, 0.2, 0.4]])
    found = separate(mixed(0 * amounts, amounts), STANDARD)[0, :, 1]
    assert found / found[0] == pytest.approx([1, 2, 4], rel=0.05)


def test_separation_agrees_with_scikit_image():
    pixels = np.random.default_rng(2).integers(5, 256, (70, 90, 3), dtype=np.uint8)
    stains = Stains((255.0, 255.0, 255.0), H_STANDARD, DAB_STANDARD, "h-dab")
    reference = 6 * separate_stains(pixels / 255, stains.unmixing.T)  # theirs is in units of ln(1e6): six decades
    ours = separate(pixels, stains)
    clear = reference.min(axis=2) > 0  # theirs is cut off at 0
    assert clear.sum() > 100
    assert np.abs(ours - reference)[clear].max() < 1e-4
    back = combine_stains(np.where(clear[..., None], ours, 0) / 6, np.linalg.inv(stains.unmixing.T))
    assert np.abs(back[clear] * 255 - pixels[clear]).max() < 0.1


def test_rows_are_separated_alone_as_they_are_in_the_whole():
    pixels = np.random.default_rng(3).integers(0, 256, (200, 30, 3), dtype=np.uint8)
    whole = separate(pixels, STANDARD)
    # To the last bit but one: OpenCV adds in another order at the end of a vector register.
    for first, last in ((0, 64), (63, 130), (128, 129), (130, 200)):
        assert np.abs(separate(pixels[first:last], STANDARD) - whole[first:last]).max() < 1e-6


@pytest.mark.parametrize("brightness", [0.85, 1.0])
@pytest.mark.parametrize("seed", [5, 6])
def test_the_white_point_is_measured_within_the_evenness_of_the_light(seed, brightness):
    spec = replace(SECTION, seed=seed, brightness=brightness, fat_fraction=0.2)
    true = 255 * np.asarray(draw_look(spec).white)
    # The simulated light varies by 1.2 % (one standard deviation) over the picture.
    assert measure_white(section(spec).image.pixels) == pytest.approx(true, rel=0.018)


def test_the_white_point_of_a_picture_of_glass_is_its_colour():
    assert measure_white(noisy((231.0, 235.0, 228.0))) == pytest.approx((231, 235, 228), abs=1.5)


def test_a_little_glass_is_enough_for_the_white_point():
    pixels = noisy((150.0, 140.0, 170.0))
    pixels[:12] = noisy((240.0, 238.0, 243.0))[:12]
    assert measure_white(pixels) == pytest.approx((240, 238, 243), abs=1.5)


@pytest.mark.parametrize("seed", [1, 2, 4, 5, 6])
def test_the_counterstain_is_the_slides_own(seed):
    spec = replace(SECTION, seed=seed)
    true = draw_look(spec).haematoxylin
    found = estimated(section(spec).image.pixels)
    assert found.source == "slide"
    assert angle_deg(found.haematoxylin, true) < 7.0


TURNED = {
    "reddish blue": ((0.52, 0.80, 0.30), DAB_STANDARD),
    "cold blue": ((0.78, 0.60, 0.18), DAB_STANDARD),
    "reddish brown": (H_STANDARD, (0.40, 0.62, 0.67)),
}


@pytest.mark.parametrize(("blue", "brown"), TURNED.values(), ids=TURNED.keys())
def test_the_estimate_follows_a_slide_whose_stains_are_not_the_standard_ones(blue, brown):
    pixels = section(SECTION).image.pixels
    amounts = np.clip(separate(pixels, estimated(pixels))[..., :2], 0, None)
    stained = Stains(WHITE, tuple(unit(blue)), tuple(unit(brown)), "slide")
    found = estimated(mixed(amounts[..., 0], amounts[..., 1], stained))
    assert angle_deg(found.haematoxylin, blue) < 4.0
    assert angle_deg(found.dab, brown) < 8.0


@pytest.mark.parametrize("seed", [1, 2, 4, 5, 6])
def test_brown_lies_in_the_plane_of_the_slides_two_stains(seed):
    """Brown overlies blue, so that what is seen of it may be a mixture of the two, but nothing else."""
    look = draw_look(replace(SECTION, seed=seed))
    normal = np.cross(look.haematoxylin, look.dab)
    found = estimated(section(replace(SECTION, seed=seed)).image.pixels).dab
    out_of_plane = np.degrees(np.arcsin(abs(unit(found) @ (normal / np.linalg.norm(normal)))))
    assert out_of_plane < 8.0
    assert angle_deg(found, look.dab) < angle_deg(found, look.haematoxylin)


def test_the_brown_of_walls_rises_with_the_strength_of_the_stain():
    rises = []
    for strength in (0.5, 1.0):
        phantom = section(replace(SECTION, stain_strength=strength))
        walls = phantom.walls.pixels
        around = cv2.dilate(walls.astype(np.uint8), np.ones((17, 17), np.uint8)).astype(bool)
        around &= ~cv2.dilate(walls.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
        dab = separate(phantom.image.pixels, estimated(phantom.image.pixels))[..., 1]
        rises.append(float(dab[walls].mean() - dab[around].mean()))
    assert rises[1] / rises[0] == pytest.approx(2.0, rel=0.2)


def test_standard_vectors_are_taken_where_they_are_asked_for():
    pixels = section(SECTION).image.pixels
    stains = estimate_stains(pixels, WHITE, um_per_px=0.5, vectors="h-dab")
    assert stains.source == "h-dab" and stains.white == WHITE
    assert stains.haematoxylin == pytest.approx(unit(H_STANDARD)) and stains.dab == pytest.approx(unit(DAB_STANDARD))


def test_a_section_without_brown_keeps_the_standard_brown_and_says_so():
    spec = replace(SECTION, vessel_density_per_mm2=0.0, confounders=0.0, difficulty="easy")
    stains = estimated(make_phantom(spec).image.pixels)
    assert stains.source == "slide, DAB standard"
    assert stains.dab == pytest.approx(unit(DAB_STANDARD))


@pytest.mark.parametrize("padding_px", [40, 400])
def test_black_round_a_picture_does_not_move_the_estimate(padding_px):
    pixels = section(SECTION).image.pixels
    framed = cv2.copyMakeBorder(pixels, *(padding_px,) * 4, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    assert measure_white(framed) == pytest.approx(measure_white(pixels), abs=1.0)
    alone, inside = (estimate_stains(p, measure_white(pixels), um_per_px=0.5) for p in (pixels, framed))
    assert angle_deg(alone.haematoxylin, inside.haematoxylin) < 0.5
    assert angle_deg(alone.dab, inside.dab) < 0.5


NOT_STAINED = {
    "glass": (noisy((243.0, 242.0, 244.0)), "no stained tissue"),
    "black": (np.zeros((200, 200, 3), np.uint8), "no stained tissue"),
    "grey tissue": (np.repeat(noisy((150.0, 150.0, 150.0))[..., :1], 3, axis=2), "no colour"),
    "a few stained pixels": (
        np.where(np.arange(200)[:, None, None] < 1, np.uint8(90), noisy((243.0, 242.0, 244.0))),
        "no stained tissue",
    ),
}


@pytest.mark.parametrize(("pixels", "sentence"), NOT_STAINED.values(), ids=NOT_STAINED.keys())
@pytest.mark.parametrize("vectors", ["slide", "h-dab"])
def test_what_is_not_stained_is_refused_in_a_sentence(pixels, sentence, vectors):
    with pytest.raises(StainError, match=sentence):
        estimate_stains(pixels, (243.0, 242.0, 244.0), um_per_px=0.5, vectors=vectors)


def test_the_pixel_size_does_not_turn_the_vectors():
    """The same section at another pixel size gives the same vectors within 3°."""
    coarse, fine = (make_phantom(replace(SECTION, um_per_px=um)).image for um in (0.6, 0.4))
    first, second = (estimate_stains(i.pixels, measure_white(i.pixels), um_per_px=i.um_per_px) for i in (coarse, fine))
    assert angle_deg(first.haematoxylin, second.haematoxylin) < 3.0
    assert angle_deg(first.dab, second.dab) < 3.0
