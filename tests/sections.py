"""Simulated sections for the tests of the measuring modules: made once a session, opened without a file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import shapely
from scipy.optimize import linear_sum_assignment

from mvd.counterstain import with_counterstain
from mvd.geometry import Calibration, Pixels, Raster, Rect
from mvd.phantom import Phantom, PhantomSpec, TruthVessel, make_phantom
from mvd.protocol import CountingRule, Protocol
from mvd.slide.model import Box, Facts, Level, Slide
from mvd.stains import estimate_stains, measure_white
from mvd.survey import Survey, survey_slide
from mvd.tissue import Kind, Tissue
from mvd.vessels import Vessel, find_vessels, measure_levels, stain_maps

KINI = CountingRule()


@cache
def section(spec: PhantomSpec) -> Phantom:
    """A phantom, painted once a session."""
    return make_phantom(spec)


class _Memory:
    """A picture as a slide's source of pixels."""

    def __init__(self, pixels: Pixels) -> None:
        rows, columns = pixels.shape[:2]
        self._pixels = pixels
        self.facts = Facts("memory", (Level(columns, rows, 1.0, 1.0),), None, 8, 3, "an array")

    def read_level(self, index: int, box: Box) -> Pixels:
        assert index == 0
        return self._pixels[box.y0 : box.y1, box.x0 : box.x1].copy()

    def files(self) -> tuple[Path, ...]:
        return ()

    def close(self) -> None:
        pass


def slide_of(image: Raster | Pixels, *, um_per_px: float = 0.5) -> Slide:
    """A slide of one level that never was a file."""
    if isinstance(image, Raster):
        image, um_per_px = image.pixels, image.um_per_px
    return Slide(Path("simulated.png"), _Memory(image), Calibration(um_per_px, um_per_px, "user", "test"))


def survey_of(image: Raster | Pixels, *, um_per_px: float = 0.5, protocol: Protocol | None = None) -> Survey:
    return survey_slide(slide_of(image, um_per_px=um_per_px), protocol or Protocol())


@cache
def surveyed(spec: PhantomSpec) -> Survey:
    return survey_of(section(spec).image)


def tissue_of(where: Raster, **parts: Raster) -> Tissue:
    """The parts given (bone, fold, …) on the grid of a boolean raster, and marrow where it is true."""
    kinds = np.zeros(where.pixels.shape, np.uint8)
    for name, mask in {"marrow": where, **parts}.items():
        kinds[np.asarray(mask.pixels, bool)] |= np.uint8(Kind[name.upper()])
    return Tissue(where.with_pixels(kinds), sharpness=1.0)


@cache
def found_in(spec: PhantomSpec, rule: CountingRule = KINI) -> tuple[Vessel, ...]:
    """Every object of a section, searched as one region."""
    survey = surveyed(spec)
    return find_vessels(section(spec).image, survey.stains, survey.levels, rule=rule, tissue=survey.tissue)


def found_alone(image: Raster, rule: CountingRule = KINI) -> tuple[Vessel, ...]:
    """Every object of a picture too small to be surveyed as a slide."""
    found = estimate_stains(image.pixels, measure_white(image.pixels), um_per_px=image.um_per_px)
    stains = with_counterstain(found, [image])
    return find_vessels(image, stains, measure_levels([stain_maps(image, stains)]), rule=rule)


def shape(ring: np.ndarray) -> shapely.Polygon:
    return shapely.Polygon(ring)


def covering(found: tuple[Vessel, ...], truth: TruthVessel) -> Vessel | None:
    """The found object that shares most area with one of the truth."""
    target = shape(truth.outline)
    shared = [shape(vessel.outline).intersection(target).area for vessel in found]
    return found[int(np.argmax(shared))] if shared and max(shared) > 0 else None


def same_place(one: Rect, other: Rect) -> float:
    """How well two boxes agree (IoU); 0 unless IoU ≥ 0.2 or each centre lies in the other box."""
    common = one.intersection(other)
    if common is None:
        return 0.0
    iou = common.area_mm2 / (one.area_mm2 + other.area_mm2 - common.area_mm2)
    return iou if iou >= 0.2 or (_holds(one, other) and _holds(other, one)) else 0.0


def _holds(box: Rect, other: Rect) -> bool:
    x, y = (other.x0_um + other.x1_um) / 2, (other.y0_um + other.y1_um) / 2
    return box.x0_um <= x <= box.x1_um and box.y0_um <= y <= box.y1_um


def matched(found: list[Rect], truth: list[Rect]) -> set[tuple[int, int]]:
    """Pairs (found, truth) of the best one-to-one agreement."""
    if not found or not truth:
        return set()
    agreement = np.array([[same_place(a, b) for b in truth] for a in found])
    rows, columns = linear_sum_assignment(agreement, maximize=True)
    return {(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if agreement[r, c] > 0}


def f1(hits: int, found: int, truth: int) -> float:
    return 2 * hits / (found + truth)
