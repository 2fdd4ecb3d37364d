"""Which reader a file needs, told from its content and not from its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mvd.errors import SlideError
from mvd.slide.calibration import choose, missing
from mvd.slide.model import PixelSource, Slide, SlideInfo

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")

READS = "PNG, JPEG, TIFF, OME-TIFF, SVS, NDPI, DICOM and the other slide formats of OpenSlide"

MIN_SIDE_PX = 16
"""Smaller than any vessel at any magnification: an icon or a slip, not a section."""


def open_slide(
    path: str | Path,
    *,
    um_per_px: float | tuple[float, float] | None = None,
    calibration_detail: str = "--um-per-px",
) -> Slide:
    """Open an image of a section.

    Parameters
    ----------
    path : str | Path
        PNG, JPEG, TIFF, OME-TIFF, SVS, NDPI, DICOM or another format of OpenSlide.
    um_per_px : float | tuple[float, float] | None
        µm per level-0 pixel, or (x, y), where the file does not say; it may not differ from what the file says by more
        than 2 %.
    calibration_detail : str
        Where that value was given; kept as the calibration's source and used in messages.

    Raises
    ------
    CalibrationError
        No believable pixel size, or two that contradict each other.
    SlideError
        Anything else that keeps the file from being measured.
    """
    path = Path(path)
    source = _source(path)
    with _closed_on_error(source):
        _refuse_tiny(path.name, source)
        calibration = choose(path.name, source.facts.pixel_size, given=um_per_px, given_detail=calibration_detail)
    return Slide(path, source, calibration)


def inspect_slide(path: str | Path) -> SlideInfo:
    """What the file holds, with or without a pixel size; reads no pixel. SlideError if it cannot be measured at all."""
    path = Path(path)
    source = _source(path)
    with _closed_on_error(source):
        _refuse_tiny(path.name, source)
    facts = source.facts
    source.close()
    problem = missing(path.name, facts.pixel_size)
    found = None if problem else choose(path.name, facts.pixel_size, given=None, given_detail="")
    return SlideInfo(
        path=path,
        format=facts.format,
        size_px=(facts.levels[0].width, facts.levels[0].height),
        levels=facts.levels,
        images=facts.images,
        calibration=found,
        calibration_problem=problem,
        bits=facts.bits,
        channels=facts.channels,
        storage=facts.storage,
    )


@contextmanager
def _closed_on_error(source: PixelSource) -> Iterator[None]:
    try:
        yield
    except BaseException:
        source.close()
        raise


def _refuse_tiny(name: str, source: PixelSource) -> None:
    full = source.facts.levels[0]
    if min(full.width, full.height) < MIN_SIDE_PX:
        raise SlideError(
            f"{name} is {full.width} × {full.height} pixels, too small to measure; give the image of the whole section"
        )


def _source(path: Path) -> PixelSource:
    start = _first_bytes(path)
    if start.startswith(PNG):
        from mvd.slide.flat import open_png  # noqa: PLC0415  (each reader loads its library when it is needed)

        return open_png(path)
    from mvd.slide.vendor import OpenSlideSource, vendor_of  # noqa: PLC0415

    vendor = vendor_of(path)
    if vendor not in (None, "aperio", "generic-tiff"):
        return OpenSlideSource(path, vendor)
    if start.startswith(TIFF):
        from mvd.slide.tiff import open_tiff  # noqa: PLC0415

        tiff = open_tiff(path)
        if vendor is not None and tiff.needs_openslide:
            tiff.close()
            return OpenSlideSource(path, vendor)
        return tiff
    if start.startswith(JPEG):
        from mvd.slide.flat import open_jpeg  # noqa: PLC0415

        return open_jpeg(path)
    raise SlideError(f"{path.name} is not an image this program reads; it reads {READS}")


def _first_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise SlideError(f"{path.name} is a folder; give an image file")
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
    except FileNotFoundError:
        raise SlideError(f"{path} does not exist; check the path") from None
    except OSError as problem:
        raise SlideError(f"{path.name} cannot be read ({problem.strerror}); check the file's permissions") from problem
    if not start:
        raise SlideError(f"{path.name} is empty (0 bytes); copy or export it again")
    return start
