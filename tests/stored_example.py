"""One specimen's vessels, fields and places, as the tests of the store write them."""

from dataclasses import fields
from typing import Any

import numpy as np

from mvd.areas import CoveredArea
from mvd.counting import Assignment, FieldCount
from mvd.fields import CountField
from mvd.geometry import Calibration, Rect
from mvd.measures import FieldMeasures
from mvd.store import (
    SpecimenRow,
    specimen_geojson,
)
from mvd.vessels.model import Reason, Vessel

CALIBRATION = Calibration(0.2526, 0.2531, "file", "aperio.MPP")


def vessel(name: str = "v00001", **changes: Any) -> Vessel:
    square = np.array([[10.0, 20.0], [30.0, 20.0], [30.0, 40.0], [10.0, 40.0]])
    given_: dict[str, Any] = {
        "name": name,
        "outline": square,
        "lumens": (square / 4 + (15, 22.5),),
        "x_um": 20.123456789,
        "y_um": 30.0,
        "area_um2": 375.125,
        "lumen_area_um2": 25.0,
        "lumen_width_um": 5.0,
        "length_um": 20.0,
        "width_um": 20.0,
        "perimeter_um": 80.0,
        "mean_dab_od": 0.43216,
        "pieces": 2,
        "reason": None,
        "ambiguous": False,
        "size_class": "",
    }
    return Vessel(**(given_ | changes))


FOUR = (
    vessel("v00001", ambiguous=True, size_class="wide"),
    vessel("v00002", reason=Reason.PIGMENT, lumens=()),
    vessel("v00003"),
    vessel("v00004"),
)
PLACES = {
    "v00001": Assignment(("1", "2"), None),
    "v00002": Assignment((), "border"),
    "v00003": Assignment((), "border"),
    "v00004": Assignment((), "outside fields"),
}
COUNTS = (
    FieldCount(CountField("1", Rect.square(0, 0, 250), 0.0625), 1, 16.0, ("v00001",)),
    FieldCount(CountField("2", Rect.square(250.006, -0.001, 250), 0.05), 1, 20.0, ("v00001",)),
)
MEASURES = (
    FieldMeasures("1", CoveredArea(1250.0, 500.0, 0.0625), 1, {"wide": 1, "narrow": 0}, 7),
    FieldMeasures("2", CoveredArea(1000.0, 250.0, 0.05), 0, {"wide": 1, "narrow": 0}, 0),
)
ROW = SpecimenRow("s1", "p1", "pre", "measured", fields=2, count=33, area_mm2=0.3125, mvd_per_mm2=33 * 3.2)


def geojson(vessels: Any = FOUR, **changes: Any) -> str:
    return specimen_geojson("s1", vessels, **({"calibration": CALIBRATION, "assignments": PLACES} | changes))


def same(one: Vessel, other: Vessel) -> bool:
    rings = zip((one.outline, *one.lumens), (other.outline, *other.lumens), strict=True)
    rest = [name.name for name in fields(Vessel) if name.name not in ("outline", "lumens")]
    return all(np.array_equal(a, b) for a, b in rings) and all(getattr(one, n) == getattr(other, n) for n in rest)
