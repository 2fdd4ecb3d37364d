"""What the desk says of objects, fields and counts: short, in the words of the counting rule."""

from __future__ import annotations

import math

from mvd.corrections import ReviewedObject, Status
from mvd_napari.layers import Standing, standing
from mvd_napari.sight import FieldTally, Tally

STATUS_SIGNS: dict[Status | None, str] = {"not begun": "○", "begun": "◐", "finished": "●", None: "!"}
"""Shapes that are told apart without colour."""

STATUS_WORDS: dict[Status | None, str] = {
    "not begun": "not begun",
    "begun": "begun",
    "finished": "finished",
    None: "cannot be read",
}


def object_words(reviewed: ReviewedObject, tally: Tally) -> tuple[str, str]:
    """An object in two lines: how it stands and why, and its measures; a click has none."""
    vessel = reviewed.vessel
    stands = {
        Standing.COUNTED: "counted",
        Standing.NEAR_COUNTED: "counted, near a limit",
        Standing.ADDED: "counted, added by you",
        Standing.LEFT_OUT: "a vessel, but outside the count",
        Standing.REJECTED: f"not counted: {vessel.reason}",
        Standing.NEAR_REJECTED: f"not counted, near a limit: {vessel.reason}",
    }[standing(reviewed, tally.counted)]
    first = f"{stands}; “{reviewed.comment}”" if reviewed.comment else stands
    return first, "" if reviewed.source == "point" else _measures(reviewed)


def _measures(reviewed: ReviewedObject) -> str:
    vessel = reviewed.vessel
    parts = [f"{vessel.length_um:.0f} × {vessel.width_um:.0f} µm", f"stained {vessel.area_um2:.0f} µm²"]
    parts.append(f"lumen {vessel.lumen_width_um:.0f} µm wide" if vessel.lumen_width_um else "no lumen")
    if not math.isnan(vessel.mean_dab_od):
        parts.append(f"brown {vessel.mean_dab_od:.2f} OD")
    if vessel.score is not None:
        parts.append(f"looks like a vessel: {100 * vessel.score:.0f} %")
    return ", ".join(parts)


def mvd_words(tally: Tally) -> tuple[str, str]:
    """The specimen's number, and how sure it is."""
    if tally.mvd_per_mm2 is None or tally.ci_per_mm2 is None:
        return "–", "no field is left to count in"
    low, high = tally.ci_per_mm2
    counted = sum(field.count is not None for field in tally.fields)
    vessels, fields = _plural(tally.count, "vessel"), _plural(counted, "field")
    return f"{tally.mvd_per_mm2:.1f}", f"{vessels} in {fields} ({100 * tally.confidence:g} %: {low:.0f} to {high:.0f})"


def field_words(field: FieldTally) -> str:
    """A field in a sentence, for its tooltip."""
    if field.unevaluable is not None:
        said = f"field {field.name} is left out: {field.unevaluable}"
    else:
        said = f"field {field.name}: {_plural(field.count or 0, 'vessel')}"
        said += f", {_plural(field.doubtful, 'doubtful object')}" if field.doubtful else ""
    return f"{said}; “{field.comment}”" if field.comment else said


def _plural(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
