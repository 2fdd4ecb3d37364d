"""The desk in a real viewer: real clicks, real keys, a real death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mvd.corrections import What
from mvd.geometry import Rect
from mvd.phantom.write import write_ome_tiff
from mvd.protocol import Protocol
from mvd.reading import Reading, open_reading
from mvd.review import OpenReview, observers, reviewed_row
from mvd.store.log import read_log
from mvd.study import run_study
from mvd.vessels import Reason

pytest.importorskip("qtpy", reason='napari is not installed: pip install "mvd[napari-test]"')
pytest.importorskip("napari")

from mvd_napari import deciding
from mvd_napari.desk import open_desk, put_into
from mvd_napari.session import Mode, Session
from mvd_napari.sight import object_at
from on_screen import settle
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMenu, QWidget
from simulated_observer import section
from small_study import copy_of, write_manifest, write_protocol

if TYPE_CHECKING:
    import napari
    from mvd_napari.working import Desk

pytestmark = pytest.mark.slow

TIMES = ("baseline", "followup")
CHOICES = {"timepoints": TIMES, "fields": {"number": 4, "side_um": 110.0, "min_evaluable_fraction": 0.5}}
KEY, HELD, BUTTON = Qt.Key, Qt.KeyboardModifier, Qt.MouseButton


def wait_for(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"waited in vain for {what}"
        settle(1)


class Hands:
    """An observer's hands on a desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.session = desk, desk.session
        self.canvas = desk.canvas.native

    def pixel(self, x_um: float, y_um: float) -> QPoint:
        camera = self.desk.viewer.scene.camera
        _, y, x = camera.center
        size = self.canvas.size()
        place = size.width() / 2 + (x_um - x) * camera.zoom, size.height() / 2 + (y_um - y) * camera.zoom
        return QPoint(*(round(value) for value in place))

    def point(self, x_um: float, y_um: float) -> None:
        QTest.mouseMove(self.canvas, self.pixel(x_um, y_um))
        settle()

    def click(self, place: tuple[float, float], held: Any = HELD.NoModifier, button: Any = BUTTON.LeftButton) -> None:
        self.point(*place)
        QTest.mouseClick(self.canvas, button, held, self.pixel(*place))
        settle()

    def drag(self, *places: tuple[float, float]) -> None:
        self.point(*places[0])
        QTest.mousePress(self.canvas, BUTTON.LeftButton, HELD.NoModifier, self.pixel(*places[0]))
        for place in places[1:]:
            QTest.mouseMove(self.canvas, self.pixel(*place))
            settle(3)
        QTest.mouseRelease(self.canvas, BUTTON.LeftButton, HELD.NoModifier, self.pixel(*places[-1]))
        settle()

    def press(self, key: Any, held: Any = HELD.NoModifier) -> None:
        QTest.keyClick(self.canvas, key, held)
        settle()

    def log(self) -> list[What]:
        log = read_log(self.session.opened.log.path)
        return [line.what for line in log.corrections]

    def bare(self) -> tuple[float, float]:
        """A place in the field with no object near it."""
        rect, objects = self.session.rect, self.session.review.objects.values()
        places = [(rect.x0_um + x, rect.y0_um + y) for x in range(15, 95, 4) for y in range(15, 95, 4)]
        return next(place for place in places if object_at(objects, *place) is None)

    def counted(self) -> list[tuple[str, tuple[float, float]]]:
        """Vessels that count, each with a place in it that can be clicked on."""
        import shapely  # noqa: PLC0415

        found = []
        for one in self.session.near():
            inside = shapely.Polygon(one.vessel.outline).representative_point()
            place = (float(inside.x), float(inside.y))
            pixel = self.pixel(*place)
            if one.vessel.accepted and self.canvas.rect().contains(pixel):
                found.append((one.vessel.name, place))
        return found


@pytest.fixture(scope="session")
def crowded_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sections of one patient, whose name is on nothing but the files, with much to see in each field."""
    folder = tmp_path_factory.mktemp("crowded") / "study"
    folder.mkdir()
    write_protocol(folder, Protocol.model_validate({**CHOICES}))
    rows = [
        {"specimen": f"smith_{t}", "patient": "smith", "timepoint": t, "image": f"smith_{t}.ome.tif"} for t in TIMES
    ]
    write_manifest(folder, *rows)
    for seed, row in enumerate(rows, start=1):
        write_ome_tiff(folder / row["image"], section(seed).image)
    assert [row.status for row in run_study(folder)] == ["measured", "measured"]
    return folder


@pytest.fixture
def study(crowded_study: Path, tmp_path: Path) -> Path:
    return copy_of(crowded_study, tmp_path)


def protocol_with(study: Path, **review: Any) -> None:
    write_protocol(study, Protocol.model_validate({**CHOICES, "review": review}))


def hands_on(viewer: napari.Viewer, study: Path) -> Iterator[Hands]:
    viewer.window.resize(1400, 900)
    desk = put_into(viewer, Session(study, "anna"))
    hands = Hands(desk)
    wait_for(lambda: desk.session.opened is not None, "the first specimen")
    settle()
    yield hands
    desk.close()
    vars(hands).clear()


@pytest.fixture
def hands(viewer: napari.Viewer, study: Path) -> Iterator[Hands]:
    yield from hands_on(viewer, study)


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


def test_fields_fill_the_canvas_one_after_the_other(hands: Hands) -> None:
    for _ in hands.session.review.fields:
        hands.press(KEY.Key_F)
        rect, size = hands.session.rect, hands.canvas.size()
        corners = [hands.pixel(rect.x0_um, rect.y0_um), hands.pixel(rect.x1_um, rect.y1_um)]
        assert all(hands.canvas.rect().contains(corner) for corner in corners)
        assert corners[1].y() - corners[0].y() > 0.8 * min(size.height(), size.width())
        assert hands.desk.panel.fields[hands.session.field].property("present")


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
    line = hands.desk.panel.question.line
    assert line.isVisible()
    QTest.keyClicks(line, "far from round")
    QTest.keyClick(line, KEY.Key_Return)
    settle()
    assert hands.session.review.objects[name].comment == "far from round"
    assert hands.log() == [What.BEGIN, What.COMMENT]


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
    way = next(
        (dx, dy)
        for dx, dy in ((15, 0), (-15, 0), (0, 15), (0, -15))
        if all(other.intersection(Rect.square(before.x0_um + dx, before.y0_um + dy, 110)) is None for other in others)
    )  # fmt: skip
    hands.point(x + way[0], y + way[1])
    assert "can be counted here" in hands.desk.panel.note.text()
    hands.click((x + way[0], y + way[1]))
    wait_for(lambda: not hands.session.busy, "the vessels of the new place", 60)
    assert hands.log() == [What.BEGIN, What.MOVE_FIELD]
    assert hands.session.rect != before
    hands.press(KEY.Key_Z)
    assert hands.session.rect == before


def test_all_fields_seen_the_specimen_is_finished_and_the_next_is_there(hands: Hands) -> None:
    first = hands.session.reading
    path = hands.session.opened.log.path
    for _ in range(len(hands.session.review.fields) - 1):
        hands.press(KEY.Key_F)
    hands.press(KEY.Key_Return)
    assert [line.what for line in read_log(path).corrections] == [What.BEGIN, What.FINISH]
    wait_for(lambda: hands.session.reading != first, "the next specimen")
    assert "1 of 2 finished" in hands.desk.panel.list_title.text()


def test_a_field_that_was_not_looked_at_is_asked_about(hands: Hands) -> None:
    hands.press(KEY.Key_Return)
    assert hands.desk.panel.question.is_open
    assert hands.session.review.status == "not begun"
    hands.press(KEY.Key_Escape)
    assert not hands.desk.panel.question.is_open
    hands.press(KEY.Key_Return)
    hands.press(KEY.Key_Return)
    assert hands.session.statuses["smith_baseline"] == "finished"


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


DIES = """
import sys, time
from pathlib import Path
import napari
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
sys.path[:0] = {paths!r}
from test_desk import Hands, wait_for
from mvd_napari import deciding
from mvd_napari.desk import put_into
from mvd_napari.session import Session
viewer = napari.Viewer()
viewer.window.resize(1400, 900)
desk = put_into(viewer, Session(Path({study!r}), "anna"))
wait_for(lambda: desk.session.opened is not None, "the first specimen")
hands = Hands(desk)
name, place = hands.counted()[0]
hands.click(place)
hands.click(hands.bare())
print(name, desk.session.tally.count, desk.session.tally.mvd_per_mm2, flush=True)
deciding.click(desk.session, *hands.bare())  # and one more, from which nobody hears any more
time.sleep(60)
"""


def test_killed_in_the_middle_of_a_review_it_goes_on_where_the_last_decision_left_it(
    screen: None, study: Path, make_napari_viewer: Callable[..., Any]
) -> None:
    tests = Path(__file__).resolve()
    paths = [str(tests.parent), str(tests.parents[1]), str(tests.parents[2]), str(tests.parents[2] / "plugins")]
    script = DIES.format(paths=paths, study=str(study))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ, "NAPARI_CONFIG": ""}
    )
    assert process.stdout is not None
    name, count, mvd = process.stdout.readline().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    viewer = make_napari_viewer(show=True)
    for hands in hands_on(viewer, study):
        assert hands.session.review.objects[name].vessel.reason is Reason.UNLIKE_VESSEL
        seen = hands.log()
        assert seen[:3] == [What.BEGIN, What.REJECT, What.ADD]
        assert hands.session.tally.count >= int(count)
        assert reviewed_row(hands.session.opened).mvd_per_mm2 == hands.session.tally.mvd_per_mm2
        if len(seen) == 3:
            assert hands.session.tally.mvd_per_mm2 == float(mvd)
        hands.press(KEY.Key_Z)
        assert hands.log() == [*seen, What.UNDO]


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
        assert hands.log()[-1] is What.REVEAL
        assert len(hands.session.near()) > 1


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


def test_a_field_is_put_elsewhere_by_lot_and_the_review_waits_for_it(hands: Hands) -> None:
    before = hands.session.rect
    hands.press(KEY.Key_P, HELD.ShiftModifier)
    assert hands.session.busy
    assert hands.desk.panel.cancel.isVisible()
    hands.press(KEY.Key_R)
    assert hands.log() in ([], [What.BEGIN])
    wait_for(lambda: not hands.session.busy, "another place", 60)
    if hands.log() == [What.BEGIN, What.MOVE_FIELD]:
        assert hands.session.rect != before
    else:  # four fields leave a small section hardly any room
        assert "there is no other place" in hands.desk.panel.note.text().casefold()


def test_what_is_being_found_can_be_cancelled_and_then_changes_nothing(hands: Hands) -> None:
    hands.press(KEY.Key_P)
    assert hands.session.busy
    QTest.mouseClick(hands.desk.panel.cancel, BUTTON.LeftButton)
    settle()
    assert not hands.session.busy
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


def test_unblinding_asks_for_a_reason_and_shows_the_names(viewer: napari.Viewer, study: Path) -> None:
    protocol_with(study, blinded=True)
    for hands in hands_on(viewer, study):
        hands.click(hands.bare())
        hands.press(KEY.Key_B, HELD.ControlModifier)
        line = hands.desk.panel.question.line
        QTest.keyClicks(line, "the study is closed")
        QTest.keyClick(line, KEY.Key_Return)
        settle()
        assert "smith_" in hands.desk.panel.title.toolTip()
        assert hands.log()[-1] is What.UNBLIND


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
