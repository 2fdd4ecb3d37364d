"""mvd recount: the counts as observers corrected them, by the function that a desk shows them with."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import mvd
from small_study import ROWS, contents, copy_of, write_manifest

from mvd.corrections import decide
from mvd.counting import assign
from mvd.reading import Reading, open_reading
from mvd.recount import recount_text
from mvd.review import OpenReview, reviewed_row, take
from mvd.store import SpecimenRow, read_table
from mvd.vessels.model import Reason

PRE, POST = (Reading(row["specimen"], row["specimen"], False, row["specimen"]) for row in ROWS)
PRE_AGAIN = Reading("R09", "p1_pre", True, "R09")


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    return copy_of(measured_study, tmp_path)


def one_less(study: Path, reading: Reading, observer: str = "anna") -> OpenReview:
    """A review in which one vessel that counted does not."""
    opened = take(open_reading(study, reading, observer), decide.begin())
    places = assign(opened.review.vessels, opened.review.counted_fields, "frame")
    name = next(v.name for v in opened.review.vessels if v.accepted and places[v.name].fields)
    return take(opened, decide.reject(opened.review, name, Reason.HAZE))


def table(study: Path, observer: str = "anna", folder: str = "reviews") -> tuple[SpecimenRow, ...]:
    found = read_table(SpecimenRow, study / folder / observer / "specimens.csv")
    assert found is not None
    return found


def test_the_table_is_what_a_desk_shows_byte_for_byte(study: Path) -> None:
    shown = [reviewed_row(take(one_less(study, reading), decide.finish())) for reading in (POST, PRE)]
    outcome = mvd("recount", study)
    assert (outcome.status, outcome.err) == (0, "")
    written = (study / "reviews" / "anna" / "specimens.csv").read_bytes()
    assert written == recount_text(reversed(shown)).encode()
    assert mvd("recount", study, "--observer", "anna") == outcome
    assert (study / "reviews" / "anna" / "specimens.csv").read_bytes() == written


def test_the_screen_shows_the_reviewed_counts_beside_the_programs(study: Path) -> None:
    opened = take(one_less(study, PRE), decide.finish())
    row, machine = reviewed_row(opened), opened.measured.row
    assert row.count is not None
    assert machine.count == row.count + 1
    out = mvd("recount", study).out.splitlines()
    cells = re.split(" {2,}", out[2])
    assert out[0] == "anna"
    assert cells[0] == "p1_pre"
    assert sum(int(count) for count in cells[1].split()) == row.count
    assert f"{row.mvd_per_mm2:.1f}" in cells
    assert f"{machine.mvd_per_mm2:.1f}" in cells
    assert cells[-1] == "finished"


def test_what_is_not_reviewed_or_not_finished_is_said(study: Path) -> None:
    one_less(study, PRE)
    open_reading(study, POST, "anna")  # looked at, not begun
    outcome = mvd("recount", study)
    assert outcome.status == 3
    assert outcome.err == "mvd: anna: not finished: p1_pre\nmvd: anna: not reviewed: p1_post\n"
    assert [row.specimen for row in table(study)] == ["p1_pre"]


def test_a_specimen_whose_image_is_gone_is_recounted_all_the_same(study: Path) -> None:
    before = reviewed_row(take(one_less(study, PRE), decide.finish()))
    (study / "p1_pre.ome.tif").unlink()
    assert mvd("recount", study).err == "mvd: anna: not reviewed: p1_post\n"
    assert table(study)[0].count == before.count


def test_each_observer_has_a_table_and_second_reads_one_of_their_own(study: Path) -> None:
    for observer in ("anna", "ben"):
        one_less(study, PRE, observer)
    take(open_reading(study, PRE_AGAIN, "anna"), decide.begin())
    outcome = mvd("recount", study)
    assert "anna, second reads\n" in outcome.out
    first, second = table(study)[0].count, table(study, folder="repeats")[0].count
    assert first is not None
    assert second == first + 1
    assert table(study, "ben")[0].count == first
    assert "second" not in mvd("recount", study, "--observer", "ben").out


def test_what_the_program_had_to_say_stays_in_the_row(study: Path) -> None:
    opened = one_less(study, PRE)
    review = take(opened, decide.mark_unevaluable(opened.review, "2", "fold"))
    assert reviewed_row(review).reason == "field 2 is left out: fold"
    measured = replace(review.measured, row=replace(review.measured.row, reason="2 of 5 fields fit"))
    assert reviewed_row(replace(review, measured=measured)).reason == "2 of 5 fields fit; field 2 is left out: fold"


def test_ambiguous_vessels_are_those_that_count_now(study: Path) -> None:
    opened = take(open_reading(study, PRE, "anna"), decide.begin())
    assert reviewed_row(opened).ambiguous == opened.measured.row.ambiguous
    all_near_a_limit = {
        name: replace(one, vessel=replace(one.vessel, ambiguous=True)) for name, one in opened.review.objects.items()
    }
    row = reviewed_row(replace(opened, review=replace(opened.review, objects=all_near_a_limit)))
    assert row.ambiguous == row.count != 0
    for name, reviewed in opened.review.objects.items():
        if reviewed.vessel.accepted:
            opened = take(opened, decide.reject(opened.review, name, Reason.HAZE))
    row = reviewed_row(opened)
    assert (row.count, row.ambiguous) == (0, 0)


def test_a_damaged_log_stops_the_recount_and_leaves_the_table(study: Path) -> None:
    opened = one_less(study, PRE)
    mvd("recount", study)
    before = contents(study / "reviews" / "anna")
    opened.log.path.write_bytes(opened.log.path.read_bytes().replace(b"haze", b"fold"))
    outcome = mvd("recount", study)
    assert outcome.status == 1
    assert "p1_pre.jsonl: line 3 was changed" in outcome.err
    after = contents(study / "reviews" / "anna")
    assert after["specimens.csv"] == before["specimens.csv"]


def test_the_results_stay_as_they_are(study: Path) -> None:
    before = contents(study / "results")
    one_less(study, PRE)
    mvd("recount", study)
    assert contents(study / "results") == before


def test_where_nothing_was_reviewed_the_recount_says_so(study: Path) -> None:
    assert mvd("recount", study).out == "nothing was reviewed\n"
    open_reading(study, PRE, "anna")
    assert mvd("recount", study, "--observer", "anna").out == "nothing was reviewed\n"


def test_an_observer_whom_nobody_knows_is_an_error_that_names_the_others(study: Path) -> None:
    one_less(study, PRE)
    one_less(study, POST, observer="ben")
    outcome = mvd("recount", study, "--observer", "Anna")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err == "mvd: nobody named 'Anna' has reviewed anything here; observers are anna, ben\n"
    assert not (study / "reviews" / "anna" / "specimens.csv").exists()
    assert mvd("recount", study, "--observer", " ben ").out.startswith("ben\n")


def test_a_review_of_a_specimen_that_the_manifest_no_longer_names_is_said(study: Path) -> None:
    for reading in (PRE, POST):
        take(one_less(study, reading), decide.finish())
    write_manifest(study, ROWS[0])
    outcome = mvd("recount", study)
    assert (outcome.status, outcome.err) == (3, "mvd: anna: not in specimens.csv: p1_post\n")
    assert [row.specimen for row in table(study)] == ["p1_pre"]


def test_a_row_whose_name_no_file_can_have_stops_nobody(study: Path) -> None:
    for reading in (PRE, POST):
        take(one_less(study, reading), decide.finish())
    write_manifest(study, *ROWS, {**ROWS[0], "specimen": "../p9", "patient": "p9"})
    outcome = mvd("recount", study)
    assert (outcome.status, outcome.err) == (0, "")
    assert [row.specimen for row in table(study)] == ["p1_pre", "p1_post"]
