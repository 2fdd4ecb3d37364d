"""The real pictures, and what the program and a naive threshold find in them."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from naive_threshold import above, baseline, dab_density
from PIL import Image
from real_pixels_tally import DECOYS, DOUBTFUL, LARGE, VESSEL, Known, Object, Tally, detected, refused, tally

import mvd
from mvd.agreement import Detection
from mvd.geometry import Pixels, Rect
from mvd.protocol import ScorePlan
from mvd.tissue import area_mm2

REAL, COMPOSITES, NEGATIVES = "real", "composites", "negatives"
FOLDERS = (REAL, COMPOSITES, NEGATIVES, "ck_negative")

STAINS = {
    "colon": (0.45, "CD31, colorectal carcinoma, scanner"),
    "tumour": (0.45, "CD31, tumour, microscope camera, no glass in view"),
    "sarcoma": (0.7, "CD34, dense vessels, resampled and sharpened photograph"),
}
"""µm/px, estimated, and what it is: the pictures that two readers have read."""

WITHOUT_VESSELS = {
    "negatives/mouse_colon_cd3.png": (0.32, "CD3, single lymphoid cells, mouse colon"),
    "negatives/mouse_colon_cd8b.png": (0.32, "CD8b, single lymphoid cells, mouse colon"),
    "negatives/mouse_colon_tbet.png": (0.32, "T-bet, single lymphoid cells, mouse colon"),
    "negatives/brain_cd3_scattered.png": (1.0, "CD3, scattered cells, brain"),
    "negatives/lymphoid_cd45.png": (0.5, "CD45, sheets of lymphoid cells"),
    "negatives/mucosa_keratin.png": (0.37, "keratin, mucosa, diffuse"),
    "ck_negative/testImage.jpg": (0.5, "cytokeratin"),
    "ck_negative/testImage2.jpg": (0.5, "cytokeratin"),
}
"""µm/px, estimated, and what it is: brown, and no stained vessel."""

THRESHOLDS_OD = tuple(round(0.05 + 0.025 * step, 3) for step in range(31))
"""What somebody would try by hand: 0.05 to 0.8."""


@dataclass(frozen=True)
class Picture:
    """A picture, and what is known of it."""

    name: str
    group: str
    what: str
    path: Path
    um_per_px: float
    known: tuple[Known, ...] = ()

    @property
    def laboratory(self) -> str:
        """Whose pixels must not have had a say in the choices that are tried on them."""
        return self.name if self.group == REAL else self.group

    @property
    def decoys(self) -> bool:
        return any(one.kind in DECOYS.values() for one in self.known)


@dataclass(frozen=True)
class Reading:
    """What the program and the threshold found in a picture."""

    picture: Picture
    program: Tally
    naive: Detection
    by_hand: tuple[Detection, ...]
    """Of a threshold at each of `THRESHOLDS_OD`; none of a picture without vessels."""
    picture_mm2: float
    tissue_mm2: float
    """What the program takes for tissue; 0 where it refuses the picture."""
    said: tuple[str, ...]
    """The warnings, or the sentence of refusal."""
    is_refused: bool


@dataclass(frozen=True)
class Change:
    """Something that must not change a count much."""

    name: str
    pixels: Callable[[Pixels], Pixels]
    um_per_px_factor: float = 1.0
    jpeg_quality: int | None = None
    """None: kept without loss."""


def _turned(pixels: Pixels, *, quarters: int, mirrored: bool) -> Pixels:
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, quarters).copy()


def _scaled(pixels: Pixels, *, factors: tuple[float, float, float]) -> Pixels:
    return np.clip(np.round(pixels * np.array(factors)), 0, 255).astype(np.uint8)


def _as_it_is(pixels: Pixels) -> Pixels:
    return pixels


ORIENTATIONS = tuple(
    Change(
        f"turned by {90 * quarters}°{', mirrored' * mirrored}", partial(_turned, quarters=quarters, mirrored=mirrored)
    )
    for mirrored in (False, True)
    for quarters in range(4)
)
CHANGES = (
    Change("pixel size stated 20 % too small", _as_it_is, um_per_px_factor=0.8),
    Change("pixel size stated 20 % too large", _as_it_is, um_per_px_factor=1.2),
    Change("JPEG, quality 60", _as_it_is, jpeg_quality=60),
    Change("15 % darker", partial(_scaled, factors=(0.85, 0.85, 0.85))),
    Change("15 % brighter", partial(_scaled, factors=(1.15, 1.15, 1.15))),
    Change("tint: blue × 0.93", partial(_scaled, factors=(1.0, 1.0, 0.93))),
)


LEFT_OUT = Path(__file__).resolve().parent / "left_out"
"""Models that `make model` learns without a laboratory: a folder each, of its name."""


def protocol_without(laboratory: str) -> mvd.Protocol:
    """The protocol whose model was learned without the pictures of a laboratory.

    For pictures without vessels that is the default one: their laboratories were not learned from. Cells of three of
    them are the decoys of the composites, so these three are no test of what is brown and single.
    """
    folder = LEFT_OUT / laboratory
    if not folder.is_dir():
        return mvd.Protocol()
    return mvd.Protocol(score=ScorePlan(model=str(folder)))


def pictures_of(shared: Path) -> list[Picture]:
    """Every picture of the folder of real images that this benchmark knows."""
    with (shared / REAL / "vessels.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    real = [
        Picture(name, REAL, what, shared / REAL / f"{name}.png", um_per_px, tuple(_marked(rows, name, um_per_px)))
        for name, (um_per_px, what) in STAINS.items()
    ]
    composites = [_composite(path) for path in sorted((shared / COMPOSITES).glob("*.json"))]
    negatives = [
        Picture(Path(name).stem, NEGATIVES, what, shared / name, um_per_px)
        for name, (um_per_px, what) in WITHOUT_VESSELS.items()
    ]
    return real + composites + negatives


def _marked(rows: list[dict[str, str]], name: str, um_per_px: float) -> list[Known]:
    """What the readers marked in a picture."""
    mine = [row for row in rows if row["image"] == f"{name}.png"]
    return [
        Known(Rect(*(float(row[key]) * um_per_px for key in ("x0", "y0", "x1", "y1"))), _kind(row["kind"]))
        for row in mine
    ]


def _kind(name: str) -> str:
    if name not in (VESSEL, DOUBTFUL, LARGE):
        raise ValueError(f"real/vessels.csv has a box of the kind '{name}', which this benchmark does not know")
    return name


def _composite(path: Path) -> Picture:
    of = json.loads(path.read_text(encoding="utf-8"))
    known = [(box, VESSEL if box["count"] else LARGE) for box in of["vessels"]]
    known += [(box, DECOYS[box["kind"]]) for box in of["decoys"]]
    boxes = tuple(Known(Rect(box["x0"], box["y0"], box["x1"], box["y1"]), kind) for box, kind in known)
    return Picture(path.stem, COMPOSITES, of["style"], path.with_suffix(".png"), of["um_per_px"], boxes)


def read(picture: Picture, protocol: mvd.Protocol) -> Reading:
    """The program and the naive threshold on one picture."""
    cv2.setNumThreads(1)
    pixels = _pixels(picture)
    density = dab_density(pixels)
    tried = THRESHOLDS_OD if picture.group != NEGATIVES else ()
    rows, columns = density.shape
    whole = partial(
        Reading,
        picture,
        naive=detected(baseline(pixels, picture.um_per_px), picture.known),
        by_hand=tuple(detected(above(density, picture.um_per_px, at), picture.known) for at in tried),
        picture_mm2=rows * columns * picture.um_per_px**2 / 1e6,
    )
    try:
        found = mvd.find(picture.path, um_per_px=picture.um_per_px, protocol=protocol)
    except mvd.MvdError as error:
        sentence = str(error).removeprefix(f"{picture.path.name}: ")
        return whole(program=refused(picture.known), tissue_mm2=0.0, said=(sentence,), is_refused=True)
    objects = [Object(v.bounds, None if v.reason is None else str(v.reason), v.ambiguous) for v in found.vessels]
    return whole(
        program=tally(objects, picture.known),
        tissue_mm2=area_mm2(found.survey.tissue.whole),
        said=found.survey.warnings,
        is_refused=False,
    )


def count_after(picture: Picture, change: Change, protocol: mvd.Protocol) -> int | None:
    """How many vessels the program counts in a changed picture; None where it refuses it."""
    cv2.setNumThreads(1)
    changed = Image.fromarray(change.pixels(_pixels(picture)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("picture.jpg" if change.jpeg_quality else "picture.png")
        changed.save(path, quality=change.jpeg_quality)
        try:
            found = mvd.find(path, um_per_px=picture.um_per_px * change.um_per_px_factor, protocol=protocol)
        except mvd.MvdError:
            return None
    return sum(vessel.accepted for vessel in found.vessels)


def _pixels(picture: Picture) -> Pixels:
    with Image.open(picture.path) as image:
        return np.asarray(image.convert("RGB"))


Counts = dict[tuple[str, str], int | None]
"""By the name of a picture and of a change."""


def protocols_of(pictures: list[Picture], *, leave_out: bool) -> dict[str, mvd.Protocol]:
    """By which protocol each picture is read: the default one, or one that was made without its laboratory."""
    return {p.name: protocol_without(p.laboratory) if leave_out else mvd.Protocol() for p in pictures}


def measure(pictures: list[Picture], *, leave_out: bool) -> tuple[list[Reading], Counts]:
    """Everything, on all cores; the largest pictures first."""
    protocols = protocols_of(pictures, leave_out=leave_out)
    by_size = sorted(pictures, key=lambda p: -p.path.stat().st_size)
    with ProcessPoolExecutor() as pool:
        readings = {p.name: pool.submit(read, p, protocols[p.name]) for p in by_size}
        counts = {
            (p.name, change.name): pool.submit(count_after, p, change, protocols[p.name])
            for p in by_size
            if p.group == REAL
            for change in ORIENTATIONS + CHANGES
        }
        return [readings[p.name].result() for p in pictures], {key: one.result() for key, one in counts.items()}


def left_out(pictures: list[Picture]) -> bool:
    """Whether there are choices at all that were made without these pictures."""
    protocols = protocols_of([p for p in pictures if p.group != NEGATIVES], leave_out=True)
    return all(protocol != mvd.Protocol() for protocol in protocols.values())
