"""Vessels of a slide, block by block, the same whatever the blocks are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np
import shapely

from mvd.geometry import Calibration, Raster, Rect
from mvd.protocol import CountingRule
from mvd.slide import Slide, open_slide
from mvd.stains import Stains
from mvd.survey import Survey
from mvd.threads import for_each
from mvd.tissue import Tissue
from mvd.vessels import WORK_UM_PER_PX, Candidate, ScoreModel, StainLevels, Vessel, find_candidates, find_scored
from mvd.vessels.choosing import GroupModel
from mvd.vessels.joining import widest_gap_um
from mvd.vessels.learned import SHIPPED
from mvd.vessels.look import Look

CORE_UM = 1024.0
"""Side of a block: with its margin 5 MPix, some 300 MB while it is worked on."""
MARGIN_UM = 64.0
"""Read round each block; longer than most capillaries in section, so that few need a second look."""
_BLUR_UM = 14.0
"""How far the surroundings reach into an object: blur (2 µm), the gap to a body beside it, and the stretch by which the
direction of a piece beyond a gap is told (6 µm)."""
_SMOOTHED_UM = 4.0
"""How far smoothing (0.5 µm) reaches, and some more: what a network saw may lie this near an edge."""
_MAX_LOOKS = 6
"""A vessel is followed this often, doubling the margin: 4 mm, more than any section of one."""

PART_BLOCKS = 8
"""Blocks that another process is given at a time: some seconds of work, against which sending it is nothing."""

_BLOCK_THREADS = 2
"""Blocks that one process searches at a time where it has several cores: two take 0.7 GB, and four fifths of the time
of one after the other (`benchmarks/speed.py`); what is Python in it is not shared."""

_WORTH_SHARING = 3
"""Parts: a slide of two took a sixth longer with two processes than with one, which must begin first; one of five a
tenth less (`benchmarks/speed.py`)."""

Progress = Callable[[int, int], None]
"""Called with the blocks done and the blocks in all."""

Objects = dict[tuple[float, ...], Vessel]
"""Vessels without their final names, by their place to the nanometre: one that two blocks share is in it once."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a slide's blocks, with all that is needed to search them anywhere that the image can be read."""

    image: Path
    calibration: Calibration
    tissue: Tissue
    """As far round the blocks as a vessel may be followed."""
    stains: Stains
    levels: StainLevels
    cores: tuple[Rect, ...]
    rule: CountingRule
    score: ScoreModel | None


Share = Callable[[Sequence[Part], Progress], Iterable[Objects]]
"""Has parts searched, by others or in turn, and gives what `search_part` finds in each, in their order."""


@dataclass(frozen=True, slots=True)
class _Search:
    """What stays the same from block to block."""

    slide: Slide
    tissue: Tissue
    stains: Stains
    levels: StainLevels
    rule: CountingRule
    score: ScoreModel | None = None

    def read(self, rect: Rect) -> tuple[Raster, Tissue]:
        """The pixels of `rect`, and what lies where in it and near it."""
        return self.slide.read(rect, WORK_UM_PER_PX), self.tissue.crop(rect.expanded(_reach_um(self.rule, self.tissue)))


def vessels_on_slide(  # noqa: PLR0913  (where, what, how and who)
    slide: Slide,
    survey: Survey,
    cores: Sequence[Rect],
    *,
    rule: CountingRule,
    score: ScoreModel | None = None,
    progress: Progress | None = None,
    share: Share | None = None,
) -> tuple[Vessel, ...]:
    """Every object that touches one of `cores`, complete even where it leaves them.

    Parameters
    ----------
    cores
        Rectangles in µm; they may overlap. See `grid`.
    score
        Has a word in what the rule would count.
    share
        Where given, a slide of more than three parts is searched by it. What is found is the same.

    Returns
    -------
    Vessels from top to bottom, then left to right, of their reference points; named v00001, v00002, …
    """
    progress = progress or _nothing
    if share is None or len(cores) <= _WORTH_SHARING * PART_BLOCKS:
        search = _Search(slide, survey.tissue, survey.stains, survey.levels, rule, score)
        found = _objects(search, cores, progress, threads=_BLOCK_THREADS)
    else:
        found = {}
        for objects in share(_parts(slide, survey, cores, rule, score), progress):
            for key, vessel in objects.items():
                found.setdefault(key, vessel)
    return tuple(replace(found[key], name=f"v{number:05d}") for number, key in enumerate(sorted(found), start=1))


def search_part(part: Part, progress: Progress | None = None) -> Objects:
    """The objects that touch a part's cores.

    Raises
    ------
    SlideError
        The image cannot be read here.
    """
    calibration = part.calibration
    given = calibration.um_per_px_x if calibration.source == "user" else None
    with open_slide(part.image, um_per_px=given, calibration_detail=calibration.detail) as slide:
        search = _Search(slide, part.tissue, part.stains, part.levels, part.rule, part.score)
        return _objects(search, part.cores, progress or _nothing)


def _nothing(_done: int, _blocks: int) -> None:
    pass


def _objects(search: _Search, cores: Sequence[Rect], progress: Progress, *, threads: int = 1) -> Objects:
    done, one_at_a_time = itertools.count(1), Lock()

    def look(core: Rect) -> list[Vessel]:
        seen = list(_in_core(search, core))
        with one_at_a_time:
            progress(next(done), len(cores))
        return seen

    found: Objects = {}
    for vessel in itertools.chain.from_iterable(for_each(look, cores, most=threads)):
        box = vessel.bounds
        key = tuple(round(v, 3) for v in (vessel.y_um, vessel.x_um, box.x0_um, box.y0_um, box.x1_um, box.y1_um))
        found.setdefault(key, vessel)
    return found


def _parts(
    slide: Slide, survey: Survey, cores: Sequence[Rect], rule: CountingRule, score: ScoreModel | None
) -> tuple[Part, ...]:
    tissue, parts = survey.tissue, []
    furthest = MARGIN_UM * 2 ** (_MAX_LOOKS - 1) + _reach_um(rule, tissue)
    for start in range(0, len(cores), PART_BLOCKS):
        own = tuple(cores[start : start + PART_BLOCKS])
        box = Rect(
            min(core.x0_um for core in own),
            min(core.y0_um for core in own),
            max(core.x1_um for core in own),
            max(core.y1_um for core in own),
        )
        # A vessel that is followed leaves its block by up to the sum of all margins.
        near = tissue.crop(box.expanded(2 * furthest))
        parts.append(Part(slide.path, slide.calibration, near, survey.stains, survey.levels, own, rule, score))
    return tuple(parts)


def _reach_um(rule: CountingRule, tissue: Tissue) -> float:
    """How far the tissue round a place decides about it."""
    return 2 * rule.bone_edge_um + tissue.bone.um_per_px


def candidates_in(
    slide: Slide,
    survey: Survey,
    rect: Rect,
    *,
    rule: CountingRule,
    groups: GroupModel = SHIPPED,
    look: Look | None = None,
) -> tuple[Candidate, ...]:
    """The candidates that touch a rectangle, with their features; a very long one may be cut off.

    Parameters
    ----------
    groups
        What is known of groups of stain that are one vessel.
    look
        Sees what the rule would count, or only suspects.
    """
    read = _aligned(rect.expanded(MARGIN_UM), slide.bounds)
    region, tissue = _Search(slide, survey.tissue, survey.stains, survey.levels, rule).read(read)
    found = find_candidates(
        region, survey.stains, survey.levels, rule=rule, tissue=tissue, within=rect, groups=groups, look=look
    )
    return tuple(candidate for candidate in found if candidate.vessel.bounds.intersection(rect) is not None)


def grid(area: Raster) -> tuple[Rect, ...]:
    """Blocks of a fixed grid that hold any part of a boolean raster, each cut down to what it holds of it."""
    rect = area.rect
    xs = np.arange(math.floor(rect.x0_um / CORE_UM), math.ceil(rect.x1_um / CORE_UM)) * CORE_UM
    ys = np.arange(math.floor(rect.y0_um / CORE_UM), math.ceil(rect.y1_um / CORE_UM)) * CORE_UM
    blocks = (_held(area, Rect.square(x, y, CORE_UM)) for y in ys.tolist() for x in xs.tolist())
    return tuple(block for block in blocks if block is not None)


def _held(area: Raster, block: Rect) -> Rect | None:
    """The smallest part of a block that holds all of the area in it: glass is neither read nor searched."""
    rows, columns = area.window(block)
    part = area.pixels[rows, columns]
    down, across = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if not down.size:
        return None
    um = area.um_per_px
    left, top = area.x0_um + columns.start * um, area.y0_um + rows.start * um
    return Rect(
        left + int(across[0]) * um,
        top + int(down[0]) * um,
        left + int(across[-1] + 1) * um,
        top + int(down[-1] + 1) * um,
    )


def _in_core(search: _Search, core: Rect) -> Iterator[Vessel]:
    bounds = search.slide.bounds
    rect = _aligned(core.expanded(MARGIN_UM), bounds)
    for found in _find(search, rect, core):
        whole = _complete(search, found.vessel) if _is_cut(found, rect, bounds, search.rule) else found.vessel
        if whole is not None and whole.bounds.intersection(core) is not None:
            yield whole


def _find(search: _Search, rect: Rect, within: Rect) -> list[Candidate]:
    """What reaches into a rectangle, as far as it can be seen in a wider one."""
    region, tissue = search.read(rect)
    found = find_scored(
        region, search.stains, search.levels, rule=search.rule, tissue=tissue, score=search.score, within=within
    )
    return [one for one in found if one.vessel.bounds.intersection(within) is not None]


def _complete(search: _Search, vessel: Vessel) -> Vessel | None:
    """The whole of a vessel that the edge of what was read cut off; None where the cut alone made an object of it."""
    part, margin, bounds = vessel, MARGIN_UM, search.slide.bounds
    around = part.bounds
    for _ in range(_MAX_LOOKS):
        rect = _aligned(around.expanded(margin), bounds)
        seen = _find(search, rect, part.bounds)
        if not seen:
            return None
        whole = max(seen, key=lambda other: _overlap_um2(other.vessel, part))
        vessel = whole.vessel
        if not _is_cut(whole, rect, bounds, search.rule):
            break
        around, margin = whole.reach, margin * 2
    return vessel


def _overlap_um2(whole: Vessel, part: Vessel) -> float:
    if whole.bounds.intersection(part.bounds) is None:
        return 0.0
    return float(shapely.Polygon(whole.outline).intersection(shapely.Polygon(part.outline)).area)


def _is_cut(found: Candidate, rect: Rect, bounds: Rect, rule: CountingRule) -> bool:
    """Whether what made a vessel of it lies so near an edge of what was read that there may be more of it beyond."""
    chosen = _is_near_cut(found.reach, _BLUR_UM + widest_gap_um(rule), rect, bounds)
    return chosen or (found.seen is not None and _is_near_cut(found.seen, _SMOOTHED_UM, rect, bounds))


def _is_near_cut(box: Rect, near_um: float, rect: Rect, bounds: Rect) -> bool:
    """Whether a box lies so near an edge of what was read that is none of the slide."""
    return (
        (box.x0_um < rect.x0_um + near_um and rect.x0_um > bounds.x0_um)
        or (box.y0_um < rect.y0_um + near_um and rect.y0_um > bounds.y0_um)
        or (box.x1_um > rect.x1_um - near_um and rect.x1_um < bounds.x1_um)
        or (box.y1_um > rect.y1_um - near_um and rect.y1_um < bounds.y1_um)
    )


def _aligned(rect: Rect, bounds: Rect) -> Rect:
    """`rect` grown to whole working pixels, inside the slide."""
    step = WORK_UM_PER_PX
    return Rect(
        max(math.floor(rect.x0_um / step) * step, bounds.x0_um),
        max(math.floor(rect.y0_um / step) * step, bounds.y0_um),
        min(math.ceil(rect.x1_um / step) * step, math.ceil(bounds.x1_um / step) * step),
        min(math.ceil(rect.y1_um / step) * step, math.ceil(bounds.y1_um / step) * step),
    )
