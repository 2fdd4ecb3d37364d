"""One run at a time in one results folder."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mvd.errors import StoreError
from mvd.store.atomic import TEMPORARY, refused

LOCK_FILE = ".lock"
"""Stays behind, empty of meaning: the lock is the system's and ends with the process, however that ends."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a results folder, which is made if need be.

    Temporary files that a killed run left there are removed. Where the system or the disk knows no locks (Windows, some
    network disks), nothing is held.

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
        if _lock(handle, folder):
            _sweep(folder)
        yield
    finally:
        os.close(handle)


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
    with contextlib.suppress(OSError):  # a full disk: the number is only told to the second
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
    return True


def _sweep(folder: Path) -> None:
    """Remove the temporary files of a run that was killed."""
    for path in (*folder.glob(".*.tmp"), *folder.glob("*/.*.tmp")):
        if TEMPORARY.fullmatch(path.name):
            with contextlib.suppress(OSError):
                path.unlink()


def _holder(handle: int) -> str:
    number = os.read(handle, 20).decode(errors="replace").strip()
    return f" (process {number})" if number.isdigit() else ""
