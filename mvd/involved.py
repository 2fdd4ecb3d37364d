"""The involved area: which part of the section is marrow with disease, as an observer drew it.

Two forms are read. GeoJSON as QuPath exports it: a FeatureCollection, a list of features, one feature or a bare
geometry; Polygon and MultiPolygon, coordinates in level-0 pixels. Or a mask image over the whole slide, of any size
with the slide's proportions, where every pixel that is not zero is involved.

Which annotations of a GeoJSON file are taken: if any polygon has a class that says it is involved (`mvd.annotations`),
just those; otherwise all that are of one class, or of none. Polygons of several classes of which none is known are
refused: which of them is meant cannot be told. Those of a class that says to leave them out are cut out of the others.
Where there is no class, a name that says so stands for it. Detections, cells, tiles and cores are never taken.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from mvd.annotations import Meaning, folded, meaning
from mvd.errors import FieldError, InvolvedAreaError, MvdError
from mvd.geometry import Calibration, Mask, Raster, Rect, Ring
from mvd.protocol import InvolvedPlan

FIELD_CLASSES = frozenset({"field", "counting field"})

_SIDE_TOLERANCE = 0.1
"""Share of its side by which a field may be drawn too large or too small: a hand is not that exact."""
_MENDED_SHARE = 0.01
"""Of its area by which an outline that crosses itself may change when it is mended: small loops at its seam."""
_MOST_LOST, _TOLD_LOST = 0.1, 0.005
"""Share of a drawn area that may lie off the slide: a line drawn round a section runs a little past it. More is the
area of another slide, or drawn at another resolution. Less than the second is not worth a word."""

MASK_ASPECT_TOLERANCE = 0.02
"""A mask's width over height may differ from the slide's by this fraction (pyramid levels are rounded)."""

_FARTHEST_PX = 1e7
"""No slide is this many pixels wide; a coordinate beyond it is an overflow or another unit."""


@dataclass(frozen=True, eq=False)  # no slots: the outlines of a mask are kept
class InvolvedArea:
    """Where the marrow is measured: polygons, or a mask spread over `extent`.

    `source` says in words where it comes from: "annotation", "mask", "whole marrow" or "suggestion".
    """

    source: str
    extent: Rect
    """The rectangle that the polygons are clipped to, or that the mask spans."""
    polygons: tuple[tuple[Ring, ...], ...] = ()
    """Each polygon's rings in µm: the outer boundary, then its holes. Polygons do not overlap."""
    mask: Mask | None = None
    """Rows and columns spread evenly over `extent`; pixels need not be square."""
    classes: tuple[str, ...] = ()
    """Classes, as they stand in the file, of the annotations that were taken; those of none are not named."""
    cut_out: tuple[str, ...] = ()
    """Classes of what was cut out of it."""
    lost_share: float = 0.0
    """Of what was drawn, the share that lies off the slide."""
    remarks: tuple[str, ...] = ()
    """Sentences: what was taken that may not have been meant."""

    def raster(self, like: Raster) -> Raster:
        """True where the centre of a pixel of `like` lies in the involved area; bool, on the grid of `like`."""
        if self.mask is None:
            rings = [ring for polygon in self.polygons for ring in polygon]
            return like.with_pixels(_fill(rings, like))
        return like.with_pixels(_sample(self.mask, self.extent, like))

    def outlines(self) -> tuple[tuple[Ring, ...], ...]:
        """Polygons as `polygons`; those of a mask run along its pixel edges."""
        return self._outlines

    @cached_property
    def _outlines(self) -> tuple[tuple[Ring, ...], ...]:
        return self.polygons if self.mask is None else _trace(self.mask, self.extent)

    @property
    def area_mm2(self) -> float:
        if self.mask is not None:
            return float(self.mask.mean()) * self.extent.area_mm2
        return sum(float(shapely.Polygon(rings[0], rings[1:]).area) for rings in self.polygons) / 1e6


def involved_from_geojson(
    text: str,
    calibration: Calibration,
    *,
    bounds: Rect,
    where: str,
    plan: InvolvedPlan | None = None,
    origin_px: tuple[int, int] = (0, 0),
) -> InvolvedArea:
    """Read the involved area from GeoJSON.

    Parameters
    ----------
    text
        The file's content; coordinates in level-0 pixels.
    bounds
        The slide in µm. Parts of the area outside it are cut off, and `lost_share` says how much.
    where
        The file's name, for error messages.
    plan
        Which classes are involved and which are to be left out, besides those that say so.
    origin_px
        Where (0, 0) of the slide lies in the file's coordinates.

    Raises
    ------
    InvolvedAreaError
        No usable polygon, with the reason and, where there is one, the place in level-0 pixels; polygons of several
        classes of which none is known; or a tenth of the area and more lies off the slide.
    """
    shapes = [one for one in _shapes(text, where, InvolvedAreaError) if one.annotation and one.kind in _AREAS]
    plan = plan or InvolvedPlan()
    taken, excluded = _meant(shapes, plan, where)
    polygons = _polygons(taken, where, 0)
    if not polygons:
        raise InvolvedAreaError(
            f"{where} holds no polygon annotation to use as the involved area; "
            "draw one around the involved marrow in QuPath and export it as GeoJSON"
        )
    scale = np.array([calibration.um_per_px_x, calibration.um_per_px_y])
    whole = shapely.union_all(polygons)
    left = shapely.difference(whole, shapely.union_all(_polygons(excluded, where, len(polygons))))
    drawn, left = (shapely.transform(area, lambda xy: (xy - origin_px) * scale) for area in (whole, left))
    slide = shapely.box(bounds.x0_um, bounds.y0_um, bounds.x1_um, bounds.y1_um)
    rings = _rings(shapely.normalize(shapely.intersection(left, slide)))
    lost = 1 - float(shapely.intersection(drawn, slide).area) / float(drawn.area)
    if not rings:
        x0, y0, x1, y1 = drawn.bounds
        raise InvolvedAreaError(
            f"{where}: the involved area (x {x0:.0f} to {x1:.0f} µm, y {y0:.0f} to {y1:.0f} µm) misses the slide, "
            f"which is {bounds.width_um:.0f} × {bounds.height_um:.0f} µm; export the annotation of this slide, "
            "in its full resolution pixels"
        )
    if lost > _MOST_LOST:
        raise InvolvedAreaError(
            f"{where}: {100 * lost:.0f} % of the involved area lies off the slide, which is {bounds.width_um:.0f} × "
            f"{bounds.height_um:.0f} µm; export the annotation of this slide, in its full resolution pixels"
        )
    classes, cut_out = (
        tuple(dict.fromkeys(one.told for one in some if one.label or one.meaning(plan) is not Meaning.NONE))
        for some in (taken, excluded)
    )
    remarks = list(_remarks(taken, plan, where))
    if lost > _TOLD_LOST:
        remarks.append(f"{100 * lost:.0f} % of the involved area in {where} lies off the slide and is left out")
    return InvolvedArea(
        "annotation",
        bounds,
        polygons=rings,
        classes=classes,
        cut_out=cut_out,
        lost_share=max(lost, 0.0),
        remarks=tuple(remarks),
    )


_AREAS = frozenset({"Polygon", "MultiPolygon"})


def _meant(shapes: list[_Shape], plan: InvolvedPlan, where: str) -> tuple[list[_Shape], list[_Shape]]:
    """The polygons of the involved area, and those to be cut out of it."""
    by_meaning: dict[Meaning, list[_Shape]] = {one: [] for one in Meaning}
    for shape in shapes:
        by_meaning[shape.meaning(plan)].append(shape)
    excluded = by_meaning[Meaning.EXCLUDED]
    if by_meaning[Meaning.INVOLVED]:
        return by_meaning[Meaning.INVOLVED], excluded
    open_ones = [*by_meaning[Meaning.UNKNOWN], *by_meaning[Meaning.NONE]]
    names = Counter(shape.label.split(":")[0].strip() for shape in open_ones)
    if len({folded(name) for name in names}) > 1:
        quoted = {name: f"'{name}'" if name else "no class" for name in names}
        listed = ", ".join(f"{number} × {quoted[name]}" for name, number in names.items())
        raise InvolvedAreaError(
            f"{where} has polygons of several classes ({listed}), and none says that it is the involved marrow; call "
            'it Involved, CLL or Tumor in QuPath, or name the class under [involved] in study.toml: classes = ["…"]'
        )
    return open_ones, excluded


def _remarks(taken: list[_Shape], plan: InvolvedPlan, where: str) -> Iterator[str]:
    unknown = {shape.label for shape in taken if shape.meaning(plan) is Meaning.UNKNOWN}
    for label in sorted(unknown):
        yield f"the polygons '{label}' in {where} were taken for the involved area, for there are no others"


class _NoAreaError(InvolvedAreaError):
    """A polygon that is none: a slip of the mouse beside others."""


def _polygons(shapes: list[_Shape], where: str, before: int) -> list[Any]:
    polygons: list[Any] = []
    stray, number = list[_NoAreaError](), before
    for shape in shapes:
        parts = [shape.coordinates] if shape.kind == "Polygon" else _items(shape.coordinates)
        for coordinates in parts:
            number += 1
            try:
                polygons.append(_polygon(coordinates, f"{where}: polygon {number}"))
            except _NoAreaError as error:
                stray.append(error)
    if stray and not polygons:
        raise stray[0]
    return polygons


def involved_from_mask(pixels: NDArray[Any], bounds: Rect, *, where: str) -> InvolvedArea:
    """Read the involved area from a mask image.

    Parameters
    ----------
    pixels
        (rows, columns) or (rows, columns, channels), bool or integer; any value but zero is involved. The last of two
        or four channels is opacity: a wholly transparent pixel is not involved, and opacity alone involves nothing.
    bounds
        The slide in µm, which the mask spans.
    """
    if pixels.ndim not in (2, 3) or 0 in pixels.shape or pixels.dtype.kind not in "bui":
        raise InvolvedAreaError(
            f"{where} is not a mask image (shape {pixels.shape}, {pixels.dtype}); "
            "save the mask as an 8-bit PNG or TIFF, 0 outside the involved area"
        )
    mask = pixels != 0
    if mask.ndim == 3:
        opaque = mask[..., -1] if mask.shape[2] in (2, 4) else np.True_
        colour = mask[..., :-1] if mask.shape[2] in (2, 4) else mask
        mask = colour.any(axis=2) & opaque
    rows, columns = mask.shape
    stretch = (columns / rows) / (bounds.width_um / bounds.height_um)
    if abs(stretch - 1) > MASK_ASPECT_TOLERANCE:
        raise InvolvedAreaError(
            f"{where} is {columns} × {rows} pixels, which does not have the proportions of the slide "
            f"({bounds.width_um:.0f} × {bounds.height_um:.0f} µm); the mask must span the whole slide"
        )
    if not mask.any():
        raise InvolvedAreaError(f"{where} is empty: every pixel is 0; paint the involved area with any other value")
    return InvolvedArea("mask", bounds, mask=np.ascontiguousarray(mask))


def involved_from_raster(marrow: Raster, source: str) -> InvolvedArea:
    """The involved area as pixels that the program itself found ("whole marrow", "suggestion")."""
    return InvolvedArea(source, marrow.rect, mask=marrow.pixels.astype(bool))


def field_centres_from_geojson(
    text: str,
    calibration: Calibration,
    *,
    where: str,
    origin_px: tuple[int, int] = (0, 0),
    side_um: float | None = None,
) -> Ring:
    """Centres of the fields an observer placed, (n, 2) x, y in µm, in the order of the file.

    Every point is a centre, and of every polygon the middle of its bounding box. If any is classified Field, just
    those; otherwise all annotations except those classified Ignore* or Exclude.

    Parameters
    ----------
    side_um
        What a field measures: one that was drawn in another size is refused.

    Raises
    ------
    FieldError
        The file is not GeoJSON or names no place, or a field has another size.
    """
    centres: list[tuple[float, float]] = []
    kinds = {"Point", "MultiPoint", "Polygon", "MultiPolygon"}
    for shape in _fields([one for one in _shapes(text, where, FieldError) if one.annotation and one.kind in kinds]):
        place = f"{where}: field {len(centres) + 1}"
        if shape.kind == "Point":
            centres.append(_position(shape.coordinates, place, FieldError))
        elif shape.kind == "MultiPoint":
            centres.extend(_position(item, place, FieldError) for item in _items(shape.coordinates))
        else:
            parts = [shape.coordinates] if shape.kind == "Polygon" else _items(shape.coordinates)
            corners = [_position(p, place, FieldError) for part in parts for p in _items(_items(part)[:1], 0)]
            if corners:
                (x0, y0), (x1, y1) = np.min(corners, axis=0), np.max(corners, axis=0)
                _refuse_another_size((x1 - x0, y1 - y0), calibration, side_um, place)
                centres.append((float(x0 + x1) / 2, float(y0 + y1) / 2))
    if not centres:
        raise FieldError(
            f"{where} holds no point or square to place a field at; mark the fields in QuPath and export them"
        )
    places = np.array(centres, dtype=np.float64) - origin_px
    return places * [calibration.um_per_px_x, calibration.um_per_px_y]


def _refuse_another_size(
    size_px: tuple[float, float], calibration: Calibration, side_um: float | None, place: str
) -> None:
    width, height = size_px[0] * calibration.um_per_px_x, size_px[1] * calibration.um_per_px_y
    if side_um is not None and max(abs(width / side_um - 1), abs(height / side_um - 1)) > _SIDE_TOLERANCE:
        raise FieldError(
            f"{place} was drawn {width:.0f} × {height:.0f} µm large, but study.toml has side_um = {side_um:g}; draw "
            "fields of that size, mark their middles with points, or check the pixel size"
        )


@dataclass(frozen=True, slots=True)
class _Shape:
    """One simple geometry of the file."""

    kind: str
    coordinates: object
    label: str
    """Its class as it stands in the file."""
    name: str
    annotation: bool

    @property
    def classification(self) -> str:
        """First part of the class's name, folded: "Tumor: Positive" is "tumor", "Ignore*" is "ignore*"."""
        return self.label.split(":")[0].strip().casefold()

    def meaning(self, plan: InvolvedPlan) -> Meaning:
        """By its class; where it has none, by a name that says something."""
        if folded(self.label):
            return meaning(self.label, involved=plan.classes, excluded=plan.exclude)
        named = meaning(self.name, involved=plan.classes, excluded=plan.exclude)
        return Meaning.NONE if named is Meaning.UNKNOWN else named

    @property
    def told(self) -> str:
        """What it is called where it is spoken of."""
        return self.label or self.name


def _shapes(text: str, where: str, wrong: type[MvdError]) -> list[_Shape]:
    try:
        found = list(_walk(json.loads(text.removeprefix("\ufeff"))))
    except (ValueError, RecursionError) as error:
        detail = str(error) if isinstance(error, ValueError) else "nested too deeply"
        raise wrong(f"{where} is not GeoJSON ({detail}); export the annotations from QuPath as GeoJSON") from error
    return found


def _walk(node: object, label: str = "", name: str = "", annotation: bool = True) -> Iterator[_Shape]:
    if isinstance(node, list):
        for item in node:
            yield from _walk(item, label, name, annotation)
    if not isinstance(node, dict):
        return
    match node.get("type"):
        case "FeatureCollection":
            yield from _walk(node.get("features"))
        case "Feature":
            properties = node.get("properties")
            properties = properties if isinstance(properties, dict) else {}
            is_annotation = _kind(node, properties) == "annotation"
            yield from _walk(node.get("geometry"), _label(properties), _text(properties.get("name")), is_annotation)
            yield from _walk(properties.get("childObjects"))
        case "GeometryCollection":
            yield from _walk(node.get("geometries"), label, name, annotation)
        case str(kind):
            yield _Shape(kind, node.get("coordinates"), label, name, annotation)


def _kind(node: dict[str, object], properties: dict[str, object]) -> str:
    """What kind of object a feature is: QuPath 0.2 says so in its id ("PathCellObject"), later ones in a property."""
    told = properties.get("objectType", properties.get("object_type", properties.get("type")))
    if isinstance(told, str):
        return told
    early = re.fullmatch(r"Path(\w+?)Object", str(node.get("id")))
    return early[1].casefold() if early else "annotation"


def _label(properties: dict[str, object]) -> str:
    value = properties.get("classification")
    if isinstance(value, dict):
        names = value.get("names")
        value = value.get("name", names[0] if isinstance(names, list) and names else "")
    return _text(value)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _fields(shapes: list[_Shape]) -> list[_Shape]:
    """Those of a field's class; where none is, all but what a class or a name says to leave out."""
    named = [shape for shape in shapes if shape.classification in FIELD_CLASSES]
    return named or [shape for shape in shapes if shape.meaning(InvolvedPlan()) is not Meaning.EXCLUDED]


def _items(value: object, index: int | None = None) -> list[Any]:
    """`value`, or its item `index`, as a list; empty for anything else, which then fails as a missing ring."""
    if index is not None:
        value = value[index] if isinstance(value, list) and len(value) > index else None
    return value if isinstance(value, list) else []


def _position(value: object, where: str, wrong: type[MvdError] = InvolvedAreaError) -> tuple[float, float]:
    numbers = _items(value)[:2]
    if len(numbers) < 2 or any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        raise wrong(f"{where} has the coordinate {str(value)[:40]}, which is not a pair of numbers; export it again")
    if not all(abs(n) <= _FARTHEST_PX for n in numbers):  # also False for nan
        raise wrong(f"{where} has the coordinate {str(value)[:40]}, which is no pixel of a slide; export it again")
    return float(numbers[0]), float(numbers[1])


def _polygon(coordinates: object, where: str) -> Any:
    rings = [[_position(p, where) for p in _items(ring)] for ring in _items(coordinates)]
    rings = [ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring for ring in rings]
    if not rings or any(len(ring) < 3 for ring in rings):
        raise _NoAreaError(f"{where} has a ring of fewer than three points; draw it again")
    if shapely.MultiPoint(rings[0]).convex_hull.area == 0:
        x, y = rings[0][0]
        raise _NoAreaError(f"{where} has no area (all its points are in line, at {x:g}, {y:g} px); draw it again")
    polygon = shapely.Polygon(rings[0], rings[1:])
    if not polygon.is_valid:
        mended = _mended(polygon)
        if mended is not None:
            return mended
        raise InvolvedAreaError(
            f"{where} crosses or touches itself: {shapely.is_valid_reason(polygon)} (level-0 pixels); redraw it there"
        )
    return polygon


def _mended(polygon: Any) -> Any | None:
    """The area meant by an outline with a small loop, a spike or a touch; None where mending it changes the area.

    Drawn by a free hand, an outline crosses itself where it is closed. The signed area of a figure of eight cancels.
    """
    found = shapely.get_parts(shapely.get_parts(shapely.make_valid(polygon)))
    parts = [part for part in found if part.geom_type == "Polygon"]
    whole = shapely.union_all(parts)
    enclosed = abs(_signed_area(polygon.exterior)) - sum(abs(_signed_area(hole)) for hole in polygon.interiors)
    return whole if parts and abs(whole.area - enclosed) <= _MENDED_SHARE * whole.area else None


def _signed_area(ring: Any) -> float:
    x, y = np.array(ring.coords, np.float64)[:, :2].T
    return float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2


def _rings(geometry: Any) -> tuple[tuple[Ring, ...], ...]:
    """Polygons of a valid geometry as rings without the repeated last point; points and lines are dropped."""
    return tuple(
        tuple(np.array(ring.coords, dtype=np.float64)[:-1, :2] for ring in (part.exterior, *part.interiors))
        for part in shapely.get_parts(shapely.get_parts(geometry))
        if part.geom_type == "Polygon" and part.area > 0
    )


def _fill(rings: list[Ring], like: Raster) -> Mask:
    """Even-odd fill at pixel centres, exact: areas that share an edge share no pixel and leave none out.

    Each edge flips every pixel to the right of where it crosses a row of centres.
    """
    rows, columns = like.pixels.shape[:2]
    flips = np.zeros((rows, columns + 1), dtype=np.uint8)
    for ring in rings:
        points = (ring - [like.x0_um, like.y0_um]) / like.um_per_px - 0.5  # pixel centres at whole numbers
        following = np.roll(points, -1, axis=0)
        down = (points[:, 1] < following[:, 1])[:, None]  # one direction, so that a shared edge gives the same numbers
        (xa, ya), (xb, yb) = np.where(down, points, following).T, np.where(down, following, points).T
        first = np.clip(np.ceil(ya), 0, rows).astype(np.int64)
        stop = np.clip(np.ceil(yb), 0, rows).astype(np.int64)
        edge = np.repeat(np.arange(len(points)), stop - first)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(stop - first) - (stop - first), stop - first) + first[edge]
        x = xa[edge] + (row - ya[edge]) * (xb[edge] - xa[edge]) / (yb[edge] - ya[edge])
        column = np.clip(np.ceil(x), 0, columns).astype(np.int64)
        np.add.at(flips, (row, column), 1)  # wraps at 256, which keeps the parity
    return np.bitwise_xor.accumulate(flips & 1, axis=1)[:, :columns].astype(bool)


def _sample(mask: Mask, extent: Rect, like: Raster) -> Mask:
    def index(count: int, origin_um: float, low_um: float, size_um: float, size: int) -> NDArray[np.int64]:
        centres_um = origin_um + (np.arange(count) + 0.5) * like.um_per_px
        places: NDArray[np.int64] = np.floor((centres_um - low_um) / size_um * size).astype(np.int64)
        return places

    rows = index(like.pixels.shape[0], like.y0_um, extent.y0_um, extent.height_um, mask.shape[0])
    columns = index(like.pixels.shape[1], like.x0_um, extent.x0_um, extent.width_um, mask.shape[1])
    on_rows, on_columns = (rows >= 0) & (rows < mask.shape[0]), (columns >= 0) & (columns < mask.shape[1])
    picked: Mask = mask[np.where(on_rows, rows, 0)][:, np.where(on_columns, columns, 0)]
    picked &= on_rows[:, None]
    picked &= on_columns[None, :]
    return picked


def _trace(mask: Mask, extent: Rect) -> tuple[tuple[Ring, ...], ...]:
    """Outlines along pixel edges: straight pieces between corners join to faces; those in the mask are kept."""
    padded = np.pad(mask, 1)
    across = padded[:-1, 1:-1] != padded[1:, 1:-1]  # [row line, column]: an edge along the top of pixel [row, column]
    down = padded[1:-1, :-1] != padded[1:-1, 1:]  # [row, column line]
    along, beside = np.pad(across, ((0, 0), (1, 1))), np.pad(down, ((1, 1), (0, 0)))
    corner = (along[:, :-1] | along[:, 1:]) & (beside[:-1] | beside[1:])
    y, x0 = np.nonzero(across & corner[:, :-1])
    x1 = np.nonzero(across & corner[:, 1:])[1] + 1
    x, y0 = np.nonzero((down & corner[:-1]).T)
    y1 = np.nonzero((down & corner[1:]).T)[1] + 1
    ends = np.concatenate([np.stack([x0, y, x1, y], axis=1), np.stack([x, y0, x, y1], axis=1)])
    faces = shapely.get_parts(shapely.polygonize(shapely.linestrings(ends.reshape(-1, 2, 2))))
    inside = shapely.get_coordinates(shapely.point_on_surface(faces)).astype(np.int64)
    kept = shapely.multipolygons(faces[mask[inside[:, 1], inside[:, 0]]])
    scale = np.array([extent.width_um / mask.shape[1], extent.height_um / mask.shape[0]])
    return _rings(shapely.transform(shapely.normalize(kept), lambda xy: xy * scale + [extent.x0_um, extent.y0_um]))
