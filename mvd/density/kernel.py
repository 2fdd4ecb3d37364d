"""Counts of cells -> density at every place, corrected for the edges of the area.

The kernel is a Gaussian k. Near an edge a part of it falls where nothing is evaluable. Dividing by the part inside, at
the place looked at, gives the right density on average but not the right total; dividing at the vessel gives the right
total but too low a density at the edge (69 % of it along a straight one). Both hold for K(x, u) = a(x) k(x - u) a(u)
with the one a > 0 for which K(x, ·) has the mass 1 inside the area for every x of it: a symmetric kernel that is
normed from either side (Sinkhorn R, Knopp P. Pac J Math 1967;21:343). Inside, a is 1; along a straight edge a² is
about 1 / (the part of k inside).

The protocol's 114 µm: Kather JN and others (Oncotarget 2015;6:19163) compare the density of vessels with that of random
points under a Gaussian kernel; the programs that they published (AngiogenicZone, getConstants.m) take a bandwidth of
190 pixels, with the note "optimal bandwidth = 114/0.6 (ref.: our Oncotarget paper)".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.density.cells import Cells, Floats

_REACH = 4.0
"""Standard deviations after which the kernel is cut; 0.03 % of it lies beyond."""
_ROUNDS = 60
"""The error of a halves in each (the kernel's eigenvalues lie between 0 and 1): 1e-12 after some 40."""
_EXACT = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """The kernel on the cells of one area."""

    cells: Cells
    kernel_um: float
    taps: Floats
    """k along one axis; the sum is 1."""
    scale: Floats
    """a of each cell; 0 where nothing is evaluable."""
    support_mm2: Floats
    """The area over which a place is averaged, 1 / ∫ K(x, u)² du: 4πσ² where the kernel is whole (0.163 mm²), less at
    an edge. The density times this area is like a count: in a random section its variance equals its mean."""

    def density(self, counts: NDArray[np.floating]) -> Floats:
        """Vessels/mm² at every cell's centre; 0 where nothing is evaluable."""
        return self.scale * smoothed(self.scale * counts, self.taps) / self.cells.cell_mm2


def kernel_on(cells: Cells, kernel_um: float) -> Kernel:
    """Norm the kernel on an area."""
    sigma = kernel_um / cells.um_per_px
    steps = np.arange(-math.ceil(_REACH * sigma), math.ceil(_REACH * sigma) + 1)
    taps = np.exp(-0.5 * np.square(steps / sigma))
    taps /= taps.sum()
    inside = cells.share > 0
    scale = inside.astype(np.float64)
    for _ in range(_ROUNDS):
        mass = np.where(inside, smoothed(scale * cells.share, taps), 1.0)
        step = np.sqrt(scale / mass)
        settled = np.abs(step - scale).max() <= _EXACT * step.max()
        scale = step
        if settled:
            break
    squares = np.square(scale) * smoothed(np.square(scale) * cells.share, np.square(taps))
    support = np.divide(cells.cell_mm2, squares, out=np.zeros_like(scale), where=inside)
    return Kernel(cells, kernel_um, taps, scale, support)


def whole_support_mm2(kernel_um: float) -> float:
    """`Kernel.support_mm2` far from every edge: 4πσ²."""
    return 4 * math.pi * kernel_um**2 / 1e6


def smoothed(pixels: NDArray[np.floating], taps: Floats) -> NDArray[np.floating]:
    """Convolved with the taps along both axes; nothing lies beyond the edges. float32 stays float32."""
    rows = np.ascontiguousarray(taps, pixels.dtype)
    return np.asarray(cv2.sepFilter2D(pixels, -1, rows, rows, borderType=cv2.BORDER_CONSTANT))
