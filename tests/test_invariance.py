"""The same section stained, scanned or stored otherwise has the same count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from sections import section, slide_of

from mvd.blocks import grid, vessels_on_slide
from mvd.geometry import Pixels
from mvd.phantom import PhantomSpec
from mvd.protocol import Protocol
from mvd.survey import survey_slide

pytestmark = pytest.mark.slow

SECTIONS = tuple(
    PhantomSpec(seed=seed, width_um=600, height_um=600, vessel_density_per_mm2=150.0, stain_strength=1.0)
    for seed in (31, 33)
)
MAX_CHANGE = 0.05


def count(pixels: Pixels, um_per_px: float = 0.5) -> int:
    """Vessels on a whole picture, surveyed anew as a slide of its own."""
    slide, protocol = slide_of(pixels, um_per_px=um_per_px), Protocol()
    survey = survey_slide(slide, protocol)
    tissue = survey.tissue.marrow.with_pixels(survey.tissue.marrow.pixels | survey.tissue.bone.pixels)
    return sum(vessel.accepted for vessel in vessels_on_slide(slide, survey, grid(tissue), rule=protocol.rule))


@cache
def reference() -> int:
    return sum(count(section(spec).image.pixels) for spec in SECTIONS)


def scaled(*factors: float) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.clip(np.rint(pixels * np.array(factors)), 0, 255).astype(np.uint8)


def stored_as_jpeg(quality: int) -> Callable[[Pixels], Pixels]:
    def store(pixels: Pixels) -> Pixels:
        done, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert done
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], np.uint8)

    return store


PICTURES = {
    "15 % darker": scaled(0.85),
    "7 % darker": scaled(0.93),
    "15 % brighter, white overexposed": scaled(1.15),
    "yellowish": scaled(1.0, 0.95, 0.88),
    "bluish": scaled(0.9, 1.0, 1.0),
    "pinkish": scaled(1.0, 0.92, 1.0),
    "JPEG 60": stored_as_jpeg(60),
    "JPEG 75": stored_as_jpeg(75),
    "JPEG 95": stored_as_jpeg(95),
    "mirrored": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    "turned by 90°": lambda pixels: np.ascontiguousarray(np.rot90(pixels)),
    "turned by 180°": lambda pixels: np.ascontiguousarray(np.rot90(pixels, 2)),
}

MADE = {
    "stained 0.6 times as strongly": {"stain_strength": 0.6},
    "stained 0.8 times as strongly": {"stain_strength": 0.8},
    "stained 1.3 times as strongly": {"stain_strength": 1.3},
    "stained 1.6 times as strongly": {"stain_strength": 1.6},
    "scanned at 0.2 µm/px": {"um_per_px": 0.2},
    "scanned at 0.25 µm/px": {"um_per_px": 0.25},
    "scanned at 0.35 µm/px": {"um_per_px": 0.35},
    "scanned at 0.6 µm/px": {"um_per_px": 0.6},
}


def test_the_sections_hold_enough_vessels_for_one_in_twenty_to_show():
    truth = sum(len(section(spec).vessels) for spec in SECTIONS)
    assert truth >= 60
    assert reference() == pytest.approx(truth, rel=0.1)


@pytest.mark.parametrize("change", PICTURES.values(), ids=PICTURES.keys())
def test_another_picture_of_the_same_section_has_the_same_count(change):
    changed = sum(count(change(section(spec).image.pixels)) for spec in SECTIONS)
    assert abs(changed / reference() - 1) <= MAX_CHANGE, (changed, reference())


@pytest.mark.parametrize("change", MADE.values(), ids=MADE.keys())
def test_the_same_section_stained_or_scanned_otherwise_has_the_same_count(change):
    specs = [replace(spec, **change) for spec in SECTIONS]
    changed = sum(count(section(spec).image.pixels, spec.um_per_px) for spec in specs)
    assert abs(changed / reference() - 1) <= MAX_CHANGE, (changed, reference())


def test_the_number_of_threads_changes_nothing():
    pixels = section(SECTIONS[0]).image.pixels
    threads = cv2.getNumThreads()
    slide, protocol = slide_of(pixels), Protocol()
    seen = []
    try:
        for number in (1, 4):
            cv2.setNumThreads(number)
            survey = survey_slide(slide, protocol)
            tissue = survey.tissue.marrow.with_pixels(np.ones_like(survey.tissue.marrow.pixels))
            vessels = vessels_on_slide(slide, survey, grid(tissue), rule=protocol.rule)
            seen.append((survey.stains, survey.levels, [(v.outline.tobytes(), v.reason) for v in vessels]))
    finally:
        cv2.setNumThreads(threads)
    assert seen[0] == seen[1]
