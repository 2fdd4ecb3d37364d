"""One decision of an observer as a value: what was decided, what things were before, and what they became.

A correction is never changed. What it did is written in it whole, outlines and measures included, so that replaying it
needs no geometry: the same log gives the same review on every machine and in every version.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, GetCoreSchemaHandler, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import CoreSchema, core_schema

from mvd.corrections.forms import What, fits
from mvd.corrections.model import CHECKED, Snapshot

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 in hexadecimal digits."""


class _IsUtc:
    """Checked by pydantic's core, which is quick."""

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.datetime_schema(tz_constraint=0)


Utc = Annotated[datetime, _IsUtc()]
"""A time that is given in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class Decision:
    """What is decided and what it does; who and when make it a `Correction`."""

    what: What
    of: str | None = None
    """Identifier of the correction that is undone or done again."""
    before: Snapshot = Snapshot()
    after: Snapshot = Snapshot()
    why: str = ""

    @model_validator(mode="after")
    def _is_what_it_says(self) -> Self:
        if (self.of is not None) != (self.what in (What.UNDO, What.REDO)):
            raise ValueError(f"'{self.what}' {'names another correction' if self.of else 'must name a correction'}")
        if not fits(self.what, self.before, self.after):
            raise ValueError(f"before and after are not those of '{self.what}'")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, config=CHECKED)
class Correction(Decision):
    """One line of an observer's log."""

    number: Annotated[int, Field(ge=1)]
    """1, 2, … within the log."""
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    made_at: Utc
    observer: Annotated[str, Field(min_length=1)]
    specimen: Annotated[str, Field(min_length=1)]
    version: str
    """Of the program with which the observer decided."""
    result_sha256: Digest
    """Of the machine's result that it applies to."""

    @property
    def line(self) -> int:
        """Where it stands in the log, whose first line is the header."""
        return self.number + 1


def new_name(number: int, index: int, of: int) -> str:
    """The name of an object that a correction makes, the `index`-th of so many: c00012, or c00012-1, c00012-2, …"""
    return f"c{number:05d}" if of == 1 else f"c{number:05d}-{index + 1}"
