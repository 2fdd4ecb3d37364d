"""The density map of one specimen and what stands out in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvd.density.cells import Cells, cells_of
from mvd.density.chance import SIMULATIONS, by_chance, judge_of
from mvd.density.hotspots import HotSpot, Place, Survey, find_hot_spots
from mvd.density.kernel import kernel_on, whole_support_mm2
from mvd.geometry import Raster, Ring
from mvd.protocol import Protocol
from mvd.vessels import Vessel

_FEWEST_VESSELS = 2
"""One vessel lies as close to itself in every section."""
_MOST_CONTOURS = 8


@dataclass(frozen=True, slots=True, eq=False)
class DensityMap:
    """Vessels/mm² all over the evaluable involved area of one specimen."""

    raster: Raster | None
    """float64, NaN where nothing is evaluable; None where there is too little area, and `reason` says so."""
    kernel_um: float
    """Standard deviation of the Gaussian kernel."""
    vessels: int
    """That count, in the whole area."""
    area_mm2: float
    """Evaluable."""
    highest: Place | None
    """The place that exceeds chance most, whether that is enough or not; None where chance cannot be told."""
    hotspots: tuple[HotSpot, ...]
    simulations: int
    """Random sections that `highest` and `hotspots` were compared with; 0 without a comparison."""
    reason: str | None
    """Why there is no map, or no comparison with chance."""

    @property
    def mean_per_mm2(self) -> float | None:
        """All vessels over the whole area: the mean of the map, each cell weighted by its evaluable part."""
        return self.vessels / self.area_mm2 if self.area_mm2 > 0 else None


def map_density(vessels: Sequence[Vessel], evaluable: Raster, protocol: Protocol) -> DensityMap:
    """Map the density of the vessels that count, and seek hot spots.

    Parameters
    ----------
    vessels
        All of the involved area; those that count have their reference points in `evaluable`.
    evaluable
        Boolean, True in evaluable involved marrow.
    protocol
        Its `counts.map_kernel_um`, and the fields' side and border rule for the counts round hot spots.
    """
    counted = [vessel for vessel in vessels if vessel.accepted]
    kernel_um = protocol.counts.map_kernel_um
    cells = cells_of(evaluable, kernel_um)
    area_mm2 = cells.area_mm2 if cells else 0.0
    if cells is None or area_mm2 < whole_support_mm2(kernel_um):
        reason = (
            f"no density map: the evaluable area, {area_mm2:.3f} mm², is smaller than that which every place of a map "
            f"is averaged over, {whole_support_mm2(kernel_um):.3f} mm²"
        )
        return DensityMap(None, kernel_um, len(counted), area_mm2, None, (), 0, reason)
    return _mapped(counted, cells, protocol)


def _mapped(counted: Sequence[Vessel], cells: Cells, protocol: Protocol) -> DensityMap:
    number, kernel_um = len(counted), protocol.counts.map_kernel_um
    counts = cells.counts(np.array([(vessel.x_um, vessel.y_um) for vessel in counted]))
    kernel = kernel_on(cells, kernel_um)
    density = kernel.density(counts)
    raster = cells.raster(np.where(cells.share > 0, density, np.nan))
    judge = judge_of(kernel, number)
    if number < _FEWEST_VESSELS:
        return _unjudged(raster, kernel_um, number, cells, "fewer than two vessels count")
    if not judge.judged.any():
        return _unjudged(
            raster, kernel_um, number, cells, "everywhere there is too little evaluable marrow round a place"
        )
    statistic = judge.statistic(counts.astype(np.float32)).astype(np.float64)
    survey = Survey(judge, statistic, density, by_chance(judge, number), counted, protocol.fields)
    return DensityMap(
        raster, kernel_um, number, cells.area_mm2, survey.highest(), find_hot_spots(survey), SIMULATIONS, None
    )


def _unjudged(raster: Raster, kernel_um: float, number: int, cells: Cells, why: str) -> DensityMap:
    return DensityMap(raster, kernel_um, number, cells.area_mm2, None, (), 0, f"hot spots were not sought: {why}")


def contour_levels(found: DensityMap) -> tuple[float, ...]:
    """Densities to draw lines of equal density at: multiples of 1, 2 or 5 times a power of ten, at most eight."""
    if found.raster is None:
        return ()
    most = float(np.nanmax(found.raster.pixels))
    if most <= 0:
        return ()
    power = 10.0 ** math.floor(math.log10(most / _MOST_CONTOURS))
    step = next(s * power for s in (1, 2, 5, 10) if most / (s * power) <= _MOST_CONTOURS)
    return tuple(step * k for k in range(1, math.floor(most / step + 1e-9) + 1))


def contour_lines(found: DensityMap, per_mm2: float) -> tuple[Ring, ...]:
    """Lines of equal density, (n, 2) in µm; they end at the edge of the area, and a closed one ends where it begins."""
    from skimage.measure import find_contours  # noqa: PLC0415  (loads slowly)

    raster = found.raster
    if raster is None:
        return ()
    known = np.isfinite(raster.pixels)
    lines: list[Ring] = find_contours(np.where(known, raster.pixels, 0.0), per_mm2, mask=known)  # type: ignore[no-untyped-call]
    corner = (raster.x0_um, raster.y0_um)
    return tuple((line[:, ::-1] + 0.5) * raster.um_per_px + corner for line in lines if len(line) > 1)
