"""From an RGB region to its vessels."""

from __future__ import annotations

from mvd.geometry import Raster, Ring
from mvd.protocol import CountingRule
from mvd.stains import Stains
from mvd.vessels.joining import join_pieces
from mvd.vessels.judge import judge
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, stain_maps
from mvd.vessels.measure import Measured, measure_objects
from mvd.vessels.model import Reason, Vessel
from mvd.vessels.pieces import find_pieces


def find_vessels(region: Raster, stains: Stains, levels: StainLevels, *, rule: CountingRule) -> tuple[Vessel, ...]:
    """Every object of a region that reaches the slide's high level, counted or not.

    Parameters
    ----------
    region
        (rows, columns, 3) RGB at `WORK_UM_PER_PX`.
    stains, levels
        Of the whole slide, never of the region, so that a region's vessels do not depend on how a slide is cut up.
    rule
        What counts.

    Returns
    -------
    Vessels in raster order of their first pixel, named v00001, v00002, …
    """
    if abs(region.um_per_px - WORK_UM_PER_PX) > 1e-9:
        raise ValueError(f"vessels are found at {WORK_UM_PER_PX} µm/px, not {region.um_per_px}")
    maps = stain_maps(region, stains)
    pieces = find_pieces(maps, levels)
    if not pieces.any():
        return ()
    joined = join_pieces(pieces, maps, levels=levels, rule=rule)
    found = measure_objects(pieces, joined, maps, levels)
    return tuple(
        _vessel(f"v{number:05d}", measured, judge(measured, rule, levels), region)
        for number, measured in enumerate(found, start=1)
    )


def _vessel(name: str, measured: Measured, reason: Reason | None, region: Raster) -> Vessel:
    def place(ring: Ring) -> Ring:
        return ring * region.um_per_px + (region.x0_um, region.y0_um)

    return Vessel(
        name=name,
        outline=place(measured.outline),
        lumens=tuple(place(ring) for ring in measured.lumens),
        x_um=measured.x_px * region.um_per_px + region.x0_um,
        y_um=measured.y_px * region.um_per_px + region.y0_um,
        area_um2=measured.area_um2,
        lumen_area_um2=measured.lumen_area_um2,
        lumen_width_um=measured.lumen_width_um,
        length_um=measured.length_um,
        width_um=measured.width_um,
        perimeter_um=measured.perimeter_um,
        mean_dab_od=measured.mean_dab_od,
        pieces=measured.pieces,
        reason=reason,
    )
