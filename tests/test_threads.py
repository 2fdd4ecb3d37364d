"""Work in several threads: the same results, in the same order, with the same error."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sections import section, survey_of
from small_study import contents

import mvd.stains
import mvd.survey
from mvd import threads
from mvd.phantom import PhantomSpec
from mvd.study import run_study
from mvd.survey import Survey
from mvd.tissue import Detail, Island, map_tissue
from mvd.tissue.detail import fields as maps_of

SPEC = PhantomSpec(seed=43, width_um=400, height_um=300, vessel_density_per_mm2=150.0, bone_fraction=0.1)


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts back how many threads the tests may use."""
    monkeypatch.setattr(threads, "_allowed", 1)
    yield


pytestmark = pytest.mark.usefixtures("allowed")


def slower_first(number: int) -> int:
    time.sleep(0.02 if number == 0 else 0)
    return 10 * number


def failing_from(first: int, number: int) -> int:
    if number >= first:
        slower_first(number - first)
        raise ValueError(number)
    return number


@pytest.mark.parametrize("number", [1, 2, 4])
def test_results_are_in_the_order_of_the_items(number: int) -> None:
    threads.allow(number)
    assert threads.for_each(slower_first, range(9)) == [10 * n for n in range(9)]
    assert threads.for_each(slower_first, ()) == []
    assert threads.both(lambda: slower_first(0), lambda: "other") == (0, "other")


@pytest.mark.parametrize("number", [1, 4])
def test_the_first_error_is_raised(number: int) -> None:
    threads.allow(number)
    with pytest.raises(ValueError, match=r"^3$"):
        threads.for_each(partial(failing_from, 3), range(9))
    with pytest.raises(ValueError, match=r"^0$"):
        threads.both(lambda: failing_from(0, 0), lambda: failing_from(1, 1))
    with pytest.raises(ValueError, match=r"^1$"):
        threads.both(lambda: 0, lambda: failing_from(1, 1))


@pytest.mark.parametrize(("asked", "used"), [(0, 1), (1, 1), (3, 3), (1000, threads.MOST)])
def test_no_more_threads_than_allowed_work_at_once(asked: int, used: int) -> None:
    threads.allow(asked)
    at_work, most, lock = 0, 0, threading.Lock()

    def work(_: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.02)
        with lock:
            at_work -= 1

    threads.for_each(work, range(12))
    assert most == used


def values_of(survey: Survey) -> list[object]:
    parts = ("marrow", "bone", "fat", "fold", "out_of_focus", "soft")
    return [
        survey.stains, survey.levels, survey.warnings, survey.tissue.sharpness,
        *(getattr(survey.tissue, part).pixels.tobytes() for part in parts),
    ]  # fmt: skip


def test_a_survey_is_the_same_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mvd.survey, "_BLOCK_PX", 24)
    monkeypatch.setattr(mvd.stains, "_SAMPLE_BAND_PX", 2**14)
    details: list[Detail] = []

    def mapped(*given: object, tissue: object, islands: tuple[Island, ...]) -> object:
        details.append(*(replace(island.detail) for island in islands))  # its maps, which mapping lets go of
        return map_tissue(*given, tissue=tissue, islands=islands)  # type: ignore[arg-type]

    monkeypatch.setattr(mvd.survey, "map_tissue", mapped)
    found = []
    for number in (1, 4):
        threads.allow(number)
        found.append(values_of(survey_of(section(SPEC).image)))
    assert found[0] == found[1]
    one, other = details
    assert all(np.array_equal(getattr(one, field.name), getattr(other, field.name)) for field in maps_of(Detail))
    assert one.known.any()


def test_results_and_pictures_are_the_same_on_any_number_of_threads(measured_study: Path, tmp_path: Path) -> None:
    threads.allow(4)
    run_study(measured_study, out=tmp_path / "results")
    assert contents(tmp_path / "results") == contents(measured_study / "results")
