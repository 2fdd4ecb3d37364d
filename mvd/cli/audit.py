"""mvd audit: who decided what when, and whether every line of every log is as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mvd.review import Audit


def audit(
    study: Annotated[Path, typer.Argument(help="Folder of a study that was reviewed.", show_default=False)],
    observer: Annotated[
        str | None, typer.Option("--observer", help="Only this observer's.", show_default="all")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong.")] = False,
) -> None:
    """Show who decided what when, and check that no line of any log was changed or removed.

    Exit status 3: a log is not as it was written, or does not fit its result.
    """
    from mvd.errors import StoreError  # noqa: PLC0415
    from mvd.reading import REPEATS_FOLDER  # noqa: PLC0415
    from mvd.review import audit_reviews, known_observer  # noqa: PLC0415
    from mvd.store.log import REVIEWS_FOLDER  # noqa: PLC0415
    from mvd.study import RESULTS_FOLDER  # noqa: PLC0415

    if not study.is_dir():
        raise StoreError(f"{study} is no folder; give the folder of a study")
    reads = {"": study / REVIEWS_FOLDER, ", second read": study / REPEATS_FOLDER}
    audits = [(read, one) for read, folder in reads.items() for one in audit_reviews(study / RESULTS_FOLDER, folder)]
    if observer is not None:
        observer = known_observer(observer, (one.observer for _, one in audits))
    found = [(f"{one.observer}, {one.specimen}{read}", one) for read, one in audits if observer in (None, one.observer)]
    for whose, one in found:
        if not quiet:
            _print(_lines(whose, one, study))
        if one.fault is not None:
            _complain(f"{whose}: {one.fault}")
    faults = sum(one.fault is not None for _, one in found)
    if not quiet or faults:
        _print([_verdict([one for _, one in found], faults)])
    if faults:
        raise typer.Exit(3)


def _lines(whose: str, audited: Audit, study: Path) -> Iterator[str]:
    from mvd.corrections import in_words  # noqa: PLC0415

    yield f"{whose}: {audited.status or 'cannot be trusted'} ({audited.path.relative_to(study)})"
    yield from (f"  note: {note}" for note in audited.notes)
    for line in audited.corrections:
        when = line.made_at.strftime("%Y-%m-%d %H:%M:%S")
        yield f"  line {line.line}  {when} UTC  mvd {line.version}  {in_words(line)}"
    yield ""


def _verdict(audits: list[Audit], faults: int) -> str:
    logs, people = len(audits), len({one.observer for one in audits})
    if not logs:
        return "nothing was reviewed"
    what = f"{logs} log{'s' * (logs != 1)} of {people} observer{'s' * (people != 1)}"
    if faults:
        return f"{what}: {faults} not as {'it was' if faults == 1 else 'they were'} written"
    decisions = sum(len(one.corrections) for one in audits)
    return f"{what}, {decisions} lines: all as they were written"


def _print(lines: Iterator[str] | list[str]) -> None:
    from mvd.cli.screen import printable  # noqa: PLC0415

    for line in lines:
        typer.echo(printable(line))


def _complain(sentence: str) -> None:
    from mvd.cli.screen import printable  # noqa: PLC0415

    typer.echo(f"mvd: {printable(sentence)}", err=True)
