"""Tables of counts, as people save them and as they get them wrong."""

from pathlib import Path

import pytest

from mvd.count_table import CountTable, read_counts
from mvd.errors import ManifestError
from mvd.protocol import ComparisonPlan

HEADER = "patient,timepoint,count,area_mm2,response\n"
GOOD = HEADER + "a,pre,17,0.3125,R\na,3mo,20,0.3125,R\n"


def read(folder: Path, text: str | bytes, **options: object) -> CountTable:
    path = folder / "counts.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    plan = ComparisonPlan(counts=str(options.pop("counts", "program")))
    return read_counts(path, plan=plan, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace(",", ";").replace("0.3125", "0,3125"),
        GOOD.replace(",", "\t"),
        "sep=;\n" + GOOD.replace(",", ";"),
        "# counted in May\n\n" + GOOD,
        GOOD.replace("patient", "Patient").replace("area_mm2", "Area mm²"),
        "patient,timepoint,mvd_per_mm2,response\na,pre,54.4,R\na,3mo,64,R\n",
        GOOD.replace("count,", "count,mvd_per_mm2,").replace("17,", "17,54.3,").replace("20,", "20,64.0,"),
    ],
    ids=["plain", "mark", "CRLF", "semicolons", "tabs", "sep", "comments", "capitals", "densities", "both"],
)
def test_a_table_reads_the_same_however_it_was_saved(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert [(r.patient, r.timepoint, r.mvd_per_mm2, r.response) for r in found.rows] == [
        ("a", "pre", pytest.approx(54.4), "R"),
        ("a", "3mo", pytest.approx(64.0), "R"),
    ]
    assert (found.timepoints, found.source) == (("pre", "3mo"), "the counts of counts.csv")


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "-", ".", "nan", "#N/A"])
def test_a_specimen_that_nobody_counted_stays_with_the_reason(tmp_path: Path, cell: str) -> None:
    found = read(tmp_path, GOOD.replace("20", cell))
    assert (found.rows[1].mvd_per_mm2, found.rows[1].reason) == (None, "no count in the table")
    assert not found.rows[1].reviewed


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "counts.csv is empty; its first row must name the columns patient, timepoint, count, area_mm2"),
        (HEADER, "counts.csv has a header but no rows; add one row for each specimen"),
        ("patient,count,area_mm2\na,1,1\n", "counts.csv lacks the column 'timepoint'"),
        (
            "patient,timepoint,count\na,pre,1\n",
            "counts.csv lacks the column 'area_mm2' (or mvd_per_mm2 in place of count and area_mm2)",
        ),
        (GOOD.replace("response", "answer"), "has the unknown column 'answer'"),
        (GOOD.replace("count", "cuont"), "has the unknown column 'cuont' (did you mean 'count'?)"),
        (GOOD.replace("response", "patient"), "counts.csv has the column 'patient' more than once; keep one"),
        (GOOD.replace("17", "-17"), "row 2: count '-17' is no number of at least 0; leave it empty if nobody counted"),
        (GOOD.replace("17", "inf"), "row 2: count 'inf' is no number"),
        (GOOD.replace("17", "1e999"), "row 2: count '1e999' is no number"),
        (GOOD.replace("17", "=1+1"), "row 2: count '=1+1' is no number"),
        (GOOD.replace("17", "seventeen"), "row 2: count 'seventeen' is no number"),
        (GOOD.replace("17", "1e20"), "row 2: count '1e20' is more than marrow can hold (1e+06); correct it"),
        (GOOD.replace("17", "4000"), "row 2: 4000 vessels in 0.3125 mm² are more than marrow can hold; correct one"),
        (
            "patient,timepoint,mvd_per_mm2\na,pre,54400\n",
            "row 2: mvd_per_mm2 '54400' is more than marrow can hold (10000); correct it",
        ),
        (
            GOOD.replace(",", ";").replace("0.3125", "0,3125").replace("17", "1.234"),
            "row 2: count '1.234' may be thousands, as decimals have ',' elsewhere; write 1234 or 1,234",
        ),
        (
            GOOD.replace(",", ";").replace("17", "1,234"),
            "row 2: count '1,234' may be thousands, as decimals have '.' elsewhere; write 1234 or 1.234",
        ),
        (GOOD.replace("17,0.3125", "17,1e-300"), "row 2: area_mm2 '1e-300' cannot be an area in mm²"),
        (
            GOOD.replace("17,0.3125", "17,312.5"),
            "area_mm2 '312.5' cannot be an area in mm²; five fields of 250 µm are 0",
        ),
        (GOOD.replace("17,0.3125", "17,0"), "row 2: area_mm2 '0' cannot be an area in mm²"),
        (GOOD.replace("17,0.3125", "17,62500"), "row 2: area_mm2 '62500' cannot be an area in mm²"),
        (GOOD.replace("17,0.3125", "17,"), "row 2: there is a count but no area_mm2"),
        (GOOD.replace("a,pre", ",pre"), "row 2: patient is empty; fill it in"),
        (GOOD.replace("a,pre", "a,"), "row 2: timepoint is empty; fill it in"),
        (GOOD.replace("3mo", "pre"), "row 3: patient 'a' already has a count at 'pre' in row 2; keep one"),
        (GOOD.replace("a,3mo", "A,3mo"), "row 3: patient 'A' is written 'a' in row 2; correct one of the two"),
        (GOOD.replace("a,pre", "p1,pre").replace("a,3mo", "P 1,3mo"), "row 3: patient 'P 1' is written 'p1' in row 2"),
        (GOOD.replace("a,pre", "A-b,pre").replace("a,3mo", "a_B,3mo"), "patient 'a_B' is written 'A-b' in row 2"),
        (
            GOOD.replace("a,pre", "Anna  B,pre").replace("a,3", "Anna B,3"),
            "patient 'Anna B' is written 'Anna  B' in row 2",
        ),
        (GOOD.replace("a,pre", "NA,pre"), "row 2: patient is 'NA', a word for none; fill it in"),
        (GOOD.replace("a,3mo", "a,3 mo") + "b,3mo,1,1,\n", "row 4: timepoint '3mo' is written '3 mo' in row 3"),
        (GOOD.replace("a,3mo", "#12,3mo"), "counts.csv row 3 starts with # as a comment does; write a name without #"),
        (GOOD.replace("a,3mo", '"#12",3mo'), "counts.csv row 3 starts with # as a comment does"),
        (GOOD.replace("R\n", "+\n") + "b,pre,1,1,-\n", "counts.csv: response '-' stands for none beside '+'"),
        (GOOD.replace("20,0.3125,R", "20,0.3125,N"), "row 3: the response of patient 'a' is 'N' here and 'R' in row 2"),
        (GOOD.replace("0.3125", "0,3125"), "a decimal comma needs semicolons between the cells"),
        (GOOD + 'b,"pre,1\n', "check the quotes"),
        (
            "patient,timepoint,count,area_mm2,mvd_per_mm2\na,pre,17,0.3125,17\n",
            "row 2: mvd_per_mm2 is 17, but count over area_mm2 is 54.4; correct one",
        ),
        (
            "patient,timepoint,count,area_mm2,specimen\na,pre,1,1,s\nb,pre,1,1,s\n",
            "row 3: specimen 's' is that of 'a, pre' in row 2; correct one of the two",
        ),
        (
            "patient,timepoint,count,area_mm2,observer\na,pre,1,1,anna\nb,pre,1,1,\n",
            "row 3: observer is empty where other rows name one; fill it in",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ManifestError) as refused:
        read(tmp_path, text)
    assert sentence in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("cell", ["NA", "n/a", "-", ".", "nan", "#N/A", "NULL"])
def test_a_word_for_none_is_no_response_no_observer_and_no_specimen(tmp_path: Path, cell: str) -> None:
    text = "patient,timepoint,count,area_mm2,response,observer,specimen\n" + "".join(
        f"{patient},pre,17,0.3125,{cell},{cell},{cell}\n" for patient in "ab"
    )
    found = read(tmp_path, text)
    assert [(row.response, row.source, row.specimen) for row in found.rows] == [(None, "table", None)] * 2


def test_comments_among_the_rows_are_single_cells(tmp_path: Path) -> None:
    text = GOOD.replace("a,3mo", '# the second\n"# saved, by Excel",,\n\na,3mo')
    assert read(tmp_path, text).rows == read(tmp_path, GOOD).rows


def test_a_lone_quote_makes_no_patient_of_a_comment_nor_a_comment_of_a_patient(tmp_path: Path) -> None:
    text = GOOD.replace("a,", 'O"Brien,') + "\n# and so on\n"
    assert [row.patient for row in read(tmp_path, text).rows] == ['O"Brien'] * 2
    with pytest.raises(ManifestError, match="row 4 starts with #"):
        read(tmp_path, GOOD.replace("a,", 'O"Brien,') + "#12,pre,1,1,\n")


@pytest.mark.parametrize(("one", "other"), [("1-12", "11-2"), ("1-1", "11"), ("P1", "P01"), ("R", "R-")])
def test_names_that_are_not_the_same_name_stay_apart(tmp_path: Path, one: str, other: str) -> None:
    rows = "".join(f"{name},pre,17,0.3125,\n" for name in (one, other))
    assert [row.patient for row in read(tmp_path, HEADER + rows).rows] == [one, other]


def test_a_point_is_a_decimal_point_where_no_cell_says_otherwise(tmp_path: Path) -> None:
    text = "patient;timepoint;mvd_per_mm2\na;pre;1.234\na;3mo;54.4\n"
    assert [row.mvd_per_mm2 for row in read(tmp_path, text).rows] == [1.234, 54.4]


@pytest.mark.parametrize(
    ("text", "counts", "taken"),
    [
        (GOOD, "program", "table"),
        (GOOD, "mean", "table"),
        ("two", "program", "mean"),
        ("two", "observer:bert", "observer:bert"),
        ("two", "mean:bert,anna", "mean:bert,anna"),
        ("one", "program", "observer:anna"),
        ("comma", "program", "mean"),
    ],
)
def test_what_was_taken_is_said_as_a_plan_says_it(tmp_path: Path, text: str, counts: str, taken: str) -> None:
    one = "patient,timepoint,observer,count,area_mm2\na,pre,anna,10,0.25\n"
    text = {"two": TWO, "one": one, "comma": one.replace("anna", '"Lee, Anna"')}.get(text, text)
    assert read(tmp_path, text, counts=counts).counts == taken
    assert ComparisonPlan(counts=taken).counts == taken


def test_all_faults_of_a_table_are_said_at_once_but_not_without_end(tmp_path: Path) -> None:
    rows = "".join(f"p{n},pre,-1,0.3125,\n" for n in range(30))
    with pytest.raises(ManifestError) as refused:
        read(tmp_path, HEADER + rows)
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("counts.csv row 2: count '-1'")
    assert (len(lines), lines[-1]) == (21, "counts.csv: and 10 more such rows")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [("é".encode("latin-1"), "is not UTF-8 text"), (b"a\0b", "holds zero bytes")],
    ids=["latin-1", "zeros"],
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes, sentence: str) -> None:
    with pytest.raises(ManifestError, match=sentence):
        read(tmp_path, data)


def test_a_protocol_names_and_orders_the_timepoints(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD, timepoints=("3mo", "pre", "6mo")).timepoints == ("3mo", "pre", "6mo")
    with pytest.raises(ManifestError, match="row 3: timepoint '3mo' is not in the protocol, which has pre, post"):
        read(tmp_path, GOOD, timepoints=("pre", "post"))


TWO = (
    "patient,timepoint,observer,count,area_mm2\n"
    "a,pre,anna,10,0.25\na,pre,bert,21,0.35\na,3mo,anna,20,0.25\na,3mo,bert,,\nb,pre,bert,8,0.25\n"
)


@pytest.mark.parametrize(
    ("counts", "expected", "source"),
    [
        (
            "program",
            [("mean of anna, bert", 31 / 0.6), ("anna", 80.0), ("bert", 32.0)],
            "the mean of the counts of anna, bert (of those who counted the specimen) in counts.csv",
        ),
        (
            "mean",
            [("mean of anna, bert", 31 / 0.6), ("anna", 80.0), ("bert", 32.0)],
            "the mean of the counts of anna, bert (of those who counted the specimen) in counts.csv",
        ),
        (
            "mean:bert,anna",
            [("mean of bert, anna", 31 / 0.6), "not counted by bert", "not counted by anna"],
            "the mean of the counts of bert, anna in counts.csv",
        ),
        (
            "observer:bert",
            [("bert", 60.0), "not counted by bert", ("bert", 32.0)],
            "the counts of bert in counts.csv",
        ),
    ],
)
def test_whose_counts_are_taken_is_said(
    tmp_path: Path, counts: str, expected: list[str | tuple[str, float]], source: str
) -> None:
    found = read(tmp_path, TWO, counts=counts)
    assert [r.reason or (r.source, pytest.approx(r.mvd_per_mm2)) for r in found.rows] == expected
    assert found.source == source


def test_a_mean_is_the_mean_count_over_the_mean_area(tmp_path: Path) -> None:
    first = read(tmp_path, TWO, counts="mean").rows[0]
    assert (first.count, first.area_mm2, first.mvd_per_mm2) == pytest.approx((15.5, 0.3, 15.5 / 0.3))
    densities = "patient,timepoint,observer,mvd_per_mm2\na,pre,anna,40\na,pre,bert,50\n"
    mean = read(tmp_path, densities, counts="mean").rows[0]
    assert (mean.count, mean.area_mm2, mean.mvd_per_mm2) == (None, None, 45)


def test_an_observer_who_counted_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"has no counts of 'carl' \(it has anna, bert\)"):
        read(tmp_path, TWO, counts="observer:carl")
    with pytest.raises(ManifestError, match=r"has no counts of 'carl' \(it has no column observer\)"):
        read(tmp_path, GOOD, counts="observer:carl")
