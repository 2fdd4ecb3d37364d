"""From pixels to vessels: names, places, bone, the slide's own levels."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import shapely
from sections import KINI, found_alone, found_in, section, shape, surveyed, tissue_of

from mvd.errors import StainError
from mvd.geometry import Raster, Rect
from mvd.phantom import PhantomSpec, Placed, make_phantom, scene_of
from mvd.protocol import CountingRule
from mvd.vessels import Reason, find_candidates, find_vessels, measure_levels, stain_maps
from mvd.vessels.basins import find_basins
from mvd.vessels.joining import join_pieces
from mvd.vessels.measure import measure_objects

SPEC = PhantomSpec(seed=31, width_um=260, height_um=240, vessel_density_per_mm2=260.0, bone_fraction=0.0)


def again(image: Raster, *, rule: CountingRule = KINI, bone: Raster | None = None):
    survey = surveyed(SPEC)
    tissue = None if bone is None else tissue_of(bone.with_pixels(~bone.pixels), bone=bone)
    return find_vessels(image, survey.stains, survey.levels, rule=rule, tissue=tissue)


def test_vessels_are_named_in_reading_order_of_their_first_pixels():
    found = found_in(SPEC)
    assert [v.name for v in found] == [f"v{n:05d}" for n in range(1, len(found) + 1)]
    assert len(found) > 8


def test_what_is_found_is_consistent_with_itself():
    for vessel in found_in(SPEC):
        outline = shape(vessel.outline)
        assert outline.is_valid
        assert outline.area == pytest.approx(vessel.width_um * vessel.length_um, rel=1e-6)
        assert vessel.area_um2 + vessel.lumen_area_um2 <= outline.area + 1e-6
        assert (vessel.x_um, vessel.y_um) == pytest.approx((outline.centroid.x, outline.centroid.y))
        assert sum(shape(ring).area for ring in vessel.lumens) >= vessel.lumen_area_um2 - 1e-6
        assert all(outline.buffer(1e-6).contains(shape(ring)) for ring in vessel.lumens)
        assert (vessel.lumen_width_um > 0) == (vessel.lumen_area_um2 > 0) == bool(vessel.lumens)
        assert vessel.mean_dab_od > surveyed(SPEC).levels.low
        assert vessel.pieces >= 1 and vessel.length_um > 0


def plain(value: Any) -> bool:
    """Whether a value, or all that it is made of, is of Python's own kind; numpy's True is none."""
    if is_dataclass(value):
        return all(plain(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, tuple):
        return all(map(plain, value))
    return value is None or type(value) in {bool, int, float, str} or isinstance(value, np.ndarray | Reason)


def test_what_is_measured_and_judged_is_plain():
    image, survey = section(SPEC).image, surveyed(SPEC)
    candidates = find_candidates(image, survey.stains, survey.levels, rule=KINI, tissue=survey.tissue)
    assert all(plain(candidate.vessel) for candidate in candidates)
    maps = stain_maps(image, survey.stains)
    joined = join_pieces(find_basins(maps.dab, survey.levels.low), maps, levels=survey.levels, rule=KINI)
    measured = measure_objects(joined.pieces, joined, maps, levels=survey.levels)
    assert len(measured) > 8
    assert all(map(plain, measured))


def test_objects_do_not_overlap():
    outlines = [shape(v.outline) for v in found_in(SPEC)]
    tree = shapely.STRtree(outlines)
    pairs = [(a, b) for a, b in tree.query(outlines, predicate="overlaps").T if a < b]
    assert all(outlines[a].intersection(outlines[b]).area < 2.0 for a, b in pairs)


def test_a_vessel_lies_where_it_was_put():
    spots = {(35.0, 40.0): 14.0, (80.0, 75.0): 20.0}
    phantom = scene_of(
        *(Placed(kind="capillary_cross", x_um=x, y_um=y, size_um=d, breaks=0) for (x, y), d in spots.items()),
        side_um=120, um_per_px=0.5,
    )  # fmt: skip
    found = [v for v in found_alone(phantom.image) if v.accepted]
    assert len(found) == 2
    for vessel, truth in zip(found, sorted(phantom.truth, key=lambda t: t.y_um), strict=True):
        assert (vessel.x_um, vessel.y_um) == pytest.approx((truth.x_um, truth.y_um), abs=1.0)
        ours, true = shape(vessel.outline), shape(truth.outline)
        assert ours.intersection(true).area / ours.union(true).area > 0.7


def test_moving_the_region_moves_the_vessels_and_nothing_else():
    image = section(SPEC).image
    moved = Raster(image.pixels, 1000.0, -40.0, image.um_per_px)
    for here, there in zip(again(image), again(moved), strict=True):
        assert there.outline == pytest.approx(here.outline + np.array([1000.0, -40.0]))
        assert (there.x_um, there.y_um) == pytest.approx((here.x_um + 1000, here.y_um - 40))
        assert (there.area_um2, there.reason) == (here.area_um2, here.reason)


@pytest.mark.parametrize("branches", ["one", "separate"])
@pytest.mark.parametrize(
    "within", [Rect(1040, 20, 1130, 70), Rect(950, 160, 1020, 860), Rect(1100.2, 60.2, 1100.3, 60.3)]
)
def test_what_lies_elsewhere_is_left_out_and_changes_nothing(within, branches):
    image, survey, rule = section(SPEC).image, surveyed(SPEC), CountingRule(branches=branches)
    moved = Raster(image.pixels, 1000.0, -40.0, image.um_per_px)
    everything, asked = (
        find_vessels(moved, survey.stains, survey.levels, rule=rule, within=which) for which in (None, within)
    )
    near = [v for v in everything if v.bounds.intersection(within) is not None]
    same = {v.outline.tobytes(): repr(replace(v, name="")) for v in asked}
    assert [same[v.outline.tobytes()] for v in near] == [repr(replace(v, name="")) for v in near]
    assert len(near) <= len(asked) < len(everything)


@pytest.mark.parametrize("um_per_px", [0.25, 1.0])
def test_another_pixel_size_is_refused(um_per_px):
    with pytest.raises(ValueError, match=r"found at 0.5 µm/px"):
        again(Raster(section(SPEC).image.pixels, 0, 0, um_per_px))


def test_glass_holds_no_vessel():
    assert again(Raster(np.full((100, 100, 3), 245, np.uint8), 0, 0, 0.5)) == ()


def bone(shape_px: tuple[int, int], *, from_column: int) -> Raster:
    mask = np.zeros(shape_px, bool)
    mask[:, from_column:] = True
    return Raster(mask, 0.0, 0.0, 4.0)


def test_objects_in_bone_and_along_it_are_kept_with_the_reason():
    """What an object surely is comes before where it lies, a suspicion after."""
    image, survey = section(SPEC).image, surveyed(SPEC)
    free = find_candidates(image, survey.stains, survey.levels, rule=KINI)
    found = again(image, bone=bone((60, 65), from_column=32))
    assert [v.outline.tolist() for v in found] == [one.vessel.outline.tolist() for one in free]
    for vessel, before in zip(found, free, strict=True):
        if before.vessel.reason is not None and not before.suspected:
            assert vessel.reason == before.vessel.reason
        elif vessel.bounds.x0_um > 145:
            assert vessel.reason is Reason.IN_BONE
        elif vessel.bounds.x1_um < 110:
            assert vessel.reason == before.vessel.reason
    assert {v.reason for v in found} >= {Reason.IN_BONE, None}


def test_bone_elsewhere_changes_nothing():
    image = section(SPEC).image
    nowhere = again(image, bone=Raster(np.zeros((60, 65), bool), 0.0, 0.0, 4.0))
    assert [v.reason for v in nowhere] == [v.reason for v in again(image)]


def test_a_wider_smallest_area_only_turns_vessels_into_too_small_ones():
    image = section(SPEC).image
    for before, after in zip(again(image), again(image, rule=CountingRule(min_area_um2=60.0)), strict=True):
        small = before.area_um2 + before.lumen_area_um2 < 60
        doubted = before.accepted or before.reason is Reason.UNLIKE_VESSEL
        assert after.reason == (Reason.TOO_SMALL if doubted and small else before.reason)


def test_with_a_lumen_required_what_is_left_has_one():
    found = again(section(SPEC).image, rule=CountingRule(lumen_required=True))
    assert all(v.lumens for v in found if v.accepted)
    assert {v.reason for v in found} >= {None, Reason.NO_LUMEN}


@pytest.mark.parametrize("strength", [0.6, 1.3])
def test_the_levels_follow_the_strength_of_the_stain(strength):
    """The same section, stained more weakly or strongly, has four of five vessels at least, whatever the strength."""
    counted = sum(v.accepted for v in found_in(SPEC))
    other = make_phantom(replace(SPEC, stain_strength=strength))
    assert sum(v.accepted for v in found_alone(other.image)) == pytest.approx(counted, abs=0.2 * counted)


def test_the_levels_are_in_order():
    levels = surveyed(SPEC).levels
    assert levels.background < levels.weak < levels.low < levels.high < levels.peak
    assert 0.0 < levels.stained_share < 0.15
    assert levels.noise > 0 and levels.nuclear > 0 and levels.tissue > 0


def test_levels_need_tissue():
    survey = surveyed(SPEC)
    glass = stain_maps(Raster(np.full((60, 60, 3), 250, np.uint8), 0, 0, 0.5), survey.stains)
    with pytest.raises(StainError, match="no stained tissue"):
        measure_levels([glass])
