"""When two names are spellings of one: blanks, hyphens, leading zeros, full-width or invisible letters, look-alikes."""

from __future__ import annotations

import re
import unicodedata

_LOOK_ALIKE = str.maketrans(
    "АВЕКМНОРСТУХавекмнорстухІіЈјЅѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧο",
    "ABEKMHOPCTYXabekmhopctyxIiJjSsABEZHIKMNOPTYXo",
)
"""Cyrillic and Greek letters that cannot be told from Latin ones on a screen."""
_BETWEEN = r"[\s_\-‐‑‒–—]+"


def visible(name: str) -> str:
    """A name without characters that are not seen, such as a zero-width space."""
    return "".join(letter for letter in name if unicodedata.category(letter) not in ("Cf", "Cc", "Mn", "Me"))


def spelling(name: str, *, hyphens: bool = True) -> str:
    """What spellings of one name share: `P 01`, `p_1`, `P-01` and `P01`, `007` and `7`.

    But not `1-12` and `11-2`, `P1` and `P01`, nor `R` and `R-`.

    Parameters
    ----------
    hyphens
        Whether a hyphen is no more than a blank; in a timepoint it may be a minus (`d-7`).
    """
    one = visible(unicodedata.normalize("NFKC", name)).translate(_LOOK_ALIKE).casefold()
    between = _BETWEEN if hyphens else r"[\s_]+"
    one = re.sub(rf"(?<=\d){between}(?=\d)", "\0", one)
    one = re.sub(rf"(?<=[^\W_]){between}(?=[^\W_])", "", one)
    return re.sub(r"^0+(?=\d+$)", "", one.strip())  # a spreadsheet drops them, of what is all digits


def told_apart(one: str, other: str) -> str:
    """What to add where two spellings look the same on the screen."""
    alike = visible(unicodedata.normalize("NFKC", one)).translate(_LOOK_ALIKE)
    same = alike == visible(unicodedata.normalize("NFKC", other)).translate(_LOOK_ALIKE)
    return ", which looks the same and has other letters" if same else ""
