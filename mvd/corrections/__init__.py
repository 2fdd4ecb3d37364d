"""An observer's corrections: values, decisions, replay. Pure; `mvd.store.log` keeps them on disk.

model        objects, fields and involved area as a correction tells them
forms        what can be decided, and what before and after of each decision look like
correction   one line of the log, checked, for it comes from outside
state        the machine's result, and a review as the corrections leave it
replay       corrections applied one by one, undo and redo
shapes       outlines that an observer makes
decide       what can be decided about a review as it stands
words        a correction in words
"""

from mvd.corrections import decide
from mvd.corrections.correction import Correction, Decision
from mvd.corrections.decide import record
from mvd.corrections.forms import What
from mvd.corrections.model import FieldState, ObjectState, Polygon, Shape, Snapshot
from mvd.corrections.replay import go_on, replay, status_after, unreviewed
from mvd.corrections.state import MachineResult, Review, ReviewedField, ReviewedObject, Status
from mvd.corrections.words import in_words

__all__ = [
    "Correction",
    "Decision",
    "FieldState",
    "MachineResult",
    "ObjectState",
    "Polygon",
    "Review",
    "ReviewedField",
    "ReviewedObject",
    "Shape",
    "Snapshot",
    "Status",
    "What",
    "decide",
    "go_on",
    "in_words",
    "record",
    "replay",
    "status_after",
    "unreviewed",
]
