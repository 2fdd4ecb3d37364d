"""mvd recount: the reviewed counts, by the very function that a desk shows them with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mvd.recount import Recounted


def recount(
    study: Annotated[Path, typer.Argument(help="Folder of a study that was reviewed.", show_default=False)],
    observer: Annotated[
        str | None, typer.Option("--observer", help="Only this observer's.", show_default="all")
    ] = None,
) -> None:
    """Write the counts as observers corrected them, and say what is not reviewed.

    Exit status 3: an observer has not finished every specimen.
    """
    from mvd.cli.screen import printable  # noqa: PLC0415
    from mvd.recount import recount_study  # noqa: PLC0415

    found = recount_study(study, observer)
    if not found:
        typer.echo(printable("nothing was reviewed"))
    for one in found:
        _show(one)
    if any(one.unfinished for one in found):
        raise typer.Exit(3)


def _show(found: Recounted) -> None:
    from mvd.cli.screen import printable  # noqa: PLC0415

    typer.echo(printable(f"{found.observer}{', second reads' if found.repeats else ''}"))
    for line in _table(found):
        typer.echo(printable(line.rstrip()))
    lists = (("not finished", found.begun), ("not reviewed", found.not_begun), ("not in specimens.csv", found.unknown))
    for what, names in lists:
        if names:
            typer.echo(f"mvd: {printable(found.observer)}: {what}: {printable(', '.join(names))}", err=True)
    for one in found.specimens:
        if one.row.reason:
            typer.echo(f"mvd: {printable(f'{found.observer}, {one.row.specimen}: {one.row.reason}')}", err=True)
    typer.echo(printable(f"wrote {found.path}"))


def _table(found: Recounted) -> Iterable[str]:
    header = ("specimen", "counts", "MVD/mm²", "interval", "the program's", "review")
    rows = [header]
    for one in found.specimens:
        row, counts = one.row, " ".join(str(count) for count in one.counts) or "–"
        interval = "–" if row.ci_low is None or row.ci_high is None else f"{row.ci_low:.1f} – {row.ci_high:.1f}"
        machine = _number(one.machine.mvd_per_mm2)
        rows.append((row.specimen, counts, _number(row.mvd_per_mm2), interval, machine, one.status))
    return _columns(rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _columns(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
