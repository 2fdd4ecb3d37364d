"""Every patient's change as a bar, from the largest gain to the largest loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvd.compare.model import Comparisons, PatientChange
from mvd.paired_report.figures.style import (
    INK,
    NO_RESPONSE,
    Drawn,
    Look,
    bars,
    canvas,
    legend,
    looks,
    marks,
    rendered,
    shortened,
)
from mvd.paired_report.words import change as with_sign
from mvd.paired_report.words import number_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMES = 60
"""More patients than this, and their names below the bars could not be read."""
_MOST_PANELS = 4


def waterfall(comparisons: Comparisons) -> Drawn | None:
    """A panel for each later timepoint that has pairs; None without any."""
    panels = {
        timepoint: changes
        for timepoint in comparisons.timepoints[1:]
        if (changes := _largest_first(comparisons, timepoint))
    }
    if not panels:
        return None
    shown = dict(list(panels.items())[:_MOST_PANELS])
    found = looks(comparisons)
    with canvas(0.5 + 2.6 * len(shown)) as figure:
        for index, (timepoint, changes) in enumerate(shown.items(), start=1):
            axes = figure.add_subplot(len(shown), 1, index)
            _panel(axes, changes, found)
            pairs = number_of(len(changes), "pair")
            axes.set_title(f"{shortened(timepoint)} − {shortened(comparisons.timepoints[0])}: {pairs}", loc="left")
        legend(figure, found, filled=True)
        svg, png = rendered(figure)
    return Drawn(
        "waterfall",
        "Change of each patient, by response",
        "One bar is one pair: the later MVD minus the first, the largest gain left. A pair without a change is a point "
        "on the line." + (" Later timepoints are in the tables." if len(shown) < len(panels) else ""),
        f"Bar charts of the change in MVD, in vessels/mm². {' '.join(_in_words(shown))}",
        svg,
        png,
    )


def _largest_first(comparisons: Comparisons, timepoint: str) -> list[PatientChange]:
    pairs = [one for one in comparisons.changes if one.timepoint == timepoint and one.difference is not None]
    return sorted(pairs, key=lambda one: (-(one.difference or 0.0), one.patient))


def _panel(axes: Axes, changes: list[PatientChange], found: dict[str, Look]) -> None:
    for x, one in enumerate(changes):
        look = found[one.response or NO_RESPONSE]
        axes.bar(x, one.difference or 0.0, width=0.8, **bars(look))
        if not one.difference:
            axes.plot([x], [0.0], linestyle="none", clip_on=False, **marks(look))
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.spines["bottom"].set_visible(False)
    axes.set_ylabel("change [vessels/mm²]")
    axes.grid(axis="y")
    names = [shortened(one.patient, 14) for one in changes] if len(changes) <= _MOST_NAMES else []
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.7, max(len(changes), 6) - 0.3)


def _in_words(panels: dict[str, list[PatientChange]]) -> list[str]:
    told = []
    for timepoint, changes in panels.items():
        groups: dict[str, list[float]] = {}
        for one in changes:
            groups.setdefault(one.response or NO_RESPONSE, []).append(one.difference or 0.0)
        parts = [
            f"{group}: {sum(d > 0 for d in values)} up, {sum(d < 0 for d in values)} down, "
            f"{with_sign(min(values))} to {with_sign(max(values))}"
            for group, values in sorted(groups.items())
        ]
        told.append(f"{timepoint}: {'; '.join(parts)}.")
    return told
