"""mvd compare: before and after treatment, from a study's counts or from a table of counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mvd.compare import Comparisons


def compare(
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
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the report.", show_default="report in the study")
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(
            "--counts",
            help="Whose counts: program, observer:NAME, mean, or mean:NAME,NAME.",
            show_default="as study.toml says",
        ),
    ] = None,
    protocol: Annotated[
        Path | None, typer.Option("--protocol", help="With --table: a study.toml that names and orders the timepoints.")
    ] = None,
) -> None:
    """Compare timepoints within patients, and response groups; write paired.json.

    Without --protocol, the timepoints of a table are ordered by name: pre or baseline first, then 3mo, 6mo, …
    """
    from mvd.cli.compared import print_comparisons  # noqa: PLC0415
    from mvd.comparison import write_paired  # noqa: PLC0415
    from mvd.store.atomic import refuse_early  # noqa: PLC0415

    folder = _folder(study, table=table, out=out, protocol=protocol)
    refuse_early(folder)
    found = _found(study, table=table, counts=counts, protocol=protocol)
    path = write_paired(folder, found)
    print_comparisons(found)
    typer.echo(f"wrote {path}")


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


def _found(study: Path | None, *, table: Path | None, counts: str | None, protocol: Path | None) -> Comparisons:
    from mvd.comparison import compare_study, compare_table  # noqa: PLC0415
    from mvd.study import read_protocol  # noqa: PLC0415

    if study is not None:
        return compare_study(study, counts=counts)
    assert table is not None
    return compare_table(table, protocol=read_protocol(protocol) if protocol else None, counts=counts)
