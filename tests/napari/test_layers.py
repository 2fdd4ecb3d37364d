"""Vessels, fields and areas become what napari's layers hold, and come back as they were. No viewer is needed."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mvd_napari import layers
from mvd_napari.layers import LOOKS, Standing, frame_lines, involved_lines, involved_of, standing
from reviewed_example import begun, decided, machine, square, vessel_at
from stored_example import vessel

from mvd.corrections import ReviewedObject, decide
from mvd.counting import belongs
from mvd.errors import InvolvedAreaError
from mvd.fields import CountField
from mvd.geometry import Rect
from mvd.vessels.model import Reason

FIELD = CountField("3", Rect.square(100, 200, 50), 0.0025)


def seen(**changes: object) -> ReviewedObject:
    """An object as the machine found it, but for these changes."""
    own = {key: changes.pop(key) for key in ("reason", "ambiguous") if key in changes}
    return ReviewedObject(vessel(**own), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reviewed", "counted", "expected"),
    [
        pytest.param(seen(), None, Standing.COUNTED, id="a vessel"),
        pytest.param(seen(), {"v00001"}, Standing.COUNTED, id="a vessel of the count"),
        pytest.param(seen(), {"v00009"}, Standing.LEFT_OUT, id="a vessel outside the count"),
        pytest.param(seen(reason=Reason.HAZE), None, Standing.REJECTED, id="rejected"),
        pytest.param(seen(reason=Reason.HAZE), {"v00009"}, Standing.REJECTED, id="rejected, wherever it lies"),
        pytest.param(seen(ambiguous=True), None, Standing.NEAR_COUNTED, id="near a limit"),
        pytest.param(
            seen(ambiguous=True, reason=Reason.HAZE), None, Standing.NEAR_REJECTED, id="rejected near a limit"
        ),
        pytest.param(seen(ambiguous=True, decided=True), None, Standing.COUNTED, id="near a limit, decided on"),
        pytest.param(seen(source="point", order=(4, 0)), None, Standing.ADDED, id="clicked on"),
        pytest.param(seen(source="drawn", order=(4, 0)), None, Standing.ADDED, id="drawn"),
        pytest.param(seen(source="drawn", decided=True), None, Standing.COUNTED, id="found, its outline redrawn"),
        pytest.param(seen(source="merged", order=(4, 0)), None, Standing.COUNTED, id="merged"),
    ],
)
def test_standing(reviewed: ReviewedObject, counted: set[str] | None, expected: Standing) -> None:
    assert standing(reviewed, counted) is expected


def test_what_an_observer_decided_shows() -> None:
    review = begun()
    accepted = next(name for name, found in review.objects.items() if found.vessel.accepted)
    review = decided(
        review, decide.reject(review, accepted, Reason.PIGMENT), decide.comment(review, "?", on_object="v00002")
    )
    review = decided(review, decide.add_point(review, 300.0, 310.0))
    points = layers.vessel_points(review.objects.values())
    at = {name: index for index, name in enumerate(points.names)}
    assert points.standings[at[accepted]] is Standing.REJECTED
    assert points.features["reason"][at[accepted]] == "pigment"
    assert points.features["comment"][at["v00002"]] == "?"
    assert points.standings[-1] is Standing.ADDED
    assert points.data[-1].tolist() == [310.0, 300.0]  # y first


def test_every_entry_is_of_the_same_object() -> None:
    objects = [ReviewedObject(found) for found in machine().vessels]
    points = layers.vessel_points(objects)
    assert points.names == tuple(found.vessel.name for found in objects)
    for index, reviewed in enumerate(objects):
        look = LOOKS[points.standings[index]]
        assert points.data[index].tolist() == [reviewed.vessel.y_um, reviewed.vessel.x_um]
        assert (points.symbols[index], points.colours[index], points.sizes_um[index]) == (
            look.symbol,
            look.colour,
            look.size_um,
        )
        assert points.features["standing"][index] == points.standings[index]


def test_outlines_are_of_what_touches_the_field_alone() -> None:
    field = Rect.square(100, 100, 50)
    inside, on_the_edge, beside, rejected = (
        vessel_at(1, 120, 120),
        vessel_at(2, 156, 120),
        vessel_at(3, 156.1, 120),
        vessel_at(4, 110, 110, Reason.HAZE),
    )
    objects = [ReviewedObject(found) for found in (inside, on_the_edge, beside, rejected)]
    lines = layers.vessel_outlines(objects, field)
    assert lines.features["name"] == ["v00001", "v00002", "v00004"]
    assert np.array_equal(lines.data[0][:, ::-1], inside.outline)
    assert lines.colours[2] == LOOKS[Standing.REJECTED].colour
    assert len(layers.vessel_outlines(objects).data) == 4


def edges(border: str = "frame") -> dict[str, np.ndarray]:
    """Points of each edge's lines in x, y."""
    lines = frame_lines(FIELD, border=border)  # type: ignore[arg-type]
    found: dict[str, list[np.ndarray]] = {}
    for points, edge in zip(lines.data, lines.features["edge"], strict=True):
        found.setdefault(edge, []).append(points[:, ::-1])
    return {edge: np.concatenate(parts) for edge, parts in found.items()}


def test_top_and_right_edge_include() -> None:
    assert edges()["include"].tolist() == [[100, 200], [150, 200], [150, 250]]


def test_exclusion_line_runs_down_the_left_along_the_bottom_and_on_down() -> None:
    x, y = edges()["exclude"].T
    on_left, on_bottom, beyond = x == 100, y == 250, (x == 150) & (y >= 250)
    assert (on_left | on_bottom | beyond).all()
    assert y[on_left].min() < 200, "it comes from above"
    assert y[beyond].max() > 250, "it goes on below"
    assert on_bottom.sum() >= 4, "it is dashed"


@pytest.mark.parametrize("where", ["top", "right", "left", "bottom"])
def test_frame_shows_what_the_count_does(where: str) -> None:
    x, y = {"top": (125, 200), "right": (150, 225), "left": (100, 225), "bottom": (125, 250)}[where]
    on_it = vessel_at(1, x, y)
    edge = "include" if belongs(on_it, FIELD.rect, "frame") else "exclude"
    drawn = edges()[edge]
    apart = np.abs(drawn - (x, y)).max(axis=1).min() if edge == "exclude" else 0
    corners = edges()["include"].tolist()
    between = [x, y] in [[(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] for a, b in itertools.pairwise(corners)]
    assert between if edge == "include" else apart < 0.06 * FIELD.rect.width_um


def test_frame_lines_are_thin_and_dashes_have_gaps() -> None:
    lines = frame_lines(FIELD)
    length = sum(
        float(np.abs(np.diff(p, axis=0)).sum())
        for p, e in zip(lines.data, lines.features["edge"], strict=True)
        if e == "exclude"
    )
    whole = 2 * 50 + 2 * 5
    assert 0.5 * whole < length < 0.75 * whole
    assert set(lines.widths_um) == {0.3}
    assert dict(zip(lines.features["edge"], lines.colours, strict=True)) == {
        "include": layers.FRAME_COLOURS["include"],
        "exclude": layers.FRAME_COLOURS["exclude"],
    }


@pytest.mark.parametrize(("border", "edge"), [("centre", "field"), ("touching", "include")])
def test_other_border_rules_have_one_edge(border: str, edge: str) -> None:
    assert list(edges(border)) == [edge]
    assert frame_lines(FIELD, border=border).kinds == ("polygon",)  # type: ignore[arg-type]


SQUARE = ((0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0))
HOLE = ((20.0, 20.0), (60.0, 20.0), (60.0, 60.0), (20.0, 60.0))
ISLAND = ((30.0, 30.0), (40.0, 30.0), (40.0, 40.0))
APART = ((200.0, 0.0), (250.0, 0.0), (250.0, 50.125))


@pytest.mark.parametrize(
    "involved",
    [
        pytest.param((), id="nothing"),
        pytest.param(((SQUARE,),), id="one area"),
        pytest.param(((SQUARE,), (APART,)), id="two areas"),
        pytest.param(((SQUARE, HOLE),), id="a hole"),
        pytest.param(((SQUARE, HOLE), (APART,), (ISLAND,)), id="an island in the hole"),
    ],
)
def test_involved_area_comes_back_as_it_was(involved: tuple) -> None:
    assert involved_of(involved_lines(involved).data) == involved


def test_holes_are_told_from_areas() -> None:
    assert involved_lines(((SQUARE, HOLE), (APART,))).features["part"] == ["area", "hole", "area"]


def test_areas_that_cross_are_one() -> None:
    shifted = tuple((x + 50, y) for x, y in SQUARE)
    (whole,) = involved_of([np.array(ring)[:, ::-1] for ring in (SQUARE, shifted)])
    assert len(whole) == 1
    assert cv2.contourArea(np.array(whole[0], np.float32)) == 15000


@pytest.mark.parametrize(
    ("ring", "why"),
    [
        pytest.param([(0, 0), (10, 10), (10, 0), (0, 10)], "crosses", id="a bow tie"),
        pytest.param([(0, 0), (10, 10)], "line or a point", id="two points"),
        pytest.param([(0, 0), (5, 5), (10, 10)], "crosses or touches|line or a point", id="in line"),
    ],
)
def test_what_is_no_area_is_refused(ring: list, why: str) -> None:
    with pytest.raises(InvolvedAreaError, match=why):
        involved_of([np.array(ring, float)])


coordinates = st.floats(-1e5, 1e5, allow_nan=False)


@given(st.lists(st.tuples(coordinates, coordinates), max_size=8))
def test_turning_axes_twice_changes_nothing(points: list) -> None:
    there = layers.to_yx(points)
    assert there.tolist() == [[y, x] for x, y in points]
    assert np.array_equal(layers.to_xy(there), np.array(points, float).reshape(-1, 2))


def test_layers_without_anything_have_no_empty_lists() -> None:
    data, attributes, kind = layers.points_layer(layers.vessel_points([]), name="vessels")
    assert (data.shape, kind) == ((0, 2), "points")
    assert not any(isinstance(value, list) for value in attributes.values())
    assert layers.joined([]).data == ()


def test_several_frames_are_one_layer() -> None:
    both = layers.joined([frame_lines(FIELD), frame_lines(CountField("4", Rect.square(0, 0, 50), 0.0025))])
    assert set(both.features["field"]) == {"3", "4"}
    assert len(both.data) == len(both.kinds) == len(both.colours) == len(both.features["edge"])


# Machado, Oliveira, Fernandes. IEEE Trans Vis Comput Graph 2009;15:1291, table of severity 1.0; linear RGB.
COLOUR_BLIND = {
    "no red cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "all cones": np.eye(3),
}
APART_LAB = 20.0
"""ΔE of 2.3 is just told apart side by side (Mahy 1994); small marks on a coloured ground need about ten times that."""


def lab(colour: str, eye: str) -> np.ndarray:
    stored = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    perceived = np.clip(np.array(COLOUR_BLIND[eye]) @ linear, 0, 1)
    shown = np.where(perceived <= 0.0031308, 12.92 * perceived, 1.055 * perceived ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(shown.astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)[0, 0]


@pytest.mark.parametrize("eye", COLOUR_BLIND)
def test_colours_are_told_apart_by_every_eye(eye: str) -> None:
    near = {
        (a, b): round(float(np.linalg.norm(lab(LOOKS[a].colour, eye) - lab(LOOKS[b].colour, eye))), 1)
        for a, b in itertools.combinations(LOOKS, 2)
    }
    assert {pair: apart for pair, apart in near.items() if apart < APART_LAB} == {}


def test_shapes_alone_tell_the_standings_apart() -> None:
    assert set(LOOKS) == set(Standing)
    assert len({look.symbol for look in LOOKS.values()}) == len(LOOKS)


def test_a_square_of_the_example_is_where_the_example_says() -> None:
    assert np.array_equal(layers.to_yx(square(10, 20))[0], [14, 4])
