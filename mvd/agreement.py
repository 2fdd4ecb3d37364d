"""How well two sets of vessels, or two series of counts, agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Rect

MIN_IOU = 0.2
"""Boxes that overlap by this much are the same vessel; outlines of two readers rarely do better on thin walls."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Object by object: what one reader found of what another did."""

    matched: int
    extra: int
    """Found, not in the reference."""
    missed: int
    """In the reference, not found."""

    @property
    def precision(self) -> float | None:
        """Share of the found that is in the reference; None when nothing was found."""
        found = self.matched + self.extra
        return self.matched / found if found else None

    @property
    def recall(self) -> float | None:
        """Share of the reference that was found; None for an empty reference."""
        known = self.matched + self.missed
        return self.matched / known if known else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None when there is nothing on either side."""
        total = 2 * self.matched + self.extra + self.missed
        return 2 * self.matched / total if total else None

    def __add__(self, other: Detection) -> Detection:
        return Detection(self.matched + other.matched, self.extra + other.extra, self.missed + other.missed)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bland–Altman limits of agreement (Lancet 1986;1:307)."""

    bias: float
    low: float
    high: float


def match_boxes(found: Sequence[Rect], reference: Sequence[Rect]) -> tuple[tuple[int, int], ...]:
    """Pairs (found, reference) of the same vessel, one to one, as many as possible and then as alike as possible.

    Two boxes may be paired when their intersection over union is at least `MIN_IOU` or when the centre of each lies
    in the other.
    """
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  (0.2 s that most of the program does not need)

    if not found or not reference:
        return ()
    likeness = np.array([[_likeness(a, b) for b in reference] for a in found])
    # An allowed pair is worth more than any gain in likeness among the others.
    rows, columns = linear_sum_assignment(-np.where(likeness > 0, len(found) + likeness, 0.0))
    return tuple((int(i), int(j)) for i, j in zip(rows, columns, strict=True) if likeness[i, j] > 0)


def detect(found: Sequence[Rect], reference: Sequence[Rect], *, ignored: Sequence[Rect] = ()) -> Detection:
    """Object-level agreement; what is found at an `ignored` place counts neither for nor against."""
    pairs = match_boxes(found, reference)
    matched = {i for i, _ in pairs}
    rest = [box for i, box in enumerate(found) if i not in matched]
    doubtful = len(match_boxes(rest, ignored))
    return Detection(len(pairs), len(rest) - doubtful, len(reference) - len(pairs))


def _likeness(a: Rect, b: Rect) -> float:
    common = a.intersection(b)
    if common is None:
        return 0.0
    iou = common.area_mm2 / (a.area_mm2 + b.area_mm2 - common.area_mm2)
    return iou if iou >= MIN_IOU or (_holds_centre(a, b) and _holds_centre(b, a)) else 0.0


def _holds_centre(outer: Rect, inner: Rect) -> bool:
    x, y = (inner.x0_um + inner.x1_um) / 2, (inner.y0_um + inner.y1_um) / 2
    return outer.x0_um <= x <= outer.x1_um and outer.y0_um <= y <= outer.y1_um


def icc(ratings: NDArray[np.float64], *, form: str = "2,1") -> float | None:
    """Intraclass correlation of single ratings; None with fewer than two subjects, or without any spread.

    Parameters
    ----------
    ratings
        (subjects, raters), complete.
    form
        ``"2,1"``: raters are a random sample, their bias counts against agreement; ``"3,1"``: just these raters,
        consistency only. Shrout & Fleiss, Psychol Bull 1979;86:420.
    """
    n, k = ratings.shape
    if n < 2 or k < 2:
        return None
    grand = ratings.mean()
    rows = k * float(((ratings.mean(axis=1) - grand) ** 2).sum()) / (n - 1)
    columns = n * float(((ratings.mean(axis=0) - grand) ** 2).sum()) / (k - 1)
    residual = ratings - ratings.mean(axis=1, keepdims=True) - ratings.mean(axis=0, keepdims=True) + grand
    error = float((residual**2).sum()) / ((n - 1) * (k - 1))
    bias = {"2,1": k * (columns - error) / n, "3,1": 0.0}[form]
    total = rows + (k - 1) * error + bias
    return (rows - error) / total if total > 0 else None


def limits_of_agreement(first: NDArray[np.float64], second: NDArray[np.float64]) -> Limits | None:
    """Mean of first minus second and the range that holds 95 % of the differences; None with fewer than two pairs."""
    difference = first - second
    if len(difference) < 2:
        return None
    spread = 1.96 * math.sqrt(float(difference.var(ddof=1)))
    bias = float(difference.mean())
    return Limits(bias, bias - spread, bias + spread)
