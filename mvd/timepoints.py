"""The order of timepoints that no protocol gives: told from their names, or not at all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import pairwise

from mvd.errors import ManifestError

_BEFORE = frozenset(
    (
        *("pre", "pretreatment", "pretherapy", "pretransplant", "before", "beforetreatment", "beforetherapy"),
        *("baseline", "bl", "screening", "diagnosis", "erstdiagnose", "0", "t0"),
        *("vor", "vorher", "vortherapie", "vorbehandlung"),
    )
)
"""Names of the timepoint before treatment, without spaces and signs; so is a time of zero in any unit."""

_DAYS = {"d": 1.0, "t": 1.0, "w": 7.0, "m": 30.4375, "y": 365.25, "j": 365.25}
"""By the first letter of the unit, in English or German; m is a month, for minutes are no timepoint of a biopsy."""

_UNIT = (
    r"(d|days?|tag|tagen?|w|wks?|weeks?|wochen?|m|mos?|mons?|mths?|months?|monat|monaten?|y|yrs?|years?|jahr|jahren?)"
)
_NUMBER = r"\d+(?:[.,]\d+)?"
_TIME = re.compile(rf"(?:(?P<number>{_NUMBER}){_UNIT}|{_UNIT}(?P<after>{_NUMBER}))")
_VISIT = re.compile(rf"t?(?P<number>{_NUMBER})")
"""A number without a unit (`3`, `T1`), which orders such names among themselves."""

_MINUS = re.compile(rf"(?:{_UNIT}|t)?[-‐‑–−]{_NUMBER}{_UNIT}?")
"""A time that may lie before zero (`day -7`), or that a hyphen divides (`week-4`): nobody but the lab can tell."""

_MOST_NAMED = 8


def ordered(names: Iterable[str], *, where: str) -> tuple[str, ...]:
    """First the one before treatment (`pre`, `baseline`, `vor`, …), then by time (`3mo`, `6 Mon.`, `week 52`).

    The direction of every change hangs on the order, so that nothing is guessed: exactly one name must be known as the
    one before treatment, and the others be times, or numbers without units; a single other may have any name (`post`).

    Parameters
    ----------
    where
        Name of the table, for what is said of it.

    Raises
    ------
    ManifestError
        The names do not tell the order, or two of them are the same timepoint.
    """
    distinct = tuple(dict.fromkeys(names))
    if len(distinct) < 2:
        return distinct
    before = [name for name in distinct if _is_before(name)]
    if len(before) > 1:
        raise ManifestError(f"{where}: timepoints {_twice(before[0], before[1])}")
    others = [name for name in distinct if name not in before]
    times = _times(others)
    if not before or any(_MINUS.fullmatch(_joined(name)) for name in others) or (times is None and len(others) > 1):
        shown = ", ".join(f"'{name}'" for name in distinct[:_MOST_NAMED])
        more = f" and {len(distinct) - _MOST_NAMED} more" if len(distinct) > _MOST_NAMED else ""
        raise ManifestError(
            f"{where}: the names of the timepoints ({shown}{more}) do not tell their order; give --protocol with a "
            "study.toml (mvd init writes one) that has timepoints = [...], the one before treatment first"
        )
    if times is None:
        return (*before, *others)
    others.sort(key=lambda name: times[name])
    for one, other in pairwise(others):
        if math.isclose(times[one], times[other]):
            raise ManifestError(f"{where}: timepoints {_twice(one, other)}")
    return (*before, *others)


def _twice(one: str, other: str) -> str:
    return (
        f"'{one}' and '{other}' look like one timepoint in two spellings; use one of them everywhere, or give "
        "--protocol with a study.toml that lists both"
    )


def _is_before(name: str) -> bool:
    return re.sub(r"[\s_.+-]", "", name.casefold()) in _BEFORE or _days(name) == 0


def _times(names: Iterable[str]) -> dict[str, float] | None:
    """What orders the names: days, or numbers without a unit; None where some are neither, or of both kinds."""
    days = {name: _days(name) for name in names}
    visits = {name: _visit(name) for name in days}
    for found in (days, visits):
        known = {name: value for name, value in found.items() if value is not None}
        if len(known) == len(days):
            return known
    return None


def _joined(name: str) -> str:
    """Without spaces, plus signs and the dots of abbreviations."""
    return re.sub(r"[\s_+]|(?<!\d)\.|\.(?!\d)", "", name.casefold())


def _days(name: str) -> float | None:
    found = _TIME.fullmatch(re.sub(r"(?<=\d)-(?=[^\W\d_])", "", _joined(name)))  # 3-months
    if found is None:
        return None
    unit = next(group for group in (found[2], found[3]) if group)
    return _value(found["number"] or found["after"]) * _DAYS[unit[0]]


def _visit(name: str) -> float | None:
    found = _VISIT.fullmatch(_joined(name))
    return _value(found["number"]) if found else None


def _value(number: str) -> float:
    return float(number.replace(",", "."))
