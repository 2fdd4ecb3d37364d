"""Size classes: the first class whose limits a vessel reaches, and a wall that is measured as it was drawn."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_example import vessel

from mvd.protocol import CountingRule, Protocol, SizeClass
from mvd.sizes import count_by_size, size_class, with_size_classes
from mvd.vessels.model import Reason, Vessel

SIZED = Protocol.of_rule("sized").rule


def ring(diameter_um: float, wall_um: float) -> dict[str, Any]:
    """Measures of a round vessel."""
    inner = max(diameter_um - 2 * wall_um, 0.0)
    return {
        "perimeter_um": math.pi * diameter_um,
        "area_um2": math.pi / 4 * (diameter_um**2 - inner**2),
        "lumen_area_um2": math.pi / 4 * inner**2,
        "lumen_width_um": inner,
        "width_um": math.pi / 4 * diameter_um,
    }


VESSELS = {
    "capillary cut across": (ring(10, 2), "capillary"),
    "capillary of the widest lumen": (ring(13.8, 2), "capillary"),
    "sinusoid": (ring(30, 1.5), "sinusoid"),
    "sinusoid of the narrowest lumen": (ring(14, 2), "sinusoid"),
    "arteriole, thick wall": (ring(24, 5), "arteriole"),
    "thick wall round next to no lumen": (ring(14, 5), "capillary"),
    "solid, as thick as an arteriole's wall": (ring(10, 5), "capillary"),
}


@pytest.mark.parametrize(("measures", "expected"), VESSELS.values(), ids=VESSELS.keys())
def test_the_shipped_classes_are_told_by_lumen_and_wall(measures: dict[str, Any], expected: str) -> None:
    assert size_class(vessel(**measures), SIZED.size_classes) == expected


@given(diameter=st.floats(2, 200), share=st.floats(0.01, 0.5))
def test_the_wall_of_a_ring_is_its_thickness(diameter: float, share: float) -> None:
    assert vessel(**ring(diameter, share * diameter)).wall_um == pytest.approx(share * diameter, rel=1e-6)


def test_the_wall_of_a_long_strand_is_half_its_width() -> None:
    assert vessel(perimeter_um=2 * (400 + 4), area_um2=400 * 4).wall_um == pytest.approx(2, rel=0.02)


def test_a_perimeter_measured_too_short_gives_a_wall_all_the_same() -> None:
    assert vessel(perimeter_um=30, area_um2=100).wall_um == pytest.approx(30 / (2 * math.pi))


LIMITS = st.builds(
    SizeClass, name=st.just("x"), min_lumen_width_um=st.floats(0, 50), min_width_um=st.floats(0, 50),
    min_wall_um=st.floats(0, 20),
)  # fmt: skip


@given(limits=st.lists(LIMITS, max_size=3), lumen=st.floats(0, 60), width=st.floats(0, 60))
def test_the_first_class_that_fits_is_given_and_the_last_fits_all(
    limits: list[SizeClass], lumen: float, width: float
) -> None:
    classes = [one.model_copy(update={"name": f"c{number}"}) for number, one in enumerate(limits)]
    classes.append(SizeClass(name="rest"))
    one = vessel(lumen_width_um=lumen, width_um=width)
    fits = [
        c.name
        for c in classes
        if lumen >= c.min_lumen_width_um and width >= c.min_width_um and one.wall_um >= c.min_wall_um
    ]
    assert size_class(one, classes) == fits[0]


def test_what_does_not_count_has_no_class() -> None:
    found: tuple[Vessel, ...] = (vessel("a"), vessel("b", reason=Reason.PIGMENT))
    assert [one.size_class for one in with_size_classes(found, SIZED)] == ["capillary", ""]


def test_without_classes_vessels_have_none() -> None:
    kini = CountingRule()
    assert [one.size_class for one in with_size_classes([vessel()], kini)] == [""]
    assert count_by_size(with_size_classes([vessel()], kini), kini) == {}


def test_classes_without_vessels_are_counted_too() -> None:
    found = with_size_classes([vessel("a", **ring(30, 1.5)), vessel("b", **ring(40, 1.5))], SIZED)
    assert count_by_size(found, SIZED) == {"arteriole": 0, "sinusoid": 2, "capillary": 0}
    assert list(count_by_size(found, SIZED)) == ["arteriole", "sinusoid", "capillary"]
