"""The pictures of docs/counting-rule.md: simulated objects beside what the program says of them.

    python benchmarks/counting_rule_pictures.py [--rates]

Every object lies in a simulated section of 0.3 mm² and more with other vessels, so that the stain levels are a slide's
own. The words under a picture are what the program says of that object; none is written by hand.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import shapely
from PIL import Image, ImageDraw

import mvd
from mvd.counting import belongs
from mvd.geometry import Pixels, Rect
from mvd.phantom import Kind, Phantom, PhantomSpec, Placed, make_phantom
from mvd.protocol import CountingRule, Protocol
from mvd.report.lettering import Type, write
from mvd.report.outlines import round_outside
from mvd.report.pens import COUNTED, EXCLUDES, INCLUDES, LEFT_OUT, REJECTED
from mvd.report.sheet import Sheet, View, scale_bar
from mvd.stains import DAB_STANDARD
from mvd.vessels import Vessel

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "counting-rule"
UM_PER_PX = 0.25
TILE_PX, STRIP_PX, GAP_PX = 160, 22, 4
COLOURS = 32
LONG = 44
"""Letters that fit under a picture; more are written smaller."""
RULES = {
    "kini": CountingRule(),
    "separate": CountingRule(name="branches", branches="separate"),
    "lumen": CountingRule(name="lumen needed", lumen_required=True),
}
RATE_SEEDS = range(501, 507)
RED_CELLS_PER_MM2 = 12.0

Blot = tuple[float, float, float, float, float]
"""Brown added by hand: x, y, radius (µm), how soft its edge is (sigma, µm), optical density."""


@dataclass(frozen=True)
class Item:
    """One picture: what lies where, and the rule it is judged by."""

    name: str
    title: str
    x_um: float
    y_um: float
    side_um: float = 60.0
    scene: str = "marrow"
    rule: str = "kini"
    reach_um: float = 12.0
    """Objects that come this near to the middle are the item."""


def _at(column: int, row: int) -> tuple[float, float]:
    return 60.0 + 110.0 * column, 60.0 + 110.0 * row


ITEMS = (
    Item("round", "round capillary", *_at(0, 0)),
    Item("long", "long capillary", *_at(1, 0)),
    Item("broken-wall", "broken wall round a lumen", *_at(2, 0)),
    Item("one-line", "pieces in one line", *_at(3, 0)),
    Item("branched", "branched vessel", *_at(4, 0), side_um=80),
    Item("branches-separate", "branched vessel, branches separate", *_at(4, 0), side_um=80, rule="separate"),
    Item("collapsed", "collapsed capillary", *_at(5, 0)),
    Item("no-lumen", "collapsed capillary, lumen required", *_at(5, 0), rule="lumen"),
    Item("one-cell", "one endothelial cell", *_at(6, 0)),
    Item("neighbours", "two neighbours", *_at(7, 0), reach_um=16),
    Item("large-vessel", "large vessel", *_at(0, 1), side_um=120, reach_um=30),
    Item("progenitor", "progenitor", *_at(1, 1)),
    Item("megakaryocyte", "megakaryocyte", *_at(2, 1)),
    Item("megakaryocyte-brown", "brown megakaryocyte", *_at(3, 1)),
    Item("golden", "golden pigment", *_at(4, 1)),
    Item("black", "black pigment", *_at(5, 1)),
    Item("haze", "haze", *_at(6, 1)),
    Item("haze-strong", "strong haze", *_at(7, 1)),
    Item("too-small", "too small", *_at(0, 2), reach_um=6),
    Item("bone-edge", "bone edge", 480, 506, side_um=100, scene="bone", reach_um=10),
    Item("in-bone", "in bone", 528, 420, scene="bone"),
    Item("large-red-cells", "large vessel with red cells", 390, 321, side_um=120, scene="bone", reach_um=45),
    Item("red-cells", "brown red cells", *_at(0, 1), scene="bleeding"),
    Item("wrong-golden", "golden pigment, pale", *_at(2, 1), scene="bleeding"),
)

_FIELD = Rect.square(400.0, 330.0, 150.0)
_BORDER_UM = 22.0
"""Shown round the field."""


def _marrow_spec() -> PhantomSpec:
    put = [
        ("capillary_cross", _at(0, 0), 16, 0, 31, 0),
        ("capillary_long", _at(1, 0), 46, 0, 32, 30),
        ("capillary_cross", _at(2, 0), 17, 3, 32, 0),
        ("collapsed", _at(3, 0), 46, 2, 31, 30),
        ("branched", _at(4, 0), 55, 0, 32, 60),
        ("collapsed", _at(5, 0), 30, 0, 31, 30),
        ("single_cell_vessel", _at(6, 0), 18, 0, 31, 30),
        ("capillary_cross", (_at(7, 0)[0] - 11, _at(7, 0)[1]), 11, 0, 31, 0),
        ("capillary_cross", (_at(7, 0)[0] + 11, _at(7, 0)[1]), 12, 0, 36, 0),
        ("large_vessel", _at(0, 1), 62, None, 31, 30),
        ("progenitor", _at(1, 1), 10, None, 31, 0),
        ("megakaryocyte", _at(2, 1), 36, None, 31, 0),
        ("megakaryocyte", _at(3, 1), 36, None, 32, 0),
        ("pigment_golden", _at(4, 1), 13, None, 31, 0),
        ("pigment_black", _at(5, 1), 11, None, 31, 0),
        ("haze", _at(6, 1), 40, None, 31, 0),
        ("collapsed", _at(0, 2), 6, 0, 31, 0),
        *(("capillary_cross", at, 14, 0, 41 + i, 40 * i) for i, at in enumerate(_border_places())),
        ("collapsed", (_FIELD.x1_um, 455.0), 46, 0, 48, 10),
    ]
    objects = tuple(
        Placed(kind=kind, x_um=x, y_um=y, size_um=size, breaks=breaks, variant=variant, angle_deg=angle)
        for kind, (x, y), size, breaks, variant, angle in put
    )
    return PhantomSpec(
        seed=3, width_um=890, height_um=520, um_per_px=UM_PER_PX, bone_fraction=0.0, tissue_edge=False,
        fat_fraction=0.1, vessel_density_per_mm2=25, confounders=0.5, stain_strength=1.0, objects=objects,
    )  # fmt: skip


def _border_places() -> tuple[tuple[float, float], ...]:
    """Inside, and on the top, right, left and bottom edges, and on two corners."""
    f = _FIELD
    return (
        (460.0, 380.0), (450.0, f.y0_um), (f.x1_um, 385.0), (f.x0_um, 395.0), (475.0, f.y1_um),
        (f.x0_um, f.y0_um), (f.x1_um, f.y1_um),
    )  # fmt: skip


def _bone_spec() -> PhantomSpec:
    inside = Placed(kind="collapsed", x_um=528, y_um=420, size_um=30, breaks=0, variant=1, angle_deg=60)
    return replace(_rate_spec(504), objects=(inside,))


def _bleeding_spec() -> PhantomSpec:
    put = [("red_cells", _at(0, 1), 26, 15), ("pigment_golden", _at(2, 1), 15, 12)]
    return PhantomSpec(
        seed=9, width_um=600, height_um=500, um_per_px=UM_PER_PX, bone_fraction=0.0, tissue_edge=False,
        objects=tuple(Placed(kind=k, x_um=x, y_um=y, size_um=size, variant=v) for k, (x, y), size, v in put),
    )  # fmt: skip


def _rate_spec(seed: int) -> PhantomSpec:
    return PhantomSpec(
        seed=seed, width_um=600, height_um=600, um_per_px=UM_PER_PX, confounders=2.0, bone_fraction=0.12,
        tissue_edge=False,
    )  # fmt: skip


# The simulator's megakaryocytes and haze are too pale to be found at all: these two are made browner by hand.
BLOTS: dict[str, tuple[Blot, ...]] = {
    "marrow": ((*_at(3, 1), 15.0, 2.5, 0.5), (*_at(7, 1), 10.0, 8.0, 0.9)),
    "bone": (),
    "bleeding": (),
}


SCENES = {"marrow": _marrow_spec, "bone": _bone_spec, "bleeding": _bleeding_spec}


@cache
def _pixels(scene: str) -> Pixels:
    pixels = make_phantom(SCENES[scene]()).image.pixels.astype(np.float64)
    for x, y, radius, soft, density in BLOTS[scene]:
        disc = np.zeros(pixels.shape[:2], np.float32)
        cv2.circle(disc, (round(x / UM_PER_PX), round(y / UM_PER_PX)), round(radius / UM_PER_PX), 1.0, -1)
        brown = cv2.GaussianBlur(disc, (0, 0), soft / UM_PER_PX)[..., None] * density
        pixels *= 10 ** -(brown * np.array(DAB_STANDARD))
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _find(pixels: Pixels, rule: CountingRule) -> tuple[Vessel, ...]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "section.png"
        Image.fromarray(pixels).save(path)
        return mvd.find(path, um_per_px=UM_PER_PX, protocol=Protocol(rule=rule)).vessels


@cache
def _vessels(scene: str, rule: str) -> tuple[Vessel, ...]:
    return _find(_pixels(scene), RULES[rule])


def _shape(vessel: Vessel) -> shapely.Geometry:
    return shapely.make_valid(shapely.Polygon(vessel.outline))


def verdict(item: Item) -> str:
    """What the program says of an item, in words."""
    middle = shapely.Point(item.x_um, item.y_um).buffer(item.reach_um)
    return _in_words([v for v in _vessels(item.scene, item.rule) if _shape(v).intersects(middle)])


def _in_words(vessels: list[Vessel]) -> str:
    if not vessels:
        return "nothing found"
    counted = sum(vessel.accepted for vessel in vessels)
    reasons = sorted({vessel.reason.value for vessel in vessels if vessel.reason})
    words = ([f"counted: {counted}"] if counted else []) + [f"not counted: {', '.join(reasons)}"] * bool(reasons)
    return "; ".join(words)


def verdicts() -> dict[str, str]:
    """Picture -> its alternative text, as the page must have it."""
    return {item.name: f"{item.title}: {verdict(item)}" for item in ITEMS}


def _cut(scene: str, rect: Rect, size_px: int) -> Pixels:
    rows, columns = (
        slice(round(low / UM_PER_PX), round(high / UM_PER_PX))
        for low, high in ((rect.y0_um, rect.y1_um), (rect.x0_um, rect.x1_um))
    )
    return np.asarray(cv2.resize(_pixels(scene)[rows, columns], (size_px, size_px), interpolation=cv2.INTER_AREA))


def _window(item: Item) -> Rect:
    """The square shown, moved inside the section."""
    rows, columns = _pixels(item.scene).shape[:2]
    x0, y0 = (
        round(min(max(at - item.side_um / 2, 0.0) / UM_PER_PX, size - item.side_um / UM_PER_PX)) * UM_PER_PX
        for at, size in ((item.x_um, columns), (item.y_um, rows))
    )
    return Rect.square(x0, y0, item.side_um)


def _few_colours(image: Image.Image, colours: int = COLOURS) -> Image.Image:
    """A palette in which a rare colour, the brown, weighs nearly as much as a frequent one."""
    coarse = np.asarray(image).reshape(-1, 3) // 6 * 6 + 3
    seen, counts = np.unique(coarse, axis=0, return_counts=True)
    swatch = seen.repeat(np.ceil(counts**0.3).astype(int), axis=0)[None].astype(np.uint8)
    return image.quantize(
        palette=Image.fromarray(swatch).quantize(colours, dither=Image.Dither.NONE), dither=Image.Dither.NONE
    )


def picture(item: Item) -> Image.Image:
    """The plain crop, the crop with outlines, and the verdict below."""
    rect = _window(item)
    # Few colours before the lines are drawn: the two crops stay alike, and pack as one.
    plain = np.asarray(_few_colours(Image.fromarray(_cut(item.scene, rect, TILE_PX))).convert("RGB"))
    view = View(rect, item.side_um / TILE_PX)
    sheet = Sheet(plain, TILE_PX)
    for vessel in _vessels(item.scene, item.rule):
        if vessel.bounds.intersection(rect) is not None:
            for ring in round_outside(vessel.outline, 0.45):
                sheet.line(view.px(ring), COUNTED if vessel.accepted else REJECTED, closed=True)
    page = Image.new("RGB", (2 * TILE_PX + GAP_PX, TILE_PX + STRIP_PX), (255, 255, 255))
    page.paste(Image.fromarray(plain), (0, 0))
    page.paste(sheet.finished(), (TILE_PX + GAP_PX, 0))
    draw = ImageDraw.Draw(page)
    scale_bar(draw, (TILE_PX - 18, TILE_PX - 6), 10 if item.side_um <= 60 else 20, view.um_per_px)
    words = verdict(item)
    write(draw, (4, TILE_PX + 17), words, style=Type(14 if len(words) <= LONG else 10))
    return _few_colours(page, COLOURS + 32)


def border_picture() -> Image.Image:
    """A small field, its four edges, and which vessels belong to it."""
    rect, size = _FIELD.expanded(_BORDER_UM), 2 * TILE_PX + GAP_PX
    sheet = Sheet(np.asarray(_few_colours(Image.fromarray(_cut("marrow", rect, size))).convert("RGB")), size)
    view = View(rect, rect.width_um / size)
    f = _FIELD
    leaves_out = [(f.x0_um, rect.y0_um), (f.x0_um, f.y1_um), (f.x1_um, f.y1_um), (f.x1_um, rect.y1_um)]
    sheet.line(view.px(np.array([(f.x0_um, f.y0_um), (f.x1_um, f.y0_um), (f.x1_um, f.y1_um)])), INCLUDES)
    sheet.line(view.px(np.array(leaves_out)), EXCLUDES)
    for vessel in _vessels("marrow", "kini"):
        if vessel.bounds.intersection(rect) is not None:
            pen = REJECTED if not vessel.accepted else COUNTED if belongs(vessel, f, "frame") else LEFT_OUT
            for ring in round_outside(vessel.outline, 0.45):
                sheet.line(view.px(ring), pen, closed=True)
    page = sheet.finished()
    scale_bar(ImageDraw.Draw(page), (size - 22, size - 8), 20, view.um_per_px)
    return _few_colours(page, COLOURS + 32)


def rates() -> Iterator[tuple[str, Counter[str]]]:
    """Of all objects of a kind in new sections: how often the program says what.

    Brown red cells lie in sections of their own, as they do where peroxidase was not blocked.
    """
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for seed in RATE_SEEDS:
        for spec in (_rate_spec(seed), replace(_rate_spec(seed), red_cells_per_mm2=RED_CELLS_PER_MM2)):
            phantom = make_phantom(spec)
            for kind, said in _said(phantom, _find(phantom.image.pixels, RULES["kini"])):
                if (kind == Kind.RED_CELLS) is bool(spec.red_cells_per_mm2):
                    table[kind][said] += 1
    yield from sorted(table.items())


def _said(phantom: Phantom, vessels: tuple[Vessel, ...]) -> Iterator[tuple[str, str]]:
    shapes = [_shape(vessel) for vessel in vessels]
    for true in phantom.truth:
        place = shapely.make_valid(shapely.Polygon(true.outline)).buffer(1.0)
        yield str(true.kind), _in_words([v for v, s in zip(vessels, shapes, strict=True) if s.intersects(place)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", action="store_true", help="print how often each kind gets which verdict (a minute)")
    if parser.parse_args().rates:
        for kind, said in rates():
            print(f"{kind:20}", "; ".join(f"{n} × {words}" for words, n in said.most_common()))
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for item in ITEMS:
        picture(item).save(FOLDER / f"{item.name}.png", optimize=True)
        print(f"![{item.title}: {verdict(item)}](counting-rule/{item.name}.png)")
    border_picture().save(FOLDER / "border.png", optimize=True)


if __name__ == "__main__":
    main()
