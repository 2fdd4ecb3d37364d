"""An observer's corrections on disk: reviews/<observer>/<specimen>.jsonl, written to at its end and nowhere else.

The first line is the header: what is reviewed, by whom, on which result of the program. Every further line is one
correction, with the SHA-256 of the line before it (its bytes, without the line's end). Where a line is changed, taken
out or put in, the lines no longer fit together, and reading says which. What the chain alone cannot tell is whether
lines are missing at the end: `<specimen>.head` beside it holds the number and the SHA-256 of the last correction.

A correction that `append` has returned from is on the disk. One that a power cut broke off in the middle is a last
line without an end: the next writer moves it into `<specimen>.torn` and goes on after the last whole line.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from mvd.corrections import Correction
from mvd.corrections.correction import Digest, Utc
from mvd.corrections.model import CHECKED
from mvd.errors import StoreError
from mvd.store.atomic import refused, sync_folder
from mvd.store.chain import Head, first_fault, sha256

FORMAT: Literal[1] = 1
"""Of the log; raised whenever a reader of the old ones would go wrong."""

REVIEWS_FOLDER = "reviews"
LOG_ENDING, HEAD_ENDING, TORN_ENDING = ".jsonl", ".head", ".torn"

_PATIENCE_S = 5.0
"""Another program holds a log for the milliseconds of one line; longer, and it hangs."""
_HEAD = re.compile(rb"(\d{10}) ([0-9a-f]{64})\n")
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@checked(frozen=True, slots=True, kw_only=True, config=CHECKED)
class Header:
    """The first line of a log: everything that its corrections apply to."""

    format: Literal[1] = FORMAT
    specimen: Annotated[str, Field(min_length=1)]
    observer: Annotated[str, Field(min_length=1)]
    slide_sha256: Digest
    result_sha256: Digest
    """Of the machine's result."""
    protocol: str
    """Digest of the protocol by which the result was made."""
    version: str
    """Of the program that began the log."""
    made_at: Utc


@checked(frozen=True, slots=True, kw_only=True, config=CHECKED)
class _Line:
    previous: Digest
    correction: Correction


_HEADERS, _LINES = TypeAdapter(Header), TypeAdapter(_Line)


@dataclass(frozen=True, slots=True)
class ReviewLog:
    """A log as it was read, or as it is after what this program appended."""

    path: Path
    header: Header
    corrections: tuple[Correction, ...]
    last: bytes
    """The last whole line, without its end."""
    size: int
    """Bytes up to there, the line's end included."""
    torn: bytes = b""
    """What follows it: a line that was broken off and is no correction. Nearly always empty."""
    unended: bool = False
    """Whether only the end of the last line is missing."""


def log_path(reviews: Path, observer: str, specimen: str) -> Path:
    """Where an observer's log of a specimen is.

    Raises
    ------
    StoreError
        A name that cannot be a file's.
    """
    for what, name in (("observer", observer), ("specimen", specimen)):
        if not name.strip(" .") or name.startswith(".") or any(ord(c) < 32 or c in '/\\:*?"<>|' for c in name):
            raise StoreError(f"'{name}' cannot be the name of a file; give the {what} another name")
    return reviews / observer / f"{specimen}{LOG_ENDING}"


def logs_in(reviews: Path) -> tuple[Path, ...]:
    """Every log under a folder of reviews, by observer and specimen."""
    return tuple(sorted(path for path in reviews.glob(f"*/*{LOG_ENDING}") if not path.name.startswith(".")))


def lost_logs(reviews: Path) -> tuple[Path, ...]:
    """Where logs must have been: the note of the last line is there, and the log is not."""
    heads = (path for path in reviews.glob(f"*/*{HEAD_ENDING}") if not path.name.startswith("."))
    return tuple(sorted(path for head in heads if not (path := head.with_suffix(LOG_ENDING)).exists()))


def begin_log(path: Path, header: Header) -> ReviewLog:
    """Make a log, with the folders that lead to it; one that is there already is opened.

    Raises
    ------
    StoreError
        The disk refuses, or the log that is there is damaged.
    """
    try:
        _make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise refused(path, error) from error
    with _held(handle, path):
        begun = os.read(handle, os.fstat(handle).st_size)
        if b"\n" not in begun:  # new, or broken off before its first line was whole
            line = _HEADERS.dump_json(header)
            _set_aside(path, begun)
            _write(handle, line, path, at=0)
            _write_head(path, Head(0, sha256(line)))
            sync_folder(path.parent)
            return ReviewLog(path, header, (), line, len(line) + 1)
    log = read_log(path)
    if log is None:
        raise StoreError(f"{path} was removed just now; open the review again")
    return log


def is_begun(path: Path) -> bool:
    """Whether there is a log whose first line is whole."""
    return path.exists() and next(_raw_lines(path), b"").endswith(b"\n")


def read_log(path: Path) -> ReviewLog | None:
    """A log with all its corrections, None if there is none.

    Raises
    ------
    StoreError
        It is damaged; the sentence names the first line that is not as it was written.
    """
    if not path.exists():
        return None
    head = read_head(path)  # first: a line that another program writes meanwhile is then not missing
    corrections: list[Correction] = []
    header, last, size, torn = None, b"", 0, b""
    for raw in _raw_lines(path):
        line = raw.removesuffix(b"\n")
        try:
            if header is None:
                header = _HEADERS.validate_json(line)
            else:
                item = _LINES.validate_json(line)
                if item.previous != sha256(last) or item.correction.number != len(corrections) + 1:
                    raise StoreError(f"{path}: {_fault(path)}")
                corrections.append(item.correction)
        except ValidationError as error:
            if raw == line:  # without an end: broken off
                torn = raw
                break
            raise StoreError(
                f"{path}: {_fault(path) or _unreadable(error, len(corrections) + 1 + (header is not None))}"
            ) from error
        last, size = line, size + len(raw)
    if header is None:
        raise StoreError(f"{path} was broken off before its first line was whole; delete it and begin the review again")
    log = ReviewLog(path, header, tuple(corrections), last, size, torn, unended=not torn and raw == last)
    if head and (head.number, head.sha256) != (len(corrections), sha256(last)) and (fault := _fault(path)):
        raise StoreError(f"{path}: {fault}")
    return log


def append(log: ReviewLog, correction: Correction) -> ReviewLog:
    """Write one correction at the end of its log. When this returns, it is on the disk.

    Returns
    -------
    The log with the correction.

    Raises
    ------
    StoreError
        Another program has written to the log meanwhile, or the disk refuses. The correction is not in the log.
    """
    if correction.number != len(log.corrections) + 1:
        raise ValueError(f"correction {correction.number} does not follow {len(log.corrections)}")
    item = _Line(previous=sha256(log.last), correction=correction)
    line = _LINES.dump_json(item, exclude_defaults=True)
    try:
        handle = os.open(log.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise StoreError(
            f"{log.path} was removed since it was opened; put it back, or begin the review again"
        ) from None
    except OSError as error:
        raise refused(log.path, error) from error
    with _held(handle, log.path):
        _refuse_changed(handle, log)
        if log.torn:
            _set_aside(log.path, log.torn)
        _write(handle, line, log.path, at=log.size, unended=log.unended)
        _write_head(log.path, Head(correction.number, sha256(line)))
    size = log.size + log.unended + len(line) + 1
    return ReviewLog(log.path, log.header, (*log.corrections, correction), line, size)


@dataclass(frozen=True, slots=True)
class Verified:
    """What is found when a log is looked through."""

    fault: str | None
    """The first line that is not as it was written; None for a log that is whole."""
    notes: tuple[str, ...]
    """What is odd about it but harms no correction in it."""


def verify_log(path: Path) -> Verified:
    """Look through a log and what lies beside it.

    Raises
    ------
    StoreError
        It cannot be read at all.
    """
    head = read_head(path)
    notes = []
    lines = [raw.removesuffix(b"\n") for raw in _raw_lines(path)]
    torn_path, head_path = path.with_suffix(TORN_ENDING), path.with_suffix(HEAD_ENDING)
    if torn_path.exists():
        notes.append(
            f"{torn_path.name} holds {torn_path.stat().st_size} bytes that were broken off and are no correction"
        )
    try:
        log = read_log(path)
    except StoreError as error:
        return Verified(str(error).removeprefix(f"{path}: "), tuple(notes))
    if log is not None and log.torn:
        notes.append(f"line {len(lines)} was broken off and is no correction; the next one written moves it aside")
    if head is None and len(lines) > 1:
        what = "damaged" if head_path.exists() else "missing"
        notes.append(f"{head_path.name} is {what}: whether lines were removed from the end cannot be told")
    return Verified(None, tuple(notes))


def read_head(path: Path) -> Head | None:
    """The last line as it is noted beside the log at `path`; None where there is no note that can be read."""
    try:
        found = _HEAD.fullmatch(path.with_suffix(HEAD_ENDING).read_bytes())
    except OSError:
        return None
    return Head(int(found[1]), found[2].decode()) if found else None


def _write_head(path: Path, head: Head) -> None:
    """Note the last line. In place and without waiting for the disk: a note that is behind by some lines does no harm.

    The line itself is safe by now, so that nothing here may fail the correction.
    """
    with contextlib.suppress(OSError):
        handle = os.open(path.with_suffix(HEAD_ENDING), os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            os.write(handle, f"{head.number:010d} {head.sha256}\n".encode())
        finally:
            os.close(handle)


def _raw_lines(path: Path) -> Iterator[bytes]:
    """Lines with their ends; the last may have none."""
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}; check the file and its folder") from error


def _fault(path: Path) -> str | None:
    head = read_head(path)  # first: a line that another program writes meanwhile is then not missing
    lines = [raw.removesuffix(b"\n") for raw in _raw_lines(path) if raw.endswith(b"\n")]
    found = first_fault(lines, head)
    return found and f"{found}; put the file back from a copy"


def _unreadable(error: ValidationError, line: int) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return (
        f"line {line} is none that this version of the program knows ({place}: {first['msg']}); read it with the "
        "version that wrote it"
    )


def _refuse_changed(handle: int, log: ReviewLog) -> None:
    """StoreError unless the file is as it was read, as far as its length and its last line tell."""
    length = os.fstat(handle).st_size
    tail = log.last + (b"" if log.unended else b"\n") + log.torn
    os.lseek(handle, max(length - len(tail), 0), os.SEEK_SET)
    if length != log.size + len(log.torn) or os.read(handle, len(tail)) != tail:
        raise StoreError(f"{log.path} was changed by another program since it was opened; open the review again")


def _set_aside(path: Path, torn: bytes) -> None:
    """Keep what was broken off, before the log goes on without it."""
    if not torn:
        return
    aside = path.with_suffix(TORN_ENDING)
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        try:
            os.write(handle, torn + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_folder(path.parent)
    except OSError as error:
        raise refused(aside, error) from error


def _write(handle: int, line: bytes, path: Path, *, at: int, unended: bool = False) -> None:
    """One whole line at a place, on the disk when this returns; or the file as it was up to there."""
    try:
        os.ftruncate(handle, at)
        os.lseek(handle, at, os.SEEK_SET)
        rest = memoryview(b"\n" * unended + line + b"\n")
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.ftruncate(handle, at)
            os.fsync(handle)
        if isinstance(error, OSError):
            raise refused(path, error) from error
        raise


def _make_folder(folder: Path) -> None:
    """Make a folder and those that lead to it, so that a power cut does not take them away again."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(new):
        sync_folder(path.parent)


@contextmanager
def _held(handle: int, path: Path) -> Iterator[None]:
    """Hold an open log against other programs, as far as the system and the disk know locks; closes it in the end."""
    try:
        _lock(handle, path)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise StoreError(f"another program holds {path}; close it and try again") from None
            time.sleep(0.005)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise refused(path, error) from error
            return
