"""The evaluable area on a coarse grid, and which vessels lie in which of its cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Raster, Ring

CELL_OF_KERNEL = 0.28
"""Side of a cell in standard deviations of the kernel, to the nearest whole number of the mask's pixels: 32 µm for the
default. Binning then widens the kernel by a third of a per cent (32² / 12 to 114²)."""

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Evaluable part of each cell, cut to where there is any. The grid is tied to the slide's frame."""

    share: Floats
    """(rows, columns), 0 to 1."""
    x0_um: float
    y0_um: float
    um_per_px: float
    """Side of a cell."""
    evaluable: Raster
    """The mask behind it, on whole cells: (rows · k, columns · k)."""

    @property
    def cell_mm2(self) -> float:
        return self.um_per_px**2 / 1e6

    @property
    def area_mm2(self) -> float:
        return float(self.share.sum()) * self.cell_mm2

    @property
    def per_cell(self) -> int:
        """Pixels of the mask along a cell's side."""
        return round(self.um_per_px / self.evaluable.um_per_px)

    def raster(self, pixels: NDArray[np.generic]) -> Raster:
        """Values of the cells, where they lie."""
        return Raster(pixels, self.x0_um, self.y0_um, self.um_per_px)

    def centre_um(self, row: int, column: int) -> tuple[float, float]:
        return self.x0_um + (column + 0.5) * self.um_per_px, self.y0_um + (row + 0.5) * self.um_per_px

    def counts(self, points: Ring) -> Floats:
        """Points in each cell.

        Raises
        ------
        ValueError
            A point does not lie in evaluable marrow: its density would have no area under it.
        """
        mask, um = self.evaluable, self.evaluable.um_per_px
        place = np.floor((np.asarray(points, np.float64).reshape(-1, 2) - (mask.x0_um, mask.y0_um)) / um).astype(int)
        column, row = place.T
        rows, columns = mask.pixels.shape
        on = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        if not on.all() or not mask.pixels[row, column].all():
            raise ValueError("a vessel that counts lies outside of the evaluable marrow")
        counts = np.zeros(self.share.shape)
        np.add.at(counts, (row // self.per_cell, column // self.per_cell), 1.0)
        return counts


def cells_of(evaluable: Raster, kernel_um: float) -> Cells | None:
    """The cells of an evaluable mask for a kernel; None where nothing is evaluable."""
    mask, um = evaluable.pixels, evaluable.um_per_px
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    side = max(1, round(CELL_OF_KERNEL * kernel_um / um))
    # Pixels are numbered from the slide's corner, so that a cut of the mask has the same cells.
    down, across = round(evaluable.y0_um / um), round(evaluable.x0_um / um)
    top, left = (int(first) // side * side for first in (rows[0] + down, columns[0] + across))
    shape = tuple(math.ceil((int(last) + 1 - first) / side) * side
                  for last, first in ((rows[-1] + down, top), (columns[-1] + across, left)))  # fmt: skip
    whole = np.zeros(shape, bool)
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    y, x = int(rows[0]) + down - top, int(columns[0]) + across - left
    whole[y : y + part.shape[0], x : x + part.shape[1]] = part
    x0_um, y0_um = evaluable.x0_um + (left - across) * um, evaluable.y0_um + (top - down) * um
    blocks = whole.reshape(shape[0] // side, side, shape[1] // side, side)
    share = blocks.sum(axis=(1, 3), dtype=np.int64) / side**2
    return Cells(share, x0_um, y0_um, side * um, Raster(whole, x0_um, y0_um, um))
