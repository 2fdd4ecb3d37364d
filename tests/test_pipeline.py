"""One specimen end to end: the numbers add up, repeat, and agree with the phantom's truth."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely
from PIL import Image
from sections import f1, found_in, matched, section

from mvd.counting import belongs
from mvd.errors import FieldError, InvolvedAreaError, StainError
from mvd.manifest import Specimen
from mvd.phantom import PhantomSpec
from mvd.pipeline import SpecimenResult, count_specimen, find
from mvd.protocol import Protocol
from mvd.vessels import Reason

SPEC = PhantomSpec(
    seed=51, width_um=340, height_um=320, vessel_density_per_mm2=160.0, bone_fraction=0.03, fat_fraction=0.1,
    tissue_edge=False,
)  # fmt: skip
FIELDS = {"number": 3, "side_um": 95.0, "min_evaluable_fraction": 0.6}


def protocol(**changes: dict[str, object]) -> Protocol:
    given = {"fields": FIELDS} | changes
    return Protocol.model_validate(given | {"fields": FIELDS | given["fields"]})


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    Image.fromarray(section(SPEC).image.pixels).save(folder / "s1.png")
    return folder


def specimen(study: Path, **changes: object) -> Specimen:
    given = {"specimen": "s1", "patient": "p1", "timepoint": "pre", "image": study / "s1.png", "um_per_px": 0.5}
    return Specimen.model_validate(given | changes)


@pytest.fixture(scope="module")
def counted(study) -> SpecimenResult:
    return count_specimen(specimen(study), protocol())


def geojson(path: Path, kind: str, *coordinates: object) -> Path:
    """QuPath annotations in level-0 pixels."""
    features = [
        {"type": "Feature", "geometry": {"type": kind, "coordinates": c}, "properties": {"objectType": "annotation"}}
        for c in coordinates
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def numbers(result: SpecimenResult) -> tuple[object, ...]:
    vessels = tuple((v.name, v.outline.tobytes(), v.reason, v.area_um2, v.length_um) for v in result.vessels)
    return vessels, result.placement, result.counts, result.hotspot_per_mm2, result.survey.stains, result.survey.levels


def test_the_counts_add_up(counted):
    counts = counted.counts
    assert counts.count == sum(field.count for field in counts.fields) > 0
    assert counts.area_mm2 == pytest.approx(sum(field.evaluable_mm2 for field in counted.placement.fields))
    assert counts.mvd_per_mm2 == pytest.approx(counts.count / counts.area_mm2)
    assert counts.ci_low_per_mm2 <= counts.mvd_per_mm2 <= counts.ci_high_per_mm2
    names = {v.name: v for v in counted.vessels}
    for field in counts.fields:
        assert field.count == len(field.vessels)
        assert field.per_mm2 == pytest.approx(field.count / field.field.evaluable_mm2)
        assert all(names[name].accepted for name in field.vessels)
        assert set(field.vessels) == {
            v.name for v in counted.vessels if v.accepted and belongs(v, field.field.rect, "frame")
        }


def test_every_vessel_has_a_place_among_the_fields(counted):
    assert counted.assignments.keys() == {v.name for v in counted.vessels}
    within = {name for field in counted.counts.fields for name in field.vessels}
    assert within == {v.name for v in counted.vessels if v.accepted and counted.assignments[v.name].fields}


def test_fields_lie_in_evaluable_marrow(counted):
    marrow, bone = counted.survey.tissue.marrow.pixels, counted.survey.tissue.bone.pixels
    assert not (counted.evaluable.pixels & ~marrow).any() and not (counted.evaluable.pixels & bone).any()
    assert counted.involved.source == "whole marrow"
    assert len(counted.placement.fields) == 3 and counted.placement.shortfall is None
    for field in counted.placement.fields:
        assert field.evaluable_mm2 >= 0.6 * 0.095**2


def test_the_slide_is_named_by_its_bytes_and_size(counted, study):
    rows, columns = section(SPEC).image.pixels.shape[:2]
    assert counted.size_px == (columns, rows)
    assert counted.calibration.um_per_px == 0.5 and counted.calibration.detail == "specimens.csv, s1"
    assert len(counted.slide_sha256) == 64
    assert counted.warnings == ()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_specimen_has_the_same_numbers_on_any_number_of_threads(counted, study, threads):
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        assert numbers(count_specimen(specimen(study), protocol())) == numbers(counted)
    finally:
        cv2.setNumThreads(before)


def test_without_the_hot_spot_the_fields_and_their_counts_are_the_same(counted, study):
    quick = count_specimen(specimen(study), protocol(counts={"hotspot_density": False}))
    assert quick.placement == counted.placement
    assert [f.count for f in quick.counts.fields] == [f.count for f in counted.counts.fields]
    assert quick.counts.mvd_per_mm2 == counted.counts.mvd_per_mm2
    assert quick.hotspot_per_mm2 is None and counted.hotspot_per_mm2 is not None
    whole = {v.outline.tobytes() for v in counted.vessels}
    assert {v.outline.tobytes() for v in quick.vessels} <= whole


def test_the_hot_spot_is_at_least_as_dense_as_the_densest_field(counted, study):
    hot = count_specimen(specimen(study), protocol(fields={"placement": "hotspot"}))
    densities = [field.count for field in hot.counts.fields]
    assert sum(densities) >= counted.counts.count
    assert hot.hotspot_per_mm2 == counted.hotspot_per_mm2
    assert hot.hotspot_per_mm2 >= counted.counts.mvd_per_mm2


CLASSES = [
    {"name": "open", "min_lumen_width_um": 3.0},
    {"name": "closed"},
]


@pytest.fixture(scope="module")
def classed(study) -> SpecimenResult:
    rule = {"name": "two sizes", "size_classes": CLASSES}
    return count_specimen(specimen(study), protocol(rule=rule, counts={"measure": "chalkley"}))


def test_size_classes_and_points_change_no_count(counted, classed):
    assert [f.count for f in classed.counts.fields] == [f.count for f in counted.counts.fields]
    assert classed.counts.mvd_per_mm2 == counted.counts.mvd_per_mm2
    assert classed.measures.area == counted.measures.area


def test_each_counted_vessel_is_in_one_class(classed):
    assert all((v.size_class in ("open", "closed")) == v.accepted for v in classed.vessels)
    assert all((v.lumen_width_um >= 3) == (v.size_class == "open") for v in classed.vessels if v.accepted)
    for field, beside in zip(classed.counts.fields, classed.measures.fields, strict=True):
        assert sum(beside.by_size.values()) == field.count
    assert sum(classed.measures.by_size.values()) == classed.counts.count
    assert set(classed.measures.by_size) == {"open", "closed"} and all(classed.measures.by_size.values())


def test_what_is_ambiguous_is_counted_among_the_counted(counted):
    doubtful = {v.name for v in counted.vessels if v.ambiguous}
    per_field = [len(doubtful & set(field.vessels)) for field in counted.counts.fields]
    assert [field.ambiguous for field in counted.measures.fields] == per_field
    assert counted.measures.ambiguous == sum(per_field)


def test_points_are_counted_only_where_they_are_asked_for(counted, classed):
    assert counted.measures.chalkley is None and all(f.chalkley is None for f in counted.measures.fields)
    points = [f.chalkley for f in classed.measures.fields]
    assert all(0 <= p <= 25 for p in points) and max(points) > 0
    assert classed.measures.chalkley == pytest.approx(sum(points) / 3)


def test_the_covered_share_is_that_of_the_pixels_under_the_outlines(counted):
    um = 0.25
    y, x = ((np.indices((round(SPEC.height_um / um), round(SPEC.width_um / um))) + 0.5) * um).astype(float)
    covered = np.zeros(x.shape, bool)
    for v in counted.vessels:
        box = v.bounds
        near = np.s_[int(box.y0_um / um) : int(box.y1_um / um) + 1, int(box.x0_um / um) : int(box.x1_um / um) + 1]
        if v.accepted:
            covered[near] |= shapely.contains_xy(shapely.Polygon(v.outline), x[near], y[near])
    covered &= counted.evaluable.pixels[(y // 4).astype(int), (x // 4).astype(int)]
    seen = 0.0
    for field, beside in zip(counted.placement.fields, counted.measures.fields, strict=True):
        rect = field.rect
        within = (x > rect.x0_um) & (x < rect.x1_um) & (y > rect.y0_um) & (y < rect.y1_um)
        assert beside.area.vessel_um2 == pytest.approx((covered & within).sum() * um**2, rel=0.01)
        assert 0 < beside.area.stained_um2 < beside.area.vessel_um2
        assert beside.area.evaluable_mm2 == field.evaluable_mm2
        seen += beside.area.vessel_um2
    assert counted.measures.area.vessel_fraction == pytest.approx(seen / 1e6 / counted.counts.area_mm2)


def test_find_gives_size_classes_too(study, classed):
    rule = protocol(rule={"name": "two sizes", "size_classes": CLASSES})
    found = {v.outline.tobytes(): v.size_class for v in find(study / "s1.png", um_per_px=0.5, protocol=rule).vessels}
    assert all(found[v.outline.tobytes()] == v.size_class for v in classed.vessels)


SQUARE_PX = [[60, 80], [600, 80], [600, 600], [60, 600], [60, 80]]


def test_an_involved_area_drawn_in_qupath_bounds_the_fields(study, counted):
    drawn = geojson(study / "involved.geojson", "Polygon", [SQUARE_PX])
    result = count_specimen(specimen(study, involved=drawn), protocol())
    assert result.involved.source == "annotation"
    inside = counted.evaluable.pixels.copy()
    rows, columns = np.indices(inside.shape)
    x, y = (columns + 0.5) * 4.0, (rows + 0.5) * 4.0
    inside &= (x > 30) & (x < 300) & (y > 40) & (y < 300)
    assert (result.evaluable.pixels ^ inside).mean() < 0.01


def test_a_mask_and_an_outline_of_the_same_area_give_the_same_numbers(study):
    height, width = section(SPEC).image.pixels.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    mask[80:600, 60:600] = 255
    Image.fromarray(mask).save(study / "mask.png")
    drawn = geojson(study / "involved.geojson", "Polygon", [SQUARE_PX])
    by_mask, by_outline = (
        count_specimen(specimen(study, involved=path), protocol()) for path in (study / "mask.png", drawn)
    )
    assert by_mask.involved.source == "mask"
    assert np.array_equal(by_mask.evaluable.pixels, by_outline.evaluable.pixels)
    assert numbers(by_mask) == numbers(by_outline)


def test_a_vessel_counts_only_where_its_area_is_measured(study):
    whole = count_specimen(specimen(study), protocol(fields={"number": 1, "min_evaluable_fraction": 0.1}))
    vessels = [vessel for vessel in whole.vessels if vessel.accepted]
    # A strip of the section without any vessel's reference point in it.
    xs = np.sort([0.0, *(vessel.x_um for vessel in vessels)])
    gap = int(np.argmax(np.diff(xs)))
    left, right = ((x + d) * 2 for x, d in ((xs[gap], 6), (xs[gap + 1], -6)))
    strip = geojson(study / "strip.geojson", "Polygon", [[[left, 0], [right, 0], [right, 660], [left, 660], [left, 0]]])
    plan = protocol(fields={"number": 1, "min_evaluable_fraction": 0.02}, counts={"hotspot_density": True})
    result = count_specimen(specimen(study, involved=strip), plan)
    assert result.counts.count == 0
    assert result.counts.area_mm2 > 0
    assert result.hotspot_per_mm2 == 0
    assert {v.reason for v in result.vessels if v.reason} >= {Reason.NOT_INVOLVED}


def test_an_involved_area_off_the_marrow_is_refused(study):
    width = section(SPEC).image.pixels.shape[1]
    glass = np.full((400, width, 3), 243, np.uint8)
    Image.fromarray(np.concatenate([section(SPEC).image.pixels, glass])).save(study / "wide.png")
    off = geojson(study / "off.geojson", "Polygon", [[[10, 800], [300, 800], [300, 1000], [10, 1000], [10, 800]]])
    with pytest.raises(InvolvedAreaError, match="holds no marrow"):
        count_specimen(specimen(study, image=study / "wide.png", involved=off), protocol())


def test_an_observers_fields_are_counted_where_they_were_put(study, counted):
    centres = [[200, 200], [550, 220], [380, 500]]
    placed = geojson(study / "fields.geojson", "Point", *centres)
    manual = protocol(fields={"placement": "manual"})
    result = count_specimen(specimen(study, fields=placed), manual)
    middles = [
        [(f.rect.x0_um + f.rect.x1_um), (f.rect.y0_um + f.rect.y1_um)] for f in result.placement.fields
    ]  # twice the centre in µm is the centre in pixels of 0.5 µm
    assert np.array(middles) == pytest.approx(np.array(centres, float), abs=1.0)
    for field in result.counts.fields:
        there = {v.outline.tobytes() for v in counted.vessels if v.accepted and belongs(v, field.field.rect, "frame")}
        assert field.count == len(there)


def test_manual_placement_needs_a_file(study):
    manual = protocol(fields={"placement": "manual"})
    with pytest.raises(FieldError, match="names no file in its column 'fields'"):
        count_specimen(specimen(study), manual)
    with pytest.raises(FieldError, match=r"gone.geojson: no such file"):
        count_specimen(specimen(study, fields=study / "gone.geojson"), manual)
    with pytest.raises(InvolvedAreaError, match=r"gone.geojson: no such file"):
        count_specimen(specimen(study, involved=study / "gone.geojson"), protocol())


def test_a_suggested_area_is_called_a_suggestion(study, counted):
    result = count_specimen(specimen(study), protocol(involved={"default": "suggest"}))
    assert result.involved.source == "suggestion"
    assert not (result.evaluable.pixels & ~counted.evaluable.pixels).any()


def test_too_few_fields_are_a_shortfall_and_no_number(study):
    result = count_specimen(specimen(study), protocol(fields={"side_um": 400.0}))
    assert result.placement.fields == () and result.counts is None and result.measures is None
    assert result.placement.shortfall


def test_find_gives_every_vessel_of_the_image(study, counted):
    seen: list[tuple[int, int]] = []
    found = find(study / "s1.png", um_per_px=0.5, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 1)]
    assert {v.outline.tobytes() for v in counted.vessels} <= {v.outline.tobytes() for v in found.vessels}
    assert len(found.vessels) == len(found_in(SPEC))
    assert found.slide_sha256 == counted.slide_sha256


def test_a_sheet_of_brown_is_counted_with_a_warning(study):
    light = section(SPEC).image.pixels.astype(float)
    light[:, :340] *= 10 ** -(0.5 * np.array([0.27, 0.57, 0.78]))
    Image.fromarray(light.astype(np.uint8)).save(study / "brown.png")
    result = count_specimen(specimen(study, image=study / "brown.png"), protocol())
    assert any("does not look like a vessel stain" in warning for warning in result.warnings)


def test_an_image_of_glass_is_refused_by_its_name(study):
    Image.fromarray(np.full((500, 500, 3), 243, np.uint8)).save(study / "glass.png")
    with pytest.raises(StainError, match=r"glass\.png: no tissue"):
        count_specimen(specimen(study, image=study / "glass.png"), protocol())


TYPICAL = (
    SPEC,
    PhantomSpec(seed=52, width_um=340, height_um=340, vessel_density_per_mm2=130.0),
    PhantomSpec(seed=54, width_um=340, height_um=340, vessel_density_per_mm2=130.0),
)


@pytest.mark.slow
def test_what_is_counted_in_typical_sections_is_what_is_there():
    """A conservative floor on three sections; `benchmarks/accuracy.py` measures it on more."""
    hits = ours = true = 0
    for spec in TYPICAL:
        found = [v.bounds for v in found_in(spec) if v.accepted]
        truth = [v.bounds for v in section(spec).vessels]
        hits, ours, true = hits + len(matched(found, truth)), ours + len(found), true + len(truth)
    assert true > 40
    assert f1(hits, ours, true) >= 0.85
    assert ours == pytest.approx(true, rel=0.25)
