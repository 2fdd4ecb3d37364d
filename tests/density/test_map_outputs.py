"""What of the density map is written: tables, JSON, QuPath's GeoJSON, TIFF and picture."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from scattered import PROTOCOL, at, at_random, marrow, ring_of, with_bone
from small_study import PROTOCOL as SMALL
from small_study import ROWS, contents, write_protocol, write_section

from mvd.density import DensityMap, contour_levels, map_density
from mvd.geometry import Calibration, Raster
from mvd.manifest import Specimen
from mvd.pipeline import SpecimenResult, count_specimen
from mvd.qupath.features import shown_objects
from mvd.record import specimen_record
from mvd.report import write_density_map
from mvd.report.density_picture import _colours, _heat, _sheet
from mvd.store import HotSpotRow, map_features, map_tiff, read_result, read_table, read_vessels
from mvd.store.geojson import collection_text
from mvd.study import run_study

CALIBRATION = Calibration(0.25, 0.5, "file", "aperio.MPP")
MAPPED = SMALL.model_copy(update={"counts": SMALL.counts.model_copy(update={"map_kernel_um": 40.0})})
"""The small study's sections are 240 µm wide: too little for the default kernel."""
NOT_ASKED = SMALL.model_copy(update={"counts": SMALL.counts.model_copy(update={"hotspot_density": False})})


@pytest.fixture(scope="module")
def hot() -> DensityMap:
    """A section with two hot spots."""
    background = at_random(marrow(4000, 3000), 250, 8)
    points = np.vstack([background, ring_of(1000, 1000, 24), ring_of(3000, 2000, 40)])
    found = map_density(at(points), marrow(4000, 3000), PROTOCOL)
    assert len(found.hotspots) == 2
    return found


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> SpecimenResult:
    """A counted specimen, with a hot spot put into it."""
    path = write_section(tmp_path_factory.mktemp("section") / "s1.ome.tif")
    counted = count_specimen(Specimen(specimen="s1", patient="p1", timepoint="pre", image=path), MAPPED)
    evaluable = counted.evaluable
    points = np.vstack([at_random(evaluable, 15, 1), ring_of(120, 120, 30, 15)])
    vessels = at(points)
    protocol = MAPPED.model_copy(update={"counts": MAPPED.counts.model_copy(update={"map_kernel_um": 30.0})})
    density = map_density(vessels, evaluable, protocol)
    assert density.hotspots
    return replace(counted, vessels=vessels, density=density)


def features(density: DensityMap) -> list[dict[str, Any]]:
    return list(map_features("s1", density, CALIBRATION))


# For QuPath


def test_hot_spots_and_lines_are_annotations_with_names_classes_and_numbers(hot):
    found = features(hot)
    spots = [one for one in found if one["properties"]["classification"]["name"] == "Hot spot"]
    lines = [one for one in found if one["properties"]["classification"]["name"] == "Density"]
    assert [one["properties"]["name"] for one in spots] == ["Hot spot 1", "Hot spot 2"]
    for feature, spot in zip(spots, hot.hotspots, strict=True):
        numbers = feature["properties"]["measurements"]
        assert numbers["Density per mm^2"] == spot.place.per_mm2
        assert (numbers["p"], numbers["Vessels"]) == (spot.place.p, spot.vessels)
        assert numbers["Count in a field round it"] == spot.place.field.count
    levels = {one["properties"]["measurements"]["Density per mm^2"] for one in lines}
    assert levels == set(contour_levels(hot))
    assert {one["geometry"]["type"] for one in spots} == {"MultiPolygon"}
    assert {one["geometry"]["type"] for one in lines} == {"LineString"}
    assert all(one["properties"]["isLocked"] for one in found)
    assert len({one["id"] for one in found}) == len(found)
    assert json.loads(collection_text(found))["type"] == "FeatureCollection"


def test_coordinates_are_pixels_of_the_slide(hot):
    spot = hot.hotspots[0]
    feature = features(hot)[0]
    ring = np.array(feature["geometry"]["coordinates"][0][0])
    assert ring[:-1] * (0.25, 0.5) == pytest.approx(spot.outlines[0][0], abs=1e-3)
    assert ring[0].tolist() == ring[-1].tolist()


def test_without_a_map_there_is_nothing_to_draw():
    none = map_density((), marrow(100, 100), PROTOCOL)
    assert features(none) == [] == list(map_features("s1", None, CALIBRATION))
    assert map_tiff(none) is None


def test_no_reader_takes_the_map_for_vessels_or_edits(hot):
    text = collection_text(features(hot))
    assert read_vessels(text, CALIBRATION) == ()
    assert {one.classification for one in shown_objects(text, where="x")} == {"Hot spot", "Density"}


# As TIFF


def test_the_tiff_holds_the_map_its_pixel_size_its_place_and_says_what_it_is():
    evaluable = with_bone(1500, 1200, 4)
    moved = Raster(evaluable.pixels, 320.0, 96.0, 4.0)
    found = map_density(at(at_random(moved, 60, 4)), moved, PROTOCOL)
    data, raster = map_tiff(found), found.raster
    assert data is not None and raster is not None
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        (page,) = file.pages
        assert page.dtype == np.float32
        assert np.array_equal(page.asarray(), raster.pixels.astype(np.float32), equal_nan=True)
        tags = {name: page.tags[name].value for name in ("XResolution", "YResolution", "XPosition", "YPosition")}
        um = {name: 1e4 / (value[0] / value[1]) for name, value in tags.items() if "Resolution" in name}
        assert um == pytest.approx({"XResolution": 32.0, "YResolution": 32.0})
        assert page.tags["ResolutionUnit"].value == 3
        places = [1e4 * tags[name][0] / tags[name][1] for name in ("XPosition", "YPosition")]
        assert places == pytest.approx([raster.x0_um, raster.y0_um]) == [320.0, 96.0]
        assert "vessels/mm²; NaN where nothing is evaluable. 32 µm per pixel" in page.description
        assert "DateTime" not in page.tags
    assert map_tiff(found) == data


# As a picture


def test_the_colours_of_the_scale_get_lighter_all_the_way():
    colours = _colours(np.linspace(0, 1, 256, dtype=np.float32)).astype(float)
    lightness = colours @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) > -1).all()
    assert np.diff(lightness[::16]).min() > 4


def test_the_picture_shows_the_densities_the_hot_spot_and_what_is_not_marrow(result, tmp_path):
    picture, tiff = write_density_map(result, tmp_path)
    assert (picture, tiff) == (tmp_path / "s1" / "density_map.png", tmp_path / "s1" / "density_map.tif")
    pixels = np.asarray(Image.open(picture))
    assert pixels.shape[2] == 3 and 600 <= pixels.shape[1] <= 2000
    colour = pixels.astype(int).max(axis=2) - pixels.astype(int).min(axis=2)
    assert (colour > 40).mean() > 0.02  # the map and its scale
    light = (pixels[..., 0] > 200) & (pixels[..., 2] < 120)
    assert light.any()  # the lightest yellow is there, at the hot spot and in the scale
    again = [path.read_bytes() for path in write_density_map(result, tmp_path)]
    assert again == [picture.read_bytes(), tiff.read_bytes()]


def test_every_place_has_the_colour_of_its_density(result):
    raster = result.density.raster
    what = _sheet(result, result.density, raster)
    heat, right = _heat(what), []
    for row, column in zip(*np.nonzero(np.isfinite(raster.pixels)), strict=True):
        centre = (np.array([[column, row]]) + 0.5) * raster.um_per_px + np.array([raster.x0_um, raster.y0_um])
        x, y = np.floor(what.view.px(centre)[0]).astype(int)
        expected = _colours(np.array([raster.pixels[row, column] / what.top], np.float32))[0]
        right.append(np.abs(heat[y, x].astype(int) - expected.astype(int)).max() <= 8)
    assert len(right) > 40 and np.mean(right) > 0.9  # a cell's centre may be no marrow


def test_a_specimen_without_a_map_leaves_none_of_an_earlier_run(result, tmp_path):
    paths = write_density_map(result, tmp_path)
    assert all(path.exists() for path in paths)
    assert write_density_map(replace(result, density=None), tmp_path) == ()
    assert not any(path.exists() for path in paths)


# In the results of a study


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """One specimen of the small study, run with a map and without."""
    from small_study import write_study  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("mapped")
    for name, protocol in (("asked", MAPPED), ("not asked", NOT_ASKED)):
        study = write_study(folder / name, ROWS[0])
        write_protocol(study, protocol)
        run_study(study)
    return {name: folder / name for name in ("asked", "not asked")}


def test_a_run_that_asks_for_the_whole_area_writes_the_map(studies):
    results = studies["asked"] / "results"
    assert {"p1_pre/density_map.png", "p1_pre/density_map.tif", "hotspots.csv"} <= set(contents(results))
    stored = read_result(results, "p1_pre")
    assert stored is not None
    density = stored["density"]
    assert density["vessels"] == stored["vessels"]["accepted"] > 0
    assert density["mean_per_mm2"] == pytest.approx(density["vessels"] / stored["involved"]["evaluable_mm2"])
    assert density["lowest_per_mm2"] < density["mean_per_mm2"] < density["highest_per_mm2"]
    assert (density["kernel_um"], density["random_sections"], density["reason"]) == (40.0, 999, None)
    assert 0 < density["least_likely_place"]["p"] <= 1
    rows = read_table(HotSpotRow, results / "hotspots.csv")
    assert rows is not None and len(rows) == density["hot_spots"]
    assert set(stored["pictures"]) >= {"p1_pre/density_map.png", "p1_pre/density_map.tif"}


def test_a_run_that_does_not_ask_for_the_whole_area_has_nothing_of_it(studies):
    results = studies["not asked"] / "results"
    assert not [name for name in contents(results) if "density" in name]
    stored = read_result(results, "p1_pre")
    assert stored is not None and stored["density"] is None
    assert "Hot spot" not in (results / "p1_pre.geojson").read_text(encoding="utf-8")
    assert read_table(HotSpotRow, results / "hotspots.csv") == ()


def test_the_counts_are_the_same_with_the_map_and_without(studies):
    one, other = (read_result(studies[name] / "results", "p1_pre") for name in ("asked", "not asked"))
    assert one is not None and other is not None
    assert one["mvd"] == other["mvd"]
    assert one["fields"]["vessels"].keys() == other["fields"]["vessels"].keys()


def test_a_map_that_cannot_be_made_says_why(measured_study):
    stored = read_result(measured_study / "results", "p1_pre")
    assert stored is not None
    assert stored["density"]["reason"].startswith("no density map: the evaluable area")
    assert (stored["density"]["hot_spots"], stored["density"]["highest_per_mm2"]) == (None, None)


def test_a_result_lists_its_hot_spots_and_can_be_stored(result):
    record = specimen_record(result, MAPPED, inputs={})
    spots = record.payload["tables"]["hotspots"]
    assert [row["hot_spot"] for row in spots] == [spot.name for spot in result.density.hotspots]
    assert record.payload["density"]["hot_spots"] == len(spots) > 0
    json.dumps(record.payload, allow_nan=False)
    assert record.geojson is not None and '"Hot spot 1"' in record.geojson
