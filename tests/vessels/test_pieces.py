"""Pieces are what is stained more than its own surroundings; specks are not pieces."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_maps import LEVELS, Drawing

from mvd.vessels.maps import WORK_UM_PER_PX


@pytest.mark.parametrize(
    ("diameter_um", "pieces"), [(1.0, 0), (1.4, 0), (2.0, 1), (5.0, 1)], ids=["1 µm", "1.4 µm", "2 µm", "5 µm"]
)
def test_a_speck_is_no_piece(diameter_um, pieces):
    assert Drawing.blank().disc(50.25, 50.25, diameter_um).pieces().max() == pieces


@pytest.mark.parametrize(
    ("od", "pieces"), [(LEVELS.low - 0.01, 0), (LEVELS.low + 0.01, 1), (LEVELS.high - 0.01, 1)], ids=str
)
def test_a_piece_reaches_the_low_level_and_need_not_reach_the_high_one(od, pieces):
    assert Drawing.blank().disc(50, 50, 8, od=od).pieces().max() == pieces


@pytest.mark.parametrize(("away_um", "pieces"), [(5.0, 1), (16.0, 2)], ids=["beside", "apart"])
def test_pale_stain_is_a_piece_unless_it_lies_beside_a_dense_wall(away_um, pieces):
    """Beside a wall it is the wall's blur or its cell's process."""
    picture = Drawing.blank().line((20, 50), (80, 50), od=0.9)
    picture.line((20, 50 + away_um), (80, 50 + away_um), od=0.25)
    assert picture.pieces().max() == pieces


def test_pieces_are_numbered_in_raster_order():
    labels = Drawing.blank().disc(80, 20, 6).disc(20, 40, 6).disc(60, 41, 6).disc(10, 90, 6).pieces()
    first = [np.flatnonzero(labels == number)[0] for number in range(1, 5)]
    assert labels.max() == 4
    assert first == sorted(first)


def test_pixels_that_meet_at_a_corner_are_one_piece():
    picture = Drawing.blank()
    picture.dab[20:24, 20:24] = picture.dab[24:28, 24:28] = 0.6
    assert picture.pieces().max() == 1


def test_nothing_stained_has_no_pieces():
    assert not Drawing.blank().pieces().any()


def test_a_piece_has_the_area_of_its_stain():
    labels = Drawing.blank().line((20, 30), (70, 30), width_um=3.0).pieces()
    assert (labels > 0).sum() * WORK_UM_PER_PX**2 == pytest.approx(150.0, rel=0.03)
