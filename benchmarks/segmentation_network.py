"""A small U-Net for stained vessel wall: trained on simulated sections, for the trial in network_trial.py.

    pip install torch onnx onnxruntime          (this trial alone needs them)
    python benchmarks/segmentation_network.py FOLDER [--sections 64] [--steps 1000] [--threads 2]

Leaves FOLDER/network.onnx and FOLDER/training.json. The network sees what the classical method sees, the four stain
densities of a region on the slide's own scale, so that it need not learn every laboratory's colours.
"""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mvd.geometry import FloatImage, Mask, Pixels, Raster
from mvd.phantom import ENDOTHELIAL, Phantom, PhantomSpec, make_phantom
from mvd.phantom.optics import draw_look, jpeg
from mvd.protocol import Protocol
from mvd.slide import open_slide
from mvd.stains import Stains, separate
from mvd.survey import Survey, survey_slide
from mvd.vessels import WORK_UM_PER_PX, StainLevels, stain_maps
from mvd.vessels.maps import StainMaps
from mvd.vessels.pieces import Labels

TRAIN_SEED = 7_000_000
"""First seed of the training sections; those of accuracy.py are seconds since 1970 or, for its page, near 90 000."""
SIDE_UM = 400.0
MIXTURE = ("typical", "hard", "hard", "easy")
RECOLOURED = 2
"""Each section is seen as drawn and in this many other colours."""
WIDTH, DEPTH = 12, 4
"""Channels at the finest of the levels, doubled at each of the others."""
PATCH_PX, BATCH = 256, 4
LEARNING_RATE = 3e-3
MIN_PIECE_UM2 = 2.0
"""As for the classical pieces."""
CLIP = (-1.0, 4.0)
"""Of the scaled densities: ink and black pigment reach ten."""


def needed(name: str) -> Any:
    """A module that only this trial needs."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise SystemExit(f"no {name}: pip install torch onnx onnxruntime (this trial alone needs them)") from error


@dataclass(frozen=True)
class Seen:
    """A section as the program sees it."""

    region: Raster
    survey: Survey
    maps: StainMaps

    @property
    def levels(self) -> StainLevels:
        return self.survey.levels


def see(pixels: Pixels, um_per_px: float) -> Seen:
    """Survey a picture and read it as a slide's would be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "section.png"
        Image.fromarray(pixels).save(path, compress_level=1)
        with open_slide(path, um_per_px=um_per_px) as slide:
            survey = survey_slide(slide, Protocol())
            region = slide.read(slide.bounds, WORK_UM_PER_PX)
    return Seen(region, survey, stain_maps(region, survey.stains))


def inputs(maps: StainMaps, levels: StainLevels) -> FloatImage:
    """(4, rows, columns): the densities on the slide's own scale, so that strength of stain is no matter."""
    height = levels.peak - levels.background
    scaled = (
        (maps.dab - levels.background) / height,
        maps.haematoxylin / max(levels.nuclear, 0.05),
        maps.total / levels.tissue,
        maps.red / height,
    )
    return np.clip(np.stack(scaled), *CLIP).astype(np.float32)


def targets(phantom: Phantom) -> NDArray[np.uint8]:
    """(2, rows, columns) at the working pixel size: stained wall; whole vessel with its lumen and gaps."""
    rows, columns = (round(side / WORK_UM_PER_PX) for side in (phantom.spec.height_um, phantom.spec.width_um))
    wall = cv2.resize(phantom.walls.pixels.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA) >= 0.5
    whole = wall.astype(np.uint8)
    for vessel in phantom.truth:
        if vessel.kind in ENDOTHELIAL:
            cv2.fillPoly(whole, [np.round(vessel.outline / WORK_UM_PER_PX - 0.5).astype(np.int32)], 1)
    return np.stack([wall.astype(np.uint8), whole])


def recoloured(phantom: Phantom, rng: np.random.Generator) -> Pixels:
    """The section as another laboratory would have stained and scanned it: amounts, hues, tint, focus, noise, JPEG."""
    look = draw_look(phantom.spec)
    red, green, blue = (255 * level for level in look.white)
    parts = separate(phantom.image.pixels, Stains((red, green, blue), look.haematoxylin, look.dab, "slide"))
    vectors = np.stack([look.haematoxylin, look.dab, np.cross(look.haematoxylin, look.dab)])
    vectors = vectors + rng.normal(0, 0.05, (3, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    amounts = rng.uniform((0.5, 0.4, 0.7), (1.7, 1.6, 1.3))
    density = (parts * amounts) @ vectors + rng.uniform(0, 0.05, 3)
    light = 255 * rng.uniform(0.88, 1.0) * 10.0**-density
    light = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.1, 0.5) / phantom.spec.um_per_px)
    light += rng.normal(0, rng.uniform(0, 4), light.shape)
    return jpeg(np.clip(np.rint(light), 0, 255).astype(np.uint8), quality=int(rng.integers(55, 96)))


def training_section(number: int) -> tuple[NDArray[np.float16], NDArray[np.uint8], NDArray[np.float64]]:
    """Inputs (views, 4, rows, columns), targets, and (row, column) of every object, vessel or not."""
    rng = np.random.default_rng((TRAIN_SEED, number))
    phantom = make_phantom(
        PhantomSpec(
            seed=TRAIN_SEED + number,
            width_um=SIDE_UM,
            height_um=SIDE_UM,
            difficulty=MIXTURE[number % 4],  # type: ignore[arg-type]
            um_per_px=(0.25, 0.5)[number // 4 % 2],
            vessel_density_per_mm2=float(rng.uniform(30, 200)),
            confounders=float(rng.uniform(0.7, 2)),
        )
    )
    views = [phantom.image.pixels, *(recoloured(phantom, rng) for _ in range(RECOLOURED))]
    seen = [see(view, phantom.spec.um_per_px) for view in views]
    given = np.stack([inputs(one.maps, one.levels) for one in seen]).astype(np.float16)
    return given, targets(phantom), np.array([(t.y_um, t.x_um) for t in phantom.truth]) / WORK_UM_PER_PX


def patch_pair(
    section: tuple[NDArray[np.float16], NDArray[np.uint8], NDArray[np.float64]], rng: np.random.Generator
) -> tuple[FloatImage, NDArray[np.uint8]]:
    """One patch, most often round an object: magnified, turned, mirrored, and with levels that were misjudged."""
    given, wanted, centres = section
    view = given[rng.integers(len(given))]
    side = round(PATCH_PX * rng.uniform(0.8, 1.25)) if rng.random() < 0.5 else PATCH_PX
    room = np.array(wanted.shape[1:]) - side
    near = rng.random() < 0.7 and len(centres)
    corner = centres[rng.integers(len(centres))] - rng.uniform(0.2, 0.8, 2) * side if near else rng.uniform(0, room)
    row, column = np.clip(corner, 0, room).astype(int).tolist()
    box = (slice(None), slice(row, row + side), slice(column, column + side))
    x, y = view[box].astype(np.float32), wanted[box]
    if side != PATCH_PX:
        x = np.stack([cv2.resize(c, (PATCH_PX, PATCH_PX), interpolation=cv2.INTER_LINEAR) for c in x])
        y = np.stack([cv2.resize(c, (PATCH_PX, PATCH_PX), interpolation=cv2.INTER_NEAREST) for c in y])
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    x, y = (np.rot90(a, turns, (1, 2))[..., :: -1 if mirrored else 1] for a in (x, y))
    x = x * np.exp(rng.uniform(-0.3, 0.3, (4, 1, 1))) + rng.normal(0, 0.04, (4, 1, 1))
    return np.ascontiguousarray(x, np.float32), np.ascontiguousarray(y)


def make_network() -> Any:
    """U-Net (Ronneberger 2015, arXiv:1505.04597), padded, with batch normalisation."""
    torch = needed("torch")
    nn = torch.nn

    def convolutions(before: int, after: int) -> Any:
        layers = []
        for channels in (before, after):
            layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(True)]
        return nn.Sequential(*layers)

    class UNet(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            widths = [WIDTH * 2**level for level in range(DEPTH)]
            self.down = nn.ModuleList(convolutions(a, b) for a, b in zip([4, *widths], widths, strict=False))
            self.narrow = nn.ModuleList(nn.Conv2d(2 * w, w, 1) for w in widths[:-1])
            self.up = nn.ModuleList(convolutions(2 * w, w) for w in widths[:-1])
            self.head = nn.Conv2d(WIDTH, 2, 1)

        def forward(self, x: Any) -> Any:
            seen = []
            for level, block in enumerate(self.down):
                x = block(x if level == 0 else nn.functional.max_pool2d(x, 2))
                seen.append(x)
            for level in reversed(range(DEPTH - 1)):
                x = nn.functional.interpolate(self.narrow[level](x), scale_factor=2, mode="nearest")
                x = self.up[level](torch.cat([seen[level], x], 1))
            return self.head(x)

    return UNet()


def train(sections: list[Any], steps: int) -> tuple[Any, float]:
    """The network after `steps`, and its mean loss over the last tenth of them."""
    torch = needed("torch")
    torch.manual_seed(TRAIN_SEED)
    rng = np.random.default_rng(TRAIN_SEED)
    network = make_network()
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    losses = []
    for step in range(1, steps + 1):
        pairs = [patch_pair(sections[rng.integers(len(sections))], rng) for _ in range(BATCH)]
        x, y = (torch.from_numpy(np.stack(part)) for part in zip(*pairs, strict=True))
        y = y.float()
        logits = network(x)
        share = torch.sigmoid(logits)
        overlap = (2 * (share * y).sum((0, 2, 3)) + 1) / ((share + y).sum((0, 2, 3)) + 1)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y) + (1 - overlap).mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}: loss {np.mean(losses[-50:]):.3f}", flush=True)
    return network.eval(), float(np.mean(losses[-max(steps // 10, 1) :]))


def export(network: Any, path: Path) -> None:
    torch = needed("torch")
    side = {2: "rows", 3: "columns"}
    torch.onnx.export(
        network, (torch.zeros(1, 4, PATCH_PX, PATCH_PX),), path, dynamo=False, input_names=["densities"],
        output_names=["logits"], dynamic_axes={"densities": side, "logits": side},
    )  # fmt: skip


class Network:
    """The trained network, run by onnxruntime on so many threads."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        runtime = needed("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        self._session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def shares(self, maps: StainMaps, levels: StainLevels) -> FloatImage:
        """(2, rows, columns) probability of stained wall and of whole vessel."""
        given = inputs(maps, levels)
        rows, columns = given.shape[1:]
        step = 2 ** (DEPTH - 1)
        padded = np.pad(given, ((0, 0), (0, -rows % step), (0, -columns % step)), mode="edge")
        (logits,) = self._session.run(None, {"densities": padded[None]})
        return np.asarray(1 / (1 + np.exp(-logits[0, :, :rows, :columns])), np.float32)


def pieces_of(mask: Mask) -> Labels:
    """Connected parts of a mask in raster order, specks left out, as the classical pieces are."""
    stained = mask.astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(stained, 8, cv2.CV_32S, cv2.CCL_WU)
    keep = stats[:, cv2.CC_STAT_AREA] * WORK_UM_PER_PX**2 >= MIN_PIECE_UM2
    keep[0] = False
    number = np.zeros(count, np.int32)
    number[keep] = np.arange(1, int(keep.sum()) + 1, dtype=np.int32)
    return number[labels]


def sections_in(folder: Path, count: int) -> Iterator[Any]:
    """Training sections, made where they are not there yet."""
    for number in range(count):
        path = folder / f"section_{number:03d}.npz"
        if not path.exists():
            given, wanted, centres = training_section(number)
            np.savez(path, given=given, wanted=wanted, centres=centres)
        with np.load(path) as stored:
            yield stored["given"], stored["wanted"], stored["centres"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sections", type=int, default=64)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    needed("torch").set_num_threads(options.threads)
    needed("onnx")
    cv2.setNumThreads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    sections = list(sections_in(options.folder, options.sections))
    start, used = time.perf_counter(), time.process_time()
    network, loss = train(sections, options.steps)
    export(network, options.folder / "network.onnx")
    facts = {"sections": options.sections, "steps": options.steps, "loss": round(loss, 4)} | {
        "parameters": sum(weights.numel() for weights in network.parameters()),
        "minutes": round((time.perf_counter() - start) / 60, 1),
        "processor_minutes": round((time.process_time() - used) / 60, 1),
    }
    (options.folder / "training.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(facts)


if __name__ == "__main__":
    main()
