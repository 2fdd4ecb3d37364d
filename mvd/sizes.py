"""Size classes: which vessels are counted apart, as the rule's limits say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mvd.protocol import CountingRule, SizeClass
from mvd.vessels.model import Vessel


def size_class(vessel: Vessel, classes: Sequence[SizeClass]) -> str:
    """Name of the first class whose limits a vessel reaches; empty where there are no classes."""
    for one in classes:
        if (
            vessel.lumen_width_um >= one.min_lumen_width_um
            and vessel.width_um >= one.min_width_um
            and vessel.wall_um >= one.min_wall_um
        ):
            return one.name
    return ""


def with_size_classes(vessels: Iterable[Vessel], rule: CountingRule) -> tuple[Vessel, ...]:
    """The vessels, each that counts with its class."""
    return tuple(
        replace(vessel, size_class=size_class(vessel, rule.size_classes)) if vessel.accepted else vessel
        for vessel in vessels
    )


def count_by_size(vessels: Iterable[Vessel], rule: CountingRule) -> dict[str, int]:
    """How many vessels each class of the rule has, in its order, also where there are none."""
    counts = Counter(vessel.size_class for vessel in vessels)
    return {one.name: counts[one.name] for one in rule.size_classes}
