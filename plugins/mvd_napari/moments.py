"""What holds in a session now: by this the keys work, and the help line shows them."""

from __future__ import annotations

from collections.abc import Iterator

from mvd_napari.keys import Moment
from mvd_napari.session import Mode, Session


def moments(session: Session) -> frozenset[Moment]:
    """What holds now: by this the keys work and are shown."""
    return frozenset(_moments(session))


def _moments(session: Session) -> Iterator[Moment]:
    if session.busy:
        yield Moment.BUSY
    if session.opened is None or session.busy:
        return
    if session.mode is not Mode.LOOK:
        yield Moment.PLACING if session.mode is Mode.PLACE else Moment.DRAWING
        return
    yield Moment.OPEN
    if session.blinds:
        yield Moment.BLIND
    if session.review.status == "finished":
        yield Moment.FINISHED
        return
    yield Moment.REVIEW
    under = session.review.objects[session.pointed].vessel.accepted if session.pointed else None
    yield {None: Moment.TISSUE, True: Moment.COUNTED, False: Moment.REJECTED}[under]
    for holds, moment in (
        (bool(session.target), Moment.OBJECT),
        (len(session.chosen) > 1, Moment.SEVERAL),
        (bool(session.review.history.done), Moment.UNDOABLE),
        (bool(session.review.history.undone), Moment.REDOABLE),
        (session.review.hidden, Moment.HIDDEN),
        (not session.review.hidden, Moment.SHOWN),
    ):
        if holds:
            yield moment
