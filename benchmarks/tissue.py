"""How well bone, folds and lost focus are found: simulated sections of new seeds, and real tissue that has none.

    python benchmarks/tissue.py [--seed S] [--sections N] [--shared FOLDER]

Half of the sections of each difficulty have two folds and two parts out of focus, the others neither; all have bone.
Bone is judged where the section is flat and in focus, folds and focus outside bone. Where the blur that the lost focus
adds has a sigma between 0.8 and 2 µm, either answer is right.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Raster
from mvd.phantom import Phantom, PhantomSpec, make_phantom
from mvd.phantom.write import write_ome_tiff
from mvd.protocol import Protocol
from mvd.slide import open_slide
from mvd.survey import survey_slide
from mvd.tissue import Tissue

DIFFICULTIES = ("easy", "typical", "hard")
INFILTRATES = ("diffuse", "nodular", "interstitial")
CLEARLY_LOST_UM, CLEARLY_SHARP_UM = 2.0, 0.8
PARTS = ("bone", "fold", "out of focus")
REAL = (
    ("cd31_colon/Tumor_CD31_HiRes.png", 0.45),
    ("ck_negative/testImage.jpg", 0.5),
    ("ck_negative/testImage2.jpg", 0.5),
    ("wsi/cmu-1-small-region.svs", None),
)

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Overlap:
    """Areas in mm²."""

    truth: float
    found: float
    both: float

    @property
    def dice(self) -> float | None:
        return 2 * self.both / (self.truth + self.found) if self.truth + self.found else None


@dataclass(frozen=True)
class Case:
    difficulty: str
    spoilt: bool
    overlaps: dict[str, Overlap]
    """By part; judged pixels only."""


def simulated(difficulty: str, number: int, seed: int, folder: str) -> Case:
    """One new section of 0.8 × 0.6 mm, surveyed from its file."""
    cv2.setNumThreads(1)
    spoilt = number % 2 == 0
    spec = PhantomSpec(
        seed=seed,
        width_um=800,
        height_um=600,
        difficulty=difficulty,  # type: ignore[arg-type]
        um_per_px=0.25 if number % 4 == 1 else 0.5,
        infiltrate=INFILTRATES[number % 3],  # type: ignore[arg-type]
        cll_fraction=float(np.random.default_rng(seed).uniform(0.1, 1.0)),
        bone_fraction=0.1,
        folds=2 if spoilt else 0,
        soft_parts=2 if spoilt else 0,
        soft_um=float(np.random.default_rng(seed).uniform(2.2, 5.0)),
    )
    phantom = make_phantom(spec)
    path = Path(folder) / f"{difficulty}{seed}.ome.tif"
    write_ome_tiff(path, phantom.image, jpeg_quality=phantom.jpeg_quality)
    tissue = surveyed(path, None)
    path.unlink()
    return Case(difficulty, spoilt, dict(overlaps(phantom, tissue)))


def surveyed(path: Path, um_per_px: float | None) -> Tissue:
    with open_slide(path, um_per_px=um_per_px) as slide:
        return survey_slide(slide, Protocol()).tissue


def overlaps(phantom: Phantom, tissue: Tissue) -> Iterable[tuple[str, Overlap]]:
    shape = (tissue.bone.pixels.shape[0], tissue.bone.pixels.shape[1])

    def on_overview(raster: Raster) -> NDArray[np.float32]:
        size = (shape[1], shape[0])
        return np.asarray(cv2.resize(raster.pixels.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)

    bone, fold, lost = on_overview(phantom.bone) > 0.5, on_overview(phantom.fold) > 0.5, on_overview(phantom.lost_focus)
    clear = (lost < CLEARLY_SHARP_UM) | (lost > CLEARLY_LOST_UM)
    masks = (
        (bone, tissue.bone, ~fold & (lost < CLEARLY_SHARP_UM)),
        (fold, tissue.fold, ~bone & (lost < CLEARLY_LOST_UM)),
        (lost > CLEARLY_LOST_UM, tissue.out_of_focus, ~bone & ~fold & clear & (on_overview(phantom.tissue) > 0.5)),
    )
    for part, (truth, found, judged) in zip(PARTS, masks, strict=True):
        yield part, overlap(truth & judged, found.pixels & judged)


def overlap(truth: Mask, found: Mask) -> Overlap:
    truth_mm2, found_mm2, both_mm2 = (float(mask.sum()) * 16e-6 for mask in (truth, found, truth & found))
    return Overlap(truth_mm2, found_mm2, both_mm2)


def report(cases: list[Case]) -> str:
    lines = [
        "| sections | part | n | Dice, mean (least) | recall | precision | mm² found where there is none |",
        "|---|---|---|---|---|---|---|",
    ]
    for difficulty in DIFFICULTIES:
        for part in PARTS:
            chosen = [case.overlaps[part] for case in cases if case.difficulty == difficulty]
            there = [one for one in chosen if one.truth > 0]
            nowhere = [one for one in chosen if one.truth == 0]
            dices = [one.dice or 0.0 for one in there]
            truth, found, both = (sum(getattr(one, name) for one in there) for name in ("truth", "found", "both"))
            lines.append(
                f"| {difficulty} | {part} | {len(there)} | {np.mean(dices):.2f} ({min(dices):.2f}) | "
                f"{both / truth:.2f} | {both / max(found, 1e-9):.2f} | "
                f"{sum(one.found for one in nowhere):.4f} in {len(nowhere)} sections |"
            )
    return "\n".join(lines)


def real(shared: Path) -> str:
    lines = [
        "| real tissue | tissue mm² | bone mm² | folds mm² | out of focus mm² | sharpness |",
        "|---|---|---|---|---|---|",
    ]
    for name, um_per_px in REAL:
        if (shared / name).is_file():
            tissue = surveyed(shared / name, um_per_px)
            areas = (tissue.bone_mm2, tissue.fold_mm2, tissue.out_of_focus_mm2)
            texts = " | ".join(f"{area:.4f}" for area in areas)
            whole = float(tissue.whole.pixels.sum()) * 16e-6
            lines.append(f"| {Path(name).name} | {whole:.3f} | {texts} | {tissue.sharpness:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=None, help="first seed; drawn when not given")
    parser.add_argument("--sections", type=int, default=8, help="of each difficulty")
    parser.add_argument("--workers", type=int, default=None, help="processes of about 1 GB; one a core if not given")
    parser.add_argument("--shared", type=Path, default=None, help="folder that holds cd31_colon, ck_negative and wsi")
    asked = parser.parse_args()
    if asked.sections < 2:
        parser.error("--sections: 2 or more, for half of them have folds")
    seed = int(np.random.default_rng().integers(1, 2**31)) if asked.seed is None else asked.seed
    print(f"First seed {seed}.\n")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(asked.workers) as pool:
        jobs = [
            pool.submit(simulated, difficulty, number, seed + 100 * place + number, folder)
            for place, difficulty in enumerate(DIFFICULTIES)
            for number in range(asked.sections)
        ]
        cases = [job.result() for job in jobs]
    print(report(cases))
    if asked.shared:
        print(f"\n{real(asked.shared)}")


if __name__ == "__main__":
    main()
