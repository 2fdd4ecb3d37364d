"""Reads -> who is compared with whom, over which fields and specimens, vessel by vessel."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvd.agreement import Agreement, Detection, FieldRead, Marked, Pair, Reader, agreement_of, match_marked
from mvd.agreement.compared import ALIKE, NOT_INDEPENDENT
from mvd.agreement.reads import PROGRAM
from mvd.geometry import Rect

ANNA, BERT, CLARA = (Reader(name, "first") for name in ("anna", "bert", "clara"))
SECOND, ALONE = Reader("anna", "second"), Reader("anna", "first", unaided=True)
AREA_MM2 = 0.0625


def reads(reader: Reader, counts: dict[str, Sequence[float]], area_mm2: float | None = AREA_MM2) -> list[FieldRead]:
    """A reader's counts, specimen by specimen."""
    return [
        FieldRead(reader, specimen, str(number), count, area_mm2)
        for specimen, row in counts.items()
        for number, count in enumerate(row, start=1)
    ]


def pair_of(agreement: Agreement, title: str, level: str = "field") -> Pair:
    (found,) = [pair for pair in agreement.pairs if (pair.title, pair.level) == (title, level)]
    return found


def compared(readers: Iterable[Reader]) -> list[tuple[str, str]]:
    agreement = agreement_of([read for reader in readers for read in reads(reader, {"s1": [3, 4]})])
    return [(pair.kind, pair.title) for pair in agreement.pairs if pair.level == "field"]


@pytest.mark.parametrize(
    ("readers", "expected"),
    [
        ([], []),
        ([ANNA], []),
        ([PROGRAM], []),
        ([ANNA, BERT], [("observers", "anna – bert")]),
        ([PROGRAM, ANNA], [("program", "program – anna")]),
        (
            [ANNA, BERT, CLARA],
            [
                ("observers", "anna – bert"),
                ("observers", "anna – clara"),
                ("observers", "bert – clara"),
                ("observers", "all 3 observers"),
            ],
        ),
        ([ANNA, SECOND], [("repeat", "anna, second read – anna")]),
        ([SECOND, BERT], []),
        (
            [PROGRAM, ANNA, ALONE],
            [
                ("program", "program – anna"),
                ("program", "program – anna, unaided"),
                ("aid", "anna – anna, unaided"),
            ],
        ),
        ([ALONE, replace(SECOND, unaided=True)], [("repeat", "anna, unaided, second read – anna, unaided")]),
        ([BERT, ALONE], []),  # one saw what the program found, the other did not
    ],
)
def test_like_is_compared_with_like(readers: list[Reader], expected: list[tuple[str, str]]) -> None:
    assert compared(readers) == expected


def test_a_field_enters_with_its_count_and_a_specimen_with_its_density() -> None:
    given_ = [*reads(ANNA, {"s1": [3, 5], "s2": [8, 0]}), *reads(BERT, {"s1": [4, 5], "s2": [6, 2]})]
    agreement = agreement_of(given_)
    fields, specimens = pair_of(agreement, "anna – bert"), pair_of(agreement, "anna – bert", "specimen")
    assert (fields.unit, specimens.unit) == ("vessels", "vessels/mm²")
    assert [point.counts for point in fields.points] == [(3, 4), (5, 5), (8, 6), (0, 2)]
    assert [point.counts for point in specimens.points] == [(64, 72), (64, 64)]
    assert fields.difference is not None and fields.difference.bias.value == pytest.approx(-0.25)
    assert fields.ratio is not None and (fields.ratio.n, fields.ratio.left_out) == (3, 1)


def test_without_areas_a_specimen_enters_with_its_count_per_field() -> None:
    given_ = [*reads(ANNA, {"s1": [3, 5]}, None), *reads(BERT, {"s1": [4]}, None)]
    specimens = pair_of(agreement_of(given_), "anna – bert", "specimen")
    assert specimens.unit == "vessels per field"
    assert [point.counts for point in specimens.points] == [(4, 4)]


def test_each_reader_has_the_density_of_their_own_fields() -> None:
    """One left a field out, the other counted part of it."""
    anna = [FieldRead(ANNA, "s1", "1", 10, 0.05), FieldRead(ANNA, "s1", "2", 4, 0.05)]
    bert = [FieldRead(BERT, "s1", "1", 10, 0.05)]
    agreement = agreement_of([*anna, *bert])
    assert [point.counts for point in pair_of(agreement, "anna – bert", "specimen").points] == [(140, 200)]
    fields = pair_of(agreement, "anna – bert")
    assert [point.field for point in fields.points] == ["1"]
    assert "1 field was not counted by all of them at the same place" in fields.note


def test_a_field_that_was_moved_is_another_field() -> None:
    place = Rect.square(100, 100, 250)
    moved = [Rect.square(100 + step_um, 100, 250) for step_um in (0, 0.005, 0.02)]
    anna = [FieldRead(ANNA, f"s{n}", "1", 5, AREA_MM2, place) for n in range(3)]
    bert = [FieldRead(BERT, f"s{n}", "1", 6, AREA_MM2, moved[n]) for n in range(3)]
    agreement = agreement_of([*anna, *bert])
    assert [point.specimen for point in pair_of(agreement, "anna – bert").points] == ["s0", "s1"]
    assert pair_of(agreement, "anna – bert", "specimen").n == 3


def test_all_observers_are_compared_over_what_all_of_them_counted() -> None:
    given_ = [
        *reads(ANNA, {"s1": [1, 2, 3], "s2": [4]}),
        *reads(BERT, {"s1": [1, 2]}),
        *reads(CLARA, {"s1": [2, 2, 5]}),
    ]
    together = pair_of(agreement_of(given_), "all 3 observers")
    assert [point.counts for point in together.points] == [(1, 1, 2), (2, 2, 2)]
    assert (together.difference, together.ratio, together.vessels) == (None, None, None)
    assert together.icc_21.value is not None
    assert pair_of(agreement_of(given_), "anna – clara").n == 3


def test_fields_of_one_specimen_are_said_to_be_alike() -> None:
    one_each = {"s1": [3], "s2": [4], "s3": [9]}
    assert ALIKE not in pair_of(agreement_of([*reads(ANNA, one_each), *reads(BERT, one_each)]), "anna – bert").note
    several = {"s1": [3, 4], "s2": [9]}
    agreement = agreement_of([*reads(ANNA, several), *reads(BERT, several)])
    assert ALIKE in pair_of(agreement, "anna – bert").note
    assert ALIKE not in pair_of(agreement, "anna – bert", "specimen").note


def test_who_saw_what_the_program_found_is_said_not_to_be_independent() -> None:
    given_ = [read for reader in (PROGRAM, ANNA, ALONE) for read in reads(reader, {"s1": [3, 4]})]
    agreement = agreement_of(given_, aided=[ANNA])
    assert NOT_INDEPENDENT in pair_of(agreement, "program – anna").note
    assert NOT_INDEPENDENT not in pair_of(agreement, "program – anna, unaided").note
    assert NOT_INDEPENDENT not in pair_of(agreement, "anna – anna, unaided").note


def test_one_reader_counts_a_field_once() -> None:
    with pytest.raises(ValueError, match="anna counted field 1 of s1 twice"):
        agreement_of([*reads(ANNA, {"s1": [3]}), *reads(ANNA, {"s1": [4]})])


def box(x_um: float, y_um: float = 0, side_um: float = 10) -> Rect:
    return Rect.square(x_um, y_um, side_um)


FOUND, REDRAWN = ("result", "v00001"), box(200)


@pytest.mark.parametrize(
    ("found", "reference", "expected"),
    [
        pytest.param([], [], Detection(0, 0, 0), id="nothing on either side"),
        pytest.param([Marked(box(0), FOUND)], [Marked(REDRAWN, FOUND)], Detection(1, 0, 0), id="one object, redrawn"),
        pytest.param(
            [Marked(box(0), FOUND)], [Marked(box(300), ("other", "v00001"))], Detection(0, 1, 1), id="of another result"
        ),
        pytest.param(
            [Marked(box(0), FOUND)], [Marked(box(1), ("other", "v00007"))], Detection(1, 0, 0), id="at the same place"
        ),
        pytest.param([Marked(box(0), None)], [Marked(box(2), None)], Detection(1, 0, 0), id="added by both"),
        pytest.param([Marked(box(0), None)], [Marked(box(40), None)], Detection(0, 1, 1), id="added apart"),
        pytest.param(
            [Marked(box(0), FOUND), Marked(box(1), None)],
            [Marked(box(0), FOUND)],
            Detection(1, 1, 0),
            id="added beside it",
        ),
        pytest.param(
            [Marked(Rect(0, 0, 20, 10), None)],
            [Marked(box(0), FOUND), Marked(box(10), ("result", "v00002"))],
            Detection(1, 0, 1),
            id="merged by one of them",
        ),
    ],
)
def test_vessels_match_by_the_programs_name_and_else_by_place(
    found: list[Marked], reference: list[Marked], expected: Detection
) -> None:
    assert match_marked(found, reference) == expected


def marked_read(reader: Reader, field: str, *marked: Marked, specimen: str = "s1") -> FieldRead:
    return FieldRead(reader, specimen, field, len(marked), AREA_MM2, box(0, 0, 250), marked)


def test_vessels_are_compared_in_the_fields_that_both_counted() -> None:
    """Added up over specimens; a vessel that both fields hold is one; at the same place in two specimens it is two."""
    one, two, three = (Marked(box(x), ("result", f"v0000{x}")) for x in (1, 50, 90))
    given_ = [
        marked_read(ANNA, "1", one, two),
        marked_read(ANNA, "2", two),
        marked_read(ANNA, "3", three),
        marked_read(ANNA, "1", one, specimen="s2"),
        marked_read(BERT, "1", one),
        marked_read(BERT, "2"),
        marked_read(BERT, "1", three, specimen="s2"),
    ]
    agreement = agreement_of(given_)
    assert pair_of(agreement, "anna – bert").vessels == Detection(1, 2, 1)
    assert pair_of(agreement, "anna – bert", "specimen").vessels is None


def test_counts_without_marked_vessels_have_no_vessels_to_compare() -> None:
    given_ = [*reads(ANNA, {"s1": [3]}), *reads(BERT, {"s1": [3]})]
    assert pair_of(agreement_of(given_), "anna – bert").vessels is None


counts = st.dictionaries(
    st.sampled_from(["s1", "s2", "s3", "s4"]), st.lists(st.integers(0, 12), min_size=1, max_size=3), max_size=4
)


@given(counts, counts)
def test_the_program_is_compared_as_an_observer_is(
    first: dict[str, list[float]], second: dict[str, list[float]]
) -> None:
    as_observers = agreement_of([*reads(ANNA, first), *reads(BERT, second)]).pairs
    as_program = agreement_of([*reads(PROGRAM, first), *reads(BERT, second)]).pairs
    assert [(p.points, p.icc_21, p.difference, p.ratio) for p in as_observers] == [
        (p.points, p.icc_21, p.difference, p.ratio) for p in as_program
    ]
