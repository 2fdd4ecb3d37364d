"""Which of a file's images is measured, and what its samples are worth where they have more than 8 bits."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from command_line import mvd

from mvd.errors import SlideError
from mvd.slide import inspect_slide, open_slide


def picture(rows: int = 96, columns: int = 128, *, seed: int = 1) -> np.ndarray:
    """Tissue with glass round it."""
    rng = np.random.default_rng(seed)
    pixels = np.full((rows, columns, 3), 244, np.uint8)
    pixels[8:-8, 8:-8] = rng.integers(60, 200, (rows - 16, columns - 16, 3))
    return pixels


def write(path: Path, *images: tuple[str, np.ndarray, float]) -> Path:
    """An OME-TIFF of named images, each with its pixel size."""
    with tifffile.TiffWriter(path, ome=True) as out:
        for name, pixels, um in images:
            size = {"PhysicalSizeX": um, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": um, "PhysicalSizeYUnit": "µm"}
            out.write(pixels, photometric="rgb", tile=(64, 64), metadata={"axes": "YXS", "Name": name, **size})
    return path


def everything(path: Path) -> np.ndarray:
    with open_slide(path, um_per_px=0.5) as slide:
        return slide.read(slide.bounds, 0.5).pixels


@pytest.mark.parametrize("name", ["image_0000004202", "Overview_1", "macro_image", "", "scene"])
def test_a_small_picture_of_the_section_is_not_measured_though_it_comes_first(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.ome.tif", (name, picture(24, 32), 2.0), ("20x_01", picture(), 0.5))
    info = inspect_slide(path)
    assert info.size_px == (128, 96)
    assert info.calibration is not None and info.calibration.um_per_px_x == 0.5
    assert [(image.number, image.size_px) for image in info.images] == [(2, (128, 96)), (1, (32, 24))]
    assert np.array_equal(everything(path), picture())


LABELS = ["label", "Label Image", "slide_label", "Barcode 1", "MACRO", "thumbnail-0", "Etikett", "QR-Code", "SlideScan"]


@pytest.mark.parametrize("name", LABELS)
def test_a_label_is_never_measured_however_large_it_is(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.ome.tif", (name, picture(192, 256), 0.5), ("scan", picture(), 0.5))
    first, other = inspect_slide(path).images
    assert (first.size_px, first.is_apart, other.is_apart) == ((128, 96), False, True)
    alone = write(tmp_path / "b.ome.tif", (name, picture(), 0.5))
    with pytest.raises(SlideError, match="only label or overview images"):
        inspect_slide(alone)


def test_of_two_sections_none_is_taken_and_no_name_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.tif", ("Jane Doe", picture(), 0.5), ("section 2", picture(90, 120), 0.5))
    with pytest.raises(SlideError) as refused:
        inspect_slide(path)
    assert "number 1 of 128 × 96 pixels, number 2 of 120 × 90 pixels" in str(refused.value)
    assert "Doe" not in str(refused.value)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_samples_of_any_number_of_bits_are_the_same_picture(tmp_path: Path, bits: int) -> None:
    deep = (picture().astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint16)
    path = write(tmp_path / "a.ome.tif", ("scan", deep, 0.5))
    assert np.abs(everything(path).astype(int) - picture()).max() <= 1
    flat = tmp_path / "a.png"
    flat.write_bytes(imagecodecs.png_encode(deep))
    assert np.abs(everything(flat).astype(int) - picture()).max() <= 1


def test_a_dark_part_of_a_slide_is_scaled_as_the_rest(tmp_path: Path) -> None:
    pixels = picture()
    pixels[:64, :64] = 20
    path = write(tmp_path / "a.ome.tif", ("scan", pixels.astype(np.uint16) * 16, 0.5))
    with open_slide(path, um_per_px=0.5) as slide:
        dark = slide.read(slide.bounds, 0.5).pixels[:64, :64]
    assert np.abs(dark.astype(int) - 20).max() <= 1


def test_what_is_not_fully_exposed_keeps_its_range(tmp_path: Path) -> None:
    """The brightest of a 12-bit camera at 60 %: 2,460 of 4,095."""
    pixels = (picture() * 0.6).astype(np.uint8)
    path = write(tmp_path / "a.ome.tif", ("scan", pixels.astype(np.uint16) * 16, 0.5))
    assert np.abs(everything(path).astype(int) - pixels).max() <= 1


def test_info_lists_the_images_and_says_which_is_measured(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ome.tif", ("Jane Doe label", picture(24, 32), 2.0), ("20x_01", picture(), 0.5))
    told = mvd("info", path)
    assert "image 1     32 × 24 pixels; a label or an overview by its name, never opened" in told.out
    assert "image 2     128 × 96 pixels; measured" in told.out
    assert "Doe" not in told.out + told.err
