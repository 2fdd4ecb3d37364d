"""Vessels as GeoJSON: QuPath can read them, and so can we, without losing anything."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from stored_example import CALIBRATION, COUNTS, FOUR, MEASURES, PLACES, geojson, same, vessel

from mvd.counting import Assignment
from mvd.errors import StoreError
from mvd.geometry import Calibration
from mvd.store import (
    as_stored,
    read_assignments,
    read_vessels,
    specimen_geojson,
)
from mvd.store.geojson import collection_text
from mvd.vessels.model import Reason, Vessel


def test_the_file_is_what_qupath_reads() -> None:
    hole = [np.array([[0.0, 0.0], [50, 0], [0, 50]]), np.array([[1.0, 1.0], [2, 1], [1, 2]])]
    text = geojson(fields=COUNTS, measures=MEASURES, involved=[hole])
    content = json.loads(text, parse_constant=pytest.fail)
    assert text.isascii()
    assert content["type"] == "FeatureCollection"
    area, first, _, *found = content["features"]
    for feature in content["features"]:
        assert str(uuid.UUID(feature["id"])) == feature["id"]
        assert feature["properties"].get("classification", {}).keys() == {"name", "color"}
        rings = feature["geometry"]["coordinates"]
        rings = [ring for part in rings for ring in part] if feature["geometry"]["type"] == "MultiPolygon" else rings
        assert all(ring[0] == ring[-1] and len(ring) >= 4 for ring in rings)
    assert len({feature["id"] for feature in content["features"]}) == len(content["features"])
    assert area["properties"]["classification"]["name"] == "Involved"
    assert area["geometry"]["coordinates"][0][0][1] == [round(50 / 0.2526, 3), 0.0]
    assert [f["properties"]["objectType"] for f in (area, first)] == ["annotation"] * 2
    assert first["properties"]["isLocked"] is True
    assert first["properties"]["measurements"] == {
        "Count": 1,
        "Ambiguous": 1,
        "Evaluable area mm^2": 0.0625,
        "Density per mm^2": 16.0,
        "Vessel area %": 2.0,
        "Stained area %": 0.8,
        "Chalkley points": 7,
        "Count wide": 1,
        "Count narrow": 0,
    }
    assert [f["properties"]["classification"]["name"] for f in found] == [
        "Microvessel",
        "Rejected: pigment",
        "Microvessel",
        "Microvessel",
    ]
    assert found[0]["properties"]["objectType"] == "detection"
    marks = {"ambiguous": "true", "size class": "wide"}
    assert marks.items() <= found[0]["properties"]["metadata"].items()
    assert not marks.keys() & found[2]["properties"]["metadata"].keys()
    assert len(found[0]["geometry"]["coordinates"]) == 2
    assert found[0]["properties"]["measurements"]["Area µm^2"] == 375.125
    assert all(isinstance(value, str) for value in found[1]["properties"]["metadata"].values())


def test_a_lumen_across_the_outline_is_no_hole_of_it_and_comes_back() -> None:
    inside = np.array([[15.0, 25.0], [20.0, 25.0], [20.0, 30.0]])
    across = inside - (10.0, 0.0)
    (feature,) = json.loads(geojson([vessel(lumens=(inside, across))]))["features"]
    assert shapely.geometry.shape(feature["geometry"]).is_valid
    assert len(feature["geometry"]["coordinates"]) == 1
    assert len(feature["properties"]["lumens"]) == 2
    (plain,) = json.loads(geojson([vessel(lumens=(inside,))]))["features"]
    assert (len(plain["geometry"]["coordinates"]), "lumens" in plain["properties"]) == (2, False)
    stored = as_stored([vessel(lumens=(inside, across))], CALIBRATION)
    assert all(map(same, read_vessels(geojson(stored), CALIBRATION), stored))


def test_identifiers_are_the_same_on_every_run_and_differ_between_specimens() -> None:
    def ids(text: str) -> set[str]:
        return {feature["id"] for feature in json.loads(text)["features"]}

    other = specimen_geojson("s2", FOUR, calibration=CALIBRATION, assignments=PLACES)
    assert geojson() == geojson()
    assert not ids(geojson()) & ids(other)


def test_places_among_the_fields_are_read_back() -> None:
    assert read_assignments(geojson()) == PLACES
    assert read_assignments(geojson(assignments={})) == {}


lengths = st.floats(0, 1e5)
rings = st.lists(st.tuples(st.floats(-10, 50_000), st.floats(-10, 50_000)), min_size=3, max_size=8).map(np.array)
vessels = st.builds(
    vessel,
    name=st.from_regex(r"v[0-9]{5}", fullmatch=True),
    outline=rings,
    lumens=st.lists(rings, max_size=2).map(tuple),
    x_um=lengths,
    y_um=lengths,
    area_um2=lengths,
    lumen_width_um=lengths,
    mean_dab_od=st.floats(0, 3),
    pieces=st.integers(1, 50),
    reason=st.none() | st.sampled_from(Reason),
    ambiguous=st.booleans(),
    size_class=st.sampled_from(["", "sinusoid"]),
)
calibrations = st.builds(Calibration, st.floats(0.05, 5), st.floats(0.05, 5), st.just("user"), st.just("specimens.csv"))


@given(st.lists(vessels, max_size=3, unique_by=lambda v: v.name), calibrations)
def test_vessels_survive_the_file_and_the_file_survives_them(found: list[Vessel], calibration: Calibration) -> None:
    places = {one.name: Assignment(("1",), None) for one in found[:1]}
    text = specimen_geojson("s1", found, calibration=calibration, assignments=places)
    back = read_vessels(text, calibration)
    assert all(map(same, back, as_stored(found, calibration)))
    assert all(np.allclose(a.outline, b.outline, rtol=0, atol=0.0026) for a, b in zip(found, back, strict=True))
    again = specimen_geojson("s1", back, calibration=calibration, assignments=read_assignments(text))
    assert again == text


def test_vessels_read_back_are_settled() -> None:
    once = as_stored(FOUR, CALIBRATION)
    assert all(map(same, once, as_stored(once, CALIBRATION)))


def test_a_measure_that_is_no_number_is_refused() -> None:
    with pytest.raises(StoreError, match="s1, vessel v00001: the measure 'Width µm' is nan"):
        geojson([vessel(width_um=float("nan"))])


def damaged(change: Callable[[Any], Any]) -> str:
    content = json.loads(geojson())
    change(content["features"][0])
    return json.dumps(content)


BAD_GEOJSON = {
    "not JSON": ("{", "a.geojson is damaged"),
    "another JSON": ("[]", "a.geojson is damaged"),
    "no properties": (damaged(lambda f: f.pop("properties")), "a.geojson is damaged"),
    "no measure": (damaged(lambda f: f["properties"]["measurements"].pop("Pieces")), "vessel v00001 is damaged"),
    "no reason": (damaged(lambda f: f["properties"]["metadata"].pop("reason")), "vessel v00001 is damaged"),
    "no outline": (damaged(lambda f: f["geometry"].update(coordinates=[])), "vessel v00001 is damaged"),
    "a short ring": (damaged(lambda f: f["geometry"].update(coordinates=[[[1, 2], [1, 2]]])), "v00001 is damaged"),
    "words": (damaged(lambda f: f["geometry"].update(coordinates=[[["a", "b"]] * 5])), "v00001 is damaged"),
}


@pytest.mark.parametrize("indent", [None, 1])
def test_a_file_that_another_program_laid_out_is_read_too(indent):
    text = json.dumps(json.loads(geojson()), indent=indent)
    assert text != geojson()
    assert all(map(same, read_vessels(text, CALIBRATION), read_vessels(geojson(), CALIBRATION)))
    assert read_assignments(text) == PLACES


def test_a_file_without_features_has_no_vessels():
    assert read_vessels(collection_text(()), CALIBRATION) == ()


@pytest.mark.parametrize(("text", "sentence"), BAD_GEOJSON.values(), ids=BAD_GEOJSON.keys())
def test_a_damaged_file_of_vessels_is_not_read(text: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        read_vessels(text, CALIBRATION, where="a.geojson")
