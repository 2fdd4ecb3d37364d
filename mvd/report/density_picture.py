"""The density map of a section as a picture, and as a file for other programs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import shapely

from mvd.density import LEVEL, DensityMap, contour_levels, contour_lines
from mvd.geometry import FloatImage, Pixels, Raster, Ring
from mvd.pipeline import SpecimenResult
from mvd.report.caption import Caption, Key, draw_samples, laid_out, page_with, write_texts
from mvd.report.labels import Label, Room
from mvd.report.lettering import INK, Type, width_px, write
from mvd.report.outlines import mask_on
from mvd.report.pens import COARSE_INVOLVED, EQUAL_DENSITY, HOT_FIELD, HOT_SPOT, MAPPED_DOT
from mvd.report.reading import from_overview
from mvd.report.sheet import Points, Sheet, View, faded, png, round_length_um, scale_bar
from mvd.store import map_tiff, write_together
from mvd.store.geojson import corners

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

PICTURE, TIFF = "density_map.png", "density_map.tif"
LONGEST_PX, _ENOUGH_PX = 2000, 1000
_FINEST_UM = 2.0
"""The map is smooth over a tenth of a millimetre: finer pixels would show no more, but in small sections room for
marks and words."""
_DOTS_UM = 5.0
"""µm per pixel up to which vessels are dots; in coarser pictures dots would hide the map."""
_LEAST_PART_PX, _LEAST_HOLE_PX = 4, 200
"""Square pixels of the picture that a part of a hot spot, or a hole in it, must have to be drawn."""
_BAND_PX, _BAR_PX = 58, 18
"""Height of the colour scale with its numbers, and of its colours."""
_VIRIDIS = (
    (68, 1, 84), (72, 40, 120), (62, 74, 137), (49, 104, 142), (38, 130, 142),
    (31, 158, 137), (53, 183, 121), (110, 206, 88), (181, 222, 43), (253, 231, 37),
)  # fmt: skip
"""Ten of the colours of viridis (Smith and van der Walt, 2015; CC0), evenly spaced: lighter is denser, also in grey and
to colour-blind eyes."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """What a picture is drawn from."""

    result: SpecimenResult
    density: DensityMap
    raster: Raster
    view: View
    levels: tuple[float, ...]

    @property
    def top(self) -> float:
        """The density of the lightest colour."""
        return max(float(np.nanmax(self.raster.pixels)), self.levels[-1] if self.levels else 1.0)


def write_density_map(result: SpecimenResult, folder: Path) -> tuple[Path, ...]:
    """Write `folder`/<specimen>/density_map.png and .tif; nothing where there is no map, and an older map goes.

    Raises
    ------
    MvdError
        The files cannot be written.
    """
    own = folder / result.specimen.specimen
    tiff = map_tiff(result.density) if result.density else None
    if tiff is None or result.density is None or result.density.raster is None:
        for name in (PICTURE, TIFF):
            with contextlib.suppress(OSError):
                (own / name).unlink(missing_ok=True)
        return ()
    drawn = {own / PICTURE: _picture(_sheet(result, result.density, result.density.raster)), own / TIFF: tiff}
    write_together(drawn)
    return tuple(drawn)


def _sheet(result: SpecimenResult, density: DensityMap, raster: Raster) -> _Sheet:
    rect = raster.rect
    shown = rect.expanded(0.03 * max(rect.width_um, rect.height_um))
    longest = max(shown.width_um, shown.height_um)
    view = View(shown, max(longest / LONGEST_PX, min(_FINEST_UM, longest / _ENOUGH_PX)))
    return _Sheet(result, density, raster, view, contour_levels(density))


def _picture(what: _Sheet) -> bytes:
    from PIL.ImageDraw import Draw  # noqa: PLC0415  (Pillow loads with the first picture)

    heat = _heat(what)
    rows, columns = heat.shape[:2]
    strip = laid_out(_caption(what), columns)
    page = page_with(np.vstack([heat, np.full((_BAND_PX, columns, 3), 255, np.uint8)]), strip)
    width = min(page.shape[1] - 28, 640)
    page[rows + 12 : rows + 12 + _BAR_PX, 14 : 14 + width] = _colours(np.linspace(0, 1, width, dtype=np.float32))
    sheet, room = Sheet(page, rows), Room((rows, columns))
    labels = list(_draw(sheet, room, what))
    draw_samples(sheet, strip, rows + _BAND_PX)
    image = sheet.finished()
    draw = Draw(image)
    length = round_length_um(what.view.rect.width_um)
    right = math.ceil(16 + length / what.view.um_per_px)
    scale_bar(draw, (right, rows - 14), length, what.view.um_per_px)
    room.take_box((12, rows - 46, right + 4, rows - 10))
    for label, at in room.place(labels):
        write(draw, at, label.text, style=label.style)
    _write_scale(draw, what, (14, rows + 12, width))
    write_texts(draw, strip, rows + _BAND_PX)
    return png(image)


def _heat(what: _Sheet) -> Pixels:
    """The densities as colours over the evaluable area, on a pale section."""
    view = what.view
    section = from_overview(what.result.survey.overview, view)
    grey: Pixels = np.asarray(cv2.cvtColor(cv2.cvtColor(section, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
    shown = mask_on(view, what.result.evaluable, section.shape[:2])
    pale = faded(grey, np.zeros_like(shown), 0.55)
    heat: Pixels = np.where(
        shown[..., None], _colours(_on(view, what.raster, shown.shape) / np.float32(what.top)), pale
    )
    return heat


def _on(view: View, raster: Raster, shape: tuple[int, ...]) -> FloatImage:
    """A raster with unknown pixels on the pixels of a picture; the unknown ones take the nearest value."""
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415  (keeps the import of mvd quick)

    unknown = ~np.isfinite(raster.pixels)
    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    filled = raster.pixels[tuple(nearest)].astype(np.float32)
    scale = view.um_per_px / raster.um_per_px
    move = [(low - own) / raster.um_per_px + 0.5 * scale - 0.5
            for low, own in ((view.rect.x0_um, raster.x0_um), (view.rect.y0_um, raster.y0_um))]  # fmt: skip
    matrix = np.array([[scale, 0, move[0]], [0, scale, move[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (shape[1], shape[0])
    drawn = cv2.warpAffine(filled, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(drawn, np.float32)


def _colours(parts: FloatImage) -> Pixels:
    """0 to 1 -> colours of the scale."""
    steps = np.linspace(0, 1, len(_VIRIDIS))
    table = np.stack([np.interp(np.linspace(0, 1, 256), steps, channel) for channel in np.array(_VIRIDIS).T], axis=1)
    colours: Pixels = np.round(table).astype(np.uint8)[np.clip(np.round(parts * 255), 0, 255).astype(np.uint8)]
    return colours


def _draw(sheet: Sheet, room: Room, what: _Sheet) -> Iterator[Label]:
    """Lines and marks; gives the labels of the hot spots."""
    view, density = what.view, what.density
    for level in what.levels:
        for line in contour_lines(density, level):
            sheet.line(view.px(line), EQUAL_DENSITY)
    for polygon in what.result.involved.outlines():
        for ring in polygon:
            sheet.line(view.px(ring), COARSE_INVOLVED, closed=True)
    if view.um_per_px <= _DOTS_UM:
        for x, y in view.px(_points(what)).tolist():
            sheet.dot(x, y, MAPPED_DOT)
    for spot in density.hotspots:
        rings = [view.px(ring) for polygon in spot.outlines for ring in _straightened(polygon, view.um_per_px)]
        rings = rings or [view.px(spot.outlines[0][0])]
        for ring in rings:
            sheet.line(ring, HOT_SPOT, closed=True)
        if spot.place.field is not None:
            frame = view.px(corners(spot.place.field.field.rect))
            sheet.line(frame, HOT_FIELD, closed=True)
            rings.append(frame)
        for ring in rings:
            room.take_object(ring)
        text = f"{spot.name}: {spot.place.per_mm2:.0f}/mm², p = {spot.place.p:.3f}"
        yield Label(text, Type(18, INK, halo_px=3), max(rings, key=_extent_px), needed=True)


def _extent_px(ring: Points) -> float:
    return float(np.ptp(ring, axis=0).sum())


def _points(what: _Sheet) -> Ring:
    """Reference points of the vessels that count."""
    points = [(vessel.x_um, vessel.y_um) for vessel in what.result.vessels if vessel.accepted]
    return np.array(points, np.float64).reshape(-1, 2)


def _straightened(polygon: tuple[Ring, ...], um: float) -> Iterator[Ring]:
    """Rings without the stairs of their pixels; holes of a few pixels, and parts of the finest, are left out."""
    for number, ring in enumerate(polygon):
        shape = shapely.Polygon(ring)
        if shape.area >= (_LEAST_PART_PX if number == 0 else _LEAST_HOLE_PX) * um**2:
            yield shapely.get_coordinates(shape.simplify(2 * um).exterior)[:-1]


def _write_scale(draw: ImageDraw, what: _Sheet, box: tuple[int, int, int]) -> None:
    """Numbers under the colours, and what they are."""
    left, top, width = box
    for value in (0.0, *what.levels):
        x, text = left + width * value / what.top, f"{value:g}"
        draw.line((x, top + _BAR_PX, x, top + _BAR_PX + 4), fill=INK)
        write(draw, (x - width_px(text, 14) / 2 if value else left, top + _BAR_PX + 18), text, style=Type(14))
    write(draw, (left + width + 12, top + 14), "vessels/mm²", style=Type(14))


def _caption(what: _Sheet) -> Caption:
    density = what.density
    mean = density.mean_per_mm2 or 0.0
    title = f"{what.result.specimen.specimen} · density map · {mean:.1f}/mm² over {density.area_mm2:.2f} mm²"
    keys = [Key("area measured", COARSE_INVOLVED), Key("equal density", EQUAL_DENSITY)]
    if density.hotspots:
        keys += [Key("hot spot", HOT_SPOT), Key("field at its peak", HOT_FIELD)]
    if what.view.um_per_px <= _DOTS_UM:
        keys.append(Key("vessel that counts", dot=MAPPED_DOT))
    kernel = (
        f"{density.vessels} vessels; Gaussian kernel with a standard deviation of {density.kernel_um:g} µm, "
        "corrected at the edges of the area."
    )
    return Caption(title, (kernel, _finding(density)), tuple(keys))


def _finding(density: DensityMap) -> str:
    if density.highest is None:
        return f"{density.reason}."
    random = f"{density.simulations} sections with as many vessels at random places"
    if density.hotspots:
        few = (
            "1 hot spot: it exceeds"
            if len(density.hotspots) == 1
            else f"{len(density.hotspots)} hot spots: they exceed"
        )
        return f"{few} the highest place, wherever that is, of {100 * (1 - LEVEL):g} % of {random}."
    place = density.highest
    return (
        f"No hot spot: no place is denser than chance makes one. The least likely, {place.per_mm2:.0f}/mm², has a p of "
        f"{place.p:.2f}, against {random}."
    )
