"""A figure with its interval, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

CONFIDENCE = 0.95
"""Level of every interval of agreement: the one in which others report theirs."""

SAME = 1e-9
"""Counts per area that differ by less than this fraction of their size are equal: 52.8 / 3.2 is not quite 16.5."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure; what cannot be told is None, and `note` says why."""

    value: float | None
    low: float | None
    high: float | None
    note: str = ""


def untold(note: str) -> Estimate:
    """No figure, and why."""
    return Estimate(None, None, None, note)


def t_quantile(freedom: int, level: float) -> float:
    """Quantile of Student's t."""
    from scipy.special import stdtrit  # noqa: PLC0415  (keeps the import of mvd quick)

    return float(stdtrit(freedom, level))
