"""The worker's side: measure what comes in on standard input, answer on standard output, end when the input ends."""

from __future__ import annotations

import faulthandler
import os
import pickle
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO

from mvd import threads
from mvd.blocks import Objects, Part, Progress, search_part
from mvd.measuring import Ears, measure
from mvd.workers import frames, limits
from mvd.workers.job import Done, Found, Job, Message, Opened, Ready, Searched, Wanted

SOON_NEEDED = (
    "tifffile",
    "imagecodecs",
    "mvd.slide.sampling",
    "scipy.sparse.csgraph",
    "skimage.morphology",
    "mvd.report",
)
"""What loads slowly (0.6 s together) and is needed for every slide, or for nearly every one: in this order."""


def main() -> None:
    """Serve until standard input ends, whatever is under way then."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the answers
    faulthandler.enable()
    limits.be_modest(memory_bytes=int(sys.argv[1]) if len(sys.argv) > 1 else None)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, inbox), daemon=True).start()
    threading.Thread(target=load_soon_needed, daemon=True).start()
    server = Server(inbox.get, lambda message: frames.send(answers, message))
    try:
        server.serve()
    except OSError:  # nobody listens any more
        os._exit(1)


def load_soon_needed() -> None:
    """Load what will be needed, while the run has not asked yet or pixels are looked at."""
    for name in SOON_NEEDED:
        with suppress(Exception):  # told when it is needed
            import_module(name)


def _listen(stream: BinaryIO, inbox: queue.SimpleQueue[Any]) -> None:
    """Pass on what comes in; without whoever asked, there is nothing to go on for."""
    try:
        while True:
            inbox.put(frames.receive(stream))
    except (EOFError, OSError):
        pass
    finally:  # also what could not be read, after a traceback that whoever asked gets to see
        os._exit(1)


class Server:
    """Takes jobs from one function and answers by another."""

    def __init__(self, take: Callable[[], Any], send: Callable[[Message], None]) -> None:
        self._take = take
        self._send = send

    def serve(self) -> None:
        """One job after the other, for ever."""
        self._send(Ready())
        while True:
            self._do(self._take())

    def _do(self, job: Job | Part) -> None:
        self._send(Done(_whole(lambda: self._measured(job) if isinstance(job, Job) else search_part(job, self._tell))))

    def _measured(self, job: Job) -> Any:
        threads.allow(job.threads)
        ears = Ears(lambda mpix: self._send(Opened(mpix)), self._tell, self._share)
        return measure(job.specimen, job.plan, again=job.again, ears=ears)

    def _tell(self, done: int, blocks: int) -> None:
        self._send(Searched(done, blocks))

    def _share(self, parts: Sequence[Part], _progress: Progress) -> Iterator[Objects]:
        """Ask for the parts to be searched, and search those that come back to this worker meanwhile."""
        self._send(Wanted(tuple(parts)))
        while not isinstance(message := self._take(), Found):
            self._do(message)
        for objects in message.parts:
            if isinstance(objects, Exception):
                raise objects
            yield objects


def _whole(work: Callable[[], Any]) -> Any:
    """What some work gives, or the error that it ended with, as one that can be sent."""
    try:
        return work()
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301  (made on the line before)
        except Exception:
            return RuntimeError(f"{type(error).__name__}: {error}")
        return error
