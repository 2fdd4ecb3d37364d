"""A correction in words, for whoever looks through a log."""

from __future__ import annotations

from collections.abc import Iterable

from mvd.corrections.correction import Correction
from mvd.corrections.forms import What
from mvd.corrections.model import FieldState, ObjectState


def in_words(correction: Correction) -> str:
    """What was decided: "rejected v00012 as pigment", "merged v00003, v00004 into c00017", …"""
    objects = _on_objects(correction) if correction.after.objects else None
    done = _on_fields(correction) or objects or _on_the_review(correction)
    return f"{done}, because {correction.why}" if correction.why else done


def _on_objects(correction: Correction) -> str | None:
    before, after = correction.before.objects, correction.after.objects
    told, first = None, after[0]
    match correction.what:
        case What.ACCEPT:
            was = before[0].reason
            told = f"accepted {first.name}" + (f", which was rejected as {was}" if was is not None else "")
        case What.REJECT:
            told = f"rejected {first.name} as {first.reason}"
        case What.CHANGE_REASON:
            told = f"changed the reason of {first.name} from {before[0].reason} to {first.reason}"
        case What.ADD:
            how = "by a click" if first.shape and first.shape.source == "point" else "by its outline"
            told = f"added {first.name} {how} at {first.x_um:.0f}, {first.y_um:.0f} µm"
        case What.MERGE | What.SPLIT:
            told = f"{_PAST[correction.what]} {_names(before)} into {_names(after)}"
        case What.REDRAW:
            told = f"redrew the outline of {first.name}"
        case What.COMMENT:
            told = f"remarked on {first.name}: {first.comment}"
    return told


def _on_fields(correction: Correction) -> str | None:
    before, after = correction.before.fields, correction.after.fields
    match correction.what:
        case What.COMMENT if after:
            return f"remarked on field {after[0].name}: {after[0].comment}"
        case What.MARK_UNEVALUABLE:
            return f"left out field {after[0].name}: {after[0].unevaluable}"
        case What.MARK_EVALUABLE:
            return f"took in field {after[0].name} again"
        case What.MOVE_FIELD:
            return f"moved field {after[0].name} from {_corner(before[0])} to {_corner(after[0])} µm"
        case What.CHANGE_INVOLVED:
            return f"changed the involved area; fields placed anew: {len(after)}"
    return None


def _on_the_review(correction: Correction) -> str:
    match correction.what:
        case What.COMMENT:
            return f"remarked on the specimen: {correction.after.comment}"
        case What.UNDO | What.REDO:
            before, after = correction.before, correction.after
            objects = dict.fromkeys(state.name for state in (*before.objects, *after.objects))
            fields = dict.fromkeys(f"field {state.name}" for state in (*before.fields, *after.fields))
            return f"{_PAST[correction.what]} the decision on {', '.join([*objects, *fields]) or 'the specimen'}"
    return _PAST[correction.what]


def _names(states: Iterable[ObjectState]) -> str:
    return ", ".join(state.name for state in states)


def _corner(state: FieldState) -> str:
    return f"{state.x0_um:.0f}, {state.y0_um:.0f}"


_PAST = {
    What.BEGIN: "began",
    What.MERGE: "merged",
    What.SPLIT: "split",
    What.UNDO: "undid",
    What.REDO: "did again",
    What.FINISH: "finished",
    What.REOPEN: "reopened",
    What.UNBLIND: "was unblinded",
    What.HIDE: "was to count before seeing what the program found",
    What.REVEAL: "was shown what the program found",
}
