"""Pixel sizes: where files keep them, and which one to believe. Pure; files are read elsewhere."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mvd.errors import CalibrationError
from mvd.geometry import CALIBRATION_RANGE_UM_PER_PX, CALIBRATION_TOLERANCE, Calibration

UM_PER_UNIT = {
    "pm": 1e-6,
    "å": 1e-4,
    "nm": 1e-3,
    "µm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "inch": 25400.0,
    "in": 25400.0,
    "m": 1e6,
}
TIFF_UM_PER_UNIT = {2: 25400.0, 3: 10000.0}
"""TIFF 6.0, ResolutionUnit: 2 inch, 3 centimetre; 1 means no absolute unit."""


@dataclass(frozen=True, slots=True)
class PixelSize:
    """A pixel size as a file gives it, believable or not."""

    um_per_px_x: float
    um_per_px_y: float
    detail: str
    """Where in the file: "aperio.MPP"."""
    rivals: tuple[PixelSize, ...] = ()
    """What the same file says elsewhere, as believable and not the same."""

    @property
    def plausible(self) -> bool:
        low, high = CALIBRATION_RANGE_UM_PER_PX
        return low <= self.um_per_px_x <= high and low <= self.um_per_px_y <= high


def from_aperio(description: str) -> PixelSize | None:
    """`MPP = 0.4990` in an Aperio ImageDescription."""
    match = re.search(r"(?:^|\|)\s*MPP\s*=\s*([0-9][0-9.,eE+-]*)", description)
    size = _number(match[1]) if match else None
    return None if size is None else PixelSize(size, size, "aperio.MPP")


def from_ome(xml: str, size_px: tuple[int, int]) -> PixelSize | None:
    """PhysicalSizeX and Y of the first `Pixels` element of this width and height; µm where no unit is given."""
    for element in re.findall(r"<(?:\w+:)?Pixels\b([^>]*)>", xml):
        found = {name: html.unescape(value) for name, _, value in re.findall(r"(\w+)\s*=\s*([\"'])(.*?)\2", element)}
        if (found.get("SizeX"), found.get("SizeY")) != (str(size_px[0]), str(size_px[1])):
            continue
        sizes = [_ome_length(found, f"PhysicalSize{axis}") for axis in "XY"]
        if sizes[0] is not None and sizes[1] is not None:
            return PixelSize(sizes[0], sizes[1], "OME PhysicalSize")
    return None


def _ome_length(found: dict[str, str], name: str) -> float | None:
    size = _number(found.get(name, ""))
    unit = _um_per_unit(found.get(f"{name}Unit", "µm"))
    return None if size is None or unit is None else size * unit


def from_imagej(description: str, resolution: Sequence[float | None]) -> PixelSize | None:
    """ImageJ keeps the unit in its description and pixels per unit in the TIFF resolution tags."""
    match = re.search(r"^unit=(.+)$", description, re.MULTILINE)
    if not description.startswith("ImageJ=") or match is None:
        return None
    unit = _um_per_unit(match[1].replace("\\u00B5", "µ"))
    return None if unit is None else _from_density(resolution, unit, "ImageJ unit and XResolution")


def from_tiff_tags(resolution: Sequence[float | None], unit: int) -> PixelSize | None:
    """XResolution and YResolution (pixels per inch or cm)."""
    um_per_unit = TIFF_UM_PER_UNIT.get(unit)
    return None if um_per_unit is None else _from_density(resolution, um_per_unit, "TIFF XResolution")


def from_dpi(dpi: Sequence[float | None], detail: str) -> PixelSize | None:
    """Pixels per inch along x and y (PNG pHYs, JPEG density)."""
    return _from_density(dpi, 25400.0, detail)


def from_openslide(um_per_px_x: str | None, um_per_px_y: str | None) -> PixelSize | None:
    """OpenSlide's openslide.mpp-x and openslide.mpp-y."""
    x, y = _number(um_per_px_x or ""), _number(um_per_px_y or "")
    return None if x is None or y is None else PixelSize(x, y, "openslide.mpp-x")


def _from_density(per_unit: Sequence[float | None], um_per_unit: float, detail: str) -> PixelSize | None:
    x, y = per_unit
    if not x or not y or x <= 0 or y <= 0:
        return None
    return PixelSize(um_per_unit / x, um_per_unit / y, detail)


def _um_per_unit(unit: str) -> float | None:
    return UM_PER_UNIT.get(unit.strip().replace("\u03bc", "µ").lower())


def first_believable(sizes: Sequence[PixelSize | None]) -> PixelSize | None:
    """Of what a file says in several places the first that can be, else the first, with those that contradict it."""
    found = [size for size in sizes if size is not None]
    believable = [size for size in found if size.plausible]
    if not believable:
        return found[0] if found else None
    first, *others = believable
    return replace(first, rivals=tuple(other for other in others if _differ(first, other)))


def _differ(one: PixelSize | Calibration, other: PixelSize) -> bool:
    ratios = (one.um_per_px_x / other.um_per_px_x, one.um_per_px_y / other.um_per_px_y)
    return any(abs(ratio - 1) > CALIBRATION_TOLERANCE + 1e-9 for ratio in ratios)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return None


def missing(name: str, found: PixelSize | None) -> str | None:
    """The sentence that says why the file `name` does not give a pixel size; None when it does."""
    remedy = "give --um-per-px, or add um_per_px to its row in specimens.csv"
    if found is not None and found.rivals:
        said = " and ".join(f"{_told(one)} ({one.detail})" for one in (found, *found.rivals))
        return f"{name} contradicts itself: its pixels measure {said} µm; {remedy}, with the one that is right"
    if found is not None and found.plausible:
        return None
    if found is None:
        return f"{name} has no pixel size; {remedy}"
    return (
        f"{name} gives {found.um_per_px_x:.4g} µm per pixel ({found.detail}), which cannot be a microscope's pixel "
        f"size; {remedy}"
    )


def choose(
    name: str, found: PixelSize | None, *, given: float | tuple[float, float] | None, given_detail: str
) -> Calibration:
    """The pixel size to use for the file `name`: the user's if given, else the file's.

    Parameters
    ----------
    name : str
        File name, for the messages.
    found : PixelSize | None
        What the file says.
    given : float | tuple[float, float] | None
        What the user says, µm per level-0 pixel, or (x, y).
    given_detail : str
        Where the user said it: "--um-per-px", "specimens.csv".

    Raises
    ------
    CalibrationError
        Neither gives a believable one, they differ by more than 2 %, or the file says two and the user none.
    """
    if given is None:
        problem = missing(name, found)
        if problem is not None or found is None:
            raise CalibrationError(problem)
        return Calibration(found.um_per_px_x, found.um_per_px_y, "file", found.detail)
    x, y = given if isinstance(given, tuple) else (given, given)
    try:
        calibration = Calibration(float(x), float(y), "user", given_detail)
    except CalibrationError as problem:
        raise CalibrationError(f"{name}: {problem}") from None
    said = () if found is None or not found.plausible else (found, *found.rivals)
    if found is not None and said and all(_differ(calibration, one) for one in said):
        raise CalibrationError(
            f"{name}: {given_detail} says {_pair(x, y)} µm per pixel, but the file says "
            f"{_pair(found.um_per_px_x, found.um_per_px_y)} ({found.detail}); leave it out to use the file's, "
            "or correct whichever is wrong"
        )
    return calibration


def _told(size: PixelSize) -> str:
    return _pair(size.um_per_px_x, size.um_per_px_y)


def _pair(x: float, y: float) -> str:
    return f"{x:.4g}" if x == y else f"{x:.4g} × {y:.4g}"
