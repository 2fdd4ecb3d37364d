"""What an observer reads: specimens in the manifest's order, or, blinded, under codes in a random order of their own.

A blinded observer's order is drawn once and kept beside their logs. Specimens that come later are drawn among
themselves and put at the end: no code changes, and what was read is not read a third time. A random share is read
twice, the second time at a distance and under another code; second reads have logs of their own, in `repeats`.

Unblinding is a line in each log that the observer has begun, so that every review says for itself what was known.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mvd.corrections import Status, What, decide, status_after
from mvd.errors import MvdError, StoreError
from mvd.protocol import ReviewPlan
from mvd.review import KEPT_FOLDER, OpenReview, observer_name, open_review, read_review, take
from mvd.store.log import REVIEWS_FOLDER, log_path, logs_in, read_log
from mvd.store.measured import kept_in
from mvd.store.order import ORDER_FILE, Drawn, read_order, write_order
from mvd.study import PROTOCOL_FILE, RESULTS_FOLDER, read_protocol, read_study

REPEATS_FOLDER = "repeats"
"""In the study, built as `reviews`: second reads, which no count and no training takes for first ones."""

KNOWN_BEFORE = "the names were shown before this read began"
"""Why a review that is begun after unblinding is unblinded from its first line."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One read of one specimen."""

    code: str
    """R01, R02, … in a blinded study, also after unblinding; else the specimen's name."""
    specimen: str
    repeat: bool
    """Whether it is the second read."""
    title: str
    """What may be shown."""


def readings(study: Path, observer: str) -> tuple[Reading, ...]:
    """What an observer reads, in order. The order of a blinded study is drawn, and kept, when it is first asked for.

    Raises
    ------
    MvdError
        The study or the order cannot be read, or the order not be kept.
    """
    found = read_study(study)
    specimens = [specimen.specimen for specimen in found.manifest.specimens]
    if not found.protocol.review.blinded:
        return tuple(Reading(name, name, False, name) for name in specimens)
    name = observer_name(study / REVIEWS_FOLDER, observer)
    path = study / REVIEWS_FOLDER / name / ORDER_FILE
    before = read_order(path)
    drawn = draw_order(before, specimens, found.protocol.review, observer=name)
    if drawn != before:
        write_order(path, drawn)
    shown = is_unblinded(study, name)
    return tuple(
        Reading(row.code, row.specimen, row.repeat, _title(row, shown)) for row in drawn if row.specimen in specimens
    )


def _title(row: Drawn, shown: bool) -> str:
    if not shown:
        return row.code
    return f"{row.code}: {row.specimen}{', second read' if row.repeat else ''}"


def draw_order(
    before: Sequence[Drawn], specimens: Iterable[str], plan: ReviewPlan, *, observer: str
) -> tuple[Drawn, ...]:
    """The order that was drawn earlier, with the specimens that are new at its end.

    The same seed, observer and names give the same order on every machine. Half of all first reads lie between the
    two reads of a specimen, or more, as long as no more than half of the specimens are read twice.
    """
    draw, present = _Draw(plan.order_seed, observer), set(specimens)
    old = [row.specimen for row in before if not row.repeat]
    new = sorted(present - set(old), key=lambda name: (draw.of("order", name), name))
    places = [(float(place), name, False) for place, name in enumerate(new, start=len(old))]
    if new:
        twice = {row.specimen for row in before if row.repeat}
        wanted = math.ceil(round(plan.repeat_share * len(present), 9)) - len(twice & present)  # 7 % of 100 is 7.0…01
        once = [(place, name) for place, name in enumerate([*old, *new]) if name in present - twice]
        places += _repeats(once, wanted, draw, ends=(len(old), len(old) + len(new)))
    reads = [(name, repeat) for _, name, repeat in sorted(places)]
    return (*before, *(Drawn(f"R{n:02d}", name, repeat) for n, (name, repeat) in enumerate(reads, len(before) + 1)))


def _repeats(
    once: Sequence[tuple[int, str]], wanted: int, draw: _Draw, *, ends: tuple[int, int]
) -> Iterator[tuple[float, str, bool]]:
    """Second reads, each with its place among the first ones, of which those between the `ends` are new.

    They are drawn from the first half of what is itself in a random order, so that there is room behind them.
    """
    begin, stop = ends
    gap = stop // 2
    chosen = sorted(once, key=lambda item: (max(item[0] - gap + 1, 0), draw.of("repeat", item[1])))
    for place, name in chosen[: max(wanted, 0) if stop > 1 else 0]:
        earliest = max(place + gap, begin)
        yield earliest + draw.of("place", name) * max(stop - earliest, 1), name, True


@dataclass(frozen=True, slots=True)
class _Draw:
    """Random numbers in [0, 1) that depend on what they are for and on nothing else."""

    seed: int
    observer: str

    def of(self, what: str, name: str) -> float:
        digest = hashlib.sha256(f"{self.seed}\n{self.observer}\n{what}\n{name}".encode()).digest()
        return float((int.from_bytes(digest[:8], "big") >> 11) / 2**53)


def open_reading(study: Path, reading: Reading, observer: str) -> OpenReview:
    """A read as it stands. Where it is opened for the first time its log is made, and says what was hidden or known.

    A second read is of the same result of the program as the first.

    Raises
    ------
    MvdError
        It cannot be opened; in a blinded study the sentence does not name the specimen.
    """
    plan = read_protocol(study / PROTOCOL_FILE).review
    try:
        opened = _opened(study, reading, observer_name(study / REVIEWS_FOLDER, observer))
        if opened.review.status == "not begun":
            opened = _prepared(opened, plan, shown=plan.blinded and is_unblinded(study, observer))
    except MvdError as error:
        if not plan.blinded or is_unblinded(study, observer):
            raise
        raise type(error)(in_code(str(error), reading)) from None
    return opened


def _opened(study: Path, reading: Reading, observer: str) -> OpenReview:
    results, folder = study / RESULTS_FOLDER, folder_of(study, reading)
    begun_on = results
    if reading.repeat and read_log(log_path(folder, observer, reading.specimen)) is None:
        first = read_log(log_path(study / REVIEWS_FOLDER, observer, reading.specimen))
        if first is not None:
            begun_on = kept_in(first.path.parent / KEPT_FOLDER, first.header.result_sha256)
    return open_review(begun_on, folder, specimen=reading.specimen, observer=observer)


def _prepared(opened: OpenReview, plan: ReviewPlan, *, shown: bool) -> OpenReview:
    """A review that is not begun, with the lines that say what the observer sees."""
    if plan.first_read == "unaided" and all(line.what is not What.HIDE for line in opened.review.corrections):
        opened = take(opened, decide.hide())
    if shown and not opened.review.unblinded:
        opened = take(opened, decide.unblind(), why=KNOWN_BEFORE)
    return opened


def in_code(sentence: str, reading: Reading) -> str:
    """A sentence with the code where it names the specimen: what may be shown of an error to a blinded observer."""
    return re.sub(rf"(?<!\w){re.escape(reading.specimen)}(?!\w)", reading.code, sentence)


def folder_of(study: Path, reading: Reading) -> Path:
    """The study's folder of reviews to which a read belongs."""
    return study / (REPEATS_FOLDER if reading.repeat else REVIEWS_FOLDER)


def reading_status(study: Path, reading: Reading, observer: str) -> Status:
    """How far a read has come; nothing is written, and only its log is read.

    Raises
    ------
    StoreError
        The log is damaged.
    """
    name = observer_name(study / REVIEWS_FOLDER, observer)
    log = read_log(log_path(folder_of(study, reading), name, reading.specimen))
    return "not begun" if log is None else status_after(log.corrections)


def hidden(opened: OpenReview) -> bool:
    """Whether the observer counts without seeing what the program found (`first_read = "unaided"`).

    Until `reveal`, the review counts what the observer decided on (`decide.mark`) and nothing else.
    """
    return opened.review.hidden


def reveal(opened: OpenReview) -> OpenReview:
    """What the program found is shown from now on; it stays in the log for good."""
    return take(opened, decide.reveal())


def is_unblinded(study: Path, observer: str) -> bool:
    """Whether any log of the observer's says that names were shown."""
    name = observer_name(study / REVIEWS_FOLDER, observer)
    return any(_says_unblinded(path) for path in _logs(study, name))


def _says_unblinded(path: Path) -> bool:
    try:
        log = read_log(path)
    except StoreError:  # damaged: what it says is not shown, and `mvd audit` names it
        return False
    return log is not None and any(line.what is What.UNBLIND for line in log.corrections)


def _logs(study: Path, observer: str) -> tuple[Path, ...]:
    folders = (study / REVIEWS_FOLDER, study / REPEATS_FOLDER)
    return tuple(path for folder in folders for path in logs_in(folder) if path.parent.name == observer)


def unblind(study: Path, observer: str, why: str) -> None:
    """Show an observer the names from now on: a line in each log that they have begun.

    A review that is open has to be opened again. Where nothing is begun, the first read that can be is opened for it.

    Raises
    ------
    MvdError
        No reason is given, a log is damaged, or nothing can be written.
    """
    if not why.strip():
        raise StoreError("names are shown for a reason, which the log keeps; give one")
    name = observer_name(study / REVIEWS_FOLDER, observer)
    results = study / RESULTS_FOLDER
    begun = [
        read_review(results, path.parents[1], specimen=path.stem, observer=name) for path in _logs(study, name)
    ] or [_first_that_opens(study, name)]
    for opened in begun:
        if opened is not None and not opened.review.unblinded:
            take(opened, decide.unblind(), why=why.strip())


def _first_that_opens(study: Path, observer: str) -> OpenReview:
    for reading in readings(study, observer):
        try:
            return open_reading(study, reading, observer)
        except MvdError:
            continue
    raise StoreError(f"there is nothing to unblind: no specimen of {study} can be reviewed; measure them with mvd run")
