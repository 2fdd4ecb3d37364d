"""How high the highest place of a section is by chance alone.

The null: the reference points of as many vessels, each anywhere in the evaluable area with the same chance, whatever
the others do (complete spatial randomness). A place is judged by its own count, the density times the area over which
it is averaged, against the count expected there: the difference of their square roots, which chance spreads alike
whether much or little is expected (Anscombe FJ. Biometrika 1948;35:246). Of every simulated section the highest place
is kept, wherever it is: a place that exceeds 95 % of these is exceeded anywhere in 5 % of random sections, however
many places were looked at (the maximum statistic; Westfall PH, Young SS. Resampling-based multiple testing. 1993).
Kather and others (2015) standardise with 15 random sections and correct for the number of grid points (Bonferroni);
the idea is theirs, the error rate of the maximum is held exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvd.density.kernel import Kernel, smoothed, whole_support_mm2

SIMULATIONS = 999
"""Random sections. The smallest p is 1 in 1000, and a true p of 0.05 comes out between 0.037 and 0.063 (95 %)."""
LEVEL = 0.05
"""A hot spot's p, over the whole area, is at most this."""
LEAST_SUPPORT = 0.375
"""Places that are averaged over less than this part of the area that a whole kernel averages over are not judged:
splinters of marrow, and corners, where one vessel makes any density. Of the default kernel it is an ocular field,
0.061 mm²; along a straight edge it is about 0.45."""
SEED = 1
"""Of the random sections: the same area and the same number of vessels give the same p."""

_SHIFT = 0.375
_SAME = 1e-4
"""Statistics that differ by less are the same: the simulations are reckoned in single precision."""

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """What makes counts of cells a statistic at every place."""

    kernel: Kernel
    gain: Singles
    root: Singles
    scale: Singles
    judged: NDArray[np.bool_]

    def statistic(self, counts: Singles) -> Singles:
        """2√(N + 3/8) - 2√(M + 3/8) at every cell; very low where it is not judged."""
        seen = smoothed(self.scale * counts, self.kernel.taps)
        seen *= self.gain
        seen += np.float32(_SHIFT)
        np.sqrt(seen, out=seen)
        seen -= self.root
        statistic: Singles = np.float32(2) * seen
        return statistic


@dataclass(frozen=True, slots=True, eq=False)
class Chance:
    """The highest statistics of random sections, in rising order."""

    highest: NDArray[np.float64]

    def p(self, statistic: float) -> float:
        """How often a random section has a place at least as high, the section itself counted with them.

        (1 + b) / (1 + n) (Davison AC, Hinkley DV. Bootstrap methods. 1997, chapter 4).
        """
        as_high = len(self.highest) - int(np.searchsorted(self.highest, statistic - _SAME))
        return (1 + as_high) / (1 + len(self.highest))

    def critical(self, level: float = LEVEL) -> float:
        """What a statistic must exceed for a p of at most `level`."""
        rank = int(level * (1 + len(self.highest)) + 1e-9)
        return float(self.highest[-rank]) + _SAME


def judge_of(kernel: Kernel, number: int) -> Judge:
    """The judge of an area in which there are `number` vessels."""
    cells = kernel.cells
    judged = kernel.support_mm2 >= LEAST_SUPPORT * whole_support_mm2(kernel.kernel_um)
    expected = number / cells.area_mm2 * kernel.support_mm2
    gain = np.where(judged, kernel.scale * kernel.support_mm2 / cells.cell_mm2, 0)
    root = np.where(judged, np.sqrt(expected + _SHIFT), 1e6)
    return Judge(kernel, gain.astype(np.float32), root.astype(np.float32), kernel.scale.astype(np.float32), judged)


def by_chance(judge: Judge, number: int, *, simulations: int = SIMULATIONS, seed: int = SEED) -> Chance:
    """Simulate sections and keep the highest statistic of each."""
    highest = [
        float(judge.statistic(counts).max()) for counts in random_sections(judge.kernel, number, simulations, seed)
    ]
    return Chance(np.sort(np.array(highest, np.float64)))


def random_sections(kernel: Kernel, number: int, simulations: int, seed: int) -> Iterator[Singles]:
    """Counts of the cells in sections of `number` vessels that lie anywhere in the area at random.

    The stream of PCG64 itself is drawn from, which no version of numpy changes: one number gives a cell of the area
    and, by what is left of it, whether the point fell on the evaluable part of it.
    """
    source, share = np.random.PCG64(seed), kernel.cells.share
    inside = np.flatnonzero(share)
    part = share.ravel()[inside]
    for _ in range(simulations):
        found: list[NDArray[np.int64]] = []
        missing = number
        while missing:
            drawn = (source.random_raw(missing + missing // 4 + 16) >> np.uint64(11)) * (len(inside) / 2**53)
            cell = drawn.astype(np.int64)
            hits = cell[drawn - cell < part[cell]][:missing]
            found.append(hits)
            missing -= len(hits)
        where = inside[np.concatenate(found)] if found else inside[:0]
        yield np.bincount(where, minlength=share.size).reshape(share.shape).astype(np.float32)
