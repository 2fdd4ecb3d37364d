"""mvd train: a score from observers' corrections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mvd.training.study import Trained

ModelName = Annotated[
    str | None, typer.Option("--name", help="Name of the new model.", show_default="trained-1, or the next number free")
]


def train(
    study: Annotated[Path, typer.Argument(help="Folder of a study that was reviewed.", show_default=False)],
    name: ModelName = None,
    seed: Annotated[int, typer.Option(min=0, help="Which specimens are held back together.")] = 1,
) -> None:
    """Make a score from observers' corrections and say whether it is better than the shipped one.

    It is tried on specimens that it has not seen and written into models in the study. It is not put in force.
    """
    from mvd.cli.progress import block_bar  # noqa: PLC0415
    from mvd.store.log import REVIEWS_FOLDER  # noqa: PLC0415
    from mvd.study import RESULTS_FOLDER, read_study  # noqa: PLC0415
    from mvd.training.gather import gather  # noqa: PLC0415
    from mvd.training.study import MODELS_FOLDER, train_score  # noqa: PLC0415

    specimens = read_study(study).manifest.specimens
    gathered = gather(specimens, study / RESULTS_FOLDER, study / REVIEWS_FOLDER)
    models = study / MODELS_FOLDER
    with block_bar("specimens") as progress:
        trained = train_score(gathered, models, name=name or _free_name(models), seed=seed, progress=progress)
    _show(trained)


def _free_name(models: Path) -> str:
    number = 1
    while (models / f"trained-{number}").exists():
        number += 1
    return f"trained-{number}"


def _show(trained: Trained) -> None:
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from mvd.training.trial import MEASURES, in_words  # noqa: PLC0415

    examples, trial = trained.examples, trained.trial
    vessels, number = int(examples.is_vessel.sum()), len(trained.observers)
    observers = f"{number} observer{'' if number == 1 else 's'}"
    typer.echo(f"learned from {vessels} vessels and {len(examples) - vessels} other objects, decided on by {observers}")
    table = Table(box=box.SIMPLE, title=None)
    table.add_column("held-back specimens")
    for column in ("new", "shipped", "difference"):
        table.add_column(column, justify="right")
    for measure in MEASURES:
        table.add_row(measure, *(str(which[measure]) for which in (trial.new, trial.shipped, trial.difference)))
    Console(width=120, highlight=False).print(table)
    typer.echo(in_words(trial))
    choice = f'model = "models/{trained.folder.name}"'
    typer.echo(f"wrote {trained.folder}; it is not in force: to count by it, set {choice} under [score] in study.toml")
    for note in trained.notes:
        typer.echo(f"mvd: {note}", err=True)
