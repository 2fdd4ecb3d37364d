"""The desk without a screen."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from mvd_napari import deciding
from mvd_napari.keys import Moment
from mvd_napari.layers import standing
from mvd_napari.moments import moments
from mvd_napari.session import Mode, Session
from mvd_napari.sight import SURROUND_UM, doubtful_objects, loop, object_at, tally
from mvd_napari.wording import object_words
from small_study import copy_of, write_protocol

from mvd.corrections import What, unreviewed
from mvd.counting import belongs
from mvd.errors import CorrectionError, MvdError
from mvd.geometry import Ring
from mvd.protocol import Protocol
from mvd.reading import open_reading
from mvd.review import reviewed_count, reviewed_row
from mvd.store.log import read_log
from mvd.vessels import Reason


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    return copy_of(measured_study, tmp_path)


@pytest.fixture
def session(study: Path) -> Session:
    opened = Session(study, "anna")
    opened.open(opened.readings[0])
    return opened


def lines(session: Session) -> list[What]:
    """What is in the log on the disk."""
    log = read_log(session.opened.log.path)
    return [line.what for line in log.corrections]


def on_disk(session: Session) -> Session:
    """Another session, as it opens after this one was killed."""
    again = Session(session.folder, session.observer)
    again.open(next(one for one in again.readings if one.code == session.reading.code))
    return again


def counted(session: Session) -> str:
    """A vessel that counts, with room round it."""
    return next(one.vessel.name for one in session.near() if one.vessel.accepted)


def bare(session: Session) -> tuple[float, float]:
    """A place in the field in view with no object near it, shown or not."""
    rect = session.rect
    places = [(rect.x0_um + x, rect.y0_um + y) for x in range(8, 64, 4) for y in range(8, 64, 4)]
    return next(place for place in places if object_at(session.review.objects.values(), *place) is None)


def test_a_study_is_opened_with_nothing_begun_and_nothing_decided(study: Path) -> None:
    session = Session(study, "anna")
    assert [one.title for one in session.readings] == ["p1_pre", "p1_post"]
    assert list(session.statuses.values()) == ["not begun", "not begun"]
    assert moments(session) == frozenset()
    with pytest.raises(CorrectionError, match="no specimen is open"):
        deciding.undo(session)


def test_looking_writes_no_decision(session: Session) -> None:
    session.step_field(1)
    session.next_doubtful()
    assert lines(session) == []
    assert session.statuses["p1_pre"] == "not begun"


def test_the_tally_is_the_count_of_every_other_command(session: Session) -> None:
    deciding.click(session, *bare(session))
    row = reviewed_row(session.opened)
    assert (session.tally.count, session.tally.mvd_per_mm2) == (row.count, row.mvd_per_mm2)
    assert session.tally.ci_per_mm2 == (row.ci_low, row.ci_high)
    counts = reviewed_count(session.review, session.measured_protocol)
    assert [field.count for field in session.tally.fields] == [one.count for one in counts.fields]


def test_a_click_on_tissue_adds_and_one_on_a_vessel_turns_it(session: Session) -> None:
    before, place = session.tally.count, bare(session)
    deciding.click(session, *place)
    assert session.tally.count == before + 1
    name = session.at(*place)
    deciding.click(session, *place)
    assert session.tally.count == before
    assert session.review.objects[name].vessel.reason is Reason.UNLIKE_VESSEL
    deciding.click(session, *place)
    assert session.review.objects[name].vessel.accepted
    assert lines(session) == [What.BEGIN, What.ADD, What.REJECT, What.ACCEPT]


def test_every_decision_is_on_the_disk_before_the_session_shows_it(session: Session) -> None:
    name = counted(session)
    for step in (
        lambda: deciding.reject(session, (name,), Reason.PIGMENT),
        lambda: deciding.reject(session, (name,), Reason.HAZE),
        lambda: deciding.comment(session, "brown dust", on_object=name),
        lambda: deciding.undo(session),
        lambda: deciding.redo(session),
        lambda: deciding.leave_out(session, "fold"),
        lambda: deciding.finish(session),
        lambda: deciding.reopen(session),
    ):
        step()
        again = on_disk(session)
        assert again.tally == session.tally
        assert again.review.status == session.review.status
        assert [one.state() for one in again.review.objects.values()] == [
            one.state() for one in session.review.objects.values()
        ]


def test_what_is_refused_changes_nothing(session: Session) -> None:
    place = bare(session)
    deciding.click(session, *place)
    before = lines(session)
    far = (session.rect.x1_um + SURROUND_UM + 40, session.rect.y1_um + SURROUND_UM + 40)
    for refused in (
        lambda: deciding.merge(session, (counted(session),)),
        lambda: deciding.click(session, *far),
        lambda: deciding.accept(session, ("v99999",)),
        lambda: deciding.leave_out(session, "  "),
        lambda: deciding.redo(session),
        lambda: session.go_to_field("7"),
    ):
        with pytest.raises(MvdError):
            refused()
        assert lines(session) == before


def test_two_are_merged_and_undo_brings_them_back(session: Session) -> None:
    first, second = [one.vessel.name for one in session.near() if one.vessel.accepted][:2]
    session.choose(first)
    assert Moment.SEVERAL not in moments(session)
    session.choose(second)
    assert Moment.SEVERAL in moments(session)
    deciding.merge(session, session.chosen)
    assert first not in session.review.objects
    assert session.chosen == ()
    deciding.undo(session)
    assert {first, second} <= set(session.review.objects)


def test_one_is_split_by_a_line_and_drawn_anew_by_a_ring(session: Session) -> None:
    name = counted(session)
    box = session.review.objects[name].vessel.bounds
    middle = (box.x0_um + box.x1_um) / 2
    deciding.split(session, name, np.array([(middle, box.y0_um - 5), (middle, box.y1_um + 5)]))
    parts = session.review.replaced[name]
    assert len(parts) >= 2
    ring = _square(box.x0_um, box.y0_um, 9.0)
    deciding.outline(session, ring, parts[0])
    assert session.review.objects[parts[0]].vessel.area_um2 <= 81
    deciding.outline(session, _square(*bare(session), 6.0), None)
    assert lines(session)[-3:] == [What.SPLIT, What.REDRAW, What.ADD]


def test_fields_go_round_and_a_doubtful_object_takes_the_eye_to_its_field(session: Session) -> None:
    names = list(session.review.fields)
    seen = []
    for _ in names:
        session.step_field(1)
        seen.append(session.field)
    assert seen == [*names[1:], names[0]]
    session.step_field(-1)
    assert session.field == names[-1]


def test_each_doubtful_object_comes_once_and_not_again_when_it_is_decided(session: Session) -> None:
    protocol = session.measured_protocol
    vessels = session.opened.measured.machine.vessels
    doubted = replace(session.opened.measured.machine, vessels=tuple(replace(one, ambiguous=True) for one in vessels))
    review = unreviewed(doubted)
    found = doubtful_objects(review, protocol)
    assert len(found) == len({name for name, _ in found}) >= 2
    assert sum(field.doubtful for field in tally(review, protocol).fields) == len(found)
    fields = [field for _, field in found]
    assert fields == sorted(fields)


def test_a_click_means_the_smallest_object_round_it_else_the_nearest(session: Session) -> None:
    objects = session.near()
    for one in objects:
        inside = object_at([one], one.vessel.x_um, one.vessel.y_um)
        assert inside in (one.vessel.name, None)  # a bent vessel's centroid may lie beside it
    one = objects[0].vessel
    assert object_at(objects, one.bounds.x1_um + 200, one.bounds.y1_um + 200) is None


def test_what_is_finished_can_be_looked_at_and_reopened_but_not_changed(session: Session) -> None:
    deciding.finish(session)
    assert Moment.REVIEW not in moments(session)
    with pytest.raises(CorrectionError, match="is finished"):
        deciding.reject(session, (counted(session),))
    deciding.reopen(session)
    deciding.reject(session, (counted(session),))
    assert session.statuses["p1_pre"] == "begun"


def test_the_next_specimen_is_the_next_that_is_not_finished(session: Session) -> None:
    assert session.next_unfinished().specimen == "p1_post"
    deciding.finish(session)
    assert session.next_unfinished().specimen == "p1_post"
    session.open(session.next_unfinished())
    deciding.finish(session)
    assert session.next_unfinished() is None


def test_while_something_is_found_or_drawn_nothing_else_can_be_decided(session: Session) -> None:
    session.busy = True
    assert moments(session) == {Moment.BUSY}
    session.busy = False
    session.mode = Mode.LINE
    assert moments(session) == {Moment.DRAWING}


def test_a_log_that_another_program_wrote_to_is_not_written_over(session: Session) -> None:
    other = on_disk(session)
    deciding.click(other, *bare(other))
    with pytest.raises(MvdError, match="changed by another program"):
        deciding.click(session, *bare(session))
    assert lines(session) == [What.BEGIN, What.ADD]


@pytest.fixture
def unaided(study: Path) -> Iterator[Session]:
    choices = {"fields": {"number": 3, "side_um": 70.0}, "review": {"blinded": True, "first_read": "unaided"}}
    write_protocol(study, Protocol.model_validate(choices))
    session = Session(study, "anna")
    session.open(session.readings[0])
    yield session


def test_unaided_nothing_of_the_program_is_seen_until_it_is_revealed(unaided: Session) -> None:
    assert unaided.near() == ()
    assert [field.count for field in unaided.tally.fields] == [0, 0, 0]
    assert Moment.HIDDEN in moments(unaided)
    found = next(iter(unaided.review.vessels), None)
    assert found is None
    deciding.click(unaided, *bare(unaided))
    assert unaided.tally.count == 1
    deciding.reveal(unaided)
    assert {one.source for one in unaided.near()} == {"found", "point"}
    assert Moment.HIDDEN not in moments(unaided)


def test_blinded_the_list_shows_codes_and_errors_no_name(unaided: Session, study: Path) -> None:
    assert [one.title for one in unaided.readings][:2] == ["R01", "R02"]
    code = next(one.code for one in unaided.readings if one.specimen == "p1_pre" and not one.repeat)
    said = unaided.blinds.over(f"{study}/reviews/anna/p1_pre.jsonl of p1_pre.ome.tif (p1, pre) was changed previously")
    assert said == f"{study}/reviews/anna/{code}.jsonl of {code} (…, …) was changed previously"


def test_unblinding_shows_the_names_and_stays_in_every_log(unaided: Session) -> None:
    deciding.click(unaided, *bare(unaided))
    unaided.unblind("the study is closed")
    assert "p1_" in unaided.reading.title
    assert not unaided.blinds
    log = open_reading(unaided.folder, unaided.reading, "anna").log
    assert [line.why for line in log.corrections if line.what is What.UNBLIND] == ["the study is closed"]


def _square(x_um: float, y_um: float, side_um: float) -> Ring:
    corners = [(0, 0), (side_um, 0), (side_um, side_um), (0, side_um)]
    return np.array([(x_um + dx, y_um + dy) for dx, dy in corners])


def test_unaided_what_the_program_found_looks_as_what_it_missed(unaided: Session) -> None:
    counted = [
        (name, field.field.rect, one.vessel)
        for one in unaided.review.objects.values()
        for name, field in unaided.review.fields.items()
        if one.vessel.accepted and belongs(one.vessel, field.field.rect, "frame")
    ]
    name, rect, found = min(counted, key=lambda one: abs(one[2].x_um - one[1].x0_um - 35))  # a click's disc fits in
    unaided.go_to_field(name)
    box = shapely.box(rect.x0_um, rect.y0_um, rect.x1_um, rect.y1_um)
    inside = shapely.make_valid(shapely.Polygon(found.outline)).intersection(box).representative_point()
    deciding.click(unaided, float(inside.x), float(inside.y))
    deciding.click(unaided, *bare(unaided))
    assert unaided.tally.count == 2
    looks = {(standing(one, unaided.tally.counted), object_words(one, unaided.tally)) for one in unaided.near()}
    assert len(looks) == 1


def found_in_a_field(session: Session) -> tuple[str, str, Ring, tuple[float, float]]:
    """A vessel that counts: the field, its name, its outline, and a place of the field that lies in it."""
    for name, field in session.review.fields.items():
        rect = field.field.rect
        box = shapely.box(rect.x0_um, rect.y0_um, rect.x1_um, rect.y1_um)
        for one in session.review.objects.values():
            if one.vessel.accepted and belongs(one.vessel, rect, "frame"):
                inside = shapely.make_valid(shapely.Polygon(one.vessel.outline)).intersection(box)
                place = inside.representative_point()
                return name, one.vessel.name, one.vessel.outline, (float(place.x), float(place.y))
    raise AssertionError("no field has a vessel")


def test_unaided_a_mark_stays_where_it_was_made(unaided: Session) -> None:
    field, name, _, place = found_in_a_field(unaided)
    unaided.go_to_field(field)
    deciding.click(unaided, *place)
    (shown,) = unaided.near()
    assert (shown.vessel.name, shown.vessel.x_um, shown.vessel.y_um) == (name, *place)
    assert np.hypot(*(shown.vessel.outline - place).T).max() < 6
    deciding.reveal(unaided)
    assert next(one for one in unaided.near() if one.vessel.name == name).vessel.area_um2 != shown.vessel.area_um2


def test_a_mark_in_one_specimen_is_none_in_another_whose_objects_have_the_same_names(unaided: Session) -> None:
    field, name, _, place = found_in_a_field(unaided)
    unaided.go_to_field(field)
    deciding.click(unaided, *place)
    assert unaided.marked_at == {name: place}
    unaided.open(unaided.readings[0])
    assert unaided.marked_at == {name: place}, "the same one again"
    unaided.open(next(one for one in unaided.readings if one.code != unaided.reading.code))
    assert unaided.marked_at == {}


def test_unaided_an_outline_round_what_the_program_found_is_counted_once_when_it_is_shown(unaided: Session) -> None:
    field, name, ring, place = found_in_a_field(unaided)
    unaided.go_to_field(field)
    everything = sum(one.vessel.accepted for one in unaided.review.objects.values())
    around = np.array(shapely.Polygon(ring).convex_hull.buffer(2).exterior.coords)[:-1]
    deciding.outline(unaided, around, None)
    assert lines(unaided)[-2:] == [What.ACCEPT, What.REDRAW]
    assert unaided.tally.count == 1
    assert (unaided.at(*place), unaided.review.objects[name].decided) == (name, True)
    deciding.reveal(unaided)
    assert sum(one.vessel.accepted for one in unaided.review.objects.values()) == everything


def test_a_hand_that_draws_past_where_it_began_means_the_loop(session: Session) -> None:
    square = _square(10, 10, 20)
    past = np.vstack([square, [(10.0, 12.0), (14.0, 6.0)]])  # the end crosses the beginning
    area = shapely.Polygon(loop(past))
    assert area.is_valid
    assert area.area == pytest.approx(400, rel=0.05)
    assert np.array_equal(loop(square), square) or shapely.Polygon(loop(square)).equals(shapely.Polygon(square))
    line = np.array([(0.0, 0.0), (5.0, 0.0), (9.0, 0.0), (12.0, 0.0)])
    assert np.array_equal(loop(line), line)


def test_a_read_opened_again_after_unblinding_stays_at_its_field(unaided: Session) -> None:
    unaided.step_field(1)
    field = unaided.field
    unaided.unblind("the study is closed")
    assert unaided.field == field
