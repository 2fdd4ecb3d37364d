"""Every format gives the pixels that were written, through the same small type."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from mvd.geometry import Pixels, Rect
from mvd.slide import Level, inspect_slide, open_slide
from mvd.slide.tiff import TiffSource

UM = 0.25
DENSITY = {"resolution": (10000 / UM, 10000 / UM), "resolutionunit": "CENTIMETER"}
OME = {"axes": "YXS", "PhysicalSizeX": UM, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": UM, "PhysicalSizeYUnit": "µm"}

Write = Callable[[Path, Pixels], None]


def tiff(**options: object) -> Write:
    def write(path: Path, section: Pixels) -> None:
        tifffile.imwrite(path, section, photometric="rgb", **DENSITY, **options)

    return write


def tiff_deep(path: Path, section: Pixels) -> None:
    tifffile.imwrite(path, section.astype(np.uint16) * 257, photometric="rgb", tile=(64, 64), **DENSITY)


def tiff_big_endian(path: Path, section: Pixels) -> None:
    uneven = section.astype(np.uint16) * 257 + 100  # high and low byte differ
    tifffile.imwrite(path, uneven, photometric="rgb", byteorder=">", **DENSITY)


def tiff_planes(path: Path, section: Pixels) -> None:
    planes = np.moveaxis(section, 2, 0)
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate", tile=(64, 64), **DENSITY)


def tiff_planes_stripped(path: Path, section: Pixels) -> None:
    planes = np.moveaxis(section, 2, 0)
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate", **DENSITY)


def tiff_scattered_strips(path: Path, section: Pixels) -> None:
    """Uncompressed strips that do not follow one another in the file: their order in it is reversed."""
    tifffile.imwrite(path, section[::-1], photometric="rgb", rowsperstrip=1, **DENSITY)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tag = tif.pages.first.tags["StripOffsets"]
        tag.overwrite(tag.value[::-1])


def tiff_pages(path: Path, section: Pixels) -> None:
    """A pyramid of plain pages, each half the one before."""
    with tifffile.TiffWriter(path) as writer:
        for step in (1, 2, 4):
            reduced = {} if step == 1 else {"subfiletype": 1}
            writer.write(shrunk(section, step), photometric="rgb", tile=(32, 32), metadata=None, **DENSITY, **reduced)


def ome_pyramid(path: Path, section: Pixels) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        options = {"photometric": "rgb", "tile": (32, 32), "compression": "deflate"}
        writer.write(section, subifds=2, metadata=OME, **options)
        for step in (2, 4):
            writer.write(shrunk(section, step), subfiletype=1, **options)


def svs(path: Path, section: Pixels) -> None:
    """Baseline, thumbnail, one level, label and macro; the label has the proportions of a level."""
    label = np.zeros_like(shrunk(section, 4)) + np.array([255, 0, 255], np.uint8)
    text = "Aperio Image Library v11\r\n170x150 (32x32)|AppMag = 40|MPP = 0.2500|Patient = DOE JANE"
    with tifffile.TiffWriter(path) as writer:
        options = {"photometric": "rgb", "metadata": None, "description": text}
        writer.write(section, tile=(32, 32), **options)
        writer.write(shrunk(section, 2), **options)
        writer.write(shrunk(section, 2), tile=(32, 32), **options)
        writer.write(label, subfiletype=1, compression="lzw", **options)
        writer.write(label, subfiletype=9, **options)


def shrunk(section: Pixels, step: int) -> Pixels:
    """As writers do: mean of step × step pixels, odd last rows and columns dropped."""
    rows, columns = section.shape[0] // step, section.shape[1] // step
    blocks = section[: rows * step, : columns * step].reshape(rows, step, columns, step, 3)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)


def png(path: Path, section: Pixels) -> None:
    Image.fromarray(section).save(path, dpi=(25400 / UM, 25400 / UM))


def png_deep(path: Path, section: Pixels) -> None:
    path.write_bytes(imagecodecs.png_encode(section.astype(np.uint16) * 257))


def png_opaque(path: Path, section: Pixels) -> None:
    Image.fromarray(section).convert("RGBA").save(path)


def jpeg(path: Path, section: Pixels) -> None:
    Image.fromarray(section).save(path, quality=95, subsampling=0)


EXACT, LOSSY = 0.0, 1.5
"""Mean absolute difference in grey levels."""

FORMATS = [
    pytest.param("a.png", png, "PNG", EXACT, id="png"),
    pytest.param("a.png", png_deep, "PNG", EXACT, id="png 16 bits"),
    pytest.param("a.png", png_opaque, "PNG", EXACT, id="png rgba, opaque"),
    pytest.param("a.jpg", jpeg, "JPEG", LOSSY, id="jpeg"),
    pytest.param("a.tif", tiff(), "TIFF", EXACT, id="tiff plain"),
    pytest.param("a.tif", tiff(rowsperstrip=7), "TIFF", EXACT, id="tiff strips of 7 rows"),
    pytest.param("a.tif", tiff(rowsperstrip=7, compression="lzw"), "TIFF", EXACT, id="tiff strips lzw"),
    pytest.param("a.tif", tiff(rowsperstrip=150, compression="deflate"), "TIFF", EXACT, id="tiff one strip deflate"),
    pytest.param("a.tif", tiff(compression="lzw", predictor=True), "TIFF", EXACT, id="tiff lzw predictor"),
    pytest.param("a.tif", tiff(compression="packbits"), "TIFF", EXACT, id="tiff packbits"),
    pytest.param("a.tif", tiff_scattered_strips, "TIFF", EXACT, id="tiff strips in reverse"),
    pytest.param("a.tif", tiff(tile=(64, 48)), "TIFF", EXACT, id="tiff tiles"),
    pytest.param("a.tif", tiff(tile=(64, 48), compression="lzw"), "TIFF", EXACT, id="tiff tiles lzw"),
    pytest.param("a.tif", tiff(tile=(64, 48), compression="deflate"), "TIFF", EXACT, id="tiff tiles deflate"),
    pytest.param("a.tif", tiff(tile=(64, 48), compression="zstd"), "TIFF", EXACT, id="tiff tiles zstd"),
    pytest.param("a.tif", tiff(tile=(64, 48), compression="jpeg"), "TIFF", LOSSY, id="tiff tiles jpeg"),
    pytest.param("a.tif", tiff(rowsperstrip=16, compression="jpeg"), "TIFF", LOSSY, id="tiff strips jpeg"),
    pytest.param("a.tif", tiff(tile=(64, 48), compression="jpeg2000"), "TIFF", LOSSY, id="tiff tiles jpeg 2000"),
    pytest.param("a.tif", tiff_deep, "TIFF", EXACT, id="tiff 16 bits"),
    pytest.param("a.tif", tiff_big_endian, "TIFF", EXACT, id="tiff 16 bits big-endian"),
    pytest.param("a.tif", tiff_planes, "TIFF", EXACT, id="tiff separate planes"),
    pytest.param("a.tif", tiff_planes_stripped, "TIFF", EXACT, id="tiff separate planes, strips"),
    pytest.param("a.tif", tiff(bigtiff=True, tile=(64, 48)), "BigTIFF", EXACT, id="bigtiff"),
    pytest.param("a.tif", tiff_pages, "TIFF", EXACT, id="tiff pyramid"),
    pytest.param("a.ome.tif", ome_pyramid, "OME-TIFF", EXACT, id="ome-tiff pyramid"),
    pytest.param("a.svs", svs, "Aperio SVS", EXACT, id="svs"),
]


@pytest.mark.parametrize(("name", "write", "kind", "tolerance"), FORMATS)
def test_a_format_gives_the_pixels_that_were_written(
    name: str, write: Write, kind: str, tolerance: float, tmp_path: Path, section: Pixels
) -> None:
    path = tmp_path / name
    write(path, section)
    with open_slide(path, um_per_px=UM) as slide:
        whole = slide.read(slide.bounds, UM)
        part = slide.read(Rect(60 * UM, 30 * UM, 131 * UM, 90 * UM), UM)
        assert (slide.format, slide.size_px) == (kind, (170, 150))
        assert slide.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert whole.pixels.dtype == np.uint8
    assert whole.pixels.shape == section.shape
    assert np.abs(whole.pixels.astype(int) - section).mean() <= tolerance
    assert np.array_equal(part.pixels, whole.pixels[30:90, 60:131])


@pytest.mark.parametrize(
    ("name", "write", "sizes"),
    [
        pytest.param("a.tif", tiff_pages, [(170, 150), (85, 75), (42, 37)], id="pages"),
        pytest.param("a.ome.tif", ome_pyramid, [(170, 150), (85, 75), (42, 37)], id="ome subifds"),
        pytest.param("a.svs", svs, [(170, 150), (85, 75)], id="svs"),
    ],
)
def test_a_pyramid_shows_its_levels(
    name: str, write: Write, sizes: list[tuple[int, int]], tmp_path: Path, section: Pixels
) -> None:
    write(tmp_path / name, section)
    factors = [1.0, 2.0, 4.0]
    expected = tuple(Level(*size, factor, factor) for size, factor in zip(sizes, factors, strict=False))
    with open_slide(tmp_path / name, um_per_px=UM) as slide:
        assert slide.levels == expected
        for size, step in zip(sizes, (1, 2, 4), strict=False):
            pixels = slide.read(Rect(0, 0, size[0] * UM * step, size[1] * UM * step), UM * step).pixels
            assert np.array_equal(pixels, shrunk(section, step))


def test_label_and_macro_are_never_read_nor_described(tmp_path: Path, section: Pixels) -> None:
    path = tmp_path / "a.svs"
    svs(path, section)
    assert "DOE" not in repr(inspect_slide(path))
    with open_slide(path) as slide:
        for um_per_px in (0.25, 0.5, 1.0, 2.0, 8.0):
            pixels = slide.read(slide.bounds, um_per_px).pixels
            assert not ((pixels[:, :, 0] == 255) & (pixels[:, :, 1] == 0)).any()


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((32, 80, 3), id="other proportions"),
        pytest.param((75, 85, 4), id="other channels"),
        pytest.param((300, 340, 3), id="larger"),
    ],
)
def test_a_tiled_image_that_is_not_the_section_smaller_is_no_level(
    shape: tuple[int, ...], tmp_path: Path, section: Pixels
) -> None:
    path = tmp_path / "a.svs"
    with tifffile.TiffWriter(path) as writer:
        options = {"photometric": "rgb", "metadata": None, "description": "Aperio Image|MPP = 0.25"}
        writer.write(section, tile=(32, 32), **options)
        writer.write(shrunk(section, 2), **options)
        writer.write(np.zeros(shape, np.uint8), tile=(32, 32), **options)
    with open_slide(path) as slide:
        assert slide.levels == (Level(170, 150, 1.0, 1.0),)


def test_an_ome_label_image_before_the_section_is_passed_over(tmp_path: Path, section: Pixels) -> None:
    path = tmp_path / "a.ome.tif"
    label = np.zeros((60, 80, 3), np.uint8)
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(label, photometric="rgb", metadata={"axes": "YXS", "Name": "label image"})
        writer.write(section, photometric="rgb", metadata=OME | {"Name": "section"})
    with open_slide(path) as slide:
        assert np.array_equal(slide.read(slide.bounds, UM).pixels, section)


def test_info_of_each_field(tmp_path: Path, section: Pixels) -> None:
    path = tmp_path / "deep.tif"
    tiff_deep(path, section)
    info = inspect_slide(path)
    assert (info.format, info.size_px, info.bits, info.channels) == ("TIFF", (170, 150), 16, 3)
    assert info.storage == "tiles 64 × 64, uncompressed"
    assert info.calibration is not None
    assert info.calibration.um_per_px_x == pytest.approx(UM)
    assert info.calibration_problem is None


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_16_bits_are_scaled_by_257_and_rounded(name: str, tmp_path: Path) -> None:
    values = np.array([0, 128, 129, 257, 385, 386, 32768, 65406, 65407, 65535], np.uint16)
    expected = np.array([0, 0, 1, 1, 1, 2, 128, 254, 255, 255], np.uint8)
    pixels = np.repeat(np.tile(values, (16, 2))[:, :, None], 3, axis=2)
    if name == "a.tif":
        tifffile.imwrite(tmp_path / name, pixels, photometric="rgb")
    else:
        (tmp_path / name).write_bytes(imagecodecs.png_encode(pixels))
    with open_slide(tmp_path / name, um_per_px=UM) as slide:
        assert np.array_equal(slide.read(slide.bounds, UM).pixels[0, :10, 0], expected)


def rgba(section: Pixels) -> Pixels:
    alpha = np.full((*section.shape[:2], 1), 255, np.uint8)
    alpha[:50], alpha[50:100] = 0, 51
    return np.concatenate([section, alpha], axis=2)


def on_white(section: Pixels) -> Pixels:
    expected = section.copy()
    expected[:50] = 255
    expected[50:100] = (section[50:100] * 0.2 + 255 * 0.8).round()
    return expected


def test_transparent_png_lies_on_white(tmp_path: Path, section: Pixels) -> None:
    Image.fromarray(rgba(section)).save(tmp_path / "a.png")
    with open_slide(tmp_path / "a.png", um_per_px=UM) as slide:
        assert np.abs(slide.read(slide.bounds, UM).pixels.astype(int) - on_white(section)).max() <= 1


@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha"])
def test_transparent_tiff_lies_on_white(extra: str, tmp_path: Path, section: Pixels) -> None:
    stored = rgba(section)
    if extra == "assocalpha":
        stored[:, :, :3] = (stored[:, :, :3] * (stored[:, :, 3:] / 255)).round()
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=[extra], tile=(64, 64))
    with open_slide(tmp_path / "a.tif", um_per_px=UM) as slide:
        assert np.abs(slide.read(slide.bounds, UM).pixels.astype(int) - on_white(section)).max() <= 1


def test_a_fourth_channel_that_is_no_opacity_is_left_out(tmp_path: Path, section: Pixels) -> None:
    tifffile.imwrite(tmp_path / "a.tif", rgba(section), photometric="rgb", extrasamples=["unspecified"])
    with open_slide(tmp_path / "a.tif", um_per_px=UM) as slide:
        assert np.array_equal(slide.read(slide.bounds, UM).pixels, section)


def test_palette_png_becomes_colour_and_its_clear_entry_white(tmp_path: Path) -> None:
    image = Image.fromarray((np.indices((20, 20)).sum(axis=0) % 3).astype(np.uint8), "P")
    image.putpalette([200, 10, 20, 30, 200, 40, 50, 60, 200])
    image.save(tmp_path / "a.png", transparency=2)
    with open_slide(tmp_path / "a.png", um_per_px=UM) as slide:
        assert slide.read(slide.bounds, UM).pixels[0, :3].tolist() == [[200, 10, 20], [30, 200, 40], [255, 255, 255]]


def test_the_clear_colour_of_an_rgb_png_becomes_white(tmp_path: Path, section: Pixels) -> None:
    Image.fromarray(section).save(tmp_path / "a.png", transparency=(110, 70, 40))
    expected = section.copy()
    expected[40:72, 96:128] = 255
    with open_slide(tmp_path / "a.png", um_per_px=UM) as slide:
        assert np.array_equal(slide.read(slide.bounds, UM).pixels, expected)


def test_a_tile_that_the_scanner_left_out_is_white(tmp_path: Path, section: Pixels) -> None:
    def tiles() -> Iterator[Pixels | None]:
        for row in (0, 64, 128):
            for column in (0, 64, 128):
                yield None if (row, column) == (64, 64) else section[row : row + 64, column : column + 64]

    path = tmp_path / "a.tif"
    options = {"tile": (64, 64), "shape": section.shape, "dtype": "uint8", "compression": "deflate"}
    tifffile.imwrite(path, tiles(), photometric="rgb", **options)
    expected = section.copy()
    expected[64:128, 64:128] = 255
    with open_slide(path, um_per_px=UM) as slide:
        assert np.array_equal(slide.read(slide.bounds, UM).pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_is_shown_upright(orientation: int, tmp_path: Path, section: Pixels) -> None:
    stored = {
        1: section,
        2: section[:, ::-1],
        3: section[::-1, ::-1],
        4: section[::-1],
        5: section.swapaxes(0, 1),
        6: np.rot90(section, 1),
        7: section[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(section, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=95, subsampling=0)
    with open_slide(path, um_per_px=UM) as slide:
        assert slide.size_px == (170, 150)
        assert np.abs(slide.read(slide.bounds, UM).pixels.astype(int) - section).mean() <= LOSSY


def test_four_threads_read_what_one_reads(tmp_path: Path, section: Pixels) -> None:
    path = tmp_path / "a.tif"
    large = np.tile(section, (4, 4, 1))
    tifffile.imwrite(path, large, photometric="rgb", tile=(64, 64), compression="jpeg")
    with open_slide(path, um_per_px=UM) as slide:
        rects = [Rect.square(7.3 * i, 5.1 * i, 60) for i in range(12)]
        alone = [slide.read(rect, 0.4).pixels for rect in rects]
        together: dict[tuple[int, int], Pixels] = {}

        def work(worker: int) -> None:
            for number, rect in enumerate(rects):
                together[worker, number] = slide.read(rect, 0.4).pixels

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(together) == 4 * len(rects)
    assert all(np.array_equal(pixels, alone[number]) for (_, number), pixels in together.items())


def test_compressed_strips_are_decoded_once_for_neighbouring_reads(
    tmp_path: Path, section: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = TiffSource._bytes

    def counted(self: TiffSource, offset: int, count: int) -> bytes:
        asked.append(offset)
        return real(self, offset, count)

    monkeypatch.setattr(TiffSource, "_bytes", counted)
    tiff(rowsperstrip=150, compression="deflate")(tmp_path / "a.tif", section)
    with open_slide(tmp_path / "a.tif") as slide:
        for column in range(4):
            slide.read(Rect.square(column * 8.0, 0, 8), UM)
    assert len(asked) == 1
