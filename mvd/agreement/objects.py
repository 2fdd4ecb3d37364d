"""Which vessels of two readers are the same, and how many of them are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
class Marked:
    """A vessel that a reader counted."""

    box: Rect
    """Of its outline."""
    found_as: tuple[str, str] | None
    """The program's object that it is: digest of the program's result, and name; None for what the reader made."""


def match_marked(found: Sequence[Marked], reference: Sequence[Marked]) -> Detection:
    """Object-level agreement of two readers.

    What both took over from the program is the same vessel when it is the same object of the same result, however its
    outline was redrawn. The rest is matched by the boxes round the outlines, see `match_boxes`.
    """
    both = {one.found_as for one in found if one.found_as} & {one.found_as for one in reference}
    rest, others = ([one.box for one in marked if one.found_as not in both] for marked in (found, reference))
    return Detection(len(both), 0, 0) + detect(rest, others)


def match_boxes(
    found: Sequence[Rect], reference: Sequence[Rect], *, grown_um: float = 0.0
) -> tuple[tuple[int, int], ...]:
    """Pairs (found, reference) of the same vessel, one to one, as many as possible and then as alike as possible.

    Two boxes may be paired when their intersection over union is at least `MIN_IOU` or when the centre of each lies
    in the other.

    Parameters
    ----------
    grown_um
        By how much a box is grown on every side before it is asked whether it holds the other's centre: boxes that
        were drawn by hand round capillaries are off by a µm or two.
    """
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  (0.2 s that most of the program does not need)

    if not found or not reference:
        return ()
    likeness = np.array([[_likeness(a, b, grown_um) for b in reference] for a in found], np.float64)
    allowed = ~np.isnan(likeness)
    # An allowed pair is worth more than any gain in likeness among the others.
    rows, columns = linear_sum_assignment(-np.where(allowed, len(found) + likeness, 0.0))
    return tuple((int(i), int(j)) for i, j in zip(rows, columns, strict=True) if allowed[i, j])


def detect(
    found: Sequence[Rect], reference: Sequence[Rect], *, ignored: Sequence[Rect] = (), grown_um: float = 0.0
) -> Detection:
    """Object-level agreement; what is found at an `ignored` place counts neither for nor against.

    `grown_um` is that of `match_boxes`.
    """
    pairs = match_boxes(found, reference, grown_um=grown_um)
    matched = {i for i, _ in pairs}
    rest = [box for i, box in enumerate(found) if i not in matched]
    doubtful = len(match_boxes(rest, ignored, grown_um=grown_um))
    return Detection(len(pairs), len(rest) - doubtful, len(reference) - len(pairs))


def _likeness(a: Rect, b: Rect, grown_um: float) -> float | None:
    """Intersection over union of two boxes that may be paired, 0 where they meet only when grown; else None."""
    common = a.intersection(b)
    iou = common.area_mm2 / (a.area_mm2 + b.area_mm2 - common.area_mm2) if common else 0.0
    return iou if iou >= MIN_IOU or (_holds_centre(a, b, grown_um) and _holds_centre(b, a, grown_um)) else None


def _holds_centre(outer: Rect, inner: Rect, grown_um: float) -> bool:
    outer = outer.expanded(grown_um)
    x, y = (inner.x0_um + inner.x1_um) / 2, (inner.y0_um + inner.y1_um) / 2
    return outer.x0_um <= x <= outer.x1_um and outer.y0_um <= y <= outer.y1_um
