"""What must be known of a slide before its vessels are found: tissue, stains, levels. Once for each slide."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np

from mvd.counterstain import with_counterstain
from mvd.errors import StainError
from mvd.geometry import Mask, Pixels, Raster, Rect
from mvd.nuclei import POSSIBLE_UM, nucleus_um
from mvd.protocol import Protocol
from mvd.slide import Slide
from mvd.stains import Stains, Vector, estimate_stains
from mvd.threads import for_each
from mvd.tissue import (
    DETAIL_MARGIN_UM,
    DETAIL_UM_PER_PX,
    OVERVIEW_UM_PER_PX,
    Box,
    Glass,
    Island,
    Tissue,
    clear_level,
    find_glass,
    find_ink,
    find_tissue,
    islands_of,
    map_tissue,
    measure_detail,
    total_density,
)
from mvd.vessels import WORK_UM_PER_PX, StainLevels, measure_levels, stain_maps

_TILE_UM = 128.0
_MAX_TILES = 64
"""Together 1 mm² of tissue: at the lowest MVD reported in CLL (6.4/mm², Ferrajoli 2008) it still holds six vessels."""
_MIN_TISSUE_SHARE = 0.25
"""Of a sample tile; below it the tile is mostly glass."""
_BLOCK_PX = 256
"""Overview pixels along what is looked at more closely at a time: 1 mm, 5 MB a map."""
_MAX_STAINED_SHARE = 0.25
"""Vessel walls with the blur of their edges cover 2-6 % of most tissues, and 18 % of the densest sarcoma that was seen;
more is another kind of stain."""
_BROWN_SIGMAS = 5.5
"""Of unstained tissue: what is browner than that has no say in texture and sharpness."""
_MAX_BACKGROUND_OD, _MAX_NOISE_OD = 0.2, 0.07
"""Simulated sections with heavy haze stay below 0.12 and 0.04; cytokeratin and H&E sections exceed one or the other."""
_MIN_SHARPNESS = 0.6
"""Sharp images have 0.65 and more; below this, more than half of the vessels are no longer found."""
_MAX_UM_PER_PX = 1.0
"""A 10x objective's. Where a slide is blurred beyond it, a wrong pixel size is likelier than lost focus."""
_MIN_PEAK_OD = 0.15
"""Stained endothelium reaches 0.3 to 1.5; what never exceeds this is background."""


@dataclass(frozen=True, slots=True)
class Survey:
    """One slide, surveyed."""

    overview: Raster
    """RGB at `OVERVIEW_UM_PER_PX`."""
    tissue: Tissue
    stains: Stains
    levels: StainLevels
    """With the protocol's sensitivity."""
    nucleus_um: float | None
    """Typical diameter of the nuclei; None where none are stained."""
    warnings: tuple[str, ...]
    """Sentences: what makes a count on this slide doubtful."""


def survey_slide(slide: Slide, protocol: Protocol) -> Survey:
    """Survey a slide.

    Raises
    ------
    StainError
        No tissue or no colour; the sentence names the slide.
    """
    overview = _overview(slide)
    try:
        (stains, levels, nucleus), whole = _stains_and_tissue(slide, overview, protocol)
        islands = _islands(slide, overview, tissue=whole, stains=stains, levels=levels)
        tissue = map_tissue(overview, stains, tissue=whole, islands=islands)
    except StainError as error:
        raise StainError(f"{slide.path.name}: {error}") from error
    doubts = *_stain_doubts(stains, levels), *_size_doubts(slide.calibration.um_per_px, nucleus, tissue.sharpness)
    # Of vessels only: tissue, nuclei and doubts are those of the levels as measured, and so fields stay in place.
    levels = levels.with_sensitivity(protocol.stain.sensitivity)
    return Survey(overview, tissue, stains, levels, nucleus, doubts)


def _overview(slide: Slide) -> Raster:
    """The slide; what its last row and column show of the white beyond it is made to go on as the tissue beside it."""
    overview = slide.read(slide.bounds, OVERVIEW_UM_PER_PX)
    pixels = overview.pixels  # new, and nobody else's
    rows, columns = (max(math.floor(end / OVERVIEW_UM_PER_PX), 1) for end in (slide.bounds.y1_um, slide.bounds.x1_um))
    pixels[rows:] = pixels[rows - 1]
    pixels[:, columns:] = pixels[:, columns - 1 : columns]
    return overview


_Sampled = tuple[Stains, StainLevels, float | None]


def _stains_and_tissue(slide: Slide, overview: Raster, protocol: Protocol) -> tuple[_Sampled, Raster]:
    glass = find_glass(overview)
    tissue = find_tissue(overview, glass.white, tissue_od=glass.tissue_od)
    tiles = _sample(slide, overview, tissue=tissue, white=glass.white)
    return _stains(tiles, glass, protocol), tissue


def _sample(slide: Slide, overview: Raster, *, tissue: Raster, white: Vector) -> list[Raster]:
    """Tiles spread evenly over the tissue, the same ones every time; all of a small section."""
    ink = find_ink(overview, white)
    rects = _tiles(slide.bounds)
    windows = [overview.window(rect) for rect in rects]
    shares = [_share(tissue.pixels[window]) for window in windows]
    fit = [n for n, share in enumerate(shares) if share >= _MIN_TISSUE_SHARE and not ink[windows[n]].any()]
    if not fit:  # a sliver of tissue: the tile that holds most of it
        fit = [int(np.argmax(shares))]
    chosen = np.unique(np.linspace(0, len(fit) - 1, _MAX_TILES).round().astype(int))
    return for_each(lambda n: slide.read(rects[fit[n]], WORK_UM_PER_PX), chosen.tolist())


def _stains(tiles: list[Raster], glass: Glass, protocol: Protocol) -> _Sampled:
    found = estimate_stains(
        _mosaic(tiles),
        glass.white,
        um_per_px=WORK_UM_PER_PX,
        vectors=protocol.stain.vectors,
        tissue_od=glass.tissue_od,
    )
    stains = with_counterstain(replace(found, white_source=glass.source), tiles)
    maps = for_each(partial(stain_maps, stains=stains), tiles)
    levels = measure_levels(maps, tissue_od=glass.tissue_od)
    return stains, levels, nucleus_um(maps, levels)


def _islands(
    slide: Slide, overview: Raster, *, tissue: Raster, stains: Stains, levels: StainLevels
) -> tuple[Island, ...]:
    """The islands of tissue, with a closer look at every block of the overview that holds tissue."""
    # Of a noisy slide not what its grain makes: the level for vessels has a limit.
    brown_od = max(levels.low - levels.background, _BROWN_SIGMAS * levels.noise)
    clear_od = clear_level([total_density(overview.pixels, stains.white)], [tissue.pixels], stains.tissue_od)
    # What lies off the slide is white, and would be an edge.
    bounds = Rect(0.0, 0.0, *(max(math.floor(end), 1.0) for end in (slide.bounds.x1_um, slide.bounds.y1_um)))
    islands = islands_of(tissue.pixels)

    def look(place: Box) -> None:
        rows, columns = place
        block = Rect(*(OVERVIEW_UM_PER_PX * n for n in (columns.start, rows.start, columns.stop, rows.stop)))
        rect = block.expanded(DETAIL_MARGIN_UM).intersection(bounds)
        assert rect is not None
        region = slide.read(rect, DETAIL_UM_PER_PX)
        part = measure_detail(region, stains, brown_od=brown_od, clear_od=clear_od)
        skip = ((block.y0_um - rect.y0_um) / OVERVIEW_UM_PER_PX, (block.x0_um - rect.x0_um) / OVERVIEW_UM_PER_PX)
        for island in islands:
            island.put(part, place, skip=(round(skip[0]), round(skip[1])))

    for_each(look, _blocks(tissue))
    return islands


def _blocks(tissue: Raster) -> Iterator[Box]:
    rows, columns = tissue.pixels.shape
    for top, left in itertools.product(range(0, rows, _BLOCK_PX), range(0, columns, _BLOCK_PX)):
        block = slice(top, min(top + _BLOCK_PX, rows)), slice(left, min(left + _BLOCK_PX, columns))
        if tissue.pixels[block].any():
            yield block


def _tiles(bounds: Rect) -> list[Rect]:
    """The slide in tiles, row by row; the last of a row or column is cut off at the slide's edge."""
    xs = np.arange(0, bounds.x1_um, _TILE_UM).tolist()
    ys = np.arange(0, bounds.y1_um, _TILE_UM).tolist()
    cut = (Rect.square(x, y, _TILE_UM).intersection(bounds) for y in ys for x in xs)
    return [rect for rect in cut if rect is not None]


def _share(mask: Mask) -> float:
    return int(np.count_nonzero(mask)) / mask.size if mask.size else 0.0


def _mosaic(tiles: list[Raster]) -> Pixels:
    """Tiles one below the other; those cut off at the slide's edge are filled up with their own mirror image."""
    width = max(tile.pixels.shape[1] for tile in tiles)
    padded = [cv2.copyMakeBorder(t.pixels, 0, 0, 0, width - t.pixels.shape[1], cv2.BORDER_REFLECT) for t in tiles]
    return np.concatenate(padded)


def _stain_doubts(stains: Stains, levels: StainLevels) -> Iterator[str]:
    doubt = "this does not look like a vessel stain, and the count means little"
    if levels.stained_share > _MAX_STAINED_SHARE:
        yield (
            f"{levels.stained_share:.0%} of the tissue is stained brown, vessel walls cover less than "
            f"{_MAX_STAINED_SHARE:.0%}: {doubt}"
        )
    elif levels.background > _MAX_BACKGROUND_OD or levels.noise > _MAX_NOISE_OD:
        yield (
            f"most of the tissue is itself brown or unevenly so (DAB density {levels.background:.2f} "
            f"± {levels.noise:.2f} where nothing stands out): {doubt}"
        )
    elif levels.peak < _MIN_PEAK_OD or stains.source == "slide, DAB standard":
        yield "hardly anything is stained brown; check that this is the CD34 slide and not a negative control"


def _size_doubts(um_per_px: float, nucleus: float | None, sharpness: float) -> Iterator[str]:
    """What is wrong with the pixel size or, where that can be right, with the focus."""
    lost = "the whole slide is out of focus, so that vessels are missed; scan it again"
    blurred = sharpness < _MIN_SHARPNESS
    least, most = POSSIBLE_UM
    if nucleus is not None and not least <= nucleus <= most:
        # Blurred by 2 µm, nuclei merge to what measures twice as large: either may then be the fault.
        focus = f"; if it is right, {lost}" if blurred and nucleus > most and um_per_px <= _MAX_UM_PER_PX else ""
        yield (
            f"nuclei measure {nucleus:.2g} µm across at {um_per_px:.3g} µm/px, where {least:g} to {most:g} µm are "
            f"possible: check the pixel size{focus}"
        )
    elif blurred and um_per_px > _MAX_UM_PER_PX:
        yield f"the walls of capillaries are blurred at {um_per_px:.3g} µm/px, coarser than 10x: check the pixel size"
    elif blurred:
        yield lost
