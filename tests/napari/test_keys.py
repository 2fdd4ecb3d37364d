"""The table of keys: each works, each is shown, the README prints it."""

from pathlib import Path

from mvd_napari.keys import (
    CLICK,
    DRAG,
    KEYS,
    REASON_KEYS,
    RIGHT_CLICK,
    SHIFT_CLICK,
    Action,
    Moment,
    action_of,
    table,
    working,
)

from mvd.vessels import Reason

README = Path(__file__).resolve().parents[2] / "README.md"
MOUSE = {CLICK, RIGHT_CLICK, SHIFT_CLICK, DRAG}


def test_no_key_does_two_things() -> None:
    named = {(name, key.action) for key in KEYS for name in key.keys if name not in MOUSE}
    assert len({name for name, _ in named}) == len(named)
    assert all(action_of(name) is action for name, action in named)


def test_every_action_has_a_key_or_a_click() -> None:
    assert {key.action for key in KEYS} == set(Action)


def test_a_key_that_does_nothing_is_nobody_s() -> None:
    assert action_of("Ctrl+Q") is None
    assert action_of(CLICK) is None


def test_the_help_line_shows_what_works_now_and_nothing_else() -> None:
    shown = working({Moment.OPEN, Moment.FINISHED})
    assert {key.action for key in shown} == {Action.NEXT_FIELD, Action.MARKS, Action.REOPEN, Action.HELP}
    assert {key.action for key in working(())} == {Action.HELP}


def test_the_common_reasons_have_a_digit_each() -> None:
    assert sorted(REASON_KEYS) == list("0123456789")
    assert len(set(REASON_KEYS.values())) == 10
    assert set(REASON_KEYS) <= set(next(key.keys for key in KEYS if key.action is Action.REASON))
    assert set(Reason) - set(REASON_KEYS.values()) == {Reason.NO_LUMEN, Reason.IN_BONE, Reason.NOT_INVOLVED}


def test_the_readme_prints_the_table() -> None:
    assert table() in README.read_text(encoding="utf-8"), "print it anew: python -m mvd_napari.keys"
