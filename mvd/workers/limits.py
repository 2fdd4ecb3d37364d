"""What a worker may take of its machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path

_MEMORY_SHARE = 0.9
"""Of the machine's memory, for one worker; a block needs 0.6 GB, only an image that must be read whole needs more."""
_WORKER_BYTES = 1 << 30
"""Of one worker at work on a tiled slide: up to 1,000 megapixels 0.6 GB were measured, 0.8 GB with four threads; the
rest is for pictures and for luck. One of 10,000 megapixels with 123 mm² of tissue took 1.3 GB, all of it searched."""
_MMAP_THRESHOLD, _TRIM_THRESHOLD, _ARENA_MAX = -3, -1, -8
"""M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_ARENA_MAX of glibc's malloc.h."""
_LARGEST_KEPT_BYTES, _KEPT_BYTES = 1 << 25, 1 << 29
"""32 MB is the most that glibc allows, and holds a float32 map of a block (21 MB). Peak memory stayed the same."""
_CONTROL_GROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_SACRIFICE = "800"
"""Of 1000: when memory runs out the system ends a worker, whose specimen is tried again, and not the run."""


def be_modest(*, memory_bytes: int | None = None) -> None:
    """Keep this process to its memory and its libraries to one thread, and let the system end it before others.

    What threads of our own it may use is said with each job (`mvd.threads`).

    Parameters
    ----------
    memory_bytes
        Past it an allocation fails, where the system knows such limits; nine tenths of the memory by default.
    """
    import cv2  # noqa: PLC0415  (loaded by whoever measures, not by who only asks for the number of cores)

    cv2.setNumThreads(1)
    keep_freed_memory()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_SACRIFICE, encoding="ascii")
    allowed = memory_bytes or int(_MEMORY_SHARE * machine_memory())
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415  (not on Windows)

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if allowed:
            resource.setrlimit(resource.RLIMIT_DATA, (allowed, hard))


def cores() -> int:
    """Cores that this process may use: those it is bound to, or as much of their time as its container has."""
    usable = [os.cpu_count() or 1]
    with contextlib.suppress(AttributeError):  # not on macOS and Windows
        usable.append(len(os.sched_getaffinity(0)))
    for folder in _control_groups():
        with contextlib.suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
            usable.append(max(1, int(quota) // int(period)))
    return min(usable)


def machine_memory() -> int:
    """Bytes of memory of this machine, or of the container that it is; 0 where nobody says."""
    sizes = []
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for folder in _control_groups():
        for name in ("memory.max", "memory/memory.limit_in_bytes"):  # of version 2 and version 1
            with contextlib.suppress(OSError, ValueError):
                sizes.append(int((folder / name).read_text(encoding="ascii")))
    return min(sizes, default=0)


def _control_groups() -> tuple[Path, ...]:
    """Folders of the control groups that this process is in: a container's, or a batch job's and those above it."""
    own = Path()
    with contextlib.suppress(OSError, ValueError):
        lines = _OWN_GROUPS.read_text(encoding="utf-8").splitlines()
        own = Path(next((line[3:] for line in lines if line.startswith("0::")), "")).relative_to("/")
    return tuple(_CONTROL_GROUPS / part for part in (own, *own.parents))


def fitting_workers() -> int:
    """As many as there are cores, and as memory has room for."""
    memory = machine_memory()
    return max(1, min(cores(), memory // _WORKER_BYTES)) if memory else cores()


def keep_freed_memory() -> None:
    """Have the C library keep the memory of pictures that are done with, instead of asking the system for each anew.

    Working block by block, a fifth of all time went into clearing pages that had just been given back. Only glibc
    knows the setting.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_ARENA_MAX, 1)  # what one thread lets go of the next can have: two threads took 120 MB more
