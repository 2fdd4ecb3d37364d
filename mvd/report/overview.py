"""The whole section in one picture: involved area, bone, folds, lost focus, fields, and every vessel."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mvd.counting import Assignment, SpecimenCount
from mvd.fields import CountField
from mvd.geometry import Calibration, Pixels, Rect, Ring
from mvd.pipeline import Found, SpecimenResult
from mvd.record import image_stem
from mvd.report.caption import Caption, Key, draw_samples, laid_out, page_with, write_texts
from mvd.report.labels import Label, Room
from mvd.report.lettering import Type, width_px, write
from mvd.report.outlines import mask_on, round_inside, round_outside
from mvd.report.pens import (
    BLUR,
    BONE,
    COARSE_FIELD,
    COARSE_INVOLVED,
    COUNTED,
    COUNTED_DOT,
    FIELD,
    FOLD,
    INVOLVED,
    LUMEN,
    OTHER,
    OTHER_DOT,
    REJECTED,
)
from mvd.report.reading import from_overview, opened
from mvd.report.sheet import Dot, Pen, Points, Sheet, View, hatched, png, round_length_um, scale_bar
from mvd.store import write_whole
from mvd.survey import Survey
from mvd.vessels import Vessel

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw


Unfit = tuple[str, NDArray[np.bool_], tuple[int, int, int]]

LONGEST_PX = 2000
_FINEST_UM = 0.25
_OUTLINES_UM = 1.0
"""µm per pixel up to which vessels have outlines; a capillary of 8 µm is 8 pixels wide there."""
_DETAILS_UM = 0.5
"""µm per pixel up to which lumens are drawn and vessels numbered, where there are no pictures of fields to do so."""
_WHOLE_UM = 3000.0
"""A picture up to this long is shown whole; a larger one is cut to its tissue, as slides are mostly glass."""


@dataclass(frozen=True, slots=True, eq=False)
class _Section:
    """What either kind of result has to show."""

    name: str
    image: Path
    calibration: Calibration
    size_px: tuple[int, int]
    survey: Survey
    vessels: tuple[Vessel, ...]
    fields: tuple[CountField, ...]
    assignments: dict[str, Assignment] | None
    involved: tuple[tuple[Ring, ...], ...]
    title: str
    lines: tuple[str, ...]

    def counted(self, vessel: Vessel) -> bool:
        if self.assignments is None:
            return vessel.accepted
        return vessel.accepted and bool(self.assignments[vessel.name].fields)


def write_overview(found: Found | SpecimenResult, folder: Path) -> Path:
    """Write `folder`/<name>.overview.png: the section, at most 2000 pixels long, and its caption.

    Parameters
    ----------
    found
        With fields (a counted specimen) or without. The name is the specimen's, or that of the image file.

    Notes
    -----
    Up to 1 µm per pixel vessels are outlined, in coarser pictures they are dots. From 4 µm per pixel on the picture is
    the survey's own, and the slide is not read again: the memory needed does not grow with the slide.

    Raises
    ------
    MvdError
        The slide cannot be read, or the picture cannot be written.
    """
    section = _section(found)
    path = folder / f"{section.name}.overview.png"
    write_whole(path, _picture(section))
    return path


def _section(found: Found | SpecimenResult) -> _Section:
    if isinstance(found, Found):
        accepted = sum(vessel.accepted for vessel in found.vessels)
        name = image_stem(found.image)
        title = (
            f"{name} · {_number(accepted, 'vessel')} · {_number(len(found.vessels) - accepted, 'object')} not counted"
        )
        return _Section(
            name, found.image, found.calibration, found.size_px, found.survey, found.vessels,
            (), None, (), title, found.survey.warnings,
        )  # fmt: skip
    specimen, fields = found.specimen, found.placement.fields
    lines = [
        _area_note(found.involved.source),
        found.placement.shortfall or "",
        *found.involved.remarks,
        *found.warnings,
    ]
    if found.counts:
        lines.insert(0, _counted(found.counts, found.hotspot_per_mm2))
    return _Section(
        specimen.specimen, specimen.image, found.calibration, found.size_px, found.survey, found.vessels,
        fields, found.assignments, found.involved.outlines(), _title(specimen.specimen, found.counts),
        tuple(line for line in lines if line),
    )  # fmt: skip


def _area_note(source: str) -> str:
    """What stands in for an involved area that an observer drew; empty where one did."""
    if source == "suggestion":
        return "Area measured: a suggestion from nuclear density, which no observer has accepted."
    return "Area measured: the whole marrow, for no involved area was drawn." if source == "whole marrow" else ""


def _number(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _title(name: str, counts: SpecimenCount | None) -> str:
    if counts is None:
        return f"{name} · not counted"
    interval = f"{100 * counts.confidence:g} % interval {counts.ci_low_per_mm2:.0f} to {counts.ci_high_per_mm2:.0f}"
    return f"{name} · MVD {counts.mvd_per_mm2:.1f}/mm² ({interval})"


def _counted(counts: SpecimenCount, hotspot_per_mm2: float | None) -> str:
    fields = _number(len(counts.fields), "field")
    text = f"{_number(counts.count, 'vessel')} in {fields}, {counts.area_mm2:.4f} mm² evaluable"
    return text if hotspot_per_mm2 is None else f"{text} · densest field {hotspot_per_mm2:.1f}/mm²"


def _picture(section: _Section) -> bytes:
    from PIL.ImageDraw import Draw  # noqa: PLC0415  (Pillow loads with the first picture)

    view = _view(section)
    stain = _stain(section, view)
    unfit = _unfit(section, view, stain)
    strip = laid_out(_caption(section, view, unfit), stain.shape[1])
    frame, involved = _area_pens(view)
    for _, mask, colour in unfit:
        stain = hatched(stain, mask, colour=colour)
    sheet = Sheet(page_with(stain, strip), stain.shape[0])
    room = Room(stain.shape[:2])
    for polygon in section.involved:
        for ring in polygon:
            sheet.line(view.px(ring), involved, closed=True)
    labels = list(_draw_vessels(sheet, room, section, view))
    for field in section.fields:
        sheet.line(view.px(_corners(field.rect)), frame, closed=True)
    draw_samples(sheet, strip, stain.shape[0])
    image = sheet.finished()
    draw = Draw(image)
    _draw_scale(draw, room, view, stain.shape[:2])
    for field in section.fields:
        _number_field(draw, room, view, field)
    for label, at in room.place(labels):
        write(draw, at, label.text, style=label.style)
    write_texts(draw, strip, stain.shape[0])
    return png(image)


def _unfit(section: _Section, view: View, stain: Pixels) -> tuple[Unfit, ...]:
    """What is in the picture and cannot be analysed: its name, where it is, its colour."""
    tissue = section.survey.tissue
    kinds = (("bone", BONE), ("fold", FOLD), ("out of focus", BLUR))
    masks = (
        (name, mask_on(view, getattr(tissue, name.replace(" ", "_")), stain.shape[:2]), colour)
        for name, colour in kinds
    )
    return tuple((name, mask, colour) for name, mask, colour in masks if mask.any())


def _view(section: _Section) -> View:
    calibration, (width, height) = section.calibration, section.size_px
    rect = Rect(0.0, 0.0, width * calibration.um_per_px_x, height * calibration.um_per_px_y)
    if max(rect.width_um, rect.height_um) > _WHOLE_UM:
        rect = _tissue_rect(section, rect)
    rect = _around([rect, *(field.rect.expanded(0.04 * field.rect.width_um) for field in section.fields)])
    return View(rect, max(max(rect.width_um, rect.height_um) / LONGEST_PX, _FINEST_UM))


def _tissue_rect(section: _Section, whole: Rect) -> Rect:
    """The tissue with a little glass round it."""
    found = section.survey.tissue.whole
    rows, columns = (np.flatnonzero(found.pixels.any(axis=axis)) for axis in (1, 0))
    um = found.um_per_px
    if not rows.size:
        return whole
    x0, y0 = found.x0_um + float(columns[0]) * um, found.y0_um + float(rows[0]) * um
    x1, y1 = found.x0_um + float(columns[-1] + 1) * um, found.y0_um + float(rows[-1] + 1) * um
    tissue = Rect(x0, y0, x1, y1)
    return tissue.expanded(0.03 * max(tissue.width_um, tissue.height_um)).intersection(whole) or whole


def _around(rects: Sequence[Rect]) -> Rect:
    """The smallest rectangle that holds them all: a field may reach beyond the slide."""
    return Rect(
        min(rect.x0_um for rect in rects),
        min(rect.y0_um for rect in rects),
        max(rect.x1_um for rect in rects),
        max(rect.y1_um for rect in rects),
    )


def _stain(section: _Section, view: View) -> Pixels:
    overview = section.survey.overview
    if view.um_per_px >= overview.um_per_px:
        return from_overview(overview, view)
    with opened(section.image, section.calibration) as slide:
        pixels: Pixels = slide.read(view.rect, view.um_per_px).pixels
    return pixels


def _corners(rect: Rect) -> Ring:
    x0, y0, x1, y1 = rect.x0_um, rect.y0_um, rect.x1_um, rect.y1_um
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def _draw_vessels(sheet: Sheet, room: Room, section: _Section, view: View) -> Iterator[Label]:
    """Outlines, or dots where the scale does not permit them; gives the labels to place."""
    outlined = view.um_per_px <= _OUTLINES_UM
    detailed = _is_detailed(section, view)
    for vessel in sorted(section.vessels, key=section.counted):  # the counted ones on top
        pen = _pen(section, vessel)
        if outlined:
            ring = _draw_outline(sheet, room, vessel, pen, view)
            if detailed:
                _draw_lumens(sheet, vessel, view)
                yield _label(vessel, ring)
        elif vessel.accepted:
            x, y = view.px(np.array([[vessel.x_um, vessel.y_um]]))[0].tolist()
            sheet.dot(x, y, COUNTED_DOT if section.counted(vessel) else OTHER_DOT)


def _is_detailed(section: _Section, view: View) -> bool:
    return section.assignments is None and view.um_per_px <= _DETAILS_UM


def _draw_outline(sheet: Sheet, room: Room, vessel: Vessel, pen: Pen, view: View) -> Points:
    rings = [view.px(ring) for ring in round_outside(vessel.outline, 1.5 * view.um_per_px)]
    for ring in rings:
        sheet.line(ring, pen, closed=True)
        room.take_object(ring)
    return max(rings, key=len)


def _draw_lumens(sheet: Sheet, vessel: Vessel, view: View) -> None:
    if vessel.accepted:
        for lumen in vessel.lumens:
            for ring in round_inside(lumen):
                sheet.line(view.px(ring), LUMEN, closed=True)


def _label(vessel: Vessel, ring: Points) -> Label:
    """The number of a vessel as in the table of vessels, or why it does not count."""
    if vessel.reason:
        return Label(vessel.reason, Type(12, (90, 56, 0), halo_px=2), ring, needed=False)
    return Label(vessel.name.lstrip("v0"), Type(15, (0, 62, 84), halo_px=2), ring, needed=False)


def _area_pens(view: View) -> tuple[Pen, Pen]:
    """For fields and for the involved area."""
    return (FIELD, INVOLVED) if view.um_per_px <= _OUTLINES_UM else (COARSE_FIELD, COARSE_INVOLVED)


def _pen(section: _Section, vessel: Vessel) -> Pen:
    return COUNTED if section.counted(vessel) else OTHER if vessel.accepted else REJECTED


def _draw_scale(draw: ImageDraw, room: Room, view: View, shape: tuple[int, int]) -> None:
    length = round_length_um(view.rect.width_um)
    right, bottom = math.ceil(16 + length / view.um_per_px), shape[0] - 14
    scale_bar(draw, (right, bottom), length, view.um_per_px)
    room.take_box((12, bottom - 32, right + 4, bottom + 4))


def _number_field(draw: ImageDraw, room: Room, view: View, field: CountField) -> None:
    (x0, y0), (x1, y1) = view.px(np.array([[field.rect.x0_um, field.rect.y0_um], [field.rect.x1_um, field.rect.y1_um]]))
    size = int(min(max(0.3 * (x1 - x0), 13), 30))
    width = width_px(field.name, size)
    small = width + 8 > x1 - x0
    left = (x0 + x1 - width) / 2 if small else x0 + 7
    base = (y0 + y1) / 2 + 0.36 * size if small else y0 + 0.95 * size + 3
    write(draw, (left, base), field.name, style=Type(size, FIELD.colour, halo_px=2))
    room.take_box((left, base - size, left + width, base + 3))


def _caption(section: _Section, view: View, unfit: Sequence[Unfit]) -> Caption:
    frame, involved = _area_pens(view)
    keys = list(_vessel_keys(section, view))
    if section.fields:
        keys.append(Key("field", frame))
    if section.involved:
        keys.append(Key("area measured", involved))
    keys.extend(Key(name, hatch=colour) for name, _, colour in unfit)
    lines = section.lines
    rejected = sum(not vessel.accepted for vessel in section.vessels)
    if rejected and view.um_per_px > _OUTLINES_UM:
        lines += (f"Not shown: {_number(rejected, 'object')} that the counting rule does not count.",)
    return Caption(section.title, lines, tuple(keys))


def _vessel_keys(section: _Section, view: View) -> Iterator[Key]:
    detailed, outlined = _is_detailed(section, view), view.um_per_px <= _OUTLINES_UM
    counted = sum(section.counted(vessel) for vessel in section.vessels)
    accepted = sum(vessel.accepted for vessel in section.vessels)

    def key(text: str, number: int, pen: Pen, dot: Dot) -> Key:
        return Key(f"{text} ({number})", pen) if outlined else Key(f"{text} ({number})", dot=dot)

    if section.assignments is not None:
        yield key("vessel counted in a field", counted, COUNTED, COUNTED_DOT)
        yield key("vessel not in a field", accepted - counted, OTHER, OTHER_DOT)
    else:
        yield key(
            "vessel, numbered as in the table of vessels" if detailed else "vessel", accepted, COUNTED, COUNTED_DOT
        )
    if detailed and any(vessel.lumens for vessel in section.vessels if vessel.accepted):
        yield Key("lumen", LUMEN)
    rejected = len(section.vessels) - accepted
    if rejected and outlined:
        yield Key(f"not counted{', with the reason' if detailed else ''} ({rejected})", REJECTED)
