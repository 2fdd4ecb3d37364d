"""How much an object looks like a vessel, by a small convolutional network of whole numbers.

What tells a vessel from a brown cell is texture and surroundings (the nucleus in a ring of stain, several of them in a
clump), which no handful of measures holds. Weights have 8 bits and so has what runs from layer to layer, so that every
sum is exact: the same number on any processor, on any number of cores, however many objects are looked at together.
Looking at an object, its mirror images and itself upside down gives the same for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvd.vessels.basins import Floats
from mvd.vessels.patches import CHANNELS, Patched

_TOGETHER = 8
"""Objects that are looked at together: some 10 MB, which stay in the cache."""
_DIGITS = 4
"""To which a logit is rounded, so that the last sums, of few numbers that are not whole, do not show how they ran."""


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """A layer of 3 × 3 weights, cut off below 0, in steps of 1/255 of what the layer reaches at the most."""

    weights: NDArray[np.int8]
    """(out, in, 3, 3)."""
    factor: NDArray[np.float32]
    """(out,) what the sums of an output are multiplied by …"""
    offset: NDArray[np.float32]
    """… and what is added then."""
    is_halved: bool
    """Whether the greatest of each 2 × 2 pixels goes on."""

    def __post_init__(self) -> None:
        outputs, inputs, *_ = self.weights.shape
        if not len(self.factor) == len(self.offset) == outputs:
            raise ValueError(f"{outputs} outputs need as many factors and offsets")
        if inputs * 9 * 255 * 127 >= 1 << 24:
            raise ValueError(f"sums of {inputs} inputs are not exact")


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A network: patches of half the size with four times the channels, convolutions, and two dense layers."""

    convolutions: tuple[Convolution, ...]
    hidden: Floats
    """(units, 2 × channels + 2): of the mean and the greatest of each channel, ln of the shrinking, and 1."""
    output: Floats
    """(units + 1,), the last for 1."""

    def __post_init__(self) -> None:
        widths = [4 * len(CHANNELS), *(len(layer.weights) for layer in self.convolutions)]
        inputs = [layer.weights.shape[1] for layer in self.convolutions]
        if widths[:-1] != inputs or self.hidden.shape != (len(self.output) - 1, 2 * widths[-1] + 2):
            raise ValueError("a layer has not as many inputs as the one before has outputs")

    def logits(self, patches: Sequence[Patched]) -> tuple[float, ...]:
        """Of each object's being a vessel; rounded."""
        found: list[float] = []
        for start in range(0, len(patches), _TOGETHER):
            found += self._logits(patches[start : start + _TOGETHER])
        return tuple(found)

    def _logits(self, patches: Sequence[Patched]) -> list[float]:
        seen = np.stack([patch.pixels for patch in patches])
        turned = np.stack([seen, seen[..., ::-1], seen[..., ::-1, :], seen[..., ::-1, ::-1]])
        bytes_ = _unshuffled(turned.reshape(-1, *seen.shape[1:])).astype(np.float32)
        for layer in self.convolutions:
            bytes_ = _convolved(bytes_, layer)
        channels = bytes_.astype(np.float64) / 255
        shrunk = np.tile([patch.shrunk for patch in patches], 4)
        pooled = np.stack([*channels.mean(axis=(2, 3)), *channels.max(axis=(2, 3)), shrunk, np.ones_like(shrunk)])
        hidden = np.maximum(self.hidden @ pooled, 0)
        logits = (self.output[:-1] @ hidden + self.output[-1]).reshape(4, -1).mean(axis=0)
        return [round(logit, _DIGITS) for logit in logits.tolist()]


def _unshuffled(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(4 × channels, pictures, rows / 2, columns / 2) the four pixels of each 2 × 2 as channels."""
    number, channels, rows, columns = pixels.shape
    parts = pixels.reshape(number, channels, rows // 2, 2, columns // 2, 2)
    return parts.transpose(1, 3, 5, 0, 2, 4).reshape(4 * channels, number, rows // 2, columns // 2)


def _convolved(planes: NDArray[np.float32], layer: Convolution) -> NDArray[np.float32]:
    """(channels, pictures, rows, columns), whole numbers from 0 to 255."""
    channels, number, rows, columns = planes.shape
    padded = np.zeros((channels, number, rows + 2, columns + 2), np.float32)
    padded[:, :, 1:-1, 1:-1] = planes
    stacked = np.empty((channels, 3, 3, number, rows, columns), np.float32)
    for down in range(3):
        for right in range(3):
            stacked[:, down, right] = padded[:, :, down : down + rows, right : right + columns]
    made = layer.weights.reshape(len(layer.weights), -1).astype(np.float32) @ stacked.reshape(channels * 9, -1)
    made *= layer.factor[:, None]
    made += layer.offset[:, None]
    np.clip(np.rint(made, out=made), 0, 255, out=made)
    made = made.reshape(-1, number, rows, columns)
    if layer.is_halved:
        upper, lower = made[:, :, ::2], made[:, :, 1::2]
        both = np.maximum(upper, lower)
        made = np.maximum(both[..., ::2], both[..., 1::2])
    return made
