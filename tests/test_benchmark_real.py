"""The benchmark of real pixels: what it calls right, missed and false, on pictures made here."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import mvd
from mvd.agreement import Detection
from mvd.geometry import Rect
from mvd.models import chosen_score, read_score, shipped_score
from mvd.phantom import PhantomSpec, make_phantom

SCRIPTS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def script():
    """The benchmarks' modules by name, as a script beside them imports them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield importlib.import_module
    for name in [path.stem for path in SCRIPTS.glob("*.py")]:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def book(script) -> ModuleType:
    return script("real_pixels_tally")


VESSEL = Rect(100, 100, 130, 120)
"""A reference box, 30 × 20 µm."""
FAR = Rect(300, 300, 310, 310)


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        ([], "not found"),
        ([(FAR, "haze")], "not found"),
        ([(VESSEL, "single cell")], "single cell"),
        (
            [(Rect(102, 102, 128, 118), "pigment"), (Rect(100, 100, 108, 108), "haze")],
            "pigment",
        ),  # the whole, not a piece
        ([(Rect(102, 102, 128, 118), "pigment"), (Rect(100, 100, 108, 108), None)], "pigment"),
        ([(Rect(100, 100, 106, 106), "too small")], "too small"),  # a piece of it, and nothing else is there
        ([(Rect(100, 100, 106, 106), None)], "found only in part"),
        ([(Rect(100, 100, 106, 106), None), (Rect(124, 114, 130, 120), "haze")], "found only in part"),
    ],
)
def test_a_missed_vessel_is_told_by_what_was_there(book, objects, why):
    found = [book.Object(box, reason) for box, reason in objects]
    result = book.tally(found, [book.Known(VESSEL, "vessel")])
    assert result.detection.missed == 1
    assert dict(result.misses) == {why: 1}


def test_of_two_vessels_counted_as_one_the_other_is_merged(book):
    neighbour = Rect(100, 122, 130, 142)
    both = book.Object(Rect(100, 100, 130, 142))
    result = book.tally([both], [book.Known(VESSEL, "vessel"), book.Known(neighbour, "vessel")])
    assert result.detection == Detection(1, 0, 1)
    assert dict(result.misses) == {"merged with a neighbour": 1}


def test_every_vessel_of_a_refused_picture_is_missed(book):
    known = [book.Known(VESSEL, "vessel"), book.Known(FAR, "ambiguous")]
    result = book.refused(known)
    assert result.detection == Detection(0, 0, 1)
    assert result.detection.f1 == 0
    assert dict(result.misses) == {"picture refused": 1}


@pytest.mark.parametrize(
    ("known", "what"),
    [
        ([], "nothing there"),
        ([(Rect(240, 240, 250, 250), "decoy cell")], "nothing there"),
        ([(Rect(198, 198, 212, 212), "decoy cell")], "decoy cell"),
        ([(Rect(198, 198, 212, 212), "decoy clump"), (Rect(190, 190, 260, 260), "vessel")], "decoy clump"),
        ([(Rect(150, 150, 260, 260), "large")], "on a large vessel"),
        ([(Rect(198, 198, 212, 212), "large")], "on a large vessel"),  # also when it is found just as it lies there
        ([(Rect(150, 150, 300, 300), "ambiguous")], "piece of a doubtful vessel"),
        ([(Rect(150, 150, 300, 300), "vessel")], "on a vessel, too unlike its box"),
    ],
)
def test_a_false_count_is_told_by_what_it_lies_on(book, known, what):
    found = [book.Object(Rect(200, 200, 210, 210))]
    result = book.tally(found, [book.Known(box, kind) for box, kind in known])
    assert result.detection.extra == 1
    assert dict(result.false) == {what: 1}


def test_a_second_find_on_a_vessel_is_a_piece_of_it(book):
    found = [book.Object(VESSEL), book.Object(Rect(101, 101, 106, 106))]
    result = book.tally(found, [book.Known(VESSEL, "vessel")])
    assert result.detection == Detection(1, 1, 0)
    assert dict(result.false) == {"piece of a vessel that was matched": 1}


def test_what_lies_on_a_doubtful_box_is_neither_right_nor_wrong(book):
    result = book.tally([book.Object(FAR, ambiguous=True)], [book.Known(FAR, "ambiguous")])
    assert result.detection == Detection(0, 0, 0)
    assert (result.counted, result.marked, result.marked_false) == (1, 1, 0)
    assert not result.false


def test_boxes_are_grown_by_two_um_for_the_program_and_for_the_threshold(book):
    beside = Rect(100, 103, 110, 106)  # its centre is 1.5 µm outside the other's box, and the other's outside this
    known = [book.Known(Rect(100, 100, 110, 103), "vessel")]
    assert book.tally([book.Object(beside)], known).detection == Detection(1, 0, 0)
    assert book.detected([beside], known) == Detection(1, 0, 0)


def test_false_counts_that_are_marked_are_told_apart_from_right_ones(book):
    found = [book.Object(VESSEL, ambiguous=True), book.Object(FAR, ambiguous=True), book.Object(Rect(0, 0, 9, 9))]
    result = book.tally(found, [book.Known(VESSEL, "vessel")])
    assert (result.counted, result.marked, result.marked_false) == (3, 2, 1)


def test_tallies_of_pictures_add_up(book):
    one = book.tally([book.Object(FAR, ambiguous=True)], [book.Known(VESSEL, "vessel")])
    both = one + book.refused([book.Known(VESSEL, "vessel")])
    assert both.detection == Detection(0, 1, 2)
    assert dict(both.misses) == {"not found": 1, "picture refused": 1}
    assert dict(both.false) == {"nothing there": 1}
    assert (both.counted, both.marked, both.marked_false) == (1, 1, 1)


UM_PER_PX = 0.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder laid out as that of the real images; the pictures are empty glass."""
    shared = tmp_path_factory.mktemp("shared")
    for name in ("real", "composites", "negatives", "ck_negative"):
        (shared / name).mkdir()
    lines = [f"{name}.png,0,vessel,10,20,30,50" for name in ("colon", "tumour", "sarcoma")]
    (shared / "real" / "vessels.csv").write_text("\n".join(["image,id,kind,x0,y0,x1,y1", *lines]), encoding="utf-8")
    glass = np.full((500, 500, 3), 245, np.uint8)
    _composite(shared / "composites" / "02", glass, [Rect(10, 10, 20, 20)], count=True)
    _composite(shared / "composites" / "03", glass, [Rect(10, 10, 90, 90)], count=False)
    return shared


def _composite(stem: Path, pixels: np.ndarray, boxes: list[Rect], *, count: bool) -> None:
    Image.fromarray(pixels).save(stem.with_suffix(".png"))
    vessels = [{"x0": b.x0_um, "y0": b.y0_um, "x1": b.x1_um, "y1": b.y1_um, "count": count} for b in boxes]
    decoys = [{"x0": 200, "y0": 200, "x1": 208, "y1": 208, "kind": "cell"}]
    about = {"um_per_px": UM_PER_PX, "style": "colon", "vessels": vessels, "decoys": decoys}
    stem.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")


def test_boxes_of_real_pictures_are_turned_into_um_and_those_of_composites_are(script, folder):
    pictures = {picture.name: picture for picture in script("real_pixels_read").pictures_of(folder)}
    assert [(k.box, k.kind) for k in pictures["sarcoma"].known] == [(Rect(7, 14, 21, 35), "vessel")]
    assert [(k.box, k.kind) for k in pictures["03"].known] == [
        (Rect(10, 10, 90, 90), "large"),
        (Rect(200, 200, 208, 208), "decoy cell"),
    ]


@pytest.mark.slow
def test_a_picture_is_read_by_the_program_and_by_the_threshold(script, folder):
    read = script("real_pixels_read")
    section = make_phantom(PhantomSpec(seed=3, width_um=250, height_um=250, difficulty="easy", um_per_px=UM_PER_PX))
    _composite(folder / "composites" / "01", section.image.pixels, [v.bounds for v in section.vessels], count=True)
    pictures = {picture.name: picture for picture in read.pictures_of(folder)}
    reading = read.read(pictures["01"], mvd.Protocol())
    assert not reading.is_refused
    for found in (reading.program.detection, reading.naive):
        assert found.f1 > 0.5
        assert found.matched + found.missed == len(section.vessels)
    assert reading.by_hand[read.THRESHOLDS_OD.index(0.25)] == reading.naive
    assert reading.picture_mm2 == pytest.approx(0.0625, rel=0.01)
    assert 0 < reading.tissue_mm2 <= reading.picture_mm2
    assert read.count_after(pictures["01"], read.ORIENTATIONS[0], mvd.Protocol()) == reading.program.counted


def test_a_refused_picture_has_its_sentence_and_f1_0(script, folder):
    read = script("real_pixels_read")
    pictures = {picture.name: picture for picture in read.pictures_of(folder)}
    reading = read.read(pictures["02"], mvd.Protocol())
    assert reading.is_refused
    assert reading.program.detection == Detection(0, 0, 1)
    assert reading.said[0].startswith("no tissue")
    change = read.CHANGES[0]
    assert read.count_after(pictures["02"], change, mvd.Protocol()) is None


def test_each_picture_can_be_read_with_choices_made_without_its_laboratory(script, folder, monkeypatch):
    read = script("real_pixels_read")
    pictures = [picture for picture in read.pictures_of(folder) if picture.name in ("colon", "02")]
    without = {name: mvd.Protocol(title=f"without {name}") for name in ("colon", "composites")}
    monkeypatch.setattr(read, "protocol_without", without.__getitem__)
    protocols = read.protocols_of(pictures, leave_out=True)
    assert protocols == {"colon": without["colon"], "02": without["composites"]}
    assert read.left_out(pictures)
    assert list(read.protocols_of(pictures, leave_out=False).values()) == [mvd.Protocol()] * 2


def test_every_laboratory_that_was_learned_from_has_a_model_without_it(script):
    read = script("real_pixels_read")
    models = {name: read.protocol_without(name).score.model for name in (*read.STAINS, read.COMPOSITES)}
    assert models == {name: str(SCRIPTS / "left_out" / name) for name in models}
    found = {name: chosen_score(model, Path("elsewhere")) for name, model in models.items()}
    assert all(score.groups is not None for score in found.values())
    assert len({score.sha256 for score in found.values()} | {shipped_score().sha256}) == len(found) + 1


def test_pictures_without_vessels_are_read_by_the_default_protocol(script):
    assert script("real_pixels_read").protocol_without("negatives") == mvd.Protocol()


@pytest.mark.slow
def test_finding_uses_the_model_without_the_laboratory(script, tmp_path):
    section = make_phantom(PhantomSpec(seed=3, width_um=250, height_um=250, difficulty="easy", um_per_px=UM_PER_PX))
    Image.fromarray(section.image.pixels).save(tmp_path / "section.png")
    protocol = script("real_pixels_read").protocol_without("sarcoma")
    found = mvd.find(tmp_path / "section.png", um_per_px=UM_PER_PX, protocol=protocol)
    assert found.score.sha256 == read_score(SCRIPTS / "left_out" / "sarcoma").sha256
    assert any(vessel.accepted for vessel in found.vessels)


def test_eight_orientations_are_eight(script):
    read = script("real_pixels_read")
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert len({(change.pixels(pixels).shape, change.pixels(pixels).tobytes()) for change in read.ORIENTATIONS}) == 8
    assert np.array_equal(read.ORIENTATIONS[0].pixels(pixels), pixels)  # the page compares the changes with it


def test_the_best_threshold_is_one_for_all_pictures_that_are_judged_together(script, folder):
    read, page = script("real_pixels_read"), script("real_pixels_page")
    first, last = Detection(9, 0, 0), Detection(0, 0, 9)
    n = len(read.THRESHOLDS_OD)
    row = page.Row("", "", tuple(_reading(read, by_hand=each) for each in (
        (first, *[last] * (n - 2), Detection(6, 0, 3)), (*[last] * (n - 1), Detection(6, 0, 3)),
    )))  # fmt: skip
    assert row.by_hand == (read.THRESHOLDS_OD[-1], Detection(12, 0, 6))


def test_the_page_shows_refusals_changes_and_the_lowest_figure(script, folder):
    read, page = script("real_pixels_read"), script("real_pixels_page")
    known = Detection(1, 0, 0)
    readings = [
        _reading(read, name="colon", group="real", f1_of=known, naive=Detection(0, 0, 1)),
        _reading(read, name="01", f1_of=Detection(0, 0, 1), naive=known, said=("no tissue",), is_refused=True),
        _reading(read, name="brain", group="negatives", f1_of=Detection(0, 3, 0), naive=Detection(0, 5, 0), by_hand=()),
    ]
    counts = {("colon", change.name): 10 for change in read.ORIENTATIONS + read.CHANGES}
    counts["colon", read.ORIENTATIONS[3].name] = 12
    counts["colon", read.CHANGES[1].name] = 9
    counts["colon", read.CHANGES[2].name] = None
    text = page.page(readings, counts, left_out=False)
    for line in (
        "The lowest F1 is 0.00 (all composites).",
        "The naive threshold has a higher F1 than the program on: all composites, composites without decoys.",
        "| all composites (1 of 1) | refused: no tissue |",
        "Most false vessels without a warning: 3.0 per mm² (brain).",
        "| brain |  | 3 | 1.00 | 3.0 | 5 | nothing |",
        "| eight orientations | 10 to 12 (20 %) |",
        f"| {read.CHANGES[1].name} | −10 % (9) |",
        f"| {read.CHANGES[2].name} | refused |",
    ):
        assert line in text


def _reading(read, **given):
    """A reading with what a test does not care about filled in."""
    tally_of = sys.modules["real_pixels_tally"].Tally
    detection = given.pop("f1_of", Detection(1, 0, 0))
    picture = read.Picture(given.pop("name", ""), given.pop("group", "composites"), "", Path(), 1.0)
    fields = {"naive": detection, "by_hand": (detection,) * len(read.THRESHOLDS_OD), "said": (), "is_refused": False}
    tally = tally_of(detection, counted=detection.matched + detection.extra)
    return read.Reading(picture=picture, program=tally, picture_mm2=1.0, tissue_mm2=1.0, **(fields | given))


def test_without_the_real_images_one_sentence_says_so(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["real_pixels.py", "--shared", str(tmp_path), "--write", str(tmp_path / "page.md")]
    )
    script("real_pixels").main()
    assert capsys.readouterr().out == (
        f"Skipped: the real images are not here (no real, composites, negatives, ck_negative in {tmp_path}).\n"
    )
    assert not (tmp_path / "page.md").exists()


def test_each_benchmark_writes_its_own_part_of_the_page(script, tmp_path):
    parts, page = script("page_parts"), tmp_path / "accuracy.md"
    parts.write_part(page, parts.SIMULATED, "simulated, first")
    parts.write_part(page, parts.REAL_PIXELS, "real")
    parts.write_part(page, parts.SIMULATED, "simulated, again\n")
    text = page.read_text(encoding="utf-8")
    assert parts.part_of(text, parts.REAL_PIXELS) == "real"
    assert parts.part_of(text, parts.SIMULATED) == "simulated, again"
    assert text.index("real") < text.index("simulated, again")
    assert "first" not in text
    before = page.read_bytes()
    parts.write_part(page, parts.REAL_PIXELS, "real")
    assert page.read_bytes() == before


@pytest.mark.parametrize("text", ["# Another page\n", "# Accuracy\n\n<!-- begin: real pixels -->\ncut off\n"])
def test_a_page_that_would_be_lost_is_not_written(script, tmp_path, text):
    parts, page = script("page_parts"), tmp_path / "accuracy.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="the part"):
        parts.write_part(page, parts.SIMULATED, "simulated")
    assert page.read_text(encoding="utf-8") == text


def test_the_page_in_the_repository_can_be_written_in_parts(script):
    parts = script("page_parts")
    text = (SCRIPTS.parent / "docs" / "accuracy.md").read_text(encoding="utf-8")
    assert parts.part_of(text, parts.SIMULATED)
