"""Bad input: always one clear sentence, a status that is not 0, and nothing half-written. No traceback, ever."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command_line import mvd
from PIL import Image
from small_study import PROTOCOL, ROWS, UM_PER_PX, copy_of, write_area, write_manifest, write_section

from mvd.store import SpecimenRow, read_table

PRE, POST = ROWS
SCALE = ("--um-per-px", str(UM_PER_PX))
RNG = np.random.default_rng(34)


@pytest.fixture(scope="session")
def section(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_section(tmp_path_factory.mktemp("section") / "good.ome.tif")


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    return copy_of(measured_study, tmp_path)


def one_sentence(error: str, *words: str) -> None:
    """One line that begins as it should, holds the words, ends without a full stop, and is no traceback."""
    assert error.endswith("\n")
    (line,) = error.splitlines()
    assert line.startswith("mvd: ")
    assert not line.endswith(".")
    for word in words:
        assert word in line
    for leak in ("Traceback", "Error(", 'File "'):
        assert leak not in line


def no_file(_: Path, path: Path) -> None:
    pass


def a_folder(_: Path, path: Path) -> None:
    path.mkdir()


def text(_: Path, path: Path) -> None:
    path.write_text("specimen,patient,timepoint,image\n")


def empty(_: Path, path: Path) -> None:
    path.touch()


def cut_short(section: Path, path: Path) -> None:
    whole = path.with_name("whole" + path.suffix)
    Image.fromarray(pixels(section)).save(whole)
    data = whole.read_bytes()
    whole.unlink()
    path.write_bytes(data[: len(data) * 2 // 3])


def cut_short_pyramid(section: Path, path: Path) -> None:
    data = section.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def pixels(section: Path) -> np.ndarray:
    return np.asarray(tifffile.imread(section, level=0))


def picture(make: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path, Path], None]:
    return lambda section, path: Image.fromarray(make(pixels(section)).astype(np.uint8)).save(path)


def grey(rgb: np.ndarray) -> np.ndarray:
    return rgb @ [0.299, 0.587, 0.114]


def full(*colour: float) -> Callable[[Path, Path], None]:
    return picture(lambda rgb: np.full(rgb.shape, colour))


IMAGES: dict[str, tuple[str, Callable[[Path, Path], None], tuple[str, ...]]] = {
    "no such file": ("a.png", no_file, ("a.png", "does not exist")),
    "a folder": ("a.png", a_folder, ("a.png is a folder",)),
    "not an image": ("a.tif", text, ("a.tif is not an image", "it reads PNG")),
    "an empty file": ("a.png", empty, ("a.png is empty",)),
    "a PNG cut short": ("a.png", cut_short, ("a.png is cut short",)),
    "a JPEG cut short": ("a.jpg", cut_short, ("a.jpg is cut short",)),
    "a TIFF cut short": ("a.tif", cut_short, ("a.tif",)),
    "a pyramid cut short": ("a.ome.tif", cut_short_pyramid, ("a.ome.tif is cut short", "copy it again")),
    "one pixel": ("a.png", picture(lambda rgb: rgb[:1, :1]), ("a.png is 1 × 1 pixels, too small",)),
    "all white": ("a.png", full(255, 255, 255), ("a.png: no tissue",)),
    "all black": ("a.png", full(0, 0, 0), ("a.png: no tissue",)),
    "all grey": ("a.png", full(128, 128, 128), ("a.png: no tissue",)),
    "empty glass": ("a.png", picture(lambda rgb: 243 + RNG.integers(-2, 3, rgb.shape)), ("a.png: no tissue",)),
    "noise": ("a.png", picture(lambda rgb: RNG.integers(0, 256, rgb.shape)), ("a.png: no tissue",)),
    "wholly transparent": ("a.png", picture(lambda rgb: np.dstack([rgb, 0 * rgb[..., 0]])), ("a.png: no tissue",)),
    "greyscale": ("a.png", picture(grey), ("a.png is greyscale", "must be in colour")),
    "grey in three channels": ("a.png", picture(lambda rgb: np.dstack([grey(rgb)] * 3)), ("a.png", "no colour")),
}


@pytest.mark.parametrize(("name", "make", "words"), IMAGES.values(), ids=IMAGES.keys())
def test_a_bad_image_is_one_sentence_and_no_result(
    section: Path, tmp_path: Path, name: str, make: Callable[[Path, Path], None], words: tuple[str, ...]
) -> None:
    make(section, tmp_path / name)
    outcome = mvd("find", tmp_path / name, "--out", tmp_path / "out", *SCALE)
    assert (outcome.status, outcome.out) == (1, "")
    one_sentence(outcome.err, *words)
    assert not (tmp_path / "out").exists()


def test_in_a_study_bad_images_are_rows_and_the_others_run_on(study: Path, section: Path) -> None:
    rows = [PRE]
    for number, (name, make, _) in enumerate(IMAGES.values()):
        file = f"{number}_{name}"
        make(section, study / file)
        rows.append({**PRE, "specimen": f"s{number}", "patient": f"s{number}", "image": file, "um_per_px": "0.5"})
    write_manifest(study, *rows, {**POST, "specimen": "last"})
    (study / "last.ome.tif").symlink_to(study / "p1_post.ome.tif")
    outcome = mvd("run", study, "--quiet")
    assert (outcome.status, outcome.out) == (3, "")
    for line, expected in zip(outcome.err.splitlines(), [r["specimen"] for r in by_run(rows[1:])], strict=True):
        one_sentence(line + "\n", f"mvd: {expected}: failed: ")
    table = {row.specimen: row for row in read_table(SpecimenRow, study / "results" / "specimens.csv") or ()}
    assert table["p1_pre"].status == table["last"].status == "measured"
    assert [table[f"s{number}"].status for number in range(len(IMAGES))] == ["failed"] * len(IMAGES)
    for number, (name, _, words) in enumerate(IMAGES.values()):
        row = table[f"s{number}"]
        assert row.mvd_per_mm2 is None
        if words[0].startswith(f"{name}:"):
            assert words[0].removeprefix(name) in row.reason


def by_run(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Rows that the manifest already finds wrong (no such file) come last."""
    lost = [row for row in rows if row["image"] in ("0_a.png", "1_a.png")]
    return [row for row in rows if row not in lost] + lost


@pytest.mark.parametrize("given", ["0", "-0.5", "50", "nan", "inf", "1e-9"])
def test_an_absurd_pixel_size_is_refused(section: Path, tmp_path: Path, given: str) -> None:
    Image.fromarray(pixels(section)).save(tmp_path / "a.png")
    outcome = mvd("find", tmp_path / "a.png", "--out", tmp_path / "out", "--um-per-px", given)
    assert (outcome.status, outcome.out) == (1, "")
    one_sentence(outcome.err, "a.png", "--um-per-px", "give a number between 0.05 and 5")
    assert not (tmp_path / "out").exists()


def test_no_pixel_size_is_refused(section: Path, tmp_path: Path) -> None:
    Image.fromarray(pixels(section)).save(tmp_path / "a.png")
    outcome = mvd("find", tmp_path / "a.png", "--out", tmp_path / "out")
    assert outcome.status == 1
    one_sentence(outcome.err, "a.png has no pixel size", "--um-per-px")


def test_a_pixel_size_that_contradicts_the_file_is_refused(section: Path, tmp_path: Path) -> None:
    outcome = mvd("find", section, "--out", tmp_path / "out", "--um-per-px", "0.25")
    assert outcome.status == 1
    one_sentence(outcome.err, "says 0.25 µm", "the file says 0.5")


def test_an_out_folder_that_cannot_be_one_is_refused_before_anything_is_measured(
    section: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvd.pipeline.find", None)
    (tmp_path / "file").touch()
    outcome = mvd("find", section, "--out", tmp_path / "file" / "deeper")
    assert outcome.status == 1
    one_sentence(outcome.err, "cannot be written", "a file stands where a folder is needed")


BOW_TIE = ((20, 20), (400, 400), (400, 20), (20, 400))
AREAS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "misses the slide": (lambda path: write_area(path, (900, 900), (990, 900), (990, 990)), ("misses the slide",)),
    "crosses itself": (lambda path: write_area(path, *BOW_TIE), ("area.geojson", "polygon 1", "210 210")),
    "is no GeoJSON": (lambda path: path.write_text("{"), ("area.geojson",)),
    "is not UTF-8": (
        lambda path: path.write_bytes(b"\xff\xfe{"),
        ("area.geojson is not UTF-8 text", "export it again"),
    ),
    "holds no polygon": (
        lambda path: path.write_text('{"type": "FeatureCollection", "features": []}'),
        ("area.geojson holds no polygon annotation", "QuPath"),
    ),
}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(("make", "words"), AREAS.values(), ids=AREAS.keys())
def test_a_bad_involved_area_costs_its_specimen_only(
    study: Path, make: Callable[[Path], object], words: tuple[str, ...], command: str
) -> None:
    make(study / "area.geojson")
    write_manifest(study, PRE, {**POST, "involved": "area.geojson"})
    outcome = mvd("run", study, "--quiet") if command == "run" else mvd("check", study)
    assert (outcome.status, outcome.out) == ({"run": 3, "check": 1}[command], "")
    one_sentence(outcome.err, "p1_post", *words)
    if command == "run":
        rows = read_table(SpecimenRow, study / "results" / "specimens.csv") or ()
        assert [row.status for row in rows] == ["measured", "failed"]


def manifest(content: str) -> Callable[[Path], object]:
    return lambda study: (study / "specimens.csv").write_text(content, encoding="utf-8")


def protocol(old: str, new: str) -> Callable[[Path], object]:
    def change(study: Path) -> None:
        before = PROTOCOL.to_toml()
        assert old in before
        (study / "study.toml").write_text(before.replace(old, new), encoding="utf-8")

    return change


HEADER = "specimen,patient,timepoint,image\n"
STOPS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "no protocol": (lambda study: (study / "study.toml").unlink(), ("study.toml does not exist", "mvd init")),
    "no manifest": (lambda study: (study / "specimens.csv").unlink(), ("specimens.csv does not exist", "mvd init")),
    "an empty manifest": (manifest(""), ("specimens.csv is empty",)),
    "no rows": (manifest(HEADER), ("no rows",)),
    "a column is missing": (manifest("specimen,patient,image\na,b,c\n"), ("lacks the column 'timepoint'",)),
    "a column is there twice": (
        manifest("specimen,patient,timepoint,image,image\na,b,pre,c,c\n"),
        ("'image' more than once",),
    ),
    "an unknown column": (manifest(HEADER.strip() + ",mpp\na,b,pre,c,1\n"), ("unknown column 'mpp'",)),
    "an unknown key": (
        protocol("side_um = 70.0", "side_mm = 0.07"),
        ("study.toml: unknown key 'fields.side_mm'", "did you mean 'side_um'"),
    ),
    "a wrong unit": (protocol("side_um = 70.0", "side_um = 0.07"), ("study.toml: 'fields.side_um' is 0.07", "20")),
    "a negative number": (protocol("number = 3", "number = -3"), ("study.toml: 'fields.number' is -3",)),
    "not a number": (protocol("number = 3", "number = nan"), ("study.toml: 'fields.number' is nan",)),
    "no TOML": (protocol("[fields]", "[fields"), ("study.toml is not valid TOML",)),
    "a protocol that is not UTF-8": (lambda s: (s / "study.toml").write_bytes(b"title = '\xfc'"), ("not UTF-8",)),
}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(("make", "words"), STOPS.values(), ids=STOPS.keys())
def test_a_bad_study_stops_with_one_sentence_and_writes_nothing(
    study: Path, make: Callable[[Path], object], words: tuple[str, ...], command: str
) -> None:
    make(study)
    outcome = mvd(command, study, *(("--out", study / "new") if command == "run" else ()))
    assert (outcome.status, outcome.out) == (1, "")
    one_sentence(outcome.err, *words)
    assert not (study / "new").exists()


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_folder_that_is_no_study_is_one_sentence(tmp_path: Path, command: str) -> None:
    outcome = mvd(command, tmp_path / "nowhere")
    assert outcome.status == 1
    one_sentence(outcome.err, "nowhere does not exist", "mvd init")
    assert not (tmp_path / "nowhere").exists()


ROW_FAULTS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "the name is taken": ({"specimen": "P1_pre", "patient": "p2"}, ("is taken by row 2",)),
    "an unknown timepoint": ({"timepoint": "6mo"}, ("timepoint '6mo' is not in study.toml", "pre, post")),
    "a missing file": ({"image": "gone.tif"}, ("'gone.tif' does not exist",)),
    "a path out of the study": ({"image": "../../gone.tif"}, ("leaves the study folder",)),
    "an absurd pixel size": ({"um_per_px": "50"}, ("um_per_px '50'", "between 0.05 and 5")),
    "a pixel size with its unit": ({"um_per_px": "0.5 µm"}, ("um_per_px '0.5 µm'",)),
    "a name that is a path": ({"specimen": "../p1_post"}, ("cannot be a file name",)),
}


@pytest.mark.parametrize(("cells", "words"), ROW_FAULTS.values(), ids=ROW_FAULTS.keys())
def test_a_bad_row_costs_its_specimen_only(study: Path, cells: dict[str, str], words: tuple[str, ...]) -> None:
    write_manifest(study, PRE, {**POST, **cells})
    checked, outcome = mvd("check", study), mvd("run", study, "--quiet")
    assert (checked.status, checked.out, outcome.status, outcome.out) == (1, "", 3, "")
    for error in (checked.err, outcome.err):
        one_sentence(error, "row 3", "specimens.csv", *words)
    rows = read_table(SpecimenRow, study / "results" / "specimens.csv") or ()
    assert [row.specimen for row in rows if row.status == "measured"] == ["p1_pre"]
    assert not (study.parent / "p1_post.json").exists()


def warned(image: Path, out: Path) -> None:
    outcome = mvd("find", image, "--out", out, *SCALE)
    assert outcome.status == 0
    assert "this does not look like a vessel stain, and the count means little" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["testImage.jpg", "testImage2.jpg"])
def test_an_epithelial_stain_is_doubted(shared_data: Path, tmp_path: Path, name: str) -> None:
    warned(shared_data / "ck_negative" / name, tmp_path)


def test_a_gland_section_is_doubted(tmp_path: Path) -> None:
    from skimage import data  # noqa: PLC0415

    Image.fromarray(data.immunohistochemistry()).save(tmp_path / "ihc.png")
    warned(tmp_path / "ihc.png", tmp_path / "out")
