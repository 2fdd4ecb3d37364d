"""With codes for names no file of a report holds a name, and only the key leads back."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import stat
import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import mvd
from hypothesis import given
from hypothesis import strategies as st
from paired_example import PATIENTS, TIMEPOINTS, evidence, example
from PIL import Image, PngImagePlugin

from mvd.compare import Comparisons, CountRow, compare_counts
from mvd.errors import StoreError
from mvd.paired_report import (
    Evidence,
    FieldPicture,
    Pseudonyms,
    ReportTable,
    key_beside,
    pseudonymised,
    read_or_make_pseudonyms,
    write_key,
    write_report,
)
from mvd.paired_report.pictures import embedded
from mvd.paired_report.writing import report_files
from mvd.protocol import ComparisonPlan

KEY = bytes(range(32))
NONE_YET = Pseudonyms(KEY, {}, {})
SURNAMES = {patient: f"Mustermann{index}" for index, patient in enumerate(PATIENTS)}
NAMES = SURNAMES | {
    f"{patient}_{at}": f"Biopsie {name} {at}" for patient, name in SURNAMES.items() for at in TIMEPOINTS
}


@pytest.fixture
def named(tmp_path: Path) -> tuple[Comparisons, Evidence]:
    """A study whose patients' names are in every place where one can be."""
    comparisons = example(NAMES, title="Biopsies of Mustermann3 and others")
    shown = evidence(comparisons)
    pixels = np.full((1290, 1200, 3), 200, np.uint8)
    told = PngImagePlugin.PngInfo()
    told.add_text("Title", "Mustermann0")
    Image.fromarray(pixels).save(tmp_path / "Mustermann0.png", pnginfo=told)
    first = shown.fields[0]
    picture = FieldPicture(tmp_path / "Mustermann0.png", first.x_um, first.y_um, first.side_um, first.count)
    return comparisons, replace(
        shown,
        pictures={(first.specimen, first.field): picture},
        agreement=(ReportTable("Observers", "of Mustermann1", ("specimen", "n"), ((first.specimen, "3"),)),),
    )


def everything(files: dict[str, bytes]) -> dict[str, bytes]:
    """Each file, and within the workbook each part."""
    found = {name: name.encode() + data for name, data in files.items()}
    with zipfile.ZipFile(io.BytesIO(files["paired.xlsx"])) as whole:
        found |= {f"xlsx/{part}": whole.read(part) for part in whole.namelist()}
    return found


@pytest.mark.slow
def test_no_name_is_in_any_byte_of_any_file(named, tmp_path):
    comparisons, shown = named
    plain = everything(report_files(comparisons, shown))
    assert sum(b"Mustermann" in data for data in plain.values()) > 8  # they are there without codes
    out = tmp_path / "coded"
    key = tmp_path / "key.json"
    written = write_report(out, comparisons, evidence=shown, key=key).files
    assert b"Mustermann" in key.read_bytes()
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in written}
    pictures = [
        base64.b64decode(text) for text in re.findall(rb"data:image/jpeg;base64,([^\"]+)", files["paired.html"])
    ]
    assert len(pictures) == 1
    for name, data in (everything(files) | {"picture": pictures[0]}).items():
        assert b"mustermann" not in data.lower(), name
        assert b"biopsie " not in data.lower(), name


TABLE = """patient;timepoint;count;area_mm2;response
"Müller, Anna";pre;17;0,3125;yes
"Müller, Anna";3mo;20;0,3125;yes
"Weißmann";pre;4;0,3125;no
"Weißmann";3mo;;0,3125;no
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_in_the_name_of_the_table_is_nowhere(form, tmp_path):
    table = tmp_path / f"{unicodedata.normalize(form, 'Müller, Anna')}.csv"
    table.write_text(TABLE, encoding="utf-8")
    named = mvd("compare", "--table", table, "--out", tmp_path / "named")
    out = tmp_path / "coded"
    coded = mvd("compare", "--table", table, "--out", out, "--pseudonymise")
    assert coded.status == 0
    assert "Müller, Anna" in unicodedata.normalize("NFC", named.out)
    assert re.search(r"^  P-[A-Z2-7]{8}, 3mo: ", coded.out, re.MULTILINE)
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for name, data in (everything(files) | {"console": coded.out.encode()}).items():
        told = unicodedata.normalize("NFC", data.decode(errors="replace")).casefold()
        for part in ("müller", "anna", "weissmann"):
            assert part not in told, name
    numbers = json.loads(files["paired.json"])
    assert (numbers["title"], numbers["counts"]) == ("Report under codes", "the counts of the table")


def test_nothing_stays_of_a_title(named):
    """It can name somebody whom no manifest knows."""
    comparisons, shown = named
    assert shown.protocol is not None
    protocol = shown.protocol.model_copy(update={"title": "Of Schmidt"})
    titled = replace(comparisons, title="Of Schmidt"), replace(shown, protocol=protocol)
    assert any(b"Schmidt" in data for data in everything(report_files(*titled)).values())
    coded, coded_evidence, _ = pseudonymised(*titled, NONE_YET)
    for name, data in everything(report_files(coded, coded_evidence)).items():
        assert b"schmidt" not in data.lower(), name


def test_the_name_of_the_table_leaves_the_source():
    row = CountRow("Müller", "pre", None, None, None, None, None, "table", True, "none")
    made = compare_counts(
        (row,), timepoints=("pre",), plan=ComparisonPlan(), title="", source="the counts of a in a", file="a"
    )
    coded, _, _ = pseudonymised(made, Evidence(), NONE_YET)
    assert coded.source == "the counts of a in the table"
    assert coded.file is None


def test_names_in_a_caution_are_coded_too(named):
    comparisons, shown = named
    first, *others = comparisons.rows
    caution = replace(first, caution=f"doubtful: {first.specimen} is pale")
    coded, _, known = pseudonymised(replace(comparisons, rows=(caution, *others)), shown, NONE_YET)
    assert [row.caution for row in coded.cautioned] == [f"doubtful: {known.specimens[first.specimen]} is pale"]


def test_codes_stand_where_the_names_stood(named):
    comparisons, shown = named
    coded, coded_evidence, known = pseudonymised(comparisons, shown, NONE_YET)
    codes = known.patients
    assert {row.patient for row in coded.rows} == {codes[name] for name in SURNAMES.values()}
    before = {(codes[row.patient], row.timepoint): row.mvd_per_mm2 for row in comparisons.rows}
    assert {(row.patient, row.timepoint): row.mvd_per_mm2 for row in coded.rows} == before
    specimen = known.specimens[NAMES[f"{PATIENTS[0]}_pre"]]
    origin = next(one for one in coded_evidence.origins if one.specimen == specimen)
    assert origin.slide == f"{specimen}.svs"
    assert origin.calibration == f"manifest: specimens.csv, {specimen}"
    lost = known.specimens[NAMES[f"{PATIENTS[19]}_3mo"]]
    assert any(row.reason and row.reason.startswith(f"{lost}.svs has no pixel size") for row in coded.rows)


def test_the_order_of_the_codes_does_not_tell_the_names(named):
    coded, shown, _ = pseudonymised(*named, NONE_YET)
    for names in (
        [row.patient for row in coded.rows],
        [one.patient for one in coded.changes],
        [one.specimen for one in shown.fields],
        [one.specimen for one in shown.vessels],
        [one.specimen for one in shown.origins],
        list(coded.unreviewed),
    ):
        assert names == sorted(names)


def test_what_is_no_name_stays_as_it_is(named):
    comparisons, shown = named
    coded, coded_evidence, _ = pseudonymised(comparisons, shown, NONE_YET)
    assert coded.comparisons == comparisons.comparisons
    assert coded.summaries == comparisons.summaries
    assert coded.model == comparisons.model
    assert sorted(one.count for one in coded_evidence.fields) == sorted(one.count for one in shown.fields)


def test_numbers_that_are_also_patients_stay_numbers():
    """Patients are often called 1, 2, 3: the numbers in a sentence are not theirs."""
    reason = "2 of 5 fields could be placed; 1: no specimen at 'pre'; patient 2 has two"
    rows = (
        CountRow("1", "pre", None, 5, 0.3125, 16.0, None, "table", True),
        CountRow("2", "pre", None, None, None, None, None, "table", True, reason),
    )
    made = compare_counts(rows, timepoints=("pre", "3mo"), plan=ComparisonPlan(), title="1 study", source="a table")
    coded, _, known = pseudonymised(made, Evidence(), NONE_YET)
    told = next(row.reason for row in coded.rows if row.reason)
    one, two = known.patients["1"], known.patients["2"]
    assert told == f"2 of 5 fields could be placed; {one}: no specimen at 'pre'; patient {two} has two"
    assert (f"{two}, pre", told) in coded.left_out


@pytest.mark.parametrize(
    ("name", "text", "coded"),
    [
        ("p01", "p01_pre and p01 and p011", "{}_pre and {} and p011"),
        ("Muster", "XMusterPre of muster", "X{}Pre of {}"),
        ("Müller", "of Mu\u0308ller and MÜLLER", "of {} and {}"),
        ("Mu\u0308ller", "of Müller", "of {}"),
        ("Weißmann", "of Weißmann", "of {}"),
        ("\u0130pek Ada", "of ipek ada", "of (name)"),
        ("10234", "10234 is not 102345 and not 10234.5x", "{} is not 102345 and not {}.5x"),
        ("p01", "/slides/Hans Muster/2019 b.svs cannot be read", "(file) cannot be read"),
        ("p01", r"C:\\Muster\\b.ndpi has no pixel size", "(file) has no pixel size"),
        (
            "p01",
            "image '../muster_h.ome.tif' does not exist; see specimens.csv",
            "image '(file)' does not exist; see specimens.csv",
        ),
        ("a", "a field of a", "a field of a"),
        ("a", "patient a has two; a: none", "patient {} has two; {}: none"),
    ],
)
def test_a_name_in_a_sentence_is_found_where_a_name_would_stand(name, text, coded):
    row = CountRow(name, "pre", None, None, None, None, None, "table", True, text)
    made = compare_counts((row,), timepoints=("pre", "3mo"), plan=ComparisonPlan(), title="t", source="s")
    found, _, known = pseudonymised(made, Evidence(), NONE_YET)
    assert found.rows[0].reason == coded.format(*[known.patients[name]] * 3)


def test_of_two_names_that_begin_alike_the_longer_one_is_found():
    rows = [
        CountRow(name, "pre", None, None, None, None, None, "table", True, "Muster 2 is lost, Muster is not")
        for name in ("Muster", "Muster 2")
    ]
    made = compare_counts(rows, timepoints=("pre", "3mo"), plan=ComparisonPlan(), title="t", source="s")
    coded, _, known = pseudonymised(made, Evidence(), NONE_YET)
    told = f"{known.patients['Muster 2']} is lost, {known.patients['Muster']} is not"
    assert {row.reason for row in coded.rows} == {told}


def test_the_same_key_gives_the_same_codes_and_another_key_others():
    first = NONE_YET.with_names(patients=["anna", "bert"], specimens=["anna"])
    again = Pseudonyms(KEY, {}, {}).with_names(patients=["bert", "carla", "anna"], specimens=[])
    other = Pseudonyms(bytes(32), {}, {}).with_names(patients=["anna", "bert"], specimens=[])
    assert {again.patients[name] for name in ("anna", "bert")} == set(first.patients.values())
    assert not set(other.patients.values()) & set(first.patients.values())
    assert first.patients["anna"][2:] != first.specimens["anna"][2:]


def test_a_code_is_that_of_the_published_function():
    """HMAC-SHA256 of "patient", a zero byte and the name, in base 32, computed apart with openssl:
    printf 'patient\\0anna' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…1f -binary | base32 | cut -c 1-8"""
    assert NONE_YET.with_names(patients=["anna"], specimens=[]).patients == {"anna": "P-UARYQBYI"}


@given(st.sets(st.text(min_size=1, max_size=12), max_size=40))
def test_no_two_names_share_a_code(names):
    codes = NONE_YET.with_names(patients=names, specimens=names)
    assert len(set(codes.patients.values())) == len(names)
    assert all(re.fullmatch(r"P-[A-Z2-7]{8,}", code) for code in codes.patients.values())


def test_codes_that_would_be_the_same_get_more_letters(monkeypatch):
    monkeypatch.setattr("mvd.paired_report.keys._CODE_LETTERS", 1)
    names = [f"n{number}" for number in range(100)]
    codes = NONE_YET.with_names(patients=names, specimens=[]).patients
    assert len(set(codes.values())) == 100


def test_the_key_file_is_the_owner_s_alone_and_leads_back(tmp_path):
    path = tmp_path / "apart" / "study.key.json"
    before = os.umask(0)
    try:
        write_key(path, NONE_YET.with_names(patients=["Müller"], specimens=["M1"]))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    entries = json.loads(path.read_text(encoding="utf-8"))
    assert list(entries["patients"].values()) == ["Müller"]
    read = read_or_make_pseudonyms(path)
    assert (read.key, dict(read.specimens)) == (KEY, NONE_YET.with_names(patients=[], specimens=["M1"]).specimens)


def test_a_key_file_that_others_could_read_is_closed_when_it_is_written_again(tmp_path):
    path = tmp_path / "key.json"
    write_key(path, NONE_YET)
    path.chmod(0o644)
    write_key(path, read_or_make_pseudonyms(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_key_is_by_chance(tmp_path):
    keys = {read_or_make_pseudonyms(tmp_path / "none.json").key for _ in range(3)}
    assert len(keys) == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"schema": 1, "key": "00", "patients": {}, "specimens": {}}', "no json"]
)
def test_a_file_that_is_no_key_is_refused(tmp_path, text):
    path = tmp_path / "key.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match="is no key file of mvd"):
        read_or_make_pseudonyms(path)


def test_the_key_does_not_show_in_a_trace():
    assert "key" not in repr(NONE_YET)


@pytest.mark.slow
def test_the_key_leads_from_one_report_to_the_next(tmp_path):
    key = tmp_path / "key.json"
    few = example(NAMES, rows=example(NAMES).rows[:3], changes=(), unreviewed=(), left_out=())
    pages = []
    for comparisons in (few, example(NAMES)):
        write_report(tmp_path / "coded", comparisons, key=key)
        pages.append((tmp_path / "coded" / "specimens.csv").read_text(encoding="utf-8"))
    first = {line.split(",")[0] for line in pages[0].splitlines()[1:]}
    assert len(first) == 3
    assert first <= {line.split(",")[0] for line in pages[1].splitlines()[1:]}
    assert len(json.loads(key.read_text(encoding="utf-8"))["patients"]) == len(PATIENTS)


def test_the_key_is_never_put_into_the_report(tmp_path):
    out = tmp_path / "report"
    assert key_beside(out) == tmp_path / "report.key.json"
    for key in (out / "key.json", out / "figures" / ".." / "key.json"):
        with pytest.raises(StoreError, match="lies in the folder of the report"):
            write_report(out, example(NAMES), key=key)
    assert not list(tmp_path.iterdir())


def test_a_report_with_codes_does_not_lie_beside_files_with_names(tmp_path):
    (tmp_path / "agreement.csv").write_text("specimen\nMustermann0\n", encoding="utf-8")
    with pytest.raises(StoreError, match=r"holds agreement\.csv, which may name patients"):
        write_report(tmp_path, example(NAMES), key=tmp_path.parent / "key.json")
    assert [path.name for path in tmp_path.iterdir()] == ["agreement.csv"]
    (tmp_path / "agreement.csv").unlink()
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "Mustermann0.png").touch()
    with pytest.raises(StoreError, match=r"holds figures/Mustermann0\.png"):
        write_report(tmp_path, example(NAMES), key=tmp_path.parent / "key.json")


def test_the_strip_with_the_name_is_cut_off_every_picture(named):
    _, shown = named
    path = next(iter(shown.pictures.values())).path
    pixels = np.full((1290, 1200, 3), 200, np.uint8)
    pixels[1200:] = (255, 0, 0)  # where the caption stands
    Image.fromarray(pixels).save(path)
    (picture,) = embedded(shown).values()
    assert (picture.width_px, picture.height_px) == (600, 600)
    image = Image.open(io.BytesIO(base64.b64decode(picture.address.split(",")[1])))
    assert np.ptp(np.asarray(image)) <= 4
