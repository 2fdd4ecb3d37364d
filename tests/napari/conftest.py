"""Real viewers for the tests of the desk: on a screen, or on one that `make test` starts and nobody sees."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from on_screen import settle
from simulated_observer import section
from small_study import copy_of, write_manifest, write_protocol

from mvd.phantom.write import write_ome_tiff
from mvd.protocol import Protocol
from mvd.study import run_study

os.environ["NAPARI_CONFIG"] = ""  # a user's settings are neither read nor written
os.environ.setdefault("QT_API", "pyqt6")

if TYPE_CHECKING:
    import napari
    from observer_hands import Hands

OPEN_A_WINDOW = "from qtpy.QtWidgets import QApplication, QWidget; app = QApplication([]); QWidget().show()"
REQUIRED = "MVD_VIEWER_TESTS"
"""Set to `required`, a viewer that cannot be opened is a failure and no reason to skip."""
PACKAGES = (
    "xvfb xauth libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-xinerama0 libxkbcommon-x11-0 libegl1 libgl1 "
    "libgl1-mesa-dri libopengl0 libdbus-1-3 fonts-dejavu-core"
)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that look at the screen run in one process: another's window would take the pointer from theirs."""
    if not config.pluginmanager.has_plugin("xdist"):
        return
    for item in items:
        if "screen" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("screen"))


@pytest.fixture(scope="session")
def screen() -> None:
    """Skips the test where napari cannot open a window, and says why."""
    problem = _why_no_window()
    if problem and os.environ.get(REQUIRED) == "required":
        pytest.fail(problem)
    if problem:
        pytest.skip(problem)


def _why_no_window() -> str | None:
    if find_spec("napari") is None or find_spec("pytestqt") is None:
        return 'napari is not installed: pip install "mvd[napari-test]"'
    # Qt ends the process that it cannot open a window in, so another one tries.
    tried = subprocess.run([sys.executable, "-c", OPEN_A_WINDOW], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return None
    told = tried.stderr.strip().splitlines()
    return (
        f"Qt cannot open a window here ({told[0] if told else tried.returncode}); on Debian: apt-get install {PACKAGES}"
    )


@pytest.fixture(scope="session")
def plugin(screen: None) -> None:
    """napari knows our plugin, from the manifest in the tree, and no other but its own."""
    import mvd_napari  # noqa: PLC0415
    from npe2 import PluginManager, PluginManifest  # noqa: PLC0415

    manifest = PluginManifest.from_file(Path(mvd_napari.__file__).with_name("napari.yaml"))
    manager = PluginManager.instance()
    if manifest.name not in manager:
        manager.register(manifest)


@pytest.fixture
def viewer(plugin: None, request: pytest.FixtureRequest) -> Iterator[napari.Viewer]:
    """A viewer in a window of 1000 × 800 pixels; closed after the test."""
    make: Callable[..., napari.Viewer] = request.getfixturevalue("make_napari_viewer")
    made = make(show=True)
    made.window.resize(1000, 800)
    settle()
    yield made


@pytest.fixture(scope="session")
def crowded_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sections of one patient, whose name is on nothing but the files, with much to see in each field."""
    from observer_hands import CHOICES, TIMES  # noqa: PLC0415

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


@pytest.fixture
def hands(viewer: napari.Viewer, study: Path) -> Iterator[Hands]:
    from observer_hands import hands_on  # noqa: PLC0415

    yield from hands_on(viewer, study)


@pytest.fixture
def held_up(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """What the desk waits for is not begun before this is set, however quick the work is."""
    from mvd_napari.waiting import Waiting  # noqa: PLC0415

    go_on, run = threading.Event(), Waiting.run

    def run_late(waiting: Waiting, work: Callable[[Any], Any], then: Callable[[Any], None], *, note: str) -> None:
        def late(progress: Any) -> Any:
            assert go_on.wait(60)
            return work(progress)

        run(waiting, late, then, note=note)

    monkeypatch.setattr(Waiting, "run", run_late)
    return go_on
