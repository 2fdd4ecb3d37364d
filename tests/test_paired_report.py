"""The report holds what was computed, says how, and gives the same bytes each time."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import fields, replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from paired_example import COMPARISONS, OTHER, PATIENTS, RESPONDER, TIMEPOINTS, evidence, example

from mvd.compare import Comparison, Comparisons, CountModel, compare_counts
from mvd.errors import StoreError
from mvd.paired_report import Evidence, write_report
from mvd.paired_report.definitions import DEFINITIONS
from mvd.paired_report.limitations import limitations
from mvd.paired_report.markup import Html, joined, tag
from mvd.paired_report.methods import comparison_text, methods_text, results_text
from mvd.paired_report.page import Page, page_html
from mvd.paired_report.pictures import side_px
from mvd.paired_report.tables import result_tables, tidy_tables
from mvd.paired_report.words import density, fixed, interval, p_value, span
from mvd.paired_report.workbook import workbook
from mvd.paired_report.writing import report_files
from mvd.protocol import ComparisonPlan
from mvd.store import table_text

FORMULAS = ("=1+1", "+49 30 1", "-cmd", "@SUM(A1)", "\t=1", "\r=1", "＝1")
FILES = {
    "paired.html",
    "paired.xlsx",
    "paired.json",
    "specimens.csv",
    "pairs.csv",
    "post_values.csv",
    "fields.csv",
    "vessels.csv",
    *(f"figures/{name}.{kind}" for name in ("slopes", "waterfall", "boxes", "fields") for kind in ("svg", "png")),
}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The report without its figures, which take longest."""
    comparisons = example()
    shown = evidence(comparisons)
    tables = tidy_tables(comparisons, shown)
    return {
        "paired.html": page_of(comparisons, shown),
        "paired.xlsx": workbook_of(comparisons, shown),
        **{f"{one.name}.csv": table_text(one.row_type, one.rows).encode() for one in tables},
    }


class Text(HTMLParser):
    """The words of a page, without its style and script; which elements and attributes it has."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._open: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs
        if tag in ("style", "script"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def page_of(comparisons: Comparisons, shown: Evidence | None = None) -> bytes:
    """The page without its figures, which take longest."""
    shown = shown or Evidence()
    return page_html(comparisons, shown, Page((), tidy_tables(comparisons, shown), (), "", False)).encode()


def workbook_of(comparisons: Comparisons, shown: Evidence | None = None) -> bytes:
    tables = tidy_tables(comparisons, shown or Evidence())
    return workbook([*result_tables(comparisons), *tables], comparisons, about=())


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def sheet(data: bytes, name: str) -> list[dict[str, Any]]:
    book = openpyxl.load_workbook(io.BytesIO(data))
    header, *rows = book[name].iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


# ---- numbers as they are written


@pytest.mark.parametrize(
    ("value", "shown"),
    [(52.8, "52.8"), (16.0, "16"), (156.8, "156.8"), (6.4, "6.4"), (0.0, "0"), (-12.8, "−12.8"), (-0.01, "0"),
     (None, "–"), (1e6, "1000000")],
)  # fmt: skip
def test_a_density_is_written_as_the_source_paper_does(value, shown):
    assert density(value) == shown


def test_the_ranges_of_the_source_paper():
    assert [span(16.0, 156.8), span(6.4, 160.0), span(38.4, 108.8)] == ["16–156.8", "6.4–160", "38.4–108.8"]
    assert interval(-8.0, 30.4) == "−8 to 30.4"


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (1.0, "1.000"),
        (0.3128, "0.313"),
        (0.0499, "0.0499"),
        (0.05004, "0.0500"),
        (0.0512, "0.051"),
        (0.00312, "0.0031"),
        (0.0001, "0.0001"),
        (0.00004, "< 0.0001"),
        (None, "–"),
    ],
)
def test_a_p_value_never_moves_across_a_limit_by_rounding(p, shown):
    assert p_value(p) == shown


# ---- the page


def test_the_table_is_that_of_the_source_paper():
    comparisons = example()
    page = page_of(comparisons).decode()
    table = page[page.index('<table class="paper">') : page.index("</table>")]
    cells = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in table.split("<tr>")[2:]]
    wanted = [
        [one.timepoint, str(one.n), density(one.median), span(one.minimum, one.maximum)]
        for one in comparisons.summaries
    ]
    assert [row[:4] for row in cells] == wanted
    assert [row[5] for row in cells] == ["", "0.012", "0.216"]


@pytest.mark.parametrize("one", COMPARISONS, ids=lambda one: one.name)
def test_no_p_value_stands_without_n_test_sidedness_ties_and_zeros(one: Comparison):
    said = comparison_text(one)
    if one.p_value is None:
        assert "no p-value" in said
        assert one.note in said
        return
    assert "two-sided" in said
    assert {"friedman": "Friedman", "wilcoxon_signed_rank": "signed-rank", "mann_whitney": "Mann–Whitney"}[
        one.test
    ] in said
    assert one.method in said
    numbers = [f"n = {one.n}"] if not one.groups else [f"{group} {number}" for group, number in one.groups]
    assert all(number in said for number in numbers)


def test_a_shift_between_groups_says_which_is_taken_from_which():
    said = comparison_text(COMPARISONS[3])
    assert f"shift −12.8 vessels/mm², {OTHER} less {RESPONDER} (" in said


def test_the_page_names_every_test_with_its_method(files):
    text = Text(files["paired.html"]).text
    for one in COMPARISONS:
        assert one.name in text
        assert one.method in text
        assert one.note in text


@pytest.mark.parametrize(
    "part",
    ["timepoints", "tests", "figures", "methods", "specimens", "patients", "agreement", "exclusions", "limitations",
     "provenance", "definitions"],
)  # fmt: skip
def test_every_part_is_there_and_linked(files, part):
    attributes = Text(files["paired.html"]).attributes
    assert ("id", part) in attributes
    assert ("href", f"#{part}") in attributes


def test_parts_without_anything_to_say_are_not_there():
    page = Text(page_of(example()))
    assert not {("id", "patients"), ("id", "agreement")} & set(page.attributes)


def test_the_page_points_to_nothing_outside_itself(files):
    page = Text(files["paired.html"])
    places = [
        value or "" for name, value in page.attributes if name in ("src", "href", "action", "srcset", "data", "poster")
    ]
    assert places
    assert all(place.startswith(("#", "data:image/jpeg;base64,")) for place in places)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & set(page.elements)
    assert "@import" not in files["paired.html"].decode()
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_whose_counts_they_are_and_what_nobody_reviewed_stands_at_the_top():
    comparisons = example(source="the mean of anna and bert")
    top = Text(page_of(comparisons)).text[:1500]
    assert "the mean of anna and bert" in top
    assert all(name in top for name in comparisons.unreviewed)


def test_everyone_left_out_is_named_with_the_reason(files):
    text = Text(files["paired.html"]).text
    for name, reason in example().left_out:
        assert name in text
        assert reason in text


@pytest.mark.slow
def test_the_day_stands_in_the_page_and_the_workbook_where_it_is_given(tmp_path):
    write_report(tmp_path / "report", example(), made_on=date(2026, 11, 22))
    assert "2026-11-22" in Text((tmp_path / "report/paired.html").read_bytes()).text
    about = openpyxl.load_workbook(tmp_path / "report/paired.xlsx")["about"]
    assert ("Made on", "2026-11-22") in [row[:2] for row in about.iter_rows(values_only=True)]


# ---- words


def test_the_methods_have_the_numbers_of_this_study():
    comparisons = example()
    specimens, counting, statistics = methods_text(comparisons, evidence(comparisons))
    assert "54 specimens of 22 patients (22 at pre, 19 at 3mo and 13 at 6mo)" in specimens
    responders = sum(index % 5 < 3 for index in range(len(PATIENTS)))
    assert f"{len(PATIENTS) - responders} {OTHER} and {responders} {RESPONDER}" in specimens
    assert "1 further specimen could not be measured" in specimens
    assert "5 fields of 250 × 250 µm (0.0625 mm²)" in counting
    assert "0.2526 µm per pixel" in counting
    assert "5 specimens were reviewed by nobody" in counting
    assert "dropped before ranking" in statistics
    assert "at least 95 % confidence" in statistics


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (ComparisonPlan(zeros="pratt"), "ranked and then dropped (Pratt)"),
        (ComparisonPlan(post="latest"), "the latest timepoint that was measured"),
        (ComparisonPlan(post="mean"), "the mean of all later timepoints"),
        (ComparisonPlan(confidence=0.9), "at least 90 % confidence"),
    ],
)
def test_the_methods_say_what_the_protocol_chose(plan, said):
    assert said in methods_text(example(plan=plan), Evidence())[2]


CAUTION = "too few fields: 2 of 5 fields fit: no room for a further field"


def cautioned(caution: str = CAUTION) -> Comparisons:
    """The first specimen's value is used with a caution."""
    first, *others = example().rows
    return example(rows=(replace(first, caution=caution), *others))


def test_a_caution_stands_wherever_the_value_is_told_of():
    comparisons, name = cautioned(), example().rows[0].specimen
    whole = page_of(comparisons, evidence(comparisons))
    assert f"1 count used with a caution: {name} (too few fields)" in Text(whole).text[:1500]
    for part in ("specimens", "exclusions", "limitations"):
        assert CAUTION.encode() in whole.partition(f'id="{part}"'.encode())[2].partition(b"</section>")[0], part
    assert f"1 count used with a caution: {name}, {CAUTION}." in limitations(comparisons, Evidence())
    assert "1 specimen was kept with a caution (too few fields)." in methods_text(comparisons, Evidence())[0]
    tables = tidy_tables(comparisons, Evidence())
    assert [row["caution"] for row in rows_of(table_text(tables[0].row_type, tables[0].rows).encode())][:2] == [
        CAUTION,
        "",
    ]
    assert sheet(workbook_of(comparisons), "specimens")[0]["caution"] == CAUTION
    assert "aution" not in Text(page_of(example())).text.partition("Beside this page")[0]


def test_the_interval_stands_beside_each_mvd_on_the_page():
    comparisons = example()
    first = comparisons.rows[0]
    told = span(first.ci_low, first.ci_high)
    whole = Text(page_of(comparisons, evidence(comparisons))).text
    assert f"(interval {told})" in whole  # the patient's page
    assert f"{fixed(first.mvd_per_mm2, 1)} ({told})" in whole.replace("( ", "(").replace(" )", ")")
    without = tuple(replace(row, ci_low=None, ci_high=None) for row in comparisons.rows)
    assert "(interval" not in Text(page_of(example(rows=without))).text


def test_why_there_is_no_model_of_the_counts_is_among_the_methods():
    none = CountModel("", "GEE", (), "fewer than 3 patients at a timepoint")
    said = " ".join(methods_text(example(model=none), Evidence()))
    assert "no model of the counts was made: fewer than 3 patients at a timepoint" in said


def test_the_methods_give_the_numbers_of_fields_that_there_were():
    comparisons = example()
    whole = evidence(comparisons)
    counting = methods_text(comparisons, whole)[1]
    assert "5 fields of 250 × 250 µm (0.0625 mm²) per specimen were placed systematically" in counting
    gone = {
        (comparisons.rows[0].specimen, "1"),
        (comparisons.rows[0].specimen, "2"),
        (comparisons.rows[1].specimen, "1"),
    }
    fewer = replace(whole, fields=tuple(one for one in whole.fields if (one.specimen, one.field) not in gone))
    counting = methods_text(comparisons, fewer)[1]
    assert "5 fields of 250 × 250 µm (0.0625 mm²) per specimen were asked for, placed systematically" in counting
    assert "; 2 specimens had fewer fields (3 to 4)." in counting
    more = replace(whole, fields=(*whole.fields, replace(whole.fields[0], field="6")))
    assert "; 1 specimen had more fields (6)." in methods_text(comparisons, more)[1]


def test_whoever_has_no_response_is_counted_and_named():
    rows = tuple(replace(row, response=None) if row.patient in PATIENTS[:2] else row for row in example().rows)
    assert "; 2 have none." in methods_text(example(rows=rows), Evidence())[0]
    assert "have none" not in methods_text(example(), Evidence())[0]
    exclusions = Text(page_of(example(rows=rows))).text.rpartition("Exclusions")[2]
    assert f"2 patients without a response, and in no comparison of responses: {PATIENTS[0]} and {PATIENTS[1]}" in (
        exclusions
    )
    nobody = tuple(replace(row, response=None) for row in rows)
    assert "response" not in methods_text(example(rows=nobody), Evidence())[0]


def test_of_densities_the_methods_do_not_say_that_counts_were_added():
    some = example()
    bare = tuple(replace(row, count=None, area_mm2=None) for row in some.rows)
    mixed = (*bare[:3], *some.rows[3:])
    told = {
        name: methods_text(example(rows=rows), Evidence())[1]
        for name, rows in (("counts", some.rows), ("densities", bare), ("both", mixed))
    }
    assert "The MVD of a specimen is its count over its area" in told["counts"]
    assert told["densities"].startswith("Densities were taken from a table")
    assert "is the density in the table" in told["densities"]
    assert "or else the density in the table" in told["both"]
    assert "of 3 specimens only the density was given" in told["both"]
    assert not any("sum of" in text for text in told.values()), "a table does not tell of fields"
    assert "sum of the counts of its fields" in methods_text(some, evidence(some))[1]


def test_of_a_table_of_counts_the_methods_say_no_word_of_slides():
    text = " ".join(methods_text(example(), Evidence()))
    assert "Counts were taken from a table" in text
    assert "0.3125 mm²" in text
    assert not re.search(r"slide|pixel|counting rule|CD34", text)


def test_a_single_p_value_is_not_called_one_of_several():
    several = " ".join(limitations(example(), Evidence()))
    one = " ".join(limitations(example(comparisons=COMPARISONS[:1]), Evidence()))
    assert "4 p-values" in several
    assert "p-values are given" not in one


def test_the_limits_name_patients_without_a_pair_and_the_step_of_one_vessel():
    text = " ".join(limitations(example(), Evidence()))
    assert "At 3mo, 3 patients of 22 had no pair" in text
    assert "At 6mo, 9 patients of 22 had no pair" in text
    assert "by 3.2 vessels/mm²" in text


# ---- tables


def test_every_column_of_every_table_is_defined(files):
    comparisons = example()
    for one in (*tidy_tables(comparisons, evidence(comparisons)), *result_tables(comparisons)):
        assert set(DEFINITIONS[one.name]) == {column.name for column in fields(one.row_type)}
    defined = {(row["sheet"], row["column"]) for row in sheet(files["paired.xlsx"], "definitions")}
    book = openpyxl.load_workbook(io.BytesIO(files["paired.xlsx"]))
    for name in set(book.sheetnames) - {"about", "definitions"}:
        assert {(name, cell.value) for cell in book[name][1]} <= defined, name


def test_tables_are_tidy_and_whole(files):
    comparisons = example()
    shown = evidence(comparisons)
    numbers = {"specimens": len(comparisons.rows), "pairs": len(PATIENTS) * (len(TIMEPOINTS) - 1)}
    numbers["post_values"] = len(PATIENTS)
    numbers |= {"fields": len(shown.fields), "vessels": len(shown.vessels)}
    for name, number in numbers.items():
        assert len(rows_of(files[f"{name}.csv"])) == number
        assert len(sheet(files["paired.xlsx"], name)) == number
    assert [row["timepoint"] for row in sheet(files["paired.xlsx"], "timepoints")] == list(TIMEPOINTS)
    assert [row["p_value"] for row in sheet(files["paired.xlsx"], "tests")] == [one.p_value for one in COMPARISONS]


def test_cells_of_the_workbook_have_types(files):
    row = sheet(files["paired.xlsx"], "specimens")[0]
    assert [type(row[name]) for name in ("patient", "reviewed", "count", "mvd_per_mm2")] == [str, bool, int, float]
    missing = sheet(files["paired.xlsx"], "specimens")[-1]
    assert missing["mvd_per_mm2"] is None
    assert missing["reason"]


def test_headers_stay_in_view(files):
    book = openpyxl.load_workbook(io.BytesIO(files["paired.xlsx"]))
    assert {page.freeze_panes for page in book if page.title != "about"} == {"A2"}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_name_that_begins_like_a_formula_stays_text(name):
    comparisons = example({PATIENTS[0]: name})
    rows = tidy_tables(comparisons, Evidence())[0]
    cells = [row["patient"] for row in rows_of(table_text(rows.row_type, rows.rows).encode())]
    assert cells[0] == f"'{name}"
    assert not [cell for cell in cells if re.match(r"\s*[=+\-@＝＋－＠]|[\t\r\n]", cell)]
    data = workbook_of(comparisons)
    cell = openpyxl.load_workbook(io.BytesIO(data))["specimens"]["A2"]
    assert cell.data_type == "s"
    assert cell.value.replace("_x000D_", "\r") == name
    assert b"<f>" not in b"".join(_parts(data))


def _parts(data: bytes) -> list[bytes]:
    import zipfile  # noqa: PLC0415

    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        return [whole.read(name) for name in whole.namelist()]


@pytest.mark.parametrize("name", ["http://x.org", "0012", "1e5", "TRUE", "2026-01-02", "a" * 40_000])
def test_a_name_that_looks_like_something_else_is_no_less_a_text(name):
    cell = sheet(workbook_of(example({PATIENTS[0]: name})), "pairs")[0]["patient"]
    assert cell == name[:32_767]


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '" onload="x', "a & b", "</title>", "\x00\x1b[31m", "\u202egnp.exe"]
)
def test_a_name_is_never_markup(name):
    plain = Text(page_of(example()))
    page = Text(page_of(example({PATIENTS[0]: name})))
    assert page.elements == plain.elements
    assert {attribute for attribute, _ in page.attributes} == {attribute for attribute, _ in plain.attributes}
    assert not set(page.text) & set("\x00\x1b\u202e")


@pytest.mark.parametrize("what", ["title", "source", "response", "timepoint", "reason", "note"])
def test_no_other_text_is_markup_either(what):
    harm, comparisons = '"><script>x</script>', example()
    rows = comparisons.rows
    changed = {
        "title": example(title=harm),
        "source": example(source=harm),
        "response": example(rows=tuple(replace(row, response=harm) for row in rows)),
        "timepoint": example(
            rows=tuple(replace(row, timepoint=harm) for row in rows),
            timepoints=(harm, *TIMEPOINTS[1:]),
            summaries=tuple(replace(one, timepoint=harm) for one in comparisons.summaries),
        ),
        "reason": example(left_out=((harm, harm),), unreviewed=(harm,)),
        "note": example(comparisons=tuple(replace(one, note=harm, name=harm) for one in comparisons.comparisons)),
    }[what]
    page = Text(page_of(changed))
    assert page.elements.count("script") == 1
    assert harm in page.text


def test_text_is_escaped_wherever_it_is_put():
    assert tag("p", "<b>", title='"&') == '<p title="&quot;&amp;">&lt;b&gt;</p>'
    assert joined("<", Html("<br>"), ["&", None]) == "&lt;<br>&amp;"


# ---- files


@pytest.mark.slow
def test_all_files_are_written_and_nothing_else(tmp_path):
    comparisons = example()
    written = write_report(tmp_path / "report", comparisons, evidence=evidence(comparisons)).files
    names = {path.relative_to(tmp_path / "report").as_posix() for path in written}
    assert names == FILES
    assert {
        p.relative_to(tmp_path / "report").as_posix() for p in (tmp_path / "report").rglob("*") if p.is_file()
    } == FILES


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes():
    first, again = (report_files(example(), evidence(example())) for _ in range(2))
    assert set(first) == FILES
    assert first == again


@pytest.mark.slow
def test_an_earlier_report_leaves_nothing_behind(tmp_path):
    comparisons = example()
    write_report(tmp_path, comparisons, evidence=evidence(comparisons))
    (tmp_path / "figures" / "mine.svg").touch()
    write_report(tmp_path, comparisons)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    gone = {"fields.csv", "vessels.csv", "figures/fields.svg", "figures/fields.png"}
    assert left == FILES - gone | {"figures/mine.svg"}


@pytest.mark.parametrize("name", ["specimens.csv", "fields.csv"])
def test_a_table_that_no_report_wrote_is_not_written_over(tmp_path, name):
    (tmp_path / name).write_text("specimen,patient\n", encoding="utf-8")
    with pytest.raises(StoreError, match=f"{name} that no report wrote"):
        write_report(tmp_path, example())
    assert [path.name for path in tmp_path.iterdir()] == [name]


# ---- little or nothing to compare


def counted(*rows: Any) -> Comparisons:
    return compare_counts(rows, timepoints=TIMEPOINTS, plan=ComparisonPlan(), title="t", source="a table")


@pytest.mark.slow
@pytest.mark.parametrize(
    "comparisons",
    [
        counted(),
        counted(example().rows[0]),
        counted(replace(example().rows[0], count=None, area_mm2=None, mvd_per_mm2=None, reason="lost")),
        counted(*[replace(row, count=0, mvd_per_mm2=0.0) for row in example().rows[:-1]]),
        counted(*[replace(row, response=None) for row in example().rows]),
        counted(*[replace(row, area_mm2=None, count=None) for row in example().rows]),
        replace(example(), timepoints=("pre",), summaries=example().summaries[:1], changes=(), comparisons=()),
        replace(example(), model=CountModel("", "Poisson", (), "it did not converge"), power=()),
    ],
    ids=[
        "nothing",
        "one specimen",
        "none measured",
        "all zero",
        "no response",
        "densities",
        "one timepoint",
        "no model",
    ],
)
def test_little_or_nothing_to_compare_still_gives_a_report(comparisons):
    made = report_files(comparisons, Evidence())
    text = Text(made["paired.html"]).text
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text)
    assert not re.search(r"\bnan\b|\binf\b", " ".join(results_text(comparisons)))
    openpyxl.load_workbook(io.BytesIO(made["paired.xlsx"]))


def test_a_study_with_many_pictures_keeps_a_page_that_opens():
    assert side_px(220) == 600
    assert side_px(700) == 400
    assert side_px(25_000) is None


@pytest.mark.slow
def test_a_table_of_the_lab_keeps_its_figures_readable():
    """300 patients: names that could not be read are left away, and the spread of fields is drawn as points."""
    rows = [
        replace(row, patient=f"{row.patient}-{copy}", specimen=f"{row.specimen}-{copy}")
        for copy in range(14)
        for row in example().rows
    ]
    comparisons = example(rows=tuple(rows))
    made = report_files(comparisons, evidence(comparisons))
    assert b"standard deviation between its fields" in made["figures/fields.svg"]
    assert len(made["figures/fields.svg"]) < 1_000_000


def test_the_report_is_found_from_the_package():
    from mvd import paired_report  # noqa: PLC0415

    assert paired_report.write_report is write_report
    assert Path(paired_report.__file__).with_name("page.css").is_file()
