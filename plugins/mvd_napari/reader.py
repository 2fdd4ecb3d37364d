"""What napari does with a file that is dropped on it: a slide, or the GeoJSON of a measured specimen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from mvd.corrections import MachineResult, ReviewedObject
from mvd.counting import count
from mvd.errors import CalibrationError, StoreError
from mvd.geometry import Calibration
from mvd.protocol import Protocol
from mvd.store import read_result, read_vessels, read_whole
from mvd.store.measured import read_measured
from mvd_napari.layers import (
    LayerTuple,
    frame_lines,
    involved_lines,
    joined,
    lines_layer,
    points_layer,
    vessel_outlines,
    vessel_points,
)
from mvd_napari.pyramid import image_layer

SLIDE_SUFFIXES = frozenset(
    {".bif", ".czi", ".dcm", ".jpeg", ".jpg", ".mrxs", ".ndpi", ".png", ".scn", ".svs", ".svslide", ".tif", ".tiff"}
    | {".vms", ".vmu"}
)
"""Of the formats that `mvd.slide` reads. napari asks by name; what a file really holds is told when it is opened."""

Reader = Callable[[str | Sequence[str]], list[LayerTuple]]


def slide_reader(path: str | Sequence[str]) -> Reader | None:
    """A function that opens slides; None for other files."""
    return _slides if all(one.suffix.lower() in SLIDE_SUFFIXES for one in _paths(path)) else None


def result_reader(path: str | Sequence[str]) -> Reader | None:
    """A function that opens results; None for other files."""
    return _results if all(one.suffix.lower() == ".geojson" for one in _paths(path)) else None


def _paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(one) for one in path]


def _slides(path: str | Sequence[str]) -> list[LayerTuple]:
    layers = [cast(LayerTuple, _slide(one)) for one in _paths(path)]
    show_scale_bar()
    return layers


def _slide(path: Path) -> Any:
    """The slide in µm; in pixels where nothing says how large one is, so that it can be looked at."""
    from napari.utils.notifications import show_warning  # noqa: PLC0415

    try:
        levels, attributes, kind = image_layer(path)
    except CalibrationError as problem:
        levels, attributes, kind = image_layer(path, um_per_px=1.0)
        attributes = attributes | {"units": ("pixel", "pixel")}
        why = str(problem).partition(";")[0]  # the remedy is the command line's
        show_warning(f"{why}; it is shown in pixels, and nothing on it can be measured")
    if levels[-1].sampled:
        show_warning(f"{path.name} holds no smaller copies of itself: from afar it is shown in blocks; come nearer")
    return levels, attributes, kind


def show_scale_bar() -> None:
    """Switch the scale bar of the present viewer on."""
    from napari import current_viewer  # noqa: PLC0415

    viewer = current_viewer()
    if viewer is not None:
        viewer.canvas.overlays.scale_bar.visible = True


def _results(path: str | Sequence[str]) -> list[LayerTuple]:
    return [layer for one in _paths(path) for layer in result_layers(one)]


def result_layers(path: Path) -> list[LayerTuple]:
    """Involved area, vessels and fields of a result that `mvd run` or `mvd find` wrote, lowest layer first.

    Raises
    ------
    StoreError
        The result's other file is not beside it, or they are damaged or not of the same run.
    """
    folder, specimen = path.parent, path.stem
    result = read_result(folder, specimen)
    if result is None:
        raise StoreError(
            f"{path.name} gives places in pixels, and {specimen}.json, which says how large a pixel is, is not beside "
            "it; open it in the folder where mvd wrote it"
        )
    if result.get("tables", {}).get("fields"):
        measured = read_measured(folder, specimen)
        return _measured_layers(measured.machine, measured.protocol)
    entry = result["calibration"]
    calibration = Calibration(entry["um_per_px_x"], entry["um_per_px_y"], entry["source"], entry["detail"])
    vessels = read_vessels(read_whole(path) or "", calibration, where=path.name)
    found = [ReviewedObject(vessel) for vessel in vessels]
    return [points_layer(vessel_points(found), name=f"{specimen}: vessels")]


def _measured_layers(machine: MachineResult, protocol: Protocol) -> list[LayerTuple]:
    border = protocol.fields.border
    found = [ReviewedObject(vessel) for vessel in machine.vessels]
    counts = count(machine.vessels, machine.fields, border=border, confidence=protocol.counts.confidence)
    counted = {name for field in counts.fields for name in field.vessels}
    near = [
        reviewed
        for reviewed in found
        if any(reviewed.vessel.bounds.intersection(field.rect) is not None for field in machine.fields)
    ]
    frames = joined(frame_lines(field, border=border) for field in machine.fields)
    title = machine.specimen
    return [
        *([lines_layer(involved_lines(machine.involved), name=f"{title}: involved area")] if machine.involved else []),
        lines_layer(vessel_outlines(near, counted=counted), name=f"{title}: outlines"),
        lines_layer(frames, name=f"{title}: fields"),
        points_layer(vessel_points(found, counted=counted), name=f"{title}: vessels"),
    ]
