"""A comparison as plain lists and texts, for paired.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mvd.compare.model import Comparison, Comparisons

UNITS = "densities, differences, estimates and their intervals in vessels/mm²; areas in mm²"


def as_plain(found: Comparisons, *, version: str) -> dict[str, Any]:
    """Everything that was computed; what could not be is None (null), with the reason beside it.

    Parameters
    ----------
    version
        Of the program.
    """
    return {
        "title": found.title,
        "counts": found.source,
        "units": UNITS,
        "mvd_version": version,
        "plan": found.plan.model_dump(mode="json"),
        "timepoints": [asdict(one) for one in found.summaries],
        "comparisons": [_comparison(one) for one in found.comparisons],
        "model": asdict(found.model),
        "power": [asdict(one) for one in found.power],
        "pairs": [asdict(one) for one in found.pairs],
        "post_values": [asdict(one) for one in found.post_values],
        "specimens": [asdict(one) for one in found.rows],
        "unreviewed": list(found.unreviewed),
        "left_out": [{"name": name, "reason": reason} for name, reason in found.left_out],
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    return {**asdict(one), "groups": [{"group": group, "n": n} for group, n in one.groups]}
