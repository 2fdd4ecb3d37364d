"""The page's last part: exclusions, agreement of observers, limits, where the numbers come from, what columns mean."""

from __future__ import annotations

from mvd.compare.model import Comparisons
from mvd.paired_report.definitions import DEFINITIONS
from mvd.paired_report.evidence import Evidence
from mvd.paired_report.limitations import limitations
from mvd.paired_report.markup import Html, joined, tag
from mvd.paired_report.methods import without_response
from mvd.paired_report.sections.parts import facts, listing, section, table, text_cell
from mvd.paired_report.tables import Sheet
from mvd.paired_report.words import listed, number_of, sentence
from mvd.version import program_version


def exclusions(comparisons: Comparisons) -> Html:
    """Who is in no test, or not in every one, and why."""
    rows = [(text_cell(name), text_cell(reason)) for name, reason in comparisons.left_out]
    shown = table("Left out, and why", ("Specimen or patient", "Reason"), rows) if rows else None
    nobody = None if rows else tag("p", "Every specimen entered every comparison between timepoints.")
    kept = [(text_cell(row.name), text_cell(row.caution)) for row in comparisons.cautioned]
    used = table("Used with a caution", ("Specimen", "What to know about it"), kept) if kept else None
    missing = None
    if comparisons.unreviewed:
        missing = tag("p", sentence(f"Reviewed by nobody: {listed(comparisons.unreviewed)}"))
    grouped = None
    if without := without_response(comparisons):
        text = f"{number_of(len(without), 'patient')} without a response, and in no comparison of responses"
        grouped = tag("p", sentence(f"{text}: {listed(without)}"))
    return section("exclusions", "Exclusions", shown, nobody, grouped, used, missing)


def agreement(evidence: Evidence) -> Html | None:
    """The tables that `mvd agree` gave; None where there are none."""
    if not evidence.agreement:
        return None
    parts = [
        joined(
            tag("h3", one.title),
            tag("p", one.note) if one.note else None,
            table(one.title, one.columns, [[text_cell(cell) for cell in row] for row in one.rows], class_="tests"),
        )
        for one in evidence.agreement
    ]
    return section("agreement", "Agreement of observers", parts)


def limits(comparisons: Comparisons, evidence: Evidence) -> Html:
    return section("limitations", "Limitations", listing(limitations(comparisons, evidence)))


def provenance(comparisons: Comparisons, evidence: Evidence) -> Html:
    """What the numbers trace back to."""
    pairs: list[tuple[str, str]] = [("Program", f"mvd {program_version()}"), ("Counts", comparisons.source)]
    plan = comparisons.plan
    said = ", ".join(f"{name} = {getattr(plan, name)!r}" for name in type(plan).model_fields)
    pairs.append(("Comparison", said))
    if evidence.protocol is not None:
        pairs.append(
            ("Protocol", f"{evidence.protocol.digest} (SHA-256, first 16 digits, of every choice that measures)")
        )
    parts = [facts(pairs), _observers(evidence), _origins(evidence)]
    if evidence.protocol is not None:
        text = tag("pre", evidence.protocol.to_toml())
        parts.append(tag("details", tag("summary", "The protocol, with every choice"), text))
    return section("provenance", "Provenance", parts)


def _observers(evidence: Evidence) -> Html | None:
    if not evidence.observers:
        return tag("p", "No observer has reviewed anything.") if evidence.protocol else None
    rows = [
        [text_cell(text) for text in (one.observer, str(one.finished), str(one.begun), str(one.corrections), one.last)]
        for one in evidence.observers
    ]
    return table("Observers", ("Observer", "Finished", "Begun", "Corrections", "Last correction (UTC)"), rows)


def _origins(evidence: Evidence) -> Html | None:
    if not evidence.origins:
        return None
    columns = ("Specimen", "Slide", "SHA-256 of the slide", "SHA-256 of its vessels", "µm/px", "Pixel size from",
               "Stain vectors", "Score", "Protocol", "mvd", "Measured (UTC)")  # fmt: skip
    rows = [
        [
            text_cell(text)
            for text in (
                one.specimen,
                one.slide,
                one.slide_sha256,
                one.result_sha256,
                "" if one.um_per_px is None else f"{one.um_per_px:.4g}",
                one.calibration,
                one.stains,
                one.score,
                one.protocol,
                one.version,
                one.measured_at,
            )
        ]
        for one in evidence.origins
    ]
    return table("What each specimen's numbers were made from", columns, rows, class_="origins")


def definitions(sheets: tuple[Sheet, ...], files: tuple[str, ...]) -> Html:
    """The files beside this page, and their columns."""
    rows = [
        [text_cell(text) for text in (f"{sheet.name}.csv", column, *DEFINITIONS[sheet.name][column])]
        for sheet in sheets
        for column in sheet.row_type.__dataclass_fields__
    ]
    shown = table("Columns of the tables", ("Table", "Column", "Unit", "Meaning"), rows)
    said = (
        f"Beside this page: {listed(files)}. In the CSV files an empty cell is an absent value, and a text that a "
        "spreadsheet would run as a formula has an apostrophe before it; in paired.xlsx every text is a text as it is."
    )
    return section(
        "definitions", "Definitions and files", tag("p", said), tag("details", tag("summary", "Columns"), shown)
    )
