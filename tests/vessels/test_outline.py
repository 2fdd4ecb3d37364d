"""Outlines run along pixel edges: what they enclose is the pixels, no more and no less."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from mvd.vessels.outline import shoelace, trace, well_composed

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(MASKS)
def test_the_rings_enclose_as_many_pixels_as_the_mask_has(mask):
    assert sum(shoelace(ring) for ring in trace(mask)) == mask.sum()


@given(MASKS)
def test_one_positive_ring_a_part_and_one_negative_ring_a_hole(mask):
    mask = well_composed(mask)
    areas = [shoelace(ring) for ring in trace(mask)]
    _, parts = ndimage.label(mask)
    _, outside = ndimage.label(np.pad(~mask, 1, constant_values=True), structure=np.ones((3, 3)))
    assert sum(area > 0 for area in areas) == parts
    assert sum(area < 0 for area in areas) == outside - 1


@given(MASKS)
def test_every_ring_is_a_simple_polygon_of_corners_only(mask):
    for ring in trace(well_composed(mask)):
        assert shapely.Polygon(ring).is_valid
        steps = np.diff(np.concatenate([ring, ring[:1]]), axis=0)
        assert ((steps == 0).sum(axis=1) == 1).all()
        turned = steps[:, 0] * np.roll(steps[:, 1], -1) - steps[:, 1] * np.roll(steps[:, 0], -1)
        assert (turned != 0).all()


@given(MASKS)
def test_well_composed_adds_and_never_takes_away(mask):
    filled = well_composed(mask)
    assert (filled | ~mask).all()
    a, b, c, d = filled[:-1, :-1], filled[:-1, 1:], filled[1:, :-1], filled[1:, 1:]
    assert not ((a & d & ~b & ~c) | (b & c & ~a & ~d)).any()
    assert np.array_equal(well_composed(filled), filled)


@given(MASKS)
def test_the_mask_that_is_traced_is_not_changed(mask):
    before = mask.copy()
    well_composed(mask)
    trace(mask)
    assert np.array_equal(mask, before)


def test_a_hole_is_negative_and_a_pixel_is_one():
    mask = np.ones((5, 6), bool)
    mask[2, 2:4] = False
    outer, hole = trace(mask)
    assert shoelace(outer) == 30 and outer.tolist() == [[6, 0], [6, 5], [0, 5], [0, 0]]
    assert shoelace(hole) == -2
    assert [shoelace(ring) for ring in trace(np.ones((1, 1), bool))] == [1]


def test_without_that_pixels_that_meet_at_a_corner_have_a_ring_each():
    assert [shoelace(ring) for ring in trace(np.eye(2, dtype=bool))] == [1, 1]


def test_an_empty_mask_has_no_ring():
    assert trace(np.zeros((4, 4), bool)) == []


@pytest.mark.parametrize("diagonal", [np.eye(2, dtype=bool), np.eye(2, dtype=bool)[::-1]], ids=["falling", "rising"])
def test_pixels_that_meet_at_a_corner_become_one_part(diagonal):
    assert len(trace(well_composed(diagonal))) == 1
    assert well_composed(diagonal).sum() == 3


@given(st.integers(0, 5), st.integers(0, 5), MASKS)
def test_a_shape_elsewhere_has_the_same_outline_elsewhere(down, right, mask):
    moved = np.pad(mask, ((down, 0), (right, 0)))
    for ring, other in zip(trace(mask), trace(moved), strict=True):
        assert np.array_equal(ring + np.array([right, down]), other)
