"""mvd agree on a study: what the logs of its observers say is compared, and nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Outcome, mvd
from simulated_observer import PROTOCOL, write_crowded_study
from small_study import contents, copy_of, write_protocol

from mvd.corrections import decide
from mvd.counting import assign
from mvd.fields import CountField
from mvd.geometry import Rect
from mvd.protocol import Protocol
from mvd.reading import Reading, open_reading, readings, reveal, unblind
from mvd.review import OpenReview, reviewed_count, take
from mvd.store import FieldRow, read_table
from mvd.study import run_study
from mvd.vessels.model import Reason

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("without_figures")]

S1, S2 = (Reading(name, name, False, name) for name in ("s1", "s2"))
AGAIN = Reading("R09", "s1", True, "R09")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sections with enough vessels to differ about."""
    study = write_crowded_study(tmp_path_factory.mktemp("agree") / "study", 2)
    assert min(row.count or 0 for row in run_study(study)) >= 5
    return study


@pytest.fixture
def study(crowded: Path, tmp_path: Path) -> Path:
    return copy_of(crowded, tmp_path)


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take most of the time, and tests of their own."""
    monkeypatch.setattr("mvd.agree.written.figures", lambda _: iter(()))


def begun(study: Path, reading: Reading, observer: str) -> OpenReview:
    return take(open_reading(study, reading, observer), decide.begin())


def counted(opened: OpenReview) -> list[str]:
    """Names of the vessels that count."""
    found = reviewed_count(opened.review, opened.measured.protocol)
    assert found is not None
    return [name for field in found.fields for name in field.vessels]


def rejecting(opened: OpenReview, *names: str) -> OpenReview:
    for name in names:
        opened = take(opened, decide.reject(opened.review, name, Reason.HAZE))
    return opened


def read(study: Path, observer: str, reading: Reading, *, rejected: int = 0) -> OpenReview:
    """A finished read in which so many vessels do not count that counted for the program."""
    opened = begun(study, reading, observer)
    return take(rejecting(opened, *counted(opened)[:rejected]), decide.finish())


def written(study: Path) -> dict[str, Any]:
    found = json.loads((study / "report" / "agreement.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def comparison(study: Path, name: str, level: str = "field") -> dict[str, Any]:
    (found,) = [one for one in written(study)["comparisons"] if (one["name"], one["level"]) == (name, level)]
    return dict(found)


def fields(study: Path, specimen: str = "") -> list[FieldRow]:
    """Those that the program counted, of one specimen or of all."""
    found = read_table(FieldRow, study / "results" / "fields.csv")
    return [row for row in found or () if specimen in ("", row.specimen)]


def agree(study: Path, *arguments: str) -> Outcome:
    return mvd("agree", study, *arguments)


def test_observers_are_compared_with_each_other_and_with_the_program(study: Path) -> None:
    for observer, rejected in (("anna", 0), ("bert", 2)):
        for reading in (S1, S2):
            read(study, observer, reading, rejected=rejected)
    outcome = agree(study)
    assert (outcome.status, outcome.err) == (0, "")
    assert "anna – bert" in outcome.out and "program – bert" in outcome.out
    same, less = comparison(study, "program – anna"), comparison(study, "program – bert")
    assert same["n"] == less["n"] == len(fields(study))
    assert same["icc_2_1"]["value"] == 1
    assert same["difference"]["bias"]["value"] == 0
    assert same["vessels"]["f1"] == 1
    assert less["difference"]["bias"]["value"] == pytest.approx(4 / len(fields(study)))
    vessels = less["vessels"]
    assert (vessels["extra"], vessels["missed"]) == (4, 0)
    assert vessels["matched"] == same["vessels"]["matched"] - 4
    assert written(study)["left_out"] == []


def test_a_specimen_has_the_density_that_recount_gives(study: Path) -> None:
    opened = [read(study, "anna", reading, rejected=1) for reading in (S1, S2)]
    agree(study)
    counts = [reviewed_count(one.review, one.measured.protocol) for one in opened]
    mine = sum(one.mvd_per_mm2 for one in counts if one) / 2
    program = sum(one.measured.row.mvd_per_mm2 or 0 for one in opened) / 2
    found = comparison(study, "program – anna", "specimen")
    assert (found["n"], found["unit"]) == (2, "vessels/mm²")
    assert found["difference"]["bias"]["value"] == pytest.approx(program - mine)


def test_added_vessels_match_where_they_are(study: Path) -> None:
    """Both observers add one at nearly the same place, under names that say nothing, and one more each for itself."""
    shared, *own = free_places(open_reading(study, S1, "anna"), 3)
    for observer, place, shift_um in (("anna", own[0], 0.0), ("bert", own[1], 1.0)):
        opened = begun(study, S1, observer)
        for x_um, y_um in ((shared[0] + shift_um, shared[1]), place):
            opened = take(opened, decide.add_point(opened.review, x_um, y_um))
        take(opened, decide.finish())
    agree(study)
    vessels, program = comparison(study, "anna – bert")["vessels"], comparison(study, "program – anna")["vessels"]
    assert (vessels["extra"], vessels["missed"]) == (1, 1)
    assert vessels["matched"] == program["matched"] + 1
    assert program["missed"] == 2


def free_places(opened: OpenReview, number: int) -> list[tuple[float, float]]:
    """Places in the fields, far from each other and from everything that was found."""
    margin_um, taken = 6.0, [one.vessel.bounds for one in opened.review.objects.values()]
    found: list[tuple[float, float]] = []
    for field in opened.review.counted_fields:
        inner = field.rect.expanded(-margin_um)
        for x_um in np.arange(inner.x0_um, inner.x1_um, 4.0):
            for y_um in np.arange(inner.y0_um, inner.y1_um, 4.0):
                near = Rect.square(x_um - margin_um, y_um - margin_um, 2 * margin_um)
                if all(near.intersection(other) is None for other in taken):
                    taken.append(near.expanded(margin_um))
                    found.append((float(x_um), float(y_um)))
    assert len(found) >= number
    return found[:number]


def test_a_read_that_is_not_finished_is_left_out_and_named(study: Path) -> None:
    for reading in (S1, S2):
        read(study, "anna", reading)
    read(study, "bert", S1)
    begun(study, S2, "bert")
    open_reading(study, S1, "clara")  # looked at, not begun
    outcome = agree(study)
    assert outcome.status == 3
    assert outcome.err == "mvd: bert, s2: the review is not finished\n"
    assert comparison(study, "anna – bert", "specimen")["n"] == 1
    assert "clara" not in json.dumps(written(study))


def test_second_reads_are_compared_with_the_first_of_the_same_observer(study: Path) -> None:
    read(study, "anna", S1)
    read(study, "anna", AGAIN, rejected=1)
    read(study, "bert", S1, rejected=2)
    agree(study)
    repeat = comparison(study, "anna, second read – anna")
    assert repeat["kind"] == "repeat"
    assert repeat["difference"]["bias"]["value"] == pytest.approx(-1 / len(fields(study, "s1")))
    assert comparison(study, "anna – bert")["difference"]["bias"]["value"] == pytest.approx(
        2 / len(fields(study, "s1"))
    )
    assert not any("second" in one["name"] for one in written(study)["comparisons"] if one["kind"] != "repeat")


@pytest.fixture
def unaided(study: Path) -> Path:
    write_protocol(
        study, PROTOCOL.model_copy(update={"review": Protocol().review.model_copy(update={"first_read": "unaided"})})
    )
    return study


def marked(study: Path, reading: Reading, observer: str, number: int) -> OpenReview:
    """An unaided review in which so many vessels of the program's were marked."""
    opened = begun(study, reading, observer)
    machine = [one.vessel for one in opened.review.objects.values() if one.vessel.accepted]
    places = assign(machine, opened.review.counted_fields, opened.measured.protocol.fields.border)
    for vessel in [one for one in machine if places[one.name].fields][:number]:
        opened = take(opened, decide.accept(opened.review, vessel.name))
    return opened


def test_the_count_before_the_program_was_shown_is_compared_on_its_own(unaided: Path) -> None:
    take(reveal(marked(unaided, S1, "anna", 2)), decide.finish())
    assert agree(unaided).status == 0
    program, alone = comparison(unaided, "program – anna"), comparison(unaided, "program – anna, unaided")
    assert program["vessels"]["f1"] == 1
    assert (alone["vessels"]["matched"], alone["vessels"]["extra"]) == (2, program["vessels"]["matched"] - 2)
    assert comparison(unaided, "anna – anna, unaided")["kind"] == "aid"
    assert "saw what the program found" in program["note"]
    assert "saw what the program found" not in alone["note"]


def test_a_review_that_never_saw_the_program_is_an_unaided_count_alone(unaided: Path) -> None:
    take(marked(unaided, S1, "anna", 2), decide.finish())
    outcome = agree(unaided)
    assert outcome.status == 3
    assert "anna, s1: what the program found was never shown" in outcome.err
    names = {one["name"] for one in written(unaided)["comparisons"]}
    assert names == {"program – anna, unaided"}


def test_nothing_marked_before_the_program_was_shown_is_no_count_of_zero(unaided: Path) -> None:
    take(reveal(begun(unaided, S1, "anna")), decide.finish())
    outcome = agree(unaided)
    assert "anna, unaided, s1: nothing was marked before the program's objects were shown" in outcome.err
    assert {one["name"] for one in written(unaided)["comparisons"]} == {"program – anna"}


def test_a_moved_field_is_compared_with_no_field_but_in_the_specimen(study: Path) -> None:
    opened = begun(study, S1, "anna")
    leftmost = min(opened.review.counted_fields, key=lambda field: field.rect.x0_um)
    old = leftmost.rect
    rect = Rect(old.x0_um - 1, old.y0_um, old.x1_um - 1, old.y1_um)
    moved = decide.move_field(opened.review, CountField(leftmost.name, rect, leftmost.evaluable_mm2))
    take(take(opened, moved), decide.finish())
    agree(study)
    found, specimens = comparison(study, "program – anna"), comparison(study, "program – anna", "specimen")
    assert found["n"] == len(fields(study, "s1")) - 1
    assert "1 field was not counted by all of them at the same place" in found["note"]
    assert specimens["n"] == 1


def test_a_damaged_log_is_left_out_with_the_line(study: Path) -> None:
    for observer in ("anna", "bert"):
        opened = read(study, observer, S1, rejected=1)
    opened.log.path.write_bytes(opened.log.path.read_bytes().replace(b"haze", b"fold"))
    outcome = agree(study)
    assert outcome.status == 3
    assert "bert, s1: " in outcome.err and "line 3 was changed" in outcome.err
    assert comparison(study, "program – anna")["n"] == len(fields(study, "s1"))


def test_a_review_of_an_earlier_result_is_compared_by_place(study: Path) -> None:
    read(study, "anna", S1, rejected=1)
    rule = PROTOCOL.rule.model_copy(update={"name": "own", "join_gap_um": 7.0})
    write_protocol(study, Protocol.model_validate(PROTOCOL.model_copy(update={"rule": rule}).model_dump()))
    run_study(study)
    read(study, "bert", S1)
    outcome = agree(study)
    assert outcome.status == 0
    assert outcome.err.startswith("mvd: anna, s1: s1 was measured anew since, with another outcome")
    assert len(written(study)["remarks"]) == len(outcome.err.splitlines()) == 1
    found = comparison(study, "program – anna")
    assert found["n"] == len(fields(study, "s1"))
    assert found["vessels"]["matched"] >= 5
    assert found["vessels"]["extra"] >= 1


def test_who_is_still_blinded_is_told_to_keep_away(study: Path) -> None:
    review = Protocol().review.model_copy(update={"blinded": True, "repeat_share": 0.0})
    write_protocol(study, PROTOCOL.model_copy(update={"review": review}))
    for reading in readings(study, "anna"):
        read(study, "anna", reading)
    assert agree(study).err == (
        "mvd: names have not been shown to anna yet: these files name specimens, keep them away until then\n"
    )
    unblind(study, "anna", "all is read")
    assert agree(study).err == ""


def test_the_same_logs_give_the_same_files_and_change_nothing_else(study: Path) -> None:
    for observer, rejected in (("anna", 0), ("bert", 1)):
        read(study, observer, S1, rejected=rejected)
    before = contents(study)
    assert agree(study).status == 0
    first = contents(study / "report")
    assert {name: data for name, data in contents(study).items() if not name.startswith("report/")} == before
    agree(study)
    assert contents(study / "report") == first
    elsewhere = study.parent / "elsewhere"
    agree(study, "--out", str(elsewhere))
    assert contents(elsewhere) == first


def test_where_nobody_reviewed_there_is_nothing_to_compare(study: Path) -> None:
    outcome = agree(study)
    assert (outcome.status, outcome.err) == (
        1,
        "mvd: study study: no two readers have counted the same; there is nothing to compare\n",
    )
    assert not (study / "report").exists()


def test_rows_of_the_manifest_that_cannot_be_used_are_no_matter(study: Path) -> None:
    """One has a name that no file can have; the image of the other, which was reviewed, is gone."""
    read(study, "anna", S1)
    (study / "s1.ome.tif").unlink()
    with (study / "specimens.csv").open("a", encoding="utf-8") as manifest:
        manifest.write("a/b,p9,pre,s2.ome.tif,,,,\n")
    outcome = agree(study)
    assert (outcome.status, outcome.err) == (0, "")
    assert comparison(study, "program – anna")["n"] == len(fields(study, "s1"))


def test_a_review_in_which_no_field_is_left_has_no_count(study: Path) -> None:
    read(study, "anna", S2)
    opened = begun(study, S1, "anna")
    for name in list(opened.review.fields):
        opened = take(opened, decide.mark_unevaluable(opened.review, name, "fold"))
    take(opened, decide.finish())
    outcome = agree(study)
    assert outcome.status == 3
    assert outcome.err == "mvd: anna, s1: the observer left no field to count in\n"
