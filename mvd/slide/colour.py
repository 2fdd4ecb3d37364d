"""Stored samples to 8-bit RGB."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Pixels

Opacity = Literal["none", "straight", "premultiplied"]
"""What a fourth channel means; TIFF calls straight opacity "unassociated alpha"."""


FULL = 65535
"""The most that 16 bits hold."""


def range_of(most: int) -> int:
    """The most that a camera gives of which the greatest sample is known: the next 255, 511, …, 65535.

    10, 12 and 14 bits are kept in 16; what is not fully exposed is told by white (`measure_white`), as in 8 bits.
    """
    return (1 << max(8, min(most.bit_length(), 16))) - 1


def to_rgb8(samples: NDArray[Any], opacity: Opacity = "none", *, full: int = FULL) -> Pixels:
    """8-bit RGB of (rows, columns, 3 or 4) samples.

    Samples of 16 bits are scaled and rounded, so that `full` becomes 255. Transparent pixels are laid on white, as
    empty glass is. A fourth channel with `opacity` "none" is not an opacity and is left out.

    Parameters
    ----------
    full
        The most that the camera gives, the same for all of a slide (`range_of`).
    """
    eight: Pixels = samples
    if samples.dtype != np.uint8:
        wide = samples.astype(np.uint32)
        eight = np.minimum((wide * 255 + full // 2) // full, 255).astype(np.uint8)
        if samples.shape[2] == 4:  # opacity fills its channel, whatever the camera
            eight[:, :, 3] = ((wide[:, :, 3] + 128) // 257).astype(np.uint8)
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
