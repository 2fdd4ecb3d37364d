"""What an observer counted, specimen by specimen, where the review is finished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mvd.errors import MvdError, StoreError
from mvd.geometry import Rect
from mvd.manifest import Specimen
from mvd.review import OpenReview, known_observer, observers, read_review, reviewed_count, reviewed_vessels


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A finished review, and what counts in it."""

    specimen: Specimen
    opened: OpenReview
    vessels: Mapping[str, tuple[Rect, ...]]
    """Boxes of the vessels that the observer counts in each field, by the field's name."""


@dataclass(frozen=True, slots=True, eq=False)
class Reads:
    """What one observer finished."""

    observer: str
    reads: tuple[Read, ...]
    left_out: tuple[str, ...]
    """Sentences: which reviews cannot be used, and why."""


def observer_of(reviews: Path, name: str | None) -> str:
    """The observer whose corrections are meant: the one who is named, or the only one.

    Raises
    ------
    StoreError
        Nobody of that name has reviewed anything, or several have and none is named.
    """
    everybody = observers(reviews)
    if name is not None:
        return known_observer(name, everybody)
    if not everybody:
        raise StoreError("no observer has reviewed anything in this study; review some specimens with mvd review first")
    if len(everybody) > 1:
        raise StoreError(f"observers are {', '.join(everybody)}; name one of them: --observer '{everybody[0]}'")
    return everybody[0]


def read_finished(specimens: Iterable[Specimen], results: Path, reviews: Path, *, observer: str) -> Reads:
    """Every finished review of an observer; also of one who never saw what the program found."""
    reads, left_out = [], []
    for specimen in specimens:
        try:
            opened = read_review(results, reviews, specimen=specimen.specimen, observer=observer)
        except MvdError as error:
            left_out.append(str(error))
            continue
        if opened is None or opened.review.status == "not begun":
            continue
        vessels = _counted(opened)
        if opened.review.status != "finished":
            left_out.append(f"{specimen.specimen} is left out: the review is not finished")
        elif not vessels:
            left_out.append(f"{specimen.specimen} is left out: the observer left no field to count in")
        else:
            reads.append(Read(specimen, opened, vessels))
    return Reads(observer, tuple(reads), tuple(left_out))


def _counted(opened: OpenReview) -> dict[str, tuple[Rect, ...]]:
    review, protocol = opened.review, opened.measured.protocol
    counts = reviewed_count(review, protocol)
    if counts is None:
        return {}
    boxes = {vessel.name: vessel.bounds for vessel in reviewed_vessels(review, protocol)}
    return {found.field.name: tuple(boxes[name] for name in found.vessels) for found in counts.fields}
