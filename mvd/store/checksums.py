"""Checksums of slides that were read once, so that an unbroken file of gigabytes is not read again only to be known.

A checksum holds as long as the file's size, its times of change and its inode are the same. The time of the inode's
change cannot be set back by a program; a copy that keeps dates is still another file.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from mvd.errors import StoreError
from mvd.store.atomic import write_whole

CHECKSUMS_FILE = ".checksums.jsonl"
"""A line for each slide: path, state, SHA-256. May be deleted at any time: the slides are then read once more."""

_SEVERAL_FILES = (".mrxs", ".vms", ".vmu", ".dcm", ".bif")
"""Endings of slides whose pixels lie in other files as well."""


@dataclass(frozen=True, slots=True)
class Known:
    """A slide's checksum and the state of the file that it is of."""

    fingerprint: str
    sha256: str

    @classmethod
    def of(cls, fingerprint: str | None, sha256: str | None) -> Known | None:
        return cls(fingerprint, sha256) if fingerprint and sha256 else None


def fingerprint(image: Path) -> str | None:
    """What changes when a file does; None for slides of several files, and where the system says nothing."""
    if image.suffix.lower() in _SEVERAL_FILES:
        return None
    try:
        told = image.stat()
    except OSError:
        return None
    return f"{told.st_size} {told.st_mtime_ns} {told.st_ctime_ns} {told.st_ino}"


class Checksums:
    """The checksums that the runs in one results folder learned; each is on the disk as soon as it is known."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / CHECKSUMS_FILE
        self._known: dict[str, Known] = {}
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):  # damaged, or cut short by a crash: as good as absent
                image, state, sha256 = json.loads(line)
                self._known[str(image)] = Known(str(state), str(sha256))
        self._is_long = len(lines) > 2 * len(self._known) + 100

    def of(self, image: Path) -> str | None:
        """The checksum of an image, None if it must be read to be known."""
        known = self._known.get(str(image.absolute()))
        return known.sha256 if known and known.fingerprint == fingerprint(image) else None

    def learn(self, image: Path, known: Known | None) -> None:
        """Remember what was read of an image. A disk that refuses costs only time later."""
        name = str(image.absolute())
        if known is None or self._known.get(name) == known:
            return
        self._known[name] = known
        with contextlib.suppress(OSError):
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                os.write(handle, _line(name, known).encode())
            finally:
                os.close(handle)

    def tidy(self) -> None:
        """Leave out what later lines replaced, if that is much."""
        if self._is_long:
            with contextlib.suppress(StoreError):
                write_whole(self._path, "".join(_line(*entry) for entry in sorted(self._known.items())).encode())


def _line(image: str, known: Known) -> str:
    return json.dumps([image, known.fingerprint, known.sha256]) + "\n"
