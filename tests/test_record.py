"""What is written of a specimen: numbers that go together, and the rule by which they were counted."""

from pathlib import Path

import pytest

from mvd.protocol import Protocol
from mvd.store import FieldRow, SpecimenRow, VesselRow, read_result, read_table


def table(study: Path, name: str, kind: type) -> list:  # type: ignore[type-arg]
    rows = read_table(kind, study / "results" / name)
    assert rows
    return list(rows)


def test_every_row_names_its_rule(measured_study: Path) -> None:
    rows: list[SpecimenRow] = table(measured_study, "specimens.csv", SpecimenRow)
    assert {row.rule for row in rows} == {"kini"}


def test_the_specimens_covered_share_is_that_of_its_fields(measured_study: Path) -> None:
    fields: list[FieldRow] = table(measured_study, "fields.csv", FieldRow)
    for row in table(measured_study, "specimens.csv", SpecimenRow):
        own = [field for field in fields if field.specimen == row.specimen]
        for share in ("vessel_area_fraction", "stained_area_fraction"):
            covered = sum(getattr(field, share) * field.evaluable_mm2 for field in own)
            assert getattr(row, share) == pytest.approx(covered / row.area_mm2, rel=1e-4)
        assert 0 < row.stained_area_fraction < row.vessel_area_fraction < 0.3


def test_what_the_protocol_does_not_ask_for_is_absent(measured_study: Path) -> None:
    for name, kind in (("specimens.csv", SpecimenRow), ("fields.csv", FieldRow)):
        assert {(row.chalkley, tuple(row.by_size)) for row in table(measured_study, name, kind)} == {(None, ())}
    assert {row.size_class for row in table(measured_study, "vessels.csv", VesselRow)} == {""}


def test_the_result_holds_the_measures_and_the_choices_behind_them(measured_study: Path) -> None:
    for row in table(measured_study, "specimens.csv", SpecimenRow):
        result = read_result(measured_study / "results", row.specimen)
        assert result is not None
        measures = result["measures"]
        assert measures["vessel_area_fraction"] == pytest.approx(row.vessel_area_fraction, rel=1e-5)
        assert measures["vessel_area_um2"] == pytest.approx(1e6 * row.area_mm2 * row.vessel_area_fraction, rel=1e-4)
        assert (measures["chalkley"], measures["count_by_size"]) == (None, {})
        assert Protocol.model_validate(result["protocol"]).digest == row.protocol
