"""The figures of the report, each as SVG and PNG."""

from __future__ import annotations

from mvd.compare.model import Comparisons
from mvd.paired_report.evidence import Evidence
from mvd.paired_report.figures.boxes import box_plot
from mvd.paired_report.figures.fields import field_spread
from mvd.paired_report.figures.slopes import slope_plot
from mvd.paired_report.figures.style import Drawn
from mvd.paired_report.figures.waterfall import waterfall

__all__ = ["FIGURE_NAMES", "Drawn", "draw_figures"]

FIGURE_NAMES = ("slopes", "waterfall", "boxes", "fields")
"""Of the files, whether there is something to draw or not."""


def draw_figures(comparisons: Comparisons, evidence: Evidence) -> tuple[Drawn, ...]:
    """Those for which there is something to draw."""
    drawn = (
        slope_plot(comparisons),
        waterfall(comparisons),
        box_plot(comparisons),
        field_spread(comparisons, evidence),
    )
    return tuple(figure for figure in drawn if figure is not None)
