"""Fields and the involved area at the desk, in a real viewer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

import pytest

from mvd.corrections import What, decide
from mvd.geometry import Rect

pytest.importorskip("qtpy", reason='napari is not installed: pip install "mvd[napari-test]"')
pytest.importorskip("napari")

from mvd_napari.session import Mode
from observer_hands import BUTTON, HELD, KEY, Hands, wait_for
from on_screen import settle
from qtpy.QtTest import QTest

pytestmark = pytest.mark.slow


def room_beside(field: Rect, others: Iterable[Rect]) -> tuple[int, int]:
    """A way, x and y in µm, on which the field meets no other."""
    return next(
        (right, down)
        for right, down in ((15, 0), (-15, 0), (0, 15), (0, -15))
        if all(
            other.intersection(Rect.square(field.x0_um + right, field.y0_um + down, 110)) is None for other in others
        )
    )


def test_fields_fill_the_canvas_one_after_the_other(hands: Hands) -> None:
    for _ in hands.session.review.fields:
        hands.press(KEY.Key_F)
        rect, size = hands.session.rect, hands.canvas.size()
        corners = [hands.pixel(rect.x0_um, rect.y0_um), hands.pixel(rect.x1_um, rect.y1_um)]
        assert all(hands.canvas.rect().contains(corner) for corner in corners)
        assert corners[1].y() - corners[0].y() > 0.8 * min(size.height(), size.width())
        assert hands.desk.panel.fields[hands.session.field].property("present")


def test_a_field_is_left_out_for_a_reason_and_taken_in_again(hands: Hands) -> None:
    field = hands.session.field
    hands.press(KEY.Key_U)
    QTest.mouseClick(hands.desk.panel.question.buttons[0], BUTTON.LeftButton)
    settle()
    assert hands.session.review.fields[field].unevaluable == "fold"
    assert hands.desk.panel.fields[field].count.text() == "–"
    hands.press(KEY.Key_U)
    assert hands.session.review.fields[field].unevaluable is None


def test_a_field_is_moved_by_the_pointer_and_put_down_by_a_click(hands: Hands) -> None:
    before = hands.session.rect
    others = [one.field.rect for name, one in hands.session.review.fields.items() if name != hands.session.field]
    hands.press(KEY.Key_P)
    wait_for(lambda: hands.session.mode is Mode.PLACE, "the slide to be looked at", 60)
    x, y = (before.x0_um + before.x1_um) / 2, (before.y0_um + before.y1_um) / 2
    way = room_beside(before, others)
    hands.point(x + way[0], y + way[1])
    assert "can be counted here" in hands.desk.panel.note.text()
    hands.click((x + way[0], y + way[1]))
    wait_for(lambda: not hands.session.busy, "the vessels of the new place", 60)
    assert hands.log() == [What.BEGIN, What.MOVE_FIELD]
    assert hands.session.rect != before
    hands.press(KEY.Key_Z)
    assert hands.session.rect == before


def test_a_field_that_was_not_looked_at_is_asked_about(hands: Hands) -> None:
    hands.press(KEY.Key_Return)
    assert hands.desk.panel.question.is_open
    assert hands.session.review.status == "not begun"
    hands.press(KEY.Key_Escape)
    assert not hands.desk.panel.question.is_open
    hands.press(KEY.Key_Return)
    hands.press(KEY.Key_Return)
    assert hands.session.statuses["smith_baseline"] == "finished"


def test_a_field_is_put_elsewhere_by_lot_and_the_review_waits_for_it(hands: Hands, held_up: threading.Event) -> None:
    before = hands.session.rect
    hands.press(KEY.Key_P, HELD.ShiftModifier)
    assert hands.session.busy
    assert hands.desk.panel.cancel.isVisible()
    hands.press(KEY.Key_R)
    assert hands.log() in ([], [What.BEGIN])
    held_up.set()
    wait_for(lambda: not hands.session.busy, "another place", 60)
    if hands.log() == [What.BEGIN, What.MOVE_FIELD]:
        assert hands.session.rect != before
    else:  # four fields leave a small section hardly any room
        assert "there is no other place" in hands.desk.panel.note.text().casefold()


def test_what_is_being_found_can_be_cancelled_and_then_changes_nothing(hands: Hands, held_up: threading.Event) -> None:
    hands.press(KEY.Key_P)
    assert hands.session.busy
    QTest.mouseClick(hands.desk.panel.cancel, BUTTON.LeftButton)
    settle()
    assert not hands.session.busy
    held_up.set()
    time.sleep(1)
    settle(20)
    assert hands.session.mode is Mode.LOOK
    assert hands.log() == []


def test_the_involved_area_is_drawn_and_the_fields_placed_anew_after_asking(hands: Hands) -> None:
    before = hands.session.review.fields
    hands.press(KEY.Key_I)
    assert "places all fields anew" in hands.desk.panel.question.text.text()
    hands.press(KEY.Key_Return)
    assert hands.session.mode is Mode.INVOLVED
    hands.drag((10, 10), (240, 12), (235, 150), (120, 155), (8, 150))
    hands.press(KEY.Key_Return)  # this is the involved area
    assert "mm² now" in hands.desk.panel.question.text.text()
    assert hands.log() == []
    hands.press(KEY.Key_Return)  # place the fields anew
    wait_for(lambda: not hands.session.busy, "the fields to be placed", 60)
    assert hands.log() == [What.BEGIN, What.CHANGE_INVOLVED]
    assert all(one.field.rect.y1_um < 190 for one in hands.session.review.fields.values())
    hands.press(KEY.Key_Z)
    assert hands.session.review.fields == before


def test_nothing_is_left_of_an_area_that_is_cut_out_whole(hands: Hands) -> None:
    hands.press(KEY.Key_I)
    hands.press(KEY.Key_Return)
    hands.drag((-3, -3), (253, -3), (253, 253), (-3, 253))
    assert hands.desk.panel.question.buttons[-2].text() == "Cut it out of the area"
    QTest.mouseClick(hands.desk.panel.question.buttons[-2], BUTTON.LeftButton)
    settle()
    assert hands.desk.panel.note.text() == "Nothing would be left of the involved area."
    assert not hands.session.busy
    assert hands.log() == []


def test_a_fault_in_what_is_found_is_said_and_the_desk_goes_on(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of paper")

    monkeypatch.setattr("mvd_napari.relocating.survey_ground", broken)
    hands.press(KEY.Key_P)
    wait_for(lambda: not hands.session.busy, "the fault")
    assert "out of paper" in hands.desk.panel.note.text()
    assert not hands.desk.panel.cancel.isVisible()
    hands.click(hands.bare())
    assert hands.log() == [What.BEGIN, What.ADD]


def test_a_field_that_was_placed_anew_counts_as_not_looked_at(hands: Hands) -> None:
    review = hands.session.review
    for _ in review.fields:
        hands.press(KEY.Key_F)
    rects = {name: one.field.rect for name, one in review.fields.items()}
    before = rects.pop("3")
    right, down = room_beside(before, rects.values())
    moved = replace(review.fields["3"].field, rect=Rect.square(before.x0_um + right, before.y0_um + down, 110))
    hands.session.take(decide.move_field(hands.session.begun().review, moved, ()))
    hands.press(KEY.Key_Return)
    assert "Field 3 was not looked at" in hands.desk.panel.question.text.text()
