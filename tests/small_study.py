"""A study of two small simulated sections, as the tests of runs and of the command line use it."""

import csv
import io
import json
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mvd.manifest import COLUMNS
from mvd.phantom import Phantom, PhantomSpec, make_phantom
from mvd.phantom.write import write_ome_tiff
from mvd.protocol import Protocol

SIDE_UM, UM_PER_PX = 240.0, 0.5
PROTOCOL = Protocol.model_validate({"fields": {"number": 3, "side_um": 70.0}})
ROWS = (
    {"specimen": "p1_pre", "patient": "p1", "timepoint": "pre", "image": "p1_pre.ome.tif", "response": "responder"},
    {"specimen": "p1_post", "patient": "p1", "timepoint": "post", "image": "p1_post.ome.tif", "response": "responder"},
)


def write_manifest(study: Path, *rows: Mapping[str, str]) -> None:
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    (study / "specimens.csv").write_text(out.getvalue(), encoding="utf-8")


def write_protocol(study: Path, protocol: Protocol = PROTOCOL) -> None:
    (study / "study.toml").write_text(protocol.to_toml(), encoding="utf-8")


def write_study(study: Path, *rows: Mapping[str, str]) -> Path:
    """Protocol, manifest and the images that the rows name; one that is there already stays."""
    study.mkdir(parents=True, exist_ok=True)
    write_protocol(study)
    write_manifest(study, *(rows or ROWS))
    for number, row in enumerate(rows or ROWS, start=1):
        if not (study / row["image"]).exists():
            write_section(study / row["image"], seed=number + 4)  # the first has single cells to leave out
    return study


def write_section(path: Path, *, seed: int = 1) -> Path:
    write_ome_tiff(path, _section(seed).image)
    return path


@cache
def _section(seed: int) -> Phantom:
    spec = PhantomSpec(
        seed=seed,
        width_um=SIDE_UM,
        height_um=SIDE_UM,
        um_per_px=UM_PER_PX,
        difficulty="easy",
        vessel_density_per_mm2=150,
        bone_fraction=0,
        fat_fraction=0.1,
        tissue_edge=False,
    )
    return make_phantom(spec)


def write_area(path: Path, *corners_px: tuple[float, float]) -> Path:
    """A GeoJSON file with one polygon annotation."""
    ring = [list(corner) for corner in (*corners_px, corners_px[0])]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"objectType": "annotation"},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    return path


def square(path: Path, side_px: float) -> Path:
    """A square involved area near the section's corner."""
    near, far = 20.0, 20.0 + side_px
    return write_area(path, (near, near), (far, near), (far, far), (near, far))


def copy_of(study: Path, folder: Path) -> Path:
    return Path(shutil.copytree(study, folder / "study"))


OF_THE_RUN = {".lock", ".checksums.jsonl", ".rows", "run.log", "times.csv"}
"""What in a results folder tells of runs, or is kept for the next. All else is results: always the same bytes."""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder but those that tell of runs."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and OF_THE_RUN.isdisjoint(path.parts))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
