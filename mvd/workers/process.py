"""One worker process, from the side of whoever started it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mvd.errors import MvdError, StoreError
from mvd.workers import frames
from mvd.workers.job import Done, Found, Job, Message, Opened, Ready, Searched, Wanted

if TYPE_CHECKING:
    from mvd.blocks import Part

COMMAND = (sys.executable, "-P", "-m", "mvd.workers")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
_START_S = 120.0
"""Importing takes 2 s from a local disk, and a minute from a busy network disk."""
_GONE_S = 10.0
"""For the system to bury a process that was killed."""
_LAST_WORDS = 4000
"""Bytes kept of what a worker that died said."""


class WorkerLost(Exception):  # noqa: N818  (it is no error of ours)
    """A worker that is no more. Not an error that a user can put right: whoever asked decides what follows."""

    def __init__(self, sentence: str, *, last_words: str = "", hung: bool = False) -> None:
        super().__init__(sentence)
        self.last_words = last_words
        self.hung = hung


def begin(*, memory_bytes: int | None = None) -> subprocess.Popen[bytes]:
    """A worker's process, which loads what it needs while nobody waits for it.

    Raises
    ------
    MvdError
        There is no such program.
    """
    limit = [str(memory_bytes)] if memory_bytes else []
    try:
        return subprocess.Popen(  # noqa: S603  (this program)
            [*COMMAND, *limit],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            start_new_session=True,  # Ctrl-C is for the run, which then ends its workers
        )
    except OSError as error:
        raise MvdError(f"a worker process could not be started: {error.strerror or error}") from None


def end(process: subprocess.Popen[bytes], listeners: Sequence[threading.Thread] = ()) -> None:
    """End a worker's process and wait until it, and who listens to it, are gone."""
    with contextlib.suppress(OSError):
        process.kill()
    process.wait()
    for thread in listeners:
        thread.join(_GONE_S)
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        with contextlib.suppress(OSError):  # what was not yet sent has nobody to go to
            stream.close()


class Worker:
    """A worker that is ready. Not for several threads at once, but for `kill`.

    Raises
    ------
    MvdError
        The process that was begun ended before it was ready; the sentence says why.
    """

    def __init__(self, begun: subprocess.Popen[bytes] | None = None) -> None:
        self._process = begun or begin()
        self._inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._words = bytearray()
        self._threads = [threading.Thread(target=listen, daemon=True) for listen in (self._listen, self._overhear)]
        for thread in self._threads:
            thread.start()
        try:
            first = self._receive(_START_S)
            assert isinstance(first, Ready)
        except WorkerLost as lost:
            self.close()
            *_, last = lost.last_words.strip().splitlines() or [str(lost)]
            raise MvdError(f"a worker process could not be started: {last}") from None

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(
        self,
        what: Job | Part,
        *,
        patience_s: float,
        opened: Callable[[float], None] = lambda _mpix: None,
        searched: Callable[[int, int], None] = lambda _done, _blocks: None,
        share: Callable[[tuple[Part, ...]], Found] | None = None,
    ) -> Any:
        """What comes of a job or a part; one may be asked while the worker waits for its own parts.

        Parameters
        ----------
        patience_s
            Longest silence.
        share
            Has the parts searched that the worker asks for.

        Raises
        ------
        WorkerLost
            It died, or was silent for too long and was ended.
        StoreError
            It could not write its result.
        """
        self._send(what, patience_s)
        while True:
            match self._receive(patience_s):
                case Opened(mpix):
                    opened(mpix)
                case Searched(done, blocks):
                    searched(done, blocks)
                case Wanted(parts):
                    assert share is not None
                    self._send(share(parts), patience_s)
                case Done(StoreError() as error):
                    raise error
                case Done(result):
                    return result
                case message:
                    raise AssertionError(f"unasked: {message}")

    def kill(self) -> None:
        """End it, whatever it does. From any thread, also twice."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """End it and wait until it is gone."""
        end(self._process, self._threads)

    def _send(self, value: object, patience_s: float) -> None:
        assert self._process.stdin is not None
        impatience = threading.Timer(patience_s, self.kill)  # one that does not read would hold us up for ever
        impatience.daemon = True
        impatience.start()
        try:
            frames.send(self._process.stdin, value)
        except OSError:
            raise self._lost() from None
        finally:
            impatience.cancel()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while True:
                self._inbox.put(frames.receive(self._process.stdout))
        except (EOFError, OSError, ValueError):
            pass
        finally:  # whatever it was that could not be read
            self._inbox.put(None)

    def _overhear(self) -> None:
        """Keep the end of what it says on its error stream."""
        assert self._process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while said := self._process.stderr.read1(_LAST_WORDS):  # type: ignore[attr-defined]
                self._words += said
                del self._words[:-_LAST_WORDS]

    def _receive(self, patience_s: float) -> Message:
        try:
            message = self._inbox.get(timeout=patience_s)
        except queue.Empty:
            self.kill()
            minutes = f"{patience_s / 60:g} minute{'' if patience_s == 60 else 's'}"
            sentence = f"nothing was heard of it for {minutes}, and it was given up; --patience gives it longer"
            raise WorkerLost(sentence, last_words=self._last_words(), hung=True) from None
        if message is None:
            raise self._lost()
        return message

    def _lost(self) -> WorkerLost:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_GONE_S)
        return WorkerLost(_cause(self._process.returncode), last_words=self._last_words())

    def _last_words(self) -> str:
        self._threads[1].join(_GONE_S)
        return bytes(self._words).decode(errors="replace")


def _cause(status: int | None) -> str:
    """Why a process ended, as a sentence."""
    if status is not None and status < 0:
        if -status == getattr(signal, "SIGKILL", 9):
            return (
                "the process that measured it was killed, most likely by the system for want of memory; free memory or "
                "use fewer workers, and run again"
            )
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return (
            f"the process that measured it crashed ({name}), most likely in a library that reads images; export the "
            "image again in another format, and report the crash"
        )
    return f"the process that measured it ended unexpectedly (status {status}); please report this"
