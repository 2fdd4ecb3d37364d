"""Learning how a vessel looks: patches of known things to a `Look`.

PyTorch learns the network in floating point. What is kept are bytes: batch normalisation is folded into the weights,
and each channel is scaled to what it reaches on the patches that it was learned from.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvd.errors import TrainingError
from mvd.training.grown import NOTHING, OTHER, PART, VESSEL, Grown
from mvd.vessels.look import Convolution, Look
from mvd.vessels.patches import CHANNELS

Floats = NDArray[np.float64]

WIDTHS, HIDDEN = (16, 32, 48), 48
"""Channels of the convolutions, two of each, and units of the dense layer. Twice the weights told no better."""
STEPS, BATCH, RATE, DECAY = 2000, 128, 2e-3, 1e-2
"""Steps of AdamW (Loshchilov & Hutter, ICLR 2019) with a cyclic rate."""
_DROPOUT = 0.3
_SHARES = {OTHER: 0.35, VESSEL: 0.4, NOTHING: 0.15, PART: 0.1}
"""Of each batch, by what a group is. Within each the pictures of one stock weigh by the root of their number."""
_SURE = 0.97
"""What the network is to say of a vessel: labels are not that sure."""
_AGREEMENT_WEIGHT = 0.3
"""Of learning besides how well a group agrees with a vessel, which only helps to see."""
_LOST = 0.15
"""Share of patches that lose one of their grey channels, so that none alone decides."""
_CALIBRATED_ON = 2048
"""Patches from which it is seen what a channel reaches."""
_SEEN_SHARE = 0.9995
"""Of a channel's values that are below what 255 stands for."""
_LEAST_REACH = 1e-3
"""Of a channel that says nothing."""


def torch_of() -> Any:
    """PyTorch.

    Raises
    ------
    TrainingError
        It is not installed.
    """
    try:
        return importlib.import_module("torch")  # an extra, for this alone
    except ImportError as error:
        raise TrainingError("learning how vessels look needs PyTorch: python -m pip install 'mvd[model]'") from error


def fit_look(trees: Iterable[Grown], *, seed: int = 1, steps: int = STEPS) -> Look:
    """What patches of known things say of how a vessel looks.

    Raises
    ------
    TrainingError
        PyTorch is not installed, or there is nothing to tell apart.
    """
    trees = list(trees)
    weight = _chances(trees)
    pixels, shrunk, what, agreement = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("patches", "shrunk", "looks_like", "agreement")
    )
    torch = torch_of()
    torch.set_num_threads(1)  # the same sums on any number of cores
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = _network(torch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits
    for _ in range(steps):
        chosen = rng.choice(len(weight), BATCH, p=weight)
        seen = _altered(torch, torch.from_numpy(pixels[chosen]).float() / 255)
        said = network(seen, torch.from_numpy(shrunk[chosen]).float())
        told = torch.from_numpy(what[chosen] != PART)
        wanted = torch.from_numpy(np.where(what[chosen] == VESSEL, _SURE, 1 - _SURE)).float()
        loss = loss_of(said[told, 0], wanted[told])
        loss = loss + _AGREEMENT_WEIGHT * loss_of(said[:, 1], torch.from_numpy(agreement[chosen]).float())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
    network.eval()
    shown = rng.choice(len(weight), min(_CALIBRATED_ON, len(weight)), p=weight)
    with torch.no_grad():
        return _in_bytes(torch, network, torch.from_numpy(pixels[shown]).float() / 255)


def _chances(trees: Sequence[Grown]) -> Floats:
    """(groups,) how often each group is shown."""
    what = np.concatenate([tree.looks_like for tree in trees]) if trees else np.array([], np.str_)
    if not {VESSEL, OTHER} <= set(what.tolist()):
        raise TrainingError("how vessels look is learned from vessels and other things; these are all of one kind")
    stock = np.repeat([tree.stock for tree in trees], [len(tree.looks_like) for tree in trees])
    chance = np.zeros(len(what))
    for kind, share in _SHARES.items():
        these = what == kind
        _, which, number = np.unique(stock[these], return_inverse=True, return_counts=True)
        own = number[which] ** -0.5
        chance[these] = share * own / max(own.sum(), 1)
    return np.asarray(chance / chance.sum(), np.float64)


def _network(torch: Any) -> Any:
    nn = torch.nn

    class Network(nn.Module):  # type: ignore[misc, name-defined]
        """Convolutions, what they see at the mean and at the most, and two dense layers."""

        def __init__(self) -> None:
            super().__init__()
            layers, channels = [], 4 * len(CHANNELS)
            for width in WIDTHS:
                for _ in range(2):
                    layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                    channels = width
                layers.append(nn.MaxPool2d(2))
            self.body = nn.Sequential(*layers[:-1])
            self.head = nn.Sequential(
                nn.Linear(2 * channels + 1, HIDDEN), nn.ReLU(), nn.Dropout(_DROPOUT), nn.Linear(HIDDEN, 2)
            )

        def forward(self, pixels: Any, shrunk: Any) -> Any:
            seen = self.body(nn.functional.pixel_unshuffle(pixels, 2))
            return self.head(torch.cat([seen.mean((2, 3)), seen.amax((2, 3)), shrunk[:, None]], 1))

    return Network()


def _altered(torch: Any, pixels: Any) -> Any:
    """Patches as another stain, another camera would show them."""
    number = len(pixels)

    def factor(spread: float) -> Any:
        return torch.exp(spread * torch.randn(number, 1, 1, 1))

    for axis in (2, 3):
        if torch.rand(1) < 0.5:
            pixels = pixels.flip(axis)
    pixels = pixels.clone()
    pixels[:, 2:3] = pixels[:, 2:3] ** factor(0.25)
    pixels[:, 3:4] = pixels[:, 3:4] * factor(0.3)
    pixels[:, 4:5] = (pixels[:, 4:5] * factor(0.2) + 0.05 * torch.randn(number, 1, 1, 1)).clamp(0)
    pixels[:, 2:] = pixels[:, 2:] + 0.04 * torch.rand(number, 1, 1, 1) * torch.randn(number, 3, *pixels.shape[2:])
    pixels[:, 2:] *= (torch.rand(number, 3, 1, 1) > _LOST).float()
    if torch.rand(1) < 0.4:  # larger or smaller than it is
        size = float(torch.empty(1).uniform_(0.8, 1.2))
        grid = torch.tensor([[size, 0.0, 0.0], [0.0, size, 0.0]]).expand(number, 2, 3)
        grid = torch.nn.functional.affine_grid(grid, pixels.shape, align_corners=False)
        pixels = torch.nn.functional.grid_sample(pixels, grid, align_corners=False)
    return pixels


def _in_bytes(torch: Any, network: Any, pixels: Any) -> Look:
    """The network in bytes; `pixels` show what its channels reach."""
    seen = torch.nn.functional.pixel_unshuffle(pixels, 2)
    most = np.ones(seen.shape[1])
    convolutions = []
    left = list(network.body)
    while left:
        convolution, norm, cut_off, *left = left
        seen = cut_off(norm(convolution(seen)))
        reached = np.maximum(np.quantile(_array(seen), _SEEN_SHARE, axis=(0, 2, 3)), _LEAST_REACH)
        gain = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
        weights = _array(convolution.weight) * gain[:, None, None, None] * most[:, None, None] / 255
        unit = np.abs(weights).max(axis=(1, 2, 3)) / 127
        offset = _array(norm.bias) - _array(norm.running_mean) * gain
        is_halved = bool(left) and isinstance(left[0], torch.nn.MaxPool2d)
        convolutions.append(
            Convolution(
                np.round(weights / unit[:, None, None, None]).astype(np.int8),
                (255 * unit / reached).astype(np.float32),
                (255 * offset / reached).astype(np.float32),
                is_halved,
            )
        )
        if is_halved:
            pool, *left = left
            seen = pool(seen)
        most = reached
    first, _, _, second = network.head
    hidden = np.concatenate([_array(first.weight), _array(first.bias)[:, None]], axis=1)
    hidden[:, : 2 * len(most)] *= np.tile(most, 2)
    return Look(tuple(convolutions), hidden, np.append(_array(second.weight)[0], _array(second.bias)[0]))


def _array(tensor: Any) -> Floats:
    return np.asarray(tensor.detach().numpy(), np.float64)
