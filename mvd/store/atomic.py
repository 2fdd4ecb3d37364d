"""Files written whole or not at all: a reader finds the old content or the new, never a part."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from mvd.errors import StoreError

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and run again",
    errno.EDQUOT: "the disk quota is used up; free some space and run again",
    errno.EROFS: "the disk is read-only; choose a folder that can be written to",
    errno.EACCES: "writing there is not permitted; change the folder's permissions or choose another",
    errno.EPERM: "writing there is not permitted; change the folder's permissions or choose another",
    errno.EISDIR: "a folder has that name; rename it",
    errno.ENOTDIR: "a file stands where a folder is needed; rename it",
    errno.EEXIST: "a file stands where a folder is needed; rename it",
    errno.ENAMETOOLONG: "the name is too long; shorten it",
}

TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")
"""Names of the files below until they take their place."""


def write_whole(path: Path, data: bytes) -> None:
    """Write one file, with the folders that lead to it. The old content stays until the new is safely on the disk.

    Raises
    ------
    StoreError
        Nothing was changed, and no temporary file is left.
    """
    write_together({path: data})


def write_private(path: Path, data: bytes) -> None:
    """Write one file as `write_whole` does, which from its first byte on nobody but its owner may read or write."""
    write_together({path: data}, mode=0o600)


def write_together(contents: Mapping[Path, bytes | Iterable[bytes]], *, mode: int = 0o666) -> None:
    """Write files that belong together: all are on the disk under temporary names before the first takes its place.

    Parameters
    ----------
    contents
        A file too large for memory comes in pieces.
    mode
        Permissions of new files, less what the user's umask takes away.
    """
    staged: dict[Path, Path] = {}
    target = Path()
    try:
        for target, data in contents.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            staged[target] = target.parent / f".{secrets.token_hex(8)}.tmp"
            _write(staged[target], [data] if isinstance(data, bytes) else data, mode)
        for target, temporary in staged.items():
            os.replace(temporary, target)  # noqa: PTH105  (named as what it is: the atomic step)
        for folder in {target.parent for target in staged}:
            sync_folder(folder)
    except OSError as error:
        raise refused(target, error) from error
    finally:
        for temporary in staged.values():
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def refused(path: Path, error: OSError) -> StoreError:
    """The system's refusal to write, as a sentence that says what to do."""
    remedy = _REMEDIES.get(error.errno or 0, f"{error.strerror or error}; check the disk and run again")
    return StoreError(f"{path} cannot be written: {remedy}")


def refuse_early(folder: Path) -> None:
    """StoreError now, not after an hour's work, if a folder plainly cannot be written; makes nothing."""
    there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
    if not there.is_dir():
        raise refused(folder, NotADirectoryError(errno.ENOTDIR, ""))
    if not os.access(there, os.W_OK | os.X_OK):
        raise refused(folder, PermissionError(errno.EACCES, ""))


def read_whole(path: Path) -> str | None:
    """The text of a file, None if there is no such file.

    Raises
    ------
    StoreError
        It cannot be read or is not UTF-8 text.
    """
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise StoreError(f"{path} is damaged (not UTF-8 text); delete it and run again") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}; check the file and its folder") from error


def _write(path: Path, pieces: Iterable[bytes], mode: int) -> None:
    # O_EXCL: never through a link that somebody else put there.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    try:
        for data in pieces:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make the renames last through a power cut, on systems where a folder can be synced."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks cannot
            raise
    finally:
        os.close(handle)
