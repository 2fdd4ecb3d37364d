"""How well the program finds vessels on simulated sections of new seeds.

    python benchmarks/accuracy.py [--seed S] [--sections N] [--write docs/accuracy.md]

The generic baseline (standard stain vectors, one threshold, holes filled, a minimum area) runs on the same pictures.
`--write` writes this benchmark's part of the page; `real_pixels.py` writes the other.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from naive_threshold import baseline
from page_parts import SIMULATED, write_part
from PIL import Image

import mvd
from mvd.agreement import Detection, detect, icc, limits_of_agreement, match_boxes
from mvd.geometry import Rect, Ring
from mvd.phantom import Phantom, PhantomSpec, make_phantom
from mvd.vessels import Vessel

DIFFICULTIES = ("easy", "typical", "hard")
PIXEL_SIZES = (0.25, 0.5)

PAGE = """## On simulated sections

`make benchmark-accuracy` makes new simulated sections each time, runs the program and a generic baseline on them and
prints this table; `python benchmarks/accuracy.py --seed {seed} --sections {sections} --write docs/accuracy.md` makes
this part of the page again.

A found vessel matches a true one when their bounding boxes overlap by a fifth (intersection over union) or when the
centre of each lies in the other, one to one. Count error is that of the sum over the sections; limits of agreement are
Bland and Altman's, in vessels a section; intervals are bootstrapped over sections. The baseline is one DAB threshold
(0.25 OD, standard stain vectors), holes filled, at least 20 µm². Seconds are of the whole chain, file to counts, with a
section on every core at once.

**What this shows and what not.** The sections come from the simulator on which the program's limits were chosen, with
other seeds. Figures on your own slides can differ: compare a few fields with your own count.

Part of what is learned was learned from other sections of this simulator, so the figures for real pixels above are the
ones to go by. What is wrong here most often: brown red cells and haemosiderin counted, pale or blurred walls taken for
haze.

A segmentation network in the place of an earlier finder was tried and left out: [the trial](network-trial.md).

First seed {seed}.

{table}
### The ten worst sections

Cyan: counted by the program. Orange: what was there.

![The ten simulated sections with the lowest F1]({picture})
"""


@dataclass(frozen=True)
class Case:
    """One section, read by the program and by the baseline."""

    group: str
    um_per_px: float
    seed: int
    reference: int
    program: Detection
    baseline: Detection
    program_count: int
    baseline_count: int
    dice: float
    seconds_per_mm2: float
    ambiguous: int
    """Of those counted, how many the program flags for an observer to look at first …"""
    wrong_and_ambiguous: int
    """… and how many of these are not in the reference."""


def simulated(group: str, um_per_px: float, seed: int) -> Case:
    """One new section, read by the program and by the baseline."""
    cv2.setNumThreads(1)
    phantom = section(group, um_per_px, seed)
    start = time.perf_counter()
    vessels = found_in(phantom)
    seconds = time.perf_counter() - start
    truth = [vessel.bounds for vessel in phantom.vessels]
    generic = baseline(phantom.image.pixels, um_per_px)
    return Case(
        group, um_per_px, seed, len(truth), detect([v.bounds for v in vessels], truth), detect(generic, truth),
        len(vessels), len(generic), dice(vessels, [v.outline for v in phantom.vessels], phantom.spec), seconds / 0.36,
        *flagged(vessels, truth),
    )  # fmt: skip


def flagged(vessels: list[Vessel], truth: list[Rect]) -> tuple[int, int]:
    """How many are flagged as ambiguous, and how many of these match nothing in the reference."""
    right = {found for found, _ in match_boxes([v.bounds for v in vessels], truth)}
    return (
        sum(v.ambiguous for v in vessels),
        sum(v.ambiguous for i, v in enumerate(vessels) if i not in right),
    )


def section(group: str, um_per_px: float, seed: int) -> Phantom:
    """A section of 0.6 × 0.6 mm, with a density drawn from the range reported in CLL."""
    return make_phantom(
        PhantomSpec(
            seed=seed,
            width_um=600,
            height_um=600,
            difficulty=group,  # type: ignore[arg-type]
            um_per_px=um_per_px,
            vessel_density_per_mm2=float(np.random.default_rng(seed).uniform(16, 160)),
        )
    )


def found_in(phantom: Phantom) -> list[Vessel]:
    """The vessels that the program counts, from a file as a user's would be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "section.png"
        Image.fromarray(phantom.image.pixels).save(path)
        found = mvd.find(path, um_per_px=phantom.spec.um_per_px)
    return [vessel for vessel in found.vessels if vessel.accepted]


def tile(case: Case) -> np.ndarray:
    """One section with what the program counted (cyan outlines) and what was there (orange boxes)."""
    phantom = section(case.group, case.um_per_px, case.seed)
    scale = 1.0  # pixels per µm
    picture = cv2.resize(phantom.image.pixels, (600, 600), interpolation=cv2.INTER_AREA)
    for vessel in phantom.vessels:
        box = vessel.bounds
        corners = [(round(x * scale), round(y * scale)) for x, y in ((box.x0_um, box.y0_um), (box.x1_um, box.y1_um))]
        cv2.rectangle(picture, corners[0], corners[1], (255, 140, 0), 1)
    for vessel in found_in(phantom):
        cv2.polylines(picture, [np.round(vessel.outline * scale).astype(np.int32)], True, (0, 255, 255), 1)
    label = f"{case.group} {case.um_per_px} F1 {case.program.f1 or 0:.2f}"
    cv2.putText(picture, label, (8, 592), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(picture, label, (8, 592), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return picture


def draw_worst(cases: list[Case], path: Path) -> None:
    """The ten sections with the lowest F1, two rows of five."""
    worst = sorted(cases, key=lambda case: (case.program.f1 or 0.0, case.seed))[:10]
    tiles = [tile(case) for case in worst]
    tiles += [np.full_like(tiles[0], 255)] * (10 - len(tiles))
    sheet = np.vstack([np.hstack(tiles[:5]), np.hstack(tiles[5:])])
    Image.fromarray(sheet).resize((1800, 720), Image.Resampling.LANCZOS).save(path, quality=82)


def dice(vessels: list[Vessel], truth: list[Ring], spec: PhantomSpec) -> float:
    """Overlap of the counted vessels' filled outlines with those of the truth, at 0.5 µm."""
    shape = (round(spec.height_um * 2), round(spec.width_um * 2))
    masks = []
    for rings in ([v.outline for v in vessels], truth):
        mask = np.zeros(shape, np.uint8)
        for ring in rings:
            cv2.fillPoly(mask, [np.round(ring * 2).astype(np.int32)], 1)
        masks.append(mask > 0)
    both = int(masks[0].sum() + masks[1].sum())
    return 2 * int((masks[0] & masks[1]).sum()) / both if both else 1.0


def with_interval(values: list[Case], figure: object) -> str:
    """A figure of a set of sections with its 95 % bootstrap interval over sections."""
    rng = np.random.default_rng(0)
    draws = [figure([values[i] for i in rng.integers(0, len(values), len(values))]) for _ in range(500)]  # type: ignore[operator]
    low, high = np.nanpercentile(np.array([np.nan if d is None else d for d in draws], float), (2.5, 97.5))
    middle = figure(values)  # type: ignore[operator]
    return "–" if middle is None else f"{middle:.3f} ({low:.3f} to {high:.3f})"


def f1(cases: list[Case], who: str = "program") -> float | None:
    return sum((getattr(case, who) for case in cases), Detection(0, 0, 0)).f1


def count_error(cases: list[Case], who: str = "program") -> float:
    return sum(getattr(case, f"{who}_count") for case in cases) / max(sum(case.reference for case in cases), 1) - 1


def counts(cases: list[Case], who: str = "program") -> np.ndarray:
    return np.array([[case.reference, getattr(case, f"{who}_count")] for case in cases], float)


def report(cases: list[Case]) -> str:
    lines = [
        "| sections | n | vessels | precision | recall | F1 (95 % interval) | count error | ICC(2,1) | "
        "limits of agreement | Dice | s/mm² | baseline F1 | baseline count error |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups = [(g, u) for g in DIFFICULTIES for u in PIXEL_SIZES] + [(g, None) for g in DIFFICULTIES]
    for group, um in groups:
        chosen = [c for c in cases if c.group == group and um in (None, c.um_per_px)]
        total = sum((c.program for c in chosen), Detection(0, 0, 0))
        table = counts(chosen)
        limits = limits_of_agreement(table[:, 1], table[:, 0])
        name = f"{group}, {um} µm/px" if um else f"**{group}, all**"
        lines.append(
            f"| {name} | {len(chosen)} | {sum(c.reference for c in chosen)} | {total.precision or 0:.3f} | "
            f"{total.recall or 0:.3f} | {with_interval(chosen, f1)} | {count_error(chosen):+.1%} | "
            f"{icc(table) or 0:.3f} | {limits.low if limits else 0:+.1f} to {limits.high if limits else 0:+.1f} | "
            f"{np.mean([c.dice for c in chosen]):.2f} | {np.median([c.seconds_per_mm2 for c in chosen]):.1f} | "
            f"{f1(chosen, 'baseline') or 0:.3f} | {count_error(chosen, 'baseline'):+.1%} |"
        )
    table = counts(cases)
    lines += ["", f"All sections: ICC(2,1) {icc(table) or 0:.3f}; baseline {icc(counts(cases, 'baseline')) or 0:.3f}."]
    lines += ["", *doubt(cases)]
    return "\n".join(lines) + "\n"


def doubt(cases: list[Case]) -> list[str]:
    """How well the flag `ambiguous` leads an observer to what is wrong."""
    found = max(sum(case.program_count for case in cases), 1)
    wrong = max(sum(case.program.extra for case in cases), 1)
    marked = sum(case.ambiguous for case in cases)
    hit = sum(case.wrong_and_ambiguous for case in cases)
    return [
        f"Flagged as ambiguous: {marked / found:.0%} of the counted objects, among them {hit / wrong:.0%} of those",
        "that are not in the truth.",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="first seed; new sections each time")
    parser.add_argument("--sections", type=int, default=6, help="sections for each difficulty and pixel size")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    jobs = [(g, u, options.seed + 1000 * i + j) for i, g in enumerate(DIFFICULTIES) for u in PIXEL_SIZES
            for j in range(options.sections)]  # fmt: skip
    with ProcessPoolExecutor() as pool:
        cases = list(pool.map(simulated, *zip(*jobs, strict=True)))
    text = report(cases)
    print(f"first seed {options.seed}\n\n{text}")
    if options.write:
        picture = options.write.with_name("accuracy_worst.jpg")
        draw_worst(cases, picture)
        page = PAGE.format(seed=options.seed, sections=options.sections, table=text, picture=picture.name)
        write_part(options.write, SIMULATED, page)


if __name__ == "__main__":
    main()
