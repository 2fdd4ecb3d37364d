"""Text on pictures, in the one font that comes with Pillow: the same on every machine."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Colour = tuple[int, int, int]
INK: Colour = (20, 20, 24)
PAPER: Colour = (255, 255, 255)

_DRAWN = re.compile("([µ²])")
_RAISED = 0.62
"""Size of a ² to that of its line."""
_EXTRA = frozenset("·±…’“”µ²")
"""What can be shown beyond ASCII."""
_FREETYPE = Lock()
"""A font is not for several threads at once."""


@dataclass(frozen=True, slots=True)
class Type:
    """How a piece of text looks."""

    size_px: int = 15
    colour: Colour = INK
    halo_px: int = 0
    """Width of the rim that sets it off from the picture behind it."""
    halo: Colour = PAPER


@lru_cache(maxsize=16)
def _font(size_px: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont  # noqa: PLC0415  (Pillow loads with the first picture)

    return ImageFont.load_default(size=size_px)


def legible(text: str) -> str:
    """The text in letters that the font has: accents are dropped, foreign letters become question marks."""
    letters = (c if _known(c) else unicodedata.normalize("NFKD", c) for c in text)
    return "".join(c if _known(c) else "?" for c in "".join(letters) if not unicodedata.combining(c))


def _known(letter: str) -> bool:
    return " " <= letter <= "~" or letter in _EXTRA


def width_px(text: str, size_px: int) -> float:
    """Width of one line."""
    return sum(_advance(part, size_px) for part in _DRAWN.split(legible(text)) if part)


def _advance(part: str, size_px: int) -> float:
    size, shown = (_raised(size_px), "2") if part == "²" else (size_px, "u" if part == "µ" else part)
    with _FREETYPE:
        return float(_font(size).getlength(shown))


def _raised(size_px: int) -> int:
    return max(7, round(size_px * _RAISED))


def write(draw: ImageDraw, at: tuple[float, float], text: str, *, style: Type) -> None:
    """Write one line; `at` is the left end of its base line. The font has no µ and no ²: they are put together."""
    parts = [part for part in _DRAWN.split(legible(text)) if part]
    for rim in (True, False) if style.halo_px else (False,):
        x = at[0]
        for part in parts:
            _part(draw, (x, at[1]), part, style, rim)
            x += _advance(part, style.size_px)


def _part(draw: ImageDraw, at: tuple[float, float], part: str, style: Type, rim: bool) -> None:
    x, y = at
    size, shown = style.size_px, part
    if part == "²":
        y, size, shown = y - 0.36 * size, _raised(size), "2"
    colour, stroke = (style.halo, style.halo_px) if rim else (style.colour, 0)
    if part == "µ":
        shown = "u"
        left, thick = round(x + 0.075 * size), max(1, round(0.085 * size))
        box = (left - stroke, round(y - 0.4 * size), left + thick - 1 + stroke, round(y + 0.2 * size) + stroke)
        draw.rectangle(box, fill=colour)
    with _FREETYPE:
        draw.text((x, y), shown, font=_font(size), fill=colour, anchor="ls", stroke_width=stroke, stroke_fill=colour)


def wrapped(text: str, limit_px: float, size_px: int) -> list[str]:
    """The text in lines no wider than `limit_px`, parted at spaces, or within a word that is wider than that."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if width_px(longer, size_px) <= limit_px:
            lines[-1] = longer
            continue
        lines = [*lines, *_pieces(word, limit_px, size_px)] if lines[-1] else _pieces(word, limit_px, size_px)
    return lines


def _pieces(word: str, limit_px: float, size_px: int) -> list[str]:
    pieces = [""]
    for letter in word:
        if width_px(pieces[-1] + letter, size_px) <= limit_px:
            pieces[-1] += letter
        else:
            pieces.append(letter)
    return pieces
