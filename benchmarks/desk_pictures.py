"""Pictures of the observer's desk, to be looked at: the sample study, a real section, a blinded read.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/desk_pictures.py out/desk

Each picture is the whole window, after real clicks and keys. The two JPEG files, of the sample study, are those of the
README; the real section is not part of the project, and its pictures are left out where it is absent.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("NAPARI_CONFIG", "")

import napari
from mvd_napari.desk import put_into
from mvd_napari.session import Mode, Session
from mvd_napari.working import Desk
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from mvd.protocol import FieldPlan, Protocol, ReviewPlan
from mvd.study import read_protocol, run_study

REPO = Path(__file__).resolve().parents[1]
REAL_IMAGE = REPO.parent / "shared" / "data" / "cd31_colon" / "Tumor_CD31_HiRes.png"
REAL_UM_PER_PX = 0.45
"""A guess from the size of its nuclei."""
KEY, SHIFT = Qt.Key, Qt.KeyboardModifier.ShiftModifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--measured", type=Path, help="a copy of sample_images with its results, to save the measuring")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        sample = Path(scratch) / "sample"
        shutil.copytree(chosen.measured or REPO / "sample_images", sample)
        run_study(sample)
        draw_sample(sample, chosen.out)
        draw_fields(sample, chosen.out)
        draw_blinded(sample, chosen.out)
        if REAL_IMAGE.is_file():
            draw_real(Path(scratch) / "real", chosen.out)


def draw_sample(study: Path, out: Path) -> None:
    with desk_on(study, "anna") as hands:
        hands.shot(out / "desk.jpg")
        hands.key(KEY.Key_F)
        hands.key(KEY.Key_E)
        hands.shot(out / "desk_doubtful.png")
        hands.key(KEY.Key_2)
        hands.click(*hands.tissue())
        hands.point(*hands.place(hands.counted()[0]))
        hands.shot(out / "desk_corrected.jpg")
        for name in hands.counted()[:2]:
            hands.click(*hands.place(name), held=SHIFT)
        hands.shot(out / "desk_chosen.png")
        hands.key(KEY.Key_Escape)
        hands.key(KEY.Key_W)
        hands.shot(out / "desk_bare.png")
        hands.key(KEY.Key_W)
        hands.key(KEY.Key_Q)
        hands.shot(out / "desk_points.png")
        hands.key(KEY.Key_Q)
        hands.key(KEY.Key_C)
        hands.shot(out / "desk_comment.png")
        QTest.keyClick(hands.desk.panel.question.line, KEY.Key_Escape)
        hands.key(KEY.Key_Return)
        hands.shot(out / "desk_unseen.png")
        hands.key(KEY.Key_H)
        hands.shot(out / "desk_keys.png", of="keys")


def draw_fields(study: Path, out: Path) -> None:
    with desk_on(study, "bert") as hands:
        hands.key(KEY.Key_P)
        hands.wait(lambda: hands.desk.session.mode is Mode.PLACE)
        rect = hands.desk.session.rect
        assert rect is not None
        hands.point(rect.x0_um + 60, rect.y0_um + 190)
        hands.shot(out / "desk_move.png")
        hands.click(rect.x0_um + 60, rect.y0_um + 190)
        hands.wait(lambda: not hands.desk.session.busy)
        hands.shot(out / "desk_moved.png")
        hands.key(KEY.Key_I)
        hands.shot(out / "desk_involved_asks.png")
        hands.key(KEY.Key_Return)
        hands.drag((400, 300), (1000, 260), (1100, 800), (900, 900), (450, 850), (390, 500))
        hands.shot(out / "desk_involved.png")


def draw_blinded(study: Path, out: Path) -> None:
    protocol = read_protocol(study / "study.toml")
    for first_read in ("assisted", "unaided"):
        plan = ReviewPlan(blinded=True, first_read=first_read)
        (study / "study.toml").write_text(protocol.model_copy(update={"review": plan}).to_toml(), encoding="utf-8")
        with desk_on(study, f"carla {first_read}") as hands:
            hands.click(*hands.tissue())
            hands.shot(out / f"desk_blinded_{first_read}.png")
    (study / "study.toml").write_text(protocol.to_toml(), encoding="utf-8")


def draw_real(study: Path, out: Path) -> None:
    study.mkdir()
    shutil.copy(REAL_IMAGE, study / "real.png")
    protocol = Protocol(timepoints=("pre",), fields=FieldPlan(number=1))
    (study / "study.toml").write_text(protocol.to_toml(), encoding="utf-8")
    header = "specimen,patient,timepoint,image,um_per_px\n"
    (study / "specimens.csv").write_text(f"{header}colon,colon,pre,real.png,{REAL_UM_PER_PX}\n", encoding="utf-8")
    run_study(study)
    with desk_on(study, "anna") as hands:
        hands.point(*hands.place(hands.counted()[0]))
        hands.shot(out / "desk_real.png")


class Hands:
    """An observer's hands."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.canvas = desk.canvas.native

    def wait(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > until:
                raise TimeoutError
            self.rest(0.02)

    def rest(self, seconds: float = 0.3) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            QApplication.processEvents()
            time.sleep(0.005)

    def pixel(self, x_um: float, y_um: float) -> QPoint:
        camera, size = self.desk.viewer.scene.camera, self.canvas.size()
        _, y, x = camera.center
        return QPoint(
            round(size.width() / 2 + (x_um - x) * camera.zoom), round(size.height() / 2 + (y_um - y) * camera.zoom)
        )

    def point(self, x_um: float, y_um: float) -> None:
        QTest.mouseMove(self.canvas, self.pixel(x_um, y_um))
        self.rest()

    def click(self, x_um: float, y_um: float, held: Any = Qt.KeyboardModifier.NoModifier) -> None:
        self.point(x_um, y_um)
        QTest.mouseClick(self.canvas, Qt.MouseButton.LeftButton, held, self.pixel(x_um, y_um))
        self.rest()

    def drag(self, *places: tuple[float, float]) -> None:
        self.point(*places[0])
        QTest.mousePress(self.canvas, Qt.MouseButton.LeftButton, pos=self.pixel(*places[0]))
        for place in places[1:]:
            self.point(*place)
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=self.pixel(*places[-1]))
        self.rest()

    def key(self, key: Any) -> None:
        QTest.keyClick(self.canvas, key)
        self.rest()

    def counted(self) -> list[str]:
        """Vessels that are counted in the field in view."""
        session = self.desk.session
        inside = self.canvas.rect()
        return [
            one.vessel.name
            for one in session.near()
            if one.vessel.name in session.tally.counted and inside.contains(self.pixel(*self.place(one.vessel.name)))
        ]

    def place(self, name: str) -> tuple[float, float]:
        vessel = self.desk.session.review.objects[name].vessel
        return vessel.x_um, vessel.y_um

    def tissue(self) -> tuple[float, float]:
        """A place of the field without an object."""
        session = self.desk.session
        assert session.rect is not None
        x0, y0 = session.rect.x0_um, session.rect.y0_um
        places = ((x0 + x, y0 + y) for x in range(120, 240, 10) for y in range(120, 240, 10))
        return next(place for place in places if session.at(*place) is None)

    def shot(self, path: Path, of: str = "") -> None:
        self.rest(0.6)
        if of:
            window = next(one for one in QApplication.topLevelWidgets() if one.objectName() == of)
            window.grab().save(str(path))
            window.close()
        else:
            pixels = self.desk.viewer.screenshot(canvas_only=False, flash=False)
            Image.fromarray(pixels[:, :, :3]).save(path, quality=88)
        print(path)


@contextmanager
def desk_on(study: Path, observer: str) -> Iterator[Hands]:
    viewer = napari.Viewer(title="mvd", show=False)
    desk = put_into(viewer, Session(study, observer))
    viewer.window._qt_window.resize(1500, 940)
    viewer.show()
    hands = Hands(desk)
    hands.wait(lambda: desk.session.opened is not None)
    hands.rest(1)
    yield hands
    desk.close()
    viewer.close()


if __name__ == "__main__":
    main()
