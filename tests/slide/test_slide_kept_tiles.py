"""Tiles that lie where blocks meet are decoded once, and what is kept for that is bounded and never changes a pixel."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from mvd.geometry import Pixels
from mvd.slide import tiff
from mvd.slide.model import Box
from mvd.slide.tiff import TiffSource, open_tiff

SIDE, TILE, BLOCK, MARGIN = 640, 32, 256, 32
NOISE = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[TiffSource]:
    path = tmp_path / "tiles.tif"
    tifffile.imwrite(path, NOISE, photometric="rgb", tile=(TILE, TILE), compression="zlib")
    found = open_tiff(path)
    yield found
    found.close()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each tile is decoded."""
    counts: Counter[int] = Counter()
    decode = TiffSource._decoded

    def counted(self: TiffSource, level: tiff.TiffLevel, number: int) -> object:
        counts[number] += 1
        return decode(self, level, number)

    monkeypatch.setattr(TiffSource, "_decoded", counted)
    return counts


def blocks() -> list[Box]:
    """Side by side over the whole picture, each read with a margin of one tile."""
    corners = itertools.product(range(0, SIDE, BLOCK), repeat=2)
    return [
        Box(max(x - MARGIN, 0), max(y - MARGIN, 0), min(x + BLOCK + MARGIN, SIDE), min(y + BLOCK + MARGIN, SIDE))
        for y, x in corners
    ]


def wanted(box: Box) -> Pixels:
    return NOISE[box.y0 : box.y1, box.x0 : box.x1]


def test_blocks_side_by_side_decode_each_tile_once(source: TiffSource, decoded: Counter[int]) -> None:
    for box in blocks():
        assert np.array_equal(source.read_level(0, box), wanted(box))
    assert len(decoded) == (SIDE // TILE) ** 2
    assert set(decoded.values()) == {1}


def test_what_lies_deep_inside_a_read_is_not_kept(source: TiffSource, decoded: Counter[int]) -> None:
    for _ in range(2):
        source.read_level(0, Box(0, 0, SIDE, SIDE))
    across = SIDE // TILE
    deep = (across - 2 * tiff.RIM_TILES) ** 2
    assert sorted(decoded.values()) == [1] * (across**2 - deep) + [2] * deep


@pytest.mark.parametrize("tiles", [0, 1, 7, 60])
def test_no_more_is_kept_than_there_is_room_for(
    source: TiffSource, decoded: Counter[int], monkeypatch: pytest.MonkeyPatch, tiles: int
) -> None:
    room = tiles * TILE * TILE * 3
    monkeypatch.setattr(tiff, "KEPT_BYTES", room)
    for box in blocks():
        assert np.array_equal(source.read_level(0, box), wanted(box))
        kept = source._kept._tiles.values()
        assert source._kept._bytes == sum(tile.nbytes for tile in kept) <= max(room, TILE * TILE * 3)
    assert max(decoded.values()) > 1


def test_threads_that_share_a_slide_get_its_pixels_and_keep_each_tile_once(source: TiffSource) -> None:
    wrong: list[Box] = []

    def read() -> None:
        wrong.extend(box for box in blocks() if not np.array_equal(source.read_level(0, box), wanted(box)))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert source._kept._bytes == sum(tile.nbytes for tile in source._kept._tiles.values())
