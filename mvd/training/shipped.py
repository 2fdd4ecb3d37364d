"""The score that comes with the program: learned from simulated sections, tried on new ones, written with its card."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mvd.models import CARD_FILE, WEIGHTS_FILE, Card, weights_text
from mvd.phantom import PhantomSpec
from mvd.phantom.spec import stream
from mvd.store import write_together
from mvd.training.chart import calibration_png
from mvd.training.examples import Examples, Known, phantom_examples, phantom_specs, picture_examples
from mvd.training.learner import HIGHEST_THRESHOLD, SPLITS, fit
from mvd.training.rivals import Result, race
from mvd.training.validation import Validation, validate
from mvd.version import program_version
from mvd.vessels import WORK_UM_PER_PX
from mvd.vessels.score import FEATURES, ScoreModel

NAME, VERSION = "vessel_score", "1"
SECTIONS, FIRST_SEED = 120, 1_000_000
NEW_SECTIONS, FIRST_NEW_SEED = 30, 2_000_000
RED_CELL_SECTIONS, FIRST_RED_CELL_SEED, RED_CELLS_PER_MM2 = 12, 3_000_000, 12.0
"""To try it where red cells have taken the stain."""
CHART_FILE, README_FILE = "calibration.png", "README.md"
LIMITS = (
    "It learned from simulated marrow alone: no CD34-stained marrow was to be had. How well calibrated it is on real "
    "slides is not known.",
    "It knows what the simulator draws. Brown things of another kind, such as glands in a cytokeratin stain, can pass "
    "for vessels; the survey's warning about a stain that is no vessel stain is what stops those.",
    "It does not see where a candidate lies: bone, folds and the involved area are the rule's.",
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A real picture with readers' boxes: a test, never learned from."""

    image: Path
    boxes: Path
    """CSV with the columns kind, x0, y0, x1, y1 in pixels; what is no `vessel` is doubtful and left out."""
    um_per_px: float

    def examples(self) -> Examples:
        with self.boxes.open(encoding="utf-8", newline="") as stream_:
            known = [self._known(row) for row in csv.DictReader(stream_)]
        return picture_examples(self.image, known, um_per_px=self.um_per_px, group=self.image.name)

    def _known(self, row: dict[str, str]) -> Known:
        x0, y0, x1, y1 = (float(row[key]) * self.um_per_px for key in ("x0", "y0", "x1", "y1"))
        ring = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
        return Known(ring, row["kind"], counts=row["kind"] == "vessel", is_stained_vessel=True)


def make_shipped(
    folder: Path,
    *,
    workers: int | None = None,
    kept: Path | None = None,
    reference: Reference | None = None,
) -> ScoreModel:
    """Make the shipped model's folder anew: weights, card, README and chart.

    Parameters
    ----------
    workers
        Processes that simulate sections; the result does not depend on it.
    kept
        Examples are written here, and read from here if they are there: simulating them takes most of the time.
    reference
        A real picture to try the model on.
    """
    known = _examples(phantom_specs(FIRST_SEED, SECTIONS), kept and kept.with_suffix(".known.npz"), workers)
    new = _examples(new_specs(FIRST_NEW_SEED, NEW_SECTIONS), kept and kept.with_suffix(".new.npz"), workers)
    model = fit(known, name=NAME, version=VERSION)
    tried = {
        f"new {difficulty} sections": validate(model, new.take(np.char.find(new.group, f" {difficulty} ") >= 0))
        for difficulty in ("easy", "typical", "hard")
    }
    tried["all new sections"] = validate(model, new)
    red = [
        replace(spec, red_cells_per_mm2=RED_CELLS_PER_MM2) for spec in new_specs(FIRST_RED_CELL_SEED, RED_CELL_SECTIONS)
    ]
    tried["new sections with brown red cells"] = validate(
        model, _examples(red, kept and kept.with_suffix(".red.npz"), workers)
    )
    if reference:
        tried[f"real picture {reference.image.name}"] = validate(model, reference.examples())
    card = _card(model, known, tried, tuple(race(known)))
    write_together(
        {
            folder / WEIGHTS_FILE: weights_text(model).encode(),
            folder / CARD_FILE: (card.model_dump_json(indent=1) + "\n").encode(),
            folder / CHART_FILE: calibration_png(tried["all new sections"].curve),
            folder / README_FILE: _readme(card).encode(),
        }
    )
    return model


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


def _examples(specs: Sequence[PhantomSpec], path: Path | None, workers: int | None) -> Examples:
    if path is not None and path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return Examples(*(stored[field.name] for field in fields(Examples)))
    made = phantom_examples(specs, workers=workers)
    if path is not None:
        np.savez(path, **{field.name: getattr(made, field.name) for field in fields(Examples)})
    return made


def _card(model: ScoreModel, known: Examples, tried: dict[str, Validation], results: Sequence[Result]) -> Card:
    counted = known.counted
    return Card(
        name=model.name,
        version=model.version,
        task="whether a candidate that the counting rule would count looks like a vessel",
        stain="CD34 or CD31 by DAB (brown), haematoxylin (blue)",
        um_per_px=WORK_UM_PER_PX,
        licence="BSD-3-Clause",
        learner=f"gradient boosting, {SPLITS} trees of one split: a sum of step functions; Platt's calibration",
        made_with={
            "mvd": program_version(),
            **{name: metadata.version(name) for name in ("numpy", "opencv-python-headless", "scikit-learn")},
        },
        weights_sha256=model.sha256,
        threshold=model.threshold,
        compact_threshold=model.compact_threshold,
        features=dict(FEATURES),
        data={
            "source": "sections simulated by mvd.phantom; nothing else",
            "sections": SECTIONS,
            "seeds": [FIRST_SEED, FIRST_SEED + SECTIONS - 1],
            "candidates": len(known),
            "vessels": int(known.is_vessel.sum()),
            "counted by the rule": int(counted.sum()),
            "of these no vessels": int((counted & ~known.is_vessel).sum()),
            "seeds of the new sections": [FIRST_NEW_SEED, FIRST_NEW_SEED + NEW_SECTIONS - 1],
        },
        validation={
            "tried on": {name: validation.as_json() for name, validation in tried.items()},
            "other learners": [
                {field.name: _rounded(getattr(result, field.name)) for field in fields(Result)} for result in results
            ],
        },
        limits=LIMITS,
    )


def _rounded(value: str | float) -> str | float:
    return round(value, 3) if isinstance(value, float) else value


def _readme(card: Card) -> str:
    tried: dict[str, Any] = card.validation["tried on"]
    return README.format(
        card=card,
        highest=HIGHEST_THRESHOLD,
        program=card.made_with["mvd"],
        data=card.data,
        tried=_table(
            ("tried on", "vessels", "lost", "others", "rejected", "AUC", "Brier", "ECE"),
            (
                (
                    name,
                    v["vessels"],
                    v["vessels_lost"],
                    v["others"],
                    v["others_rejected"],
                    v["auc"],
                    v["brier"],
                    v["ece"],
                )
                for name, v in tried.items()
            ),
        ),
        curve=_table(("mean probability", "share of vessels", "candidates"), tried["all new sections"]["curve"]),
        rivals=_table(
            ("learner", "learned from", "tried on", "AUC", "others rejected when 1 % of the vessels are lost"),
            (tuple(result.values()) for result in card.validation["other learners"]),
        ),
        features=_table(("feature", "what it is"), card.features.items()),
        limits="\n".join(f"- {sentence}" for sentence in card.limits),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join("–" if cell is None else str(cell) for cell in line) + " |" for line in lines)


README = """# {card.name} {card.version}

A probability, for each candidate, of being a vessel. The counting rule decides what counts; this score has one word in
it: what the rule would count, and the score gives less than {card.threshold}, "does not look like a vessel". It never
makes a vessel of what the rule rejects. `[score] model = "none"` in a protocol leaves it out.

`make model` makes this folder anew. `weights.json` holds plain numbers, `card.json` this page's figures; the program
refuses weights that are not those of the card (sha256 {card.weights_sha256}).

- Stain: {card.stain}; features measured at {card.um_per_px} µm/px.
- Learner: {card.learner}.
- Learned from: {data[sections]} {data[source]} (seeds {data[seeds][0]} to {data[seeds][1]}): {data[candidates]}
  candidates, {data[vessels]} of them vessels; the rule counts {data[counted by the rule]}, of which
  {data[of these no vessels]} are something else.
- Threshold: costs at most one in 500 of the vessels that the rule counts, on sections held back in training, and is at
  most {highest:g}: on stains unlike those it learned from it costs more.
- Licence: {card.licence}. Made with mvd {program}.

## Tried on what it did not learn from

Candidates that the rule counts, for there alone the score decides. "Lost" are vessels that it rejects.

{tried}

AUC: chance that a vessel has the higher probability; Brier: mean squared error; ECE: expected calibration error.

Calibration on all new sections (a disc a bin of a tenth, with its number of candidates):

![Calibration curve](calibration.png)

{curve}

## Why this learner

{rivals}

The sum of step functions is kept because it is as good as the others on sections unlike those it learned from, says of
each feature what it adds, and is constant beyond the range that it has seen.

## Where not to trust it

{limits}

## Features

{features}
"""
