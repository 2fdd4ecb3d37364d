"""The MVD of every specimen by timepoint: boxes, and the points they are made of."""

from __future__ import annotations

from mvd.compare.model import Comparisons, TimepointSummary
from mvd.paired_report.figures.style import (
    INK,
    NO_RESPONSE,
    UNIT,
    Drawn,
    beside,
    canvas,
    legend,
    looks,
    marks,
    rendered,
    scale_from_zero,
    shortened,
)
from mvd.paired_report.words import density, span

_BOX_WIDTH = 0.32
_MARKS_HIGH = 42
"""Points of this size that fit below each other on the axis."""
_POINTS_FROM = 0.42
"""How far right of the box its points begin."""


def box_plot(comparisons: Comparisons) -> Drawn | None:
    """None where nothing was measured."""
    summaries = [summary for summary in comparisons.summaries if summary.n]
    if not summaries:
        return None
    found = looks(comparisons)
    tops = [summary.maximum or 0.0 for summary in summaries]
    with canvas(3.9) as figure:
        axes = figure.add_subplot()
        axes.bxp(
            [_box(summary) for summary in summaries],
            positions=[float(x) for x in range(len(summaries))],
            widths=_BOX_WIDTH,
            showfliers=False,
            boxprops={"color": INK, "linewidth": 1.0},
            medianprops={"color": INK, "linewidth": 3.0},
            whiskerprops={"color": INK, "linewidth": 1.0},
            capprops={"color": INK, "linewidth": 1.0},
        )
        for x, summary in enumerate(summaries):
            rows = [r for r in comparisons.rows if r.timepoint == summary.timepoint and r.mvd_per_mm2 is not None]
            values = [row.mvd_per_mm2 or 0.0 for row in rows]
            for row, y, aside in zip(rows, values, beside(values, nearest=max(tops) / _MARKS_HIGH), strict=True):
                look = found[row.response or NO_RESPONSE]
                axes.plot([x + _POINTS_FROM + aside], [y], linestyle="none", **marks(look))
        ticks = [f"{shortened(summary.timepoint)}\nn = {summary.n}" for summary in summaries]
        axes.set_xticks([x + _POINTS_FROM / 2 for x in range(len(summaries))], ticks)
        axes.set_xlim(-0.4, len(summaries) - 1 + 0.9)
        axes.set_ylabel(UNIT)
        scale_from_zero(axes, tops)
        legend(figure, found)
        svg, png = rendered(figure)
    return Drawn(
        "boxes",
        "All specimens by timepoint",
        "Box: quartiles and median; whiskers: the whole range. Beside each box every specimen is a point; equal values "
        "lie next to each other.",
        "Box plot of the MVD in vessels/mm². " + " ".join(map(_in_words, summaries)),
        svg,
        png,
    )


def _box(summary: TimepointSummary) -> dict[str, object]:
    return {
        "med": summary.median,
        "q1": summary.q1,
        "q3": summary.q3,
        "whislo": summary.minimum,
        "whishi": summary.maximum,
        "label": summary.timepoint,
    }


def _in_words(summary: TimepointSummary) -> str:
    return (
        f"{summary.timepoint}: median {density(summary.median)}, quartiles {density(summary.q1)} and "
        f"{density(summary.q3)}, range {span(summary.minimum, summary.maximum)}, n = {summary.n}."
    )
