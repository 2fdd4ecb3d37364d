"""The order of timepoints that no protocol gives."""

import pytest

from mvd.timepoints import ordered


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["3mo", "pre", "6mo"], ["pre", "3mo", "6mo"]),
        (["12mo", "6mo", "baseline", "3mo"], ["baseline", "3mo", "6mo", "12mo"]),
        (["2 years", "6 months", "week 4", "Pre-treatment"], ["Pre-treatment", "week 4", "6 months", "2 years"]),
        (["d28", "d0", "d7"], ["d0", "d7", "d28"]),
        (["post", "pre"], ["pre", "post"]),
        (["post", "3mo", "pre"], ["pre", "post", "3mo"]),
        (["1,5y", "12mo", "0"], ["0", "12mo", "1,5y"]),
        (["second", "first"], ["second", "first"]),
        (["3mo", "3mo", "pre", "pre"], ["pre", "3mo"]),
        ([], []),
    ],
)
def test_the_one_before_treatment_comes_first_and_times_follow(names: list[str], order: list[str]) -> None:
    assert ordered(names) == tuple(order)
