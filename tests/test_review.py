"""Reviews of a measured study: the count follows the log, and the machine's result stays as it is."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reviewed_example import begun, decided
from small_study import contents, copy_of, write_protocol

from mvd.corrections import decide, in_words
from mvd.counting import assign, count
from mvd.errors import CorrectionError, FieldError, StoreError
from mvd.geometry import Raster
from mvd.protocol import FieldPlan, Protocol
from mvd.review import (
    OpenReview,
    audit_reviews,
    field_at,
    observer_name,
    observers,
    open_review,
    read_review,
    reviewed_count,
    reviewed_row,
    take,
)
from mvd.store import read_tables, write_result
from mvd.store.measured import read_measured
from mvd.study import run_study
from mvd.vessels.model import Reason

NAME = "p1_pre"


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    return copy_of(measured_study, tmp_path)


def opened(study: Path, observer: str = "anna", *, specimen: str = NAME) -> OpenReview:
    return open_review(study / "results", study / "reviews", specimen=specimen, observer=observer)


def again(study: Path, observer: str = "anna") -> OpenReview:
    found = read_review(study / "results", study / "reviews", specimen=NAME, observer=observer)
    assert found is not None
    return found


def counted_name(review: OpenReview) -> str:
    """A vessel that counts in a field."""
    places = assign(review.review.vessels, review.review.counted_fields, "frame")
    return next(v.name for v in review.review.vessels if v.accepted and places[v.name].fields)


def test_the_result_is_read_back_as_it_was_measured(study: Path) -> None:
    measured = read_measured(study / "results", NAME)
    tables = read_tables(study / "results", NAME)
    assert tables is not None
    assert measured.row == tables.specimen
    assert [vessel.name for vessel in measured.machine.vessels] == [row.vessel for row in tables.vessels]
    assert [field.name for field in measured.machine.fields] == [row.field for row in tables.fields]
    assert measured.protocol.digest == measured.row.protocol
    corners = np.array(measured.machine.involved[0][0])
    assert (corners.min(), corners.max()) == (0.0, 240.0)


def test_a_review_without_a_decision_counts_as_the_machine_did(study: Path) -> None:
    review = take(opened(study), decide.begin())
    row, machine = reviewed_row(review), review.measured.row
    assert (row.count, row.area_mm2, row.mvd_per_mm2, row.ci_low, row.ci_high, row.status) == (
        machine.count,
        machine.area_mm2,
        machine.mvd_per_mm2,
        machine.ci_low,
        machine.ci_high,
        machine.status,
    )
    assert row.hotspot_per_mm2 is None


@given(st.data())
def test_no_vessel_is_passed_over_because_it_is_far(data: st.DataObject) -> None:
    """The quick look at what may touch a field leaves the count as it is."""
    reach = st.floats(-30, 190)
    ring = np.array(data.draw(st.lists(st.tuples(reach, reach), min_size=3, max_size=6, unique=True)))
    try:
        review = decided(begun(), decide.add_outline(begun(), ring))
    except CorrectionError:
        return
    whole = count(review.vessels, review.counted_fields, border="touching", confidence=0.95)
    touching = Protocol.model_validate({"fields": {"border": "touching"}})
    quick = reviewed_count(review, touching)
    assert quick is not None
    assert quick.count == whole.count


def test_each_decision_is_on_the_disk_before_it_is_shown(study: Path) -> None:
    review = take(opened(study), decide.begin())
    name = counted_name(review)
    before = reviewed_row(review).count
    assert before is not None
    review = take(review, decide.reject(review.review, name, Reason.PIGMENT), why="golden")
    assert again(study).review.corrections == review.review.corrections
    assert reviewed_row(again(study)).count == before - 1
    review = take(review, decide.undo(review.review))
    assert reviewed_row(again(study)).count == before
    assert [in_words(correction) for correction in again(study).review.corrections] == [
        "began",
        f"rejected {name} as pigment, because golden",
        f"undid the decision on {name}",
    ]


def test_a_decision_that_cannot_be_taken_is_not_written(study: Path) -> None:
    review = opened(study)
    before = review.log.path.read_bytes()
    with pytest.raises(CorrectionError, match="has not begun"):
        take(review, decide.reject(review.review, counted_name(review), Reason.HAZE))
    assert review.log.path.read_bytes() == before


def test_a_field_left_out_leaves_its_area_and_says_why(study: Path) -> None:
    review = take(opened(study), decide.begin())
    review = take(review, decide.mark_unevaluable(review.review, "2", "fold"))
    row = reviewed_row(review)
    assert (row.fields, row.area_mm2, row.status, row.reason) == (
        2,
        2 * 0.0049,
        "too few fields",
        "field 2 is left out: fold",
    )
    for name in "13":
        review = take(review, decide.mark_unevaluable(review.review, name, "torn"))
    assert reviewed_count(review.review, review.measured.protocol) is None
    row = reviewed_row(review)
    assert (row.status, row.count, row.mvd_per_mm2, row.ci_high) == ("no fields", None, None, None)


def test_reviewing_leaves_the_results_as_they_are(study: Path) -> None:
    before = contents(study / "results")
    review = take(opened(study), decide.begin())
    review = take(review, decide.reject(review.review, counted_name(review), Reason.HAZE))
    review = take(review, decide.add_point(review.review, 3.0, 3.0))
    take(review, decide.finish())
    assert contents(study / "results") == before


@pytest.mark.slow
def test_a_result_measured_anew_leaves_the_review_of_the_earlier_one_whole(study: Path) -> None:
    review = take(opened(study), decide.begin())
    review = take(review, decide.reject(review.review, counted_name(review), Reason.HAZE))
    before = reviewed_row(review)
    assert (review.outdated, before.reason) == (None, "")
    write_protocol(study, Protocol.model_validate({"fields": {"number": 2, "side_um": 80.0}}))
    run_study(study)
    for now in (again(study), opened(study)):
        assert now.review.corrections == review.review.corrections
        assert now.outdated is not None
        assert (
            f"measured anew since, with another outcome; this is the review of the result of mvd {before.version}"
            in now.outdated
        )
        assert replace(reviewed_row(now), reason="") == before
    assert opened(study, "ben").outdated is None
    assert opened(study, "ben").measured.protocol.fields.number == 2
    write_protocol(study)
    run_study(study)
    assert again(study).outdated is None  # the same program and protocol give the same result


def test_a_review_outlives_the_results(study: Path) -> None:
    review = take(opened(study), decide.begin())
    shutil.rmtree(study / "results")
    now = again(study)
    assert now.outdated is not None
    assert now.outdated.startswith("the present result cannot be read: p1_pre has no result")
    assert reviewed_row(now).count == reviewed_row(review).count
    shutil.rmtree(review.log.path.parent / "results")
    with pytest.raises(StoreError, match="is of a result that is not there any more; measure p1_pre again with mvd"):
        again(study)


def test_what_was_not_measured_cannot_be_reviewed(study: Path) -> None:
    with pytest.raises(StoreError, match=r"p9 has no result in .*; measure it with mvd run"):
        opened(study, specimen="p9")
    tables = read_tables(study / "results", NAME)
    assert tables is not None
    row = replace(tables.specimen, status="failed", reason="no tissue")
    entry = {"tables": {"specimen": vars_of(row), "fields": []}}
    write_result(study / "results", NAME, payload=entry)
    with pytest.raises(StoreError, match="p1_pre has no fields to review: failed: no tissue"):
        opened(study)
    assert not (study / "reviews").exists()


def test_a_log_broken_off_when_it_was_made_is_begun_anew(study: Path) -> None:
    path = opened(study).log.path
    path.write_bytes(path.read_bytes()[:30])
    assert take(opened(study), decide.begin()).review.status == "begun"


def vars_of(row: object) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__slots__}  # type: ignore[attr-defined]


@pytest.mark.parametrize("damage", ["calibration", "protocol", "slide", "tables"])
def test_a_damaged_result_gives_one_sentence(study: Path, damage: str) -> None:
    path = study / "results" / f"{NAME}.json"
    result = json.loads(path.read_text())
    result[damage] = {"mood": "good"}
    path.write_text(json.dumps(result))
    with pytest.raises(StoreError, match=r"p1_pre\.json") as caught:
        read_measured(study / "results", NAME)
    assert "\n" not in str(caught.value)


def test_vessels_that_were_edited_elsewhere_are_not_reviewed(study: Path) -> None:
    path = study / "results" / f"{NAME}.geojson"
    path.write_text(path.read_text().replace("Microvessel", "Vessel"))
    with pytest.raises(StoreError, match=r"p1_pre\.geojson is not the one that p1_pre\.json belongs to"):
        opened(study)


def test_two_observers_do_not_meet(study: Path) -> None:
    one, other = take(opened(study), decide.begin()), take(opened(study, "ben"), decide.begin())
    take(one, decide.reject(one.review, counted_name(one), Reason.HAZE))
    assert again(study, "ben").review.corrections == other.review.corrections
    assert observers(study / "reviews") == ("anna", "ben")
    assert read_review(study / "results", study / "reviews", specimen=NAME, observer="carl") is None


@pytest.mark.parametrize("name", ["", "../anna", "a/b", ".", "con", "anna?", "x" * 101])
def test_an_observer_whose_name_cannot_be_a_folders_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="cannot be a folder's"):
        observer_name(tmp_path, name)


def test_one_observer_is_written_one_way(study: Path) -> None:
    take(opened(study, " Anna "), decide.begin())
    assert observers(study / "reviews") == ("Anna",)
    with pytest.raises(StoreError, match="the observer 'anna' is written 'Anna'"):
        opened(study, "anna")


def test_a_log_that_was_renamed_is_not_taken_for_anothers(study: Path) -> None:
    review = take(opened(study), decide.begin())
    for ending in (".jsonl", ".head"):
        path = review.log.path.with_suffix(ending)
        shutil.copy(path, path.with_name(f"p1_post{ending}"))
    with pytest.raises(StoreError, match="is the review of p1_pre by anna; was it renamed"):
        read_review(study / "results", study / "reviews", specimen="p1_post", observer="anna")


def test_the_audit_tells_who_did_what_and_what_is_wrong(study: Path) -> None:
    review = take(opened(study), decide.begin())
    take(review, decide.finish())
    take(opened(study, "ben"), decide.begin())
    broken = take(opened(study, "ben", specimen="p1_post"), decide.begin()).log.path
    broken.write_bytes(broken.read_bytes().replace(b'"ben"', b'"len"'))
    audits = audit_reviews(study / "results", study / "reviews")
    assert [(a.observer, a.specimen, a.status, len(a.corrections)) for a in audits] == [
        ("anna", "p1_pre", "finished", 2),
        ("ben", "p1_post", None, 0),
        ("ben", "p1_pre", "begun", 1),
    ]
    assert [a.fault for a in audits] == [None, "line 2 was changed; put the file back from a copy", None]


def test_a_log_that_does_not_fit_its_result_is_a_fault_of_the_audit(study: Path) -> None:
    review = take(opened(study), decide.begin())
    shutil.rmtree(study / "results")
    shutil.rmtree(review.log.path.parent / "results")
    (audit,) = audit_reviews(study / "results", study / "reviews")
    assert audit.fault is not None
    assert "is of a result that is not there any more" in audit.fault
    assert len(audit.corrections) == 1


def test_a_field_put_by_hand_has_the_plans_size_and_needs_evaluable_marrow() -> None:
    marrow = Raster(np.pad(np.ones((40, 40), bool), 10), 0.0, 0.0, 4.0)  # marrow from 40 to 200 µm
    plan = FieldPlan(side_um=80.0)
    field = field_at(marrow, plan, specimen=NAME, name="2", centre_um=(120.0, 120.0))
    assert (field.name, field.rect.width_um, field.evaluable_mm2) == ("2", 80.0, 0.0064)
    with pytest.raises(FieldError, match=r"p1_pre: field 1 .* evaluable, less than 75 %; move it"):
        field_at(marrow, plan, specimen=NAME, name="2", centre_um=(40.0, 40.0))
    review = begun()
    review = decided(review, decide.move_field(review, replace(field, rect=field.rect.expanded(0.0005))))
    assert review.fields["2"].field.evaluable_mm2 == 0.0064
