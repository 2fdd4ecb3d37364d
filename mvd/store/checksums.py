"""Checksums of slides that were read once, so that an unbroken file of gigabytes is not read again only to be known.

A checksum holds as long as the file's size, its times of change and its inode are the same. The time of the inode's
change cannot be set back by a program; a copy that keeps dates is still another file.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path

from mvd.errors import StoreError
from mvd.store.atomic import read_whole, write_whole

CHECKSUMS_FILE = ".checksums.json"
"""May be deleted at any time: the slides are then read once more."""

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
    """The checksums that the runs in one results folder learned."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / CHECKSUMS_FILE
        self._known: dict[str, Known] = {}
        self._saved = True
        # Damaged or unreadable is as good as absent.
        with contextlib.suppress(StoreError, ValueError, TypeError, AttributeError):
            entries = json.loads(read_whole(self._path) or "{}").items()
            self._known = {name: Known(str(state), str(sha256)) for name, (state, sha256) in entries}

    def of(self, image: Path) -> str | None:
        """The checksum of an image, None if it must be read to be known."""
        known = self._known.get(str(image.absolute()))
        return known.sha256 if known and known.fingerprint == fingerprint(image) else None

    def learn(self, image: Path, known: Known | None) -> None:
        """Remember what was read of an image."""
        if known is not None and self._known.get(str(image.absolute())) != known:
            self._known[str(image.absolute())] = known
            self._saved = False

    def save(self) -> None:
        """Write what was learned; a disk that refuses costs only time later."""
        if not self._saved:
            entries = {name: [one.fingerprint, one.sha256] for name, one in sorted(self._known.items())}
            with contextlib.suppress(StoreError):
                write_whole(self._path, (json.dumps(entries, ensure_ascii=False, indent=0) + "\n").encode())
                self._saved = True
