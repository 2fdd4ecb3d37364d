"""Figures of agreement: counts against counts, differences and ratios with their limits. Legible in black and white.

The same agreement gives the same bytes: no date is written, and the marks of the SVG are named by a fixed salt.
"""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mvd.agreement import Agreement, BlandAltman, Estimate, Pair
from mvd.agreement.compared import Level, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS, _PANEL_IN, _AXES_IN = 3, (3.3, 3.1), (2.3, 2.3)
_LEFT_IN, _BELOW_IN = 0.55, 0.5
"""Of a panel's axes, where their numbers and words stand. Fixed: laying out by content takes four times as long."""
_DPI = 150
_INK, _BAR, _MARK = "#111111", "#555555", "#1f4e79"
"""The mark's blue prints as a dark grey."""

_STYLE: Any = {
    "svg.hashsalt": "mvd",
    "svg.fonttype": "path",  # looks the same wherever it is opened
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 8,
    "text.parse_math": False,  # a name may hold dollar signs
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.linewidth": 0.8,
}
_LINE = 0.045
"""Height of a line of numbers beside an axis, as a share of it: a second number nearer than this is left out."""
_NARROW = 10.0
"""Highest over lowest ratio of an axis up to which every step of it can be labelled."""

_CAPTION = {
    "counts": "Each circle is one {level}; larger circles are several with the same counts. Dashed: equal counts.",
    "differences": "Each circle is one {level}; larger circles are several in one place. Solid: mean difference; "
    "dashed: limits that hold 95% of the differences; bars on the right: {confidence:.0%} intervals; dotted: no "
    "difference.",
    "ratios": "Each circle is one {level}; larger circles are several in one place. Solid: geometric mean of the "
    "ratios; dashed: limits that hold 95% of the ratios; bars on the right: {confidence:.0%} intervals; dotted: a "
    "ratio of 1. Where one of two counts is 0 there is no ratio.",
}

LEVELS: tuple[Level, ...] = ("field", "specimen")
FIGURE_FILES = tuple(
    f"agreement_{what}_{level}s.{kind}" for level in LEVELS for what in _CAPTION for kind in ("svg", "png")
)

Draw = Callable[["Axes", Pair], None]


def figures(agreement: Agreement) -> Iterator[tuple[str, bytes]]:
    """Each figure as SVG and PNG, with the name of its file; none where no two readers counted the same."""
    for level in LEVELS:
        pairs = [pair for pair in agreement.pairs if pair.level == level and len(pair.readers) == 2 and pair.n]
        for what, draw in (("counts", _counts), ("differences", _differences), ("ratios", _ratios)):
            drawn = [pair for pair in pairs if what != "ratios" or any(min(p.counts) > 0 for p in pair.points)]
            if drawn:
                caption = _CAPTION[what].format(level=level, confidence=agreement.confidence)
                yield from _figure(f"agreement_{what}_{level}s", drawn, draw, caption)


def _figure(name: str, pairs: Sequence[Pair], draw: Draw, caption: str) -> Iterator[tuple[str, bytes]]:
    from matplotlib import rc_context  # noqa: PLC0415  (half a second that only figures need)
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    columns = min(_COLUMNS, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    text = textwrap.fill(caption, 55 * columns)
    foot = 0.16 * (text.count("\n") + 1) + 0.1
    width, height = _PANEL_IN[0] * columns, _PANEL_IN[1] * rows + foot
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # a name in a script without letters
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        for number, pair in enumerate(pairs):
            x = _PANEL_IN[0] * (number % columns) + _LEFT_IN
            y = height - _PANEL_IN[1] * (number // columns + 1) + _BELOW_IN
            axes = figure.add_axes((x / width, y / height, _AXES_IN[0] / width, _AXES_IN[1] / height))
            axes.set_title(_short(pair.title, 40))
            draw(axes, pair)
        figure.text(0.1 / width, 0.08 / height, text, fontsize=7, va="bottom")
        metadata = {"Title": name, "Description": caption, "Creator": "mvd"}
        for kind, extra in (("svg", {"Date": None}), ("png", {"Creator": None, "Software": "mvd"})):
            data = io.BytesIO()
            figure.savefig(data, format=kind, dpi=_DPI, metadata={**metadata, **extra})
            yield f"{name}.{kind}", data.getvalue()


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _circles(axes: Axes, places: Sequence[tuple[float, float]]) -> None:
    """Open circles, their area as the number of points in one place."""
    number = Counter(places)
    x, y = zip(*number, strict=True)
    sizes = [16.0 * many for many in number.values()]
    axes.scatter(x, y, s=sizes, facecolors="none", edgecolors=_MARK, linewidths=0.9, zorder=3)


def _counts(axes: Axes, pair: Pair) -> None:
    first, second = (_short(reader.title, 28) for reader in pair.readers)
    highest = max(max(point.counts) for point in pair.points) or 1.0
    axes.plot([0, highest], [0, highest], color=_INK, linestyle="--", linewidth=0.8)
    _circles(axes, [(point.counts[1], point.counts[0]) for point in pair.points])
    axes.set(xlim=(-0.05 * highest, 1.08 * highest), ylim=(-0.05 * highest, 1.08 * highest), aspect="equal")
    axes.set_xlabel(f"{second}, {pair.unit}")
    axes.set_ylabel(f"{first}, {pair.unit}")
    correlation = _told(pair.icc_21, decimals=2)
    axes.text(0.03, 0.97, f"ICC(2,1) {correlation}\nn = {pair.n}", transform=axes.transAxes, va="top", fontsize=7)


def _told(estimate: Estimate, *, decimals: int) -> str:
    if estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return _number(estimate.value, decimals)
    value, low, high = (_number(number, decimals) for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def _differences(axes: Axes, pair: Pair) -> None:
    assert pair.difference is not None
    _circles(axes, [(sum(point.counts) / 2, point.counts[0] - point.counts[1]) for point in pair.points])
    _limits(axes, pair.difference, decimals=1)
    axes.set_xlabel(f"mean of the two, {pair.unit}")
    axes.set_ylabel(f"difference, {pair.unit}")


def _ratios(axes: Axes, pair: Pair) -> None:
    assert pair.ratio is not None
    both: list[Point] = [point for point in pair.points if min(point.counts) > 0]
    axes.set_yscale("log")
    _circles(axes, [(sum(point.counts) / 2, point.counts[0] / point.counts[1]) for point in both])
    _limits(axes, pair.ratio, decimals=2)
    axes.yaxis.set_major_formatter("{x:g}")
    low, high = axes.get_ylim()
    axes.yaxis.set_minor_formatter("{x:g}" if high / low <= _NARROW else lambda *_: "")
    axes.tick_params(axis="y", which="minor", labelsize=6)
    axes.set_xlabel(f"mean of the two, {pair.unit}")
    axes.set_ylabel("ratio")


def _limits(axes: Axes, found: BlandAltman, *, decimals: int) -> None:
    """Lines across, each with its value at the right edge, and their intervals as bars beside one another."""
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.12 * (right - left))  # room for the bars
    axes.axhline(0.0 if found.scale == "difference" else 1.0, color=_INK, linestyle=":", linewidth=0.8, zorder=1)
    for estimate, style, place in ((found.bias, "-", 0.97), (found.lower, "--", 0.94), (found.upper, "--", 0.94)):
        if estimate.value is None:
            continue
        axes.axhline(estimate.value, color=_INK, linestyle=style, linewidth=1.0, zorder=2)
        if estimate.low is not None and estimate.high is not None:
            across, ends = axes.get_yaxis_transform(), (estimate.low, estimate.high)
            axes.plot((place, place), ends, color=_BAR, linewidth=1.2, marker="_", transform=across, zorder=2)
    named: list[float] = []
    for value in (found.bias.value, found.lower.value, found.upper.value):
        if value is not None and all(abs(_height(axes, value) - other) > _LINE for other in named):
            named.append(_height(axes, value))
            axes.text(1.01, named[-1], _number(value, decimals), transform=axes.transAxes, va="center", fontsize=7)


def _height(axes: Axes, value: float) -> float:
    """Where a value is on the vertical axis: 0 at its foot, 1 at its top."""
    x, _ = axes.get_xlim()
    return float(axes.transAxes.inverted().transform(axes.transData.transform((x, value)))[1])


def _number(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0: no negative zero
