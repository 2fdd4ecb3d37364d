"""How dense vessels lie at every place of the involved area, and where they lie denser than chance would have them.

cells      the evaluable area on a grid, and which vessels lie in which cell
kernel     counts of the cells -> a density at every place, corrected for the edges of the area
chance     the highest place of sections whose vessels lie anywhere at random
hotspots   places that exceed that: their outlines, densities, counts
mapped     all of it for one specimen
"""

from mvd.density.chance import LEVEL, SIMULATIONS
from mvd.density.hotspots import HotSpot, Place
from mvd.density.mapped import DensityMap, contour_levels, contour_lines, map_density

__all__ = [
    "LEVEL",
    "SIMULATIONS",
    "DensityMap",
    "HotSpot",
    "Place",
    "contour_levels",
    "contour_lines",
    "map_density",
]
