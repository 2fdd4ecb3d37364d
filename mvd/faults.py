"""What is wrong in a file that a user wrote, in plain sentences made from the declarations of its keys."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

_Schema = dict[str, Any]
_Place = tuple[int | str, ...]

_BOUNDS = {
    "exclusiveMinimum": "above",
    "minimum": "at least",
    "exclusiveMaximum": "below",
    "maximum": "at most",
}
_KINDS = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "array": "a list in [ ]",
    "object": "a section with keys of its own",
}
_LONGEST = 60


def faults(model: type[BaseModel], error: ValidationError) -> Iterator[str]:
    """Each fault as one sentence: which key, what stands there, what is expected."""
    root = model.model_json_schema()
    found = error.errors()
    places = [fault["loc"] for fault in found]
    for fault in found:
        place, kind = fault["loc"], fault["type"]
        if any(other[: len(place)] == place and len(other) > len(place) for other in places):
            continue  # said of a part of it already
        key = _key(place)
        if kind == "extra_forbidden":
            yield f"unknown key '{key}'{_nearest(root, place)}; mvd init writes a file with every key"
        elif kind == "missing":
            yield f"'{key}' is missing; expected {_expected(root, place)}"
        elif kind == "value_error":
            sentence = fault["msg"].removeprefix("Value error, ")
            yield f"'{key}': {sentence}" if key else sentence
        else:
            yield f"'{key}' is {_shown(fault['input'])}; expected {_expected(root, place)}"


def _key(place: _Place) -> str:
    """A key as it stands in the file; entries of a list are counted from 1."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f" entry {part + 1}"
        else:
            text += f"{'' if not text else ' ' if ' entry ' in text else '.'}{part}"
    return text


def _shown(value: object) -> str:
    if isinstance(value, str):
        shown = f"'{value}'"
    else:
        try:
            shown = json.dumps(value, ensure_ascii=False).replace("NaN", "nan").replace("Infinity", "inf")
        except TypeError:  # TOML has dates and times
            shown = str(value)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _declared(root: _Schema, place: _Place) -> _Schema:
    """The declaration of what stands at a place; empty where nothing is declared."""
    schema = root
    for part in place:
        schema = _resolved(root, schema)
        schema = schema.get("items", {}) if isinstance(part, int) else schema.get("properties", {}).get(part, {})
    return _resolved(root, schema)


def _resolved(root: _Schema, schema: _Schema) -> _Schema:
    reference = schema.get("$ref", "").rpartition("/")[2]
    resolved: _Schema = root["$defs"][reference] if reference else schema
    return resolved


def _expected(root: _Schema, place: _Place) -> str:
    schema = _declared(root, place)
    if "enum" in schema:
        *first, last = (f"'{choice}'" for choice in schema["enum"])
        return f"{', '.join(first)} or {last}"
    words = [_KINDS[schema["type"]]]
    words += [f"{word} {schema[bound]:g}" for bound, word in _BOUNDS.items() if bound in schema]
    if "maxLength" in schema:
        words.append(f"of {schema.get('minLength', 0)} to {schema['maxLength']} characters")
    if "pattern" in schema:
        words.append("of small letters, digits and _, that begins with a letter")
    if schema.get("minItems"):
        words.append("with at least one entry")
    if "maxItems" in schema:
        words.append(f"with at most {schema['maxItems']} entries")
    return " ".join(words[:2]) + "".join(f" and {word}" for word in words[2:])


def _nearest(root: _Schema, place: _Place) -> str:
    """A hint such as " (did you mean 'side_um'?)" for a key that does not exist."""
    known = _declared(root, place[:-1]).get("properties", {})
    near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
    return f" (did you mean '{near[0]}'?)" if near else ""
