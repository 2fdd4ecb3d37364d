"""Parts of a slide that are out of focus, against the slide's own sharpness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvd.geometry import FloatImage, Mask
from mvd.threads import for_each
from mvd.tissue.detail import Detail
from mvd.tissue.masks import closed, holes_filled, opened, smoothed, without_small

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
    """How sharp a slide is, and where it is not."""

    sharpness: float
    """Of its sharpest tenth: amplitude of the structure of 1 to 2 µm over that of 2 to 5 µm. Sharp images have 0.65 to
    1.16; blur of sigma 1.6 µm leaves 0.6, more leaves 0.45 to 0.55."""
    lost: Mask
    """Where vessels cannot be counted."""
    soft: Mask
    """The same, and where it is in doubt."""


def find_focus(detail: Detail, stained: Mask) -> Focus:
    """The focus of a slide.

    Parameters
    ----------
    stained
        Tissue without clear gaps.
    """
    seen = stained & (smoothed(detail.known, _WINDOW_UM) > _LEAST_KNOWN)
    if not seen.any():
        return Focus(0.0, np.zeros_like(stained), np.zeros_like(stained))
    sharpness = _sharpness(detail)
    own = float(np.percentile(sharpness[seen], _SHARP_PERCENTILE))
    lost, soft = (_parts(seen & (sharpness < share * own)) for share in (_LOST_SHARE, _SOFT_SHARE))
    return Focus(own, lost, soft | lost)


def _sharpness(detail: Detail) -> FloatImage:
    """How much of the structure of 2 to 5 µm there is also at 1 to 2 µm; falls with blur, not with contrast."""
    fine, middle = for_each(lambda values: smoothed(values, _WINDOW_UM), (detail.fine, detail.middle))
    return np.asarray(fine / np.maximum(middle, 1e-5), np.float32)


def _parts(mask: Mask) -> Mask:
    parts = without_small(opened(mask, _OPENING_UM), _MIN_MM2)
    return holes_filled(closed(parts, _BRIDGE_UM), _MAX_HOLE_MM2)
