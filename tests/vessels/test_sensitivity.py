"""Sensitivity: paler stain counts with every step up, and a slide is measured as ever at 0."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sections import KINI, section, survey_of

from mvd.geometry import Raster
from mvd.phantom import PhantomSpec
from mvd.protocol import Protocol, StainPlan
from mvd.survey import Survey
from mvd.vessels import find_vessels

STEPS = range(-5, 6)


@cache
def half_pale() -> Raster:
    """A section whose right half has a fifth of the DAB that the left half has."""
    spec = PhantomSpec(
        seed=2,
        width_um=260,
        height_um=260,
        difficulty="easy",
        vessel_density_per_mm2=150,
        bone_fraction=0,
        fat_fraction=0.1,
        tissue_edge=False,
        stain_strength=1.0,
    )
    strong, weak = section(spec).image, section(replace(spec, stain_strength=0.2)).image
    pixels, half = strong.pixels.copy(), strong.pixels.shape[1] // 2
    pixels[:, half:] = weak.pixels[:, half:]
    return strong.with_pixels(pixels)


@cache
def surveyed_at(steps: int) -> Survey:
    return survey_of(half_pale(), protocol=Protocol(stain=StainPlan(sensitivity=steps)))


@cache
def counted_at(steps: int) -> int:
    survey = surveyed_at(steps)
    found = find_vessels(half_pale(), survey.stains, survey.levels, rule=KINI, tissue=survey.tissue)
    return sum(vessel.accepted for vessel in found)


def test_every_step_up_counts_as_many_pale_vessels_or_more():
    """Up to three steps; beyond, haze joins neighbours."""
    counts = [counted_at(steps) for steps in STEPS if steps <= 3]
    assert counts == sorted(counts)
    assert counted_at(-5) < counted_at(0) < counted_at(3)


def test_no_step_leaves_every_level_as_measured():
    levels = survey_of(half_pale()).levels
    assert levels.with_sensitivity(0) == levels == surveyed_at(0).levels


@pytest.mark.parametrize("steps", [-2, 1])
def test_a_step_moves_what_counts_as_stained_by_a_fifth(steps):
    levels, moved = surveyed_at(0).levels, surveyed_at(steps).levels
    for name in ("low", "high"):
        before, after = (getattr(which, name) - levels.background for which in (levels, moved))
        assert after == pytest.approx(before / 1.2**steps)


@pytest.mark.parametrize("steps", STEPS)
def test_no_sensitivity_takes_noise_for_stain(steps):
    levels = surveyed_at(steps).levels
    least = levels.background + 3 * levels.noise
    assert least - 1e-9 <= levels.low
    assert levels.weak <= levels.low <= levels.high


def test_tissue_and_doubts_are_the_same_at_any_sensitivity():
    one, other = surveyed_at(-5), surveyed_at(5)
    assert np.array_equal(one.tissue.kinds.pixels, other.tissue.kinds.pixels)
    assert one.tissue.sharpness == other.tissue.sharpness
    assert (one.stains, one.nucleus_um, one.warnings) == (other.stains, other.nucleus_um, other.warnings)
    assert replace(other.levels, weak=one.levels.weak, low=one.levels.low, high=one.levels.high) == one.levels
