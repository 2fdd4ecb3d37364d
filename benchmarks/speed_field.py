"""Time to find the vessels of one 0.0625 mm² field, on one core, image decoding aside.

    python benchmarks/speed_field.py

Prints the median over ten typical simulated fields of 250 µm at 0.5 µm/px, the pixel size at which vessels are found
(a 0.25 µm/px field of 1 MPix is read at that size), and beside it what the generic baseline of accuracy.py takes.
"""

from __future__ import annotations

import statistics
import time

import cv2
from naive_threshold import baseline

from mvd.geometry import Raster, Rect
from mvd.phantom import PhantomSpec, make_phantom
from mvd.protocol import CountingRule
from mvd.stains import estimate_stains, measure_white
from mvd.vessels import WORK_UM_PER_PX, find_vessels, measure_levels, stain_maps

FIELD_UM = 250.0


def main() -> None:
    cv2.setNumThreads(1)
    ours, theirs = [], []
    for seed in range(5):
        image = make_phantom(PhantomSpec(seed=seed, width_um=600, height_um=600, vessel_density_per_mm2=80.0)).image
        stains = estimate_stains(image.pixels, measure_white(image.pixels), um_per_px=WORK_UM_PER_PX)
        levels = measure_levels([stain_maps(image, stains)])
        for corner in (40.0, 300.0):
            field: Raster = image.crop(Rect.square(corner, corner, FIELD_UM))
            start = time.perf_counter()
            find_vessels(field, stains, levels, rule=CountingRule())
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            baseline(field.pixels, WORK_UM_PER_PX)
            theirs.append(time.perf_counter() - start)
    print(f"find_vessels {statistics.median(ours):.3f} s, generic baseline {statistics.median(theirs):.3f} s a field")


if __name__ == "__main__":
    main()
