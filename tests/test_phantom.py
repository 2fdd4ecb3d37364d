"""The simulator keeps its promises: same seed same bytes, truth independent of the picture, truth true to the rule."""

from __future__ import annotations

import csv
import hashlib
import json
import tomllib
import uuid
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from shapely import Polygon

from mvd.phantom import COUNTED, Kind, PhantomSpec, Placed, empty_marrow, example, make_phantom, scene_of, truth_of
from mvd.phantom.placing import GAP_UM
from mvd.phantom.study import COLUMNS, Specimen, hand_drawn, sample_specimens, write_study
from mvd.phantom.write import pyramid, truth_csv, write_phantom
from mvd.protocol import CountingRule, Protocol

SMALL = PhantomSpec(seed=5, width_um=150, height_um=120, vessel_density_per_mm2=250.0, bone_fraction=0.05)
SAMPLES = Path(__file__).parents[1] / "sample_images"


@pytest.fixture(scope="module")
def small():
    return make_phantom(SMALL)


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def digest(pixels) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def test_the_same_specification_gives_the_same_bytes_on_any_number_of_threads(small):
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        again = make_phantom(SMALL)
    finally:
        cv2.setNumThreads(before)
    assert digest(again.image.pixels) == digest(small.image.pixels)
    assert digest(again.dab.pixels) == digest(small.dab.pixels)
    assert truth_csv(again.truth) == truth_csv(small.truth)


def test_another_seed_gives_another_section(small):
    other = make_phantom(replace(SMALL, seed=6))
    assert truth_csv(other.truth) != truth_csv(small.truth)
    assert digest(other.image.pixels) != digest(small.image.pixels)


@pytest.mark.parametrize(
    "change",
    [
        {"um_per_px": 0.2},
        {"um_per_px": 0.6},
        {"stain_strength": 0.6},
        {"brightness": 0.8},
        {"blur_um": 0.8},
        {"jpeg_quality": 70},
    ],
    ids=lambda change: next(iter(change)) + f"={next(iter(change.values()))}",
)
def test_how_the_picture_is_taken_does_not_change_the_truth(small, change):
    other = make_phantom(replace(SMALL, **change))
    assert truth_csv(other.truth) == truth_csv(small.truth)
    assert all(np.array_equal(a, b) for a, b in zip(other.involved, small.involved, strict=True))
    assert digest(other.image.pixels) != digest(small.image.pixels)


@pytest.mark.parametrize("um_per_px", [0.2, 0.31, 0.6])
def test_pixels_of_any_size_see_the_same_brown_at_the_same_place(small, um_per_px):
    other = make_phantom(replace(SMALL, um_per_px=um_per_px))
    rows, columns = other.image.pixels.shape[:2]
    assert (columns, rows) == (int(150 / um_per_px + 1e-6), int(120 / um_per_px + 1e-6))
    for raster in (small, other):  # the brown's centre of mass and amount, in µm
        dab, size = raster.dab.pixels.astype(float), raster.dab.um_per_px
        y, x = np.indices(dab.shape)
        found = ((x + 0.5) * dab).sum() / dab.sum() * size, ((y + 0.5) * dab).sum() / dab.sum() * size
        raster_total = dab.sum() * size**2
        if raster is small:
            first, total = found, raster_total
    assert found == pytest.approx(first, abs=0.3)
    assert raster_total == pytest.approx(total, rel=0.02)


@pytest.mark.parametrize("um_per_px", [0.31, 0.5])
def test_the_brown_lies_where_the_truth_says(small, um_per_px):
    phantom = make_phantom(replace(SMALL, um_per_px=um_per_px))
    inside = np.zeros(phantom.walls.pixels.shape, np.uint8)
    for vessel in phantom.truth:
        cv2.fillPoly(inside, [np.round((vessel.outline / um_per_px - 0.5) * 16).astype(np.int32)], 1, shift=4)
    walls = phantom.walls.pixels
    assert walls.sum() > 300
    assert (walls & inside.astype(bool)).sum() > 0.97 * walls.sum()
    red, blue = phantom.image.pixels[walls][:, 0].mean(), phantom.image.pixels[walls][:, 2].mean()
    assert red > blue + 20, "walls are brown in the picture too"


@pytest.mark.slow
def test_folds_and_lost_focus_change_the_picture_where_they_are_and_no_truth_elsewhere():
    spec = replace(SMALL, width_um=420, height_um=360, tissue_edge=False)
    sound, spoilt = make_phantom(spec), make_phantom(replace(spec, folds=1, soft_parts=1, soft_um=4.0))
    fold, lost = spoilt.fold.pixels, spoilt.lost_focus.pixels
    assert fold.any() and (lost > 3).any() and not sound.fold.pixels.any() and not sound.lost_focus.pixels.any()
    near = cv2.dilate(((lost > 0) | fold).astype(np.uint8), np.ones((61, 61), np.uint8)) > 0  # blur and JPEG blocks
    assert (~near).mean() > 0.1
    assert np.abs(spoilt.image.pixels[~near].astype(int) - sound.image.pixels[~near]).max() <= 2
    flat = fold & (lost < 2)
    assert spoilt.image.pixels[flat].mean() < sound.image.pixels[flat].mean() - 20
    size = spoilt.fold.um_per_px
    for vessel, before in zip(spoilt.truth, sound.truth, strict=True):
        inside = bool(fold[int(vessel.y_um / size), int(vessel.x_um / size)])
        assert vessel.counts == (before.counts and not inside)
        assert np.array_equal(vessel.outline, before.outline)


def test_a_fold_is_at_least_twice_as_dense():
    spec = PhantomSpec(
        seed=3, width_um=260, height_um=240, bone_fraction=0.0, fat_fraction=0.0, vessel_density_per_mm2=0.0,
        confounders=0.0, folds=1, tissue_edge=False,
    )  # fmt: skip
    folded, flat = make_phantom(spec), make_phantom(replace(spec, folds=0))
    density = [-np.log10(p.image.pixels[folded.fold.pixels].astype(float) / 245).mean() for p in (folded, flat)]
    assert 1.7 < density[0] / density[1] < 3.3


def test_stain_strength_scales_the_brown_and_nothing_else(small):
    weak, strong = (make_phantom(replace(SMALL, stain_strength=s)) for s in (0.6, 1.2))
    walls = strong.walls.pixels
    assert walls.sum() > 500
    haze = 0.035  # largest brown background of 'typical'
    ratio = (strong.dab.pixels[walls].mean() - haze) / (weak.dab.pixels[walls].mean() - haze)
    assert ratio == pytest.approx(2.0, rel=0.08)
    blue = (strong.dab.pixels < 0.05) & (weak.dab.pixels < 0.05)
    difference = strong.image.pixels[blue].astype(int) - weak.image.pixels[blue]
    assert np.abs(difference.mean()) < 1.0


def test_brightness_is_the_grey_of_empty_glass():
    spec = replace(SMALL, tissue_edge=True, bone_fraction=0.0)
    for brightness in (0.8, 0.95):
        phantom = make_phantom(replace(spec, brightness=brightness))
        glass = cv2.erode((~phantom.tissue.pixels).astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
        assert glass.sum() > 500
        assert phantom.image.pixels[glass].mean() == pytest.approx(255 * brightness, rel=0.03)


SECTIONS = [("easy", 1, 60.0), ("typical", 2, 160.0), ("typical", 3, 16.0), ("hard", 4, 110.0)]


@pytest.mark.parametrize(("difficulty", "seed", "density"), SECTIONS)
def test_truth_is_consistent_under_the_counting_rule(difficulty, seed, density):
    rule = CountingRule()
    spec = PhantomSpec(
        seed=seed,
        width_um=500,
        height_um=450,
        difficulty=difficulty,
        vessel_density_per_mm2=density,
        bone_fraction=0.04,
    )
    truth = truth_of(spec)
    outlines = [Polygon(v.outline) for v in truth]
    counted = [v for v in truth if v.counts]
    assert counted, "no vessels at all"
    assert all(p.is_valid and p.area > 1 for p in outlines)
    assert {v.kind for v in counted} <= COUNTED and not {v.kind for v in truth if not v.counts} & COUNTED
    assert all(v.stained_um2 >= rule.min_area_um2 for v in counted)
    assert all(v.lumen_width_um < rule.max_lumen_width_um for v in counted)
    assert all(v.lumen_width_um > rule.max_lumen_width_um for v in truth if v.kind is Kind.LARGE_VESSEL)
    gap = min(a.distance(b) for a, b in combinations(outlines, 2))
    assert gap > rule.join_gap_um
    assert gap > GAP_UM[difficulty] - 2.5  # the plan's grid is 1 µm, and nuclei bulge
    assert all(v.bounds.x0_um >= 0 and v.bounds.x1_um <= 500 and v.bounds.y1_um <= 450 for v in truth)


def test_the_density_asked_for_is_the_density_found():
    spec = PhantomSpec(
        seed=2, width_um=600, height_um=600, vessel_density_per_mm2=100.0, bone_fraction=0.0, tissue_edge=False
    )
    found = sum(v.counts for v in truth_of(spec)) / 0.36
    assert found == pytest.approx(100.0, rel=0.06)


def test_red_cells_come_only_when_asked_for_and_move_nothing_else():
    spec = PhantomSpec(seed=6, width_um=300, height_um=300, um_per_px=0.5)
    plain, bloody = truth_of(spec), truth_of(replace(spec, red_cells_per_mm2=100.0))
    assert [v.kind for v in bloody if v.kind is Kind.RED_CELLS]
    assert not [v.kind for v in plain if v.kind is Kind.RED_CELLS]
    assert [v.outline.tolist() for v in bloody if v.kind is not Kind.RED_CELLS] == [v.outline.tolist() for v in plain]


@pytest.mark.parametrize("kind", sorted(COUNTED))
def test_pieces_of_one_wall_are_never_further_apart_than_the_rule_joins(kind):
    reach = CountingRule().join_gap_um
    for seed in (1, 2):
        phantom = example(kind, seed=seed, breaks=3)
        assert [v.kind for v in phantom.truth] == [kind]
        size = phantom.walls.um_per_px
        disc = cv2.getStructuringElement(
            cv2.MORPH_ELLIPSE, (round(reach / size) + 1,) * 2
        )  # half the gap from each side
        joined = cv2.dilate(phantom.walls.pixels.astype(np.uint8), disc)
        assert cv2.connectedComponents(joined)[0] - 1 == 1, f"{kind}, seed {seed}"


def test_a_broken_ring_is_one_vessel_in_more_than_one_piece():
    phantom = scene_of(Placed(kind="capillary_cross", x_um=40, y_um=40, size_um=18, breaks=3), side_um=80)
    assert len(phantom.vessels) == 1
    pieces = cv2.connectedComponents(phantom.walls.pixels.astype(np.uint8))[0] - 1
    assert pieces >= 2


def test_placed_objects_lie_where_they_were_put_and_nothing_else_does():
    phantom = scene_of(
        Placed(kind="capillary_cross", x_um=30, y_um=50, size_um=12),
        Placed(kind="capillary_cross", x_um=57, y_um=50, size_um=12, variant=1),
        Placed(kind="progenitor", x_um=80, y_um=20),
    )
    assert [(v.kind, v.counts) for v in phantom.truth] == [
        (Kind.CAPILLARY_CROSS, True),
        (Kind.CAPILLARY_CROSS, True),
        (Kind.PROGENITOR, False),
    ]
    for vessel, (x, y) in zip(phantom.truth, [(30, 50), (57, 50), (80, 20)], strict=True):
        assert (vessel.x_um, vessel.y_um) == pytest.approx((x, y), abs=1.0)
    first, second, progenitor = (Polygon(v.outline) for v in phantom.truth)
    assert 8.0 < first.distance(second) < 20.0
    assert 8.0 <= 2 * np.sqrt(progenitor.area / np.pi) <= 13.5


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_can_be_shown_alone(kind):
    phantom = example(kind, um_per_px=0.5)
    assert [(v.kind, v.counts) for v in phantom.truth] == [(kind, kind in COUNTED)]
    brown = phantom.dab.pixels.max()
    if kind in (Kind.PIGMENT_BLACK, Kind.PIGMENT_GOLDEN):
        assert brown < 0.1
    elif kind in COUNTED:
        assert brown > 0.5


def test_bone_fat_and_brown_keep_apart():
    spec = PhantomSpec(seed=8, width_um=320, height_um=280, bone_fraction=0.12, fat_fraction=0.25, um_per_px=0.5)
    phantom = make_phantom(spec)
    assert 0.04 < phantom.bone.pixels.mean() < 0.25
    assert phantom.fat.pixels.mean() > 0.05
    assert not (phantom.bone.pixels & phantom.fat.pixels).any()
    inner_fat = cv2.erode(phantom.fat.pixels.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    assert (
        phantom.image.pixels[inner_fat].mean()
        > phantom.image.pixels[phantom.tissue.pixels & ~phantom.fat.pixels].mean() + 40
    )
    assert not (phantom.walls.pixels & phantom.bone.pixels).any()


@pytest.mark.parametrize(
    ("field", "value"), [("width_um", 5.0), ("um_per_px", 20.0), ("difficulty", "impossible"), ("height_um", 20_000.0)]
)
def test_a_specification_that_cannot_be_simulated_is_refused(field, value):
    with pytest.raises(ValueError, match=r"."):
        PhantomSpec(**{field: value})


def test_the_ome_tiff_reads_back_with_its_calibration_and_levels(tmp_path, small):
    big = replace(small, image=replace(small.image, pixels=np.tile(small.image.pixels, (3, 3, 1))))
    write_phantom(big, tmp_path, "p01_pre")
    path = tmp_path / "p01_pre.ome.tif"
    with tifffile.TiffFile(path) as tif:
        assert 'PhysicalSizeX="0.5"' in tif.ome_metadata and 'PhysicalSizeYUnit="µm"' in tif.ome_metadata
        levels = tif.series[0].levels
        assert [level.shape for level in levels] == [p.shape for p in pyramid(big.image.pixels)]
        assert len(levels) >= 2
        page = levels[0].pages[0]
        assert page.is_tiled and page.tile == (256, 256) and page.compression == tifffile.COMPRESSION.JPEG
        difference = levels[0].asarray().astype(int) - big.image.pixels
    assert np.abs(difference).mean() < 4
    write_phantom(big, tmp_path / "again", "p01_pre")
    assert (tmp_path / "again" / "p01_pre.ome.tif").read_bytes() == path.read_bytes()


def test_truth_files_say_the_same_in_micrometres_and_in_pixels(tmp_path, small):
    write_phantom(small, tmp_path, "s")
    rows = table(tmp_path / "truth" / "s.truth.csv")
    shapes = json.loads((tmp_path / "truth" / "s.truth.geojson").read_text(encoding="utf-8"))["features"]
    assert [r["vessel"] for r in rows] == [f["properties"]["name"] for f in shapes] == [v.name for v in small.truth]
    for row, feature in zip(rows, shapes, strict=True):
        uuid.UUID(feature["id"])
        assert feature["properties"]["objectType"] == "annotation"
        assert feature["properties"]["classification"]["name"] == row["kind"]
        ring = np.array(feature["geometry"]["coordinates"][0])
        assert (ring[0] == ring[-1]).all()
        assert ring[:, 0].min() * small.spec.um_per_px == pytest.approx(float(row["x0_um"]), abs=0.1)
        assert ring[:, 1].max() * small.spec.um_per_px == pytest.approx(float(row["y1_um"]), abs=0.1)


def test_an_observers_outline_follows_the_infiltrate_within_a_few_micrometres():
    theta = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    ring = 300 + 150 * np.stack([np.cos(theta), np.sin(theta)], axis=1)
    (drawn,) = hand_drawn((ring,), seed=3)
    assert 5 < len(drawn) < 60
    assert Polygon(drawn).hausdorff_distance(Polygon(ring)) < 20
    assert Polygon(drawn).area == pytest.approx(Polygon(ring).area, rel=0.06)


def test_a_study_has_a_protocol_and_a_manifest_that_name_what_is_there(tmp_path):
    specimens = tuple(
        Specimen(
            patient="p01",
            timepoint=t,
            spec=replace(SMALL, seed=k, cll_fraction=1.0),
            response="responder",
            drawn=k == 1,
        )
        for k, t in enumerate(("pre", "3mo"), start=1)
    )
    write_study(tmp_path, specimens, title="Two sections")
    protocol = Protocol.from_toml((tmp_path / "study.toml").read_text(encoding="utf-8"))
    assert protocol.timepoints == ("pre", "3mo")
    rows = table(tmp_path / "specimens.csv")
    assert tuple(rows[0]) == COLUMNS
    assert [r["specimen"] for r in rows] == ["p01_pre", "p01_3mo"]
    assert all((tmp_path / r["image"]).is_file() for r in rows)
    assert [bool(r["involved"]) for r in rows] == [True, False]
    assert (tmp_path / rows[0]["involved"]).is_file()


def test_sample_images_are_those_that_this_program_makes():
    specimens = sample_specimens()
    assert len(specimens) == 8 and {s.timepoint for s in specimens} == {"pre", "3mo"}
    assert tomllib.loads((SAMPLES / "study.toml").read_text(encoding="utf-8"))["timepoints"] == ["pre", "3mo"]
    assert sum(p.stat().st_size for p in SAMPLES.rglob("*") if p.is_file()) < 15e6
    for specimen in specimens:
        assert (SAMPLES / f"{specimen.name}.ome.tif").is_file()
    cheapest = min(specimens, key=lambda s: s.spec.vessel_density_per_mm2 or 0.0)
    written = (SAMPLES / "truth" / f"{cheapest.name}.truth.csv").read_text(encoding="utf-8")
    assert written == truth_csv(truth_of(cheapest.spec))


def test_responders_lose_vessels_in_the_sample_study_and_others_gain_them():
    density = {s.name: s.spec.vessel_density_per_mm2 for s in sample_specimens()}
    response = {s.patient: s.response for s in sample_specimens()}
    for patient, group in response.items():
        fell = density[f"{patient}_3mo"] < density[f"{patient}_pre"]
        assert fell == (group == "responder")


def test_the_kinds_that_count_are_those_of_the_rule():
    vessels = "capillary_cross capillary_long slanted collapsed single_cell_vessel branched sinusoid"
    assert set(vessels.split()) == COUNTED


def test_empty_marrow_holds_nothing_brown():
    phantom = make_phantom(empty_marrow(80.0))
    assert phantom.truth == ()
    assert phantom.dab.pixels.max() < 0.03
