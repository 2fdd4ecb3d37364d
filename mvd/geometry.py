"""Where things lie: micrometre rectangles, pixel calibration, and pixels that know their place.

The frame: x to the right and y downwards, in µm, from the outer corner of the slide's level-0 pixel (0, 0).
The centre of level-0 pixel (column c, row r) is ((c + 0.5) · um_per_px_x, (r + 0.5) · um_per_px_y).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mvd.errors import CalibrationError

Pixels = NDArray[np.uint8]
FloatImage = NDArray[np.float32]
Mask = NDArray[np.bool_]
Ring = NDArray[np.float64]
"""(n, 2) x, y in µm; closed implicitly (the first point is not repeated)."""

CALIBRATION_RANGE_UM_PER_PX = (0.05, 5.0)
"""Optical scanners lie between 0.1 (100x oil) and about 1 µm/px; a value outside this range is a resolution tag
meant for a printer (72 dpi reads as 352.8 µm/px) or a slip of the unit."""

CALIBRATION_TOLERANCE = 0.02
"""A user's pixel size may differ from the file's by this fraction before it is a contradiction."""


@dataclass(frozen=True, slots=True)
class Rect:
    """An axis-parallel rectangle in µm, x0 < x1 and y0 < y1."""

    x0_um: float
    y0_um: float
    x1_um: float
    y1_um: float

    def __post_init__(self) -> None:
        if not (self.x0_um < self.x1_um and self.y0_um < self.y1_um):
            raise ValueError(f"empty rectangle: {self}")

    @classmethod
    def square(cls, x0_um: float, y0_um: float, side_um: float) -> Rect:
        return cls(x0_um, y0_um, x0_um + side_um, y0_um + side_um)

    @property
    def width_um(self) -> float:
        return self.x1_um - self.x0_um

    @property
    def height_um(self) -> float:
        return self.y1_um - self.y0_um

    @property
    def area_mm2(self) -> float:
        return self.width_um * self.height_um / 1e6

    def expanded(self, margin_um: float) -> Rect:
        return Rect(self.x0_um - margin_um, self.y0_um - margin_um, self.x1_um + margin_um, self.y1_um + margin_um)

    def intersection(self, other: Rect) -> Rect | None:
        """The common part, or None when the two share no area."""
        x0, y0 = max(self.x0_um, other.x0_um), max(self.y0_um, other.y0_um)
        x1, y1 = min(self.x1_um, other.x1_um), min(self.y1_um, other.y1_um)
        return Rect(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


@dataclass(frozen=True, slots=True)
class Calibration:
    """µm per level-0 pixel, and where that number came from."""

    um_per_px_x: float
    um_per_px_y: float
    source: Literal["file", "user"]
    detail: str
    """Where in the file ("aperio.MPP"), or who gave it ("--um-per-px", "specimens.csv")."""

    def __post_init__(self) -> None:
        low, high = CALIBRATION_RANGE_UM_PER_PX
        for value in (self.um_per_px_x, self.um_per_px_y):
            if not (math.isfinite(value) and low <= value <= high):
                raise CalibrationError(
                    f"{value:g} µm per pixel ({self.detail}) cannot be a microscope's pixel size; "
                    f"give a number between {low:g} and {high:g}"
                )

    @property
    def um_per_px(self) -> float:
        """Geometric mean of x and y, for tables."""
        return math.sqrt(self.um_per_px_x * self.um_per_px_y)


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """Pixels that know where they lie; square pixels of `um_per_px`.

    `pixels` is (rows, columns) or (rows, columns, channels). The outer corner of pixel [0, 0] is at (x0_um, y0_um).
    """

    pixels: NDArray[Any]
    x0_um: float
    y0_um: float
    um_per_px: float

    @property
    def rect(self) -> Rect:
        rows, columns = self.pixels.shape[:2]
        return Rect(self.x0_um, self.y0_um, self.x0_um + columns * self.um_per_px, self.y0_um + rows * self.um_per_px)

    def with_pixels(self, pixels: NDArray[Any]) -> Raster:
        """Other pixels on the same grid."""
        if pixels.shape[:2] != self.pixels.shape[:2]:
            raise ValueError(f"grid is {self.pixels.shape[:2]}, pixels are {pixels.shape[:2]}")
        return Raster(pixels, self.x0_um, self.y0_um, self.um_per_px)

    def crop(self, rect: Rect) -> Raster:
        """The pixels whose centres lie in `rect`; at least one, the nearest."""
        rows, columns = self.window(rect)
        rows = slice(min(rows.start, self.pixels.shape[0] - 1), max(rows.stop, rows.start + 1))
        columns = slice(min(columns.start, self.pixels.shape[1] - 1), max(columns.stop, columns.start + 1))
        return Raster(
            self.pixels[rows, columns],
            self.x0_um + columns.start * self.um_per_px,
            self.y0_um + rows.start * self.um_per_px,
            self.um_per_px,
        )

    def window(self, rect: Rect) -> tuple[slice, slice]:
        """Row and column slices of the pixels whose centres lie in `rect` (half-open), cut to the raster."""
        rows, columns = self.pixels.shape[:2]

        def span(low_um: float, high_um: float, origin_um: float, size: int) -> slice:
            first = math.ceil((low_um - origin_um) / self.um_per_px - 0.5 - 1e-9)
            stop = math.ceil((high_um - origin_um) / self.um_per_px - 0.5 - 1e-9)
            return slice(min(max(first, 0), size), min(max(stop, 0), size))

        return (
            span(rect.y0_um, rect.y1_um, self.y0_um, rows),
            span(rect.x0_um, rect.x1_um, self.x0_um, columns),
        )
