"""The counting rules shipped with the package, one TOML file each.

A file begins with a comment: what the rule is, and where it comes from. It states every choice of `[rule]` and, of the
other sections, only the choices that belong to the rule; whatever it does not state is the study's own.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from mvd.errors import ProtocolError

_ENDING = ".toml"


@cache
def rule_names() -> tuple[str, ...]:
    """Names of the shipped rules, in the order of the alphabet."""
    names = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING)))


def rule_text(name: str) -> str:
    """The file of one rule.

    Raises
    ------
    ProtocolError
        There is no such rule.
    """
    if name not in rule_names():
        near = difflib.get_close_matches(name.casefold(), rule_names(), n=1, cutoff=0.5)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise ProtocolError(f"there is no rule '{name}'{hint}; the rules are {', '.join(rule_names())}")
    return files(__name__).joinpath(name + _ENDING).read_text(encoding="utf-8")


@cache
def rule_choices(name: str) -> Mapping[str, Mapping[str, Any]]:
    """What a rule states: section -> key -> value, as TOML has them."""
    return tomllib.loads(rule_text(name))


def rule_comment(name: str) -> str:
    """The comment at the head of a rule's file, with its `#`."""
    lines = rule_text(name).splitlines(keepends=True)
    head = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return "".join(lines[:head])
