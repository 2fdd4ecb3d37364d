"""How far a run is: what is told of speed and time left."""

import pytest

from mvd.cli.tally import Tally, duration


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begun(clock: Clock, *names: str, total: int = 4) -> Tally:
    tally = Tally(clock)
    for number, name in enumerate(names, start=1):
        tally.begins(name, number, total)
    return tally


def test_nothing_is_said_before_anything_is_known(clock: Clock) -> None:
    assert Tally(clock).words() == ""
    tally = begun(clock, "a")
    clock.now += 5
    assert (tally.words(), tally.mpix_per_s, tally.seconds_left) == ("", None, None)


def test_speed_counts_the_part_of_an_image_that_is_searched(clock: Clock) -> None:
    tally = begun(clock, "a", "b")
    tally.opened("a", 400.0)
    tally.opened("b", 100.0)
    tally.ends("b", fresh=True)
    tally.blocks("a", 5, 10)
    clock.now += 10
    assert tally.mpix_per_s == pytest.approx(30.0)  # 100 and half of 400 in 10 s
    assert tally.seconds_left == pytest.approx(10 * 2.5 / 1.5)  # 1.5 of 4 specimens
    assert tally.words() == "30 MPix/s, 17 s left"


def test_results_that_stand_say_nothing_of_the_speed(clock: Clock) -> None:
    tally = begun(clock, "a", "b", "c")
    tally.ends("a", fresh=False)
    tally.ends("b", fresh=False)
    clock.now += 60
    assert tally.seconds_left is None
    tally.ends("c", fresh=True)
    assert (tally.ended, tally.seconds_left) == (3, pytest.approx(60.0))


def test_at_the_end_nothing_is_left(clock: Clock) -> None:
    tally = begun(clock, "a", total=1)
    tally.opened("a", 5.0)
    clock.now += 2
    tally.ends("a", fresh=True)
    assert tally.words() == "2.5 MPix/s"


def test_an_image_without_blocks_is_searched_at_once(clock: Clock) -> None:
    tally = begun(clock, "a", total=1)
    tally.blocks("a", 0, 0)
    assert tally.under_way["a"].part == 1.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "1 s"), (59.4, "59 s"), (59.6, "1 min"), (90.0, "2 min"), (5399.0, "90 min"), (12600.0, "3.5 h")],
)
def test_time_left_is_told_no_finer_than_it_is_known(seconds: float, words: str) -> None:
    assert duration(seconds) == words
