"""Corrections: decided, replayed, undone. The machine's result stays; the log alone makes the review."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from reviewed_example import begun, decided, exact, machine, square, state, vessel_at

from mvd.corrections import (
    Correction,
    Decision,
    MachineResult,
    Review,
    decide,
    go_on,
    replay,
    unreviewed,
)
from mvd.corrections.shapes import NOMINAL_DIAMETER_UM
from mvd.counting import count
from mvd.errors import CorrectionError
from mvd.fields import CountField
from mvd.geometry import Rect
from mvd.vessels.model import Reason

CORRECTIONS = TypeAdapter(Correction)
MACHINE = machine()
NAMES = [vessel.name for vessel in MACHINE.vessels]
REJECTED = "v00003"  # single cell, at (100, 20)
BOX = ((((0.0, 0.0), (80.0, 0.0), (80.0, 80.0)),),)


def digest(result: MachineResult) -> str:
    whole = repr([exact(vessel) for vessel in result.vessels]) + repr((result.fields, result.involved))
    return hashlib.sha256(whole.encode()).hexdigest()


def reread(correction: Correction) -> Correction:
    return CORRECTIONS.validate_json(CORRECTIONS.dump_json(correction, exclude_defaults=True))


def counted(review: Review) -> int:
    return count(review.vessels, review.counted_fields, border="frame", confidence=0.95).count


# Any review that can be reached -------------------------------------------------------------------------------------

Move = Callable[[Review, st.DataObject], Decision]


def pick(review: Review, data: st.DataObject) -> str:
    return data.draw(st.sampled_from(list(review.objects)))


def a_line(review: Review, data: st.DataObject) -> Decision:
    name = pick(review, data)
    vessel = review.objects[name].vessel
    return decide.split(review, name, line=np.array([[vessel.x_um, -500.0], [vessel.x_um, 500.0]]))


def a_move(review: Review, data: st.DataObject) -> Decision:
    name = data.draw(st.sampled_from(list(review.fields)))
    x, y = (data.draw(st.integers(-2, 4)) * 20.0 for _ in "xy")
    found = [vessel_at(900, x + 33, y + 33), MACHINE.vessels[0]]
    return decide.move_field(review, CountField(name, Rect.square(x, y, 80), 0.006), found)


def an_area(review: Review, data: st.DataObject) -> Decision:
    inside = {name: data.draw(st.booleans()) for name in review.objects}
    return decide.change_involved(review, BOX, fields=[CountField("1", Rect.square(0, 0, 80), 0.005)], inside=inside)


def a_field(review: Review, data: st.DataObject) -> str:
    return data.draw(st.sampled_from(list(review.fields)))


def somewhere(data: st.DataObject) -> tuple[float, float]:
    return data.draw(st.floats(0, 160)), data.draw(st.floats(0, 160))


def any_edit(review: Review, data: st.DataObject) -> str | None:
    edits = list(review.history.edits)
    return edits[data.draw(st.integers(0, len(edits) - 1))] if edits else None


SHORT = st.text(max_size=5)

EDITS: dict[str, Move] = {
    "accept": lambda review, data: decide.accept(review, pick(review, data)),
    "reject": lambda review, data: decide.reject(review, pick(review, data), data.draw(st.sampled_from(Reason))),
    "change reason": lambda review, data: decide.change_reason(review, pick(review, data), Reason.HAZE),
    "add a point": lambda review, data: decide.add_point(review, *somewhere(data)),
    "add an outline": lambda review, data: decide.add_outline(review, square(*somewhere(data))),
    "merge": lambda review, data: decide.merge(review, [pick(review, data), pick(review, data)]),
    "split": a_line,
    "redraw": lambda review, data: decide.redraw(review, pick(review, data), square(77, 77, 9)),
    "remark": lambda review, data: decide.comment(review, data.draw(SHORT), on_object=pick(review, data)),
    "remark on a field": lambda review, data: decide.comment(review, "faint", on_field=a_field(review, data)),
    "remark on the specimen": lambda review, data: decide.comment(review, data.draw(SHORT)),
    "leave a field out": lambda review, data: decide.mark_unevaluable(review, a_field(review, data), "fold"),
    "take it in again": lambda review, data: decide.mark_evaluable(review, a_field(review, data)),
    "move a field": a_move,
    "another area": an_area,
}
OTHERS: dict[str, Move] = {
    "undo": lambda review, _: decide.undo(review),
    "redo": lambda review, _: decide.redo(review),
    "undo any": lambda review, data: decide.undo(review, any_edit(review, data)),
    "redo any": lambda review, data: decide.redo(review, any_edit(review, data)),
    "finish": lambda review, _: decide.finish(),
    "reopen": lambda review, _: decide.reopen(),
    "unblind": lambda review, _: decide.unblind(),
    "reveal": lambda review, _: decide.reveal(),
}


def moved(review: Review, data: st.DataObject, moves: dict[str, Move]) -> Review | None:
    """The review after one move, drawn at random; None where it cannot be made as things stand."""
    move = data.draw(st.sampled_from(sorted(moves)))
    try:
        return decided(review, moves[move](review, data))
    except CorrectionError:
        return None


def reached(data: st.DataObject, *, steps: int = 12) -> Review:
    start = [decide.hide(), decide.begin()] if data.draw(st.booleans()) else [decide.begin()]
    review = decided(unreviewed(MACHINE), *start)
    for _ in range(data.draw(st.integers(0, steps))):
        review = moved(review, data, EDITS | OTHERS) or review
    return review


@pytest.mark.slow
@given(st.data())
def test_undo_takes_back_exactly_what_was_done_and_redo_does_it_again(data: st.DataObject) -> None:
    before = reached(data)
    after = moved(before, data, EDITS)
    if after is None:
        return
    undone = decided(after, decide.undo(after))
    assert state(undone) == state(before)
    redone = decided(undone, decide.redo(undone))
    assert state(redone) == state(after)
    assert state(decided(redone, decide.undo(redone))) == state(before)


@pytest.mark.slow
@given(st.data())
def test_undoing_everything_leaves_the_machines_result(data: st.DataObject) -> None:
    review = reached(data)
    review = decided(review, decide.reopen()) if review.status == "finished" else review
    while review.history.done:
        review = decided(review, decide.undo(review))
    assert state(review) | {"unblinded": False, "hidden": False} == state(begun(MACHINE))


@pytest.mark.slow
@given(st.data())
def test_replaying_a_log_in_two_parts_is_replaying_it_whole(data: st.DataObject) -> None:
    review = reached(data)
    log = review.corrections
    cut = data.draw(st.integers(0, len(log)))
    assert state(replay(MACHINE, log)) == state(review)
    part = replay(MACHINE, log[:cut])
    assert part.corrections == log[:cut]
    whole = go_on(part, log[cut:])
    assert state(whole) == state(review)
    assert (whole.history.done, whole.history.undone) == (review.history.done, review.history.undone)
    assert state(part) == state(replay(MACHINE, log[:cut]))  # going on from it has not changed it


@pytest.mark.slow
@given(st.data())
def test_a_log_that_was_written_and_read_says_the_same(data: st.DataObject) -> None:
    review = reached(data)
    log = tuple(reread(correction) for correction in review.corrections)
    assert log == review.corrections
    assert state(replay(MACHINE, log)) == state(review)


@pytest.mark.slow
@given(st.data())
def test_the_machines_result_is_never_altered(data: st.DataObject) -> None:
    before = digest(MACHINE)
    review = reached(data)
    new = [found.vessel for name, found in review.objects.items() if name not in NAMES]
    assert not any(ring.flags.writeable for vessel in new for ring in (vessel.outline, *vessel.lumens))
    assert digest(MACHINE) == before
    assert digest(review.machine) == before


@pytest.mark.slow
@given(st.data())
def test_every_reachable_review_can_be_counted_and_counts_no_object_twice(data: st.DataObject) -> None:
    review = reached(data)
    if review.counted_fields:
        result = count(review.vessels, review.counted_fields, border="centre", confidence=0.95)
        names = [name for field in result.fields for name in field.vessels]
        assert len(set(names)) == len(names)
        assert set(names) <= {vessel.name for vessel in review.vessels if vessel.accepted}


@pytest.mark.slow
@given(st.data())
def test_decisions_on_different_things_may_come_in_any_order(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6))
    makers: list[Callable[[Review], Decision]] = [
        lambda review, name=name: decide.reject(review, name, Reason.PIGMENT) for name in names[::2]
    ]
    makers += [lambda review, name=name: decide.accept(review, name) for name in names[1::2]]
    makers += [
        lambda review: decide.mark_unevaluable(review, "1", "fold"),
        lambda review: decide.comment(review, "pale"),
    ]
    one, other = begun(), begun()
    for make in makers:
        one = decided(one, make(one))
    for make in data.draw(st.permutations(makers)):
        other = decided(other, make(other))
    assert state(one) == state(other)


@pytest.mark.slow
@given(st.data())
def test_undoing_an_earlier_decision_leaves_those_that_do_not_build_on_it(data: st.DataObject) -> None:
    choices = data.draw(st.lists(st.tuples(st.sampled_from(NAMES[:5]), st.booleans()), min_size=1, max_size=8))

    def after(chosen: list[tuple[str, bool]]) -> Review:
        review = begun()
        for name, take in chosen:
            review = decided(review, decide.accept(review, name) if take else decide.reject(review, name, Reason.HAZE))
        return review

    review, index = after(choices), data.draw(st.integers(0, len(choices) - 1))
    identifier = review.history.done[index]
    later = [position for position in range(index + 1, len(choices)) if choices[position][0] == choices[index][0]]
    if later:
        with pytest.raises(CorrectionError, match=f"cannot be undone before correction {later[-1] + 2}, which changed"):
            decided(review, decide.undo(review, identifier))
    else:
        undone = decided(review, decide.undo(review, identifier))
        assert state(undone) == state(after(choices[:index] + choices[index + 1 :]))


# What each decision does --------------------------------------------------------------------------------------------


def test_before_any_correction_the_review_is_the_machines_result() -> None:
    review = unreviewed(MACHINE)
    assert review.status == "not begun"
    assert [exact(vessel) for vessel in review.vessels] == [exact(vessel) for vessel in MACHINE.vessels]
    assert review.counted_fields == MACHINE.fields
    assert not any(found.decided for found in review.objects.values())


def test_rejecting_and_accepting_change_the_count_by_one() -> None:
    review = begun()
    first = counted(review)
    rejected = decided(review, decide.reject(review, "v00001", Reason.PIGMENT))
    assert (counted(rejected), rejected.objects["v00001"].vessel.reason) == (first - 1, Reason.PIGMENT)
    accepted = decided(review, decide.accept(review, REJECTED))
    assert (counted(accepted), accepted.objects[REJECTED].vessel.reason) == (first + 1, None)
    assert accepted.objects[REJECTED].decided
    assert not accepted.objects["v00001"].decided


def test_accepting_what_counts_already_says_that_it_was_looked_at() -> None:
    review = decided(begun(), decide.accept(begun(), "v00001"))
    assert review.objects["v00001"].decided
    assert counted(review) == counted(begun())


def test_a_click_adds_a_disc_of_the_nominal_size() -> None:
    review = begun()
    review = decided(review, decide.add_point(review, 40.0, 40.0))
    added = review.objects["c00002"]
    assert (added.source, added.vessel.accepted, counted(review)) == ("point", True, counted(begun()) + 1)
    assert list(review.objects) == [*NAMES, "c00002"]
    assert (added.vessel.x_um, added.vessel.y_um) == (40.0, 40.0)
    radii = np.hypot(*(added.vessel.outline - 40).T)
    assert radii == pytest.approx(NOMINAL_DIAMETER_UM / 2, abs=0.001)
    assert added.vessel.length_um == pytest.approx(NOMINAL_DIAMETER_UM, abs=1)
    assert np.isnan(added.vessel.mean_dab_od)


def test_a_click_on_a_counted_vessel_is_no_second_vessel() -> None:
    with pytest.raises(CorrectionError, match="'v00001' is counted there already"):
        decide.add_point(begun(), 22.0, 21.0)
    decide.add_point(begun(), *MACHINE.vessels[2].outline.mean(axis=0))  # rejected: a vessel may be seen there


def test_an_outline_round_a_counted_vessel_or_within_it_is_no_second_vessel() -> None:
    x_um, y_um = MACHINE.vessels[0].x_um, MACHINE.vessels[0].y_um
    for side_um in (30.0, 4.0):
        with pytest.raises(CorrectionError, match="'v00001' is counted there already"):
            decide.add_outline(begun(), square(x_um, y_um, side_um))
    beside = decide.add_outline(begun(), square(x_um + 12, y_um, 10.0))  # they touch: two vessels may
    assert counted(decided(begun(), beside)) == counted(begun()) + 1
    rejected = MACHINE.vessels[2]
    decide.add_outline(begun(), square(rejected.x_um, rejected.y_um, 30.0))  # rejected: a vessel may be seen there


def test_a_mark_on_what_is_hidden_accepts_what_it_touches_and_else_adds() -> None:
    hidden = decided(unreviewed(MACHINE), decide.hide(), decide.begin())
    edge_um = MACHINE.vessels[0].bounds.x1_um
    near = edge_um + NOMINAL_DIAMETER_UM / 2
    touching = decide.mark(hidden, near - 0.5, MACHINE.vessels[0].y_um)
    assert [after.name for after in touching.after.objects] == ["v00001"]
    apart = decide.mark(hidden, near + 0.5, MACHINE.vessels[0].y_um)
    assert [after.name for after in apart.after.objects] == ["c00003"]


def test_what_is_hidden_where_an_outline_is_drawn_is_known_by_name() -> None:
    hidden = decided(unreviewed(MACHINE), decide.hide(), decide.begin())
    first = MACHINE.vessels[0]
    assert decide.mark_outline(hidden, square(first.x_um + 2, first.y_um, 30.0)) == "v00001"
    assert decide.mark_outline(hidden, square(first.x_um + 20, first.y_um, 8.0)) is None
    seen = decided(hidden, decide.accept(hidden, "v00001"))
    assert decide.mark_outline(seen, square(first.x_um, first.y_um, 30.0)) is None
    with pytest.raises(CorrectionError, match="'v00001' is counted there already"):
        decide.add_outline(seen, square(first.x_um, first.y_um, 30.0))


def test_a_drawn_vessel_has_the_measures_of_its_outline() -> None:
    outline = np.array([[30.0, 30.0], [50.0, 30.0], [50.0, 34.0], [30.0, 34.0]])
    review = decided(begun(), decide.add_outline(begun(), np.vstack([outline, outline[:1]])))
    added = review.objects["c00002"].vessel
    assert sorted(map(tuple, added.outline.tolist())) == sorted(map(tuple, outline.tolist()))
    assert (added.area_um2, added.lumen_area_um2, added.pieces) == (80.0, 0.0, 1)
    assert added.length_um == pytest.approx(20, abs=2)
    assert added.width_um == pytest.approx(4, abs=0.5)
    assert added.perimeter_um == pytest.approx(48, rel=0.1)


def test_the_reference_point_is_the_centroid_of_the_outline() -> None:
    triangle = np.array([[30.0, 30.0], [60.0, 30.0], [30.0, 48.0]])
    added = decided(begun(), decide.add_outline(begun(), triangle)).objects["c00002"].vessel
    assert (added.x_um, added.y_um) == (40.0, 36.0)


def test_merging_makes_one_vessel_that_joins_the_outlines_and_sums_the_stain() -> None:
    review = decided(begun(), decide.merge(begun(), ["v00001", "v00002"]))
    merged = review.objects["c00002"].vessel
    assert not {"v00001", "v00002"} & set(review.objects)
    assert review.replaced == {"v00001": ("c00002",), "v00002": ("c00002",)}
    whole = shapely.Polygon(merged.outline)
    assert whole.is_valid
    assert all(whole.buffer(0.01).covers(shapely.Polygon(vessel.outline)) for vessel in MACHINE.vessels[:2])
    assert merged.area_um2 == sum(vessel.area_um2 for vessel in MACHINE.vessels[:2])
    assert merged.pieces == sum(vessel.pieces for vessel in MACHINE.vessels[:2])
    assert merged.mean_dab_od == pytest.approx(MACHINE.vessels[0].mean_dab_od, abs=1e-4)
    assert merged.length_um > 45  # from one square across the strip to the other
    assert counted(review) == counted(begun()) - 1


def test_what_is_merged_counts_if_a_part_of_it_did() -> None:
    review = begun()
    assert decided(review, decide.merge(review, [REJECTED, "v00004"])).objects["c00002"].vessel.accepted
    assert (
        decided(review, decide.merge(review, [REJECTED, "v00006"])).objects["c00002"].vessel.reason
        is Reason.SINGLE_CELL
    )


def test_a_line_splits_a_vessel_into_its_parts() -> None:
    review = begun()
    line = np.array([[20.0, 0.0], [20.0, 40.0]])
    review = decided(review, decide.split(review, "v00001", line=line))
    left, right = (review.objects[name].vessel for name in ("c00002-1", "c00002-2"))
    assert (left.area_um2, right.area_um2) == (72.0, 72.0)
    assert left.outline[:, 0].max() == right.outline[:, 0].min() == 20.0
    assert counted(review) == counted(begun()) + 1
    assert review.replaced == {"v00001": ("c00002-1", "c00002-2")}


def test_drawn_outlines_split_a_vessel_too() -> None:
    review = begun()
    parts = [square(17, 20, 5), square(23, 20, 5)]
    review = decided(review, decide.split(review, "v00001", outlines=parts))
    assert [found.vessel.area_um2 for name, found in review.objects.items() if name.startswith("c")] == [25.0, 25.0]


def test_lumens_go_with_the_part_in_which_they_lie() -> None:
    ring = vessel_at(1, 20, 20)
    lumen = square(17, 20, 4)
    result = replace(MACHINE, vessels=(replace(ring, lumens=(lumen,), lumen_area_um2=16.0, lumen_width_um=4.0),))
    review = begun(result)
    line = np.array([[20.0, 0.0], [20.0, 40.0]])
    review = decided(review, decide.split(review, "v00001", line=line))
    left, right = review.vessels
    assert (left.lumen_area_um2, left.area_um2, len(left.lumens)) == (16.0, 56.0, 1)
    assert (right.lumen_area_um2, right.lumen_width_um, right.lumens) == (0.0, 0.0, ())


def test_a_redrawn_vessel_keeps_name_and_reason() -> None:
    review = begun()
    review = decided(review, decide.redraw(review, REJECTED, square(102, 22, 8)))
    found = review.objects[REJECTED]
    assert (found.source, found.vessel.reason, found.vessel.area_um2) == ("drawn", Reason.SINGLE_CELL, 64.0)
    assert (found.vessel.x_um, found.vessel.y_um) == (102.0, 22.0)
    assert list(review.objects) == NAMES


def test_an_unevaluable_field_leaves_counts_and_area() -> None:
    review = begun()
    review = decided(review, decide.mark_unevaluable(review, "2", "torn"))
    assert [field.name for field in review.counted_fields] == ["1"]
    assert review.fields["2"].unevaluable == "torn"
    result = count(review.vessels, review.counted_fields, border="frame", confidence=0.95)
    assert result.area_mm2 == 0.0064
    review = decided(review, decide.mark_evaluable(review, "2"))
    assert state(review) == state(begun())


def test_a_moved_field_brings_the_vessels_found_there() -> None:
    review = begun()
    found = [vessel_at(7, 300, 300), MACHINE.vessels[4]]
    field = CountField("2", Rect.square(280, 280, 80), 0.005)
    review = decided(review, decide.move_field(review, field, found))
    assert review.fields["2"].field == field
    assert [name for name in review.objects if name not in NAMES] == ["c00002"]  # the other was known
    added = review.objects["c00002"]
    assert (added.source, added.decided) == ("found", False)
    again = decided(review, decide.move_field(review, replace(field, rect=Rect.square(290, 290, 80)), found))
    assert list(again.objects) == list(review.objects)


def test_a_left_out_field_that_is_moved_is_counted_again() -> None:
    review = begun()
    review = decided(review, decide.mark_unevaluable(review, "2", "torn"))
    review = decided(review, decide.move_field(review, CountField("2", Rect.square(280, 280, 80), 0.005)))
    assert [field.name for field in review.counted_fields] == ["1", "2"]


def test_another_involved_area_takes_fields_and_judgements_with_it() -> None:
    review = begun()
    fields = [CountField("1", Rect.square(200, 200, 80), 0.005)]
    inside = {name: name == "v00001" for name in NAMES}
    review = decided(review, decide.change_involved(review, BOX, fields=fields, inside=inside))
    assert (review.involved, list(review.fields), review.counted_fields) == (BOX, ["1"], tuple(fields))
    reasons = {name: found.vessel.reason for name, found in review.objects.items()}
    assert (reasons["v00001"], reasons["v00002"], reasons[REJECTED]) == (None, Reason.NOT_INVOLVED, Reason.SINGLE_CELL)
    back = decide.change_involved(review, BOX, fields=MACHINE.fields, inside=dict.fromkeys(NAMES, True))
    back_review = decided(review, back)
    assert [v.reason for v in back_review.vessels] == [v.reason for v in MACHINE.vessels]


def test_remarks_are_kept_with_what_they_are_about() -> None:
    review = begun()
    for decision in (
        decide.comment(review, "odd", on_object="v00001"),
        decide.comment(review, "pale", on_field="2"),
        decide.comment(review, "good section"),
    ):
        review = decided(review, decision)
    remarks = (review.objects["v00001"].comment, review.fields["2"].comment, review.comment)
    assert remarks == ("odd", "pale", "good section")
    assert counted(review) == counted(begun())


def test_a_specimen_is_begun_finished_and_opened_again() -> None:
    review = unreviewed(MACHINE)
    statuses = []
    for decision in (decide.begin(), decide.finish(), decide.reopen(), decide.finish()):
        review = decided(review, decision)
        statuses.append(review.status)
    assert statuses == ["begun", "finished", "begun", "finished"]


def test_unblinding_is_for_good() -> None:
    review = decided(begun(), decide.unblind())
    assert review.unblinded
    with pytest.raises(CorrectionError, match="there is nothing to undo"):
        decide.undo(review)
    with pytest.raises(CorrectionError, match="no earlier edit"):
        decide.undo(review, review.corrections[-1].id)


def test_a_new_edit_ends_what_could_be_done_again() -> None:
    review = begun()
    review = decided(review, decide.reject(review, "v00001", Reason.HAZE))
    review = decided(review, decide.undo(review))
    review = decided(review, decide.accept(review, "v00002"))
    with pytest.raises(CorrectionError, match="there is nothing to do again"):
        decide.redo(review)
