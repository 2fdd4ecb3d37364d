"""Sketches of what is brown (or looks so) and is not a microvessel, and of megakaryocytes."""

from __future__ import annotations

import numpy as np

from mvd.phantom.endothelium import Ask, WallStyle
from mvd.phantom.sketch import STEP_UM, Fill, Nucleus, Sketch, Speck, Stroke, curve, ring, smooth_noise


def progenitor(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """A CD34+ blast: one round cell of 8 to 12 µm, stained at its membrane, with its own nucleus."""
    diameter = ask.size_um or rng.uniform(8.0, 12.0)
    cell = ring(rng, diameter * rng.uniform(1.0, 1.12), diameter * rng.uniform(0.9, 1.0), irregular=0.05)
    n = len(cell)
    radius = np.clip(0.55 + 0.22 * smooth_noise(rng, n, 4, closed=True), 0.3, 1.2)
    amount = np.clip(0.5 * np.exp((0.25 + style.patchiness) * smooth_noise(rng, n, 6, closed=True)), 0.2, 1.2)
    aside = rng.normal(0, 0.05 * diameter, 2)
    nucleus = Nucleus(
        float(aside[0]), float(aside[1]), diameter * rng.uniform(0.76, 0.88), diameter * rng.uniform(0.66, 0.8),
        rng.uniform(0, np.pi), rng.uniform(0.65, 0.95), lumpy=0.35,
    )  # fmt: skip
    cytoplasm = Fill(cell, rng.uniform(0.18, 0.42), 0.6, grain=0.45)
    return Sketch((Stroke(cell, radius, amount, closed=True),), (), (nucleus,), (cytoplasm,), clearing=0.0)


def megakaryocyte(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """A cell of 30 to 60 µm with one lobed dark nucleus; its cytoplasm sometimes blushes brown."""
    size = ask.size_um or rng.uniform(28.0, 52.0)
    cell = ring(rng, size * rng.uniform(1.0, 1.2), size * rng.uniform(0.8, 1.0), irregular=0.07)
    lobes, reach = [], 0.2 * size
    turn = rng.uniform(0, 2 * np.pi)
    count = int(rng.integers(4, 8))
    for k in range(count):
        angle = turn + k * rng.uniform(0.7, 1.0) * 2 * np.pi / count
        away = reach * rng.uniform(0.5, 1.1)
        lobes.append(
            Nucleus(
                float(away * np.cos(angle)), float(away * np.sin(angle)), rng.uniform(0.22, 0.34) * size,
                rng.uniform(0.18, 0.26) * size, rng.uniform(0, np.pi), rng.uniform(0.7, 1.0), lumpy=0.45,
            )
        )  # fmt: skip
    fills = [Fill(cell, 0.12, 1.0, "protein", grain=0.12), Fill(cell, 0.045, 1.0, "haematoxylin", grain=0.12)]
    if rng.random() < 0.3:
        fills.append(Fill(cell, rng.uniform(0.04, 0.14) / max(style.thickness_um, 0.5), 1.2, grain=0.3))
    return Sketch((), (), tuple(lobes), tuple(fills), clearing=0.0, outline=cell)


def pigment_golden(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """Haemosiderin: refractile golden granules in a macrophage."""
    size = ask.size_um or rng.uniform(8.0, 18.0)
    count = int(rng.integers(8, 26))
    where = rng.normal(0, 0.24 * size, (count, 2))
    specks = tuple(
        Speck(float(x), float(y), float(rng.lognormal(np.log(0.8), 0.4)), rng.uniform(0.35, 1.0), "golden")
        for x, y in where
    )
    body = ring(rng, size, 0.8 * size, irregular=0.12)
    nucleus = Nucleus(0.35 * size, 0.25 * size, rng.uniform(5.5, 8.0), rng.uniform(4.0, 5.5), rng.uniform(0, 3), 0.7)
    fills = (Fill(body, 0.05, 0.8, "protein"), Fill(body, rng.uniform(0.03, 0.15), 1.0, "golden", grain=0.6))
    return Sketch((), (), (nucleus,), fills, specks, clearing=0.0, outline=body)


def pigment_black(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """Precipitate: black irregular specks, mostly above the section and so a little out of focus."""
    size = ask.size_um or rng.uniform(3.0, 14.0)
    count = int(rng.integers(2, 12))
    specks = tuple(
        Speck(
            float(x),
            float(y),
            float(min(rng.lognormal(np.log(0.14 * size), 0.5), 0.3 * size)),
            rng.uniform(0.7, 1.6),
            "black",
        )
        for x, y in rng.normal(0, 0.2 * size, (count, 2))
    )
    return Sketch(specks=specks, clearing=0.0, outline=ring(rng, size, size), soft_um=rng.uniform(0.2, 1.0), bed=0.0)


def haze(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """Diffuse brown without structure: unspecific stain of the stroma."""
    size = ask.size_um or rng.uniform(22.0, 70.0)
    area = ring(rng, size, size * rng.uniform(0.5, 0.9), irregular=0.16)
    core = 0.7 * area
    fills = (Fill(area, rng.uniform(0.06, 0.13), 6.0, grain=0.08), Fill(core, rng.uniform(0.02, 0.09), 8.0, grain=0.08))
    return Sketch(fills=fills, clearing=0.0, outline=area, bed=0.0)


def red_cells(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """Red cells outside vessels, brown by their own peroxidase: even pale discs of 6 to 8 µm, apart or in heaps."""
    size = ask.size_um or rng.uniform(14.0, 45.0)
    count = max(2, round(rng.uniform(0.25, 0.8) * (size / 7.0) ** 2))
    brown = rng.uniform(0.08, 0.45)
    cells: list[Fill] = []
    for x, y in rng.normal(0, 0.25 * size, (count, 2)).clip(-0.5 * size, 0.5 * size):
        diameter = rng.uniform(5.8, 7.8)
        disc = ring(rng, diameter, diameter * rng.uniform(0.75, 1.0), irregular=0.03) + np.array([x, y])
        cells.append(Fill(disc, brown * rng.uniform(0.8, 1.2), 0.25, grain=0.08, enters_outline=True))
        cells.append(Fill(disc, rng.uniform(0.04, 0.1), 0.25, "golden", grain=0.05))
    return Sketch(fills=tuple(cells), clearing=0.0, outline=ring(rng, size, size, irregular=0.05), bed=0.4)


def bone_edge(rng: np.random.Generator, style: WallStyle, ask: Ask) -> Sketch:
    """Brown along the surface of bone; the path is laid by the caller along the bone."""
    path = curve(rng, ask.size_um or 40.0, bend=0.1)
    return edge_line(rng, path)


def edge_line(rng: np.random.Generator, path: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Sketch:
    """A thin uneven brown line along a path."""
    n = len(path)
    radius = np.clip(0.5 + 0.25 * smooth_noise(rng, n, 6 / STEP_UM), 0.3, 1.4)
    amount = np.clip(0.45 * np.exp(0.5 * smooth_noise(rng, n, 8 / STEP_UM)), 0.12, 1.0)
    return Sketch((Stroke(path, radius, amount),), clearing=0.0, bed=0.0)
