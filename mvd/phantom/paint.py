"""Absorber amounts on the fine grid, and how a sketch is painted onto them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import FloatImage, Mask, Ring
from mvd.phantom.anatomy import field_noise
from mvd.phantom.sketch import Absorber, Fill, Nucleus, Sketch, Stroke
from mvd.phantom.spec import FINE_UM

SHIFT = 4
"""Fractional bits of OpenCV's drawing coordinates: 1/16 pixel."""

REACH_UM = 4.0
"""Margin of an object's patch for strokes, nuclei and soft edges."""

STAINED_OD = 0.1
"""Least DAB optical density (at strength 1) of a pixel that belongs to a vessel's wall in the truth."""

SPREAD = 0.10
"""Part of the brown that lies diffusely within 1 to 3 µm of the stain: DAB diffuses before it precipitates."""


@dataclass(frozen=True, slots=True, eq=False)
class Absorbers:
    """Optical densities along each absorber's unit vector, float32 on the fine grid; painted in place."""

    haematoxylin: FloatImage
    dab: FloatImage
    protein: FloatImage
    """Unstained tissue: bone, cytoplasm, plasma."""
    golden: FloatImage
    """Haemosiderin and, faintly, red cells."""
    black: FloatImage

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Absorbers:
        return cls(*(np.zeros(shape, np.float32) for _ in range(5)))

    def of(self, absorber: Absorber) -> FloatImage:
        layer: FloatImage = getattr(self, absorber)
        return layer


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """The part of the fine grid that one object covers; its own origin is at (x0_um, y0_um)."""

    rows: slice
    columns: slice
    shape: tuple[int, int]
    x0_um: float
    y0_um: float

    @classmethod
    def around(cls, points: Ring, shape: tuple[int, int], *, reach_um: float = REACH_UM) -> Patch | None:
        """The patch of `points` with a margin, cut to the grid; None when it lies outside."""
        low = np.floor((points.min(axis=0) - reach_um) / FINE_UM).astype(int)
        high = np.ceil((points.max(axis=0) + reach_um) / FINE_UM).astype(int)
        c0, r0 = (int(max(v, 0)) for v in low)
        c1, r1 = int(min(high[0], shape[1])), int(min(high[1], shape[0]))
        if c1 - c0 < 2 or r1 - r0 < 2:
            return None
        return cls(slice(r0, r1), slice(c0, c1), (r1 - r0, c1 - c0), c0 * FINE_UM, r0 * FINE_UM)

    def fixed(self, points: Ring) -> NDArray[np.int32]:
        """µm to OpenCV's fixed-point pixel coordinates (pixel centres are whole numbers)."""
        local = (points - np.array([self.x0_um, self.y0_um])) / FINE_UM - 0.5
        rounded: NDArray[np.int32] = np.round(local * 2**SHIFT).astype(np.int32)
        return rounded

    def filled(self, outline: Ring) -> FloatImage:
        """Coverage 0 to 1 of a filled outline."""
        cover = np.zeros(self.shape, np.uint8)
        cv2.fillPoly(cover, [self.fixed(outline)], 255, lineType=cv2.LINE_AA, shift=SHIFT)
        return covered(cover)


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """What painting an object left: its patch, its whole extent, its stained part and its lumen."""

    patch: Patch
    extent: Mask
    stained: Mask
    lumen: Mask


def covered(drawn: NDArray[np.uint8]) -> FloatImage:
    """0 to 255 as 0 to 1, float32."""
    return np.asarray(drawn * np.float32(1 / 255), np.float32)


def _soften(image: FloatImage, sigma_um: float) -> FloatImage:
    if sigma_um <= 0.05:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_um / FINE_UM), np.float32)


def _stroke(patch: Patch, stroke: Stroke) -> tuple[FloatImage, FloatImage]:
    """Coverage of the stained wall (0 to 1) and its amount of stain."""
    cover = np.zeros(patch.shape, np.uint8)
    tone = np.zeros(patch.shape, np.uint8)
    centres = patch.fixed(stroke.path)
    radii = np.round(stroke.radius_um / FINE_UM * 2**SHIFT).astype(int)
    for (x, y), r, amount in zip(centres.tolist(), radii.tolist(), stroke.amount.tolist(), strict=True):
        if amount > 0:
            cv2.circle(cover, (x, y), r, 255, -1, cv2.LINE_AA, SHIFT)
            cv2.circle(tone, (x, y), r + 32, min(round(amount * 120), 255), -1, cv2.LINE_8, SHIFT)
    known = (tone > 0).astype(np.float32)
    weight = _soften(known, 0.5)
    amount_map = _soften(covered(tone), 0.5) * np.float32(255 / 120) / np.maximum(weight, np.float32(1e-3))
    return covered(cover), np.asarray(amount_map, np.float32)


def extent_of(patch: Patch, sketch: Sketch) -> Mask:
    """Everything the object encloses, gaps in its wall closed."""
    cover = np.zeros(patch.shape, np.uint8)
    if sketch.outline is not None:
        cv2.fillPoly(cover, [patch.fixed(sketch.outline)], 1, shift=SHIFT)
    for lumen in sketch.lumens:
        cv2.fillPoly(cover, [patch.fixed(lumen)], 1, shift=SHIFT)
    for stroke in sketch.strokes:
        radii = np.round(stroke.radius_um / FINE_UM * 2**SHIFT).astype(int)
        for (x, y), r in zip(patch.fixed(stroke.path).tolist(), radii.tolist(), strict=True):
            cv2.circle(cover, (x, y), r, 1, -1, cv2.LINE_8, SHIFT)
        if stroke.closed:
            cv2.fillPoly(cover, [patch.fixed(stroke.path)], 1, shift=SHIFT)
    for fill in sketch.fills:
        if fill.enters_outline:
            cv2.fillPoly(cover, [patch.fixed(fill.ring)], 1, shift=SHIFT)
    return cover.astype(bool)


def paint(layers: Absorbers, sketch: Sketch, rng: np.random.Generator) -> Painted | None:
    """Paint one object in place; None when it lies outside the grid."""
    reach = REACH_UM + 2.5 * max([sketch.soft_um, *(f.soft_um for f in sketch.fills)])
    patch = Patch.around(sketch.points(), layers.dab.shape, reach_um=reach)
    if patch is None:
        return None
    at = (patch.rows, patch.columns)
    extent = extent_of(patch, sketch)
    bed = _soften(extent.astype(np.float32), 0.6) * np.float32(sketch.bed)
    for layer in (layers.haematoxylin, layers.protein):
        layer[at] *= 1 - bed
    layers.protein[at] += 0.03 * bed
    grain = 1 + 0.22 * field_noise(rng, patch.shape, 2.0) + 0.18 * field_noise(rng, patch.shape, 6.0)
    clouds = 1 + 0.15 * field_noise(rng, patch.shape, 4.0) + 0.24 * field_noise(rng, patch.shape, 12.0)
    dab = np.zeros(patch.shape, np.float32)
    for fill in sketch.fills:
        _fill(layers, patch, fill, dab=dab, grain=clouds)
    lumen = _lumen(patch, sketch)
    for layer in (layers.haematoxylin, layers.protein):
        layer[at] *= 1 - np.float32(sketch.clearing) * lumen
    for stroke in sketch.strokes:
        cover, amount = _stroke(patch, stroke)
        np.maximum(dab, cover * amount * np.clip(grain, 0.5, 1.6), out=dab)
    for nucleus in sketch.nuclei:
        _nucleus(layers, patch, nucleus, dab=dab, rng=rng)
    stained = dab >= STAINED_OD
    layers.dab[at] += dab + SPREAD * _soften(dab, 1.4)
    for absorber in ("golden", "black"):
        _specks(layers, patch, sketch, absorber=absorber)
    return Painted(patch, extent, stained, lumen > 0.5)


def _lumen(patch: Patch, sketch: Sketch) -> FloatImage:
    lumen = np.zeros(patch.shape, np.float32)
    for outline in sketch.lumens:
        np.maximum(lumen, patch.filled(outline), out=lumen)
    return _soften(lumen, 0.2)


def _fill(layers: Absorbers, patch: Patch, fill: Fill, *, dab: FloatImage, grain: FloatImage) -> None:
    area = _soften(patch.filled(fill.ring), fill.soft_um)
    texture = np.clip(1 + (grain - 1) * np.float32(fill.grain / 0.28), 0.15, 2.0)
    amount = area * np.float32(fill.amount) * texture
    if fill.absorber == "dab":
        np.maximum(dab, amount, out=dab)
    else:
        layers.of(fill.absorber)[patch.rows, patch.columns] += amount


def nucleus_cover(patch: Patch, nucleus: Nucleus, *, grow_um: float = 0.0) -> FloatImage:
    """Coverage of an elliptic nucleus, slightly bean-shaped."""
    cover = np.zeros(patch.shape, np.uint8)
    theta = np.arange(28) * 2 * np.pi / 28
    along = (nucleus.length_um / 2 + grow_um) * np.cos(theta)
    across = (nucleus.width_um / 2 + grow_um) * np.sin(theta) + 0.05 * nucleus.width_um * np.cos(2 * theta)
    c, s = np.cos(nucleus.angle), np.sin(nucleus.angle)
    points = np.stack([nucleus.x_um + along * c - across * s, nucleus.y_um + along * s + across * c], axis=1)
    cv2.fillPoly(cover, [patch.fixed(points)], 255, lineType=cv2.LINE_AA, shift=SHIFT)
    return covered(cover)


def _nucleus(layers: Absorbers, patch: Patch, nucleus: Nucleus, *, dab: FloatImage, rng: np.random.Generator) -> None:
    """Blue within brown: the nucleus pushes the stained cytoplasm aside but a film of it lies above and below."""
    cover = _soften(nucleus_cover(patch, nucleus), 0.15)
    if nucleus.wrap > 0:
        around = _soften(nucleus_cover(patch, nucleus, grow_um=0.55), 0.2)
        np.maximum(dab, around * np.float32(nucleus.wrap), out=dab)
    film = np.float32(0.35 if nucleus.wrap > 0 else 0.2)
    dab *= 1 - cover * (1 - film)
    chromatin = 1 + np.float32(nucleus.lumpy) * field_noise(rng, patch.shape, 3.2)
    rim = cover - _soften(nucleus_cover(patch, nucleus, grow_um=-0.5), 0.2)
    body = cover * np.clip(chromatin, 0.35, 1.8) * 0.5 + 0.16 * np.clip(rim, 0, 1)
    layer = layers.haematoxylin[patch.rows, patch.columns]
    np.maximum(layer, np.float32(nucleus.stain) * body, out=layer)


def _specks(layers: Absorbers, patch: Patch, sketch: Sketch, *, absorber: Absorber) -> None:
    total = np.zeros(patch.shape, np.float32)
    for speck in sketch.specks:
        if speck.absorber != absorber:
            continue
        cover = np.zeros(patch.shape, np.uint8)
        x, y = patch.fixed(np.array([[speck.x_um, speck.y_um]]))[0].tolist()
        cv2.circle(cover, (x, y), round(speck.radius_um / FINE_UM * 2**SHIFT), 255, -1, cv2.LINE_AA, SHIFT)
        disc = covered(cover)
        if speck.radius_um > 2.0 and absorber == "golden":  # a red cell is thinner in its middle
            disc = disc - 0.45 * _soften(disc, 0.8) ** 3
        np.maximum(total, disc * np.float32(speck.amount), out=total)
    if total.any():
        layers.of(absorber)[patch.rows, patch.columns] += _soften(total, sketch.soft_um)
