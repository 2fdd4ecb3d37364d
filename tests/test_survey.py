"""What is known of a slide before its vessels: the same every time, with a warning where a count is in doubt."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from sections import KINI, f1, matched, section, slide_of, survey_of, surveyed
from skimage.data import immunohistochemistry
from skimage.io import imread

from mvd.blocks import grid, vessels_on_slide
from mvd.errors import StainError
from mvd.geometry import Rect
from mvd.phantom import PhantomSpec
from mvd.protocol import Protocol, StainPlan
from mvd.survey import Survey

SPEC = PhantomSpec(seed=41, width_um=300, height_um=280, vessel_density_per_mm2=150.0, bone_fraction=0.05)
NOT_VESSELS = "this does not look like a vessel stain"
HARDLY = "hardly anything is stained brown"


def same(one: Survey, other: Survey) -> bool:
    return (
        (one.stains, one.levels, one.warnings) == (other.stains, other.levels, other.warnings)
        and one.tissue.sharpness == other.tissue.sharpness
        and all(
            np.array_equal(getattr(one.tissue, part).pixels, getattr(other.tissue, part).pixels)
            for part in ("marrow", "bone", "fat", "fold", "out_of_focus", "soft")
        )
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_a_slide_is_surveyed_the_same_twice_on_any_number_of_threads(threads):
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        assert same(survey_of(section(SPEC).image), surveyed(SPEC))
    finally:
        cv2.setNumThreads(before)


def test_a_vessel_stain_gives_no_warning():
    assert surveyed(SPEC).warnings == ()


def test_the_protocol_chooses_the_vectors():
    protocol = Protocol(stain=StainPlan(vectors="h-dab"))
    assert survey_of(section(SPEC).image, protocol=protocol).stains.source == "h-dab"
    assert surveyed(SPEC).stains.source == "slide"


def test_a_sheet_of_brown_is_no_vessel_stain():
    pixels = section(SPEC).image.pixels.copy()
    light = pixels[:, : pixels.shape[1] // 2].astype(float)
    pixels[:, : pixels.shape[1] // 2] = light * 10 ** -(0.5 * np.array([0.27, 0.57, 0.78]))
    assert any(NOT_VESSELS in warning for warning in survey_of(pixels).warnings)


def test_a_section_without_brown_may_be_a_negative_control():
    spec = replace(SPEC, vessel_density_per_mm2=0.0, confounders=0.0, difficulty="easy", bone_fraction=0.0)
    (warning,) = survey_of(section(spec).image).warnings
    assert HARDLY in warning and "negative control" in warning


@pytest.mark.parametrize(
    ("grey", "sentence"), [(243, "simulated.png: no tissue"), (130, "simulated.png: ")], ids=["glass", "grey"]
)
def test_a_slide_without_stain_is_refused_by_its_name(grey, sentence):
    with pytest.raises(StainError, match=sentence):
        survey_of(np.full((400, 400, 3), grey, np.uint8))


def test_a_sliver_of_tissue_is_enough():
    pixels = np.full((600, 600, 3), 243, np.uint8)
    strip = section(SPEC).image.pixels[:, :110]
    pixels[20 : 20 + strip.shape[0], 300:410] = strip
    survey = survey_of(pixels)
    assert 0.01 < survey.tissue.marrow_mm2 + survey.tissue.bone_mm2 < 0.03


def test_glass_round_a_section_changes_little():
    image = section(SPEC).image.pixels
    wide = cv2.copyMakeBorder(image, 200, 200, 200, 200, cv2.BORDER_CONSTANT, value=(243, 241, 244))
    alone, inside = surveyed(SPEC), survey_of(wide)
    assert inside.levels.high == pytest.approx(alone.levels.high, rel=0.1)
    assert inside.tissue.marrow_mm2 == pytest.approx(alone.tissue.marrow_mm2, rel=0.15)


def test_immunohistochemistry_of_glands_is_no_vessel_stain():
    warnings = survey_of(immunohistochemistry(), um_per_px=0.5).warnings
    assert any(NOT_VESSELS in warning for warning in warnings)


@pytest.mark.parametrize("name", ["testImage.jpg", "testImage2.jpg"])
def test_cytokeratin_is_no_vessel_stain(shared_data, name):
    pixels = np.ascontiguousarray(imread(shared_data / "ck_negative" / name)[..., :3])
    assert any(NOT_VESSELS in warning for warning in survey_of(pixels, um_per_px=0.5).warnings)


@pytest.fixture(scope="module")
def cd31(shared_data):
    """Vessels found in a real CD31 section, the boxes that two readers agreed on, and the warnings."""
    folder = shared_data / "cd31_colon"
    image = np.ascontiguousarray(imread(folder / "Tumor_CD31_HiRes.png")[..., :3])
    slide = slide_of(image, um_per_px=0.45)
    survey = survey_of(image, um_per_px=0.45)
    marrow = survey.tissue.marrow
    found = vessels_on_slide(slide, survey, grid(marrow.with_pixels(np.ones_like(marrow.pixels))), rule=KINI)
    lines = (folder / "vessels.csv").read_text(encoding="utf-8").splitlines()[1:]
    boxes: dict[str, list[Rect]] = {"vessel": [], "ambiguous": [], "large": []}
    for line in lines:
        _, kind, *corners = line.split(",")[:6]
        boxes[kind].append(Rect(*(float(c) * 0.45 for c in corners)))
    return [v.bounds for v in found if v.accepted], boxes, survey.warnings


def test_as_many_vessels_are_found_in_real_cd31_as_two_readers_counted(cd31):
    found, boxes, warnings = cd31
    assert warnings == ()
    assert len(boxes["vessel"]) == 34
    assert len(found) == pytest.approx(34, rel=0.25)


def test_the_vessels_found_in_real_cd31_are_those_that_two_readers_marked(cd31):
    """Ambiguous boxes count neither for nor against."""
    found, boxes, _ = cd31
    hits = matched(found, boxes["vessel"])
    left = [box for number, box in enumerate(found) if number not in {f for f, _ in hits}]
    ignored = len(matched(left, boxes["ambiguous"]))
    assert f1(len(hits), len(found) - ignored, 34) >= 0.75
