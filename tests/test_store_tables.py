"""The tables: what is written is read back the same, and a spreadsheet runs none of it."""

import csv
import io
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_example import COUNTS, FOUR, MEASURES, PLACES, ROW

from mvd.errors import StoreError
from mvd.fields import CountField
from mvd.geometry import Rect
from mvd.store import (
    FieldRow,
    SpecimenRow,
    VesselRow,
    field_rows,
    read_table,
    table_text,
    vessel_rows,
)
from mvd.store.tables import parse_table


def test_the_columns_are_these() -> None:
    assert table_text(VesselRow, ()) == (
        "specimen,vessel,x_um,y_um,x0_um,y0_um,x1_um,y1_um,area_um2,lumen_area_um2,length_um,width_um,wall_um,"
        "perimeter_um,mean_dab_od,pieces,counted,reason,field,ambiguous,size_class,score\n"
    )
    assert table_text(FieldRow, ()) == (
        "specimen,field,x_um,y_um,side_um,evaluable_mm2,count,per_mm2,ambiguous,vessel_area_fraction,"
        "stained_area_fraction,chalkley\n"
    )
    assert table_text(SpecimenRow, ()) == (
        "specimen,patient,timepoint,status,reason,fields,count,ambiguous,area_mm2,mvd_per_mm2,ci_low,ci_high,hotspot_per_mm2,"
        "vessel_area_fraction,stained_area_fraction,chalkley,involved_source,um_per_px,calibration_source,slide_sha256,"
        "rule,protocol,version,response\n"
    )


def test_vessels_say_whether_they_count_where_and_why_not() -> None:
    rows = vessel_rows("s1", FOUR, assignments=PLACES)
    assert [(row.counted, row.reason, row.field) for row in rows] == [
        (True, "", "1;2"),
        (False, "pigment", ""),
        (False, "border", ""),
        (False, "outside fields", ""),
    ]
    assert table_text(VesselRow, rows).splitlines()[1] == (
        "s1,v00001,20.12,30.00,10.00,20.00,30.00,40.00,375.12,25.00,20.00,20.00,6.20,80.00,0.4322,2,true,,1;2,true,wide,"
    )


def test_without_fields_what_the_rule_accepts_counts() -> None:
    rows = vessel_rows("s1", FOUR, assignments={})
    assert [(row.counted, row.reason, row.field) for row in rows] == [
        (True, "", ""),
        (False, "pigment", ""),
        (True, "", ""),
        (True, "", ""),
    ]


def test_fields_are_written_by_their_corner() -> None:
    assert table_text(FieldRow, field_rows("s1", COUNTS, MEASURES)).splitlines()[1:] == [
        "s1,1,0.00,0.00,250.00,0.0625,1,16,1,0.02,0.008,7,1,0",
        "s1,2,250.01,0.00,250.00,0.05,1,20,0,0.02,0.005,0,1,0",
    ]


def test_each_size_class_is_a_column_and_without_classes_there_is_none() -> None:
    classed = [replace(ROW, by_size={"wide": 3, "narrow": 30}), replace(ROW, by_size={})]
    header, first, second = table_text(SpecimenRow, classed).splitlines()
    assert header.endswith(",response,count_wide,count_narrow")
    assert first.endswith(",3,30") and second.endswith(",,")
    assert parse_table(SpecimenRow, table_text(SpecimenRow, classed), where="x") == tuple(
        replace(row, mvd_per_mm2=105.6) for row in classed
    )
    assert "count_" not in table_text(SpecimenRow, [ROW])


def test_rows_whose_measures_are_of_other_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        field_rows("s1", COUNTS, MEASURES[:1])


NUMBERS = {
    "of floating sums": (33 * 3.2, "105.6"),
    "whole": (76.0, "76"),
    "long": (105.63412345, "105.634"),
    "large": (1234567.0, "1234567"),
    "large with a part": (1234567.8, "1234570"),
    "small": (0.0000123456789, "0.0000123457"),
    "zero": (-0.0, "0"),
    "NumPy": (np.float32(0.5), "0.5"),
    "absent": (None, ""),
}


@pytest.mark.parametrize(("value", "cell"), NUMBERS.values(), ids=NUMBERS.keys())
def test_numbers_print_as_a_reader_expects(value: Any, cell: str) -> None:
    text = table_text(SpecimenRow, [replace(ROW, mvd_per_mm2=value)])
    assert next(csv.DictReader(text.splitlines()))["mvd_per_mm2"] == cell


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(StoreError, match=r"s1: ci_low is .* no result"):
        table_text(SpecimenRow, [replace(ROW, ci_low=value)])


FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "\nx",
    " =1",
    "＝1",
    "'=1",
    "''-1",
    '=HYPERLINK("http://x","y")',
]
PLAIN = [
    "",
    "p1",
    "'p1'",
    "''",
    "a=b",
    "5-1",
    'a "quoted" word',
    "a,b",
    "a\r\nb",
    "a\rb",
    " a ",
    "Müller",
    "#1",
    "\x00",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_can_be_run_as_a_formula(text: str) -> None:
    table = table_text(SpecimenRow, [replace(ROW, patient=text)])
    _, cells = csv.reader(io.StringIO(table, newline=""))
    assert cells[1].startswith("'")
    assert parse_table(SpecimenRow, table, where="x")[0].patient == text


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_stays_as_it_is(text: str) -> None:
    table = table_text(SpecimenRow, [replace(ROW, patient=text)])
    assert parse_table(SpecimenRow, table, where="x")[0].patient == text
    assert "'" not in table or "'" in text


def test_negative_numbers_are_no_formulas() -> None:
    field = CountField("1", Rect.square(-9.5, -1, 250), 0.0625)
    rows = field_rows("s1", [replace(COUNTS[0], field=field)], MEASURES[:1])
    assert table_text(FieldRow, rows).splitlines()[1].startswith("s1,1,-9.50,-1.00,")


texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(FORMULAS)
numbers = st.none() | st.floats(-1e9, 1e9)
specimen_rows = st.builds(
    SpecimenRow,
    specimen=texts,
    patient=texts,
    timepoint=texts,
    status=texts,
    reason=texts,
    fields=st.none() | st.integers(0, 1000),
    count=st.none() | st.integers(0, 10**9),
    area_mm2=numbers,
    mvd_per_mm2=numbers,
    um_per_px=numbers,
    response=st.none() | texts.filter(bool),
    chalkley=numbers,
    by_size=st.dictionaries(st.sampled_from(["capillary", "x_2"]), st.integers(0, 10**6)),
)


@settings(max_examples=60)
@given(st.lists(specimen_rows, max_size=2))
def test_a_table_is_read_back_as_written(rows: list[SpecimenRow]) -> None:
    text = table_text(SpecimenRow, rows)
    back = parse_table(SpecimenRow, text, where="specimens.csv")
    assert table_text(SpecimenRow, back) == text
    for row, again in zip(rows, back, strict=True):
        for name, value in asdict(row).items():
            got = getattr(again, name)
            assert got == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value)


DAMAGED = {
    "empty": ("", "damaged"),
    "another header": ("a,b\n", "has the columns a,b instead of specimen,field"),
    "short row": ("{header}s1,1\n", "row 2 is damaged"),
    "long row": ("{header}s1,1,0,0,250,0.0625,1,16,0,0,0,3,x\n", "row 2 is damaged"),
    "not a number": ("{header}s1,1,0,0,250,wide,1,16,0,0,0,\n", "row 2 is damaged .*wide"),
    "nan": ("{header}s1,1,0,0,250,nan,1,16,0,0,0,\n", "row 2 is damaged .*no result"),
    "no count": ("{header}s1,1,0,0,250,0.0625,,16,0,0,0,\n", "row 2 is damaged"),
    "a size class in words": ("{sizes}s1,1,0,0,250,0.0625,1,16,0,0,,many\\n", "row 2 is damaged"),
    "open quote": ('{header}"s1,1\n', "damaged"),
}


@pytest.mark.parametrize(("text", "sentence"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_table_is_not_read(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "fields.csv"
    header = table_text(FieldRow, ())
    text = text.replace("{header}", header).replace("{sizes}", header.rstrip() + ",count_wide\n")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=f"fields.csv.*{sentence}"):
        read_table(FieldRow, path)


def test_an_absent_table_is_none(tmp_path: Path) -> None:
    assert read_table(FieldRow, tmp_path / "fields.csv") is None


@pytest.mark.parametrize("truth", [True, False])
def test_numpys_truth_is_read_again(truth: bool) -> None:
    (row,) = vessel_rows("s1", [replace(FOUR[0], ambiguous=np.bool_(truth))], assignments=PLACES)
    assert [one.ambiguous for one in parse_table(VesselRow, table_text(VesselRow, [row]), where="x")] == [truth]


def test_truth_is_true_or_false() -> None:
    text = table_text(VesselRow, vessel_rows("s1", FOUR, assignments=PLACES))
    assert [row.counted for row in parse_table(VesselRow, text, where="x")] == [True, False, False, False]
    with pytest.raises(StoreError, match="'yes' is not true or false"):
        parse_table(VesselRow, text.replace("true", "yes"), where="x")
