"""Examples from a study's reviews: the candidates of the reviewed fields, measured anew, with the observers' labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mvd.blocks import candidates_in
from mvd.geometry import Rect
from mvd.models import shipped_score
from mvd.protocol import CountingRule
from mvd.slide import Slide, open_slide
from mvd.survey import Survey, survey_slide
from mvd.training.examples import Examples, examples
from mvd.training.gather import Labelled, agreed
from mvd.vessels import Candidate


@dataclass(frozen=True, slots=True, eq=False)
class Reviewed:
    """The examples of one specimen."""

    examples: Examples
    """`kind` is the reason why it is no vessel, in the observers' words, or "vessel"."""
    disputed: int
    """Candidates left out because observers differ."""
    lost: int
    """Labels left out because the program does not find the candidate any more."""


def reviewed_examples(labelled: Labelled) -> Reviewed:
    """The examples of one specimen.

    Raises
    ------
    MvdError
        Its slide cannot be read.
    """
    specimen, name = labelled.specimen, labelled.specimen.specimen
    detail = f"specimens.csv, {name}"
    with open_slide(specimen.image, um_per_px=specimen.um_per_px, calibration_detail=detail) as slide:
        survey = survey_slide(slide, labelled.protocol)
        found = _candidates(slide, survey, labelled.fields, labelled.protocol.rule)
    labels, disputed = agreed(labelled.labels, [candidate.vessel.outline for candidate in found])
    told = len({label.candidate.name for _, label in labelled.labels})
    of_them = examples(
        [found[index] for index in labels],
        [label.is_vessel for label in labels.values()],
        group=name,
        kinds=[label.reason or "vessel" for label in labels.values()],
    )
    return Reviewed(of_them, disputed, max(told - len(labels) - disputed, 0))


def _candidates(slide: Slide, survey: Survey, fields: Sequence[Rect], rule: CountingRule) -> tuple[Candidate, ...]:
    """Every candidate of the fields, once each."""
    found: dict[tuple[float, ...], Candidate] = {}
    for field in fields:
        for candidate in candidates_in(slide, survey, field, rule=rule, look=shipped_score().look):
            box = candidate.vessel.bounds
            found.setdefault((box.x0_um, box.y0_um, box.x1_um, box.y1_um), candidate)
    return tuple(found.values())
