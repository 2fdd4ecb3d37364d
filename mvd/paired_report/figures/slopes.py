"""One line a patient, from timepoint to timepoint."""

from __future__ import annotations

from mvd.compare.model import Comparisons, CountRow
from mvd.paired_report.figures.style import (
    INK,
    NO_RESPONSE,
    UNIT,
    Drawn,
    canvas,
    legend,
    looks,
    marks,
    rendered,
    scale_from_zero,
    shortened,
)
from mvd.paired_report.words import density, number_of

_MEDIAN_HALF = 0.11


def slope_plot(comparisons: Comparisons) -> Drawn | None:
    """Every patient's MVD at every timepoint, and each timepoint's median; None where nothing was measured."""
    measured = _by_patient(comparisons)
    if not measured:
        return None
    found = looks(comparisons)
    place = {timepoint: x for x, timepoint in enumerate(comparisons.timepoints)}
    with canvas(4.3) as figure:
        axes = figure.add_subplot()
        for rows in measured.values():
            look = found[rows[0].response or NO_RESPONSE]
            points = [(place[row.timepoint], row.mvd_per_mm2 or 0.0) for row in rows]
            style = marks(look) | {"color": look.colour, "linestyle": look.line, "linewidth": 1.1, "alpha": 0.85}
            axes.plot([x for x, _ in points], [y for _, y in points], **style)
        for summary in comparisons.summaries:
            if summary.median is not None:
                x = place[summary.timepoint]
                ends = (x - _MEDIAN_HALF, x + _MEDIAN_HALF)
                axes.plot(
                    ends, (summary.median, summary.median), color=INK, linewidth=4, solid_capstyle="butt", zorder=5
                )
                label = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85}
                text = f"median {density(summary.median)}"
                axes.text(x + _MEDIAN_HALF + 0.03, summary.median, text, va="center", bbox=label, zorder=5)
        axes.set_xticks(list(place.values()), _ticks(comparisons))
        axes.set_xlim(-0.35, len(place) - 1 + 0.55)
        axes.set_ylabel(UNIT)
        scale_from_zero(axes, [row.mvd_per_mm2 or 0.0 for rows in measured.values() for row in rows])
        legend(figure, found)
        svg, png = rendered(figure)
    return Drawn(
        "slopes",
        "Each patient over time",
        "One line is one patient. Thick bars are medians of all specimens of the timepoint, paired or not. A patient "
        "without a specimen at a timepoint has no point there.",
        _alt(comparisons, measured),
        svg,
        png,
    )


def _by_patient(comparisons: Comparisons) -> dict[str, list[CountRow]]:
    """The measured specimens of each patient, in the order of the timepoints."""
    place = {timepoint: x for x, timepoint in enumerate(comparisons.timepoints)}
    patients: dict[str, list[CountRow]] = {}
    for row in comparisons.rows:
        if row.mvd_per_mm2 is not None and row.timepoint in place:
            patients.setdefault(row.patient, []).append(row)
    return {patient: sorted(rows, key=lambda row: place[row.timepoint]) for patient, rows in patients.items()}


def _ticks(comparisons: Comparisons) -> list[str]:
    numbers = {summary.timepoint: summary.n for summary in comparisons.summaries}
    return [f"{shortened(timepoint)}\nn = {numbers.get(timepoint, 0)}" for timepoint in comparisons.timepoints]


def _alt(comparisons: Comparisons, measured: dict[str, list[CountRow]]) -> str:
    medians = ", ".join(f"{s.timepoint} {density(s.median)} (n = {s.n})" for s in comparisons.summaries)
    changes = [one for one in comparisons.changes if one.difference is not None]
    moves = []
    for timepoint in comparisons.timepoints[1:]:
        differences = [one.difference or 0.0 for one in changes if one.timepoint == timepoint]
        if differences:
            rose, fell = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
            same = len(differences) - rose - fell
            moves.append(f"at {timepoint} MVD rose in {rose}, fell in {fell} and stayed the same in {same}")
    patients = number_of(len(measured), "patient")
    return f"Line plot of the MVD in vessels/mm² of {patients} by timepoint. Medians: {medians}." + (
        f" Against {comparisons.timepoints[0]}, {'; '.join(moves)}." if moves else ""
    )
