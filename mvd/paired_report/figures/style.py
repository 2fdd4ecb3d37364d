"""How every figure looks, and its bytes: the same each time, legible in black and white."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mvd.compare.model import Comparisons

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 7.0
"""Two columns of a journal, 178 mm."""
_PNG_DPI = 200
INK, PALE, GRID = "#1c1c21", "#8a8a92", "#e3e3e8"
UNIT = "MVD [vessels/mm²]"

_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same widths on every machine
    "font.size": 9,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.unicode_minus": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "text.parse_math": False,  # a $ in a name is a $
    "svg.fonttype": "none",  # text stays text: it can be searched, read aloud, and set in a journal's type
    "svg.hashsalt": "mvd",  # else the identifiers are other ones each time
    "hatch.linewidth": 0.9,
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a response group is told from the others, by colour as well as by mark, line and hatching."""

    colour: str
    marker: str
    hollow: bool
    line: Literal["-", "--", "-.", ":"]
    hatch: str


_LOOKS = (
    Look("#0072b2", "o", False, "-", ""),
    Look("#d55e00", "s", True, "--", "////"),
    Look("#009e73", "^", False, "-.", "...."),
    Look("#cc79a7", "D", True, ":", "xxxx"),
)
"""Okabe & Ito's colours, which the colour-blind tell apart (jfly.uni-koeln.de/color)."""
_UNKNOWN = Look("#5c5c66", "v", True, ":", "\\\\\\\\")
NO_RESPONSE = "response not given"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One figure of the report."""

    name: str
    """Of its files."""
    title: str
    caption: str
    alt: str
    """What it shows, for whoever does not see it."""
    svg: bytes
    png: bytes


def looks(comparisons: Comparisons) -> dict[str, Look]:
    """Each response group's look, in the order of the legend; patients without a response last."""
    groups = [row.response for row in comparisons.rows]
    named = sorted({group for group in groups if group})
    found = {group: _LOOKS[index % len(_LOOKS)] for index, group in enumerate(_responders_first(named))}
    if None in groups or "" in groups:
        found[NO_RESPONSE] = _UNKNOWN if named else _LOOKS[0]
    return found


def _responders_first(groups: Iterable[str]) -> list[str]:
    """'non-responder' after 'responder'; the alphabet has it the other way round."""
    return sorted(groups, key=lambda group: (group.casefold().startswith(("non", "no ")), group))


@contextmanager
def canvas(height_in: float, *, width_in: float = WIDTH_IN) -> Iterator[Figure]:
    """A figure to draw on; no window, and no state of matplotlib's is touched."""
    from matplotlib import rc_context  # noqa: PLC0415  (loads in half a second)
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context(_STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        # A name in letters that the font lacks is drawn as boxes in the PNG; in the SVG and on the page it is whole.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield Figure(figsize=(width_in, height_in), layout="constrained")


def rendered(figure: Figure) -> tuple[bytes, bytes]:
    """SVG and PNG, without a date and without the name of a program."""
    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(png, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return svg.getvalue(), png.getvalue()


def legend(figure: Figure, found: dict[str, Look], *, filled: bool = False) -> None:
    """What each look means, above the plot; none where there is one group without a name."""
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    if not found or list(found) == [NO_RESPONSE]:
        return
    keys: list[Line2D | Patch] = []
    for name, look in found.items():
        label = shortened(name)
        if filled:
            keys.append(Patch(facecolor=_tint(look), edgecolor=look.colour, hatch=look.hatch, label=label))
        else:
            keys.append(Line2D([], [], color=look.colour, linestyle=look.line, label=label, **marks(look)))
    figure.legend(handles=keys, loc="outside upper left", ncols=min(len(keys), 4), handlelength=3)


def shortened(name: str, longest: int = 28) -> str:
    """A name that does not push the plot away; control characters would break the SVG."""
    name = "".join(letter if letter.isprintable() else " " for letter in name)
    return name if len(name) <= longest else name[: longest - 1] + "…"


def marks(look: Look) -> dict[str, Any]:
    """The mark of a point, as matplotlib's keywords."""
    face = "white" if look.hollow else look.colour
    return {"marker": look.marker, "markersize": 5, "markerfacecolor": face, "markeredgecolor": look.colour}


def bars(look: Look) -> dict[str, Any]:
    """The filling of a bar, as matplotlib's keywords."""
    return {"facecolor": _tint(look), "edgecolor": look.colour, "hatch": look.hatch, "linewidth": 0.8}


def _tint(look: Look) -> str:
    """Hatched bars are white between the lines; plain ones are full: they differ in grey, too."""
    return "white" if look.hatch else look.colour


def scale_from_zero(axes: Axes, values: Sequence[float]) -> None:
    """A density axis that begins at 0 and has room above the largest value."""
    top = max(values, default=0.0)
    axes.set_ylim(0, top * 1.06 if top > 0 else 10)
    axes.grid(axis="y")


def beside(values: Sequence[float], *, nearest: float, step: float = 0.045) -> list[float]:
    """How far each point is moved aside, so that equal and near values lie next to each other; no chance in it."""
    order = sorted(range(len(values)), key=lambda index: (values[index], index))
    moved = [0.0] * len(values)
    run: list[int] = []
    for index in order:
        if run and values[index] - values[run[-1]] > nearest:
            _spread(run, moved, step)
            run = []
        run.append(index)
    _spread(run, moved, step)
    return moved


def _spread(run: Sequence[int], moved: list[float], step: float) -> None:
    step = min(step, 0.6 / max(len(run), 1))
    for place, index in enumerate(run):
        outwards = math.ceil(place / 2) * (1 if place % 2 else -1)
        moved[index] = outwards * step
