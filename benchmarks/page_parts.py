"""A page of docs/ that several benchmarks write, each its own part of it.

A part stands between two comments, which no reader of the page sees.
"""

from __future__ import annotations

from pathlib import Path

ACCURACY = "# Accuracy"
REAL_PIXELS, SIMULATED = "real pixels", "simulated sections"
ORDER = (REAL_PIXELS, SIMULATED)
"""Of the parts on the page: what is real comes first."""


def write_part(page: Path, part: str, text: str) -> None:
    """Write one part of the page of accuracy; the others stay as they are. A page that is not there is begun."""
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    if old and not any(_begin(name) in old for name in ORDER):
        raise ValueError(
            f"{page} holds neither the part '{REAL_PIXELS}' nor '{SIMULATED}', and would be lost; name another file"
        )
    parts = {name: text if name == part else part_of(old, name) for name in ORDER}
    blocks = [f"{_begin(name)}\n{body.strip()}\n{_end(name)}" for name, body in parts.items() if body]
    page.write_text("\n\n".join([ACCURACY, *blocks]) + "\n", encoding="utf-8")


def part_of(page: str, part: str) -> str:
    """The text of a part; empty where the page has none."""
    _, found, rest = page.partition(_begin(part))
    body, ended, _ = rest.partition(_end(part))
    if found and not ended:
        raise ValueError(f"the part '{part}' of the page has no end: put the line {_end(part)} back")
    return body.strip()


def _begin(part: str) -> str:
    return f"<!-- begin: {part} -->"


def _end(part: str) -> str:
    return f"<!-- end: {part} -->"
