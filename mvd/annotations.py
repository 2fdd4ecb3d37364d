"""What an annotation's class says of it: involved marrow, something to be left out, or nothing that is known.

People name their classes as they like, in their own language. A class is told by the words in its name; QuPath's own
are among them. What no word tells is unknown, and a study.toml can say what it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from enum import StrEnum, auto

_INVOLVED = frozenset((
    "involved", "cll", "sll", "tumor", "tumour", "lymphoma", "lymphom",
    "infiltrate", "infiltrates", "infiltrated", "infiltration", "infiltrat",
))  # fmt: skip
_EXCLUDED = frozenset((
    "ignore", "ignored", "ignorieren", "exclude", "excluded", "exclusion", "ausschluss", "ausschliessen",
    "ausgeschlossen", "necrosis", "necrotic", "nekrose", "nekrotisch", "artefact", "artefacts", "artifact", "artifacts",
    "artefakt", "artefakte", "fold", "folds", "falte", "falten", "hole", "holes", "background", "normal", "uninvolved",
    "unaffected",
))  # fmt: skip
_NOT = frozenset(("not", "no", "non", "without", "nicht", "kein", "keine", "ohne", "free", "frei"))


class Meaning(StrEnum):
    """What polygons of a class are."""

    INVOLVED = auto()
    EXCLUDED = auto()
    UNKNOWN = auto()
    NONE = auto()
    """They have no class."""


def folded(name: str) -> str:
    """A class's name as it is compared: capitals, composed letters and spaces do not matter."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def meaning(name: str, *, involved: Collection[str] = (), excluded: Collection[str] = ()) -> Meaning:
    """What a class says.

    Parameters
    ----------
    name
        As it stands in the file; of a derived class ("Tumor: Positive") the first part counts.
    involved, excluded
        Names that are said to be so, whatever their words.
    """
    name = folded(name.split(":", maxsplit=1)[0])
    if not name:
        return Meaning.NONE
    if name in map(folded, involved):
        return Meaning.INVOLVED
    if name in map(folded, excluded):
        return Meaning.EXCLUDED
    words = re.findall(r"[^\W\d_]+", name)
    if _EXCLUDED.intersection(words):
        return Meaning.EXCLUDED
    if not _INVOLVED.intersection(words):
        return Meaning.UNKNOWN
    return Meaning.EXCLUDED if _NOT.intersection(words) else Meaning.INVOLVED
