"""Fields and involved area that an observer moves, on a small measured study."""

from itertools import combinations
from pathlib import Path

import pytest
from small_study import copy_of

from mvd.corrections import decide
from mvd.errors import FieldError, InvolvedAreaError, MvdError
from mvd.geometry import Rect
from mvd.moves import (
    SNAP_REACH_UM,
    Ground,
    changed_involved,
    evaluable_fraction,
    moved_field,
    replaced_field,
    snapped,
    survey_ground,
)
from mvd.review import OpenReview, open_review, reviewed_count, take
from mvd.study import read_study

SIDE_UM = 70.0


@pytest.fixture(scope="module")
def study(measured_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of(measured_study, tmp_path_factory.mktemp("moves"))


@pytest.fixture
def opened(study: Path, tmp_path: Path) -> OpenReview:
    review = open_review(study / "results", tmp_path / "reviews", specimen="p1_pre", observer="anna")
    return take(review, decide.begin())


@pytest.fixture(scope="module")
def ground(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    review = open_review(study / "results", tmp_path_factory.mktemp("ground"), specimen="p1_pre", observer="anna")
    return survey_ground(read_study(study).manifest.specimens[0], review, study=study)


def centre(rect: Rect) -> tuple[float, float]:
    return (rect.x0_um + rect.x1_um) / 2, (rect.y0_um + rect.y1_um) / 2


def free_place(opened: OpenReview) -> tuple[float, float]:
    """A place for field 1 beside all others."""
    others = [one.field.rect for name, one in opened.review.fields.items() if name != "1"]
    places = ((x, y) for x in range(40, 200, 10) for y in range(40, 200, 10))
    return next(
        (float(x), float(y))
        for x, y in places
        if all(other.intersection(Rect.square(x - 35, y - 35, SIDE_UM)) is None for other in others)
    )


def test_a_moved_field_has_its_size_and_finds_no_vessel_twice(ground: Ground, opened: OpenReview) -> None:
    place, before = free_place(opened), len(opened.review.objects)
    after = take(opened, moved_field(ground, opened, "1", place))
    rect = after.review.fields["1"].field.rect
    assert centre(rect) == pytest.approx(place, abs=0.001)
    assert rect.width_um == pytest.approx(SIDE_UM, abs=0.001)
    # All vessels of the section are known, for its hot spot was sought: none comes as a new one.
    assert len(after.review.objects) == before
    assert reviewed_count(after.review, opened.measured.protocol) is not None
    assert take(after, decide.undo(after.review)).review.fields == opened.review.fields


def test_a_field_is_not_put_where_it_cannot_be_counted(ground: Ground, opened: OpenReview) -> None:
    with pytest.raises(FieldError, match=r"only \d+ % of field 1 could be counted there, less than 75 %"):
        moved_field(ground, opened, "1", (0.0, 0.0))


def test_a_replaced_field_lies_beside_all_places_that_fields_have_had(ground: Ground, opened: OpenReview) -> None:
    after = take(opened, replaced_field(ground, opened, "2"))
    drawn = after.review.fields["2"].field.rect
    plan = opened.measured.protocol.fields
    had = [field.rect for field in opened.measured.machine.fields]
    covered = sum(common.area_mm2 for rect in had if (common := drawn.intersection(rect)))
    assert covered <= (1 - plan.min_evaluable_fraction) * drawn.area_mm2 * 1.1  # to the raster's pixel
    for one, other in combinations((field.rect for field in after.review.counted_fields), 2):
        common = one.intersection(other)
        assert common is None or min(common.width_um, common.height_um) < 0.01
    assert replaced_field(ground, opened, "2") == replaced_field(ground, opened, "2")


def test_another_involved_area_places_the_fields_in_it(ground: Ground, opened: OpenReview) -> None:
    area = (((((20.0, 20.0), (220.0, 20.0), (220.0, 130.0), (20.0, 130.0)),)),)
    after = take(opened, changed_involved(ground, opened, area))
    assert after.review.fields
    for one in after.review.fields.values():
        rect = one.field.rect
        assert evaluable_fraction(ground.evaluable(area), rect) >= 0.74
    outside = [one for one in after.review.objects.values() if one.vessel.y_um > 132]
    assert outside
    assert not any(one.vessel.accepted for one in outside)
    back = take(after, decide.undo(after.review))
    assert back.review.fields == opened.review.fields
    assert back.review.involved == opened.review.involved


def test_an_involved_area_without_room_for_a_field_is_refused(ground: Ground, opened: OpenReview) -> None:
    with pytest.raises(InvolvedAreaError, match="draw it larger"):
        changed_involved(ground, opened, (((((20.0, 20.0), (40.0, 20.0), (40.0, 40.0)),)),))


def test_a_slide_that_is_not_the_one_that_was_measured_is_refused(study: Path, opened: OpenReview) -> None:
    other = read_study(study).manifest.specimens[1]
    with pytest.raises(MvdError, match="is not the file that was measured"):
        survey_ground(other, opened, study=study)


def test_finding_tells_how_far_it_is_and_stops_when_that_raises(ground: Ground, opened: OpenReview) -> None:
    class StoppedError(Exception):
        pass

    def stop(_done: int, _of: int) -> None:
        raise StoppedError

    told: list[tuple[int, int]] = []
    moved_field(ground, opened, "1", free_place(opened), progress=lambda *part: told.append(part))
    assert told == [(1, 1)]
    with pytest.raises(StoppedError):
        moved_field(ground, opened, "1", free_place(opened), progress=stop)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((200.0 + SNAP_REACH_UM - 1, 103.0), (200.0, 100.0)),
        ((200.0 - SNAP_REACH_UM + 1, 97.0), (200.0, 100.0)),
        ((200.0 + SNAP_REACH_UM + 1, 100.0), (200.0 + SNAP_REACH_UM + 1, 100.0)),
        ((100.0, 195.0), (100.0, 200.0)),
        ((900.0, 900.0), (900.0, 900.0)),
    ],
    ids=["from the right", "from the left", "too far", "from below", "nothing near"],
)
def test_a_field_snaps_to_the_edges_of_one_that_it_comes_near_to(
    place: tuple[float, float], expected: tuple[float, float]
) -> None:
    assert snapped(place, 100.0, [Rect.square(50.0, 50.0, 100.0)]) == expected
