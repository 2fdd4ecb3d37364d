"""A desk that dies in the middle of a review."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mvd.corrections import What
from mvd.review import reviewed_row
from mvd.vessels import Reason

pytest.importorskip("qtpy", reason='napari is not installed: pip install "mvd[napari-test]"')
pytest.importorskip("napari")

from observer_hands import KEY, hands_on

pytestmark = pytest.mark.slow


DIES = """
import sys, time
from pathlib import Path
import napari
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
sys.path[:0] = {paths!r}
from observer_hands import Hands, wait_for
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
