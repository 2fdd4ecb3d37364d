"""One specimen of a study, measured unless its result stands. Every error of its own is its row.

A result stands as long as everything it was made from is the same: the program's version, the protocol, the learned
score, the slide's bytes, the row of the manifest, the involved area and the observer's fields.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvd.blocks import Progress, Share
from mvd.errors import MvdError, StoreError
from mvd.manifest import Specimen
from mvd.pipeline import SpecimenResult, count_specimen
from mvd.protocol import Protocol
from mvd.record import FAILED, Record, failed_record, specimen_record
from mvd.slide import inspect_slide, open_slide
from mvd.store import SpecimenRow, read_result, write_result
from mvd.store.checksums import Checksums, Known, fingerprint
from mvd.store.lock import still_held
from mvd.store.study_tables import keep_rows
from mvd.version import program_version
from mvd.vessels import ScoreModel

_SMALL_BYTES = 1 << 25
"""Read in less time than a worker takes to begin."""

Draw = Callable[[SpecimenResult, Path], Sequence[Path]]
"""Draws a result's pictures into the folder of the results and gives their paths."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What all specimens of a run share; can be sent to another process."""

    protocol: Protocol
    results: Path
    draw: Draw | None = None
    score: ScoreModel | None = None
    token: str | None = None
    """Of the run that holds the results. Work that outlives its run stores nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one specimen."""

    row: SpecimenRow
    fresh: bool
    """Whether it was measured now; its result stood from an earlier run otherwise."""
    known: Known | None = None
    """The slide's checksum and when it holds."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ears:
    """Who is told, and asked, while a specimen is measured."""

    opened: Callable[[float], None] = lambda _mpix: None
    """The image's size in millions of pixels."""
    blocks: Progress = lambda _done, _blocks: None
    share: Share | None = None
    """Has the parts of a big slide searched."""


def measure(specimen: Specimen, plan: Plan, *, again: bool = False, ears: Ears | None = None) -> Outcome:
    """Measure a specimen and write its result, unless one stands.

    Parameters
    ----------
    again
        Measure it also then.

    Raises
    ------
    StoreError
        The result cannot be written, or the run that asked for it has ended.
    """
    ears, begun = ears or Ears(), time.monotonic()
    before = fingerprint(specimen.image)  # what is changed while it is read has another one afterwards
    if not again and (standing := _standing(specimen, plan)):
        return Outcome(standing, False, Known.of(before, standing.slide_sha256))
    with contextlib.suppress(Exception):  # what is wrong with it is said when it is measured
        width, height = inspect_slide(specimen.image).size_px
        ears.opened(width * height / 1e6)
    record = _measured(specimen, plan, ears)
    store(record, plan)
    return Outcome(record.row, True, Known.of(before, record.row.slide_sha256), time.monotonic() - begun)


def stands(specimen: Specimen, plan: Plan, checksums: Checksums) -> SpecimenRow | None:
    """The row of an earlier result that stands, where that can be told without opening the slide.

    Nothing that a damaged file could do to a library is done here, for this is not a worker.
    """
    sha256 = checksums.of(specimen.image) or _of_small_file(specimen.image)
    return _standing(specimen, plan, slide_sha256=sha256) if sha256 else None


def is_kept(specimen: Specimen, plan: Plan) -> bool:
    """Whether there is a result that stands, as far as can be told without the slide's bytes."""
    return _earlier(specimen, plan) is not None


def store(record: Record, plan: Plan) -> None:
    """Write one result; pictures that an earlier one left go.

    Raises
    ------
    StoreError
        The disk refuses, or the run that holds the results is another one by now.
    """
    if plan.token and not still_held(plan.results, plan.token):
        raise StoreError(f"the run that measured {record.row.specimen} has ended; its result is not stored")
    name = record.row.specimen
    write_result(plan.results, name, payload=record.payload, geojson=record.geojson)
    keep_rows(plan.results, name)  # here, where a worker does it: the run would, one specimen after the other
    kept = {plan.results / picture for picture in record.payload.get("pictures", ())}
    own = plan.results / name
    for picture in {*own.glob("*.png"), *own.glob("*.tif"), plan.results / f"{name}.overview.png"} - kept:
        with contextlib.suppress(OSError):
            picture.unlink(missing_ok=True)


def failure(specimen: Specimen, sentence: str, *, trace: str | None = None) -> Record:
    """The record of a specimen that could not be measured."""
    row = SpecimenRow(
        specimen.specimen,
        specimen.patient,
        specimen.timepoint,
        FAILED,
        "; ".join(sentence.splitlines()),
        response=specimen.response,
    )
    return failed_record(row, trace=trace)


def _measured(specimen: Specimen, plan: Plan, ears: Ears) -> Record:
    inputs = _inputs(specimen, plan)  # before the work: what is changed meanwhile is measured again
    try:
        result = count_specimen(specimen, plan.protocol, score=plan.score, progress=ears.blocks, share=ears.share)
    except MvdError as error:
        return failure(specimen, str(error))
    except Exception as error:  # one specimen's surprise must not cost the others their results
        return _surprise(specimen, error)
    try:
        drawn = plan.draw(result, plan.results) if plan.draw else ()
    except StoreError:  # the next specimen would fare no better
        raise
    except MvdError as error:
        return failure(specimen, str(error))
    except Exception as error:
        return _surprise(specimen, error)
    pictures = sorted(path.relative_to(plan.results).as_posix() for path in drawn)
    inputs = {**inputs, "slide_sha256": result.slide_sha256}
    return specimen_record(result, plan.protocol, inputs=inputs, pictures=pictures)


def _surprise(specimen: Specimen, error: Exception) -> Record:
    if isinstance(error, MemoryError) or "Insufficient memory" in str(error):  # the latter is OpenCV's
        return failure(specimen, "there is not enough memory for this image; close other programs and run again")
    sentence = (
        f"unexpected error, {type(error).__name__}: {error}; this is a fault of the program, please report it with "
        f"{specimen.specimen}.json"
    )
    return failure(specimen, sentence, trace="".join(traceback.format_exception(error)))


def _inputs(specimen: Specimen, plan: Plan) -> dict[str, Any]:
    """What a result is made from, but for the slide itself."""
    return {
        "version": program_version(),
        "protocol": plan.protocol.digest,
        "score_sha256": plan.score.sha256 if plan.score else None,
        "patient": specimen.patient,
        "timepoint": specimen.timepoint,
        "response": specimen.response,
        "image": specimen.image.name,
        "um_per_px": specimen.um_per_px,
        "involved_sha256": _digest(specimen.involved),
        "fields_sha256": _digest(specimen.fields),
    }


def _digest(path: Path | None) -> str | None:
    """Of a small file; None where there is none, or none that can be read (measuring says so)."""
    if path is None:
        return None
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _earlier(specimen: Specimen, plan: Plan) -> dict[str, Any] | None:
    """An earlier result that is all there and was made from the same, as far as can be told without the slide's bytes.

    The record of a failure has no "inputs" and is never one: what failed is always tried again.
    """
    try:
        stored = read_result(plan.results, specimen.specimen)
        if stored is None:
            return None
        inputs = {**_inputs(specimen, plan), "slide_sha256": stored["inputs"]["slide_sha256"]}
        return stored if stored["inputs"] == inputs and _whole(stored, plan) else None
    except (MvdError, KeyError, TypeError):  # damaged, or of another version: measured anew
        return None


def _standing(specimen: Specimen, plan: Plan, *, slide_sha256: str | None = None) -> SpecimenRow | None:
    """The row of an earlier result that still stands."""
    stored = _earlier(specimen, plan)
    try:
        if stored is None or stored["inputs"]["slide_sha256"] != (slide_sha256 or _slide_sha256(specimen)):
            return None
        return SpecimenRow(**stored["tables"]["specimen"])
    except (MvdError, KeyError, TypeError):
        return None


def _of_small_file(image: Path) -> str | None:
    """`Slide.sha256` of a slide of one small file; None for others."""
    try:
        if fingerprint(image) is None or image.stat().st_size > _SMALL_BYTES:
            return None
        return hashlib.sha256(image.read_bytes()).hexdigest()
    except OSError:
        return None


def _whole(stored: Mapping[str, Any], plan: Plan) -> bool:
    """Whether the GeoJSON file and the pictures that belong to a result are there."""
    if stored["geojson_sha256"] != _digest(plan.results / f"{stored['specimen']}.geojson"):
        return False
    if plan.draw is None:
        return True
    return bool(stored["pictures"]) and all((plan.results / picture).is_file() for picture in stored["pictures"])


def _slide_sha256(specimen: Specimen) -> str:
    with open_slide(specimen.image, um_per_px=specimen.um_per_px) as slide:
        return slide.sha256()
