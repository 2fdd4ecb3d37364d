"""Reading what a study has beside its counts. Reads only results and reviews: no slide is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields as attributes
from pathlib import Path
from typing import Any

from mvd.compare.model import Comparisons, CountRow
from mvd.counting import assign
from mvd.errors import MvdError
from mvd.manifest import Specimen
from mvd.paired_report.evidence import CountedField, Evidence, FieldPicture, ObserverRecord, Origin, ReadVessel
from mvd.protocol import Protocol
from mvd.review import OpenReview, observers, read_review, reviewed_count, reviewed_vessels
from mvd.store import SpecimenTables, VesselRow, read_result, read_tables, vessel_rows

PROGRAM = "program"
_MEAN_OF = "mean of "


def read_evidence(
    results: Path, reviews: Path, *, comparisons: Comparisons, specimens: Sequence[Specimen], protocol: Protocol
) -> Evidence:
    """Everything that the report shows of a study beside its numbers.

    Parameters
    ----------
    results, reviews
        The study's folders of these names; `reviews` need not exist.
    specimens
        Of the manifest.

    Raises
    ------
    MvdError
        A result is damaged, or an observer's log does not fit it.
    """
    rows = {row.specimen: row for row in comparisons.rows if row.specimen}
    fields: list[CountedField] = []
    vessels: list[ReadVessel] = []
    pictures: dict[tuple[str, str], FieldPicture] = {}
    origins: list[Origin] = []
    for specimen in specimens:
        name = specimen.specimen
        result, tables = read_result(results, name), read_tables(results, name)
        if result is None or tables is None:
            continue
        for reader in readers(rows[name]) if name in rows else ():
            _read(name, reader, tables=tables, folders=(results, reviews), into=(fields, vessels))
        pictures.update(_pictures(result, results, tables))
        if "slide" in result:
            origins.append(_origin(result, name))
    return Evidence(
        fields=tuple(fields),
        vessels=tuple(vessels),
        pictures=pictures,
        origins=tuple(origins),
        observers=tuple(_observers(results, reviews, [one.specimen for one in specimens])),
        protocol=protocol,
        file_names=tuple((one.specimen, tuple(_file_names(one))) for one in specimens),
    )


def readers(row: CountRow) -> tuple[str, ...]:
    """Whose counts a row is made of."""
    names = row.source.removeprefix(_MEAN_OF)
    return tuple(names.split(", ")) if names != row.source else (row.source,)


Gathered = tuple[list[CountedField], list[ReadVessel]]


def _read(name: str, reader: str, *, tables: SpecimenTables, folders: tuple[Path, Path], into: Gathered) -> None:
    """Fields and vessels of one specimen as one reader counted them."""
    fields, vessels = into
    if reader == PROGRAM:
        fields += [
            CountedField(
                row.specimen,
                row.field,
                PROGRAM,
                row.x_um,
                row.y_um,
                row.side_um,
                row.evaluable_mm2,
                row.count,
                row.per_mm2,
            )
            for row in tables.fields
        ]
        vessels += _by(PROGRAM, tables.vessels)
        return
    opened = read_review(*folders, specimen=name, observer=reader)
    if opened is not None:
        fields += _reviewed_fields(opened, name, reader)
        vessels += _by(reader, _reviewed_vessels(opened, name))


def _by(source: str, rows: Iterable[VesselRow]) -> Iterator[ReadVessel]:
    names = [attribute.name for attribute in attributes(VesselRow)]
    return (ReadVessel(**{name: getattr(row, name) for name in names}, source=source) for row in rows)


def _reviewed_fields(opened: OpenReview, name: str, reader: str) -> Iterator[CountedField]:
    counts = reviewed_count(opened.review, opened.measured.protocol)
    for row in counts.fields if counts else ():
        rect = row.field.rect
        place = (rect.x0_um, rect.y0_um, rect.width_um)
        yield CountedField(name, row.field.name, reader, *place, row.field.evaluable_mm2, row.count, row.per_mm2)


def _reviewed_vessels(opened: OpenReview, name: str) -> tuple[VesselRow, ...]:
    """Every object that can touch a counted field, as the observer left it."""
    review, protocol = opened.review, opened.measured.protocol
    vessels = reviewed_vessels(review, protocol)
    assignments = assign(vessels, review.counted_fields, protocol.fields.border)
    return vessel_rows(name, vessels, assignments=assignments)


def _pictures(
    result: dict[str, Any], results: Path, tables: SpecimenTables
) -> Iterator[tuple[tuple[str, str], FieldPicture]]:
    """Those that are there: a picture that was deleted is a gap on the page and no fault."""
    there = {path.name: path for name in result.get("pictures", ()) if (path := results / name).is_file()}
    for row in tables.fields:
        if path := there.get(f"field_{row.field}.png"):
            yield (row.specimen, row.field), FieldPicture(path, row.x_um, row.y_um, row.side_um, row.count)


def _origin(result: dict[str, Any], name: str) -> Origin:
    calibration, score = result["calibration"], result.get("score")
    return Origin(
        specimen=name,
        slide=result["slide"]["file"],
        slide_sha256=result["slide"]["sha256"],
        result_sha256=result["geojson_sha256"] or "",
        um_per_px=(calibration["um_per_px_x"] * calibration["um_per_px_y"]) ** 0.5,
        calibration=f"{calibration['source']}: {calibration['detail']}",
        stains=result["stains"]["source"],
        score=f"{score['model']} {score['version']}" if score else "none",
        protocol=result["protocol_digest"],
        version=result["version"],
        measured_at=result["analysed_at"],
    )


def _observers(results: Path, reviews: Path, specimens: Sequence[str]) -> Iterator[ObserverRecord]:
    """What each did; a review that cannot be read counts as not finished, for `mvd audit` names its fault."""
    for observer in observers(reviews) if reviews.is_dir() else ():
        opened = [found for name in specimens if (found := _opened(results, reviews, name, observer))]
        corrections = [one for review in opened for one in review.log.corrections]
        yield ObserverRecord(
            observer,
            finished=sum(one.review.status == "finished" for one in opened),
            begun=sum(one.review.status == "begun" for one in opened),
            corrections=len(corrections),
            last=max((one.made_at.isoformat(timespec="seconds") for one in corrections), default=""),
        )


def _opened(results: Path, reviews: Path, name: str, observer: str) -> OpenReview | None:
    try:
        return read_review(results, reviews, specimen=name, observer=observer)
    except MvdError:
        return None


def _file_names(specimen: Specimen) -> Iterator[str]:
    for path in (specimen.image, specimen.involved, specimen.fields):
        if path is not None:
            yield from (str(path), path.name, path.name.split(".")[0])
