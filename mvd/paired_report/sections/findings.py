"""The page's first part: whose counts, what was found, and every test."""

from __future__ import annotations

from collections.abc import Iterator

from mvd.compare.model import Comparison, Comparisons
from mvd.paired_report.evidence import Evidence
from mvd.paired_report.markup import Html, joined, tag
from mvd.paired_report.methods import TESTS, methods_text, results_text
from mvd.paired_report.sections.parts import Cell, listing, number_cell, section, table, text_cell
from mvd.paired_report.tables import groups_in_words
from mvd.paired_report.words import (
    change,
    density,
    fixed,
    interval,
    number_of,
    p_value,
    percent,
    sentence,
    shortened,
    span,
)


def header(comparisons: Comparisons, evidence: Evidence, *, made_on: str, coded: bool) -> Html:
    """Title, whose counts these are, and what must be known at once."""
    patients = len({row.patient for row in comparisons.rows})
    measured = sum(row.mvd_per_mm2 is not None for row in comparisons.rows)
    size = f"{number_of(patients, 'patient')}, {number_of(measured, 'specimen')} with an MVD"
    source = f"{size}. Compared: {comparisons.source}."
    warnings = list(_warnings(comparisons, evidence))
    return tag(
        "header",
        tag("p", "Microvessel density before and after treatment", class_="kicker"),
        tag("h1", comparisons.title),
        tag("p", source, f" Made on {made_on}." if made_on else "", class_="lead"),
        tag("p", "Names of patients and specimens are replaced with keyed codes.", class_="note") if coded else None,
        tag("aside", tag("strong", "Before you read on"), listing(warnings), class_="warning") if warnings else None,
    )


def _warnings(comparisons: Comparisons, evidence: Evidence) -> Iterator[str]:
    if comparisons.unreviewed:
        number, names = len(comparisons.unreviewed), shortened(comparisons.unreviewed)
        yield f"{number_of(number, 'count')} reviewed by nobody: {names}. These are the program's own."
    if rows := comparisons.cautioned:
        names = shortened([f"{row.name} ({row.caution_in_short})" for row in rows])
        yield f"{number_of(len(rows), 'count')} used with a caution: {names}; see Exclusions."
    if comparisons.left_out:
        number = len({name for name, _ in comparisons.left_out})
        yield f"{number} left out of one comparison or all of them; see Exclusions."
    if evidence.protocol is not None:
        yield "Research use only. Not a medical device."


def timepoint_table(comparisons: Comparisons) -> Html:
    """The table of the source paper: timepoint, n, median, range, P."""
    first = comparisons.timepoints[0]
    tests = {one.name: one for one in comparisons.comparisons}
    rows, notes = [], []
    for summary in comparisons.summaries:
        test = tests.get(f"{summary.timepoint} vs {first}")
        rows.append(
            (
                text_cell(summary.timepoint),
                number_cell(str(summary.n), summary.n),
                number_cell(density(summary.median), summary.median),
                number_cell(span(summary.minimum, summary.maximum), summary.minimum),
                number_cell(f"{density(summary.q1)}–{density(summary.q3)}" if summary.n else "–", summary.q1),
                number_cell(p_value(test.p_value) if test else "", None),
            )
        )
        if test:
            notes.append(tag("p", _footnote(test), class_="note"))
    columns = ("Timepoint", "n", "Median MVD", "Range", "Quartiles", f"P, against {first}")
    shown = table("MVD in vessels/mm² by timepoint", columns, rows, class_="paper")
    return section("timepoints", "MVD by timepoint", shown, notes)


def _footnote(test: Comparison) -> str:
    pairs = number_of(test.n, "pair")
    if test.p_value is None:
        return sentence(f"{test.name}: no p-value, {pairs}: {test.note}")
    adjusted = "" if test.p_adjusted is None else f" After Holm's adjustment: {p_value(test.p_adjusted)}."
    return sentence(f"P of {test.name}: {TESTS[test.test]}, {test.alternative}, {pairs}, {test.method}") + adjusted


def tests_table(comparisons: Comparisons) -> Html:
    """Every test with what is needed to read its p-value, and what else the comparison gives."""
    columns = (
        "Comparison",
        "n",
        "Test",
        "P",
        "P\N{NO-BREAK SPACE}(Holm)",
        "Shift",
        "Interval",
        "Effect",
        "How, and notes",
    )
    rows = [_test_row(one) for one in comparisons.comparisons]
    shown = table("Every comparison; shifts in vessels/mm²", columns, rows, class_="tests")
    parts = [shown] if rows else [tag("p", "Nothing could be compared.")]
    return section("tests", "Comparisons", parts, _model(comparisons), _power(comparisons))


def _test_row(one: Comparison) -> tuple[Cell, ...]:
    level = "" if one.confidence is None else f" ({percent(round(one.confidence, 3))})"
    within = "" if one.ci_low is None else interval(one.ci_low, one.ci_high) + level
    effect = "" if one.effect is None else f"{fixed(one.effect, 2)} {one.effect_name}"
    return (
        text_cell(one.name),
        Cell(groups_in_words(one) or str(one.n), one.n, numeric=not one.groups),
        text_cell(f"{TESTS[one.test]}, {one.alternative}"),
        number_cell(p_value(one.p_value), one.p_value),
        number_cell(p_value(one.p_adjusted) if one.p_adjusted is not None else "", one.p_adjusted),
        number_cell(change(one.estimate) if one.estimate is not None else "", one.estimate),
        text_cell(within),
        text_cell(effect),
        text_cell("; ".join(part for part in (one.method, one.note) if part)),
    )


def _model(comparisons: Comparisons) -> Html | None:
    model = comparisons.model
    if not (model.terms or model.note or model.text):
        return None
    level = percent(comparisons.plan.confidence)
    rows = [
        (
            text_cell(term.name),
            number_cell(fixed(term.ratio, 2), term.ratio),
            text_cell(f"{fixed(term.ci_low, 2)} to {fixed(term.ci_high, 2)}"),
            number_cell(p_value(term.p_value), term.p_value),
        )
        for term in model.terms
    ]
    columns = ("Term", "Ratio of densities", f"{level} interval", "P, two-sided")
    return joined(
        tag("h3", "Sensitivity: a model of the counts"),
        tag("p", " ".join(sentence(part) for part in (model.text, model.method, model.note) if part)),
        table("Terms of the count model", columns, rows) if rows else None,
    )


def _power(comparisons: Comparisons) -> Html | None:
    if not comparisons.power:
        return None
    told = (
        f"{one.comparison}: {one.text}" if one.comparison not in one.text else one.text for one in comparisons.power
    )
    return joined(tag("h3", "What the design could have found"), listing(map(sentence, told)))


def words(comparisons: Comparisons, evidence: Evidence) -> Html:
    """Methods and results, ready to paste."""
    return section(
        "methods",
        "Methods and results, ready to paste",
        tag("h3", "Methods"),
        tag("div", (tag("p", text) for text in methods_text(comparisons, evidence)), class_="paste"),
        tag("h3", "Results"),
        tag("div", (tag("p", text) for text in results_text(comparisons)), class_="paste"),
    )
