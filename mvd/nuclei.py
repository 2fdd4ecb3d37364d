"""How large the nuclei of a slide appear: a check of its pixel size, for nuclei have a size.

They are not outlined. Blobs of haematoxylin are looked for over a wide range of scales (maxima over place and scale
of differences of Gaussians; Lowe, Int J Comput Vis 2004;60:91), which touching nuclei, pale ones and those of a
picture ten times too large or too small still have.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Pixels
from mvd.stains import BLACK_OD
from mvd.threads import for_each
from mvd.vessels import WORK_UM_PER_PX, StainLevels, StainMaps

POSSIBLE_UM = (4.0, 10.5)
"""Least and greatest typical nucleus of tissue, as `nucleus_um` measures it. Simulated sections of every difficulty, 24
composites of real marrow and six marrow fields: 5.6 to 6.7 µm. Tumours, colon, brain and squamous epithelium: 6.0 to
8.7 µm. With strong noise, sharpening or compression, or at 1 or 2 µm/px: 4.4 to 8.8 µm."""

_MAX_TILES = 12
"""0.2 mm² of tissue, some 2,000 nuclei: the typical one of all 64 tiles differs by less than 2 %."""
_STEPS = 3
"""Scales to an octave, as Lowe's; each is a quarter larger than the one before."""
_OCTAVES = 7
"""Blobs of 2 to 200 µm."""
_LEAST_PX = 8
"""A map smaller than this on a side holds no blob that is not cut off."""
_STAINED_OD = 0.03
"""Mean OD above which there is tissue to tell its own level from; where no glass is in view, the white point is the
palest cytoplasm, and most of the tissue is hardly denser."""
_LEVELS_PERCENT = (50.0, 95.0)
"""Haematoxylin of the tissue at which nuclei begin and end: texture and edges of what is paler count for nothing, nor
does what few specks of pigment and dirt have beyond."""
_MIN_CONTRAST_OD = 0.04
"""Between these levels; see the tests. Nuclei of a pale counterstain have 0.08, tissue without any 0.02."""
_MIN_BLOBS = 30
"""The typical one of fewer says little."""
_RESPONSE_POWER, _SIZE_POWER = 4.0, 2.0
"""Weight of a blob by its response and its size. A blob of a nucleus' own scale answers more strongly than its
chromatin or a group of nuclei; of the powers tried (1 to 4, 0 to 2.5) these part the right pixel size best from
one half or twice as large."""
_TRUE_SHARE = 1.4
"""Diameter of simulated nuclei (5.8 µm on average) over that of their blobs (2√2 σ): neighbours close by and soft
edges make these smaller."""
_LEAST_RESPONSE_OD = 0.001
"""A nucleus of the palest counterstain answers with 0.01; fainter ones would weigh nothing, and take time."""
_APART_PX = 2
"""Around brown, whose edge is not a nucleus': 1 µm."""

_Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Blobs:
    """Of one tile or of several; each (blobs,)."""

    sigma_um: _Values
    response: _Values


def nucleus_um(maps: list[StainMaps], levels: StainLevels) -> float | None:
    """Typical diameter of the nuclei of a slide.

    Parameters
    ----------
    maps
        Samples of its tissue, spread over it.

    Returns
    -------
    µm, where the slide's pixel size is right; half of it where that is half of the right one. None where nothing is
    stained as nuclei are.
    """
    chosen = np.unique(np.linspace(0, len(maps) - 1, _MAX_TILES).round().astype(int)).tolist()
    tiles = [maps[n] for n in chosen]
    apart = for_each(partial(_left_out, levels=levels), tiles)
    low, high = _nuclear_levels(tiles, apart)
    if high - low < _MIN_CONTRAST_OD:
        return None

    def look(n: int) -> _Blobs:
        blue = np.where(apart[n] > 0, np.float32(low), tiles[n].red)
        return _blobs(np.clip(blue, np.float32(low), np.float32(high)), apart[n])

    return _typical_um(_together(for_each(look, range(len(tiles)))))


def _left_out(tile: StainMaps, levels: StainLevels) -> Pixels:
    """(rows, columns) 1 at brown and at black, and close to them."""
    left_out = ((tile.dab > levels.high) | (tile.total > BLACK_OD)).view(np.uint8)
    return np.asarray(cv2.dilate(left_out, np.ones((2 * _APART_PX + 1,) * 2, np.uint8)), np.uint8)


def _nuclear_levels(tiles: list[StainMaps], apart: list[Pixels]) -> tuple[float, float]:
    """Haematoxylin at which nuclei begin and end; (0, 0) where there is no tissue. Every third pixel is asked."""
    thin = (slice(None, None, 3), slice(None, None, 3))
    blue = np.concatenate(
        [
            tile.red[thin][(tile.total[thin] > _STAINED_OD) & (mask[thin] == 0)]
            for tile, mask in zip(tiles, apart, strict=True)
        ]
    )
    if not len(blue):
        return 0.0, 0.0
    low, high = np.percentile(blue, _LEVELS_PERCENT).tolist()
    return low, high


def _blobs(blue: FloatImage, apart: Pixels) -> _Blobs:
    """Maxima over place and scale of a map at `WORK_UM_PER_PX` that was smoothed over a pixel (`stain_maps`)."""
    found, um_per_px = [_Blobs(np.zeros(0), np.zeros(0))], WORK_UM_PER_PX
    step = 2 ** (1 / _STEPS)
    for _ in range(_OCTAVES):
        if min(blue.shape) < _LEAST_PX:
            break
        smooth = [blue]
        for n in range(_STEPS + 2):
            sigma = step**n * (step**2 - 1) ** 0.5
            smooth.append(np.asarray(cv2.GaussianBlur(smooth[-1], (0, 0), sigma), np.float32))
        rises = [np.asarray(cv2.subtract(a, b), np.float32) for a, b in itertools.pairwise(smooth)]
        around = [np.asarray(cv2.dilate(rise, np.ones((3, 3), np.uint8)), np.float32) for rise in rises]
        for n in range(1, _STEPS + 1):
            offset, response = _maxima(rises[n - 1 : n + 2], around[n - 1 : n + 2], apart)
            found.append(_Blobs(step ** (n + 0.5 + offset) * um_per_px, response))
        blue, apart, um_per_px = smooth[_STEPS][::2, ::2], apart[::2, ::2], 2 * um_per_px
    return _together(found)


def _maxima(rises: list[FloatImage], around: list[FloatImage], apart: Pixels) -> tuple[_Values, _Values]:
    """Where the middle one of three scales is greater than all its neighbours: by how much of a step the maximum lies
    to its side, and its height. `around` is the greatest of each place and its neighbours."""
    finer, own, coarser = around
    middle = rises[1]
    top = cv2.compare(middle, np.maximum(own, np.float32(_LEAST_RESPONSE_OD)), cv2.CMP_GE)
    top[[0, -1]] = top[:, [0, -1]] = 0  # may go on beyond the edge
    rows, columns = np.nonzero(top)
    height = middle[rows, columns]
    highest = (height > finer[rows, columns]) & (height > coarser[rows, columns]) & (apart[rows, columns] == 0)
    places = rows[highest], columns[highest]
    before, at, after = (rise[places].astype(np.float64) for rise in rises)
    return np.clip(0.5 * (before - after) / np.minimum(before - 2 * at + after, -1e-9), -0.5, 0.5), at


def _together(blobs: list[_Blobs]) -> _Blobs:
    return _Blobs(np.concatenate([b.sigma_um for b in blobs]), np.concatenate([b.response for b in blobs]))


def _typical_um(blobs: _Blobs) -> float | None:
    """Weighted median of the diameters."""
    if len(blobs.sigma_um) < _MIN_BLOBS:
        return None
    order = np.argsort(blobs.sigma_um, kind="stable")
    sigma_um, response = blobs.sigma_um[order], blobs.response[order]
    weight = np.cumsum(response**_RESPONSE_POWER * sigma_um**_SIZE_POWER)
    return _TRUE_SHARE * 2 * 2**0.5 * float(sigma_um[np.searchsorted(weight, weight[-1] / 2)])
