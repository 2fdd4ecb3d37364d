"""The command line: what each command does, what it says, and how it ends."""

import json
import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest
from command_line import mvd
from small_study import ROWS, contents, copy_of, square, write_manifest, write_section

from mvd.cli.app import Difficulty
from mvd.geometry import Calibration
from mvd.manifest import read_manifest
from mvd.phantom import spec
from mvd.protocol import Protocol
from mvd.rules import rule_names
from mvd.store import VesselRow, read_result, read_table, read_vessels
from mvd.store.lock import locked

PRE, POST = ROWS
COMMAND = [sys.executable, "-c", "import sys; from mvd.cli import main; sys.exit(main())"]


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    return copy_of(measured_study, tmp_path)


@pytest.fixture(scope="session")
def section(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_section(tmp_path_factory.mktemp("images") / "a section.ome.tif")


def test_help_names_every_command_and_comes_at_once() -> None:
    begin = time.perf_counter()
    done = subprocess.run([*COMMAND, "--help"], check=True, capture_output=True, text=True, encoding="utf-8")
    assert time.perf_counter() - begin < 2  # 0.15 s on an idle machine
    assert all(f"\n  {name} " in done.stdout for name in ("init", "info", "check", "find", "run", "phantom"))


def test_version_is_the_packages() -> None:
    import mvd as package  # noqa: PLC0415

    assert mvd("--version").out == f"mvd {package.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["run"], ["find", "a.tif"], ["run", "x", "--nonsense"], ["info", "a.tif", "--um-per-px", "small"]],
    ids=" ".join,
)
def test_what_is_not_understood_ends_with_status_2(arguments: list[str]) -> None:
    outcome = mvd(*arguments)
    assert outcome.status == 2
    assert "Usage:" in outcome.err


def test_difficulties_are_the_phantoms() -> None:
    assert get_args(Difficulty) == get_args(spec.Difficulty)


def test_init_writes_a_study_that_reads_back_and_never_overwrites(tmp_path: Path) -> None:
    study = tmp_path / "new" / "study"
    assert mvd("init", study).status == 0
    assert Protocol.from_toml((study / "study.toml").read_text(encoding="utf-8")) == Protocol()
    before = contents(study)
    again = mvd("init", study)
    assert (again.status, again.out) == (1, "")
    assert "exists already" in again.err
    assert contents(study) == before


@pytest.mark.parametrize("rule", rule_names())
def test_init_begins_with_the_rule_asked_for(tmp_path: Path, rule: str) -> None:
    assert mvd("init", tmp_path / "new", "--rule", rule).status == 0
    text = (tmp_path / "new" / "study.toml").read_text(encoding="utf-8")
    assert text.startswith(f"# {rule}: ")
    assert Protocol.from_toml(text) == Protocol.of_rule(rule)


def test_an_unknown_rule_is_told_with_those_there_are_and_nothing_is_written(tmp_path: Path) -> None:
    outcome = mvd("init", tmp_path / "new", "--rule", "lumens")
    assert (outcome.status, outcome.out) == (1, "")
    assert "did you mean 'lumen'?" in outcome.err
    assert ", ".join(rule_names()) in outcome.err
    assert not (tmp_path / "new").exists()
    shown = mvd("init", "--help").out
    assert all(name in shown for name in rule_names())


def test_check_of_a_fresh_study_asks_for_rows(tmp_path: Path) -> None:
    mvd("init", tmp_path)
    outcome = mvd("check", tmp_path)
    assert outcome.status == 1
    assert "add one row for each specimen" in outcome.err


def test_check_is_content_with_a_good_study_and_writes_nothing(study: Path) -> None:
    before = contents(study)
    outcome = mvd("check", study)
    assert (outcome.status, outcome.err) == (0, "")
    assert "2 specimens" in outcome.out
    assert contents(study) == before


def test_check_tells_everything_at_once(study: Path) -> None:
    (study / "notes.txt").write_text("no image")
    square(study / "far.geojson", 1).write_text("{}")
    write_manifest(
        study,
        {**PRE, "timepoint": "never"},
        {**PRE, "specimen": "b", "patient": "b", "image": "notes.txt"},
        {**PRE, "specimen": "c", "patient": "c", "um_per_px": "0.25"},
        {**PRE, "specimen": "d", "patient": "d", "involved": "far.geojson"},
        {**PRE, "specimen": "e", "patient": "e", "um_per_px": "50"},
    )
    outcome = mvd("check", study)
    lines = outcome.err.splitlines()
    assert outcome.status == 1
    assert len(lines) == 6
    for word in (
        "d: names the same image as c",
        "row 2 (p1_pre): timepoint 'never'",
        "row 6 (e): um_per_px '50'",
        "b: notes.txt",
        "c: p1_pre",
        "d: far.",
    ):
        assert sum(word in line for line in lines) == 1, word


def test_find_leaves_the_results_of_others_alone(section: Path, measured_study: Path, tmp_path: Path) -> None:
    results = shutil.copytree(measured_study / "results", tmp_path / "results")
    before = contents(results)
    outcome = mvd("find", section, "--out", results)
    assert outcome.status == 1
    assert "holds the results of a study" in outcome.err
    assert contents(results) == before
    (tmp_path / "found").mkdir()
    table = tmp_path / "found" / "vessels.csv"
    table.write_text("".join((results / "vessels.csv").read_text().splitlines(keepends=True)[:2]))
    outcome = mvd("find", section, "--out", tmp_path / "found")
    assert outcome.status == 1
    assert "holds the vessels of" in outcome.err


def test_info_shows_size_levels_pixel_size_and_stains(section: Path) -> None:
    outcome = mvd("info", section)
    assert (outcome.status, outcome.err) == (0, "")
    for words in ("480 × 480 pixels", "level 0", "0.5 × 0.5 µm (file: OME PhysicalSize)", "haematoxylin", "DAB"):
        assert words in outcome.out


def test_info_without_a_pixel_size_shows_the_rest_and_says_so(tmp_path: Path, section: Path) -> None:
    image = plain(section, tmp_path / "plain.png")
    outcome = mvd("info", image)
    assert outcome.status == 0
    assert "480 × 480 pixels" in outcome.out
    assert "missing: plain.png has no pixel size" in outcome.out
    assert "haematoxylin" in mvd("info", image, "--um-per-px", "0.5").out


def plain(section: Path, path: Path) -> Path:
    """The same picture without a pixel size."""
    import tifffile  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    Image.fromarray(tifffile.imread(section, level=0)).save(path)
    return path


def test_find_writes_table_geojson_result_and_picture(section: Path, tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    outcome = mvd("find", section, "--out", out)
    assert (outcome.status, outcome.err) == (0, "")
    assert set(contents(out)) == {
        "vessels.csv",
        "a section.geojson",
        "a section.json",
        "a section.overview.png",
    }
    rows = read_table(VesselRow, out / "vessels.csv") or ()
    result = read_result(out, "a section")
    assert result is not None
    calibration = Calibration(0.5, 0.5, "file", "")
    vessels = read_vessels((out / "a section.geojson").read_text(encoding="utf-8"), calibration)
    counted = sum(row.counted for row in rows)
    assert len(rows) == len(vessels) == result["vessels"]["found"]
    assert counted == sum(vessel.accepted for vessel in vessels) == result["vessels"]["accepted"] > 0
    assert f"vessels      {counted}\n" in outcome.out
    assert "marrow       0.05" in outcome.out
    assert str(out / "vessels.csv") in outcome.out


def test_find_takes_pixel_size_and_rule_as_given(section: Path, tmp_path: Path) -> None:
    image = plain(section, tmp_path / "plain.png")
    (tmp_path / "study.toml").write_text("[rule]\nname = 'ours'\nlumen_required = true\n")
    arguments = ("find", image, "--out", tmp_path / "out", "--um-per-px", "0.5")
    assert mvd(*arguments, "--protocol", tmp_path / "study.toml").status == 0
    result = read_result(tmp_path / "out", "plain") or {}
    assert result["calibration"] == {
        "um_per_px_x": 0.5,
        "um_per_px_y": 0.5,
        "source": "user",
        "detail": "--um-per-px",
    }
    assert result["protocol"]["rule"]["name"] == "ours"
    assert "no lumen" in result["vessels"]["rejected"]


def test_run_shows_specimens_changes_and_where_the_results_are(study: Path) -> None:
    outcome = mvd("run", study)
    assert outcome.status == 0
    assert outcome.err.splitlines() == ["1/2 p1_pre: measured (stands)", "2/2 p1_post: measured (stands)"]
    for words in ("counts", "95% interval", "p1_pre", "measured", "difference", f"Results: {study}/results"):
        assert words in outcome.out
    assert "Rule kini; 3 fields of 70 µm, systematic\n" in outcome.out
    assert "No involved area drawn, whole marrow measured: p1_pre, p1_post\n" in outcome.out
    assert "\x1b" not in outcome.out + outcome.err


def test_quiet_says_only_what_went_wrong(study: Path) -> None:
    outcome = mvd("run", study, "--quiet")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")
    write_manifest(study, PRE, {**POST, "image": "gone.tif"})
    outcome = mvd("run", study, "--quiet")
    assert (outcome.status, outcome.out) == (3, "")
    assert outcome.err.startswith("mvd: p1_post: failed: ")
    assert len(outcome.err.splitlines()) == 1


def test_json_is_a_line_for_each_specimen_and_one_at_the_end(study: Path) -> None:
    write_manifest(study, PRE, {**POST, "image": "gone.tif"})
    outcome = mvd("run", study, "--json")
    assert outcome.status == 3
    first, second, end = (json.loads(line) for line in outcome.out.splitlines())
    stored = json.loads((study / "results" / "p1_pre.json").read_text(encoding="utf-8"))["tables"]["specimen"]
    assert first == {"event": "specimen", "fresh": False, **stored}
    assert (second["specimen"], second["status"], second["mvd_per_mm2"]) == ("p1_post", "failed", None)
    assert end == {
        "event": "end", "specimens": 2, "without_mvd": 1, "results": str(study / "results"), "status": 3,
    }  # fmt: skip
    assert "mvd: p1_post: failed: " in outcome.err


@pytest.mark.parametrize(
    "options",
    [("--workers", "2", "--scheduler", "tcp://127.0.0.1:9"), ("--workers", "0"), ("--patience", "0")],
    ids=["both kinds of workers", "no worker", "no patience"],
)
def test_options_that_make_no_sense_end_with_status_2(study: Path, options: tuple[str, ...]) -> None:
    before = contents(study)
    assert mvd("run", study, *options).status == 2
    assert contents(study) == before


def test_a_specimen_without_mvd_ends_the_run_with_status_3(study: Path) -> None:
    write_manifest(study, PRE, {**POST, "involved": square(study / "area.geojson", 60).name})
    outcome = mvd("run", study)
    assert outcome.status == 3
    assert "mvd: p1_post: no fields: 0 of 3 fields" in outcome.err
    assert "p1_post: no fields; " not in outcome.out
    assert "p1_post: no fields" in outcome.out  # why there is no pair


def test_a_second_run_beside_the_first_stops_with_one_sentence(study: Path) -> None:
    with locked(study / "results"):
        outcome = mvd("run", study)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("mvd: another mvd is at work")


def test_names_that_look_like_markup_are_shown_as_they_are(study: Path) -> None:
    (study / "p1_pre.ome.tif").rename(study / "[red]x[-].ome.tif")
    write_manifest(study, {**PRE, "patient": "[bold]p1[/]\x1b[31m", "image": "[red]x[-].ome.tif"}, POST)
    outcome = mvd("run", study)
    assert outcome.status == 0
    assert "[bold]p1[/]\N{REPLACEMENT CHARACTER}[31m" in outcome.out
    assert "\x1b" not in outcome.out
    shown = mvd("info", study / "[red]x[-].ome.tif")
    assert "[red]x[-].ome.tif" in shown.out


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals on Windows")
def test_on_a_terminal_bars_show_and_are_wiped_out(study: Path) -> None:
    inside, outside = pty.openpty()
    done = subprocess.Popen([*COMMAND, "run", str(study)], stdout=outside, stderr=outside, close_fds=True)
    os.close(outside)
    shown = b""
    while done.poll() is None or not shown.endswith(b"results\r\n"):
        try:
            shown += os.read(inside, 4096)
        except OSError:  # the other side has closed
            break
    os.close(inside)
    assert done.wait() == 0
    assert b"specimens" in shown
    assert b"2/2" in shown
    assert b"\x1b[2K" in shown


@pytest.mark.slow
def test_phantom_makes_a_study_that_passes_check(tmp_path: Path) -> None:
    outcome = mvd("phantom", tmp_path / "new", "--number", "1", "--um-per-px", "2", "--difficulty", "easy")
    assert outcome.status == 0
    assert mvd("check", tmp_path / "new").status == 0
    protocol = Protocol.from_toml((tmp_path / "new" / "study.toml").read_text(encoding="utf-8"))
    assert len(read_manifest(tmp_path / "new", protocol).specimens) == 1
    again = mvd("phantom", tmp_path / "new", "--number", "1")
    assert again.status == 1
    assert "exists already" in again.err


def test_a_narrow_character_set_spoils_characters_and_nothing_else(study: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([*COMMAND, "run", str(study)], check=False, capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert b"MVD/mm?" in done.stdout
