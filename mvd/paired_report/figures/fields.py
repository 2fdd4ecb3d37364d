"""How much the fields of one specimen differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import mean, variance
from typing import TYPE_CHECKING, Any

from mvd.compare.model import Comparisons, CountRow
from mvd.paired_report.evidence import CountedField, Evidence
from mvd.paired_report.figures.style import INK, PALE, Drawn, beside, canvas, rendered, shortened
from mvd.paired_report.words import fixed, number_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ROWS = 60
"""Specimens that one page holds with a name each; more are drawn as points."""

_SCATTER = (
    " Over all specimens the counts of fields vary {} times as much as chance alone would make them (variance over "
    "mean; 1 for evenly scattered vessels, more where vessels cluster)."
)
_STEP = 0.2
"""Of a row's height: how far fields of the same density stand apart."""
_CIRCLES: dict[str, Any] = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 3.6,
    "markerfacecolor": "white",
    "markeredgecolor": INK,
    "markeredgewidth": 0.7,
    "zorder": 2,
    "clip_on": False,
}

Spread = dict[str, list[CountedField]]


def field_spread(comparisons: Comparisons, evidence: Evidence) -> Drawn | None:
    """A row of points for each specimen; for many specimens their spread against their mean. None without fields."""
    spread = _by_specimen(comparisons, evidence)
    if not spread:
        return None
    ratio = dispersion(spread)
    told = "" if ratio is None else _SCATTER.format(fixed(ratio, 1))
    with canvas(4.0 if len(spread) > _MOST_ROWS else 0.9 + 0.15 * len(spread)) as figure:
        axes = figure.add_subplot()
        caption = _clouds(axes, spread) if len(spread) > _MOST_ROWS else _rows(axes, spread, _intervals(comparisons))
        svg, png = rendered(figure)
    alt = f"Plot of the density of every field of {number_of(len(spread), 'specimen')}.{told}"
    return Drawn("fields", "Spread between the fields", caption + told, alt, svg, png)


def _by_specimen(comparisons: Comparisons, evidence: Evidence) -> Spread:
    """The specimens of one patient next to each other, in the order of the timepoints."""
    place = {timepoint: index for index, timepoint in enumerate(comparisons.timepoints)}
    patients = {patient: index for index, patient in enumerate(dict.fromkeys(row.patient for row in comparisons.rows))}
    rows = sorted(comparisons.rows, key=lambda row: (patients[row.patient], place.get(row.timepoint, len(place))))
    fields: Spread = {}
    for field in evidence.fields:
        fields.setdefault(field.specimen, []).append(field)
    named = {_name(row): fields.get(row.specimen or "", []) for row in rows}
    return {name: found for name, found in named.items() if found}


def _name(row: CountRow) -> str:
    return f"{row.patient} {row.timepoint}"


def dispersion(spread: Spread) -> float | None:
    """Variance over mean of the counts within specimens, pooled; None where it cannot be told."""
    above, below = 0.0, 0.0
    for fields in spread.values():
        for reader in sorted({field.source for field in fields}):
            counts = [field.count for field in fields if field.source == reader]
            if len(counts) > 1 and mean(counts) > 0:
                above += (len(counts) - 1) * variance(counts) / mean(counts)
                below += len(counts) - 1
    return above / below if below else None


def _intervals(comparisons: Comparisons) -> dict[str, tuple[float, float]]:
    """Of the MVD of each specimen that has one."""
    return {
        _name(row): (row.ci_low, row.ci_high)
        for row in comparisons.rows
        if row.ci_low is not None and row.ci_high is not None
    }


def _rows(axes: Axes, spread: Spread, intervals: Mapping[str, tuple[float, float]]) -> str:
    for y, (name, fields) in enumerate(spread.items()):
        values = [field.per_mm2 for field in fields]
        low, high = intervals.get(name, (min(values), max(values)))
        axes.plot([low, high], [y, y], color=INK if name in intervals else PALE, linewidth=0.8, zorder=1)
        heights = [y + aside for aside in beside(values, nearest=0.0, step=_STEP)]
        axes.plot(values, heights, **_CIRCLES)
        whole = sum(field.count for field in fields) / sum(field.evaluable_mm2 for field in fields)
        axes.plot([whole], [y], marker="|", markersize=8, markeredgewidth=2.2, color=INK, zorder=3)
    axes.set_yticks(range(len(spread)), [shortened(name) for name in spread], fontsize=6.5)
    axes.set_ylim(len(spread) - 0.4, -0.6)
    right = 1.1 * max((field.per_mm2 for fields in spread.values() for field in fields), default=0.0) or 1.0
    axes.set_xlim(-0.015 * right, right)
    axes.set_xlabel("density of the field [vessels/mm²]")
    axes.grid(axis="x")
    told = ", the thin line its interval, cut off where the picture ends" if intervals else ""
    return f"Circles are fields, the upright bar is the MVD of the specimen{told}."


def _clouds(axes: Axes, spread: Spread) -> str:
    several = [fields for fields in spread.values() if len(fields) > 1]
    means = [mean(field.count for field in fields) for fields in several]
    spreads = [math.sqrt(variance([f.count for f in fields])) for fields in several]
    axes.plot(means, spreads, **_CIRCLES)
    top = max(means, default=0.0) or 1.0
    line = [top * step / 50 for step in range(51)]
    axes.plot(line, [math.sqrt(x) for x in line], color=PALE, linestyle="--")
    axes.set_xlabel("mean count of the specimen's fields")
    axes.set_ylabel("standard deviation between its fields")
    axes.grid()
    alone = len(spread) - len(several)
    left = f" {number_of(alone, 'specimen')} of one field left out." if alone else ""
    return f"One circle is one specimen; on the dashed line the fields differ as much as chance alone makes them.{left}"
