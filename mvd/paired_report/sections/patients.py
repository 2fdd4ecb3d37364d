"""A page for each patient: the field pictures of each timepoint side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mvd.compare.model import Comparisons, CountRow
from mvd.paired_report.evidence import PROGRAM, CountedField, Evidence, FieldPicture
from mvd.paired_report.markup import Html, joined, tag
from mvd.paired_report.pictures import Embedded, embedded
from mvd.paired_report.sections.parts import section
from mvd.paired_report.words import change, count, density, fixed, listed, number_of, span

_KEY = (
    ("counted", "solid, cyan, with a number: counted"),
    ("rejected", "dotted, yellow: found and not counted, with the reason"),
    ("left-out", "dashed, white: a vessel that the border rule leaves out of the field"),
    ("unfit", "hatched: cannot be evaluated"),
)
_EDGES = {
    "frame": (
        ("includes", "solid, green: edge of the field that includes"),
        ("excludes", "dashed, red: edge that excludes"),
    ),
    "centre": (("field", "solid, blue: the field; a vessel counts where its centre lies"),),
    "touching": (("includes", "solid, green: the field; every vessel that touches it counts"),),
}
"""As the pictures are drawn."""

Fields = Mapping[str, Sequence[CountedField]]


@dataclass(frozen=True, slots=True)
class Shown:
    """The program's pictures, and those of them that the page holds."""

    pictures: Mapping[tuple[str, str], FieldPicture]
    drawn: Mapping[tuple[str, str], Embedded]


def patients(comparisons: Comparisons, evidence: Evidence) -> Html | None:
    """None for a table of counts without fields."""
    fields: dict[str, list[CountedField]] = {}
    for field in evidence.fields:
        fields.setdefault(field.specimen, []).append(field)
    if not fields:
        return None
    shown = Shown(evidence.pictures, embedded(evidence))
    people: dict[str, list[CountRow]] = {}
    for row in comparisons.rows:
        people.setdefault(row.patient, []).append(row)
    pages = [_patient(rows, comparisons, fields, shown) for rows in people.values()]
    return section("patients", "Patients", _introduction(evidence, shown.drawn), pages)


def _introduction(evidence: Evidence, pictures: Mapping[tuple[str, str], Embedded]) -> Html:
    if not evidence.pictures:
        return tag("p", "There are no field pictures; mvd run draws them.")
    if not pictures:
        return tag("p", f"{len(evidence.pictures)} field pictures are too many for one page; they are in the results.")
    lines = (*_KEY, *_EDGES[evidence.protocol.fields.border if evidence.protocol else "frame"])
    key = [tag("li", tag("span", class_=f"line {name}"), text) for name, text in lines]
    said = (
        "Each picture is one field with some of what lies round it, and a scale bar. It shows what the program found, "
        "before any review; a question mark says that an object is near a limit of the counting rule. Click on a "
        "picture, or go to it with the Tab key, to see it large."
    )
    return joined(tag("p", said), tag("ul", key, class_="key"))


def _patient(
    rows: Sequence[CountRow],
    comparisons: Comparisons,
    fields: Fields,
    shown: Shown,
) -> Html:
    place = {timepoint: index for index, timepoint in enumerate(comparisons.timepoints)}
    in_order = sorted(rows, key=lambda row: place.get(row.timepoint, len(place)))
    columns = [_specimen(row, fields.get(row.specimen or "", ()), shown) for row in in_order]
    response = next((row.response for row in rows if row.response), None)
    return tag(
        "article",
        tag("h3", f"Patient {rows[0].patient}", f" · {response}" if response else None),
        tag("p", listed(_told(rows[0].patient, comparisons)), class_="change"),
        tag("div", columns, class_="timepoints"),
        class_="patient",
    )


def _told(patient: str, comparisons: Comparisons) -> Iterator[str]:
    """The patient's changes in words."""
    for one in comparisons.changes:
        if one.patient != patient or one.timepoint not in comparisons.timepoints:
            continue
        if one.difference is None:
            yield f"{one.timepoint}: no pair ({one.missing})"
        else:
            ratio = "" if one.ratio is None else f", {fixed(one.ratio, 2)} times the first"
            yield f"{one.timepoint}: {change(one.difference)} vessels/mm²{ratio}"


def _specimen(row: CountRow, fields: Sequence[CountedField], shown: Shown) -> Html:
    head = tag("h4", row.timepoint, tag("span", f" {row.specimen}", class_="specimen") if row.specimen else None)
    if row.mvd_per_mm2 is None:
        told = f"No MVD: {row.reason}"
    else:
        counted = "" if row.count is None else f": {count(row.count)} vessels in {fixed(row.area_mm2, 4)} mm²"
        review = "" if row.reviewed else ", not reviewed"
        reader = "the program" if row.source == PROGRAM else row.source
        caution = f" ({row.caution_in_short})" if row.caution else ""
        interval = "" if row.ci_low is None else f" (interval {span(row.ci_low, row.ci_high)})"
        told = f"{density(row.mvd_per_mm2)} vessels/mm²{interval}{counted}, by {reader}{review}{caution}"
    if not shown.drawn:
        return tag("div", head, tag("p", told), tag("p", _field_list(fields)) if fields else None, class_="timepoint")
    figures = [
        _field(name, [field for field in fields if field.field == name], shown)
        for name in dict.fromkeys(field.field for field in fields)
    ]
    return tag(
        "div",
        head,
        tag("p", told),
        tag("div", figures, class_="fields"),
        class_="timepoint",
    )


def _field_list(fields: Sequence[CountedField]) -> str:
    """The fields without pictures."""
    readers = dict.fromkeys(field.source for field in fields)
    counts = {reader: [str(field.count) for field in fields if field.source == reader] for reader in readers}
    return "Vessels of the fields: " + "; ".join(f"{reader}: {', '.join(values)}" for reader, values in counts.items())


def _field(name: str, fields: Sequence[CountedField], shown: Shown) -> Html:
    picture = shown.pictures.get((fields[0].specimen, name))
    there = picture is not None and any(picture.shows(field) for field in fields)
    told = f"Field {name}: {_counts(fields, picture if there else None)}"
    densities = listed(dict.fromkeys(density(field.per_mm2) for field in fields))
    caption = tag("figcaption", told, tag("span", f"{densities}/mm²", class_="density"))
    drawn = shown.drawn.get((fields[0].specimen, name)) if there else None
    if drawn is None:
        why = "no picture" if picture is None or there else "no picture: counted at another place"
        return tag("figure", tag("div", why, class_="empty"), caption, class_="field")
    image = tag(
        "img",
        src=drawn.address,
        alt=f"Section with {told}, {densities} per mm²",
        width=str(drawn.width_px),
        height=str(drawn.height_px),
        decoding="async",
    )
    return tag("figure", image, caption, class_="field", tabindex="0")


def _counts(fields: Sequence[CountedField], picture: FieldPicture | None) -> str:
    """How many vessels, and by whom where it is not the program alone: its number is that of the picture."""
    if [field.source for field in fields] == [PROGRAM]:
        return number_of(fields[0].count, "vessel")
    counts = [f"{field.count} by {field.source}" for field in fields]
    return ", ".join([*counts, f"{picture.count} by the program"] if picture else counts)
