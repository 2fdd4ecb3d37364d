"""Measures of shapes whose measures are known."""

from __future__ import annotations

from math import pi

import numpy as np
import pytest
from drawn_maps import LEVELS, Drawing

from mvd.vessels.measure import Measured
from mvd.vessels.outline import shoelace


def only(picture: Drawing) -> Measured:
    (measured,) = picture.measured()
    return measured


@pytest.mark.parametrize("diameter_um", [6.0, 10.0, 15.0, 30.0])
@pytest.mark.parametrize("place_um", [(50.0, 50.0), (50.25, 49.9)], ids=["on the grid", "off the grid"])
def test_a_disc_measures_its_diameter(diameter_um, place_um):
    disc = only(Drawing.blank().disc(*place_um, diameter_um))
    assert disc.area_um2 == pytest.approx(pi / 4 * diameter_um**2, rel=0.06 if diameter_um < 10 else 0.03)
    assert disc.length_um == pytest.approx(diameter_um, abs=max(0.7, 0.05 * diameter_um))
    assert disc.perimeter_um == pytest.approx(pi * diameter_um, rel=0.05)
    assert disc.width_um == pytest.approx(pi / 4 * diameter_um, rel=0.1)
    assert disc.hull_diameter_um == pytest.approx(diameter_um, abs=0.6)
    assert disc.hull_aspect > 0.9
    assert (disc.lumen_area_um2, disc.lumen_width_um, disc.lumens, disc.pieces) == (0, 0, (), 1)
    assert (disc.x_px * 0.5, disc.y_px * 0.5) == pytest.approx(place_um, abs=0.3)


@pytest.mark.parametrize("diameter_um", [14.0, 20.0, 40.0])
def test_a_ring_measures_its_wall_and_its_lumen(diameter_um):
    ring = only(Drawing.blank().ring(50, 50, diameter_um, wall_um=2.0))
    inner = diameter_um - 4
    assert ring.lumen_area_um2 == pytest.approx(pi / 4 * inner**2, rel=0.05)
    assert ring.lumen_width_um == pytest.approx(inner - 0.8, abs=0.8)  # understated by up to three pixels
    assert ring.area_um2 == pytest.approx(pi / 4 * (diameter_um**2 - inner**2), rel=0.05)
    assert ring.perimeter_um == pytest.approx(pi * diameter_um, rel=0.05)
    assert len(ring.lumens) == 1
    assert ring.outline_area_um2 == pytest.approx(ring.area_um2 + ring.lumen_area_um2, rel=0.015)
    assert ring.rim.diameter_um == pytest.approx(diameter_um - 2, abs=0.3)
    assert ring.rim.cover == 1.0


@pytest.mark.parametrize("angle_deg", [0, 20, 45, 90])
@pytest.mark.parametrize(("length_um", "width_um"), [(60.0, 4.0), (40.0, 3.0), (70.0, 8.0)], ids=str)
def test_a_strip_measures_its_length_and_width(length_um, width_um, angle_deg):
    along = length_um / 2 * np.array([np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))])
    strip = only(Drawing.blank().line(tuple(50.2 - along), tuple(50.2 + along), width_um=width_um))
    # Steps of whole pixels overstate a midline that runs between the grid's directions by up to 13 %.
    assert strip.length_um == pytest.approx(length_um, rel=0.14 if angle_deg == 20 else 0.03)
    assert strip.width_um == pytest.approx(width_um, rel=0.13)
    assert strip.perimeter_um == pytest.approx(2 * (length_um + width_um), rel=0.06)
    assert strip.area_um2 == pytest.approx(length_um * width_um, rel=0.07)


def test_a_bent_strip_is_as_long_as_its_midline():
    bent = only(Drawing.blank().line((20, 20), (60, 20), width_um=4).line((60, 18), (60, 60), width_um=4))
    assert bent.length_um == pytest.approx(80, rel=0.05)


@pytest.mark.parametrize("od", [0.4, 0.6, 1.1])
def test_mean_density_is_that_of_the_stain(od):
    assert only(Drawing.blank().ring(50, 50, 16, od=od)).mean_dab_od == pytest.approx(od, rel=1e-5)


def test_mean_density_leaves_the_bridges_out():
    one = only(Drawing.blank().line((25, 50), (45, 50)).line((50, 50), (70, 50)))
    assert one.pieces == 2
    assert one.mean_dab_od == pytest.approx(0.6, rel=1e-5)
    assert one.area_um2 == pytest.approx(80, rel=0.03)
    assert one.length_um == pytest.approx(45, rel=0.03)


def test_a_broken_wall_has_the_lumen_of_the_whole_one():
    whole = only(Drawing.blank().ring(50, 50, 24))
    broken = only(Drawing.blank().ring(50, 50, 24, gaps_um=(6, 6)))
    assert broken.pieces == 2
    assert broken.lumen_area_um2 == pytest.approx(whole.lumen_area_um2, rel=0.15)
    assert broken.lumen_width_um == pytest.approx(whole.lumen_width_um, rel=0.1)
    assert broken.area_um2 < 0.85 * whole.area_um2


def test_texture_of_the_stain_is_no_lumen():
    """A hole of 1.5 µm² in a stained cell: filled in the outline, but `lumen_required` must not take it for one."""
    picture = Drawing.blank().disc(50, 50, 12)
    picture.dab[99:101, 99:102] = 0.02
    found = only(picture)
    assert found.outline_area_um2 == pytest.approx(found.area_um2 + 1.5)
    assert (found.lumen_area_um2, found.lumen_width_um, found.lumens) == (0, 0, ())


INSIDE = {
    "glass": (True, 0.15, 1),
    "pale plasma": (False, 0.15, 1),
    "a nucleus": (False, 0.5, 0),
}


@pytest.mark.parametrize(("clear", "haematoxylin", "lumens"), INSIDE.values(), ids=INSIDE.keys())
def test_what_a_small_ring_encloses_is_lumen_unless_it_is_a_nucleus(clear, haematoxylin, lumens):
    picture = Drawing.blank().ring(50, 50, 13, clear=clear)
    picture.haematoxylin[:] = haematoxylin
    assert len(only(picture).lumens) == lumens


@pytest.mark.parametrize(("clear", "lumens"), [(True, 1), (False, 0)], ids=["glass", "tissue"])
def test_what_a_wide_loop_encloses_is_lumen_only_if_it_is_clear(clear, lumens):
    assert len(only(Drawing.blank().ring(50, 50, 60, clear=clear)).lumens) == lumens


def test_an_object_that_never_reaches_the_high_level_is_not_measured():
    picture = Drawing.blank().disc(30, 30, 8, od=LEVELS.high - 0.02).disc(70, 70, 8, od=LEVELS.high + 0.02)
    (found,) = picture.measured()
    assert found.x_px == pytest.approx(140, abs=1)


def test_a_pale_piece_counts_when_a_dense_one_of_its_wall_is_found():
    (found,) = Drawing.blank().line((20, 50.25), (40, 50.25)).line((44, 50.25), (64, 50.25), od=0.25).measured()
    assert found.pieces == 2


@pytest.mark.parametrize("corner_um", [(0, 0), (100, 0), (0, 100), (100, 100)], ids=str)
def test_an_object_at_the_pictures_corner_is_measured_as_far_as_it_is_seen(corner_um):
    quarter = only(Drawing.blank().disc(*corner_um, 40))
    assert quarter.area_um2 == pytest.approx(pi * 100, rel=0.05)
    assert quarter.outline.min() >= 0 and quarter.outline.max() <= 200


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_turning_the_picture_turns_the_measures_with_it(turn):
    picture = Drawing.blank().ring(40, 60, 22, gaps_um=(5, 6), at_deg=(20, 170)).line((70, 20), (90, 45))
    key = lambda m: m.area_um2  # noqa: E731
    upright, turned = sorted(picture.measured(), key=key), sorted(picture.turned(turn).measured(), key=key)
    assert len(upright) == len(turned) == 2
    for one, other in zip(upright, turned, strict=True):
        assert one.area_um2 == other.area_um2 and one.pieces == other.pieces
        assert one.lumen_area_um2 == pytest.approx(other.lumen_area_um2, rel=0.03, abs=1)
        assert one.perimeter_um == pytest.approx(other.perimeter_um, rel=0.01)
        assert one.length_um == pytest.approx(other.length_um, rel=0.09)


def test_outlines_are_single_valid_rings():
    picture = Drawing.blank().ring(30, 30, 20, gaps_um=(4, 4, 4)).line((60, 20), (80, 40)).disc(70, 70, 9)
    for found in picture.measured():
        assert shoelace(found.outline) * 0.25 == pytest.approx(found.outline_area_um2)
        assert found.outline_area_um2 >= found.area_um2


def test_a_soft_edge_falls_more_slowly_than_a_sharp_one():
    picture = Drawing.blank()
    y, x = (np.indices(picture.dab.shape) + 0.5) * 0.5
    picture.dab[:] = 0.02 + 0.6 * np.exp(-((x - 50) ** 2 + (y - 50) ** 2) / (2 * 15**2))
    assert only(picture).edge_slope_per_um < 0.06
    assert only(Drawing.blank().disc(50, 50, 30)).edge_slope_per_um > 0.3
