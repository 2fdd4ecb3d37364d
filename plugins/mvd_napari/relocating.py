"""Fields that are moved and an involved area that is drawn: what is found there is sought in a worker's thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import shapely

from mvd.corrections import Decision, Polygon
from mvd.corrections.state import points_of
from mvd.errors import CorrectionError, InvolvedAreaError
from mvd.geometry import Raster, Rect, Ring
from mvd.moves import (
    Ground,
    changed_involved,
    evaluable_fraction,
    moved_field,
    replaced_field,
    snapped,
    survey_ground,
)
from mvd_napari.layers import involved_of, to_yx
from mvd_napari.session import Mode
from mvd_napari.workers import Progress

if TYPE_CHECKING:
    from mvd_napari.working import Desk

LOOKING = "Looking at the slide …"
ONLY, ADD, CUT = "This is the involved area", "Add it to the area", "Cut it out of the area"
PLACE, MORE = "Place the fields anew", "Draw more"


class Relocating:
    """The part of the desk that needs the slide itself, and time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ground: tuple[str, Ground] | None = None
        self._evaluable: Raster | None = None
        self._area: tuple[Polygon, ...] = ()

    # Fields

    def begin_move(self) -> None:
        """Let the field in view follow the pointer."""

        def ready(ground: Ground) -> None:
            self._evaluable = ground.evaluable(self._desk.session.review.involved)
            self._desk.mouse.begin_drawing(Mode.PLACE, "Move the pointer to where the field is to lie, and click.")
            self._desk.show()

        self._with_ground(ready)

    def hover(self, x_um: float, y_um: float) -> None:
        """The field as it would lie under the pointer."""
        rect = self._square(x_um, y_um)
        share = evaluable_fraction(self._evaluable, rect) if self._evaluable is not None else 0.0
        least = self._desk.session.measured_protocol.fields.min_evaluable_fraction
        clash = [name for name, other in self._others() if _overlap(rect, other)]
        fits = share >= least and not clash
        self._desk.canvas.show_ghost(rect, fits=fits)
        said = f"{100 * share:.0f} % of it can be counted here"
        if clash:
            said = f"It would overlap field {clash[0]}"
        elif share < least:
            said += f"; {100 * least:g} % are needed"
        self._desk.note(f"{said}.")

    def put_down(self, x_um: float, y_um: float) -> None:
        """The field is to lie here."""
        rect, session = self._square(x_um, y_um), self._desk.session
        clash = next((name for name, other in self._others() if _overlap(rect, other)), None)
        if clash is not None:
            raise CorrectionError(f"it would overlap field {clash}; put it elsewhere")
        name, opened = str(session.field), session.begun()
        centre = ((rect.x0_um + rect.x1_um) / 2, (rect.y0_um + rect.y1_um) / 2)
        self._desk.mouse.end_drawing()
        self._find(lambda ground, progress: moved_field(ground, opened, name, centre, progress=progress))

    def replace(self) -> None:
        """Another place for the field in view, by lot."""
        session = self._desk.session
        name, opened = str(session.field), session.begun()
        self._find(lambda ground, progress: replaced_field(ground, opened, name, progress=progress))

    def _square(self, x_um: float, y_um: float) -> Rect:
        side = self._desk.session.measured_protocol.fields.side_um
        x, y = snapped((x_um, y_um), side, [rect for _, rect in self._others()])
        return Rect.square(x - side / 2, y - side / 2, side)

    def _others(self) -> list[tuple[str, Rect]]:
        session = self._desk.session
        fields = session.review.fields.items()
        return [(name, f.field.rect) for name, f in fields if name != session.field and f.unevaluable is None]

    # The involved area

    def begin_involved(self) -> None:
        """Ask, and let the involved area be drawn."""
        self._area = self._desk.session.review.involved
        self._desk.ask(
            "Another involved area places all fields anew. What you decided so far stays in the log, and undo brings "
            "it back. Draw the area?",
            lambda _: self._begin_drawing(),
            answers=("Draw the area",),
        )

    def _begin_drawing(self) -> None:
        desk = self._desk
        desk.mouse.begin_drawing(Mode.INVOLVED, "Drag round the involved marrow.")
        if desk.canvas.image is not None:
            height, width = desk.canvas.image.data[0].shape[:2]
            um = float(desk.canvas.image.scale[-1])
            desk.canvas.go_to(Rect(0, 0, width * um, height * um), around=1.05)
        desk.show()

    def drawn(self, ring: Ring) -> None:
        """An outline was drawn: what it means is asked."""
        polygon = involved_of([to_yx(ring)])
        self._desk.canvas.show_involved((*self._area, *polygon))
        answers = (ONLY, ADD, CUT) if self._area else (ONLY,)
        self._desk.ask(
            "What is this outline?", lambda what: self._desk.attempt(lambda: self._edit(polygon, what)), answers=answers
        )

    def _edit(self, polygon: tuple[Polygon, ...], what: str) -> None:
        self._area = polygon if what == ONLY else _combined(self._area, polygon, cut=what == CUT)
        self._desk.canvas.show_involved(self._area)
        area_mm2 = sum(float(one.area) for one in _shapes(self._area)) / 1e6
        self._desk.ask(
            f"The involved area is {area_mm2:.2f} mm² now. Place the fields anew in it?",
            lambda answer: self._desk.attempt(self._place_anew) if answer == PLACE else None,
            answers=(PLACE, MORE),
        )

    def _place_anew(self) -> None:
        area, opened = self._area, self._desk.session.begun()
        self._desk.mouse.end_drawing()
        self._find(lambda ground, progress: changed_involved(ground, opened, area, progress=progress))

    # Finding

    def _find(self, work: Callable[[Ground, Progress], Decision]) -> None:
        """Find what a decision needs, and take it."""

        def ready(ground: Ground) -> None:
            self._desk.waiting.run(lambda progress: work(ground, progress), self._take, note=LOOKING)

        self._with_ground(ready)

    def _take(self, decision: Decision) -> None:
        desk = self._desk
        desk.attempt(lambda: desk.session.take(decision))
        desk.look_at_field()
        desk.show()

    def _with_ground(self, then: Callable[[Ground], None]) -> None:
        session = self._desk.session
        opened, reading = session.opened, session.reading
        if opened is None or reading is None:
            return
        if self._ground is not None and self._ground[0] == reading.specimen:
            then(self._ground[1])
            return

        def known(ground: Ground) -> None:
            self._ground = reading.specimen, ground
            then(ground)

        specimen = session.specimen_of(reading)
        self._desk.waiting.run(lambda _: survey_ground(specimen, opened, study=session.folder), known, note=LOOKING)


def _overlap(one: Rect, other: Rect) -> bool:
    common = one.intersection(other)
    return common is not None and min(common.width_um, common.height_um) > 0.01  # edges are put against each other


def _shapes(area: Sequence[Polygon]) -> list[shapely.Polygon]:
    return [shapely.Polygon(polygon[0], polygon[1:]) for polygon in area]


def _combined(area: Sequence[Polygon], polygon: Sequence[Polygon], *, cut: bool) -> tuple[Polygon, ...]:
    """An area with another added to it, or cut out of it."""
    before, other = (shapely.union_all([shapely.make_valid(one) for one in _shapes(part)]) for part in (area, polygon))
    result = shapely.difference(before, other) if cut else shapely.union(before, other)
    parts = [part for part in shapely.get_parts(result) if part.geom_type == "Polygon" and part.area > 0]
    if not parts:
        raise InvolvedAreaError("nothing would be left of the involved area")
    return tuple(
        tuple(points_of(shapely.get_coordinates(ring)[:-1]) for ring in (part.exterior, *part.interiors))
        for part in parts
    )
