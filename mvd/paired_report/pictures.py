"""The field pictures as they stand in the page: without their caption strip, and small enough for all of a study."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass

from mvd.errors import StoreError
from mvd.paired_report.evidence import Evidence, FieldPicture
from mvd.report.field_picture import picture_px

_SIDES_PX = ((300, 600), (800, 400))
"""Up to so many pictures, sides of so many pixels: 44 specimens of five fields are 220 pictures, 25 MB as text."""
_QUALITY = 80


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture as the page holds it."""

    address: str
    """A data URI."""
    width_px: int
    height_px: int


def side_px(number: int) -> int | None:
    """How large so many pictures may be; None for more than a browser should be asked to hold."""
    return next((side for most, side in _SIDES_PX if number <= most), None)


def embedded(evidence: Evidence) -> Mapping[tuple[str, str], Embedded]:
    """The pictures by specimen and field; none where there are too many.

    The strip below each is cut off: it bears the specimen's name, and the page has a caption of its own. So is any text
    within the file.

    Raises
    ------
    StoreError
        A picture is damaged.
    """
    side = side_px(len(evidence.pictures))
    return {} if side is None else {key: _embedded(one, side) for key, one in sorted(evidence.pictures.items())}


def _embedded(picture: FieldPicture, side: int) -> Embedded:
    from PIL import Image  # noqa: PLC0415  (Pillow loads with the first picture)

    try:
        with Image.open(picture.path) as image:
            width = picture_px(picture.side_um)
            shown = image.convert("RGB").crop((0, 0, min(width, image.width), min(width, image.height)))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise StoreError(f"{picture.path} is damaged ({error}); run mvd run again, which draws it anew") from error
    if shown.width > side:
        shown = shown.resize((side, round(side * shown.height / shown.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    shown.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    address = f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
    return Embedded(address, shown.width, shown.height)
