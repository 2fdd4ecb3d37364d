"""An object as geometry in µm, before it is painted: strokes of wall, lumens, nuclei, fills and specks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Ring

STEP_UM = 0.4
"""Distance between points of a path."""

Floats = NDArray[np.float64]
Absorber = Literal["dab", "haematoxylin", "protein", "golden", "black"]


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """Wall along a path, with its thickness and stain at each point; amount 0 is an unstained gap."""

    path: Ring
    radius_um: Floats
    amount: Floats
    closed: bool = False
    enters_outline: bool = True


@dataclass(frozen=True, slots=True)
class Nucleus:
    """An endothelial, stromal or progenitor nucleus; `stain` multiplies the specimen's haematoxylin."""

    x_um: float
    y_um: float
    length_um: float
    width_um: float
    angle: float
    stain: float = 1.0
    wrap: float = 0.0
    """DAB of the thin cytoplasm around it, 0 for none."""
    lumpy: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Fill:
    """An area filled with one absorber."""

    ring: Ring
    amount: float
    soft_um: float
    absorber: Absorber = "dab"
    grain: float = 0.3
    enters_outline: bool = False


@dataclass(frozen=True, slots=True)
class Speck:
    """A round particle: pigment granule or red cell."""

    x_um: float
    y_um: float
    radius_um: float
    amount: float
    absorber: Absorber


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """One object around its own origin."""

    strokes: tuple[Stroke, ...] = ()
    lumens: tuple[Ring, ...] = ()
    nuclei: tuple[Nucleus, ...] = ()
    fills: tuple[Fill, ...] = ()
    specks: tuple[Speck, ...] = ()
    clearing: float = 0.9
    """How far the lumen is free of stain; plasma and cells in it lower this."""
    outline: Ring | None = None
    """Outer boundary where strokes and lumens do not give it."""
    soft_um: float = 0.0
    """Extra blur of the specks (particles above the plane of focus)."""
    bed: float = 0.85
    """How far marrow cells under the object are wiped out."""
    tags: tuple[str, ...] = field(default=())

    def moved(self, x_um: float, y_um: float, angle: float) -> Sketch:
        """The object turned by `angle` (radians, clockwise on screen) about its origin and put at (x, y)."""
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        offset = np.array([x_um, y_um])

        def move(points: Ring) -> Ring:
            moved: Ring = points @ turn + offset
            return moved

        def spot(x: float, y: float) -> tuple[float, float]:
            px, py = move(np.array([[x, y]]))[0]
            return float(px), float(py)

        return replace(
            self,
            strokes=tuple(replace(s, path=move(s.path)) for s in self.strokes),
            lumens=tuple(move(ring) for ring in self.lumens),
            nuclei=tuple(
                replace(n, x_um=p[0], y_um=p[1], angle=n.angle + angle)
                for n in self.nuclei
                for p in [spot(n.x_um, n.y_um)]
            ),
            fills=tuple(replace(f, ring=move(f.ring)) for f in self.fills),
            specks=tuple(replace(s, x_um=p[0], y_um=p[1]) for s in self.specks for p in [spot(s.x_um, s.y_um)]),
            outline=None if self.outline is None else move(self.outline),
        )

    def points(self) -> Ring:
        """Every point that the object reaches, for its bounding box."""
        parts = [s.path for s in self.strokes] + list(self.lumens) + [f.ring for f in self.fills]
        parts += [np.array([[s.x_um, s.y_um]]) for s in self.specks]
        parts += [np.array([[n.x_um, n.y_um]]) for n in self.nuclei]
        if self.outline is not None:
            parts.append(self.outline)
        return np.concatenate(parts)


def smooth_noise(rng: np.random.Generator, n: int, scale: float, *, closed: bool = False) -> Floats:
    """`n` samples of unit-variance noise that varies over `scale` samples; periodic where closed."""
    knots = max(3, round(n / max(scale, 1.0)))
    values = rng.standard_normal(knots)
    if closed:
        at = np.arange(n) * knots / n
        low = np.floor(at).astype(int)
        part = at - low
        blend = part * part * (3 - 2 * part)
        noise: Floats = values[low % knots] * (1 - blend) + values[(low + 1) % knots] * blend
        return noise
    at = np.linspace(0, knots - 1, n)
    low = np.minimum(np.floor(at).astype(int), knots - 2)
    part = at - low
    blend = part * part * (3 - 2 * part)
    open_noise: Floats = values[low] * (1 - blend) + values[low + 1] * blend
    return open_noise


def ring(rng: np.random.Generator, length_um: float, width_um: float, *, irregular: float = 0.1) -> Ring:
    """A closed irregular oval with its long axis along x; `irregular` is the spread of its radius."""
    around = np.pi * (
        3 * (length_um + width_um) / 2 - np.sqrt((3 * length_um + width_um) * (length_um + 3 * width_um)) / 2
    )
    n = max(16, round(around / STEP_UM))
    theta = np.arange(n) * 2 * np.pi / n
    bump = np.zeros(n)
    for k in range(2, 6):
        bump += rng.normal(0, irregular / k**0.8) * np.cos(k * theta + rng.uniform(0, 2 * np.pi))
    shape = np.clip(1 + bump, 0.55, 1.5)
    oval = np.stack([length_um / 2 * np.cos(theta) * shape, width_um / 2 * np.sin(theta) * shape], axis=1)
    return even(oval, closed=True)


def curve(rng: np.random.Generator, length_um: float, *, bend: float = 0.5) -> Ring:
    """An open winding path centred on the origin with its chord along x; `bend` is the spread of its heading (rad)."""
    n = max(6, round(length_um / STEP_UM))
    heading = bend * smooth_noise(rng, n, 18.0 / STEP_UM)
    path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1) * STEP_UM, axis=0)
    chord = path[-1] - path[0]
    turn = np.arctan2(chord[1], chord[0])
    back = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    straight: Ring = (path - path.mean(axis=0)) @ back
    return straight


def even(path: Ring, *, closed: bool) -> Ring:
    """The same path with points every STEP_UM."""
    points = np.concatenate([path, path[:1]]) if closed else path
    steps = np.hypot(*np.diff(points, axis=0).T)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    n = max(4, round(at[-1] / STEP_UM))
    where = np.arange(n) * at[-1] / n if closed else np.linspace(0, at[-1], n)
    return np.stack([np.interp(where, at, points[:, 0]), np.interp(where, at, points[:, 1])], axis=1)


def normals(path: Ring, *, closed: bool) -> Ring:
    """Unit normals, to the right of the direction of travel on screen (inwards for rings made by `ring`)."""
    tangent = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0) if closed else np.gradient(path, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1])[:, None], 1e-9)
    return np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
