"""Brown is what is bluer than the slide's own counterstain; levels follow the noise of unstained tissue."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from mvd.counterstain import brown_density, smooth_levels, unstained, with_counterstain
from mvd.geometry import Raster
from mvd.stains import DAB_STANDARD, H_STANDARD, Stains, estimate_stains
from mvd.vessels.maps import WORK_UM_PER_PX, StainMaps, measure_levels

SIDE = 240
WHITE = (240.0, 240.0, 240.0)
WALLS = (slice(60, 66), slice(110, 116), slice(160, 166))
"""Columns of walls of 3 µm, over nuclei and between them."""


def tissue(*, dab: float = 0.4, toe: float | None = None, strong: float = 1.0) -> Raster:
    """Stroma and nuclei of every strength, and walls of one density across all."""
    rng = np.random.default_rng(3)
    blue = np.full((SIDE, SIDE), 0.15) * strong
    for row, column, od in rng.uniform((0, 0, 0.2), (SIDE, SIDE, 0.7), (150, 3)).tolist():
        blue[int(row) : int(row) + 14, int(column) : int(column) + 14] = od * strong
    brown = np.zeros((SIDE, SIDE))
    for wall in WALLS:
        brown[:, wall] = dab
    density = blue[..., None] * np.array(H_STANDARD) + brown[..., None] * np.array(DAB_STANDARD)
    light = 10**-density
    if toe is not None:
        light = light * (1 + toe) / (light + toe)
    light = 240 * light + rng.normal(0, 1, (SIDE, SIDE, 3))
    return Raster(np.clip(np.rint(light), 0, 255).astype(np.uint8), 0.0, 0.0, WORK_UM_PER_PX)


def stains_of(image: Raster, white: tuple[float, float, float] = WHITE) -> Stains:
    found = estimate_stains(image.pixels, white, um_per_px=WORK_UM_PER_PX)
    return replace(found, haematoxylin=H_STANDARD, dab=DAB_STANDARD)


def brown_of(image: Raster, stains: Stains) -> tuple[np.ndarray, np.ndarray]:
    """DAB in the middle of the walls, and where no wall is near."""
    dab = brown_density(smooth_levels(image.pixels, WORK_UM_PER_PX), stains)
    far = np.ones(SIDE, bool)
    for wall in WALLS:
        far[wall.start - 8 : wall.stop + 8] = False
    return np.concatenate([dab[:, wall.start + 2 : wall.stop - 2].ravel() for wall in WALLS]), dab[:, far].ravel()


CASES = {
    "as it should be": ({}, WHITE),
    "a white that is too blue": ({}, (240.0, 240.0, 255.0)),
    "a white that is too red": ({}, (252.0, 240.0, 240.0)),
    "a camera that brightens what is dark": ({"toe": 0.5}, WHITE),
    "a strong counterstain": ({"strong": 1.6}, WHITE),
}


@pytest.mark.parametrize(("how", "white"), CASES.values(), ids=CASES)
def test_unstained_tissue_has_no_brown_and_walls_have_theirs(how, white):
    """Whatever the white point, the camera, and the strength of the nuclei."""
    image = tissue(**how)
    stains = with_counterstain(stains_of(image, white), [image])
    walls, between = brown_of(image, stains)
    assert np.median(between) == pytest.approx(0, abs=0.01)
    assert np.percentile(np.abs(between), 95) < 0.012
    assert np.median(walls) == pytest.approx(0.4 if "toe" not in how else 0.2, rel=0.25)
    assert np.percentile(walls, 2) > np.percentile(between, 99.9)


def test_without_the_curve_a_wrong_white_looks_brown():
    image = tissue()
    _, between = brown_of(image, stains_of(image, (240.0, 240.0, 255.0)))
    assert np.median(between) > 0.02


def test_the_curve_is_the_same_whatever_order_the_samples_come_in():
    one, other = tissue(), tissue(strong=1.6)
    start = stains_of(one)
    curve = with_counterstain(start, [one, other]).counterstain
    assert curve == with_counterstain(start, [one, other]).counterstain
    assert curve == with_counterstain(start, [other, one]).counterstain


def test_stain_does_not_move_the_mode_of_what_is_unstained():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0.1, 0.02, 50_000), rng.uniform(0.1, 1.5, 20_000)]).astype(np.float32)
    mode, spread = unstained(values)
    assert mode == pytest.approx(0.1, abs=0.01)
    assert spread == pytest.approx(0.02, abs=0.004)


# Levels -------------------------------------------------------------------------------------------------------------


def maps(*, noise: float = 0.01, walls: float = 0.3, clump: float | None = None) -> StainMaps:
    """Twenty pale walls of 3 by 30 µm, and perhaps more dark clumps than walls."""
    rng = np.random.default_rng(2)
    dab = rng.normal(0, noise, (300, 300)).astype(np.float32)
    for number in range(20):
        row, column = 20 + 20 * (number % 10), 20 + 80 * (number // 10)
        dab[row : row + 6, column : column + 60] = walls
    if clump is not None:
        for row, column in itertools.product(range(10, 290, 20), range(200, 290, 20)):
            dab[row : row + 10, column : column + 10] = clump
    other = np.full_like(dab, 0.25)
    return StainMaps(dab=dab, haematoxylin=other, total=other, red=0.3 * dab, residual=0 * dab)


@pytest.mark.parametrize("walls", [0.25, 0.3])
def test_a_dark_clump_among_pale_vessels_hides_none_of_them(walls):
    levels = measure_levels([maps(walls=walls, clump=2.0)])
    assert levels.high < walls


def test_the_levels_follow_the_noise_of_unstained_tissue_and_not_the_stain():
    quiet, noisy, stained = (
        measure_levels([maps(noise=noise, walls=walls)]) for noise, walls in ((0.02, 0.3), (0.025, 0.3), (0.02, 0.9))
    )
    for levels, noise in ((quiet, 0.02), (noisy, 0.025), (stained, 0.02)):
        assert levels.noise == pytest.approx(noise, rel=0.15)
        assert levels.weak - levels.background == pytest.approx(4 * levels.noise)
        assert levels.low - levels.background == pytest.approx(5.5 * levels.noise)


def test_however_noisy_brown_that_every_eye_sees_is_stain():
    levels = measure_levels([maps(noise=0.06)])
    over = [level - levels.background for level in (levels.weak, levels.low, levels.high)]
    assert over == pytest.approx([0.12, 0.16, 0.23])


def test_where_there_is_hardly_any_noise_no_brown_is_seen_that_an_eye_does_not():
    levels = measure_levels([maps(noise=0.001)])
    assert levels.low - levels.background == pytest.approx(0.085)
