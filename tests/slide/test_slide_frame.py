"""Slides whose canvas is larger than what was scanned: (0, 0) is where QuPath has it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from mvd.errors import FieldError, InvolvedAreaError
from mvd.geometry import Rect
from mvd.involved import field_centres_from_geojson, involved_from_geojson
from mvd.manifest import Specimen
from mvd.pipeline import drawn_area, manual_centres
from mvd.protocol import FieldPlan, InvolvedPlan, Protocol
from mvd.slide import open_slide

CORNER, SIZE, CANVAS, NM = (96, 52), (640, 480), (900, 700), 500
SCN = """<?xml version="1.0" encoding="utf-8"?>
<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01" uuid="urn:uuid:00000000-0000-0000-0000-000000000001">
<collection name="c" uuid="urn:uuid:00000000-0000-0000-0000-000000000002" sizeX="{canvas[0]}" sizeY="{canvas[1]}">
<barcode></barcode><image name="main" uuid="urn:uuid:00000000-0000-0000-0000-000000000003">
<creationDate>2020-01-01T00:00:00Z</creationDate><device model="m" version="1"/>
<pixels sizeX="{size[0]}" sizeY="{size[1]}"><dimension sizeX="{size[0]}" sizeY="{size[1]}" r="0" ifd="0"/>
<dimension sizeX="{small[0]}" sizeY="{small[1]}" r="1" ifd="1"/></pixels>
<view sizeX="{view[0]}" sizeY="{view[1]}" offsetX="{corner[0]}" offsetY="{corner[1]}" spacingZ="0"/>
<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings><illuminationSettings>
<numericalAperture>0.4</numericalAperture><illuminationSource>brightfield</illuminationSource></illuminationSettings>
</scanSettings></image></collection></scn>"""


@pytest.fixture
def picture() -> np.ndarray:
    rng = np.random.default_rng(3)
    return cv2.resize(rng.integers(0, 256, (60, 80, 3), np.uint8), SIZE, interpolation=cv2.INTER_LINEAR)


@pytest.fixture
def slide(tmp_path: Path, picture: np.ndarray) -> Path:
    """A Leica SCN."""
    path, small = tmp_path / "slide.scn", (SIZE[0] // 4, SIZE[1] // 4)
    xml = SCN.format(
        canvas=[side * NM for side in CANVAS], size=SIZE, small=small, view=[side * NM for side in SIZE],
        corner=[at * NM for at in CORNER],
    )  # fmt: skip
    how = {"photometric": "rgb", "tile": (64, 64), "metadata": None, "resolution": (20000, 20000), "resolutionunit": 3}
    with tifffile.TiffWriter(path, bigtiff=True) as out:
        out.write(picture, description=xml, **how)
        out.write(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), **how)
    return path


def test_what_was_scanned_is_the_slide(slide: Path, picture: np.ndarray) -> None:
    with open_slide(slide) as one:
        assert (one.size_px, one.corner_px) == (SIZE, CORNER)
        assert [(level.width, level.height, level.downsample_x) for level in one.levels] == [
            (640, 480, 1),
            (160, 120, 4),
        ]
        assert np.array_equal(one.read(one.bounds, 0.5).pixels, picture)
        part = one.read(Rect(40, 60, 140, 110), 0.5).pixels
        assert np.array_equal(part, picture[120:220, 80:280])
        coarse = one.read(one.bounds, 2.0).pixels.astype(int)
    assert np.abs(coarse - cv2.resize(picture, (160, 120), interpolation=cv2.INTER_AREA)).mean() < 4


def square(x0: int, y0: int) -> str:
    ring = [[x0, y0], [x0 + 100, y0], [x0 + 100, y0 + 100], [x0, y0 + 100], [x0, y0]]
    return json.dumps({"type": "Polygon", "coordinates": [ring]})


def test_an_area_lies_on_the_same_tissue_in_either_frame(slide: Path) -> None:
    with open_slide(slide) as one:
        where = {"calibration": one.calibration, "bounds": one.bounds, "where": "area.geojson"}
        as_qupath = involved_from_geojson(square(200, 150), **where)
        on_canvas = involved_from_geojson(square(200 + CORNER[0], 150 + CORNER[1]), **where, origin_px=one.corner_px)
        centre = field_centres_from_geojson(
            square(200 + CORNER[0], 150 + CORNER[1]), one.calibration, where="fields", origin_px=one.corner_px
        )
    assert all(np.array_equal(a, b) for a, b in zip(as_qupath.polygons[0], on_canvas.polygons[0], strict=True))
    assert as_qupath.polygons[0][0].min(axis=0).tolist() == [100, 75]
    assert centre.tolist() == [[125, 100]]


def test_where_an_area_falls_off_the_other_frame_is_named(slide: Path, tmp_path: Path) -> None:
    area = tmp_path / "area.geojson"
    area.write_text(square(580, 420), encoding="utf-8")
    with open_slide(slide) as one:
        with pytest.raises(InvolvedAreaError, match=r'64 % of the involved area .* frame = "canvas"'):
            drawn_area(area, one, InvolvedPlan())
        assert drawn_area(area, one, InvolvedPlan(frame="canvas")).lost_share == pytest.approx(0, abs=1e-9)


def test_manual_fields_are_read_in_the_studys_frame_and_of_its_size(slide: Path, tmp_path: Path) -> None:
    fields = tmp_path / "fields.geojson"
    fields.write_text(square(200, 150), encoding="utf-8")
    specimen = Specimen(specimen="s", patient="p", timepoint="pre", image=slide, fields=fields)
    protocol = Protocol(fields=FieldPlan(placement="manual", side_um=50))
    canvas = protocol.model_copy(update={"involved": InvolvedPlan(frame="canvas")})
    larger = protocol.model_copy(update={"fields": FieldPlan(placement="manual", side_um=250)})
    with open_slide(slide) as one:
        assert manual_centres(specimen, one, protocol).tolist() == [[125, 100]]
        moved = [125 - CORNER[0] * NM / 1000, 100 - CORNER[1] * NM / 1000]
        assert manual_centres(specimen, one, canvas).tolist() == [moved]
        with pytest.raises(FieldError, match="drawn 50 × 50 µm large"):
            manual_centres(specimen, one, larger)
