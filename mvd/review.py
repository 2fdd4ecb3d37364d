"""Reviews of a study's specimens: opened, decided on, counted again, looked through.

A decision is appended to the observer's log before anything shows it. The machine's result is only read; the reviewed
count is `mvd.counting.count` of the vessels and fields as the corrections leave them. Whoever counts, by a command or
on a screen, counts here: the same log gives the same number.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mvd.corrections import Correction, Decision, Review, Status, go_on, record, replay
from mvd.counting import SpecimenCount, count
from mvd.errors import MvdError, StoreError
from mvd.fields import CountField, place_fields
from mvd.geometry import Raster, Rect
from mvd.manifest import can_name_files
from mvd.protocol import FieldPlan, Protocol
from mvd.record import MEASURED, NO_FIELDS, TOO_FEW_FIELDS
from mvd.sizes import count_by_size, with_size_classes
from mvd.store import SpecimenRow
from mvd.store.log import (
    HEAD_ENDING,
    Header,
    ReviewLog,
    append,
    begin_log,
    is_begun,
    log_path,
    logs_in,
    lost_logs,
    read_head,
    read_log,
    verify_log,
)
from mvd.store.measured import Measured, keep_measured, kept_in, read_measured
from mvd.version import program_version
from mvd.vessels import Vessel

KEPT_FOLDER = "results"
"""Beside an observer's logs: the results that they are of, as they were. A result that is measured anew, by another
version or protocol, then leaves the reviews of the earlier one whole."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenReview:
    """One observer's review of one specimen, as it is on the disk."""

    measured: Measured
    """The result that is reviewed."""
    log: ReviewLog
    review: Review
    outdated: str | None
    """A sentence where the specimen was measured anew since, with another outcome; the review goes on as it began."""


def open_review(results: Path, reviews: Path, *, specimen: str, observer: str) -> OpenReview:
    """A specimen for an observer to review. Where there is no log it is made, and the result is kept beside it.

    Parameters
    ----------
    results, reviews
        The study's folders of these names.

    Raises
    ------
    MvdError
        The observer's name, the specimen's result or the log cannot be used.
    """
    name = observer_name(reviews, observer)
    path = log_path(reviews, name, specimen)
    if is_begun(path) and (found := read_review(results, reviews, specimen=specimen, observer=name)):
        return found
    measured = keep_measured(results, path.parent / KEPT_FOLDER, specimen)
    header = Header(
        specimen=specimen,
        observer=name,
        slide_sha256=measured.slide_sha256,
        result_sha256=measured.machine.sha256,
        protocol=measured.protocol.digest,
        version=program_version(),
        made_at=datetime.now(UTC),
    )
    log = begin_log(path, header)
    return OpenReview(measured, log, replay(measured.machine, log.corrections), None)


def read_review(results: Path, reviews: Path, *, specimen: str, observer: str) -> OpenReview | None:
    """A review as it stands, None where the observer has none of this specimen; nothing is written."""
    path = log_path(reviews, observer, specimen)
    log = read_log(path)
    if log is None:
        return None
    if (log.header.specimen, log.header.observer) != (specimen, observer):
        raise StoreError(
            f"{path} is the review of {log.header.specimen} by {log.header.observer}; was it renamed? Put it back"
        )
    measured, outdated = _reviewed_result(log, results)
    return OpenReview(measured, log, replay(measured.machine, log.corrections), outdated)


def _reviewed_result(log: ReviewLog, results: Path) -> tuple[Measured, str | None]:
    """The result that a log is of, and a sentence where it is not the present one."""
    specimen, begun_on = log.header.specimen, log.header
    outdated = None
    for folder in (results, kept_in(log.path.parent / KEPT_FOLDER, begun_on.result_sha256)):
        try:
            measured = read_measured(folder, specimen)
        except StoreError as error:
            outdated = outdated or f"the present result cannot be read: {error}"
            continue
        if measured.machine.sha256 == begun_on.result_sha256:
            return measured, outdated
        outdated = outdated or (
            f"{specimen} was measured anew since, with another outcome; this is the review of the result of mvd "
            f"{begun_on.version} with protocol {begun_on.protocol}"
        )
    raise StoreError(
        f"{log.path} is of a result that is not there any more; measure {specimen} again with mvd {begun_on.version} "
        f"and the protocol {begun_on.protocol}, or move the log away and review it anew"
    )


def take(opened: OpenReview, decision: Decision, *, why: str = "") -> OpenReview:
    """The review after one more decision, which is on the disk when this returns.

    Raises
    ------
    MvdError
        It cannot be taken as things stand, or not be written; the review is as it was.
    """
    observer, version = opened.log.header.observer, program_version()
    correction = record(opened.review, decision, observer=observer, version=version, why=why)
    after = go_on(opened.review, [correction])
    return replace(opened, log=append(opened.log, correction), review=after)


def observer_name(reviews: Path, name: str) -> str:
    """An observer's name as it is used in the study.

    Raises
    ------
    StoreError
        It cannot be a folder's, or is another observer's but for capitals.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not can_name_files(name):
        raise StoreError(
            f"the observer's name '{name[:100]}' cannot be a folder's; use letters, digits, spaces and . _ -, no dot "
            "first or last"
        )
    for other in observers(reviews):
        if other != name and other.casefold() == name.casefold():
            raise StoreError(f"the observer '{name}' is written '{other}' in {reviews}; write one observer one way")
    return name


def observers(reviews: Path) -> tuple[str, ...]:
    """Everybody who has reviewed anything."""
    return tuple(dict.fromkeys(path.parent.name for path in logs_in(reviews)))


def known_observer(name: str, known: Iterable[str]) -> str:
    """An observer's name, as one of those who have reviewed something.

    Raises
    ------
    StoreError
        Nobody of that name has.
    """
    plain, everybody = unicodedata.normalize("NFC", name).strip(), sorted(set(known))
    if plain in everybody:
        return plain
    have = f"observers are {', '.join(everybody)}" if everybody else "nobody has"
    raise StoreError(f"nobody named '{name[:100]}' has reviewed anything here; {have}")


def reviewed_vessels(review: Review, protocol: Protocol) -> tuple[Vessel, ...]:
    """Every object that can touch a counted field, as reviewed; those that count with their size class."""
    fields = [field.rect for field in review.counted_fields]
    near = (vessel for vessel in review.vessels if any(_may_touch(vessel, rect) for rect in fields))
    return with_size_classes((replace(vessel, size_class="") for vessel in near), protocol.rule)


def _may_touch(vessel: Vessel, rect: Rect) -> bool:
    """Quick, and never False for one that does: an outline reaches half its length round from its centroid at most."""
    reach = vessel.perimeter_um
    return (
        rect.x0_um - reach <= vessel.x_um <= rect.x1_um + reach
        and rect.y0_um - reach <= vessel.y_um <= rect.y1_um + reach
    )


def reviewed_count(review: Review, protocol: Protocol) -> SpecimenCount | None:
    """The count of a review; None where the observer left no field to count in.

    Parameters
    ----------
    protocol
        That by which the specimen was measured.
    """
    fields = review.counted_fields
    if not fields:
        return None
    vessels = reviewed_vessels(review, protocol)
    return count(vessels, fields, border=protocol.fields.border, confidence=protocol.counts.confidence)


def reviewed_row(opened: OpenReview) -> SpecimenRow:
    """The specimen's row with the reviewed count.

    The hot spot's density and the covered areas are left empty: they need the slide.
    """
    review, protocol = opened.review, opened.measured.protocol
    counts = reviewed_count(review, protocol)
    status = NO_FIELDS if counts is None else MEASURED
    if counts is not None and len(counts.fields) < protocol.fields.number:
        status = TOO_FEW_FIELDS
    by_name = {vessel.name: vessel for vessel in reviewed_vessels(review, protocol)}
    counted = [by_name[name] for field in counts.fields for name in field.vessels] if counts else []
    return replace(
        opened.measured.row,
        status=status,
        reason="; ".join(_remarks(opened)),
        fields=len(review.counted_fields),
        count=counts.count if counts else None,
        ambiguous=sum(vessel.ambiguous for vessel in counted) if counts else None,
        area_mm2=counts.area_mm2 if counts else None,
        mvd_per_mm2=counts.mvd_per_mm2 if counts else None,
        ci_low=counts.ci_low_per_mm2 if counts else None,
        ci_high=counts.ci_high_per_mm2 if counts else None,
        hotspot_per_mm2=None,
        vessel_area_fraction=None,
        stained_area_fraction=None,
        chalkley=None,
        by_size=count_by_size(counted, protocol.rule) if counts else {},
    )


def field_at(
    evaluable: Raster, plan: FieldPlan, *, specimen: str, name: str, centre_um: tuple[float, float]
) -> CountField:
    """A field of the plan's size where an observer puts it, for `decide.move_field`.

    Parameters
    ----------
    evaluable
        True in evaluable involved marrow, as for `place_fields`.

    Raises
    ------
    FieldError
        Too little of it is evaluable there.
    """
    by_hand = plan.model_copy(update={"placement": "manual"})
    placement = place_fields(evaluable, by_hand, specimen=specimen, centres=np.array([centre_um]))
    return replace(placement.fields[0], name=name)


def _remarks(opened: OpenReview) -> Iterator[str]:
    """What whoever reads the count should know: what the program had to say, too."""
    if opened.measured.row.reason:
        yield opened.measured.row.reason
    for name, reviewed in opened.review.fields.items():
        if reviewed.unevaluable is not None:
            yield f"field {name} is left out: {reviewed.unevaluable}"
    if opened.review.hidden:
        yield "counted by the observer alone; what the program found is hidden"
    if opened.outdated:
        yield opened.outdated


@dataclass(frozen=True, slots=True)
class Audit:
    """What is found when one observer's log of one specimen is looked through."""

    path: Path
    observer: str
    specimen: str
    fault: str | None
    """The first thing that is wrong, as a sentence; None where all is as it was written."""
    notes: tuple[str, ...]
    """What is odd but harms nothing."""
    status: Status | None
    """None where there is a fault."""
    corrections: tuple[Correction, ...]
    """Empty where the log cannot be read."""


def audit_reviews(results: Path, reviews: Path) -> tuple[Audit, ...]:
    """Every log of a study: whether each line is as it was written and fits the result, and who decided what when."""
    found = (*(_audit(path, results) for path in logs_in(reviews)), *(_lost(path) for path in lost_logs(reviews)))
    return tuple(sorted(found, key=lambda audit: audit.path))


def _lost(path: Path) -> Audit:
    head = read_head(path)
    held = f" of {head.number} correction{'' if head.number == 1 else 's'}" if head else ""
    fault = f"the log{held} was removed, {path.with_suffix(HEAD_ENDING).name} is left; put it back from a copy"
    return Audit(path, path.parent.name, path.stem, fault, (), None, ())


def _audit(path: Path, results: Path) -> Audit:
    observer, specimen = path.parent.name, path.stem
    verified = verify_log(path)
    if verified.fault is not None:
        return Audit(path, observer, specimen, verified.fault, verified.notes, None, ())
    log = read_log(path)
    corrections = log.corrections if log else ()
    try:
        opened = read_review(results, path.parents[1], specimen=specimen, observer=observer)
    except MvdError as error:
        return Audit(path, observer, specimen, str(error), verified.notes, None, corrections)
    if opened is None:  # removed just now
        return Audit(path, observer, specimen, "it is not there any more", (), None, ())
    notes = (*verified.notes, *([opened.outdated] if opened.outdated else []))
    return Audit(path, observer, specimen, None, notes, opened.review.status, corrections)
