"""The slide of a result, opened again as it was, or as its survey kept it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mvd.geometry import Calibration, Pixels, Raster
from mvd.report.sheet import View
from mvd.slide import Slide, open_slide


def opened(image: Path, calibration: Calibration) -> Slide:
    """Open a result's image with the pixel size it was measured with."""
    given = None if calibration.source == "file" else (calibration.um_per_px_x, calibration.um_per_px_y)
    return open_slide(image, um_per_px=given, calibration_detail=calibration.detail)


def from_overview(overview: Raster, view: View) -> Pixels:
    """The picture from the survey's overview; white off the slide."""
    um, rect = overview.um_per_px, view.rect
    left, top = round((rect.x0_um - overview.x0_um) / um), round((rect.y0_um - overview.y0_um) / um)
    part = np.full((max(1, round(rect.height_um / um)), max(1, round(rect.width_um / um)), 3), 255, np.uint8)
    known = overview.pixels[max(top, 0) : top + part.shape[0], max(left, 0) : left + part.shape[1]]
    rows, columns = known.shape[:2]
    part[max(-top, 0) : max(-top, 0) + rows, max(-left, 0) : max(-left, 0) + columns] = known
    size = (max(1, round(rect.width_um / view.um_per_px)), max(1, round(rect.height_um / view.um_per_px)))
    finer = cv2.INTER_AREA if view.um_per_px >= um else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, size, interpolation=finer), np.uint8)
