"""What the vessel finder looks at: stain densities of a region, and the slide's own levels of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.counterstain import brown_density, density_table, smooth_levels, unstained
from mvd.errors import StainError
from mvd.geometry import FloatImage, Raster
from mvd.stains import BAND_ROWS, BLACK_OD, TISSUE_OD, Stains, separate_density

WORK_UM_PER_PX = 0.5
"""Pixel size at which vessels are found: a capillary wall (1-2 µm) spans two to four pixels, and every scanner's
20x or 40x image reaches it."""
_NOISE_SIGMAS = (4.0, 5.5, 8.0)
"""Weak, low and high level at the least, in standard deviations of unstained tissue. The low level lies in the middle
of a plateau: with 1.1 to 2 times 4 sigmas F1 on three real stains changes by less than 0.05; with less, stroma joins
neighbouring vessels."""
_LEAST_OD = (0.06, 0.085, 0.1)
"""The same at the least, in OD: brown that an eye hardly sees."""
_MOST_OD = (0.12, 0.16, 0.23)
"""The same at the most: brown that every eye sees. On a noisy slide (standard deviation 0.04) grain alone makes specks
of it, which are too small to count."""
_PEAK_SHARE = 0.25
"""A vessel reaches this share of what the slide's objects typically reach, or the most: on three real stains the palest
vessels that two readers were sure of reach 0.30, 0.33 and 0.35 of their slide's median. The limit keeps dark clumps
from hiding pale walls."""
_STEP = 1.2
"""What a step of sensitivity divides densities over the background by: a fifth is about the least difference of stain
that an eye is sure of, and five steps are a factor of 2.5."""
_LEAST_LOW_SIGMAS = 3.0
"""No sensitivity takes unstained tissue for stain: one pixel in 700 of it lies above."""
_MIN_SAMPLE_UM2 = 15.0
"""Stained objects smaller than this (a 4.4 µm disc) do not vote on the typical peak."""
_MAX_WEIGHT_UM2 = 100.0
"""Beyond this area, a capillary's, an object's vote does not grow: one large vessel or blot is still one."""


@dataclass(frozen=True, slots=True)
class StainMaps:
    """Densities (OD, log10) of one region at `WORK_UM_PER_PX`, smoothed; each (rows, columns)."""

    dab: FloatImage
    haematoxylin: FloatImage
    total: FloatImage
    """Mean OD over red, green and blue."""
    red: FloatImage
    """OD in red, where DAB absorbs least: high only for nuclei and for what is black."""
    residual: FloatImage
    """What neither stain explains: 0 where there is nothing but haematoxylin and DAB."""


@dataclass(frozen=True, slots=True)
class StainLevels:
    """The slide's own scale of densities (OD, log10)."""

    background: float
    """DAB: mode of unstained tissue; near 0, for DAB is counted from there."""
    noise: float
    """DAB: standard deviation of unstained tissue, from the values below the mode."""
    peak: float
    """DAB that stained objects typically reach."""
    red_share: float | None
    """Red over DAB that stained objects typically have (see `red_share`); None where there are none."""
    weak: float
    """DAB: a gap in a wall at least this dense is a pale part of the wall."""
    low: float
    """DAB: stain reaches out to this density …"""
    high: float
    """… from places at least this dense."""
    nuclear: float
    """Haematoxylin: parts nuclei from what lies between them (Otsu)."""
    tissue: float
    """Total: median of the tissue."""
    stained_share: float
    """Share of the tissue above `high` as measured, whatever the sensitivity."""

    def with_sensitivity(self, steps: int) -> Self:
        """The levels by which paler stain counts, or with `steps` below 0 only denser; 0 gives the very same levels.

        Weak, low and high level move together, over the background; none falls below three standard deviations of
        unstained tissue. What was measured (background, noise, peak, …) stays as it is.
        """
        if not steps:
            return self
        base, least = self.background, _LEAST_LOW_SIGMAS * self.noise

        def moved(level: float) -> float:
            over = level - base
            # A level that was measured lower than that stays where it is.
            return base + max(over / _STEP**steps, min(over, least))

        return replace(self, weak=moved(self.weak), low=moved(self.low), high=moved(self.high))


def stain_maps(region: Raster, stains: Stains) -> StainMaps:
    """Densities of an RGB region at `WORK_UM_PER_PX`."""
    levels = smooth_levels(np.ascontiguousarray(region.pixels), WORK_UM_PER_PX)
    haematoxylin, total, red, residual = (np.empty(levels.shape[:2], np.float32) for _ in range(4))
    tables = [density_table(white) for white in stains.white]
    thirds = np.full((1, 3), 1 / 3, np.float32)
    for top in range(0, len(levels), BAND_ROWS):
        rows = slice(top, top + BAND_ROWS)
        planes = [table[levels[rows, :, channel]] for channel, table in enumerate(tables)]
        density = np.asarray(cv2.merge(planes), np.float32)
        cv2.transform(density, thirds, dst=total[rows])
        red[rows] = planes[0]
        haematoxylin[rows], _, residual[rows] = cv2.split(separate_density(density, stains))
    return StainMaps(
        dab=brown_density(levels, stains), haematoxylin=haematoxylin, total=total, red=red, residual=residual
    )


def measure_levels(samples: list[StainMaps], *, tissue_od: float = TISSUE_OD) -> StainLevels:
    """Levels of one slide from samples of its tissue.

    Parameters
    ----------
    tissue_od
        Mean density (OD) above which a pixel of the samples is tissue.

    Raises
    ------
    StainError
        The samples hold no tissue.
    """
    tissue = [(sample.total > tissue_od) & (sample.total < BLACK_OD) for sample in samples]
    dab = np.concatenate([s.dab[t] for s, t in zip(samples, tissue, strict=True)])
    if not len(dab):
        raise StainError("no stained tissue: nearly every pixel is as bright as the glass around it")
    background, noise = unstained(dab)
    cut = background + min(max(_NOISE_SIGMAS[1] * noise, _LEAST_OD[1]), _MOST_OD[1])
    peaks, reds, weights = _stained_objects(samples, background, cut)
    above = (float(np.median(peaks)) if len(peaks) else cut) - background
    weak, low, high = np.clip(np.multiply(_NOISE_SIGMAS, noise), _LEAST_OD, _MOST_OD).tolist()
    high = max(high, min(_PEAK_SHARE * above, _MOST_OD[2]))
    weak, low, high = background + weak, background + low, background + high
    counterstain = np.concatenate([s.haematoxylin[t & (s.dab < low)] for s, t in zip(samples, tissue, strict=True)])
    return StainLevels(
        background=background,
        noise=noise,
        peak=background + above,
        red_share=_weighted_median(reds, weights) if len(reds) else None,
        weak=weak,
        low=low,
        high=high,
        nuclear=_otsu(counterstain) if len(counterstain) else 0.0,
        tissue=float(np.median(np.concatenate([s.total[t] for s, t in zip(samples, tissue, strict=True)]))),
        stained_share=float(np.mean(dab > high)),
    )


def red_share(red: NDArray[np.float32], dab: NDArray[np.float32]) -> float:
    """Red over DAB density of an object's pixels, weighted towards its densest ones.

    The least-squares slope through the origin: about 0.3 for DAB, more over nuclei, less for what is yellower.
    """
    return float(np.dot(red, dab)) / max(float(np.dot(dab, dab)), 1e-9)


def _stained_objects(
    samples: list[StainMaps], background: float, cut: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """DAB that each stained object of the samples reaches, its red share, and its weight: how much stain it holds.

    Pale brown objects can be many times as many as vessels: red cells, whose peroxidase stains, or haze.
    """
    peaks, reds, weights = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    for sample in samples:
        count, found, stats, _ = cv2.connectedComponentsWithStats((sample.dab > cut).astype(np.uint8), connectivity=8)
        labels, dab = np.asarray(found, np.int32).ravel(), sample.dab.ravel().astype(np.float64)
        area_um2 = stats[:, cv2.CC_STAT_AREA] * WORK_UM_PER_PX**2
        large = area_um2 >= _MIN_SAMPLE_UM2
        large[0] = False
        reached = np.zeros(count)
        np.maximum.at(reached, labels, dab)
        slope = np.bincount(labels, dab * sample.red.ravel(), count) / np.maximum(
            np.bincount(labels, dab**2, count), 1e-9
        )
        peaks.append(reached[large])
        reds.append(slope[large])
        weights.append(((reached - background) * np.minimum(area_um2, _MAX_WEIGHT_UM2))[large])
    return np.concatenate(peaks), np.concatenate(reds), np.concatenate(weights)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The least value up to which there is half of the weight."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _otsu(values: NDArray[np.float32]) -> float:
    """Otsu's threshold (IEEE Trans SMC 1979;9:62) of densities between 0 and 1.5."""
    step = 1.5 / 255
    scaled = np.clip(np.rint(values / step), 0, 255).astype(np.uint8)
    level, _ = cv2.threshold(scaled.reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    return float(level) * step
