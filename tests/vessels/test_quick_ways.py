"""What is computed in a quicker way gives the very numbers of the plain one."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_maps import LEVELS
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from scipy.sparse.csgraph import dijkstra
from scipy.spatial.distance import cdist
from skimage.measure import perimeter_crofton
from skimage.morphology import skeletonize

from mvd.stains import TISSUE_OD, mean_density
from mvd.vessels.cutout import densest
from mvd.vessels.gaps import find_gaps, reach_px
from mvd.vessels.lengths import _neighbours, lengths_px, perimeters_um
from mvd.vessels.lumens import _runs, walled_lumens
from mvd.vessels.maps import WORK_UM_PER_PX, StainMaps
from mvd.vessels.measure import _slope
from mvd.vessels.outline import trace, trace_all, well_composed
from mvd.vessels.shape import depth, without_holes
from mvd.vessels.sheet import in_sheets, lay_out
from mvd.vessels.summary import mean, median, quantile, standard_deviation

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))
objects = st.lists(masks.filter(np.any), min_size=1, max_size=5)


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


@pytest.mark.parametrize("number", [1, 2, 3, 7, 8, 9, 127, 128, 129, 1000, 5000], ids=str)
def test_summaries_are_numpys_to_the_bit(number):
    random = np.random.default_rng(number)
    for values in random.normal(0.4, 0.2, (100, number)).astype(np.float32):
        rising = np.sort(values)
        assert mean(values) == float(np.mean(values))
        assert standard_deviation(values) == float(np.std(values))
        assert quantile(rising, 0.95) == float(np.percentile(values, 95))
        assert median(rising) == float(np.median(values))


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 1500)), max_size=12))
def test_pictures_on_a_sheet_keep_two_pixels_apart(shapes):
    sheet = lay_out(shapes)
    seen = np.zeros(sheet.shape, int)
    for (rows, columns), place in zip(shapes, sheet.places, strict=True):
        assert seen[place].shape == (rows, columns)
        seen[place[0].start - 1 : place[0].stop + 1, place[1].start - 1 : place[1].stop + 1] += 1
    assert seen.max(initial=0) <= 1
    assert seen.sum() == sum((rows + 2) * (columns + 2) for rows, columns in shapes)
    assert np.array_equal(sheet.owners() >= 0, seen == 1)


@pytest.mark.parametrize(
    ("shapes", "runs"),
    [([], []), ([(2000, 2000)], [1]), ([(10, 10)] * 3, [3]), ([(900, 900), (900, 900), (5, 5)], [1, 2])],
    ids=["none", "one too large", "all together", "two sheets"],
)
def test_sheets_hold_all_pictures_once_and_in_order(shapes, runs):
    found = list(in_sheets(enumerate(shapes), lambda thing: thing[1]))
    assert [len(together) for together in found] == runs
    assert [number for together in found for number, _ in together] == list(range(len(shapes)))


def test_no_more_pictures_are_held_than_go_on_one_sheet():
    asked = []
    sheets = in_sheets((asked.append(number) or number for number in range(9)), lambda _: (700, 700))
    assert next(sheets) == [0, 1]
    assert asked == [0, 1, 2]


@given(objects)
def test_objects_are_traced_on_a_sheet_as_alone(objects):
    objects = [well_composed(mask) for mask in objects]
    sheet = lay_out([mask.shape for mask in objects])
    for mask, rings, place in zip(objects, trace_all(sheet.put(objects), sheet), sheet.places, strict=True):
        alone = [np.add(ring, (place[1].start, place[0].start)) for ring in trace(mask)]
        assert [ring.tolist() for ring in rings] == [ring.tolist() for ring in alone]


@given(objects)
def test_perimeters_on_a_sheet_are_those_alone(objects):
    sheet = lay_out([mask.shape for mask in objects])
    alone = [perimeter_crofton(mask, directions=4) * WORK_UM_PER_PX for mask in objects]
    assert perimeters_um(sheet, objects) == pytest.approx(alone, rel=1e-14)


def plain_length_px(filled):
    """One object at a time, over the distances of all pixels of its midline."""
    points = np.argwhere(skeletonize(filled))
    apart = cdist(points, points)
    graph = np.where(apart < 1.5, apart, 0.0)
    to_edge = depth(filled)[tuple(points.T)]
    end, path = 0, 0.0
    for _ in range(2):
        reach = dijkstra(graph, indices=end)
        reach[~np.isfinite(reach)] = -1.0
        start, end = end, int(np.argmax(reach))
        path = float(reach[end])
    return path + float(to_edge[start]) + float(to_edge[end])


@given(objects)
def test_lengths_on_a_sheet_are_those_alone(objects):
    sheet = lay_out([mask.shape for mask in objects])
    found = lengths_px(sheet, objects, [depth(mask) for mask in objects])
    assert found == pytest.approx([plain_length_px(mask) for mask in objects], rel=1e-14)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (3, 40), (40, 33)], ids=str)
def test_the_slope_is_sobels(shape):
    dab = np.random.default_rng(3).random(shape, np.float32)
    dx, dy = (cv2.Sobel(dab, cv2.CV_32F, *axis, ksize=3, scale=1 / 8) for axis in ((1, 0), (0, 1)))
    found = _slope(dab, np.arange(dab.size)).reshape(shape)
    assert np.allclose(found, np.hypot(dx, dy) / WORK_UM_PER_PX, rtol=3e-7, atol=0)


def test_a_masks_edge_at_the_end_of_the_region_is_none():
    mask = np.ones((3, 4), bool)
    sheet = lay_out([mask.shape] * 2)
    boxes = [(slice(0, 3), slice(0, 4)), (slice(7, 10), slice(16, 20))]
    open_ = sheet.put_open([mask, mask], boxes, (10, 20))
    inner = cv2.erode(open_.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    expected = [cv2.erode(np.ones((3, 4)), np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT) for _ in boxes]
    expected[0][2], expected[0][:, 3] = 0, 0
    expected[1][0], expected[1][:, 0] = 0, 0
    for place, picture in zip(sheet.places, expected, strict=True):
        assert np.array_equal(inner[place], picture > 0)


@given(masks)
def test_the_runs_of_a_mask_are_its_pixels(mask):
    drawn = np.zeros_like(mask)
    for row, start, stop in zip(*_runs(mask), strict=True):
        assert not drawn[row, start:stop].any()
        drawn[row, start:stop] = True
    assert np.array_equal(drawn, mask)


def plain_gaps(labels, max_gap_um):
    """All pixels of the region, one by one."""
    distance, nearest = cv2.distanceTransformWithLabels(
        (labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    stained = {int(nearest[at]): at for at in zip(*(side.tolist() for side in np.nonzero(labels)), strict=True)}
    narrowest = {}
    for row, column in np.argwhere(distance <= reach_px(max_gap_um)).tolist():
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            there = (row + down, column + right)
            if not (there[0] < len(labels) and 0 <= there[1] < labels.shape[1]):
                continue
            if distance[there] > reach_px(max_gap_um):
                continue
            p, q = sorted((stained[int(nearest[at])] for at in ((row, column), there)), key=lambda at: labels[at])
            width_um = (np.hypot(p[0] - q[0], p[1] - q[1]) - 1) * WORK_UM_PER_PX
            if labels[p] != labels[q] and width_um <= max_gap_um:
                pair = (int(labels[p]), int(labels[q]))
                narrowest[pair] = min(narrowest.get(pair, (np.inf,)), (width_um, p, q))
    return narrowest


def table(gaps):
    """Width and ends of the gap of each two pieces."""
    columns = (getattr(gaps, name).tolist() for name in ("first", "second", "width_um", "p", "q"))
    return {(a, b): (width, tuple(p), tuple(q)) for a, b, width, p, q in zip(*columns, strict=True)}


def scattered(seed, shape, number):
    """Dots and short lines, numbered as pieces are."""
    random = np.random.default_rng(seed)
    mask = np.zeros(shape, np.uint8)
    for column, row in random.integers(0, shape[::-1], (number, 2)).tolist():
        cv2.line(mask, (column, row), (column + random.integers(-6, 7), row + random.integers(-6, 7)), 1)
    return np.asarray(cv2.connectedComponents(mask)[1], np.int32)


regions = st.builds(
    scattered, st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 60), st.integers(1, 60)), st.integers(0, 12)
)
widths_um = st.sampled_from([0.0, 0.5, 1.5, 4.0, 40 / 3])


@given(regions, widths_um)
def test_gaps_looked_for_near_the_stain_are_those_of_the_whole_region(labels, max_gap_um):
    assert table(find_gaps(labels, max_gap_um)) == plain_gaps(labels, max_gap_um)


@given(regions, widths_um)
def test_a_pieces_gaps_do_not_depend_on_stain_beyond_their_reach(labels, max_gap_um):
    beyond = round(2 * reach_px(max_gap_um)) + 2
    square = np.ones((2 * beyond + 1,) * 2, np.uint8)
    for piece in range(1, min(int(labels.max()), 4) + 1):
        near = cv2.dilate((labels == piece).astype(np.uint8), square).reshape(labels.shape) > 0
        everywhere, nearby = (table(find_gaps(picture, max_gap_um)) for picture in (labels, labels * near))
        own = [{pair: gap for pair, gap in gaps.items() if piece in pair} for gaps in (everywhere, nearby)]
        assert own[0] == own[1]


def rings(seed):
    """Clear and pale rounds with stain round part of them."""
    random = np.random.default_rng(seed)
    stain, total = np.zeros((90, 90), np.uint8), np.full((90, 90), 0.3, np.float32)
    for _ in range(8):
        middle, radius, turn = random.integers(10, 80, 2).tolist(), int(random.integers(3, 14)), random.uniform(0, 360)
        cv2.circle(total, middle, radius, random.choice([0.02, 0.1]), -1)
        cv2.ellipse(stain, middle, (radius + 1,) * 2, turn, 0, random.uniform(90, 330), 1, 2)
    return np.asarray(cv2.connectedComponents(stain)[1], np.int32), total


@given(st.integers(0, 2**32 - 1))
def test_a_second_look_at_regions_as_clear_finds_no_more_lumens(seed):
    labels, total = rings(seed)
    maps = StainMaps(dab=total, haematoxylin=total, total=total, red=total, residual=total)
    once, twice = (
        walled_lumens(labels, maps, replace(LEVELS, tissue=share * TISSUE_OD / 0.3), 15.0) for share in (0.9999, 1.0001)
    )
    assert np.array_equal(once[0], twice[0])
    assert [wall.tolist() for wall in once[1]] == [wall.tolist() for wall in twice[1]]
