"""Workers that a Dask cluster runs, on machines that all see the study's folder at the same place.

Each Dask task keeps a worker process of its own (`process.Worker`), as a crew does: what kills a specimen's measurement
leaves the Dask worker alive. When a Dask worker itself is lost, Dask gives its tasks to another.
"""

from __future__ import annotations

import logging
import os
import platform
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mvd.blocks import Objects, Part
from mvd.errors import MvdError, StoreError
from mvd.measuring import Outcome, Plan
from mvd.store.lock import still_held
from mvd.version import program_version
from mvd.workers.board import TRIES
from mvd.workers.job import Broken, Found, Heard, Job, Outcomes, next_event
from mvd.workers.process import Worker, WorkerLost

_CONNECT_S = 30.0
_WORKERS_S = 300.0
"""A batch system may take minutes to give the first worker its place."""
_LIBRARIES = (
    "numpy", "scipy", "opencv-python-headless", "scikit-image", "shapely", "tifffile", "imagecodecs", "openslide-bin",
    "pillow",
)  # fmt: skip
"""What decides about numbers, beside the program."""


class Cluster:
    """A Dask cluster that is there already. Use it as a context manager.

    Parameters
    ----------
    address
        Of its scheduler: "tcp://host:8786".
    patience_s
        A worker that gives no sign of life for so long is ended, and its specimen given up.

    Raises
    ------
    MvdError
        Dask is not installed, nobody answers, no worker comes, or a worker has other versions than this program.
    """

    def __init__(self, address: str, *, patience_s: float) -> None:
        self._patience_s = patience_s
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is told in our own sentences
        try:
            self._client = _dask().Client(address, timeout=_CONNECT_S, name="mvd")
        except (OSError, ValueError) as error:
            raise MvdError(f"no Dask scheduler answers at {address}: {error}") from None
        try:
            self._await_workers(address)
        except BaseException:
            self._client.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def outcomes(self, jobs: Sequence[Job], heard: Heard) -> Outcomes:
        """See `Pool`."""
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        topic = f"mvd-{os.urandom(8).hex()}"
        self._client.subscribe_topic(topic, lambda event: events.put(event[1]))
        futures = [
            self._client.submit(_measure, _absolute(job), topic, self._patience_s, versions(), pure=False)
            for job in jobs
        ]
        for job, future in zip(jobs, futures, strict=True):
            future.add_done_callback(lambda done, job=job: events.put((job, done)))
        left = len(futures)
        try:
            while left:
                event = next_event(events)
                if isinstance(event[0], Job):
                    left -= 1
                    yield event[0], _outcome(event[1])
                else:
                    getattr(heard, event[0])(*event[1:])
        finally:
            self._client.unsubscribe_topic(topic)
            self._client.cancel(futures)

    def _await_workers(self, address: str) -> None:
        try:
            self._client.wait_for_workers(1, timeout=_WORKERS_S)
        except TimeoutError:
            raise MvdError(f"the cluster at {address} has no workers; start some, then run again") from None
        try:
            told = _ask_versions(self._client)
        except Exception as error:  # whatever a machine without the program says
            raise MvdError(f"a worker of {address} cannot run mvd ({error}); install it there as it is here") from None
        for worker, there in sorted(told.items()):
            _refuse_others(versions(), there, f"the worker {worker}")


@cache
def versions() -> dict[str, str]:
    """Versions of everything that decides about numbers."""
    python = platform.python_version_tuple()
    return {
        "mvd": program_version(),
        "python": ".".join(python[:2]),
        **{name: version(name) for name in _LIBRARIES},
    }


def _refuse_others(asked_by: dict[str, str], there: dict[str, str], who: str) -> None:
    """StoreError, which ends a run, where a worker has other versions."""
    other = [f"{name} {there.get(name)} (here {own})" for name, own in asked_by.items() if there.get(name) != own]
    if other:
        raise StoreError(
            f"{who} has other versions than this program: {', '.join(other)}; numbers could differ, so install the "
            "same on all machines"
        )


def _ask_versions(client: Any) -> dict[str, dict[str, str]]:
    """By the address of each worker."""
    told: dict[str, dict[str, str]] = client.run(versions)
    return told


def _absolute(job: Job) -> Job:
    """A job whose files are found from any working folder."""
    specimen, plan = job.specimen, job.plan
    files = {name: path.absolute() for name in ("image", "involved", "fields") if (path := getattr(specimen, name))}
    return replace(job, specimen=specimen.model_copy(update=files), plan=replace(plan, results=plan.results.absolute()))


def _outcome(future: Any) -> Outcome | Broken:
    """What came of a task."""
    if future.cancelled():
        raise MvdError(
            "the Dask scheduler was lost; what was finished is kept, and the same command goes on from there"
        )
    error = future.exception()
    if error is None:
        outcome = future.result()
        assert isinstance(outcome, Outcome | Broken)
        return outcome
    if isinstance(error, MvdError):
        raise error
    # Its Dask workers died, again and again.
    sentence = f"the Dask workers that measured it were lost, or refused it ({type(error).__name__}: {error})"
    return Broken("; ".join(sentence.splitlines()))


def _dask() -> Any:
    """Dask, which is an extra."""
    try:
        return import_module("distributed")
    except ImportError:
        raise MvdError("a cluster needs Dask, which is not installed: pip install 'mvd[dask]'") from None


# On a worker of the cluster


_idle: list[Worker] = []
_lock = threading.Lock()


@contextmanager
def _worker() -> Iterator[Worker]:
    """A worker process that nobody else uses; kept for the next task unless it is lost."""
    worker = None
    with _lock:
        while _idle and worker is None:
            worker = _idle.pop()
            if not worker.is_alive:  # killed while it had nothing to do
                worker.close()
                worker = None
    worker = worker or Worker()
    try:
        yield worker
    except BaseException:
        worker.close()
        raise
    with _lock:
        _idle.append(worker)


def _measure(job: Job, topic: str, patience_s: float, asked_by: dict[str, str]) -> Outcome | Broken:
    """The task of one specimen."""
    _refuse(job.plan, asked_by)
    name, dask = job.specimen.specimen, _dask().get_worker()

    def tell(*event: object) -> None:
        with suppress(Exception):  # only told; a scheduler that is gone is noticed by Dask itself
            dask.log_event(topic, event)

    def searched(done: int, blocks: int) -> None:
        if job.plan.token and not still_held(job.plan.results, job.plan.token):
            raise StoreError(f"the run that measured {name} has ended")
        tell("blocks", name, done, blocks)

    tell("begins", name)
    share = partial(_share, patience_s=patience_s, searched=searched, asked_by=asked_by)
    for left in reversed(range(TRIES)):
        try:
            with _worker() as worker:
                outcome = worker.ask(
                    job,
                    patience_s=patience_s,
                    opened=lambda mpix: tell("opened", name, mpix),
                    searched=searched,
                    share=share,
                )
        except WorkerLost as lost:
            if not left or lost.hung:
                return Broken(str(lost), lost.last_words or None)
            tell("trouble", name, str(lost))
        else:
            if isinstance(outcome, Exception):
                raise outcome
            assert isinstance(outcome, Outcome)
            return outcome
    raise AssertionError


def _share(
    parts: tuple[Part, ...], *, patience_s: float, searched: Callable[[int, int], None], asked_by: dict[str, str]
) -> Found:
    """Parts of a big slide, as tasks of the same cluster."""
    blocks, done = sum(len(part.cores) for part in parts), 0
    found: list[Objects | Exception] = [{}] * len(parts)
    with _dask().worker_client(separate_thread=True) as client:  # this task waits, and its place is free for a part
        sent = client.scatter(list(parts), hash=False)
        futures = [client.submit(_search, part, patience_s, asked_by, pure=False) for part in sent]
        places = {future.key: place for place, future in enumerate(futures)}
        for future in _dask().as_completed(futures):
            place = places[future.key]
            error = future.exception()
            found[place] = (
                future.result() if error is None else MvdError(f"a part of it could not be searched: {error}")
            )
            done += len(parts[place].cores)
            searched(done, blocks)
    return Found(tuple(found))


def _search(part: Part, patience_s: float, asked_by: dict[str, str]) -> Objects | Exception:
    """The task of a part."""
    _refuse_others(asked_by, versions(), platform.node())
    for left in reversed(range(TRIES)):
        try:
            with _worker() as worker:
                found = worker.ask(part, patience_s=patience_s)
        except WorkerLost as lost:
            if not left or lost.hung:
                return MvdError(str(lost))
        else:
            assert isinstance(found, dict | Exception)
            return found
    raise AssertionError


def _refuse(plan: Plan, asked_by: dict[str, str]) -> None:
    """StoreError where this machine cannot give what the run expects; it may have joined after the run began."""
    _refuse_others(asked_by, versions(), platform.node())
    if not Path(plan.results).is_dir():
        raise StoreError(
            f"{platform.node()} does not see {plan.results}; a study that a cluster measures must lie on a disk that "
            "all machines have at the same place"
        )
