"""What is asked of a phantom and what comes back: the specification, the placed objects, the truth."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from mvd.geometry import Raster, Rect, Ring

Difficulty = Literal["easy", "typical", "hard"]
Infiltrate = Literal["nodular", "interstitial", "diffuse"]

FINE_UM = 0.25
"""Grid on which a scene is painted, µm; about the resolution of a 0.75 NA objective (0.61 · 0.55 / 0.75 = 0.45 µm)
sampled nearly twice, so that a wall of 0.8 µm is three pixels thick."""

PLAN_UM = 1.0
"""Grid on which the scene is laid out (what lies where), µm."""

MAX_AREA_MM2 = 9.0
"""A scene is painted whole in memory: about 400 MB a mm²."""


class Kind(StrEnum):
    """What an object of the truth is."""

    CAPILLARY_CROSS = "capillary_cross"
    CAPILLARY_LONG = "capillary_long"
    SLANTED = "slanted"
    COLLAPSED = "collapsed"
    SINGLE_CELL_VESSEL = "single_cell_vessel"
    BRANCHED = "branched"
    SINUSOID = "sinusoid"
    LARGE_VESSEL = "large_vessel"
    PROGENITOR = "progenitor"
    MEGAKARYOCYTE = "megakaryocyte"
    PIGMENT_GOLDEN = "pigment_golden"
    PIGMENT_BLACK = "pigment_black"
    HAZE = "haze"
    BONE_EDGE = "bone_edge"
    RED_CELLS = "red_cells"


COUNTED = frozenset(
    {
        Kind.CAPILLARY_CROSS,
        Kind.CAPILLARY_LONG,
        Kind.SLANTED,
        Kind.COLLAPSED,
        Kind.SINGLE_CELL_VESSEL,
        Kind.BRANCHED,
        Kind.SINUSOID,
    }
)
"""The kinds that are one microvessel each under the Kini-style rule."""

ENDOTHELIAL = COUNTED | {Kind.LARGE_VESSEL}
"""The kinds whose stain is vessel wall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An object put at a given place instead of by chance.

    `size_um` is the outer diameter of round kinds and the length of long ones; None draws it.
    `breaks` is the number of unstained gaps in the wall (2 to 7 µm each); None draws it.
    """

    kind: Kind | str
    x_um: float
    y_um: float
    angle_deg: float = 0.0
    size_um: float | None = None
    breaks: int | None = None
    variant: int = 0
    """Another individual of the same kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomSpec:
    """One simulated section. What is None is drawn from the seed, by difficulty.

    Each quantity has its own random stream: giving one leaves all others as they were. The scene (truth in µm) depends
    on neither `um_per_px` nor the values of the second group.
    """

    seed: int = 1
    width_um: float = 500.0
    height_um: float = 500.0
    difficulty: Difficulty = "typical"
    vessel_density_per_mm2: float | None = None
    """Counted vessels per mm² of marrow (tissue without bone; fat is marrow). CLL: 16 to 160 (Ferrajoli 2008)."""
    cll_fraction: float | None = None
    """Part of the marrow that is infiltrated."""
    infiltrate: Infiltrate | None = None
    fat_fraction: float | None = None
    bone_fraction: float | None = None
    confounders: float = 1.0
    """Multiplies the density of every kind that does not count; 0 is none."""
    red_cells_per_mm2: float = 0.0
    """Groups of red cells outside vessels whose own peroxidase has turned brown, per mm² of marrow; a stain whose
    peroxidase was blocked has none."""
    tissue_edge: bool | None = None
    """Whether the section's edge crosses the picture."""
    objects: tuple[Placed, ...] = ()
    """Objects at given places, besides those drawn."""
    folds: int = 0
    """Bands in which the section lies in two or three layers; a vessel in one does not count."""

    um_per_px: float = 0.5
    stain_strength: float | None = None
    """Multiplies the optical density of DAB; 1 is a well-stained wall of about 0.8."""
    brightness: float | None = None
    """Grey level of empty glass over 255."""
    blur_um: float | None = None
    """Sigma of the Gaussian point-spread function."""
    jpeg_quality: int | None = None
    soft_parts: int = 0
    """Parts of about 0.03 mm² that are out of focus."""
    soft_um: float = 3.0
    """Sigma of the blur that the lost focus adds there."""

    def __post_init__(self) -> None:
        if not (self.width_um >= 20 and self.height_um >= 20):
            raise ValueError(f"a phantom is at least 20 µm wide and high, not {self.width_um:g} × {self.height_um:g}")
        if self.width_um * self.height_um / 1e6 > MAX_AREA_MM2:
            raise ValueError(f"a phantom is at most {MAX_AREA_MM2:g} mm²; make several")
        if not 0.1 <= self.um_per_px <= 2.0:
            raise ValueError(f"um_per_px is {self.um_per_px:g}; expected 0.1 to 2")
        if self.difficulty not in ("easy", "typical", "hard"):
            raise ValueError(f"difficulty is {self.difficulty!r}; expected 'easy', 'typical' or 'hard'")

    @property
    def rect(self) -> Rect:
        return Rect(0.0, 0.0, self.width_um, self.height_um)


@dataclass(frozen=True, slots=True, eq=False)
class TruthVessel:
    """One object of the scene and whether it counts."""

    name: str
    kind: Kind
    counts: bool
    outline: Ring
    """(n, 2) µm, outer boundary; gaps in the wall are closed and the lumen is inside."""
    x_um: float
    y_um: float
    """Reference point: the centroid of the outline's area."""
    stained_um2: float
    """Area of the object's DAB, gaps and lumen left out; 0 for objects without DAB."""
    lumen_width_um: float
    """Diameter of the largest circle inside the lumen."""
    in_cll: bool
    """Whether the reference point lies in infiltrated marrow."""

    @property
    def bounds(self) -> Rect:
        (x0, y0), (x1, y1) = self.outline.min(axis=0), self.outline.max(axis=0)
        return Rect(float(x0), float(y0), float(x1), float(y1))


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A simulated section and everything that is true of it."""

    spec: PhantomSpec
    image: Raster
    """uint8 RGB."""
    truth: tuple[TruthVessel, ...]
    involved: tuple[Ring, ...]
    """Outlines (µm) of infiltrated marrow."""
    bone: Raster
    fat: Raster
    tissue: Raster
    """bool; False is empty glass beyond the section's edge."""
    dab: Raster
    """float32, log10 optical density along the unit DAB vector, before optics."""
    walls: Raster
    """bool; stained vessel wall, before optics."""
    fold: Raster
    """bool; where the section lies in more than one layer."""
    lost_focus: Raster
    """float32; sigma (µm) of the blur that lost focus adds to the optics' own."""
    jpeg_quality: int

    @property
    def vessels(self) -> tuple[TruthVessel, ...]:
        """The objects that count."""
        return tuple(v for v in self.truth if v.counts)


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """A random stream of its own for each named part of a scene, the same on every machine."""
    words = [zlib.crc32(n.encode()) if isinstance(n, str) else n for n in names]
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))
