"""Sums of step functions: what learned models are made of, plain numbers that add up exactly.

Such a model is additive (Hastie & Tibshirani, Stat Sci 1986;1:297): each feature alone adds or takes away. What lies
beyond the range seen in training counts as its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

STEP_UNIT = 1e-6
"""Steps are whole millionths: their sum is exact, and so the same on every machine."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """What one feature adds: a step function, flat below its first cut and above its last."""

    cuts: Floats
    """(n,) rising; a value on a cut belongs to the step below it."""
    logits: Integers
    """(n + 1,) in `STEP_UNIT`."""


def summed(base: int, steps: Sequence[Steps], table: Floats) -> Integers:
    """(rows,) the base and one step of each feature, for each row of (rows, features)."""
    total = np.full(len(table), base, np.int64)
    for step, values in zip(steps, table.T, strict=True):
        total += step.logits[np.searchsorted(step.cuts, values, side="left")]
    return total
