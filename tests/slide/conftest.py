"""A small section to write into every format."""

import numpy as np
import pytest

from mvd.geometry import Pixels


@pytest.fixture(scope="session")
def section() -> Pixels:
    """150 rows × 170 columns: smooth stain, so that lossy formats stay close, with a sharp brown square."""
    rows, columns = np.mgrid[0:150, 0:170]
    red = 200 + 40 * np.sin(columns / 23)
    green = 190 + 50 * np.cos(rows / 17)
    blue = 210 + 30 * np.sin((rows + columns) / 31)
    pixels = np.stack([red, green, blue], axis=2).round().astype(np.uint8)
    pixels[40:72, 96:128] = (110, 70, 40)
    pixels.flags.writeable = False
    return pixels
