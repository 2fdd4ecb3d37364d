"""Work that is done in several threads where the process may use several cores. What comes of it is the same.

OpenCV, numpy and the codecs let other threads run while they work on pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 4
"""Beyond it, what cannot be shared decides, and each thread holds 50 MB of pixels and maps."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Other = TypeVar("_Other")

_allowed = 1


def allow(number: int) -> None:
    """How many threads this process may use, up to `MOST`; one until it is said."""
    global _allowed  # noqa: PLW0603  (as of its cores: a fact of the process, and no result hangs on it)
    _allowed = min(max(number, 1), MOST)


def for_each(work: Callable[[_Item], _Result], items: Iterable[_Item], *, most: int = MOST) -> list[_Result]:
    """What some work gives for each item, in the order of the items; the first error in that order is raised.

    The work for one item may not hang on another's, nor use threads itself.

    Parameters
    ----------
    most
        Threads at the most, where the work takes much memory.
    """
    listed = list(items)
    number = min(_allowed, most, len(listed))
    if number < 2:
        return [work(item) for item in listed]
    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(work, listed))


def both(first: Callable[[], _Result], second: Callable[[], _Other]) -> tuple[_Result, _Other]:
    """What two pieces of work give; the error of the first is raised before that of the second."""
    if _allowed < 2:
        return first(), second()
    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(second)
        return first(), other.result()
