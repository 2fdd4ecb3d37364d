"""Two scores on the same labels of held-back specimens: which one is better, and how sure that is.

Specimens, not objects, are held back and drawn again for the intervals: objects of one slide share its stain. The
intervals are bootstrap percentiles, widened for few specimens as Student's t widens the normal ones (the "expanded
percentile" interval; Hesterberg TC. What teachers should know about the bootstrap. Am Stat 2015;69:371-386).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["better", "worse", "no different", "too few specimens"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FOLDS = 5
LEAST_SPECIMENS = 5
"""For a verdict. A bootstrap of n specimens leaves out 0 whenever all n lean the same way, which chance alone brings
about in one of 2 ** (n - 1) trials: 1 in 4 with three, 1 in 16 with five."""
_DRAWS = 2000
"""Of specimens, for the intervals; their ends move by less than a twentieth of their width from seed to seed."""
_LEVEL = 0.95
_NO_SURER = 1e-6
"""A probability of 0 or 1 that is wrong would cost without end."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One score's probabilities for a set of labels."""

    probability: Floats
    threshold: float | Floats
    """From which on it says "vessel"; one for all, or one for each label."""

    @property
    def says_vessel(self) -> Bools:
        return np.asarray(self.probability >= self.threshold, bool)


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of quality, with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True)
class Trial:
    """Two scores on the same labels."""

    new: Mapping[str, Measure]
    """By the names of `MEASURES`."""
    shipped: Mapping[str, Measure]
    difference: Mapping[str, Measure]
    """New less shipped."""
    specimens: int

    @property
    def verdict(self) -> Verdict:
        """Whether the interval of the log-loss's difference leaves out 0, and on which side."""
        loss = self.difference["log-loss"]
        if self.specimens < LEAST_SPECIMENS:
            return "too few specimens"
        return "better" if loss.high < 0 else "worse" if loss.low > 0 else "no different"


def in_words(trial: Trial) -> str:
    """The verdict as a sentence, with the numbers that it rests on."""
    new, shipped, by = (which["log-loss"] for which in (trial.new, trial.shipped, trial.difference))
    numbers = (
        f"log-loss {new.value:.3f} against {shipped.value:.3f}, difference {by.value:+.3f} "
        f"({100 * _LEVEL:g} % interval {by.low:+.3f} to {by.high:+.3f}; {trial.specimens} specimens)"
    )
    match trial.verdict:
        case "better":
            return f"On specimens that it had not seen the new model is better than the shipped one: {numbers}"
        case "worse":
            return f"On specimens that it had not seen the new model is worse than the shipped one: {numbers}"
        case "no different":
            return (
                f"On specimens that it had not seen the new model cannot be told from the shipped one: {numbers}; "
                "there is no reason to choose it"
            )
        case "too few specimens":
            return (
                f"Whether the new model is better than the shipped one cannot be told: {numbers}; a verdict needs "
                f"{LEAST_SPECIMENS} specimens, for with fewer chance alone often makes them all lean one way"
            )


def folds(specimens: Sequence[str], *, seed: int) -> tuple[tuple[str, ...], ...]:
    """The specimens in `FOLDS` parts, or one part each where there are fewer; each is held back once."""
    names = sorted(set(specimens))
    order = np.random.default_rng(seed).permutation(len(names))
    parts = min(FOLDS, len(names))
    return tuple(tuple(names[index] for index in sorted(order[part::parts].tolist())) for part in range(parts))


def log_loss(is_vessel: Bools, scored: Scored) -> float:
    """Mean cost of the probabilities, -ln of what was given to what is true; 0.69 for one that says nothing."""
    p = np.clip(scored.probability, _NO_SURER, 1 - _NO_SURER)
    return float(-np.mean(np.where(is_vessel, np.log(p), np.log(1 - p))))


def brier(is_vessel: Bools, scored: Scored) -> float:
    """Mean squared error of the probabilities (Brier, Mon Weather Rev 1950;78:1)."""
    return float(np.mean(np.square(scored.probability - is_vessel)))


def auc(is_vessel: Bools, scored: Scored) -> float:
    """Chance that a vessel has a higher probability than a non-vessel, ties half; NaN without both."""
    vessels, others = int(is_vessel.sum()), int((~is_vessel).sum())
    if not vessels or not others:
        return math.nan
    _, rank, size = np.unique(scored.probability, return_inverse=True, return_counts=True)
    middle = np.cumsum(size) - (size - 1) / 2  # mean rank of those that are equal
    return float((middle[rank][is_vessel].sum() - vessels * (vessels + 1) / 2) / (vessels * others))


def f1(is_vessel: Bools, scored: Scored) -> float:
    """F1 of what the score calls a vessel at its threshold; NaN where there is none and none is called one."""
    called = scored.says_vessel
    both = int(called.sum()) + int(is_vessel.sum())
    return 2 * int((called & is_vessel).sum()) / both if both else math.nan


MEASURES: Mapping[str, Callable[[Bools, Scored], float]] = {"log-loss": log_loss, "Brier": brier, "AUC": auc, "F1": f1}


def compare(is_vessel: Bools, specimens: Sequence[str], *, new: Scored, shipped: Scored, seed: int) -> Trial:
    """Both scores with their intervals, and the difference with its own: the same draws of specimens for all.

    Parameters
    ----------
    is_vessel
        (n,) the labels.
    specimens
        (n,) the specimen of each.

    Notes
    -----
    Two scores that are equally good (differences of specimens from one normal distribution, 1500 trials each) differ
    by this in 25 of 100 trials with three specimens, 8 with five, 5 with eight and 5 with twenty.
    """
    names, group = np.unique(np.asarray(specimens), return_inverse=True)
    members = [np.flatnonzero(group == index) for index in range(len(names))]
    rng = np.random.default_rng(seed)
    draws = [np.concatenate([members[k] for k in rng.integers(len(names), size=len(names))]) for _ in range(_DRAWS)]
    # The labels themselves come first, then each draw.
    rows = [np.arange(len(is_vessel)), *draws]
    one, other = (
        {name: np.array([take(is_vessel[row], _part(scored, row)) for row in rows]) for name, take in MEASURES.items()}
        for scored in (new, shipped)
    )
    outer = _outer(len(names))

    def told(values: Mapping[str, Floats]) -> dict[str, Measure]:
        return {name: _measure(drawn, outer) for name, drawn in values.items()}

    return Trial(told(one), told(other), told({name: one[name] - other[name] for name in MEASURES}), len(names))


def _outer(specimens: int) -> float:
    """The share of draws that lies below the interval, and above it."""
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415  (keeps the command line quick)

    if specimens < 2:
        return 0.0
    t = float(stdtrit(specimens - 1, (1 - _LEVEL) / 2))
    return float(ndtr(math.sqrt(specimens / (specimens - 1)) * t))


def _part(scored: Scored, rows: NDArray[np.intp]) -> Scored:
    limit = scored.threshold
    return Scored(scored.probability[rows], limit[rows] if isinstance(limit, np.ndarray) else limit)


def _measure(values: Floats, outer: float) -> Measure:
    """The first value, with the percentiles of the others; draws in which it cannot be told are passed over."""
    known = values[1:][~np.isnan(values[1:])]
    low, high = np.quantile(known, [outer, 1 - outer]) if len(known) else (math.nan, math.nan)
    return Measure(float(values[0]), float(low), float(high))


def calibration(is_vessel: Bools, probability: Floats, *, bins: int = 10) -> tuple[tuple[float, float, int], ...]:
    """Mean probability, share of vessels and number, in bins of equal width that hold anything."""
    index = np.minimum((probability * bins).astype(int), bins - 1)
    held = [np.flatnonzero(index == k) for k in range(bins)]
    return tuple((float(probability[k].mean()), float(is_vessel[k].mean()), len(k)) for k in held if len(k))
