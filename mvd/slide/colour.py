"""Stored samples to 8-bit RGB."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Pixels

Opacity = Literal["none", "straight", "premultiplied"]
"""What a fourth channel means; TIFF calls straight opacity "unassociated alpha"."""


def to_rgb8(samples: NDArray[Any], opacity: Opacity = "none") -> Pixels:
    """8-bit RGB of (rows, columns, 3 or 4) samples.

    16-bit samples are divided by 257 and rounded, so that 65535 becomes 255: the full range of the type, whatever the
    camera used of it. Transparent pixels are laid on white, as empty glass is. A fourth channel with `opacity` "none"
    is not an opacity and is left out.
    """
    eight: Pixels = samples
    if samples.dtype != np.uint8:
        eight = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if eight.shape[2] == 3:
        return eight
    colour, alpha = eight[:, :, :3], eight[:, :, 3:]
    if opacity == "none" or alpha.min(initial=255) == 255:
        return np.ascontiguousarray(colour)
    blended: NDArray[np.uint32]
    clear = 255 - alpha.astype(np.uint32)
    if opacity == "premultiplied":
        blended = np.minimum(colour + clear, 255)
    else:
        blended = (colour * alpha.astype(np.uint32) + 255 * clear + 127) // 255
    return blended.astype(np.uint8)
