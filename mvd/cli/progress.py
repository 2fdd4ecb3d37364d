"""What is told while a study runs: bars on a terminal, a line for each specimen elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mvd.blocks import Progress as Blocks
from mvd.cohort import Watch
from mvd.store import SpecimenRow


@contextmanager
def study_bars(*, quiet: bool = False) -> Iterator[Watch]:
    """A watch that shows a study's run on the error stream."""
    console = Console(stderr=True)
    if quiet:
        yield Watch()
    elif not console.is_terminal:
        yield _lines()
    else:
        with _bars(console) as bars:
            yield _shown(bars)


@contextmanager
def block_bar(name: str) -> Iterator[Blocks | None]:
    """Blocks of one image on a terminal; elsewhere nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with _bars(console) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _bars(console: Console) -> Progress:
    # A file's name is shown as it is, also where it looks like markup.
    name = TextColumn("{task.description}", markup=False)
    return Progress(name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True)


def _shown(bars: Progress) -> Watch:
    specimens = bars.add_task("specimens", total=None)
    blocks = bars.add_task("", total=None, visible=False)

    def begins(name: str, number: int, total: int) -> None:
        bars.update(specimens, total=total, completed=number - 1)
        bars.reset(blocks, description=f"blocks of {name}", total=None, visible=False)

    def of_blocks(done: int, total: int) -> None:
        bars.update(blocks, completed=done, total=total, visible=True)

    def ends(_row: SpecimenRow, _fresh: bool) -> None:
        bars.advance(specimens)

    return Watch(begins, of_blocks, ends)


def _lines() -> Watch:
    place = [0, 0]

    def begins(_name: str, number: int, total: int) -> None:
        place[:] = number, total

    def ends(row: SpecimenRow, fresh: bool) -> None:
        typer.echo(f"{place[0]}/{place[1]} {row.specimen}: {row.status}{'' if fresh else ' (stands)'}", err=True)

    return Watch(begins, ends=ends)
