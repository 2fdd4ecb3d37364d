"""The section and what is drawn on it, and the mouse: the viewer's side of the desk. It decides nothing.

Lines are napari's Vectors, a segment each: a hundred outlines are drawn anew in a few milliseconds, where Shapes take a
quarter of a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Image, Points, Vectors
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray

from mvd.corrections import Polygon, ReviewedObject
from mvd.fields import CountField
from mvd.geometry import Rect, Ring
from mvd_napari.layers import (
    OUTLINE_UM,
    RIM,
    WORLD,
    Lines,
    Standing,
    frame_lines,
    involved_lines,
    standing,
    to_xy,
    to_yx,
    vessel_outlines,
    vessel_points,
)
from mvd_napari.pointer import Pointer
from mvd_napari.pyramid import ImageLayer
from mvd_napari.session import Mode, Session

STILL_PX = 4.0
"""A hand that clicks moves the mouse by less; by more, it drags."""
AROUND = 1.14
"""What is shown when a field is gone to, in sides of the field: the frame with a little of what surrounds it."""
LINE_PX = 3.0
"""Of what is drawn by hand and of the involved area, on the screen, whether a field or the whole section is seen."""
CHOSEN_COLOUR, PENCIL_COLOUR = "#ffffff", "#ffffff"
TRIED_COLOUR = "#ff40ff"
"""Neither a stain's colour nor one of a vessel's standing."""
OTHER_FIELDS_COLOUR = "#1e3ca0"
"""As the fields on the overview pictures."""

_DASH_UM = {Standing.REJECTED: 2.0, Standing.NEAR_REJECTED: 2.0, Standing.LEFT_OUT: 6.0}
"""Outlines of what is not in the count are dashed, as in the field pictures; the others are whole."""
_SIGNED = frozenset({Standing.ADDED, Standing.NEAR_COUNTED, Standing.NEAR_REJECTED})
"""What gets a sign beside its outline."""
_BESIDE_UM = 3.0
_INSET_UM = 2.0

Segments = NDArray[np.float64]
"""(n, 2, 2): start and way of each, y, x in µm."""
_NOTHING: Segments = np.array([[[0.0, 0.0], [1e-3, 0.0]]])
"""Where nothing is drawn: napari cannot draw no vectors, and to hide the layer costs it a whole new scene."""


@dataclass(frozen=True, slots=True)
class Hand:
    """What the canvas tells when the mouse does something; places are x, y in µm."""

    click: Callable[[float, float, frozenset[str]], None]
    menu: Callable[[float, float], None]
    hover: Callable[[float, float], None]
    stroke: Callable[[Ring], None]


class Strokes(Vectors):  # type: ignore[misc]  # napari has no types
    """Broken lines, each of one colour, that are drawn anew within a frame."""

    def __init__(self, name: str, width_um: float) -> None:
        self._look: object = None
        super().__init__(
            _NOTHING, name=name, edge_width=width_um, vector_style="line", edge_color=np.zeros((1, 4)), **WORLD
        )

    def draw(self, lines: Iterable[NDArray[np.float64]], colours: Iterable[str]) -> None:
        """Lines, y, x in µm, in place of those before."""
        parts = [(_segments(places), colour) for places, colour in zip(lines, colours, strict=True)]
        segments = np.concatenate([part for part, _ in parts]) if parts else _NOTHING
        rgba = [np.tile(_rgba(colour), (len(part), 1)) for part, colour in parts]
        look = (segments.tobytes(), tuple(colour for _, colour in parts))
        if look == self._look:
            return
        self._look = look
        with self.events.blocker_all():  # drawn once for both, not once for each
            self.data = segments
            self.edge_color = np.concatenate(rgba) if rgba else np.zeros((1, 4))
        self.refresh(thumbnail=False, highlight=False)

    def _update_thumbnail(self) -> None:
        """None is seen, and drawing it takes longer than all the rest."""


class Canvas:
    """The layers of one viewer."""

    def __init__(self, viewer: Any, hand: Hand) -> None:
        self.viewer = viewer
        self.image: Image | None = None
        self._hand = hand
        self._drawing = False
        self._points_look: object = None
        self._bare = self._is_trying = False
        self.involved = self._lines("Involved area", 2.0)
        self.other_fields = self._lines("Other fields", 0.7)
        self.frame = self._lines("Field", 1.2)
        self.outlines = self._lines("Outlines", OUTLINE_UM)
        self.tried = self._lines("Tried", OUTLINE_UM)
        self.points = Points(
            np.empty((0, 2)), name="Vessels", size=5, border_width=0.12, border_color=RIM, antialiasing=1, **WORLD
        )
        viewer.add_layer(self.points)
        self.chosen = self._lines("Chosen", 1.2)
        self.pencil = self._lines("Pencil", 1.0)
        viewer.mouse_double_click_callbacks.clear()  # the second of two quick clicks is no wish to zoom
        viewer.mouse_drag_callbacks.append(self._on_drag)
        viewer.mouse_move_callbacks.append(self._on_move)
        self._pointer = Pointer(self._on_rest, self.native)

    def close(self) -> None:
        """Let go of the mouse, and of the viewer, which is closed when nobody holds it any more."""
        if self.viewer is None:
            return
        for callbacks, mine in (
            (self.viewer.mouse_drag_callbacks, self._on_drag),
            (self.viewer.mouse_move_callbacks, self._on_move),
        ):
            if mine in callbacks:
                callbacks.remove(mine)
        self._pointer.close()
        self.viewer = None

    @property
    def native(self) -> Any:
        """The widget that is drawn on."""
        return self.viewer.window._qt_viewer.canvas.native  # napari has no public name for it

    def _lines(self, name: str, width_um: float) -> Strokes:
        layer = Strokes(name, width_um)
        self.viewer.add_layer(layer)
        return layer

    # Showing

    def show_section(self, image: ImageLayer) -> None:
        """Another section, in place of the one before."""
        data, attributes, _ = image
        if self.image is None:
            self.image = Image(data, **attributes)
            self.viewer.layers.insert(0, self.image)
            self.viewer.layers.selection.active = self.image
            return
        with self.image.events.blocker_all():  # another layer would take half a second
            self.image.scale, self.image.translate = attributes["scale"], attributes["translate"]
        self.image.data = data

    def show(self, session: Session, *, marks: bool, outlines: bool) -> None:
        """Everything that is drawn on the section, as the session stands."""
        if session.opened is None:
            return
        marks = marks and not self._is_trying
        objects, counted = (session.near() if marks else ()), session.tally.counted
        hidden = session.review.hidden  # an outline would tell that the program found it
        lines = vessel_outlines(objects, counted=counted) if outlines and not hidden else None
        self._show_points(objects, counted, beside=lines is not None)
        self.outlines.draw(*_styled(lines, objects, counted) if lines else ((), ()))
        self._bare = not marks
        self.show_chosen(session)
        self._show_fields(session)

    def _show_points(self, objects: Sequence[ReviewedObject], counted: frozenset[str], *, beside: bool) -> None:
        """Points for all; beside outlines only for what the line does not tell, and next to it."""
        shown = [one for one in objects if not beside or standing(one, counted) in _SIGNED]
        found = vessel_points(shown, counted=counted)
        places = found.data
        if beside and shown:
            corners = [one.vessel.bounds for one in shown]
            places = np.array([(box.y0_um - _BESIDE_UM, box.x1_um + _BESIDE_UM) for box in corners])
        look = (places.tobytes(), found.symbols, found.colours)
        if look == self._points_look:
            return
        self._points_look = look
        with self.points.events.blocker_all():  # drawn once for all of it, not once for each
            self.points.data = places
            if shown:
                self.points.symbol = list(found.symbols)
                self.points.face_color = np.array([_rgba(colour) for colour in found.colours])
                self.points.size = np.array(found.sizes_um)
                self.points.border_color = RIM
            self.points.selected_data = set()
        self.points.refresh(thumbnail=False)

    def show_tried(self, rings: Sequence[Ring] | None) -> None:
        """Outlines, x, y in µm, that would count by other values, in place of all marks; None brings those back."""
        self._is_trying = rings is not None
        rings = rings or ()
        self.tried.draw([_closed(to_yx(ring)) for ring in rings], [TRIED_COLOUR] * len(rings))

    def show_chosen(self, session: Session) -> None:
        """The chosen objects, and the one under the pointer."""
        there = session.review.objects
        if self._bare:
            self.chosen.draw((), ())
            return
        names = [*session.chosen, *([session.pointed] if session.pointed else [])]
        lines = [there[name].vessel.outline for name in dict.fromkeys(names) if name in there]
        if session.review.hidden:
            lines = [_ring_round(there[name].vessel.x_um, there[name].vessel.y_um) for name in dict.fromkeys(names)]
        self.chosen.draw([_closed(ring[:, ::-1]) for ring in lines], [CHOSEN_COLOUR] * len(lines))

    def _show_fields(self, session: Session) -> None:
        border = session.measured_protocol.fields.border
        for layer, here in ((self.other_fields, False), (self.frame, True)):
            fields = [one.field for name, one in session.review.fields.items() if (name == session.field) is here]
            parts = [frame_lines(field, border=border) if here else _square(field) for field in fields]
            drawn = [
                _closed(places) if kind == "polygon" else places
                for lines in parts
                for places, kind in zip(lines.data, lines.kinds, strict=True)
            ]
            layer.draw(drawn, [colour for lines in parts for colour in lines.colours])

    def show_involved(self, involved: Iterable[Polygon]) -> None:
        """The involved area's outline."""
        lines = involved_lines(involved)
        self.involved.draw([_closed(places) for places in lines.data], lines.colours)

    def show_ghost(self, rect: Rect | None, *, fits: bool = True) -> None:
        """A field that is being moved; dashed red where it cannot be put down."""
        if rect is None:
            self.pencil.draw((), ())
            return
        ring = np.array(
            [(rect.y0_um, rect.x0_um), (rect.y0_um, rect.x1_um), (rect.y1_um, rect.x1_um), (rect.y1_um, rect.x0_um)]
        )
        lines = [_closed(ring)] if fits else _dashes(_closed(ring), 8.0)
        self.pencil.draw(lines, ["#009650" if fits else "#d62800"] * len(lines))

    def show_pencil(self, places: Sequence[tuple[float, float]]) -> None:
        """A line as it is drawn; y, x in µm."""
        self.pencil.draw([np.array(places)] if len(places) > 1 else (), [PENCIL_COLOUR] * (len(places) > 1))

    # Looking

    def go_to(self, rect: Rect, around: float = AROUND) -> None:
        """Fill the canvas with a rectangle."""
        size = self.native.size()
        self.viewer.scene.camera.center = (0.0, (rect.y0_um + rect.y1_um) / 2, (rect.x0_um + rect.x1_um) / 2)
        zoom = min(size.width() / rect.width_um, size.height() / rect.height_um) / around
        if math.isfinite(zoom) and zoom > 0:
            self.viewer.scene.camera.zoom = zoom
            self.pencil.edge_width = self.involved.edge_width = LINE_PX / zoom

    def set_mode(self, mode: Mode) -> None:
        """What a drag does: move the section, or draw."""
        self._drawing = mode in (Mode.LINE, Mode.OUTLINE, Mode.INVOLVED)
        self.viewer.scene.camera.mouse_pan = not self._drawing
        self.show_pencil(())

    # The mouse

    def _on_drag(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        button, held = event.button, frozenset(str(getattr(key, "name", key)) for key in event.modifiers)
        start, moved, drawing = np.array(event.pos, np.float64), False, self._drawing
        places = [tuple(event.position[-2:])]
        yield
        while event.type == "mouse_move":
            moved = moved or float(np.linalg.norm(np.array(event.pos) - start)) > STILL_PX
            if drawing and moved and button == 1:
                places.append(tuple(event.position[-2:]))
                self.show_pencil(places)
            yield
        if drawing and button == 1:
            self.show_pencil(())
            if len(places) > 1:
                self._hand.stroke(to_xy(np.array(places)))
        elif not moved:
            y_um, x_um = (float(value) for value in places[0])
            if button == 1:
                self._hand.click(x_um, y_um, held)
            else:
                self._hand.menu(x_um, y_um)

    def _on_move(self, _viewer: Any, event: Any) -> None:
        y_um, x_um = (float(value) for value in event.position[-2:])
        self._hand.hover(x_um, y_um)

    def _on_rest(self, right_px: float, down_px: float) -> None:
        if self.viewer is None:
            return
        camera, size = self.viewer.scene.camera, self.native.size()
        _, y_um, x_um = camera.center
        x_um, y_um = (
            x_um + (right_px - size.width() / 2) / camera.zoom,
            y_um + (down_px - size.height() / 2) / camera.zoom,
        )
        self._hand.hover(float(x_um), float(y_um))


def _styled(
    lines: Lines, objects: Sequence[ReviewedObject], counted: frozenset[str]
) -> tuple[list[NDArray[np.float64]], list[str]]:
    """Outlines: whole for vessels, dashed for what is not counted, so that no colour is needed to tell."""
    drawn: list[NDArray[np.float64]] = []
    colours: list[str] = []
    for places, colour, one in zip(lines.data, lines.colours, objects, strict=True):
        ring = _closed(places)
        dash_um = _DASH_UM.get(standing(one, counted))
        parts = _dashes(ring, dash_um) if dash_um else [ring]
        drawn += parts
        colours += [colour] * len(parts)
    return drawn, colours


def _square(field: CountField) -> Lines:
    """A field beside the one in view: a little smaller, so that it leaves a common edge to that one's frame."""
    return frame_lines(replace(field, rect=field.rect.expanded(-_INSET_UM)), border="centre")


def _closed(places: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([places, places[:1]])


def _segments(places: NDArray[np.float64]) -> Segments:
    return np.stack([places[:-1], np.diff(places, axis=0)], axis=1)


def _dashes(line: NDArray[np.float64], dash_um: float) -> list[NDArray[np.float64]]:
    """A broken line as dashes with gaps as long."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    number = max(2 * round(float(along[-1]) / (2 * dash_um)), 2)
    cuts = np.linspace(0, along[-1], number + 1)
    stops = np.union1d(along, cuts)
    points = np.stack([np.interp(stops, along, line[:, axis]) for axis in (0, 1)], axis=1)
    return [points[(stops >= cuts[i]) & (stops <= cuts[i + 1])] for i in range(0, number, 2)]


def _ring_round(x_um: float, y_um: float, radius_um: float = 6.0) -> Ring:
    angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    return np.stack([x_um + radius_um * np.cos(angles), y_um + radius_um * np.sin(angles)], axis=1)


def _rgba(colour: str) -> NDArray[np.float64]:
    return np.asarray(transform_color(colour)[0], np.float64)
