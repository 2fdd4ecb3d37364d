"""What lies between and beside the cells: ground substance, fibres, bone, fat cells, cracks, the section's edge."""

from __future__ import annotations

import cv2
import numpy as np

from mvd.geometry import FloatImage, Mask
from mvd.phantom.anatomy import Anatomy, field_noise
from mvd.phantom.cells import upsampled
from mvd.phantom.paint import SHIFT, Absorbers, Patch
from mvd.phantom.sketch import STEP_UM, curve, smooth_noise
from mvd.phantom.spec import FINE_UM, PLAN_UM, PhantomSpec, stream


def paint_ground(layers: Absorbers, spec: PhantomSpec) -> None:
    """Interstitium: a faint uneven tint with reticulin-like fibres, in place."""
    rng = stream(spec.seed, "ground")
    shape = (layers.dab.shape[0], layers.dab.shape[1])
    uneven = field_noise(rng, shape, 10.0 / FINE_UM)
    fine = field_noise(rng, shape, 1.6 / FINE_UM)
    layers.protein[...] = np.clip(0.065 + 0.02 * uneven + 0.012 * fine, 0.0, None)
    layers.haematoxylin[...] = np.clip(0.04 + 0.014 * uneven + 0.010 * fine, 0.0, None)
    canvas = np.zeros(shape, np.uint8)
    for _ in range(int(spec.width_um * spec.height_um / 1e6 * 2600)):
        fibre = curve(rng, float(rng.uniform(10, 45)), bend=0.8)[::3]
        angle = rng.uniform(0, np.pi)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        fibre = fibre @ turn + rng.uniform([0, 0], [spec.width_um, spec.height_um])
        points = np.round((fibre / FINE_UM - 0.5) * 2**SHIFT).astype(np.int32)
        cv2.polylines(canvas, [points], False, int(rng.integers(60, 200)), int(rng.integers(2, 5)), cv2.LINE_AA, SHIFT)
    fibres = cv2.GaussianBlur(canvas, (0, 0), 1.2).astype(np.float32) / 255
    layers.protein[...] += 0.07 * fibres
    layers.haematoxylin[...] += 0.03 * fibres


def paint_bone(layers: Absorbers, spec: PhantomSpec, anatomy: Anatomy) -> None:
    """Lamellar bone with osteocytes in lacunae, flat lining cells and, in places, a shrinkage crack along it."""
    if not anatomy.bone.any():
        return
    rng = stream(spec.seed, "bone paint")
    shape = (layers.dab.shape[0], layers.dab.shape[1])
    inside = upsampled(anatomy.bone, shape, soft_um=1.0)
    depth = cv2.distanceTransform(anatomy.bone.astype(np.uint8), cv2.DIST_L2, 5) * PLAN_UM
    outer = cv2.distanceTransform((~anatomy.bone).astype(np.uint8), cv2.DIST_L2, 5) * PLAN_UM
    signed = cv2.GaussianBlur(depth - outer, (0, 0), 1.0)
    flow = cv2.GaussianBlur(signed, (0, 0), 12.0) + 7.0 * field_noise(rng, signed.shape, 90 / PLAN_UM)
    lamella = np.sin(2 * np.pi * flow / 6.0) * np.clip(0.4 + 0.6 * field_noise(rng, signed.shape, 40 / PLAN_UM), 0, 1)
    base, bluish = rng.uniform(0.10, 0.18), rng.uniform(0.02, 0.07)
    cloud = field_noise(rng, signed.shape, 50 / PLAN_UM)
    pink = base * (1 + 0.045 * lamella + 0.10 * cloud + 0.05 * field_noise(rng, signed.shape, 2.0 / PLAN_UM))
    blue = bluish * (1 + 0.06 * lamella - 0.25 * cloud) + 0.04 * np.exp(-((signed / 1.5) ** 2))
    for layer, tint in ((layers.protein, pink), (layers.haematoxylin, blue)):
        layer[...] += inside * (_fine(tint.astype(np.float32), shape) - layer)
    loose = np.clip(field_noise(rng, signed.shape, 45 / PLAN_UM) - 0.2, 0, 1)
    seam = np.clip(1.6 * np.exp(-(((signed + 2.2) / 1.3) ** 2)) * loose, 0, 1)
    gone = 1 - 0.95 * _fine(seam.astype(np.float32), shape)
    for layer in (layers.protein, layers.haematoxylin):
        layer[...] *= gone
    _osteocytes(layers, spec, rng=rng, depth=depth)
    _lining(layers, anatomy, rng=rng)


def _fine(plan: FloatImage, shape: tuple[int, int]) -> FloatImage:
    """A plan map on the fine grid."""
    big = cv2.resize(plan, None, fx=PLAN_UM / FINE_UM, fy=PLAN_UM / FINE_UM)
    return np.asarray(big[: shape[0], : shape[1]], np.float32)


def _osteocytes(layers: Absorbers, spec: PhantomSpec, *, rng: np.random.Generator, depth: FloatImage) -> None:
    for _ in range(int(spec.width_um * spec.height_um / 900.0)):
        x, y = rng.uniform([0, 0], [spec.width_um, spec.height_um])
        row, column = min(int(y / PLAN_UM), depth.shape[0] - 1), min(int(x / PLAN_UM), depth.shape[1] - 1)
        if depth[row, column] < 7.0:
            continue
        r0, r1 = max(row - 3, 0), min(row + 3, depth.shape[0] - 1)
        c0, c1 = max(column - 3, 0), min(column + 3, depth.shape[1] - 1)
        along = np.arctan2(depth[r1, column] - depth[r0, column], depth[row, c1] - depth[row, c0]) + np.pi / 2
        angle = float(along + rng.normal(0, 0.25))
        long, wide = rng.uniform(6, 11), rng.uniform(3, 5.5)
        oval(layers, (float(x), float(y)), (long, wide), angle=angle, clear=rng.uniform(0.2, 0.8))
        if rng.random() < 0.75:
            off = rng.normal(0, 0.5, 2)
            size = (rng.uniform(0.5, 0.85) * long, rng.uniform(0.5, 0.9) * wide)
            oval(layers, (float(x + off[0]), float(y + off[1])), size, angle=angle, blue=rng.uniform(0.2, 0.5))


def oval(
    layers: Absorbers,
    centre: tuple[float, float],
    axes: tuple[float, float],
    *,
    angle: float,
    clear: float = 0.0,
    blue: float = 0.0,
) -> None:
    """An oval that clears what is there or adds a flat dark nucleus; axes are full lengths in µm."""
    theta = np.arange(24) * 2 * np.pi / 24
    u, v = axes[0] / 2 * np.cos(theta), axes[1] / 2 * np.sin(theta)
    points = np.stack(
        [centre[0] + u * np.cos(angle) - v * np.sin(angle), centre[1] + u * np.sin(angle) + v * np.cos(angle)], axis=1
    )
    patch = Patch.around(points, (layers.dab.shape[0], layers.dab.shape[1]), reach_um=1.0)
    if patch is None:
        return
    cover = cv2.GaussianBlur(patch.filled(points), (0, 0), 0.8)
    for layer in (layers.protein, layers.haematoxylin):
        layer[patch.rows, patch.columns] *= 1 - np.float32(clear) * cover
    layer = layers.haematoxylin[patch.rows, patch.columns]
    np.maximum(layer, np.float32(blue) * cover, out=layer)


def _lining(layers: Absorbers, anatomy: Anatomy, *, rng: np.random.Generator) -> None:
    """Flat cells on the bone's surface every 15 to 45 µm."""
    contours, _ = cv2.findContours(anatomy.bone.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        inner = (contour[:, 0, :] > 1).all(axis=1) & (contour[:, 0, :] < np.array(anatomy.bone.shape)[::-1] - 2).all(
            axis=1
        )
        path = (contour[inner, 0, :].astype(np.float64) + 0.5) * PLAN_UM
        at = int(rng.integers(0, 30))
        while at < len(path) - 4:
            ahead, behind = path[min(at + 4, len(path) - 1)], path[max(at - 4, 0)]
            angle = float(np.arctan2(*(ahead - behind)[::-1]))
            oval(
                layers, (float(path[at, 0]), float(path[at, 1])), (rng.uniform(7, 12), rng.uniform(1.5, 2.6)),
                angle=angle, blue=rng.uniform(0.25, 0.5),
            )  # fmt: skip
            at += int(rng.uniform(15, 45) / PLAN_UM)


def paint_fat(layers: Absorbers, spec: PhantomSpec, anatomy: Anatomy) -> None:
    """Empty vacuoles with a thin membrane and now and then a flattened nucleus, in place."""
    rng = stream(spec.seed, "fat paint")
    shape = (layers.dab.shape[0], layers.dab.shape[1])
    for outline in anatomy.fat_rings:
        patch = Patch.around(outline, shape)
        rim, with_nucleus, at = rng.uniform(0.12, 0.2), rng.random() < 0.12, int(rng.integers(0, len(outline)))
        tilt = outline[(at + 3) % len(outline)] - outline[at - 3]
        if patch is None:
            continue
        here = (patch.rows, patch.columns)
        inside = cv2.GaussianBlur(patch.filled(outline), (0, 0), 0.8)
        line = np.zeros(patch.shape, np.uint8)
        cv2.polylines(line, [patch.fixed(outline)], True, 255, 3, cv2.LINE_AA, SHIFT)
        membrane = cv2.GaussianBlur(line, (0, 0), 1.0).astype(np.float32) / 255
        membrane *= np.clip(0.8 + 0.3 * field_noise(rng, patch.shape, 12.0), 0.3, 1.4)
        for layer, amount in ((layers.protein, rim), (layers.haematoxylin, 0.45 * rim)):
            layer[here] *= 1 - inside
            np.maximum(layer[here], membrane * np.float32(amount), out=layer[here])
        if with_nucleus:
            angle = float(np.arctan2(tilt[1], tilt[0]))
            oval(
                layers,
                (float(outline[at, 0]), float(outline[at, 1])),
                (rng.uniform(7, 11), 2.4),
                angle=angle,
                blue=0.45,
            )


def paint_edges(layers: Absorbers, spec: PhantomSpec, anatomy: Anatomy, *, taken: Mask) -> None:
    """Empty glass beyond the section, and a few shrinkage cracks within, in place."""
    rng = stream(spec.seed, "cracks")
    shape = (layers.dab.shape[0], layers.dab.shape[1])
    cracks = np.zeros(shape, np.uint8)
    for _ in range(rng.poisson(14 * spec.width_um * spec.height_um / 1e6)):
        path = curve(rng, float(rng.uniform(20, 110)), bend=0.6)
        path = path + rng.uniform([0, 0], [spec.width_um, spec.height_um])
        half = rng.uniform(0.5, 2.2) * np.clip(1 + 0.5 * smooth_noise(rng, len(path), 8 / STEP_UM), 0.2, 2)
        half = half * np.sin(np.linspace(0.05, np.pi - 0.05, len(path)))
        index = np.floor(path[:, ::-1] / PLAN_UM).astype(int)
        inside = (index >= 0).all() and (index < np.array(taken.shape)).all()
        if not inside or taken[index[:, 0], index[:, 1]].any():
            continue
        for (x, y), r in zip(path, half, strict=True):
            at = (round((x / FINE_UM - 0.5) * 16), round((y / FINE_UM - 0.5) * 16))
            cv2.circle(cracks, at, max(round(r / FINE_UM * 16), 8), 255, -1, cv2.LINE_AA, SHIFT)
    keep = upsampled(anatomy.tissue, shape, soft_um=1.2) * (1 - 0.92 * cracks.astype(np.float32) / 255)
    for layer in (layers.protein, layers.haematoxylin, layers.dab):
        layer[...] *= keep
