"""Areas and vessels for the tests of the density map: points, no pixels."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from stored_example import vessel

from mvd.geometry import Raster, Ring
from mvd.protocol import Protocol
from mvd.vessels.model import Reason, Vessel

UM = 4.0
PROTOCOL = Protocol()
KERNEL_UM = PROTOCOL.counts.map_kernel_um


def marrow(width_um: float, height_um: float, *, x0_um: float = 0.0, y0_um: float = 0.0) -> Raster:
    """All of it evaluable."""
    return Raster(np.ones((round(height_um / UM), round(width_um / UM)), bool), x0_um, y0_um, UM)


def with_bone(width_um: float, height_um: float, seed: int = 0) -> Raster:
    """About a quarter of it not evaluable, in patches and single pixels."""
    rng, area = np.random.default_rng(seed), marrow(width_um, height_um)
    mask = area.pixels.copy()
    rows, columns = mask.shape
    for y, x in zip(rng.integers(0, rows, 12), rng.integers(0, columns, 12), strict=True):
        mask[y : y + rows // 6, x : x + columns // 9] = False
    mask[rng.integers(0, rows, 40), rng.integers(0, columns, 40)] = True
    return area.with_pixels(mask)


def at_random(evaluable: Raster, number: int, seed: int = 0) -> Ring:
    """Points anywhere in the evaluable area."""
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(evaluable.pixels)
    chosen = rng.integers(0, len(rows), number)
    pixels = np.stack([columns[chosen], rows[chosen]], axis=1) + rng.random((number, 2)) * 0.98 + 0.01
    points: NDArray[np.float64] = pixels * UM + (evaluable.x0_um, evaluable.y0_um)
    return points


def at(points: Iterable[Iterable[float]], *, reason: Reason | None = None) -> tuple[Vessel, ...]:
    """Square vessels of 10 µm round reference points."""
    corners = np.array([(-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0)])
    return tuple(
        vessel(
            f"v{number:05d}", outline=corners + np.array([x, y]), lumens=(), x_um=float(x), y_um=float(y), reason=reason
        )
        for number, (x, y) in enumerate(points, start=1)
    )


def ring_of(x_um: float, y_um: float, number: int, radius_um: float = 60.0) -> Ring:
    """A cluster: points evenly on a disc (a sunflower)."""
    steps = np.arange(number)
    reach, angle = radius_um * np.sqrt((steps + 0.5) / number), steps * np.pi * (3 - np.sqrt(5))
    return np.stack([x_um + reach * np.cos(angle), y_um + reach * np.sin(angle)], axis=1)
