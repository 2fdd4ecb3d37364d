"""Masks as programs save them: hard, soft, compressed, with a palette."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mvd.errors import SlideError
from mvd.slide import read_mask

SIDE = 400


def ellipse() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.ellipse(mask, (200, 200), (120, 70), 20, 0, 360, 255, -1)
    return mask


def covered(path: Path) -> int:
    pixels = read_mask(path)
    return int((pixels[..., :3].any(axis=2) if pixels.ndim == 3 else pixels != 0).sum())


def palette(black: int) -> Image.Image:
    """Entry `black` is black, the other white; the ellipse is white."""
    image = Image.fromarray((ellipse() == (0 if black else 255)).astype(np.uint8), mode="P")
    image.putpalette([255, 255, 255, 0, 0, 0] if black else [0, 0, 0, 255, 255, 255])
    return image


SAVED = {
    "png": lambda path: Image.fromarray(ellipse()).save(path / "m.png"),
    "jpeg": lambda path: Image.fromarray(ellipse()).save(path / "m.jpg", quality=75),
    "poor jpeg": lambda path: Image.fromarray(ellipse()).save(path / "m.jpg", quality=30),
    "colour jpeg": lambda path: Image.fromarray(ellipse()).convert("RGB").save(path / "m.jpg", quality=60),
    "soft": lambda path: Image.fromarray(cv2.GaussianBlur(ellipse(), (0, 0), 6)).save(path / "m.png"),
    "soft with opacity": lambda path: (
        Image.fromarray(cv2.GaussianBlur(ellipse(), (0, 0), 6)).convert("RGBA").save(path / "m.png")
    ),
    "palette, black first": lambda path: palette(0).save(path / "m.png"),
    "palette, white first": lambda path: palette(1).save(path / "m.png"),
}


@pytest.mark.parametrize("save", SAVED.values(), ids=SAVED)
def test_the_same_area_however_it_was_saved(tmp_path: Path, save) -> None:
    save(tmp_path)
    (path,) = tmp_path.iterdir()
    assert covered(path) == pytest.approx(int((ellipse() > 0).sum()), rel=0.01)


def test_numbers_of_objects_are_no_shades(tmp_path: Path) -> None:
    numbers = (ellipse() > 0) * np.arange(1, SIDE + 1, dtype=np.uint32)[None] % 120
    Image.fromarray(numbers.astype(np.uint8)).save(tmp_path / "labels.png")
    assert covered(tmp_path / "labels.png") == np.count_nonzero(numbers)
    Image.fromarray((ellipse() > 0).astype(np.uint8)).save(tmp_path / "ones.png")
    assert covered(tmp_path / "ones.png") == (ellipse() > 0).sum()


def test_a_palette_that_does_not_tell_what_is_outside_is_refused(tmp_path: Path) -> None:
    image = Image.fromarray((ellipse() > 0).astype(np.uint8), mode="P")
    image.putpalette([255, 255, 255, 200, 0, 0])
    image.save(tmp_path / "m.png")
    with pytest.raises(SlideError, match="palette without black"):
        read_mask(tmp_path / "m.png")
