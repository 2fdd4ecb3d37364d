"""What a person sees on the terminal after a run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from mvd.cli.screen import print_study
from mvd.manifest import Manifest
from mvd.protocol import Measure, Protocol
from mvd.store import FieldRow, SpecimenRow, table_text
from mvd.study import Study

PRE = SpecimenRow(
    "p07_12mo", "p07", "pre", "measured", fields=5, count=99, area_mm2=0.3125, mvd_per_mm2=316.8, ci_low=257.5,
    ci_high=385.7, hotspot_per_mm2=476.2, vessel_area_fraction=0.1234, stained_area_fraction=0.05, chalkley=11.7,
    involved_source="annotation",
)  # fmt: skip
POST = replace(
    PRE, specimen="after", timepoint="post", mvd_per_mm2=16.0, vessel_area_fraction=0.025, chalkley=14 / 3
)  # fmt: skip
FIELD = FieldRow("p07_12mo", "1", 0.0, 0.0, 250.0, 0.0625, 20, 320.0, 3, 0.1234, 0.05, 12)


def shown(
    folder: Path, capsys: pytest.CaptureFixture[str], rows: Sequence[SpecimenRow],
    *, fields: Sequence[FieldRow] = (), protocol: Protocol | None = None,
) -> list[str]:  # fmt: skip
    """The lines on the screen."""
    (folder / "fields.csv").write_text(table_text(FieldRow, fields), encoding="utf-8")
    print_study(Study(folder, protocol or Protocol(), Manifest((), ())), rows, folder)
    return capsys.readouterr().out.splitlines()


def of(measure: Measure) -> Protocol:
    return Protocol.model_validate({"counts": {"measure": measure}})


@pytest.mark.parametrize("measure", get_args(Measure))
def test_a_specimen_has_one_line_of_80_columns(
    tmp_path: Path, measure: Measure, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvd.cli.screen._PLAIN_WIDTH", 80)
    number = Protocol.of_rule("chalkley").fields.number if measure == "chalkley" else Protocol().fields.number
    fields = [replace(FIELD, field=str(name), vessel_area_fraction=0.0328) for name in range(number)]
    _, _, row, after, *_ = shown(tmp_path, capsys, [PRE], fields=fields, protocol=of(measure))
    assert row.startswith("p07_12mo") and row.rstrip().endswith("measured")
    assert after.startswith("Rule kini")


FIRST = {
    "density": ("12 9 3", "MVD/mm²", ["16.0", "2.50"], ["316.8", "16.0", "-300.8", "0.05"]),
    "area": ("2.40 1.80 0.60", "area %", ["2.50", "16.0"], ["12.34", "2.50", "-9.84", "0.20"]),
    "chalkley": ("8 4 2", "Chalkley", ["4.7", "16.0", "2.50"], ["11.7", "4.7", "-7.0", "0.40"]),
}


@pytest.mark.parametrize("measure", get_args(Measure))
def test_the_measure_asked_for_is_shown_first_and_compared(
    tmp_path: Path, measure: Measure, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = [("1", 12, 8), ("2", 9, 4), ("3", 3, 2)]
    fields = [
        replace(FIELD, field=name, count=count, vessel_area_fraction=0.002 * count, chalkley=points)
        for name, count, points in measured
    ]
    lines = shown(tmp_path, capsys, [PRE, POST], fields=fields, protocol=of(measure))
    per_field, title, values, change = FIRST[measure]
    assert per_field in lines[2]
    assert [cell for cell in lines[3].split() if cell in values] == values
    (header,) = (number for number, line in enumerate(lines) if line.startswith("patient"))
    assert f"pre, {title}" in lines[header]
    assert lines[header + 2].split() == ["p07", "post", *change]


def test_size_classes_are_shown_with_their_densities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = replace(PRE, by_size={"arteriole": 1, "sinusoid": 8, "capillary": 90})
    rows = [row, SpecimenRow("s2", "p8", "pre", "failed", "no such file")]
    lines = shown(tmp_path, capsys, rows, protocol=Protocol.of_rule("sized"))
    (header,) = (number for number, line in enumerate(lines) if "arteriole" in line)
    assert lines[header].split() == ["specimen", "arteriole", "(/mm²)", "sinusoid", "(/mm²)", "capillary", "(/mm²)"]
    assert lines[header + 2].split() == ["p07_12mo", "1", "(3.2)", "8", "(25.6)", "90", "(288.0)"]
    assert not lines[header + 3].strip()
    assert not any("arteriole" in line for line in shown(tmp_path, capsys, [PRE]))


def test_the_rule_the_fields_and_what_stands_in_for_a_drawn_area_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [replace(PRE, involved_source="whole marrow"), replace(POST, involved_source="suggestion")]
    lines = shown(tmp_path, capsys, rows, protocol=Protocol.of_rule("weidner"))
    assert lines[4:7] == [
        "Rule weidner; 1 field of 860 µm, hotspot",
        "No involved area drawn, whole marrow measured: p07_12mo",
        "No involved area drawn, suggestion measured: after",
    ]
    assert not any("No involved area" in line for line in shown(tmp_path, capsys, [PRE]))
