"""What the program counts in the fields that an observer reviewed, with each of the values that are tried."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

from mvd.agreement import Detection, detect
from mvd.counting import assign
from mvd.geometry import Raster
from mvd.moves import Ground, survey_ground, vessels_at
from mvd.protocol import CountingRule, Protocol
from mvd.steering.reads import Read
from mvd.steering.search import Tried
from mvd.steering.values import Grid, Values
from mvd.vessels import Vessel

_GROWN_UM = 2.0
"""Boxes drawn by hand, and discs put where a vessel was missed, are off by a µm or two."""


def try_values(read: Read, grid: Grid, *, protocol: Protocol, study: Path) -> Tried:
    """Count one specimen's reviewed fields with all values of a grid.

    Parameters
    ----------
    protocol
        The study's own; its stain vectors, learned score and the rest of its rule are kept.
    study
        The study's folder, which the name of a score is relative to.

    Raises
    ------
    MvdError
        The slide or the learned score cannot be read, or the slide is not the one that was reviewed.
    """
    as_measured = protocol.stain.model_copy(update={"sensitivity": 0})
    chosen = protocol.model_copy(update={"stain": as_measured})
    ground = survey_ground(read.specimen, read.opened, study=study, protocol=chosen)
    evaluable = ground.evaluable(read.opened.review.involved)
    outcomes = {}
    for steps, gap_um in itertools.product(grid.sensitivities, grid.gaps_um):
        # A larger least size takes away some of what a smaller one counts, and changes nothing else.
        rule = protocol.rule.model_copy(update={"join_gap_um": gap_um, "min_area_um2": min(grid.sizes_um2)})
        counted = _counted(read, with_sensitivity(ground, steps), evaluable, rule)
        for size_um2 in grid.sizes_um2:
            large = [vessel for vessel in counted if vessel.area_um2 + vessel.lumen_area_um2 >= size_um2]
            outcomes[Values(steps, size_um2, gap_um)] = _against(read, large)
    return Tried(read.specimen.specimen, outcomes)


def with_sensitivity(ground: Ground, steps: int) -> Ground:
    """A slide that was surveyed as measured, as it is at a sensitivity."""
    levels = ground.survey.levels.with_sensitivity(steps)
    return replace(ground, survey=replace(ground.survey, levels=levels))


def _counted(read: Read, ground: Ground, evaluable: Raster, rule: CountingRule) -> Sequence[Vessel]:
    rects = [field.rect for field in read.opened.review.counted_fields]
    found = vessels_at(ground, rects, evaluable=evaluable, rule=rule)
    return [vessel for vessel in found if vessel.accepted]


def _against(read: Read, counted: Sequence[Vessel]) -> Detection:
    """What was counted against the observer, field by field, each with the border rule that the observer counted by."""
    fields, border = read.opened.review.counted_fields, read.opened.measured.protocol.fields.border
    places = assign(counted, fields, border)
    found = (
        detect(
            [vessel.bounds for vessel in counted if field.name in places[vessel.name].fields],
            read.vessels[field.name],
            grown_um=_GROWN_UM,
        )
        for field in fields
    )
    return reduce(Detection.__add__, found, Detection(0, 0, 0))
