"""Sketches of the vessels that count, and of large ones: what CD34 shows of an endothelial tube cut at chance.

Sizes follow histology texts: capillaries 5 to 10 µm wide, marrow sinusoids 15 to 60 µm, an endothelial cell 0.2 to 1 µm
thick and 20 to 40 µm long with a flat nucleus of about 10 × 3 µm that bulges into the lumen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvd.geometry import Ring
from mvd.phantom.sketch import (
    STEP_UM,
    Fill,
    Floats,
    Nucleus,
    Sketch,
    Speck,
    Stroke,
    curve,
    normals,
    ring,
    smooth_noise,
)

MAX_BREAK_UM = 7.0
"""Longest unstained gap in one wall; below the join distance of the counting rule (8 µm)."""


FILM_UM = 15.0
"""A section 3 to 4 µm thick shows the wall from its face only in vessels narrower than about this."""


@dataclass(frozen=True, slots=True)
class WallStyle:
    """How a specimen's endothelium stains."""

    thickness_um: float
    patchiness: float
    """Spread of the stain along the wall."""
    break_rate_per_um: float
    lumen_fraction: float
    """Part of the vessels whose lumen is open."""
    nucleus_spacing_um: float
    red_cells: float
    """Part of the open lumens that hold red cells."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What may be given of one object; None is drawn."""

    size_um: float | None = None
    breaks: int | None = None


def _breaks(rng: np.random.Generator, n: int, count: int, *, closed: bool) -> Floats:
    """1 where the wall is stained, 0 in `count` gaps that keep clear of each other (fewer where there is no room)."""
    stained = np.ones(n)
    keep = round(3.0 / STEP_UM)
    left = count
    for _ in range(count * 20):
        width = max(3, min(round(rng.uniform(3.5, MAX_BREAK_UM) / STEP_UM), n // 6))
        start = int(rng.integers(0, n if closed else max(1, n - width - 2 * keep)))
        span = np.arange(start, start + width + 2 * keep) % n
        if left and span.size < n and stained[span].all():
            stained[span[keep:-keep]] = 0.0
            left -= 1
    return stained


def _wall_nuclei(
    rng: np.random.Generator, path: Ring, stained: Floats, *, style: WallStyle, closed: bool, side: float
) -> tuple[tuple[Nucleus, ...], Floats]:
    """Endothelial nuclei where the wall is stained, and by how much (µm) each makes the wall bulge."""
    n = len(path)
    length = n * STEP_UM
    normal = normals(path, closed=closed)
    wanted = min(int(rng.poisson(length / style.nucleus_spacing_um)), max(1, int(length / 18.0)))
    bulge, blocked = np.zeros(n), stained == 0
    nuclei: list[Nucleus] = []
    for k in rng.permutation(n)[: 6 * wanted] if length > 9 else ():
        offset = np.abs(np.arange(n) - k)
        away_um = (np.minimum(offset, n - offset) if closed else offset) * STEP_UM
        long, wide = min(rng.uniform(6.0, 10.5), 0.45 * length), rng.uniform(2.2, 3.6)
        if len(nuclei) == wanted or blocked[away_um < 0.6 * long].any():
            continue
        bulge += 0.35 * np.exp(-0.5 * (away_um / (0.4 * long)) ** 2)
        blocked = blocked | (away_um < 0.8 * long)
        x, y = path[k] + normal[k] * side * 0.3 * wide
        angle = float(np.arctan2(-normal[k, 0], normal[k, 1]))
        stain, wrap = rng.uniform(0.75, 1.15), rng.uniform(0.5, 0.9)
        nuclei.append(Nucleus(float(x), float(y), long, wide, angle, stain, wrap=wrap))
    return tuple(nuclei), bulge


def wall(
    rng: np.random.Generator, path: Ring, *, style: WallStyle, closed: bool, breaks: int | None, side: float = 1.0
) -> tuple[Stroke, tuple[Nucleus, ...]]:
    """Endothelium along a path: tapering, beaded, broken, with nuclei that bulge to one `side` (1 is inwards)."""
    n = len(path)

    def uneven(scale_um: float) -> Floats:
        return smooth_noise(rng, n, scale_um / STEP_UM, closed=closed)

    wanted = int(rng.poisson(style.break_rate_per_um * n * STEP_UM)) if breaks is None else breaks
    stained = _breaks(rng, n, wanted, closed=closed)
    nuclei, bulge = _wall_nuclei(rng, path, stained, style=style, closed=closed, side=side)
    taper = 0.33 * uneven(9.0) + 0.22 * uneven(2.2)
    radius = np.clip(0.5 * style.thickness_um * (1 + taper) + bulge, 0.3, 3.0)
    amount = np.clip(0.72 * np.exp(style.patchiness * uneven(7.0) + 0.22 * uneven(1.6)), 0.34, 1.6)
    return Stroke(path, radius, amount * stained, closed), nuclei


def _red_cells(rng: np.random.Generator, lumen: Ring, chance: float) -> tuple[Speck, ...]:
    """Red cells packed loosely in a lumen; fixed and embedded they are about 6 µm."""
    if rng.random() > chance:
        return ()
    (x0, y0), (x1, y1) = lumen.min(axis=0), lumen.max(axis=0)
    cells: list[Speck] = []
    for _ in range(60):
        x, y, r = rng.uniform(x0, x1), rng.uniform(y0, y1), rng.uniform(2.4, 3.3)
        to_wall = float(np.hypot(lumen[:, 0] - x, lumen[:, 1] - y).min())
        inside = _inside(lumen, x, y)
        if inside and to_wall > r * 0.8 and all(np.hypot(c.x_um - x, c.y_um - y) > 1.75 * r for c in cells):
            cells.append(Speck(x, y, r, rng.uniform(0.10, 0.24), "golden"))
    return tuple(cells)


def _inside(outline: Ring, x: float, y: float) -> bool:
    xs, ys = outline[:, 0], outline[:, 1]
    xn, yn = np.roll(xs, -1), np.roll(ys, -1)
    crosses = (ys > y) != (yn > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = x < (xn - xs) * (y - ys) / (yn - ys) + xs
    return bool(np.count_nonzero(crosses & left) % 2)


def _shrunk(path: Ring, by_um: float) -> Ring:
    inner: Ring = path + normals(path, closed=True) * by_um
    return inner


def _tube(rng: np.random.Generator, outer: Ring, *, style: WallStyle, ask: Ask) -> Sketch:
    """A closed wall around a lumen; a third are cut so that part of the wall shows from its face."""
    stroke, nuclei = wall(rng, outer, style=style, closed=True, breaks=ask.breaks)
    lumen = _shrunk(outer, 0.25 * style.thickness_um)
    clearing = 0.95 if rng.random() < 0.7 else rng.uniform(0.4, 0.8)
    narrow = float(np.ptp(outer, axis=0).min()) < FILM_UM
    film = (_film(rng, outer),) if rng.random() < 0.4 and narrow and not ask.breaks else ()
    return Sketch(
        (stroke,),
        (lumen,),
        nuclei + _neighbours(rng, outer, spacing_um=60.0),
        film,
        _red_cells(rng, lumen, style.red_cells),
        clearing,
    )


def _film(rng: np.random.Generator, outer: Ring) -> Fill:
    """A patchy film of stained cytoplasm over one side of the lumen."""
    angle, share = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 0.8)
    along = outer @ np.array([np.cos(angle), np.sin(angle)])
    side = outer[along >= np.quantile(along, 1 - share)]
    return Fill(side, rng.uniform(0.08, 0.32), 1.5, grain=0.5)


def _neighbours(rng: np.random.Generator, path: Ring, *, spacing_um: float, closed: bool = True) -> tuple[Nucleus, ...]:
    """Unstained flat nuclei (pericytes, reticulum cells) on the outer side of a wall."""
    normal = normals(path, closed=closed)
    found = []
    for k in rng.integers(0, len(path), rng.poisson(len(path) * STEP_UM / spacing_um)):
        long, wide = rng.uniform(7.0, 11.5), rng.uniform(1.8, 2.8)
        x, y = path[k] - normal[k] * (wide / 2 + rng.uniform(1.0, 2.2))
        angle = float(np.arctan2(-normal[k, 0], normal[k, 1]) + rng.normal(0, 0.15))
        found.append(Nucleus(float(x), float(y), long, wide, angle, rng.uniform(0.6, 1.0)))
    return tuple(found)


def capillary_cross(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """A capillary cut across: a small ring, often with one nucleus in it."""
    diameter = ask.size_um or float(np.clip(rng.lognormal(np.log(10.0), 0.3), 6.5, 20.0))
    outer = ring(rng, diameter * rng.uniform(1.0, 1.2), diameter * rng.uniform(0.75, 1.0), irregular=0.12)
    return _tube(rng, outer, style=style, ask=ask)


def slanted(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """A capillary cut obliquely: a long oval whose ends show the wall from its face."""
    length = ask.size_um or rng.uniform(18.0, 48.0)
    outer = ring(rng, length, min(rng.uniform(7.0, 13.0), 0.6 * length), irregular=0.13)
    sketch = _tube(rng, outer, style=style, ask=ask)
    fills = list(sketch.fills)
    for side in (-1.0, 1.0):
        if rng.random() < 0.6:
            cap = outer[side * outer[:, 0] > rng.uniform(0.2, 0.36) * length]
            if len(cap) > 8:
                fills.append(Fill(cap, rng.uniform(0.22, 0.5), 0.8, grain=0.45))
    return Sketch(sketch.strokes, sketch.lumens, sketch.nuclei, tuple(fills), sketch.specks, sketch.clearing)


def sinusoid(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """A wide, thin-walled, irregular channel."""
    length = ask.size_um or rng.uniform(30.0, 85.0)
    width = min(rng.uniform(14.0, 36.0), 0.7 * length)
    outer = ring(rng, length, width, irregular=0.16)
    thin = WallStyle(
        0.75 * style.thickness_um,
        style.patchiness * 1.2,
        style.break_rate_per_um * 1.5,
        1.0,
        style.nucleus_spacing_um * 1.2,
        min(1.0, 1.5 * style.red_cells),
    )
    return _tube(rng, outer, style=thin, ask=ask)


def _long_walls(rng: np.random.Generator, path: Ring, *, style: WallStyle, ask: Ask, open_: bool) -> Sketch:
    """Both walls of a tube cut along its length; where the tube is collapsed the walls meet."""
    n = len(path)
    along = np.linspace(0, 1, n)
    ends = np.minimum(1.0, np.minimum(along, 1 - along) * n * STEP_UM / 6.0)
    half = (rng.uniform(2.0, 4.2) if open_ else rng.uniform(0.5, 1.1)) * np.ones(n)
    half = half * np.clip(1 + 0.35 * smooth_noise(rng, n, 16.0 / STEP_UM), 0.25, 1.6) * np.sqrt(ends)
    half = np.clip(half, 0.35, 6.0)
    normal = normals(path, closed=False)
    sides = (path + normal * half[:, None], path - normal * half[:, None])
    strokes: list[Stroke] = []
    nuclei: list[Nucleus] = []
    total = rng.poisson(style.break_rate_per_um * 2 * n * STEP_UM) if ask.breaks is None else ask.breaks
    share = (total // 2, total - total // 2)
    for side, sign, breaks in zip(sides, (-1.0, 1.0), share, strict=True):
        stroke, own = wall(rng, side, style=style, closed=False, breaks=int(breaks), side=sign if open_ else 0.0)
        strokes.append(stroke)
        nuclei.extend(own if open_ or sign > 0 else ())
    lumen = np.concatenate([sides[0], sides[1][::-1]])
    fills: tuple[Fill, ...] = ()
    if rng.random() < 0.5:
        start = rng.uniform(0, 0.7)
        part = (along >= start) & (along <= start + rng.uniform(0.15, 0.3))
        face = np.concatenate([sides[0][part], sides[1][part][::-1]])
        fills = (Fill(face, rng.uniform(0.15, 0.4), 1.0, grain=0.45),)
    specks = _red_cells(rng, lumen, style.red_cells) if open_ else ()
    nuclei.extend(_neighbours(rng, sides[1], spacing_um=70.0, closed=False))
    return Sketch(tuple(strokes), (lumen,), tuple(nuclei), fills, specks, clearing=0.85 if open_ else 0.4)


def capillary_long(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """A capillary cut along its length: two walls, or one line where it is collapsed."""
    length = ask.size_um or float(np.clip(rng.lognormal(np.log(62.0), 0.4), 32.0, 160.0))
    path = curve(rng, length, bend=rng.uniform(0.25, 0.65))
    return _long_walls(rng, path, style=style, ask=ask, open_=rng.random() < style.lumen_fraction)


def branched(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """A capillary that divides: a side branch, seldom two, leaves a trunk."""
    length = ask.size_um or rng.uniform(50.0, 115.0)
    open_ = rng.random() < style.lumen_fraction
    trunk = curve(rng, length, bend=rng.uniform(0.3, 0.55))
    arms = [trunk]
    fork = int(rng.uniform(0.3, 0.7) * len(trunk))
    ahead = trunk[min(fork + 5, len(trunk) - 1)] - trunk[fork - 5]
    for side in (1.0, -1.0)[: 1 + int(rng.random() < 0.2)]:
        arm = curve(rng, length * rng.uniform(0.25, 0.5), bend=rng.uniform(0.2, 0.45))
        angle = np.arctan2(ahead[1], ahead[0]) + side * rng.uniform(0.6, 1.4)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        arms.append((arm - arm[0]) @ turn + trunk[fork])
    parts = []
    for number, path in enumerate(arms):
        breaks = None if ask.breaks is None else (ask.breaks if number == 0 else 0)
        parts.append(_long_walls(rng, path, style=style, ask=Ask(None, breaks), open_=open_))
    return Sketch(
        tuple(s for p in parts for s in p.strokes),
        tuple(ring_ for p in parts for ring_ in p.lumens),
        tuple(n for p in parts for n in p.nuclei),
        tuple(f for p in parts for f in p.fills),
        tuple(s for p in parts for s in p.specks),
        clearing=0.7 if open_ else 0.4,
    )


def collapsed(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """A strand of endothelium without a lumen."""
    length = ask.size_um or rng.uniform(15.0, 50.0)
    path = curve(rng, length, bend=rng.uniform(0.2, 0.7))
    thick = WallStyle(
        style.thickness_um * rng.uniform(1.5, 2.3), style.patchiness, style.break_rate_per_um, 0.0, 17.0, 0.0
    )
    stroke, nuclei = wall(rng, path, style=thick, closed=False, breaks=ask.breaks, side=0.0)
    ends = np.minimum(1.0, np.minimum(np.arange(len(path)), np.arange(len(path))[::-1]) * STEP_UM / 5.0)
    stroke = Stroke(path, np.maximum(stroke.radius_um * (0.35 + 0.65 * ends), 0.35), stroke.amount)
    return Sketch((stroke,), (), nuclei, clearing=0.0)


def single_cell_vessel(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """One endothelial cell: a spindle around its nucleus, or a cell curled around a lumen of 2 to 3 µm."""
    length = ask.size_um or rng.uniform(11.0, 22.0)
    if rng.random() < 0.3 and ask.size_um is None:
        outer = ring(rng, rng.uniform(6.0, 8.0), rng.uniform(4.6, 5.8), irregular=0.08)
        stroke, _ = wall(rng, outer, style=style, closed=True, breaks=0)
        thick = Stroke(outer, np.clip(stroke.radius_um * 1.5, 0.8, 1.3), stroke.amount, closed=True)
        return Sketch((thick,), (_shrunk(outer, 0.9),), (), clearing=0.9)
    path = curve(rng, length, bend=rng.uniform(0.1, 0.45))
    n = len(path)
    along = np.linspace(-1, 1, n)
    middle = rng.uniform(-0.25, 0.25)
    body = np.exp(-0.5 * ((along - middle) / 0.36) ** 2)
    radius = 0.45 + rng.uniform(0.9, 1.6) * body + 0.08 * smooth_noise(rng, n, 4)
    amount = np.clip(0.85 * np.exp(style.patchiness * smooth_noise(rng, n, 8)), 0.4, 1.6)
    k = int((middle + 1) / 2 * (n - 1))
    tangent = path[min(k + 2, n - 1)] - path[max(k - 2, 0)]
    nucleus = Nucleus(
        float(path[k, 0]), float(path[k, 1]), rng.uniform(5.0, 8.0), rng.uniform(1.8, 2.8),
        float(np.arctan2(tangent[1], tangent[0])), rng.uniform(0.7, 1.1), wrap=0.5,
    )  # fmt: skip
    return Sketch((Stroke(path, np.maximum(radius, 0.35), amount),), (), (nucleus,), clearing=0.0)


def large_vessel(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """A small artery or vein: a lumen wider than 50 µm, thin even endothelium, a muscular coat."""
    width = ask.size_um or rng.uniform(60.0, 90.0)
    outer = ring(rng, width * rng.uniform(1.05, 1.45), width, irregular=0.09)
    even_style = WallStyle(style.thickness_um, 0.6 * style.patchiness, 0.5 * style.break_rate_per_um, 1.0, 24.0, 0.6)
    tube = _tube(rng, outer, style=even_style, ask=ask)
    coat_um = rng.uniform(6.0, 16.0)
    coat = outer - normals(outer, closed=True) * coat_um
    nuclei = list(tube.nuclei)
    for _ in range(int(len(outer) * STEP_UM * coat_um / 130.0)):
        k = int(rng.integers(0, len(outer)))
        out = -normals(outer, closed=True)[k]
        x, y = outer[k] + out * rng.uniform(2.2, coat_um)
        nuclei.append(
            Nucleus(float(x), float(y), rng.uniform(8.0, 13.0), rng.uniform(1.8, 2.8),
                    float(np.arctan2(out[0], -out[1])), rng.uniform(0.6, 1.0))
        )  # fmt: skip
    fills = (Fill(coat, 0.17, 1.0, "protein", grain=0.15), Fill(coat, 0.06, 1.0, "haematoxylin", grain=0.15))
    return Sketch(tube.strokes, tube.lumens, tuple(nuclei), fills, tube.specks, 0.97, coat)
