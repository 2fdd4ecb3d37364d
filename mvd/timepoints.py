"""The order of timepoints that no protocol gives."""

from __future__ import annotations

import re
from collections.abc import Iterable

_BEFORE = {"pre", "pretreatment", "pretherapy", "before", "baseline", "bl", "screening", "diagnosis", "0", "t0"}
"""Names of the timepoint before treatment, without spaces and signs; so is a time of zero in any unit."""

_DAYS = {"d": 1.0, "w": 7.0, "m": 30.4375, "y": 365.25}
"""By the first letter of the unit; m is a month, for minutes are no timepoint of a biopsy."""

_UNIT = r"(d|days?|w|wks?|weeks?|m|mo|mos|mths?|months?|y|yrs?|years?)"
_TIME = re.compile(rf"(?:(?P<number>\d+(?:[.,]\d+)?){_UNIT}|{_UNIT}(?P<after>\d+(?:[.,]\d+)?))")


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """First the one before treatment (`pre`, `baseline`, …), then by time (`3mo`, `6 months`, `week 52`).

    Where one name after treatment is no time (`post`), all of these stay in the order in which they come.
    """
    distinct = tuple(dict.fromkeys(names))
    before = [name for name in distinct if _plain(name) in _BEFORE or _days(name) == 0]
    others = [name for name in distinct if name not in before]
    times = {name: days for name in others if (days := _days(name)) is not None}
    if len(times) == len(others):
        others.sort(key=lambda name: times[name])
    return (*before, *others)


def _plain(name: str) -> str:
    return re.sub(r"[\s_.+-]", "", name.casefold())


def _days(name: str) -> float | None:
    found = _TIME.fullmatch(re.sub(r"[\s_+-]", "", name.casefold()))
    if found is None:
        return None
    number = (found["number"] or found["after"]).replace(",", ".")
    unit = next(group for group in (found[2], found[3]) if group)
    return float(number) * _DAYS[unit[0]]
