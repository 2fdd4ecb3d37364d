"""Scanners' own files read as their makers' library reads them."""

from pathlib import Path

import numpy as np
import openslide
import pytest

from mvd.errors import CalibrationError
from mvd.geometry import Rect
from mvd.slide import inspect_slide, open_slide
from mvd.slide.model import Box
from mvd.slide.tiff import open_tiff
from mvd.slide.vendor import OpenSlideSource

FILES = [
    pytest.param("cmu-1-small-region.svs", "Aperio SVS", (2220, 2967), 1, 0.499, id="svs jpeg"),
    pytest.param("tcga-cr-7395-01a-01-ts1.svs", "Aperio SVS", (4443, 3567), 2, None, id="svs jpeg 2000"),
    pytest.param("test3-DAPI-387.ndpi", "Hamamatsu NDPI", (3968, 4864), 7, 0.2282, id="ndpi"),
    pytest.param("highdicom_sm_image.dcm", "DICOM", (50, 50), 1, 0.499, id="dicom"),
]


@pytest.mark.parametrize(("name", "kind", "size", "levels", "um"), FILES)
def test_a_scanners_file_tells_what_it_is(
    shared_data: Path, name: str, kind: str, size: tuple[int, int], levels: int, um: float | None
) -> None:
    info = inspect_slide(shared_data / "wsi" / name)
    assert (info.format, info.size_px, len(info.levels)) == (kind, size, levels)
    if um is None:
        assert info.calibration is None
        with pytest.raises(CalibrationError, match="has no pixel size; give --um-per-px"):
            open_slide(shared_data / "wsi" / name)
    else:
        assert info.calibration is not None
        assert info.calibration.um_per_px == pytest.approx(um, rel=1e-3)


@pytest.mark.parametrize(("name", "kind", "size", "levels", "um"), FILES)
def test_pixels_are_those_of_openslide(
    shared_data: Path, name: str, kind: str, size: tuple[int, int], levels: int, um: float | None
) -> None:
    path = shared_data / "wsi" / name
    x, y, side = size[0] // 3, size[1] // 3, min(300, size[0] // 2)
    with open_slide(path, um_per_px=None if um else 0.25) as slide, openslide.OpenSlide(str(path)) as vendor:
        pixel = slide.calibration.um_per_px_x
        ours = slide.read(Rect.square(x * pixel, y * pixel, side * pixel), pixel).pixels
        theirs = np.asarray(vendor.read_region((x, y), 0, (side, side)).convert("RGB"))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_a_level_that_openslide_interpolates_does_not_depend_on_the_box(shared_data: Path) -> None:
    path = shared_data / "wsi" / "tcga-cr-7395-01a-01-ts1.svs"  # OpenSlide puts its level 1 at a factor of 2.0005
    vendor, tiles = OpenSlideSource(path, "aperio"), open_tiff(path)
    try:
        whole = vendor.read_level(1, Box(0, 0, 2221, 1783))
        part = vendor.read_level(1, Box(500, 700, 1100, 1100))
        plain = tiles.read_level(1, Box(500, 700, 1100, 1100))
    finally:
        vendor.close()
        tiles.close()
    assert np.array_equal(part, whole[700:1100, 500:1100])
    assert np.abs(part.astype(int) - plain).mean() < 4  # shifted by less than half a level-0 pixel
