"""Whole simulated studies on disk: protocol, manifest, slides, involved areas and truth."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from mvd.geometry import Ring
from mvd.phantom.anatomy import simple_ring
from mvd.phantom.scene import make_phantom
from mvd.phantom.spec import Difficulty, Phantom, PhantomSpec, stream
from mvd.phantom.write import involved_geojson, write_phantom
from mvd.protocol import Protocol

COLUMNS = ("specimen", "patient", "timepoint", "image", "involved", "response")

HAND_UM = 6.0
"""How closely an observer's drawn outline follows the infiltrate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """One row of a simulated study."""

    patient: str
    timepoint: str
    spec: PhantomSpec
    response: str = ""
    drawn: bool = True
    """Whether an observer drew the involved area."""

    @property
    def name(self) -> str:
        return f"{self.patient}_{self.timepoint}"


def sample_specimens() -> tuple[Specimen, ...]:
    """The eight sections of sample_images/: vessels become fewer in responders and more in the others."""
    base = PhantomSpec(
        width_um=1250, height_um=900, infiltrate="diffuse", cll_fraction=0.97, bone_fraction=0.05, jpeg_quality=72
    )

    def section(seed: int, density: float, **changes: object) -> PhantomSpec:
        return replace(base, seed=seed, vessel_density_per_mm2=density, **changes)  # type: ignore[arg-type]

    def row(patient: str, timepoint: str, response: str, spec: PhantomSpec, *, drawn: bool = True) -> Specimen:
        return Specimen(patient=patient, timepoint=timepoint, spec=spec, response=response, drawn=drawn)

    yes, no = "responder", "non-responder"
    few = section(104, 42.0, width_um=1000, height_um=800, infiltrate="nodular", cll_fraction=0.5, fat_fraction=0.3)
    fine = section(114, 72.0, um_per_px=0.25, width_um=1050, height_um=800, bone_fraction=0.04, jpeg_quality=70)
    return (
        row("p01", "pre", yes, section(101, 110.0)),
        row("p01", "3mo", yes, section(102, 48.0, infiltrate="interstitial", fat_fraction=0.25)),
        row("p02", "pre", yes, section(103, 88.0, difficulty="easy")),
        row("p02", "3mo", yes, few),
        row("p03", "pre", no, section(105, 56.0), drawn=False),
        row("p03", "3mo", no, section(106, 100.0, infiltrate="interstitial"), drawn=False),
        row("p04", "pre", no, fine),
        row("p04", "3mo", no, section(108, 125.0, difficulty="hard")),
    )


def hand_drawn(rings: tuple[Ring, ...], *, seed: int) -> tuple[Ring, ...]:
    """Outlines as an observer would draw them: few corners, a few µm off."""
    rng = stream(seed, "observer")
    drawn = []
    for ring in rings:
        corners = cv2.approxPolyDP(ring.astype(np.float32).reshape(-1, 1, 2), HAND_UM, True)[:, 0, :].astype(np.float64)
        if len(corners) >= 3:
            drawn.append(corners)
    shaky = (ring + np.clip(rng.normal(0, 0.4 * HAND_UM, ring.shape), -HAND_UM, HAND_UM) for ring in drawn)
    return tuple(simple_ring(ring) for ring in shaky)


def write_study(folder: Path, specimens: tuple[Specimen, ...], *, title: str) -> None:
    """Write a study folder that the pipeline can run: study.toml, specimens.csv, slides, involved areas, truth/."""
    folder.mkdir(parents=True, exist_ok=True)
    timepoints = tuple(dict.fromkeys(s.timepoint for s in specimens))
    _text(folder / "study.toml", Protocol(title=title, timepoints=timepoints).to_toml())
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for specimen in specimens:
        phantom = make_phantom(specimen.spec)
        write_phantom(phantom, folder, specimen.name)
        involved = ""
        if specimen.drawn and phantom.involved:
            involved = f"{specimen.name}.involved.geojson"
            _text(folder / involved, _observers_area(phantom))
        rows.writerow(
            [
                specimen.name,
                specimen.patient,
                specimen.timepoint,
                f"{specimen.name}.ome.tif",
                involved,
                specimen.response,
            ]
        )
    _text(folder / "specimens.csv", out.getvalue())


def _observers_area(phantom: Phantom) -> str:
    """GeoJSON of the involved area, cut to the picture."""
    rect = phantom.image.rect
    rings = hand_drawn(phantom.involved, seed=phantom.spec.seed)
    inside = tuple(simple_ring(np.clip(r, [rect.x0_um, rect.y0_um], [rect.x1_um, rect.y1_um])) for r in rings)
    return involved_geojson(inside, um_per_px=phantom.spec.um_per_px)


def make_study(
    folder: Path, *, number: int = 4, difficulty: Difficulty = "typical", um_per_px: float = 0.5, seed: int = 1
) -> tuple[str, ...]:
    """Write a study of `number` specimens, two of each patient (pre and 3mo); the specimens' names."""
    specimens = tuple(
        Specimen(
            patient=f"p{k // 2 + 1:02d}",
            timepoint=("pre", "3mo")[k % 2],
            spec=PhantomSpec(
                seed=seed * 1000 + k, width_um=1100, height_um=900, difficulty=difficulty, um_per_px=um_per_px
            ),
        )
        for k in range(number)
    )
    write_study(folder, specimens, title=f"Simulated sections ({difficulty}, seed {seed})")
    return tuple(s.name for s in specimens)


def make_sample_study(folder: Path) -> None:
    """Write sample_images/."""
    specimens = sample_specimens()
    write_study(folder, specimens, title="Sample study (simulated sections)")
    _text(folder / "README.md", _readme(specimens))


def _readme(specimens: tuple[Specimen, ...]) -> str:
    lines = [
        "# Sample images",
        "",
        "Simulated CD34-stained marrow sections with known truth; no patient's tissue. Remake them with",
        "",
        "    python -m mvd.phantom sample_images",
        "",
        "Each section is a pyramidal OME-TIFF with its pixel size. `*.involved.geojson` is the infiltrated area as an",
        "observer would draw it (missing for two specimens: all marrow is measured). `truth/` holds every object with",
        "its kind and whether it counts (`*.truth.csv` in µm, `*.truth.geojson` in pixels for QuPath) and the exact",
        "infiltrate.",
        "",
        "| specimen | seed | µm/px | difficulty | infiltrate | vessels/mm² of marrow | response |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {s.name} | {s.spec.seed} | {s.spec.um_per_px:g} | {s.spec.difficulty} | {s.spec.infiltrate} "
        f"| {s.spec.vessel_density_per_mm2:g} | {s.response} |"
        for s in specimens
    ]
    lines += [
        "",
        "The infiltrate of p02_3mo is too small for five fields: the program says so instead of inventing a number.",
        "",
    ]
    return "\n".join(lines)


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
