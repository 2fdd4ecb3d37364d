"""Small scenes around one object or a few: for the documentation and for tests of joining and rejection."""

from __future__ import annotations

from dataclasses import replace

from mvd.phantom.scene import make_phantom
from mvd.phantom.spec import Kind, Phantom, PhantomSpec, Placed

DEFAULT_SIDE_UM = {
    Kind.CAPILLARY_LONG: 120.0,
    Kind.BRANCHED: 140.0,
    Kind.SINUSOID: 120.0,
    Kind.LARGE_VESSEL: 200.0,
    Kind.MEGAKARYOCYTE: 90.0,
    Kind.HAZE: 120.0,
}
"""Side of the square scene; 60 µm for the kinds that are not here."""


def empty_marrow(side_um: float, *, seed: int = 1, um_per_px: float = 0.25) -> PhantomSpec:
    """Specification of infiltrated marrow without any vessel, confounder, fat or bone; add `objects` to it."""
    return PhantomSpec(
        seed=seed, width_um=side_um, height_um=side_um, um_per_px=um_per_px, difficulty="easy",
        vessel_density_per_mm2=0.0, confounders=0.0, fat_fraction=0.0, bone_fraction=0.0, tissue_edge=False,
        infiltrate="diffuse", cll_fraction=1.0, stain_strength=1.1, brightness=0.95, blur_um=0.3,
    )  # fmt: skip


def scene_of(*objects: Placed, side_um: float = 100.0, seed: int = 1, um_per_px: float = 0.25) -> Phantom:
    """Marrow that holds exactly the given objects."""
    return make_phantom(replace(empty_marrow(side_um, seed=seed, um_per_px=um_per_px), objects=objects))


def example(kind: Kind | str, *, seed: int = 1, um_per_px: float = 0.25, breaks: int | None = None) -> Phantom:
    """One object of a kind in the middle of a small scene."""
    side = DEFAULT_SIDE_UM.get(Kind(kind), 60.0)
    placed = Placed(kind=kind, x_um=side / 2, y_um=side / 2, angle_deg=37.0 * seed, breaks=breaks, variant=seed)
    return scene_of(placed, side_um=side, seed=seed, um_per_px=um_per_px)
