"""A slide as lazy levels: the pixels that `mvd.slide` gives, where it gives them, and never all at once."""

import gc
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from mvd_napari import pyramid
from mvd_napari.pyramid import CHUNK_PX, image_layer, slide_levels

from mvd.errors import CalibrationError, SlideError
from mvd.geometry import Calibration, Pixels, Rect
from mvd.slide import Slide, open_slide
from mvd.slide.model import Box, Facts
from mvd.slide.model import pyramid as file_levels

REPO = Path(__file__).resolve().parents[2]
SAMPLE = REPO / "sample_images" / "p01_pre.ome.tif"


class Painted:
    """A slide of any size whose pixels are told from their place; it remembers what was asked."""

    def __init__(self, *sizes: tuple[int, int], torn: Rect | None = None) -> None:
        self.facts = Facts("painted", file_levels(sizes), None, 8, 3, "nowhere")
        self.asked: list[tuple[int, Box]] = []
        self.closed = False
        self.torn = torn

    def read_level(self, index: int, box: Box) -> Pixels:
        self.asked.append((index, box))
        if self.torn and box.x0 < self.torn.x1_um and box.y0 < self.torn.y1_um:
            raise SlideError("painted is damaged at pixel 0, 0; copy it again")
        scale = round(self.facts.levels[index].downsample_x)
        rows, columns = np.mgrid[box.y0 : box.y1, box.x0 : box.x1] * scale
        return np.stack([columns // 64 % 256, rows // 64 % 256, (columns // 16384 + rows // 16384) % 256], -1).astype(
            np.uint8
        )

    def files(self) -> tuple[Path, ...]:
        return ()

    def close(self) -> None:
        self.closed = True


def painted(
    *sizes: tuple[int, int], um: float | tuple[float, float] = 0.25, torn: Rect | None = None
) -> tuple[Slide, Painted]:
    source = Painted(*sizes, torn=torn)
    x, y = um if isinstance(um, tuple) else (um, um)
    return Slide(Path("painted.svs"), source, Calibration(x, y, "user", "test")), source


HUGE = ((100_000, 100_000), (25_000, 25_000), (6250, 6250), (1562, 1562))


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param(((150, 130),), id="small"),
        pytest.param(((1025, 900),), id="one pixel too wide for one level"),
        pytest.param(((4443, 3001), (1110, 750)), id="odd sizes"),
        pytest.param(HUGE, id="100,000 × 100,000"),
    ],
)
def test_every_level_is_half_of_the_one_before(sizes: tuple) -> None:
    levels = slide_levels(painted(*sizes)[0])
    finest = levels[0].shape
    for step, level in enumerate(levels):
        assert (level.shape[0] * 2**step, level.shape[1] * 2**step) == finest[:2]
        assert level.um_per_px == 0.25 * 2**step
    assert max(levels[-1].shape) <= pyramid.COARSEST_PX
    wide, tall = sizes[0]
    assert 0 <= finest[1] - wide < 2 ** len(levels)
    assert 0 <= finest[0] - tall < 2 ** len(levels)


def test_levels_are_the_slide_itself() -> None:
    with open_slide(SAMPLE) as slide:
        levels = slide_levels(slide)
        for level in levels:
            um = level.um_per_px
            expected = slide.read(Rect(100 * um, 40 * um, 300 * um, 190 * um), um).pixels
            assert np.array_equal(level[40:190, 100:300], expected)


def test_pixels_lie_in_the_same_place_at_every_level() -> None:
    levels = slide_levels(painted(*HUGE)[0])
    x_um, y_um = 12_345.0, 20_001.0
    for level in levels[:5]:
        row, column = int(y_um / level.um_per_px), int(x_um / level.um_per_px)
        red, green, _ = level[row, column].tolist()
        assert abs(red - x_um / 0.25 // 64 % 256) <= 1
        assert abs(green - y_um / 0.25 // 64 % 256) <= 1


def test_beyond_the_slide_is_white() -> None:
    levels = slide_levels(painted((4443, 3001))[0])
    rows, columns, _ = levels[0].shape
    assert (rows, columns) == (3008, 4448)
    assert (levels[0][3001:, :100] == 255).all()
    assert (levels[0][:100, 4443:] == 255).all()
    assert not (levels[0][2990:3001, :100] == 255).all()


def test_pixels_that_are_not_square_become_square() -> None:
    levels = slide_levels(painted((2000, 1000), um=(0.25, 0.5))[0])
    assert levels[0].um_per_px == 0.25
    assert levels[0].shape == (2000, 2000, 3)


def test_a_view_reads_what_it_shows_and_no_more() -> None:
    slide, source = painted(*HUGE)
    levels = slide_levels(slide)
    levels[0][50_000:51_000, 40_000:41_600]
    read = sum((box.x1 - box.x0) * (box.y1 - box.y0) for _, box in source.asked)
    assert read <= (1000 + 2 * CHUNK_PX) * (1600 + 2 * CHUNK_PX)
    assert {index for index, _ in source.asked} == {0}


def test_the_overview_is_read_from_the_files_coarsest_level() -> None:
    slide, source = painted(*HUGE)
    np.asarray(slide_levels(slide)[-1])
    assert {index for index, _ in source.asked} == {3}


def test_without_smaller_copies_the_overview_is_put_together_of_samples() -> None:
    slide, source = painted((100_000, 100_000))
    levels = slide_levels(slide)
    assert [level.sampled for level in levels] == [False, False, False, True, True, True, True, True]
    overview = np.asarray(levels[-1])
    read = sum((box.x1 - box.x0) * (box.y1 - box.y0) for _, box in source.asked)
    assert read < 1e-4 * 100_000**2
    um = levels[-1].um_per_px
    row, column = 10 * 32 + 16, 14 * 32 + 16  # middles of squares
    red, green, _ = overview[row, column].tolist()
    assert abs(red - (column * um / 0.25) // 64 % 256) <= 1
    assert abs(green - (row * um / 0.25) // 64 % 256) <= 1
    source.asked.clear()
    levels[4][1000:2000, 1000:2600]
    read = sum((box.x1 - box.x0) * (box.y1 - box.y0) for _, box in source.asked)
    assert read < 0.01 * (1000 * 1600 * 16**2)


@pytest.mark.parametrize("sizes", [((8000, 8000),), HUGE], ids=["small enough", "a pyramid"])
def test_samples_stand_for_nothing_that_can_be_read(sizes: tuple) -> None:
    slide, _ = painted(*sizes)
    for level in slide_levels(slide)[1:]:
        assert not level.sampled
        um = level.um_per_px
        exact = slide.read(Rect.square(256 * um, 256 * um, 64 * um), um).pixels
        assert np.array_equal(level[256:320, 256:320], exact)


def test_what_was_read_is_not_read_again() -> None:
    slide, source = painted(*HUGE)
    level = slide_levels(slide)[0]
    first = level[1000:2000, 1000:2000]
    asked = len(source.asked)
    assert np.array_equal(level[1000:2000, 1000:2000], first)
    assert len(source.asked) == asked


def test_kept_chunks_have_a_bound_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = 3 * CHUNK_PX**2
    monkeypatch.setattr(pyramid, "KEPT_BYTES", 10 * chunk)
    slide, source = painted(*HUGE)
    level = slide_levels(slide)[0]
    for column in range(30):
        level[:CHUNK_PX, column * CHUNK_PX : (column + 1) * CHUNK_PX]
        assert level.reader.kept_bytes <= 10 * chunk
    source.asked.clear()
    level[:CHUNK_PX, 29 * CHUNK_PX : 30 * CHUNK_PX]
    assert source.asked == [], "the newest is kept"
    level[:CHUNK_PX, :CHUNK_PX]
    assert source.asked, "the oldest is gone"


def test_a_level_taken_whole_is_refused() -> None:
    slide, source = painted(*HUGE)
    with pytest.raises(SlideError, match="100096 × 100096 pixels are too many"):
        np.asarray(slide_levels(slide)[0])
    assert source.asked == []


def test_many_threads_read_the_same_pixels() -> None:
    levels = image_layer(SAMPLE)[0]
    alone = [level[:, :] for level in image_layer(SAMPLE)[0]]
    start = threading.Barrier(8)

    def look(number: int) -> bool:
        start.wait()
        level = number % len(levels)
        return np.array_equal(levels[level][:, :], alone[level])

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(look, range(8)))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param((slice(10, 300), slice(250, 270), slice(None)), id="as napari asks"),
        pytest.param((slice(10, 300, 7), slice(None, None, 50)), id="with steps"),
        pytest.param((5, 6), id="one pixel"),
        pytest.param((-1, slice(None)), id="the last row"),
        pytest.param((Ellipsis, 0), id="one channel"),
        pytest.param(slice(20, 20), id="nothing"),
        pytest.param((slice(None, None, -1), slice(3, 5)), id="upside down"),
    ],
)
def test_levels_are_sliced_as_arrays_are(key: object) -> None:
    level = image_layer(SAMPLE)[0][-1]
    whole = np.asarray(level)
    assert np.array_equal(level[key], whole[key])
    assert (level.size, len(level), level.ndim) == (whole.size, len(whole), 3)


def test_damage_is_shown_and_told_once() -> None:
    slide, _ = painted((2000, 2000), torn=Rect(0, 0, 100, 100))
    level = slide_levels(slide)[0]
    with pytest.warns(UserWarning, match="painted is damaged"):
        torn = level[:CHUNK_PX, :CHUNK_PX]
    assert not (torn == 255).any(), "damage is not glass"
    assert len(np.unique(torn)) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        level[:CHUNK_PX, : 2 * CHUNK_PX]
    assert len(np.unique(level[1000:1256, 1000:1256])) > 2


def test_damage_is_told_by_the_layers_name_where_it_has_one() -> None:
    slide, _ = painted((2000, 2000), torn=Rect(0, 0, 100, 100))
    level = slide_levels(slide, "Section")[0]
    with pytest.warns(UserWarning, match="^Section cannot be read in places; they are striped grey$"):
        level[:CHUNK_PX, :CHUNK_PX]


def test_layer_is_in_um_from_the_corner_of_the_slide() -> None:
    levels, attributes, kind = image_layer(SAMPLE)
    assert kind == "image"
    assert attributes["name"] == "p01_pre.ome.tif"
    assert (attributes["rgb"], attributes["multiscale"], attributes["contrast_limits"]) == (True, True, [0, 255])
    assert attributes["units"] == ("µm", "µm")
    um = levels[0].um_per_px
    first_middle = np.array(attributes["translate"])
    # mvd.geometry: the middle of pixel (c, r) is ((c + 0.5) · um_per_px, (r + 0.5) · um_per_px)
    assert np.allclose(first_middle + np.array([7, 3]) * attributes["scale"], [7.5 * um, 3.5 * um])
    assert image_layer(SAMPLE, name="R01")[1]["name"] == "R01"


def test_pixel_size_is_asked_for_where_the_file_has_none(tmp_path: Path) -> None:
    from PIL import Image  # noqa: PLC0415

    path = tmp_path / "plain.png"
    Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(path)
    with pytest.raises(CalibrationError, match="no pixel size"):
        image_layer(path)
    assert image_layer(path, um_per_px=0.5)[0][0].um_per_px == 0.5


def test_file_goes_with_the_last_level(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = [painted((2000, 2000))]
    source = opened[0][1]
    monkeypatch.setattr(pyramid, "open_slide", lambda *_args, **_named: opened.pop()[0])
    levels = image_layer("painted.svs")[0]
    coarsest = levels[-1]
    levels[0][:10, :10]
    del levels
    gc.collect()
    assert not source.closed
    coarsest[:10, :10]
    del coarsest
    gc.collect()
    assert source.closed
