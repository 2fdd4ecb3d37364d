"""Marrow cells: stamps of nuclei with chromatin and cytoplasm, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mvd.geometry import FloatImage, Mask
from mvd.phantom.anatomy import Anatomy, field_noise
from mvd.phantom.paint import Absorbers
from mvd.phantom.spec import FINE_UM, PLAN_UM, PhantomSpec, stream

CellKind = Literal["lymphocyte", "prolymphocyte", "myeloid", "band", "segmented", "erythroid", "blast", "stroma"]

VARIANTS = 48
"""Stamps of each kind; with eight turns and mirrors, and an own strength for each cell, repeats do not show."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How a kind of cell looks: sizes in µm, stain relative to the specimen's haematoxylin."""

    nucleus_um: tuple[float, float]
    elongation: tuple[float, float]
    cytoplasm_um: tuple[float, float]
    """Rim of cytoplasm around the nucleus."""
    stain: tuple[float, float]
    clumps: float
    clump_um: float
    paling: float
    """How much paler the nucleus is in its middle (vesicular)."""
    irregular: float
    nucleoli: int = 0
    lobes: tuple[int, int] = (1, 1)
    cytoplasm_protein: float = 0.085
    cytoplasm_blue: float = 0.035


# Nuclear sizes: WHO classification texts and Bain, Bone Marrow Pathology; shrunken by embedding by about a fifth.
HABITS: dict[CellKind, Habit] = {
    "lymphocyte": Habit((4.9, 6.7), (1.0, 1.25), (0.5, 1.3), (0.75, 1.15), 0.42, 1.1, 0.06, 0.05),
    "prolymphocyte": Habit((6.6, 8.6), (1.0, 1.25), (0.8, 1.5), (0.55, 0.8), 0.34, 1.1, 0.35, 0.05, nucleoli=1),
    "myeloid": Habit((6.8, 9.0), (1.05, 1.45), (1.6, 3.0), (0.5, 0.8), 0.3, 1.2, 0.3, 0.07, nucleoli=1),
    "band": Habit((6.5, 8.5), (1.5, 2.2), (1.8, 2.8), (0.65, 0.95), 0.3, 1.0, 0.15, 0.14),
    "segmented": Habit((3.0, 3.9), (1.0, 1.3), (1.8, 2.6), (0.8, 1.15), 0.25, 0.9, 0.05, 0.08, lobes=(2, 4)),
    "erythroid": Habit((4.4, 6.0), (1.0, 1.08), (0.8, 1.6), (1.0, 1.4), 0.16, 0.8, 0.0, 0.02, cytoplasm_blue=0.04),
    "blast": Habit((8.0, 10.0), (1.0, 1.3), (1.0, 2.0), (0.45, 0.65), 0.25, 0.9, 0.45, 0.05, nucleoli=2,
                   cytoplasm_blue=0.05),
    "stroma": Habit((4.4, 6.0), (2.6, 5.0), (0.1, 0.5), (0.45, 0.85), 0.25, 0.9, 0.1, 0.06),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """A cell on the fine grid: haematoxylin of the nucleus, and cover of its cytoplasm."""

    nucleus: FloatImage
    cytoplasm: FloatImage


def _distance_inside(rng: np.random.Generator, n: int, habit: Habit, *, diameter_um: float) -> FloatImage:
    """Signed distance (µm, positive inside) from the nucleus's outline on an n × n grid, roughly."""
    grid = (np.arange(n) - (n - 1) / 2) * FINE_UM
    xx, yy = np.meshgrid(grid, grid)
    best = np.full((n, n), -9.0)
    count = int(rng.integers(habit.lobes[0], habit.lobes[1] + 1))
    turn = rng.uniform(0, 2 * np.pi)
    for k in range(count):
        cx = cy = 0.0
        if count > 1:
            angle = turn + k * rng.uniform(1.2, 2.1)
            cx, cy = 0.5 * diameter_um * np.cos(angle) * 1.1, 0.5 * diameter_um * np.sin(angle) * 1.1
        stretch = np.sqrt(rng.uniform(*habit.elongation))
        tilt = rng.uniform(0, np.pi)
        u = ((xx - cx) * np.cos(tilt) + (yy - cy) * np.sin(tilt)) / stretch
        v = (-(xx - cx) * np.sin(tilt) + (yy - cy) * np.cos(tilt)) * stretch
        if habit.elongation[1] > 1.4 and habit.elongation[1] < 2.5:  # bean
            v = v + rng.uniform(0.02, 0.10) * u**2
        rho, theta = np.hypot(u, v), np.arctan2(v, u)
        radius = np.full_like(rho, 0.5 * diameter_um)
        for m in range(2, 7):
            radius += (
                0.5 * diameter_um * rng.normal(0, habit.irregular / m**0.5) * np.cos(m * theta + rng.uniform(0, 6.3))
            )
        best = np.maximum(best, radius - rho)
    return best.astype(np.float32)


@cache
def stamps_of(kind: CellKind) -> tuple[Stamp, ...]:
    """The same individuals in every section; a section differs in which it takes, how they lie and how they stain."""
    return tuple(make_stamp(stream(0, "stamp", kind, number), HABITS[kind]) for number in range(VARIANTS))


def make_stamp(rng: np.random.Generator, habit: Habit) -> Stamp:
    """One cell of a kind."""
    diameter = rng.uniform(*habit.nucleus_um)
    rim = rng.uniform(*habit.cytoplasm_um)
    reach = diameter * max(1.0, np.sqrt(habit.elongation[1])) * (1.9 if habit.lobes[1] > 1 else 1.0) + 2 * rim + 2.0
    n = int(np.ceil(reach / FINE_UM)) | 1
    inside = _distance_inside(rng, n, habit, diameter_um=diameter)
    cover = np.clip(inside / 0.6 + 0.5, 0, 1)
    chromatin = 1 + habit.clumps * field_noise(rng, (n, n), habit.clump_um / FINE_UM)
    chromatin += 0.4 * habit.clumps * field_noise(rng, (n, n), 2.0)
    pale = 1 - habit.paling * np.clip((inside - 0.7) / 1.2, 0, 1)
    membrane = habit.paling * 0.35 * np.exp(-(((inside - 0.35) / 0.45) ** 2))
    body = np.clip(chromatin, 0.3, 1.9) * pale + membrane
    for _ in range(rng.integers(0, habit.nucleoli + 1)):
        r, c = np.unravel_index(int(rng.choice(np.flatnonzero(inside.ravel() > 0.3 * inside.max()))), inside.shape)
        rr, cc = np.indices((n, n))
        body += 0.8 * np.exp(-(((rr - r) ** 2 + (cc - c) ** 2) * FINE_UM**2) / (2 * 0.5**2))
    stain = rng.uniform(*habit.stain) * 0.5
    cytoplasm = np.clip((inside + rim) / 0.7 + 0.3, 0, 1)
    edge = np.exp(-(((inside + rim) / 0.6) ** 2)) * 0.25
    texture = np.clip(1 + 0.3 * field_noise(rng, (n, n), 3.0), 0.3, 1.7)
    # the section is about 3 µm thick: cells lie above, in or below the plane of focus
    nucleus = cv2.GaussianBlur((cover * body).astype(np.float32), (0, 0), rng.uniform(0.05, 0.55) / FINE_UM)
    return Stamp((nucleus * stain).astype(np.float32), ((cytoplasm + edge) * texture).astype(np.float32))


def _spread(rng: np.random.Generator, points: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """Push points apart until few are nearer than the sum of their reaches."""
    for _ in range(7):
        tree = cKDTree(points)
        pairs = tree.query_pairs(2 * float(reach.max()), output_type="ndarray")
        if not len(pairs):
            break
        gap = points[pairs[:, 1]] - points[pairs[:, 0]]
        away = np.hypot(gap[:, 0], gap[:, 1])
        lack = reach[pairs[:, 0]] + reach[pairs[:, 1]] - away
        near = lack > 0
        move = gap[near] / np.maximum(away[near], 0.05)[:, None] * (0.45 * lack[near])[:, None]
        for column in (0, 1):
            points[:, column] -= np.bincount(pairs[near, 0], move[:, column], len(points))
            points[:, column] += np.bincount(pairs[near, 1], move[:, column], len(points))
    return points


def _kinds(rng: np.random.Generator, where: NDArray[np.intp], anatomy: Anatomy) -> NDArray[np.str_]:
    """A kind for each cell, from the mixture at its place; erythroid cells lie in islands."""
    shape = (anatomy.tissue.shape[0], anatomy.tissue.shape[1])
    island = field_noise(rng, shape, 30.0 / PLAN_UM)[where[0], where[1]]
    centre = field_noise(rng, shape, 80.0 / PLAN_UM)[where[0], where[1]]
    cll = rng.random(len(island)) < anatomy.mixture[where[0], where[1]]
    draw = rng.random(len(island))
    marrow = np.select(
        [island > 0.9, draw < 0.36, draw < 0.50, draw < 0.80, draw < 0.90, draw < 0.95],
        ["erythroid", "myeloid", "band", "segmented", "lymphocyte", "blast"],
        "stroma",
    )
    large = np.where(centre > 1.1, 0.35, 0.05)
    infiltrate = np.select([draw < large, draw > 0.975], ["prolymphocyte", "stroma"], "lymphocyte")
    kinds: NDArray[np.str_] = np.where(cll, infiltrate, marrow)
    return kinds


def paint_cells(layers: Absorbers, spec: PhantomSpec, anatomy: Anatomy, *, taken: Mask, blue: float) -> None:
    """Fill the marrow with cells, in place. `blue` scales the haematoxylin of every nucleus."""
    rng = stream(spec.seed, "cells")
    area = spec.width_um * spec.height_um
    loose = rng.uniform(0.92, 1.12)
    trial = rng.uniform([-5, -5], [spec.width_um + 5, spec.height_um + 5], (int(area / 30.0 / loose**2), 2))

    def places(points: NDArray[np.float64]) -> NDArray[np.intp]:
        index = np.floor(points[:, ::-1] / PLAN_UM).astype(np.intp).T
        return np.clip(index, 0, np.array(anatomy.tissue.shape)[:, None] - 1)

    kinds = _kinds(rng, places(trial), anatomy)
    small = np.isin(kinds, ["lymphocyte", "erythroid"])
    keep = small | (rng.random(len(kinds)) < 0.62)
    room = ~taken[tuple(places(trial))]
    trial, kinds, small = trial[keep & room], kinds[keep & room], small[keep & room]
    reach = np.where(small, 3.0, 4.2) * loose * np.exp(rng.normal(0, 0.12, len(trial)))
    points = _spread(rng, trial, reach)
    free = ~taken[tuple(places(points))]
    library = {str(kind): (habit, stamps_of(kind)) for kind, habit in HABITS.items()}
    strength = blue * np.exp(rng.normal(0, 0.16, len(points))) * np.where(rng.random(len(points)) < 0.14, 0.55, 1.0)
    pick, pose = rng.integers(0, VARIANTS, len(points)), rng.integers(0, 8, len(points))
    for i in np.flatnonzero(free):
        habit, stamps = library[str(kinds[i])]
        _put(layers, stamps[pick[i]], habit, at=points[i], pose=int(pose[i]), strength=float(strength[i]))


def _put(layers: Absorbers, stamp: Stamp, habit: Habit, *, at: NDArray[np.float64], pose: int, strength: float) -> None:
    def posed(image: FloatImage) -> FloatImage:
        turned = np.rot90(image, pose % 4)
        return turned[:, ::-1] if pose >= 4 else turned

    n = stamp.nucleus.shape[0]
    shape = layers.haematoxylin.shape
    r0, c0 = round(at[1] / FINE_UM - n / 2), round(at[0] / FINE_UM - n / 2)
    top, left = max(r0, 0), max(c0, 0)
    bottom, right = min(r0 + n, shape[0]), min(c0 + n, shape[1])
    if bottom <= top or right <= left:
        return
    own = (slice(top - r0, bottom - r0), slice(left - c0, right - c0))
    there = (slice(top, bottom), slice(left, right))
    cytoplasm = posed(stamp.cytoplasm)[own]
    blue = posed(stamp.nucleus)[own] * np.float32(strength) + cytoplasm * np.float32(habit.cytoplasm_blue)
    layer = layers.haematoxylin[there]
    layer[...] = np.maximum(layer, blue) + 0.22 * np.minimum(layer, blue)
    protein = layers.protein[there]
    np.maximum(protein, cytoplasm * np.float32(habit.cytoplasm_protein), out=protein)


def upsampled(mask: Mask, shape: tuple[int, int], *, soft_um: float) -> FloatImage:
    """A plan mask on the fine grid with smooth borders, 0 to 1."""
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(soft_um / PLAN_UM, 0.6))
    big = cv2.resize(soft, None, fx=PLAN_UM / FINE_UM, fy=PLAN_UM / FINE_UM, interpolation=cv2.INTER_LINEAR)
    big = big[: shape[0], : shape[1]]
    return np.asarray(np.clip((big - 0.5) * np.float32(1.6 * soft_um / FINE_UM) + 0.5, 0, 1), np.float32)
