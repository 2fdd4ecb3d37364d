"""Every specimen and every pair, in tables that sort."""

from __future__ import annotations

from dataclasses import replace

from mvd.compare.model import Comparisons, CountRow, PatientChange
from mvd.paired_report.markup import Html, joined, tag
from mvd.paired_report.sections.parts import Cell, number_cell, section, table, text_cell
from mvd.paired_report.words import count, fixed, span, with_sign


def specimens_and_pairs(comparisons: Comparisons) -> Html:
    """The sortable tables."""
    names = any(row.specimen for row in comparisons.rows)
    reasons = any(row.reason for row in comparisons.rows)
    cautions = "Why no MVD, or caution" if reasons else "Caution"
    told = cautions if comparisons.cautioned else "Why no MVD" if reasons else ""
    intervals = any(row.ci_low is not None for row in comparisons.rows)
    density = f"MVD{' (interval)' if intervals else ''} [vessels/mm²]"
    columns = ["Patient", "Timepoint", "Specimen", "Response", "Count", "Area [mm²]", density, "Counted by",
               "Reviewed", told]  # fmt: skip
    order = {timepoint: index for index, timepoint in enumerate(comparisons.timepoints)}
    rows = [_specimen(row, order) for row in comparisons.rows]
    kept = [
        place
        for place, name in enumerate(columns)
        if (name != "Specimen" or names) and (place < len(columns) - 1 or told)
    ]
    columns, rows = [columns[place] for place in kept], [tuple(row[place] for place in kept) for row in rows]
    pairs = [_pair(one, order) for one in comparisons.pairs]
    chosen = [_pair(one, order) for one in comparisons.post_values]
    first = comparisons.timepoints[0]
    pair_columns = (
        "Patient",
        "Timepoint",
        "Response",
        f"MVD at {first}",
        "MVD later",
        "Change",
        "Ratio",
        "Why no pair",
    )
    return section(
        "specimens",
        "Specimens and pairs",
        table("Specimens; a click on a heading sorts", columns, rows, sortable=True),
        table("Pairs; densities in vessels/mm², a click on a heading sorts", pair_columns, pairs, sortable=True),
        table("Each patient's one value after treatment, and its change", pair_columns, chosen, sortable=True)
        if chosen
        else None,
    )


def _specimen(row: CountRow, order: dict[str, int]) -> tuple[Cell, ...]:
    density = fixed(row.mvd_per_mm2, 1)
    interval = tag("span", f"({span(row.ci_low, row.ci_high)})", class_="short")
    return (
        text_cell(row.patient),
        Cell(row.timepoint, order.get(row.timepoint)),
        text_cell(row.specimen),
        text_cell(row.response),
        number_cell(count(row.count), row.count),
        number_cell(fixed(row.area_mm2, 4), row.area_mm2),
        Cell(density if row.ci_low is None else joined(density, " ", interval), row.mvd_per_mm2, numeric=True),
        text_cell(row.source),
        text_cell("yes" if row.reviewed else "no"),
        _sentence_cell(row.reason or row.caution),  # never both
    )


def _pair(one: PatientChange, order: dict[str, int]) -> tuple[Cell, ...]:
    return (
        text_cell(one.patient),
        Cell(one.timepoint, order.get(one.timepoint, len(order))),
        text_cell(one.response),
        number_cell(fixed(one.pre, 1), one.pre),
        number_cell(fixed(one.post, 1), one.post),
        number_cell(with_sign(one.difference), one.difference),
        number_cell(fixed(one.ratio, 2), one.ratio),
        _sentence_cell(one.missing),
    )


def _sentence_cell(text: str | None) -> Cell:
    return replace(text_cell(text), width="sentence") if text else text_cell(text)
