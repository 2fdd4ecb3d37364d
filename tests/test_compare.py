"""Pairs of specimens: every patient and timepoint has a row, with a change or the reason why there is none."""

import pytest

from mvd.compare import PairedChange, SpecimenValue, paired_differences
from mvd.errors import ManifestError

TIMEPOINTS = ("pre", "3mo", "6mo")


def row(patient: str, timepoint: str, mvd: float | None, reason: str | None = None) -> SpecimenValue:
    return SpecimenValue(f"{patient}_{timepoint}", patient, timepoint, mvd, reason)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [row("p1", "pre", 52.8), row("p1", "3mo", 79.2)],
            PairedChange("p1", "3mo", 52.8, 79.2, pytest.approx(26.4), pytest.approx(1.5), None),
        ),
        (
            [row("p1", "3mo", 32.0), row("p1", "pre", 64.0)],
            PairedChange("p1", "3mo", 64.0, 32.0, -32.0, 0.5, None),
        ),
        (
            [row("p1", "pre", 0.0), row("p1", "3mo", 6.4)],
            PairedChange("p1", "3mo", 0.0, 6.4, 6.4, None, None),
        ),
        (
            [row("p1", "pre", 6.4), row("p1", "3mo", 0.0)],
            PairedChange("p1", "3mo", 6.4, 0.0, -6.4, 0.0, None),
        ),
        (
            [row("p1", "pre", 52.8)],
            PairedChange("p1", "3mo", 52.8, None, None, None, "no specimen at '3mo'"),
        ),
        (
            [row("p1", "6mo", 52.8)],
            PairedChange("p1", "3mo", None, None, None, None, "no specimen at 'pre'; no specimen at '3mo'"),
        ),
        (
            [row("p1", "pre", None, "0 of 5 fields fit"), row("p1", "3mo", 12.8)],
            PairedChange("p1", "3mo", None, 12.8, None, None, "p1_pre: 0 of 5 fields fit"),
        ),
    ],
    ids=["rise", "fall, rows out of order", "from zero", "to zero", "no partner", "neither", "not measured"],
)
def test_change_of_one_patient(rows: list[SpecimenValue], expected: PairedChange) -> None:
    assert paired_differences(rows, timepoints=TIMEPOINTS)[0] == expected


def test_each_patient_and_later_timepoint_has_a_row_in_order() -> None:
    rows = [row("p2", "6mo", 3.2), row("p1", "pre", 3.2), row("p2", "pre", 3.2)]
    changes = paired_differences(rows, timepoints=TIMEPOINTS)
    assert [(c.patient, c.timepoint) for c in changes] == [("p2", "3mo"), ("p2", "6mo"), ("p1", "3mo"), ("p1", "6mo")]


@pytest.mark.parametrize("timepoints", [("pre",), TIMEPOINTS])
def test_no_rows_or_no_later_timepoint_give_no_pairs(timepoints: tuple[str, ...]) -> None:
    assert paired_differences([], timepoints=timepoints) == ()
    assert paired_differences([row("p1", "pre", 3.2)], timepoints=("pre",)) == ()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("p1", "12mo", 3.2)], r"p1_12mo: the protocol has no timepoint '12mo' \(it has pre, 3mo, 6mo\)"),
        (
            [row("p1", "pre", 3.2), SpecimenValue("p1_again", "p1", "pre", 6.4)],
            r"patient p1 has two specimens at 'pre' \(p1_pre, p1_again\); keep one",
        ),
        ([row("p1", "pre", 3.2)] * 2, "two specimens"),
    ],
    ids=["unknown timepoint", "two at once", "the same row twice"],
)
def test_rows_that_cannot_be_paired_are_refused(rows: list[SpecimenValue], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        paired_differences(rows, timepoints=TIMEPOINTS)


@pytest.mark.parametrize(("mvd", "reason"), [(None, None), (3.2, "folded")])
def test_a_specimen_has_a_value_or_a_reason(mvd: float | None, reason: str | None) -> None:
    with pytest.raises(ValueError, match="p1_pre"):
        row("p1", "pre", mvd, reason)
