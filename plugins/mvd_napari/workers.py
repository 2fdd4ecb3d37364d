"""What takes longer than a frame, away from the window's thread: opening specimens before they are wanted, finding.

A job gets a `Progress` to tell how far it is; telling it is also where a cancelled one stops. What comes back is handed
over in the window's thread.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QObject
from qtpy.QtCore import Signal as _Signal  # type: ignore[attr-defined]  # qtpy's name for each binding's own

from mvd.errors import MvdError
from mvd.geometry import Rect
from mvd.manifest import Specimen
from mvd.reading import Reading
from mvd.review import OpenReview
from mvd_napari.pyramid import ImageLayer, LazyLevel, image_layer

Progress = Callable[[int, int], None]
"""Is told how many parts are done, and how many there are."""

SECTION = "Section"
"""The image's name on the screen: a file's would tell a blinded observer which specimen it is."""

FIELD_PX = 1200
"""Pixels along a field on a large screen: by this the level is chosen that is read before the field is looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A specimen that can be shown at once."""

    reading: Reading
    opened: OpenReview
    image: ImageLayer


def prepare(reading: Reading, specimen: Specimen, read: Callable[[Reading], OpenReview]) -> Prepared:
    """Open a read and its slide, and read the pixels of its fields.

    Raises
    ------
    MvdError
        The review or the slide cannot be opened.
    """
    opened = read(reading)
    layer = image_layer(specimen.image, specimen.um_per_px, name=SECTION)
    for field in opened.review.fields.values():
        warm(layer[0], field.field.rect)
    return Prepared(reading, opened, layer)


def warm(levels: list[LazyLevel], rect: Rect) -> None:
    """Read a field as it will be drawn, so that it lies ready."""
    wanted = rect.width_um / FIELD_PX
    level = max((one for one in levels if one.um_per_px <= wanted), key=lambda one: one.um_per_px, default=levels[0])
    for fine in {id(level): level, id(levels[0]): levels[0]}.values():
        rows, columns = _span(rect.y0_um, rect.y1_um, fine), _span(rect.x0_um, rect.x1_um, fine)
        np.asarray(fine[rows, columns])


def _span(low_um: float, high_um: float, level: LazyLevel) -> slice:
    return slice(max(int(low_um / level.um_per_px), 0), max(int(high_um / level.um_per_px) + 1, 1))


class CancelledError(BaseException):
    """A job was told to stop: no fault, and what records a specimen's faults must not take it for one."""


class Job:
    """One piece of work on its way."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def cancel(self) -> None:
        """Stop where progress is told next; what it would have given is dropped."""
        self._stop.set()

    @property
    def is_cancelled(self) -> bool:
        return self._stop.is_set()


class Workers(QObject):
    """A thread for what is waited for, and one for what will be wanted."""

    _told = _Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._told.connect(lambda call: call())
        self._now = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="desk-ahead")
        self._prepared: dict[str, Future[Prepared]] = {}
        self._closed = False

    def run(
        self,
        work: Callable[[Progress], Any],
        *,
        done: Callable[[Any], None],
        failed: Callable[[MvdError], None],
        progress: Progress | None = None,
    ) -> Job:
        """Do some work; `done`, `failed` and `progress` are called in the window's thread, unless it is cancelled."""
        job = Job()

        def tell(part: int, whole: int) -> None:
            if job.is_cancelled:
                raise CancelledError
            if progress is not None:
                self.tell(lambda: None if job.is_cancelled else progress(part, whole))

        def all_of_it() -> None:
            with contextlib.suppress(CancelledError):
                try:
                    found = work(tell)
                except MvdError as error:
                    fault = error  # the name of an except clause ends with it
                    self.tell(lambda: None if job.is_cancelled else failed(fault))
                except Exception as error:  # a fault of the program's own must not leave the window waiting
                    wrong = MvdError(f"that went wrong, and nothing was changed: {error!r}")
                    self.tell(lambda: None if job.is_cancelled else failed(wrong))
                    raise
                else:
                    self.tell(lambda: None if job.is_cancelled else done(found))

        self._now.submit(all_of_it)
        return job

    def ahead(self, code: str, work: Callable[[], Prepared]) -> Future[Prepared]:
        """Prepare a read, unless that is done already; it is kept until it is taken or forgotten."""
        if code not in self._prepared:
            self._prepared[code] = self._ahead.submit(work)
        return self._prepared[code]

    def taken(self, code: str) -> Future[Prepared] | None:
        """What was prepared, which is not kept any longer."""
        return self._prepared.pop(code, None)

    def forget(self, *, but: set[str]) -> None:
        """Let go of what will not be wanted soon: each holds an open slide."""
        for code in set(self._prepared) - but:
            self._prepared.pop(code).cancel()

    def close(self) -> None:
        """Stop both threads; what they have not begun is dropped."""
        self._closed = True
        for pool in (self._now, self._ahead):
            pool.shutdown(wait=False, cancel_futures=True)

    def tell(self, call: Callable[[], None]) -> None:
        """Call something in the window's thread, soon."""
        with contextlib.suppress(RuntimeError):  # the window is gone
            if not self._closed:
                self._told.emit(call)
