"""What is written beside the weights: the card, and for the shipped score a page made from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from typing import Any

from mvd.models import Card
from mvd.training.laboratories import Learned
from mvd.training.learner import SPLITS
from mvd.training.pictures import Source
from mvd.training.validation import Validation
from mvd.version import program_version
from mvd.vessels import WORK_UM_PER_PX
from mvd.vessels.score import COMPACT_UM, FEATURES, ScoreModel

NAME, VERSION = "vessel_score", "3"
_SOURCE = (
    "three real endothelial stains of other tissues (CD31 of a colorectal carcinoma and of a tumour, CD34 of a "
    "sarcoma), each read by two careful non-experts; composites of their pixels, real brown lymphoid cells and real "
    "marrow fields; simulated sections"
)
_LIMITS = (
    "No CD34-stained marrow was to be had: it has never seen one. It knows vessels of other tissues, on marrow only as "
    "composites and simulated sections.",
    "What a vessel is was read by two careful non-experts, not by pathologists.",
    "Three laboratories are few. How it does on a fourth is told by each of the three left out in turn, no better.",
    "The brown cells that it learned to reject are lymphoid cells of other stains, pasted; CD34+ progenitors may look "
    "otherwise.",
    "Brown things of another kind, such as glands in a cytokeratin stain, can pass for vessels; the survey's warning "
    "about a stain that is no vessel stain is what stops those.",
    "It does not see where a candidate lies: bone, folds and the involved area are the rule's.",
)


def card_of(
    model: ScoreModel,
    learned: Learned,
    *,
    sources: Sequence[Source],
    tried: Mapping[str, Validation],
    found: Mapping[str, Mapping[str, Any]],
) -> Card:
    """The card of a model of many stains.

    Parameters
    ----------
    sources
        The pictures that the score learned from.
    tried, found
        How it does, or those do that left a laboratory out, on candidates and on whole pictures.
    """
    known = learned.learned_from
    return Card(
        name=model.name,
        version=model.version,
        task="whether a candidate that the counting rule would count, or only suspects, looks like a vessel",
        stain="CD34 or CD31 by DAB (brown), haematoxylin (blue)",
        um_per_px=WORK_UM_PER_PX,
        licence="BSD-3-Clause",
        learner=f"one half gradient boosting, {SPLITS} trees of one split: a sum of step functions; one half a "
        "convolutional network that sees the candidate and what lies round it, in bytes",
        made_with={"mvd": program_version(), **dict(_versions())},
        weights_sha256=model.sha256,
        threshold=model.threshold,
        compact_threshold=model.compact_threshold,
        features=dict(FEATURES),
        data={
            "source": _SOURCE,
            "pictures": dict(sorted(Counter(source.stock for source in sources).items())),
            "candidates": len(known),
            "vessels": int(known.is_vessel.sum()),
            "left to the score": int(known.decided.sum()),
            "of these no vessels": int((known.decided & ~known.is_vessel).sum()),
        },
        validation={"tried on": {name: one.as_json() for name, one in tried.items()}, "whole pictures": dict(found)},
        limits=_LIMITS,
    )


def _versions() -> Iterator[tuple[str, str]]:
    for name in ("numpy", "opencv-python-headless", "scikit-learn", "torch"):
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def readme(card: Card) -> str:
    """The shipped score's page."""
    tried: dict[str, Any] = card.validation["tried on"]
    columns = ("vessels", "vessels_lost", "others", "others_rejected", "auc", "brier", "ece")
    whole: dict[str, Any] = card.validation["whole pictures"]
    return _README.format(
        card=card,
        compact=COMPACT_UM,
        data=card.data,
        pictures=_table(("pictures", "number"), card.data["pictures"].items()),
        tried=_table(
            ("tried on", "vessels", "lost", "others", "rejected", "AUC", "Brier", "ECE"),
            ((name, *(one[column] for column in columns)) for name, one in tried.items()),
        ),
        whole=_table(
            ("pictures", "vessels", "found", "false", "F1"),
            ((name, one["vessels"], one["found"], one["false"], one["F1"]) for name, one in whole.items()),
        ),
        curve=_table(("mean probability", "share of vessels", "candidates"), next(iter(tried.values()))["curve"]),
        features=_table(("feature", "what it is"), card.features.items()),
        limits="\n".join(f"- {sentence}" for sentence in card.limits),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join("–" if cell is None else str(cell) for cell in line) + " |" for line in lines)


_README = """# {card.name} {card.version}

A probability, for each candidate, of being a vessel. The counting rule decides what counts; this score has a word in
it. What the rule would count, or only suspects of being a single cell, a megakaryocyte or pigment, and the score gives
less than {card.threshold}, does not count: it is a single cell if it is no longer than {compact:g} µm, as one or two
cells are, and does not look like a vessel if it is.
`[score] model = "none"` in a protocol leaves the score out, and suspicions decide.

`make model` makes this folder anew, and with it the groups in `mvd/vessels/learned.py`, by which stain is parted into
candidates. `weights.json` holds plain numbers and the network's bytes, `card.json` this page's figures; the program
refuses weights that are not those of the card (sha256 {card.weights_sha256}).

- Stain: {card.stain}; features measured at {card.um_per_px} µm/px.
- Learner: {card.learner}.
- Learned from: {data[source]}. None of the pictures is part of the program.
- {data[candidates]} candidates, {data[vessels]} of them vessels; {data[left to the score]} are left to the score, of
  which {data[of these no vessels]} are something else. Vessels, and other things, of each row below weigh the same,
  those of simulated sections three tenths of that.
- Licence: {card.licence}. Made with mvd {card.made_with[mvd]}.

{pictures}

## Tried on what it did not learn from

Each laboratory was left out in turn, with every composite of its pixels: groups and score were learned without it, and
tried on it. The composites that come with the real pictures ("given") are made of two laboratories' vessels; both were
left out. The shipped numbers were learned from all of them, so no figure here is of the shipped numbers themselves but
that of the new simulated sections, which say little of real stains.

Candidates about which the score decides; "lost" are vessels that it rejects:

{tried}

AUC: chance that a vessel has the higher probability; Brier: mean squared error; ECE: expected calibration error.

Whole pictures, from pixels to counted vessels, by the same left-out models (a composite's brown cells are no vessels):

{whole}

Calibration with every laboratory left out in turn (a disc a bin of a tenth, with its number of candidates). Vessels and
other things weighed the same in training, so that a probability is that of an even mixture:

![Calibration curve](calibration.png)

{curve}

## Where not to trust it

{limits}

## Features

{features}
"""
