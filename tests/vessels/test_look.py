"""The network that sees objects: exact sums, the same for an object and its mirror images, alone or among others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_looks import a_look, a_patch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import correlate

from mvd.vessels.look import Convolution, Look
from mvd.vessels.patches import Patched


def plainly(look: Look, patch: Patched) -> float:
    """The same in 64 bits, one picture and one channel at a time."""
    said = []
    for turned in (patch.pixels, patch.pixels[:, :, ::-1], patch.pixels[:, ::-1], patch.pixels[:, ::-1, ::-1]):
        planes = [
            channel[down::2, right::2].astype(np.int64) for channel in turned for down in (0, 1) for right in (0, 1)
        ]
        for layer in look.convolutions:
            made = []
            for weights, factor, offset in zip(layer.weights, layer.factor, layer.offset, strict=True):
                sums = sum(
                    correlate(p, w.astype(np.int64), mode="constant") for p, w in zip(planes, weights, strict=True)
                )
                plane = np.clip(np.round(sums.astype(np.float32) * factor + offset), 0, 255).astype(np.int64)
                if layer.is_halved:
                    plane = np.maximum.reduce([plane[down::2, right::2] for down in (0, 1) for right in (0, 1)])
                made.append(plane)
            planes = made
        pooled = [*(p.mean() / 255 for p in planes), *(p.max() / 255 for p in planes), patch.shrunk, 1.0]
        hidden = np.maximum(look.hidden @ np.array(pooled), 0)
        said.append(float(look.output[:-1] @ hidden + look.output[-1]))
    return float(np.mean(said))


@given(st.integers(0, 10_000))
def test_it_says_what_plain_sums_say(seed: int) -> None:
    patch = a_patch(seed)
    assert a_look().logits([patch])[0] == pytest.approx(plainly(a_look(), patch), abs=1e-4)


def test_patches_of_random_pixels_are_told_apart() -> None:
    assert len(set(a_look().logits([a_patch(seed) for seed in range(20)]))) == 20


def test_it_says_the_same_of_an_object_alone_and_among_others() -> None:
    patches = [a_patch(seed) for seed in range(37)]
    together = a_look().logits(patches)
    assert together == tuple(a_look().logits([patch])[0] for patch in patches)
    assert together[::-1] == a_look().logits(patches[::-1])
    assert a_look().logits([]) == ()


def test_it_says_the_same_of_mirror_images() -> None:
    patch = a_patch(3)
    turned = [replace(patch, pixels=patch.pixels[:, ::down, ::right]) for down in (1, -1) for right in (1, -1)]
    assert len(set(a_look().logits(turned))) == 1


def test_layers_that_do_not_fit_together_are_refused() -> None:
    look = a_look()
    first, second = look.convolutions
    with pytest.raises(ValueError, match="as many inputs"):
        replace(look, convolutions=(second, first))
    with pytest.raises(ValueError, match="as many inputs"):
        replace(look, hidden=look.hidden[:, :-1])
    with pytest.raises(ValueError, match="as many factors"):
        replace(first, factor=first.factor[:-1])


def test_a_layer_whose_sums_would_not_be_exact_is_refused() -> None:
    ones = np.ones(1, np.float32)
    Convolution(np.ones((1, 57, 3, 3), np.int8), ones, ones, is_halved=False)
    with pytest.raises(ValueError, match="not exact"):
        Convolution(np.ones((1, 58, 3, 3), np.int8), ones, ones, is_halved=False)
