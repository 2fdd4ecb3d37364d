"""Corrections that cannot be: decisions that do not fit, logs that do not belong, lines that are none."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from reviewed_example import NOON, SHA, begun, decided, machine, square, state, vessel_at

from mvd.corrections import Correction, Decision, MachineResult, Review, What, decide, record, replay, unreviewed
from mvd.errors import CorrectionError
from mvd.fields import CountField
from mvd.geometry import Rect
from mvd.vessels.model import Reason

CORRECTIONS = TypeAdapter(Correction)
MACHINE = machine()

# What cannot be -----------------------------------------------------------------------------------------------------

FINISHED = decided(begun(), decide.finish())

REFUSED: dict[str, tuple[Review, Callable[[Review], Decision], str]] = {
    "an object that is not there": (begun(), lambda r: decide.accept(r, "v00099"), "there is no object 'v00099'"),
    "a field that is not there": (begun(), lambda r: decide.mark_unevaluable(r, "9", "fold"), "there is no field '9'"),
    "no reason": (begun(), lambda r: decide.mark_unevaluable(r, "1", " "), "field '1' is left out without a reason"),
    "evaluable already": (begun(), lambda r: decide.mark_evaluable(r, "1"), "field '1' is evaluable already"),
    "another reason for what counts": (begun(), lambda r: decide.change_reason(r, "v00001", Reason.HAZE), "counts"),
    "one alone": (begun(), lambda r: decide.merge(r, ["v00001", "v00001"]), "two objects or more"),
    "a line beside it": (
        begun(),
        lambda r: decide.split(r, "v00001", line=np.array([[0.0, 0.0], [5.0, 0.0]])),
        "the line does not part 'v00001'",
    ),
    "a line that ends inside": (
        begun(),
        lambda r: decide.split(r, "v00001", line=np.array([[20.0, 0.0], [20.0, 20.0]])),
        "the line does not part 'v00001'",
    ),
    "a part elsewhere": (
        begun(),
        lambda r: decide.split(r, "v00001", outlines=[square(20, 20, 5), square(90, 90, 5)]),
        "an outline lies beside 'v00001'",
    ),
    "an outline that crosses itself": (
        begun(),
        lambda r: decide.add_outline(r, np.array([[0.0, 0.0], [9.0, 9.0], [9.0, 0.0], [0.0, 5.0]])),
        "the outline crosses or touches itself",
    ),
    "an outline of two points": (
        begun(),
        lambda r: decide.add_outline(r, np.array([[0.0, 0.0], [9.0, 9.0]])),
        "the outline encloses less than 1 µm²",
    ),
    "an outline of nothing": (begun(), lambda r: decide.add_outline(r, np.array([[np.nan, 0.0]] * 3)), "not a ring"),
    "fields that overlap": (
        begun(),
        lambda r: decide.move_field(r, CountField("2", Rect.square(40, 0, 80), 0.006)),
        "field '1' overlaps field '2'",
    ),
    "a field of another size": (
        begun(),
        lambda r: decide.move_field(r, CountField("2", Rect.square(300, 0, 60), 0.003)),
        "field '2' has a fixed size of 80 µm",
    ),
    "nothing to undo": (begun(), decide.undo, "there is nothing to undo"),
    "nothing to redo": (begun(), decide.redo, "there is nothing to do again"),
    "edits before the beginning": (
        unreviewed(MACHINE),
        lambda r: decide.accept(r, "v00001"),
        "the review has not begun",
    ),
    "edits after the end": (FINISHED, lambda r: decide.accept(r, "v00001"), "the review is finished; reopen it"),
    "beginning twice": (begun(), lambda _: decide.begin(), "the review is begun, not not begun"),
    "finishing twice": (FINISHED, lambda _: decide.finish(), "the review is finished, not begun"),
    "hiding what was begun": (begun(), lambda _: decide.hide(), "can be hidden before the review begins, and once"),
    "hiding what was shown": (
        decided(unreviewed(MACHINE), decide.hide(), decide.reveal()),
        lambda _: decide.hide(),
        "can be hidden before the review begins, and once",
    ),
    "showing what is not hidden": (begun(), lambda _: decide.reveal(), "what the program found is not hidden"),
    "unblinding twice": (decided(begun(), decide.unblind()), lambda _: decide.unblind(), "unblinded already"),
}


@pytest.mark.parametrize(("review", "make", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_decided_is_refused_with_a_reason(
    review: Review, make: Callable[[Review], Decision], sentence: str
) -> None:
    before = state(review)
    with pytest.raises(CorrectionError, match=sentence):
        record(review, make(review), observer="anna", version="0.1.0")
    assert state(review) == before


def log_of(*decisions: Callable[[Review], Decision]) -> tuple[Correction, ...]:
    review = begun()
    for make in decisions:
        review = decided(review, make(review))
    return review.corrections


REJECTS = log_of(lambda r: decide.reject(r, "v00001", Reason.HAZE), lambda r: decide.merge(r, ["v00004", "v00005"]))


def accepting(name: str, *, number: int) -> Correction:
    """A line of that number that accepts an object as the machine found it."""
    accepted = record(begun(), decide.accept(begun(), name), observer="anna", version="0.1.0", made_at=NOON)
    return replace(accepted, number=number)


FOREIGN: dict[str, tuple[MachineResult, tuple[Correction, ...], str]] = {
    "an object that does not exist": (
        replace(MACHINE, vessels=MACHINE.vessels[1:]),
        REJECTS,
        r"p1_pre, line 3 of the log of anna \(reject\): there is no object 'v00001'",
    ),
    "an object that was another": (
        replace(MACHINE, vessels=(vessel_at(1, 20, 20, Reason.PIGMENT), *MACHINE.vessels[1:])),
        REJECTS,
        r"line 3 .*: object 'v00001' was not as it says \(reason\)",
    ),
    "an object that was merged": (
        MACHINE,
        (*REJECTS, accepting("v00004", number=4)),
        r"line 5 .*: there is no object 'v00004' any more; it became c00003",
    ),
    "a field that was another": (
        replace(MACHINE, fields=(replace(MACHINE.fields[0], evaluable_mm2=0.006), *MACHINE.fields[1:])),
        log_of(lambda r: decide.mark_unevaluable(r, "1", "fold")),
        r"line 3 .*: field '1' was not as it says",
    ),
    "a line left out": (MACHINE, (REJECTS[0], REJECTS[2]), "line 4 .*: it has the number 3, expected was 2"),
    "another specimen": (replace(MACHINE, specimen="p2_pre"), REJECTS, "line 2 .*: it is of another specimen"),
    "another result": (replace(MACHINE, sha256="00" * 32), REJECTS, "line 2 .*: it was made on another result"),
    "two observers": (
        MACHINE,
        (REJECTS[0], replace(REJECTS[1], observer="ben")),
        "line 3 .*: it is ben's, not anna's",
    ),
    "an identifier twice": (
        MACHINE,
        (*REJECTS, replace(REJECTS[1], number=4)),
        "its identifier is that of an earlier line",
    ),
    "a new object under another name": (
        MACHINE,
        (REJECTS[0], replace(REJECTS[2], number=2)),
        "object 'c00003' is new but not named after correction 2",
    ),
}


@pytest.mark.parametrize(("result", "log", "sentence"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_log_that_does_not_fit_names_line_and_object(
    result: MachineResult, log: tuple[Correction, ...], sentence: str
) -> None:
    with pytest.raises(CorrectionError, match=sentence):
        replay(result, log)


def test_an_undo_that_does_not_say_what_was_undone_is_refused() -> None:
    review = begun()
    review = decided(review, decide.reject(review, "v00001", Reason.HAZE))
    false = replace(decide.undo(review), before=review.corrections[0].before)
    with pytest.raises(CorrectionError, match="before and after are not those of correction 2"):
        record(review, false, observer="anna", version="0.1.0")


def test_undoing_a_move_back_into_a_field_that_took_the_place_is_refused() -> None:
    review = begun()
    review = decided(review, decide.move_field(review, CountField("1", Rect.square(300, 300, 80), 0.006)))
    moved_first = review.history.done[-1]
    review = decided(review, decide.move_field(review, CountField("2", Rect.square(0, 0, 80), 0.006)))
    with pytest.raises(CorrectionError, match="field '1' overlaps field '2'"):
        record(review, decide.undo(review, moved_first), observer="anna", version="0.1.0")


# A line of a log comes from outside ---------------------------------------------------------------------------------

LINE = json.loads(CORRECTIONS.dump_json(REJECTS[1], exclude_defaults=True))
MERGE = json.loads(CORRECTIONS.dump_json(REJECTS[2], exclude_defaults=True))
OTHER_OBJECT = {"name": "v00002", "reason": None, "x_um": 60.0, "y_um": 20.0}

DAMAGED: dict[str, dict[str, Any]] = {
    "an unknown key": LINE | {"mood": "good"},
    "an unknown decision": LINE | {"what": "delete"},
    "an unknown reason": LINE | {"after": {"objects": [LINE["after"]["objects"][0] | {"reason": "ugly"}]}},
    "another kind than it does": LINE | {"what": "accept"},
    "two objects rejected": LINE | {"after": {"objects": [*LINE["after"]["objects"], OTHER_OBJECT]}},
    "a rejection that moves the object": LINE | {"after": {"objects": [LINE["after"]["objects"][0] | {"x_um": 1.0}]}},
    "a rejection that touches a comment": LINE | {"after": LINE["after"] | {"comment": "no"}},
    "a merge without outline": MERGE | {"after": {"objects": [OTHER_OBJECT]}},
    "an object twice": MERGE | {"before": {"objects": [OTHER_OBJECT, OTHER_OBJECT]}},
    "number 0": LINE | {"number": 0},
    "a number in quotes": LINE | {"number": "2"},
    "no time zone": LINE | {"made_at": "2026-03-01T12:00:00"},
    "another time zone": LINE | {"made_at": "2026-03-01T12:00:00+02:00"},
    "no observer": LINE | {"observer": ""},
    "an odd identifier": LINE | {"id": "1"},
    "a digest cut short": LINE | {"result_sha256": SHA[:10]},
    "undo of nothing": LINE | {"what": "undo"},
    "a rejection of a correction": LINE | {"of": REJECTS[0].id},
}


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_line_that_is_no_correction_is_not_read_as_one(line: dict[str, Any]) -> None:
    CORRECTIONS.validate_json(json.dumps(LINE))  # as it is it can be read
    CORRECTIONS.validate_json(json.dumps(MERGE))
    with pytest.raises(ValidationError):
        CORRECTIONS.validate_json(json.dumps(line))


def test_a_correction_says_who_when_on_what_and_by_which_program() -> None:
    review = begun()
    made = record(review, decide.accept(review, "v00001"), observer="anna", version="0.1.0", why="sharp wall")
    assert (made.number, made.line, made.observer, made.specimen, made.why) == (2, 3, "anna", "p1_pre", "sharp wall")
    assert made.result_sha256 == SHA
    assert made.version
    assert abs(datetime.now(UTC) - made.made_at) < timedelta(minutes=1)
    assert made.what is What.ACCEPT


def test_the_time_must_be_universal() -> None:
    review = begun()
    elsewhere = NOON.astimezone(timezone(timedelta(hours=2)))
    with pytest.raises(ValidationError):
        record(review, decide.accept(review, "v00001"), observer="anna", version="0.1.0", made_at=elsewhere)
