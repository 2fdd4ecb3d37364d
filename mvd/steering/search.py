"""Which values fit what an observer counted, and whether they help on specimens that they were not chosen on.

Pure: counts and matches in, a proposal out. Each specimen is left out in turn, values are chosen on the others, and its
count with them is held against the observer's. Only what helps there is proposed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

from mvd.agreement import Detection
from mvd.steering.values import Values

LEAST_SPECIMENS = 3
"""With fewer there is no specimen to leave out and still two others to choose on."""

Verdict = Literal["too few specimens", "as they are", "no better", "better"]
"""`as they are`: nothing that was tried fits better; `no better`: something does, but not on specimens left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """What the program counts in one specimen's fields, against the observer: field by field, summed."""

    specimen: str
    outcomes: Mapping[Values, Detection]
    """By the values it was counted with; the reference is the observer."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One specimen, counted with values that were chosen on the others."""

    specimen: str
    values: Values
    now: Detection
    """With the values now in force."""
    proposed: Detection

    @property
    def observed(self) -> int:
        return self.now.matched + self.now.missed

    @property
    def nearer(self) -> int:
        """By how many vessels the count comes nearer to the observer's; negative where it moves away."""
        return _error(self.now) - _error(self.proposed)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the corrections say of the values."""

    now: Values
    best: Values | None
    """The values that fit all specimens best; None where there are too few specimens."""
    left_out: tuple[LeftOut, ...]
    specimens: int

    @property
    def error_now(self) -> float:
        """Mean absolute error of the count of a specimen, in vessels."""
        return _mean([_error(one.now) for one in self.left_out])

    @property
    def error_proposed(self) -> float:
        """The same with values from the other specimens."""
        return _mean([_error(one.proposed) for one in self.left_out])

    @property
    def f1_now(self) -> float | None:
        return _pooled([one.now for one in self.left_out]).f1

    @property
    def f1_proposed(self) -> float | None:
        return _pooled([one.proposed for one in self.left_out]).f1

    @property
    def verdict(self) -> Verdict:
        """`better` only where the count comes nearer on average and in most specimens, and F1 does not fall."""
        if self.best is None:
            return "too few specimens"
        if self.best == self.now:
            return "as they are"
        helped = sum((one.nearer > 0) - (one.nearer < 0) for one in self.left_out)
        better = self.error_proposed < self.error_now and helped > 0
        return "better" if better and (self.f1_proposed or 0.0) >= (self.f1_now or 0.0) else "no better"


def propose(tried: Sequence[Tried], now: Values) -> Proposal:
    """Choose values, and try the choosing on each specimen with the others.

    Parameters
    ----------
    tried
        Each specimen with the same values, `now` among them.
    """
    if len(tried) < LEAST_SPECIMENS:
        return Proposal(now, None, (), len(tried))
    rows = []
    for one in tried:
        values = best_values([other for other in tried if other is not one], now)
        rows.append(LeftOut(one.specimen, values, one.outcomes[now], one.outcomes[values]))
    return Proposal(now, best_values(tried, now), tuple(rows), len(tried))


def best_values(tried: Sequence[Tried], now: Values) -> Values:
    """The values of least disagreement; among equal ones those nearest to the present ones.

    A specimen's disagreement is the larger of what is missed and what is too many: half of the objects that differ,
    and half of the count's error besides. The count alone would be right where as much is missed as is too much.
    """

    def rank(values: Values) -> tuple[int, int, Values]:
        differ = sum(max(one.outcomes[values].missed, one.outcomes[values].extra) for one in tried)
        return differ, values.moves_from(now), values

    return min(tried[0].outcomes, key=rank)


def _error(found: Detection) -> int:
    """Of the count."""
    return abs(found.extra - found.missed)


def _mean(errors: Sequence[int]) -> float:
    return sum(errors) / len(errors) if errors else 0.0


def _pooled(found: Sequence[Detection]) -> Detection:
    return reduce(Detection.__add__, found, Detection(0, 0, 0))
