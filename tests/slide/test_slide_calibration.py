"""The pixel size comes from the file or from the user, never from nowhere, and its source is kept."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from mvd.errors import CalibrationError
from mvd.geometry import Calibration, Rect
from mvd.slide import calibration, inspect_slide, open_slide

BLANK = np.zeros((20, 24, 3), np.uint8)


@pytest.mark.parametrize(
    ("description", "um"),
    [
        pytest.param("Aperio Image Library v11|AppMag = 20|MPP = 0.4990|Left = 25.69", 0.499, id="scanner"),
        pytest.param("Aperio Image|MPP=0.25", 0.25, id="no blanks, at the end"),
        pytest.param("Aperio Image|MPP = 2.5e-1|a", 0.25, id="exponent"),
        pytest.param("Aperio Image|MPP = 0,4990|a", 0.499, id="decimal comma"),
        pytest.param("Aperio Image|XMPP = 0.4|OMPP = 0.1", None, id="other keys that end in MPP"),
        pytest.param("Aperio Image|MPP = |a", None, id="empty"),
        pytest.param("Aperio Image", None, id="absent"),
    ],
)
def test_aperio_mpp(description: str, um: float | None) -> None:
    found = calibration.from_aperio(description)
    assert found == (None if um is None else calibration.PixelSize(um, um, "aperio.MPP"))


def pixels_element(extra: str, size: str = 'SizeX="24" SizeY="20"') -> str:
    return f'<OME><Image ID="Image:0"><Pixels ID="Pixels:0" {size} {extra}><Channel/></Pixels></Image></OME>'


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        pytest.param('PhysicalSizeX="0.25" PhysicalSizeY="0.5"', (0.25, 0.5), id="µm when no unit is given"),
        pytest.param("PhysicalSizeX='0.25' PhysicalSizeY='0.5'", (0.25, 0.5), id="single quotes"),
        pytest.param(
            'PhysicalSizeX="250" PhysicalSizeXUnit="nm" PhysicalSizeY="2.5e-4" PhysicalSizeYUnit="mm"',
            (0.25, 0.25),
            id="nm and mm",
        ),
        pytest.param(
            'PhysicalSizeX="0.25" PhysicalSizeXUnit="&#181;m" PhysicalSizeY="0.25" PhysicalSizeYUnit="\u03bcm"',
            (0.25, 0.25),
            id="two ways to write µ",
        ),
        pytest.param(
            'PhysicalSizeX="1" PhysicalSizeXUnit="pixel" PhysicalSizeY="1" PhysicalSizeYUnit="pixel"',
            None,
            id="pixels are no unit",
        ),
        pytest.param('PhysicalSizeX="0.25"', None, id="only one axis"),
        pytest.param("", None, id="absent"),
    ],
)
def test_ome_physical_size(extra: str, expected: tuple[float, float] | None) -> None:
    found = calibration.from_ome(pixels_element(extra), (24, 20))
    assert (found and (found.um_per_px_x, found.um_per_px_y)) == (expected and pytest.approx(expected))


def test_ome_takes_the_image_of_the_right_size() -> None:
    label = pixels_element('PhysicalSizeX="9" PhysicalSizeY="9"', 'SizeX="5" SizeY="5"')
    section = pixels_element('PhysicalSizeX="0.25" PhysicalSizeY="0.25"')
    found = calibration.from_ome(label + section, (24, 20))
    assert found is not None
    assert found.um_per_px_x == 0.25


TIFFS = [
    pytest.param({"resolution": (40000, 20000), "resolutionunit": "CENTIMETER"}, (0.25, 0.5), "TIFF", id="per cm"),
    pytest.param({"resolution": (101600, 101600), "resolutionunit": "INCH"}, (0.25, 0.25), "TIFF", id="per inch"),
    pytest.param({"resolution": (40000, 40000), "resolutionunit": "NONE"}, None, "", id="no unit"),
    pytest.param({"resolution": (72, 72), "resolutionunit": "INCH"}, None, "", id="72 dpi"),
    pytest.param({}, None, "", id="none"),
    pytest.param(
        {"imagej": True, "resolution": (4, 4), "metadata": {"unit": "um"}}, (0.25, 0.25), "ImageJ", id="imagej um"
    ),
    pytest.param(
        {"imagej": True, "resolution": (4, 2), "metadata": {"unit": "micron"}},
        (0.25, 0.5),
        "ImageJ",
        id="imagej micron",
    ),
    pytest.param(
        {"imagej": True, "resolution": (4, 4), "metadata": {"unit": "\\u00B5m"}},
        (0.25, 0.25),
        "ImageJ",
        id="imagej µ escaped",
    ),
    pytest.param({"imagej": True, "resolution": (4, 4), "metadata": {"unit": "pixel"}}, None, "", id="imagej pixel"),
    pytest.param(
        {"ome": True, "metadata": {"axes": "YXS", "PhysicalSizeX": 0.3, "PhysicalSizeY": 0.4}},
        (0.3, 0.4),
        "OME",
        id="ome",
    ),
    pytest.param(
        {
            "ome": True,
            "metadata": {"axes": "YXS", "PhysicalSizeX": 1000.0, "PhysicalSizeY": 1000.0},
            "resolution": (40000, 40000),
            "resolutionunit": "CENTIMETER",
        },
        (0.25, 0.25),
        "TIFF",
        id="an impossible ome size gives way to the tags",
    ),
]


@pytest.mark.parametrize(("options", "expected", "source"), TIFFS)
def test_tiff_pixel_size(
    options: dict[str, object], expected: tuple[float, float] | None, source: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, BLANK, photometric="rgb", **options)
    info = inspect_slide(path)
    if expected is None:
        assert info.calibration is None
        assert info.calibration_problem is not None
        with pytest.raises(CalibrationError) as caught:
            open_slide(path)
        assert str(caught.value) == info.calibration_problem
    else:
        assert info.calibration is not None
        assert (info.calibration.um_per_px_x, info.calibration.um_per_px_y) == pytest.approx(expected)
        assert info.calibration.source == "file"
        assert info.calibration.detail.startswith(source)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize(("dpi", "um"), [(50800, 0.5), (72, None), (None, None)])
def test_picture_pixel_size(name: str, dpi: int | None, um: float | None, tmp_path: Path) -> None:
    Image.fromarray(BLANK).save(tmp_path / name, **({"dpi": (dpi, dpi)} if dpi else {}))
    found = inspect_slide(tmp_path / name).calibration
    assert (found and found.um_per_px) == (um and pytest.approx(um, rel=1e-4))


def test_a_turned_jpeg_turns_its_pixel_size_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(BLANK).save(tmp_path / "a.jpg", dpi=(50800, 25400), exif=exif)
    info = inspect_slide(tmp_path / "a.jpg")
    assert info.calibration is not None
    assert info.size_px == (20, 24)
    assert (info.calibration.um_per_px_x, info.calibration.um_per_px_y) == pytest.approx((1.0, 0.5))


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """A file that says 0.25 µm along x and 0.5 along y."""
    path = tmp_path / "case_07_post.tif"
    tifffile.imwrite(path, BLANK, photometric="rgb", resolution=(40000, 20000), resolutionunit="CENTIMETER")
    return path


@pytest.fixture
def unmeasured(tmp_path: Path) -> Path:
    path = tmp_path / "case_07_pre.png"
    Image.fromarray(BLANK).save(path)
    return path


@pytest.mark.parametrize("given", [(0.25, 0.5), (0.2549, 0.5), (0.25, 0.4901), (0.255, 0.51)])
def test_a_users_pixel_size_near_the_files_is_taken(given: tuple[float, float], measured: Path) -> None:
    with open_slide(measured, um_per_px=given, calibration_detail="specimens.csv") as slide:
        assert slide.calibration == Calibration(*given, "user", "specimens.csv")


@pytest.mark.parametrize("given", [0.25, 0.5, (0.2551, 0.5), (0.25, 0.4899), (0.5, 0.25)])
def test_a_users_pixel_size_over_2_percent_off_is_an_error_that_shows_both(
    given: float | tuple[float, float], measured: Path
) -> None:
    with pytest.raises(CalibrationError) as caught:
        open_slide(measured, um_per_px=given, calibration_detail="specimens.csv")
    message = str(caught.value)
    x = given if isinstance(given, float) else given[0]
    assert message.startswith("case_07_post.tif: specimens.csv says ")
    assert f"{x:.4g}" in message
    assert "0.25 × 0.5 (TIFF XResolution)" in message


def test_a_users_pixel_size_serves_where_the_file_has_none(unmeasured: Path) -> None:
    with open_slide(unmeasured, um_per_px=0.25) as slide:
        assert slide.calibration == Calibration(0.25, 0.25, "user", "--um-per-px")
        assert slide.bounds == Rect(0, 0, 6, 5)


def test_no_pixel_size_at_all_says_what_to_do(unmeasured: Path) -> None:
    with pytest.raises(CalibrationError) as caught:
        open_slide(unmeasured)
    assert str(caught.value) == (
        "case_07_pre.png has no pixel size; give --um-per-px, or add um_per_px to its row in specimens.csv"
    )


@pytest.mark.parametrize("given", [0.0, -0.25, 50.0, float("nan"), float("inf"), (0.25, 0.0), 0.049])
def test_an_absurd_pixel_size_is_refused_with_the_files_name(
    given: float | tuple[float, float], unmeasured: Path
) -> None:
    with pytest.raises(CalibrationError, match=r"^case_07_pre\.png: .* \(--um-per-px\) cannot be a microscope's"):
        open_slide(unmeasured, um_per_px=given)


def test_a_printers_resolution_does_not_contradict_the_user(tmp_path: Path) -> None:
    Image.fromarray(BLANK).save(tmp_path / "a.png", dpi=(72, 72))
    with open_slide(tmp_path / "a.png", um_per_px=0.25) as slide:
        assert slide.calibration.source == "user"
    with pytest.raises(CalibrationError, match=r"a\.png gives 352\.\d µm per pixel \(PNG pHYs\)"):
        open_slide(tmp_path / "a.png")


@pytest.fixture
def contradicting(tmp_path: Path) -> Path:
    """0.5 µm by its OME-XML, 0.25 µm by its resolution tags."""
    path = tmp_path / "two.ome.tif"
    metadata = {"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5}
    tifffile.imwrite(
        path, np.zeros((64, 64, 3), np.uint8), ome=True, photometric="rgb", metadata=metadata,
        resolution=(40000, 40000), resolutionunit=3,
    )  # fmt: skip
    return path


def test_a_file_that_contradicts_itself_is_refused_with_both_sizes(contradicting: Path) -> None:
    said = "two.ome.tif contradicts itself: its pixels measure 0.5 (OME PhysicalSize) and 0.25 (TIFF XResolution) µm"
    with pytest.raises(CalibrationError) as refused:
        open_slide(contradicting)
    assert said in str(refused.value)
    assert said in str(inspect_slide(contradicting).calibration_problem)


@pytest.mark.parametrize("um", [0.5, 0.25])
def test_of_two_sizes_in_a_file_the_user_says_which(contradicting: Path, um: float) -> None:
    with open_slide(contradicting, um_per_px=um) as slide:
        assert (slide.calibration.um_per_px_x, slide.calibration.source) == (um, "user")


def test_a_third_size_is_refused(contradicting: Path) -> None:
    with pytest.raises(CalibrationError, match=r"says 0\.3 µm per pixel, but the file says 0\.5"):
        open_slide(contradicting, um_per_px=0.3)


def test_a_size_that_is_said_twice_is_no_contradiction(tmp_path: Path) -> None:
    path = tmp_path / "same.ome.tif"
    metadata = {"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5}
    tifffile.imwrite(
        path, np.zeros((64, 64, 3), np.uint8), ome=True, photometric="rgb", metadata=metadata,
        resolution=(20000, 20100), resolutionunit=3,
    )  # fmt: skip
    with open_slide(path) as slide:
        assert (slide.calibration.um_per_px_x, slide.calibration.detail) == (0.5, "OME PhysicalSize")
