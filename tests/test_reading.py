"""An observer's reads: blinded, in a random order that holds, some of them twice, and what was hidden is in the log."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from small_study import PROTOCOL, ROWS, contents, copy_of, write_manifest, write_protocol

from mvd.corrections import What, decide
from mvd.corrections.shapes import NOMINAL_DIAMETER_UM
from mvd.counting import assign
from mvd.errors import CorrectionError, StoreError
from mvd.protocol import Protocol, ReviewPlan
from mvd.reading import (
    KNOWN_BEFORE,
    REPEATS_FOLDER,
    Reading,
    draw_order,
    hidden,
    is_unblinded,
    open_reading,
    reading_status,
    readings,
    reveal,
    unblind,
)
from mvd.review import OpenReview, read_review, reviewed_count, reviewed_row, take
from mvd.store.order import Drawn, read_order, write_order
from mvd.study import run_study
from mvd.vessels.model import Reason, Vessel

FORTY = [f"s{number}" for number in range(40)]
BLINDED = ReviewPlan(blinded=True)


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    return copy_of(measured_study, tmp_path)


def reviewed_by(study: Path, **plan: object) -> Path:
    """The study with such a section [review]."""
    write_protocol(study, PROTOCOL.model_copy(update={"review": ReviewPlan.model_validate(plan)}))
    return study


def drawn(
    specimens: Sequence[str] = FORTY, before: Sequence[Drawn] = (), plan: ReviewPlan = BLINDED, observer: str = "anna"
) -> tuple[Drawn, ...]:
    return draw_order(before, specimens, plan, observer=observer)


def firsts(order: Sequence[Drawn]) -> list[str]:
    return [row.specimen for row in order if not row.repeat]


# The order


def test_without_blinding_specimens_are_read_once_by_name_in_the_manifests_order(study: Path) -> None:
    names = [row["specimen"] for row in ROWS]
    assert readings(study, "anna") == tuple(Reading(name, name, False, name) for name in names)
    assert not (study / "reviews").exists()


def test_a_random_order_holds_each_specimen_and_a_tenth_twice() -> None:
    order = drawn()
    assert sorted(firsts(order)) == sorted(FORTY)
    assert len([row for row in order if row.repeat]) == 4
    assert [row.code for row in order] == [f"R{number:02d}" for number in range(1, 45)]


@pytest.mark.parametrize(("number", "share", "repeats"), [(100, 0.07, 7), (40, 0.1, 4), (41, 0.1, 5), (7, 0.3, 3)])
def test_as_many_are_read_twice_as_the_share_says_and_no_fewer(number: int, share: float, repeats: int) -> None:
    order = drawn(FORTY[:number] + [f"t{i}" for i in range(number - 40)], plan=ReviewPlan(repeat_share=share))
    assert sum(row.repeat for row in order) == repeats


def test_which_reads_come_again_cannot_be_guessed_from_when_they_came() -> None:
    places = set()
    for seed in range(100):
        order = drawn(plan=ReviewPlan(order_seed=seed))
        places |= {firsts(order).index(row.specimen) for row in order if row.repeat}
    assert places == set(range(20))  # all of the first half


def test_the_order_is_the_observers_own_and_the_seeds() -> None:
    others = [drawn(), drawn(observer="ben"), drawn(plan=ReviewPlan(blinded=True, order_seed=2)), firsts_as_given()]
    assert len({tuple(firsts(order)) for order in others}) == 4


def firsts_as_given() -> tuple[Drawn, ...]:
    return tuple(Drawn(name, name, False) for name in FORTY)


def test_the_order_is_the_same_on_every_machine() -> None:
    """By SHA-256 (these are of `sha256sum`), not by a random generator that a library may change."""
    assert firsts(drawn(FORTY[:8])) == ["s2", "s3", "s7", "s5", "s4", "s1", "s0", "s6"]


def test_the_manifests_order_does_not_tell_the_readers() -> None:
    assert drawn(FORTY[::-1]) == drawn(FORTY)


@given(
    st.integers(2, 60),
    st.integers(0, 8),
    st.sampled_from([0.0, 0.1, 0.3, 0.5]),
    st.integers(0, 2**32 - 1),
)
def test_added_specimens_change_nothing_that_was_drawn(number: int, added: int, share: float, seed: int) -> None:
    plan = ReviewPlan(blinded=True, repeat_share=share, order_seed=seed)
    before = drawn([f"s{i}" for i in range(number)], plan=plan)
    after = drawn([f"s{i}" for i in range(number + added)], before, plan)
    assert after[: len(before)] == before
    assert len(firsts(after)) == number + added
    twice = [row.specimen for row in after if row.repeat]
    assert len(twice) == len(set(twice)) >= share * (number + added) - 1e-9
    assert len(twice) < share * (number + added) + 1
    assert drawn(firsts(after), after, plan) == after


@given(st.integers(2, 60), st.sampled_from([0.1, 0.3, 0.5]), st.integers(0, 2**32 - 1))
def test_a_second_read_comes_half_a_list_after_the_first(number: int, share: float, seed: int) -> None:
    order = drawn([f"s{i}" for i in range(number)], plan=ReviewPlan(repeat_share=share, order_seed=seed))
    place = {(row.specimen, row.repeat): at for at, row in enumerate(order)}
    for specimen, repeat in place:
        if repeat:
            between = order[place[specimen, False] + 1 : place[specimen, True]]
            assert len(firsts(between)) >= number // 2 - 1


def test_every_specimen_has_the_same_chance_of_a_second_read() -> None:
    times = dict.fromkeys(FORTY, 0)
    for seed in range(1000):
        for row in drawn(plan=ReviewPlan(order_seed=seed)):
            times[row.specimen] += row.repeat
    assert sum(times.values()) == 4000
    assert 100 - 5 * 9.5 < min(times.values()) <= max(times.values()) < 100 + 5 * 9.5  # five standard deviations


def test_one_specimen_alone_is_not_read_twice() -> None:
    assert len(drawn(["s1"], plan=ReviewPlan(repeat_share=1.0))) == 1
    assert len(drawn(plan=ReviewPlan(repeat_share=1.0))) == 80


def test_what_was_drawn_is_kept_and_a_code_stands_for_one_read_for_good(study: Path) -> None:
    reviewed_by(study, blinded=True, repeat_share=0.5)
    before = readings(study, "anna")
    assert [(reading.code, reading.title) for reading in before] == [(f"R0{n}", f"R0{n}") for n in (1, 2, 3)]
    assert before[2].specimen == before[0].specimen
    assert [reading.repeat for reading in before] == [False, False, True]
    shutil.copy(study / "p1_pre.ome.tif", study / "p2_pre.ome.tif")
    added = {"specimen": "a_first", "patient": "p2", "timepoint": "pre", "image": "p2_pre.ome.tif"}
    write_manifest(study, added, *ROWS)
    reviewed_by(study, blinded=True, repeat_share=0.5, order_seed=9)
    after = readings(study, "anna")
    assert after[:3] == before
    assert (after[3].code, after[3].specimen) == ("R04", "a_first")
    write_manifest(study, *ROWS)
    assert readings(study, "anna")[:3] == before
    assert all(reading.specimen != "a_first" for reading in readings(study, "anna"))


DAMAGES = {
    "another header": lambda text: text.replace("specimen", "sample"),
    "a code twice": lambda text: text.replace("R02", "R01"),
    "a read twice": lambda text: text.replace("second", "first"),
    "another word": lambda text: text.replace("second", "third"),
    "a cell too few": lambda text: text.replace(",first", "", 1),
    "nothing": lambda _: "",
    "half a quote": lambda text: text + '"R09',
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_order_is_not_drawn_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "order.csv"
    write_order(path, drawn())
    assert read_order(path) == drawn()
    path.write_text(DAMAGES[damage](path.read_text()))
    with pytest.raises(StoreError, match=r"order\.csv is damaged; put it back from a copy"):
        read_order(path)


# Reads and repeats


@pytest.mark.slow
def test_a_second_read_has_a_log_of_its_own_on_the_same_result(study: Path) -> None:
    reviewed_by(study, blinded=True, repeat_share=0.5)
    first, _, second = readings(study, "anna")
    one = take(open_reading(study, first, "anna"), decide.begin())
    name = next(vessel.name for vessel in one.review.vessels if vessel.accepted)
    one = take(one, decide.reject(one.review, name, Reason.HAZE))
    run_study(reviewed_by(study, blinded=True, repeat_share=0.5), again=True)
    two = open_reading(study, second, "anna")
    assert two.log.path == study / REPEATS_FOLDER / "anna" / f"{first.specimen}.jsonl"
    assert two.review.objects[name].vessel.accepted
    assert [reading_status(study, reading, "anna") for reading in (first, second)] == ["begun", "not begun"]
    take(take(two, decide.begin()), decide.finish())
    assert [reading_status(study, reading, "anna") for reading in (first, second)] == ["begun", "finished"]


@pytest.mark.slow
def test_a_second_read_is_of_the_result_of_the_first_also_when_another_was_measured_since(study: Path) -> None:
    reviewed_by(study, blinded=True, repeat_share=0.5)
    first, _, second = readings(study, "anna")
    one = take(open_reading(study, first, "anna"), decide.begin())
    fewer = Protocol.model_validate({"fields": {"number": 2, "side_um": 80.0}, "review": {"blinded": True}})
    write_protocol(study, fewer)
    run_study(study)
    for two in (open_reading(study, second, "anna"), open_reading(study, second, "anna")):
        assert two.measured.machine.sha256 == one.measured.machine.sha256
        assert len(two.review.fields) == 3


def test_the_status_of_a_read_is_told_without_writing(study: Path) -> None:
    (reading, *_) = readings(study, "anna")
    assert reading_status(study, reading, "anna") == "not begun"
    assert not (study / "reviews").exists()
    opened = take(open_reading(study, reading, "anna"), decide.begin())
    assert reading_status(study, reading, "anna") == "begun"
    opened = take(opened, decide.finish())
    assert reading_status(study, reading, "anna") == "finished"
    take(opened, decide.reopen())
    assert reading_status(study, reading, "anna") == "begun"


@pytest.mark.slow
def test_the_reviews_plan_makes_no_result_out_of_date(study: Path) -> None:
    made = {path: path.stat().st_mtime_ns for path in (study / "results").glob("p*.json")}
    before = contents(study / "results")
    run_study(reviewed_by(study, blinded=True, first_read="unaided", repeat_share=0.5, order_seed=7))
    assert contents(study / "results") == before
    assert {path: path.stat().st_mtime_ns for path in made} == made


# Unaided


def unaided(study: Path) -> OpenReview:
    reviewed_by(study, first_read="unaided")
    return take(open_reading(study, readings(study, "anna")[0], "anna"), decide.begin())


def own_count(opened: OpenReview) -> int:
    counts = reviewed_count(opened.review, opened.measured.protocol)
    assert counts is not None
    return counts.count


def test_what_the_program_found_is_not_counted_until_it_is_shown(study: Path) -> None:
    opened = unaided(study)
    assert hidden(opened)
    assert own_count(opened) == reviewed_row(opened).count == 0
    opened = reveal(opened)
    assert not hidden(opened)
    assert own_count(opened) == opened.measured.row.count != 0
    with pytest.raises(CorrectionError, match="what the program found is not hidden"):
        reveal(opened)
    assert not hidden(open_reading(study, readings(study, "anna")[0], "anna"))


def most_apart(vessels: Sequence[Vessel]) -> tuple[str, float, float]:
    """Where a click meets one that does not count, as far as can be from those that do: its name, and the place."""
    counted = shapely.multipolygons([shapely.Polygon(vessel.outline) for vessel in vessels if vessel.accepted])
    corners = [(vessel.name, corner) for vessel in vessels if not vessel.accepted for corner in vessel.outline.tolist()]
    name, end = max(corners, key=lambda found: shapely.distance(counted, shapely.Point(found[1])))
    away = shapely.shortest_line(counted, shapely.Point(end))
    beyond = away.length + 0.8 * NOMINAL_DIAMETER_UM / 2  # the disc of the click still touches it
    (x0, y0), (x1, y1) = away.coords
    return name, x0 + (x1 - x0) / away.length * beyond, y0 + (y1 - y0) / away.length * beyond


def test_a_vessel_that_both_counted_is_one_vessel_when_it_is_shown(study: Path) -> None:
    opened = unaided(study)
    machine = opened.measured.row.count
    assert machine is not None
    places = assign(opened.measured.machine.vessels, opened.review.counted_fields, "frame")
    rects = {field.name: field.rect for field in opened.review.counted_fields}
    inside = [
        (rects[field], vessel)
        for vessel in opened.measured.machine.vessels
        for field in places[vessel.name].fields
        if vessel.accepted
    ]
    _, counted = min(
        inside, key=lambda pair: abs(pair[1].x_um - pair[0].x0_um - 35) + abs(pair[1].y_um - pair[0].y0_um - 35)
    )
    passed_over, *beside = most_apart(opened.measured.machine.vessels)
    for number, vessel in enumerate((counted, counted), start=1):  # a click beside the first adds a second vessel
        x_um, y_um = vessel.outline.mean(axis=0)
        opened = take(opened, decide.mark(opened.review, float(x_um), float(y_um)))
        assert own_count(opened) == number
    assert [line.what for line in opened.review.corrections[2:]] == [What.ACCEPT, What.ADD]
    opened = take(opened, decide.mark(opened.review, *beside))
    assert opened.review.objects[passed_over].vessel.accepted
    assert own_count(reveal(opened)) - machine in (1, 2)  # the second vessel, and the other one if it is in a field


def test_only_a_read_that_is_not_begun_can_be_hidden(study: Path) -> None:
    (reading, *_) = readings(study, "anna")
    opened = take(open_reading(study, reading, "anna"), decide.begin())
    reviewed_by(study, first_read="unaided")
    assert not hidden(open_reading(study, reading, "anna"))
    with pytest.raises(CorrectionError, match="can be hidden before the review begins"):
        take(opened, decide.hide())


def test_a_read_that_was_shown_is_not_hidden_again(study: Path) -> None:
    reviewed_by(study, first_read="unaided")
    (reading, *_) = readings(study, "anna")
    reveal(open_reading(study, reading, "anna"))
    assert not hidden(open_reading(study, reading, "anna"))


# Blinding


def test_unblinding_is_a_line_in_every_log_of_the_observer(study: Path) -> None:
    reviewed_by(study, blinded=True, repeat_share=0.5)
    first, other, second = readings(study, "anna")
    for reading in (first, second):
        take(open_reading(study, reading, "anna"), decide.begin())
    take(open_reading(study, readings(study, "ben")[0], "ben"), decide.begin())
    assert not is_unblinded(study, "anna")
    unblind(study, "anna", "all forty are read")
    assert (is_unblinded(study, "anna"), is_unblinded(study, "ben")) == (True, False)
    for reading in (first, second):
        last = open_reading(study, reading, "anna").review.corrections[-1]
        assert (last.what, last.why) == (What.UNBLIND, "all forty are read")
    begun = open_reading(study, other, "anna")
    assert [(line.what, line.why) for line in begun.review.corrections] == [(What.UNBLIND, KNOWN_BEFORE)]
    titles = [reading.title for reading in readings(study, "anna")]
    assert titles == [f"R01: {first.specimen}", f"R02: {other.specimen}", f"R03: {first.specimen}, second read"]
    assert [reading.code for reading in readings(study, "anna")] == ["R01", "R02", "R03"]
    unblind(study, "anna", "again")
    assert len(open_reading(study, first, "anna").review.corrections) == 2
    assert [reading.title for reading in readings(study, "ben")] == ["R01", "R02", "R03"]


def test_before_anything_is_begun_unblinding_is_a_line_too(study: Path) -> None:
    reviewed_by(study, blinded=True)
    first, *_ = readings(study, "anna")
    unblind(study, "anna", "a patient called")
    assert is_unblinded(study, "anna")
    opened = read_review(study / "results", study / "reviews", specimen=first.specimen, observer="anna")
    assert opened is not None
    assert [line.why for line in opened.review.corrections] == ["a patient called"]
    assert reading_status(study, first, "anna") == "not begun"


def test_unblinding_needs_a_reason_and_something_to_unblind(study: Path) -> None:
    reviewed_by(study, blinded=True)
    with pytest.raises(StoreError, match="give one"):
        unblind(study, "anna", "  ")
    shutil.rmtree(study / "results")
    with pytest.raises(StoreError, match="there is nothing to unblind"):
        unblind(study, "anna", "a patient called")
    assert not is_unblinded(study, "anna")


def test_what_cannot_be_opened_is_not_named_to_a_blinded_observer(study: Path) -> None:
    reviewed_by(study, blinded=True)
    reading, other, *_ = readings(study, "anna")
    (study / "results" / f"{reading.specimen}.json").unlink()
    with pytest.raises(StoreError, match=r"^R01 has no result") as caught:
        open_reading(study, reading, "anna")
    assert reading.specimen not in str(caught.value)
    open_reading(study, other, "anna")
    unblind(study, "anna", "a patient called")
    with pytest.raises(StoreError, match=rf"^{reading.specimen} has no result"):
        open_reading(study, reading, "anna")
