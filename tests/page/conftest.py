"""A browser for the tests of the page; one for all of them, with a new page each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NoReturn

import pytest
from chromium import Page, chromium, chromium_path

REQUIRED = "MVD_BROWSER_TESTS"
"""Set to `required`, a missing browser is a failure and no reason to skip."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page in a window of 1280 × 900 pixels; skips where there is no Chromium, and says so."""
    found = chromium_path()
    if found is None:
        _without("there is no Chromium here to open the page in; on Debian: apt-get install chromium")
    with ExitStack() as stack:
        profile = tmp_path_factory.mktemp("profile")
        try:
            page = stack.enter_context(chromium(found, profile))
        except (OSError, RuntimeError) as error:  # also where it does not answer
            _without(f"{found} cannot be started ({error})")
        page.resize(1280, 900)
        yield page


def _without(told: str) -> NoReturn:
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(told)
    pytest.skip(told)
