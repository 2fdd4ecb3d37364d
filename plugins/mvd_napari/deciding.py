"""What an observer decides, as a session takes it: each is on the disk when its function returns.

Whatever is refused raises an `MvdError`, and the review stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from mvd.corrections import decide
from mvd.corrections.shapes import NOMINAL_DIAMETER_UM
from mvd.errors import CorrectionError
from mvd.geometry import Ring
from mvd.vessels import Reason
from mvd_napari.keys import PLAIN_REASON
from mvd_napari.session import Session


def click(session: Session, x_um: float, y_um: float) -> None:
    """Add a vessel, or turn what is there: reject what counts, count what does not."""
    name = session.at(x_um, y_um)
    if name is None and not _shows(session, x_um, y_um):
        raise CorrectionError(f"this is outside field {session.field}, and vessels are counted in fields")
    if name is None and session.review.hidden:
        decision = decide.mark(session.begun().review, x_um, y_um)
        session.marked_at |= {after.name: (x_um, y_um) for after in decision.after.objects}
        session.take(decision)
    elif name is None:
        session.take(decide.add_point(session.begun().review, x_um, y_um))
    elif session.review.objects[name].vessel.accepted:
        reject(session, (name,))
    else:
        accept(session, (name,))


def _shows(session: Session, x_um: float, y_um: float) -> bool:
    """Whether a vessel that a click makes here touches the field in view."""
    near = session.rect.expanded(NOMINAL_DIAMETER_UM / 2) if session.rect else None
    return near is not None and near.x0_um <= x_um <= near.x1_um and near.y0_um <= y_um <= near.y1_um


def accept(session: Session, names: Sequence[str]) -> None:
    for name in names:
        session.take(decide.accept(session.review, name))
    session.chosen = ()


def reject(session: Session, names: Sequence[str], reason: Reason = PLAIN_REASON) -> None:
    """Reject objects; what is rejected already is so for this reason now."""
    for name in names:
        counted = session.review.objects[name].vessel.accepted if name in session.review.objects else True
        decision = decide.reject if counted else decide.change_reason
        session.take(decision(session.review, name, reason))
    session.chosen = ()


def merge(session: Session, names: Sequence[str]) -> None:
    session.take(decide.merge(session.begun().review, names))
    session.chosen = ()


def split(session: Session, name: str, line: Ring) -> None:
    session.take(decide.split(session.begun().review, name, line=line))
    session.chosen = ()


def outline(session: Session, ring: Ring, name: str | None) -> None:
    """Another outline for an object, or without one a new vessel."""
    review = session.begun().review
    if name is None and review.hidden and (name := decide.mark_outline(review, ring)) is not None:
        session.take(decide.accept(review, name))
    review = session.review
    session.take(decide.redraw(review, name, ring) if name else decide.add_outline(review, ring))
    session.chosen = ()


def comment(session: Session, text: str, *, on_object: str | None = None, on_field: str | None = None) -> None:
    session.take(decide.comment(session.review, text.strip(), on_object=on_object, on_field=on_field))


def leave_out(session: Session, reason: str) -> None:
    """Leave the field in view out of the count."""
    session.take(decide.mark_unevaluable(session.review, session.field or "", reason))


def take_in(session: Session) -> None:
    session.take(decide.mark_evaluable(session.review, session.field or ""))


def undo(session: Session) -> None:
    session.take(decide.undo(session.review))


def redo(session: Session) -> None:
    session.take(decide.redo(session.review))


def reveal(session: Session) -> None:
    session.take(decide.reveal())


def finish(session: Session) -> None:
    session.take(decide.finish())


def reopen(session: Session) -> None:
    session.take(decide.reopen())
