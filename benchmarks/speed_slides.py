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
        pixels = np.empty((bottom - top, plan.width, 3), np.uint8)
        for row in range(top // SECTION_PX, -(-bottom // SECTION_PX)):
            y0, y1 = max(row * SECTION_PX, top), min((row + 1) * SECTION_PX, bottom)
            for column in range(-(-plan.width // SECTION_PX)):
                x0, x1 = column * SECTION_PX, min((column + 1) * SECTION_PX, plan.width)
                # Two and two alike, the second mirrored: both sides of every seam inside a pair are the same tissue.
                section = sections[(row // 2 * 3 + column // 2) % len(sections)]
                section = section[:: -1 if row % 2 else 1, :: -1 if column % 2 else 1]
                pixels[y0 - top : y1 - top, x0:x1] = section[y0 - row * SECTION_PX : y1 - row * SECTION_PX, : x1 - x0]
        share = _tissue_share(plan, top, bottom)[..., None]
        return np.asarray(np.rint(GLASS + share * (pixels.astype(np.float32) - GLASS)), np.uint8)

    return strip


def _tissue_share(plan: SlidePlan, top: int, bottom: int) -> FloatImage:
    """1 in the tissue, 0 on the glass round it, with a soft wavy edge."""
    rim = GLASS_RIM_SHARE * min(plan.width, plan.height)
    x, y = np.arange(plan.width, dtype=np.float32), np.arange(top, bottom, dtype=np.float32)[:, None]
    wave_x, wave_y = 0.4 * rim * np.sin(x / (3 * rim)), 0.4 * rim * np.sin(y / (3 * rim))
    across = np.minimum(x + wave_y, plan.width - x + wave_y)
    down = np.minimum(y + wave_x, plan.height - y + wave_x)
    return np.asarray(np.clip((np.minimum(across, down) - rim) / 16 + 0.5, 0, 1), np.float32)


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
