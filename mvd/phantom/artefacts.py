"""What goes wrong between the block and the scan: folds of the section, and parts that the focus missed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Mask
from mvd.phantom.anatomy import Anatomy, field_noise, plan_shape
from mvd.phantom.cells import upsampled
from mvd.phantom.paint import Absorbers
from mvd.phantom.sketch import STEP_UM, smooth_noise
from mvd.phantom.spec import FINE_UM, PLAN_UM, PhantomSpec, stream

SOFT_EDGE_UM = 25.0
"""Width over which the focus is lost."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A band in which the section lies in two or three layers."""

    band: Mask
    """On the plan grid."""
    layers: tuple[Matrix, ...]
    """Where each further layer's tissue comes from: (2, 3), µm in the band to µm in the flat section."""
    blur_um: float
    """Sigma: the layers do not lie in one plane."""


def lay_folds(spec: PhantomSpec, anatomy: Anatomy) -> tuple[Fold, ...]:
    """As many folds as asked for: 150 to 500 µm long, 20 to 70 µm wide, with an even width and sharp edges.

    In a flap the section lies twice, the upper layer mirrored; in a pleat three times.
    """
    return tuple(_fold(spec, anatomy, number) for number in range(spec.folds))


def _fold(spec: PhantomSpec, anatomy: Anatomy, number: int) -> Fold:
    rng = stream(spec.seed, "fold", number)
    size = np.array([spec.width_um, spec.height_um])
    length, pleat = float(rng.uniform(150.0, 500.0)), bool(rng.random() < 0.5)
    heading = rng.uniform(0, np.pi) + 0.3 * smooth_noise(rng, round(length / STEP_UM), 150 / STEP_UM)
    path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * STEP_UM, axis=0)
    path += rng.uniform(0.2, 0.8, 2) * size - path.mean(axis=0)
    width = float(rng.uniform(20.0, 45.0) if pleat else rng.uniform(30.0, 70.0))
    ends = np.clip(np.linspace(0, 12, len(path)), 0, 1)
    half = 0.5 * width * np.clip(1 + 0.08 * smooth_noise(rng, len(path), 50 / STEP_UM), 0.7, 1.3) * ends * ends[::-1]
    band = np.zeros(plan_shape(spec), np.uint8)
    for (x, y), r in zip(path, half, strict=True):
        cv2.circle(band, (round(x / PLAN_UM * 16), round(y / PLAN_UM * 16)), round(r / PLAN_UM * 16), 1, -1, shift=4)
    mirrored, shifted = _sources(path, width)
    layers = (mirrored, shifted) if pleat else (mirrored,)
    return Fold(band.astype(bool) & anatomy.tissue, layers, float(rng.uniform(0.3, 1.6)))


def _sources(path: NDArray[np.float64], width_um: float) -> tuple[Matrix, Matrix]:
    """Mirrored about the fold's edge, and moved on by twice its width."""
    along = path[-1] - path[0]
    along /= np.hypot(*along)
    across = np.array([-along[1], along[0]])
    edge = path.mean(axis=0) + across * width_um / 2
    mirror = np.eye(2) - 2 * np.outer(across, across)
    mirrored = np.column_stack([mirror, edge - mirror @ edge])
    shifted = np.column_stack([np.eye(2), 2 * width_um * across])
    return mirrored, shifted


def fold_section(layers: Absorbers, folds: tuple[Fold, ...]) -> None:
    """Lay the further layers of each fold over the section, in place."""
    shape = (layers.dab.shape[0], layers.dab.shape[1])
    for fold in folds:
        cover = upsampled(fold.band, shape, soft_um=0.6)
        for layer in (layers.haematoxylin, layers.dab, layers.protein, layers.golden, layers.black):
            flat = layer.copy()
            for matrix in fold.layers:
                layer[...] += cover * _moved(flat, matrix)


def _moved(flat: FloatImage, matrix: Matrix) -> FloatImage:
    """The section seen through `matrix`; beyond its border it goes on as its mirror image."""
    pixels = matrix.copy()
    # From µm to fine pixels, whose centres lie half a pixel in.
    pixels[:, 2] = matrix[:, 2] / FINE_UM + 0.5 * (matrix[:, :2].sum(axis=1) - 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (flat.shape[1], flat.shape[0])
    return np.asarray(cv2.warpAffine(flat, pixels, size, flags=flags, borderMode=cv2.BORDER_REFLECT), np.float32)


def folded(spec: PhantomSpec, anatomy: Anatomy) -> Mask:
    """Where the section lies in more than one layer, on the plan grid."""
    fold = np.zeros(plan_shape(spec), bool)
    for one in lay_folds(spec, anatomy):
        fold |= one.band
    return fold


def lost_focus(spec: PhantomSpec, anatomy: Anatomy) -> FloatImage:
    """Sigma (µm) of the blur that is added to the optics' own, on the plan grid; 0 where the focus holds."""
    shape = plan_shape(spec)
    lost = np.zeros(shape, np.float32)
    rows, columns = np.indices(shape, dtype=np.float32)
    for number in range(spec.soft_parts):
        rng = stream(spec.seed, "soft", number)
        x, y = rng.uniform(0.1, 0.9, 2) * [spec.width_um, spec.height_um]
        long, wide = rng.uniform(90.0, 160.0), rng.uniform(70.0, 130.0)
        angle = rng.uniform(0, np.pi)
        dx, dy = columns * PLAN_UM - x, rows * PLAN_UM - y
        u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        inside_um = (1 - np.hypot(u / long, v / wide)) * wide + 8 * field_noise(rng, shape, 60 / PLAN_UM)
        np.maximum(lost, spec.soft_um * np.clip(inside_um / SOFT_EDGE_UM, 0, 1).astype(np.float32), out=lost)
    for fold in lay_folds(spec, anatomy):
        np.maximum(lost, np.float32(fold.blur_um) * fold.band, out=lost)
    return lost * anatomy.tissue
