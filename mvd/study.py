"""A study folder: protocol and manifest in, results out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mvd.cohort import Watch, measure_cohort, measure_specimen
from mvd.counting import Border
from mvd.errors import ManifestError, MvdError, ProtocolError, StoreError
from mvd.manifest import MANIFEST_FILE, Manifest, Specimen, can_name_files, example_manifest, read_manifest
from mvd.models import chosen_score
from mvd.pipeline import SpecimenResult, drawn_area, manual_centres
from mvd.protocol import Protocol
from mvd.rules import rule_comment
from mvd.slide import open_slide
from mvd.store import SpecimenRow, read_result, write_together
from mvd.threads import both
from mvd.workers import Pool

PROTOCOL_FILE = "study.toml"
RESULTS_FOLDER = "results"


@dataclass(frozen=True, slots=True)
class Study:
    """A study as its folder says."""

    folder: Path
    protocol: Protocol
    manifest: Manifest


def read_study(folder: str | Path) -> Study:
    """Read study.toml and specimens.csv of a folder. Rows that cannot be used are in `manifest.problems`.

    Raises
    ------
    ProtocolError, ManifestError
        What has to be put right before any specimen can be measured.
    """
    folder = Path(folder)
    protocol = _protocol(folder)
    return Study(folder, protocol, read_manifest(folder, protocol))


def read_protocol(path: str | Path) -> Protocol:
    """Read a protocol file.

    Raises
    ------
    ProtocolError
        No such file, or every fault found in it, one a line.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ProtocolError(f"{path} does not exist; mvd init writes one with every choice explained") from None
    except UnicodeDecodeError as error:
        raise ProtocolError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise ProtocolError(f"{path} cannot be read ({error.strerror}); check the file and its folder") from error
    return Protocol.from_toml(text, where=path.name)


def init_study(folder: str | Path, *, rule: str = "kini") -> tuple[Path, Path]:
    """Write a new study's protocol, with every choice explained, and a manifest to fill in; never over existing ones.

    Parameters
    ----------
    rule
        The shipped counting rule to begin with (`mvd.rules.rule_names`).

    Raises
    ------
    ProtocolError
        There is no such rule.
    StoreError
        One of the two is there already, or the folder cannot be written.
    """
    folder, protocol = Path(folder), f"{rule_comment(rule)}\n{Protocol.of_rule(rule).to_toml()}"
    paths = folder / PROTOCOL_FILE, folder / MANIFEST_FILE
    for path in paths:
        if path.exists():
            raise StoreError(f"{path} exists already and stays as it is; name another folder for a new study")
    write_together({paths[0]: protocol.encode(), paths[1]: example_manifest().encode()})
    return paths


def check_study(folder: str | Path) -> tuple[str, ...]:
    """Everything that would stop a specimen or the run, as sentences; nothing is measured and nothing is written."""
    folder = Path(folder)
    try:
        protocol = _protocol(folder)
    except MvdError as error:
        return tuple(str(error).splitlines())
    try:
        manifest = read_manifest(folder, protocol)
    except MvdError as error:
        return (str(error),)
    faults = [str(problem) for problem in manifest.problems]
    try:
        chosen_score(protocol.score.model, folder)
    except MvdError as error:
        faults.append(str(error))
    faults += _shared_images(manifest.specimens)
    for specimen in manifest.specimens:
        faults += (f"{specimen.specimen}: {fault}" for fault in _faults(specimen, protocol))
    return tuple(faults)


def run_study(
    study: str | Path | Study,
    *,
    out: str | Path | None = None,
    watch: Watch | None = None,
    again: bool = False,
    pool: Pool | None = None,
) -> tuple[SpecimenRow, ...]:
    """Measure every specimen of a study and write results, tables and field pictures.

    Specimens whose results still stand are not measured again.

    Parameters
    ----------
    study
        The study's folder, or what `read_study` gave.
    out
        Folder of the results; the study's `results` by default.
    watch
        Is told how the run goes on.
    again
        Measure every specimen, also those whose results stand.
    pool
        Who measures: `mvd.workers.Crew(4)` has four processes do it. By default this process does.

    Returns
    -------
    One row for each specimen, the same as in the table specimens.csv of the results, with unrounded numbers.

    Raises
    ------
    MvdError
        Nothing can be measured, or nothing written. A single specimen's fault is no error but its row's reason.
    """
    if not isinstance(study, Study):
        study = read_study(study)
    results = Path(out) if out is not None else study.folder / RESULTS_FOLDER
    draw = _Pictures(study.protocol.fields.border)
    return measure_cohort(study.manifest, study.protocol, results, draw=draw, watch=watch, again=again, pool=pool)


def run_specimen(study: Study, specimen: str, *, watch: Watch | None = None) -> SpecimenRow:
    """Measure one specimen of a study, unless its result stands, and write its result, the tables and its pictures.

    Raises
    ------
    MvdError
        There is no such specimen, or nothing can be written. A fault of the specimen itself is its row's reason.
    """
    results, draw = study.folder / RESULTS_FOLDER, _Pictures(study.protocol.fields.border)
    return measure_specimen(study.manifest, specimen, study.protocol, results, draw=draw, watch=watch)


def specimen_names(study: Study) -> tuple[str, ...]:
    """Names of the manifest, also of rows with something wrong; but for those that no file can have."""
    manifest = study.manifest
    names = (*(one.specimen for one in manifest.specimens), *(one.specimen for one in manifest.problems))
    return tuple(name for name in dict.fromkeys(names) if can_name_files(name))


def is_measured(study: Study, specimen: str) -> bool:
    """Whether there is a result of a specimen, whatever it says.

    Raises
    ------
    StoreError
        There is one, and it cannot be read.
    """
    return read_result(study.folder / RESULTS_FOLDER, specimen) is not None


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Draws what belongs to each result; can be sent to a worker."""

    border: Border

    def __call__(self, result: SpecimenResult, folder: Path) -> tuple[Path, ...]:
        # Loads slowly, and a run whose workers draw needs none of it.
        from mvd.report import write_density_map, write_field_pictures, write_overview  # noqa: PLC0415

        fields, overview = both(
            lambda: write_field_pictures(result, folder, border=self.border), lambda: write_overview(result, folder)
        )
        return (*fields, overview, *write_density_map(result, folder))


def _protocol(folder: Path) -> Protocol:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ManifestError(f"{folder} {what}; give the folder of a study (mvd init makes one)")
    return read_protocol(folder / PROTOCOL_FILE)


def _shared_images(specimens: Sequence[Specimen]) -> Iterator[str]:
    """One image in several rows: nearly always a row that was copied and not changed."""
    first: dict[Path, str] = {}
    for specimen in specimens:
        other = first.setdefault(specimen.image.resolve(), specimen.specimen)
        if other != specimen.specimen:
            yield f"{specimen.specimen}: names the same image as {other}, {specimen.image.name}; which one is it of?"


def _faults(specimen: Specimen, protocol: Protocol) -> Iterator[str]:
    """What keeps one specimen from being measured, as far as can be told without its pixels."""
    try:
        slide = open_slide(
            specimen.image, um_per_px=specimen.um_per_px, calibration_detail=f"specimens.csv, {specimen.specimen}"
        )
    except MvdError as error:
        yield str(error)
        return
    with slide:
        try:
            if specimen.involved is not None:
                drawn_area(specimen.involved, slide, protocol.involved)
        except MvdError as error:
            yield str(error)
        try:
            if protocol.fields.placement == "manual":
                manual_centres(specimen, slide, protocol)
        except MvdError as error:
            yield str(error)
