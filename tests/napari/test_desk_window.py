"""The desk as a window: its specimens, its panel, and the rest of napari round it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mvd.corrections import What
from mvd.reading import Reading, open_reading
from mvd.review import OpenReview
from mvd.store.log import read_log

pytest.importorskip("qtpy", reason='napari is not installed: pip install "mvd[napari-test]"')
pytest.importorskip("napari")

from mvd_napari.desk import open_desk, put_into
from mvd_napari.session import Session
from mvd_napari.workers import Prepared
from observer_hands import KEY, TIMES, Hands, hands_on, wait_for
from on_screen import settle
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    import napari

pytestmark = pytest.mark.slow


def test_all_fields_seen_the_specimen_is_finished_and_the_next_is_there(hands: Hands) -> None:
    first = hands.session.reading
    path = hands.session.opened.log.path
    for _ in range(len(hands.session.review.fields) - 1):
        hands.press(KEY.Key_F)
    hands.press(KEY.Key_Return)
    assert [line.what for line in read_log(path).corrections] == [What.BEGIN, What.FINISH]
    wait_for(lambda: hands.session.reading != first, "the next specimen")
    assert "1 of 2 finished" in hands.desk.panel.list_title.text()


def test_specimens_are_opened_in_another_thread_and_the_next_one_before_it_is_wanted(
    viewer: napari.Viewer, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, bool]] = []

    def watched(session: Session, reading: Reading) -> OpenReview:
        read.append((reading.code, threading.current_thread() is threading.main_thread()))
        return open_reading(session.folder, reading, session.observer)

    monkeypatch.setattr(Session, "read", watched)
    for hands in hands_on(viewer, study):
        wait_for(lambda: len(read) == 2, "the second specimen to be prepared")
        assert read == [("smith_baseline", False), ("smith_followup", False)]
        time.sleep(0.5)
        hands.press(KEY.Key_N)
        assert hands.session.reading.code == "smith_followup"  # at once, without waiting
        assert [code for code, _ in read].count("smith_followup") == 1
        assert not any(in_the_window for _, in_the_window in read)


def test_the_desk_leaves_the_layers_reachable_and_out_of_the_way(hands: Hands) -> None:
    window = hands.desk.viewer.window._qt_viewer
    assert window.dockLayerList.isHidden()
    assert window.dockLayerControls.isHidden()
    window.dockLayerList.setVisible(True)
    settle()
    assert window.dockLayerList.isVisible()


def test_no_widget_of_the_panel_takes_the_keyboard_from_the_section(hands: Hands) -> None:
    takes = [
        widget.objectName() or type(widget).__name__
        for widget in hands.desk.panel.findChildren(QWidget)
        if widget.focusPolicy() & Qt.FocusPolicy.ClickFocus and widget is not hands.desk.panel.question.line
    ]
    assert takes == []


def test_the_desk_of_the_plugin_menu_asks_for_study_and_observer(viewer: napari.Viewer, study: Path) -> None:
    pages = open_desk(viewer)
    viewer.window.add_dock_widget(pages, name="Review a study")
    first = pages.currentWidget()
    first.folder.setText(str(study / "nothing"))
    first.observer.setText("anna")
    QTest.keyClick(first.observer, KEY.Key_Return)
    assert "nothing" in first.note.text()
    first.folder.setText(str(study))
    QTest.keyClick(first.observer, KEY.Key_Return)
    settle()
    panel = pages.currentWidget()
    wait_for(lambda: panel.title.text() == "smith_baseline", "the first specimen")
    pages.desk.close()


def test_a_specimen_that_cannot_be_opened_does_not_stand_in_the_way(hands: Hands, study: Path) -> None:
    wait_for(lambda: hands.desk.workers.ahead("smith_followup", _never).done(), "the second specimen to be prepared")
    hands.desk.workers.forget(but=set())
    (study / "smith_followup.ome.tif").unlink()
    hands.press(KEY.Key_N)
    wait_for(lambda: "smith_followup" in hands.desk.panel.note.text() and hands.desk.panel.note.property("wrong"), "it")
    assert hands.session.reading.code == "smith_baseline"
    hands.press(KEY.Key_N)  # the one after it: of two, the first again
    wait_for(lambda: hands.desk.panel.note.text() == "", "the first specimen again")
    assert hands.session.reading.code == "smith_baseline"
    hands.click(hands.bare())
    assert hands.log() == [What.BEGIN, What.ADD]


def test_a_fault_of_the_program_while_it_opens_a_specimen_is_said(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of paper")

    hands.desk.workers.forget(but=set())
    monkeypatch.setattr("mvd_napari.specimens.prepare", broken)
    hands.press(KEY.Key_N)
    wait_for(lambda: "smith_followup cannot be opened" in hands.desk.panel.note.text(), "the fault")
    assert "out of paper" in hands.desk.panel.note.text()
    hands.click(hands.bare())
    assert hands.log() == [What.BEGIN, What.ADD]


def _never() -> Prepared:
    raise AssertionError("it is prepared already")


def unmeasure(study: Path, specimen: str) -> None:
    for path in (study / "results").glob(f"{specimen}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_what_was_not_measured_is_measured_from_the_desk_after_asking(
    viewer: napari.Viewer, study: Path, held_up: threading.Event
) -> None:
    before = (study / "results" / "smith_followup.geojson").read_bytes()
    unmeasure(study, "smith_followup")
    for hands in hands_on(viewer, study):
        hands.press(KEY.Key_N)
        wait_for(lambda hands=hands: hands.desk.panel.question.is_open, "the question")
        assert "smith_followup was not measured yet" in hands.desk.panel.question.text.text()
        hands.press(KEY.Key_Return)
        assert hands.session.busy
        held_up.set()
        wait_for(lambda hands=hands: hands.session.reading.code == "smith_followup", "the specimen", 90)
        assert not hands.session.busy
    assert (study / "results" / "smith_followup.geojson").read_bytes() == before


def test_measuring_is_cancelled_without_a_trace(
    viewer: napari.Viewer, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for specimen in TIMES:
        unmeasure(study, f"smith_{specimen}")
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*_: object, progress: Callable[[int, int], None], **__: object) -> None:
        begun.set()
        go_on.wait(30)
        progress(1, 2)

    monkeypatch.setattr("mvd.measuring.count_specimen", slowly)
    before = sorted((study / "results").iterdir())
    viewer.window.resize(1400, 900)
    desk = put_into(viewer, Session(study, "anna"))
    wait_for(lambda: desk.panel.question.is_open, "the question")
    desk.press("Return")
    wait_for(begun.is_set, "the work")
    QTest.mouseClick(desk.panel.cancel, Qt.MouseButton.LeftButton)
    go_on.set()
    settle(20)
    assert not desk.session.busy
    assert desk.session.opened is None
    desk.workers.run(lambda _: None, done=lambda _: begun.clear(), failed=lambda _: None)  # once the other has ended
    wait_for(lambda: not begun.is_set(), "its end")
    assert sorted((study / "results").iterdir()) == before
    desk.close()


def test_layers_that_were_there_before_do_not_lie_over_the_section(viewer: napari.Viewer, study: Path) -> None:
    other = viewer.add_image(np.zeros((50, 50, 3), np.uint8), rgb=True)
    for hands in hands_on(viewer, study):
        assert not other.visible
        assert hands.desk.canvas.image.visible
