"""Where things lie in a section: tissue, bone, infiltrate and fat, on the plan grid (PLAN_UM)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from mvd.geometry import FloatImage, Mask, Ring
from mvd.phantom.sketch import curve, ring, smooth_noise
from mvd.phantom.spec import PLAN_UM, PhantomSpec, stream

MARGIN_UM = 3.0
"""Objects keep this far from the picture's border, so that their truth is whole."""

MIN_INFILTRATE_UM2 = 10_000.0
"""A smaller patch of lymphocytes is no infiltrate (a 100 µm square)."""


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """Masks on the plan grid and the fat cells' outlines."""

    tissue: Mask
    bone: Mask
    cll: Mask
    mixture: FloatImage
    """Part of the cells that are CLL lymphocytes, 0 to 1."""
    fat: Mask
    fat_rings: tuple[Ring, ...]

    @property
    def marrow(self) -> Mask:
        return self.tissue & ~self.bone


def field_noise(rng: np.random.Generator, shape: tuple[int, int], scale_px: float) -> FloatImage:
    """Smooth noise of zero mean and unit variance with features of `scale_px`; float32."""
    rows, columns = (max(4, int(np.ceil(s / scale_px)) + 1) for s in shape)
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    coarse /= np.float32(0.79)  # cubic interpolation of white noise keeps about 0.62 of its variance
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def plan_shape(spec: PhantomSpec) -> tuple[int, int]:
    return int(np.ceil(spec.height_um / PLAN_UM)), int(np.ceil(spec.width_um / PLAN_UM))


def fill_ring(mask: NDArray[np.uint8], outline: Ring, *, um_per_px: float, value: int = 1) -> None:
    """Fill an outline (µm) on a grid, in place."""
    points = np.round((outline / um_per_px - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], value, lineType=cv2.LINE_8, shift=4)


def lay_out(spec: PhantomSpec) -> Anatomy:
    """Tissue, bone and infiltrate; fat comes after the vessels (`with_fat`)."""
    shape = plan_shape(spec)
    tissue = _tissue(spec, shape)
    bone = _bone(spec, shape) & tissue
    cll, mixture = _infiltrate(spec, tissue & ~bone)
    return Anatomy(tissue, bone, cll, mixture, np.zeros(shape, bool), ())


def _tissue(spec: PhantomSpec, shape: tuple[int, int]) -> Mask:
    rng = stream(spec.seed, "tissue")
    chance = 0.5 if min(shape) * PLAN_UM >= 400 else 0.0
    drawn = bool(rng.random() < chance)
    side = int(rng.integers(0, 4))
    depth_um = rng.uniform(25.0, 70.0)
    length = shape[1] if side % 2 == 0 else shape[0]
    line = (
        depth_um
        + 10 * smooth_noise(rng, length, 120)
        + 4 * smooth_noise(rng, length, 25)
        + smooth_noise(rng, length, 6)
    )
    if not (drawn if spec.tissue_edge is None else spec.tissue_edge):
        return np.ones(shape, bool)
    rows, columns = np.indices(shape, dtype=np.float32)
    from_side = (rows, shape[1] - 1 - columns, shape[0] - 1 - rows, columns)[side]
    across = line[None, :] if side % 2 == 0 else line[:, None]
    inside: Mask = from_side * PLAN_UM > across
    return inside


def _bone(spec: PhantomSpec, shape: tuple[int, int]) -> Mask:
    """Trabeculae: curved bars of 60 to 170 µm, until the asked part of the picture is bone."""
    rng = stream(spec.seed, "bone")
    drawn = float(np.clip(rng.normal(0.10, 0.06), 0.0, 0.25)) if min(shape) * PLAN_UM >= 400 else 0.0
    wanted = drawn if spec.bone_fraction is None else spec.bone_fraction
    bone = np.zeros(shape, np.uint8)
    for _ in range(12):
        if wanted < 0.01 or bone.mean() >= 0.9 * wanted:
            break
        path = curve(rng, rng.uniform(0.5, 1.3) * max(shape) * PLAN_UM, bend=0.25)
        angle = rng.uniform(0, np.pi)
        away = rng.uniform(0.25, 0.5) * np.array([spec.width_um, spec.height_um]) * rng.choice([-1, 1], 2)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        path = path @ turn + np.array([spec.width_um, spec.height_um]) / 2 + away
        half = rng.uniform(25.0, 55.0) * np.clip(1 + 0.3 * smooth_noise(rng, len(path), 250), 0.4, 1.8)
        trial = bone.copy()
        for (x, y), r in zip(path[::8], half[::8], strict=True):
            cv2.circle(trial, (round(x / PLAN_UM), round(y / PLAN_UM)), round(r / PLAN_UM), 1, -1)
        if trial.mean() <= 1.5 * wanted + 0.02:
            bone = trial
    rough = field_noise(rng, shape, 14.0)
    depth = cv2.GaussianBlur(bone.astype(np.float32), (0, 0), 5.0)
    edge: Mask = (depth + 0.06 * rough) > 0.5
    return edge


def _infiltrate(spec: PhantomSpec, marrow: Mask) -> tuple[Mask, FloatImage]:
    """The infiltrated part of the marrow, and how densely lymphocytes fill it."""
    rng = stream(spec.seed, "infiltrate")
    pattern = str(rng.choice(["nodular", "interstitial", "diffuse"], p=[0.4, 0.25, 0.35]))
    drawn = {
        "nodular": rng.uniform(0.35, 0.65),
        "interstitial": rng.uniform(0.5, 0.85),
        "diffuse": rng.uniform(0.85, 1.0),
    }
    pattern = spec.infiltrate or pattern
    fraction = drawn[pattern] if spec.cll_fraction is None else spec.cll_fraction
    scale = {"nodular": 190.0, "interstitial": 300.0, "diffuse": 260.0}[pattern] / PLAN_UM
    shape = marrow.shape
    height = field_noise(rng, (shape[0], shape[1]), scale) + 0.12 * field_noise(
        rng, (shape[0], shape[1]), 30.0 / PLAN_UM
    )
    if fraction <= 0 or not marrow.any():
        return np.zeros(shape, bool), np.zeros(shape, np.float32)
    level = -np.inf if fraction >= 0.999 else float(np.quantile(height[marrow], 1 - fraction))
    inside = (height > level).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside)
    small = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] * PLAN_UM**2 < MIN_INFILTRATE_UM2)
    if count > 2:
        inside[np.isin(labels, small)] = 0
    purity = {"nodular": 0.98, "interstitial": 0.6, "diffuse": 0.95}[pattern]
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 5.0)
    sparse = np.float32(0.06)
    return inside.astype(bool) & marrow, sparse + (np.float32(purity) - sparse) * soft


def with_fat(spec: PhantomSpec, anatomy: Anatomy, taken: Mask) -> Anatomy:
    """Fat cells of 40 to 85 µm (smaller where the section misses their middle), clear of what is `taken`."""
    rng = stream(spec.seed, "fat")
    drawn = float(np.clip(rng.normal(0.22, 0.12), 0.03, 0.5))
    wanted = drawn if spec.fat_fraction is None else spec.fat_fraction
    shape = anatomy.tissue.shape
    cluster = field_noise(rng, (shape[0], shape[1]), 110.0 / PLAN_UM) - 1.0 * (anatomy.mixture > 0.75)
    blocked = (taken | ~anatomy.marrow).astype(np.uint8)
    fat = np.zeros(shape, np.uint8)
    rings: list[Ring] = []
    goal = wanted * float(np.count_nonzero(anatomy.marrow))
    tries = int(2500 * shape[0] * shape[1] * PLAN_UM**2 / 1e6) + 50
    for number in range(tries):
        if fat.sum() >= goal:
            break
        r = rng.uniform(20.0, 42.0) * rng.choice([1.0, 0.8, 0.55], p=[0.6, 0.25, 0.15])
        x, y = rng.uniform(0, spec.width_um), rng.uniform(0, spec.height_um)
        shape_ring = ring(rng, 2 * r, 2 * r * rng.uniform(0.82, 1.0), irregular=0.045)
        turn = rng.uniform(0, np.pi)
        row, column = min(int(y / PLAN_UM), shape[0] - 1), min(int(x / PLAN_UM), shape[1] - 1)
        if cluster[row, column] < 0.6 - 3.0 * number / tries:
            continue
        matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        outline = shape_ring @ matrix + np.array([x, y])
        if _free(blocked, outline, grow=1.03):
            fill_ring(fat, outline, um_per_px=PLAN_UM)
            fill_ring(blocked, np.array([x, y]) + (outline - np.array([x, y])) * 1.03, um_per_px=PLAN_UM)
            rings.append(outline)
    return replace(anatomy, fat=fat.astype(bool) & anatomy.marrow, fat_rings=tuple(rings))


def _free(blocked: NDArray[np.uint8], outline: Ring, *, grow: float) -> bool:
    middle = outline.mean(axis=0)
    grown = middle + (outline - middle) * grow
    low = np.floor(grown.min(axis=0) / PLAN_UM).astype(int) - 1
    high = np.ceil(grown.max(axis=0) / PLAN_UM).astype(int) + 2
    c0, r0 = np.maximum(low, 0)
    c1, r1 = np.minimum(high, [blocked.shape[1], blocked.shape[0]])
    if c1 <= c0 or r1 <= r0:
        return False
    patch = np.zeros((int(r1 - r0), int(c1 - c0)), np.uint8)
    fill_ring(patch, grown - np.array([c0, r0]) * PLAN_UM, um_per_px=PLAN_UM)
    return not bool((patch & blocked[r0:r1, c0:c1]).any())


def involved_rings(anatomy: Anatomy) -> tuple[Ring, ...]:
    """Outlines of the infiltrated marrow, largest first, smoothed to about 4 µm."""
    soft = cv2.GaussianBlur(anatomy.cll.astype(np.float32), (0, 0), 4.0 / PLAN_UM)
    inside = (soft > 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rings = []
    for contour in sorted(contours, key=cv2.contourArea, reverse=True):
        if cv2.contourArea(contour) * PLAN_UM**2 >= MIN_INFILTRATE_UM2 / 2:
            simple = cv2.approxPolyDP(contour, 1.5 / PLAN_UM, True)[:, 0, :].astype(np.float64)
            rings.append(simple_ring((simple + 0.5) * PLAN_UM))
    return tuple(rings)


def simple_ring(outline: Ring) -> Ring:
    """The outline itself where it does not cross itself, else the outline of its largest part."""
    polygon = Polygon(outline)
    if polygon.is_valid:
        return outline
    mended = polygon.buffer(0)
    largest = max(getattr(mended, "geoms", [mended]), key=lambda part: part.area)
    return np.asarray(largest.exterior.coords, np.float64)[:-1]
