"""Values proposed from the finished reviews of a study's observer. Nothing is changed, and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mvd.errors import MvdError
from mvd.protocol import Protocol
from mvd.rules import rule_names
from mvd.steering.reads import Reads
from mvd.steering.search import LEAST_SPECIMENS, Proposal, propose
from mvd.steering.trial import try_values
from mvd.steering.values import Values, grid_round


@dataclass(frozen=True, slots=True)
class Steered:
    """A proposal, and what it rests on."""

    observer: str
    proposal: Proposal
    tried: int
    """Combinations of values."""
    fields: int
    vessels: int
    """That the observer counts in these fields."""
    left_out: tuple[str, ...]
    """Sentences: which reviews were not used, and why."""


def propose_values(
    reads: Reads, protocol: Protocol, study: Path, *, progress: Callable[[int, int], None] | None = None
) -> Steered:
    """Search the reviewed fields for the values that fit an observer best; see `propose`.

    Parameters
    ----------
    reads
        What the observer finished.
    protocol
        The study's own, with the values now in force.
    study
        The study's folder.
    progress
        Told the specimens searched and the specimens in all.
    """
    now = Values.of(protocol)
    enough = len(reads.reads) >= LEAST_SPECIMENS
    grid, tried, used, notes = grid_round(now), [], [], []
    for done, read in enumerate(reads.reads if enough else (), start=1):
        try:
            tried.append(try_values(read, grid, protocol=protocol, study=study))
            used.append(read)
        except MvdError as error:
            notes.append(f"{read.specimen.specimen} is left out: {error}")
        if progress:
            progress(done, len(reads.reads))
    proposal = propose(tried, now) if enough else Proposal(now, None, (), len(reads.reads))
    return Steered(
        reads.observer,
        proposal,
        tried=len(grid),
        fields=sum(len(read.vessels) for read in used),
        vessels=sum(len(boxes) for read in used for boxes in read.vessels.values()),
        left_out=(*reads.left_out, *notes),
    )


def in_words(steered: Steered) -> str:
    """What the proposal comes to, as a sentence or two."""
    found, leave = steered.proposal, "Leave the values as they are."
    if found.best is None:
        few = (
            f"{found.specimens or 'no'} finished specimen{'' if found.specimens == 1 else 's'} of {steered.observer}'s"
        )
        return f"The evidence is too thin: {few} can be used, and at least {LEAST_SPECIMENS} are needed. {leave}"
    errors = f"{found.error_now:.1f} vessels now, {found.error_proposed:.1f} with values from the other specimens"
    if found.verdict == "as they are":
        return f"No other values that were tried agree better with {steered.observer}. {leave}"
    if found.verdict == "no better":
        return f"Other values do not help on specimens left out (mean error {errors}). {leave}"
    return f"On specimens left out the count comes nearer to {steered.observer}'s: mean error {errors}."


def in_toml(protocol: Protocol, best: Values) -> str:
    """The lines of study.toml that change; a shipped rule gets a name of its own where its choices do."""
    lines: dict[str, list[str]] = {"stain": [], "rule": []}
    if best.sensitivity != protocol.stain.sensitivity:
        lines["stain"].append(f"sensitivity = {best.sensitivity}")
    for key in ("min_area_um2", "join_gap_um"):
        if getattr(best, key) != getattr(protocol.rule, key):
            lines["rule"].append(f"{key} = {getattr(best, key)}")
    if lines["rule"] and protocol.rule.name.casefold() in rule_names():
        lines["rule"].insert(0, f'name = "{protocol.rule.name}, calibrated"')
    return "\n".join("\n".join((f"[{section}]", *own)) for section, own in lines.items() if own)
