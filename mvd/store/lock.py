"""One run at a time in one results folder."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mvd.errors import StoreError
from mvd.store.atomic import TEMPORARY, refused

LOCK_FILE = ".lock"
"""Names the process and its token, and stays behind: the lock is the system's, and ends with the process, however it
ends."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def locked(folder: Path) -> Iterator[str | None]:
    """Hold a results folder, which is made if need be; gives a token by which others know who holds it.

    Temporary files that a killed run left there are removed, at the end those of its own workers too. Where the system
    or the disk knows no locks (Windows, some network disks), nothing is held, and the token is None.

    Raises
    ------
    StoreError
        Another run holds it, or the folder cannot be written.
    """
    path = folder / LOCK_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise refused(path, error) from error
    try:
        if not _lock(handle, folder):
            yield None
            return
        _sweep(folder)  # before anything is written: the disk may be full of it
        try:
            yield _signed(handle)
        finally:
            with contextlib.suppress(OSError):  # workers elsewhere that go on see that nobody waits for them
                os.ftruncate(handle, 0)
            _sweep(folder)  # of workers that were ended in the middle of a file
    finally:
        os.close(handle)


def still_held(folder: Path, token: str) -> bool:
    """Whether no other run has taken the folder since it was locked with this token.

    A worker on another machine does not end with the run that sent it, and must not write into the next one's results.
    """
    try:
        return token in (folder / LOCK_FILE).read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return False


def _lock(handle: int, folder: Path) -> bool:
    """Whether the lock is held; False where there are none."""
    try:
        import fcntl  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError(
            f"another mvd is at work in {folder}{_holder(handle)}; wait until it has ended, or choose another folder"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise refused(folder / LOCK_FILE, error) from error
        return False
    return True


def _signed(handle: int) -> str | None:
    """The token, once it and the process stand in the file; None if the disk is too full for that."""
    token = secrets.token_hex(8)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()} {token}\n".encode())
    except OSError:
        return None
    return token


def _sweep(folder: Path) -> None:
    """Remove the temporary files of a run that was killed."""
    for path in (*folder.glob(".*.tmp"), *folder.glob("*/.*.tmp")):
        if TEMPORARY.fullmatch(path.name):
            with contextlib.suppress(OSError):
                path.unlink()


def _holder(handle: int) -> str:
    number, *_ = os.read(handle, 40).decode(errors="replace").split() or [""]
    return f" (process {number})" if number.isdigit() else ""
