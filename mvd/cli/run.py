"""`mvd run`: a whole study, by as many workers as there are cores."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvd.store import SpecimenRow
    from mvd.workers import Crew, Pool

WITHOUT_MVD = 3
INTERRUPTED = 130
"""128 and the signal's number, as shells have it."""

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-w",
        min=1,
        max=1024,
        metavar="N",
        help="Cores of this machine to use: specimens measured at a time.",
        show_default="one for each core",
    ),
]


def run(  # noqa: PLR0913, PLR0917  (the options of the command)
    study: Annotated[Path, typer.Argument(help="Folder with study.toml and specimens.csv.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the results.", show_default="results in the study")
    ] = None,
    workers: Workers = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Have a Dask cluster measure: tcp://host:8786.", show_default=False),
    ] = None,
    patience: Annotated[
        float, typer.Option(min=1, max=10080, metavar="MINUTES", help="A specimen silent for so long is given up.")
    ] = 30.0,
    again: Annotated[bool, typer.Option("--again", help="Measure also what has a result that still stands.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON for each specimen as it ends, and one when all have.")
    ] = False,
) -> None:
    """Measure every specimen of a study: fields, counts, MVD.

    Specimens whose results still stand are not measured again; what is killed, at whatever point, goes on with the same
    command. What happened is in run.log beside the results.

    Exit status: 0 every specimen has an MVD, 1 nothing could be done, 2 the command was not understood, 3 some
    specimens have no MVD, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by a closed terminal.
    """
    try:
        with _stoppable(), _pool(workers, scheduler, 60 * patience) as pool:
            # The first worker starts while these load here.
            from mvd.cli.progress import also, study_bars  # noqa: PLC0415
            from mvd.cli.screen import print_study  # noqa: PLC0415
            from mvd.study import read_study, run_study  # noqa: PLC0415

            plan, results = read_study(study), _results(study, out)
            with study_bars(quiet=quiet) as bars:
                watch = also(bars, _print_row) if as_json else bars
                rows = run_study(plan, out=results, watch=watch, again=again, pool=pool)
    except KeyboardInterrupt as stop:
        folder = _results(study, out)
        sentence = f"mvd: stopped; what was finished is in {folder}, and the same command goes on from there"
        with suppress(OSError):  # the terminal may be what is gone
            typer.echo(sentence, err=True)
        raise typer.Exit(stop.status if isinstance(stop, _Signalled) else INTERRUPTED) from None
    status = WITHOUT_MVD if any(row.mvd_per_mm2 is None for row in rows) else 0
    if as_json:
        _print_end(rows, results, status)
    elif not quiet:
        print_study(plan, rows, results)
    for row in rows:
        if row.reason:
            sentence = f"{row.specimen or 'a specimen without a name'}: {row.status}: {row.reason}"
            typer.echo(f"mvd: {sentence}", err=True)
    if status:
        raise typer.Exit(status)


def _results(study: Path, out: Path | None) -> Path:
    from mvd.study import RESULTS_FOLDER  # noqa: PLC0415

    return out if out is not None else study / RESULTS_FOLDER


def crew(workers: int | None, *, patience_s: float | None = None) -> Crew:
    """Workers on this machine, as many as asked or as fit."""
    from mvd.workers import Crew  # noqa: PLC0415
    from mvd.workers.crew import PATIENCE_S  # noqa: PLC0415
    from mvd.workers.limits import fitting_workers  # noqa: PLC0415

    return Crew(workers or fitting_workers(), patience_s=patience_s or PATIENCE_S)


@contextmanager
def _pool(workers: int | None, scheduler: str | None, patience_s: float) -> Iterator[Pool]:
    if scheduler is None:
        with crew(workers, patience_s=patience_s) as own:
            yield own
        return
    if workers is not None:
        raise typer.BadParameter("the cluster has its own workers; leave out one of --workers and --scheduler")
    from mvd.workers.cluster import Cluster  # noqa: PLC0415

    with Cluster(scheduler, patience_s=patience_s) as cluster:
        yield cluster


class _Signalled(KeyboardInterrupt):
    """A signal that asks to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM, by which batch systems announce the end, and a closed terminal stop as cleanly as Ctrl-C."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise _Signalled(number)

    before = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # nohup has a closed terminal ignored; outside the main thread whoever embeds the program handles signals.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(ValueError):
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_row(row: SpecimenRow, fresh: bool) -> None:
    typer.echo(json.dumps({"event": "specimen", "fresh": fresh, **asdict(row)}, allow_nan=False))


def _print_end(rows: Sequence[SpecimenRow], results: Path, status: int) -> None:
    without = sum(row.mvd_per_mm2 is None for row in rows)
    end = {"event": "end", "specimens": len(rows), "without_mvd": without, "results": str(results), "status": status}
    typer.echo(json.dumps(end))
