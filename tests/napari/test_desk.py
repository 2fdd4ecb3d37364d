"""The desk in a real viewer: real clicks and real keys on the section."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvd.corrections import What
from mvd.errors import MvdError
from mvd.vessels import Reason

pytest.importorskip("qtpy", reason='napari is not installed: pip install "mvd[napari-test]"')
pytest.importorskip("napari")

from mvd_napari.session import Mode
from observer_hands import BUTTON, HELD, KEY, Hands
from on_screen import settle
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMenu

pytestmark = pytest.mark.slow


def test_a_click_adds_a_vessel_and_the_disk_has_it(hands: Hands) -> None:
    place, before = hands.bare(), hands.session.tally.count
    hands.click(place)
    assert hands.log() == [What.BEGIN, What.ADD]
    added = list(hands.session.review.objects.values())[-1].vessel
    assert added.x_um == pytest.approx(place[0], abs=0.5)
    assert added.y_um == pytest.approx(place[1], abs=0.5)
    assert hands.session.tally.count == before + 1
    assert hands.desk.panel.fields[hands.session.field].count.text() == str(hands.session.tally.fields[0].count)


def test_a_click_rejects_what_is_counted_and_a_second_one_counts_it_again(hands: Hands) -> None:
    name, place = hands.counted()[0]
    hands.click(place)
    assert hands.session.review.objects[name].vessel.reason is Reason.UNLIKE_VESSEL
    hands.click(place)
    assert hands.session.review.objects[name].vessel.accepted
    assert hands.log() == [What.BEGIN, What.REJECT, What.ACCEPT]


def test_a_nervous_double_click_adds_one_vessel(hands: Hands) -> None:
    place = hands.bare()
    zoom = hands.desk.viewer.scene.camera.zoom
    hands.point(*place)
    QTest.mouseClick(hands.canvas, BUTTON.LeftButton, HELD.NoModifier, hands.pixel(*place))
    QTest.mouseDClick(hands.canvas, BUTTON.LeftButton, HELD.NoModifier, hands.pixel(*place))
    settle()
    assert hands.log() == [What.BEGIN, What.ADD]
    assert hands.desk.viewer.scene.camera.zoom == zoom


def test_a_drag_moves_the_section_and_decides_nothing(hands: Hands) -> None:
    x, y = hands.bare()
    centre = hands.desk.viewer.scene.camera.center
    hands.drag((x, y), (x + 10, y + 5), (x + 20, y + 10))
    assert hands.log() == []
    assert hands.desk.viewer.scene.camera.center != centre


def test_keys_reject_for_a_reason_change_it_accept_and_undo(hands: Hands) -> None:
    name, place = hands.counted()[0]
    hands.point(*place)
    for key, reason in ((KEY.Key_R, Reason.UNLIKE_VESSEL), (KEY.Key_3, Reason.PIGMENT), (KEY.Key_A, None)):
        hands.press(key)
        assert hands.session.review.objects[name].vessel.reason is reason
    hands.press(KEY.Key_Z)
    assert hands.session.review.objects[name].vessel.reason is Reason.PIGMENT
    hands.press(KEY.Key_Z, HELD.ShiftModifier)
    assert hands.session.review.objects[name].vessel.reason is None
    hands.press(KEY.Key_Z, HELD.ControlModifier)
    assert hands.log() == [
        What.BEGIN, What.REJECT, What.CHANGE_REASON, What.ACCEPT, What.UNDO, What.REDO, What.UNDO
    ]  # fmt: skip


def test_two_chosen_with_shift_are_merged_by_a_key(hands: Hands) -> None:
    (first, here), (second, there) = hands.counted()[:2]
    hands.click(here, HELD.ShiftModifier)
    hands.click(there, HELD.ShiftModifier)
    assert hands.session.chosen == (first, second)
    hands.press(KEY.Key_M)
    assert hands.log() == [What.BEGIN, What.MERGE]
    assert not {first, second} & set(hands.session.review.objects)
    hands.press(KEY.Key_Z)
    assert {first, second} <= set(hands.session.review.objects)


def test_a_line_across_splits_and_a_ring_draws_anew(hands: Hands) -> None:
    name, place = hands.counted()[0]
    box = hands.session.review.objects[name].vessel.bounds
    middle = (box.x0_um + box.x1_um) / 2
    hands.point(*place)
    hands.press(KEY.Key_S)
    assert hands.session.mode is Mode.LINE
    hands.drag((middle, box.y0_um - 4), (middle, (box.y0_um + box.y1_um) / 2), (middle, box.y1_um + 4))
    assert hands.log() == [What.BEGIN, What.SPLIT]
    assert hands.session.mode is Mode.LOOK
    x, y = hands.bare()
    hands.point(x, y)
    hands.press(KEY.Key_O)
    hands.drag((x, y), (x + 8, y), (x + 8, y + 8), (x, y + 8))
    assert hands.log()[-1] is What.ADD
    drawn = list(hands.session.review.objects.values())[-1]
    assert drawn.source == "drawn"
    assert drawn.vessel.area_um2 == pytest.approx(64, rel=0.2)


def test_escape_lets_go_of_what_was_begun(hands: Hands) -> None:
    _, place = hands.counted()[0]
    hands.point(*place)
    hands.press(KEY.Key_S)
    hands.press(KEY.Key_Escape)
    assert hands.session.mode is Mode.LOOK
    assert hands.log() == []


def test_a_key_that_cannot_do_anything_says_why(hands: Hands) -> None:
    hands.point(*hands.bare())
    for key in (KEY.Key_R, KEY.Key_M, KEY.Key_Z, KEY.Key_X):
        hands.press(key)
        assert hands.desk.panel.note.text()
    assert hands.log() == []


def test_marks_are_hidden_by_a_key_and_come_again(hands: Hands) -> None:
    def drawn() -> int:
        return len(hands.desk.canvas.outlines.data) + len(hands.desk.canvas.points.data)

    before = drawn()
    hands.press(KEY.Key_W)
    assert drawn() <= 1
    hands.press(KEY.Key_W)
    assert drawn() == before > 1


def test_a_comment_is_written_and_its_return_does_not_finish(hands: Hands) -> None:
    name, place = hands.counted()[0]
    hands.point(*place)
    hands.press(KEY.Key_C)
    hands.write("far from round")
    assert hands.session.review.objects[name].comment == "far from round"
    assert not hands.desk.panel.question.is_open  # whether to finish with fields that were not looked at
    assert hands.log() == [What.BEGIN, What.COMMENT]


def test_every_outline_falls_on_its_stain_on_the_screen(hands: Hands, tmp_path: Path) -> None:
    from on_screen import picture  # noqa: PLC0415

    hands.press(KEY.Key_W)
    image = picture(hands.desk.viewer, tmp_path)
    scale = image.shape[1] / hands.canvas.width()
    brown, beside = [], []
    for name, _ in hands.counted():
        vessel = hands.session.review.objects[name].vessel
        for x, y in vessel.outline[::5]:
            inward = (x + (vessel.x_um - x) * 0.15, y + (vessel.y_um - y) * 0.15)
            outward = (x + (x - vessel.x_um) * 0.9, y + (y - vessel.y_um) * 0.9)
            for place, found in ((inward, brown), (outward, beside)):
                pixel = hands.pixel(*place)
                if hands.canvas.rect().contains(pixel):
                    row, column = round(pixel.y() * scale), round(pixel.x() * scale)
                    red, _, blue = image[min(row, len(image) - 1), min(column, len(image[0]) - 1)].astype(float)
                    found.append(red - blue)
    assert sum(brown) / len(brown) > sum(beside) / len(beside) + 15


def test_the_menu_on_an_object_offers_every_reason(hands: Hands) -> None:
    name, place = hands.counted()[0]
    hands.click(place, button=BUTTON.RightButton)
    menu = next(one for one in QApplication.allWidgets() if isinstance(one, QMenu) and one.isVisible())
    offered = {action.text().split("\t")[0]: action for action in menu.actions()}
    assert {f"reject: {reason}" for reason in Reason if reason is not Reason.NOT_INVOLVED} <= set(offered)
    offered[f"reject: {Reason.NO_LUMEN}"].trigger()
    menu.close()
    settle()
    assert hands.session.review.objects[name].vessel.reason is Reason.NO_LUMEN


def test_a_key_acts_on_what_lies_where_the_pointer_rests(hands: Hands) -> None:
    (_, first), (name, second) = hands.counted()[:2]
    hands.point(*first)
    settle(3)
    hands.rush(first, second)  # of two moves at once the viewer is told of the first only
    settle(5)
    hands.press(KEY.Key_R)
    assert [one for one, state in hands.session.review.objects.items() if state.decided] == [name]


def test_the_menu_is_of_the_object_under_the_pointer_and_not_of_one_chosen_before(hands: Hands) -> None:
    (chosen, here), (name, there) = hands.counted()[:2]
    hands.click(here, HELD.ShiftModifier)
    assert hands.session.chosen == (chosen,)
    hands.click(there, button=BUTTON.RightButton)
    menu = next(one for one in QApplication.allWidgets() if isinstance(one, QMenu) and one.isVisible())
    next(action for action in menu.actions() if str(Reason.PIGMENT) in action.text()).trigger()
    menu.close()
    settle()
    assert hands.session.review.objects[name].vessel.reason is Reason.PIGMENT
    assert hands.session.review.objects[chosen].vessel.accepted


def test_a_question_goes_with_what_it_was_asked_about(hands: Hands) -> None:
    _, place = hands.counted()[0]
    hands.point(*place)
    hands.press(KEY.Key_C)
    question = hands.desk.panel.question
    QTest.keyClicks(question.line, "half a sen")
    hands.desk.go_to_field("2")
    assert question.is_open
    assert (hands.session.field, hands.desk.panel.note.text()) == (
        "1", "First press Return to keep what you wrote, or Cancel."
    )  # fmt: skip
    hands.press(KEY.Key_Escape)
    hands.press(KEY.Key_U)  # why can the field not be counted?
    assert question.is_open
    hands.desk.go_to_field("2")
    assert not question.is_open
    assert hands.session.field == "2"
    assert hands.log() == []


def test_a_desk_whose_panel_is_not_seen_decides_nothing(hands: Hands) -> None:
    place = hands.bare()
    hands.desk.panel.parent().hide()
    hands.click(place)
    hands.press(KEY.Key_U)
    assert hands.log() == []
    assert not hands.desk.panel.question.is_open
    hands.desk.panel.parent().show()
    hands.click(place)
    assert hands.log() == [What.BEGIN, What.ADD]


def test_a_sentence_that_begins_with_a_name_keeps_its_letters(hands: Hands) -> None:
    hands.desk.complain(MvdError("smith_baseline cannot be read"))
    assert hands.desk.panel.note.text() == "smith_baseline cannot be read."
    hands.desk.complain(MvdError("there is no such field"))
    assert hands.desk.panel.note.text() == "There is no such field."
