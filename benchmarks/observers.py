"""Three made-up observers read the sample study, and `mvd agree` compares them.

    python benchmarks/observers.py out/observers

Each observer knows the truth of the simulated sections and errs at a rate of their own: so often they take what is no
vessel for one, and so often they miss one. They read blinded, a quarter of the specimens twice. `--picture` writes that
of docs/agreement.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import shapely
from PIL import Image
from shapely import affinity

from mvd.cli import main as mvd
from mvd.corrections import decide
from mvd.counting import assign
from mvd.geometry import Calibration
from mvd.protocol import Protocol
from mvd.reading import Reading, open_reading, readings
from mvd.review import OpenReview, take
from mvd.study import read_protocol, run_study
from mvd.vessels.model import Reason

REPO = Path(__file__).resolve().parents[1]
SPECIMENS = REPO / "sample_images"


@dataclass(frozen=True)
class Observer:
    """How often an observer errs."""

    name: str
    takes: float
    """Share of the candidates that are no vessel which they count."""
    misses: float
    """Share of the vessels which they do not count."""


OBSERVERS = (Observer("anna", 0.03, 0.03), Observer("bert", 0.12, 0.02), Observer("clara", 0.02, 0.12))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the study; must not exist")
    parser.add_argument("--results", type=Path, help="results of the sample study, to save the measuring")
    parser.add_argument("--picture", type=Path, help="file for a picture of the differences, in few colours")
    chosen = parser.parse_args()
    shutil.copytree(SPECIMENS, chosen.out)
    if chosen.results:
        shutil.copytree(chosen.results, chosen.out / "results")
    run_study(chosen.out)
    blind(chosen.out)
    for observer in OBSERVERS:
        for reading in readings(chosen.out, observer.name):
            read(chosen.out, reading, observer)
    mvd(["agree", str(chosen.out)])
    if chosen.picture:
        drawn = Image.open(chosen.out / "report" / "agreement_differences_fields.png")
        drawn.convert("RGB").quantize(64).save(chosen.picture, optimize=True)


def blind(study: Path) -> None:
    protocol = read_protocol(study / "study.toml")
    review = protocol.review.model_copy(update={"blinded": True, "repeat_share": 0.25})
    changed = Protocol.model_validate(protocol.model_copy(update={"review": review}).model_dump())
    (study / "study.toml").write_text(changed.to_toml(), encoding="utf-8")


def read(study: Path, reading: Reading, observer: Observer) -> None:
    """One read, every candidate of the fields decided on."""
    draw = random.Random(f"{observer.name} {reading.code}")  # of a string: the same on every machine
    opened = take(open_reading(study, reading, observer.name), decide.begin())
    truth = vessels_of(study, reading.specimen, opened.measured.calibration)
    fields, border = opened.review.counted_fields, opened.measured.protocol.fields.border
    places = assign(opened.review.vessels, fields, border)
    for vessel in opened.review.vessels:
        if not places[vessel.name].fields:
            continue
        outline = shapely.make_valid(shapely.Polygon(vessel.outline))
        is_one = any(outline.intersects(shape) for shape in truth)
        counts = draw.random() >= observer.misses if is_one else draw.random() < observer.takes
        if counts != vessel.accepted:
            review = opened.review
            as_haze = decide.reject(review, vessel.name, Reason.HAZE)
            opened = take(opened, decide.accept(review, vessel.name) if counts else as_haze)
    opened = add_missed(opened, truth, observer, draw)
    take(opened, decide.finish())


def add_missed(
    opened: OpenReview, truth: Sequence[shapely.Polygon], observer: Observer, draw: random.Random
) -> OpenReview:
    """Vessels in the fields on which the program has no candidate, but for those that the observer misses, too."""
    outlines = [shapely.make_valid(shapely.Polygon(vessel.outline)) for vessel in opened.review.vessels]
    tree = shapely.STRtree(outlines)
    rects = [field.rect for field in opened.review.counted_fields]
    for shape in truth:
        x, y = shape.representative_point().coords[0]
        inside = any(rect.x0_um < x < rect.x1_um and rect.y0_um < y < rect.y1_um for rect in rects)
        if inside and not len(tree.query(shape, predicate="intersects")) and draw.random() >= observer.misses:
            opened = take(opened, decide.add_point(opened.review, x, y))
    return opened


def vessels_of(study: Path, specimen: str, scale: Calibration) -> list[shapely.Polygon]:
    """Outlines in µm of the vessels that are there and count."""
    files = study / "truth" / f"{specimen}.truth.csv", study / "truth" / f"{specimen}.truth.geojson"
    table, shapes = (path.read_text(encoding="utf-8") for path in files)
    counting = {row["vessel"] for row in csv.DictReader(table.splitlines()) if row["counts"] == "true"}
    found = (one for one in json.loads(shapes)["features"] if one["properties"]["name"] in counting)
    polygons = (shapely.make_valid(shapely.Polygon(one["geometry"]["coordinates"][0])) for one in found)
    factors = {"xfact": scale.um_per_px_x, "yfact": scale.um_per_px_y, "origin": (0, 0)}
    return [affinity.scale(polygon, **factors) for polygon in polygons]


if __name__ == "__main__":
    main()
