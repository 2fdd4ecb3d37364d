"""What is dropped on napari: slides and results become layers, and what cannot be opened says why."""

from pathlib import Path

import numpy as np
import pytest
from mvd_napari import samples
from mvd_napari.layers import Standing
from mvd_napari.reader import SLIDE_SUFFIXES, result_layers, result_reader, slide_reader
from small_study import copy_of

from mvd.cli import main
from mvd.errors import SlideError, StoreError
from mvd.store import read_table
from mvd.store.measured import read_measured
from mvd.store.rows import SpecimenRow

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("suffix", sorted(SLIDE_SUFFIXES))
def test_every_kind_of_slide_is_ours(suffix: str) -> None:
    assert slide_reader(f"/data/section{suffix}") is not None
    assert slide_reader(f"/data/SECTION{suffix.upper()}") is not None
    assert result_reader(f"/data/section{suffix}") is None


@pytest.mark.parametrize("path", ["notes.txt", "section", "table.csv", ["a.tif", "b.txt"]])
def test_other_files_are_not_ours(path: str | list[str]) -> None:
    assert slide_reader(path) is None
    assert result_reader(path) is None


def test_a_result_becomes_its_layers(measured_study: Path) -> None:
    results = measured_study / "results"
    layers = result_layers(results / "p1_pre.geojson")
    assert [(attributes["name"], kind) for _, attributes, kind in layers] == [
        ("p1_pre: involved area", "shapes"),
        ("p1_pre: outlines", "shapes"),
        ("p1_pre: fields", "shapes"),
        ("p1_pre: vessels", "points"),
    ]
    measured = read_measured(results, "p1_pre")
    places, attributes, _ = layers[-1]
    assert np.array_equal(places, [(vessel.y_um, vessel.x_um) for vessel in measured.machine.vessels])
    (row,) = [row for row in read_table(SpecimenRow, results / "specimens.csv") if row.specimen == "p1_pre"]
    counted = {Standing.COUNTED, Standing.NEAR_COUNTED}
    assert sum(standing in counted for standing in attributes["features"]["standing"]) == row.count
    assert set(layers[2][1]["features"]["field"]) == {field.name for field in measured.machine.fields}


def test_a_result_without_fields_is_its_vessels(measured_study: Path, tmp_path: Path) -> None:
    image = measured_study / "p1_pre.ome.tif"
    assert main(["find", str(image), "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.geojson")
    ((places, attributes, kind),) = result_layers(path)
    assert kind == "points"
    assert len(places) == len(attributes["features"]["name"]) > 0


def test_a_result_without_its_other_file_says_so(measured_study: Path, tmp_path: Path) -> None:
    study = copy_of(measured_study, tmp_path)
    (study / "results" / "p1_pre.json").unlink()
    with pytest.raises(StoreError, match=r"p1_pre\.json, which says how large a pixel is, is not beside it"):
        result_layers(study / "results" / "p1_pre.geojson")


def test_a_result_that_was_edited_says_so(measured_study: Path, tmp_path: Path) -> None:
    study = copy_of(measured_study, tmp_path)
    path = study / "results" / "p1_pre.geojson"
    path.write_text(path.read_text(encoding="utf-8").replace("Microvessel", "Vessel"), encoding="utf-8")
    with pytest.raises(StoreError, match="not the one that"):
        result_layers(path)


def test_sample_section_says_where_it_is_when_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(samples, "SAMPLE_FOLDER", tmp_path)
    with pytest.raises(SlideError, match="sample_images of the project's repository"):
        samples.sample_section()


def test_sample_section_is_in_the_tree() -> None:
    assert (REPO / "sample_images" / samples.SAMPLE_IMAGE).is_file()
    assert samples.SAMPLE_FOLDER == REPO / "sample_images" or "site-packages" in samples.__file__
