"""Fields and involved area that an observer moves: what can be counted at the new place, and what is there.

Both may show marrow in which nothing was sought before. What is found there is the same as if the specimen had been
measured so from the beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mvd.blocks import Progress, grid, vessels_on_slide
from mvd.corrections import Decision, Polygon, decide
from mvd.corrections.state import points_of, ring_of
from mvd.errors import FieldError, InvolvedAreaError
from mvd.fields import STARTS, place_fields
from mvd.geometry import Raster, Rect
from mvd.involved import InvolvedArea
from mvd.manifest import Specimen
from mvd.models import chosen_score
from mvd.protocol import CountingRule, FieldPlan, Protocol
from mvd.review import OpenReview, field_at
from mvd.slide import Slide, open_slide
from mvd.store import as_stored
from mvd.survey import Survey, survey_slide
from mvd.vessels import Reason, ScoreModel, Vessel

SNAP_REACH_UM = 12.0
"""A field that comes this near to another's edge is put against it: a twentieth of its side, less than a hand is sure
of at the zoom at which a whole field is seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A slide as far as it must be known to move fields on it."""

    specimen: Specimen
    survey: Survey
    score: ScoreModel | None

    def evaluable(self, involved: Sequence[Polygon]) -> Raster:
        """True in marrow of the involved area that can be counted."""
        marrow = self.survey.tissue.marrow
        if not involved:
            return marrow
        rings = tuple(tuple(ring_of(points) for points in polygon) for polygon in involved)
        inside = InvolvedArea("annotation", marrow.rect, polygons=rings).raster(marrow)
        return marrow.with_pixels(marrow.pixels & inside.pixels)


def survey_ground(specimen: Specimen, opened: OpenReview, *, study: Path, protocol: Protocol | None = None) -> Ground:
    """Look at a slide as the measuring of it began.

    Parameters
    ----------
    protocol
        By which to look at it; by default that by which it was measured.

    Raises
    ------
    MvdError
        The slide or the learned score cannot be read, or the slide is not the one that was measured.
    """
    protocol = protocol or opened.measured.protocol
    with _open(specimen) as slide:
        if slide.sha256() != opened.measured.slide_sha256:
            raise FieldError(
                f"{specimen.image.name} is not the file that was measured; put that back, or measure the specimen anew"
            )
        return Ground(specimen, survey_slide(slide, protocol), chosen_score(protocol.score.model, study))


def moved_field(
    ground: Ground, opened: OpenReview, name: str, centre_um: tuple[float, float], *, progress: Progress | None = None
) -> Decision:
    """The decision to put a field round another centre, with what lies there.

    Raises
    ------
    FieldError
        Too little of it is evaluable there, or it would overlap another field.
    """
    plan, evaluable = opened.measured.protocol.fields, ground.evaluable(opened.review.involved)
    share = evaluable_fraction(evaluable, _square(centre_um, plan.side_um))
    if share < plan.min_evaluable_fraction:
        raise FieldError(
            f"only {100 * share:.0f} % of field {name} could be counted there, less than "
            f"{100 * plan.min_evaluable_fraction:g} %; put it elsewhere"
        )
    field = field_at(evaluable, plan, specimen=f"field {name}", name=name, centre_um=centre_um)
    return decide.move_field(opened.review, field, _found(ground, opened, [field.rect], evaluable, progress))


def replaced_field(ground: Ground, opened: OpenReview, name: str, *, progress: Progress | None = None) -> Decision:
    """The decision to put a field where the lot falls, in marrow that no field, this one included, has had.

    Which lot is drawn follows from the protocol's seed, the specimen, the field and the length of the log.

    Raises
    ------
    FieldError
        There is no other place for it.
    """
    plan, review = opened.measured.protocol.fields, opened.review
    free = _without(ground.evaluable(review.involved), _places(opened))
    by_lot = plan.model_copy(update={"placement": "systematic", "number": 1})
    taken = [one.field.rect for one in review.fields.values() if one.unevaluable is None]
    for lot in range(STARTS):
        source = f"{ground.specimen.specimen}/{name}/{review.next_number}/{lot}"
        drawn = [field.rect for field in place_fields(free, by_lot, specimen=source).fields]
        # Enough of a square may be free, and the rest of it lie in another field.
        if drawn and not any(drawn[0].intersection(rect) for rect in taken):
            return moved_field(ground, opened, name, _centre(drawn[0]), progress=progress)
    raise FieldError(f"there is no other place for field {name}: move it by hand, or leave it out")


def _centre(rect: Rect) -> tuple[float, float]:
    return (rect.x0_um + rect.x1_um) / 2, (rect.y0_um + rect.y1_um) / 2


def changed_involved(
    ground: Ground, opened: OpenReview, involved: Sequence[Polygon], *, progress: Progress | None = None
) -> Decision:
    """The decision that the involved area is another, with the fields placed anew and what lies in them.

    Raises
    ------
    InvolvedAreaError
        It holds no place for a field.
    """
    drawn = tuple(tuple(points_of(ring_of(points)) for points in polygon) for polygon in involved)
    evaluable, name = ground.evaluable(drawn), ground.specimen.specimen
    plan = _by_program(opened.measured.protocol.fields)
    # Hot spots need every vessel of the area, systematic fields only those that they show.
    everywhere = opened.measured.protocol.counts.hotspot_density or plan.placement == "hotspot"
    found = _found(ground, opened, grid(evaluable), evaluable, progress) if everywhere else ()
    known = (reviewed.vessel for reviewed in opened.review.objects.values() if not everywhere)
    points = [(vessel.x_um, vessel.y_um) for vessel in (*found, *known) if vessel.accepted]
    placement = place_fields(evaluable, plan, specimen=name, points=np.array(points, np.float64).reshape(-1, 2))
    if not placement.fields:
        raise InvolvedAreaError(f"{placement.shortfall}; draw it larger")
    if not everywhere:
        found = _found(ground, opened, [field.rect for field in placement.fields], evaluable, progress)
    inside = {name: _holds(evaluable, one.vessel) for name, one in opened.review.objects.items()}
    return decide.change_involved(opened.review, drawn, fields=placement.fields, inside=inside, found=found)


def evaluable_fraction(evaluable: Raster, rect: Rect) -> float:
    """How much of a field is evaluable, 0 to 1, to the pixel: quick enough to be shown while it is moved."""
    rows, columns = evaluable.window(rect)
    pixels = int(np.count_nonzero(evaluable.pixels[rows, columns])) * evaluable.um_per_px**2
    return min(pixels / (rect.width_um * rect.height_um), 1.0)


def snapped(centre_um: tuple[float, float], side_um: float, others: Iterable[Rect]) -> tuple[float, float]:
    """The centre of a field, put against the edges of those that it comes near to."""
    half, (x_um, y_um) = side_um / 2, centre_um
    near = [rect for rect in others if _is_near(rect, centre_um, half + SNAP_REACH_UM)]
    x_edges = [edge for rect in near for edge in (rect.x0_um - half, rect.x1_um + half, rect.x0_um + half)]
    y_edges = [edge for rect in near for edge in (rect.y0_um - half, rect.y1_um + half, rect.y0_um + half)]
    return _nearest(x_um, x_edges), _nearest(y_um, y_edges)


def _square(centre_um: tuple[float, float], side_um: float) -> Rect:
    return Rect.square(centre_um[0] - side_um / 2, centre_um[1] - side_um / 2, side_um)


def _is_near(rect: Rect, centre_um: tuple[float, float], reach_um: float) -> bool:
    x_um, y_um = centre_um
    return rect.x0_um - reach_um < x_um < rect.x1_um + reach_um and rect.y0_um - reach_um < y_um < rect.y1_um + reach_um


def _nearest(value: float, edges: Sequence[float]) -> float:
    best = min(edges, key=lambda edge: abs(edge - value), default=value)
    return best if abs(best - value) <= SNAP_REACH_UM else value


def _by_program(plan: FieldPlan) -> FieldPlan:
    """Fields that were placed by hand lie in the old area; in the new one the program places as many."""
    return plan.model_copy(update={"placement": "systematic"}) if plan.placement == "manual" else plan


def _places(opened: OpenReview) -> Iterator[Rect]:
    """Where fields are, and where they were."""
    yield from (field.field.rect for field in opened.review.fields.values())
    yield from (field.rect for field in opened.measured.machine.fields)
    for correction in opened.review.corrections:
        yield from (state.field.rect for state in (*correction.before.fields, *correction.after.fields))


def _without(evaluable: Raster, places: Iterable[Rect]) -> Raster:
    pixels = evaluable.pixels.copy()
    for rect in places:
        pixels[evaluable.window(rect)] = False
    return evaluable.with_pixels(pixels)


def _found(
    ground: Ground, opened: OpenReview, cores: Sequence[Rect], evaluable: Raster, progress: Progress | None
) -> tuple[Vessel, ...]:
    return vessels_at(ground, cores, evaluable=evaluable, rule=opened.measured.protocol.rule, progress=progress)


def vessels_at(
    ground: Ground,
    cores: Sequence[Rect],
    *,
    evaluable: Raster,
    rule: CountingRule,
    progress: Progress | None = None,
) -> tuple[Vessel, ...]:
    """Every object that touches the cores, as a result would hold it; those beside the evaluable marrow do not count.

    Raises
    ------
    MvdError
        The slide cannot be read.
    """
    with _open(ground.specimen) as slide:
        found = vessels_on_slide(slide, ground.survey, cores, rule=rule, score=ground.score, progress=progress)
        stored = as_stored(found, slide.calibration)
    return tuple(
        vessel if not vessel.accepted or _holds(evaluable, vessel) else replace(vessel, reason=Reason.NOT_INVOLVED)
        for vessel in stored
    )


def _holds(evaluable: Raster, vessel: Vessel) -> bool:
    row = math.floor((vessel.y_um - evaluable.y0_um) / evaluable.um_per_px)
    column = math.floor((vessel.x_um - evaluable.x0_um) / evaluable.um_per_px)
    rows, columns = evaluable.pixels.shape
    return 0 <= row < rows and 0 <= column < columns and bool(evaluable.pixels[row, column])


def _open(specimen: Specimen) -> Slide:
    return open_slide(
        specimen.image, um_per_px=specimen.um_per_px, calibration_detail=f"specimens.csv, {specimen.specimen}"
    )
