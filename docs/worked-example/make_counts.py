"""Make counts.csv: counts that are made up, with the numbers, medians, ranges and P values of a published table.

Ferrajoli et al., Blood 2008;111:5291: 22 patients before treatment, 19 after 3 and 13 after 6 months, five fields of
0.0625 mm² each; P = .697 for the change with treatment, .300 for that change by response. The single values were not
published; those of counts.csv are invented and say nothing of lenalidomide.

    python docs/worked-example/make_counts.py
"""

from __future__ import annotations

import csv
import itertools
import random
from pathlib import Path

from mvd.statistics import rank_sum, signed_rank

AREA_MM2 = 0.3125
"""Five fields of 0.0625 mm²: one vessel is 3.2 vessels/mm²."""

TIMEPOINTS = {
    # n, least, middle (one count, or the two about the median) and largest count: 52.8/mm² are 16.5 vessels
    "pre": (22, 5, (15, 18), 49),
    "3mo": (19, 2, (24,), 50),
    "6mo": (13, 12, (19,), 34),
}
WITHOUT_3MO = 3
RESPONDERS = 13
P_CHANGE, P_BY_RESPONSE = 0.697, 0.300
"""Of the change to the first count after treatment, and of that change by response."""
SEED = 170582
"""The first from 2001 on that gives both."""
DIVISIONS = 100
"""Draws of who responds, for each draw of the counts."""
FILE = Path(__file__).with_name("counts.csv")


def sorted_counts(draw: random.Random, timepoint: str) -> list[int]:
    """Counts with the published number, median and range; between them, anything."""
    n, least, middle, largest = TIMEPOINTS[timepoint]
    half = (n - len(middle)) // 2
    low = sorted(draw.randint(least, middle[0]) for _ in range(half - 1))
    high = sorted(min(largest, middle[-1] + int(draw.expovariate(1 / 9))) for _ in range(half - 1))
    return [least, *low, *middle, *high, largest]


def patients(draw: random.Random, timepoint: str, names: list[str], levels: dict[str, float]) -> dict[str, int]:
    """The counts, given out so that a patient with many vessels at one timepoint tends to have many at another."""
    order = sorted(names, key=lambda name: levels[name] + draw.gauss(0, 0.8))
    return dict(zip(order, sorted_counts(draw, timepoint), strict=True))


def rows(first_seed: int = SEED) -> list[tuple[str, str, int, float, str]]:
    """The first draw that has both P values."""
    for seed in itertools.count(first_seed):
        draw = random.Random(seed)
        counts = drawn(draw)
        earliest = counts["6mo"] | counts["3mo"]
        change = {name: earliest[name] - before for name, before in counts["pre"].items()}
        if not published(signed_rank(list(change.values())).p_value, P_CHANGE):
            continue
        for _ in range(DIVISIONS):
            responders = set(draw.sample(list(change), RESPONDERS))
            groups = [[change[name] for name in change if (name in responders) == those] for those in (True, False)]
            if published(rank_sum(*groups).p_value, P_BY_RESPONSE):
                return listed(counts, responders)
    raise AssertionError  # there is no last seed


def published(p_value: float | None, told: float) -> bool:
    return p_value is not None and round(p_value, 3) == told


def drawn(draw: random.Random) -> dict[str, dict[str, int]]:
    """The counts of each timepoint by patient."""
    names = [f"P{number:02d}" for number in range(1, 23)]
    levels = {name: draw.gauss(0, 1) for name in names}
    only_late = draw.sample(names, WITHOUT_3MO)
    early = [name for name in names if name not in only_late]
    late = [*only_late, *draw.sample(early, TIMEPOINTS["6mo"][0] - WITHOUT_3MO)]
    return {
        "pre": patients(draw, "pre", names, levels),
        "3mo": patients(draw, "3mo", early, levels),
        "6mo": patients(draw, "6mo", sorted(late), levels),
    }


def listed(counts: dict[str, dict[str, int]], responders: set[str]) -> list[tuple[str, str, int, float, str]]:
    return [
        (name, at, counts[at][name], AREA_MM2, "responder" if name in responders else "non-responder")
        for name in sorted(counts["pre"])
        for at in TIMEPOINTS
        if name in counts[at]
    ]


def main() -> None:
    with FILE.open("w", encoding="utf-8", newline="") as out:
        out.write(
            "# Invented counts: only numbers of patients, medians, ranges and two P values are those of the paper\n"
        )
        table = csv.writer(out, lineterminator="\n")
        table.writerow(("patient", "timepoint", "count", "area_mm2", "response"))
        table.writerows(rows())


if __name__ == "__main__":
    main()
