"""The calibration curve as a picture: what was promised against what came true."""

from __future__ import annotations

import io
from collections.abc import Sequence

Curve = Sequence[tuple[float, float, int]]

_SIDE, _LEFT, _TOP, _BELOW, _RIGHT = 400, 70, 20, 60, 20
_INK, _GRID, _LINE = (30, 30, 34), (222, 222, 226), (0, 90, 200)


def calibration_png(curve: Curve) -> bytes:
    """A PNG: mean probability (across) against the share of vessels (up), a disc a bin, larger for more candidates."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415  (Pillow loads with the first picture)

    image = Image.new("RGB", (_LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BELOW), (255, 255, 255))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=14)
    for tenth in range(0, 11, 2):
        x, y = _at(tenth / 10, tenth / 10)
        draw.line([(x, _TOP), (x, _TOP + _SIDE)], fill=_GRID)
        draw.line([(_LEFT, y), (_LEFT + _SIDE, y)], fill=_GRID)
        draw.text((x, _TOP + _SIDE + 8), f"{tenth / 10:.1f}", fill=_INK, font=font, anchor="mt")
        draw.text((_LEFT - 8, y), f"{tenth / 10:.1f}", fill=_INK, font=font, anchor="rm")
    draw.line([_at(0, 0), _at(1, 1)], fill=_INK)
    points = [_at(probability, share) for probability, share, _ in curve]
    if len(points) > 1:
        draw.line(points, fill=_LINE, width=2)
    for (x, y), (_, _, number) in zip(points, curve, strict=True):
        radius = min(3 + number**0.5 / 4, 12)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=_LINE)
        above = y > _TOP + 30
        where = (x, y - radius - 4) if above else (x, y + radius + 4)
        draw.text(where, str(number), fill=_INK, font=font, anchor="mb" if above else "mt")
    draw.text(
        (_LEFT + _SIDE / 2, _TOP + _SIDE + 32), "probability of being a vessel", fill=_INK, font=font, anchor="mt"
    )
    draw.text((_LEFT, 2), "share that is one", fill=_INK, font=font, anchor="lt")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _at(x: float, y: float) -> tuple[float, float]:
    return _LEFT + x * _SIDE, _TOP + (1 - y) * _SIDE
