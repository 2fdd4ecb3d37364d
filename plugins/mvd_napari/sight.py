"""What an observer sees of a review: the fields with their counts, the objects of a field, what lies under the pointer.

Pure: nothing here knows a screen. The numbers are those of `mvd.review`, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from mvd.corrections import Review, ReviewedObject
from mvd.corrections.shapes import disc
from mvd.counting import assign
from mvd.geometry import Rect, Ring
from mvd.protocol import Protocol
from mvd.review import reviewed_count
from mvd.vessels import Vessel

REACH_UM = 5.0
"""A click this near to an outline is meant for it: half the width of a capillary."""
SURROUND_UM = 60.0
"""Round a field, objects are shown too: which of them the frame leaves out is part of the count."""


_BY_OBSERVER = (1, 0)
"""Any `order` but the machine's, which begins with 0."""


@dataclass(frozen=True, slots=True)
class FieldTally:
    """One field as its button shows it."""

    name: str
    count: int | None
    """None where it is left out."""
    unevaluable: str | None
    doubtful: int
    """Objects that belong to it, that the program is not sure of, and on which the observer has not decided."""
    comment: str


@dataclass(frozen=True, slots=True)
class Tally:
    """A specimen's count as it stands."""

    fields: tuple[FieldTally, ...]
    count: int
    mvd_per_mm2: float | None
    """None where no field is left to count in."""
    ci_per_mm2: tuple[float, float] | None
    confidence: float
    """Level of the interval."""
    counted: frozenset[str]
    """Names of the vessels that are counted in a field."""


def tally(review: Review, protocol: Protocol) -> Tally:
    """The count of a review, by the same function as every command that counts."""
    counts = reviewed_count(review, protocol)
    by_field = {row.field.name: row for row in counts.fields} if counts else {}
    doubtful = doubtful_objects(review, protocol)
    fields = tuple(
        FieldTally(
            name=name,
            count=by_field[name].count if name in by_field else None,
            unevaluable=one.unevaluable,
            doubtful=sum(field == name for _, field in doubtful),
            comment=one.comment,
        )
        for name, one in review.fields.items()
    )
    return Tally(
        fields=fields,
        count=counts.count if counts else 0,
        mvd_per_mm2=counts.mvd_per_mm2 if counts else None,
        ci_per_mm2=(counts.ci_low_per_mm2, counts.ci_high_per_mm2) if counts else None,
        confidence=protocol.counts.confidence,
        counted=frozenset(name for row in by_field.values() for name in row.vessels),
    )


def doubtful_objects(review: Review, protocol: Protocol) -> tuple[tuple[str, str], ...]:
    """Objects near a limit on which nobody has decided yet, each with its field: by field, then as they are read."""
    if review.hidden:
        return ()
    open_ones = [one.vessel for one in review.objects.values() if one.vessel.ambiguous and not one.decided]
    places = assign(open_ones, review.counted_fields, protocol.fields.border)
    rank = {field.name: number for number, field in enumerate(review.counted_fields)}
    found = [(vessel, field) for vessel in open_ones for field in places[vessel.name].fields[:1]]
    found.sort(key=lambda pair: (rank[pair[1]], pair[0].y_um, pair[0].x_um))
    return tuple((vessel.name, field) for vessel, field in found)


Places = Mapping[str, tuple[float, float]]
"""x, y in µm, by the object's name."""


def visible(review: Review, marked_at: Places) -> Iterator[ReviewedObject]:
    """The objects that may be shown: while what the program found is hidden, those that the observer decided on."""
    for one in review.objects.values():
        if not review.hidden:
            yield one
        elif one.decided:
            yield as_marked(one, marked_at)


def as_marked(one: ReviewedObject, marked_at: Places) -> ReviewedObject:
    """An object as it may be shown while what the program found is hidden: as if the observer had added it.

    Otherwise a vessel that the program found, too, would look, and lie under the pointer, unlike one that it missed.
    """
    if one.source != "found":
        return replace(one, source="point", order=_BY_OBSERVER)
    x_um, y_um = marked_at.get(one.vessel.name, (one.vessel.x_um, one.vessel.y_um))
    shape = disc(x_um, y_um)
    vessel = replace(
        one.vessel,
        outline=np.array(shape.outline),
        lumens=(),
        x_um=x_um,
        y_um=y_um,
        area_um2=shape.area_um2,
        perimeter_um=shape.perimeter_um,
    )
    return replace(one, vessel=vessel, source="point", order=_BY_OBSERVER)


def objects_near(review: Review, rect: Rect, marked_at: Places) -> tuple[ReviewedObject, ...]:
    """The objects of a field and of what surrounds it; `marked_at` as for `as_marked`."""
    near = rect.expanded(SURROUND_UM)
    return tuple(one for one in visible(review, marked_at) if _overlap(one.vessel, near))


def object_at(objects: Iterable[ReviewedObject], x_um: float, y_um: float) -> str | None:
    """The object that a click is meant for: the smallest round it, else the nearest within `REACH_UM`."""
    point, best = shapely.Point(x_um, y_um), None
    for one in objects:
        vessel = one.vessel
        reach = vessel.perimeter_um + REACH_UM
        if max(abs(vessel.x_um - x_um), abs(vessel.y_um - y_um)) > reach:
            continue
        distance = float(shapely.Polygon(vessel.outline).distance(point))
        if distance <= REACH_UM:
            rank = (distance, vessel.area_um2, vessel.name)
            best = min(best, rank) if best else rank
    return best[2] if best else None


def loop(ring: Ring) -> Ring:
    """What a line that was drawn round something encloses: a hand runs a little past where it began.

    A line that encloses nothing stays as it is, and is refused where it is used.
    """
    if len(ring) < 4:
        return ring
    parts = shapely.get_parts(shapely.make_valid(shapely.Polygon(ring)))
    areas = [part for part in parts if part.geom_type == "Polygon" and part.area > 0]
    return np.array(max(areas, key=lambda part: part.area).exterior.coords)[:-1] if areas else ring


def field_under(review: Review, x_um: float, y_um: float) -> str | None:
    """The field in which a point lies."""
    for name, one in review.fields.items():
        rect = one.field.rect
        if rect.x0_um <= x_um < rect.x1_um and rect.y0_um <= y_um < rect.y1_um:
            return name
    return None


def following(items: Sequence[str], present: str | None, step: int) -> str | None:
    """The item `step` further than the present one, round and round; the first where there is none."""
    if not items:
        return None
    if present not in items:
        return items[0 if step > 0 else -1]
    return items[(items.index(present) + step) % len(items)]


def _overlap(vessel: Vessel, rect: Rect) -> bool:
    reach = vessel.perimeter_um / 2
    return (
        rect.x0_um - reach <= vessel.x_um <= rect.x1_um + reach
        and rect.y0_um - reach <= vessel.y_um <= rect.y1_um + reach
    )
