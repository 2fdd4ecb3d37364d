"""What observers decided about candidates, as labels: a vessel, or something that does not look like one.

A finished review labels every candidate that belongs to one of its fields: what the observer let stand was seen. A
review that is only begun labels those that the observer decided on. Candidates outside the fields, and in fields that
were left out, were not looked at and are no labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import shapely

from mvd.corrections import Review, What
from mvd.corrections.state import vessel_of
from mvd.counting import assign
from mvd.geometry import Ring
from mvd.protocol import FieldPlan
from mvd.vessels.model import Reason, Vessel

OF_THE_PLACE = frozenset(
    {
        Reason.TOO_SMALL,
        Reason.NO_LUMEN,
        Reason.LARGE_VESSEL,
        Reason.IN_BONE,
        Reason.BONE_EDGE,
        Reason.IN_FOLD,
        Reason.OUT_OF_FOCUS,
        Reason.NOT_INVOLVED,
    }
)
"""Reasons of size and place: what is rejected for them may well look like a vessel, and is no label."""

LEAST_IOU = 0.5
"""Two outlines that share this much of their common area are of one object; an outline matches one other at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """One candidate and what an observer made of it."""

    candidate: Vessel
    """As the machine found it."""
    is_vessel: bool
    reason: Reason | None
    """Why it is none; the machine's where the observer let it stand."""
    decided: bool
    """Whether the observer decided on this very candidate, or let it stand in a review that was finished."""


def labels_of(review: Review, plan: FieldPlan) -> tuple[Label, ...]:
    """The labels of one review, in the order of its candidates.

    Parameters
    ----------
    plan
        That by which the specimen was measured; its border rule says which candidates belong to a field.
    """
    candidates = _candidates(review)
    places = assign(candidates, review.counted_fields, plan.border)
    labels = []
    for candidate in candidates:
        if not places[candidate.name].fields:
            continue
        label = _label(review, candidate)
        seen = review.status == "finished" and not review.hidden
        if label is not None and (label.decided or seen):
            labels.append(label)
    return tuple(labels)


def _candidates(review: Review) -> tuple[Vessel, ...]:
    """Everything that the program found, also where a field was moved to, as it found it."""
    in_effect = set(review.history.done)
    later = [
        vessel_of(state, state.shape)
        for correction in review.corrections
        if correction.id in in_effect and correction.what in (What.MOVE_FIELD, What.CHANGE_INVOLVED)
        for state in correction.after.objects
        if state.shape is not None
    ]
    return (*review.machine.vessels, *later)


def _label(review: Review, candidate: Vessel) -> Label | None:
    """What became of a candidate; None where that says nothing about its looks."""
    became = [review.objects[name] for name in _successors(review.replaced, candidate.name)]
    reason = next((found.vessel.reason for found in became if not found.vessel.accepted), None)
    decided = any(found.decided for found in became)
    if any(found.vessel.accepted for found in became):
        return Label(candidate, True, None, decided)
    if _added_on(review, candidate):
        return Label(candidate, True, None, True)
    if reason in OF_THE_PLACE:
        return None
    return Label(candidate, False, reason, decided)


def _successors(replaced: Mapping[str, Sequence[str]], name: str) -> Iterator[str]:
    """What an object became by merging and splitting; itself where it is still there."""
    if name not in replaced:
        yield name
    for successor in replaced.get(name, ()):
        yield from _successors(replaced, successor)


def _added_on(review: Review, candidate: Vessel) -> bool:
    """Whether the observer put a vessel where the candidate is."""
    outline = None
    for found in review.objects.values():
        if found.source not in ("point", "drawn") or not found.vessel.accepted:
            continue
        if found.vessel.bounds.intersection(candidate.bounds) is None:
            continue
        outline = outline or shapely.make_valid(shapely.Polygon(candidate.outline))
        added = shapely.make_valid(shapely.Polygon(found.vessel.outline))
        middles = added.covers(outline.centroid) and outline.covers(added.centroid)
        if middles or _iou(added, outline) >= LEAST_IOU:
            return True
    return False


def _iou(one: shapely.Geometry, other: shapely.Geometry) -> float:
    common = float(one.intersection(other).area)
    return common / (float(one.area) + float(other.area) - common)


def matched(labels: Iterable[Label], outlines: Sequence[Ring]) -> tuple[tuple[int, Label], ...]:
    """Each label with the index of the same object among outlines that were found anew.

    The same program finds the same outlines; another version may find others, and what it does not find is left out.
    """
    found = [shapely.make_valid(shapely.Polygon(outline)) for outline in outlines]
    tree = shapely.STRtree(found)
    pairs = []
    for label in labels:
        own = shapely.make_valid(shapely.Polygon(label.candidate.outline))
        near = [(_iou(own, found[index]), index) for index in tree.query(own).tolist()]
        best, index = max(near, default=(0.0, -1))
        if best >= LEAST_IOU:
            pairs.append((index, label))
    return tuple(pairs)
