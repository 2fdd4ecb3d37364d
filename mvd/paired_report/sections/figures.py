"""The figures within the page."""

from __future__ import annotations

from collections.abc import Sequence

from mvd.paired_report.figures import Drawn
from mvd.paired_report.inline import inline_svg
from mvd.paired_report.markup import Html, tag
from mvd.paired_report.sections.parts import section


def figures(drawn: Sequence[Drawn]) -> Html:
    """All figures, each with its caption and the names of its files."""
    shown = [_figure(number, figure) for number, figure in enumerate(drawn, start=1)]
    nothing = None if shown else tag("p", "There is nothing to draw: no MVD was measured.")
    return section("figures", "Figures", shown, nothing)


def _figure(number: int, figure: Drawn) -> Html:
    files = f"Files: figures/{figure.name}.svg, figures/{figure.name}.png."
    caption = tag(
        "figcaption",
        tag("strong", f"Figure {number}. {figure.title}."),
        f" {figure.caption} ",
        tag("span", files, class_="files"),
    )
    return tag("figure", inline_svg(figure), caption, class_="plot", id=f"figure-{figure.name}")
