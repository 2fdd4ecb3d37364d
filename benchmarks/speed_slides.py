"""Slides for the speed benchmark: pyramids as Aperio writes them, of phantom tissue, made once and kept.

Simulating a whole slide would take hours, so a few simulated sections are laid side by side, every second one mirrored
so that the tissue goes on across the seams. What is measured depends on how much there is to find in a mm², not on
whether it has been seen before: nothing in the program remembers what it found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tifffile

from mvd.geometry import FloatImage, Pixels
from mvd.phantom import PhantomSpec, make_phantom

UM_PER_PX = 0.25
TILE_PX = 256
JPEG_QUALITY = 70
"""Aperio's own default ("JPEG/RGB Q=70"); its tiles hold red, green and blue, without chroma subsampling."""
SECTION_PX = 2560
"""0.41 mm²: several together hold a few hundred objects of every kind."""
SEEDS = (1, 2, 3, 4)
GLASS = 244
GLASS_RIM_SHARE = 0.06
"""Of the shorter side: the glass that a scanner leaves round the tissue."""
SMALLEST_LEVEL_PX = 1024
EDGE_PX = 16
"""Over which tissue turns to glass."""
ISLANDS_PX, ISLAND_RADIUS_PX = 20_000, 5000
"""From one island to the next, 5 mm, and half the width of one, 1.25 mm: a fifth of the slide is tissue."""
COARSE_PX = 64
"""Grid on which it is seen that a part lies wholly in the tissue or on the glass."""
STRIP_PX = 1024
"""Rows made at a time: a multiple of the tiles of every level."""

Strip = Callable[[int, int], Pixels]
"""First row and one past the last of level 0, to their pixels."""


@dataclass(frozen=True, slots=True)
class SlidePlan:
    """One slide of the benchmark."""

    name: str
    width: int
    height: int
    step: int = 4
    """Each level of the pyramid is this much smaller than the one before; Aperio's are 4."""
    islands: bool = False
    """Round particles of 2.5 mm and glass between them, as where a clot is cut, in place of one piece of tissue."""

    def path(self, folder: Path) -> Path:
        return folder / f"{self.name}.svs"

    @property
    def downsamples(self) -> tuple[int, ...]:
        found = [1]
        while max(self.width, self.height) // found[-1] > SMALLEST_LEVEL_PX:
            found.append(found[-1] * self.step)
        return tuple(found)


def ensure_slide(plan: SlidePlan, folder: Path) -> Path:
    """The slide's path; made now unless it is there already."""
    path = plan.path(folder)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        write_slide(unfinished, plan, _laid_out(plan, _sections(folder)))
        unfinished.replace(path)
    return path


def _sections(folder: Path) -> tuple[Pixels, ...]:
    """The simulated sections, kept beside the slides: they take half a minute each."""
    kept = folder / f"sections_{SECTION_PX}.npy"
    if not kept.exists():
        side_um = SECTION_PX * UM_PER_PX
        made = [
            make_phantom(
                PhantomSpec(seed=seed, width_um=side_um, height_um=side_um, um_per_px=UM_PER_PX, tissue_edge=False)
            ).image.pixels
            for seed in SEEDS
        ]
        np.save(kept, np.stack(made))
    return tuple(np.load(kept))


def _laid_out(plan: SlidePlan, sections: tuple[Pixels, ...]) -> Strip:
    """Sections side by side, mirrored by turns, cut out along a wavy edge of the tissue."""

    def strip(top: int, bottom: int) -> Pixels:
        pixels = np.full((bottom - top, plan.width, 3), GLASS, np.uint8)
        for row in range(top // SECTION_PX, -(-bottom // SECTION_PX)):
            y0, y1 = max(row * SECTION_PX, top), min((row + 1) * SECTION_PX, bottom)
            for column in range(-(-plan.width // SECTION_PX)):
                x0, x1 = column * SECTION_PX, min((column + 1) * SECTION_PX, plan.width)
                # Two and two alike, the second mirrored: both sides of every seam inside a pair are the same tissue.
                section = sections[(row // 2 * 3 + column // 2) % len(sections)]
                section = section[:: -1 if row % 2 else 1, :: -1 if column % 2 else 1]
                part = section[y0 - row * SECTION_PX : y1 - row * SECTION_PX, : x1 - x0]
                _lay(part, pixels[y0 - top : y1 - top, x0:x1], plan, x0=x0, y0=y0)
        return pixels

    return strip


def _lay(part: Pixels, onto: Pixels, plan: SlidePlan, *, x0: int, y0: int) -> None:
    """A part of a section onto the glass, whose corner lies at (x0, y0)."""
    rows, columns = part.shape[:2]
    x, y = np.arange(x0, x0 + columns, dtype=np.float32), np.arange(y0, y0 + rows, dtype=np.float32)[:, None]
    coarse = _inside_px(plan, x[::COARSE_PX], y[::COARSE_PX])
    if coarse.max() < -2 * COARSE_PX:
        return
    if coarse.min() > 2 * COARSE_PX:
        onto[...] = part
        return
    share = np.clip(_inside_px(plan, x, y) / EDGE_PX + 0.5, 0, 1)[..., None]
    onto[...] = np.rint(GLASS + share * (part.astype(np.float32) - GLASS))


def _inside_px(plan: SlidePlan, x: FloatImage, y: FloatImage) -> FloatImage:
    """How far inside the tissue's wavy edge places lie, about; negative outside."""
    if plan.islands:
        away = np.hypot(x % ISLANDS_PX - ISLANDS_PX / 2, y % ISLANDS_PX - ISLANDS_PX / 2)
        return np.asarray(ISLAND_RADIUS_PX + 0.05 * ISLAND_RADIUS_PX * np.sin((x + y) / 900) - away, np.float32)
    rim = GLASS_RIM_SHARE * min(plan.width, plan.height)
    wave_x, wave_y = 0.4 * rim * np.sin(x / (3 * rim)), 0.4 * rim * np.sin(y / (3 * rim))
    across = np.minimum(x + wave_y, plan.width - x + wave_y)
    down = np.minimum(y + wave_x, plan.height - y + wave_x)
    return np.asarray(np.minimum(across, down) - rim, np.float32)


def write_slide(path: Path, plan: SlidePlan, strip: Strip) -> None:
    """Write a pyramid as Aperio does: tiles, a thumbnail in strips after the first level, the pixel size in words."""
    size = f"{plan.width}x{plan.height}"
    first = f"Aperio Image Library v12.0.0\r\n{size} [0,0 {size}] ({TILE_PX}x{TILE_PX}) JPEG/RGB Q={JPEG_QUALITY}"
    workers = len(os.sched_getaffinity(0))
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for number, down in enumerate(plan.downsamples):
            shape = (-(-plan.height // down), -(-plan.width // down), 3)
            words = f"{first} -> {shape[1]}x{shape[0]}" if number else f"{first}|AppMag = 40|MPP = {UM_PER_PX}"
            tif.write(
                _tiles(plan, strip, down), shape=shape, dtype=np.uint8, photometric="rgb", tile=(TILE_PX, TILE_PX),
                compression="jpeg", compressionargs={"level": JPEG_QUALITY}, description=words, metadata=None,
                maxworkers=workers,
            )  # fmt: skip
            if number == 0:
                height = max(1, round(768 * plan.height / plan.width))
                blank = np.full((height, 768, 3), GLASS, np.uint8)
                words = f"Aperio Image Library v12.0.0\r\n{size} -> 768x{height} - "
                tif.write(blank, photometric="rgb", compression="jpeg", description=words, metadata=None)


def _tiles(plan: SlidePlan, strip: Strip, down: int) -> Iterator[Pixels]:
    """Tiles of a level in the order that a file has them, each the area-average of level 0."""
    tall = TILE_PX * down
    for top in range(0, plan.height, tall):
        parts = [
            _smaller(strip(part, min(part + STRIP_PX, plan.height, top + tall)), down)
            for part in range(top, min(top + tall, plan.height), STRIP_PX)
        ]
        rows = np.concatenate(parts)
        rows = np.pad(rows, ((0, TILE_PX - len(rows)), (0, -rows.shape[1] % TILE_PX), (0, 0)), mode="edge")
        for left in range(0, rows.shape[1], TILE_PX):
            yield np.ascontiguousarray(rows[:, left : left + TILE_PX])


def _smaller(pixels: Pixels, down: int) -> Pixels:
    if down == 1:
        return pixels
    rows, columns = pixels.shape[:2]
    whole = np.pad(pixels, ((0, -rows % down), (0, -columns % down), (0, 0)), mode="edge")
    size = (whole.shape[1] // down, whole.shape[0] // down)
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)
