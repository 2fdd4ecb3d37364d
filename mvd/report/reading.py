"""The slide of a result, opened again as it was."""

from __future__ import annotations

from pathlib import Path

from mvd.geometry import Calibration
from mvd.slide import Slide, open_slide


def opened(image: Path, calibration: Calibration) -> Slide:
    """Open a result's image with the pixel size it was measured with."""
    given = None if calibration.source == "file" else (calibration.um_per_px_x, calibration.um_per_px_y)
    return open_slide(image, um_per_px=given, calibration_detail=calibration.detail)
