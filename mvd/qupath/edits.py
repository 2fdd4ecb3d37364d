"""What was edited in QuPath, as decisions on objects.

Reclassified: accepted, or rejected for the reason of the class. Redrawn or moved: redrawn. Deleted: rejected, as not
looking like a vessel, unless it was rejected before. Drawn, or pointed at, with the class Microvessel: added. Several
that QuPath made one, or one that it made several: merged or split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from mvd.annotations import Meaning, meaning
from mvd.corrections import Decision, Review, ReviewedObject, decide
from mvd.corrections.shapes import holds
from mvd.errors import CorrectionError
from mvd.geometry import Calibration, Ring
from mvd.qupath.features import Shown
from mvd.qupath.matching import Matched, first_class, is_field, same_outline
from mvd.qupath.writing import is_drawable
from mvd.vessels.model import Reason

VESSEL_CLASSES = frozenset({"microvessel", "vessel"})
REJECTED_CLASS = "rejected"
DELETED = Reason.UNLIKE_VESSEL
"""Why an object does not count that an observer took away without saying why."""

_OF_THE_MAP = frozenset({"hot spot", "density"})
"""Classes of what the density map drew; it is shown, and nothing to edit."""
_INSIDE = 0.5
"""An object that lies in another by more than this share of its own area is a part of it."""
_REASONS = {reason.value: reason for reason in Reason}


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing that was done in QuPath."""

    names: tuple[str, ...]
    """Objects of the exported review that it is about."""
    decide: Callable[[Review], Decision]
    """As a decision on a review as it stands; raises CorrectionError."""
    done: Callable[[Review], bool]
    """Whether a review is so already: a file may be imported twice."""


@dataclass(frozen=True, slots=True)
class Edits:
    """Everything that was done in QuPath."""

    objects: tuple[Edit, ...]
    areas: tuple[Shown, ...]
    """Polygons that were drawn as involved area."""
    notes: tuple[str, ...]
    """What is in the file and becomes no decision."""
    faults: tuple[str, ...]
    """What cannot be understood."""


@dataclass(slots=True)
class _Desk:
    """What is gathered on the way."""

    base: Review
    scale: Ring
    as_found: bool
    """Whether the file is the program's own result, in which some outlines are no polygons by the rules."""
    edits: list[Edit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    mended: int = 0
    """Outlines of that kind that came back another."""

    def outline_px(self, reviewed: ReviewedObject) -> Ring:
        outline: Ring = reviewed.vessel.outline / self.scale
        return outline


def edits_of(base: Review, found: Matched, calibration: Calibration, *, as_found: bool = False) -> Edits:
    """What differs between a review and the file that was made of it and edited.

    Parameters
    ----------
    as_found
        Whether the file is the program's own result and not an export.
    """
    desk = _Desk(base, np.array([calibration.um_per_px_x, calibration.um_per_px_y]), as_found)
    for name, shown in found.objects.items():
        _object(desk, name, shown)
    gone = [name for name in base.objects if name not in found.objects] if found.objects else []
    if len(gone) > len(base.objects) / 2:
        desk.faults.append(
            f"{len(gone)} of {len(base.objects)} objects are not in the file, more than anybody deletes; in QuPath "
            "export all objects, not the selected ones"
        )
    vessels, areas = _sorted(desk, found.others)
    _drawn(desk, vessels, gone)
    if desk.mended:
        desk.notes.append(
            f"{desk.mended} outlines that QuPath mends by itself were not compared; to redraw those, edit what mvd "
            "export writes"
        )
    return Edits(tuple(desk.edits), areas, tuple(desk.notes), tuple(desk.faults))


def _object(desk: _Desk, name: str, shown: Shown) -> None:
    """A class that is another, then an outline that is another."""
    reviewed = desk.base.objects[name]
    try:
        reason = _judged(shown, reviewed.vessel.reason)
    except CorrectionError as error:
        desk.faults.append(f"{name}: {error}")
        return
    if reason != reviewed.vessel.reason:
        desk.edits.append(_judgement(name, reason))
    if same_outline(desk.outline_px(reviewed), shown.outlines):
        return
    if desk.as_found and not is_drawable(reviewed.vessel.outline, reviewed.vessel.lumens):
        desk.mended += 1
        return
    if not shown.outlines:
        desk.faults.append(f"{name}: it has no outline any more; draw it again, or delete it")
    elif len(shown.outlines) == 1:
        desk.edits.append(_redrawing(desk, name, shown.outlines[0]))
    else:
        desk.edits.append(_splitting(name, [outline * desk.scale for outline in shown.outlines]))


def _judged(shown: Shown, was: Reason | None) -> Reason | None:
    """The reason by the class that an object has in QuPath; None for a vessel."""
    first, _, second = (part.strip() for part in shown.classification.casefold().partition(":"))
    if first in VESSEL_CLASSES:
        return None
    if first in _REASONS and not second:
        return _REASONS[first]
    if first == REJECTED_CLASS and (not second or second in _REASONS):
        return _REASONS[second] if second else was or DELETED
    held = f"the class '{shown.classification[:60]}'" if shown.classification else "no class"
    raise CorrectionError(f"it has {held}; give it Microvessel, Rejected, or Rejected: {' | '.join(_REASONS)}")


def _judgement(name: str, reason: Reason | None) -> Edit:
    def decision(review: Review) -> Decision:
        if reason is None:
            return decide.accept(review, name)
        was = review.objects[name].vessel.reason if name in review.objects else None
        return (decide.reject if was is None else decide.change_reason)(review, name, reason)

    def done(review: Review) -> bool:
        return name in review.objects and review.objects[name].vessel.reason == reason

    return Edit((name,), decision, done)


def _redrawing(desk: _Desk, name: str, outline: Ring) -> Edit:
    def done(review: Review) -> bool:
        return name in review.objects and same_outline(desk.outline_px(review.objects[name]), [outline])

    return Edit((name,), lambda review: decide.redraw(review, name, outline * desk.scale), done)


def _splitting(name: str, outlines: Sequence[Ring]) -> Edit:
    return Edit(
        (name,),
        lambda review: decide.split(review, name, outlines=outlines),
        lambda review: len(review.replaced.get(name, ())) == len(outlines),
    )


def _merging(names: Sequence[str]) -> Iterator[Edit]:
    """Several become one, which counts, as the class that QuPath gave it says."""

    def became(review: Review) -> str | None:
        successors = {review.replaced.get(name, ()) for name in names}
        (only,) = successors if len(successors) == 1 else [()]
        return only[0] if len(only) == 1 else None

    def counts(review: Review) -> bool:
        merged = review.objects.get(became(review) or "")
        return merged is None or merged.vessel.accepted

    yield Edit(tuple(names), lambda review: decide.merge(review, names), lambda review: became(review) is not None)
    yield Edit((), lambda review: decide.accept(review, became(review) or names[0]), counts)


def _adding(desk: _Desk, outline: Ring) -> Edit:
    def done(review: Review) -> bool:
        new = (reviewed for name, reviewed in review.objects.items() if name not in desk.base.objects)
        return any(same_outline(desk.outline_px(reviewed), [outline]) for reviewed in new)

    return Edit((), lambda review: decide.add_outline(review, outline * desk.scale), done)


def _pointing(x_um: float, y_um: float) -> Edit:
    def done(review: Review) -> bool:
        return any(one.vessel.accepted and holds(one.vessel, x_um, y_um) for one in review.objects.values())

    return Edit((), lambda review: decide.add_point(review, x_um, y_um), done)


def _sorted(desk: _Desk, others: Sequence[Shown]) -> tuple[list[Ring], tuple[Shown, ...]]:
    """What was drawn: outlines of vessels, and involved areas; points become edits, the rest is noted."""
    vessels: list[Ring] = []
    areas: list[Shown] = []
    unused: Counter[str] = Counter()
    for shown in others:
        name = first_class(shown)
        annotation = shown.kind == "annotation"
        if name in VESSEL_CLASSES:
            vessels += shown.outlines
            desk.edits += [_pointing(float(x), float(y)) for x, y in shown.points * desk.scale]
        elif annotation and shown.polygons and _is_area(shown):
            areas.append(shown)
        elif is_field(shown):
            desk.notes.append(f"'{shown.name or 'a field'}' was drawn as a field; fields are placed by the program")
        elif name not in _OF_THE_MAP:
            unused[f"{shown.kind} {f'of class {shown.classification}' if name else 'without a class'}"] += 1
    desk.notes += [f"left aside: {number} × {what}" for what, number in sorted(unused.items())]
    return vessels, tuple(areas)


def _is_area(shown: Shown) -> bool:
    """Named or classified so, or a polygon that somebody drew and said nothing of."""
    said = meaning(shown.classification or shown.name)
    return said is Meaning.INVOLVED or (said is Meaning.NONE and not shown.name)


def _drawn(desk: _Desk, vessels: Sequence[Ring], gone: Sequence[str]) -> None:
    """Outlines that came, and objects that went: parted, joined, drawn anew, drawn, or deleted."""
    new = [shapely.make_valid(shapely.Polygon(outline)) for outline in vessels]
    old = {name: shapely.make_valid(shapely.Polygon(desk.outline_px(desk.base.objects[name]))) for name in gone}
    used: set[int] = set()
    for name in gone:
        parts = [i for i, shape in enumerate(new) if i not in used and _share(shape, old[name]) > _INSIDE]
        if len(parts) > 1:
            desk.edits.append(_splitting(name, [vessels[i] * desk.scale for i in parts]))
            used.update(parts)
            del old[name]
    for i, outline in enumerate(vessels):
        if i not in used:
            desk.edits += _instead(desk, outline, _parts(new[i], old))
            for name in _parts(new[i], old):
                del old[name]
    desk.edits += [_judgement(name, DELETED) for name in old if desk.base.objects[name].vessel.accepted]


def _parts(whole: Any, old: Mapping[str, Any]) -> list[str]:
    """The objects that a new outline took the place of: those in it, or the one that it lies in."""
    within = [name for name, shape in old.items() if _share(shape, whole) > _INSIDE]
    return within or [name for name, shape in old.items() if _share(whole, shape) > _INSIDE][:1]


def _instead(desk: _Desk, outline: Ring, names: Sequence[str]) -> Iterator[Edit]:
    """A new outline that took the place of objects."""
    if len(names) > 1:
        yield from _merging(names)
    elif names:
        if not desk.base.objects[names[0]].vessel.accepted:
            yield _judgement(names[0], None)
        yield _redrawing(desk, names[0], outline)
    else:
        yield _adding(desk, outline)


def _share(part: Any, whole: Any) -> float:
    """Of the part's area that lies in the whole."""
    return float(part.intersection(whole).area) / float(part.area) if part.area else 0.0
