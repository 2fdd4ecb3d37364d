"""What is asked of a worker and what it answers. All of it can be pickled."""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:  # a run starts its first worker before it loads these itself
    from mvd.blocks import Objects, Part
    from mvd.manifest import Specimen
    from mvd.measuring import Outcome, Plan


@dataclass(frozen=True, slots=True)
class Job:
    """One specimen to measure."""

    specimen: Specimen
    plan: Plan
    again: bool = False
    """Measure it even if its result stands."""
    threads: int = 1
    """That its worker may use, where there are fewer specimens than workers. The result is the same."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A specimen that cost its worker its life."""

    sentence: str
    trace: str | None = None
    """What the worker said last."""


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Heard:
    """What is told of the specimens under way, by name."""

    begins: Callable[[str], None] = _nothing
    opened: Callable[[str, float], None] = _nothing
    """The image's size in millions of pixels."""
    blocks: Callable[[str, int, int], None] = _nothing
    """Blocks done and blocks in all."""
    trouble: Callable[[str, str], None] = _nothing
    """A sentence on what happened to its worker, after which it is tried once more."""


_LOOK_UP_S = 0.5
"""After so long at most Ctrl-C is heard."""

Outcomes: TypeAlias = "Generator[tuple[Job, Outcome | Broken], None, None]"


class Pool(Protocol):
    """Has specimens measured."""

    def outcomes(self, jobs: Sequence[Job], heard: Heard) -> Outcomes:
        """Each job once, as it ends; closing the iterator stops what is under way.

        Raises
        ------
        StoreError
            Results cannot be written, so that it is no use to go on.
        MvdError
            There is no worker.
        """
        ...


def next_event(events: queue.SimpleQueue[Any]) -> Any:
    """What comes next. A signal just before the wait does not end it, and is seen when the wait is begun anew."""
    while True:
        try:
            return events.get(timeout=_LOOK_UP_S)
        except queue.Empty:
            continue


# To a worker: a Job, a Part, or the answer to what it asked


@dataclass(frozen=True, slots=True)
class Found:
    """What others found in the parts that a worker asked to be searched, in their order."""

    parts: tuple[Objects | Exception, ...]


# From a worker


@dataclass(frozen=True, slots=True)
class Ready:
    """It has begun and takes jobs."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The image of its job could be opened."""

    mpix: float


@dataclass(frozen=True, slots=True)
class Searched:
    """Blocks of its job."""

    done: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Parts of a big slide to be searched. Until they are, the worker takes parts itself."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a job, or of a part."""

    result: Outcome | Objects | Exception


Message = Ready | Opened | Searched | Wanted | Done
