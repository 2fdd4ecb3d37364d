"""mvd compare: before and after treatment, from a study's counts or from a table of counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mvd.compare import Comparisons
    from mvd.paired_report import Evidence


def compare(  # noqa: PLR0913, PLR0917  (a command's options)
    study: Annotated[
        Path | None, typer.Argument(help="Folder of a study that was measured; or give --table.", show_default=False)
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            help="Counts made at the microscope: CSV with patient, timepoint, count, area_mm2 (or mvd_per_mm2) and, "
            "if wanted, response, observer, specimen.",
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option("--results", help="Where mvd run --out wrote the results.", show_default="results in the study"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the report.", show_default="report in the study")
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(
            "--counts",
            help="Whose counts: program (of a study), observer:NAME, mean, or mean:NAME,NAME.",
            show_default="as study.toml says",
        ),
    ] = None,
    protocol: Annotated[
        Path | None, typer.Option("--protocol", help="With --table: a study.toml that names and orders the timepoints.")
    ] = None,
    pseudonymise: Annotated[
        bool,
        typer.Option(
            "--pseudonymise", help="Write codes for names of patients and specimens; the key is kept beside the report."
        ),
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option("--key", help="Key file of the codes: one key, the same codes.", show_default="OUT.key.json"),
    ] = None,
) -> None:
    """Compare timepoints within patients, and response groups; write a report: a page, a workbook, tables, figures.

    Without --protocol, the timepoints of a table are ordered by name: pre or baseline first, then 3mo, 6mo, …;
    names that do not tell the order are refused.
    """
    from datetime import date  # noqa: PLC0415

    from mvd.cli.compared import print_comparisons  # noqa: PLC0415
    from mvd.paired_report import NUMBERS, key_beside, write_report  # noqa: PLC0415
    from mvd.store.atomic import refuse_early  # noqa: PLC0415

    if results is not None and study is None:
        raise typer.BadParameter("--results goes with the folder of a study")
    folder = _folder(study, table=table, out=out, protocol=protocol)
    coded = pseudonymise or key is not None
    if coded and study is not None and out is None:
        folder = folder.with_name(f"{folder.name}-coded")  # beside what names patients there is no place for codes
    kept = (key or key_beside(folder)) if coded else None
    refuse_early(folder)
    found: Comparisons
    evidence: Evidence | None = None
    if study is not None:
        found, evidence = _of_study(study, results=results, counts=counts)
    else:
        assert table is not None
        found = _of_table(table, protocol=protocol, counts=counts)
    # The day of the writer: what a reader of the page calls that day.
    written = write_report(folder, found, evidence=evidence, key=kept, made_on=date.today())
    print_comparisons(written.comparisons)  # with the codes, where there are any: a terminal is copied and shown
    if kept is not None:
        typer.echo(f"wrote {kept}, which leads from the codes to the names: keep it apart")
    typer.echo(f"wrote {written.files[0]}, with its tables and figures")
    typer.echo(f"wrote {folder / NUMBERS}")


def _folder(study: Path | None, *, table: Path | None, out: Path | None, protocol: Path | None) -> Path:
    """Where the report goes; a sentence where the options do not go together."""
    from mvd.comparison import REPORT_FOLDER  # noqa: PLC0415

    if (study is None) == (table is None):
        raise typer.BadParameter("give the folder of a study, or --table with a table of counts")
    if study is not None and protocol is not None:
        raise typer.BadParameter("--protocol goes with --table; a study has its own study.toml")
    if out is not None:
        return out
    if study is None:
        raise typer.BadParameter("--table needs --out, the folder for the report")
    return study / REPORT_FOLDER


def _of_table(table: Path, *, protocol: Path | None, counts: str | None) -> Comparisons:
    from mvd.comparison import compare_table  # noqa: PLC0415
    from mvd.study import read_protocol  # noqa: PLC0415

    return compare_table(table, protocol=read_protocol(protocol) if protocol else None, counts=counts)


def _of_study(study: Path, *, results: Path | None, counts: str | None) -> tuple[Comparisons, Evidence]:
    """What was compared, and what the report shows beside it."""
    from mvd.comparison import REPORT_FOLDER, compare_study  # noqa: PLC0415
    from mvd.paired_report import Folders, read_evidence  # noqa: PLC0415
    from mvd.store.log import REVIEWS_FOLDER  # noqa: PLC0415
    from mvd.study import RESULTS_FOLDER, read_study  # noqa: PLC0415

    read, measured = read_study(study), results or study / RESULTS_FOLDER
    found = compare_study(read, counts=counts, results=measured)
    folders = Folders(measured, study / REVIEWS_FOLDER, study / REPORT_FOLDER)
    return found, read_evidence(read.manifest, read.protocol, comparisons=found, folders=folders)
