"""A pixel's value depends on its place on the slide alone, and is the mean over its area."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvd.errors import SlideError
from mvd.geometry import Calibration, Pixels, Rect
from mvd.slide import sampling
from mvd.slide.model import Box, Facts, Level, Slide, pyramid


class Memory:
    """A pyramid held in arrays."""

    def __init__(self, *images: Pixels) -> None:
        self.images = images
        sizes = [(image.shape[1], image.shape[0]) for image in images]
        self.facts = Facts("memory", pyramid(sizes), None, 8, 3, "arrays")
        self.asked: list[int] = []
        self.paths: tuple[Path, ...] = ()

    def read_level(self, index: int, box: Box) -> Pixels:
        image = self.images[index]
        assert 0 <= box.x0 < box.x1 <= image.shape[1]
        assert 0 <= box.y0 < box.y1 <= image.shape[0]
        self.asked.append(index)
        return image[box.y0 : box.y1, box.x0 : box.x1].copy()

    def files(self) -> Sequence[Path]:
        return self.paths

    def close(self) -> None:
        pass


NOISE = np.random.default_rng(7).integers(0, 256, (207, 301, 3), dtype=np.uint8)


def slide(x: float = 0.25, y: float | None = None, *images: Pixels) -> Slide:
    source = Memory(*(images or (NOISE,)))
    return Slide(Path("memory"), source, Calibration(x, y or x, "user", "test"))


def halved(image: Pixels) -> Pixels:
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    return image[: rows * 2, : columns * 2].reshape(rows, 2, columns, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)


PYRAMIDS = {
    "one level": (NOISE,),
    "halved": (NOISE, halved(NOISE)),
    "odd factors": (NOISE, NOISE[::3, ::3], NOISE[:9, :11]),
}


@settings(max_examples=300)
@given(
    size=st.sampled_from([(0.25, 0.25), (0.2277, 0.2277), (0.499, 0.499), (0.25, 0.3), (0.2277, 0.2281750559)]),
    levels=st.sampled_from(sorted(PYRAMIDS)),
    um_per_px=st.sampled_from([0.1, 0.2277, 0.25, 0.455, 0.4554, 0.499, 0.5, 0.75, 1.0, 1.7]) | st.floats(0.1, 9.0),
    origin=st.sampled_from([0.0, 0.125, 0.25, 17.3]) | st.floats(-20, 60),
    window=st.tuples(st.integers(-8, 90), st.integers(-8, 90), st.integers(1, 40), st.integers(1, 40)),
    inner=st.tuples(st.integers(0, 39), st.integers(0, 39), st.integers(1, 60), st.integers(1, 60)),
)
def test_two_rectangles_on_one_grid_agree_byte_for_byte(
    size: tuple[float, float],
    levels: str,
    um_per_px: float,
    origin: float,
    window: tuple[int, int, int, int],
    inner: tuple[int, int, int, int],
) -> None:
    opened = slide(*size, *PYRAMIDS[levels])

    def read(column: int, row: int, columns: int, rows: int) -> Pixels:
        x0, y0 = origin + column * um_per_px, origin + row * um_per_px
        return opened.read(Rect(x0, y0, x0 + columns * um_per_px, y0 + rows * um_per_px), um_per_px).pixels

    column, row, columns, rows = window
    right, down = inner[0] % columns, inner[1] % rows
    first = read(*window)
    second = read(column + right, row + down, *inner[2:])
    shared = first[down:, right:][: second.shape[0], : second.shape[1]]
    assert first.shape == (rows, columns, 3)
    assert np.array_equal(shared, second[: shared.shape[0], : shared.shape[1]])


def area_mean(image: Pixels, um: tuple[float, float], rect: Rect, um_per_px: float) -> np.ndarray:
    """Mean over each output pixel's area, white outside, by integrating cumulated sums; float64."""
    padded = np.pad(image.astype(float) - 255, ((1, 0), (1, 0), (0, 0))).cumsum(axis=0).cumsum(axis=1)
    rows, columns = round(rect.height_um / um_per_px), round(rect.width_um / um_per_px)

    def along(sums: np.ndarray, axis: int, count: int, start_um: float) -> np.ndarray:
        edges = (start_um + np.arange(count + 1) * um_per_px) / um[axis]
        edges = np.clip(edges, 0, sums.shape[axis] - 1)
        low = np.minimum(np.floor(edges).astype(int), sums.shape[axis] - 2)
        fraction = (edges - low).reshape([-1 if i == axis else 1 for i in range(3)])
        at_edges = np.take(sums, low, axis) * (1 - fraction) + np.take(sums, low + 1, axis) * fraction
        return np.diff(at_edges, axis=axis)

    total = along(along(padded, 0, rows, rect.y0_um), 1, columns, rect.x0_um)
    return 255 + total * um[0] * um[1] / um_per_px**2


SHRINKING = [
    pytest.param(0.25, 0.25, 0.5, Rect(0, 0, 50, 50), id="factor 2"),
    pytest.param(0.25, 0.25, 0.75, Rect(0, 0, 60, 30), id="factor 3"),
    pytest.param(0.25, 0.25, 0.5, Rect(0.25, 0.5, 20.25, 20.5), id="factor 2, grid off by half an output pixel"),
    pytest.param(0.25, 0.25, 0.5, Rect(0.1, 0.2, 20.1, 20.2), id="factor 2, grid between pixels"),
    pytest.param(0.2277, 0.2277, 0.5, Rect(0, 0, 60, 40), id="0.2277 to 0.5"),
    pytest.param(0.499, 0.499, 0.5, Rect(1, 2, 90, 80), id="0.499 to 0.5"),
    pytest.param(0.2, 0.3, 0.6, Rect(0, 0, 54, 60), id="x by 3, y by 2"),
    pytest.param(0.2, 0.27, 0.6, Rect(0, 0, 54, 54), id="x by 3, y by 2.2"),
    pytest.param(0.25, 0.25, 0.6, Rect(-9, -6, 90, 60), id="over every edge of the slide"),
    pytest.param(0.25, 0.25, 16.1, Rect(-16.1, 0, 80.5, 64.4), id="factor 64.4"),
    pytest.param(0.25, 0.25, 5.0, Rect(0, 0, 80, 55), id="factor 20, over the edge"),
]


@pytest.mark.parametrize(("x", "y", "um_per_px", "rect"), SHRINKING)
def test_shrinking_gives_the_mean_over_each_pixels_area(x: float, y: float, um_per_px: float, rect: Rect) -> None:
    pixels = slide(x, y).read(rect, um_per_px).pixels
    expected = area_mean(NOISE, (y, x), rect, um_per_px)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).max() < 0.75  # 0.5 of rounding; weights and edges in 1/4096


def test_enlarging_is_linear_between_pixel_centres() -> None:
    ramp = np.repeat(np.repeat(np.arange(0, 200, 4, dtype=np.uint8)[None, :, None], 20, axis=0), 3, axis=2)
    pixels = slide(0.4, 0.4, ramp).read(Rect(2, 2, 10, 4), 0.1).pixels
    centres_um = 2 + (np.arange(80) + 0.5) * 0.1
    assert np.abs(pixels[5, :, 0] - 4 * (centres_um / 0.4 - 0.5)).max() <= 0.51


def test_same_scale_is_a_plain_copy() -> None:
    pixels = slide(0.2277).read(Rect(10 * 0.2277, 5 * 0.2277, 90 * 0.2277, 60 * 0.2277), 0.2277).pixels
    assert np.array_equal(pixels, NOISE[5:60, 10:90])


@pytest.mark.parametrize(
    "rect",
    [Rect(-90, -90, -10, -10), Rect(75.25, 0, 99, 20), Rect(0, 51.75, 20, 99), Rect(1e6, 1e6, 1e6 + 9, 1e6 + 9)],
)
def test_outside_the_slide_is_white(rect: Rect) -> None:
    assert (slide(0.25).read(rect, 0.5).pixels == 255).all()


def test_white_begins_where_the_slide_ends() -> None:
    black = np.zeros((20, 30, 3), np.uint8)
    pixels = slide(0.5, 0.5, black).read(Rect(-1, -1, 17, 12), 0.5).pixels
    expected = np.full((26, 36, 3), 255, np.uint8)
    expected[2:22, 2:32] = 0
    assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("um_per_px", [0.5, 1.0, 1.3])
def test_no_white_line_where_a_level_dropped_the_odd_last_column(um_per_px: float) -> None:
    black = np.zeros((101, 201, 3), np.uint8)
    opened = slide(0.25, 0.25, black, black[:50, :100], black[:25, :50])
    corner = Rect(50.25 - 20 * um_per_px, 25.25 - 10 * um_per_px, 50.25, 25.25)
    assert not opened.read(corner, um_per_px).pixels.any()


@pytest.mark.parametrize(
    ("width", "um_per_px", "rows", "columns"),
    [
        pytest.param(250, 0.5, 500, 500, id="a field"),
        pytest.param(250, 0.2277, 1098, 1098, id="rounded down"),
        pytest.param(0.3, 0.5, 1, 1, id="over half a pixel"),
        pytest.param(0.01, 0.5, 1, 1, id="at least one pixel"),
    ],
)
def test_shape_is_the_rectangle_over_the_pixel_size(width: float, um_per_px: float, rows: int, columns: int) -> None:
    raster = slide(0.25).read(Rect.square(3.3, 4.4, width), um_per_px)
    assert raster.pixels.shape == (rows, columns, 3)
    assert (raster.x0_um, raster.y0_um, raster.um_per_px) == (3.3, 4.4, um_per_px)


def test_memory_blocks_do_not_change_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    rect = Rect(-5, -3, 80, 55)
    for um_per_px in (0.2, 0.25, 0.5, 0.61):
        whole = slide(0.25).read(rect, um_per_px).pixels
        with monkeypatch.context() as patch:
            patch.setattr(sampling, "BLOCK_PX", 37)
            assert np.array_equal(slide(0.25).read(rect, um_per_px).pixels, whole)


LEVELS = (Level(8000, 8000, 1, 1), Level(4000, 4000, 2, 2), Level(1000, 1000, 8, 8))


@pytest.mark.parametrize(
    ("x", "y", "um_per_px", "index"),
    [
        pytest.param(0.25, 0.25, 0.1, 0, id="finer than the slide"),
        pytest.param(0.25, 0.25, 0.25, 0, id="as fine as the slide"),
        pytest.param(0.25, 0.25, 0.489, 0, id="2.2 % finer than level 1"),
        pytest.param(0.25, 0.25, 0.491, 1, id="1.8 % finer than level 1"),
        pytest.param(0.25, 0.25, 0.5, 1, id="level 1"),
        pytest.param(0.25, 0.25, 1.9, 1, id="just finer than level 2"),
        pytest.param(0.25, 0.25, 2.0, 2, id="level 2"),
        pytest.param(0.25, 0.25, 40.0, 2, id="coarser than all"),
        pytest.param(0.25, 0.30, 0.5, 0, id="the coarser axis decides"),
    ],
)
def test_the_level_is_the_coarsest_that_is_fine_enough(x: float, y: float, um_per_px: float, index: int) -> None:
    assert sampling.choose_level(LEVELS, Calibration(x, y, "user", "test"), um_per_px) == index


@pytest.mark.parametrize(
    ("full", "reduced", "downsample"),
    [
        pytest.param((4443, 3567), (2221, 1783), (2.0, 2.0), id="odd column dropped"),
        pytest.param((4443, 3567), (2222, 1784), (2.0, 2.0), id="odd column kept"),
        pytest.param((46000, 32914), (2875, 2057), (16.0, 16.0), id="by 16"),
        pytest.param((20000, 16000), (312, 250), (64.0, 64.0), id="halved six times"),
        pytest.param((20000, 20000), (313, 311), (20000 / 313, 20000 / 311), id="no common whole factor"),
        pytest.param((1000, 1000), (400, 400), (2.5, 2.5), id="by 2.5"),
    ],
)
def test_downsample_is_whole_where_the_sizes_allow_it(
    full: tuple[int, int], reduced: tuple[int, int], downsample: tuple[float, float]
) -> None:
    assert pyramid([full, reduced])[1] == Level(*reduced, *downsample)


def test_a_read_takes_pixels_from_one_level_only() -> None:
    opened = slide(0.25, 0.25, NOISE, halved(NOISE))
    opened.read(Rect.square(0, 0, 30), 0.5)
    assert isinstance(opened._source, Memory)
    assert opened._source.asked == [1]


@pytest.mark.parametrize("um_per_px", [0, -0.5, float("nan"), float("inf")])
def test_an_impossible_pixel_size_is_the_callers_mistake(um_per_px: float) -> None:
    with pytest.raises(ValueError, match="um_per_px"):
        slide(0.25).read(Rect.square(0, 0, 9), um_per_px)


def test_a_read_too_large_for_memory_is_refused() -> None:
    with pytest.raises(SlideError, match="too many for one read"):
        slide(0.25).read(Rect.square(0, 0, 50000), 0.25)


def test_a_closed_slide_says_so() -> None:
    opened = slide(0.25)
    opened.close()
    opened.close()
    with pytest.raises(SlideError, match="memory has been closed"):
        opened.read(Rect.square(0, 0, 9), 0.5)


def test_digest_of_several_files_covers_each(tmp_path: Path) -> None:
    paths = (tmp_path / "a.mrxs", tmp_path / "a" / "Data0000.dat")
    paths[1].parent.mkdir()
    for path in paths:
        path.write_text(path.name)
    opened = slide(0.25)
    assert isinstance(opened._source, Memory)
    opened._source.paths = paths
    before = opened.sha256()
    paths[1].write_text("changed")
    assert opened.sha256() != before
    opened._source.paths = paths[:1]
    assert opened.sha256() == hashlib.sha256(paths[0].read_bytes()).hexdigest()


@pytest.mark.parametrize(("origin", "um_per_px"), [(0.0, 0.5), (17.3, 0.7), (-3.1, 0.2277), (1e5, 0.455)])
def test_rounding_noise_does_not_move_the_grid(origin: float, um_per_px: float) -> None:
    phases = [sampling.grid_phase(origin + step * um_per_px, um_per_px) for step in range(3000)]
    assert {phase for _, phase in phases} == {phases[0][1]}
    assert [whole - phases[0][0] for whole, _ in phases] == list(range(3000))


def test_bounds_are_in_um() -> None:
    assert slide(0.25, 0.5).bounds == Rect(0, 0, 301 * 0.25, 207 * 0.5)
