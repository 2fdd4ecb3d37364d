"""Many specimens: each is measured once, and a run that was broken off goes on where it stopped.

One specimen's error is that specimen's row, also when it costs a worker its life; only what would hit every specimen
(the disk is full) stops the run.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from mvd.errors import ManifestError, MvdError, StoreError
from mvd.manifest import MANIFEST_FILE, Manifest, Problem, Specimen, can_name_files
from mvd.measuring import Draw, Outcome, Plan, failure, is_kept, stands, store
from mvd.models import chosen_score
from mvd.protocol import Measure, Protocol
from mvd.record import FAILED, failed_record
from mvd.store import SpecimenRow, read_result, write_study_tables
from mvd.store.checksums import Checksums
from mvd.store.lock import locked
from mvd.store.runlog import RunLog
from mvd.store.times import note_time
from mvd.version import program_version
from mvd.workers import Broken, Heard, Here, Job, Pool

if TYPE_CHECKING:
    from mvd.compare import PairedChange, SpecimenValue


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Watch:
    """What a run tells while it goes on. Several specimens may be under way at once."""

    begins: Callable[[str, int, int], None] = _nothing
    """A specimen: its name, its number from 1, and how many there are."""
    opened: Callable[[str, float], None] = _nothing
    """A specimen's image: its size in millions of pixels."""
    blocks: Callable[[str, int, int], None] = _nothing
    """Of a specimen: blocks done, and blocks in all."""
    trouble: Callable[[str, str], None] = _nothing
    """A specimen whose worker was lost, and why; it is tried once more."""
    ends: Callable[[SpecimenRow, bool], None] = _nothing
    """A specimen: its row, and whether it was measured now or stood from an earlier run."""
    closing: Callable[[], None] = _nothing
    """All specimens have ended, and the tables are written."""


def measure_cohort(  # noqa: PLR0913  (all that a run is)
    manifest: Manifest,
    protocol: Protocol,
    results: Path,
    *,
    draw: Draw | None = None,
    watch: Watch | None = None,
    again: bool = False,
    pool: Pool | None = None,
) -> tuple[SpecimenRow, ...]:
    """Measure every specimen and write the results.

    Parameters
    ----------
    results
        Folder of the results, made if need be.
    draw
        Draws the pictures of one result; without it there are none. Can be pickled where there is a pool.
    again
        Measure also what has a result that still stands.
    pool
        Measures them; by default this process does, one after the other. The results are the same, to the byte.

    Returns
    -------
    One row for each specimen, first those of the manifest that can be used, in its order, then those that cannot.

    Raises
    ------
    ModelError
        The learned score that the protocol names cannot be used.
    StoreError
        The results cannot be written, or another run is writing there. What was finished before is kept.
    MvdError
        There is no worker to measure with.
    """
    score = chosen_score(protocol.score.model, manifest.folder)
    with locked(results) as token:
        run = _Run(manifest, Plan(protocol, results, draw, score, token), watch or Watch())
        with run.log:
            return run.all(pool or Here(), again=again)


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
    score = chosen_score(protocol.score.model, manifest.folder)
    with locked(results) as token:
        run = _Run(manifest, Plan(protocol, results, draw, score, token), watch or Watch())
        with run.log:
            return run.one(specimen)


class _Run:
    """One run, from the moment that it holds the results."""

    def __init__(self, manifest: Manifest, plan: Plan, watch: Watch) -> None:
        self.log = RunLog(plan.results)
        self._manifest = manifest
        self._plan = plan
        self._watch = watch
        self._checksums = Checksums(plan.results)
        self._rows: dict[int, SpecimenRow] = {}
        """By their place in the manifest."""
        self._places = {specimen.specimen: place for place, specimen in enumerate(manifest.specimens)}
        self._unusable = tuple(_unusable(manifest.problems))
        self._total = len(self._places) + len(self._unusable)
        self._begun = 0
        self._under_way: set[str] = set()

    def all(self, pool: Pool, *, again: bool) -> tuple[SpecimenRow, ...]:
        """Every specimen."""
        names = list(self._places)
        plan, begun = self._plan, time.monotonic()
        self.log.say(f"run begins: mvd {program_version()}, protocol {plan.protocol.digest}, {self._total} specimens")
        try:
            self._measure([Job(specimen, plan, again) for specimen in self._manifest.specimens], pool)
            for row in self._unusable:
                self._begins(row.specimen)
                if _can_be_stored(row.specimen, names):  # a second row of one name must not replace the first's result
                    store(failed_record(row), plan)
                    names.append(row.specimen)
                self._ends(len(self._rows), row, fresh=True)
            self._watch.closing()
            write_study_tables(plan.results, names)
        except BaseException as error:  # what is finished is in the tables also when the run is broken off
            self.log.say(f"run broken off: {str(error) or type(error).__name__}")
            kept = {row.specimen for row in self._rows.values()}
            kept |= {specimen.specimen for specimen in self._manifest.specimens if is_kept(specimen, plan)}
            with contextlib.suppress(StoreError):
                write_study_tables(plan.results, [name for name in names if name in kept])
            raise
        finally:
            self._checksums.tidy()
        failed = sum(row.mvd_per_mm2 is None for row in self._rows.values())
        self.log.say(f"run ends: {len(self._rows)} specimens, {failed} without MVD, {time.monotonic() - begun:.1f} s")
        return tuple(row for _, row in sorted(self._rows.items()))

    def one(self, specimen: Specimen) -> SpecimenRow:
        """One specimen, and the tables of all that have a result."""
        self._total = 1
        self._measure([Job(specimen, self._plan)], Here())
        results = self._plan.results
        write_study_tables(results, [name for name in self._places if _has_result(results, name)])
        return self._rows[self._places[specimen.specimen]]

    def _measure(self, jobs: Sequence[Job], pool: Pool) -> None:
        """Those whose results are known to stand are not given to anybody."""
        asked = []
        for job in jobs:
            if not job.again and (row := stands(job.specimen, job.plan, self._checksums)):
                self._begins(row.specimen)
                self._ends(self._places[row.specimen], row, fresh=False)
            else:
                asked.append(job)
        heard = Heard(self._begun_by_worker, self._opened, self._blocks, self._trouble)
        outcomes = pool.outcomes(asked, heard)
        with contextlib.closing(outcomes):
            for job, outcome in outcomes:
                self._take(job.specimen, outcome)

    def _take(self, specimen: Specimen, outcome: Outcome | Broken) -> None:
        """What came of a specimen."""
        place = self._places[specimen.specimen]
        if isinstance(outcome, Broken):
            record = failure(specimen, outcome.sentence, trace=outcome.trace)
            store(record, self._plan)
            self._ends(place, record.row, fresh=True)
            return
        self._checksums.learn(specimen.image, outcome.known)
        if outcome.fresh:
            note_time(self._plan.results, specimen.specimen, seconds=outcome.seconds)
        self._ends(place, outcome.row, fresh=outcome.fresh, seconds=outcome.seconds)

    def _begins(self, name: str) -> None:
        self._under_way.add(name)
        self._begun += 1
        self._watch.begins(name, self._begun, self._total)

    # A worker may be heard that was thought lost, or whose help came too late: what is over is not told again.

    def _begun_by_worker(self, name: str) -> None:
        if name in self._under_way:
            self.log.say(f"{name}: begun once more, for whoever measured it was lost")
        elif self._places[name] not in self._rows:
            self._begins(name)

    def _opened(self, name: str, mpix: float) -> None:
        if name in self._under_way:
            self._watch.opened(name, mpix)

    def _blocks(self, name: str, done: int, blocks: int) -> None:
        if name in self._under_way:
            self._watch.blocks(name, done, blocks)

    def _trouble(self, name: str, sentence: str) -> None:
        self.log.say(f"{name}: tried once more: {sentence}")
        self._watch.trouble(name, sentence)

    def _ends(self, place: int, row: SpecimenRow, *, fresh: bool, seconds: float = 0.0) -> None:
        if row.specimen not in self._under_way:  # it was lost before it could say that it began
            self._begins(row.specimen)
        self._under_way.discard(row.specimen)
        self._rows[place] = row
        how = f" in {seconds:.1f} s" if seconds else "" if fresh else ", its result stands"
        self.log.say(f"{row.specimen}: {row.status}{how}{f': {row.reason}' if row.reason else ''}")
        self._watch.ends(row, fresh)


def _has_result(results: Path, name: str) -> bool:
    try:
        return read_result(results, name) is not None
    except MvdError:
        return False


def paired(
    rows: Sequence[SpecimenRow], *, timepoints: Sequence[str], measure: Measure = "density"
) -> tuple[PairedChange, ...]:
    """Each patient's later timepoints against the first, without rows that name no patient or no known timepoint."""
    from mvd.compare import SpecimenValue, paired_differences  # noqa: PLC0415  (measuring needs none of it)

    values: dict[tuple[str, str], SpecimenValue] = {}
    for row in rows:
        if row.patient and row.timepoint in timepoints:
            measured = row.measured(measure)
            reason = None if measured is not None else row.reason or row.status
            value = SpecimenValue(row.specimen, row.patient, row.timepoint, measured, reason)
            values.setdefault((row.patient, row.timepoint), value)
    return paired_differences(tuple(values.values()), timepoints=timepoints)


def _unusable(problems: Sequence[Problem]) -> Iterator[SpecimenRow]:
    """A row for each specimen whose row in the manifest has something wrong."""
    for _, group in groupby(problems, key=lambda problem: problem.row):
        first, *more = group
        reason = "; ".join([f"row {first.row} of specimens.csv: {first.sentence}", *(other.sentence for other in more)])
        yield SpecimenRow(first.specimen, first.patient, first.timepoint, FAILED, reason)


def _can_be_stored(name: str, taken: Sequence[str]) -> bool:
    return can_name_files(name) and name.casefold() not in {other.casefold() for other in taken}
