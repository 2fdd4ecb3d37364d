"""mvd export and mvd import: reviews to QuPath and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXPORTS_FOLDER = "qupath"

ReviewedStudy = Annotated[Path, typer.Argument(help="Folder of a study that was measured.", show_default=False)]
Observer = Annotated[str, typer.Option("--observer", help="Whose review.", show_default=False)]


def export_reviews(
    study: ReviewedStudy,
    observer: Observer,
    specimens: Annotated[
        list[str] | None, typer.Argument(metavar="[SPECIMEN]...", help="Only these.", show_default="all")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the files.", show_default="qupath/NAME in the study")
    ] = None,
) -> None:
    """Write reviews as GeoJSON files that QuPath opens; what was not reviewed, as the program found it.

    Exit status 3: a specimen could not be exported.
    """
    from mvd.cli.screen import printable  # noqa: PLC0415
    from mvd.errors import MvdError, StoreError  # noqa: PLC0415
    from mvd.qupath import export_review  # noqa: PLC0415
    from mvd.review import observer_name  # noqa: PLC0415
    from mvd.store.log import REVIEWS_FOLDER  # noqa: PLC0415
    from mvd.study import read_study  # noqa: PLC0415

    plan = read_study(study)
    names = [one.specimen for one in plan.manifest.specimens]
    if unknown := [name for name in specimens or () if name not in names]:
        raise StoreError(f"{', '.join(unknown)} is not in specimens.csv")
    folder = out if out is not None else study / EXPORTS_FOLDER / observer_name(study / REVIEWS_FOLDER, observer)
    failed = False
    for name in specimens or names:
        try:
            written = export_review(plan, name, observer=observer, out=folder)
        except MvdError as error:
            failed = True
            _complain(str(error))
            continue
        shown = f"{written.lines} lines of the review" if written.lines else "not reviewed"
        typer.echo(printable(f"wrote {written.path} ({shown})"))
    if failed:
        raise typer.Exit(3)


def import_reviews(
    study: ReviewedStudy,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="GeoJSON from QuPath.", show_default=False)],
    observer: Observer,
) -> None:
    """Take what was edited in QuPath into an observer's review: all of a file, or nothing of it.

    Exit status 3: a file could not be imported.
    """
    from mvd.cli.progress import block_bar  # noqa: PLC0415
    from mvd.cli.screen import printable  # noqa: PLC0415
    from mvd.corrections import in_words  # noqa: PLC0415
    from mvd.errors import MvdError  # noqa: PLC0415
    from mvd.qupath import import_review  # noqa: PLC0415
    from mvd.study import read_study  # noqa: PLC0415

    plan, failed = read_study(study), False
    for path in files:
        try:
            with block_bar(path.name) as progress:
                done = import_review(plan, path, observer=observer, progress=progress)
        except MvdError as error:
            failed = True
            _complain(str(error))
            continue
        number = len(done.corrections)
        what = f"{number} line{'' if number == 1 else 's'} appended to" if number else "nothing was edited in"
        typer.echo(printable(f"{path.name}: {what} the review of {done.specimen}"))
        for line in done.corrections:
            typer.echo(printable(f"  line {line.line}  {in_words(line)}"))
        for note in done.notes:
            _complain(f"{path.name}: {note}")
    if failed:
        raise typer.Exit(3)


def _complain(sentences: str) -> None:
    from mvd.cli.screen import printable  # noqa: PLC0415

    for sentence in sentences.splitlines():
        typer.echo(f"mvd: {printable(sentence)}", err=True)
