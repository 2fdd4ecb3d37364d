"""Pictures in which everything is known: real stains that were read, composites of their pixels, simulated sections.

The folder of real images (`real/`, `composites/`, `marrow_he/`, `negatives/`) and the script that makes composites are
no part of the program, and nothing is copied from them into it.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mvd.errors import TrainingError
from mvd.geometry import Pixels, Ring
from mvd.phantom import ENDOTHELIAL, PhantomSpec, make_phantom
from mvd.slide import Slide, open_slide
from mvd.training.examples import Known
from mvd.training.retouching import retouched

Kind = Literal["real", "composite", "given", "simulated"]
"""`given` are the composites that come with the folder: tried on, never learned from."""
Objects = NDArray[np.int32]

STAINS = {"tumour": 0.45, "sarcoma": 0.7, "colon": 0.45}
"""µm/px, estimated, of each real picture that two readers have read; its name is its laboratory's."""
COMPOSITES = "composites"
"""Laboratory of the composites that come with the folder: pixels of colon and tumour."""
_COMPOSITE_UM_PER_PX = {"tumour": 0.5, "sarcoma": 0.7, "colon": 0.5}
_BACKGROUNDS = ("0001_01", "0003_01", "0004_01", "0006_01", "0007_01", "0008_01")
_DECOYS = "cd3,cd8b,tbet"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one laboratory's composites are made, all of one kind."""

    number: int
    """Of each laboratory."""
    first_seed: int
    """Laboratories follow at distances of a thousand."""
    look_seed: int
    """Of the strength of the stains and the quality of the JPEG."""
    gaps_um: tuple[float, ...]
    """Between things, drawn from these."""
    density_per_mm2: tuple[int, int]
    decoys_per_mm2: tuple[int, int]
    """Every third is without."""


RECIPES = (
    Recipe(36, 5000, 0, (4, 8, 15), (100, 260), (20, 200)),
    Recipe(24, 9000, 77000, (2.5, 4, 6), (400, 700), (50, 300)),
)
"""Vessels as dense as in marrow, and so dense that neighbours touch, as in the sarcoma."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A picture, not yet opened."""

    name: str
    kind: Kind
    laboratory: str
    """Whose pixels it is of; a simulated section's difficulty."""
    um_per_px: float
    path: Path | None = None
    known: tuple[Known, ...] = ()
    mask: Path | None = None
    """16-bit picture: the number of the vessel or decoy that each pixel belongs to."""
    spec: PhantomSpec | None = None
    """How a simulated section is made."""
    look: int | None = None
    """Seed of another look of the picture (`retouched`); None for the picture as it is."""

    @property
    def stock(self) -> str:
        """What of it is alike: pictures of one stock weigh as much as those of another."""
        return f"{self.kind} {self.laboratory}"


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A picture, opened."""

    slide: Slide
    known: tuple[Known, ...]
    objects: Objects | None
    """(rows, columns) number of the thing that each pixel belongs to, 0 for none; None where only boxes are known."""


@contextmanager
def opened(source: Source) -> Iterator[Opened]:
    """The picture with what is known of it; what is made for it is read from a file as a user's would be."""
    if source.path is None:
        assert source.spec is not None
        phantom = make_phantom(source.spec)
        known = tuple(Known(t.outline, str(t.kind), t.counts, t.kind in ENDOTHELIAL) for t in phantom.truth)
        objects = _painted(known, phantom.image.pixels.shape, source.um_per_px)
        with _slide_of(phantom.image.pixels, source.um_per_px) as slide:
            yield Opened(slide, known, objects)
        return
    mask = None if source.mask is None else np.asarray(_read_mask(source.mask), np.int32)
    if source.look is None:
        with open_slide(source.path, um_per_px=source.um_per_px) as slide:
            yield Opened(slide, source.known, mask)
        return
    with Image.open(source.path) as image:
        pixels = retouched(np.asarray(image.convert("RGB")), source.look)
    with _slide_of(pixels, source.um_per_px) as slide:
        yield Opened(slide, source.known, mask)


@contextmanager
def _slide_of(pixels: Pixels, um_per_px: float) -> Iterator[Slide]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        Image.fromarray(pixels).save(path)
        with open_slide(path, um_per_px=um_per_px) as slide:
            yield slide


def _painted(known: Sequence[Known], shape: tuple[int, ...], um_per_px: float) -> Objects:
    objects = np.zeros(shape[:2], np.int32)
    for number, thing in enumerate(known, start=1):
        cv2.fillPoly(objects, [np.round(thing.outline / um_per_px).astype(np.int32)], number)
    return objects


def _read_mask(path: Path) -> NDArray[np.uint16]:
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise TrainingError(
            f"{path} cannot be read as a mask; remove the folder it is in, and composites are made anew"
        )
    return np.asarray(found, np.uint16)


def simulated(specs: Sequence[PhantomSpec]) -> tuple[Source, ...]:
    """Simulated sections as sources."""
    return tuple(
        Source(f"section {spec.seed}", "simulated", spec.difficulty, spec.um_per_px, spec=spec) for spec in specs
    )


def other_looks(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Each picture once more, retouched."""
    return tuple(
        replace(source, name=f"{source.name}, retouched", look=number) for number, source in enumerate(sources)
    )


def real_pictures(shared: Path) -> tuple[Source, ...]:
    """The real pictures of the folder with what the readers marked.

    Raises
    ------
    TrainingError
        They are not there.
    """
    table = shared / "real" / "vessels.csv"
    if not table.is_file():
        raise TrainingError(f"{table} does not exist; name the folder of real images with REAL=…")
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return tuple(
        Source(
            name, "real", name, um_per_px, shared / "real" / f"{name}.png",
            tuple(_marked(row, um_per_px) for row in rows if row["image"] == f"{name}.png"),
        )
        for name, um_per_px in STAINS.items()
    )  # fmt: skip


def _marked(row: dict[str, str], um_per_px: float) -> Known:
    ring = _ring(row) * um_per_px
    return Known(ring, row["kind"], counts=row["kind"] == "vessel", is_stained_vessel=True)


def _ring(box: dict[str, Any]) -> Ring:
    x0, y0, x1, y1 = (float(box[key]) for key in ("x0", "y0", "x1", "y1"))
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def given_composites(shared: Path) -> tuple[Source, ...]:
    """The composites that come with the folder."""
    return tuple(_composite(path, "given", COMPOSITES) for path in sorted((shared / "composites").glob("*.json")))


def _composite(path: Path, kind: Kind, laboratory: str) -> Source:
    of = json.loads(path.read_text(encoding="utf-8"))
    known = [Known(_ring(box), box["kind"], counts=box["count"], is_stained_vessel=True) for box in of["vessels"]]
    known += [Known(_ring(box), box["kind"], counts=False, is_stained_vessel=False) for box in of["decoys"]]
    mask = path.with_suffix(".mask.png")
    name = f"{kind} {path.stem}"
    picture = path.with_suffix(".png")
    return Source(
        name, kind, laboratory, of["um_per_px"], picture, tuple(known), mask if mask.is_file() else None
    )  # fmt: skip


def own_composites(shared: Path, kept: Path, *, workers: int = 1) -> tuple[Source, ...]:
    """Composites of one laboratory each, by `RECIPES`; those that are kept are not made again.

    Parameters
    ----------
    shared
        The folder of real images; the script is `tools/composite.py` beside it.
    kept
        The folder in which they are made.

    Raises
    ------
    TrainingError
        The script is not there, or fails.
    """
    kept.mkdir(parents=True, exist_ok=True)
    orders = [
        (laboratory, recipe, number, place)
        for recipe in RECIPES
        for place, laboratory in enumerate(STAINS)
        for number in range(recipe.number)
    ]
    with ThreadPoolExecutor(workers) as pool:
        made = list(pool.map(partial(_made, shared, kept), orders))
    return tuple(_composite(path, "composite", order[0]) for path, order in zip(made, orders, strict=True))


def _made(shared: Path, kept: Path, order: tuple[str, Recipe, int, int]) -> Path:
    laboratory, recipe, number, place = order
    seed = recipe.first_seed + 1000 * place + number
    done = kept / f"{laboratory}_{seed}.json"
    if done.is_file():
        return done
    script = shared.parent / "tools" / "composite.py"
    with tempfile.TemporaryDirectory(dir=kept) as folder:
        out = Path(folder) / done.stem
        told = [sys.executable, str(script), str(seed), str(out), *arguments(laboratory, recipe, number, place)]
        run = subprocess.run(told, capture_output=True, text=True, check=False)  # noqa: S603  (our own script)
        if run.returncode:
            last = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise TrainingError(f"{script} could not make {done.name}: {last}")
        for suffix in (".png", ".mask.png", ".json"):  # the last says that all is there
            out.with_suffix(suffix).replace(done.with_suffix(suffix))
    return done


def arguments(laboratory: str, recipe: Recipe, number: int, place: int) -> list[str]:
    """What the script is told of one composite, after its seed and its name."""
    rng = np.random.default_rng(recipe.look_seed + 1000 * place + number)
    strength, counterstain = rng.uniform(0.5, 1.25), rng.uniform(0.6, 1.2)
    gap, quality = rng.choice(recipe.gaps_um), rng.choice([70, 85, 95])
    density, decoys = (",".join(map(str, ends)) for ends in (recipe.density_per_mm2, recipe.decoys_per_mm2))
    return [
        "--sources", laboratory, "--backgrounds", ",".join(_BACKGROUNDS), "--decoys", _DECOYS,
        "--um", str(_COMPOSITE_UM_PER_PX[laboratory]), "--strength", f"{strength:.2f}",
        "--counterstain", f"{counterstain:.2f}", "--gap", f"{gap:.1f}", "--density", density,
        "--decoy-density", decoys if number % 3 else "0,0", "--jpeg", str(quality), "--masks",
    ]  # fmt: skip
