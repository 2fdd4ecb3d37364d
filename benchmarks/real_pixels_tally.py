"""What was right and what was wrong in one picture: reference and found boxes in, tallies out.

A found vessel matches a reference box when they overlap with an IoU of 0.2, or when the centre of each lies in the
other, grown by 2 µm; one to one. What is found on a doubtful box counts neither for nor against.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mvd.agreement import Detection, detect, match_boxes
from mvd.geometry import Rect

GROWN_UM = 2.0

VESSEL, DOUBTFUL, LARGE = "vessel", "ambiguous", "large"
DECOYS = {"cell": "decoy cell", "clump": "decoy clump"}
"""Kinds of stained bodies that are no vessels, by their names in the files of the composites."""

NOT_FOUND, MERGED, IN_PART, REFUSED = "not found", "merged with a neighbour", "found only in part", "picture refused"
ON_LARGE, ON_DOUBTFUL, NOTHING = "on a large vessel", "piece of a doubtful vessel", "nothing there"
PIECE, UNMATCHED = "piece of a vessel that was matched", "on a vessel, too unlike its box"


@dataclass(frozen=True)
class Known:
    """What a reader marked, or what was pasted: its box in µm, and `VESSEL`, `DOUBTFUL`, `LARGE` or a decoy's kind."""

    box: Rect
    kind: str


@dataclass(frozen=True)
class Object:
    """What the program found: its box in µm, why it does not count (None: it does), and whether it is marked."""

    box: Rect
    reason: str | None = None
    ambiguous: bool = False


@dataclass(frozen=True)
class Tally:
    """Right and wrong in one picture, or in several together."""

    detection: Detection = field(default_factory=lambda: Detection(0, 0, 0))
    misses: Counter[str] = field(default_factory=Counter)
    """Why a true vessel was not counted."""
    false: Counter[str] = field(default_factory=Counter)
    """What was counted that is no vessel."""
    counted: int = 0
    """Also what lies on doubtful boxes."""
    marked: int = 0
    """Of the counted, those that the program marks as ambiguous …"""
    marked_false: int = 0
    """… and how many of these are false counts."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.detection + other.detection,
            self.misses + other.misses,
            self.false + other.false,
            self.counted + other.counted,
            self.marked + other.marked,
            self.marked_false + other.marked_false,
        )


def tally(objects: Sequence[Object], known: Sequence[Known]) -> Tally:
    """What the program found in one picture beside what is known of it."""
    counted = [one for one in objects if one.reason is None]
    vessels = boxes_of(known, VESSEL)
    pairs = match_boxes([one.box for one in counted], vessels, grown_um=GROWN_UM)
    matched, known_matched = {i for i, _ in pairs}, {j for _, j in pairs}
    rest = [one for i, one in enumerate(counted) if i not in matched]
    ignored = {i for i, _ in match_boxes([one.box for one in rest], boxes_of(known, DOUBTFUL), grown_um=GROWN_UM)}
    false = [one for i, one in enumerate(rest) if i not in ignored]
    missed = [box for j, box in enumerate(vessels) if j not in known_matched]
    return Tally(
        detection=Detection(len(pairs), len(false), len(missed)),
        misses=Counter(why_missed(missed, objects, [counted[i].box for i in sorted(matched)])),
        false=Counter(what_was_counted(one.box, known, [vessels[j] for j in sorted(known_matched)]) for one in false),
        counted=len(counted),
        marked=sum(one.ambiguous for one in counted),
        marked_false=sum(one.ambiguous for one in false),
    )


def refused(known: Sequence[Known]) -> Tally:
    """Of a picture that the program refused: every vessel is missed."""
    missed = len(boxes_of(known, VESSEL))
    return Tally(Detection(0, 0, missed), Counter({REFUSED: missed}) if missed else Counter())


def detected(found: Sequence[Rect], known: Sequence[Known]) -> Detection:
    """Boxes without reasons, such as a threshold's, beside what is known."""
    return detect(found, boxes_of(known, VESSEL), ignored=boxes_of(known, DOUBTFUL), grown_um=GROWN_UM)


def why_missed(missed: Sequence[Rect], objects: Sequence[Object], matched: Sequence[Rect]) -> list[str]:
    """For each missed box: the reason for which its candidate was rejected, or how else it was lost.

    Parameters
    ----------
    objects
        All that the program found, rejected or counted.
    matched
        The boxes of the counted objects that match another vessel.
    """
    rejected = [one for one in objects if one.reason is not None]
    pairs = match_boxes([one.box for one in rejected], missed, grown_um=GROWN_UM)
    taken = {j: rejected[i].reason for i, j in pairs}
    return [taken.get(j) or _how_lost(box, objects, matched) for j, box in enumerate(missed)]


def _how_lost(missed: Rect, objects: Sequence[Object], matched: Sequence[Rect]) -> str:
    """Of a missed box that no rejected candidate matches."""
    if _most_alike(missed, matched) is not None:
        return MERGED
    counted = [one.box for one in objects if one.reason is None]
    if _most_alike(missed, counted) is not None:
        return IN_PART
    rejected = [one for one in objects if one.reason is not None]
    piece = _most_alike(missed, [one.box for one in rejected])
    return NOT_FOUND if piece is None else str(rejected[piece].reason)


def what_was_counted(false: Rect, known: Sequence[Known], matched: Sequence[Rect]) -> str:
    """What a false count lies on, of all that is known: the one most like it.

    Parameters
    ----------
    matched
        The boxes of the vessels that another object matches.
    """
    at = _most_alike(false, [one.box for one in known])
    if at is None:
        return NOTHING
    kind = known[at].kind
    if kind == VESSEL:
        return PIECE if known[at].box in matched else UNMATCHED
    return {LARGE: ON_LARGE, DOUBTFUL: ON_DOUBTFUL}.get(kind, kind)


def boxes_of(known: Iterable[Known], kind: str) -> list[Rect]:
    return [one.box for one in known if one.kind == kind]


def _most_alike(box: Rect, others: Sequence[Rect]) -> int | None:
    """Which of the others lies on the box, the one with the largest overlap by IoU; None where none does."""
    on = [i for i, other in enumerate(others) if _lies_on(box, other) or _lies_on(other, box)]
    return max(on, key=lambda i: _iou(box, others[i]), default=None)


def _lies_on(box: Rect, other: Rect) -> bool:
    """Whether the centre of a box lies in another, grown."""
    x, y, grown = (box.x0_um + box.x1_um) / 2, (box.y0_um + box.y1_um) / 2, other.expanded(GROWN_UM)
    return grown.x0_um <= x <= grown.x1_um and grown.y0_um <= y <= grown.y1_um


def _iou(a: Rect, b: Rect) -> float:
    common = a.intersection(b)
    return common.area_mm2 / (a.area_mm2 + b.area_mm2 - common.area_mm2) if common else 0.0
