"""Parts of a slide that are out of focus, against the slide's own sharpness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvd.geometry import FloatImage, Mask
from mvd.threads import for_each
from mvd.tissue.bands import Band, bands
from mvd.tissue.detail import Detail
from mvd.tissue.masks import (
    blur_reach_px,
    closed,
    holes_filled,
    opened,
    percentile_in,
    smoothed,
    smoothed_above,
    without_small,
)

_WINDOW_UM = 12.0
"""Gaussian sigma over which sharpness is judged: a capillary's width, two to four nuclei."""
_LEAST_KNOWN = 0.15
"""Share of the window that must be tissue and not brown."""
_SHARP_PERCENTILE = 90.0
"""The slide's own sharpness, as long as a tenth of it is in focus."""
_LOST_SHARE, _SOFT_SHARE = 0.57, 0.70
"""Shares of the slide's sharpness below which focus is lost, or in doubt. In 17 sharp images (simulated, CD31,
cytokeratin, H&E) 1 % of the tissue fell to 0.56-0.79. Blur of sigma 1 µm took half of it to 0.57-0.78, 1.5 µm to
0.45-0.65, 2 µm to 0.38-0.58, at which 9-26 %, 20-68 % and 43-85 % of the vessels of three simulated sections each were
no longer found."""
_OPENING_UM = 10.0
"""Radius that such a part holds everywhere."""
_MIN_MM2 = 0.0025
"""A square of 50 µm; smaller than that is a cell out of the plane."""
_BRIDGE_UM = 20.0
_MAX_HOLE_MM2 = 0.01
"""Fat cells show no sharpness; those between such parts, and inside, belong to them."""


@dataclass(frozen=True, slots=True, eq=False)
class Focus:
    """How sharp a slide is, and where it is not; a mask of each island."""

    sharpness: float
    """Of its sharpest tenth: amplitude of the structure of 1 to 2 µm over that of 2 to 5 µm. Sharp images have 0.65 to
    1.16; blur of sigma 1.6 µm leaves 0.6, more leaves 0.45 to 0.55."""
    lost: tuple[Mask, ...]
    """Where vessels cannot be counted."""
    soft: tuple[Mask, ...]
    """The same, and where it is in doubt."""


def find_focus(details: Sequence[Detail], stained: Sequence[Mask]) -> Focus:
    """The focus of a slide.

    Parameters
    ----------
    details, stained
        Of each island of the slide: its detail, of which `fine` and `middle` are used up, and its tissue without clear
        gaps.
    """
    pairs = list(zip(details, stained, strict=True))
    seen = [smoothed_above(detail.known, _WINDOW_UM, _LEAST_KNOWN) & mask for detail, mask in pairs]
    if not any(mask.any() for mask in seen):
        nothing = tuple(np.zeros_like(mask) for mask in stained)
        return Focus(0.0, nothing, nothing)
    sharpness = []
    for detail in details:
        sharpness.append(_sharpness(detail))
        detail.forget("fine", "middle")
    own = percentile_in(sharpness, seen, _SHARP_PERCENTILE)
    lost, soft = (
        tuple(_parts(mask & (sharp < share * own)) for sharp, mask in zip(sharpness, seen, strict=True))
        for share in (_LOST_SHARE, _SOFT_SHARE)
    )
    return Focus(own, lost, tuple(a | b for a, b in zip(soft, lost, strict=True)))


def _sharpness(detail: Detail) -> FloatImage:
    """How much of the structure of 2 to 5 µm there is also at 1 to 2 µm; falls with blur, not with contrast."""
    sharpness = np.empty(detail.fine.shape, np.float32)

    def look(band: Band) -> None:
        fine, middle = (smoothed(values[band.wide], _WINDOW_UM)[band.own] for values in (detail.fine, detail.middle))
        np.divide(fine, np.maximum(middle, 1e-5), out=sharpness[band.rows])

    for_each(look, bands(sharpness.shape, blur_reach_px(_WINDOW_UM)))
    return sharpness


def _parts(mask: Mask) -> Mask:
    parts = without_small(opened(mask, _OPENING_UM), _MIN_MM2)
    return holes_filled(closed(parts, _BRIDGE_UM), _MAX_HOLE_MM2)
