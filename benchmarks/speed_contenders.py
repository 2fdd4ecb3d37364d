"""One measured run of the speed benchmark, in a process of its own.

    python benchmarks/speed_contenders.py NAME SLIDE CORES TILES

NAME is `find`, `decode`, `skimage` or `skimage-full`; TILES is a file that `find` writes and `decode` reads: which
tiles of which level were needed. Prints one JSON object: seconds, seconds of processor time (which other work on the
machine does not stretch), peak memory, and what was found.

Beside it, `POSITIVE_PIXEL_COUNT` is the same for HistomicsTK, which needs an environment of its own.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mvd import threads
from mvd.geometry import Rect
from mvd.slide import open_slide
from mvd.slide.model import Box
from mvd.slide.tiff import TiffSource, open_tiff
from mvd.workers import Crew
from mvd.workers.limits import keep_freed_memory

TILE_PX = 256

POSITIVE_PIXEL_COUNT = """
import json, sys, time
import dask
from histomicstk.segmentation import positive_pixel_count as ppc
path, cores = sys.argv[1], int(sys.argv[2])
dask.config.set(scheduler="threads", num_workers=cores)
brown = ppc.Parameters(
    hue_value=0.05, hue_width=0.15, saturation_minimum=0.05, intensity_upper_limit=0.95,
    intensity_weak_threshold=0.65, intensity_strong_threshold=0.35, intensity_lower_limit=0.05,
)
start, cpu = time.perf_counter(), time.process_time()
(totals,) = ppc.count_slide(path, brown)
result = {"seconds": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({**result, "peak_mb": int(peak) / 1024, "pixels": int(totals.NumberTotalPixels)}))
"""
"""The parameters are those of HistomicsTK's own example for brown stain."""


class Clock:
    """Seconds since it was made; processor time also of the workers that have ended."""

    def __init__(self) -> None:
        self._start, self._cpu = time.perf_counter(), _processor_s()

    def took(self) -> dict[str, float]:
        return {"seconds": time.perf_counter() - self._start, "cpu_s": _processor_s() - self._cpu}


def _processor_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_mb() -> float:
    """Most memory held so far. Not `ru_maxrss`: that counts what the parent held before it started this process."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) / 1024


def find(path: Path, cores: int, tiles: Path) -> dict[str, Any]:
    """`mvd find` but for the writing of its results; notes which tiles it needs, and how often it decodes each."""
    import mvd  # noqa: PLC0415  (not loaded where another contender is measured)

    boxes: list[tuple[int, Box]] = []
    read_level, decode_one = TiffSource.read_level, TiffSource._decoded
    decoded = Counter[int]()

    def noted(self: TiffSource, index: int, box: Box) -> Any:
        boxes.append((index, box))
        return read_level(self, index, box)

    def counted_one(self: TiffSource, level: Any, number: int) -> Any:
        decoded[level.width] += 1
        return decode_one(self, level, number)

    TiffSource.read_level = noted  # type: ignore[method-assign]
    TiffSource._decoded = counted_one  # type: ignore[method-assign]
    keep_freed_memory()
    threads.allow(cores)
    clock = Clock()
    found = mvd.find(path, share=Crew(cores).share if cores > 1 else None)
    took = clock.took()
    reads = {
        (index, row, column)
        for index, box in boxes
        for row in range(box.y0 // TILE_PX, -(-box.y1 // TILE_PX))
        for column in range(box.x0 // TILE_PX, -(-box.x1 // TILE_PX))
    }
    if cores == 1:  # otherwise most are read by the workers
        tiles.write_text(json.dumps(sorted(reads)))
    whole = found.survey.tissue.whole
    tissue_mm2 = float(np.count_nonzero(whole.pixels)) * whole.um_per_px**2 / 1e6
    objects, counted = len(found.vessels), sum(vessel.accepted for vessel in found.vessels)
    return {
        **took,
        "objects": objects,
        "counted": counted,
        "tissue_mm2": tissue_mm2,
        "tiles": len(reads),
        "decoded": decoded.total(),
    }


def decode(path: Path, cores: int, tiles: Path) -> dict[str, Any]:
    """Every tile that finding needs, once, with the program's own reader; what is decoded is thrown away."""
    wanted = [tuple(tile) for tile in json.loads(tiles.read_text())]
    clock = Clock()
    source = open_tiff(path)
    levels = source.facts.levels

    def read(tile: tuple[int, int, int]) -> int:
        index, row, column = tile
        left, top = column * TILE_PX, row * TILE_PX
        right, bottom = min(left + TILE_PX, levels[index].width), min(top + TILE_PX, levels[index].height)
        return source.read_level(index, Box(left, top, right, bottom)).shape[0]

    if cores == 1:
        for tile in wanted:
            read(tile)
    else:
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(read, wanted, chunksize=16))
    source.close()
    return {**clock.took(), "tiles": len(wanted)}


def skimage(path: Path, cores: int, tiles: Path) -> dict[str, Any]:
    """Colour deconvolution, one threshold, labels and basic measures by scikit-image, at 0.5 µm/px in blocks."""
    return _skimage(path, 0.5)


def skimage_full(path: Path, cores: int, tiles: Path) -> dict[str, Any]:
    """The same at the pixels of level 0, as most scripts do it."""
    return _skimage(path, 0.25)


def _skimage(path: Path, um_per_px: float) -> dict[str, Any]:
    """Blocks of 1024 µm over the whole slide; objects that a block cuts are counted twice, which costs it nothing."""
    from skimage.color import hdx_from_rgb, separate_stains  # noqa: PLC0415
    from skimage.measure import label, regionprops_table  # noqa: PLC0415

    clock, objects, side = Clock(), 0, 1024.0
    with open_slide(path) as slide:
        bounds = slide.bounds
        for y in np.arange(0, bounds.y1_um, side).tolist():
            for x in np.arange(0, bounds.x1_um, side).tolist():
                block = Rect.square(x, y, side).intersection(bounds)
                assert block is not None
                dab = separate_stains(slide.read(block, um_per_px).pixels, hdx_from_rgb)[..., 1]
                labels = label(dab > 0.1)
                table = regionprops_table(
                    labels, dab, properties=("label", "area", "bbox", "centroid", "perimeter", "mean_intensity")
                )
                objects += len(table["label"])
    return {**clock.took(), "objects": objects}


CONTENDERS: dict[str, Callable[[Path, int, Path], dict[str, Any]]] = {
    "find": find,
    "decode": decode,
    "skimage": skimage,
    "skimage-full": skimage_full,
}


def main() -> None:
    name, path, cores, tiles = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    cv2.setNumThreads(1)
    result = CONTENDERS[name](path, cores, tiles)
    print(json.dumps({**result, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
