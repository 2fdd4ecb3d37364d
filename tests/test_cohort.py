"""A study's run: everything is measured once, one specimen's fault is its own, and nothing finished is ever lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_study import PROTOCOL, ROWS, contents, copy_of, square, write_manifest, write_protocol, write_section

import mvd.measuring
from mvd.cohort import Watch, paired
from mvd.errors import ManifestError, SlideError, StoreError
from mvd.manifest import Specimen
from mvd.pipeline import SpecimenResult, count_specimen
from mvd.protocol import Protocol
from mvd.report import write_field_pictures, write_overview
from mvd.store import FieldRow, SpecimenRow, VesselRow, read_result, read_table, write_together
from mvd.store.lock import LOCK_FILE, locked
from mvd.study import is_measured, read_study, run_specimen, run_study

PRE, POST = ROWS


Memory = dict[Any, tuple[SpecimenResult, dict[str, bytes]]]


@pytest.fixture(scope="session")
def memory() -> Memory:
    return {}


@pytest.fixture(autouse=True)
def remembered(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured and drawn twice is remembered: these tests ask when it is done, not how."""

    def counted(specimen: Specimen, protocol: Protocol, **_: object) -> SpecimenResult:
        files = [path.read_bytes() for path in (specimen.image, specimen.involved) if path]
        key = (specimen.specimen, specimen.um_per_px, protocol.digest, *files)
        if key not in memory:
            result = count_specimen(specimen, protocol)
            with tempfile.TemporaryDirectory() as folder:
                write_field_pictures(result, Path(folder))
                write_overview(result, Path(folder))
                memory[key] = result, contents(Path(folder))
        return replace(memory[key][0], specimen=specimen)

    def pictures(result: SpecimenResult, folder: Path, *, overview: bool) -> tuple[Path, ...]:
        (drawn,) = (drawn for known, drawn in memory.values() if known.vessels is result.vessels)
        chosen = {folder / name: data for name, data in drawn.items() if name.endswith("overview.png") == overview}
        write_together(chosen)
        return tuple(chosen)

    monkeypatch.setattr("mvd.measuring.count_specimen", counted)
    monkeypatch.setattr("mvd.report.write_overview", lambda r, folder: pictures(r, folder, overview=True)[0])
    monkeypatch.setattr("mvd.report.write_field_pictures", lambda r, folder, **_: pictures(r, folder, overview=False))


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    return copy_of(measured_study, tmp_path)


def measured_now(study: Path, **options: Any) -> list[str]:
    """Names of the specimens that a run measures, not those whose results stand."""
    fresh: list[str] = []
    watch = Watch(ends=lambda row, now: fresh.append(row.specimen) if now else None)
    run_study(study, watch=watch, **options)
    return fresh


def test_a_run_leaves_results_tables_and_pictures(measured_study: Path) -> None:
    assert set(contents(measured_study / "results")) == {
        "specimens.csv",
        "fields.csv",
        "vessels.csv",
        "hotspots.csv",
        *(f"{name}.{ending}" for name in ("p1_pre", "p1_post") for ending in ("json", "geojson", "overview.png")),
        *(f"{name}/field_{number}.png" for name in ("p1_pre", "p1_post") for number in (1, 2, 3)),
    }


def test_the_tables_agree_with_each_other(measured_study: Path) -> None:
    results = measured_study / "results"
    specimens, fields, vessels = (
        read_table(kind, results / f"{name}.csv") or ()
        for kind, name in ((SpecimenRow, "specimens"), (FieldRow, "fields"), (VesselRow, "vessels"))
    )
    assert [row.specimen for row in specimens] == ["p1_pre", "p1_post"]
    for row in specimens:
        own = [field for field in fields if field.specimen == row.specimen]
        assert sum(field.count for field in own) == row.count > 0
        assert row.mvd_per_mm2 == pytest.approx(row.count / sum(field.evaluable_mm2 for field in own), rel=1e-5)
        assert row.ci_low < row.mvd_per_mm2 < row.ci_high
        assert sum(vessel.counted for vessel in vessels if vessel.specimen == row.specimen) == row.count


def test_every_number_traces_to_what_it_was_made_from(measured_study: Path) -> None:
    result = read_result(measured_study / "results", "p1_pre")
    assert result is not None
    assert result["protocol_digest"] == PROTOCOL.digest
    assert Protocol.model_validate(result["protocol"]) == PROTOCOL
    assert result["calibration"] | {"detail": ""} == {
        "um_per_px_x": 0.5,
        "um_per_px_y": 0.5,
        "source": "file",
        "detail": "",
    }
    assert len(result["slide"]["sha256"]) == 64
    assert result["images"] == [{"number": 1, "size_px": [480, 480], "is_apart": False, "measured": True}]
    assert result["slide"]["file"] == "p1_pre.ome.tif"
    assert result["stains"]["source"] == "slide"
    assert result["involved"] == {
        "source": "whole marrow",
        "file": None,
        "area_mm2": pytest.approx(0.0576, rel=0.1),
        "evaluable_mm2": pytest.approx(0.0576, rel=0.1),
        "classes": [],
        "cut_out": [],
        "lost_share": 0.0,
    }
    assert 4.0 < result["nucleus_um"] < 8.0
    assert result["mvd"]["per_mm2"] == result["tables"]["specimen"]["mvd_per_mm2"]
    assert {"version", "levels_od", "tissue", "hotspot_per_mm2", "warnings"} <= set(result)


def test_a_second_run_measures_nothing_and_changes_nothing(study: Path) -> None:
    before = contents(study / "results")
    rows = run_study(study)
    assert measured_now(study) == []
    assert contents(study / "results") == before
    assert [row.mvd_per_mm2 for row in rows] == [
        json.loads((study / "results" / f"{row.specimen}.json").read_text())["mvd"]["per_mm2"] for row in rows
    ]


@pytest.mark.slow
def test_again_measures_everything_and_finds_the_same(study: Path) -> None:
    before = contents(study / "results")
    assert measured_now(study, again=True) == ["p1_pre", "p1_post"]
    assert contents(study / "results") == before


def new_protocol(study: Path) -> None:
    write_protocol(study, PROTOCOL.model_copy(update={"fields": PROTOCOL.fields.model_copy(update={"seed": 2})}))


def new_row(study: Path, **cells: str) -> None:
    write_manifest(study, PRE, {**POST, **cells})


def damage(name: str, text: str = "{") -> Callable[[Path], None]:
    return lambda study: (study / "results" / name).write_text(text) and None


def edited_in_qupath(study: Path) -> None:
    path = study / "results" / "p1_post.geojson"
    path.write_text(path.read_text().replace('"isLocked":true', '"isLocked":false', 1))


CHANGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "nothing": (lambda study: None, []),
    "the title alone": (lambda s: write_protocol(s, PROTOCOL.model_copy(update={"title": "Other"})), []),
    "the protocol": (new_protocol, ["p1_pre", "p1_post"]),
    "the bytes of a slide": (lambda s: write_section(s / "p1_post.ome.tif", seed=3), ["p1_post"]),
    "the pixel size in the row": (lambda s: new_row(s, um_per_px="0.5"), ["p1_post"]),
    "the patient": (lambda s: new_row(s, patient="p2"), ["p1_post"]),
    "the response": (lambda s: new_row(s, response="", patient="p2"), ["p1_post"]),
    "an involved area": (
        lambda s: new_row(s, involved=square(s / "area.geojson", 430).name),
        ["p1_post"],
    ),
    "a picture is gone": (lambda s: (s / "results/p1_post/field_2.png").unlink(), ["p1_post"]),
    "the vessels' file is gone": (lambda s: (s / "results/p1_post.geojson").unlink(), ["p1_post"]),
    "the vessels' file was edited": (edited_in_qupath, ["p1_post"]),
    "the result is damaged": (damage("p1_post.json"), ["p1_post"]),
    "the result is no result": (damage("p1_post.json", '{"schema": 1, "specimen": "p1_post"}'), ["p1_post"]),
    "the tables are gone": (lambda s: (s / "results/vessels.csv").unlink(), []),
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_only_what_a_change_touches_is_measured_again(
    study: Path, change: Callable[[Path], object], expected: list[str]
) -> None:
    change(study)
    assert measured_now(study) == expected
    assert measured_now(study) == []
    assert (study / "results" / "vessels.csv").is_file()


def test_an_involved_area_that_was_redrawn_is_measured_again(study: Path) -> None:
    new_row(study, involved=square(study / "area.geojson", 430).name)
    run_study(study)
    square(study / "area.geojson", 440)
    assert measured_now(study) == ["p1_post"]


def test_another_version_of_the_program_measures_anew(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mvd.measuring, "program_version", lambda: "99")
    assert measured_now(study) == ["p1_pre", "p1_post"]


def test_a_specimen_that_left_the_manifest_leaves_the_tables_but_keeps_its_result(study: Path) -> None:
    write_manifest(study, POST)
    assert [row.specimen for row in run_study(study)] == ["p1_post"]
    assert [row.specimen for row in read_table(SpecimenRow, study / "results/specimens.csv") or ()] == ["p1_post"]
    assert (study / "results" / "p1_pre.json").is_file()


def test_one_specimens_fault_is_its_row_and_is_tried_again(study: Path) -> None:
    image = study / "p1_pre.ome.tif"
    good = image.read_bytes()
    image.write_bytes(good[:3000])
    pre, post = run_study(study)
    assert (pre.status, pre.mvd_per_mm2, post.status) == ("failed", None, "measured")
    assert "p1_pre.ome.tif" in pre.reason
    assert not list((study / "results").glob("p1_pre*.png")) + list((study / "results/p1_pre").glob("*"))
    assert not (study / "results" / "p1_pre.geojson").exists()
    assert measured_now(study) == ["p1_pre"]
    image.write_bytes(good)
    assert [row.status for row in run_study(study)] == ["measured", "measured"]


def failing(error: BaseException, name: str = "p1_post") -> Callable[..., SpecimenResult]:
    before = mvd.measuring.count_specimen

    def fail(specimen: Any, *rest: Any, **more: Any) -> SpecimenResult:
        if specimen.specimen == name:
            raise error
        return before(specimen, *rest, **more)

    return fail


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(SlideError("one\ntwo"), "one; two", id="a fault that a user can put right"),
        pytest.param(MemoryError(), "there is not enough memory", id="memory"),
        pytest.param(ZeroDivisionError("why"), "unexpected error, ZeroDivisionError: why", id="a fault of the program"),
    ],
)
def test_an_error_while_measuring_costs_one_specimen_only(
    study: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    monkeypatch.setattr(mvd.measuring, "count_specimen", failing(error, "p1_pre"))
    pre, post = run_study(study, again=True)
    assert (pre.status, post.status) == ("failed", "measured")
    assert pre.reason.startswith(sentence)
    result = read_result(study / "results", "p1_pre")
    assert ("trace" in (result or {})) == isinstance(error, ZeroDivisionError)


def test_an_error_while_drawing_costs_one_specimen_only(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(result: SpecimenResult, folder: Path, **_: object) -> tuple[Path, ...]:
        raise SlideError("gone") if result.specimen.specimen == "p1_pre" else ZeroDivisionError

    monkeypatch.setattr("mvd.report.write_field_pictures", fail)
    assert [row.status for row in run_study(study, again=True)] == ["failed", "failed"]


def test_a_full_disk_stops_the_run_and_keeps_what_is_finished(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(study / "results")
    (study / "results" / "p1_post.json").unlink()
    write = mvd.measuring.write_result

    def full(folder: Path, specimen: str, **rest: Any) -> None:
        if specimen == "p1_post":
            raise StoreError("the disk is full")
        write(folder, specimen, **rest)

    monkeypatch.setattr(mvd.measuring, "write_result", full)
    with pytest.raises(StoreError, match="disk is full"):
        run_study(study, again=True)
    monkeypatch.setattr(mvd.measuring, "write_result", write)
    assert [row.specimen for row in read_table(SpecimenRow, study / "results/specimens.csv") or ()] == ["p1_pre"]
    run_study(study)
    assert contents(study / "results") == before


def test_an_interrupted_run_keeps_what_is_finished_and_goes_on(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(study / "results")
    for path in (study / "results").glob("p1_post*.*"):
        path.unlink()
    counted = mvd.measuring.count_specimen
    monkeypatch.setattr(mvd.measuring, "count_specimen", failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run_study(study)
    assert [row.specimen for row in read_table(SpecimenRow, study / "results/specimens.csv") or ()] == ["p1_pre"]
    monkeypatch.setattr(mvd.measuring, "count_specimen", counted)
    assert measured_now(study) == ["p1_post"]
    assert contents(study / "results") == before


def test_a_run_broken_off_at_once_leaves_the_tables_as_they_were(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(study / "results")
    monkeypatch.setattr(mvd.measuring, "count_specimen", failing(KeyboardInterrupt(), "p1_pre"))
    with pytest.raises(KeyboardInterrupt):
        run_study(study, again=True)
    assert contents(study / "results") == before


KILLED = """
import os, signal, sys
from mvd.study import run_study
count, replace = 0, os.replace
def killing(*names):
    global count
    count += 1
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*names)
os.replace = killing
run_study(sys.argv[1])
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
@pytest.mark.slow
@pytest.mark.parametrize("file", [6, 9])
def test_a_run_that_was_killed_comes_to_the_same_results(measured_study: Path, study: Path, file: int) -> None:
    (study / "results").rename(study.parent / "old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(study), str(file)], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert list((study / "results").rglob("*.tmp"))
    run_study(study)
    assert contents(study / "results") == contents(measured_study / "results")


def test_two_runs_never_write_to_one_folder(study: Path) -> None:
    with locked(study / "results"), pytest.raises(StoreError, match=rf"another mvd.*process {os.getpid()}.*wait"):
        run_study(study)
    assert measured_now(study) == []


def test_the_lock_of_a_process_that_is_gone_holds_nobody_up(study: Path) -> None:
    (study / "results" / LOCK_FILE).write_text("1\n")
    assert measured_now(study) == []


def test_folders_that_lead_to_the_results_are_made(study: Path, tmp_path: Path) -> None:
    run_study(study, out=tmp_path / "a" / "b")
    assert contents(tmp_path / "a" / "b") == contents(study / "results")


def test_results_that_cannot_be_written_are_one_sentence(study: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file.*cannot be written: a file stands where a folder is needed"):
        run_study(study, out=tmp_path / "file")


def test_rows_that_cannot_be_used_are_reported_and_harm_no_result(study: Path) -> None:
    faults = (
        {**PRE, "patient": "p2"},  # a second row of this name
        {**PRE, "specimen": "a/b", "patient": "p3"},
        {**PRE, "specimen": "gone", "patient": "p4", "image": "gone.tif"},
        {**PRE, "specimen": "", "patient": "p5"},
    )
    write_manifest(study, PRE, POST, *faults)
    rows = run_study(study)
    assert [(row.specimen, row.patient, row.status) for row in rows] == [
        ("p1_pre", "p1", "measured"),
        ("p1_post", "p1", "measured"),
        ("p1_pre", "p2", "failed"),
        ("a/b", "p3", "failed"),
        ("gone", "p4", "failed"),
        ("", "p5", "failed"),
    ]
    table = read_table(SpecimenRow, study / "results/specimens.csv") or ()
    assert [(row.specimen, row.status) for row in table] == [
        ("p1_pre", "measured"),
        ("p1_post", "measured"),
        ("gone", "failed"),
    ]
    assert "row 6 of specimens.csv" in rows[4].reason
    assert "gone.tif" in rows[4].reason


@pytest.mark.parametrize(
    ("side_px", "status", "fields"),
    [
        pytest.param(440, "measured", 3, id="room for all"),
        pytest.param(160, "too few fields", 1, id="room for one"),
        pytest.param(60, "no fields", 0, id="room for none"),
    ],
)
def test_fewer_fields_than_asked_are_a_status_and_a_reason(
    study: Path, side_px: float, status: str, fields: int
) -> None:
    new_row(study, involved=square(study / "area.geojson", side_px).name)
    row = run_study(study)[1]
    assert (row.status, row.fields, row.mvd_per_mm2 is None) == (status, fields, fields == 0)
    assert bool(row.reason) == (fields < 3)
    assert measured_now(study) == []


def test_a_slide_that_does_not_look_right_is_doubtful(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = mvd.measuring.count_specimen

    def doubted(*given: Any, **more: Any) -> SpecimenResult:
        return replace(before(*given, **more), warnings=("this is odd",))

    monkeypatch.setattr(mvd.measuring, "count_specimen", doubted)
    row = run_study(study, again=True)[0]
    assert (row.status, row.reason) == ("doubtful", "this is odd")
    assert row.mvd_per_mm2 is not None


def test_pairs_come_from_the_rows_and_nobody_drops_out() -> None:
    rows = [
        SpecimenRow("a1", "a", "pre", "measured", mvd_per_mm2=50.0),
        SpecimenRow("a2", "a", "post", "doubtful", reason="odd", mvd_per_mm2=75.0),
        SpecimenRow("b1", "b", "pre", "failed", reason="why"),
        SpecimenRow("a1", "a", "pre", "failed", reason="a second row"),
        SpecimenRow("c1", "c", "never", "failed", reason="an unknown timepoint"),
        SpecimenRow("", "", "pre", "failed", reason="no name"),
    ]
    first, second = paired(rows, timepoints=("pre", "post"))
    assert (first.patient, first.difference, first.ratio) == ("a", 25.0, 1.5)
    assert (second.patient, second.missing) == ("b", "b1: why; no specimen at 'post'")


def test_a_study_that_was_read_runs_like_its_folder(study: Path) -> None:
    assert run_study(read_study(study)) == run_study(study)


def test_one_specimen_is_measured_alone_as_the_whole_run_measures_it(study: Path, measured_study: Path) -> None:
    results = study / "results"
    for path in results.glob("p1_p*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = []
    watch = Watch(ends=lambda row, fresh: done.append((row.specimen, fresh)))
    row = run_specimen(read_study(study), "p1_post", watch=watch)
    assert (row.specimen, row.status, done) == ("p1_post", "measured", [("p1_post", True)])
    table = read_table(SpecimenRow, results / "specimens.csv")
    assert table is not None
    assert [one.specimen for one in table] == ["p1_post"]
    assert not is_measured(read_study(study), "p1_pre")
    run_specimen(read_study(study), "p1_pre")
    assert contents(results) == contents(measured_study / "results")
    run_specimen(read_study(study), "p1_pre", watch=watch)
    assert done[-1] == ("p1_pre", False), "its result stands"


def test_a_specimen_that_the_manifest_does_not_name_is_not_measured(study: Path) -> None:
    before = contents(study)
    with pytest.raises(ManifestError, match="no usable row of the specimen p9_pre"):
        run_specimen(read_study(study), "p9_pre")
    assert contents(study) == before
