"""The strip below a picture: what it shows, and what its lines mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mvd.geometry import Pixels
from mvd.report.lettering import Colour, Type, width_px, wrapped, write
from mvd.report.sheet import Dot, Pen, Sheet, hatched

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_MARGIN, _SAMPLE, _GAP = 14, 34, 22
"""Pixels: round the strip, length of a line in the key, between two keys."""
_LEAST_WIDTH = 640


@dataclass(frozen=True, slots=True)
class Key:
    """One kind of line, hatching or mark, and what it means."""

    text: str
    pen: Pen | None = None
    hatch: Colour | None = None
    dot: Dot | None = None


@dataclass(frozen=True, slots=True)
class Caption:
    """What stands below a picture."""

    title: str
    lines: tuple[str, ...]
    """Sentences, wrapped to the picture's width."""
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Strip:
    """A caption laid out for one picture."""

    height: int
    texts: tuple[tuple[float, float, str, Type], ...]
    """x and base line in pixels below the picture's left bottom corner."""
    samples: tuple[tuple[float, float, Key], ...]


def laid_out(caption: Caption, picture_width: int) -> Strip:
    """Lay the caption out under a picture."""
    width = max(picture_width, _LEAST_WIDTH) - 2 * _MARGIN
    texts: list[tuple[float, float, str, Type]] = []
    samples: list[tuple[float, float, Key]] = []
    y = 6.0
    for text, size in ((caption.title, 21), *((line, 15) for line in caption.lines)):
        for line in wrapped(text, width, size):
            y += 1.35 * size
            texts.append((_MARGIN, y, line, Type(size)))
    x, y = float(_MARGIN), y + 29
    for key in caption.keys:
        wide = _SAMPLE + 8 + width_px(key.text, 14)
        if x > _MARGIN and x + wide > width + _MARGIN:
            x, y = float(_MARGIN), y + 23
        samples.append((x, y - 5, key))
        texts.append((x + _SAMPLE + 8, y, key.text, Type(14)))
        x += wide + _GAP
    return Strip(round(y + 14), tuple(texts), tuple(samples))


def page_with(picture: Pixels, strip: Strip) -> Pixels:
    """The picture with room for its caption."""
    rows, columns = picture.shape[:2]
    page = np.full((rows + strip.height, max(columns, _LEAST_WIDTH), 3), 255, np.uint8)
    page[:rows, :columns] = picture
    for x, y, key in strip.samples:
        if key.hatch is not None:
            box = (slice(rows + round(y) - 8, rows + round(y) + 9), slice(round(x), round(x) + _SAMPLE))
            patch = np.full_like(page[box], 222)
            page[box] = hatched(patch, np.ones(patch.shape[:2], bool), colour=key.hatch)
    return page


def draw_samples(sheet: Sheet, strip: Strip, top: int) -> None:
    """The lines and marks of the key; `top` is the picture's height."""
    sheet.caption()
    for x, y, key in strip.samples:
        if key.pen is not None:
            sheet.line(np.array([[x, top + y], [x + _SAMPLE, top + y]]), key.pen)
        if key.dot is not None:
            sheet.dot(x + _SAMPLE / 2, top + y, key.dot)


def write_texts(draw: ImageDraw, strip: Strip, top: int) -> None:
    """The words of the caption; `top` is the picture's height."""
    for x, y, text, style in strip.texts:
        write(draw, (x, top + y), text, style=style)
