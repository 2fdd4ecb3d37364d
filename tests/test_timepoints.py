"""The order of timepoints that no protocol gives."""

import pytest

from mvd.errors import ManifestError
from mvd.timepoints import ordered


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["3mo", "pre", "6mo"], ["pre", "3mo", "6mo"]),
        (["12mo", "6mo", "baseline", "3mo"], ["baseline", "3mo", "6mo", "12mo"]),
        (["2 years", "6 months", "week 4", "Pre-treatment"], ["Pre-treatment", "week 4", "6 months", "2 years"]),
        (["12 Mon.", "vor", "6 Mon.", "3 Mon."], ["vor", "3 Mon.", "6 Mon.", "12 Mon."]),
        (["1 Jahr", "Tag 14", "3 Monate", "Vor Therapie"], ["Vor Therapie", "Tag 14", "3 Monate", "1 Jahr"]),
        (["1 yr", "wk. 4", "3-months", "BL"], ["BL", "wk. 4", "3-months", "1 yr"]),
        (["Jahre 2", "12 Wochen", "0 d"], ["0 d", "12 Wochen", "Jahre 2"]),
        (["d28", "d0", "d7"], ["d0", "d7", "d28"]),
        (["T2", "T0", "T10"], ["T0", "T2", "T10"]),
        (["12", "0", "3"], ["0", "3", "12"]),
        (["1,5y", "12mo", "0"], ["0", "12mo", "1,5y"]),
        (["post", "pre"], ["pre", "post"]),
        (["nach", "vor"], ["vor", "nach"]),
        (["2021-03-04", "diagnosis"], ["diagnosis", "2021-03-04"]),
        (["3mo", "3mo", "pre", "pre"], ["pre", "3mo"]),
        (["second"], ["second"]),
        ([], []),
    ],
)
def test_the_one_before_treatment_comes_first_and_times_follow(names: list[str], order: list[str]) -> None:
    assert ordered(names, where="t.csv") == tuple(order)


@pytest.mark.parametrize(
    "names",
    [
        ["second", "first"],
        ["3mo", "6mo"],
        ["post", "3mo", "pre"],
        ["pre", "post", "follow-up"],
        ["pre", "3mo", "6"],
        ["d0", "d-7"],
        ["d0", "day -7"],
        ["0", "-1"],
        ["pre", "week-4"],
        ["2021-03-01", "2020-02-01"],
        ["01.03.2020", "01.02.2020"],
        ["pre", "01.03.2020", "01.02.2021"],
        ["visit 1", "visit 2"],
        ["1", "2"],
    ],
)
def test_an_order_that_the_names_do_not_tell_is_not_guessed(names: list[str]) -> None:
    with pytest.raises(ManifestError) as refused:
        ordered(names, where="t.csv")
    shown = ", ".join(f"'{name}'" for name in names)
    assert str(refused.value) == (
        f"t.csv: the names of the timepoints ({shown}) do not tell their order; give --protocol with a study.toml "
        "(mvd init writes one) that has timepoints = [...], the one before treatment first"
    )


def test_of_very_many_timepoints_some_are_named() -> None:
    with pytest.raises(ManifestError, match=r"\('2001', .*, '2008' and 12 more\) do not tell"):
        ordered([f"{year}" for year in range(2001, 2021)], where="t.csv")


@pytest.mark.parametrize(
    ("names", "twice"),
    [
        (["pre", "3mo", "3 months"], "'3mo' and '3 months'"),
        (["pre", "baseline", "3mo"], "'pre' and 'baseline'"),
        (["pre", "3mo", "week 0"], "'pre' and 'week 0'"),
        (["vor", "Monat 3", "6 mo", "3 Mon."], "'Monat 3' and '3 Mon.'"),
        (["pre", "1y", "12mo"], "'1y' and '12mo'"),
        (["0", "1", "T1"], "'1' and 'T1'"),
        (["0", "t0"], "'0' and 't0'"),
    ],
)
def test_one_timepoint_in_two_spellings_is_refused(names: list[str], twice: str) -> None:
    with pytest.raises(ManifestError, match=f"t.csv: timepoints {twice} look like one timepoint in two spellings"):
        ordered(names, where="t.csv")
