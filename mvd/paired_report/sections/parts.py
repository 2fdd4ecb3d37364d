"""What several parts of the page are put together from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mvd.paired_report.markup import Content, Html, joined, tag


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    content: Content
    number: float | None = None
    """By which a sortable table sorts; None sorts by the text."""
    numeric: bool = False
    """Set to the right."""
    width: str | None = None
    """How its lines are parted: 'long' anywhere, 'short' nowhere, 'sentence' only where it is wide."""


def section(name: str, title: str, *content: Content) -> Html:
    """A part with its heading; `name` is its anchor."""
    return tag("section", tag("h2", title), *content, id=name)


_LONGEST_WORD, _LONGEST_LINE = 24, 16
"""A longer word may be parted anywhere, so that no name pushes the other columns off the page; a shorter text is not
parted at all."""


def text_cell(text: str | None) -> Cell:
    return Cell(text or "", width=_width(text or ""))


def _width(text: str) -> str | None:
    if max(map(len, text.split()), default=0) > _LONGEST_WORD:
        return "long"
    return "short" if 0 < len(text) <= _LONGEST_LINE else None


def number_cell(shown: str, value: float | None) -> Cell:
    return Cell(shown, value, numeric=True)


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, sortable: bool = False, class_: str = ""
) -> Html:
    """A table that scrolls within itself where the screen is narrow. The first cell of a row is its heading."""
    laid = list(rows)
    right = [bool(laid) and all(row[index].numeric for row in laid) for index in range(len(columns))]
    heads = [_head(name, sortable, numeric) for name, numeric in zip(columns, right, strict=True)]
    body = [tag("tr", (_cell(cell, first=index == 0) for index, cell in enumerate(row))) for row in laid]
    whole = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", heads)),
        tag("tbody", body),
        class_=f"{class_} sortable".strip() if sortable else class_ or None,
    )
    return tag("div", whole, class_="scroll", role="region", aria_label=caption, tabindex="0")


def _head(name: str, sortable: bool, numeric: bool) -> Html:
    # On paper the button is not there: browsers do not repeat a heading with one on the table's next page.
    printed = tag("span", name, class_="printed", aria_hidden="true")
    content = joined(tag("button", name, type="button"), printed) if sortable else name
    return tag("th", content, scope="col", class_="number" if numeric else None, aria_sort="none" if sortable else None)


def _cell(cell: Cell, *, first: bool) -> Html:
    value = None if cell.number is None else repr(cell.number)
    return tag(
        "th" if first else "td",
        cell.content,
        scope="row" if first else None,
        class_="number" if cell.numeric else cell.width,
        data_value=value,
    )


def listing(items: Iterable[Content]) -> Html:
    """A list with a point before each item."""
    return tag("ul", (tag("li", item) for item in items))


def facts(pairs: Iterable[tuple[str, Content]]) -> Html:
    """Terms and what is said of each."""
    return tag("dl", (joined(tag("dt", term), tag("dd", said)) for term, said in pairs))
