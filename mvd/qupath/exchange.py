"""Export and import of reviews: all of a file becomes corrections, or, with a sentence for each fault, nothing of it.

A file says which state of the review it shows. What differs from that state was edited in QuPath, and is decided on in
the review as it stands by now. An object that was decided on in both meanwhile is a fault: nobody's word is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import shapely

from mvd.blocks import Progress
from mvd.corrections import Correction, Decision, Polygon, Review, What, decide, go_on, record, replay, unreviewed
from mvd.corrections.state import points_of
from mvd.errors import MvdError, StoreError
from mvd.moves import Ground, changed_involved, moved_field, survey_ground
from mvd.packed import unpacked
from mvd.qupath.edits import Edit, Edits, edits_of
from mvd.qupath.features import Shown, shown_objects
from mvd.qupath.matching import Matched, area_of, matched, origin_of, same_area
from mvd.qupath.writing import DRAWN, involved_source, review_geojson
from mvd.review import OpenReview, observer_name, open_review, read_review, take
from mvd.store import write_whole
from mvd.store.geojson import identity
from mvd.store.log import REVIEWS_FOLDER
from mvd.store.measured import Measured, read_measured
from mvd.study import RESULTS_FOLDER, Study
from mvd.version import program_version

WHY = "edited in QuPath"
_SAME_PLACE_PX = 0.5
"""A field whose corners are this near to where they were was not moved."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One file that was written."""

    specimen: str
    path: Path
    lines: int
    """Corrections that it shows."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file."""

    specimen: str
    corrections: tuple[Correction, ...]
    """Those that were appended; none where nothing was edited."""
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """A review as it stands; also before the observer has begun, when there is no log."""

    measured: Measured
    review: Review
    outdated: bool


def export_review(study: Study, specimen: str, *, observer: str, out: Path) -> Exported:
    """Write a review as GeoJSON for QuPath; what was not reviewed is shown as the program found it.

    Raises
    ------
    MvdError
        There is no result, the log is damaged, or what the program found is hidden from the observer.
    """
    name = observer_name(study.folder / REVIEWS_FOLDER, observer)
    state = _state(study, specimen, name)
    path = out / f"{specimen}.geojson"
    write_whole(path, review_geojson(state.measured, state.review, observer=name).encode())
    return Exported(specimen, path, len(state.review.corrections))


def import_review(study: Study, path: Path, *, observer: str, progress: Progress | None = None) -> Imported:
    """Take what was edited in QuPath into an observer's log.

    Raises
    ------
    MvdError
        The file is not of this review or cannot be understood, a fault a line; nothing of it is in the log.
    """
    shown = shown_objects(_edited(path), where=path.name)
    name = observer_name(study.folder / REVIEWS_FOLDER, observer)
    specimen = _specimen_of(study, shown, path)
    state = _state(study, specimen, name)
    base = _base(state, shown, observer=name, where=path.name)
    found = matched(shown, base)
    as_found = origin_of(shown, where=path.name) is None
    edits = edits_of(base, found, state.measured.calibration, as_found=as_found)
    _refuse(path.name, [*edits.faults, *_conflicts(edits.objects, base, state.review)])
    changes = [_deciding(edit) for edit in edits.objects if not edit.done(state.review)]
    grounds = _Grounds(study, specimen, progress)
    changes += _of_places(state, base, found, edits, grounds)
    notes = (*edits.notes, *_missing(found, base))
    if not changes:
        return Imported(specimen, (), notes)
    return Imported(specimen, _taken(study, specimen, name, changes, path.name), notes)


def _state(study: Study, specimen: str, observer: str) -> _State:
    results, reviews = study.folder / RESULTS_FOLDER, study.folder / REVIEWS_FOLDER
    opened = read_review(results, reviews, specimen=specimen, observer=observer)
    unaided = study.protocol.review.first_read == "unaided"
    if opened is None and not unaided:
        measured = read_measured(results, specimen)
        return _State(measured, unreviewed(measured.machine), outdated=False)
    if opened is None or opened.review.hidden:
        raise StoreError(
            f"what the program found in {specimen} is hidden from {observer}, who has not counted it yet; a file would "
            "show it"
        )
    return _State(opened.measured, opened.review, opened.outdated is not None)


def _edited(path: Path) -> str:
    """What an observer edited; it is theirs, and no fault of it is a reason to remove it."""
    try:
        return unpacked(path, StoreError).decode("utf-8-sig")
    except FileNotFoundError:
        raise StoreError(f"{path} does not exist; export it from QuPath") from None
    except UnicodeDecodeError as error:
        raise StoreError(f"{path.name} is not UTF-8 text; export it again as GeoJSON") from error
    except OSError as error:
        raise StoreError(f"{path.name} cannot be read ({error.strerror}); check the file and its folder") from error


def _specimen_of(study: Study, shown: Sequence[Shown], path: Path) -> str:
    """By the identifiers of its objects; where there are none of ours, by the file's name."""
    names = [specimen.specimen for specimen in study.manifest.specimens]
    told = {one.metadata["vessel"]: one.id for one in shown if "vessel" in one.metadata}
    areas = {one.id for one in shown}
    for name in names:
        if identity(name, "involved") in areas or any(identity(name, f"vessel {v}") == i for v, i in told.items()):
            return name
    stems = {name: name for name in names} | {s.image.name.split(".")[0]: s.specimen for s in study.manifest.specimens}
    stem = path.name.removesuffix(".gz").removesuffix(".zip").removesuffix(".geojson").removesuffix(".json")
    found = stems.get(stem) or stems.get(stem.split(".")[0])
    if found is None:
        raise StoreError(f"of which specimen is {path.name}? Name it like the specimen, such as {names[0]}.geojson")
    return found


def _base(state: _State, shown: Sequence[Shown], *, observer: str, where: str) -> Review:
    """The review as the file was written from it."""
    origin, review = origin_of(shown, where=where), state.review
    if origin is None:
        if state.outdated:
            raise StoreError(
                f"{where} does not say of which result it is, and {review.machine.specimen} was measured anew since it "
                "was reviewed; export the review with mvd export and edit that"
            )
        return unreviewed(review.machine)
    if origin.observer != observer:
        raise StoreError(f"{where} is a review of {origin.observer}, not of {observer}; export {observer}'s own")
    if origin.result != review.machine.sha256[:16]:
        raise StoreError(f"{where} is of another result than the review is of now; export it again")
    if origin.lines > len(review.corrections):
        raise StoreError(f"{where} shows {origin.lines} corrections, and the log has {len(review.corrections)}")
    return replay(review.machine, review.corrections[: origin.lines])


def _refuse(where: str, faults: Iterable[str]) -> None:
    if sentences := [f"{where}: {fault}" for fault in faults]:
        raise StoreError("\n".join(sentences))


def _conflicts(edits: Iterable[Edit], base: Review, now: Review) -> list[str]:
    """Objects that were edited in QuPath, and decided on since the file was written."""
    names = dict.fromkeys(name for edit in edits if not edit.done(now) for name in edit.names)
    faults = []
    for name in names:
        before, after = base.objects[name], now.objects.get(name)
        if after is None or before.state(shape=True) != after.state(shape=True):
            faults.append(f"{name}: it was decided on since the file was exported; export the review again")
    return faults


Change = Callable[[OpenReview], Decision]


def _deciding(edit: Edit) -> Change:
    def change(opened: OpenReview) -> Decision:
        try:
            return edit.decide(opened.review)
        except MvdError as error:
            raise type(error)(f"{', '.join(edit.names) or 'a drawn vessel'}: {error}") from None

    return change


class _Grounds:
    """The slide, looked at only where fields or the involved area were changed, and once."""

    def __init__(self, study: Study, specimen: str, progress: Progress | None) -> None:
        self._study, self._specimen, self.progress = study, specimen, progress
        self._ground: Ground | None = None

    def of(self, opened: OpenReview) -> Ground:
        if self._ground is None:
            row = next((one for one in self._study.manifest.specimens if one.specimen == self._specimen), None)
            if row is None:
                raise StoreError(f"the slide of {self._specimen} is needed to place fields; put its row right first")
            self._ground = survey_ground(row, opened, study=self._study.folder)
        return self._ground


def _of_places(state: _State, base: Review, found: Matched, edits: Edits, grounds: _Grounds) -> list[Change]:
    """Another involved area, and with it other fields; or else fields that were moved."""
    wanted = _wanted_area(state, base, found, edits.areas)
    if wanted is not None:
        return [lambda opened: _changed_area(grounds, opened, wanted)]
    return _moved_fields(state, base, found, grounds)


def _wanted_area(state: _State, base: Review, found: Matched, areas: Sequence[Shown]) -> Any | None:
    """The involved area as it was drawn in QuPath, in µm; None where it stays.

    What was drawn beside an area that an observer had drawn is added to it; it takes the place of one that the program
    only supposed.
    """
    px_um, now = state.measured.calibration.um_per_px, state.review
    before = area_of(base.involved)
    kept = None if found.area is None else _in_um(state, [found.area])
    untouched = kept is None or same_area(kept, before, px_um=px_um)
    if untouched and not areas:
        return None
    supposed = untouched and involved_source(state.measured, base) not in DRAWN
    drawn = _in_um(state, areas)
    wanted = drawn if kept is None or supposed else shapely.union_all([kept, drawn])
    if same_area(wanted, before, px_um=px_um) or same_area(wanted, area_of(now.involved), px_um=px_um):
        return None
    if now.involved != base.involved:
        raise StoreError("the involved area was changed since the file was exported; export the review again")
    return wanted


def _in_um(state: _State, shown: Sequence[Shown]) -> Any:
    scale = state.measured.calibration
    px = area_of(polygon for one in shown for polygon in one.polygons)
    return shapely.transform(px, lambda xy: xy * [scale.um_per_px_x, scale.um_per_px_y])


def _changed_area(grounds: _Grounds, opened: OpenReview, wanted: Any) -> Decision:
    ground = grounds.of(opened)
    slide = ground.survey.tissue.marrow.rect
    clipped = shapely.intersection(wanted, shapely.box(slide.x0_um, slide.y0_um, slide.x1_um, slide.y1_um))
    polygons = tuple(
        tuple(points_of(_open_ring(ring)) for ring in (part.exterior, *part.interiors))
        for part in shapely.get_parts(shapely.normalize(clipped))
        if part.geom_type == "Polygon" and part.area > 0
    )
    if not polygons:
        raise StoreError("the involved area misses the slide; draw it on this specimen's slide")
    involved: tuple[Polygon, ...] = polygons
    return changed_involved(ground, opened, involved, progress=grounds.progress)


def _open_ring(ring: Any) -> Any:
    return shapely.get_coordinates(ring)[:-1]


def _moved_fields(state: _State, base: Review, found: Matched, grounds: _Grounds) -> list[Change]:
    scale, changes = state.measured.calibration, []
    tolerance = _SAME_PLACE_PX * max(scale.um_per_px_x, scale.um_per_px_y)
    for name, shown in found.fields.items():
        rect = base.fields[name].field.rect
        x0, y0, x1, y1 = _in_um(state, [shown]).bounds
        if max(abs(x1 - x0 - rect.width_um), abs(y1 - y0 - rect.height_um)) > 2 * tolerance:
            raise StoreError(f"field {name} has another size; fields keep theirs: move it, or leave it")
        centre = ((x0 + x1) / 2, (y0 + y1) / 2)
        now = state.review.fields[name].field.rect if name in state.review.fields else rect
        if _is_at(rect, x0, y0, tolerance) or _is_at(now, x0, y0, tolerance):
            continue
        if now != rect:
            raise StoreError(f"field {name} was moved since the file was exported; export the review again")
        changes.append(_moving(grounds, name, centre))
    return changes


def _is_at(rect: Any, x0_um: float, y0_um: float, tolerance: float) -> bool:
    return bool(abs(rect.x0_um - x0_um) <= tolerance and abs(rect.y0_um - y0_um) <= tolerance)


def _moving(grounds: _Grounds, name: str, centre_um: tuple[float, float]) -> Change:
    return lambda opened: moved_field(grounds.of(opened), opened, name, centre_um, progress=grounds.progress)


def _missing(found: Matched, base: Review) -> list[str]:
    """What is gone from the file and stays in the review."""
    if not found.objects:
        return []  # only what was drawn was exported
    fields = [f"field {name}" for name in base.fields if name not in found.fields]
    gone = [*(["the involved area"] if base.involved and found.area is None else []), *fields]
    return [f"{', '.join(gone)} not in the file: kept as {'it is' if len(gone) == 1 else 'they are'}"] if gone else []


def _taken(study: Study, specimen: str, observer: str, changes: Sequence[Change], where: str) -> tuple[Correction, ...]:
    """Every change in the log; or none, where one of them cannot be taken."""
    results, reviews = study.folder / RESULTS_FOLDER, study.folder / REVIEWS_FOLDER
    opened = open_review(results, reviews, specimen=specimen, observer=observer)
    if opened.review.status == "not begun":
        changes = [lambda _: decide.begin(), *changes]
    tried, decisions, faults = opened, list[Decision](), list[str]()
    for change in changes:
        try:
            decision = change(tried)
            line = record(tried.review, decision, observer=observer, version=program_version())
            tried = replace(tried, review=go_on(tried.review, [line]))
            decisions.append(decision)
        except MvdError as error:
            faults.append(str(error))
    _refuse(where, dict.fromkeys(faults))
    before = len(opened.review.corrections)
    for decision in decisions:
        opened = take(opened, decision, why="" if decision.what is What.BEGIN else WHY)
    return opened.review.corrections[before:]
