"""Whether another version of the program finds the very same objects: every outline, measure, feature and reason.

    python benchmarks/same_objects.py write FOLDER [PICTURE ...]
    python benchmarks/same_objects.py compare FOLDER OTHER

`write` finds the objects of the sample images, of simulated sections of every difficulty, of a picture without vessels
and of any RGB pictures at 0.5 µm/px named besides, by three rules, and keeps all that is known of them; run it with the
version before and with the version after (PYTHONPATH). `compare` names every number that differs, to the last bit.
"""

from __future__ import annotations

import argparse
import dataclasses
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data

from mvd.geometry import Pixels, Raster
from mvd.phantom import PhantomSpec, make_phantom
from mvd.protocol import CountingRule
from mvd.slide import open_slide
from mvd.stains import estimate_stains, measure_white
from mvd.vessels import WORK_UM_PER_PX, find_candidates, measure_levels, stain_maps

SAMPLES = Path(__file__).parent.parent / "sample_images"
SECTIONS = (("easy", 11), ("typical", 12), ("hard", 13), ("hard", 14))
RULES = (
    CountingRule(),
    CountingRule(name="parted", branches="separate", lumen_required=True, join_gap_um=15, max_lumen_width_um=25),
    CountingRule(name="unjoined", join_gap_um=0),
)


def pictures(named: list[Path]) -> Iterator[tuple[str, Pixels]]:
    """Names and RGB pixels at `WORK_UM_PER_PX`."""
    for path in sorted(SAMPLES.glob("*.ome.tif")):
        with open_slide(path) as slide:
            yield path.name, slide.read(slide.bounds, WORK_UM_PER_PX).pixels
    for difficulty, seed in SECTIONS:
        spec = PhantomSpec(seed=seed, width_um=700, height_um=600, um_per_px=WORK_UM_PER_PX, difficulty=difficulty)
        yield f"{difficulty} {seed}", make_phantom(spec).image.pixels
    yield "immunohistochemistry", skimage.data.immunohistochemistry()
    for path in named:
        pixels = cv2.imread(str(path))
        if pixels is None:
            raise SystemExit(f"{path} is no picture that OpenCV reads")
        yield path.name, np.ascontiguousarray(pixels[..., ::-1])


def found(pixels: Pixels) -> dict[str, Any]:
    region = Raster(pixels, 0.0, 0.0, WORK_UM_PER_PX)
    stains = estimate_stains(pixels, measure_white(pixels), um_per_px=WORK_UM_PER_PX)
    levels = measure_levels([stain_maps(region, stains)])
    return {rule.name: plain(find_candidates(region, stains, levels, rule=rule)) for rule in RULES}


def plain(value: Any) -> Any:
    """The same without the program's own types, so that another version can read it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    return str(value) if value is not None and not isinstance(value, (bool, int, float)) else value


def differences(one: Any, other: Any, place: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differences(one[key], other[key], f"{place} {key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{place}[{number}]")
    elif one != other:
        by = f", by {other - one:.2g}" if isinstance(one, float) and isinstance(other, float) else ""
        yield f"{place}: {str(one)[:60]} | {str(other)[:60]}{by}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("write", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("others", nargs="*", type=Path, metavar="PICTURE | OTHER")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.what == "write":
        options.folder.mkdir(parents=True, exist_ok=True)
        for name, pixels in pictures(options.others):
            start = time.process_time()
            objects = found(pixels)
            (options.folder / f"{name}.pickle").write_bytes(pickle.dumps(objects))
            print(f"{name:24} {sum(map(len, objects.values())):5} objects {time.process_time() - start:6.2f} s")
        return
    (other,) = options.others
    names = sorted(path.name for path in options.folder.glob("*.pickle"))
    lines = [
        line
        for name in names
        for line in differences(
            pickle.loads((options.folder / name).read_bytes()), pickle.loads((other / name).read_bytes()), name
        )
    ]
    print("\n".join([*lines, f"{len(lines)} differences in {len(names)} pictures"]))
    raise SystemExit(bool(lines))


if __name__ == "__main__":
    main()
