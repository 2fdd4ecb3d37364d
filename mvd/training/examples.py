"""Candidates with their features and what they truly are: what a score learns from, and is tried on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from mvd.agreement import match_boxes
from mvd.geometry import Rect, Ring
from mvd.phantom import PhantomSpec
from mvd.phantom.spec import Difficulty, stream
from mvd.vessels import Candidate
from mvd.vessels.score import FEATURES, is_compact

_MAX_SHARED = 0.1
"""Share of its area with stained endothelium up to which a candidate is something else; more is part of a vessel, or
several, and is no example of either."""
_SECTION_UM = 500.0
_DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "typical", "typical", "hard", "hard")
"""In turn: the hard ones hold most of what looks like a vessel and is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labelled candidates, one a row."""

    features: NDArray[np.float64]
    """(candidates, features) in the order of `FEATURES`."""
    is_vessel: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    """What the rule would count."""
    suspected: NDArray[np.bool_]
    """What the rule rejects on a suspicion alone."""
    group: NDArray[np.str_]
    """Section or specimen; held back whole."""
    kind: NDArray[np.str_]
    """What it is, as far as that is known."""
    compact: NDArray[np.bool_]
    """What has the size of a single cell or two."""

    def __len__(self) -> int:
        return len(self.is_vessel)

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Where the score decides."""
        return self.counted | self.suspected

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Examples:
        return Examples(*(getattr(self, field.name)[which] for field in fields(self)))


def joined_examples(parts: Iterable[Examples]) -> Examples:
    """All of several."""
    parts = list(parts)
    if not parts:
        no, nobody = np.zeros(0, bool), np.zeros(0, str)
        return Examples(np.zeros((0, len(FEATURES))), no, no, no, nobody, nobody, no)
    return Examples(*(np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Examples)))


def examples(
    candidates: Sequence[Candidate], is_vessel: Sequence[bool], *, group: str, kinds: Sequence[str] | None = None
) -> Examples:
    """Candidates of one section or specimen with their labels."""
    return Examples(
        np.array([candidate.features for candidate in candidates], np.float64).reshape(-1, len(FEATURES)),
        np.array(is_vessel, bool),
        np.array([candidate.vessel.accepted for candidate in candidates], bool),
        np.array([candidate.suspected for candidate in candidates], bool),
        np.full(len(candidates), group),
        np.array(kinds if kinds is not None else [""] * len(candidates), dtype=np.str_),
        np.array([is_compact(candidate.vessel) for candidate in candidates], bool),
    )


def phantom_specs(first_seed: int, number: int) -> tuple[PhantomSpec, ...]:
    """Sections to learn from: as the phantom draws them, and every second one over a wider range of looks.

    The ranges are those within which a count must hold: stained 0.4 to 1.6 times as strongly, glass from 0.8 of white,
    blur to 1 µm, JPEG from quality 60, 0.2 to 0.6 µm/px. Those sections also have red cells that took the stain.
    """
    return tuple(_spec(first_seed + k, _DIFFICULTIES[k % len(_DIFFICULTIES)], wide=k % 2 == 1) for k in range(number))


def _spec(seed: int, difficulty: Difficulty, *, wide: bool) -> PhantomSpec:
    rng = stream(seed, "training")
    drawn = PhantomSpec(
        seed=seed,
        width_um=_SECTION_UM,
        height_um=_SECTION_UM,
        difficulty=difficulty,
        vessel_density_per_mm2=float(rng.uniform(16, 160)),
        confounders=float(rng.uniform(1, 4)),
        um_per_px=round(float(rng.uniform(0.2, 0.6)), 3),
    )
    if not wide:
        return drawn
    return replace(
        drawn,
        stain_strength=float(rng.uniform(0.4, 1.6)),
        brightness=float(rng.uniform(0.8, 1.0)),
        blur_um=float(rng.uniform(0.2, 1.0)),
        jpeg_quality=int(rng.integers(60, 96)),
        red_cells_per_mm2=float(rng.uniform(0, 24)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """One thing that is known to be in a picture."""

    outline: Ring
    """(n, 2) µm; a reader's box will do."""
    kind: str
    counts: bool
    is_stained_vessel: bool
    """Whether it is stained endothelium, counted or not: what covers part of it is nothing else."""

    @property
    def bounds(self) -> Rect:
        (x0, y0), (x1, y1) = self.outline.min(axis=0), self.outline.max(axis=0)
        return Rect(float(x0), float(y0), float(x1), float(y1))


def label(candidates: Sequence[Candidate], known: Sequence[Known], *, group: str) -> Examples:
    """The candidates that are one vessel each, and those that are something else; the others are left out."""
    one_each = _one_to_one(candidates, [thing for thing in known if thing.counts])
    places = [shapely.make_valid(shapely.Polygon(thing.outline)) for thing in known]
    tree = shapely.STRtree(places)
    kept, kinds = [], []
    for index, candidate in enumerate(candidates):
        outline = shapely.make_valid(shapely.Polygon(candidate.vessel.outline))
        shared = {k: outline.intersection(places[k]).area / outline.area for k in tree.query(outline).tolist()}
        stained = max((part for k, part in shared.items() if known[k].is_stained_vessel), default=0.0)
        if index in one_each or stained <= _MAX_SHARED:
            kept.append(index)
            most = max(shared, key=lambda k: shared[k], default=None)
            kinds.append("" if most is None else known[most].kind)
    return examples(
        [candidates[index] for index in kept], [index in one_each for index in kept], group=group, kinds=kinds
    )


def _one_to_one(candidates: Sequence[Candidate], vessels: Sequence[Known]) -> set[int]:
    """The candidates that match a vessel, first among what the rule counts."""
    found: set[int] = set()
    left = list(vessels)
    for counted in (True, False):
        those = [index for index, candidate in enumerate(candidates) if candidate.vessel.accepted == counted]
        boxes = [candidates[index].vessel.bounds for index in those]
        pairs = match_boxes(boxes, [vessel.bounds for vessel in left])
        found |= {those[mine] for mine, _ in pairs}
        matched = {true for _, true in pairs}
        left = [vessel for k, vessel in enumerate(left) if k not in matched]
    return found
