"""Where labels stand: beside their object, over as little of anything else as can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.report.lettering import Type, width_px
from mvd.report.sheet import Points

_OBJECT, _LABEL, _LINE = 40, 200, 12
"""What it costs to cover a pixel of these."""
_PLACES = 32
_CLEAR_PX = 4
"""Between an object's outline and its label."""
_CROWDED = 14.0
"""A label that would cost more, a pixel on average, is left out where it may be."""


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """Text that belongs to an object."""

    text: str
    style: Type
    ring: Points
    """The object's outline on the page."""
    needed: bool
    """Whether it stands even where there is no room."""


class Room:
    """What of a picture is taken, and what it would cost to write over it."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._cost: NDArray[np.uint8] = np.zeros(shape, np.uint8)

    def take_object(self, ring: Points) -> None:
        """An object that should stay visible."""

        cv2.fillPoly(self._cost, [np.round(ring).astype(np.int32)], _OBJECT)

    def take_line(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """A line of the frame."""
        self._fill((x0 - 2, y0 - 2, x1 + 2, y1 + 2), _LINE)

    def take_box(self, box: tuple[float, float, float, float]) -> None:
        """A label or a scale bar: left, top, right, bottom."""
        self._fill(box, _LABEL)

    def _fill(self, box: tuple[float, float, float, float], cost: int) -> None:
        left, top, right, bottom = (max(0, round(v)) for v in box)
        part = self._cost[top:bottom, left:right]
        np.maximum(part, cost, out=part)

    def place(self, labels: Sequence[Label]) -> list[tuple[Label, tuple[float, float]]]:
        """Each label with the left end of its base line; those that find no room and are not needed are left out."""
        placed = []
        for label in labels:
            width, height = width_px(label.text, label.style.size_px) + 4, label.style.size_px + 1.0
            cost, left, top = min(self._places(label.ring, width, height), default=(math.inf, 0.0, 0.0))
            if cost > _CROWDED and not label.needed:
                continue
            if math.isinf(cost):
                left, top = self._clamped(label.ring, width, height)
            self.take_box((left, top, left + width, top + height))
            placed.append((label, (left + 2, top + 0.8 * height)))
        return placed

    def _places(self, ring: Points, width: float, height: float) -> list[tuple[float, float, float]]:
        """(cost, left, top) of places round an object, those on the page."""
        rows, columns = self._cost.shape
        middle = (ring.min(axis=0) + ring.max(axis=0)) / 2
        places = []
        for step in range(_PLACES):
            angle = 2 * math.pi * step / _PLACES - math.pi / 4  # up and to the right first
            along = np.array([math.cos(angle), math.sin(angle)])
            foot = ring[int(np.argmax((ring - middle) @ along))]
            x, y = foot + along * _CLEAR_PX + (np.array([math.cos(angle), math.sin(angle)]) * (width, height)) / 2
            left, top = x - width / 2, y - height / 2
            if left < 0 or top < 0 or left + width > columns or top + height > rows:
                continue
            box = self._cost[int(top) : math.ceil(top + height), int(left) : math.ceil(left + width)]
            places.append((float(box.mean()) + 0.02 * step, float(left), float(top)))
        return places

    def _clamped(self, ring: Points, width: float, height: float) -> tuple[float, float]:
        """On the object, inside the page."""
        rows, columns = self._cost.shape
        x, y = ring.mean(axis=0).tolist()
        return min(max(x, 0), columns - width), min(max(y, height), rows - height)
