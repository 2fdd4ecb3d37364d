"""One count of a specimen from what one observer or several counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True, slots=True)
class ObserverCount:
    """What one observer counted in one specimen."""

    observer: str
    count: float | None
    area_mm2: float | None
    """None, as the count, where only a density was noted."""
    mvd_per_mm2: float
    ci_low: float | None = None
    """Interval of the MVD, vessels/mm²; None where it is not known."""
    ci_high: float | None = None


def mean_count(counts: Sequence[ObserverCount]) -> ObserverCount:
    """The mean of several observers, who share a name such as 'mean of anna, bert'; of one observer, the count itself.

    As the MVD of one observer it is the mean count over the mean area; where an observer noted only a density, the mean
    density.
    """
    if len(counts) == 1:
        return counts[0]
    name = f"mean of {', '.join(one.observer for one in counts)}"
    numbers = [one.count for one in counts if one.count is not None]
    areas = [one.area_mm2 for one in counts if one.area_mm2 is not None]
    if len(numbers) == len(areas) == len(counts):
        count, area_mm2 = fmean(numbers), fmean(areas)
        return ObserverCount(name, count, area_mm2, count / area_mm2)
    return ObserverCount(name, None, None, fmean(one.mvd_per_mm2 for one in counts))
