"""mvd calibrate: values that bring the count nearer to an observer's, proposed and tried; nothing is changed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mvd.protocol import Protocol
    from mvd.steering.study import Steered


def calibrate(
    study: Annotated[Path, typer.Argument(help="Folder of a study that was reviewed.", show_default=False)],
    observer: Annotated[
        str | None, typer.Option("--observer", help="Whose corrections to go by.", show_default="the only one")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
) -> None:
    """Propose sensitivity, least size and joining distance from an observer's corrections; nothing is changed.

    The reviewed fields are counted again with other values, and each specimen is left out in turn: its count with
    values from the other specimens shows whether they would help on a new one.
    """
    from mvd.cli.progress import block_bar  # noqa: PLC0415
    from mvd.reading import is_unblinded  # noqa: PLC0415
    from mvd.steering.reads import observer_of, read_finished  # noqa: PLC0415
    from mvd.steering.study import propose_values  # noqa: PLC0415
    from mvd.store.log import REVIEWS_FOLDER  # noqa: PLC0415
    from mvd.study import RESULTS_FOLDER, read_study  # noqa: PLC0415

    found = read_study(study)
    reviews, protocol = study / REVIEWS_FOLDER, found.protocol
    name = observer_of(reviews, observer)
    reads = read_finished(found.manifest.specimens, study / RESULTS_FOLDER, reviews, observer=name)
    with block_bar("specimens") as progress:
        steered = propose_values(reads, protocol, study, progress=progress)
    if as_json:
        _print_json(steered, protocol)
    else:
        _show(steered, protocol)
    for note in steered.left_out:
        _complain(note)
    if protocol.review.blinded and not is_unblinded(study, name):
        _complain(f"names have not been shown to {name} yet: this names specimens, keep it away until then")


def _show(steered: Steered, protocol: Protocol) -> None:
    from rich.console import Console  # noqa: PLC0415

    from mvd.cli.screen import printable  # noqa: PLC0415
    from mvd.steering.study import in_toml, in_words  # noqa: PLC0415

    proposal, observer = steered.proposal, steered.observer
    if proposal.left_out:
        typer.echo(
            printable(
                f"{observer}: {proposal.specimens} finished specimens, {steered.fields} fields, {steered.vessels} "
                f"vessels; {steered.tried} combinations of values tried"
            )
        )
        Console(width=120, markup=False, highlight=False).print(_table(steered))
    typer.echo(printable(in_words(steered)))
    if proposal.verdict != "better" or proposal.best is None:
        return
    typer.echo("Nothing was changed. To count by the values that fit all of them best, set in study.toml:")
    for line in in_toml(protocol, proposal.best).splitlines():
        typer.echo(printable(f"  {line}"))
    typer.echo("The next mvd run then measures every specimen again.")


def _table(steered: Steered) -> Any:
    """Each specimen, and below them the errors."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from mvd.cli.screen import printable  # noqa: PLC0415

    proposal = steered.proposal
    table = Table(box=box.SIMPLE)
    table.add_column("specimen")
    for title in ("observer", f"now ({proposal.now})", "with values from the others"):
        table.add_column(title, justify="right")
    table.add_column("these values")
    for row in proposal.left_out:
        counts = (row.now.matched + row.now.extra, row.proposed.matched + row.proposed.extra)
        cells = (row.specimen, str(row.observed), *map(str, counts), str(row.values))
        table.add_row(*(Text(printable(cell)) for cell in cells))
    table.add_section()
    table.add_row("mean absolute error", "", f"{proposal.error_now:.1f}", f"{proposal.error_proposed:.1f}", "")
    table.add_row("F1, vessel by vessel", "", _f1(proposal.f1_now), _f1(proposal.f1_proposed), "")
    return table


def _f1(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _print_json(steered: Steered, protocol: Protocol) -> None:
    import json  # noqa: PLC0415

    from mvd.steering.study import in_toml, in_words  # noqa: PLC0415

    proposal = steered.proposal
    told = {
        "observer": steered.observer,
        "verdict": proposal.verdict,
        "sentence": in_words(steered),
        "specimens": proposal.specimens,
        "fields": steered.fields,
        "vessels": steered.vessels,
        "combinations": steered.tried,
        "protocol": protocol.digest,
        "now": asdict(proposal.now),
        "best": asdict(proposal.best) if proposal.best else None,
        "study_toml": in_toml(protocol, proposal.best) if proposal.best and proposal.verdict == "better" else None,
        "mean_absolute_error": {"now": proposal.error_now, "left_out": proposal.error_proposed},
        "f1": {"now": proposal.f1_now, "left_out": proposal.f1_proposed},
        "left_out": [
            {
                "specimen": row.specimen,
                "observer": row.observed,
                "now": row.now.matched + row.now.extra,
                "count": row.proposed.matched + row.proposed.extra,
                "values": asdict(row.values),
            }
            for row in proposal.left_out
        ],
        "notes": list(steered.left_out),
    }
    typer.echo(json.dumps(told, ensure_ascii=False, allow_nan=False, indent=1))


def _complain(sentence: str) -> None:
    from mvd.cli.screen import printable  # noqa: PLC0415

    typer.echo(f"mvd: {printable(sentence)}", err=True)
