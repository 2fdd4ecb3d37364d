"""What a blinded observer may read: codes, and nothing that tells specimen, patient, timepoint or file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mvd.manifest import Manifest
from mvd.reading import Reading

UNNAMED = "…"
"""Stands for a name that has no code."""


@dataclass(frozen=True, slots=True)
class Blinds:
    """Every name that may not be shown, with what is shown instead. Empty where nothing is hidden."""

    instead: Mapping[str, str]

    @classmethod
    def of(cls, manifest: Manifest, readings: Iterable[Reading], *, blinded: bool) -> Blinds:
        if not blinded:
            return cls({})
        codes = {reading.specimen: reading.code for reading in readings if not reading.repeat}
        instead: dict[str, str] = {}
        for one in manifest.specimens:
            code = codes.get(one.specimen, UNNAMED)
            files = [path for path in (one.image, one.involved, one.fields) if path is not None]
            names = [
                *(str(path) for path in files),
                *(path.name for path in files),
                *(_stem(path.name) for path in files),
            ]
            for name in (*names, one.specimen, one.patient, one.timepoint, *([one.response] if one.response else [])):
                instead.setdefault(name, UNNAMED if name in (one.patient, one.timepoint, one.response) else code)
        for problem in manifest.problems:
            instead.update({name: UNNAMED for name in (problem.specimen, problem.patient, problem.timepoint) if name})
        return cls(instead)

    def __bool__(self) -> bool:
        return bool(self.instead)

    def over(self, text: str) -> str:
        """A text as it may be shown. Names are words of their own: "pre" is hidden, "previous" is not."""
        for name in sorted(self.instead, key=len, reverse=True):  # a specimen's name holds its patient's
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", self.instead[name], text)
        return text


def _stem(name: str) -> str:
    """A file's name without its endings."""
    return name.partition(".")[0]
