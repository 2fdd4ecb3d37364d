"""mvd agree: how well observers agree with each other, with the program and with themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from mvd.agree import Gathered
    from mvd.agreement import Agreement, BlandAltman, Estimate, Pair

REPORT_FOLDER = "report"

_PLAIN_WIDTH = 160
"""Columns where the output is no terminal."""
_ABSENT = "–"


def agree(
    study: Annotated[
        Path | None, typer.Argument(help="Folder of a study that was reviewed.", show_default=False)
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            help="Counts made at the microscope instead of a study: columns specimen, field, observer, count; "
            "if wanted, area_mm2, and read (2 for a second read).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the files.", show_default="report in the study")
    ] = None,
) -> None:
    """Compare observers with each other, with the program, and their second reads with the first.

    Exit status 3: reads were left out, each with its reason.
    """
    from mvd.agree import gather_study, read_counts, write_agreement  # noqa: PLC0415
    from mvd.agreement import agreement_of  # noqa: PLC0415
    from mvd.cli.screen import printable  # noqa: PLC0415
    from mvd.errors import StoreError  # noqa: PLC0415
    from mvd.store.atomic import refuse_early  # noqa: PLC0415
    from mvd.study import read_study  # noqa: PLC0415

    if (study is None) == (table is None):
        raise StoreError("give either a study's folder or --table with a table of counts")
    folder = out if out is not None else study / REPORT_FOLDER if study else None
    if folder is None:
        raise StoreError("name a folder for the files of a table: --out DIR")
    refuse_early(folder)
    gathered = read_counts(table) if table else gather_study(read_study(study or ""))
    agreement = agreement_of(gathered.reads, aided=gathered.aided)
    source = f"table {table.name}" if table else f"study {(study or Path()).resolve().name}"
    for left_out in gathered.left_out:
        _complain(str(left_out))
    for remark in gathered.remarks:
        _complain(remark)
    if not any(pair.n for pair in agreement.pairs):
        raise StoreError(f"{source}: no two readers have counted the same; there is nothing to compare")
    paths = write_agreement(folder, agreement, gathered, source=source)
    _show(agreement, gathered)
    figures = sum(path.suffix in (".svg", ".png") for path in paths)
    for path in paths[: len(paths) - figures]:
        typer.echo(printable(f"wrote {path}"))
    typer.echo(printable(f"wrote {figures} figures to {folder}"))
    if gathered.left_out:
        raise typer.Exit(3)


def _complain(sentence: str) -> None:
    from mvd.cli.screen import printable  # noqa: PLC0415

    typer.echo(f"mvd: {printable(sentence)}", err=True)


def _show(agreement: Agreement, gathered: Gathered) -> None:
    """A table for each level, and what to know of them."""
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from mvd.cli.screen import printable  # noqa: PLC0415

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=_PLAIN_WIDTH)
    for level, title in (("field", "Field by field"), ("specimen", "Specimen by specimen")):
        pairs = [pair for pair in agreement.pairs if pair.level == level and pair.n]
        for table in (_correlations(pairs), _differences([pair for pair in pairs if pair.difference])):
            if table.row_count:
                console.print(Text(f"{title}, {pairs[0].unit}"))
                console.print(table)
                console.print()
    notes = dict.fromkeys(part for pair in agreement.pairs if pair.n for part in pair.note.split("; ") if part)
    console.print(
        Text(f"In brackets: {agreement.confidence:.0%} intervals; limits hold 95% of the differences, or ratios.")
    )
    for note in notes:
        console.print(Text(printable(f"{note[0].upper()}{note[1:]}.")))
    if gathered.blinded:
        names = ", ".join(gathered.blinded)
        _complain(f"names have not been shown to {names} yet: these files name specimens, keep them away until then")


def _correlations(pairs: Sequence[Pair]) -> Table:
    """Who was compared, over how many, and how alike their counts and their vessels are."""
    vessels = any(pair.vessels for pair in pairs)
    table = _table("n", "ICC(2,1)", "ICC(3,1)", "CV", *(("F1",) if vessels else ()))
    for pair in pairs:
        figures = _interval(pair.icc_21, ".2f"), _interval(pair.icc_31, ".2f"), _percent(pair.variation.cv)
        _add(table, pair.title, str(pair.n), *figures, *((_f1(pair),) if vessels else ()))
    return table


def _differences(pairs: Sequence[Pair]) -> Table:
    """Bland–Altman, of the difference and of the ratio."""
    table = _table("difference", "limits", "ratio", "limits")
    for pair in pairs:
        _add(table, pair.title, *_limits(pair.difference, "+.1f"), *_limits(pair.ratio, ".2f"))
    return table


def _table(*columns: str) -> Table:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")  # names fold, numbers do not
    for title in columns:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _add(table: Table, *cells: str) -> None:
    from rich.text import Text  # noqa: PLC0415

    from mvd.cli.screen import printable  # noqa: PLC0415

    table.add_row(*(Text(printable(cell)) for cell in cells))


def _interval(estimate: Estimate, form: str) -> str:
    if estimate.value is None:
        return _ABSENT
    value = _number(estimate.value, form)
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({_number(estimate.low, form)}, {_number(estimate.high, form)})"


def _number(value: float, form: str) -> str:
    decimals = int(form[-2])
    return f"{round(value, decimals) + 0.0:{form}}"  # + 0.0: no negative zero


def _limits(found: BlandAltman | None, form: str) -> tuple[str, str]:
    """The bias with its interval, and the limits."""
    if found is None or found.lower.value is None or found.upper.value is None:
        return _ABSENT, _ABSENT
    return _interval(found.bias, form), f"{_number(found.lower.value, form)}, {_number(found.upper.value, form)}"


def _percent(estimate: Estimate) -> str:
    return _ABSENT if estimate.value is None else f"{estimate.value:.0%}"


def _f1(pair: Pair) -> str:
    return _ABSENT if pair.vessels is None or pair.vessels.f1 is None else f"{pair.vessels.f1:.2f}"
