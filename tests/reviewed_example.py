"""A machine's result to review, and an observer who decides: as the tests of corrections and of their log use them."""

from collections.abc import Sequence
from dataclasses import astuple, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from stored_example import vessel

from mvd.corrections import Correction, Decision, MachineResult, Review, decide, go_on, record, unreviewed
from mvd.fields import CountField
from mvd.geometry import Rect, Ring
from mvd.vessels.model import Reason, Vessel

SHA = "5f" * 32
STEP_UM = 40.0
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def square(x_um: float, y_um: float, side_um: float = 12.0) -> Ring:
    half = side_um / 2
    corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    return np.array([(x_um + dx, y_um + dy) for dx, dy in corners])


def vessel_at(number: int, x_um: float, y_um: float, reason: Reason | None = None) -> Vessel:
    outline = square(x_um, y_um)
    return vessel(f"v{number:05d}", outline=outline, x_um=x_um, y_um=y_um, reason=reason, lumens=())


def machine(rows: int = 3, columns: int = 4) -> MachineResult:
    """Vessels `STEP_UM` apart from (20, 20) on, every third of them rejected, and two fields side by side."""
    places = [(20 + STEP_UM * c, 20 + STEP_UM * r) for r in range(rows) for c in range(columns)]
    vessels = tuple(
        vessel_at(number, x, y, Reason.SINGLE_CELL if number % 3 == 0 else None)
        for number, (x, y) in enumerate(places, start=1)
    )
    fields = tuple(CountField(str(n + 1), Rect.square(80.0 * n, 0, 80), 0.0064) for n in range(2))
    return MachineResult("p1_pre", SHA, vessels, fields, involved=(((((0.0, 0.0), (160.0, 0.0), (160.0, 120.0)),)),))


def decided(review: Review, *decisions: Decision, observer: str = "anna") -> Review:
    """The review after decisions, each recorded as things stand then."""
    for decision in decisions:
        review = go_on(review, [record(review, decision, observer=observer, version="0.1.0", made_at=NOON)])
    return review


def begun(result: MachineResult | None = None) -> Review:
    return decided(unreviewed(result or machine()), decide.begin())


def some_corrections(number: int) -> Sequence[Correction]:
    """A log of this length: `begin`, then accepting and rejecting by turns."""
    review = begun()
    names = list(review.objects)
    for step in range(number - 1):
        name = names[step % len(names)]
        decision = (
            decide.reject(review, name, Reason.PIGMENT) if step // len(names) % 2 == 0 else decide.accept(review, name)
        )
        review = decided(review, decision)
    return review.corrections


def exact(vessel: Vessel) -> tuple[Any, ...]:
    """A vessel to the last bit."""
    rings = tuple(ring.tobytes() for ring in (vessel.outline, *vessel.lumens))
    return rings, tuple(repr(value) for value in astuple(replace(vessel, outline=np.empty((0, 2)), lumens=())))


def state(review: Review) -> dict[str, Any]:
    """Everything that a review says of its specimen; not how it came to be."""
    return {
        "status": review.status,
        "unblinded": review.unblinded,
        "hidden": review.hidden,
        "objects": [
            (name, exact(found.vessel), found.source, found.decided, found.comment, found.order)
            for name, found in review.objects.items()
        ],
        "replaced": dict(review.replaced),
        "fields": list(review.fields.values()),
        "involved": review.involved,
        "comment": review.comment,
    }
