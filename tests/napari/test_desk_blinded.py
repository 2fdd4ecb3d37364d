"""What a blinded observer, and one who counts unaided, sees in a real viewer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mvd.corrections import What
from mvd.review import observers

pytest.importorskip("qtpy", reason='napari is not installed: pip install "mvd[napari-test]"')
pytest.importorskip("napari")

from mvd_napari import deciding
from mvd_napari.session import Session
from observer_hands import BUTTON, HELD, KEY, TIMES, hands_on, protocol_with, wait_for
from on_screen import settle
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    import napari

pytestmark = pytest.mark.slow


def texts_on_screen() -> Iterator[str]:
    """Every text that any widget shows, or would show when the pointer rests on it."""
    readers = (
        "text", "title", "windowTitle", "toolTip", "statusTip", "whatsThis", "placeholderText", "currentText",
        "toPlainText", "currentMessage", "windowFilePath",
    )  # fmt: skip
    for widget in QApplication.allWidgets():
        for reader in readers:
            read = getattr(widget, reader, None)
            if callable(read):
                try:
                    yield str(read())
                except (TypeError, RuntimeError):
                    continue
        yield from (action.text() for action in widget.actions())
        model = getattr(widget, "model", None)
        if callable(model) and model() is not None:
            found = model()
            for row in range(found.rowCount()):
                for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
                    yield str(found.index(row, 0).data(role))


def test_blinded_no_text_on_the_screen_tells_which_specimen_it_is(viewer: napari.Viewer, study: Path) -> None:
    protocol_with(study, blinded=True)
    other = Session(study, "bert")
    other.open(other.readings[0])
    deciding.finish(other)
    forbidden = {"smith", *TIMES, "ome.tif", "bert"}
    for hands in hands_on(viewer, study):
        _, place = hands.counted()[0]
        hands.click(place)
        hands.point(*place)
        hands.press(KEY.Key_H)
        for key in (KEY.Key_R, KEY.Key_F, KEY.Key_N):
            hands.press(key)
        wait_for(lambda hands=hands: hands.session.reading != hands.session.readings[0], "the second read")
        hands.desk.complain(type(_error(study))(str(_error(study))))
        settle()
        shown = {text for text in texts_on_screen() if text}
        assert any("R02" in text for text in shown), "the codes are shown"
        layers = {str(value) for layer in viewer.layers for value in (layer.name, layer.source.path, layer.metadata)}
        found = {
            word: text
            for word in forbidden
            for text in shown | layers | {viewer.title, str(viewer.status)}
            if word in text
        }
        assert found == {}
        for window in QApplication.topLevelWidgets():
            if window.objectName() == "keys":
                window.close()
    assert observers(study / "reviews") == ("anna", "bert")


def _error(study: Path) -> Exception:
    from mvd.errors import StoreError  # noqa: PLC0415

    return StoreError(f"{study}/reviews/anna/smith_baseline.jsonl is of smith_baseline.ome.tif (smith, baseline)")


def test_unaided_no_machine_count_is_shown_before_it_is_asked_for(viewer: napari.Viewer, study: Path) -> None:
    protocol_with(study, first_read="unaided")
    for hands in hands_on(viewer, study):
        assert {button.count.text() for button in hands.desk.panel.fields.values()} == {"0"}
        assert len(hands.desk.canvas.points.data) == 0
        hands.click(hands.bare())
        assert hands.session.tally.count == 1
        assert hands.log() == [What.HIDE, What.BEGIN, What.ADD]
        hands.press(KEY.Key_V)
        question = hands.desk.panel.question
        assert "You counted 1, 0, 0, 0 in the fields." in question.text.text()
        assert hands.log()[-1] is What.ADD
        QTest.mouseClick(question.buttons[0], BUTTON.LeftButton)
        settle()
        assert hands.log()[-1] is What.REVEAL
        assert len(hands.session.near()) > 1


def test_unblinding_asks_for_a_reason_and_shows_the_names(viewer: napari.Viewer, study: Path) -> None:
    protocol_with(study, blinded=True)
    for hands in hands_on(viewer, study):
        hands.click(hands.bare())
        hands.press(KEY.Key_B, HELD.ControlModifier)
        hands.write("the study is closed")
        assert "smith_" in hands.desk.panel.title.toolTip()
        assert hands.log()[-1] is What.UNBLIND
