"""What the package promises as a package: a light import, one version, a clean wheel."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import mvd

REPO = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))

HEAVY = (
    "PyQt6",
    "PySide6",
    "dask",
    "distributed",
    "magicgui",
    "matplotlib",
    "napari",
    "onnxruntime",
    "pandas",
    "qtpy",
    "scipy.stats",
    "torch",
)

REPORT_HEAVY = (
    f"import atexit, sys; atexit.register(lambda: print('\\nloaded:', *sorted(set(sys.modules) & set({HEAVY}))))"
)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import mvd", id="import mvd"),
        pytest.param("sys.argv = ['mvd', '--help']; from mvd.cli import main; main()", id="mvd --help"),
    ],
)
def test_start_loads_nothing_heavy(code: str) -> None:
    python = [sys.executable, "-c", f"{REPORT_HEAVY}\n{code}"]
    done = subprocess.run(python, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["loaded:"]


@pytest.mark.parametrize("module", ["mvd.study", "mvd.workers.serve"])
def test_asking_for_a_study_loads_nothing_that_only_measuring_and_drawing_need(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{'PIL', 'matplotlib', 'scipy', 'skimage'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.split() == []


def test_the_first_worker_starts_before_anything_heavy_is_loaded() -> None:
    code = "import sys, mvd.workers.crew; print(*sorted({'cv2', 'numpy', 'pydantic', 'shapely'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.split() == []


def test_import_makes_no_file(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", "import mvd"], cwd=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []


def test_version_is_the_one_in_pyproject() -> None:
    assert mvd.__version__ == PYPROJECT["project"]["version"]


def test_citation_has_the_same_version() -> None:
    lines = (REPO / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {PYPROJECT['project']['version']}" in lines


def test_wheel_holds_the_package_and_its_licence_alone(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(build, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    trees = {"mvd": REPO, "mvd_napari": REPO / "plugins"}
    sources = {
        path.relative_to(top).as_posix()
        for package, top in trees.items()
        for path in (top / package).rglob("*")
        if path.is_file()
    }
    info = f"mvd-{PYPROJECT['project']['version']}.dist-info"
    assert {Path(name).parts[0] for name in names} == {*trees, info}
    assert {"mvd/py.typed", "mvd_napari/napari.yaml", f"{info}/licenses/LICENSE"} <= names
    assert {name for name in sources if "__pycache__" not in name} <= names
