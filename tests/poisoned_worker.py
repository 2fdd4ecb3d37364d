"""A worker process that meets what real ones meet: started in the place of `python -m mvd.workers`.

The folder in the environment variable POISON has a file for each specimen that something befalls; its text says what.
With a file `small blocks` even the sections of tests are big slides.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import mvd.blocks
import mvd.measuring
import mvd.workers.serve

POISON = Path(os.environ["POISON"])


def _once(act: Callable[[], object], file: Path) -> None:
    file.unlink()
    act()


def _kill(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


ACTS: dict[str, Callable[[Path], object]] = {
    "crash": lambda _: _kill(signal.SIGSEGV),
    "killed": lambda _: _kill(signal.SIGKILL),
    "killed once": lambda file: _once(lambda: _kill(signal.SIGKILL), file),
    "hang": lambda _: time.sleep(600),
    "memory": lambda _: np.ones(1 << 36, np.uint8),
    "print": lambda _: os.write(1, b"a library says hello\n" * 1000),
    "wait": lambda file: [time.sleep(0.02) for _ in iter(file.exists, False)],
}


def befall(name: str) -> None:
    """What the files say."""
    file = POISON / name
    if file.exists():
        (POISON / f"{name}.pid").write_text(str(os.getpid()))
        ACTS[file.read_text()](file)


def _counted(specimen: Any, *given: Any, **more: Any) -> Any:
    befall(specimen.specimen)
    return _count(specimen, *given, **more)


def _searched(part: Any, progress: Any = None) -> Any:
    befall("part")
    with (POISON / "parts.txt").open("a") as told:
        told.write(f"{os.getpid()}\n")
    return _search(part, progress)


_count, _search = mvd.measuring.count_specimen, mvd.workers.serve.search_part
mvd.measuring.count_specimen = _counted
mvd.workers.serve.search_part = _searched
if (POISON / "small blocks").exists():
    mvd.blocks.CORE_UM, mvd.blocks.PART_BLOCKS = 64.0, 2

if __name__ == "__main__":
    mvd.workers.serve.main()
