"""Make counts.csv: counts that are made up, with the numbers, medians and ranges of a published table.

Ferrajoli et al., Blood 2008;111:5291: 22 patients before treatment, 19 after 3 and 13 after 6 months, five fields of
0.0625 mm² each. The single values were not published; those of counts.csv are invented and say nothing of lenalidomide.

    python docs/worked-example/make_counts.py
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

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


def rows(seed: int = 2001) -> list[tuple[str, str, int, float, str]]:
    draw = random.Random(seed)
    names = [f"P{number:02d}" for number in range(1, 23)]
    levels = {name: draw.gauss(0, 1) for name in names}
    responders = set(draw.sample(names, RESPONDERS))
    only_late = draw.sample(names, WITHOUT_3MO)
    early = [name for name in names if name not in only_late]
    late = [*only_late, *draw.sample(early, TIMEPOINTS["6mo"][0] - WITHOUT_3MO)]
    counts = {
        "pre": patients(draw, "pre", names, levels),
        "3mo": patients(draw, "3mo", early, levels),
        "6mo": patients(draw, "6mo", sorted(late), levels),
    }
    return [
        (name, at, counts[at][name], AREA_MM2, "responder" if name in responders else "non-responder")
        for name in names
        for at in TIMEPOINTS
        if name in counts[at]
    ]


def main() -> None:
    with FILE.open("w", encoding="utf-8", newline="") as out:
        out.write("# Invented counts: only the numbers of patients, medians and ranges are those of the paper\n")
        table = csv.writer(out, lineterminator="\n")
        table.writerow(("patient", "timepoint", "count", "area_mm2", "response"))
        table.writerows(rows())


if __name__ == "__main__":
    main()
