"""Results as a person reads them on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mvd.cohort import paired
from mvd.errors import MvdError
from mvd.pipeline import Found
from mvd.protocol import Measure, Protocol
from mvd.record import DOUBTFUL, MEASURED, accepted_per_mm2, rejected
from mvd.slide import SlideInfo, inspect_slide, open_slide
from mvd.store import FieldRow, SpecimenRow, read_table
from mvd.study import Study
from mvd.survey import Survey, survey_slide
from mvd.tissue import Tissue

if TYPE_CHECKING:
    from mvd.compare import PairedChange

_PLAIN_WIDTH = 160
"""Columns where the output is no terminal: wide enough that no cell is folded in a usual study."""
_ABSENT = "–"
_NAMES = ("specimen", "patient", "timepoint")


@dataclass(frozen=True, slots=True)
class _Shown:
    """How a measure is shown."""

    title: str
    per_field: str
    """Title of its values field by field."""
    of_field: Callable[[FieldRow], str]
    decimals: int = 1
    factor: float = 1.0

    def text(self, value: float | None, *, sign: str = "") -> str:
        return _ABSENT if value is None else f"{self.factor * value:{sign}.{self.decimals}f}"


_SHOWN: dict[Measure, _Shown] = {
    "density": _Shown("MVD/mm²", "counts", lambda field: str(field.count)),
    "area": _Shown("area %", "area % of fields", lambda field: f"{100 * field.vessel_area_fraction:.2f}", 2, 100.0),
    "chalkley": _Shown("Chalkley", "points", lambda field: str(field.chalkley)),
}


def slide_text(image: Path, *, um_per_px: float | None) -> str:
    """What `mvd info` shows.

    Raises
    ------
    MvdError
        The file is no image, or `um_per_px` cannot be its pixel size.
    """
    info = inspect_slide(image)
    lines = [
        ("file", printable(image.name)),
        ("format", f"{info.format}; {info.storage}; {info.channels} channels of {info.bits} bits"),
        ("size", _size(info)),
        *_levels(info),
        *_images(info),
    ]
    if info.calibration is None and um_per_px is None:
        problem = info.calibration_problem or "the file has no pixel size"
        lines.append(("pixel size", f"missing: {problem}"))
        return _aligned(lines)
    with open_slide(image, um_per_px=um_per_px) as slide:
        scale, bounds = slide.calibration, slide.bounds
        lines += [
            ("pixel size", f"{scale.um_per_px_x:.4g} × {scale.um_per_px_y:.4g} µm ({scale.source}: {scale.detail})"),
            ("section", f"{bounds.width_um / 1e3:.2f} × {bounds.height_um / 1e3:.2f} mm"),
        ]
        try:
            lines += _stains(survey_slide(slide, Protocol()))
        except MvdError as error:
            lines.append(("stains", f"not found: {error}"))
    return _aligned(lines)


def _size(info: SlideInfo) -> str:
    return f"{info.size_px[0]} × {info.size_px[1]} pixels"


def _levels(info: SlideInfo) -> list[tuple[str, str]]:
    return [
        (f"level {number}", f"{level.width} × {level.height} pixels, 1/{level.downsample_x:.4g}")
        for number, level in enumerate(info.levels)
    ]


def _images(info: SlideInfo) -> list[tuple[str, str]]:
    """The images of a file that holds several, and which is measured."""
    if len(info.images) < 2:
        return []
    measured, *others = info.images
    said = [(measured, "measured")]
    said += [
        (one, "a label or an overview by its name, never opened" if one.is_apart else "not measured") for one in others
    ]
    return [
        (f"image {image.number}", f"{image.size_px[0]} × {image.size_px[1]} pixels; {words}")
        for image, words in sorted(said, key=lambda pair: pair[0].number)
    ]


def _stains(survey: Survey) -> list[tuple[str, str]]:
    def triple(values: Sequence[float], decimals: int) -> str:
        return ", ".join(f"{value:.{decimals}f}" for value in values)

    stains, tissue = survey.stains, survey.tissue
    white = "no glass is in view, the brightest there is" if stains.white_source == "assumed" else "of glass or fat"
    return [
        ("white", f"{triple(stains.white, 0)} (red, green, blue; {white})"),
        ("haematoxylin", f"{triple(stains.haematoxylin, 3)} (optical density; {stains.source})"),
        ("DAB", f"{triple(stains.dab, 3)} (optical density; {stains.source})"),
        ("marrow", f"{tissue.marrow_mm2:.3f} mm², with {tissue.fat_mm2:.3f} mm² of fat"),
        ("bone", f"{tissue.bone_mm2:.3f} mm²"),
        ("folds", f"{tissue.fold_mm2:.3f} mm²"),
        ("out of focus", f"{tissue.out_of_focus_mm2:.3f} mm²"),
        *(("warning", warning) for warning in survey.warnings),
    ]


def _left_out(tissue: Tissue) -> str:
    """Bone, and what the section or the scan has spoilt, if anything."""
    parts = [("bone", tissue.bone_mm2), ("folds", tissue.fold_mm2), ("out of focus", tissue.out_of_focus_mm2)]
    return ", ".join(f"{name} {area:.3f} mm²" for name, area in parts if name == "bone" or area > 0)


def found_text(found: Found, paths: Sequence[Path]) -> str:
    """What `mvd find` shows."""
    tissue, density = found.survey.tissue, accepted_per_mm2(found)
    accepted = sum(vessel.accepted for vessel in found.vessels)
    passed_over = rejected(found.vessels)
    reasons = ", ".join(f"{number} {reason}" for reason, number in passed_over.items())
    lines = [
        ("vessels", str(accepted)),
        ("not counted", f"{sum(passed_over.values())}{f' ({reasons})' if reasons else ''}"),
        ("marrow", f"{tissue.marrow_mm2:.3f} mm² that can be analysed; {_left_out(tissue)}"),
        (
            "vessels/mm²",
            f"{density:.1f} of all marrow (no MVD: fields were not placed)" if density is not None else "–",
        ),
        *(("wrote", printable(str(path))) for path in paths),
    ]
    return _aligned(lines)


def screen() -> Console:
    """Where results are printed: what stands in them is text, whatever brackets it has."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=_PLAIN_WIDTH)
    return console


def print_study(study: Study, rows: Sequence[SpecimenRow], results: Path) -> None:
    """The specimens, the changes, and where the results are."""
    console = screen()
    console.print(_specimens(study, rows, read_table(FieldRow, results / "fields.csv") or ()))
    for line in _notes(study.protocol, rows):
        console.print(line)
    if any(row.by_size for row in rows):
        console.print()
        console.print(_sizes(rows))
    short = [replace(row, reason=row.status) for row in rows]  # the sentences stand below the tables
    measure = study.protocol.counts.measure
    changes = paired(short, timepoints=study.protocol.timepoints, measure=measure)
    if changes:
        console.print()
        cautions = {
            (row.patient, row.timepoint): row.status
            for row in rows
            if row.mvd_per_mm2 is not None and row.status != MEASURED
        }
        console.print(_changes(changes, cautions, study.protocol.timepoints[0], _SHOWN[measure]))
        for line in _no_pairs(changes):
            console.print(line)
    console.print()
    console.print(Text(f"Results: {printable(str(results))}", overflow="ignore", no_wrap=True))


def printable(text: str) -> str:
    """A name from outside without control characters, which could do things to a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _specimens(study: Study, rows: Sequence[SpecimenRow], fields: Sequence[FieldRow]) -> Table:
    """The measure that the protocol asks for, field by field and in all, and the others beside it."""
    plan = study.protocol.counts
    first, density, area = (_SHOWN[measure] for measure in (plan.measure, "density", "area"))
    columns: dict[str, Callable[[SpecimenRow], str]] = {
        first.title: lambda row: first.text(row.measured(plan.measure)),
        density.title: lambda row: density.text(row.mvd_per_mm2),
        f"{plan.confidence:.0%} interval": _interval,
        "hot spot": lambda row: density.text(row.hotspot_per_mm2),
        area.title: lambda row: area.text(row.vessel_area_fraction),
    }
    if first is not density:
        del columns["hot spot"]  # a density too; the table fits 80 columns
    per_field: dict[str, list[str]] = {}
    for field in fields:
        per_field.setdefault(field.specimen, []).append(first.of_field(field))
    table = _table("specimen", first.per_field, *columns, "status")
    for row in rows:
        values = " ".join(per_field.get(row.specimen, ())) if row.mvd_per_mm2 is not None else ""
        cells = row.specimen, values or _ABSENT, *(text(row) for text in columns.values())
        style = "red" if row.mvd_per_mm2 is None else "yellow" if row.status == DOUBTFUL else ""
        table.add_row(*(Text(printable(cell)) for cell in cells), Text(row.status, style=style))
    return table


def _interval(row: SpecimenRow) -> str:
    return _ABSENT if row.ci_low is None or row.ci_high is None else f"{row.ci_low:.1f} – {row.ci_high:.1f}"


def _notes(protocol: Protocol, rows: Sequence[SpecimenRow]) -> Iterator[Text]:
    """By which rule and in which fields, and where no observer drew the involved area."""
    rule, plan = protocol.rule, protocol.fields
    fields = f"{plan.number} field{'' if plan.number == 1 else 's'} of {plan.side_um:g} µm"
    yield Text(printable(f"Rule {rule.name}; {fields}, {plan.placement}"))
    for source in ("whole marrow", "suggestion"):
        names = [row.specimen for row in rows if row.involved_source == source]
        if names:
            yield Text(printable(f"No involved area drawn, {source} measured: {', '.join(names)}"))


def _sizes(rows: Sequence[SpecimenRow]) -> Table:
    """How many vessels of each size class, and how many per mm²."""
    sizes = list(dict.fromkeys(size for row in rows for size in row.by_size))
    table = _table("specimen", *(f"{size} (/mm²)" for size in sizes))
    for row in rows:
        if row.area_mm2:
            cells = (f"{row.by_size[size]} ({row.by_size[size] / row.area_mm2:.1f})" for size in sizes)
            table.add_row(Text(printable(row.specimen)), *cells)
    return table


def _changes(
    changes: Sequence[PairedChange], cautions: Mapping[tuple[str, str], str], first: str, shown: _Shown
) -> Table:
    """Changes of the patients; a specimen whose MVD is not simply measured is marked, and so is the pair."""
    table = _table("patient", "timepoint", f"{first}, {shown.title}", "then", "difference", "ratio", "caution")
    for change in changes:
        doubts = (cautions.get((change.patient, timepoint)) for timepoint in (first, change.timepoint))
        cells = (
            change.patient,
            change.timepoint,
            shown.text(change.pre),
            shown.text(change.post),
            shown.text(change.difference, sign="+"),
            _ABSENT if change.ratio is None else f"{change.ratio:.2f}",
            "no pair, see below" if change.missing else ", ".join(dict.fromkeys(d for d in doubts if d)),
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _no_pairs(changes: Sequence[PairedChange]) -> list[Text]:
    """Why patients have no pair, a line each: as long as it takes, whatever the width of the terminal."""
    return [
        Text(printable(f"{change.patient}, {change.timepoint}: no pair, {change.missing}"))
        for change in changes
        if change.missing
    ]


def _table(*columns: str) -> Table:
    """An empty table; columns of numbers stand to the right."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    per_field = [shown.per_field for shown in _SHOWN.values()]
    for name in columns:
        folds = name in (*per_field, "status", "caution")
        table.add_column(
            Text(printable(name)), justify="left" if folds or name in _NAMES else "right", no_wrap=not folds
        )
    return table


def _aligned(lines: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in lines)
