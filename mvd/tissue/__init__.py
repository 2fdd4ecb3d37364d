"""What lies where in the section: marrow, bone, fat, folds, parts out of focus. Pixels in, masks out."""

from mvd.tissue.detail import DETAIL_MARGIN_UM, DETAIL_UM_PER_PX, Detail, measure_detail
from mvd.tissue.glass import Glass, find_glass
from mvd.tissue.islands import Island, islands_of
from mvd.tissue.maps import Kind, Tissue, area_mm2, map_tissue, suggest_involved
from mvd.tissue.masks import OVERVIEW_UM_PER_PX, Box
from mvd.tissue.stained import clear_level, find_ink, find_tissue, total_density

__all__ = [
    "DETAIL_MARGIN_UM",
    "DETAIL_UM_PER_PX",
    "OVERVIEW_UM_PER_PX",
    "Box",
    "Detail",
    "Glass",
    "Island",
    "Kind",
    "Tissue",
    "area_mm2",
    "clear_level",
    "find_glass",
    "find_ink",
    "find_tissue",
    "islands_of",
    "map_tissue",
    "measure_detail",
    "suggest_involved",
    "total_density",
]
