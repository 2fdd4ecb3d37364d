"""Pictures show what was counted and nothing that names a patient."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image
from sections import tissue_of

import mvd.report.caption
import mvd.report.field_picture
import mvd.report.overview
from mvd.counting import assign, count
from mvd.fields import CountField, Placement
from mvd.geometry import Raster, Rect
from mvd.manifest import Specimen
from mvd.phantom import PhantomSpec, make_phantom
from mvd.phantom.write import write_ome_tiff
from mvd.pipeline import Found, SpecimenResult, count_specimen
from mvd.protocol import CountPlan, FieldPlan, Protocol
from mvd.report import write_field_pictures, write_overview
from mvd.report.labels import Label, Room
from mvd.report.lettering import Type, legible, width_px, wrapped
from mvd.report.outlines import round_outside
from mvd.report.pens import COUNTED, EXCLUDES, FIELD, INCLUDES, LEFT_OUT, REJECTED
from mvd.report.reading import opened
from mvd.report.sheet import Pen, Sheet, View, _dashes, distances, png, round_length_um
from mvd.slide import open_slide
from mvd.vessels import Reason, Vessel

SIDE_UM = 80.0
"""Of the section's field; its picture is 96 µm wide, 0.125 µm per pixel."""
PX = 0.125
NAME = "case 7 pre"


@pytest.fixture(scope="module")
def counted(tmp_path_factory) -> SpecimenResult:
    """A small section, counted from end to end in one field."""
    image = tmp_path_factory.mktemp("slides") / "section.ome.tif"
    spec = PhantomSpec(seed=3, width_um=200, height_um=180, vessel_density_per_mm2=250.0, bone_fraction=0.05)
    write_ome_tiff(image, make_phantom(spec).image)
    specimen = Specimen(specimen=NAME, patient="Muster", timepoint="pre", image=image)
    fields = FieldPlan(number=1, side_um=SIDE_UM, min_evaluable_fraction=0.6)
    return count_specimen(specimen, Protocol(fields=fields, counts=CountPlan(hotspot_density=False)))


def square(name: str, centre: tuple[float, float], *, half: float = 6.0, reason: Reason | None = None) -> Vessel:
    x, y = centre
    ring = np.array([(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)])
    lumen = (ring - centre) / 2 + centre
    area = (2 * half) ** 2
    return Vessel(
        name=name, outline=ring, lumens=(lumen,), x_um=x, y_um=y, area_um2=area * 0.75, lumen_area_um2=area / 4,
        lumen_width_um=half, length_um=2 * half, width_um=2 * half, perimeter_um=8 * half, mean_dab_od=0.6, pieces=1,
        reason=reason,
    )  # fmt: skip


FIELD_RECT = Rect.square(40.0, 30.0, SIDE_UM)
INSIDE = square("v00001", (100.0, 90.0))
ON_LEFT = square("v00002", (40.0, 60.0))
ON_RIGHT = square("v00003", (120.0, 60.0))
PIGMENT = square("v00004", (100.0, 60.0), reason=Reason.PIGMENT)
FAR = square("v00005", (180.0, 160.0))


def with_vessels(
    result: SpecimenResult, *vessels: Vessel, rect: Rect = FIELD_RECT, border="frame", evaluable_mm2: float = 0.0064
) -> SpecimenResult:
    """The section with these vessels and one field instead of its own."""
    field = CountField("1", rect, evaluable_mm2)
    return replace(
        result,
        vessels=vessels,
        placement=Placement((field,), 1, None),
        evaluable=Raster(np.ones((45, 50), bool), 0.0, 0.0, 4.0),
        assignments=assign(vessels, [field], border),
        counts=count(vessels, [field], border=border, confidence=0.95),
    )


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def drawn(result: SpecimenResult, folder: Path, **options) -> np.ndarray:
    (path,) = write_field_pictures(result, folder, **options)
    return pixels(path)


def at(picture: np.ndarray, x_um: float, y_um: float, *, rect: Rect = FIELD_RECT, reach: int = 2) -> np.ndarray:
    """(n, 3) pixels within `reach` of a place."""
    corner = rect.expanded(0.1 * rect.width_um)
    column, row = round((x_um - corner.x0_um) / PX), round((y_um - corner.y0_um) / PX)
    return picture[row - reach : row + reach, column - reach : column + reach].reshape(-1, 3)


def has(place: np.ndarray, pen: Pen) -> bool:
    return bool((np.abs(place - pen.colour).max(axis=-1) < 12).any())


def along(picture: np.ndarray, vessel: Vessel, pen: Pen) -> float:
    """Share of the places along a square vessel's sides where its picture has the colour of a pen."""
    half, clear = (vessel.bounds.width_um / 2), 0.45
    steps = np.linspace(-half, half, 40)
    sides = [(vessel.x_um + s, vessel.y_um - half - clear) for s in steps.tolist()]
    sides += [(vessel.x_um + s, vessel.y_um + half + clear) for s in steps.tolist()]
    return float(np.mean([has(at(picture, x, y, reach=1), pen) for x, y in sides]))


# Field pictures


def test_every_field_has_a_picture_as_large_as_its_field_and_context(counted, tmp_path):
    paths = write_field_pictures(counted, tmp_path)
    assert paths == tuple(tmp_path / NAME / f"field_{f.name}.png" for f in counted.placement.fields)
    assert paths
    for path in paths:
        rows, columns, channels = pixels(path).shape
        assert (columns, channels) == (1.2 * SIDE_UM / PX, 3)
        assert columns < rows < columns + 160, "the caption stands below the picture"


def test_a_specimen_without_fields_has_no_pictures(counted, tmp_path):
    none = replace(counted, counts=None, assignments={}, vessels=(), placement=Placement((), 1, "no marrow"))
    assert write_field_pictures(none, tmp_path) == ()
    assert not list(tmp_path.iterdir())


def test_the_stain_in_the_field_is_shown_as_it_is_and_paler_round_it(counted, tmp_path):
    picture = drawn(with_vessels(counted), tmp_path)
    with open_slide(counted.specimen.image) as slide:
        stain = slide.read(FIELD_RECT.expanded(8.0), PX).pixels.astype(int)
    assert np.array_equal(picture[72:696, 72:696], stain[72:696, 72:696])
    context = (slice(10, 50), slice(200, 600))
    assert np.abs(picture[context] - (0.6 * stain[context] + 0.4 * 255)).max() <= 1


@pytest.mark.parametrize(
    ("vessel", "pen", "least", "most"),
    [
        (INSIDE, COUNTED, 0.95, 1.0),
        (ON_RIGHT, COUNTED, 0.85, 1.0),
        (ON_LEFT, LEFT_OUT, 0.4, 0.9),
        (PIGMENT, REJECTED, 0.2, 0.9),
    ],
    ids=["counted", "on the edge that includes", "on the edge that excludes", "pigment"],
)
def test_every_object_of_the_field_has_the_line_of_its_standing(counted, tmp_path, vessel, pen, least, most):
    with_it = drawn(with_vessels(counted, vessel), tmp_path)
    without = drawn(with_vessels(counted), tmp_path)
    assert least <= along(with_it, vessel, pen) <= most
    assert along(without, vessel, pen) < 0.1
    for other in {COUNTED, LEFT_OUT, REJECTED} - {pen}:
        assert along(with_it, vessel, other) < 0.15


def test_the_stain_inside_an_outline_stays_visible(counted, tmp_path):
    with_it, without = (drawn(with_vessels(counted, *v), tmp_path) for v in ((INSIDE,), ()))
    box = INSIDE.bounds.expanded(-0.5)
    corner = FIELD_RECT.expanded(8.0)
    rows = slice(round((box.y0_um - corner.y0_um) / PX), round((box.y1_um - corner.y0_um) / PX))
    columns = slice(round((box.x0_um - corner.x0_um) / PX), round((box.x1_um - corner.x0_um) / PX))
    assert np.array_equal(with_it[rows, columns], without[rows, columns])


def test_an_object_off_the_field_is_not_drawn(counted, tmp_path):
    off = square("v00001", (100.0, 26.0), half=2.0)  # in the context above the field
    picture = drawn(with_vessels(counted, off), tmp_path)
    caption = pixels(write_field_pictures(with_vessels(counted), tmp_path / "x")[0]).shape[0]
    assert along(picture, off, COUNTED) == along(picture, off, LEFT_OUT) == 0
    assert picture.shape[0] == caption


def test_an_object_that_bends_round_the_field_without_touching_it_is_not_drawn(counted, tmp_path):
    (x0, y0), near = (FIELD_RECT.x0_um, FIELD_RECT.y0_um), 2.0
    ring = np.array(
        [
            (x0 - 9, y0 - 9),
            (x0 + 20, y0 - 9),
            (x0 + 20, y0 - near),
            (x0 - near, y0 - near),
            (x0 - near, y0 + 20),
            (x0 - 9, y0 + 20),
        ]
    )
    bent = replace(square("v00001", (x0, y0)), outline=ring)
    assert bent.bounds.intersection(FIELD_RECT)
    (with_it,), (without,) = (
        write_field_pictures(with_vessels(counted, *v), tmp_path / str(len(v))) for v in ((bent,), ())
    )
    assert with_it.read_bytes() == without.read_bytes()


def test_every_object_has_its_number_or_reason_beside_it(counted, tmp_path, monkeypatch):
    texts: list[str] = []
    place = Room.place
    monkeypatch.setattr(
        Room, "place", lambda room, labels: [texts.append(x.text) or p for x in labels for p in place(room, [x])]
    )
    drawn(with_vessels(counted, FAR, INSIDE, PIGMENT, ON_RIGHT), tmp_path)
    assert texts == ["1", "2", "pigment"]


def test_what_is_near_a_limit_has_a_question_mark_and_a_remark(counted, tmp_path, monkeypatch):
    written = []
    for module in (mvd.report.field_picture, mvd.report.caption):
        monkeypatch.setattr(module, "write", lambda draw, at, text, **style: written.append(text))
    near = replace(INSIDE, ambiguous=True), replace(PIGMENT, ambiguous=True)
    result = replace(with_vessels(counted, *near, ON_RIGHT), warnings=("hardly anything is stained",))
    write_field_pictures(result, tmp_path, border="frame")
    assert {"1?", "2", "pigment?"} <= set(written)
    text = " ".join(written)
    assert "? is near a limit of the rule: look there first (1 of those counted)." in text
    assert "Doubtful: hardly anything is stained." in text


@pytest.mark.parametrize(
    ("border", "expected"),
    [
        ("frame", {"top": INCLUDES, "right": INCLUDES, "left": EXCLUDES, "bottom": EXCLUDES}),
        ("centre", dict.fromkeys(("top", "right", "left", "bottom"), FIELD)),
        ("touching", dict.fromkeys(("top", "right", "left", "bottom"), INCLUDES)),
    ],
)
def test_the_frame_shows_the_border_rule(counted, tmp_path, border, expected):
    picture = drawn(with_vessels(counted, border=border), tmp_path, border=border)
    x0, y0, x1, y1 = 40.0, 30.0, 120.0, 110.0
    steps = np.linspace(10, SIDE_UM - 10, 80).tolist()
    edges = {
        "top": [(x0 + s, y0) for s in steps],
        "bottom": [(x0 + s, y1) for s in steps],
        "left": [(x0, y0 + s) for s in steps],
        "right": [(x1, y0 + s) for s in steps],
    }
    for edge, pen in expected.items():
        share = {p: np.mean([has(at(picture, x, y), p) for x, y in edges[edge]]) for p in (INCLUDES, EXCLUDES, FIELD)}
        if pen.dash_px:
            assert 0.5 < share[pen] < 0.9, "dashed: to be told without its colour"
        else:
            assert share[pen] == 1
        assert all(share[p] < 0.1 for p in share if p != pen), edge


def test_the_excluding_line_goes_on_beyond_the_frame(counted, tmp_path):
    picture = drawn(with_vessels(counted), tmp_path)
    for x, ys in ((40.0, (23, 29)), (120.0, (111, 117))):
        assert np.mean([has(at(picture, x, y), EXCLUDES) for y in np.linspace(*ys, 40).tolist()]) > 0.5
    for x, ys in ((120.0, (23, 29)), (40.0, (111, 117))):
        assert not any(has(at(picture, x, y), EXCLUDES) for y in np.linspace(*ys, 40).tolist())


@pytest.mark.parametrize("border", ["frame", "centre", "touching"])
def test_without_a_rule_the_one_that_gives_the_assignments_is_drawn(counted, tmp_path, border):
    low = square("v00009", (90.0, 105.0))  # its centre is in the field, and it crosses the lower edge
    result = with_vessels(counted, ON_LEFT, ON_RIGHT, low, border=border)
    (found,), (told,) = (
        write_field_pictures(result, tmp_path / n, **o) for n, o in (("a", {}), ("b", {"border": border}))
    )
    assert found.read_bytes() == told.read_bytes()


def test_assignments_of_no_rule_are_refused(counted, tmp_path):
    result = with_vessels(counted, ON_LEFT, INSIDE)
    swapped = {ON_LEFT.name: result.assignments[INSIDE.name], INSIDE.name: result.assignments[ON_LEFT.name]}
    with pytest.raises(ValueError, match="name the one they follow"):
        write_field_pictures(replace(result, assignments=swapped), tmp_path)


def longest_black_run(picture: np.ndarray, rows: slice) -> int:
    black = np.pad((picture[rows] == 0).all(axis=2).astype(np.int8), ((0, 0), (1, 1)))
    starts, ends = (np.argwhere(np.diff(black, axis=1) == step) for step in (1, -1))
    return int((ends - starts)[:, 1].max(initial=0))


def test_the_scale_bar_of_a_250_um_field_is_50_um_long(counted, tmp_path):
    rect = Rect.square(-20.0, -30.0, 250.0)
    picture = drawn(with_vessels(counted, rect=rect, evaluable_mm2=0.0625), tmp_path)
    assert picture.shape[1] == 1200
    assert longest_black_run(picture, slice(1150, 1200)) * (300.0 / 1200) == 50.0


def test_a_field_half_off_the_slide_is_white_there_and_hatched(counted, tmp_path):
    rect = Rect.square(-40.0, 30.0, SIDE_UM)
    plain = with_vessels(counted, rect=rect, evaluable_mm2=0.0032)
    picture = drawn(plain, tmp_path)
    field = picture[68:700, 68:700]
    off, on = field[:, :290], field[:, 350:]
    assert 0.6 < (off == 255).all(axis=2).mean() < 0.95
    assert (off.sum(axis=2) < 500).mean() > 0.05, "hatched"
    assert (on == 255).all(axis=2).mean() < 0.3


def test_only_the_pixels_of_the_section_are_read(counted, tmp_path, monkeypatch):
    """A slide that has no label, no macro image and no other property to look at."""

    class Bare:
        def __init__(self, image, calibration):
            self._slide = opened(image, calibration)
            self.read = self._slide.read

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._slide.close()

    for module in (mvd.report.field_picture, mvd.report.overview):
        monkeypatch.setattr(module, "opened", Bare)
    assert write_field_pictures(counted, tmp_path)
    assert write_overview(counted, tmp_path).exists()


def chunks(data: bytes) -> set[bytes]:
    found, place = set(), 8
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        found.add(data[place + 4 : place + 8])
        place += 12 + size
    return found


def test_no_picture_tells_the_patient(counted, tmp_path):
    other = counted.specimen.model_copy(update={"patient": "Somebody Else", "response": "responder"})
    for write in (lambda r, f: write_field_pictures(r, f)[0], write_overview):
        mine, theirs = write(counted, tmp_path / "a"), write(replace(counted, specimen=other), tmp_path / "b")
        assert mine.read_bytes() == theirs.read_bytes()
        assert chunks(mine.read_bytes()) == {b"IHDR", b"IDAT", b"IEND"}


def test_the_same_result_gives_the_same_bytes(counted, tmp_path):
    first = [
        p.read_bytes()
        for p in (*write_field_pictures(counted, tmp_path / "a"), write_overview(counted, tmp_path / "a"))
    ]
    again = [
        p.read_bytes()
        for p in (*write_field_pictures(counted, tmp_path / "b"), write_overview(counted, tmp_path / "b"))
    ]
    assert first == again


def test_a_pixel_size_given_by_the_user_is_used_again(counted, tmp_path):
    plain = tmp_path / "plain.png"
    Image.fromarray(np.full((300, 400, 3), 200, np.uint8)).save(plain)
    given = replace(counted.calibration, um_per_px_x=0.5, um_per_px_y=0.5, source="user", detail="specimens.csv")
    specimen = counted.specimen.model_copy(update={"image": plain, "um_per_px": 0.5})
    result = replace(with_vessels(counted), specimen=specimen, calibration=given, size_px=(400, 300))
    assert drawn(result, tmp_path)[500, 500].tolist() == [200, 200, 200]


# Overview


def found_of(result: SpecimenResult, *vessels: Vessel) -> Found:
    return Found(result.specimen.image, result.slide_sha256, result.size_px, result.calibration, result.survey, vessels)


def test_a_small_section_is_shown_at_four_pixels_a_um_with_outlines_lumens_and_numbers(counted, tmp_path):
    plain = pixels(write_overview(found_of(counted), tmp_path / "none"))
    path = write_overview(found_of(counted, INSIDE, PIGMENT), tmp_path)
    picture = pixels(path)
    assert path.name == "section.overview.png"
    assert picture.shape[1] == 800
    outline = picture[4 * 84 - 4 : 4 * 96 + 4, 4 * 94 - 4 : 4 * 106 + 4].reshape(-1, 3)
    rejected = picture[4 * 54 - 4 : 4 * 66 + 4, 4 * 94 - 4 : 4 * 106 + 4].reshape(-1, 3)
    assert has(outline, COUNTED)
    assert not has(outline, REJECTED)
    assert has(rejected, REJECTED)
    assert not has(rejected, COUNTED)
    lumen = slice(4 * 87 - 2, 4 * 87 + 2), slice(4 * 98, 4 * 102)
    assert (picture[lumen] != plain[lumen]).any(), "lumen"
    number = slice(4 * 70, 4 * 110), slice(4 * 107, 4 * 112)
    assert (picture[number] != plain[number]).any(), "number"


def test_fields_are_squares_with_their_number(counted, tmp_path):
    picture = pixels(write_overview(with_vessels(counted, INSIDE), tmp_path))
    for x, y in ((40, 70), (120, 70), (80, 30), (80, 110)):
        assert has(picture[4 * y - 2 : 4 * y + 2, 4 * x - 2 : 4 * x + 2].reshape(-1, 3), FIELD), (x, y)
    assert has(picture[4 * 31 : 4 * 40, 4 * 41 : 4 * 50].reshape(-1, 3), FIELD), "number"


def test_a_field_that_reaches_beyond_the_slide_is_shown_whole(counted, tmp_path):
    beyond = with_vessels(counted, rect=Rect.square(150.0, 130.0, SIDE_UM))
    rows, columns, _ = pixels(write_overview(beyond, tmp_path)).shape
    assert columns / 4 > 230
    assert rows / 4 > 210


def large(result: SpecimenResult, *vessels: Vessel) -> Found:
    """A section of 12 × 6 mm whose slide is gone."""
    rows, columns = 1500, 3000
    overview = Raster(np.full((rows, columns, 3), 210, np.uint8), 0.0, 0.0, 4.0)
    marrow = np.zeros((rows, columns), bool)
    marrow[100:1400, 100:2900] = True
    tissue = tissue_of(overview.with_pixels(marrow), fat=overview.with_pixels(~marrow))
    survey = replace(result.survey, overview=overview, tissue=tissue)
    size = (round(12000 / result.calibration.um_per_px), round(6000 / result.calibration.um_per_px))
    return Found(Path("no such slide.svs"), "", size, result.calibration, survey, vessels)


def test_a_large_section_is_at_most_2000_pixels_long_and_is_not_read_again(counted, tmp_path):
    vessel = square("v00001", (6000.0, 3000.0))
    path = write_overview(large(counted, vessel), tmp_path)
    picture = pixels(path)
    assert path.name == "no such slide.overview.png"
    assert picture.shape[1] == 2000
    rows = picture.shape[0] - (pixels(write_overview(large(counted), tmp_path)).shape[0] - 928)
    assert has(picture[rows // 2 - 30 : rows // 2 + 30, 970:1030].reshape(-1, 3), COUNTED), "a dot where the vessel is"


def test_the_scale_bar_of_a_large_section_is_round_and_true(counted, tmp_path):
    picture = pixels(write_overview(large(counted), tmp_path))
    shown_um = 4 * 2800 * 1.06
    assert round_length_um(shown_um) == 2000
    assert abs(longest_black_run(picture, slice(0, picture.shape[0])) - 2000 / shown_um * 2000) <= 1


# Lines and letters


@pytest.mark.parametrize(("span", "length"), [(250, 50), (1000, 200), (499, 50), (15000, 2000), (60, 10), (12, 2)])
def test_scale_bars_have_round_lengths(span, length):
    assert round_length_um(span) == length


def test_a_line_runs_where_its_points_are():
    sheet = Sheet(np.full((40, 40, 3), 255, np.uint8), 40)
    view = View(Rect(0.0, 0.0, 20.0, 20.0), 0.5)
    sheet.line(view.px(np.array([(5.0, 2.0), (5.0, 18.0)])), Pen((0, 0, 0), 2.0))
    dark = 255 - np.asarray(sheet.finished()).astype(int)[20, :, 0]
    assert (dark * (np.arange(40) + 0.5)).sum() / dark.sum() == pytest.approx(10.0, abs=0.1)


def test_lines_on_the_picture_do_not_run_into_the_caption():
    sheet = Sheet(np.full((40, 40, 3), 255, np.uint8), 20)
    sheet.line(np.array([(10.0, 5.0), (10.0, 35.0)]), Pen((0, 0, 0), 2.0))
    picture = np.asarray(sheet.finished())
    assert picture[:20].min() == 0
    assert picture[20:].min() == 255


def test_a_drawn_outline_keeps_its_area_and_stays_outside():
    stairs = [(x, x + d) for x in range(8) for d in (0, 1)]
    ring = np.array([*stairs, (8, 8), (8, 0)], float) * 0.5
    (smooth,) = round_outside(ring, 0.0)
    (outside,) = round_outside(ring, 0.45)
    true = shapely.Polygon(ring)
    assert shapely.Polygon(smooth).area == pytest.approx(true.area, rel=0.1)
    assert shapely.Polygon(outside).covers(true.buffer(-0.1))


def test_labels_stand_beside_their_objects_and_apart():
    room = Room((400, 400))
    rings = [
        np.array([(x, y), (x + 14, y), (x + 14, y + 14), (x, y + 14)], float)
        for x in range(40, 340, 17)
        for y in range(40, 340, 80)
    ]
    for ring in rings:
        room.take_object(ring)
    placed = room.place([Label(str(n), Type(15), ring, needed=True) for n, ring in enumerate(rings, start=10)])
    boxes = [(x, y - 15, x + width_px(label.text, 15), y) for label, (x, y) in placed]
    assert len(placed) == len(rings)
    for label, (x, y) in placed:
        assert np.hypot(*(label.ring.mean(axis=0) - (x, y))) < 50
    for a, b in combinations(boxes, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_reason_is_left_out_where_there_is_no_room_but_a_number_is_not():
    room = Room((60, 60))
    ring = np.array([(5, 5), (55, 5), (55, 55), (5, 55)], float)
    room.take_object(np.array([(0, 0), (60, 0), (60, 60), (0, 60)], float))
    reason, number = (Label("haze", Type(13), ring, needed=needed) for needed in (False, True))
    assert room.place([reason]) == []
    assert len(room.place([number])) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("p01_pre · 5/mm²", "p01_pre · 5/mm²"),
        ("Fall Ä é", "Fall A e"),
        ("症例 1", "?? 1"),
        ("50 µm", "50 µm"),
        ("a\tb", "a?b"),
    ],
)
def test_text_is_put_in_letters_that_the_font_has(text, shown):
    assert legible(text) == shown


@pytest.mark.parametrize("text", ["one two three four five", "x" * 90, "no", "a " + "b" * 60 + " c"])
def test_text_is_wrapped_and_nothing_is_lost(text):
    lines = wrapped(text, 120, 15)
    assert all(width_px(line, 15) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(lines)


@pytest.mark.parametrize("closed", [False, True])
def test_a_dash_goes_along_the_line_from_its_start_to_its_end(closed):
    line = np.random.default_rng(6).uniform(0, 60, (9, 2)).repeat([1, 2, 1, 1, 3, 1, 1, 1, 1], axis=0)  # points repeat
    whole = np.vstack([line, line[:1]]) if closed else line
    along = distances(whole)
    period = along[-1] / round(along[-1] / 9) if closed else 9.0
    drawn = 6 * period / 9
    dashes = _dashes(line, (6, 3), closed=closed)
    assert len(dashes) == math.ceil(along[-1] / period - 1e-9)
    for number, dash in enumerate(dashes):
        start, end = number * period, min(number * period + drawn, along[-1])
        at = np.concatenate([[start], along[(along > start) & (along < end)], [end]])
        plain = np.stack([np.interp(at, along, whole[:, axis]) for axis in (0, 1)], axis=1)
        assert dash == pytest.approx(plain, abs=1e-9)


def test_a_page_without_lines_stays_as_it_was():
    page = np.random.default_rng(7).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Sheet(page, 37).finished()), page)


def test_dashes_come_out_even_round_a_ring():
    turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    ring = 40 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    dashes = _dashes(ring, (10, 8), closed=True)
    gaps = [np.hypot(*(after[0] - before[-1])) for before, after in pairwise([*dashes, dashes[0]])]
    assert len(dashes) == round(2 * np.pi * 40 / 18)
    assert max(gaps) - min(gaps) < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (60, 81)])
def test_a_picture_is_read_back_as_it_was_packed(shape):
    pixels = np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8)
    with Image.open(io.BytesIO(png(Image.fromarray(pixels)))) as read:
        assert (read.format, read.mode, read.info) == ("PNG", "RGB", {})
        assert np.array_equal(np.asarray(read), pixels)
