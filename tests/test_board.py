"""Who does what next: specimens first, then parts of big slides, second tries last and alone."""

import threading
from collections import deque
from typing import Any

import pytest

from mvd.workers.board import Board, Task, Ticket

PATIENCE_S = 10.0
SOON_S = 0.2


def board(*names: str) -> Board:
    return Board(deque(Task(name) for name in names))  # type: ignore[arg-type]


def ticket(name: str) -> Ticket:
    return Ticket(name, lambda: None)  # type: ignore[arg-type]


def taken_elsewhere(shared: Board) -> tuple[threading.Thread, list[Any]]:
    taken: list[Any] = []
    thread = threading.Thread(target=lambda: taken.append(shared.take()), daemon=True)
    thread.start()
    return thread, taken


def test_specimens_come_before_parts_of_big_slides() -> None:
    shared = board("a", "b")
    part = ticket("part")
    first = shared.take()
    shared.offer([part])
    second = shared.take()
    assert [first.job, second.job] == ["a", "b"]  # type: ignore[union-attr]
    assert shared.take() is part


def test_a_second_try_waits_until_nobody_measures() -> None:
    shared = board("a", "b")
    first, other = shared.take(), shared.take()
    assert isinstance(first, Task) and isinstance(other, Task)
    shared.end(first, once_more=True)
    thread, taken = taken_elsewhere(shared)
    thread.join(SOON_S)
    assert taken == [], "another specimen is under way, and takes memory"
    shared.end(other)
    thread.join(PATIENCE_S)
    assert taken == [first]


def test_who_waits_is_let_go_when_the_last_specimen_ends() -> None:
    shared = board("a")
    task = shared.take()
    assert isinstance(task, Task)
    thread, taken = taken_elsewhere(shared)
    shared.end(task)
    thread.join(PATIENCE_S)
    assert taken == [None]


@pytest.mark.parametrize("result", [{}, ValueError()], ids=["found", "a fault"])
def test_a_part_that_was_lost_is_given_out_again_and_its_owner_waits_for_it(result: Any) -> None:
    shared, part = board(), ticket("part")
    shared.offer([part])
    assert shared.one_of([part]) is part
    shared.put_back(part)
    assert shared.one_of([part]) is part
    owner: list[Any] = []
    thread = threading.Thread(target=lambda: owner.append(shared.one_of([part])), daemon=True)
    thread.start()
    thread.join(SOON_S)
    assert owner == [], "somebody else still searches it"
    shared.settle(part, result)
    thread.join(PATIENCE_S)
    assert (owner, part.result) == ([None], result)


def test_parts_that_nobody_needs_any_more_are_not_given_out_and_tell_nothing() -> None:
    shared, told = board("a"), []
    part = Ticket("part", lambda: told.append(1))  # type: ignore[arg-type]
    task = shared.take()
    assert isinstance(task, Task)
    shared.offer([part])
    shared.withdraw([part])
    shared.put_back(part)
    part.told()
    shared.end(task)
    assert (shared.take(), told) == (None, [])
