"""A specimen's stored result, read back whole: what an observer reviews and what its corrections apply to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mvd.corrections import MachineResult, Polygon
from mvd.corrections.state import points_of
from mvd.errors import CalibrationError, StoreError
from mvd.fields import CountField
from mvd.geometry import Calibration, Rect
from mvd.protocol import Protocol
from mvd.store.atomic import read_whole, write_together
from mvd.store.geojson import read_vessels
from mvd.store.results import read_result
from mvd.store.rows import SpecimenRow


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One specimen, measured."""

    machine: MachineResult
    """Named by the SHA-256 of its GeoJSON file, which the same program makes of the same slide on any machine."""
    row: SpecimenRow
    protocol: Protocol
    """That by which it was measured."""
    calibration: Calibration
    slide_sha256: str


def read_measured(results: Path, specimen: str) -> Measured:
    """The result of one specimen, of which an MVD could be measured.

    Raises
    ------
    StoreError
        There is none, it holds no field to count in, or its files are damaged or not of the same run.
    """
    result = read_result(results, specimen)
    if result is None:
        raise StoreError(f"{specimen} has no result in {results}; measure it with mvd run")
    path = results / f"{specimen}.geojson"
    try:
        row = SpecimenRow(**result["tables"]["specimen"])
        fields = tuple(_field(entry) for entry in result["tables"]["fields"])
        if result["geojson_sha256"] is None or not fields:
            raise StoreError(f"{specimen} has no fields to review: {row.status}: {row.reason}")
        text = read_whole(path) or ""
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        if sha256 != result["geojson_sha256"]:
            raise StoreError(
                f"{path} is not the one that {specimen}.json belongs to; if it was edited in QuPath, save that "
                "elsewhere, and measure the specimen again with mvd run"
            )
        entry = result["calibration"]
        calibration = Calibration(entry["um_per_px_x"], entry["um_per_px_y"], entry["source"], entry["detail"])
        vessels = read_vessels(text, calibration, where=path.name)
        machine = MachineResult(specimen, sha256, vessels, fields, _involved(text, calibration))
        protocol = Protocol.model_validate_json(json.dumps(result["protocol"]))
        return Measured(machine, row, protocol, calibration, result["slide"]["sha256"])
    except ValidationError as error:
        raise StoreError(
            f"{specimen}.json was measured by a protocol that this version does not know; measure it again with mvd run"
        ) from error
    except (KeyError, TypeError, ValueError, CalibrationError) as error:
        raise StoreError(f"{specimen}.json is damaged ({error!r}); measure it again with mvd run --again") from error


def _field(entry: Mapping[str, Any]) -> CountField:
    return CountField(
        entry["field"], Rect.square(entry["x_um"], entry["y_um"], entry["side_um"]), entry["evaluable_mm2"]
    )


def keep_measured(results: Path, folder: Path, specimen: str) -> Measured:
    """Keep a specimen's result as it is now, in a folder named after it (`kept_in`); the result that was kept."""
    measured = read_measured(results, specimen)
    kept = kept_in(folder, measured.machine.sha256)
    texts = {name: read_whole(results / name) or "" for name in (f"{specimen}.geojson", f"{specimen}.json")}
    write_together({kept / name: text.encode() for name, text in texts.items()})
    return read_measured(kept, specimen)


def kept_in(folder: Path, sha256: str) -> Path:
    """Where the result of this name is kept."""
    return folder / sha256[:16]


def _involved(text: str, calibration: Calibration) -> tuple[Polygon, ...]:
    """The involved area as the file shows it, in µm."""
    scale = np.array([calibration.um_per_px_x, calibration.um_per_px_y])

    def ring(points: Any) -> Any:
        return points_of(np.array(points[:-1], np.float64) * scale)

    shapes = [f["geometry"] for f in json.loads(text)["features"] if _is_involved(f["properties"])]
    return tuple(tuple(ring(points) for points in polygon) for shape in shapes for polygon in shape["coordinates"])


def _is_involved(properties: Mapping[str, Any]) -> bool:
    return properties.get("objectType") == "annotation" and properties["classification"]["name"] == "Involved"
