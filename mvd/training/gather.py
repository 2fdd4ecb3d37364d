"""The labels of a study: every observer's reviews, specimen by specimen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mvd.errors import MvdError, TrainingError
from mvd.geometry import Rect, Ring
from mvd.manifest import Specimen
from mvd.protocol import Protocol
from mvd.review import observers, read_review
from mvd.training.labels import Label, labels_of, matched

LEAST_OF_EACH = 30
"""Vessels, and other things, also among the candidates about which the score decides. On 50
simulated sections a score that learned from 27 other things gained four fifths of what one of 88 gained (log-loss on
sections held back, against the bare share of vessels), one of 8 half of it."""
LEAST_SPECIMENS = 3
"""With fewer there is no fold without the specimen that is held back and still another one to learn from."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """What the observers of one specimen decided."""

    specimen: Specimen
    protocol: Protocol
    """By which it was measured."""
    fields: tuple[Rect, ...]
    """That were reviewed."""
    labels: tuple[tuple[str, Label], ...]
    """Each with the observer's name."""


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """The labels of a study."""

    specimens: tuple[Labelled, ...]
    left_out: tuple[str, ...]
    """Sentences: which reviews could not be used, and why."""

    @property
    def number(self) -> Counter[bool]:
        """How many labels say that it is a vessel, and how many that it is none."""
        return Counter(label.is_vessel for labelled in self.specimens for _, label in labelled.labels)

    @property
    def observers(self) -> tuple[str, ...]:
        return tuple(sorted({name for labelled in self.specimens for name, _ in labelled.labels}))


def gather(specimens: Iterable[Specimen], results: Path, reviews: Path) -> Gathered:
    """The labels in every review that was begun."""
    everybody, found, left_out = observers(reviews), [], []
    for specimen in specimens:
        protocol, rects, labels = None, dict[Rect, None](), list[tuple[str, Label]]()
        for observer in everybody:
            try:
                opened = read_review(results, reviews, specimen=specimen.specimen, observer=observer)
            except MvdError as error:
                left_out.append(str(error))
                continue
            if opened is None:
                continue
            own = labels_of(opened.review, opened.measured.protocol.fields)
            protocol = protocol or opened.measured.protocol
            rects |= dict.fromkeys(field.rect for field in opened.review.counted_fields)
            labels += [(observer, label) for label in own]
        if protocol is not None and labels:
            found.append(Labelled(specimen, protocol, tuple(rects), tuple(labels)))
    return Gathered(tuple(found), tuple(left_out))


def refuse_too_few(gathered: Gathered) -> None:
    """TrainingError where there is too little to learn from, and to hold back."""
    number, specimens = gathered.number, len(gathered.specimens)
    if not specimens:
        raise TrainingError("no observer has decided on anything in this study; review some specimens first")
    if specimens < LEAST_SPECIMENS:
        raise TrainingError(
            f"observers decided on candidates of {specimens} specimen{'s' * (specimens > 1)}; a model needs at least "
            f"{LEAST_SPECIMENS}, so that it can be tried on specimens that it has not seen"
        )
    if min(number[True], number[False]) < LEAST_OF_EACH:
        raise TrainingError(
            f"observers took {number[True]} candidates for vessels and {number[False]} for something else; a model "
            f"needs at least {LEAST_OF_EACH} of each; review more fields"
        )


def agreed(labels: Sequence[tuple[str, Label]], outlines: Sequence[Ring]) -> tuple[dict[int, Label], int]:
    """One label for each candidate on which all observers agree, and the number on which they do not.

    Parameters
    ----------
    outlines
        Of the candidates as they were found anew; the labels are given by their indices.
    """
    told: dict[int, list[Label]] = {}
    for index, label in matched((label for _, label in labels), outlines):
        told.setdefault(index, []).append(label)
    same = {index: own[0] for index, own in sorted(told.items()) if len({label.is_vessel for label in own}) == 1}
    return same, len(told) - len(same)
