"""From an RGB region to its vessels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mvd.geometry import Raster, Rect, Ring
from mvd.protocol import CountingRule
from mvd.stains import Stains
from mvd.tissue import Tissue
from mvd.vessels.basins import find_basins
from mvd.vessels.choosing import GroupModel
from mvd.vessels.joining import join_pieces
from mvd.vessels.judge import Verdict, judge, judge_place
from mvd.vessels.learned import SHIPPED
from mvd.vessels.look import Look
from mvd.vessels.maps import WORK_UM_PER_PX, StainLevels, stain_maps
from mvd.vessels.measure import Measured, measure_objects
from mvd.vessels.model import Reason, Vessel
from mvd.vessels.patches import cut_patch
from mvd.vessels.score import ScoreModel, features, probabilities, with_score
from mvd.vessels.sheet import Box


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """An object as the rule judges it, and the `features` by which a learned score would."""

    vessel: Vessel
    features: tuple[float, ...]
    suspected: bool
    """Whether the rule's reason is but a suspicion (`Verdict.suspected`)."""
    reach: Rect
    """All that had a part in making it one object, and its own bounds."""
    seen: Rect | None
    """All that a network saw of it and round it; None where none looked."""


def find_vessels(  # noqa: PLR0913  (a region, the slide it is of, and how to look at it)
    region: Raster,
    stains: Stains,
    levels: StainLevels,
    *,
    rule: CountingRule,
    tissue: Tissue | None = None,
    score: ScoreModel | None = None,
    within: Rect | None = None,
) -> tuple[Vessel, ...]:
    """The objects of `find_candidates`, those that the score takes for something else rejected by it.

    Parameters
    ----------
    score
        Has a word in what the rule would count; None leaves it to the rule alone.
    """
    found = find_scored(region, stains, levels, rule=rule, tissue=tissue, score=score, within=within)
    return tuple(candidate.vessel for candidate in found)


def find_scored(  # noqa: PLR0913  (as above)
    region: Raster,
    stains: Stains,
    levels: StainLevels,
    *,
    rule: CountingRule,
    tissue: Tissue | None = None,
    score: ScoreModel | None = None,
    within: Rect | None = None,
) -> tuple[Candidate, ...]:
    """`find_vessels`, with what each was judged by."""
    groups = score.groups if score is not None and score.groups is not None else SHIPPED
    look = None if score is None else score.look
    candidates = find_candidates(
        region, stains, levels, rule=rule, tissue=tissue, within=within, groups=groups, look=look
    )
    if score is None:
        return candidates
    chances = probabilities(score, [candidate.features for candidate in candidates])
    cells = rule.single_cells == "reject"
    return tuple(
        replace(one, vessel=with_score(one.vessel, chance, score, suspected=one.suspected, cells=cells))
        for one, chance in zip(candidates, chances, strict=True)
    )


def find_candidates(  # noqa: PLR0913  (as above)
    region: Raster,
    stains: Stains,
    levels: StainLevels,
    *,
    rule: CountingRule,
    tissue: Tissue | None = None,
    within: Rect | None = None,
    groups: GroupModel = SHIPPED,
    look: Look | None = None,
) -> tuple[Candidate, ...]:
    """Every object of a region that reaches the slide's high level, counted or not.

    Parameters
    ----------
    region
        (rows, columns, 3) RGB at `WORK_UM_PER_PX`.
    stains, levels
        Of the whole slide, never of the region, so that a region's vessels do not depend on how a slide is cut up.
    rule
        What counts.
    tissue
        What lies where, in the region and round it; None where it is not known.
    within
        µm: what does not reach into it may be left out. None leaves nothing out.
    groups
        What is known of groups of stain that are one vessel.
    look
        Sees what the rule would count, or only suspects.

    Returns
    -------
    In raster order of their first pixel, named v00001, v00002, …
    """
    if abs(region.um_per_px - WORK_UM_PER_PX) > 1e-9:
        raise ValueError(f"vessels are found at {WORK_UM_PER_PX} µm/px, not {region.um_per_px}")
    maps = stain_maps(region, stains)
    basins = find_basins(maps.dab, levels.low)
    if not basins.size:
        return ()
    joined = join_pieces(basins, maps, levels=levels, rule=rule, model=groups)
    bone_away = None if tissue is None else _distance_um(tissue.bone)
    box = None if within is None else _pixels(within, region)
    objects = measure_objects(joined.pieces, joined, maps, levels=levels, part=rule.branches == "separate", within=box)
    verdicts = []
    for found in objects:
        verdict = judge(found, rule, levels)
        if found.scrap and (verdict.reason is None or verdict.suspected):
            verdict = Verdict(Reason.UNLIKE_VESSEL, ambiguous=False)
        if tissue is not None and bone_away is not None:
            at = _place(np.array([[found.x_px, found.y_px]]), region)
            if verdict.reason is None or verdict.suspected:
                bone = judge_place(_sample(bone_away, _place(found.outline, region)), rule)
                verdict = verdict if bone is None else Verdict(bone, ambiguous=False)
            verdict = _spoilt(verdict, tissue, at)
        verdicts.append(verdict)
    decided = [i for i, verdict in enumerate(verdicts) if verdict.reason is None or verdict.suspected]
    patches = {} if look is None else {i: cut_patch(objects[i].stained_at, maps, levels) for i in decided}
    looks = {} if look is None else dict(zip(patches, look.logits(list(patches.values())), strict=True))
    candidates = []
    for number, (found, verdict) in enumerate(zip(objects, verdicts, strict=True)):
        vessel = _vessel(f"v{number + 1:05d}", found, verdict, region)
        seen = None if number not in patches else _corners(patches[number].box, region)
        judged_by = features(found, levels, looks.get(number, 0.0))
        candidates.append(Candidate(vessel, judged_by, verdict.suspected, _reach(found, vessel, region), seen))
    return tuple(candidates)


def _spoilt(verdict: Verdict, tissue: Tissue, at: Ring) -> Verdict:
    """The verdict, or why there can be none: what is measured of an object in a fold or out of focus means little.

    The reference point decides, as it does for the area that is left out with the object.
    """
    if _sample(tissue.fold, at).any():
        return Verdict(Reason.IN_FOLD, ambiguous=False)
    if _sample(tissue.out_of_focus, at).any():
        return Verdict(Reason.OUT_OF_FOCUS, ambiguous=False)
    return replace(verdict, ambiguous=verdict.ambiguous or bool(_sample(tissue.soft, at).any()))


def _distance_um(bone: Raster) -> Raster:
    """Distance of every pixel from bone, or, negative, from what is not bone."""
    inside = np.asarray(bone.pixels, bool)
    if not inside.any():
        return bone.with_pixels(np.full(inside.shape, np.inf, np.float32))
    outwards, inwards = (
        cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for mask in (~inside, inside)
    )
    return bone.with_pixels((outwards - inwards) * bone.um_per_px)


def _sample(raster: Raster, points: Ring) -> NDArray[np.float32]:
    """Values of the pixels in which points lie; those beyond the raster take its nearest pixel."""
    rows, columns = raster.pixels.shape
    column = np.clip(((points[:, 0] - raster.x0_um) / raster.um_per_px).astype(int), 0, columns - 1)
    row = np.clip(((points[:, 1] - raster.y0_um) / raster.um_per_px).astype(int), 0, rows - 1)
    return np.asarray(raster.pixels[row, column], np.float32)


def _pixels(rect: Rect, region: Raster) -> Box:
    """Rows and columns of all pixels that a rectangle touches; they may lie off the region."""
    left, top = rect.x0_um - region.x0_um, rect.y0_um - region.y0_um
    return (
        slice(math.floor(top / region.um_per_px), math.ceil((top + rect.height_um) / region.um_per_px)),
        slice(math.floor(left / region.um_per_px), math.ceil((left + rect.width_um) / region.um_per_px)),
    )


def _place(ring: Ring, region: Raster) -> Ring:
    return ring * region.um_per_px + (region.x0_um, region.y0_um)


def _reach(measured: Measured, vessel: Vessel, region: Raster) -> Rect:
    chosen, own = _corners(measured.reach, region), vessel.bounds
    return Rect(
        min(chosen.x0_um, own.x0_um),
        min(chosen.y0_um, own.y0_um),
        max(chosen.x1_um, own.x1_um),
        max(chosen.y1_um, own.y1_um),
    )


def _corners(box: tuple[int, int, int, int], region: Raster) -> Rect:
    """Top, left, bottom and right in pixels of the region as a place on the slide."""
    top, left, bottom, right = box
    (x0, y0), (x1, y1) = _place(np.array([[left, top], [right, bottom]], np.float64), region).tolist()
    return Rect(x0, y0, x1, y1)


def _vessel(name: str, measured: Measured, verdict: Verdict, region: Raster) -> Vessel:
    return Vessel(
        name=name,
        outline=_place(measured.outline, region),
        lumens=tuple(_place(ring, region) for ring in measured.lumens),
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
        reason=verdict.reason,
        ambiguous=verdict.ambiguous or (verdict.reason is None and measured.doubtful_join),
    )
