"""A session as the panel shows it."""

from __future__ import annotations

from mvd_napari.keys import Moment
from mvd_napari.moments import moments
from mvd_napari.panel import Face, FieldFace
from mvd_napari.session import Session
from mvd_napari.sight import as_marked
from mvd_napari.wording import STATUS_WORDS, field_words, mvd_words, object_words


def face_of(session: Session) -> Face:
    """What the panel shows of a session."""
    if session.opened is None or session.reading is None:
        return Face("mvd", "", "", "", "", (), ("", ""), False, False, "")
    held, tally = moments(session), session.tally
    mvd, sure = mvd_words(tally)
    fields = tuple(
        FieldFace(
            name=one.name,
            count="–" if one.count is None else str(one.count),
            hint=field_words(one),
            present=one.name == session.field,
            left_out=one.unevaluable is not None,
            doubtful=one.doubtful > 0,
        )
        for one in tally.fields
    )
    done = {Moment.FINISHED: "Go on with it", Moment.HIDDEN: "Show the program’s count"}
    finish = next((text for moment, text in done.items() if moment in held), "Finish")
    return Face(
        title=session.reading.title,
        status=STATUS_WORDS[session.review.status],
        mvd=mvd,
        unit="vessels/mm²",
        sure=sure,
        fields=fields,
        object_words=pointed_words(session),
        can_undo=Moment.UNDOABLE in held,
        can_redo=Moment.REDOABLE in held,
        finish=finish if held & {Moment.REVIEW, Moment.FINISHED} else "",
    )


def pointed_words(session: Session) -> tuple[str, str]:
    """The chosen objects, else the one under the pointer, in words."""
    chosen = session.target
    if not chosen:
        return "", "Put the pointer on an object to see its measures."
    if len(chosen) > 1:
        return f"{len(chosen)} objects chosen", ""
    one = session.review.objects[chosen[0]]
    return object_words(as_marked(one, session.marked_at) if session.review.hidden else one, session.tally)
