"""The shipped score and groups, learned with every laboratory or without one, and tried on the one left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import cv2
import numpy as np

from mvd.agreement import Detection, detect
from mvd.blocks import candidates_in, grid, vessels_on_slide
from mvd.errors import MvdError
from mvd.protocol import Protocol
from mvd.survey import survey_slide
from mvd.training.boosting import even_weights
from mvd.training.examples import Examples, joined_examples, label
from mvd.training.groups import fit_groups
from mvd.training.grown import Grown, grown
from mvd.training.learner import fit_mixed
from mvd.training.looks import fit_look
from mvd.training.pictures import COMPOSITES, Source, opened
from mvd.vessels.choosing import GroupModel
from mvd.vessels.look import Look
from mvd.vessels.model import Reason
from mvd.vessels.score import ScoreModel

WITHOUT: Mapping[str, tuple[str, ...]] = {
    "colon": ("colon",),
    "tumour": ("tumour",),
    "sarcoma": ("sarcoma",),
    COMPOSITES: ("colon", "tumour"),
}
"""What each left-out model learns nothing of, by the name of what it is then tried on: the composites that come with
the folder are made of two laboratories' vessels."""
WHOLE = "everything"
_SIMULATED_WEIGHT = 0.3
"""Of simulated sections against as many real pixels. With each laboratory left out, the AUC among things of a cell's
size was 0.96, 0.96 and 0.74; at a weight of 1 it was 0.92, 0.93 and 0.74."""
_GROWN_UM = 2.0
"""Boxes that were drawn by hand are off by as much."""
_NO_EXAMPLE = (Reason.TOO_SMALL, Reason.UNLIKE_VESSEL)
"""What is rejected for its size, or is a piece beside a vessel, says nothing of how vessels look."""

A = TypeVar("A")
B = TypeVar("B")
Of = TypeVar("Of", Source, Grown)


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A model and how it does on what it has not seen."""

    model: ScoreModel
    """With its groups."""
    learned_from: Examples
    tried: Mapping[str, Examples]
    """What it did not learn from, by stock of pictures."""
    found: Mapping[str, Detection]
    """The whole way, from picture to vessels, by stock."""


def grow_all(sources: Sequence[Source], *, workers: int | None = None) -> tuple[Grown, ...]:
    """The trees of all pictures that the program does not refuse."""
    return tuple(tree for tree in _each(grown, sources, workers) if tree is not None)


def groups_of(trees: Sequence[Grown]) -> dict[str, GroupModel]:
    """The groups learned of all trees (`WHOLE`), and those that leave laboratories out, by the places of `WITHOUT`."""
    left_out = {place: fit_groups(seen(trees, without)) for place, without in WITHOUT.items()}
    return {WHOLE: fit_groups(trees), **left_out}


def looks_of(trees: Sequence[Grown], *, workers: int | None = None) -> dict[str, Look]:
    """How vessels look, learned of all trees and of those that leave laboratories out, by the places of `groups_of`."""
    parts = [trees, *(seen(trees, without) for without in WITHOUT.values())]
    return dict(zip((WHOLE, *WITHOUT), _each(fit_look, parts, workers), strict=True))


def learn_all(  # noqa: PLR0913  (what was learned before, what is learned from, what it is called)
    groups: Mapping[str, GroupModel],
    looks: Mapping[str, Look],
    sources: Sequence[Source],
    *,
    others: Mapping[str, Sequence[Source]],
    name: str,
    version: str,
    workers: int | None = None,
) -> dict[str, Learned]:
    """The score of each place, from the candidates that its own groups find in what is not left out.

    Parameters
    ----------
    groups, looks
        By place.
    sources
        To learn from, and where they are left out to try on.
    others
        By place, what to try on besides.
    """
    wanted = list(dict.fromkeys((*sources, *(source for those in others.values() for source in those))))
    jobs = [
        (source, {place: (groups[place], looks[place]) for place in groups if _is_asked(place, source, others)})
        for source in wanted
    ]
    made = list(zip(wanted, _each(_examples_by_place, jobs, workers), strict=True))
    learned = {}
    for place in groups:
        parts = [(source, found[place]) for source, found in made if place in found]
        known = [part for part in parts if not _is_held(place, part[0], others)]
        held = [part for part in parts if _is_held(place, part[0], others)]
        own = f"{name} without {place}" if place in WITHOUT else name
        joined = joined_examples(part for _, part in known)
        model = fit_mixed(joined, weights(known), name=own, version=version, groups=groups[place], look=looks[place])
        learned[place] = Learned(model, joined, by_stock(held), _found([source for source, _ in held], model, workers))
    return learned


def _is_held(place: str, source: Source, others: Mapping[str, Sequence[Source]]) -> bool:
    """Whether a model is tried on a picture; it does not learn from it."""
    return source in others.get(place, ()) or source.laboratory in WITHOUT.get(place, ())


def _is_asked(place: str, source: Source, others: Mapping[str, Sequence[Source]]) -> bool:
    """Whether a model learns from a picture, or is tried on it."""
    if any(source in those for those in others.values()):
        return source in others.get(place, ())
    # The composites that come with the folder stand for both laboratories that their model leaves out.
    return place != COMPOSITES or source.laboratory not in WITHOUT[COMPOSITES]


def by_stock(parts: Sequence[tuple[Source, Examples]]) -> dict[str, Examples]:
    """Examples of all pictures of a stock together."""
    stocks = dict.fromkeys(source.stock for source, _ in parts)
    return {stock: joined_examples(part for source, part in parts if source.stock == stock) for stock in stocks}


def _found(sources: Sequence[Source], model: ScoreModel, workers: int | None) -> dict[str, Detection]:
    whole = [source for source in sources if source.kind in ("real", "given")]
    found: dict[str, Detection] = {}
    for source, one in zip(whole, _each(partial(detection_of, model=model), whole, workers), strict=True):
        found[source.stock] = found.get(source.stock, Detection(0, 0, 0)) + one
    return found


def seen(sources: Sequence[Of], without: Sequence[str]) -> list[Of]:
    """Those that are not of some laboratories."""
    return [source for source in sources if source.laboratory not in without]


def weights(parts: Sequence[tuple[Source, Examples]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Weights of examples: vessels, and other things, of each stock of pictures weigh as much as those of any other."""
    names = [f"{source.stock} {bool(is_vessel)}" for source, part in parts for is_vessel in part.is_vessel]
    drawn = [source.kind == "simulated" for source, part in parts for _ in range(len(part))]
    return even_weights(names) * np.where(drawn, _SIMULATED_WEIGHT, 1.0)


def _examples_by_place(job: tuple[Source, Mapping[str, tuple[GroupModel, Look]]]) -> dict[str, Examples]:
    source, models = job
    return examples_of(source, models)


def examples_of(source: Source, models: Mapping[str, tuple[GroupModel, Look]]) -> dict[str, Examples]:
    """The labelled candidates of a picture as each of several models finds them; none where the program refuses it."""
    cv2.setNumThreads(1)  # one process a picture uses the cores better
    protocol = Protocol()
    made = {}
    with opened(source) as picture:
        try:
            survey = survey_slide(picture.slide, protocol)
        except MvdError:
            return dict.fromkeys(models, joined_examples(()))
        for place, (groups, look) in models.items():
            found = candidates_in(
                picture.slide, survey, picture.slide.bounds, rule=protocol.rule, groups=groups, look=look
            )
            telling = [candidate for candidate in found if candidate.vessel.reason not in _NO_EXAMPLE]
            made[place] = label(telling, picture.known, group=source.name)
    return made


def detection_of(source: Source, *, model: ScoreModel) -> Detection:
    """What the program finds with a model, beside what is known; a picture that it refuses is missed whole."""
    cv2.setNumThreads(1)
    protocol = Protocol()
    with opened(source) as picture:
        vessels = [thing.bounds for thing in picture.known if thing.counts]
        doubtful = [thing.bounds for thing in picture.known if thing.kind == "ambiguous"]
        try:
            survey = survey_slide(picture.slide, protocol)
        except MvdError:
            return Detection(0, 0, len(vessels))
        found = vessels_on_slide(picture.slide, survey, grid(survey.tissue.whole), rule=protocol.rule, score=model)
        counted = [vessel.bounds for vessel in found if vessel.accepted]
        return detect(counted, vessels, ignored=doubtful, grown_um=_GROWN_UM)


def _each(do: Callable[[A], B], these: Sequence[A], workers: int | None) -> list[B]:
    """In their order, on any number of processes."""
    if workers == 1:
        return [do(one) for one in these]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(do, these))
