"""One field as it would be counted at another sensitivity, and that sensitivity kept in study.toml with a reason."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mvd.corrections import Polygon
from mvd.counting import assign
from mvd.errors import ProtocolError
from mvd.fields import CountField
from mvd.manifest import Specimen
from mvd.moves import Ground, survey_ground, vessels_at
from mvd.protocol import Protocol
from mvd.review import OpenReview
from mvd.steering.trial import with_sensitivity
from mvd.store import write_whole
from mvd.vessels import Vessel

_MOST_WHY = 200
"""Letters of a reason: it stands in one line of study.toml."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a field would count."""

    steps: int
    counted: tuple[Vessel, ...]


def ground_as_measured(specimen: Specimen, opened: OpenReview, *, study: Path) -> Ground:
    """A slide as it is at sensitivity 0, whatever it was measured by.

    Raises
    ------
    MvdError
        The slide or the learned score cannot be read, or the slide is not the one that was measured.
    """
    protocol = opened.measured.protocol
    plain = protocol.model_copy(update={"stain": protocol.stain.model_copy(update={"sensitivity": 0})})
    return survey_ground(specimen, opened, study=study, protocol=plain)


def preview(
    ground: Ground, field: CountField, involved: Sequence[Polygon], *, protocol: Protocol, steps: int
) -> Preview:
    """What the program alone would count in a field at a sensitivity; nothing is changed.

    Parameters
    ----------
    ground
        Of `ground_as_measured`.
    protocol
        By which the specimen was measured, but for its sensitivity.

    Raises
    ------
    MvdError
        The slide cannot be read.
    """
    evaluable = ground.evaluable(involved)
    found = vessels_at(with_sensitivity(ground, steps), [field.rect], evaluable=evaluable, rule=protocol.rule)
    accepted = [vessel for vessel in found if vessel.accepted]
    places = assign(accepted, [field], protocol.fields.border)
    return Preview(steps, tuple(vessel for vessel in accepted if places[vessel.name].fields))


def keep_sensitivity(file: Path, steps: int, why: str) -> None:
    """Write a sensitivity into study.toml, with the reason beside it; every other line stays as it is.

    Raises
    ------
    ProtocolError
        There is no reason, or the file cannot be changed so that nothing else in it changes.
    StoreError
        It cannot be written.
    """
    why = " ".join(why.split())
    if not why or len(why) > _MOST_WHY or not why.isprintable():
        raise ProtocolError(f"the reason has to be 1 to {_MOST_WHY} letters in one line")
    try:
        written = file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{file} cannot be read ({error}); set the sensitivity by hand") from error
    text = written.replace("\r\n", "\n")
    changed = _changed(text, f"sensitivity = {steps} # {why}")
    Protocol.from_toml(changed, where=str(file))
    wanted = tomllib.loads(text)
    wanted.setdefault("stain", {})["sensitivity"] = steps
    if tomllib.loads(changed) != wanted:
        raise ProtocolError(f"{file} is written in a way that is not understood here; set [stain] sensitivity by hand")
    write_whole(file, (changed if text == written else changed.replace("\n", "\r\n")).encode())


def _changed(text: str, line: str) -> str:
    """With a line in [stain], in place of the one that was there."""
    head = re.search(r"^\s*\[\s*stain\s*\][^\n]*\n?", text, re.MULTILINE)
    if head is None:
        return f"{text.rstrip()}\n\n[stain]\n{line}\n".lstrip()
    beyond = re.search(r"^\s*\[", text[head.end() :], re.MULTILINE)
    end = head.end() + beyond.start() if beyond else len(text)
    section = text[head.end() : end]
    own = re.compile(r"^[ \t]*sensitivity[ \t]*=[^\n]*$", re.MULTILINE)
    # Not as a pattern: a reason may hold backslashes.
    section = own.sub(lambda _: line, section, count=1) if own.search(section) else f"{line}\n{section}"
    before = text[: head.end()]
    return f"{before}{'' if before.endswith(chr(10)) else chr(10)}{section}{text[end:]}"
