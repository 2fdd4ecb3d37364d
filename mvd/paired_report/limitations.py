"""What a reader of the report must know before believing it: those limits that hold for this study."""

from __future__ import annotations

from collections.abc import Iterator

from mvd.compare.model import Comparisons
from mvd.paired_report.evidence import Evidence
from mvd.paired_report.words import density, number_of, shortened


def limitations(comparisons: Comparisons, evidence: Evidence) -> tuple[str, ...]:
    """Sentences, the gravest first."""
    return (*_of_counts(comparisons, evidence), *_of_statistics(comparisons))


def _of_counts(comparisons: Comparisons, evidence: Evidence) -> Iterator[str]:
    if evidence.protocol is not None:
        yield (
            "Research use only; not a medical device. The program has never been validated on CD34-stained marrow "
            "slides."
        )
        yield "Look at the field pictures: they show what the program found and numbered, before any review."
    if comparisons.unreviewed:
        yield f"Reviewed by nobody, so that the count is the program's own: {shortened(comparisons.unreviewed, 30)}."
    if rows := comparisons.cautioned:
        yield (
            f"{number_of(len(rows), 'count')} used with a caution: "
            f"{shortened([f'{row.name}, {row.caution}' for row in rows], 30)}."
        )
    if evidence.protocol is not None and evidence.protocol.fields.placement == "hotspot":
        yield "The fields are the densest ones: the MVD is an upper value, and no interval allows for the choice."
    areas = [row.area_mm2 for row in comparisons.rows if row.area_mm2]
    if areas:
        yield (
            f"A count over so small an area is coarse: one vessel more or less changes the MVD of a specimen by "
            f"{density(1 / max(areas))}"
            + ("" if max(areas) - min(areas) < 1e-9 else f" to {density(1 / min(areas))}")
            + " vessels/mm²."
        )
    if any(row.area_mm2 is None and row.mvd_per_mm2 is not None for row in comparisons.rows):
        yield "Some rows give a density without its area: whether their values are tied hangs on how they were rounded."


def _of_statistics(comparisons: Comparisons) -> Iterator[str]:
    later = comparisons.timepoints[1:]
    pairs = {name: sum(c.timepoint == name and c.difference is not None for c in comparisons.changes) for name in later}
    known = len({row.patient for row in comparisons.rows})
    for timepoint, number in pairs.items():
        if number < known:
            yield (
                f"At {timepoint}, {number_of(known - number, 'patient')} of {known} had no pair. If they differ from "
                "the others (patients who left the study, say), the comparison is not of all."
            )
    yield "Without a control group, a change after treatment need not be due to it."
    tested = sum(one.p_value is not None for one in comparisons.comparisons)
    if tested > 1:
        yield (
            f"{tested} p-values are given. Only where an adjusted p-value stands beside it was one adjusted for their "
            "number; take the others as descriptive."
        )
    yield (
        "A p-value says how surprising the data would be without a change; the shift and its interval say how large "
        "the change may be. A large p-value does not show that nothing changed."
    )
