"""The whole page: one file that needs no other, asks no network for anything, and can run no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from mvd.compare.model import Comparisons
from mvd.paired_report.evidence import Evidence
from mvd.paired_report.figures import Drawn
from mvd.paired_report.markup import Html, joined, tag
from mvd.paired_report.sections import closing, figures, findings, listing, patients
from mvd.paired_report.tables import Sheet

_PARTS = (
    ("timepoints", "MVD by timepoint"),
    ("tests", "Comparisons"),
    ("figures", "Figures"),
    ("methods", "Methods and results"),
    ("specimens", "Specimens and pairs"),
    ("patients", "Patients"),
    ("agreement", "Agreement"),
    ("exclusions", "Exclusions"),
    ("limitations", "Limitations"),
    ("provenance", "Provenance"),
    ("definitions", "Definitions"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """What the page is made of, beside the comparisons and the evidence."""

    drawn: Sequence[Drawn]
    tables: tuple[Sheet, ...]
    files: tuple[str, ...]
    """Names of what lies beside the page."""
    made_on: str
    coded: bool
    """Whether codes stand for names."""


def page_html(comparisons: Comparisons, evidence: Evidence, page: Page) -> str:
    """The page as text."""
    style, script = _file("page.css"), _file("sort.js")
    body = {
        "timepoints": findings.timepoint_table(comparisons),
        "tests": findings.tests_table(comparisons),
        "figures": figures.figures(page.drawn),
        "methods": findings.words(comparisons, evidence),
        "specimens": listing.specimens_and_pairs(comparisons),
        "patients": patients.patients(comparisons, evidence),
        "agreement": closing.agreement(evidence),
        "exclusions": closing.exclusions(comparisons),
        "limitations": closing.limits(comparisons, evidence),
        "provenance": closing.provenance(comparisons, evidence),
        "definitions": closing.definitions(page.tables, page.files),
    }
    links = [tag("li", tag("a", title, href=f"#{name}")) for name, title in _PARTS if body[name] is not None]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="referrer", content="no-referrer"),
        tag("title", f"{comparisons.title}: MVD before and after treatment"),
        tag("style", style),
    )
    top = findings.header(comparisons, evidence, made_on=page.made_on, coded=page.coded)
    whole = tag(
        "body",
        top,
        tag("nav", tag("ul", links), aria_label="Parts of this report"),
        tag("main", (body[name] for name, _ in _PARTS)),
        tag("script", script),
    )
    return joined(Html("<!DOCTYPE html>\n"), tag("html", head, whole, lang="en")) + "\n"


def _policy(script: str) -> str:
    """Nothing may be loaded; styles stand in the page (figures have some on their elements), and one script runs."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _file(name: str) -> Html:
    """A file of this package, as it is."""
    return Html(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
