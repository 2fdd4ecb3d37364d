"""The commands. What they need is imported when they run: `mvd --help` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mvd.cli.agree import agree
from mvd.cli.audit import audit
from mvd.cli.calibrate import calibrate
from mvd.cli.compare import compare
from mvd.cli.qupath import export_reviews, import_reviews
from mvd.cli.recount import recount
from mvd.cli.review import review
from mvd.cli.run import Workers, run
from mvd.cli.train import train
from mvd.rules import rule_names

if TYPE_CHECKING:
    from mvd.pipeline import Found
    from mvd.protocol import Protocol

Difficulty = Literal["easy", "typical", "hard"]

UmPerPx = Annotated[
    float | None,
    typer.Option("--um-per-px", help="µm per pixel of the full-resolution image, where the file does not say."),
]
StudyFolder = Annotated[Path, typer.Argument(help="Folder with study.toml and specimens.csv.", show_default=False)]
Image = Annotated[
    Path, typer.Argument(help="Image of a section: TIFF, OME-TIFF, SVS, NDPI, DICOM, PNG, JPEG, …", show_default=False)
]

app = typer.Typer(
    name="mvd",
    help="Bone-marrow microvessel density: from CD34-stained sections to vessels/mm².",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit status.

    Parameters
    ----------
    arguments
        Those after the program's name; of this process by default.
    """
    from mvd.errors import MvdError  # noqa: PLC0415

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without µ and ² shows ? and goes on
    try:
        app(arguments, prog_name="mvd")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except MvdError as error:
        for line in str(error).splitlines():
            complain(line)
        return 1
    return 0


def complain(sentence: str) -> None:
    """One sentence on the error stream."""
    typer.echo(f"mvd: {sentence}", err=True)


def _show_version(wanted: bool) -> None:
    if wanted:
        from mvd.version import program_version  # noqa: PLC0415

        typer.echo(f"mvd {program_version()}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new study.", show_default=False)],
    rule: Annotated[
        str, typer.Option(metavar="NAME", help=f"Counting rule to begin with: {', '.join(rule_names())}.")
    ] = "kini",
) -> None:
    """Begin a study: write study.toml, with every choice explained, and specimens.csv to fill in."""
    from mvd.study import init_study  # noqa: PLC0415

    for path in init_study(folder, rule=rule):
        typer.echo(f"wrote {path}")
    typer.echo(f"List your specimens in specimens.csv, then: mvd check {folder}")


@app.command()
def info(image: Image, um_per_px: UmPerPx = None) -> None:
    """Show what an image file holds: size, levels, pixel size and where it comes from, stains."""
    from mvd.cli.screen import slide_text  # noqa: PLC0415

    typer.echo(slide_text(image, um_per_px=um_per_px))


@app.command()
def check(study: StudyFolder) -> None:
    """Look for everything that would stop a study's run; nothing is measured."""
    from mvd.study import check_study, read_study  # noqa: PLC0415

    faults = check_study(study)
    for fault in faults:
        complain(fault)
    if faults:
        raise typer.Exit(1)
    number = len(read_study(study).manifest.specimens)
    typer.echo(f"{study}: {number} specimen{'' if number == 1 else 's'}, nothing stands in the way of mvd run")


@app.command()
def find(
    image: Image,
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.", show_default=False)],
    um_per_px: UmPerPx = None,
    protocol: Annotated[
        Path | None, typer.Option("--protocol", help="A study.toml; without it the default rule counts.")
    ] = None,
    workers: Workers = None,
) -> None:
    """Find every vessel of one image, without fields."""
    from mvd.cli.progress import block_bar  # noqa: PLC0415
    from mvd.cli.run import crew  # noqa: PLC0415
    from mvd.cli.screen import found_text  # noqa: PLC0415
    from mvd.pipeline import find as find_vessels  # noqa: PLC0415
    from mvd.protocol import Protocol  # noqa: PLC0415
    from mvd.record import image_stem  # noqa: PLC0415
    from mvd.store import refuse_foreign  # noqa: PLC0415
    from mvd.store.atomic import refuse_early  # noqa: PLC0415
    from mvd.study import read_protocol  # noqa: PLC0415
    from mvd.threads import allow  # noqa: PLC0415
    from mvd.workers.limits import cores, keep_freed_memory  # noqa: PLC0415

    keep_freed_memory()
    allow(workers or cores())
    chosen = read_protocol(protocol) if protocol else Protocol()
    refuse_early(out)
    refuse_foreign(out, image_stem(image))
    with block_bar(image.name) as progress:
        share = None if workers == 1 else crew(workers).share
        found = find_vessels(image, um_per_px=um_per_px, protocol=chosen, progress=progress, share=share)
    paths = _write_found(found, chosen, out)
    typer.echo(found_text(found, paths))
    for warning in found.survey.warnings:
        complain(f"{image.name}: {warning}")


def _write_found(found: Found, protocol: Protocol, out: Path) -> tuple[Path, ...]:
    from mvd.record import found_record, image_stem  # noqa: PLC0415
    from mvd.report import write_overview  # noqa: PLC0415
    from mvd.store import VesselRow, table_text, vessel_rows, write_result, write_whole  # noqa: PLC0415

    name = image_stem(found.image)
    payload, geojson = found_record(found, protocol, name=name)
    table = out / "vessels.csv"
    picture = write_overview(found, out)
    write_result(out, name, payload=payload, geojson=geojson)
    write_whole(table, table_text(VesselRow, vessel_rows(name, found.vessels, assignments={})).encode())
    return table, out / f"{name}.geojson", out / f"{name}.json", picture


@app.command()
def phantom(
    out: Annotated[Path, typer.Argument(help="Folder of the new study.", show_default=False)],
    number: Annotated[int, typer.Option(min=1, max=1000, help="Sections; two make one patient.")] = 4,
    difficulty: Annotated[Difficulty, typer.Option(help="How much there is that looks like a vessel.")] = "typical",
    um_per_px: Annotated[float, typer.Option(min=0.1, max=2.0, help="µm per pixel of the images.")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other sections.")] = 1,
) -> None:
    """Simulate a study: sections with known truth, ready for mvd run."""
    from mvd.errors import StoreError  # noqa: PLC0415
    from mvd.phantom.study import make_study  # noqa: PLC0415

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StoreError(f"{out} exists already and stays as it is; name a new or empty folder")
    try:
        names = make_study(out, number=number, difficulty=difficulty, um_per_px=um_per_px, seed=seed)
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error.strerror or error}") from error
    typer.echo(f"wrote {len(names)} sections to {out}; measure them with: mvd run {out}")


app.command()(run)
app.command()(review)
app.command()(recount)
app.command()(audit)
app.command()(compare)
app.command()(agree)
app.command("export")(export_reviews)
app.command("import")(import_reviews)
app.command()(calibrate)
app.command()(train)
