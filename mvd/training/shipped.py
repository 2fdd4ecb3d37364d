"""The score and the groups that come with the program, and those that leave a laboratory out, with their cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mvd.models import CARD_FILE, WEIGHTS_FILE, Card, weights_text
from mvd.phantom import PhantomSpec
from mvd.phantom.spec import stream
from mvd.store import write_together
from mvd.training.cards import NAME, VERSION, card_of, readme
from mvd.training.chart import calibration_png
from mvd.training.examples import joined_examples, phantom_specs
from mvd.training.groups import learned_text
from mvd.training.laboratories import WHOLE, WITHOUT, Learned, groups_of, grow_all, learn_all, looks_of, seen
from mvd.training.learner import signed
from mvd.training.pictures import (
    COMPOSITES,
    Source,
    given_composites,
    other_looks,
    own_composites,
    real_pictures,
    simulated,
)
from mvd.training.trial import Scored
from mvd.training.validation import Validation, scored, validate, validation_of
from mvd.vessels.score import ScoreModel

SECTIONS, FIRST_SEED = 40, 4_000_000
NEW_SECTIONS, FIRST_NEW_SEED = 18, 2_000_000
CHART_FILE, README_FILE = "calibration.png", "README.md"
SHIPPED_FOLDER, LEFT_OUT_FOLDER = Path("models", NAME), Path("benchmarks", "left_out")
LEARNED_FILE = Path("mvd", "vessels", "learned.py")
ALL_LEFT_OUT, NEW = "every laboratory left out in turn", "new simulated sections"


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is to learn from, and to try on."""

    learned_from: tuple[Source, ...]
    of_candidates: tuple[Source, ...]
    """Those from which the score learns: finding candidates takes longer than growing trees."""
    given: tuple[Source, ...]
    new: tuple[Source, ...]


def sources_of(shared: Path, kept: Path, *, workers: int | None = None) -> Sources:
    """The real pictures, composites of their pixels, and simulated sections.

    Parameters
    ----------
    shared
        The folder of real images.
    kept
        Where composites are made, and found again.
    """
    real, drawn = real_pictures(shared), simulated(phantom_specs(FIRST_SEED, SECTIONS))
    composites = own_composites(shared, kept, workers=workers or 1)
    looks = other_looks(composites)
    return Sources(
        (*real, *composites, *looks, *drawn),
        (*real, *composites[::2], *looks[1::2], *drawn),
        given_composites(shared),
        simulated(new_specs(FIRST_NEW_SEED, NEW_SECTIONS)),
    )


def new_specs(first_seed: int, number: int) -> tuple[PhantomSpec, ...]:
    """Sections to try a score on: every difficulty as the phantom draws it, scanned at 20x and 40x."""
    return tuple(
        PhantomSpec(
            seed=first_seed + k,
            difficulty=("easy", "typical", "hard")[k % 3],
            um_per_px=(0.25, 0.5)[k // 3 % 2],
            vessel_density_per_mm2=float(stream(first_seed + k, "trying").uniform(16, 160)),
        )
        for k in range(number)
    )


def make_shipped(sources: Sources, root: Path, *, workers: int | None = None) -> ScoreModel:
    """Learn everything that comes with the program, and write it.

    Parameters
    ----------
    root
        The source tree; see `SHIPPED_FOLDER`, `LEARNED_FILE` and `LEFT_OUT_FOLDER`.
    workers
        Processes; the result does not depend on it.
    """
    trees = grow_all(sources.learned_from, workers=workers)
    learned = learn_all(
        groups_of(trees),
        looks_of(trees, workers=workers),
        sources.of_candidates,
        others={COMPOSITES: sources.given, WHOLE: sources.new},
        name=NAME,
        version=VERSION,
        workers=workers,
    )
    whole = learned.pop(WHOLE)
    model, files = shipped_files(whole, learned, sources)
    write_together({root / path: content for path, content in files.items()})
    return model


def shipped_files(
    whole: Learned, left_out: Mapping[str, Learned], sources: Sources
) -> tuple[ScoreModel, dict[Path, bytes]]:
    """The shipped score, and every file by its place in the source tree."""
    assert whole.model.groups is not None
    model = signed(replace(whole.model, groups=None))  # the program knows them: they are in `LEARNED_FILE`
    together = _together(left_out)
    tried = {ALL_LEFT_OUT: together, **_tried(left_out), NEW: _all_of(whole)}
    card = card_of(model, whole, sources=sources.of_candidates, tried=tried, found=_found(left_out))
    files = {
        LEARNED_FILE: learned_text(whole.model.groups).encode(),
        SHIPPED_FOLDER / WEIGHTS_FILE: weights_text(model).encode(),
        SHIPPED_FOLDER / CARD_FILE: _json(card),
        SHIPPED_FOLDER / CHART_FILE: calibration_png(together.curve),
        SHIPPED_FOLDER / README_FILE: readme(card).encode(),
    }
    for place, one in left_out.items():
        own = card_of(
            one.model,
            one,
            sources=seen(sources.of_candidates, WITHOUT[place]),
            tried=_tried({place: one}),
            found=_found({place: one}),
        )
        files[LEFT_OUT_FOLDER / place / WEIGHTS_FILE] = weights_text(one.model).encode()
        files[LEFT_OUT_FOLDER / place / CARD_FILE] = _json(own)
    return model, files


def _json(card: Card) -> bytes:
    return (card.model_dump_json(indent=1) + "\n").encode()


def _tried(left_out: Mapping[str, Learned]) -> dict[str, Validation]:
    return {
        f"{stock}, learned without {' and '.join(WITHOUT[place])}": validate(learned.model, part)
        for place, learned in left_out.items()
        for stock, part in learned.tried.items()
    }


def _found(left_out: Mapping[str, Learned]) -> dict[str, dict[str, float | int | None]]:
    """What was found in whole pictures, by models that had not seen their laboratories."""
    return {
        f"{stock}, learned without {' and '.join(WITHOUT[place])}": {
            "vessels": found.matched + found.missed,
            "found": found.matched,
            "false": found.extra,
            "F1": None if found.f1 is None else round(found.f1, 3),
        }
        for place, learned in left_out.items()
        for stock, found in learned.found.items()
    }


def _together(left_out: Mapping[str, Learned]) -> Validation:
    """Of the laboratories that were learned from, each by the model that had not seen it."""
    parts = [
        (part.take(part.decided), learned.model)
        for place, learned in left_out.items()
        for part in learned.tried.values()
        if place != COMPOSITES
    ]
    made = [scored(model, part) for part, model in parts]
    return validation_of(
        np.concatenate([part.is_vessel for part, _ in parts]),
        Scored(
            np.concatenate([one.probability for one in made]),
            np.concatenate([np.asarray(one.threshold) for one in made]),
        ),
    )


def _all_of(learned: Learned) -> Validation:
    return validate(learned.model, joined_examples(learned.tried.values()))
