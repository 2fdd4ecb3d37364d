"""Stain map and counting rule in, vessels out."""

from mvd.vessels.find import Candidate, find_candidates, find_scored, find_vessels
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, StainMaps, measure_levels, stain_maps
from mvd.vessels.model import Reason, Vessel
from mvd.vessels.score import ScoreModel

__all__ = [
    "WORK_UM_PER_PX",
    "Candidate",
    "Reason",
    "ScoreModel",
    "StainLevels",
    "StainMaps",
    "Vessel",
    "find_candidates",
    "find_scored",
    "find_vessels",
    "measure_levels",
    "stain_maps",
]
