"""The involved area: what observers draw is read as drawn, and what cannot be used says why and where."""

import json
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from mvd.errors import FieldError, InvolvedAreaError
from mvd.geometry import Calibration, Raster, Rect
from mvd.involved import (
    InvolvedArea,
    field_centres_from_geojson,
    involved_from_geojson,
    involved_from_mask,
    involved_from_raster,
)
from mvd.protocol import InvolvedPlan

CALIBRATION = Calibration(0.5, 0.25, "user", "--um-per-px")
SLIDE = Rect(0, 0, 100, 50)  # 200 × 200 level-0 pixels
SQUARE = [[20, 40], [60, 40], [60, 120], [20, 120], [20, 40]]  # µm: x 10-30, y 10-30
HOLE = [[30, 60], [50, 60], [50, 100], [30, 100], [30, 60]]  # µm: x 15-25, y 15-25


def grid(um_per_px: float = 1.0, rect: Rect = SLIDE) -> Raster:
    shape = round(rect.height_um / um_per_px), round(rect.width_um / um_per_px)
    return Raster(np.zeros(shape, dtype=np.uint8), rect.x0_um, rect.y0_um, um_per_px)


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def shifted(dx: float, dy: float = 0) -> list[list[float]]:
    return [[x + dx, y + dy] for x, y in SQUARE]


def feature(geometry: Any, name: str | None = None, kind: str | None = "annotation") -> dict[str, Any]:
    properties: dict[str, Any] = {"objectType": kind} if kind else {}
    if name is not None:
        properties["classification"] = {"name": name, "color": [1, 2, 3]}
    return {"type": "Feature", "id": "x", "geometry": geometry, "properties": properties}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def read(content: Any, bounds: Rect = SLIDE, plan: InvolvedPlan | None = None) -> InvolvedArea:
    text = content if isinstance(content, str) else json.dumps(content)
    return involved_from_geojson(text, CALIBRATION, bounds=bounds, where="area.geojson", plan=plan)


FORMS = {
    "collection": collection(feature(polygon(SQUARE))),
    "list": [feature(polygon(SQUARE))],
    "one feature": feature(polygon(SQUARE)),
    "bare geometry": polygon(SQUARE),
    "multipolygon": {"type": "MultiPolygon", "coordinates": [[SQUARE]]},
    "geometry collection": {"type": "GeometryCollection", "geometries": [polygon(SQUARE)]},
    "without properties": {"type": "Feature", "geometry": polygon(SQUARE), "properties": None},
    "within another object": {
        **feature(None),
        "properties": {"objectType": "root", "childObjects": [feature(polygon(SQUARE))]},
    },
    "ring left open": polygon(SQUARE[:-1]),
    "heights and byte-order mark": "\ufeff" + json.dumps(polygon([[x, y, 0] for x, y in SQUARE])),
    "drawn twice": collection(feature(polygon(SQUARE)), feature(polygon(SQUARE))),
    "with a point and a line": [
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
        polygon(SQUARE),
    ],
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS.keys())
def test_every_form_that_qupath_writes_is_read(content: Any) -> None:
    area = read(content)
    expected = np.zeros((50, 100), dtype=bool)
    expected[10:30, 10:30] = True
    assert area.source == "annotation"
    assert area.area_mm2 == pytest.approx(400e-6)
    assert np.array_equal(area.raster(grid()).pixels, expected)


CHOICES = {
    "named ones alone": (["Involved", None, "Stroma"], [True, False, False]),
    "small letters": (["cll", None], [True, False]),
    "derived class": (["Tumor: Positive", None], [True, False]),
    "without a class, all": ([None, None], [True, True]),
    "of one class, all": (["Stroma", "Stroma"], [True, True]),
    "involved by one of its words": (["Involved marrow", "Normal marrow"], [True, False]),
    "not involved, in words": (["CLL infiltrate", "not involved"], [True, False]),
    "in German": (["Infiltrat", "Ignorieren"], [True, False]),
    "with a composed letter": ([None, "Ausschlie\u00dfen"], [True, False]),
    "necrosis beside no class": ([None, "Necrosis"], [True, False]),
    "free of it": (["Tumor", "Tumor free"], [True, False]),
    "but for the excluded": ([None, "Ignore*", "Exclude"], [True, False, False]),
    "excluded beside named": (["Involved", "Ignore*"], [True, False]),
}


@pytest.mark.parametrize(("names", "taken"), CHOICES.values(), ids=CHOICES.keys())
def test_classes_choose_the_annotations(names: list[str | None], taken: list[bool]) -> None:
    area = read(collection(*(feature(polygon(shifted(45 * i)), name) for i, name in enumerate(names))))
    pixels = area.raster(grid()).pixels
    assert [bool(pixels[20, 20 + round(22.5 * i)]) for i in range(len(names))] == taken


UNKNOWN = {
    "one of none and one unknown": [None, "Stroma"],
    "two unknown": ["Region 1", "Region 2"],
    "two unknown beside one to be left out": ["Region 1", "Region 2", "Ignore*"],
}


@pytest.mark.parametrize("names", UNKNOWN.values(), ids=UNKNOWN)
def test_classes_of_which_none_is_known_are_refused_with_their_names(names: list[str | None]) -> None:
    shapes = collection(*(feature(polygon(shifted(45 * i)), name) for i, name in enumerate(names)))
    with pytest.raises(InvolvedAreaError) as refused:
        read(shapes)
    for name in names[:2]:
        assert (f"1 × '{name}'" if name else "1 × no class") in str(refused.value)


def test_the_protocol_says_what_a_class_means() -> None:
    shapes = collection(*(feature(polygon(shifted(45 * i)), name) for i, name in enumerate(["Region 1", "region  2"])))
    for plan in (InvolvedPlan(classes=("REGION 1",)), InvolvedPlan(exclude=("Region 2",))):
        area = read(shapes, plan=plan)
        assert area.area_mm2 == pytest.approx(400e-6)
        assert area.classes == ("Region 1",)


def test_what_is_to_be_left_out_is_cut_out() -> None:
    area = read(collection(feature(polygon(SQUARE), "Tumor"), feature(polygon(shifted(20)), "Necrosis")))
    assert area.area_mm2 == pytest.approx(200e-6)
    assert (area.classes, area.cut_out, area.remarks) == (("Tumor",), ("Necrosis",), ())


def test_a_name_stands_for_a_class_where_there_is_none() -> None:
    named, other = feature(polygon(SQUARE)), feature(polygon(shifted(45)))
    first, second = feature(polygon(SQUARE)), feature(polygon(shifted(45)))
    first["properties"]["name"], second["properties"]["name"] = "area 1", "area 2"  # say nothing
    assert read(collection(first, second)).area_mm2 == pytest.approx(800e-6)
    named["properties"]["name"], other["properties"]["name"] = "CLL infiltrate", "not involved"
    assert read(collection(named, other)).area_mm2 == pytest.approx(400e-6)


def test_an_unknown_class_that_is_taken_is_named() -> None:
    area = read(collection(feature(polygon(SQUARE), "Stroma")))
    assert area.classes == ("Stroma",)
    assert area.remarks == (
        "the polygons 'Stroma' in area.geojson were taken for the involved area, for there are no others",
    )
    assert read(collection(feature(polygon(SQUARE)))).remarks == ()


@pytest.mark.parametrize("kind", ["Cell", "Detection", "Tile", "TMACore"])
def test_objects_of_qupath_0_2_tell_what_they_are_by_their_id(kind: str) -> None:
    other = feature(polygon(shifted(60)), kind=None) | {"id": f"Path{kind}Object"}
    drawn = feature(polygon(SQUARE), kind=None) | {"id": "PathAnnotationObject"}
    assert read(collection(other, drawn)).area_mm2 == pytest.approx(400e-6)


def test_areas_that_overlap_count_once() -> None:
    area = read(collection(feature(polygon(SQUARE)), feature(polygon(shifted(20, 20)))))
    assert area.area_mm2 == pytest.approx(650e-6)
    assert area.raster(grid()).pixels.sum() == 650


@pytest.mark.parametrize("kind", ["detection", "cell", "tile", "tmaCore"])
def test_only_annotations_are_taken(kind: str) -> None:
    area = read(collection(feature(polygon(shifted(60)), kind=kind), feature(polygon(SQUARE))))
    assert area.area_mm2 == pytest.approx(400e-6)


def test_the_newer_list_of_class_names_is_read() -> None:
    named = feature(polygon(SQUARE))
    named["properties"]["classification"] = {"names": ["Tumor", "Positive"]}
    assert read(collection(named, feature(polygon(shifted(60))))).area_mm2 == pytest.approx(400e-6)


def test_holes_are_not_involved() -> None:
    area = read(polygon(SQUARE, HOLE))
    pixels = area.raster(grid()).pixels
    assert area.area_mm2 == pytest.approx(300e-6)
    assert pixels.sum() == 300
    assert not pixels[20, 20]
    assert pixels[12, 12]


MENDED = {
    # an outline of a 20 × 20 µm square in level-0 pixels (0.5 × 0.5 µm), and what is wrong with it
    "a loop at the seam": [[20, 40], [60, 40], [60, 80], [20, 80], [20, 42], [18, 40], [22, 38], [20, 41]],
    "a loop that ends past its start": [[20, 40], [60, 40], [60, 80], [20, 80], [20, 39.6], [20.6, 39.6], [19.4, 40.4]],
    "a spike": [[20, 40], [60, 40], [90, 40], [60, 40], [60, 80], [20, 80]],
    "touching itself": [[20, 40], [60, 40], [60, 80], [40, 80], [40, 60], [40, 80], [20, 80]],
}


@pytest.mark.parametrize("ring", MENDED.values(), ids=MENDED)
def test_an_outline_is_mended_where_that_changes_no_area(ring: list[list[float]]) -> None:
    area = read(polygon(ring))
    whole = read(polygon([[20, 40], [60, 40], [60, 80], [20, 80]]))
    assert area.area_mm2 == pytest.approx(whole.area_mm2, rel=0.01)


def test_a_slip_of_the_mouse_beside_an_area_is_passed_over() -> None:
    area = read(
        collection(feature(polygon(SQUARE)), feature(polygon([[5, 5], [6, 6]])), feature(polygon([[1, 1]] * 3)))
    )
    assert area.area_mm2 == pytest.approx(400e-6)


def test_what_lies_a_little_outside_is_clipped_to_the_slide_and_said() -> None:
    area = read(polygon(shifted(-22)))
    assert area.area_mm2 == pytest.approx(380e-6)
    assert min(float(ring[:, 0].min()) for rings in area.outlines() for ring in rings) == 0
    assert area.lost_share == pytest.approx(0.05)
    assert area.remarks == ("5 % of the involved area in area.geojson lies off the slide and is left out",)
    assert read(polygon(SQUARE)).lost_share == pytest.approx(0, abs=1e-12)


def test_an_area_of_which_much_lies_off_the_slide_is_refused() -> None:
    with pytest.raises(InvolvedAreaError, match=r"50 % of the involved area lies off the slide, which is 100 × 50 µm"):
        read(polygon(shifted(-40)))


UNUSABLE = {
    "not JSON": ("{", "area.geojson is not GeoJSON"),
    "nested without end": ("[" * 100_000, "nested too deeply"),
    "no feature": (collection(), "holds no polygon annotation"),
    "another JSON": ({"a": 1}, "holds no polygon annotation"),
    "a text": ('"area"', "holds no polygon annotation"),
    "points alone": ({"type": "Point", "coordinates": [1, 2]}, "holds no polygon annotation"),
    "detections alone": (feature(polygon(SQUARE), kind="detection"), "holds no polygon annotation"),
    "all excluded": (feature(polygon(SQUARE), "Ignore*"), "holds no polygon annotation"),
    "crosses itself": (
        polygon([[0, 0], [40, 40], [40, 0], [0, 41], [0, 0]]),
        r"polygon 1 crosses .*\[20\.\d* 20\.\d*\]",
    ),
    "hole outside": (polygon(SQUARE, shifted(200)), "Hole lies outside shell"),
    "a line": (polygon([[0, 0], [10, 10], [20, 20], [0, 0]]), "no area .* 0, 0 px"),
    "two points": (polygon([[0, 0], [10, 10], [0, 0]]), "fewer than three points"),
    "no ring": (polygon(), "fewer than three points"),
    "no coordinates": ({"type": "Polygon"}, "fewer than three points"),
    "rings are not lists": ({"type": "Polygon", "coordinates": [5]}, "fewer than three points"),
    "not a number": ('{"type":"Polygon","coordinates":[[[0,0],[NaN,1],[2,2]]]}', "which is no pixel"),
    "infinite": ('{"type":"Polygon","coordinates":[[[0,0],[1e999,1],[2,2]]]}', "which is no pixel"),
    "absurd": (polygon([[0, 0], [10**400, 1], [2, 2]]), "which is no pixel"),
    "in words": (polygon([["a", "b"], [1, 2], [3, 4]]), "not a pair of numbers"),
    "truth": (polygon([[True, False], [1, 2], [3, 4]]), "not a pair of numbers"),
    "one number": (polygon([[1], [1, 2], [3, 4]]), "not a pair of numbers"),
    "misses the slide": (polygon(shifted(1000)), "misses the slide, which is 100 × 50 µm"),
    "touches the slide's edge": (polygon(shifted(180)), "misses the slide"),
}


@pytest.mark.parametrize(("content", "sentence"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_annotation_says_why_and_where(content: Any, sentence: str) -> None:
    with pytest.raises(InvolvedAreaError, match=sentence):
        read(content)


def test_polygons_that_share_an_edge_share_no_pixel_and_miss_none() -> None:
    cut = [[33.3, 7.7], [91.1, 183.9]]
    left = read(polygon([[0, 0], [20, 0], *cut, [10, 200], [0, 200]]))
    right = read(polygon([[20, 0], [200, 0], [200, 200], [10, 200], *reversed(cut)]))
    like = grid(0.5)
    assert np.array_equal(left.raster(like).pixels, ~right.raster(like).pixels)


points = st.tuples(st.integers(-20, 220), st.integers(-20, 220))


@given(st.lists(points, min_size=3, max_size=12), st.sampled_from([0.7, 1.3, 5.0]))
def test_a_pixel_is_involved_when_its_centre_is_inside(corners: list[tuple[int, int]], um_per_px: float) -> None:
    hull = shapely.MultiPoint(corners).convex_hull
    drawn = shapely.transform(hull, lambda xy: xy * [0.5, 0.25])
    if hull.geom_type != "Polygon" or drawn.intersection(shapely.box(0, 0, 100, 50)).area < 0.9 * drawn.area:
        return  # refused
    like = grid(um_per_px, Rect(3.1, -4.2, 88.8, 47.3))
    x = like.x0_um + (np.arange(like.pixels.shape[1]) + 0.5) * um_per_px
    y = like.y0_um + (np.arange(like.pixels.shape[0]) + 0.5) * um_per_px
    x, y = np.meshgrid(x, y)
    pixels = read(polygon([list(p) for p in hull.exterior.coords])).raster(like).pixels
    clipped = drawn.intersection(shapely.box(0, 0, 100, 50))
    doubtful = shapely.distance(clipped.exterior, shapely.points(x, y)) < 1e-6
    assert np.array_equal(pixels | doubtful, shapely.contains_xy(clipped, x, y) | doubtful)


def mask(**changes: Any) -> np.ndarray[Any, Any]:
    pixels = np.zeros((5, 10), dtype=np.uint8)
    pixels[1:3, 1:3] = 7
    return pixels.astype(changes.get("dtype", np.uint8))


def with_channels(opacity: int | None) -> np.ndarray[Any, Any]:
    colour = np.repeat(mask()[..., None], 3, axis=2)
    return colour if opacity is None else np.dstack([colour, np.full((5, 10), opacity, dtype=np.uint8)])


MASKS = {
    "grey": mask(),
    "bool": mask(dtype=bool),
    "16 bit": mask(dtype=np.uint16),
    "colour": with_channels(None),
    "opaque": with_channels(255),
}


@pytest.mark.parametrize("pixels", MASKS.values(), ids=MASKS.keys())
def test_a_mask_spans_the_whole_slide(pixels: Any) -> None:
    area = involved_from_mask(pixels, SLIDE, where="mask.png")
    expected = np.zeros((50, 100), dtype=bool)
    expected[10:30, 10:30] = True
    assert area.source == "mask"
    assert area.area_mm2 == pytest.approx(400e-6)
    assert np.array_equal(area.raster(grid()).pixels, expected)
    ((ring,),) = area.outlines()
    assert Rect(*ring.min(axis=0), *ring.max(axis=0)) == Rect(10, 10, 30, 30)


def test_a_mask_is_stretched_to_the_slide_within_the_tolerance() -> None:
    pixels = np.zeros((101, 200), dtype=np.uint8)
    pixels[-1, -1] = 1
    raster = involved_from_mask(pixels, SLIDE, where="mask.png").raster(grid(0.25))
    assert raster.pixels[-1, -1]
    assert raster.pixels.sum() == 4


def test_beyond_a_mask_nothing_is_involved() -> None:
    area = involved_from_mask(np.ones((5, 10), dtype=np.uint8), SLIDE, where="mask.png")
    wide = area.raster(grid(1.0, Rect(-5, -5, 105, 55))).pixels
    assert wide.sum() == 5000
    assert wide[5:-5, 5:-5].all()


def test_a_mask_with_a_hole_is_traced_with_it() -> None:
    pixels = np.ones((50, 100), dtype=bool)
    pixels[10:20, 10:20] = False
    (rings,) = involved_from_mask(pixels, SLIDE, where="mask.png").outlines()
    assert [abs(shapely.Polygon(ring).area) for ring in rings] == [5000, 100]
    assert [len(ring) for ring in rings] == [4, 4]


@given(st.integers(1, 6), st.integers(1, 6), st.randoms(use_true_random=False))
def test_a_traced_mask_covers_the_same_pixels(rows: int, columns: int, random: Any) -> None:
    pixels = np.array([[random.random() < 0.6 for _ in range(columns)] for _ in range(rows)])
    area = involved_from_raster(Raster(pixels, 3.0, -2.0, 0.5), "suggestion")
    outlines = area.outlines()
    assert all(shapely.Polygon(rings[0], rings[1:]).is_valid for rings in outlines)
    traced = InvolvedArea("annotation", area.extent, polygons=outlines)
    assert np.array_equal(traced.raster(Raster(pixels, 3.0, -2.0, 0.5)).pixels, pixels)
    assert traced.area_mm2 == pytest.approx(area.area_mm2)


BAD_MASKS = {
    "empty": (np.zeros((5, 10), dtype=np.uint8), "is empty: every pixel is 0"),
    "opacity alone": (np.dstack([np.zeros((5, 10, 3), np.uint8), np.full((5, 10), 255, np.uint8)]), "is empty"),
    "wholly transparent": (with_channels(0), "is empty"),
    "other proportions": (np.ones((10, 10), dtype=np.uint8), "10 × 10 pixels, .* proportions"),
    "just too wide": (np.ones((100, 205), dtype=np.uint8), "proportions"),
    "decimals": (np.ones((5, 10)), "not a mask image .*float64"),
    "no pixels": (np.ones((0, 10), dtype=np.uint8), "not a mask image"),
    "four dimensions": (np.ones((1, 5, 10, 3), dtype=np.uint8), "not a mask image"),
}


@pytest.mark.parametrize(("pixels", "sentence"), BAD_MASKS.values(), ids=BAD_MASKS.keys())
def test_an_unusable_mask_says_why(pixels: Any, sentence: str) -> None:
    with pytest.raises(InvolvedAreaError, match=f"mask.png.*{sentence}"):
        involved_from_mask(pixels, SLIDE, where="mask.png")


def test_marrow_found_by_the_program_is_an_involved_area_too() -> None:
    marrow = Raster(np.eye(4, dtype=bool), 10, 20, 2.0)
    area = involved_from_raster(marrow, "whole marrow")
    assert area.source == "whole marrow"
    assert np.array_equal(area.raster(marrow).pixels, marrow.pixels)


CENTRES = {
    "points": (
        [{"type": "Point", "coordinates": [20, 40]}, {"type": "Point", "coordinates": [2, 4]}],
        [[10, 10], [1, 1]],
    ),
    "a set of points": (feature({"type": "MultiPoint", "coordinates": [[20, 40], [2, 4]]}), [[10, 10], [1, 1]]),
    "squares": (collection(feature(polygon(SQUARE)), feature(polygon(shifted(20)))), [[20, 20], [30, 20]]),
    "fields alone": (collection(feature(polygon(SQUARE), "Field"), feature(polygon(shifted(20)))), [[20, 20]]),
    "but for the excluded": (collection(feature(polygon(SQUARE)), feature(polygon(HOLE), "Ignore*")), [[20, 20]]),
    "but for what is dead": (collection(feature(polygon(SQUARE)), feature(polygon(HOLE), "Necrosis")), [[20, 20]]),
}


@pytest.mark.parametrize(("content", "centres"), CENTRES.values(), ids=CENTRES.keys())
def test_fields_are_centred_where_the_observer_marked_them(content: Any, centres: list[list[float]]) -> None:
    found = field_centres_from_geojson(json.dumps(content), CALIBRATION, where="fields.geojson")
    assert found.tolist() == centres


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not GeoJSON"),
        ("[]", "holds no point or square"),
        (json.dumps(polygon()), "holds no point or square"),
        (json.dumps(feature(polygon(SQUARE), kind="detection")), "holds no point or square"),
        ('{"type":"Point","coordinates":[NaN,1]}', "field 1 .* no pixel"),
        ('{"type":"Point","coordinates":null}', "field 1 .* not a pair"),
        ('{"type":"Point"}', "field 1 .* not a pair"),
    ],
)
def test_an_unusable_file_of_fields_says_why(text: str, sentence: str) -> None:
    with pytest.raises(FieldError, match=f"fields.geojson.*{sentence}"):
        field_centres_from_geojson(text, CALIBRATION, where="fields.geojson")


@pytest.mark.parametrize(
    ("width", "height", "fits"), [(100, 100, True), (108, 95, True), (50, 50, False), (200, 50, False)]
)
def test_fields_drawn_in_another_size_are_refused(width: int, height: int, fits: bool) -> None:
    """Of 50 µm at 0.5 µm a pixel along x and 0.5 along y."""
    calibration = Calibration(0.5, 0.5, "user", "test")
    text = json.dumps(polygon([[10, 10], [10 + width, 10], [10 + width, 10 + height], [10, 10 + height]]))
    told = {"calibration": calibration, "where": "fields.geojson", "side_um": 50.0}
    if fits:
        assert len(field_centres_from_geojson(text, **told)) == 1
        return
    with pytest.raises(FieldError, match=r"side_um = 50; draw fields of that size"):
        field_centres_from_geojson(text, **told)
