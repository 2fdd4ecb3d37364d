"""mvd agree --table: counts made at the microscope, as people save them."""

import csv
import io
import json
import re
import tempfile
from pathlib import Path

import pytest
from command_line import Outcome, mvd
from hypothesis import given
from hypothesis import strategies as st

from mvd.agree import read_counts
from mvd.agree.written import counts_text
from mvd.agreement import FieldRead, Reader, agreement_of
from mvd.agreement.reads import PROGRAM
from mvd.errors import ManifestError

HEADER = "specimen,field,observer,count"
ROWS = ("s1,1,anna,5", "s1,2,anna,7", "s2,1,anna,12", "s1,1,bert,6", "s1,2,bert,7", "s2,1,bert,10")
TABLE = "\n".join((HEADER, *ROWS)) + "\n"


def counts(folder: Path, text: str | bytes) -> Path:
    path = folder / "counts.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def agree(folder: Path, text: str | bytes) -> Outcome:
    return mvd("agree", "--table", counts(folder, text), "--out", folder / "out")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TABLE, id="plain"),
        pytest.param("\ufeff" + TABLE, id="byte-order mark"),
        pytest.param(TABLE.replace(",", ";"), id="semicolons"),
        pytest.param(TABLE.replace(",", "\t").replace("\n", "\r\n"), id="tabs, Windows"),
        pytest.param("# counted in May\n\n" + TABLE.replace("\ns2", "\n\n# the second\ns2"), id="comments"),
        pytest.param(TABLE.replace("anna", '"anna"').replace("12", " 12 "), id="quotes and spaces"),
        pytest.param(TABLE.replace(HEADER, "Specimen,FIELD,Observer,Count"), id="capitals"),
        pytest.param(TABLE.replace("\n", ",,\n").replace(f"{HEADER},,", f"{HEADER},area_mm2,read"), id="empty columns"),
        pytest.param(TABLE.replace("\n", ",1\n").replace(f"{HEADER},1", f"{HEADER},read"), id="first reads"),
        pytest.param(TABLE.replace("5\n", "5.0\n"), id="decimals"),
    ],
)
def test_a_table_is_read_as_people_save_it(text: str, tmp_path: Path) -> None:
    reads = read_counts(counts(tmp_path, text)).reads
    expected = [(Reader(o, "first"), s, f, float(c)) for s, f, o, c in (row.split(",") for row in ROWS)]
    assert [(read.reader, read.specimen, read.field, read.count) for read in reads] == expected
    assert {read.area_mm2 for read in reads} == {None}


def test_areas_second_reads_and_the_program_are_told_apart(tmp_path: Path) -> None:
    text = (
        "specimen;field;observer;count;area_mm2;read\ns1;1;anna;5;0,0625;1\ns1;1;anna;6;0,0625;2\n"
        "s1;1;program;4;0,05;\ns1;1;bert;4;0,0625;\n"
    )
    reads = read_counts(counts(tmp_path, text)).reads
    assert [(read.reader, read.area_mm2) for read in reads] == [
        (Reader("anna", "first"), 0.0625),
        (Reader("anna", "second"), 0.0625),
        (PROGRAM, 0.05),
        (Reader("bert", "first"), 0.0625),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "counts.csv is empty; its first row must name the columns specimen, field, observer, count"),
        (f"{HEADER}\n", "counts.csv has a header but no rows; add one row for each field that was counted"),
        ("specimen,field,observer\ns1,1,anna\n", "counts.csv lacks the column 'count'"),
        (f"{HEADER},coment\ns1,1,anna,5,x\n", "counts.csv has the unknown column 'coment' (did you mean 'count'?)"),
        (f"{HEADER},count\ns1,1,anna,5,5\n", "counts.csv has the column 'count' more than once; keep one"),
        (f"{HEADER}\ns1,1,anna,-3\n", "counts.csv row 2: count '-3' is no number of vessels; give 0 or more"),
        (f"{HEADER}\ns1,1,anna,nan\n", "row 2: count 'nan' is no number"),
        (f"{HEADER}\ns1,1,anna,inf\n", "row 2: count 'inf' is no number"),
        (f"{HEADER}\ns1,1,anna,1e9\n", "row 2: count '1e9' is no number"),
        (f"{HEADER}\ns1,1,anna,five\n", "row 2: count 'five' is no number"),
        (f"{HEADER}\ns1,1,anna,\n", "row 2: count is empty; fill it in"),
        (f"{HEADER}\ns1,1,,4\n", "row 2: observer is empty; fill it in"),
        (f"{HEADER}\ns1,1,anna\n", "row 2: has 1 cells fewer than the header; leave none out"),
        (f"{HEADER}\ns1,1,anna,4,5\n", "row 2: has 1 cells more than the header; leave none out"),
        (f"{HEADER},area_mm2\ns1,1,anna,4,0\n", "row 2: area_mm2 '0' is no area in mm²; a field of 250 µm has 0.0625"),
        (f"{HEADER},area_mm2\ns1,1,anna,4,62500\n", "row 2: area_mm2 '62500' is no area in mm²"),
        (f"{HEADER},area_mm2\ns1,1,anna,4,1e-300\n", "row 2: area_mm2 '1e-300' is no area in mm²"),
        (
            "specimen;field;observer;count;area_mm2\ns1;1;anna;1.234;0,0625\n",
            "row 2: count '1.234' may be thousands, as decimals have ',' elsewhere; write 1234 or 1,234",
        ),
        (f"{HEADER}\n#12,1,anna,4\ns1,1,anna,4\n", "row 2: starts with # as a comment does; write a name without #"),
        (f"{HEADER},area_mm2\ns1,1,anna,4,0.06\ns1,2,anna,5,\n", "area_mm2 is given in some rows and empty in others"),
        (f"{HEADER},read\ns1,1,anna,4,3\n", "row 2: read is '3'; give 1, or 2 for a second read by the same observer"),
        (f"{HEADER}\ns1,1,anna,4\n\ns1,1,anna,5\n", "row 4: anna counted field 1 of s1 in row 2 already"),
        (f"{HEADER}\ns1,1,anna,4\ns1,2,Anna,5\n", "row 3: observer 'Anna' is 'anna' in row 2; write one observer the"),
        (f"{HEADER}\ns1,1,anna,4\nS1,2,anna,5\n", "row 3: specimen 'S1' is 's1' in row 2; write one specimen the same"),
        (f'{HEADER}\ns1,1,"anna,4\n', "counts.csv row 2: "),
        (b"specimen,field,observer,count\ns1,1,J\xfcrgen,4\n", "counts.csv is not UTF-8 text (line 2)"),
        (f"{HEADER}\ns1,1,anna,4\n".encode("utf-16"), "counts.csv is not UTF-8 text"),
        (f"{HEADER}\ns1,1,an\0na,4\n", "counts.csv holds zero bytes"),
    ],
)
def test_what_is_wrong_in_a_table_is_one_sentence(text: str | bytes, sentence: str, tmp_path: Path) -> None:
    outcome = agree(tmp_path, text)
    assert (outcome.status, outcome.out) == (1, "")
    assert sentence in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as told:
        read_counts(counts(tmp_path, f"{HEADER}\ns1,1,anna,x\ns1,2,,3\ns1,3,anna,4\n"))
    assert len(str(told.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "give either a study's folder or --table with a table of counts"),
        (["STUDY", "--table", "TABLE"], "give either a study's folder or --table with a table of counts"),
        (["--table", "TABLE"], "name a folder for the files of a table: --out DIR"),
        (["--table", "MISSING", "--out", "OUT"], "MISSING does not exist; make a table with the columns specimen"),
        (["--table", "TABLE", "--out", "TABLE"], "a file stands where a folder is needed"),
        (["--table", "ALONE", "--out", "OUT"], "no two readers have counted the same; there is nothing to compare"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("STUDY", "TABLE", "MISSING", "OUT", "ALONE")}
    places["STUDY"].mkdir()
    places["TABLE"].write_text(TABLE)
    places["ALONE"].write_text(f"{HEADER}\ns1,1,anna,4\n")
    outcome = mvd("agree", *(places.get(argument, argument) for argument in arguments))
    assert (outcome.status, outcome.out) == (1, "")
    assert sentence in outcome.err
    assert not places["OUT"].exists()


@pytest.mark.slow
def test_the_screen_says_what_is_in_the_files(tmp_path: Path) -> None:
    rows = [
        f"s{n},{f},{o},{(5 * n + f) % 7 + e * (n % 2)}" for n in range(6) for f in (1, 2) for e, o in enumerate("ab")
    ]
    outcome = agree(tmp_path, "\n".join((HEADER, *rows)))
    assert (outcome.status, outcome.err) == (0, "")
    found = json.loads((tmp_path / "out" / "agreement.json").read_text(encoding="utf-8"))
    assert found["left_out"] == []
    fields, specimens = found["comparisons"]
    assert (fields["n"], specimens["n"]) == (12, 6)
    assert specimens["unit"] == "vessels per field"
    shown = [re.split(r"\s{2,}", line.strip()) for line in outcome.out.splitlines() if line.startswith("a – b")]
    for cells, level in zip(shown[::2], (fields, specimens), strict=True):
        icc = level["icc_2_1"]
        assert cells[:3] == ["a – b", str(level["n"]), f"{icc['value']:.2f} ({icc['low']:.2f}, {icc['high']:.2f})"]
    bias = fields["difference"]["bias"]
    assert shown[1][1] == f"{bias['value']:+.1f} ({bias['low']:+.1f}, {bias['high']:+.1f})"
    assert "Fields of one specimen are alike" in outcome.out
    assert fields["if_independent"]["icc_2_1"]["low"] != fields["icc_2_1"]["low"]
    assert specimens["if_independent"] is None


def test_one_field_of_one_specimen_is_compared_without_a_figure_and_says_why(tmp_path: Path) -> None:
    outcome = agree(tmp_path, f"{HEADER}\ns1,1,anna,0\ns1,1,bert,0\n")
    assert outcome.status == 0
    assert "nan" not in outcome.out
    (row, _) = csv.DictReader(io.StringIO((tmp_path / "out" / "agreement.csv").read_text(encoding="utf-8")))
    assert (row["n"], row["icc_2_1"], row["bias"], row["within_subject_cv"]) == ("1", "", "", "")
    assert row["note"].startswith("ICC(2,1): fewer than two were counted by every reader")


def test_the_counts_that_were_compared_can_be_compared_again(tmp_path: Path) -> None:
    reads = [
        FieldRead(reader, specimen, field, number + shift, 0.0625)
        for shift, reader in enumerate((PROGRAM, Reader("anna", "first"), Reader("anna", "second")))
        for specimen, field, number in (("s1", "1", 4), ("s1", "2", 9), ("=s2", "1", 2 * shift))
    ]
    again = read_counts(counts(tmp_path, counts_text(tuple(reads)))).reads
    assert list(again) == reads
    assert agreement_of(again).pairs == agreement_of(reads).pairs


@given(st.text(max_size=20))
def test_whatever_stands_in_a_cell_is_read_or_refused_with_a_sentence(cell: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([HEADER.split(","), ["s1", "1", cell, "4"], ["s1", "2", "bert", cell]])
    with tempfile.TemporaryDirectory() as folder:
        path = counts(Path(folder), out.getvalue().encode("utf-8", "surrogatepass"))
        try:
            reads = read_counts(path).reads
        except ManifestError as error:
            assert str(error)
        else:
            assert all(read.count >= 0 for read in reads)
