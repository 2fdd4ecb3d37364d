"""The paired comparison of a study, or of a table of counts, from its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mvd.compare import Comparisons, CountRow, ObserverCount, compare_counts, mean_count
from mvd.count_table import read_counts
from mvd.errors import ManifestError, MvdError, StoreError
from mvd.protocol import ComparisonPlan, Protocol
from mvd.record import DOUBTFUL, MEASURED
from mvd.recount import ReviewedSpecimen, recounted
from mvd.review import observer_name, observers
from mvd.store import SpecimenRow, read_result
from mvd.store.log import REVIEWS_FOLDER
from mvd.study import RESULTS_FOLDER, Study, read_study

REPORT_FOLDER = "report"
"""Of a study: where its comparison lies."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """One specimen of the manifest, and its row in the results, if it was measured."""

    specimen: str
    patient: str
    timepoint: str
    response: str | None
    measured: SpecimenRow | None


Reviews = Mapping[str, Mapping[str, ReviewedSpecimen]]
"""By observer and specimen; also those that are not finished."""


def compare_study(
    study: str | Path | Study, *, counts: str | None = None, results: str | Path | None = None
) -> Comparisons:
    """Compare the specimens of a study that was measured.

    Parameters
    ----------
    counts
        Whose counts, in place of the protocol's `compare.counts`.
    results
        Folder of the results; of the study itself by default.

    Raises
    ------
    MvdError
        The study, its results or a review whose counts are taken cannot be read, or there are no counts of those who
        are named. That a review of anybody else cannot be read is said in the comparison's `source`.
    """
    if not isinstance(study, Study):
        study = read_study(study)
    plan = _plan(study.protocol, counts)
    if plan.counts == "table":
        raise StoreError(
            "counts = 'table' goes with mvd compare --table; say program, observer:NAME or mean of a study"
        )
    measured = study.folder / RESULTS_FOLDER if results is None else Path(results)
    listed = _listed(study, measured)
    if all(one.measured is None for one in listed):
        raise StoreError(f"{measured} holds no result of this study; measure it with mvd run")
    folder = study.folder / REVIEWS_FOLDER
    names = _observers(plan, observers(folder), folder)
    reviews, unread = _reviews(folder, measured, [one.specimen for one in listed], taken=names)
    _refuse_mixed(_taken(listed, reviews, names))
    row: Callable[[_Listed], CountRow] = (
        partial(_program_row, reviews=reviews)
        if plan.counts == "program"
        else partial(_observers_row, reviews=reviews, names=names, everybody=bool(plan.observers))
    )
    return compare_counts(
        [row(one) for one in listed],
        timepoints=study.protocol.timepoints,
        plan=plan,
        title=study.protocol.title,
        source=_source(plan, names, unread),
    )


def compare_table(table: str | Path, *, protocol: Protocol | None = None, counts: str | None = None) -> Comparisons:
    """Compare the counts of a table (`mvd.count_table`), without any image.

    Parameters
    ----------
    protocol
        Names and orders the timepoints and says how they are compared; without it, the defaults and the table's own
        timepoints.
    counts
        Whose counts, in place of the protocol's `compare.counts`; not 'program', of which a table has none. What was
        taken is in the plan of the comparison.

    Raises
    ------
    MvdError
        Everything that is wrong in the table, or there are no counts of those who are named.
    """
    path = Path(table)
    if counts == "program":
        raise ManifestError(f"{path.name} holds no counts of the program; leave --counts out, or name an observer")
    plan = _plan(protocol or Protocol(), counts)
    found = read_counts(path, plan=plan, timepoints=protocol.timepoints if protocol else None)
    title = protocol.title if protocol else path.stem
    plan = plan.with_counts(found.counts)
    return compare_counts(
        found.rows, timepoints=found.timepoints, plan=plan, title=title, source=found.source, file=path.name
    )


def _plan(protocol: Protocol, counts: str | None) -> ComparisonPlan:
    return protocol.compare if counts is None else protocol.compare.with_counts(counts)


def _listed(study: Study, results: Path) -> tuple[_Listed, ...]:
    """The manifest's specimens in its order, then those with a problem in their row (an image that was moved away)."""
    listed = []
    for one in study.manifest.specimens:
        measured = _measured(results, one.specimen)
        listed.append(_Listed(one.specimen, one.patient, one.timepoint, one.response, measured))
    names = {one.specimen for one in listed}
    for problem in study.manifest.problems:
        if not problem.specimen or problem.specimen in names:
            continue
        names.add(problem.specimen)
        if (measured := _measured(results, problem.specimen)) is not None:
            listed.append(_Listed(problem.specimen, measured.patient, measured.timepoint, measured.response, measured))
        elif problem.patient and problem.timepoint in study.protocol.timepoints:
            listed.append(_Listed(problem.specimen, problem.patient, problem.timepoint, None, None))
    return tuple(listed)


def _measured(results: Path, specimen: str) -> SpecimenRow | None:
    """The row of a result; from the result itself, for the table of all has rounded numbers."""
    stored = read_result(results, specimen)
    if stored is None:
        return None
    try:
        return SpecimenRow(**stored["tables"]["specimen"])
    except (KeyError, TypeError) as error:
        raise StoreError(f"{results / specimen}.json has no usable tables ({error!r}); run again") from error


def _reviews(
    folder: Path, results: Path, specimens: Sequence[str], *, taken: Sequence[str]
) -> tuple[Reviews, tuple[str, ...]]:
    """Everybody's reviews, and those of observers whose counts are not `taken` which cannot be read."""
    found: dict[str, dict[str, ReviewedSpecimen]] = {}
    unread: list[str] = []
    for name in observers(folder):
        found[name] = {}
        for specimen in specimens:
            try:
                reviewed = recounted(results, folder, observer=name, specimens=[specimen])
            except MvdError:
                if name in taken:
                    raise
                unread.append(f"{specimen} by {name}")
            else:
                found[name] |= {one.row.specimen: one for one in reviewed}
    return found, tuple(unread)


def _observers(plan: ComparisonPlan, known: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Whose reviews are taken; none for the program's counts.

    Raises
    ------
    StoreError
        Somebody who is named has reviewed nothing, or nobody has.
    """
    if plan.counts == "program":
        return ()
    if not known:
        raise StoreError(
            f"{folder} holds no reviews; review the study with mvd review, or compare the program's counts"
        )
    wanted = tuple(observer_name(folder, name) for name in plan.observers) or tuple(sorted(known))
    for name in wanted:
        if name not in known:
            raise StoreError(f"the observer '{name}' has reviewed nothing; those who have: {', '.join(sorted(known))}")
    return wanted


def _program_row(one: _Listed, *, reviews: Reviews) -> CountRow:
    row = one.measured
    reviewed = any(_finished(reviews, name, one.specimen) is not None for name in reviews)
    if row is None or row.mvd_per_mm2 is None:
        return _without(one, "program", row.reason or row.status if row else "not measured yet; run mvd run", reviewed)
    return CountRow(
        one.patient,
        one.timepoint,
        one.specimen,
        row.count,
        row.area_mm2,
        row.mvd_per_mm2,
        one.response,
        "program",
        reviewed,
        caution=_caution(row),
        ci_low=row.ci_low,
        ci_high=row.ci_high,
    )


def _observers_row(one: _Listed, *, reviews: Reviews, names: Sequence[str], everybody: bool) -> CountRow:
    """The mean of those who finished the specimen; where `everybody` must have, none if one has not."""
    counts, absent, cautions = [], [], {}
    for name in names:
        row = _finished(reviews, name, one.specimen)
        if row is None:
            begun = one.specimen in reviews[name]
            absent.append(f"not {'finished' if begun else 'reviewed'} by {name}")
        elif row.mvd_per_mm2 is None:
            absent.append(f"no count by {name}: {row.reason or row.status}")
        else:
            counts.append(
                ObserverCount(name, row.count, row.area_mm2, row.mvd_per_mm2, ci_low=row.ci_low, ci_high=row.ci_high)
            )
            cautions[name] = _caution(row, one.measured)
    if not counts or (everybody and absent):
        return _without(one, " and ".join(names), "; ".join(absent), bool(counts))
    mean = mean_count(counts)
    return CountRow(
        one.patient,
        one.timepoint,
        one.specimen,
        mean.count,
        mean.area_mm2,
        mean.mvd_per_mm2,
        one.response,
        mean.observer,
        True,
        caution=_joint_caution(cautions),
        ci_low=mean.ci_low,
        ci_high=mean.ci_high,
    )


def _caution(row: SpecimenRow, machine: SpecimenRow | None = None) -> str | None:
    """What to know about an MVD: why its status is not 'measured'.

    Parameters
    ----------
    machine
        The program's row of a reviewed specimen: a slide that does not look as it should stays doubtful, also when an
        observer has counted on it.
    """
    if row.status == MEASURED:
        if machine is None or machine.status != DOUBTFUL:
            return None
        row = machine
    return f"{row.status}: {row.reason}" if row.reason else row.status


def _joint_caution(cautions: Mapping[str, str | None]) -> str | None:
    """Of the observers whose counts are taken: once where it is the same for all of them."""
    if len(told := set(cautions.values())) == 1:
        return told.pop()
    return "; ".join(f"{caution} (by {name})" for name, caution in cautions.items() if caution)


def _finished(reviews: Reviews, observer: str, specimen: str) -> SpecimenRow | None:
    found = reviews[observer].get(specimen)
    return found.row if found is not None and found.status == "finished" else None


def _without(one: _Listed, source: str, reason: str, reviewed: bool) -> CountRow:
    return CountRow(one.patient, one.timepoint, one.specimen, None, None, None, one.response, source, reviewed, reason)


def _taken(listed: Iterable[_Listed], reviews: Reviews, names: Sequence[str]) -> Iterator[SpecimenRow]:
    """The rows that counts are taken from."""
    for one in listed:
        rows = [_finished(reviews, name, one.specimen) for name in names] if names else [one.measured]
        yield from (row for row in rows if row is not None and row.mvd_per_mm2 is not None)


def _refuse_mixed(rows: Iterable[SpecimenRow]) -> None:
    """StoreError where specimens were measured by different protocols: a change could then be the protocol's."""
    found: dict[str | None, list[str]] = {}
    for row in rows:
        found.setdefault(row.protocol, []).append(row.specimen)
    if len(found) > 1:
        *_, fewest = sorted(found, key=lambda digest: -len(found[digest]))
        names = ", ".join(dict.fromkeys(found[fewest]))
        raise StoreError(
            f"{names}: measured by another protocol ({fewest}) than the other specimens, so that the counts cannot be "
            "compared; measure them again with mvd run, and review anew what was reviewed"
        )


def _source(plan: ComparisonPlan, names: Sequence[str], unread: Sequence[str]) -> str:
    source = _whose(plan, names)
    if not unread:
        return source
    return f"{source}; not read, for the log is damaged or does not fit (see mvd audit): {', '.join(unread)}"


def _whose(plan: ComparisonPlan, names: Sequence[str]) -> str:
    if not names:
        return "the program's own counts, without observers' corrections"
    if len(names) == 1:
        return f"the counts of {names[0]}, of finished specimens"
    those = "specimens that all of them finished" if plan.observers else "those who finished the specimen"
    return f"the mean of the counts of {', '.join(names)}, of {those}"
