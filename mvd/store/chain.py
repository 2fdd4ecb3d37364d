"""Lines that are chained by their SHA-256: which of them is not as it was written.

Line 1 is the header; line n + 1 holds item n and the SHA-256 of line n. The head, kept elsewhere, is the number and
the SHA-256 of the last item: without it, a chain cannot tell that lines are missing at its end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """The last line that was written, as it is noted beside the log."""

    number: int
    """Of its item; 0 for the header."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Link:
    """What of a line makes the chain."""

    sha256: str
    previous: str | None
    """None where the line is no item at all; the same of `number`."""
    number: int | None


def sha256(line: bytes) -> str:
    """Of a line without its end."""
    return hashlib.sha256(line).hexdigest()


def link(line: bytes) -> Link:
    """The link that a line is, whatever else it holds."""
    try:
        record = json.loads(line)
        previous, number = record["previous"], record["correction"]["number"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Link(sha256(line), None, None)
    whole = isinstance(previous, str) and type(number) is int
    return Link(sha256(line), previous, number) if whole else Link(sha256(line), None, None)


def first_fault(lines: Sequence[bytes], head: Head | None) -> str | None:
    """The first line that was changed, removed, put in or moved, as a sentence; None for a whole chain.

    A chain can be forged by one who computes it anew, and the head with it. This finds slips, not forgers.
    """
    if lines and all(line.endswith(b"\r") for line in lines):
        return "every line end was changed (CR LF, as some editors and git on Windows write)"
    links = [link(line) for line in lines]
    for i in range(1, len(links)):
        if links[i].number != i or links[i].previous != links[i - 1].sha256:
            return _fault_at(links, i, head)
    return _fault_at_end(links, head) if head else None


def _fault_at(links: Sequence[Link], i: int, head: Head | None) -> str:
    """What is wrong where line i + 1 does not follow line i; the lines before fit together."""
    own, before = links[i], links[i - 1].sha256
    follows = own.previous == before
    if own.number is not None and own.number > i and not follows:
        places = [k + 1 for k in range(i + 1, len(links)) if links[k].number == i]
        if places:
            held = f"it holds correction {own.number}, and correction {i} is in line {places[0]}"
            return f"line {i + 1} is in the wrong place: {held}"
        return f"{_corrections(i, own.number - 1)} missing after line {i}: removed"
    if i + 1 < len(links) and links[i + 1].previous == before:
        return f"line {i + 1} was put in: line {i + 2} follows line {i}"
    vouched = links[i + 1].previous if i + 1 < len(links) else head.sha256 if head else None
    fits = [j for j in range(i - 1) if links[j].sha256 == own.previous and own.number == j + 1]
    if fits and vouched == own.sha256:
        return f"{_lines(fits[0] + 2, i)} put in: line {i + 1} follows line {fits[0] + 1}"
    if own.number is not None and own.number < i and not follows:
        return f"line {i + 1} was put in"
    changed = i if own.number == i and vouched == own.sha256 else i + 1
    return f"line {changed}{' (the header)' if changed == 1 else ''} was changed"


def _fault_at_end(links: Sequence[Link], head: Head) -> str | None:
    """What the head tells of a chain that is whole in itself."""
    last = len(links) - 1
    if head.number > last:
        return f"{_corrections(last + 1, head.number)} missing after line {last + 1}: removed from the end"
    if links[head.number].sha256 != head.sha256:
        return f"line {head.number + 1}{' (the header)' if not head.number else ''} was changed"
    return None


def _corrections(first: int, last: int) -> str:
    return f"correction {first} is" if first == last else f"corrections {first} to {last} are"


def _lines(first: int, last: int) -> str:
    return f"line {first} was" if first == last else f"lines {first} to {last} were"
