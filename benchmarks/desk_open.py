"""How fast a very large slide opens in napari, and how smoothly it pans: on a screen, or under xvfb-run.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/desk_open.py

The slide is made for it: a JPEG pyramid whose tiles share a few hundred pieces of a sample section, so that the file is
small and yet every tile must be decoded.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile

os.environ["NAPARI_CONFIG"] = ""  # a user's settings are left alone

from mvd.geometry import Pixels, Rect
from mvd.slide import open_slide

TILE_PX = 256
PIECES = 256
UM_PER_PX = 0.25
SAMPLE = Path(__file__).resolve().parents[1] / "sample_images" / "p04_pre.ome.tif"


def write_slide(path: Path, side_px: int) -> None:
    """A pyramid of side, side / 4, side / 16, … pixels; tissue in the middle, glass in the corners."""
    sides = [side_px]
    while sides[-1] > 4 * TILE_PX:
        sides.append(sides[-1] // 4)
    options: dict[str, Any] = {
        "dtype": np.uint8,
        "tile": (TILE_PX, TILE_PX),
        "photometric": "ycbcr",
        "compression": "jpeg",
        "subsampling": (2, 2),
    }
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for number, side in enumerate(sides):
            whole = {"subifds": len(sides) - 1} if number == 0 else {"subfiletype": 1}
            per_cm = 1e4 / (UM_PER_PX * side_px / side)
            stubs = (b"0" for _ in range((-(-side // TILE_PX)) ** 2))
            resolution: dict[str, Any] = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
            tif.write(stubs, shape=(side, side, 3), **options, **whole, **resolution)
    share_tiles(path)


def share_tiles(path: Path) -> None:
    """Let every tile within the tissue be one of a few that are written once."""
    pieces = [imagecodecs.jpeg8_encode(piece, level=80, subsampling="420") for piece in sample_pieces()]
    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        tags = [
            (level.pages[0].keyframe.tags[324], level.pages[0].keyframe.tags[325], level.shape)
            for level in series.levels
        ]
        places = [
            (offsets.valueoffset, offsets.dtype, counts.valueoffset, counts.dtype, s) for offsets, counts, s in tags
        ]
    rng = np.random.default_rng(1)
    with path.open("r+b") as file:
        starts = np.array([append(file, piece) for piece in pieces])
        sizes = np.array([len(piece) for piece in pieces])
        for offsets_at, offsets_type, counts_at, counts_type, shape in places:
            across = -(-shape[1] // TILE_PX)
            chosen = rng.integers(0, len(pieces), across**2)
            y, x = (np.indices((across, across)) + 0.5) / across - 0.5
            tissue = (np.hypot(x, y) < 0.45).ravel()
            for at, kind, values in ((offsets_at, offsets_type, starts), (counts_at, counts_type, sizes)):
                file.seek(at)
                file.write(
                    np.where(tissue, values[chosen], 0).astype({3: "<u2", 4: "<u4", 16: "<u8"}[int(kind)]).tobytes()
                )


def append(file: Any, piece: bytes) -> int:
    start: int = file.seek(0, os.SEEK_END)
    file.write(piece)
    return start


def sample_pieces() -> list[Pixels]:
    rng = np.random.default_rng(0)
    with open_slide(SAMPLE) as slide:
        side_um = TILE_PX * slide.calibration.um_per_px
        corners = rng.uniform(0, [slide.bounds.x1_um - side_um, slide.bounds.y1_um - side_um], (PIECES, 2))
        return [slide.read(Rect.square(x, y, side_um), slide.calibration.um_per_px).pixels for x, y in corners.tolist()]


def measure(path: Path, pictures: Path | None) -> None:
    import napari  # noqa: PLC0415
    from mvd_napari.pyramid import image_layer  # noqa: PLC0415
    from qtpy.QtWidgets import QApplication  # noqa: PLC0415

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1000)
    for _ in range(10):
        QApplication.processEvents()

    def drawn() -> None:
        """Until Qt and napari have nothing left to draw."""
        for _ in range(3):
            QApplication.processEvents()

    def keep(name: str) -> None:
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            viewer.screenshot(str(pictures / f"{name}.png"), canvas_only=True, flash=False)

    levels, attributes, _ = timed("open: read the file's header", lambda: image_layer(path))
    add = "open: add the layer and draw it"
    timed(f"{add}, napari's first", lambda: (viewer.add_image(levels, **attributes), drawn()))
    viewer.layers.clear()
    drawn()
    timed(add, lambda: (viewer.add_image(image_layer(path)[0], **attributes), drawn()))
    levels = viewer.layers[0].data
    keep("overview")
    viewer.layers[0].visible = False
    report("empty window: 60 steps of 25 screen pixels", list(pan(viewer, 25 / 4, drawn)))
    viewer.layers[0].visible = True
    reading = stopwatch(levels[0].reader)
    for name, zoom in (("field", 4.0), ("low", 0.4), ("lowest", 0.05)):
        report(f"{name}: come there ({zoom:g} screen pixels per µm)", [seconds(partial(come, viewer, zoom, drawn))])
        keep(name)
        reading.clear()
        report(f"{name}: 60 steps of 25 screen pixels", list(pan(viewer, 25 / zoom, drawn)))
        report(f"{name}: of which reading the slide, {len(reading)} times", reading or [0.0])
    print(f"{'peak memory':48} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")
    viewer.close()


def stopwatch(reader: Any) -> list[float]:
    """The times that the slide's reader takes from now on."""
    times: list[float] = []
    read = reader.read

    def watched(*place: Any) -> Any:
        start = time.perf_counter()
        try:
            return read(*place)
        finally:
            times.append(time.perf_counter() - start)

    reader.read = watched
    return times


def come(viewer: Any, zoom: float, drawn: Callable[[], None]) -> None:
    viewer.scene.camera.center = (12_000.0, 12_000.0)
    viewer.scene.camera.zoom = zoom
    drawn()


def pan(viewer: Any, step_um: float, drawn: Callable[[], None]) -> Iterator[float]:
    for number in range(60):
        y, x = viewer.scene.camera.center[-2:]

        def move(y: float = y, x: float = x, number: int = number) -> None:
            viewer.scene.camera.center = (y + step_um * (number % 3 == 0), x + step_um)
            drawn()

        yield seconds(move)


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def timed(what: str, call: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = call()
    report(what, [time.perf_counter() - start])
    return result


def report(what: str, times: list[float]) -> None:
    ms = np.sort(times) * 1000
    spread = f"  (95 % {np.percentile(ms, 95):.0f}, most {ms[-1]:.0f})" if len(ms) > 1 else ""
    print(f"{what:48} {np.median(ms):8.0f} ms{spread}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=100_000, help="pixels of the slide's side")
    parser.add_argument("--slide", type=Path, help="measure this slide and make none")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of what was on the screen")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = chosen.slide or Path(folder) / "huge.tif"
        if chosen.slide is None:
            write_slide(path, chosen.side)
            print(f"{chosen.side} × {chosen.side} pixels, {path.stat().st_size / 1e6:.0f} MB")
        measure(path, chosen.pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
