"""How often hot spots are found where there is none, and where there is one: points only, a few minutes.

python benchmarks/hotspots.py            prints the tables of docs/density-map.md
python benchmarks/hotspots.py --picture  draws docs/density-map.jpg
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mvd.density import map_density
from mvd.density.cells import Cells, cells_of
from mvd.density.chance import LEVEL, Chance, Judge, by_chance, judge_of, random_sections
from mvd.density.kernel import kernel_on
from mvd.geometry import Raster
from mvd.involved import involved_from_raster
from mvd.protocol import Protocol
from mvd.report import write_density_map
from mvd.vessels import Vessel

SECTIONS = 2000
KERNEL_UM = Protocol().counts.map_kernel_um
UM = 4.0
Points = NDArray[np.float64]


def core(width_mm: float, length_mm: float, *, bone: bool = False) -> Raster:
    """A biopsy core; with trabeculae that leave about 70 % of it."""
    rows, columns = round(width_mm * 1000 / UM), round(length_mm * 1000 / UM)
    mask = np.ones((rows, columns), bool)
    if bone:
        noise = cv2.GaussianBlur(np.random.default_rng(7).standard_normal((rows, columns)), (0, 0), 40)
        mask = np.asarray(noise) < np.quantile(noise, 0.7)
    return Raster(mask, 0.0, 0.0, UM)


AREAS = {
    "core 2 × 15 mm": core(2, 15),
    "core 2 × 15 mm, 30 % bone": core(2, 15, bone=True),
    "core 1 × 4 mm": core(1, 4),
    "section 8 × 8 mm": core(8, 8),
}


def highest(judge: Judge, counts: Iterator[NDArray[np.float32]]) -> list[float]:
    return [float(judge.statistic(c).max()) for c in counts]


def share_found(chance: Chance, statistics: list[float]) -> float:
    return float(np.mean([chance.p(value) <= LEVEL for value in statistics]))


def false_positives() -> None:
    print("\n| area | vessels/mm² | random sections with a hot spot |\n|---|---|---|")
    for name, evaluable in AREAS.items():
        cells = cells_of(evaluable, KERNEL_UM)
        assert cells
        kernel = kernel_on(cells, KERNEL_UM)
        for per_mm2 in (6, 25, 60, 150):
            number = round(per_mm2 * cells.area_mm2)
            judge = judge_of(kernel, number)
            found = share_found(by_chance(judge, number), highest(judge, random_sections(kernel, number, SECTIONS, 99)))
            print(f"| {name} | {per_mm2} | {100 * found:.1f} % |", flush=True)


def apart(rng: np.random.Generator, rect: tuple[float, float], number: int, least_um: float) -> Points:
    """Points that keep a distance (simple sequential inhibition)."""
    cell, taken = least_um, dict[tuple[int, int], list[tuple[float, float]]]()
    points: list[tuple[float, float]] = []
    while len(points) < number:
        x, y = float(rng.random() * rect[0]), float(rng.random() * rect[1])
        i, j = int(x // cell), int(y // cell)
        near = (q for a in (-1, 0, 1) for b in (-1, 0, 1) for q in taken.get((i + a, j + b), ()))
        if all(math.hypot(x - u, y - v) >= least_um for u, v in near):
            points.append((x, y))
            taken.setdefault((i, j), []).append((x, y))
    return np.array(points)


def clustered(
    rng: np.random.Generator, rect: tuple[float, float], number: int, mean: float, spread_um: float
) -> Points:
    """Points round parents, each with a Poisson number of them (a Thomas process), until there are `number`."""
    points = np.empty((0, 2))
    while len(points) < number:
        parent = rng.random(2) * rect
        own = parent + rng.normal(0, spread_um, (rng.poisson(mean), 2))
        points = np.vstack([points, own[((own >= 0) & (own < rect)).all(axis=1)]])
    return points[:number]


def twice(rng: np.random.Generator, rect: tuple[float, float], number: int, share: float) -> Points:
    """Points of which a share is found as two."""
    single = rng.random((round(number / (1 + share)), 2)) * rect
    second = single[: number - len(single)] + rng.normal(0, 14, (number - len(single), 2))
    return np.vstack([single, np.clip(second, 0, np.array(rect) - 1e-6)])


def planted(
    rng: np.random.Generator, rect: tuple[float, float], number: int, *, radius_um: float, times: float
) -> Points:
    """`number` points at random, and a disc in the middle of the area that is `times` as dense."""
    middle = np.array(rect) / 2
    extra = rng.poisson(number / (rect[0] * rect[1]) * math.pi * radius_um**2 * (times - 1))
    angle, reach = 2 * math.pi * rng.random(extra), radius_um * np.sqrt(rng.random(extra))
    more = middle + np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None]
    return np.vstack([rng.random((number, 2)) * rect, more])


def rate(cells: Cells, make: Callable[[], Points], sections: int) -> float:
    """Share of the sections in which a hot spot is found."""
    kernel, known = kernel_on(cells, KERNEL_UM), dict[int, Chance]()
    found = 0
    for _ in range(sections):
        points = make()
        number = len(points)
        judge = judge_of(kernel, number)
        if number not in known:
            known[number] = by_chance(judge, number)
        counts = cells.counts(points).astype(np.float32)
        found += known[number].p(float(judge.statistic(counts).max())) <= LEVEL
    return found / sections


def other_patterns() -> None:
    print("\n| pattern in a core of 2 × 15 mm, 50/mm² | sections with a hot spot |\n|---|---|")
    cells, rect = cells_of(core(2, 15), KERNEL_UM), (15000.0, 2000.0)
    assert cells
    rng = np.random.default_rng(5)
    makers: dict[str, Callable[[], Points]] = {
        "vessels keep 20 µm apart": lambda: apart(rng, rect, 1500, 20),
        "vessels keep 60 µm apart": lambda: apart(rng, rect, 1500, 60),
        "every fifth vessel is counted as two, 20 µm apart": lambda: twice(rng, rect, 1500, 0.2),
        "every vessel is counted as two, 20 µm apart": lambda: twice(rng, rect, 1500, 1.0),
        "groups of 5 in the mean, 50 µm wide": lambda: clustered(rng, rect, 1500, 5, 50),
    }
    for name, make in makers.items():
        print(f"| {name} | {100 * rate(cells, make, 400):.0f} % |", flush=True)


def power() -> None:
    print("\n| core 2 × 15 mm: planted disc | 25/mm² | 50/mm² | 100/mm² |\n|---|---|---|---|")
    cells, rect = cells_of(core(2, 15), KERNEL_UM), (15000.0, 2000.0)
    assert cells
    rng = np.random.default_rng(6)
    for radius in (125, 250):
        for times in (2, 3, 4, 6):
            makers = (partial(planted, rng, rect, n, radius_um=radius, times=times) for n in (750, 1500, 3000))
            shares = (rate(cells, make, 150) for make in makers)
            print(
                f"| {2 * radius} µm, {times} × as dense | " + " | ".join(f"{100 * s:.0f} %" for s in shares) + " |",
                flush=True,
            )


def speed() -> None:
    print("\n| evaluable mm² | vessels | norming | 999 random sections |\n|---|---|---|---|")
    for side in (2, 5, 10, 20):
        cells = cells_of(core(side, side), KERNEL_UM)
        assert cells
        number = round(50 * cells.area_mm2)
        start = time.process_time()
        kernel = kernel_on(cells, KERNEL_UM)
        normed = time.process_time()
        by_chance(judge_of(kernel, number), number)
        print(f"| {cells.area_mm2:.0f} | {number} | {normed - start:.2f} s | {time.process_time() - normed:.2f} s |")


def picture() -> None:
    """A made-up core with bone, two clusters of vessels, and no stain."""
    rng, um, (rows, columns) = np.random.default_rng(1), UM, (500, 2000)
    noise = cv2.GaussianBlur(rng.standard_normal((rows, columns)), (0, 0), 30)
    edge = 60 + 40 * np.sin(np.arange(columns) / 120)
    y, x = np.mgrid[:rows, :columns]
    core_ = (y > edge) & (y < rows - edge[::-1]) & (x > 20) & (x < columns - 20)
    evaluable = Raster(core_ & (noise < np.quantile(noise, 0.85)), 0.0, 0.0, um)
    points = [rng.random((1300, 2)) * (columns * um, rows * um)]
    points += [
        rng.normal(at, spread, (number, 2)) for at, spread, number in (((2200, 1000), 110, 34), ((6600, 900), 160, 60))
    ]
    pixel = np.floor(np.vstack(points) / um).astype(int)
    on = ((pixel >= 0) & (pixel < (columns, rows))).all(axis=1)
    on[on] = evaluable.pixels[pixel[on, 1], pixel[on, 0]]
    vessels = tuple(drawn_vessel(number, *point) for number, point in enumerate(np.vstack(points)[on].tolist()))
    overview = np.full((rows, columns, 3), 245, np.uint8)
    overview[core_] = (205, 190, 210)
    result: Any = SimpleNamespace(
        specimen=SimpleNamespace(specimen="made up"),
        vessels=vessels,
        density=map_density(vessels, evaluable, Protocol()),
        survey=SimpleNamespace(overview=evaluable.with_pixels(overview)),
        evaluable=evaluable,
        involved=involved_from_raster(evaluable, "whole marrow"),
    )
    with tempfile.TemporaryDirectory() as folder:
        drawn, _ = write_density_map(result, Path(folder))
        Image.open(drawn).save(Path(__file__).parents[1] / "docs" / "density-map.jpg", quality=88)


def drawn_vessel(number: int, x_um: float, y_um: float) -> Vessel:
    outline = np.array([(-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0)]) + (x_um, y_um)  # noqa: RUF005
    return Vessel(
        name=f"v{number:05d}", outline=outline, lumens=(), x_um=x_um, y_um=y_um, area_um2=100.0, lumen_area_um2=0.0,
        lumen_width_um=0.0, length_um=10.0, width_um=10.0, perimeter_um=40.0, mean_dab_od=0.5, pieces=1, reason=None,
        ambiguous=False,
    )  # fmt: skip


if __name__ == "__main__":
    cv2.setNumThreads(1)
    if "--picture" in sys.argv:
        picture()
    else:
        speed()
        false_positives()
        power()
        other_patterns()
