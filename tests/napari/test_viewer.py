"""Slides and results in a real viewer: what is on the screen, pixel by pixel."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from mvd_napari.layers import LOOKS, Standing, frame_lines, lines_layer, vessel_outlines
from mvd_napari.pyramid import image_layer
from on_screen import look_at, near, on_screen, picture, settle

from mvd.corrections import ReviewedObject
from mvd.geometry import Rect
from mvd.slide import open_slide
from mvd.store.measured import read_measured

if TYPE_CHECKING:
    import napari

pytestmark = pytest.mark.slow

REPO = Path(__file__).resolve().parents[2]
SAMPLE = REPO / "sample_images" / "p01_pre.ome.tif"


def add(viewer: napari.Viewer, layer: tuple[Any, dict[str, Any], str]) -> Any:
    data, attributes, kind = layer
    return getattr(viewer, f"add_{kind}")(data, **attributes)


@pytest.mark.parametrize("px_per_um", [0.25, 0.9, 3.0])
def test_tissue_on_the_screen_lies_where_the_slide_says(
    viewer: napari.Viewer, tmp_path: Path, px_per_um: float
) -> None:
    add(viewer, image_layer(SAMPLE))
    look_at(viewer, 600, 450, px_per_um)
    shown = picture(viewer, tmp_path)
    place = on_screen(viewer, shown)
    around = 40 / px_per_um
    with open_slide(SAMPLE) as slide:
        expected = slide.read(Rect(600 - around, 450 - around, 600 + around, 450 + around), 1 / px_per_um).pixels
    (top, left), (bottom, right) = place(600 - around, 450 - around), place(600 + around, 450 + around)
    seen = shown[top:bottom, left:right].astype(float)
    seen = seen[: expected.shape[0], : expected.shape[1]]
    wrong = {
        (dy, dx): float(np.abs(np.roll(expected, (dy, dx), (0, 1))[4:-4, 4:-4] - seen[4:-4, 4:-4]).mean())
        for dy in range(-4, 5)
        for dx in range(-4, 5)
    }
    best = min(wrong, key=lambda shift: wrong[shift])
    assert max(abs(best[0]), abs(best[1])) <= 1, f"it is moved by {best} pixels of the screen"
    assert wrong[best] < 20, "napari thins pixels out where the slide averages them"


def test_outline_falls_on_its_stain(viewer: napari.Viewer, tmp_path: Path, measured_study: Path) -> None:
    machine = read_measured(measured_study / "results", "p1_pre").machine
    vessel = max((one for one in machine.vessels if one.accepted), key=lambda one: one.area_um2)
    slide = measured_study / "p1_pre.ome.tif"
    add(viewer, image_layer(slide))
    look_at(viewer, vessel.x_um, vessel.y_um, 300 / max(vessel.bounds.width_um, vessel.bounds.height_um))
    bare = picture(viewer, tmp_path, "bare").astype(int)
    add(viewer, lines_layer(vessel_outlines([ReviewedObject(vessel)]), name="outline"))
    shown = picture(viewer, tmp_path, "outlined")
    place = on_screen(viewer, shown)
    colour = LOOKS[Standing.NEAR_COUNTED if vessel.ambiguous else Standing.COUNTED].colour
    assert max(near(shown, place(x, y), colour) for x, y in vessel.outline[::5]) < 60
    rows, columns = np.array([place(x, y) for x, y in vessel.outline]).T
    redder = bare[:, :, 0] - bare[:, :, 2]  # brown is redder than blue; nuclei and glass are not
    inside = redder[rows.min() : rows.max(), columns.min() : columns.max()] > 30
    wide = 60
    around = redder[rows.min() - wide : rows.max() + wide, columns.min() - wide : columns.max() + wide] > 30
    assert inside.sum() > 0.8 * around.sum(), "the brown round it lies inside its outline"


def test_frame_is_green_above_and_right_red_left_and_below(
    viewer: napari.Viewer, tmp_path: Path, measured_study: Path
) -> None:
    field = read_measured(measured_study / "results", "p1_pre").machine.fields[0]
    add(viewer, image_layer(measured_study / "p1_pre.ome.tif"))
    add(viewer, lines_layer(frame_lines(field), name="frame"))
    rect = field.rect
    look_at(viewer, (rect.x0_um + rect.x1_um) / 2, (rect.y0_um + rect.y1_um) / 2, 7)
    shown = picture(viewer, tmp_path)
    place = on_screen(viewer, shown)
    dash_um = 0.02 * rect.width_um  # inside the first dash from each corner
    green, red = "#009650", "#d62800"
    expected = {
        (rect.x0_um + 20, rect.y0_um): green,
        (rect.x1_um, rect.y0_um + 20): green,
        (rect.x0_um, rect.y1_um - dash_um): red,
        (rect.x0_um + dash_um, rect.y1_um): red,
    }
    assert {at: near(shown, place(*at), colour) < 40 for at, colour in expected.items()} == dict.fromkeys(
        expected, True
    )


def test_panning_and_zooming_show_new_tissue(viewer: napari.Viewer, tmp_path: Path) -> None:
    add(viewer, image_layer(SAMPLE))
    pictures = []
    for step, (x, y, zoom) in enumerate([(300, 300, 2), (500, 300, 2), (500, 600, 2), (500, 600, 0.6)]):
        look_at(viewer, x, y, zoom)
        pictures.append(picture(viewer, tmp_path, f"step{step}"))
        assert (pictures[-1].std(axis=(0, 1)) > 15).all(), "tissue is not one colour"
    assert all(np.abs(a.astype(int) - b).mean() > 5 for a, b in itertools.pairwise(pictures))


def test_dropped_slide_has_a_scale_bar_in_um(viewer: napari.Viewer) -> None:
    assert not viewer.canvas.overlays.scale_bar.visible
    viewer.window._qt_viewer._qt_open([str(SAMPLE)], stack=False, plugin="mvd")  # what a drop does
    assert viewer.canvas.overlays.scale_bar.visible
    assert [str(unit) for unit in viewer.layers[0].units] == ["micrometer", "micrometer"]
    extent = viewer.layers[0].extent.world
    with open_slide(SAMPLE) as slide:
        assert np.allclose(extent[1] + extent[0], [slide.bounds.y1_um, slide.bounds.x1_um], atol=2)


def test_dropped_result_lies_on_its_slide(viewer: napari.Viewer, measured_study: Path) -> None:
    paths = [measured_study / "p1_pre.ome.tif", measured_study / "results" / "p1_pre.geojson"]
    viewer.open([str(path) for path in paths], plugin="mvd")
    settle()
    assert len(viewer.layers) == 5
    slide = viewer.layers[0].extent.world
    for layer in viewer.layers[1:]:
        assert (layer.extent.world[0] >= slide[0] - 30).all()
        assert (layer.extent.world[1] <= slide[1] + 30).all()


def test_slide_without_a_pixel_size_is_shown_in_pixels_and_says_so(viewer: napari.Viewer, tmp_path: Path) -> None:
    from napari.utils.notifications import notification_manager  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    path = tmp_path / "plain.png"
    Image.fromarray(np.full((300, 400, 3), 200, np.uint8)).save(path)
    before = len(notification_manager.records)
    viewer.open(str(path), plugin="mvd")
    assert [str(unit) for unit in viewer.layers[0].units] == ["pixel", "pixel"]
    told = [record.message for record in notification_manager.records[before:]]
    assert any("plain.png has no pixel size" in message for message in told)


def test_sample_data_is_in_the_menu(viewer: napari.Viewer) -> None:
    (layer,) = viewer.open_sample("mvd", "section")
    assert layer.multiscale
    assert viewer.canvas.overlays.scale_bar.visible


def test_the_users_settings_are_left_alone(viewer: napari.Viewer) -> None:
    from napari.settings import get_settings  # noqa: PLC0415

    assert os.environ["NAPARI_CONFIG"] == ""
    assert get_settings().config_path is None
