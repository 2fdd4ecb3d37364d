"""Which objects of a file are which of the review that it shows, and whether two outlines are one.

QuPath keeps the identifier of an object that it edits, and since 0.5 its metadata; a copy has the metadata and an
identifier of its own. QuPath writes coordinates with two decimals and holds them as 32-bit numbers: what it gives back
of an untouched outline is off by up to a hundredth of a pixel. A hand moves a point by more than `SAME_PX`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from mvd.corrections import Polygon, Review
from mvd.errors import StoreError
from mvd.geometry import Ring
from mvd.involved import FIELD_CLASSES
from mvd.qupath.features import Shown
from mvd.qupath.writing import INVOLVED, Origin
from mvd.store.geojson import identity

SAME_PX = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """The objects of a file, told apart."""

    objects: Mapping[str, Shown]
    """Those of the review, by name."""
    fields: Mapping[str, Shown]
    area: Shown | None
    """The involved area that was exported."""
    others: tuple[Shown, ...]
    """What came to it in QuPath."""


def matched(shown: Sequence[Shown], review: Review) -> Matched:
    """Tell a file's objects apart.

    Parameters
    ----------
    review
        As the file was written from it.
    """
    specimen = review.machine.specimen
    names = {identity(specimen, f"vessel {name}"): name for name in review.objects}
    fields = {identity(specimen, f"field {name}"): name for name in review.fields}
    involved = identity(specimen, INVOLVED)
    objects = {names[one.id]: one for one in shown if one.id in names}
    rest = [one for one in shown if one.id not in names]
    for one in rest:
        name = one.metadata.get("vessel", "")
        if name in review.objects and one.id not in names:
            objects.setdefault(name, one)
    taken = {id(one) for one in objects.values()}
    rest = [one for one in rest if id(one) not in taken]
    known = {involved, *fields}
    return Matched(
        objects=objects,
        fields={fields[one.id]: one for one in rest if one.id in fields},
        area=next((one for one in rest if one.id == involved), None),
        others=tuple(one for one in rest if one.id not in known),
    )


def origin_of(shown: Iterable[Shown], *, where: str) -> Origin | None:
    """The state of a review that a file was exported from; None for the program's own result.

    Raises
    ------
    StoreError
        Its objects are of several files.
    """
    told = {one.metadata[Origin.KEY] for one in shown if Origin.KEY in one.metadata}
    if not told:
        return None
    if len(told) > 1:
        raise StoreError(f"{where} holds objects of {len(told)} exports ({', '.join(sorted(told))}); import one alone")
    observer, _, rest = told.pop().partition("/")
    lines, _, result = rest.partition("/")
    if not lines.isdecimal():
        raise StoreError(f"{where} does not say which review it is of; export the review again")
    return Origin(observer, int(lines), result)


def is_field(shown: Shown) -> bool:
    return first_class(shown) in FIELD_CLASSES


def first_class(shown: Shown) -> str:
    """The first part of the class, folded: "Rejected: pigment" is "rejected"."""
    return shown.classification.split(":")[0].strip().casefold()


def same_outline(one: Ring, others: Sequence[Ring]) -> bool:
    """Whether an outline and the outlines that a file has for it, all in pixels, are the same but for rounding.

    An outline that meets itself at a pixel's corner comes back from QuPath in parts, or with a hole.
    """
    if len(others) == 1 and one.shape == others[0].shape and float(np.abs(one - others[0]).max()) <= SAME_PX:
        return True
    if not others:
        return False
    own = shapely.Polygon(one)
    there = _filled([shapely.make_valid(shapely.Polygon(ring)) for ring in others])
    return any(
        bool(shapely.hausdorff_distance(_filled([mended]).boundary, there.boundary) <= SAME_PX)
        for mended in ((own,) if own.is_valid else (shapely.make_valid(own), own.buffer(0)))
    )


def _filled(shapes: Iterable[Any]) -> Any:
    """Their area, without holes."""
    parts = (part for shape in shapes for part in shapely.get_parts(shape) if part.geom_type == "Polygon")
    return shapely.union_all([shapely.Polygon(part.exterior) for part in parts])


def same_area(one: Any, other: Any, *, px_um: float) -> bool:
    """Whether two areas differ by no more than rounding along their boundaries; in µm."""
    differing = float(shapely.symmetric_difference(one, other).area)
    return differing <= SAME_PX * px_um * max(float(one.length), float(other.length))


def area_of(polygons: Iterable[Polygon] | Iterable[tuple[Ring, ...]]) -> Any:
    """Polygons as one valid geometry."""
    parts = [shapely.make_valid(shapely.Polygon(rings[0], rings[1:])) for rings in polygons]
    return shapely.union_all(parts)
