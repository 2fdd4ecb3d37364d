"""A score made of what a study's observers decided, tried on specimens that it has not seen, beside the shipped one.

It is written into the study and never put in force: choosing it is a line of study.toml, and whoever defends the
numbers writes it.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mvd.errors import MvdError, TrainingError
from mvd.manifest import can_name_files
from mvd.models import CARD_FILE, WEIGHTS_FILE, Card, shipped_score, weights_text
from mvd.store import write_together
from mvd.training.examples import Examples, joined_examples
from mvd.training.gather import LEAST_OF_EACH, Gathered, refuse_too_few
from mvd.training.learner import fit
from mvd.training.reviewed import Reviewed, reviewed_examples
from mvd.training.trial import Floats, Measure, Scored, Trial, calibration, compare, folds
from mvd.training.validation import limits
from mvd.version import program_version
from mvd.vessels import WORK_UM_PER_PX
from mvd.vessels.score import FEATURES, ScoreModel, probabilities

MODELS_FOLDER = "models"


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A model, and how it fared."""

    folder: Path
    """Where it was written."""
    model: ScoreModel
    trial: Trial
    examples: Examples
    observers: tuple[str, ...]
    notes: tuple[str, ...]
    """Sentences: what was left out, and why."""


def train_score(
    gathered: Gathered, models: Path, *, name: str, seed: int = 1, progress: Callable[[int, int], None] | None = None
) -> Trained:
    """Make a score of a study's reviews, try it, and write it into a new folder.

    Parameters
    ----------
    gathered
        What the observers decided.
    models
        The folder in which the model gets its own, of its name.
    seed
        Which specimens are held back together, and what the learner draws.
    progress
        Told the specimens read and the specimens in all.

    Raises
    ------
    MvdError
        Too little was reviewed, the folder is there already, or it cannot be written.
    """
    folder = _new_folder(models, name)
    refuse_too_few(gathered)
    examples, notes = _examples(gathered, progress)
    _refuse_too_few_counted(examples)
    trial, held_back = _try(examples, seed)
    model = _fitted(examples, name, seed)
    trained = Trained(folder, model, trial, examples, gathered.observers, (*gathered.left_out, *notes))
    _write(trained, held_back, seed=seed)
    return trained


def _new_folder(models: Path, name: str) -> Path:
    if not can_name_files(name):
        raise TrainingError(
            f"'{name[:100]}' cannot be a model's name; use letters, digits, spaces and . _ -, no dot first or last"
        )
    if (models / name).exists():
        raise TrainingError(f"{models / name} exists already and stays as it is; give the new model another name")
    return models / name


def _examples(gathered: Gathered, progress: Callable[[int, int], None] | None) -> tuple[Examples, tuple[str, ...]]:
    """The examples of all specimens, and what was left out."""
    parts: list[Reviewed] = []
    notes = []
    for done, labelled in enumerate(gathered.specimens, start=1):
        try:
            parts.append(reviewed_examples(labelled))
        except MvdError as error:
            notes.append(f"{labelled.specimen.specimen} is left out: {error}")
        if progress:
            progress(done, len(gathered.specimens))
    disputed, lost = sum(part.disputed for part in parts), sum(part.lost for part in parts)
    if disputed:
        what = "1 candidate is" if disputed == 1 else f"{disputed} candidates are"
        notes.append(f"{what} left out because the observers differ on {'it' if disputed == 1 else 'them'}")
    if lost:
        notes.append(f"decisions left out because this version does not find the candidate any more: {lost}")
    return joined_examples(part.examples for part in parts), tuple(notes)


def _refuse_too_few_counted(examples: Examples) -> None:
    vessels = int((examples.decided & examples.is_vessel).sum())
    others = int((examples.decided & ~examples.is_vessel).sum())
    if min(vessels, others) < LEAST_OF_EACH:
        raise TrainingError(
            f"of the candidates that the rule counts or only suspects, observers took {vessels} for vessels and "
            f"{others} for something else; a model that is to tell these apart needs at least {LEAST_OF_EACH} of each; "
            "review more fields"
        )


def _try(examples: Examples, seed: int) -> tuple[Trial, Floats]:
    """New and shipped score on what they decide, and the new one's probabilities there.

    Each specimen is judged by a model that learned without it.
    """
    new, least = np.empty(len(examples)), np.empty(len(examples))
    for part in folds(examples.group.tolist(), seed=seed):
        out = np.isin(examples.group, part)
        model = _fitted(examples.take(~out), "held back", seed)
        new[out] = probabilities(model, examples.features[out].tolist())
        least[out] = limits(model, examples.take(out))
    shipped = shipped_score()
    at = examples.decided
    trial = compare(
        examples.is_vessel[at],
        examples.group[at].tolist(),
        new=Scored(new[at], least[at]),
        shipped=Scored(
            np.array(probabilities(shipped, examples.features[at].tolist())), limits(shipped, examples.take(at))
        ),
        seed=seed,
    )
    return trial, new[at]


def _fitted(examples: Examples, name: str, seed: int) -> ScoreModel:
    try:
        return fit(examples, name=name, version=program_version(), look=shipped_score().look, seed=seed)
    except ValueError as error:  # the learner's own: a part without one of the two kinds
        raise TrainingError(
            "in too few specimens observers found both vessels and other things, so that none can be held back; review "
            "fields of more specimens"
        ) from error


def _write(trained: Trained, held_back: Floats, *, seed: int) -> None:
    weights = weights_text(trained.model).encode()
    card = Card(
        name=trained.model.name,
        version=trained.model.version,
        task="whether a candidate that the counting rule counts or only suspects looks like a vessel",
        stain="that of the study",
        um_per_px=WORK_UM_PER_PX,
        licence="that of the study's slides and reviews",
        learner="boosted step functions of single features (scikit-learn), calibrated on held-back specimens",
        made_with={"mvd": program_version(), **{name: metadata.version(name) for name in ("scikit-learn", "numpy")}},
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        threshold=trained.model.threshold,
        compact_threshold=trained.model.compact_threshold,
        features=dict(FEATURES),
        data=_data(trained, seed),
        validation=_validation(trained, held_back),
        limits=(
            "It learned from this study's slides alone; on another stain or scanner it has not been tried.",
            "It learned what this study's observers take for a vessel, with their habits.",
        ),
    )
    text = card.model_dump_json(indent=1) + "\n"
    write_together({trained.folder / WEIGHTS_FILE: weights, trained.folder / CARD_FILE: text.encode()})


def _data(trained: Trained, seed: int) -> dict[str, Any]:
    examples = trained.examples
    return {
        "source": "observers' corrections",
        "specimens": sorted(set(examples.group.tolist())),
        "observers": len(trained.observers),
        "candidates": dict(sorted(Counter(examples.kind.tolist()).items())),
        "counted or suspected by the rule": {
            "vessels": int((examples.decided & examples.is_vessel).sum()),
            "others": int((examples.decided & ~examples.is_vessel).sum()),
        },
        "left out": list(trained.notes),
        "seed": seed,
    }


def _validation(trained: Trained, held_back: Floats) -> dict[str, Any]:
    trial, examples = trained.trial, trained.examples
    bins = calibration(examples.is_vessel[examples.decided], held_back)
    return {
        "on": f"candidates that the rule counts or only suspects, in {trial.specimens} specimens, each held back once",
        "verdict": trial.verdict,
        "new": _told(trial.new),
        "shipped": _told(trial.shipped),
        "difference": _told(trial.difference),
        "calibration": [
            {"mean probability": round(mean, 4), "share of vessels": round(share, 4), "candidates": number}
            for mean, share, number in bins
        ],
    }


def _told(measures: Mapping[str, Measure]) -> dict[str, dict[str, float | None]]:
    """Numbers as JSON holds them; what could not be told is null."""

    def plain(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 6)

    return {
        name: {"value": plain(measure.value), "low": plain(measure.low), "high": plain(measure.high)}
        for name, measure in measures.items()
    }
