"""Spellings of one name are told from two names, in the manifest as in tables of counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvd.count_table import read_counts
from mvd.errors import ManifestError
from mvd.manifest import read_manifest
from mvd.protocol import ComparisonPlan, Protocol
from mvd.spelling import spelling

SAME = {
    "a blank": ("P 01", "P01"),
    "a blank that does not break": ("P 01", "P\u00a001"),
    "a space that is not seen": ("P01", "P01\u200b"),
    "a mark of direction": ("P01", "\u200eP01"),
    "leading zeros": ("007", "7"),
    "a hyphen": ("P-01", "P_01"),
    "a long hyphen": ("P-01", "P–01"),
    "full width": ("P01", "Ｐ０１"),
    "a Cyrillic letter": ("P01", "Р01"),
    "a Greek letter": ("A1", "Α1"),
    "capitals": ("p01", "P01"),
    "a composed letter": ("Jose\u0301", "José"),
}
APART = [
    ("1-12", "11-2"),
    ("R", "R-"),
    ("P1", "P10"),
    ("P1", "P01"),
    ("P100", "P1"),
    ("1E5", "1E6"),
    ("A", "B"),
    ("0", "00 1"),
]


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_spellings_of_one_name_are_one(one: str, other: str) -> None:
    assert spelling(one) == spelling(other)


@pytest.mark.parametrize(("one", "other"), APART)
def test_two_names_are_two(one: str, other: str) -> None:
    assert spelling(one) != spelling(other)


def test_a_minus_in_a_timepoint_is_no_hyphen() -> None:
    assert spelling("d-7", hyphens=False) != spelling("d7", hyphens=False)
    assert spelling("3 mo", hyphens=False) == spelling("3mo", hyphens=False)


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_one_patient_in_two_spellings_is_refused_in_both_places(tmp_path: Path, one: str, other: str) -> None:
    table = tmp_path / "counts.csv"
    table.write_text(
        f"patient,timepoint,count,area_mm2\n{one},pre,30,0.3125\n{other},3mo,20,0.3125\n", encoding="utf-8"
    )
    manifest = "specimen,patient,timepoint,image\n" + f"a,{one},pre,a.tif\nb,{other},3mo,a.tif\n"
    (tmp_path / "specimens.csv").write_text(manifest, encoding="utf-8")
    (tmp_path / "a.tif").write_bytes(b"")
    problems = "\n".join(map(str, read_manifest(tmp_path, Protocol(timepoints=("pre", "3mo"))).problems))
    refused = pytest.raises(ManifestError) if spelling(one) == spelling(other) and _differ(one, other) else None
    if refused is None:
        return
    with refused as found:
        read_counts(table, plan=ComparisonPlan(counts="table"), timepoints=("pre", "3mo"))
    for told in (problems, str(found.value)):
        assert "row" in told and "patient" in told


def _differ(one: str, other: str) -> bool:
    """Reading composes letters, so that these are the same already."""
    import unicodedata  # noqa: PLC0415

    return unicodedata.normalize("NFC", one) != unicodedata.normalize("NFC", other)


def test_what_cannot_be_seen_is_said(tmp_path: Path) -> None:
    table = tmp_path / "counts.csv"
    table.write_text("patient,timepoint,count,area_mm2\nP01,pre,30,1\nР01,3mo,20,1\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="which looks the same and has other letters in row"):
        read_counts(table, plan=ComparisonPlan(counts="table"), timepoints=("pre", "3mo"))
