"""The page of the real pixels: tables, and in plain words what they show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from naive_threshold import NAIVE_OD, NAIVE_UM2
from real_pixels_read import (
    CHANGES,
    COMPOSITES,
    NEGATIVES,
    ORIENTATIONS,
    REAL,
    THRESHOLDS_OD,
    Counts,
    Reading,
)
from real_pixels_tally import DECOYS, GROWN_UM, Tally

from mvd.agreement import MIN_IOU, Detection

PAGE = """## On real pixels

`make benchmark-real` runs the program and a naive threshold on real pictures and prints these tables.
`python benchmarks/real_pixels.py{options} --write docs/accuracy.md` makes this part of the page again. The pictures are
not part of the project, because their licences do not all allow it. The benchmark skips where their folder is absent.

**No real CD34-stained marrow was available. No figure on this page comes from one.** Three kinds of pictures stand in:

| pictures | what they can show | what they cannot show |
|---|---|---|
| {n_real} real stains of endothelium in other tissues, {v_real} sure vessels. Two readers marked each without seeing \
the other's boxes; they agree with F1 0.97 to 0.99 | how the program does on real stains, scanners and cameras | \
marrow. The readers are careful, but not pathologists. The pixel sizes are estimates |
| {n_comp} composites, {v_comp} vessels. Real stained vessels and real single brown cells were pasted into real marrow \
(H&E, the eosin taken out) | vessels among marrow cells and fat, and beside cells that look like CD34+ progenitors | \
marrow's own sinusoids, which stay unstained. Few distinct vessels are used again and again, and a method may see the \
seams |
| [simulated sections](#on-simulated-sections), below | many vessels with a truth that is known exactly | real pixels. \
The program's limits were chosen on the same simulator |

Not validated at all: CD34 in real marrow, marrow's own stained sinusoids, real CD34+ progenitors and megakaryocytes,
whole slides of stained marrow, and the MVD against a pathologist's count.

{choices}

### How many were right

{worst}

{right}

A found vessel matches a reference box when the two overlap by a fifth (intersection over union {iou}), or when the
centre of each lies in the other, grown by {grown:g} µm. Each box is matched once. A find on a box that the readers were
not sure of is ignored; the counts leave it out. A find on a large vessel is a false count. A picture that the program
refuses has no finds: F1 0, and all its vessels count as missed. Composites are pooled. "Tissue" is the share of the
picture's area that the program takes for tissue; all of the composites is marrow.

The naive threshold is {od} OD of DAB by the standard stain vectors, holes filled, at least {um2:g} µm². The best
threshold is chosen by hand, with the truth in view: of {n_od} from {low} to {high} OD the one with the best F1, for
each real picture and for each group of composites. No user could choose it so well. Its OD is in brackets.

{worst_composites}

### What the program said

{said}

### Why vessels were missed

{missed}

"Merged with a neighbour": the vessel lies in what was counted as another. "Found only in part": what was counted on it
is too unlike its box. The other reasons are the program's own, of the candidate that it rejected there.

### What was counted and is no vessel

{false}

{decoys}

### Pictures without a stained vessel

About 0 is right; a warning or a refusal is right too. {unwarned}

{negatives}

### Where to look first

The program marks counts that are near a limit as ambiguous, so that an observer looks at them first.

{doubt}

### What must not change a count

The count of each real picture, and its change when the picture is changed. Orientations: from the lowest to the highest
count in all eight, and this range as a share of their mean.

{robustness}
"""

ALL = "all composites"

OWN_CHOICES = (
    "The program ran with its default choices. They were not made without these pictures: the colon picture was in\n"
    "view when limits for joining pieces were chosen. Read the figures as upper bounds."
)
OTHERS_CHOICES = (
    "What is learned (which groups of stain are one vessel, and the score) was learned without any picture of the\n"
    "laboratory that it was tried on; for the composites, without the two stains whose vessels they show. A handful\n"
    "of constants (levels of stain, price of a vessel, thresholds of the score) was chosen with all pictures in view,\n"
    "in the middle of ranges over which F1 hardly changes. Pictures without vessels were read with the shipped\n"
    "models; cells of the three of mouse colon are the decoys of the composites."
)


@dataclass(frozen=True)
class Row:
    """Pictures that are judged together."""

    name: str
    what: str
    readings: tuple[Reading, ...]

    @property
    def program(self) -> Tally:
        return sum((one.program for one in self.readings), Tally())

    @property
    def naive(self) -> Detection:
        return sum((one.naive for one in self.readings), Detection(0, 0, 0))

    @property
    def by_hand(self) -> tuple[float, Detection]:
        """The best threshold, and what it finds; of equals the lowest."""
        each = [sum(column, Detection(0, 0, 0)) for column in zip(*(r.by_hand for r in self.readings), strict=True)]
        best = max(range(len(each)), key=lambda at: (each[at].f1 or 0.0, -at))
        return THRESHOLDS_OD[best], each[best]


def page(readings: Sequence[Reading], counts: Counts, *, left_out: bool) -> str:
    """The part of the page."""
    rows = _rows(readings)
    real, composites, negatives = (
        [r for r in readings if r.picture.group == group] for group in (REAL, COMPOSITES, NEGATIVES)
    )
    apart = [row for row in rows if row.name != ALL]
    return PAGE.format(
        options=" --leave-out" if left_out else "",
        choices=OTHERS_CHOICES if left_out else OWN_CHOICES,
        n_real=len(real),
        v_real=_vessels(real),
        n_comp=len(composites),
        v_comp=_vessels(composites),
        iou=MIN_IOU,
        grown=GROWN_UM,
        od=NAIVE_OD,
        um2=NAIVE_UM2,
        n_od=len(THRESHOLDS_OD),
        low=THRESHOLDS_OD[0],
        high=THRESHOLDS_OD[-1],
        worst=_worst(rows),
        right=_right(rows),
        worst_composites=_worst_composites(composites),
        said=_said([row for row in rows if row.name == ALL or len(row.readings) == 1]),
        missed=_by_kind(apart, lambda row: row.program.misses),
        false=_by_kind(apart, lambda row: row.program.false),
        decoys=_decoys(composites),
        unwarned=_unwarned(negatives),
        negatives=_negatives(negatives),
        doubt=_doubt(rows),
        robustness=_robustness(real, counts),
    )


def _rows(readings: Sequence[Reading]) -> list[Row]:
    """Each real picture, and the composites: all, with decoys and without."""
    real = [r for r in readings if r.picture.group == REAL]
    composites = [r for r in readings if r.picture.group == COMPOSITES]
    with_decoys = [r for r in composites if r.picture.decoys]
    without = [r for r in composites if not r.picture.decoys]
    pooled = [(ALL, composites), ("composites with decoys", with_decoys), ("composites without decoys", without)]
    return [Row(r.picture.name, r.picture.what, (r,)) for r in real] + [
        Row(name, f"{len(chosen)} sections", tuple(chosen)) for name, chosen in pooled if chosen
    ]


def _vessels(readings: Sequence[Reading]) -> int:
    return sum(r.program.detection.matched + r.program.detection.missed for r in readings)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.0%}".replace("%", " %") if whole else "–"


def _error(found: Detection) -> str:
    error = (found.matched + found.extra) / (found.matched + found.missed) - 1
    return f"{error:+.0%}".replace("-", "−").replace("%", " %")


def _worst(rows: Sequence[Row]) -> str:
    """The lowest figure, and where the naive threshold does better."""
    lowest = min(rows, key=lambda row: row.program.detection.f1 or 0.0)
    better = [row.name for row in rows if (row.naive.f1 or 0.0) > (row.program.detection.f1 or 0.0)]
    text = f"The lowest F1 is {_figure(lowest.program.detection.f1)} ({lowest.name}). "
    if better:
        return f"{text}The naive threshold has a higher F1 than the program on: {', '.join(better)}."
    return f"{text}The naive threshold has a lower F1 than the program everywhere."


def _right(rows: Sequence[Row]) -> str:
    head = ["pictures", "what", "vessels", "F1", "precision", "recall", "count error", "tissue", "naive F1"]
    head += ["naive count error", "best threshold F1", "its count error"]
    body = []
    for row in rows:
        ours, (od, best) = row.program.detection, row.by_hand
        tissue = sum(r.tissue_mm2 for r in row.readings)
        line = [row.name, row.what, str(ours.matched + ours.missed), f"**{_figure(ours.f1)}**"]
        line += [_figure(ours.precision), _figure(ours.recall), _error(ours)]
        line += [_percent(tissue, sum(r.picture_mm2 for r in row.readings)), _figure(row.naive.f1), _error(row.naive)]
        body.append([*line, f"{_figure(best.f1)} ({od:g})", _error(best)])
    return _table(head, body)


def _worst_composites(composites: Sequence[Reading]) -> str:
    read = sorted(
        (r for r in composites if not r.is_refused), key=lambda r: (r.program.detection.f1 or 0.0, r.picture.name)
    )
    each = ", ".join(f"{r.picture.name} ({_figure(r.program.detection.f1)})" for r in read[:3])
    refused = sum(r.is_refused for r in composites)
    return f"Composites refused: {refused} of {len(composites)}. Lowest F1 of the others: {each or '–'}."


def _said(rows: Sequence[Row]) -> str:
    """Refusals and warnings."""
    body = []
    for row in rows:
        said = Counter((r.is_refused, sentence) for r in row.readings for sentence in r.said)
        for (is_refused, sentence), times in said.most_common():
            of = f"{row.name} ({times} of {len(row.readings)})" if row.name == ALL else row.name
            body.append([of, f"{'refused' if is_refused else 'warning'}: {sentence}"])
        if not said:
            body.append([row.name, "nothing"])
    return _table(["pictures", "the program says"], body)


def _by_kind(rows: Sequence[Row], tally: Callable[[Row], Counter[str]]) -> str:
    """A line for each kind, the most frequent first; a column for each row."""
    each = [tally(row) for row in rows]
    kinds = sorted(sum(each, Counter()).items(), key=lambda item: (-item[1], item[0]))
    body = [[kind, *(str(of[kind]) for of in each)] for kind, _ in kinds]
    body.append(["**all**", *(str(sum(of.values())) for of in each)])
    return _table(["", *(row.name for row in rows)], body)


def _decoys(composites: Sequence[Reading]) -> str:
    false = sum((r.program.false for r in composites), Counter())
    there = Counter(one.kind for r in composites for one in r.picture.known)
    each = [f"{false[kind]} false counts on {there[kind]} {kind}s" for kind in DECOYS.values()]
    return f"In the composites: {', '.join(each)}."


def _negatives(negatives: Sequence[Reading]) -> str:
    body = []
    for r in negatives:
        said = "; ".join(r.said) or "nothing"
        figures = ["refused", "–", "–"]
        if not r.is_refused:
            per_mm2 = f"{r.program.counted / r.tissue_mm2:.1f}" if r.tissue_mm2 else "–"
            figures = [str(r.program.counted), f"{r.tissue_mm2:.2f}", per_mm2]
        body.append([r.picture.name, r.picture.what, *figures, str(r.naive.extra), said])
    head = [
        "picture",
        "what",
        "false vessels",
        "tissue, mm²",
        "per mm² of tissue",
        "naive threshold",
        "the program says",
    ]
    return _table(head, body)


def _unwarned(negatives: Sequence[Reading]) -> str:
    """The most false vessels of which the program gives no warning."""
    silent = [(r.program.counted / r.tissue_mm2, r.picture.name) for r in negatives if not r.said and r.tissue_mm2]
    if not silent:
        return "The program warns of each, or refuses it."
    per_mm2, name = max(silent)
    return f"Most false vessels without a warning: {per_mm2:.1f} per mm² ({name})."


def _doubt(rows: Sequence[Row]) -> str:
    body = []
    for row in rows:
        of = row.program
        false = of.detection.extra
        body.append(
            [row.name, str(of.counted), _percent(of.marked, of.counted), str(false), _percent(of.marked_false, false)]
        )
    return _table(["pictures", "counted", "of these marked", "false counts", "of these marked"], body)


def _robustness(real: Sequence[Reading], counts: Counts) -> str:
    names = [r.picture.name for r in real]
    as_it_is = {name: counts[name, ORIENTATIONS[0].name] for name in names}
    body = [["as it is", *("refused" if n is None else str(n) for n in as_it_is.values())]]
    body.append(["eight orientations", *(_spread([counts[name, c.name] for c in ORIENTATIONS]) for name in names)])
    body += [[c.name, *(_change(as_it_is[name], counts[name, c.name]) for name in names)] for c in CHANGES]
    return _table(["", *names], body)


def _spread(counts: Sequence[int | None]) -> str:
    known = [n for n in counts if n is not None]
    if not known:
        return "refused"
    refused = f", {len(counts) - len(known)} refused" if len(known) < len(counts) else ""
    low, high = min(known), max(known)
    return f"{low} to {high} ({_percent(high - low, sum(known) / len(known))}){refused}"


def _change(before: int | None, after: int | None) -> str:
    if after is None or not before:
        return "refused" if after is None else f"{after} counted"
    return f"{after / before - 1:+.0%} ({after})".replace("-", "−").replace("%", " %")
