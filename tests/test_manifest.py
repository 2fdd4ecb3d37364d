"""The manifest: what people save is read, and everything wrong with it is said in one go."""

from pathlib import Path

import pytest

from mvd.errors import ManifestError
from mvd.manifest import COLUMNS, Manifest, Specimen, example_manifest, read_manifest
from mvd.protocol import Protocol

HEADER = "specimen,patient,timepoint,image\n"
FULL = "specimen,patient,timepoint,image,um_per_px,involved,fields,response\n"
GOOD = "s1,p1,pre,a.tif\n"
PROTOCOL = Protocol(timepoints=("pre", "3mo"))
MANUAL = Protocol.model_validate({"timepoints": ["pre", "3mo"], "fields": {"placement": "manual"}})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    (folder / "slides").mkdir(parents=True)
    for name in ("a.tif", "b.tif", "slides/c.tif", "area.geojson", "../outside.tif"):
        (folder / name).touch()
    return folder


def read(study: Path, content: str | bytes, protocol: Protocol = PROTOCOL) -> Manifest:
    data = content if isinstance(content, bytes) else content.encode()
    (study / "specimens.csv").write_bytes(data)
    return read_manifest(study, protocol)


def test_rows_become_specimens_with_paths_ready_to_open(study: Path) -> None:
    manifest = read(study, FULL + "s1,p1,pre,a.tif,0.25,area.geojson,,responder\ns2,p1,3mo,slides/c.tif,,,,\n")
    assert manifest.problems == ()
    assert manifest.specimens == (
        Specimen(
            specimen="s1",
            patient="p1",
            timepoint="pre",
            image=study / "a.tif",
            um_per_px=0.25,
            involved=study / "area.geojson",
            response="responder",
        ),
        Specimen(specimen="s2", patient="p1", timepoint="3mo", image=study / "slides/c.tif"),
    )


SAVED_BY_PEOPLE = {
    "byte-order mark": b"\xef\xbb\xbf" + (HEADER + GOOD).encode(),
    "CRLF": (HEADER + GOOD).replace("\n", "\r\n"),
    "CR alone": (HEADER + GOOD).replace("\n", "\r"),
    "no last line end": (HEADER + GOOD).rstrip(),
    "semicolons": (HEADER + GOOD).replace(",", ";"),
    "tabs": (HEADER + GOOD).replace(",", "\t"),
    "Excel's hint": "sep=;\n" + (HEADER + GOOD).replace(",", ";"),
    "quoted cells": '"specimen","patient","timepoint","image"\n"s1","p1","pre","a.tif"\n',
    "comments and blank lines": '# one row, each "specimen\n\n'
    + HEADER
    + '\n"# quoted, by Excel"\n  # x\n'
    + GOOD
    + ",,,\n",
    "capitals and spaces": " Specimen, PATIENT ,timepoint,Image\n s1 , p1 , pre , a.tif \n",
    "empty columns at the end": "specimen,patient,timepoint,image,,\ns1,p1,pre,a.tif,,\n",
    "empty cells at the end": HEADER + "s1,p1,pre,a.tif,,,\n",
    "other order": "image,timepoint,patient,specimen\na.tif,pre,p1,s1\n",
    "back slashes": HEADER + "s1,p1,pre,slides\\..\\a.tif\n",
}


@pytest.mark.parametrize("content", SAVED_BY_PEOPLE.values(), ids=SAVED_BY_PEOPLE.keys())
def test_a_manifest_reads_however_it_was_saved(study: Path, content: str | bytes) -> None:
    manifest = read(study, content)
    assert manifest.problems == ()
    (specimen,) = manifest.specimens
    assert (specimen.specimen, specimen.patient, specimen.timepoint) == ("s1", "p1", "pre")
    assert specimen.image.samefile(study / "a.tif")


def test_a_decimal_comma_is_read_where_semicolons_separate(study: Path) -> None:
    manifest = read(study, FULL.replace(",", ";") + "s1;p1;pre;a.tif;0,2528;;;\n")
    assert manifest.specimens[0].um_per_px == 0.2528


def test_absolute_paths_may_lie_anywhere(study: Path) -> None:
    outside = study.parent / "outside.tif"
    assert read(study, HEADER + f"s1,p1,pre,{outside}\n").specimens[0].image == outside


def test_names_in_other_alphabets_are_names(study: Path) -> None:
    manifest = read(study, HEADER + "Müller 1_a-b.2,p1,pre,a.tif\n")
    assert manifest.specimens[0].specimen == "Müller 1_a-b.2"


UNREADABLE = {
    "empty": ("", "is empty"),
    "comments alone": ("# nothing\n", "is empty"),
    "no rows": (HEADER + "\n# s1, p1\n", "no rows"),
    "missing columns": ("specimen,patient\ns1,p1\n", "lacks the column 'timepoint', 'image'"),
    "double column": ("specimen,patient,timepoint,image,Image\n" + GOOD, "'image' more than once"),
    "misspelt column": (
        "specimen,patient,timepoint,image,um_per_pixel\n" + GOOD,
        r"unknown column 'um_per_pixel' \(did you mean 'um_per_px'\?\).*involved, fields, response",
    ),
    "unknown column": ("specimen,patient,timepoint,image,zzz\n" + GOOD, "unknown column 'zzz'; the columns are"),
    "a data row first": (GOOD, "unknown column 's1'"),
    "not UTF-8": (HEADER.encode() + "Müller,p1,pre,a.tif\n".encode("latin-1"), "not UTF-8 text .line 2."),
    "UTF-16": ((HEADER + GOOD).encode("utf-16"), "not UTF-8"),
    "zero bytes": ((HEADER + GOOD).encode("utf-16-le"), "zero bytes"),
    "signs as groups": (FULL + "s1,p1,pre,a.tif,,,,+\ns2,p2,pre,b.tif,,,,-\n", "response '-' stands for none beside"),
    "open quote": (HEADER + '"s1,p1,pre,a.tif\n', "row 2.*quotes"),
}


@pytest.mark.parametrize(("content", "sentence"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_manifest_says_why(study: Path, content: str | bytes, sentence: str) -> None:
    with pytest.raises(ManifestError, match=f"(?s){sentence}"):
        read(study, content)


def test_a_missing_manifest_says_how_to_get_one(study: Path) -> None:
    with pytest.raises(ManifestError, match="does not exist; mvd init"):
        read_manifest(study, PROTOCOL)


def row(**cells: str) -> str:
    given = {"specimen": "s2", "patient": "p2", "timepoint": "pre", "image": "b.tif"} | cells
    return ",".join(given.get(column, "") for column in COLUMNS) + "\n"


BAD_ROWS = {
    "double name": (row(specimen="s1"), "'s1' is taken by row 2"),
    "double name but for capitals": (row(specimen="S1"), "'S1' is taken by row 2"),
    "unknown timepoint": (row(timepoint="Pre"), "'Pre' is not in study.toml, which has pre, 3mo"),
    "same patient and timepoint": (row(patient="p1"), "'p1' already has a specimen at 'pre' in row 2"),
    "patient in other capitals": (row(patient="P1", timepoint="3mo"), "'P1' is 'p1' in row 2"),
    "two responses": (row(patient="p1", timepoint="3mo", response="none"), "'p1' is 'full' in row 2"),
    "missing image": (row(image="no.tif"), "image 'no.tif' does not exist"),
    "image is a folder": (row(image="slides"), "image 'slides' is a folder"),
    "missing involved area": (row(involved="no.geojson"), "involved 'no.geojson' does not exist"),
    "missing fields": (row(fields="no.geojson"), "fields 'no.geojson' does not exist"),
    "path out of the study": (row(image="../outside.tif"), "leaves the study folder"),
    "path out by a detour": (row(image="slides/../../outside.tif"), "leaves the study folder"),
    "path out with back slashes": (row(image="..\\outside.tif"), "leaves the study folder"),
    "path no system allows": (row(image="x" * 5000), "does not exist"),
    "zero pixel size": (row(um_per_px="0"), "um_per_px '0' cannot be"),
    "negative pixel size": (row(um_per_px="-0.25"), "um_per_px '-0.25' cannot be"),
    "pixel size nan": (row(um_per_px="nan"), "um_per_px 'nan' cannot be"),
    "pixel size in words": (row(um_per_px="quarter"), "um_per_px 'quarter' cannot be"),
    "pixel size in nm": (row(um_per_px="50"), "um_per_px '50' cannot be .* between 0.05 and 5"),
    "pixel size with underscore": (row(um_per_px="0_1.0"), "cannot be a pixel size"),
    "thousands or decimals?": (row(um_per_px='"1,000"'), "um_per_px '1,000' cannot be"),
    "name with a slash": (row(specimen="a/b"), "'a/b' cannot be a file name .it has '/'."),
    "name with a backslash": (row(specimen="a\\b"), "cannot be a file name"),
    "name of a formula": (row(specimen="=1+1"), "cannot be a file name"),
    "name of dots": (row(specimen=".."), "'..' cannot be a file name"),
    "hidden name": (row(specimen=".s"), "cannot be a file name"),
    "dot at the end": (row(specimen="s."), "cannot be a file name"),
    "name Windows reserves": (row(specimen="nul"), "such as CON"),
    "name Windows reserves with an ending": (row(specimen="COM1.x"), "such as CON"),
    "endless name": (row(specimen="s" * 101), "at most 100"),
    "endless name in bytes": (row(specimen="血" * 80), "cannot be a file name"),
    "no name": (row(specimen=""), "specimen is empty"),
    "no patient": (row(patient=""), "patient is empty"),
    "no timepoint": (row(timepoint=" "), "timepoint is empty"),
    "no image": (row(image=""), "image is empty"),
    "too few cells": ("s2,p2,pre,b.tif\n", "has 4 cells where the header has 8"),
    "too many cells": (row().rstrip() + ",x\n", "has 9 cells where the header has 8"),
}


@pytest.mark.parametrize(("bad", "sentence"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_has_one_problem_and_spares_the_others(study: Path, bad: str, sentence: str) -> None:
    content = FULL + "s1,p1,pre,a.tif,,,,full\n" + bad + "s3,p3,pre,a.tif,,,,\n"
    manifest = read(study, content)
    assert [specimen.specimen for specimen in manifest.specimens] == ["s1", "s3"]
    (problem,) = manifest.problems
    assert problem.row == 3
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(problem.sentence)


def test_manual_placement_needs_fields(study: Path) -> None:
    (problem,) = read(study, HEADER + GOOD, MANUAL).problems
    assert "placement = 'manual'" in problem.sentence
    assert read(study, FULL + row(fields="area.geojson"), MANUAL).problems == ()


def test_every_problem_of_every_row_is_told_with_its_line(study: Path) -> None:
    content = f"# comment\n\n{FULL}{row(image='no.tif', timepoint='x', um_per_px='50')}s3,p3\n{row(specimen='a/b')}"
    problems = read(study, content).problems
    assert [problem.row for problem in problems] == [4, 4, 4, 5, 6]
    assert str(problems[0]).startswith("specimens.csv row 4 (s2): ")


def test_the_line_is_right_after_a_cell_of_two_lines(study: Path) -> None:
    content = (
        FULL + row(response='"full\n# and lasting"') + "# comment\n" + row(specimen="s3", patient="p3", image="no.tif")
    )
    manifest = read(study, content)
    assert manifest.specimens[0].response == "full\n# and lasting"
    assert [problem.row for problem in manifest.problems] == [5]


def test_a_row_that_looks_like_a_comment_is_not_left_out_unseen(study: Path) -> None:
    manifest = read(study, HEADER + GOOD + "# kept, from May\n#12,p2,pre,b.tif\n# s3,p3,pre,b.tif,\n")
    assert [(problem.row, problem.specimen) for problem in manifest.problems] == [(4, "#12"), (5, "# s3")]
    assert "starts with # as a comment does; write a name without #" in manifest.problems[0].sentence


@pytest.mark.parametrize("cell", ["NA", "n/a", "-", ".", "nan"])
def test_a_word_for_none_is_no_response_group(study: Path, cell: str) -> None:
    assert [one.response for one in read(study, FULL + row(response=cell)).specimens] == [None]


def test_the_example_reads_once_a_row_is_added(study: Path) -> None:
    example = example_manifest()
    assert all(f"#   {column}" in example for column in COLUMNS)
    with pytest.raises(ManifestError, match="no rows"):
        read(study, example)
    assert read(study, example + row()).problems == ()
