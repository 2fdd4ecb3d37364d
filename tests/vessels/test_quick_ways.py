"""What is computed in a quicker way gives the very numbers of the plain one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from scipy.sparse.csgraph import dijkstra
from scipy.spatial.distance import cdist

from mvd.stains import mean_density
from mvd.vessels.joining import densest
from mvd.vessels.maps import StainMaps
from mvd.vessels.shape import _neighbours, without_holes

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


@given(masks)
@example(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool))  # closed at its corners
def test_without_holes_fills_what_scipy_fills(mask):
    assert np.array_equal(without_holes(mask), ndimage.binary_fill_holes(mask))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 64), (129, 257)])
def test_mean_density_is_the_mean_of_the_channels_to_the_bit(shape):
    density = np.random.default_rng(1).normal(0.3, 0.4, (*shape, 3)).astype(np.float32)
    assert mean_density(density).tobytes() == density.mean(axis=2).tobytes()


@given(masks)
def test_a_midlines_graph_joins_every_pixel_to_those_beside_it(mask):
    points = np.argwhere(mask)
    apart = cdist(points, points) if len(points) else np.zeros((0, 0))
    beside = np.where(apart < 1.5, apart, 0.0)
    assert np.allclose(_neighbours(points, mask.shape).toarray(), beside)


def test_a_midlines_graph_has_the_lengths_of_its_paths():
    points = np.array([[0, 0], [0, 1], [1, 2], [2, 2]])
    reach = dijkstra(_neighbours(points, (3, 3)), indices=0)
    assert reach.tolist() == [0.0, 1.0, 1.0 + np.sqrt(2), 2.0 + np.sqrt(2)]


@given(st.integers(0, 2**32 - 1))
def test_the_densest_stain_of_a_group_is_that_of_its_pieces(seed):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 5, (6, 7)).astype(np.int32)
    dab = random.random((6, 7), np.float32)
    group = np.array([0, 1, 2, 1, 3], np.int32)
    maps = StainMaps(dab=dab, haematoxylin=dab, total=dab, red=dab, residual=dab)
    expected = [0.0, *(dab[np.isin(labels, np.flatnonzero(group == g))].max(initial=0) for g in (1, 2, 3))]
    assert densest(labels, group, maps).tolist() == pytest.approx(expected, abs=0)
