"""What is told while work goes on: bars on a terminal, a line for each specimen elsewhere, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from mvd.blocks import Progress as Blocks
from mvd.cli.screen import printable
from mvd.cli.tally import Tally
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
            yield _Bars(bars).watch()


@contextmanager
def block_bar(name: str) -> Iterator[Blocks | None]:
    """Blocks of one image on a terminal; elsewhere nothing."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with _bars(console) as bars:
        task = bars.add_task(name, total=None, words="")
        yield lambda done, total: bars.update(task, completed=done, total=total)


def also(watch: Watch, ends: Callable[[SpecimenRow, bool], Any]) -> Watch:
    """A watch that tells somebody else too when a specimen ends."""

    def both(row: SpecimenRow, fresh: bool) -> None:
        watch.ends(row, fresh)
        ends(row, fresh)

    return replace(watch, ends=both)


def _bars(console: Console) -> Progress:
    # A file's name is shown as it is, also where it looks like markup.
    name, words = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[words]}", markup=False)
    return Progress(
        name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), words, console=console, transient=True
    )


class _Bars:
    """One bar of all specimens, and one of the blocks of each that is under way."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tally = Tally()
        self._all = bars.add_task("specimens", total=None, words="")
        self._open: dict[str, TaskID] = {}

    def watch(self) -> Watch:
        return Watch(self._begins, self._tally.opened, self._blocks, self._trouble, self._ends, self._closing)

    def _begins(self, name: str, number: int, total: int) -> None:
        self._tally.begins(name, number, total)
        self._open[name] = self._bars.add_task(f"blocks of {printable(name)}", total=None, visible=False, words="")
        self._show()

    def _blocks(self, name: str, done: int, blocks: int) -> None:
        self._tally.blocks(name, done, blocks)
        self._bars.update(self._open[name], completed=done, total=blocks, visible=True)
        self._show()

    def _trouble(self, name: str, sentence: str) -> None:
        self._bars.console.print(_tried_again(name, sentence), markup=False, highlight=False)

    def _ends(self, row: SpecimenRow, fresh: bool) -> None:
        self._tally.ends(row.specimen, fresh=fresh)
        self._bars.remove_task(self._open.pop(row.specimen))
        self._show()

    def _closing(self) -> None:
        self._bars.update(self._all, words="writing the tables")

    def _show(self) -> None:
        tally = self._tally
        self._bars.update(self._all, completed=tally.ended, total=tally.total, words=tally.words())


def _lines() -> Watch:
    tally = Tally()

    def ends(row: SpecimenRow, fresh: bool) -> None:
        tally.ends(row.specimen, fresh=fresh)
        words = tally.words() if fresh else ""
        how = "" if fresh else " (stands)"
        line = f"{tally.ended}/{tally.total} {row.specimen}: {row.status}{how}{f'; {words}' if words else ''}"
        typer.echo(printable(line), err=True)

    def trouble(name: str, sentence: str) -> None:
        typer.echo(_tried_again(name, sentence), err=True)

    return Watch(tally.begins, tally.opened, tally.blocks, trouble, ends)


def _tried_again(name: str, sentence: str) -> str:
    return printable(f"{name} is tried once more: {sentence}")
