"""The store: a file is there whole or not at all, and a result is read back as written."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_study import contents
from stored_example import CALIBRATION, COUNTS, FOUR, MEASURES, PLACES, ROW, geojson

import mvd.store.study_tables
from mvd.errors import StoreError
from mvd.store import (
    FieldRow,
    SpecimenRow,
    SpecimenTables,
    VesselRow,
    as_stored,
    field_rows,
    read_result,
    read_table,
    read_tables,
    read_whole,
    tables_entry,
    vessel_rows,
    write_result,
    write_study_tables,
    write_together,
    write_whole,
)
from mvd.store.study_tables import KEPT_FOLDER, keep_rows


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.endswith(".tmp")]


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert read_whole(path) == "two"
    assert left_over(tmp_path) == []


def test_permissions_are_the_users(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_whole(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def writing_half(number: int) -> Callable[..., Any]:
    real, calls = os.write, []

    def write(handle: int, data: Any) -> int:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(number, os.strerror(number))
        return real(handle, data[: len(data) // 2])

    return write


FAILURES = {
    "disk full at once": ("write", failing(errno.ENOSPC), "disk is full"),
    "disk full half way": ("write", writing_half(errno.ENOSPC), "disk is full"),
    "disk full at the sync": ("fsync", failing(errno.ENOSPC), "disk is full"),
    "quota": ("write", failing(errno.EDQUOT), "quota"),
    "read-only disk": ("open", failing(errno.EROFS), "read-only"),
    "no permission": ("open", failing(errno.EACCES), "not permitted"),
    "failure at the rename": ("replace", failing(errno.EPERM), "not permitted"),
    "device error": ("fsync", failing(errno.EIO), "Input/output error; check the disk"),
}


@pytest.mark.parametrize(("call", "failure", "sentence"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, failure: Any, sentence: str
) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failure)
        with pytest.raises(StoreError, match=f"a.txt cannot be written: .*{sentence}"):
            write_whole(path, b"new content")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_crash_before_the_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, b"old")

    def crash(*_: object) -> None:
        assert path.read_bytes() == b"old"
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert left_over(tmp_path) == []


def test_files_that_belong_together_are_all_kept_when_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    write_together({one: b"old", two: b"old"})
    real = os.write

    def write(handle: int, data: Any) -> int:
        if bytes(data) == b"second":
            raise OSError(errno.ENOSPC, "full")
        return real(handle, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StoreError, match="disk is full"):
        write_together({one: b"first", two: b"second"})
    assert one.read_bytes() == two.read_bytes() == b"old"


def test_the_file_is_synced_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("sync"), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("rename"), rename(a, b))[1])
    write_whole(tmp_path / "a", b"x")
    assert order == ["sync", "rename", "sync"]


def test_a_folder_or_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="a folder has that name"):
        write_whole(tmp_path / "folder", b"")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        write_whole(tmp_path / "file" / "a", b"")
    with pytest.raises(StoreError, match="name is too long"):
        write_whole(tmp_path / ("x" * 300), b"")
    assert left_over(tmp_path) == []


def test_reading_tells_absent_from_damaged(tmp_path: Path) -> None:
    assert read_whole(tmp_path / "none") is None
    (tmp_path / "bad").write_bytes(b"\xff")
    with pytest.raises(StoreError, match="bad is damaged"):
        read_whole(tmp_path / "bad")
    with pytest.raises(StoreError, match="cannot be read"):
        read_whole(tmp_path)


def payload(row: SpecimenRow = ROW) -> dict[str, Any]:
    return {
        "calibration": asdict(CALIBRATION),
        "tables": tables_entry(row, field_rows("s1", COUNTS, MEASURES)),
        "µ": [1.5, None],
    }


def test_a_result_is_read_back_as_written(tmp_path: Path) -> None:
    write_result(tmp_path, "s1", payload=payload(), geojson=geojson())
    result = read_result(tmp_path, "s1")
    assert result is not None
    assert list(result)[:3] == ["schema", "specimen", "geojson_sha256"]
    assert {key: result[key] for key in payload()} == json.loads(json.dumps(payload()))
    before = (tmp_path / "s1.json").read_bytes()
    write_result(tmp_path, "s1", payload=result, geojson=geojson())
    assert (tmp_path / "s1.json").read_bytes() == before
    assert read_whole(tmp_path / "s1.geojson") == geojson()


def test_no_result_is_none(tmp_path: Path) -> None:
    assert read_result(tmp_path, "s1") is None
    assert read_tables(tmp_path, "s1") is None


def test_rows_are_made_again_from_the_result(tmp_path: Path) -> None:
    write_result(tmp_path, "s1", payload=payload(), geojson=geojson())
    stored = vessel_rows("s1", as_stored(FOUR, CALIBRATION), assignments=PLACES)
    assert read_tables(tmp_path, "s1") == SpecimenTables(ROW, field_rows("s1", COUNTS, MEASURES), stored)


def test_a_specimen_that_failed_leaves_no_vessels_of_an_earlier_run(tmp_path: Path) -> None:
    write_result(tmp_path, "s1", payload=payload(), geojson=geojson())
    failed = SpecimenRow("s1", "p1", "pre", "failed", "a.tif has no pixel size")
    write_result(tmp_path, "s1", payload={"tables": tables_entry(failed, ())})
    assert not (tmp_path / "s1.geojson").exists()
    assert read_tables(tmp_path, "s1") == SpecimenTables(failed)


BAD_RESULTS = {
    "half a file": ('{"schema": 1,', "is damaged"),
    "not an object": ("[]", "not a result"),
    "another program's": ("{}", "not a result"),
    "a later version's": ('{"schema": 99, "specimen": "s1"}', "schema 99, this version reads 1"),
    "renamed": ('{"schema": 1, "specimen": "s2"}', "is the result of 's2'"),
}


@pytest.mark.parametrize(("text", "sentence"), BAD_RESULTS.values(), ids=BAD_RESULTS.keys())
def test_a_damaged_result_is_not_read(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "s1.json").write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=f"s1.json .*{sentence}"):
        read_result(tmp_path, "s1")


UNFIT = {
    "nan": ({"counts": {"ci": [1.0, float("nan")]}}, r"'counts\.ci\[1\]' is nan"),
    "a path": ({"image": Path("a")}, "'image' is a .*Path, which JSON cannot hold"),
    "an array": ({"stains": np.zeros(3)}, "'stains' is a ndarray"),
    "a key": ({"counts": {1: 2}}, "the key 1 of 'counts' is not a text"),
}


@pytest.mark.parametrize(("content", "sentence"), UNFIT.values(), ids=UNFIT.keys())
def test_what_json_cannot_hold_is_refused_by_its_key(tmp_path: Path, content: Any, sentence: str) -> None:
    with pytest.raises(StoreError, match=f"s1 cannot be stored: {sentence}"):
        write_result(tmp_path, "s1", payload=content)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", ".hidden", "C:x", "a\0b"])
def test_a_specimen_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="cannot be the name of a result file"):
        write_result(tmp_path, name, payload={})


def unusable(folder: Path, change: Callable[[Any], Any]) -> None:
    path = folder / "s1.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    change(result)
    path.write_text(json.dumps(result), encoding="utf-8")


UNUSABLE_TABLES = {
    "no tables": (lambda r: r.pop("tables"), "no usable tables"),
    "no patient": (lambda r: r["tables"]["specimen"].pop("patient"), "no usable tables .*patient"),
    "unknown column": (lambda r: r["tables"]["specimen"].update(x=1), "no usable tables"),
    "count in words": (lambda r: r["tables"]["specimen"].update(count="9"), "no usable tables .*count is '9'"),
    "one size for all": (lambda r: r["tables"]["specimen"].update(by_size=9), "no usable tables .*by_size is 9"),
    "size in words": (lambda r: r["tables"]["fields"][0]["by_size"].update(wide="9"), "no usable tables .*by_size"),
    "no calibration": (lambda r: r.pop("calibration"), "no usable calibration"),
    "absurd calibration": (lambda r: r["calibration"].update(um_per_px_x=352.8), "no usable calibration"),
    "GeoJSON of another run": (lambda r: r.update(geojson_sha256="0"), "not the one that s1.json belongs to"),
}


@pytest.mark.parametrize(("change", "sentence"), UNUSABLE_TABLES.values(), ids=UNUSABLE_TABLES.keys())
def test_rows_are_not_made_from_files_that_disagree(tmp_path: Path, change: Any, sentence: str) -> None:
    write_result(tmp_path, "s1", payload=payload(), geojson=geojson())
    unusable(tmp_path, change)
    with pytest.raises(StoreError, match=sentence):
        read_tables(tmp_path, "s1")


def test_a_missing_file_of_vessels_is_told(tmp_path: Path) -> None:
    write_result(tmp_path, "s1", payload=payload(), geojson=geojson())
    (tmp_path / "s1.geojson").unlink()
    with pytest.raises(StoreError, match=r"s1\.geojson is missing"):
        read_tables(tmp_path, "s1")


def test_study_tables_hold_every_finished_specimen_in_the_order_given(tmp_path: Path) -> None:
    write_result(tmp_path, "s1", payload=payload(), geojson=geojson())
    failed = SpecimenRow("s0", "p0", "pre", "failed", "=no, really")
    write_result(tmp_path, "s0", payload={"tables": tables_entry(failed, ())})
    write_study_tables(tmp_path, ["s1", "not yet", "s0"])
    rows = read_table(SpecimenRow, tmp_path / "specimens.csv")
    assert rows is not None
    assert [row.specimen for row in rows] == ["s1", "s0"]
    assert rows[1] == failed
    assert len(read_table(FieldRow, tmp_path / "fields.csv") or ()) == 2
    assert len(read_table(VesselRow, tmp_path / "vessels.csv") or ()) == 4
    before = contents(tmp_path)
    write_study_tables(tmp_path, ["s1", "s0"])
    assert contents(tmp_path) == before


def test_rows_of_vessels_are_kept_and_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_result(tmp_path, "s1", payload=payload(), geojson=geojson())
    keep_rows(tmp_path, "s1")
    read: list[str] = []
    again = mvd.store.study_tables.read_vessel_rows
    monkeypatch.setattr(
        "mvd.store.study_tables.read_vessel_rows",
        lambda folder, name, result: read.append(name) or again(folder, name, result),
    )
    write_study_tables(tmp_path, ["s1"])
    table = (tmp_path / "vessels.csv").read_bytes()
    assert read == []
    kept = tmp_path / KEPT_FOLDER / "s1.csv"
    whole = kept.read_text(encoding="utf-8")
    for spoilt in (whole.replace("v00001", "v00009"), whole[: len(whole) // 2], "", "\xff"):
        kept.write_text(spoilt, encoding="latin-1")
        write_study_tables(tmp_path, ["s1"])
        assert (tmp_path / "vessels.csv").read_bytes() == table
    assert read == ["s1"] * 4
    write_result(tmp_path, "s1", payload=payload(), geojson=geojson().replace("v00001", "v00007"))
    write_study_tables(tmp_path, ["s1"])
    assert b"v00007" in (tmp_path / "vessels.csv").read_bytes()


def test_what_was_kept_hides_no_damage(tmp_path: Path) -> None:
    write_result(tmp_path, "s1", payload=payload(), geojson=geojson())
    write_study_tables(tmp_path, ["s1"])
    (tmp_path / "s1.geojson").write_text(geojson() + " ", encoding="utf-8")
    with pytest.raises(StoreError, match=r"s1\.geojson is not the one that s1\.json belongs to"):
        write_study_tables(tmp_path, ["s1"])
    (tmp_path / "s1.geojson").unlink()
    with pytest.raises(StoreError, match=r"s1\.geojson is missing"):
        write_study_tables(tmp_path, ["s1"])
