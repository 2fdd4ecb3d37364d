"""What the report shows of a study beside its numbers: fields, vessels and pictures of those who counted."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import mvd
from PIL import Image
from small_study import PROTOCOL, ROWS, copy_of

from mvd.comparison import compare_study
from mvd.corrections import decide
from mvd.counting import assign
from mvd.errors import StoreError
from mvd.paired_report import Evidence, Folders, read_evidence, write_report
from mvd.paired_report.pictures import embedded
from mvd.reading import Reading, open_reading
from mvd.review import OpenReview, take
from mvd.store import read_tables
from mvd.study import read_study
from mvd.vessels.model import Reason

READINGS = tuple(Reading(row["specimen"], row["specimen"], False, row["specimen"]) for row in ROWS)
PRE = "p1_pre"
AGREED = (
    "comparison,kind,level,unit,n,icc_2_1,icc_2_1_low,icc_2_1_high,icc_3_1,icc_3_1_low,icc_3_1_high,bias,bias_low,"
    "bias_high,lower_limit,upper_limit,ratio,ratio_low,ratio_high,lower_ratio,upper_ratio,within_subject_cv,"
    "within_subject_cv_low,within_subject_cv_high,f1,note\n"
    "anna and bert,observers,specimen,vessels/mm²,2,0.91,0.2,0.99,,,,-3.2,-9.6,3.2,-12.8,6.4,1.1,0.9,1.3,0.8,1.5,"
    '0.12,0.1,0.2,0.875,"ICC(3,1): too few"\n'
)


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    return copy_of(measured_study, tmp_path)


def gathered(study: Path, counts: str = "program") -> Evidence:
    read = read_study(study)
    folders = Folders(study / "results", study / "reviews", study / "report")
    comparisons = compare_study(read, counts=counts)
    return read_evidence(read.manifest, read.protocol, comparisons=comparisons, folders=folders)


def reviewed(study: Path, observer: str = "anna") -> list[OpenReview]:
    """Every specimen finished, one vessel less in each."""
    done = []
    for reading in READINGS:
        opened = take(open_reading(study, reading, observer), decide.begin())
        places = assign(opened.review.vessels, opened.review.counted_fields, "frame")
        name = next(v.name for v in opened.review.vessels if v.accepted and places[v.name].fields)
        done.append(take(take(opened, decide.reject(opened.review, name, Reason.HAZE)), decide.finish()))
    return done


def total(found: Evidence, specimen: str) -> int:
    return sum(field.count for field in found.fields if field.specimen == specimen)


def test_of_the_program_it_has_what_the_results_have(study):
    found = gathered(study)
    tables = read_tables(study / "results", PRE)
    assert tables is not None
    assert total(found, PRE) == tables.specimen.count
    assert [(v.vessel, v.counted, v.source) for v in found.vessels if v.specimen == PRE] == [
        (row.vessel, row.counted, "program") for row in tables.vessels
    ]
    assert {key for key in found.pictures if key[0] == PRE} == {(PRE, row.field) for row in tables.fields}
    assert all(found.pictures[f.specimen, f.field].shows(f) for f in found.fields)
    assert [one.slide for one in found.origins] == [row["image"] for row in ROWS]
    assert found.observers == ()


def test_of_an_observer_it_has_the_fields_and_vessels_as_they_left_them(study):
    before = gathered(study)
    reviewed(study)
    found = gathered(study, "observer:anna")
    assert {field.source for field in found.fields} == {"anna"}
    assert total(found, PRE) == total(before, PRE) - 1
    counted = {v.vessel for v in found.vessels if v.specimen == PRE and v.counted}
    program = {v.vessel for v in before.vessels if v.specimen == PRE and v.counted}
    assert len(program - counted) == 1
    assert counted < program
    (anna,) = found.observers
    assert (anna.observer, anna.finished, anna.begun, anna.corrections) == ("anna", 2, 0, 6)
    assert anna.last


def test_of_the_mean_of_observers_it_has_each_one_s(study):
    reviewed(study)
    reviewed(study, "bert")
    found = gathered(study, "mean:anna,bert")
    assert {field.source for field in found.fields} == {"anna", "bert"}
    one = [field for field in found.fields if field.specimen == PRE and field.source == "anna"]
    assert len([field for field in found.fields if field.specimen == PRE]) == 2 * len(one)


def test_a_specimen_that_was_never_measured_has_no_evidence_and_stops_nothing(study):
    for path in (study / "results").glob("p1_post*"):
        if path.is_file():
            path.unlink()
    found = gathered(study)
    assert {field.specimen for field in found.fields} == {PRE}


def test_a_picture_that_was_deleted_is_a_gap(study):
    next((study / "results" / PRE).glob("field_*.png")).unlink()
    found = gathered(study)
    assert len([key for key in found.pictures if key[0] == PRE]) == PROTOCOL.fields.number - 1


def test_the_real_picture_s_caption_with_the_name_is_cut_off_where_it_begins(study):
    """The page shows the picture to its last row and not a row more: the strip below is white there."""
    found = gathered(study)
    (first, *_) = found.pictures.values()
    image = Image.open(first.path).convert("RGB")
    side = round(1.2 * first.side_um / 0.125)  # the field and a tenth round it, at the finest of the screen
    assert image.height > side + 40
    assert image.crop((0, side, image.width, side + 4)).getextrema() == ((255, 255),) * 3
    assert image.crop((0, side - 4, side, side)).getextrema() != ((255, 255),) * 3
    shown = embedded(found)[next(iter(found.pictures))]
    assert shown.width_px == shown.height_px == min(side, 600)


def test_a_damaged_picture_is_named(study):
    path = next((study / "results" / PRE).glob("field_*.png"))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(StoreError, match=rf"{path.name} is damaged"):
        embedded(gathered(study))


def test_agreement_of_readers_is_shown_where_it_was_computed(study):
    assert gathered(study).agreement == ()
    (study / "report").mkdir()
    (study / "report" / "agreement.csv").write_text(AGREED, encoding="utf-8")
    (table,) = gathered(study).agreement
    assert dict(zip(table.columns, table.rows[0], strict=True)) == {
        "Readers": "anna and bert",
        "Of": "specimen",
        "n": "2",
        "ICC(2,1)": "0.91 (0.20 to 0.99)",
        "ICC(3,1)": "–",
        "Difference": "−3.2 (−9.6 to 3.2) vessels/mm²",
        "Limits": "−12.8 to 6.4",
        "Ratio": "1.10 (0.90 to 1.30)",
        "Limits of the ratio": "0.80 to 1.50",
        "CV": "0.12 (0.10 to 0.20)",
        "F1": "0.88",
        "Note": "ICC(3,1): too few",
    }
    (study / "report" / "agreement.csv").write_text("specimen\nx\n", encoding="utf-8")
    with pytest.raises(StoreError, match=r"agreement\.csv is damaged"):
        gathered(study)


@pytest.mark.slow
def test_the_page_says_whose_counts_stand_beside_the_program_s_pictures(study, tmp_path):
    reviewed(study)
    found = gathered(study, "observer:anna")
    write_report(tmp_path / "report", compare_study(study, counts="observer:anna"), evidence=found)
    page = (tmp_path / "report" / "paired.html").read_text(encoding="utf-8")
    assert "by anna" in page
    for field in found.fields:
        program = found.pictures[field.specimen, field.field].count
        assert f"{field.count} by anna, {program} by the program" in page


@pytest.mark.slow
def test_where_an_observer_counted_elsewhere_there_is_no_picture_of_it(study, tmp_path):
    reviewed(study)
    found = gathered(study, "observer:anna")
    first = found.fields[0]
    moved = replace(found, fields=(replace(first, x_um=first.x_um + 1), *found.fields[1:]))
    write_report(tmp_path / "report", compare_study(study, counts="observer:anna"), evidence=moved)
    page = (tmp_path / "report" / "paired.html").read_text(encoding="utf-8")
    assert page.count("<img ") == len(found.fields) - 1
    assert page.count("no picture: counted at another place") == 1


@pytest.mark.slow
def test_the_command_writes_the_report_with_names_or_with_codes_apart(study):
    outcome = mvd("compare", study)
    assert outcome.status == 0
    assert f"wrote {study / 'report' / 'paired.html'}" in outcome.out
    coded = mvd("compare", study, "--pseudonymise")
    assert coded.status == 0
    key = study / "report-coded.key.json"
    assert f"wrote {key}" in coded.out
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert PRE in (study / "report" / "specimens.csv").read_text(encoding="utf-8")
    assert json.loads((study / "report-coded" / "paired.json").read_text(encoding="utf-8"))["specimens"]
    for path in (study / "report-coded").rglob("*"):
        assert path.is_dir() or PRE.encode() not in path.read_bytes(), path
    before = (study / "report-coded" / "specimens.csv").read_bytes()
    assert mvd("compare", study, "--key", key, "--out", study / "again").status == 0
    assert (study / "again" / "specimens.csv").read_bytes() == before


def test_the_manifest_of_a_study_is_never_written_over(study):
    before = (study / "specimens.csv").read_bytes()
    outcome = mvd("compare", study, "--out", study)
    assert outcome.status != 0
    assert "that no report wrote" in outcome.err
    assert (study / "specimens.csv").read_bytes() == before
    assert not (study / "paired.json").exists()
