"""run.log: what the runs in a results folder did, and when. The results themselves hold no times."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from types import TracebackType
from typing import Self

RUN_LOG = "run.log"


class _Quiet(logging.FileHandler):
    """A disk that refuses the log has already refused, or will refuse, a result, which says so."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the library's name)
        pass


class RunLog:
    """Lines with the time in UTC, added at the end of the file."""

    def __init__(self, folder: Path) -> None:
        self._logger = logging.Logger("mvd run")
        self._handler = _Quiet(folder / RUN_LOG, encoding="utf-8", delay=True, errors="backslashreplace")
        form = logging.Formatter("%(asctime)sZ [%(process)d] %(message)s", "%Y-%m-%dT%H:%M:%S")
        form.converter = time.gmtime
        self._handler.setFormatter(form)
        self._logger.addHandler(self._handler)

    def say(self, sentence: str) -> None:
        """Add a line."""
        self._logger.info("%s", "; ".join(sentence.splitlines()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._handler.close()
