"""Which objects a section holds and where each finds room, clear of its neighbours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from mvd.geometry import Mask
from mvd.phantom import confounders, endothelium
from mvd.phantom.anatomy import MARGIN_UM, Anatomy
from mvd.phantom.endothelium import Ask, WallStyle
from mvd.phantom.paint import Patch, extent_of
from mvd.phantom.sketch import STEP_UM, Sketch, even
from mvd.phantom.spec import COUNTED, FINE_UM, PLAN_UM, Kind, PhantomSpec, Placed, stream

Maker = Callable[[np.random.Generator, WallStyle, Ask], Sketch]

MAKERS: dict[Kind, Maker] = {
    Kind.CAPILLARY_CROSS: endothelium.capillary_cross,
    Kind.CAPILLARY_LONG: endothelium.capillary_long,
    Kind.SLANTED: endothelium.slanted,
    Kind.COLLAPSED: endothelium.collapsed,
    Kind.SINGLE_CELL_VESSEL: endothelium.single_cell_vessel,
    Kind.BRANCHED: endothelium.branched,
    Kind.SINUSOID: endothelium.sinusoid,
    Kind.LARGE_VESSEL: endothelium.large_vessel,
    Kind.PROGENITOR: confounders.progenitor,
    Kind.MEGAKARYOCYTE: confounders.megakaryocyte,
    Kind.PIGMENT_GOLDEN: confounders.pigment_golden,
    Kind.PIGMENT_BLACK: confounders.pigment_black,
    Kind.HAZE: confounders.haze,
    Kind.BONE_EDGE: confounders.bone_edge,
    Kind.RED_CELLS: confounders.red_cells,
}

# Mean share of each counted kind; each specimen draws its own around these.
VESSEL_MIX = {
    Kind.CAPILLARY_CROSS: 0.30,
    Kind.SLANTED: 0.17,
    Kind.CAPILLARY_LONG: 0.15,
    Kind.COLLAPSED: 0.14,
    Kind.SINGLE_CELL_VESSEL: 0.10,
    Kind.SINUSOID: 0.09,
    Kind.BRANCHED: 0.05,
}

# Objects that do not count, per mm² of marrow: easy, typical, hard.
CONFOUNDERS_PER_MM2 = {
    Kind.LARGE_VESSEL: (0.6, 1.0, 1.5),
    Kind.PROGENITOR: (5.0, 16.0, 40.0),
    Kind.MEGAKARYOCYTE: (5.0, 7.0, 8.0),
    Kind.PIGMENT_GOLDEN: (2.0, 7.0, 16.0),
    Kind.PIGMENT_BLACK: (1.5, 5.0, 12.0),
    Kind.HAZE: (0.5, 3.0, 9.0),
    Kind.BONE_EDGE: (0.5, 2.0, 4.0),
}

GAP_UM = {"easy": 16.0, "typical": 12.5, "hard": 10.5}
"""Least distance between separate objects; above the join distance of the rule (8 µm)."""

LEAST_WALL_UM2 = 30.0
WIDEST_LUMEN_UM = 42.0
"""Vessels that count keep this far from the rule's limits of 20 µm² of stain and 50 µm of lumen."""

ACROSS = tuple(np.array([np.cos(a), np.sin(a)]) for a in np.arange(12) * np.pi / 12)
"""Directions in which the width of a lumen is taken."""

BONE_CLEARANCE_UM = 9.0
"""Counted vessels keep this far from bone; the rule rejects stain within 5 µm of it."""


PLACED_NUMBER = 1_000_000
"""Numbers of objects put at given places start here: they leave the random streams of the others alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """An object at its place."""

    kind: Kind
    sketch: Sketch
    number: int


def place_objects(spec: PhantomSpec, anatomy: Anatomy, style: WallStyle) -> tuple[list[Item], Ground]:
    """Objects that were asked for, then counted vessels, then the others; each clear of those before it."""
    ground = Ground(spec, anatomy)
    items: list[Item] = []
    for number, placed in enumerate(spec.objects, start=PLACED_NUMBER):
        sketch = _placed_sketch(spec, placed, style)
        items.append(Item(Kind(placed.kind), sketch, number))
        ground.take(sketch)
    for number, kind in enumerate(_queue(spec, anatomy)):
        found = ground.find_place(kind, style, number)
        if found is not None:
            items.append(Item(kind, found, number))
            ground.take(found)
    return items, ground


def _queue(spec: PhantomSpec, anatomy: Anatomy) -> list[Kind]:
    """The objects of a section in the order in which they look for room: the largest find none later."""
    marrow_mm2 = float(np.count_nonzero(anatomy.marrow)) * PLAN_UM**2 / 1e6
    rng = stream(spec.seed, "density")
    drawn = float(rng.uniform(25.0, 140.0))
    density = drawn if spec.vessel_density_per_mm2 is None else spec.vessel_density_per_mm2
    wanted = round(density * marrow_mm2)
    shares = rng.dirichlet(12 * np.array(list(VESSEL_MIX.values())))
    kinds = [Kind(k) for k in rng.choice(np.array([str(k) for k in VESSEL_MIX]), max(wanted, 2000), p=shares)[:wanted]]
    vessels = sorted(kinds, key=lambda k: k not in (Kind.BRANCHED, Kind.CAPILLARY_LONG, Kind.SINUSOID))
    level = ("easy", "typical", "hard").index(spec.difficulty)
    others: list[Kind] = []
    per_mm2 = {kind: rates[level] * spec.confounders for kind, rates in CONFOUNDERS_PER_MM2.items()}
    for kind, rate in (per_mm2 | {Kind.RED_CELLS: spec.red_cells_per_mm2}).items():
        others += [kind] * int(stream(spec.seed, "number", str(kind)).poisson(rate * marrow_mm2))
    large = [k for k in others if k is Kind.LARGE_VESSEL]
    return large + vessels + [k for k in others if k is not Kind.LARGE_VESSEL]


def _placed_sketch(spec: PhantomSpec, placed: Placed, style: WallStyle) -> Sketch:
    rng = stream(spec.seed, "placed", str(placed.kind), placed.variant)
    sketch = MAKERS[Kind(placed.kind)](rng, style, Ask(placed.size_um, placed.breaks))
    return sketch.moved(placed.x_um, placed.y_um, float(np.radians(placed.angle_deg)))


def _clear_case(sketch: Sketch, kind: Kind) -> bool:
    """Whether a vessel that counts is not near a limit of the rule: stained area 20 µm², lumen 50 µm."""
    if kind not in COUNTED:
        return True
    area = sum(float(np.sum(2 * s.radius_um[s.amount > 0])) * STEP_UM for s in sketch.strokes)
    narrowest = [min(float(np.ptp(ring @ across)) for across in ACROSS) for ring in sketch.lumens]
    return area >= LEAST_WALL_UM2 and max(narrowest, default=0.0) <= WIDEST_LUMEN_UM


class Ground:
    """What is already taken on the plan grid; grows while objects are placed."""

    def __init__(self, spec: PhantomSpec, anatomy: Anatomy) -> None:
        self.spec = spec
        self.anatomy = anatomy
        self.gap_um = GAP_UM[spec.difficulty]
        self.near = np.zeros(anatomy.tissue.shape, bool)
        self.occupied = np.zeros(anatomy.tissue.shape, bool)
        self.cell_free = np.zeros(anatomy.tissue.shape, bool)
        near_bone = cv2.distanceTransform((~anatomy.bone).astype(np.uint8), cv2.DIST_L2, 5) * PLAN_UM
        inside = cv2.distanceTransform(np.pad(anatomy.tissue, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1] * PLAN_UM
        self.allowed = (near_bone >= BONE_CLEARANCE_UM) & (inside >= MARGIN_UM + 1)

    def shadow(self, sketch: Sketch, *, gap_um: float) -> tuple[slice, slice, Mask] | None:
        """The object's extent grown by a gap, on the plan grid."""
        fine = (round(self.spec.height_um / FINE_UM), round(self.spec.width_um / FINE_UM))
        patch = Patch.around(sketch.points(), fine, reach_um=gap_um + 3 * PLAN_UM)
        if patch is None:
            return None
        extent = extent_of(patch, sketch)
        step = round(PLAN_UM / FINE_UM)
        r0, c0 = patch.rows.start // step, patch.columns.start // step
        r1 = min(-(-patch.rows.stop // step), len(self.near))
        c1 = min(-(-patch.columns.stop // step), len(self.near[0]))
        coarse = np.zeros((r1 - r0, c1 - c0), np.uint8)
        rows, columns = np.nonzero(extent)
        rows, columns = (rows + patch.rows.start) // step - r0, (columns + patch.columns.start) // step - c0
        keep = (rows < r1 - r0) & (columns < c1 - c0)
        coarse[rows[keep], columns[keep]] = 1
        if gap_um > 0:
            away = cv2.distanceTransform(1 - coarse, cv2.DIST_L2, 5) * PLAN_UM
            return slice(r0, r1), slice(c0, c1), away <= gap_um
        return slice(r0, r1), slice(c0, c1), coarse.astype(bool)

    def take(self, sketch: Sketch) -> None:
        around = self.shadow(sketch, gap_um=self.gap_um)
        own = self.shadow(sketch, gap_um=0.0)
        if around is None or own is None:
            return
        self.near[around[0], around[1]] |= around[2]
        self.occupied[own[0], own[1]] |= own[2]
        if sketch.bed > 0:  # haze and precipitate lie over cells
            self.cell_free[own[0], own[1]] |= own[2]

    def find_place(self, kind: Kind, style: WallStyle, number: int) -> Sketch | None:
        """A free place, or None after 120 tries."""
        rng = stream(self.spec.seed, "object", str(kind), number)
        for _ in range(10):
            individual = MAKERS[kind](rng, style, Ask())
            if not _clear_case(individual, kind):
                continue
            for _ in range(12):
                sketch = self._along_bone(rng) if kind is Kind.BONE_EDGE else self._thrown(individual, rng)
                if sketch is not None and self._fits(sketch, kind):
                    return sketch
        return None

    def _thrown(self, individual: Sketch, rng: np.random.Generator) -> Sketch:
        x, y = rng.uniform([0.0, 0.0], [self.spec.width_um, self.spec.height_um])
        return individual.moved(float(x), float(y), float(rng.uniform(0, 2 * np.pi)))

    def _fits(self, sketch: Sketch, kind: Kind) -> bool:
        points = sketch.points()
        low, high = points.min(axis=0), points.max(axis=0)
        if (low < MARGIN_UM).any() or (high > [self.spec.width_um - MARGIN_UM, self.spec.height_um - MARGIN_UM]).any():
            return False
        index = np.floor(points[:, ::-1] / PLAN_UM).astype(int)
        at = (index[:, 0], index[:, 1])
        anywhere = kind is Kind.BONE_EDGE
        if self.near[at].any() or not (anywhere or self.allowed[at].all()):  # spares most of the rasterising
            return False
        own = self.shadow(sketch, gap_um=0.0)
        if own is None or self.near[own[0], own[1]][own[2]].any():
            return False
        return anywhere or bool(self.allowed[own[0], own[1]][own[2]].all())

    def _along_bone(self, rng: np.random.Generator) -> Sketch | None:
        contours, _ = cv2.findContours(self.anatomy.bone.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        long = [c[:, 0, :] for c in contours if len(c) > 80]
        if not long:
            return None
        contour = (long[int(rng.integers(0, len(long)))] + 0.5) * PLAN_UM
        length = min(int(rng.uniform(25, 90) / PLAN_UM), len(contour) - 2)
        start = int(rng.integers(0, len(contour) - length))
        part = contour[start : start + length].astype(np.float64)
        window = np.ones(9) / 9
        smooth = np.stack([np.convolve(part[:, axis], window, mode="valid") for axis in (0, 1)], axis=1)
        return confounders.edge_line(rng, even(smooth, closed=False))
