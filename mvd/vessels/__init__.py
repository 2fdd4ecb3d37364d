"""Stain map and counting rule in, vessels out."""

from mvd.vessels.find import find_vessels
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, measure_levels, stain_maps
from mvd.vessels.model import Reason, Vessel

__all__ = ["WORK_UM_PER_PX", "Reason", "StainLevels", "Vessel", "find_vessels", "measure_levels", "stain_maps"]
