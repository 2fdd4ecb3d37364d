"""The density map for other programs: hot spots and lines of equal density for QuPath, the map itself as TIFF."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from mvd.density import DensityMap, HotSpot, contour_levels, contour_lines
from mvd.geometry import Calibration, Ring
from mvd.store.geojson import Feature, annotation, closed_px, finite, identified, open_px
from mvd.version import program_version

_CM_UM = 10_000


def map_features(specimen: str, density: DensityMap | None, calibration: Calibration) -> Iterator[Feature]:
    """Annotations: hot spots as polygons of the class "Hot spot", lines of equal density of the class "Density"."""
    if density is None:
        return
    for spot in density.hotspots:
        yield identified(specimen, f"hot spot {spot.name}", _hot_spot(specimen, spot, calibration))
    for level in contour_levels(density):
        for number, line in enumerate(contour_lines(density, level), start=1):
            yield identified(specimen, f"density {level:g} line {number}", _line(level, line, calibration))


def _hot_spot(specimen: str, spot: HotSpot, calibration: Calibration) -> Feature:
    coordinates = [[closed_px(ring, calibration) for ring in polygon] for polygon in spot.outlines]
    place, around = spot.place, spot.place.field
    feature = annotation(f"Hot spot {spot.name}", "Hot spot", {"type": "MultiPolygon", "coordinates": coordinates})
    measurements: dict[str, float] = {
        "Density per mm^2": place.per_mm2,
        "p": place.p,
        "Evaluable area mm^2": spot.area_mm2,
        "Vessels": spot.vessels,
    }
    if around is not None:
        measurements["Count in a field round it"] = around.count
        measurements["Density in a field round it per mm^2"] = around.per_mm2
    feature["properties"]["measurements"] = finite(measurements, f"{specimen}, hot spot {spot.name}")
    return feature


def _line(level: float, line: Ring, calibration: Calibration) -> Feature:
    geometry = {"type": "LineString", "coordinates": open_px(line, calibration)}
    feature = annotation(f"{level:g} vessels per mm^2", "Density", geometry)
    feature["properties"]["measurements"] = {"Density per mm^2": float(level)}
    return feature


def map_tiff(density: DensityMap) -> bytes | None:
    """The map as a TIFF of one page: float32 vessels/mm², NaN where nothing is evaluable; None without a map.

    The tags give the size of a pixel (pixels per cm) and the place of its first corner on the slide (in cm); the
    description says all that in words.
    """
    import tifffile  # noqa: PLC0415  (loads slowly)

    raster = density.raster
    if raster is None:
        return None
    description = (
        f"Microvessel density in vessels/mm²; NaN where nothing is evaluable. {raster.um_per_px:g} µm per pixel; the "
        f"outer corner of the first pixel lies at x = {raster.x0_um:g} µm, y = {raster.y0_um:g} µm of the slide. "
        f"Gaussian kernel with a standard deviation of {density.kernel_um:g} µm, corrected for the area's edges."
    )
    stream, per_cm = io.BytesIO(), _CM_UM / raster.um_per_px
    tifffile.imwrite(
        stream,
        raster.pixels.astype(np.float32),
        photometric="minisblack",
        compression="zlib",
        predictor=True,
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
        description=description.encode(),
        metadata=None,
        software=f"mvd {program_version()}",
        extratags=[
            (tag, "2I", 1, (max(0, round(start * 10)), 10 * _CM_UM), True)  # XPosition, YPosition: no negative ones
            for tag, start in ((286, raster.x0_um), (287, raster.y0_um))
        ],
    )
    return stream.getvalue()
