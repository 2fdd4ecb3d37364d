"""What cannot be measured is refused in one clear sentence, and nothing stays open."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from mvd.errors import SlideError
from mvd.geometry import Pixels, Rect
from mvd.slide import inspect_slide, open_slide

Write = Callable[[Path, Pixels], None]


def nothing(path: Path, section: Pixels) -> None: ...


def folder(path: Path, section: Pixels) -> None:
    path.mkdir()


def empty(path: Path, section: Pixels) -> None:
    path.touch()


def text(path: Path, section: Pixels) -> None:
    path.write_text("specimen,patient\n" * 20)


def picture(mode: str, **options: object) -> Write:
    def write(path: Path, section: Pixels) -> None:
        Image.fromarray(section).convert(mode).save(path, **options)

    return write


def deep_grey(path: Path, section: Pixels) -> None:
    Image.fromarray(section[:, :, 0].astype(np.uint16)).save(path)


def tiff(prepare: Callable[[Pixels], np.ndarray], **options: object) -> Write:
    def write(path: Path, section: Pixels) -> None:
        tifffile.imwrite(path, prepare(section), **options)

    return write


def cut(write: Write, share: float) -> Write:
    def write_and_cut(path: Path, section: Pixels) -> None:
        write(path, section)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return write_and_cut


def with_tag(code: int, value: int) -> Write:
    def write(path: Path, section: Pixels) -> None:
        tifffile.imwrite(path, section, photometric="rgb", metadata=None)
        with tifffile.TiffFile(path, mode="r+") as tif:
            tif.pages.first.tags[code].overwrite(value)

    return write


def ome_in_two_files(path: Path, section: Pixels) -> None:
    data = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{z}</UUID></TiffData>'
        for z, name in enumerate((path.name, "other.ome.tif"))
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'UUID="urn:uuid:0"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="170" '
        'SizeY="150" SizeC="3" SizeZ="2" SizeT="1"><Channel ID="Channel:0" SamplesPerPixel="3"/>'
        f"{data}</Pixels></Image></OME>"
    )
    tifffile.imwrite(path, section, photometric="rgb", description=xml, metadata=None)


GREY = r"is greyscale; a CD34/haematoxylin section must be in colour"
READS = r"is not an image this program reads; it reads PNG, JPEG, TIFF"

REFUSED = [
    pytest.param("a.tif", nothing, r"does not exist; check the path", id="no such file"),
    pytest.param("a.tif", folder, r"is a folder; give an image file", id="folder"),
    pytest.param("a.svs", empty, r"is empty \(0 bytes\)", id="zero bytes"),
    pytest.param("a.tif", text, READS, id="text named tif"),
    pytest.param("a.png", text, READS, id="text named png"),
    pytest.param(
        "a.czi",
        lambda path, _: path.write_bytes(b"ZISRAWFILE" + bytes(90)),
        "cannot be opened as Zeiss CZI",
        id="czi cut",
    ),
    pytest.param("a.bmp", picture("RGB"), READS, id="bmp"),
    pytest.param("a.png", picture("L"), GREY, id="grey png"),
    pytest.param("a.png", picture("LA"), GREY, id="grey png with opacity"),
    pytest.param("a.png", picture("1"), GREY, id="black and white png"),
    pytest.param("a.png", deep_grey, GREY, id="grey png 16 bits"),
    pytest.param("a.jpg", picture("L"), GREY, id="grey jpeg"),
    pytest.param("a.jpg", picture("CMYK"), r"is a CMYK image; save it as RGB", id="cmyk jpeg"),
    pytest.param("a.tif", tiff(lambda s: s[:, :, 0]), GREY, id="grey tiff"),
    pytest.param("a.tif", picture("LA"), GREY, id="grey tiff with opacity"),
    pytest.param("a.tif", picture("P"), r"1 channel\(s\) marked PALETTE; save it as RGB", id="palette tiff"),
    pytest.param("a.tif", picture("CMYK"), r"4 channel\(s\) marked SEPARATED; save it as RGB", id="cmyk tiff"),
    pytest.param("a.tif", with_tag(262, 6), r"3 channel\(s\) marked YCBCR", id="ycbcr without jpeg"),
    pytest.param(
        "a.tif", tiff(lambda s: s / np.float32(255), photometric="rgb"), r"has floating-point pixels", id="float"
    ),
    pytest.param(
        "a.tif", tiff(lambda s: s.astype(np.uint32), photometric="rgb"), r"has 32-bit pixels; save it as", id="32 bits"
    ),
    pytest.param(
        "a.tif", tiff(lambda s: s.astype(np.int16), photometric="rgb"), r"has 16-bit pixels|signed", id="signed"
    ),
    pytest.param(
        "a.tif", tiff(lambda s: np.stack([s] * 4), photometric="rgb"), r"is a stack of 4 images", id="stack of pages"
    ),
    pytest.param(
        "a.ome.tif",
        tiff(lambda s: np.moveaxis(s, 2, 0), photometric="minisblack", metadata={"axes": "CYX"}),
        r"has 3 separate channels, as fluorescence images do; a CD34",
        id="fluorescence ome-tiff",
    ),
    pytest.param("a.ome.tif", ome_in_two_files, r"is one file of an OME-TIFF in several files", id="ome in two files"),
    pytest.param("a.png", lambda path, s: picture("RGB")(path, s[:1, :1]), r"is 1 × 1 pixels, too small", id="1 × 1"),
    pytest.param("a.tif", tiff(lambda s: s[:15], photometric="rgb"), r"is 170 × 15 pixels, too small", id="15 rows"),
    pytest.param("a.tif", cut(tiff(lambda s: s, photometric="rgb"), 0.0001), r"a\.tif is", id="tiff of 7 bytes"),
    pytest.param("a.tif", cut(tiff(lambda s: s, photometric="rgb"), 0.001), r"damaged TIFF", id="tiff header cut"),
    pytest.param(
        "a.tif", cut(tiff(lambda s: s, photometric="rgb"), 0.6), r"is cut short: it has \d+ bytes", id="tiff pixels cut"
    ),
    pytest.param(
        "a.tif",
        cut(tiff(lambda s: s, photometric="rgb", tile=(64, 64), compression="jpeg"), 0.7),
        r"is cut short: it has \d+ bytes",
        id="tiff tiles cut",
    ),
    pytest.param("a.png", cut(picture("RGB"), 0.005), r"is not a complete PNG", id="png header cut"),
    pytest.param("a.jpg", cut(picture("RGB"), 0.02), r"is not a complete JPEG", id="jpeg header cut"),
    pytest.param("a.dcm", lambda path, _: path.write_bytes(bytes(128) + b"DICM" + bytes(64)), r"a\.dcm ", id="dicom"),
]


@pytest.mark.parametrize(("name", "write", "message"), REFUSED)
def test_what_cannot_be_measured_is_refused_in_one_sentence(
    name: str, write: Write, message: str, tmp_path: Path, section: Pixels, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    write(path, section)
    for attempt in (lambda: inspect_slide(path), lambda: open_slide(path, um_per_px=0.25)):
        with pytest.raises(SlideError, match=message) as caught:
            attempt()
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
        assert str(tmp_path.parent) not in str(caught.value).replace(f"{path} does not exist", "")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        pytest.param("a.png", cut(picture("RGB"), 0.7), id="png"),
        pytest.param("a.jpg", cut(picture("RGB", quality=95), 0.7), id="jpeg"),
    ],
)
def test_a_picture_cut_short_is_an_error_at_the_first_read(
    name: str, write: Write, tmp_path: Path, section: Pixels
) -> None:
    write(tmp_path / name, section)
    with open_slide(tmp_path / name, um_per_px=0.25) as slide:
        for _ in range(2):
            with pytest.raises(SlideError, match=rf"^{name} is cut short or damaged; copy or export it again$"):
                slide.read(slide.bounds, 0.25)


@pytest.mark.parametrize("compression", ["deflate", "lzw", "jpeg", "jpeg2000"])
def test_a_damaged_tile_is_an_error_where_it_is_read_and_only_there(
    compression: str, tmp_path: Path, section: Pixels
) -> None:
    path = tmp_path / "case_07.tif"
    tifffile.imwrite(path, section, photometric="rgb", tile=(64, 64), compression=compression)
    with tifffile.TiffFile(path) as tif:
        offset, count = tif.pages.first.dataoffsets[4], tif.pages.first.databytecounts[4]
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(bytes(count))
    with open_slide(path, um_per_px=0.25) as slide:
        slide.read(Rect(0, 0, 16, 16), 0.25)
        with pytest.raises(SlideError, match=r"^case_07\.tif is damaged at pixel 64, 64 of level 0"):
            slide.read(slide.bounds, 0.25)


@pytest.mark.parametrize("options", [{}, {"tile": (64, 64), "compression": "jpeg"}], ids=["plain", "jpeg"])
def test_a_file_that_shrinks_while_open_is_an_error(
    options: dict[str, object], tmp_path: Path, section: Pixels
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, section, photometric="rgb", **options)
    with tifffile.TiffFile(path) as tif:
        last, count = tif.pages.first.dataoffsets[-1], tif.pages.first.databytecounts[-1]
    with open_slide(path, um_per_px=0.25) as slide:
        os.truncate(path, last + count - 10)
        with pytest.raises(SlideError, match=r"a\.tif is damaged at pixel \d+, \d+ of level 0"):
            slide.read(slide.bounds, 0.25)


def jpeg_tiles(path: Path, section: Pixels) -> list[tuple[int, int]]:
    """A tiled JPEG; gives where each tile begins and ends in the file."""
    tifffile.imwrite(path, section, photometric="rgb", tile=(64, 64), compression="jpeg")
    with tifffile.TiffFile(path) as tif:
        page = tif.pages.first
        return [(at, at + n) for at, n in zip(page.dataoffsets, page.databytecounts, strict=True)]


def test_a_jpeg_tile_that_was_written_half_is_an_error_and_not_grey(tmp_path: Path, section: Pixels) -> None:
    path = tmp_path / "a.tif"
    tiles = jpeg_tiles(path, section)
    data = bytearray(path.read_bytes())
    start, end = tiles[len(tiles) // 2]
    data[(start + end) // 2 : end] = bytes(end - (start + end) // 2)
    path.write_bytes(data)
    with (
        open_slide(path, um_per_px=0.25) as slide,
        pytest.raises(SlideError, match=r"a\.tif is damaged at pixel \d+, \d+ of level 0"),
    ):
        slide.read(slide.bounds, 0.25)


def test_a_writer_that_never_ends_its_jpegs_is_read(tmp_path: Path, section: Pixels) -> None:
    path = tmp_path / "a.tif"
    tiles = jpeg_tiles(path, section)
    with open_slide(path, um_per_px=0.25) as slide:
        whole = slide.read(slide.bounds, 0.25).pixels
    data = bytearray(path.read_bytes())
    for _, end in tiles:
        assert data[end - 2 : end] == b"\xff\xd9"
        data[end - 2 : end] = b"\0\0"
    path.write_bytes(data)
    with open_slide(path, um_per_px=0.25) as slide:
        assert np.array_equal(slide.read(slide.bounds, 0.25).pixels, whole)


def test_tifffiles_remarks_do_not_reach_the_log(
    tmp_path: Path, section: Pixels, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, section, photometric="rgb", metadata=None, description="<OME><Image></OME>")
    with tifffile.TiffFile(path) as tif:
        assert tif.series
    assert [record.name for record in caplog.records] == ["tifffile"]  # else this file tests nothing
    caplog.clear()
    with open_slide(path, um_per_px=0.25):
        pass
    assert caplog.records == []
    assert logging.getLogger("tifffile").filters == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted through /proc")
def test_no_file_stays_open(tmp_path: Path, section: Pixels) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    good = tmp_path / "good.tif"
    tifffile.imwrite(good, section, photometric="rgb", resolution=(40000, 40000), resolutionunit="CENTIMETER")
    tifffile.imwrite(tmp_path / "tiny.tif", section[:4], photometric="rgb")
    cut(tiff(lambda s: s, photometric="rgb"), 0.6)(tmp_path / "cut.tif", section)
    picture("L")(tmp_path / "grey.png", section)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    inspect_slide(good)
    before = count()
    inspect_slide(good)
    open_slide(good).close()
    for name in ("tiny.tif", "cut.tif", "grey.png", "broken.png"):
        with pytest.raises(SlideError):
            open_slide(tmp_path / name)
    with pytest.raises(SlideError):
        open_slide(good, um_per_px=0.5)
    assert count() == before
