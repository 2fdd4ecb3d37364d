"""The study in the words of a methods section and of a results section, ready to paste."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator, Sequence

from mvd.compare.model import Comparison, Comparisons
from mvd.paired_report.evidence import Evidence
from mvd.paired_report.tables import groups_in_words
from mvd.paired_report.words import (
    change,
    density,
    fixed,
    interval,
    listed,
    number_of,
    p_clause,
    percent,
    sentence,
    span,
)
from mvd.protocol import Protocol
from mvd.version import program_version

TESTS = {
    "wilcoxon_signed_rank": "Wilcoxon signed-rank test",
    "mann_whitney": "Mann–Whitney test",
    "friedman": "Friedman test",
}
"""As a reader calls them."""

_PLACEMENT = {
    "systematic": "placed systematically with a uniform random start",
    "hotspot": "placed where vessels were densest",
    "manual": "placed by hand",
}
_BORDER = {
    "frame": "by the unbiased counting frame (Gundersen 1977), whose top and right edges include and whose left and "
    "bottom edges exclude",
    "centre": "where its reference point lay inside",
    "touching": "when it touched the field",
}
_POST = {
    "earliest": "the earliest later timepoint that was measured",
    "latest": "the latest timepoint that was measured",
    "mean": "the mean of all later timepoints that were measured",
}
_ZEROS = {
    "wilcoxon": "Pairs without a difference were dropped before ranking (Wilcoxon)",
    "pratt": "Pairs without a difference were ranked and then dropped (Pratt)",
}


def methods_text(comparisons: Comparisons, evidence: Evidence) -> tuple[str, ...]:
    """Paragraphs: specimens, counting, statistics."""
    paragraphs = (_specimens(comparisons), _counting(comparisons, evidence), _statistics(comparisons))
    return tuple(" ".join(sentence(text) for text in paragraph if text) for paragraph in map(list, paragraphs))


def results_text(comparisons: Comparisons) -> tuple[str, ...]:
    """What was found: the medians, then a sentence for each test."""
    return tuple(sentence(text) for text in _results(comparisons))


def _specimens(comparisons: Comparisons) -> Iterator[str]:
    measured = [row for row in comparisons.rows if row.mvd_per_mm2 is not None]
    patients = {row.patient for row in measured}
    per_time = [f"{summary.n} at {summary.timepoint}" for summary in comparisons.summaries]
    yield (
        f"MVD was measured in {number_of(len(measured), 'specimen')} of {number_of(len(patients), 'patient')} "
        f"({listed(per_time)})"
    )
    yield from _responses(comparisons)
    missing = len(comparisons.rows) - len(measured)
    if missing:
        yield f"{number_of(missing, 'further specimen')} could not be measured, and the reasons are listed"
    if rows := comparisons.cautioned:
        tally = Counter(row.caution_in_short for row in rows)
        kept = "was" if len(rows) == 1 else "were"
        why = listed(f"{number} {caution}" if len(tally) > 1 else f"{caution}" for caution, number in tally.items())
        yield f"{number_of(len(rows), 'specimen')} {kept} kept with a caution ({why})"


def _responses(comparisons: Comparisons) -> Iterator[str]:
    """How many patients with an MVD are in each response group, and in none."""
    measured = {row.patient for row in comparisons.rows if row.mvd_per_mm2 is not None}
    groups: dict[str, set[str]] = {}
    for row in comparisons.rows:
        if row.response and row.patient in measured:
            groups.setdefault(row.response, set()).add(row.patient)
    if groups:
        none = len(without_response(comparisons))
        rest = f"; {none} {'has' if none == 1 else 'have'} none" if none else ""
        yield f"Patients by response: {listed(f'{len(who)} {group}' for group, who in sorted(groups.items()))}{rest}"


def without_response(comparisons: Comparisons) -> tuple[str, ...]:
    """Patients with an MVD but no response; none in a study that knows of no responses at all."""
    known = {row.patient for row in comparisons.rows if row.response}
    measured = dict.fromkeys(row.patient for row in comparisons.rows if row.mvd_per_mm2 is not None)
    return tuple(patient for patient in measured if patient not in known) if known else ()


def _counting(comparisons: Comparisons, evidence: Evidence) -> Iterator[str]:
    if evidence.protocol is None:
        what = "Counts" if any(row.count is not None for row in comparisons.rows) else "Densities"
        yield f"{what} were taken from a table ({comparisons.source}); {_areas(comparisons)}"
        yield _mvd_of_table(comparisons)
    else:
        yield from _protocol(evidence.protocol, evidence)
        yield f"Compared were {comparisons.source}"
        yield (
            "The MVD of a specimen is the sum of the counts of its fields over the sum of their evaluable areas, in "
            "vessels/mm²"
        )
    if comparisons.unreviewed:
        yield (f"The counts of {number_of(len(comparisons.unreviewed), 'specimen')} were reviewed by nobody")


def _mvd_of_table(comparisons: Comparisons) -> str:
    """How a table's MVD came about, as far as the table tells."""
    computed = [row.count is not None for row in comparisons.rows if row.mvd_per_mm2 is not None]
    if computed and all(computed):
        return "The MVD of a specimen is its count over its area, in vessels/mm²"
    if any(computed):
        return "The MVD of a specimen is its count over its area, or else the density in the table, in vessels/mm²"
    return "The MVD of a specimen is the density in the table, in vessels/mm²; how it was counted is not told there"


def _areas(comparisons: Comparisons) -> str:
    measured = [row for row in comparisons.rows if row.mvd_per_mm2 is not None]
    areas = sorted({row.area_mm2 for row in measured if row.area_mm2 is not None})
    if not areas:
        return "densities, not areas, were given"
    only = sum(row.area_mm2 is None for row in measured)
    rest = f", and of {number_of(only, 'specimen')} only the density was given" if only else ""
    if len(areas) == 1:
        return f"{'specimens were' if only else 'each specimen was'} counted over {areas[0]:.6g} mm²{rest}"
    return f"specimens were counted over {areas[0]:.4g} to {areas[-1]:.4g} mm²{rest}"


def _protocol(protocol: Protocol, evidence: Evidence) -> Iterator[str]:
    plan, rule = protocol.fields, protocol.rule
    source = ", a modification of that of Kini et al. (Leukemia 2000;14:1414)" if rule.name == "kini" else ""
    yield (
        f"Sections stained for CD34 (DAB, haematoxylin) were counted with mvd {_versions(evidence)} "
        f"(protocol {protocol.digest}) by the counting rule '{rule.name}'{source}"
    )
    other = _other_numbers(plan.number, evidence)
    fields, were = ("One field", "was") if plan.number == 1 else (f"{plan.number} fields", "were")
    yield (
        f"{fields} of {plan.side_um:.6g} × {plan.side_um:.6g} µm ({plan.side_um**2 / 1e6:.4g} mm²) per specimen {were} "
        f"{'asked for, ' if other else ''}{_PLACEMENT[plan.placement]}, each with at least "
        f"{percent(plan.min_evaluable_fraction)} evaluable involved marrow{other}"
    )
    yield f"A vessel belonged to a field {_BORDER[plan.border]}"
    pixels = sorted({round(one.um_per_px, 4) for one in evidence.origins if one.um_per_px})
    if pixels:
        ends = f"{pixels[0]:g}" if len(pixels) == 1 else f"{pixels[0]:g} to {pixels[-1]:g}"
        yield f"Slides had {ends} µm per pixel"
    if protocol.review.blinded:
        yield "Observers were blinded to patient and timepoint"


def _other_numbers(asked: int, evidence: Evidence) -> str:
    """How many specimens were counted, by anyone whose counts are compared, in another number of fields."""
    counted = Counter((field.specimen, field.source) for field in evidence.fields)
    told = []
    for word, differs in (("fewer", operator.lt), ("more", operator.gt)):
        found = {specimen for (specimen, _), number in counted.items() if differs(number, asked)}
        numbers = sorted({number for number in counted.values() if differs(number, asked)})
        if found:
            span_of = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
            told.append(f"{number_of(len(found), 'specimen')} had {word} fields ({span_of})")
    return f"; {listed(told)}" if told else ""


def _versions(evidence: Evidence) -> str:
    return listed(sorted({one.version for one in evidence.origins}) or [program_version()])


def _statistics(comparisons: Comparisons) -> Iterator[str]:
    plan, tests = comparisons.plan, {one.test for one in comparisons.comparisons}
    if "wilcoxon_signed_rank" in tests:
        yield f"Timepoints were compared within patients by the Wilcoxon signed-rank test. {_ZEROS[plan.zeros]}"
    if "friedman" in tests:
        yield f"All of {listed(comparisons.timepoints)} were compared together by the Friedman test"
    if "mann_whitney" in tests:
        yield "Response groups were compared by the Mann–Whitney test"
    if len(comparisons.timepoints) > 2:
        yield f"A patient's one value after treatment is {_POST[plan.post]}"
    yield "Tied values got midranks; all tests are two-sided"
    for test, how in _ways(comparisons.comparisons):
        yield f"p-values of the {TESTS[test]}: {how}"
    if any(one.p_adjusted is not None for one in comparisons.comparisons):
        yield "Where several timepoints are tested, p-values are also given after Holm's adjustment"
    levels = [one.confidence for one in comparisons.comparisons if one.confidence is not None]
    if levels:
        fewer = (
            ", or of the level stated where so few values give none of that" if min(levels) < plan.confidence else ""
        )
        yield (
            f"Shifts are Hodges–Lehmann estimates with intervals of at least {percent(plan.confidence)} confidence"
            f"{fewer}, not adjusted for their number"
        )
    model = comparisons.model
    if model.terms:
        noted = f"; {model.note}" if model.note else ""
        yield f"As a sensitivity analysis the counts were modelled: {model.method}; {model.text}{noted}"
    elif model.note:
        yield f"As a sensitivity analysis no model of the counts was made: {model.note}"
    yield f"Computed with mvd {program_version()}"


def _ways(comparisons: Sequence[Comparison]) -> list[tuple[str, str]]:
    """Every method that gave a p-value, without what is said of single tests."""
    ways = [(one.test, one.method.split(";")[0].strip()) for one in comparisons if one.p_value is not None]
    return list(dict.fromkeys(ways))


def _results(comparisons: Comparisons) -> Iterator[str]:
    medians = [
        f"{density(one.median)} at {one.timepoint} (range {span(one.minimum, one.maximum)}, n = {one.n})"
        for one in comparisons.summaries
        if one.n
    ]
    if medians:
        yield f"Median MVD, in vessels/mm², was {listed(medians)}"
    for one in comparisons.comparisons:
        yield comparison_text(one)


def comparison_text(one: Comparison) -> str:
    """One test in a sentence, never a p-value without n, test, sidedness, and ties and zeros."""
    test, numbers = TESTS[one.test], f"n = {one.n}"
    if one.groups:
        numbers = f"{groups_in_words(one)}"
    if one.p_value is None:
        return f"{one.name}: no p-value ({one.note.rstrip('.') or 'no test was made'}; {numbers})"
    shift = ""
    if one.estimate is not None:
        within = interval(one.ci_low, one.ci_high)
        level = "" if one.confidence is None else f"{percent(round(one.confidence, 3))} interval "
        whose = f", {one.groups[0][0]} less {one.groups[1][0]}" if len(one.groups) > 1 else ""
        shift = f"shift {change(one.estimate)} vessels/mm²{whose} ({level}{within}), "
    adjusted = "" if one.p_adjusted is None else f", after Holm's adjustment {p_clause(one.p_adjusted)}"
    effect = "" if one.effect is None else f"; {one.effect_name} {fixed(one.effect, 2)}"
    how = f"{test}, {one.alternative}, {numbers}; {one.method}{effect}"
    return f"{one.name}: {shift}{p_clause(one.p_value)}{adjusted} ({how})"
