"""Another sensitivity tried at the desk, in a real viewer: seen, and kept for a reason."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest

pytest.importorskip("qtpy", reason='napari is not installed: pip install "mvd[napari-test]"')
pytest.importorskip("napari")

from mvd_napari.steering import DENSER, KEEP, PALER
from observer_hands import BUTTON, KEY, Hands, wait_for
from on_screen import settle
from qtpy.QtTest import QTest

pytestmark = pytest.mark.slow


def asked(hands: Hands, words: str) -> None:
    question = hands.desk.panel.question
    wait_for(lambda: question.is_open and words in question.text.text(), words, 60)


def answer(hands: Hands, text: str) -> None:
    (pressed,) = (button for button in hands.desk.panel.question.buttons if button.text() == text)
    QTest.mouseClick(pressed, BUTTON.LeftButton)
    settle()


def drawn(hands: Hands) -> int:
    return len(hands.desk.canvas.tried.data)


def test_paler_stain_is_shown_and_nothing_is_changed(hands: Hands) -> None:
    session, canvas = hands.session, hands.desk.canvas
    counted = next(field.count for field in session.tally.fields if field.name == session.field)
    marks = canvas.outlines.data.copy()
    hands.press(KEY.Key_K)
    asked(hands, f"At sensitivity 0, as it was measured the program alone counts {counted} vessel")
    as_measured = drawn(hands)
    assert len(canvas.points.data) == 0 and len(canvas.outlines.data) < len(marks)
    answer(hands, DENSER)
    asked(hands, "At sensitivity -1 the program alone counts")
    assert drawn(hands) != as_measured
    answer(hands, PALER)
    asked(hands, "At sensitivity 0, as it was measured")
    assert drawn(hands) == as_measured
    hands.press(KEY.Key_Escape)
    assert not hands.desk.panel.question.is_open
    assert drawn(hands) == 1  # napari's nothing
    assert np.array_equal(canvas.outlines.data, marks)
    assert session.review.status == "not begun"


def test_a_sensitivity_is_kept_for_a_reason(hands: Hands) -> None:
    file = hands.session.folder / "study.toml"
    before = tomllib.loads(file.read_text(encoding="utf-8"))
    hands.press(KEY.Key_K)
    asked(hands, "At sensitivity 0")
    assert KEEP not in [button.text() for button in hands.desk.panel.question.buttons]
    answer(hands, PALER)
    asked(hands, "At sensitivity +1")
    answer(hands, KEEP)
    asked(hands, "Why is the sensitivity to be +1?")
    hands.write("   ")
    assert "reason" in hands.desk.panel.note.text()
    assert tomllib.loads(file.read_text(encoding="utf-8")) == before
    hands.press(KEY.Key_K)
    asked(hands, "At sensitivity 0")
    answer(hands, PALER)
    asked(hands, "At sensitivity +1")
    answer(hands, KEEP)
    hands.write("pale stain in this batch")
    text = file.read_text(encoding="utf-8")
    before["stain"]["sensitivity"] = 1
    assert tomllib.loads(text) == before
    assert f"# {hands.session.observer}, " in text and "pale stain in this batch" in text
    assert "mvd run" in hands.desk.panel.note.text()
