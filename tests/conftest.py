"""What every test may use."""

from pathlib import Path

import pytest
from hypothesis import settings

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
