"""Phantoms on disk: pyramidal OME-TIFF with calibration, truth as GeoJSON and CSV. Same phantom, same bytes."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile

from mvd.geometry import Pixels, Raster, Ring
from mvd.phantom.spec import Phantom, TruthVessel

TILE_PX = 256
SMALLEST_LEVEL_PX = 512
"""No further level once the longer side is at most this."""

NAMESPACE = uuid.UUID("5f0c7a52-63bb-5d0e-9f1c-0d7f6f1b8a11")
"""Of the name-based feature ids; any fixed value would do."""

COLOURS = {True: (200, 60, 20), False: (120, 120, 120)}
INVOLVED_COLOUR = (60, 110, 200)


def pyramid(pixels: Pixels) -> tuple[Pixels, ...]:
    """The picture and its halves, each the area-average of the one before."""
    levels = [pixels]
    while max(levels[-1].shape[:2]) > SMALLEST_LEVEL_PX:
        rows, columns = levels[-1].shape[:2]
        even = levels[-1][: rows // 2 * 2, : columns // 2 * 2]
        half = cv2.resize(even, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, np.uint8))
    return tuple(levels)


def write_ome_tiff(path: Path, image: Raster, *, jpeg_quality: int = 85) -> None:
    """Write a tiled, JPEG-compressed, pyramidal OME-TIFF with its pixel size in µm.

    Parameters
    ----------
    image
        uint8 RGB. Levels below the first lie in SubIFDs.
    """
    levels = pyramid(image.pixels)
    options: dict[str, Any] = {
        "photometric": "rgb",
        "tile": (TILE_PX, TILE_PX),
        "compression": "jpeg",
        "compressionargs": {"level": jpeg_quality},
        "resolutionunit": "CENTIMETER",
    }
    metadata = {
        "axes": "YXS",
        "PhysicalSizeX": image.um_per_px,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": image.um_per_px,
        "PhysicalSizeYUnit": "µm",
        "UUID": str(uuid.uuid5(NAMESPACE, path.name)),
        "Creator": "mvd phantom",
    }
    with tifffile.TiffWriter(path, ome=True, bigtiff=False) as tif:
        for number, level in enumerate(levels):
            per_cm = 1e4 / (image.um_per_px * image.pixels.shape[1] / level.shape[1])
            extra = (
                {"subifds": len(levels) - 1, "metadata": metadata}
                if number == 0
                else {"subfiletype": 1, "metadata": None}
            )
            tif.write(
                level, resolution=(per_cm, per_cm), software="mvd phantom" if number == 0 else False, **options, **extra
            )


def rings_geojson(rings: Iterable[tuple[str, Ring, str, tuple[int, int, int]]], *, um_per_px: float) -> str:
    """QuPath's GeoJSON of (name, ring in µm, class, colour); coordinates in level-0 pixels."""
    features = []
    for name, ring, label, colour in rings:
        points = np.round(np.concatenate([ring, ring[:1]]) / um_per_px, 1).tolist()
        features.append(
            {
                "type": "Feature",
                "id": str(uuid.uuid5(NAMESPACE, f"{name} {label} {points}")),
                "geometry": {"type": "Polygon", "coordinates": [points]},
                "properties": {
                    "objectType": "annotation",
                    "name": name,
                    "classification": {"name": label, "color": list(colour)},
                    "isLocked": False,
                },
            }
        )
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False) + "\n"


def truth_geojson(phantom: Phantom) -> str:
    """Every object of the truth, classified by its kind."""
    rings = ((v.name, v.outline, str(v.kind), COLOURS[v.counts]) for v in phantom.truth)
    return rings_geojson(rings, um_per_px=phantom.spec.um_per_px)


def involved_geojson(rings: Iterable[Ring], *, um_per_px: float) -> str:
    """The involved area as an observer hands it over."""
    named = ((f"involved {k}", ring, "CLL", INVOLVED_COLOUR) for k, ring in enumerate(rings, start=1))
    return rings_geojson(named, um_per_px=um_per_px)


def truth_csv(truth: Iterable[TruthVessel]) -> str:
    """One row for each object; µm from the outer corner of the first pixel."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["vessel", "kind", "counts", "x_um", "y_um", "x0_um", "y0_um", "x1_um", "y1_um"])
    for v in truth:
        box = v.bounds
        numbers = (v.x_um, v.y_um, box.x0_um, box.y0_um, box.x1_um, box.y1_um)
        rows.writerow([v.name, v.kind, str(v.counts).lower(), *(f"{n:.2f}" for n in numbers)])
    return out.getvalue()


def write_phantom(phantom: Phantom, folder: Path, name: str) -> None:
    """Write `<name>.ome.tif` and, in `truth/`, `<name>` with .truth.csv, .truth.geojson and .involved.geojson."""
    truth = folder / "truth"
    truth.mkdir(parents=True, exist_ok=True)
    write_ome_tiff(folder / f"{name}.ome.tif", phantom.image, jpeg_quality=phantom.jpeg_quality)
    (truth / f"{name}.truth.csv").write_text(truth_csv(phantom.truth), encoding="utf-8", newline="\n")
    (truth / f"{name}.truth.geojson").write_text(truth_geojson(phantom), encoding="utf-8", newline="\n")
    involved = involved_geojson(phantom.involved, um_per_px=phantom.spec.um_per_px)
    (truth / f"{name}.involved.geojson").write_text(involved, encoding="utf-8", newline="\n")
