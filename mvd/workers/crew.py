"""Workers on this machine, each a process that is replaced when it dies."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from subprocess import Popen
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self

from mvd.errors import MvdError
from mvd.workers.board import TRIES, Board, Task, Ticket
from mvd.workers.job import Broken, Found, Heard, Job, Outcomes, next_event
from mvd.workers.process import Worker, WorkerLost, begin, end

if TYPE_CHECKING:
    from mvd.blocks import Objects, Part, Progress
    from mvd.measuring import Outcome

PATIENCE_S = 1800.0
"""Between two signs of life: a slide of 10 GB is read from a network disk of 10 MB/s in a third of an hour."""

_Call = Callable[[], None]


class Crew:
    """Up to `number` workers at a time, each keeping one core busy; or fewer, each with several, for few specimens.

    As a context manager it starts its first worker at once, to be ready when the first job is.

    Parameters
    ----------
    patience_s
        A worker that gives no sign of life for so long is ended, and its specimen given up.
    memory_bytes
        Of one worker; see `mvd.workers.limits.be_modest`.
    """

    def __init__(self, number: int, *, patience_s: float = PATIENCE_S, memory_bytes: int | None = None) -> None:
        if number < 1:
            raise ValueError(f"{number} workers")
        self.number = number
        self._patience_s = patience_s
        self._memory_bytes = memory_bytes
        self._begun: list[Popen[bytes]] = []
        """Started, and not yet asked for."""

    def __enter__(self) -> Self:
        with suppress(MvdError):  # whoever needs a worker is told
            self._begun.append(begin(memory_bytes=self._memory_bytes))
        return self

    def __exit__(self, *_: object) -> None:
        while self._begun:
            end(self._begun.pop())

    def outcomes(self, jobs: Sequence[Job], heard: Heard) -> Outcomes:
        """See `Pool`. What is heard is told in the thread that asks for the outcomes."""
        threads = max(1, self.number // max(1, len(jobs)))
        board = Board(deque(Task(replace(job, threads=threads)) for job in jobs))
        yield from self._work(board, heard).run(self.number, len(jobs))

    def share(self, parts: Sequence[Part], progress: Progress) -> Iterable[Objects]:
        """Have parts of a big slide searched; see `mvd.blocks.Share`.

        Raises
        ------
        MvdError
            There is no worker, or the image cannot be read.
        """
        return self._work(Board(deque()), Heard()).search(parts, progress, self.number)

    def _work(self, board: Board, heard: Heard) -> _Work:
        return _Work(board, heard, self._patience_s, self._hired)

    def _hired(self) -> Worker:
        try:
            begun = self._begun.pop()
        except IndexError:
            begun = begin(memory_bytes=self._memory_bytes)
        return Worker(begun)


class _Work:
    """One call of a crew: the threads, their workers, and what they have to say."""

    def __init__(self, board: Board, heard: Heard, patience_s: float, hire: Callable[[], Worker]) -> None:
        self.board = board
        self._heard = heard
        self._patience_s = patience_s
        self._hire = hire
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._workers: set[Worker] = set()
        self._lock = Lock()
        self._over = False

    def run(self, number: int, jobs: int) -> Outcomes:
        """Outcomes as they come."""
        with _Threads(self, number):
            while jobs:
                event = next_event(self._events)
                if isinstance(event, BaseException):
                    raise event
                if callable(event):
                    event()
                else:
                    jobs -= 1
                    yield event

    def search(self, parts: Sequence[Part], progress: Progress, number: int) -> list[Objects]:
        """What is found in each part."""
        tickets = self._tickets(parts, lambda done: self.tell(lambda: progress(done, blocks)))
        blocks = sum(len(part.cores) for part in parts)
        self.board.offer(tickets)
        with _Threads(self, min(number, len(parts))):
            while any(ticket.result is None for ticket in tickets):
                event = next_event(self._events)
                if isinstance(event, BaseException):
                    raise event
                event()
        found = [ticket.result for ticket in tickets]
        for result in found:
            if isinstance(result, Exception):
                raise result
        return [result for result in found if isinstance(result, dict)]

    def tell(self, event: _Call | tuple[Job, Outcome | Broken] | BaseException) -> None:
        """To the thread that waits for the outcomes."""
        self._events.put(event)

    def thread(self) -> None:
        """Keep one worker busy."""
        worker: Worker | None = None
        try:
            while (task := self.board.take()) is not None:
                try:
                    worker = worker or self._hired()
                    if isinstance(task, Ticket):
                        self._search(worker, task)
                    else:
                        self._measure(worker, task)
                except WorkerLost as lost:
                    assert worker is not None
                    self._dismiss(worker)
                    worker = None
                    self._retry(task, lost)
        except BaseException as error:  # also the disk's: it ends the run
            self.tell(error)
        finally:
            if worker is not None:
                self._dismiss(worker)

    def stop(self) -> None:
        """End every worker; threads that wait for one see it gone."""
        with self._lock:
            self._over = True
            for worker in self._workers:
                worker.kill()
        self.board.close()

    def _hired(self) -> Worker:
        worker = self._hire()
        with self._lock:
            self._workers.add(worker)
            if self._over:
                worker.kill()
        return worker

    def _dismiss(self, worker: Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
        worker.close()

    def _measure(self, worker: Worker, task: Task) -> None:
        job, name, heard = task.job, task.job.specimen.specimen, self._heard
        if not task.tries:
            self.tell(partial(heard.begins, name))
        task.tries += 1
        outcome = worker.ask(
            job,
            patience_s=self._patience_s,
            opened=lambda mpix: self.tell(partial(heard.opened, name, mpix)),
            searched=lambda done, blocks: self.tell(partial(heard.blocks, name, done, blocks)),
            share=lambda parts: self._shared(worker, name, parts),
        )
        if isinstance(outcome, Exception):
            raise outcome
        self.tell((job, outcome))
        self.board.end(task)

    def _retry(self, task: Task | Ticket, lost: WorkerLost) -> None:
        if self._over:  # it was ended because the run is
            return
        again = task.tries < TRIES and not lost.hung
        if isinstance(task, Ticket):
            if again:
                self.board.put_back(task)
            else:
                self._settled(task, MvdError(str(lost)))
            return
        if again:
            self.tell(partial(self._heard.trouble, task.job.specimen.specimen, str(lost)))
        else:
            self.tell((task.job, Broken(str(lost), lost.last_words or None)))
        self.board.end(task, once_more=again)

    def _shared(self, worker: Worker, name: str, parts: tuple[Part, ...]) -> Found:
        """What is found in the parts of one big slide, by its own worker and by those that have nothing else to do."""
        blocks = sum(len(part.cores) for part in parts)
        tickets = self._tickets(parts, lambda done: self.tell(partial(self._heard.blocks, name, done, blocks)))
        self.board.offer(tickets)
        try:
            while (ticket := self.board.one_of(tickets)) is not None:
                self._search(worker, ticket)
        finally:
            self.board.withdraw(tickets)
        return Found(tuple(ticket.result for ticket in tickets if ticket.result is not None))

    def _tickets(self, parts: Sequence[Part], told: Callable[[int], None]) -> list[Ticket]:
        tickets: list[Ticket] = []
        tickets += (Ticket(part, lambda: told(sum(ticket.done for ticket in tickets))) for part in parts)
        return tickets

    def _search(self, worker: Worker, ticket: Ticket) -> None:
        def searched(done: int, _blocks: int) -> None:
            ticket.done = done
            ticket.told()

        ticket.tries += 1
        result = worker.ask(ticket.part, patience_s=self._patience_s, searched=searched)
        self._settled(ticket, result)

    def _settled(self, ticket: Ticket, result: Objects | Exception) -> None:
        self.board.settle(ticket, result)
        ticket.told()  # wakes who waits for the last part


class _Threads:
    """The threads of one call, gone when it ends."""

    def __init__(self, work: _Work, number: int) -> None:
        self._work = work
        self._threads = [Thread(target=work.thread, daemon=True) for _ in range(number)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._work.stop()
        for thread in self._threads:
            thread.join()
