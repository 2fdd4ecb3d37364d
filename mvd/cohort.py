"""Many specimens, one after the other: each is measured once, and a run that was broken off goes on where it stopped.

A specimen's result stands as long as everything it was made from is the same: the program's version, the protocol, the
learned score, the slide's bytes, the row of the manifest, the involved area and the observer's fields. One specimen's
error is that specimen's row; only what would hit every specimen (the disk is full) stops the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from mvd.blocks import Progress
from mvd.compare import PairedChange, SpecimenValue, paired_differences
from mvd.errors import ManifestError, MvdError, StoreError
from mvd.manifest import MANIFEST_FILE, Manifest, Problem, Specimen, can_name_files
from mvd.models import chosen_score
from mvd.pipeline import SpecimenResult, count_specimen
from mvd.protocol import Measure, Protocol
from mvd.record import FAILED, Record, failed_record, specimen_record
from mvd.slide import open_slide
from mvd.store import SpecimenRow, read_result, write_result, write_study_tables
from mvd.store.lock import locked
from mvd.version import program_version
from mvd.vessels import ScoreModel

Draw = Callable[[SpecimenResult, Path], Sequence[Path]]
"""Draws a result's pictures into the folder of the results and gives their paths."""


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Watch:
    """What a run tells while it goes on."""

    begins: Callable[[str, int, int], None] = _nothing
    """A specimen: its name, its number from 1, and how many there are."""
    blocks: Progress = _nothing
    """Blocks done and blocks in all of the present specimen."""
    ends: Callable[[SpecimenRow, bool], None] = _nothing
    """A specimen: its row, and whether it was measured now or stood from an earlier run."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What all specimens of a run share."""

    protocol: Protocol
    results: Path
    draw: Draw | None
    watch: Watch
    score: ScoreModel | None


def measure_cohort(
    manifest: Manifest,
    protocol: Protocol,
    results: Path,
    *,
    draw: Draw | None = None,
    watch: Watch | None = None,
    again: bool = False,
) -> tuple[SpecimenRow, ...]:
    """Measure every specimen and write the results.

    Parameters
    ----------
    results
        Folder of the results, made if need be.
    draw
        Draws the pictures of one result; without it there are none.
    again
        Measure also what has a result that still stands.

    Returns
    -------
    One row for each specimen, first those of the manifest that can be used, in its order, then those that cannot.

    Raises
    ------
    ModelError
        The learned score that the protocol names cannot be used.
    StoreError
        The results cannot be written, or another run is writing there. What was finished before is kept.
    """
    score = chosen_score(protocol.score.model, manifest.folder)
    run = _Run(protocol, results, draw, watch or Watch(), score)
    rows: list[SpecimenRow] = []
    names = [specimen.specimen for specimen in manifest.specimens]
    unusable = tuple(_unusable(manifest.problems))
    total = len(names) + len(unusable)
    with locked(results):
        try:
            for number, specimen in enumerate(manifest.specimens, start=1):
                run.watch.begins(specimen.specimen, number, total)
                row, fresh = _specimen(specimen, run, again=again)
                rows.append(row)
                run.watch.ends(row, fresh)
            for number, row in enumerate(unusable, start=len(names) + 1):
                run.watch.begins(row.specimen, number, total)
                if _can_be_stored(row.specimen, names):  # a second row of one name must not replace the first's result
                    _store(failed_record(row), run)
                    names.append(row.specimen)
                rows.append(row)
                run.watch.ends(row, True)
        except BaseException:  # what is finished is in the tables also when the run is broken off
            kept = {row.specimen for row in rows}
            kept |= {specimen.specimen for specimen in manifest.specimens if _earlier(specimen, run)}
            with contextlib.suppress(StoreError):
                write_study_tables(results, [name for name in names if name in kept])
            raise
        write_study_tables(results, names)
    return tuple(rows)


def measure_specimen(
    manifest: Manifest,
    name: str,
    protocol: Protocol,
    results: Path,
    *,
    draw: Draw | None = None,
    watch: Watch | None = None,
) -> SpecimenRow:
    """Measure one specimen of a study, unless its result stands, and write the tables of all that have a result.

    Raises
    ------
    ManifestError
        The manifest has no usable row of this name.
    ModelError, StoreError
        As for `measure_cohort`.
    """
    specimen = next((one for one in manifest.specimens if one.specimen == name), None)
    if specimen is None:
        raise ManifestError(f"{manifest.folder / MANIFEST_FILE} has no usable row of the specimen {name}")
    run = _Run(protocol, results, draw, watch or Watch(), chosen_score(protocol.score.model, manifest.folder))
    with locked(results):
        run.watch.begins(name, 1, 1)
        row, fresh = _specimen(specimen, run, again=False)
        write_study_tables(results, [one.specimen for one in manifest.specimens if _has_result(results, one.specimen)])
    run.watch.ends(row, fresh)
    return row


def _has_result(results: Path, name: str) -> bool:
    try:
        return read_result(results, name) is not None
    except MvdError:
        return False


def paired(
    rows: Sequence[SpecimenRow], *, timepoints: Sequence[str], measure: Measure = "density"
) -> tuple[PairedChange, ...]:
    """Each patient's later timepoints against the first, without rows that name no patient or no known timepoint."""
    values: dict[tuple[str, str], SpecimenValue] = {}
    for row in rows:
        if row.patient and row.timepoint in timepoints:
            measured = row.measured(measure)
            reason = None if measured is not None else row.reason or row.status
            value = SpecimenValue(row.specimen, row.patient, row.timepoint, measured, reason)
            values.setdefault((row.patient, row.timepoint), value)
    return paired_differences(tuple(values.values()), timepoints=timepoints)


def _specimen(specimen: Specimen, run: _Run, *, again: bool) -> tuple[SpecimenRow, bool]:
    """One specimen's row, and whether it was measured now."""
    if not again and (standing := _standing(specimen, run)):
        return standing, False
    record = _measured(specimen, run)
    _store(record, run)
    return record.row, True


def _measured(specimen: Specimen, run: _Run) -> Record:
    inputs = _inputs(specimen, run)  # before the work: what is changed meanwhile is measured again
    try:
        result = count_specimen(specimen, run.protocol, score=run.score, progress=run.watch.blocks)
    except MvdError as error:
        return _failure(specimen, str(error))
    except Exception as error:  # one specimen's surprise must not cost the others their results
        return _surprise(specimen, error)
    try:
        drawn = run.draw(result, run.results) if run.draw else ()
    except StoreError:  # the next specimen would fare no better
        raise
    except MvdError as error:
        return _failure(specimen, str(error))
    except Exception as error:
        return _surprise(specimen, error)
    pictures = sorted(path.relative_to(run.results).as_posix() for path in drawn)
    inputs = {**inputs, "slide_sha256": result.slide_sha256}
    return specimen_record(result, run.protocol, inputs=inputs, pictures=pictures)


def _failure(specimen: Specimen, sentence: str, *, trace: str | None = None) -> Record:
    row = SpecimenRow(
        specimen.specimen,
        specimen.patient,
        specimen.timepoint,
        FAILED,
        "; ".join(sentence.splitlines()),
        response=specimen.response,
    )
    return failed_record(row, trace=trace)


def _surprise(specimen: Specimen, error: Exception) -> Record:
    if isinstance(error, MemoryError):
        return _failure(specimen, "there is not enough memory for this image; close other programs and run again")
    sentence = (
        f"unexpected error, {type(error).__name__}: {error}; this is a fault of the program, please report it with "
        f"{specimen.specimen}.json"
    )
    return _failure(specimen, sentence, trace="".join(traceback.format_exception(error)))


def _store(record: Record, run: _Run) -> None:
    """Write one result; pictures that an earlier one left go."""
    name = record.row.specimen
    write_result(run.results, name, payload=record.payload, geojson=record.geojson)
    kept = {run.results / picture for picture in record.payload.get("pictures", ())}
    for picture in {*(run.results / name).glob("*.png"), run.results / f"{name}.overview.png"} - kept:
        with contextlib.suppress(OSError):
            picture.unlink(missing_ok=True)


def _inputs(specimen: Specimen, run: _Run) -> dict[str, Any]:
    """What a result is made from, but for the slide itself."""
    return {
        "version": program_version(),
        "protocol": run.protocol.digest,
        "score_sha256": run.score.sha256 if run.score else None,
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


def _earlier(specimen: Specimen, run: _Run) -> dict[str, Any] | None:
    """An earlier result that is all there and was made from the same, as far as can be told without the slide's bytes.

    The record of a failure has no "inputs" and is never one: what failed is always tried again.
    """
    try:
        stored = read_result(run.results, specimen.specimen)
        if stored is None:
            return None
        inputs = {**_inputs(specimen, run), "slide_sha256": stored["inputs"]["slide_sha256"]}
        return stored if stored["inputs"] == inputs and _whole(stored, run) else None
    except (MvdError, KeyError, TypeError):  # damaged, or of another version: measured anew
        return None


def _standing(specimen: Specimen, run: _Run) -> SpecimenRow | None:
    """The row of an earlier result that still stands."""
    stored = _earlier(specimen, run)
    try:
        if stored is None or stored["inputs"]["slide_sha256"] != _slide_sha256(specimen):
            return None
        return SpecimenRow(**stored["tables"]["specimen"])
    except (MvdError, KeyError, TypeError):
        return None


def _whole(stored: Mapping[str, Any], run: _Run) -> bool:
    """Whether the GeoJSON file and the pictures that belong to a result are there."""
    if stored["geojson_sha256"] != _digest(run.results / f"{stored['specimen']}.geojson"):
        return False
    if run.draw is None:
        return True
    return bool(stored["pictures"]) and all((run.results / picture).is_file() for picture in stored["pictures"])


def _slide_sha256(specimen: Specimen) -> str:
    with open_slide(specimen.image, um_per_px=specimen.um_per_px) as slide:
        return slide.sha256()


def _unusable(problems: Sequence[Problem]) -> Iterator[SpecimenRow]:
    """A row for each specimen whose row in the manifest has something wrong."""
    for _, group in groupby(problems, key=lambda problem: problem.row):
        first, *more = group
        reason = "; ".join([f"row {first.row} of specimens.csv: {first.sentence}", *(other.sentence for other in more)])
        yield SpecimenRow(first.specimen, first.patient, first.timepoint, FAILED, reason)


def _can_be_stored(name: str, taken: Sequence[str]) -> bool:
    return can_name_files(name) and name.casefold() not in {other.casefold() for other in taken}
