"""Networks of random weights: what they say means nothing, but they must say it exactly."""

from __future__ import annotations

from functools import cache

import numpy as np

from mvd.vessels.look import Convolution, Look
from mvd.vessels.patches import CHANNELS, PATCH_PX, Patched

WIDTHS = (8, 12)


@cache
def a_look(seed: int = 1) -> Look:
    rng = np.random.default_rng(seed)
    channels, convolutions = 4 * len(CHANNELS), []
    for number, width in enumerate(WIDTHS):
        weights = rng.integers(-127, 128, (width, channels, 3, 3)).astype(np.int8)
        factor = (rng.uniform(0.5, 1.5, width) / (60 * channels)).astype(np.float32)
        offset = rng.uniform(-5, 40, width).astype(np.float32)
        convolutions.append(Convolution(weights, factor, offset, is_halved=number == 0))
        channels = width
    return Look(tuple(convolutions), rng.normal(0, 1, (6, 2 * channels + 2)), rng.normal(0, 1, 7))


def a_patch(seed: int) -> Patched:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (len(CHANNELS), PATCH_PX, PATCH_PX)).astype(np.uint8)
    return Patched(pixels, float(rng.uniform(0, 1)), (0, 0, 136, 136))
