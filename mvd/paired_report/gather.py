"""Reading what a study has beside its counts. Reads only results and reviews: no slide is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import fields as attributes
from pathlib import Path
from typing import Any

from mvd.compare.model import Comparisons, CountRow
from mvd.counting import assign
from mvd.errors import MvdError
from mvd.manifest import Manifest
from mvd.paired_report.agreed import AGREEMENT_FILE, agreement_table
from mvd.paired_report.evidence import PROGRAM, CountedField, Evidence, FieldPicture, ObserverRecord, Origin, ReadVessel
from mvd.protocol import Protocol
from mvd.review import OpenReview, observers, read_review, reviewed_count, reviewed_vessels
from mvd.store import SpecimenTables, VesselRow, read_result, read_tables, vessel_rows
from mvd.store.times import measured_at

_MEAN_OF = "mean of "


@dataclass(frozen=True, slots=True)
class Folders:
    """Of a study; none but the results need exist."""

    results: Path
    reviews: Path
    report: Path
    """Where `mvd agree` wrote its table."""


def read_evidence(study: Manifest, protocol: Protocol, *, comparisons: Comparisons, folders: Folders) -> Evidence:
    """Everything that the report shows of a study beside its numbers.

    Parameters
    ----------
    study
        Whose specimens are shown, those with a fault in their row as far as they were measured.

    Raises
    ------
    MvdError
        A result is damaged, or an observer's log does not fit it.
    """
    fields: list[CountedField] = []
    vessels: list[ReadVessel] = []
    pictures: dict[tuple[str, str], FieldPicture] = {}
    origins: list[Origin] = []
    rows = {row.specimen: row for row in comparisons.rows if row.specimen}
    times = measured_at(folders.results)
    for name, row in rows.items():
        result, tables = read_result(folders.results, name), read_tables(folders.results, name)
        if result is None or tables is None:
            continue
        for reader in readers(row) if row.mvd_per_mm2 is not None else ():
            _read(name, reader, tables=tables, folders=folders, into=(fields, vessels))
        pictures.update(_pictures(result, folders.results, tables))
        if "slide" in result:
            origins.append(_origin(result, name, measured_at=times.get(name, "not noted")))
    return Evidence(
        fields=tuple(fields),
        vessels=tuple(vessels),
        pictures=pictures,
        origins=tuple(origins),
        observers=tuple(_observers(folders, list(rows))),
        protocol=protocol,
        agreement=agreement_table(folders.report / AGREEMENT_FILE),
        file_names=tuple(_file_names(study, origins)),
    )


def readers(row: CountRow) -> tuple[str, ...]:
    """Whose counts a row is made of."""
    names = row.source.removeprefix(_MEAN_OF)
    return tuple(names.split(", ")) if names != row.source else (row.source,)


Gathered = tuple[list[CountedField], list[ReadVessel]]


def _read(name: str, reader: str, *, tables: SpecimenTables, folders: Folders, into: Gathered) -> None:
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
    opened = read_review(folders.results, folders.reviews, specimen=name, observer=reader)
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


def _origin(result: dict[str, Any], name: str, *, measured_at: str) -> Origin:
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
        measured_at=measured_at,
    )


def _observers(folders: Folders, specimens: Sequence[str]) -> Iterator[ObserverRecord]:
    """What each did; a review that cannot be read counts as not finished, for `mvd audit` names its fault."""
    for observer in observers(folders.reviews) if folders.reviews.is_dir() else ():
        opened = [found for name in specimens if (found := _opened(folders, name, observer))]
        corrections = [one for review in opened for one in review.log.corrections]
        yield ObserverRecord(
            observer,
            finished=sum(one.review.status == "finished" for one in opened),
            begun=sum(one.review.status == "begun" for one in opened),
            corrections=len(corrections),
            last=max((one.made_at.isoformat(timespec="seconds") for one in corrections), default=""),
        )


def _opened(folders: Folders, name: str, observer: str) -> OpenReview | None:
    try:
        return read_review(folders.results, folders.reviews, specimen=name, observer=observer)
    except MvdError:
        return None


def _file_names(study: Manifest, origins: Sequence[Origin]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names and paths of each specimen's files, as sentences about it may have them."""
    for one in study.specimens:
        paths = [path for path in (one.image, one.involved, one.fields) if path is not None]
        yield one.specimen, tuple(name for path in paths for name in (str(path), path.name, path.name.split(".")[0]))
    known = {one.specimen for one in study.specimens}
    for origin in origins:
        if origin.specimen not in known:
            yield origin.specimen, (origin.slide, origin.slide.split(".")[0])
