"""One simulated section: lay out, place objects, paint, take the picture, keep the truth."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from mvd.geometry import Mask, Raster, Ring
from mvd.phantom.anatomy import Anatomy, field_noise, involved_rings, lay_out, simple_ring, with_fat
from mvd.phantom.artefacts import fold_section, folded, lay_folds, lost_focus
from mvd.phantom.cells import paint_cells
from mvd.phantom.endothelium import WallStyle
from mvd.phantom.optics import Look, draw_look, resample, take_picture
from mvd.phantom.paint import Absorbers, Painted, paint
from mvd.phantom.placing import Item, place_objects
from mvd.phantom.spec import COUNTED, ENDOTHELIAL, FINE_UM, PLAN_UM, Phantom, PhantomSpec, TruthVessel, stream
from mvd.phantom.stroma import paint_bone, paint_edges, paint_fat, paint_ground

CRACK_CLEARANCE_UM = 8.0
"""Shrinkage cracks keep this far from vessels, fat and bone."""

OUTLINE_TOLERANCE_UM = 0.3
"""Outlines of the truth follow the painted object to this distance."""


def make_phantom(spec: PhantomSpec) -> Phantom:
    """A simulated section with its truth; the same specification gives the same bytes on any machine.

    Takes about 8 s and 0.5 GB a mm² on one core.
    """
    anatomy = lay_out(spec)
    style = draw_style(spec)
    items, ground = place_objects(spec, anatomy, style)
    anatomy = with_fat(spec, anatomy, ground.occupied)
    look = draw_look(spec)
    layers = Absorbers.empty(_fine_shape(spec))
    paint_ground(layers, spec)
    closed = ground.cell_free | anatomy.fat | anatomy.bone | ~anatomy.tissue
    paint_cells(layers, spec, anatomy, taken=closed, blue=look.blue)
    paint_fat(layers, spec, anatomy)
    paint_bone(layers, spec, anatomy)
    truth, walls = _paint_objects(layers, spec, items, anatomy=anatomy)
    paint_edges(layers, spec, anatomy, taken=grown(ground.occupied | anatomy.fat | anatomy.bone, CRACK_CLEARANCE_UM))
    _stain_brown(layers, spec, look, anatomy)
    fold_section(layers, lay_folds(spec, anatomy))
    return _develop(spec, anatomy, look, layers=layers, walls=walls, truth=truth)


def truth_of(spec: PhantomSpec) -> tuple[TruthVessel, ...]:
    """The truth of `make_phantom(spec)` without its picture, about ten times faster."""
    anatomy = lay_out(spec)
    items, _ = place_objects(spec, anatomy, draw_style(spec))
    return _paint_objects(Absorbers.empty(_fine_shape(spec)), spec, items, anatomy=anatomy)[0]


def _fine_shape(spec: PhantomSpec) -> tuple[int, int]:
    return int(np.ceil(spec.height_um / FINE_UM)), int(np.ceil(spec.width_um / FINE_UM))


def _paint_objects(
    layers: Absorbers, spec: PhantomSpec, items: list[Item], *, anatomy: Anatomy
) -> tuple[tuple[TruthVessel, ...], Mask]:
    """Paint every object in place; the truth and the stained walls on the fine grid."""
    walls = np.zeros(layers.dab.shape, bool)
    fold = folded(spec, anatomy)
    truth: list[TruthVessel] = []
    for item in items:
        painted = paint(layers, item.sketch, stream(spec.seed, "paint", str(item.kind), item.number))
        if painted is None:
            continue
        if item.kind in ENDOTHELIAL:
            walls[painted.patch.rows, painted.patch.columns] |= painted.stained
        truth.append(_truth(item, painted, anatomy, fold=fold, number=len(truth) + 1))
    return tuple(truth), walls


def draw_style(spec: PhantomSpec) -> WallStyle:
    """How this specimen's endothelium stains."""
    rng = stream(spec.seed, "style")
    hard, easy = spec.difficulty == "hard", spec.difficulty == "easy"
    return WallStyle(
        thickness_um=rng.uniform(1.0, 1.8) if hard else rng.uniform(1.3, 2.2),
        patchiness=rng.uniform(0.3, 0.5) if hard else rng.uniform(0.1, 0.25) if easy else rng.uniform(0.15, 0.4),
        break_rate_per_um=rng.uniform(0.015, 0.03) if hard else 0.004 if easy else rng.uniform(0.006, 0.02),
        lumen_fraction=rng.uniform(0.35, 0.85),
        nucleus_spacing_um=rng.uniform(18.0, 34.0),
        red_cells=rng.uniform(0.1, 0.6),
    )


def _develop(
    spec: PhantomSpec, anatomy: Anatomy, look: Look, *, layers: Absorbers, walls: Mask, truth: tuple[TruthVessel, ...]
) -> Phantom:
    """The picture and the maps on its grid."""

    def raster(pixels: NDArray[np.float32] | NDArray[np.bool_] | NDArray[np.uint8]) -> Raster:
        return Raster(pixels, 0.0, 0.0, spec.um_per_px)

    lost = lost_focus(spec, anatomy)
    image = raster(take_picture(layers, spec, look, lost=lost))
    rows, columns = image.pixels.shape[:2]
    at_row = np.minimum(((np.arange(rows) + 0.5) * spec.um_per_px / PLAN_UM).astype(int), anatomy.tissue.shape[0] - 1)
    at_column = np.minimum(
        ((np.arange(columns) + 0.5) * spec.um_per_px / PLAN_UM).astype(int), anatomy.tissue.shape[1] - 1
    )
    grid = np.ix_(at_row, at_column)
    return Phantom(
        spec, image, truth, involved_rings(anatomy),
        bone=raster(anatomy.bone[grid]), fat=raster(anatomy.fat[grid]), tissue=raster(anatomy.tissue[grid]),
        dab=raster(resample(layers.dab, spec)), walls=raster(resample(walls.astype(np.float32), spec) >= 0.5),
        fold=raster(folded(spec, anatomy)[grid]), lost_focus=raster(lost[grid]),
        jpeg_quality=look.jpeg_quality,
    )  # fmt: skip


def _stain_brown(layers: Absorbers, spec: PhantomSpec, look: Look, anatomy: Anatomy) -> None:
    """Strength and unevenness of the DAB, and its background over tissue, in place."""
    rng = stream(spec.seed, "brown")
    shape = (layers.dab.shape[0], layers.dab.shape[1])
    uneven = np.exp(np.float32(look.heterogeneity) * np.clip(field_noise(rng, shape, 140 / FINE_UM), -1.8, 1.8))
    layers.dab[...] *= uneven * np.float32(look.strength)
    # unspecific brown clings to tissue, less to empty lumens and fat
    layers.dab[...] += np.float32(look.haze_od) * uneven * np.clip((layers.protein + layers.haematoxylin) / 0.1, 0, 1.5)


def _truth(item: Item, painted: Painted, anatomy: Anatomy, *, fold: Mask, number: int) -> TruthVessel:
    origin = np.array([painted.patch.x0_um, painted.patch.y0_um])
    extent = painted.extent | painted.stained if item.kind in ENDOTHELIAL else painted.extent
    outline = _outline(extent) + origin
    moments = cv2.moments(extent.astype(np.uint8), True)
    x = (moments["m10"] / moments["m00"] + 0.5) * FINE_UM + origin[0]
    y = (moments["m01"] / moments["m00"] + 0.5) * FINE_UM + origin[1]
    depth = cv2.distanceTransform(np.pad(painted.lumen.astype(np.uint8), 1), cv2.DIST_L2, 5)
    row = min(max(int(y / PLAN_UM), 0), anatomy.cll.shape[0] - 1)
    column = min(max(int(x / PLAN_UM), 0), anatomy.cll.shape[1] - 1)
    return TruthVessel(
        name=f"t{number:04d}",
        kind=item.kind,
        counts=item.kind in COUNTED and not fold[row, column],
        outline=outline,
        x_um=float(x),
        y_um=float(y),
        stained_um2=float(np.count_nonzero(painted.stained)) * FINE_UM**2,
        lumen_width_um=2 * float(depth.max()) * FINE_UM,
        in_cll=bool(anatomy.cll[row, column]),
    )


def _outline(extent: Mask) -> Ring:
    """Outer boundary (µm) of the largest part of a fine mask; a valid polygon."""
    twice = np.pad(extent.astype(np.uint8), 1).repeat(2, axis=0).repeat(2, axis=1)  # the contour runs near pixel edges
    contours, _ = cv2.findContours(twice, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea)
    for tolerance in (2 * OUTLINE_TOLERANCE_UM / FINE_UM, 1.0, 0.0):
        ring: Ring = (cv2.approxPolyDP(contour, tolerance, True)[:, 0, :].astype(np.float64) - 1.5) * (FINE_UM / 2)
        if len(ring) >= 3 and Polygon(ring).is_valid:
            break
    return simple_ring(ring)


def grown(mask: Mask, by_um: float) -> Mask:
    """A plan mask grown by a distance."""
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) * PLAN_UM
    near: Mask = away <= by_um
    return near
