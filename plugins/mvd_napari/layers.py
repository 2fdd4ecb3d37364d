"""Core types to what napari's layers hold, and back. Pure: no viewer, no Qt, no napari.

napari's places are (row, column), that is (y, x); ours are (x, y). All are µm in the slide's frame.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.ops import substring

from mvd.corrections.model import Polygon
from mvd.corrections.state import ReviewedObject, points_of
from mvd.counting import Border
from mvd.errors import InvolvedAreaError
from mvd.fields import CountField
from mvd.geometry import Rect, Ring

Places = NDArray[np.float64]
"""(n, 2) y, x in µm."""
LayerTuple = tuple[Any, dict[str, Any], str]
"""Data, attributes, kind of layer: as napari's readers give them."""

WORLD = MappingProxyType({"axis_labels": ("y", "x"), "units": ("µm", "µm")})
"""What every layer of ours has, so that napari shows µm."""


class Standing(StrEnum):
    """How an object stands, in the words of the legend."""

    COUNTED = "counted"
    ADDED = "added by the observer"
    LEFT_OUT = "vessel, not in the count"
    REJECTED = "not counted"
    NEAR_COUNTED = "counted, near a limit"
    NEAR_REJECTED = "not counted, near a limit"


@dataclass(frozen=True, slots=True)
class Look:
    """How it is drawn."""

    symbol: str
    """napari's name."""
    colour: str
    size_um: float


LOOKS = MappingProxyType(
    {
        Standing.COUNTED: Look("disc", "#00c0ff", 5.0),
        Standing.ADDED: Look("star", "#9900ff", 8.0),
        Standing.LEFT_OUT: Look("ring", "#ffffff", 5.0),
        Standing.REJECTED: Look("x", "#ffd600", 5.0),
        Standing.NEAR_COUNTED: Look("triangle_up", "#00ff99", 7.0),
        Standing.NEAR_REJECTED: Look("triangle_down", "#ff4400", 7.0),
    }
)
"""Shape and colour both tell them apart. Blue, white and yellow are about those of the field pictures
(`mvd.report.pens`). All pairs are at least 20 apart in CIELAB for eyes with and without red, green or blue cones
(tests/napari/test_layers.py measures it), and none is near the brown or the blue of the stains."""

RIM = "#101820"
"""Dark round every point: seen on glass."""

FRAME_COLOURS = MappingProxyType({"include": "#009650", "exclude": "#d62800", "field": "#1e3ca0"})
INVOLVED_COLOUR = "#b00082"
"""As in the field pictures."""

OUTLINE_UM = 0.7
"""Width of an outline: about two pixels of the screen when a field fills it."""
FRAME_SHARE = 1.5 / 250
"""Width of a frame's lines as a part of the field's side: four or five pixels of the screen when a field fills it."""
DASH_SHARE, GAP_SHARE = 14 / 250, 8 / 250
"""Of the exclusion edges, as a part of the side."""
BEYOND_SHARE = 0.1
"""The exclusion line goes on for ever; this much of it is drawn beyond the field."""


@dataclass(frozen=True, slots=True, eq=False)
class PointMarks:
    """Objects as points, one entry of each for each object."""

    names: tuple[str, ...]
    data: Places
    standings: tuple[Standing, ...]
    symbols: tuple[str, ...]
    colours: tuple[str, ...]
    sizes_um: tuple[float, ...]
    features: dict[str, list[Any]]
    """For napari's table: name, standing, reason, comment."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Shapes of which only the line is drawn, one entry of each for each shape."""

    data: tuple[Places, ...]
    kinds: tuple[str, ...]
    """napari's `shape_type`: "polygon" or "path"."""
    colours: tuple[str, ...]
    widths_um: tuple[float, ...]
    features: dict[str, list[Any]]


def to_yx(ring: ArrayLike) -> Places:
    """(n, 2) x, y -> y, x."""
    return np.asarray(ring, np.float64).reshape(-1, 2)[:, ::-1].copy()


def to_xy(places: ArrayLike) -> Ring:
    """(n, 2) y, x -> x, y."""
    return to_yx(places)


def standing(reviewed: ReviewedObject, counted: Container[str] | None = None) -> Standing:
    """How an object stands; an observer's decision ends its being near a limit.

    Parameters
    ----------
    counted
        Names of what the fields count; what else is a vessel is left out. None where there are no fields.
    """
    vessel = reviewed.vessel
    near = vessel.ambiguous and not reviewed.decided
    if not vessel.accepted:
        return Standing.NEAR_REJECTED if near else Standing.REJECTED
    if counted is not None and vessel.name not in counted:
        return Standing.LEFT_OUT
    if reviewed.source in ("point", "drawn") and reviewed.order[0] > 0:
        return Standing.ADDED
    return Standing.NEAR_COUNTED if near else Standing.COUNTED


def vessel_points(objects: Iterable[ReviewedObject], *, counted: Container[str] | None = None) -> PointMarks:
    """Objects at their reference points; `counted` as for `standing`."""
    shown = list(objects)
    standings = tuple(standing(reviewed, counted) for reviewed in shown)
    places = [(reviewed.vessel.y_um, reviewed.vessel.x_um) for reviewed in shown]
    return PointMarks(
        names=tuple(reviewed.vessel.name for reviewed in shown),
        data=np.array(places, np.float64).reshape(-1, 2),
        standings=standings,
        symbols=tuple(LOOKS[one].symbol for one in standings),
        colours=tuple(LOOKS[one].colour for one in standings),
        sizes_um=tuple(LOOKS[one].size_um for one in standings),
        features=_features(shown, standings),
    )


def vessel_outlines(
    objects: Iterable[ReviewedObject], near: Rect | None = None, *, counted: Container[str] | None = None
) -> Lines:
    """Outlines of the objects whose boxes touch `near`, or of all; `counted` as for `standing`."""
    shown = [reviewed for reviewed in objects if near is None or _meets(reviewed.vessel.bounds, near)]
    standings = tuple(standing(reviewed, counted) for reviewed in shown)
    return Lines(
        data=tuple(to_yx(reviewed.vessel.outline) for reviewed in shown),
        kinds=("polygon",) * len(shown),
        colours=tuple(LOOKS[one].colour for one in standings),
        widths_um=(OUTLINE_UM,) * len(shown),
        features=_features(shown, standings),
    )


def _features(shown: Sequence[ReviewedObject], standings: Sequence[Standing]) -> dict[str, list[Any]]:
    return {
        "name": [reviewed.vessel.name for reviewed in shown],
        "standing": [str(one) for one in standings],
        "reason": [str(reviewed.vessel.reason or "") for reviewed in shown],
        "comment": [reviewed.comment for reviewed in shown],
    }


def _meets(one: Rect, other: Rect) -> bool:
    return (
        one.x0_um <= other.x1_um and other.x0_um <= one.x1_um and one.y0_um <= other.y1_um and other.y0_um <= one.y1_um
    )


def frame_lines(field: CountField, *, border: Border = "frame") -> Lines:
    """The edges of a field: those that include in one green line, those that exclude in red dashes.

    Under `frame` the top and the right edge include; the exclusion line comes down along the left edge from above,
    turns along the bottom and goes on down (`mvd.counting.belongs`). The other rules have no such edges.
    """
    rect, side = field.rect, field.rect.width_um
    x0, y0, x1, y1 = rect.x0_um, rect.y0_um, rect.x1_um, rect.y1_um
    if border != "frame":
        edge = "include" if border == "touching" else "field"
        drawn = [("polygon", edge, np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]))]
    else:
        beyond = BEYOND_SHARE * side
        line = np.array([(x0, y0 - beyond), (x0, y1), (x1, y1), (x1, y1 + beyond)])
        drawn = [("path", "exclude", dash) for dash in _dashes(line, DASH_SHARE * side, GAP_SHARE * side)]
        drawn.append(("path", "include", np.array([(x0, y0), (x1, y0), (x1, y1)])))
    return Lines(
        data=tuple(to_yx(points) for _, _, points in drawn),
        kinds=tuple(kind for kind, _, _ in drawn),
        colours=tuple(FRAME_COLOURS[edge] for _, edge, _ in drawn),
        widths_um=(FRAME_SHARE * side,) * len(drawn),
        features={"field": [field.name] * len(drawn), "edge": [edge for _, edge, _ in drawn]},
    )


def _dashes(line: Ring, dash_um: float, gap_um: float) -> list[Ring]:
    """Dashes along a line, round its corners, too."""
    path = shapely.LineString(line)
    number = max(1, round((path.length + gap_um) / (dash_um + gap_um)))
    scale = (path.length + gap_um) / (number * (dash_um + gap_um))  # whole dashes, also the last one
    starts = np.arange(number) * (dash_um + gap_um) * scale
    ends = np.minimum(starts + dash_um * scale + gap_um * (scale - 1), path.length)
    return [np.asarray(substring(path, a, b).coords) for a, b in zip(starts, ends, strict=True)]


def involved_lines(involved: Iterable[Polygon], *, width_um: float = 1.5) -> Lines:
    """The involved area, a shape for each of its boundaries; holes, too, for napari knows no polygon with holes."""
    rings = [(number, part, ring) for number, polygon in enumerate(involved) for part, ring in enumerate(polygon)]
    return Lines(
        data=tuple(to_yx(ring) for _, _, ring in rings),
        kinds=("polygon",) * len(rings),
        colours=(INVOLVED_COLOUR,) * len(rings),
        widths_um=(width_um,) * len(rings),
        features={"part": ["hole" if part else "area" for _, part, _ in rings]},
    )


def involved_of(shapes: Iterable[ArrayLike]) -> tuple[Polygon, ...]:
    """The involved area that drawn polygons, (n, 2) y, x, mean together.

    One that lies wholly inside the area is a hole of it, and one in a hole is area again; those that cross are one.

    Raises
    ------
    InvolvedAreaError
        A polygon crosses itself, or has no area.
    """
    polygons = sorted((_drawn(places) for places in shapes), key=lambda polygon: -float(polygon.area))
    edges = [polygon.exterior for polygon in polygons]
    if any(shapely.intersects(edges[:number], edge).any() for number, edge in enumerate(edges)):
        return _merged(polygons)
    depths = [int(shapely.contains(polygons[:number], one).sum()) for number, one in enumerate(polygons)]
    rings: dict[int, list[Any]] = {}
    for number, (polygon, depth) in enumerate(zip(polygons, depths, strict=True)):
        if depth % 2 == 0:
            rings[number] = [polygon.exterior]
        else:  # the smallest area round it, which comes last
            rings[max(n for n in rings if depths[n] == depth - 1 and polygons[n].contains(polygon))].append(
                polygon.exterior
            )
    return tuple(tuple(_points(ring) for ring in polygon) for polygon in rings.values())


def _drawn(places: ArrayLike) -> Any:
    polygon = shapely.Polygon(to_xy(places)) if len(np.asarray(places)) >= 3 else shapely.Polygon()
    if not polygon.is_valid:
        raise InvolvedAreaError("the involved area crosses or touches itself; draw it again")
    if polygon.area == 0:
        raise InvolvedAreaError("the involved area is a line or a point; draw it again")
    return polygon


def _merged(polygons: Sequence[Any]) -> tuple[Polygon, ...]:
    """Areas that cross are one; each is taken in order of its size, as a hole where it lies wholly inside so far."""
    area = shapely.Polygon()
    for polygon in polygons:
        area = area.difference(polygon) if area.contains(polygon) else area.union(polygon)
    parts = [part for part in shapely.get_parts(area) if part.geom_type == "Polygon"]
    return tuple(tuple(_points(ring) for ring in (part.exterior, *part.interiors)) for part in parts)


def _points(ring: Any) -> tuple[tuple[float, float], ...]:
    return points_of(np.asarray(ring.coords)[:-1])


def joined(parts: Iterable[Lines]) -> Lines:
    """Several as one."""
    found = list(parts)
    keys = found[0].features if found else {}
    return Lines(
        data=tuple(points for part in found for points in part.data),
        kinds=tuple(kind for part in found for kind in part.kinds),
        colours=tuple(colour for part in found for colour in part.colours),
        widths_um=tuple(width for part in found for width in part.widths_um),
        features={key: [value for part in found for value in part.features[key]] for key in keys},
    )


def points_layer(points: PointMarks, *, name: str) -> LayerTuple:
    """As napari adds it. Points grow and shrink with the tissue, between 9 and 18 pixels of the screen."""
    attributes = {
        **WORLD,
        "name": name,
        "symbol": list(points.symbols),
        "face_color": list(points.colours),
        "border_color": RIM,
        "border_width": 0.1,
        "size": list(points.sizes_um),
        "canvas_size_limits": (9, 18),
        "opacity": 1.0,
        "features": points.features,
    }
    return points.data, _unless_empty(attributes, len(points.names)), "points"


def lines_layer(lines: Lines, *, name: str) -> LayerTuple:
    """As napari adds it."""
    attributes = {
        **WORLD,
        "name": name,
        "shape_type": list(lines.kinds),
        "edge_color": list(lines.colours),
        "edge_width": list(lines.widths_um),
        "face_color": "transparent",
        "opacity": 1.0,
        "features": lines.features,
    }
    return list(lines.data), _unless_empty(attributes, len(lines.kinds)), "shapes"


def _unless_empty(attributes: dict[str, Any], number: int) -> dict[str, Any]:
    """napari takes no empty list for what each point or shape has."""
    if number:
        return attributes
    return {key: value for key, value in attributes.items() if not isinstance(value, list)} | {"ndim": 2}
