"""What is to be done, and by whom next: shared by the threads that each keep one worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition
from typing import TYPE_CHECKING

from mvd.workers.job import Job

if TYPE_CHECKING:
    from mvd.blocks import Objects, Part

TRIES = 2
"""A worker may be killed for something that has nothing to do with its specimen; twice is no accident."""


def _nothing() -> None:
    pass


@dataclass(eq=False)
class Task:
    """A specimen to be measured."""

    job: Job
    tries: int = 0


@dataclass(eq=False)
class Ticket:
    """A part of a big slide, to be searched by anybody."""

    part: Part
    told: Callable[[], None]
    """Is called when `done` has changed."""
    done: int = 0
    """Blocks searched."""
    tries: int = 0
    result: Objects | Exception | None = None


@dataclass(eq=False)
class Board:
    """Specimens first, in their order; parts of big slides when no specimen waits; second tries last and alone."""

    waiting: deque[Task]
    tickets: deque[Ticket] = field(default_factory=deque)
    second: deque[Task] = field(default_factory=deque)
    _changed: Condition = field(default_factory=Condition)
    _measuring: int = 0
    _closed: bool = False

    def take(self) -> Task | Ticket | None:
        """What to do next; waits as long as there may be something. None: nothing will come any more."""
        with self._changed:
            while not self._closed:
                if self.waiting:
                    self._measuring += 1
                    return self.waiting.popleft()
                if self.tickets:
                    return self.tickets.popleft()
                if not self._measuring:
                    if not self.second:
                        break
                    self._measuring += 1
                    return self.second.popleft()
                self._changed.wait()
            return None

    def end(self, task: Task, *, once_more: bool = False) -> None:
        """A specimen's worker is free again."""
        with self._changed:
            self._measuring -= 1
            if once_more:
                self.second.append(task)
            self._changed.notify_all()

    def offer(self, tickets: Sequence[Ticket]) -> None:
        """Parts that anybody may search."""
        with self._changed:
            self.tickets.extend(tickets)
            self._changed.notify_all()

    def one_of(self, own: Sequence[Ticket]) -> Ticket | None:
        """One of these parts that nobody has taken yet; waits until one comes back. None: all have a result."""
        with self._changed:
            while not self._closed and any(ticket.result is None for ticket in own):
                free = next((ticket for ticket in own if ticket in self.tickets), None)
                if free is not None:
                    self.tickets.remove(free)
                    return free
                self._changed.wait()
            return None

    def settle(self, ticket: Ticket, result: Objects | Exception) -> None:
        """A part was searched."""
        with self._changed:
            ticket.result = result
            self._changed.notify_all()

    def put_back(self, ticket: Ticket) -> None:
        """A part whose worker was lost: for somebody else."""
        with self._changed:
            if ticket.result is None:
                self.tickets.appendleft(ticket)
            self._changed.notify_all()

    def withdraw(self, own: Sequence[Ticket]) -> None:
        """Parts that nobody needs any more."""
        with self._changed:
            for ticket in own:
                ticket.told = _nothing
                ticket.result = ticket.result if ticket.result is not None else {}
                if ticket in self.tickets:
                    self.tickets.remove(ticket)

    def close(self) -> None:
        """Nothing more is given out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
