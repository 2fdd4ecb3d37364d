"""Patches of objects: centred, turned along the longer axis, the same wherever the region begins."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from drawn_maps import LEVELS, WALL_OD, Drawing

from mvd.vessels.maps import StainMaps
from mvd.vessels.patches import CHANNELS, PATCH_PX, Patched, cut_patch


def part(maps: StainMaps, rows: slice, columns: slice) -> StainMaps:
    names = ("dab", "haematoxylin", "total", "red", "residual")
    return StainMaps(**{name: np.ascontiguousarray(getattr(maps, name)[rows, columns]) for name in names})


def patch_of(maps: StainMaps, *, beyond: float = LEVELS.low) -> Patched:
    return cut_patch(np.flatnonzero(maps.dab > beyond), maps, LEVELS)


def channel(patch: Patched, name: str) -> np.ndarray:
    return patch.pixels[CHANNELS.index(name)].astype(float)


def bent() -> Drawing:
    """A vessel of which no mirror image is the same."""
    return Drawing.blank(160).line((70, 70), (96, 80), width_um=3).line((96, 80), (99, 90), width_um=2)


def test_an_object_lies_in_the_middle_along_its_longer_axis() -> None:
    seen = channel(patch_of(Drawing.blank().line((40, 40), (60, 50), width_um=4).maps()), "object")
    rows, columns = np.nonzero(seen > 127)
    assert (rows.min() + rows.max()) / 2 == pytest.approx((PATCH_PX - 1) / 2, abs=1)
    assert (columns.min() + columns.max()) / 2 == pytest.approx((PATCH_PX - 1) / 2, abs=1)
    assert np.ptp(columns) + 1 == pytest.approx(math.hypot(20, 10), abs=3)  # a pixel is a µm
    assert np.ptp(rows) + 1 == pytest.approx(4, abs=2)
    assert seen.sum() / 255 == pytest.approx(4 * math.hypot(20, 10), rel=0.1)


@pytest.mark.parametrize(("down", "right"), [(0, 1), (1, 0), (7, 13), (31, 50)])
def test_it_is_the_same_wherever_the_region_begins(down: int, right: int) -> None:
    maps = bent().maps()
    whole, cut = patch_of(maps), patch_of(part(maps, slice(down, None), slice(right, None)))
    assert np.array_equal(whole.pixels, cut.pixels)
    assert whole.shrunk == cut.shrunk
    shift = (down, right, down, right)
    assert whole.box == tuple(at + by for at, by in zip(cut.box, shift, strict=True))


def test_no_more_than_its_box_is_seen() -> None:
    maps = bent().maps()
    patch = patch_of(maps)
    top, left, bottom, right = patch.box
    beyond = np.ones_like(maps.dab, bool)
    beyond[top:bottom, left:right] = False
    changed = replace(maps, total=np.where(beyond, 2.0, maps.total).astype(np.float32))
    at = np.flatnonzero(maps.dab > LEVELS.low)
    assert beyond.any()
    assert np.array_equal(cut_patch(at, changed, LEVELS).pixels, patch.pixels)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", range(4))
def test_a_turned_picture_shows_the_same_or_its_mirror_image(quarters: int, mirrored: bool) -> None:
    upright, turned = (patch_of(drawing.maps()) for drawing in (bent(), bent().turned(quarters, mirrored=mirrored)))
    apart = [
        np.abs(upright.pixels.astype(float) - turned.pixels[:, ::down, ::right]).mean()
        for down in (1, -1)
        for right in (1, -1)
    ]
    assert min(apart) < 1.0
    assert sorted(apart)[1] > 3 * min(apart)


def test_what_does_not_fit_is_made_smaller() -> None:
    long = patch_of(Drawing.blank(320).line((40, 160), (240, 160), width_um=8).maps())
    assert math.exp(long.shrunk) == pytest.approx(200 / (0.72 * PATCH_PX), rel=0.02)
    columns = np.flatnonzero((channel(long, "object") > 127).any(axis=0))
    assert np.ptp(columns) + 1 == pytest.approx(0.72 * PATCH_PX, abs=2)
    assert patch_of(Drawing.blank().disc(50, 50, 30).maps()).shrunk == 0


def test_stain_is_shown_against_its_own_peak_and_against_the_noise() -> None:
    base = LEVELS.background
    pale, dark = (
        patch_of(Drawing.blank().disc(50, 50, 20, od=od).maps()) for od in (base + 0.3, base + 0.6)
    )  # fmt: skip
    own = "DAB over own peak"
    assert np.abs(channel(pale, own) - channel(dark, own)).max() <= 1
    assert channel(pale, own)[24, 24] == 170
    noise = [channel(one, "DAB over noise")[24, 24] for one in (pale, dark)]
    assert noise == pytest.approx([255 * math.asinh(od / (3 * LEVELS.noise)) / 4.5 for od in (0.3, 0.6)], abs=1)


def test_other_stain_is_shown_apart() -> None:
    maps = Drawing.blank().disc(45, 50, 10).disc(62, 50, 8, od=WALL_OD).maps()
    _, x = np.indices(maps.dab.shape) * 0.5
    patch = cut_patch(np.flatnonzero((maps.dab > LEVELS.low) & (x < 54)), maps, LEVELS)
    object_, beside = channel(patch, "object"), channel(patch, "stain beside it")
    assert object_.sum() / 255 == pytest.approx(math.pi * 25, rel=0.1)
    assert beside.sum() / 255 == pytest.approx(math.pi * 16, rel=0.1)
    assert not ((object_ == 255) & (beside > 0)).any()


def test_beyond_the_picture_is_what_lies_nearest() -> None:
    maps = Drawing.blank(40).disc(4, 20, 6).maps()
    patch = patch_of(maps)
    total = channel(patch, "total over tissue")
    tissue = round(255 / 3.2)
    assert patch.box[1] < 0
    assert total[2, :].tolist() == pytest.approx([tissue] * PATCH_PX, abs=1)
