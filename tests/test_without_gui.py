"""napari, Qt and the plugin are optional: the library and the command line work where they are not installed."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from command_line import mvd
from small_study import copy_of

REPO = Path(__file__).resolve().parents[1]
GUI = ("mvd_napari", "napari", "npe2", "qtpy", "superqt", "vispy", "magicgui", "PyQt6", "PyQt5", "PySide6", "PySide2")

BLOCKED = f"import sys; sys.modules.update(dict.fromkeys({GUI!r}))\n"
"""A module that is None in sys.modules cannot be imported, and importlib finds no such module."""

EVERY_MODULE = """
import importlib, pkgutil, mvd
names = [found.name for found in pkgutil.walk_packages(mvd.__path__, "mvd.") if not found.name.endswith("__main__")]
for name in names: importlib.import_module(name)
print(len(names))
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code], capture_output=True, text=True, encoding="utf-8", cwd=REPO, check=False
    )


def test_every_module_of_the_library_is_imported_without_a_gui() -> None:
    pytest.importorskip("sklearn", reason="the modules that train models need scikit-learn")
    done = python(EVERY_MODULE)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 80


@pytest.mark.slow
def test_a_study_is_measured_without_a_gui(measured_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    done = python(f"from mvd.cli import main; sys.exit(main(['run', {str(measured_study)!r}, '--out', {str(out)!r}]))")
    assert done.returncode == 0, done.stderr
    assert (out / "specimens.csv").read_bytes() == (measured_study / "results" / "specimens.csv").read_bytes()


def test_no_dependency_needs_a_gui() -> None:
    """What `pip install mvd` installs, all the way down, by what is installed here."""
    try:
        metadata.distribution("mvd")
    except metadata.PackageNotFoundError:
        pytest.skip("mvd is not installed here")
    found: set[str] = set()
    waiting = ["mvd"]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found.add(name)
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of another platform
            continue
        waiting += [re.split(r"[^\w.-]", one, maxsplit=1)[0] for one in wanted if "extra ==" not in one]
    assert "numpy" in found
    assert found & {name.lower() for name in GUI} == set()


def test_review_without_napari_says_what_to_install(measured_study: Path, tmp_path: Path) -> None:
    study = copy_of(measured_study, tmp_path)
    code = f"from mvd.cli import main; sys.exit(main(['review', {str(study)!r}, '--observer', 'anna']))"
    done = python(code)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        'mvd: reviewing needs napari and Qt, which are not installed; install them with: pip install "mvd[napari]"\n'
    )
    assert not (study / "reviews").exists()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, str]]:
    """A desk that opens no window and remembers for whom."""
    import mvd_napari  # noqa: PLC0415

    opened: list[tuple[Path, str]] = []
    monkeypatch.setattr(mvd_napari, "start", lambda study, observer: opened.append((study, observer)))
    monkeypatch.setattr("mvd.cli.review.find_spec", lambda name: name)
    monkeypatch.setenv("DISPLAY", ":0")
    return opened


def test_review_opens_the_desk_for_the_observer(desk: list, measured_study: Path) -> None:
    assert mvd("review", measured_study, "--observer", " Anna B ").status == 0
    assert desk == [(measured_study, "Anna B")]


@pytest.mark.parametrize("wanting", ["napari", "mvd_napari", "PyQt6"])
def test_review_is_refused_where_a_part_is_wanting(
    desk: list, measured_study: Path, monkeypatch: pytest.MonkeyPatch, wanting: str
) -> None:
    there = {"napari", "mvd_napari", "PyQt6"} - {wanting}
    monkeypatch.setattr("mvd.cli.review.find_spec", lambda name: name if name in there else None)
    done = mvd("review", measured_study, "--observer", "anna")
    assert (done.status, desk) == (1, [])
    assert 'pip install "mvd[napari]"' in done.err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is always a screen")
def test_review_without_a_screen_says_so(desk: list, measured_study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    done = mvd("review", measured_study, "--observer", "anna")
    assert (done.status, desk) == (1, [])
    assert "there is none here" in done.err


def test_a_study_that_was_not_measured_is_opened_too_and_measured_from_the_desk(
    desk: list, measured_study: Path, tmp_path: Path
) -> None:
    study = copy_of(measured_study, tmp_path)
    (study / "results").rename(tmp_path / "elsewhere")
    assert mvd("review", study, "--observer", "anna").status == 0
    assert desk == [(study, "anna")]


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden"])
def test_review_by_nobody_is_refused(desk: list, measured_study: Path, name: str) -> None:
    done = mvd("review", measured_study, "--observer", name)
    assert (done.status, desk) == (1, [])
    assert "the observer's name" in done.err
