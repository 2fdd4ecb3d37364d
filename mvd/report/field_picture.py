"""One picture for each counting field: what was counted there, what was not, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from mvd.counting import Border, FieldCount, assign, belongs
from mvd.geometry import Pixels, Rect
from mvd.pipeline import SpecimenResult
from mvd.report.caption import Caption, Key, draw_samples, laid_out, page_with, write_texts
from mvd.report.labels import Label, Room
from mvd.report.lettering import Type, write
from mvd.report.outlines import mask_on, round_outside
from mvd.report.pens import COUNTED, EXCLUDES, FIELD, INCLUDES, LEFT_OUT, REJECTED, UNFIT
from mvd.report.reading import opened
from mvd.report.sheet import Points, Sheet, View, faded, hatched, png, round_length_um, scale_bar
from mvd.slide import Slide
from mvd.store import write_whole
from mvd.vessels import Vessel

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw


CONTEXT_SHARE = 0.1
"""Of a field's side, shown round it: 25 µm for the default field."""
_FINEST_UM, _COARSEST_UM = 0.125, 0.5
"""µm per pixel of the screen, for very small and for large fields; a field of 250 µm has 0.25."""
_WIDTH_PX, _WIDEST_PX = 1200, 2400

_CLEAR_UM = 0.45
"""The line runs this far outside the stain, so as not to hide its edge."""

Standing = Literal["counted", "left out", "rejected"]
_PENS = {"counted": COUNTED, "left out": LEFT_OUT, "rejected": REJECTED}


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """One object in a picture."""

    standing: Standing
    label: str
    ambiguous: bool
    rings: tuple[Points, ...]


def write_field_pictures(result: SpecimenResult, folder: Path, *, border: Border | None = None) -> tuple[Path, ...]:
    """Write one PNG for each field: `folder`/<specimen>/field_<name>.png.

    Parameters
    ----------
    result
        A counted specimen; its slide is read again.
    border
        The rule that the result was counted by; None finds the first in the order frame, centre, touching that gives
        the result's own assignments.

    Returns
    -------
    The paths, in the order of the fields; none where no field could be placed.

    Notes
    -----
    Counted vessels are numbered from 1 as `FieldCount.vessels` lists them; ? marks what is near a limit. The place
    shown round the field is paler. Outlines are drawn 0.45 µm outside the measured ones, without their pixel stairs.

    Raises
    ------
    MvdError
        The slide cannot be read, or the pictures cannot be written.
    """
    home = folder / result.specimen.specimen
    rows = result.counts.fields if result.counts else ()
    rule = border or _border_of(result)
    paths = []
    if rows:
        with opened(result.specimen.image, result.calibration) as slide:
            for row in rows:
                paths.append(home / f"field_{row.field.name}.png")
                write_whole(paths[-1], field_picture(slide, result, row, border=rule))
    return tuple(paths)


def _border_of(result: SpecimenResult) -> Border:
    for border in get_args(Border):
        if assign(result.vessels, result.placement.fields, border) == result.assignments:
            rule: Border = border
            return rule
    raise ValueError(f"{result.specimen.specimen}: no border rule gives these assignments; name the one they follow")


def field_picture(slide: Slide, result: SpecimenResult, row: FieldCount, *, border: Border) -> bytes:
    """One field as PNG."""
    from PIL.ImageDraw import Draw  # noqa: PLC0415

    rect = row.field.rect
    view = _view(rect)
    stain = slide.read(view.rect, view.um_per_px).pixels
    seen = tuple(_seen(result, row, view))
    strip = laid_out(_caption(result, row, seen, border), stain.shape[1])
    sheet = Sheet(page_with(_prepared(stain, view, rect, result), strip), stain.shape[0])
    room = Room(stain.shape[:2])
    for thing in seen:
        for ring in thing.rings:
            sheet.line(ring, _PENS[thing.standing], closed=True)
            room.take_object(ring)
    _draw_frame(sheet, room, view, rect, border)
    draw_samples(sheet, strip, stain.shape[0])
    image = sheet.finished()
    draw = Draw(image)
    _draw_scale(draw, room, view, stain.shape[:2], rect)
    labels = [_label(thing) for standing in _PENS for thing in seen if thing.standing == standing]
    for label, at in room.place(labels):
        write(draw, at, label.text, style=label.style)
    write_texts(draw, strip, stain.shape[0])
    return png(image)


def picture_px(side_um: float) -> int:
    """Width, and height without the caption, of the picture of a field of this side; a narrow one is widened by its
    caption."""
    view = _view(Rect.square(0.0, 0.0, side_um))
    return round(view.rect.width_um / view.um_per_px)


def _view(rect: Rect) -> View:
    shown = rect.expanded(CONTEXT_SHARE * rect.width_um)
    fine = min(max(shown.width_um / _WIDTH_PX, _FINEST_UM), _COARSEST_UM)
    return View(shown, max(fine, shown.width_um / _WIDEST_PX))


def _seen(result: SpecimenResult, row: FieldCount, view: View) -> Iterator[_Seen]:
    """Every object that touches the field or belongs to it."""
    numbers = {name: str(number) for number, name in enumerate(row.vessels, start=1)}
    for vessel in result.vessels:
        if vessel.bounds.intersection(row.field.rect.expanded(1e-6)) is None:
            continue
        counted = vessel.name in numbers
        if not (counted or belongs(vessel, row.field.rect, "touching")):
            continue
        standing: Standing = "counted" if counted else "left out" if vessel.accepted else "rejected"
        label = numbers.get(vessel.name) or vessel.reason or _where(result, vessel)
        if vessel.ambiguous:
            label += "?"
        rings = tuple(view.px(ring) for ring in round_outside(vessel.outline, _CLEAR_UM))
        yield _Seen(standing, label, vessel.ambiguous, rings)


def _where(result: SpecimenResult, vessel: Vessel) -> str:
    """In which other field a vessel is counted that is left out here."""
    others = result.assignments[vessel.name].fields
    return f"in field {', '.join(others)}" if others else ""


def _prepared(stain: Pixels, view: View, rect: Rect, result: SpecimenResult) -> Pixels:
    """The stain, paler round the field, hatched where the field cannot be evaluated."""
    (left, top), (right, bottom) = view.px(np.array([[rect.x0_um, rect.y0_um], [rect.x1_um, rect.y1_um]])).round()
    inside = np.zeros(stain.shape[:2], bool)
    inside[int(top) : int(bottom), int(left) : int(right)] = True
    unfit = inside & ~mask_on(view, result.evaluable, stain.shape[:2])
    return hatched(faded(stain, inside, 0.4), unfit, colour=UNFIT)


def _draw_frame(sheet: Sheet, room: Room, view: View, rect: Rect, border: Border) -> None:
    (x0, y0), (x1, y1) = view.px(np.array([[rect.x0_um, rect.y0_um], [rect.x1_um, rect.y1_um]])).tolist()
    end = view.px(np.array([[view.rect.x1_um, view.rect.y1_um]]))[0, 1]
    for a, b in (((x0, y0), (x1, y0)), ((x1, y0), (x1, y1)), ((x0, y1), (x1, y1)), ((x0, y0), (x0, y1))):
        room.take_line(*a, *b)
    if border == "frame":
        sheet.line(np.array([(x0, y0), (x1, y0), (x1, y1)]), INCLUDES)
        sheet.line(np.array([(x0, 0.0), (x0, y1), (x1, y1), (x1, end)]), EXCLUDES)
        return
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    sheet.line(corners, INCLUDES if border == "touching" else FIELD, closed=True)


def _draw_scale(draw: ImageDraw, room: Room, view: View, shape: tuple[int, int], rect: Rect) -> None:
    length = round_length_um(rect.width_um)
    right, bottom = round(shape[1] * 0.02 + length / view.um_per_px), shape[0] - 12
    scale_bar(draw, (right, bottom), length, view.um_per_px)
    room.take_box((shape[1] * 0.02 - 4, bottom - 32, right + 4, bottom + 4))


def _label(thing: _Seen) -> Label:
    ring = max(thing.rings, key=len)
    if thing.standing == "counted":
        return Label(thing.label, Type(17, (0, 62, 84), halo_px=2), ring, needed=True)
    colour = (90, 56, 0) if thing.standing == "rejected" else (60, 60, 66)
    return Label(thing.label, Type(13, colour, halo_px=2), ring, needed=False)


def _caption(result: SpecimenResult, row: FieldCount, seen: Sequence[_Seen], border: Border) -> Caption:
    number = {standing: sum(thing.standing == standing for thing in seen) for standing in _PENS}
    vessels = "1 vessel" if row.count == 1 else f"{row.count} vessels"
    title = (
        f"{result.specimen.specimen} · field {row.field.name} · {vessels} in {row.field.evaluable_mm2:.4f} mm² "
        f"evaluable · {row.per_mm2:.1f}/mm²"
    )
    keys = [Key(f"counted ({number['counted']})", COUNTED)]
    if number["left out"]:
        keys.append(Key(f"left out by the border rule ({number['left out']})", LEFT_OUT))
    if number["rejected"]:
        keys.append(Key(f"not counted, with the reason ({number['rejected']})", REJECTED))
    if border == "frame":
        keys += [Key("edge that includes", INCLUDES), Key("edge that excludes", EXCLUDES)]
    elif border == "centre":
        keys.append(Key("field: a vessel counts where its centre lies", FIELD))
    else:
        keys.append(Key("field: every vessel that touches it counts", INCLUDES))
    if row.field.evaluable_mm2 < row.field.rect.area_mm2:
        keys.append(Key("cannot be evaluated", hatch=UNFIT))
    return Caption(title, tuple(_remarks(result, seen)), tuple(keys))


def _remarks(result: SpecimenResult, seen: Sequence[_Seen]) -> Iterator[str]:
    near = sum(thing.ambiguous and thing.standing == "counted" for thing in seen)
    if any(thing.ambiguous for thing in seen):
        yield f"? is near a limit of the rule: look there first ({near} of those counted)."
    for warning in result.warnings:
        yield f"Doubtful: {warning}."
