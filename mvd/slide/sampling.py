"""From the pyramid to the asked grid: which level, where its pixels lie, white outside the slide."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mvd.geometry import Calibration, Pixels
from mvd.slide.model import Box, Level, PixelSource
from mvd.slide.resample import Axis, axis, resample

LEVEL_TOLERANCE = 0.02
"""A level may be this much coarser than asked and still be taken."""

MAX_READ_PIXELS = 2**30
"""3 GiB of RGB: a read beyond this is a slip, and would end in a MemoryError."""

BLOCK_PX = 4096
"""Level pixels along one side that are held at once; bounds the memory of a read, never its result."""

PHASE_STEPS = 1024
"""The grid's offset is rounded to this fraction of an output pixel, so that rounding noise in µm cannot make two
rectangles on one grid differ."""

WHITE = 255


@dataclass(frozen=True, slots=True)
class Grid:
    """Square output pixels: (rows, columns) of `um_per_px` from the corner (x0_um, y0_um)."""

    x0_um: float
    y0_um: float
    um_per_px: float
    shape: tuple[int, int]


def sample(source: PixelSource, calibration: Calibration, grid: Grid) -> Pixels:
    """(rows, columns, 3) uint8 of the grid; each pixel depends on its place on the slide alone."""
    index = choose_level(source.facts.levels, calibration, grid.um_per_px)
    level = source.facts.levels[index]
    scale_x = grid.um_per_px / (calibration.um_per_px_x * level.downsample_x)
    scale_y = grid.um_per_px / (calibration.um_per_px_y * level.downsample_y)
    column, x_phase = grid_phase(grid.x0_um, grid.um_per_px)
    row, y_phase = grid_phase(grid.y0_um, grid.um_per_px)
    rows, columns = grid.shape
    tall, wide = max(1, int(BLOCK_PX / scale_y)), max(1, int(BLOCK_PX / scale_x))

    def block(top: int, left: int) -> Pixels:
        down = axis(row + top, y_phase, count=min(tall, rows - top), scale=scale_y)
        across = axis(column + left, x_phase, count=min(wide, columns - left), scale=scale_x)
        return _read_block(source, index, down, across)

    if rows <= tall and columns <= wide:
        return block(0, 0)
    pixels = np.empty((rows, columns, 3), np.uint8)
    for top in range(0, rows, tall):
        for left in range(0, columns, wide):
            pixels[top : top + tall, left : left + wide] = block(top, left)
    return pixels


def choose_level(levels: tuple[Level, ...], calibration: Calibration, um_per_px: float) -> int:
    """Index of the coarsest level at least as fine as asked, 2 % coarser accepted; level 0 when none is."""

    def fine_enough(level: Level) -> bool:
        um = max(calibration.um_per_px_x * level.downsample_x, calibration.um_per_px_y * level.downsample_y)
        return um <= um_per_px * (1 + LEVEL_TOLERANCE)

    fitting = [index for index, level in enumerate(levels) if fine_enough(level)]
    return min(fitting, key=lambda index: levels[index].width * levels[index].height, default=0)


def grid_phase(origin_um: float, um_per_px: float) -> tuple[int, float]:
    """The origin as a whole number of output pixels and a fraction of one, a multiple of 1/1024."""
    position = origin_um / um_per_px
    whole = math.floor(position)
    steps = round((position - whole) * PHASE_STEPS)
    return (whole + 1, 0.0) if steps == PHASE_STEPS else (whole, steps / PHASE_STEPS)


def _read_block(source: PixelSource, index: int, down: Axis, across: Axis) -> Pixels:
    box = Box(across.start, down.start, across.stop, down.stop)
    levels = source.facts.levels
    width, height = _covered(levels[0], levels[index])
    x0, x1 = _clip(box.x0, width), _clip(box.x1, width)
    y0, y1 = _clip(box.y0, height), _clip(box.y1, height)
    if x0 == x1 or y0 == y1:
        return np.full((down.count, across.count, 3), WHITE, np.uint8)
    inside = _read_inside(source, index, Box(x0, y0, x1, y1))
    if (x0, y0, x1, y1) != (box.x0, box.y0, box.x1, box.y1):
        padded = np.full((box.y1 - box.y0, box.x1 - box.x0, 3), WHITE, np.uint8)
        padded[y0 - box.y0 : y1 - box.y0, x0 - box.x0 : x1 - box.x0] = inside
        inside = padded
    return resample(inside, down, across)


def _clip(position: int, size: int) -> int:
    return min(max(position, 0), size)


def _covered(full: Level, level: Level) -> tuple[int, int]:
    """Width and height in level pixels that the slide covers; one more than the level holds where a writer that
    halves has dropped an odd last column or row."""
    return (
        max(level.width, math.ceil(full.width / level.downsample_x - 1e-6)),
        max(level.height, math.ceil(full.height / level.downsample_y - 1e-6)),
    )


def _read_inside(source: PixelSource, index: int, box: Box) -> Pixels:
    """Like read_level, the dropped last column or row filled with its neighbour."""
    level = source.facts.levels[index]
    held = Box(
        min(box.x0, level.width - 1), min(box.y0, level.height - 1), min(box.x1, level.width), min(box.y1, level.height)
    )
    pixels = source.read_level(index, held)
    rows, columns = box.y1 - box.y0 - pixels.shape[0], box.x1 - box.x0 - pixels.shape[1]
    return np.pad(pixels, ((0, rows), (0, columns), (0, 0)), mode="edge") if rows or columns else pixels
