"""A drawing of walls of known size as a picture of a section: nuclei round them, both stains, glass where clear."""

from __future__ import annotations

import cv2
import numpy as np
from drawn_maps import Drawing

from mvd.geometry import Raster
from mvd.stains import DAB_STANDARD, H_STANDARD
from mvd.vessels.maps import WORK_UM_PER_PX

_GLASS = 242.0
_NUCLEUS_UM = 6.0
_NUCLEI_PER_UM2 = 1 / 60
_CLEAR_OF_WALLS_UM = 6.0


def picture(drawing: Drawing) -> Raster:
    """RGB at `WORK_UM_PER_PX`; the same for the same drawing."""
    rng = np.random.default_rng(1)
    drawn = ((drawing.dab > 0.1) | (drawing.clear == 1)).astype(np.uint8)
    reach = round(_CLEAR_OF_WALLS_UM / WORK_UM_PER_PX)
    near = cv2.dilate(drawn, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    blue = drawing.haematoxylin.copy()
    rows, columns = blue.shape
    number = int(blue.size * WORK_UM_PER_PX**2 * _NUCLEI_PER_UM2)
    for x, y, od in rng.uniform((0, 0, 0.35), (columns, rows, 0.6), (number, 3)).tolist():
        if not near[int(y), int(x)]:
            cv2.circle(blue, (int(x), int(y)), round(_NUCLEUS_UM / 2 / WORK_UM_PER_PX), od, -1)
    density = drawing.dab[..., None] * np.array(DAB_STANDARD) + blue[..., None] * np.array(H_STANDARD)
    density[drawing.clear == 1] = 0.0
    light = cv2.GaussianBlur((_GLASS * 10**-density).astype(np.float32), (0, 0), 0.5 / WORK_UM_PER_PX)
    light += rng.normal(0.0, 1.0, light.shape)
    return Raster(np.clip(np.rint(light), 0, 255).astype(np.uint8), 0.0, 0.0, WORK_UM_PER_PX)


def nucleus(drawing: Drawing, x_um: float, y_um: float, diameter_um: float, *, od: float = 0.9) -> Drawing:
    """A blue disc over whatever is there."""
    centre = round(x_um / WORK_UM_PER_PX), round(y_um / WORK_UM_PER_PX)
    cv2.circle(drawing.haematoxylin, centre, round(diameter_um / 2 / WORK_UM_PER_PX), od, -1)
    return drawing
