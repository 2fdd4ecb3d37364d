"""What every test may use."""

from pathlib import Path

import pytest
from hypothesis import settings
from small_study import write_study

# The same examples on every run and every machine, however slow.
settings.register_profile("mvd", derandomize=True, deadline=None)
settings.load_profile("mvd")

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public images beside the repository; without it, the test is skipped."""
    folder = REPO.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real images are not here: no folder {folder}")
    return folder


@pytest.fixture(scope="session")
def measured_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study with its results; tests change a copy."""
    from mvd.study import run_study  # noqa: PLC0415  (loads the image libraries)

    study = write_study(tmp_path_factory.mktemp("measured") / "study")
    rows = run_study(study)
    assert [row.status for row in rows] == ["measured", "measured"]
    return study
