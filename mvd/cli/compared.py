"""A comparison as a person reads it on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from mvd.cli.screen import printable, screen
from mvd.compare import Comparison, Comparisons, CountModel

_ABSENT = "–"
_TITLES = {
    "wilcoxon_signed_rank": "Wilcoxon signed rank",
    "mann_whitney": "Mann-Whitney",
    "friedman": "Friedman",
}


def print_comparisons(found: Comparisons) -> None:
    """Tables of timepoints and tests, then everything that has to be known to read a p-value."""
    console = screen()
    console.print(*_wrapped(f"{found.title}: {found.source}", console.width), "", sep="\n")
    console.print(_timepoints(found), "")
    if found.comparisons:
        console.print(_tests(found.comparisons), "")
    else:
        console.print("There is only one timepoint, and nothing to compare.")
    for line in _lines(found):
        console.print(*_wrapped(line, console.width), sep="\n")


def _wrapped(line: str, width: int) -> list[Text]:
    """Lines that go on are indented further; a name is never run as markup."""
    indent = " " * (len(line) - len(line.lstrip()))
    lines = textwrap.wrap(printable(line), width, subsequent_indent=f"{indent}  ")
    return [Text(line) for line in lines]


def _timepoints(found: Comparisons) -> Table:
    table = _table("timepoint", "n", "median MVD/mm²", "range", "quartiles", "mean", "SD")
    for one in found.summaries:
        table.add_row(
            Text(printable(one.timepoint)),
            str(one.n),
            number(one.median),
            _span(one.minimum, one.maximum),
            _span(one.q1, one.q3),
            number(one.mean, decimals=1),
            number(one.sd, decimals=1),
        )
    return table


def _tests(comparisons: Sequence[Comparison]) -> Table:
    adjusted = any(one.p_adjusted is not None for one in comparisons)
    columns = ("p", "p (Holm)") if adjusted else ("p",)
    table = _table("comparison", "test", "n", *columns, "shift/mm²", "interval", "effect")
    for one in comparisons:
        n = " + ".join(str(size) for _, size in one.groups) or str(one.n)
        p_values = [p_text(one.p_value), p_text(one.p_adjusted)][: len(columns)]
        table.add_row(
            Text(printable(one.name)),
            _TITLES[one.test],
            n,
            *p_values,
            number(one.estimate, sign="+"),
            _span(one.ci_low, one.ci_high, between=" to "),
            _ABSENT if one.effect is None else f"{one.effect:+.2f}",
        )
    return table


def _lines(found: Comparisons) -> Iterator[str]:
    """What the tables have no room for."""
    yield from _how(found.comparisons)
    yield from _notes(found.comparisons)
    yield from _model(found.model, found.plan.confidence)
    if found.power:
        yield "What the design could have found"
        yield from (f"  {one.comparison}: {one.text}" for one in found.power)
    missing = [f"  {c.patient}, {c.timepoint}: {c.missing}" for c in found.changes if c.missing]
    if missing:
        yield "No pair"
        yield from missing
    if found.cautioned:
        yield "Counted with a caution"
        yield from (f"  {row.name}: {row.caution}" for row in found.cautioned)
    if found.unreviewed:
        yield f"Not reviewed by any observer: {', '.join(found.unreviewed)}"


def _how(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """The method of each test that gave a p, said once for all the tests that share it."""
    methods: dict[str, list[str]] = {}
    for one in (one for one in comparisons if one.p_value is not None):
        method = f"{_TITLES[one.test]}, {one.alternative}, {one.method}"
        methods.setdefault(method, []).append(one.name)
    if methods:
        yield "How p was computed"
    for method, names in methods.items():
        yield f"  {method}"
        yield f"    {', '.join(names)}"


def _notes(comparisons: Sequence[Comparison]) -> Iterator[str]:
    notes: dict[str, list[str]] = {}
    for one in comparisons:
        if one.note:
            notes.setdefault(one.note, []).append(one.name)
    if notes:
        yield "Notes"
    for note, names in notes.items():
        yield f"  {', '.join(names)}: {note}"


def _model(model: CountModel, confidence: float) -> Iterator[str]:
    yield "Ratios of densities by a model of the counts (sensitivity analysis)"
    for term in model.terms:
        interval = f"{term.ci_low:.2f} to {term.ci_high:.2f}"
        yield f"  {term.name}: {term.ratio:.2f} ({confidence:.0%} interval {interval}), p = {p_text(term.p_value)}"
    if model.text:
        yield f"  {model.method}; {model.text}"
    if model.note:
        yield f"  {'not fitted: ' if not model.terms else ''}{model.note}"


def number(value: float | None, *, decimals: int | None = None, sign: str = "") -> str:
    """A density as the tables of papers give it: 52.8, 160, 38.4."""
    if value is None:
        return _ABSENT
    if decimals is not None:
        return f"{value:{sign}.{decimals}f}"
    rounded = round(value, 1) + 0.0  # no negative zero
    return f"{rounded:{sign if rounded else ''}.1f}".removesuffix(".0")


def p_text(p: float | None) -> str:
    if p is None:
        return _ABSENT
    return "<0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.1 else f"{p:.3f}"


def _span(low: float | None, high: float | None, between: str = "–") -> str:
    return _ABSENT if low is None or high is None else f"{number(low)}{between}{number(high)}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, name in enumerate(columns):
        left = place == 0 or name == "test"
        table.add_column(Text(name), justify="left" if left else "right", no_wrap=not left)
    return table
