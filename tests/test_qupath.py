"""Reviews to QuPath and back: nothing edited is nothing appended, and each edit becomes the correction that it is."""

import json
import uuid
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from command_line import mvd
from small_study import PROTOCOL, contents, copy_of, write_area, write_protocol

from mvd.corrections import What, decide, in_words
from mvd.protocol import ReviewPlan
from mvd.qupath.features import shown_objects
from mvd.qupath.writing import is_drawable
from mvd.reading import Reading, open_reading, reveal
from mvd.review import OpenReview, open_review, read_review, take
from mvd.study import run_study
from mvd.vessels.model import Reason

NAME = "p1_pre"
Features = dict[str, Any]
Edit = Callable[[Features], None]


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    return copy_of(measured_study, tmp_path)


def begun(study: Path, observer: str = "anna") -> OpenReview:
    opened = open_review(study / "results", study / "reviews", specimen=NAME, observer=observer)
    return take(opened, decide.begin())


def now(study: Path, observer: str = "anna") -> OpenReview:
    found = read_review(study / "results", study / "reviews", specimen=NAME, observer=observer)
    assert found is not None
    return found


def exported(study: Path, observer: str = "anna") -> Path:
    outcome = mvd("export", study, "--observer", observer, NAME)
    assert (outcome.status, outcome.err) == (0, "")
    return study / "qupath" / observer / f"{NAME}.geojson"


def make_valid(shape: Any) -> Any:
    return shapely.make_valid(shape, method="structure", keep_collapsed=False)


def edited(path: Path, *edits: Edit, mend: Callable[[Any], Any] = make_valid) -> Path:
    """The file as QuPath 0.5 writes it after these edits."""
    root = json.loads(path.read_text())
    for edit in edits:
        edit(root)
    features = [as_qupath(feature, mend) for feature in root["features"]]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def as_qupath(feature: Features, mend: Callable[[Any], Any]) -> Features:
    """Coordinates held as 32-bit numbers and written with two decimals, valid geometries, only what is set."""
    feature = deepcopy(feature)
    shape = shapely.from_geojson(json.dumps(feature["geometry"]))
    shape = shapely.transform(shape, lambda xy: np.round(xy.astype(np.float32).astype(np.float64), 2))
    shape = shape if shape.is_valid else mend(shape)
    if shape.geom_type == "MultiPolygon" and len(shape.geoms) == 1:
        shape = shape.geoms[0]
    feature["geometry"] = json.loads(shapely.to_geojson(shape))
    properties = feature["properties"]
    if not properties.get("isLocked"):
        properties.pop("isLocked", None)
    if ": " in (properties.get("classification") or {}).get("name", ""):
        properties["classification"] = {"names": properties["classification"]["name"].split(": ")}
    return feature


def imported(study: Path, path: Path, observer: str = "anna") -> list[str]:
    """What an import appended, in words."""
    before = len(now(study).log.corrections) if (study / "reviews" / observer).exists() else 0
    outcome = mvd("import", study, path, "--observer", observer)
    assert outcome.status == 0
    assert all("outlines that QuPath mends by itself were not compared" in note for note in outcome.err.splitlines())
    if not (study / "reviews" / observer).exists():
        return []
    lines = now(study, observer).log.corrections[before:]
    assert all(line.why == "edited in QuPath" for line in lines if line.what is not What.BEGIN)
    return [in_words(line).removesuffix(", because edited in QuPath") for line in lines]


def refused(study: Path, path: Path, observer: str = "anna") -> str:
    """What an import that appends nothing says."""
    before = contents(study / "reviews") if (study / "reviews").exists() else {}
    outcome = mvd("import", study, path, "--observer", observer)
    assert outcome.status == 3
    after = contents(study / "reviews") if (study / "reviews").exists() else {}
    logs = {name for name in after if name.endswith(".jsonl")}
    assert {name: before.get(name, b"").count(b"\n") or 1 for name in logs} == {n: after[n].count(b"\n") for n in logs}
    return outcome.err


def much_reviewed(study: Path) -> OpenReview:
    """A review with an object of every kind."""
    opened = begun(study)
    first, second, third = vessels(opened)[:3]
    opened = take(opened, decide.reject(opened.review, first, Reason.PIGMENT))
    opened = take(opened, decide.comment(opened.review, "golden, µ", on_object=first))
    opened = take(opened, decide.merge(opened.review, [second, third]))
    opened = take(opened, decide.add_point(opened.review, 10.0, 12.0))
    opened = take(opened, decide.add_outline(opened.review, square(30.0, 12.0)))
    part = opened.review.objects[f"c{len(opened.review.corrections):05d}"].vessel
    line = np.array([(part.x_um, part.y_um - 99), (part.x_um, part.y_um + 99)])
    opened = take(opened, decide.split(opened.review, part.name, line=line))
    opened = take(opened, decide.mark_unevaluable(opened.review, "2", "fold"))
    return take(opened, decide.redraw(opened.review, first, square(60.0, 12.0)))


def vessels(opened: OpenReview) -> list[str]:
    return [name for name, one in opened.review.objects.items() if one.vessel.accepted]


def square(x_um: float, y_um: float, side_um: float = 8.0) -> Any:
    half = side_um / 2
    return np.array([(x_um + a * half, y_um + b * half) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])


# What is written


def test_an_export_is_a_file_that_qupath_opens(study: Path) -> None:
    much_reviewed(study)
    before = contents(study / "reviews")
    root = json.loads(exported(study).read_text())
    assert root["type"] == "FeatureCollection"
    assert len({uuid.UUID(feature["id"]) for feature in root["features"]}) == len(root["features"])
    assert all(shapely.from_geojson(json.dumps(feature["geometry"])).is_valid for feature in root["features"])
    kinds = [feature["properties"]["objectType"] for feature in root["features"]]
    assert kinds == sorted(kinds)  # area and fields lie below the vessels
    for feature in root["features"]:
        assert set(feature) == {"type", "id", "geometry", "properties"}
        properties = feature["properties"]
        assert set(properties["classification"]) == {"name", "color"}
        assert all(isinstance(value, str) for value in properties["metadata"].values())
        assert all(np.isfinite(value) for value in properties.get("measurements", {}).values())
        assert shapely.from_geojson(json.dumps(feature["geometry"])).geom_type in ("Polygon", "MultiPolygon")
    assert contents(study / "reviews") == before


def test_an_export_shows_what_the_observer_decided(study: Path) -> None:
    opened = much_reviewed(study)
    features = json.loads(exported(study).read_text())["features"]
    told = {feature["properties"]["metadata"].get("vessel"): feature["properties"] for feature in features}
    first = vessels(begun(study, "ben"))[0]
    assert told[first]["classification"]["name"] == "Rejected: pigment"
    assert told[first]["metadata"]["comment"] == "golden, µ"
    assert "Mean DAB OD" not in told[first]["measurements"]
    assert {name for name in told if name} == set(opened.review.objects)
    names = [feature["properties"]["name"] for feature in features]
    assert "Field 2 (left out: fold)" in names
    assert b"\xc2" not in exported(study).read_bytes()  # some versions of QuPath read the system's encoding


def test_what_is_not_reviewed_is_exported_as_it_was_found_and_no_review_is_begun(study: Path) -> None:
    outcome = mvd("export", study, "--observer", "anna", "--out", study / "out")
    assert outcome.status == 0
    assert sorted(path.name for path in (study / "out").iterdir()) == ["p1_post.geojson", "p1_pre.geojson"]
    assert outcome.out.count("(not reviewed)") == 2
    assert not (study / "reviews").exists()


def test_what_is_hidden_is_not_exported(study: Path) -> None:
    plan = ReviewPlan(first_read="unaided")
    write_protocol(study, PROTOCOL.model_copy(update={"review": plan}))
    opened = open_reading(study, Reading(NAME, NAME, False, NAME), "anna")
    outcome = mvd("export", study, "--observer", "anna", NAME)
    assert outcome.status == 3
    assert "is hidden from anna" in outcome.err
    assert not (study / "qupath").exists()
    assert "is hidden from anna" in refused(study, study / "results" / f"{NAME}.geojson")
    reveal(opened)
    assert exported(study).exists()


def test_before_an_unaided_read_is_begun_nothing_is_exported_either(study: Path) -> None:
    write_protocol(study, PROTOCOL.model_copy(update={"review": ReviewPlan(first_read="unaided")}))
    outcome = mvd("export", study, "--observer", "anna", NAME)
    assert outcome.status == 3
    assert "is hidden from anna, who has not counted it yet" in outcome.err
    assert not (study / "qupath").exists()


# Round trips


MENDED = {"as written": None, "as QuPath mends it": make_valid, "mended otherwise": lambda shape: shape.buffer(0)}


@pytest.mark.parametrize("mend", MENDED.values(), ids=MENDED)
@pytest.mark.parametrize("reviewed", [False, True], ids=["not reviewed", "reviewed"])
def test_export_and_import_without_edits_append_nothing(
    study: Path, mend: Callable[[Any], Any] | None, reviewed: bool
) -> None:
    if reviewed:
        much_reviewed(study)
    path = exported(study)
    before = {name: data for name, data in contents(study).items() if not name.startswith("qupath")}
    text = path.read_bytes()
    if mend:
        edited(path, mend=mend)
        assert path.read_bytes() != text
    assert imported(study, path) == []
    assert {name: data for name, data in contents(study).items() if not name.startswith("qupath")} == before
    assert exported(study).read_bytes() == text


def test_the_programs_own_result_without_edits_appends_nothing(study: Path) -> None:
    path = study / "results" / f"{NAME}.geojson"
    assert imported(study, path) == []
    copy = study / "objects.geojson"
    copy.write_bytes(path.read_bytes())
    assert imported(study, edited(copy)) == []


def test_after_an_import_the_export_holds_the_edits_and_stays(study: Path) -> None:
    opened = begun(study)
    first, second, *_ = vessels(opened)
    path = exported(study)
    new = annotation(square(20.0, 20.0), "Microvessel")
    assert len(imported(study, edited(path, classify(first, "Rejected: haze"), shift(second, 3.0), new))) == 3
    again = exported(study).read_bytes()
    assert imported(study, path) == []
    assert imported(study, edited(path)) == []
    assert exported(study).read_bytes() == again
    features = {vessel_of(f): f for f in json.loads(again)["features"]}
    assert features[first]["properties"]["classification"]["name"] == "Rejected: haze"


def test_a_file_that_is_imported_twice_is_taken_once(study: Path) -> None:
    opened = begun(study)
    first, second, third, fourth, *_ = vessels(opened)
    edits = (
        classify(first, "Rejected: haze"),
        shift(second, 3.0),
        delete(third),
        apart(fourth),
        annotation(square(20.0, 20.0), "Microvessel"),
        point(30.0, 200.0),
    )
    path = edited(exported(study), *edits)
    assert len(imported(study, path)) == 6
    assert imported(study, path) == []


# Edits


def vessel_of(feature: Features) -> str | None:
    name: str | None = feature["properties"].get("metadata", {}).get("vessel")
    return name


def of(name: str) -> Callable[[Features], Features]:
    def find(root: Features) -> Features:
        return next(f for f in root["features"] if vessel_of(f) == name)

    return find


def classify(name: str, classification: str | None) -> Edit:
    def edit(root: Features) -> None:
        properties = of(name)(root)["properties"]
        properties["classification"] = {"name": classification} if classification else None
        if classification is None:
            del properties["classification"]

    return edit


def shift(name: str, px: float) -> Edit:
    def edit(root: Features) -> None:
        feature = of(name)(root)
        rings = feature["geometry"]["coordinates"]
        feature["geometry"]["coordinates"] = [[[x + px, y] for x, y in ring] for ring in rings]

    return edit


def delete(*names: str) -> Edit:
    def edit(root: Features) -> None:
        root["features"] = [f for f in root["features"] if vessel_of(f) not in names]

    return edit


def drawn(geometry: Any, kind: str, classification: str = "", name: str = "") -> Features:
    """A new object: QuPath gives it an identifier and no metadata."""
    properties: Features = {"objectType": kind, "metadata": {}}
    properties |= {"classification": {"name": classification}} if classification else {}
    properties |= {"name": name} if name else {}
    return {
        "type": "Feature",
        "id": str(uuid.uuid4()),
        "geometry": json.loads(shapely.to_geojson(geometry)),
        "properties": properties,
    }


def annotation(outline_um: Any, classification: str = "", name: str = "") -> Edit:
    shape = shapely.Polygon(outline_um / 0.5)
    return lambda root: root["features"].append(drawn(shape, "annotation", classification, name))


def point(x_um: float, y_um: float, classification: str = "Microvessel") -> Edit:
    shape = shapely.MultiPoint([(x_um / 0.5, y_um / 0.5)])
    return lambda root: root["features"].append(drawn(shape, "annotation", classification))


def joined(*names: str) -> Edit:
    """As QuPath's 'Merge selected': one new object round all, the others gone."""

    def edit(root: Features) -> None:
        shapes = [shapely.from_geojson(json.dumps(of(name)(root)["geometry"])) for name in names]
        hull = shapely.union_all(shapes).convex_hull
        delete(*names)(root)
        root["features"].append(drawn(hull, "detection", "Microvessel"))

    return edit


def halves(root: Features, name: str) -> list[Any]:
    shape = shapely.Polygon(of(name)(root)["geometry"]["coordinates"][0])
    x0, y0, x1, y1 = shape.bounds
    middle = (x0 + x1) / 2
    sides = (shapely.box(x0 - 1, y0 - 1, middle - 1, y1 + 1), shapely.box(middle + 1, y0 - 1, x1 + 1, y1 + 1))
    parts = [shapely.make_valid(shape).intersection(side) for side in sides]
    return [max(shapely.get_parts(part), key=lambda one: one.area) for part in parts]


def apart(name: str, *, new: bool = True) -> Edit:
    """As QuPath's 'Split': new objects in its place; or, with the brush, one object of two parts."""

    def edit(root: Features) -> None:
        parts = halves(root, name)
        if new:
            delete(name)(root)
            root["features"] += [drawn(part, "detection", "Microvessel") for part in parts]
        else:
            of(name)(root)["geometry"] = json.loads(shapely.to_geojson(shapely.MultiPolygon(parts)))

    return edit


def again(name: str) -> Edit:
    """Deleted, and drawn anew by hand in its place."""

    def edit(root: Features) -> None:
        shape = shapely.Polygon(of(name)(root)["geometry"]["coordinates"][0]).convex_hull.buffer(4)
        delete(name)(root)
        root["features"].append(drawn(shape, "annotation", "Microvessel"))

    return edit


def without_metadata(root: Features) -> None:
    """As versions before 0.5 write the file."""
    for feature in root["features"]:
        feature["properties"].pop("metadata")


def nested(root: Features) -> None:
    """As 'Export objects' does with the hierarchy: objects inside the area are children of it."""
    parent, *children = root["features"]
    parent["properties"]["childObjects"] = children
    root["features"] = [parent]


A, B, C, R = "{a}", "{b}", "{c}", "{r}"
"""Three vessels that count, and an object that does not."""

EDITED: dict[str, tuple[Callable[[str, str, str, str], Edit], list[str]]] = {
    "rejected for a reason": (lambda a, b, c, r: classify(a, "Rejected: pigment"), [f"rejected {A} as pigment"]),
    "rejected without one": (
        lambda a, b, c, r: classify(a, "Rejected"),
        [f"rejected {A} as does not look like a vessel"],
    ),
    "given a reason as its class": (lambda a, b, c, r: classify(a, "Haze"), [f"rejected {A} as haze"]),
    "given another reason": (
        lambda a, b, c, r: classify(r, "Rejected: megakaryocyte"),
        [f"changed the reason of {R} from {{reason}} to megakaryocyte"],
    ),
    "given no reason where it had one": (lambda a, b, c, r: classify(r, "Rejected"), []),
    "accepted": (
        lambda a, b, c, r: classify(r, "Microvessel"),
        [f"accepted {R}, which was rejected as {{reason}}"],
    ),
    "moved": (lambda a, b, c, r: shift(a, 3.0), [f"redrew the outline of {A}"]),
    "deleted": (lambda a, b, c, r: delete(a), [f"rejected {A} as does not look like a vessel"]),
    "deleted where it did not count": (lambda a, b, c, r: delete(r), []),
    "merged": (lambda a, b, c, r: joined(a, b), [f"merged {A}, {B} into c00003"]),
    "split": (lambda a, b, c, r: apart(a), [f"split {A} into c00003-1, c00003-2"]),
    "split with the brush": (lambda a, b, c, r: apart(a, new=False), [f"split {A} into c00003-1, c00003-2"]),
    "deleted and drawn anew": (lambda a, b, c, r: again(a), [f"redrew the outline of {A}"]),
    "drawn": (
        lambda a, b, c, r: annotation(square(20, 20), "Microvessel"),
        ["added c00003 by its outline at 20, 20 µm"],
    ),
    "pointed at": (lambda a, b, c, r: point(21, 20), ["added c00003 by a click at 21, 20 µm"]),
    "exported with the hierarchy": (
        lambda a, b, c, r: lambda root: (classify(a, "Rejected: haze")(root), nested(root))[-1],
        [f"rejected {A} as haze"],
    ),
}


@pytest.mark.parametrize(("edit", "lines"), EDITED.values(), ids=EDITED)
def test_an_edit_in_qupath_becomes_the_correction_that_it_is(
    study: Path, edit: Callable[[str, str, str, str], Edit], lines: list[str]
) -> None:
    opened = begun(study)
    a, b, c, *_, r = vessels(opened)
    opened = take(opened, decide.reject(opened.review, r, Reason.PIGMENT))
    names = {"a": a, "b": b, "c": c, "r": r, "reason": opened.review.objects[r].vessel.reason}
    path = edited(exported(study), edit(a, b, c, r))
    assert imported(study, path) == [line.format(**names) for line in lines]


def test_two_edits_of_one_object_are_both_taken(study: Path) -> None:
    opened = begun(study)
    first = vessels(opened)[0]
    path = edited(exported(study), classify(first, "Rejected: haze"), shift(first, 4.0))
    assert imported(study, path) == [f"rejected {first} as haze", f"redrew the outline of {first}"]


def test_the_first_import_begins_the_review(study: Path) -> None:
    first = vessels(begun(study, "ben"))[0]
    path = edited(exported(study), classify(first, "Rejected: haze"))
    assert imported(study, path) == ["began", f"rejected {first} as haze"]


def test_the_programs_result_can_be_edited_too(study: Path) -> None:
    """But for the outlines that are no valid polygons with their lumens, which QuPath changes by itself."""
    opened = begun(study, "ben")
    first, *rest = vessels(opened)
    valid = {name: is_drawable(one.outline, one.lumens) for name in rest if (one := opened.review.objects[name].vessel)}
    sound, odd = (next(name for name in rest if valid[name] is wanted) for wanted in (True, False))
    path = study / f"{NAME} objects.geojson"
    path.write_bytes((study / "results" / f"{NAME}.geojson").read_bytes())
    edited(path, classify(first, "Rejected: haze"), shift(sound, 3.0), shift(odd, 3.0))
    assert sorted(imported(study, path)) == ["began", f"redrew the outline of {sound}", f"rejected {first} as haze"]


def test_identifiers_alone_are_enough(study: Path) -> None:
    first = vessels(begun(study, "ben"))[0]
    path = edited(exported(study), classify(first, "Rejected: haze"), without_metadata)
    assert imported(study, path)[1:] == [f"rejected {first} as haze"]


def test_a_copy_of_an_object_is_one_more(study: Path) -> None:
    first = vessels(begun(study))[0]

    def copy(root: Features) -> None:
        feature = deepcopy(of(first)(root))
        feature["id"] = str(uuid.uuid4())
        feature["geometry"]["coordinates"] = [
            [[x + 30, y] for x, y in ring] for ring in feature["geometry"]["coordinates"]
        ]
        root["features"].insert(0, feature)

    (line,) = imported(study, edited(exported(study), copy))
    assert line.startswith("added c00002 by its outline")


def test_edits_are_taken_beside_what_was_decided_since(study: Path) -> None:
    opened = begun(study)
    first, second, *_ = vessels(opened)
    path = edited(exported(study), classify(first, "Rejected: haze"))
    take(opened, decide.reject(opened.review, second, Reason.PIGMENT))
    assert imported(study, path) == [f"rejected {first} as haze"]
    assert now(study).review.objects[second].vessel.reason is Reason.PIGMENT


# What cannot be taken


def test_what_was_decided_on_in_both_is_a_fault(study: Path) -> None:
    opened = begun(study)
    first, second, *_ = vessels(opened)
    path = edited(exported(study), classify(first, "Rejected: haze"), classify(second, "Rejected: haze"))
    take(opened, decide.reject(opened.review, first, Reason.PIGMENT))
    assert refused(study, path) == (
        f"mvd: p1_pre.geojson: {first}: it was decided on since the file was exported; export the review again\n"
    )


def test_all_faults_are_told_and_nothing_is_taken(study: Path) -> None:
    first, second, third, *_ = vessels(begun(study))
    bow = np.array([(10, 10), (20, 21), (20, 10), (10, 20)], np.float64)
    path = edited(exported(study), classify(first, "Tumor"), classify(second, None), classify(third, "Rejected: odd"))
    lines = refused(study, path).splitlines()
    assert [line.split(": ")[2] for line in lines] == [first, second, third]
    assert "it has the class 'Tumor'; give it Microvessel, Rejected, or Rejected: too small | " in lines[0]
    assert "it has no class" in lines[1]
    exported(study)
    path = edited(path, classify(first, "Rejected: haze"))
    root = json.loads(path.read_text())
    annotation(bow, "Microvessel")(root)
    path.write_text(json.dumps(root))
    assert "a drawn vessel: the outline crosses or touches itself" in refused(study, path)


def test_a_file_of_the_selected_objects_deletes_none(study: Path) -> None:
    names = list(begun(study).review.objects)
    path = edited(exported(study), delete(*names[1:]))
    assert f"{len(names) - 1} of {len(names)} objects are not in the file" in refused(study, path)


def test_a_finished_review_is_opened_again_first(study: Path) -> None:
    opened = begun(study)
    first = vessels(opened)[0]
    path = edited(exported(study), classify(first, "Rejected: haze"))
    take(opened, decide.finish())
    assert "the review is finished; reopen it" in refused(study, path)


def test_a_file_of_another_observer_or_result_is_refused(study: Path) -> None:
    first = vessels(begun(study))[0]
    begun(study, "ben")
    path = edited(exported(study), classify(first, "Rejected: haze"))
    assert "is a review of anna, not of ben" in refused(study, path, "ben")
    text = path.read_text()
    path.write_text(text.replace("anna/1/", "anna/9/"))
    assert "shows 9 corrections, and the log has 1" in refused(study, path)
    path.write_text(text.replace("anna/1/", "anna/1/0"))
    assert "is of another result" in refused(study, path)
    path.write_text(text.replace("anna/1/", "anna/0/", 1))
    assert "holds objects of 2 exports" in refused(study, path)
    path.write_text(text.replace("anna/1/", "anna/one/"))
    assert "does not say which review it is of" in refused(study, path)


@pytest.mark.slow
def test_a_result_that_was_measured_anew_is_exported_first(study: Path) -> None:
    first = vessels(begun(study))[0]
    write_protocol(study, PROTOCOL.model_copy(update={"fields": PROTOCOL.fields.model_copy(update={"number": 2})}))
    run_study(study)
    path = study / f"{NAME}.geojson"
    path.write_bytes((study / "results" / f"{NAME}.geojson").read_bytes())
    assert "does not say of which result it is" in refused(study, edited(path, classify(first, "Rejected: haze")))


DAMAGED = {
    "no JSON": "{",
    "a number": "3",
    "another thing": '{"type":"Topology"}',
    "a ring of two": '{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,0]]]}}',
    "no number": '{"type":"Feature","geometry":{"type":"Point","coordinates":["a",1]}}',
    "nan": '{"type":"Feature","geometry":{"type":"Point","coordinates":[NaN,1]}}',
    "a list for properties": '{"type":"Feature","properties":[1],"geometry":null}',
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_geojson_is_refused_in_a_sentence(study: Path, text: str) -> None:
    path = study / f"{NAME}.geojson"
    path.write_text(text)
    assert refused(study, path).startswith(f"mvd: {NAME}.geojson is not GeoJSON as QuPath writes it")
    assert not (study / "reviews").exists()


def test_one_file_that_cannot_be_taken_does_not_stop_the_others(study: Path) -> None:
    first = vessels(begun(study))[0]
    path = edited(exported(study), classify(first, "Rejected: haze"))
    outcome = mvd("import", study, study / "nowhere.geojson", path, "--observer", "anna")
    assert outcome.status == 3
    assert "nowhere.geojson does not exist" in outcome.err
    assert f"rejected {first} as haze" in outcome.out


def test_a_file_without_a_known_object_is_told_by_its_name(study: Path) -> None:
    path = write_area(study / "somewhere.geojson", (10, 10), (400, 10), (400, 400))
    assert "of which specimen is somewhere.geojson? Name it like the specimen, such as" in refused(study, path)
    assert "is not in specimens.csv" in mvd("export", study, "--observer", "anna", "p9").err


def test_what_becomes_no_correction_is_said(study: Path) -> None:
    begun(study)

    def others(root: Features) -> None:
        shape = shapely.box(20, 20, 60, 60)
        root["features"] += [drawn(shape, "cell"), drawn(shape, "cell"), drawn(shape, "annotation", "Artefact")]
        root["features"] += [drawn(shape, "annotation", "Ignore*"), drawn(shape, "annotation", "Field", "mine")]
        root["features"] += [drawn(shape, "annotation", name, "of the map") for name in ("Hot spot", "Density")]
        root["features"] = [f for f in root["features"] if f["properties"].get("name") != "Field 3"]

    outcome = mvd("import", study, edited(exported(study), others), "--observer", "anna")
    assert outcome.status == 0
    assert outcome.err.splitlines() == [
        "mvd: p1_pre.geojson: 'mine' was drawn as a field; fields are placed by the program",
        "mvd: p1_pre.geojson: left aside: 1 × annotation of class Artefact",
        "mvd: p1_pre.geojson: left aside: 1 × annotation of class Ignore*",
        "mvd: p1_pre.geojson: left aside: 2 × cell without a class",
        "mvd: p1_pre.geojson: field 3 not in the file: kept as it is",
    ]
    assert "nothing was edited in the review of p1_pre" in outcome.out


# The involved area and the fields


AREA = square(110.0, 110.0, 200.0)
AREAS = {
    "drawn and not classified": annotation(AREA),
    "classified as involved": annotation(AREA, "Involved"),
    "classified as tumour": annotation(AREA, "Tumor", "x"),
    "named so": annotation(AREA, "", "the involved part"),
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", AREAS.values(), ids=AREAS)
def test_an_annotation_drawn_in_qupath_becomes_the_involved_area(study: Path, edit: Edit) -> None:
    begun(study)
    path = edited(exported(study), edit)
    assert imported(study, path) == ["changed the involved area; fields placed anew: 3"]
    review = now(study).review
    (polygon,) = review.involved
    assert shapely.Polygon(polygon[0]).equals(shapely.Polygon(AREA))
    assert all(shapely.Polygon(AREA).buffer(20).covers(shapely.box(*bounds(field))) for field in review.counted_fields)
    assert imported(study, path) == []
    assert imported(study, exported(study)) == []


def bounds(field: Any) -> tuple[float, ...]:
    return field.rect.x0_um, field.rect.y0_um, field.rect.x1_um, field.rect.y1_um


@pytest.mark.slow
def test_an_annotation_alone_is_enough(study: Path) -> None:
    path = write_area(study / "p1_pre.ome.geojson", (20, 20), (420, 20), (420, 420), (20, 420))
    assert imported(study, path) == ["began", "changed the involved area; fields placed anew: 3"]
    assert now(study).review.involved == ((tuple((x, y) for x, y in ((10, 10), (10, 210), (210, 210), (210, 10))),),)


@pytest.mark.slow
def test_what_is_drawn_beside_an_area_of_the_observers_is_added_to_it(study: Path) -> None:
    begun(study)
    imported(study, edited(exported(study), annotation(square(60.0, 120.0, 110.0), "Involved")))
    imported(study, edited(exported(study), annotation(square(170.0, 120.0, 110.0), "Involved")))
    (polygon,) = now(study).review.involved
    assert shapely.Polygon(polygon[0]).area == pytest.approx(220 * 110)
    assert [line.what for line in now(study).review.corrections] == [What.BEGIN] + [What.CHANGE_INVOLVED] * 2


@pytest.mark.slow
def test_an_area_changed_in_both_or_beside_the_slide_is_a_fault(study: Path) -> None:
    begun(study)
    first, second = exported(study), study / "second.geojson"
    second.write_bytes(first.read_bytes())
    beside = study / "beside.geojson"
    beside.write_bytes(first.read_bytes())
    imported(study, edited(first, annotation(AREA)))
    other = edited(second, annotation(square(100.0, 100.0, 180.0)))
    assert "the involved area was changed since the file was exported" in refused(study, other)
    far = edited(exported(study), annotation(square(900.0, 900.0), "Involved"), whole_area_gone)
    assert "the involved area misses the slide" in refused(study, far)


def whole_area_gone(root: Features) -> None:
    root["features"] = [f for f in root["features"] if not f["properties"].get("name", "").startswith("Involved area")]


@pytest.mark.slow
def test_a_field_moved_in_qupath_is_moved_with_what_lies_there(study: Path) -> None:
    opened = begun(study)
    rect = opened.review.fields["1"].field.rect
    others = [f.rect for f in opened.review.counted_fields if f.name != "1"]
    free = next(
        (x, y)
        for x in range(0, 171, 10)
        for y in range(0, 171, 10)
        if all(not shapely.box(x, y, x + 70, y + 70).intersects(shapely.box(*_box(other))) for other in others)
        and abs(x - rect.x0_um) > 5
    )

    def move(root: Features) -> None:
        feature = next(f for f in root["features"] if f["properties"].get("name") == "Field 1")
        dx, dy = (free[0] - rect.x0_um) / 0.5, (free[1] - rect.y0_um) / 0.5
        (ring,) = feature["geometry"]["coordinates"]
        feature["geometry"]["coordinates"] = [[[x + dx, y + dy] for x, y in ring]]

    path = edited(exported(study), move)
    (line,) = imported(study, path)
    assert line.startswith("moved field 1 from")
    moved = now(study).review.fields["1"].field.rect
    assert (moved.x0_um, moved.y0_um) == pytest.approx(free, abs=0.3)
    assert imported(study, path) == []


def _box(rect: Any) -> tuple[float, ...]:
    return rect.x0_um, rect.y0_um, rect.x1_um, rect.y1_um


def test_a_field_keeps_its_size(study: Path) -> None:
    begun(study)

    def grow(root: Features) -> None:
        feature = next(f for f in root["features"] if f["properties"].get("name") == "Field 1")
        feature["geometry"] = json.loads(shapely.to_geojson(shapely.box(10, 10, 250, 250)))

    assert "field 1 has another size" in refused(study, edited(exported(study), grow))


def test_lines_and_collections_are_read_as_far_as_they_are_areas_or_points() -> None:
    square_px = [[[0, 0], [4, 0], [4, 4], [0, 0]]]
    parts = [{"type": "Polygon", "coordinates": square_px}, {"type": "Point", "coordinates": [1, 2, 3]}]
    features = [
        {"type": "Feature", "geometry": {"type": "GeometryCollection", "geometries": parts}},
        {"type": "Feature", "geometry": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}},
        {"type": "Feature", "geometry": None, "properties": None},
    ]
    shapes, line, nothing = shown_objects(json.dumps(features), where="x")
    assert (len(shapes.polygons), shapes.points.tolist()) == (1, [[1.0, 2.0]])
    assert not (line.polygons or nothing.polygons or len(line.points))
