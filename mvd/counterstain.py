"""How blue unstained tissue is for how red it is: what is bluer holds brown.

DAB absorbs blue light most, haematoxylin red light. On one slide the blue density of tissue without DAB follows from
its red density: by the counterstain's colour, by the white point, and by the camera, whose response is seldom the
logarithm that Beer and Lambert's law asks for. The curve is measured, not assumed, so that an error in any of these
cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Mask, Pixels, Raster
from mvd.stains import COUNTERSTAIN_RED, Stains

_SMOOTH_UM = 0.5
"""Gaussian sigma against sensor and JPEG noise; half the thinnest wall."""
_STAND_OUT_SIGMAS = 5.0
"""What is browner than most by so many times its spread is stained …"""
_HALO_UM = 2.0
"""… and so is what lies this close to it: the blur of its edge."""
_MIN_BIN_PX = 150
"""Fewer unstained pixels of one red density than this say nothing of it (37 µm² at 0.5 µm/px: one nucleus)."""
_BIN_SMOOTH = 2.0
"""Gaussian sigma, in steps of red density, that takes the noise off the curve."""
_MOST_SAMPLES = 24
"""Parts of the tissue that are looked at, spread evenly: 0.4 mm² of a slide's tiles, a million unstained pixels."""
_BLUE_FIRST, _BLUE_STEP, _BLUE_BINS = -0.3, 0.002, 1150
_STEP_OD = 0.004
"""Of the histogram by which the mode of brown is found."""

Floats = NDArray[np.float64]


def smooth_levels(pixels: Pixels, um_per_px: float) -> NDArray[np.uint16]:
    """The picture without noise, in steps 256 times as fine: whole numbers, the same wherever a region begins."""
    return np.asarray(cv2.GaussianBlur(pixels.astype(np.uint16) << 8, (0, 0), _SMOOTH_UM / um_per_px), np.uint16)


@lru_cache(maxsize=16)
def density_table(white: float) -> NDArray[np.float32]:
    """(65536,) density of each fine step; kept, and nobody may write to it."""
    levels = np.maximum(np.arange(1 << 16, dtype=np.float64) / 256, 1.0)
    table = np.asarray(-np.log10(levels / white), np.float32)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=16)
def _expected_table(stains: Stains) -> NDArray[np.float32]:
    """(65536,) blue density of unstained tissue for each fine step of red; kept, and nobody may write to it."""
    red = density_table(stains.white[0]).astype(np.float64)
    slope = stains.haematoxylin[2] / stains.haematoxylin[0]
    if stains.counterstain is None:
        table = slope * red
    else:
        at, curve = np.asarray(COUNTERSTAIN_RED), np.asarray(stains.counterstain)
        table = np.interp(red, at, curve) + slope * (np.minimum(red - at[0], 0) + np.maximum(red - at[-1], 0))
    found = np.asarray(table, np.float32)
    found.setflags(write=False)
    return found


def brown_density(levels: NDArray[np.uint16], stains: Stains) -> FloatImage:
    """(rows, columns) DAB density, OD along its unit vector: what blue density exceeds that of unstained tissue.

    Parameters
    ----------
    levels
        (rows, columns, 3) `smooth_levels`.
    """
    excess = density_table(stains.white[2])[levels[..., 2]] - _expected_table(stains)[levels[..., 0]]
    return np.asarray(excess / np.float32(_pure(stains)), np.float32)


def _pure(stains: Stains) -> float:
    """Blue density in excess of the counterstain's that a unit of DAB has."""
    return max(stains.dab[2] - stains.dab[0] * stains.haematoxylin[2] / stains.haematoxylin[0], 0.1)


def with_counterstain(stains: Stains, samples: Sequence[Raster]) -> Stains:
    """The stains with the curve of the slide's own counterstain.

    Parameters
    ----------
    samples
        (rows, columns, 3) RGB parts of the tissue.
    """
    chosen = np.unique(np.linspace(0, len(samples) - 1, _MOST_SAMPLES).round().astype(int)).tolist()
    levels = [smooth_levels(np.ascontiguousarray(samples[n].pixels), samples[n].um_per_px) for n in chosen]
    um_per_px = samples[0].um_per_px
    for _ in range(2):  # the second time by what the first found
        stains = replace(stains, counterstain=_curve(stains, levels, um_per_px))
    return stains


def _curve(stains: Stains, levels: Sequence[NDArray[np.uint16]], um_per_px: float) -> tuple[float, ...]:
    browns = [brown_density(part, stains) for part in levels]
    mode, spread = unstained(np.concatenate([brown.ravel() for brown in browns]))
    counts = np.zeros((len(COUNTERSTAIN_RED), _BLUE_BINS), np.int64)
    for part, brown in zip(levels, browns, strict=True):
        free = _unstained_places(brown, mode + _STAND_OUT_SIGMAS * spread, um_per_px)
        red = density_table(stains.white[0])[part[..., 0][free]]
        blue = density_table(stains.white[2])[part[..., 2][free]]
        counts += _joint_histogram(red, blue)
    return _smoothed(counts, stains.haematoxylin[2] / stains.haematoxylin[0])


def _unstained_places(brown: FloatImage, least: float, um_per_px: float) -> Mask:
    halo = 2 * round(_HALO_UM / um_per_px) + 1
    stained = cv2.dilate((brown > least).astype(np.uint8), np.ones((halo, halo), np.uint8))
    return np.asarray(np.asarray(stained, np.uint8) == 0, bool)


def _joint_histogram(red: FloatImage, blue: FloatImage) -> NDArray[np.int64]:
    first, step = COUNTERSTAIN_RED[0], COUNTERSTAIN_RED[1] - COUNTERSTAIN_RED[0]
    row = np.rint((red - first) / step).astype(np.int64)
    column = np.floor((blue - _BLUE_FIRST) / _BLUE_STEP).astype(np.int64)
    inside = (row >= 0) & (row < len(COUNTERSTAIN_RED)) & (column >= 0) & (column < _BLUE_BINS)
    code = row[inside] * _BLUE_BINS + column[inside]
    return np.bincount(code, minlength=len(COUNTERSTAIN_RED) * _BLUE_BINS).reshape(-1, _BLUE_BINS)


def _smoothed(counts: NDArray[np.int64], slope: float) -> tuple[float, ...]:
    """The median blue of each red; where there are too few pixels the curve goes on as the counterstain does."""
    known = counts.sum(axis=1) >= _MIN_BIN_PX
    red = np.asarray(COUNTERSTAIN_RED)
    if not known.any():
        return tuple((slope * red).tolist())
    rising = np.cumsum(counts[known], axis=1)
    middle = (rising < rising[:, -1:] / 2).sum(axis=1)
    over = _BLUE_FIRST + (middle + 0.5) * _BLUE_STEP - slope * red[known]
    filled = np.interp(red, red[known], over)
    reach = np.arange(-6, 7)
    kernel = np.exp(-0.5 * (reach / _BIN_SMOOTH) ** 2)
    smooth = np.convolve(np.pad(filled, 6, mode="edge"), kernel / kernel.sum(), mode="valid")
    return tuple(float(f"{value:.6g}") for value in (smooth + slope * red).tolist())


def unstained(values: FloatImage) -> tuple[float, float]:
    """Mode and standard deviation of unstained tissue; stain only adds to the right of the mode."""
    histogram, edges = np.histogram(values, bins=np.arange(-0.5, 2.0, _STEP_OD))
    mode = float(edges[int(np.argmax(np.convolve(histogram, np.ones(5), mode="same")))]) + _STEP_OD / 2
    below = mode - values[values < mode]
    return mode, max(1.4826 * float(np.median(below)) if len(below) else 0.0, _STEP_OD)
