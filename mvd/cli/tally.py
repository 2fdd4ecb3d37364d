"""How far a run is, how fast it goes and when it will end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_ENOUGH = 0.02
"""Of the work; before that, what is left cannot be told from what is done."""


@dataclass(slots=True)
class _Open:
    mpix: float = 0.0
    part: float = 0.0
    """Of its blocks that are searched."""


@dataclass(slots=True)
class Tally:
    """Specimens of a run, those that ended and those under way."""

    clock: Callable[[], float] = time.monotonic
    total: int = 0
    ended: int = 0
    stood: int = 0
    """Of those that ended: results of an earlier run."""
    mpix: float = 0.0
    """Of the images of those that were measured."""
    under_way: dict[str, _Open] = field(default_factory=dict)
    _begun: float | None = None

    def begins(self, name: str, _number: int, total: int) -> None:
        """A specimen begins."""
        self.total = total
        self.under_way[name] = _Open()
        if self._begun is None:
            self._begun = self.clock()

    def opened(self, name: str, mpix: float) -> None:
        """Its image has this size, in millions of pixels."""
        self.under_way[name].mpix = mpix

    def blocks(self, name: str, done: int, blocks: int) -> None:
        """So many of its blocks are searched."""
        self.under_way[name].part = done / blocks if blocks else 1.0

    def ends(self, name: str, *, fresh: bool) -> None:
        """A specimen ended."""
        gone = self.under_way.pop(name, _Open())
        self.ended += 1
        if fresh:
            self.mpix += gone.mpix
        else:
            self.stood += 1

    @property
    def mpix_per_s(self) -> float | None:
        """Millions of image pixels put behind in a second; None before there are any."""
        elapsed = self._elapsed()
        done = self.mpix + sum(one.mpix * one.part for one in self.under_way.values())
        return done / elapsed if done and elapsed > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """If the specimens to come take as long as those measured so far; None while nothing can be said."""
        measured = self.ended - self.stood + sum(one.part for one in self.under_way.values())
        all_of_them = self.total - self.stood
        if not all_of_them or measured < _ENOUGH * all_of_them or not measured:
            return None
        return max(self._elapsed() * (all_of_them - measured) / measured, 0.0)

    def words(self) -> str:
        """Speed and time left as a person says it; empty while nothing can be said."""
        speed, left = self.mpix_per_s, self.seconds_left
        parts = [
            f"{speed:.{0 if speed >= 10 else 1}f} MPix/s" if speed is not None else "",
            f"{duration(left)} left" if left is not None and self.ended < self.total else "",
        ]
        return ", ".join(part for part in parts if part)

    def _elapsed(self) -> float:
        return 0.0 if self._begun is None else self.clock() - self._begun


def duration(seconds: float) -> str:
    """Not more exact than it is known: 40 s, 12 min, 3.5 h."""
    if seconds < 59.5:
        return f"{max(round(seconds), 1)} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
