"""The command line, run inside the test's own process."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

from mvd.cli import main


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


def mvd(*arguments: str | Path) -> Outcome:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        status = main([str(argument) for argument in arguments])
    return Outcome(status, out.getvalue(), err.getvalue())
