"""mvd audit: who decided what when in words, and the line that is not as it was written."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import mvd
from small_study import contents, copy_of

from mvd.corrections import decide
from mvd.reading import REPEATS_FOLDER, Reading, open_reading
from mvd.review import take
from mvd.vessels.model import Reason

PRE = Reading("p1_pre", "p1_pre", False, "p1_pre")
PRE_AGAIN = Reading("R09", "p1_pre", True, "R09")
VESSEL = "v00001"


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    """Six lines by anna: the header, began, rejected, undid, remarked, finished."""
    study = copy_of(measured_study, tmp_path)
    opened = take(open_reading(study, PRE, "anna"), decide.begin())
    opened = take(opened, decide.reject(opened.review, VESSEL, Reason.PIGMENT), why="golden")
    opened = take(opened, decide.undo(opened.review))
    opened = take(opened, decide.comment(opened.review, "pale\x1b[31m"))
    take(opened, decide.finish())
    return study


def log(study: Path) -> Path:
    return study / "reviews" / "anna" / "p1_pre.jsonl"


def test_each_decision_is_told_in_words_with_its_time_and_its_line(study: Path) -> None:
    outcome = mvd("audit", study)
    assert (outcome.status, outcome.err) == (0, "")
    first, *lines, last = [line for line in outcome.out.splitlines() if line]
    assert first == "anna, p1_pre: finished (reviews/anna/p1_pre.jsonl)"
    told = [re.fullmatch(r"  line (\d)  2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d UTC  mvd \S+  (.*)", line) for line in lines]
    assert [(found[1], found[2]) if found else None for found in told] == [
        ("2", "began"),
        ("3", f"rejected {VESSEL} as pigment, because golden"),
        ("4", f"undid the decision on {VESSEL}"),
        ("5", "remarked on the specimen: pale\N{REPLACEMENT CHARACTER}[31m"),
        ("6", "finished"),
    ]
    assert last == "1 log of 1 observer, 5 lines: all as they were written"


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


DAMAGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a word changed": (lambda own: [*own[:2], own[2].replace(b"golden", b"grey"), *own[3:]], "line 3 was changed"),
    "the last line changed": (lambda own: [*own[:5], own[5].replace(b"finish", b"reopen")], "line 6 was changed"),
    "a line removed": (lambda own: [*own[:2], *own[3:]], "correction 2 is missing after line 2: removed"),
    "the end removed": (lambda own: own[:4], "corrections 4 to 5 are missing after line 4: removed from the end"),
    "a line put in": (lambda own: [*own[:3], own[2], *own[3:]], "line 4 was put in"),
    "two lines exchanged": (lambda own: [*own[:2], own[3], own[2], *own[4:]], "line 3 is in the wrong place"),
    "the header changed": (lambda own: [own[0].replace(b"anna", b"hans"), *own[1:]], "line 1 (the header) was changed"),
}


@pytest.mark.parametrize(("damage", "sentence"), DAMAGES.values(), ids=DAMAGES)
def test_a_line_that_was_changed_or_removed_is_named(
    study: Path, damage: Callable[[list[bytes]], list[bytes]], sentence: str
) -> None:
    log(study).write_bytes(b"".join(damage(lines(log(study)))))
    outcome = mvd("audit", study)
    assert outcome.status == 3
    assert f"mvd: anna, p1_pre: {sentence}" in outcome.err
    assert "1 log of 1 observer: 1 not as it was written" in outcome.out
    assert mvd("audit", study, "--quiet").err == outcome.err


def test_a_log_that_was_removed_is_named(study: Path) -> None:
    log(study).unlink()
    outcome = mvd("audit", study)
    assert outcome.status == 3
    sentence = "the log of 5 corrections was removed, p1_pre.head is left; put it back from a copy"
    assert outcome.err == f"mvd: anna, p1_pre: {sentence}\n"


def test_a_log_of_another_result_is_a_fault(study: Path) -> None:
    shutil.rmtree(study / "results")
    assert "note: the present result cannot be read" in mvd("audit", study).out
    shutil.rmtree(study / "reviews" / "anna" / "results")
    outcome = mvd("audit", study)
    assert outcome.status == 3
    assert "is of a result that is not there any more" in outcome.err
    assert "anna, p1_pre: cannot be trusted" in outcome.out


def test_second_reads_are_audited_and_observers_told_apart(study: Path) -> None:
    opened = take(open_reading(study, PRE_AGAIN, "anna"), decide.begin())
    take(open_reading(study, PRE, "ben"), decide.begin())
    outcome = mvd("audit", study)
    assert "anna, p1_pre, second read: begun (repeats/anna/p1_pre.jsonl)" in outcome.out
    assert outcome.out.endswith("3 logs of 2 observers, 7 lines: all as they were written\n")
    assert mvd("audit", study, "--observer", "ben").out.splitlines()[0].startswith("ben, p1_pre: begun")
    opened.log.path.write_bytes(opened.log.path.read_bytes().replace(b"begin", b"finish"))
    assert mvd("audit", study, "--observer", "ben").status == 0
    assert "mvd: anna, p1_pre, second read: line 2 was changed" in mvd("audit", study).err
    assert opened.log.path.is_relative_to(study / REPEATS_FOLDER)


def test_looking_through_changes_nothing(study: Path) -> None:
    before = contents(study)
    mvd("audit", study)
    assert contents(study) == before


def test_where_nothing_was_reviewed_the_audit_says_so(tmp_path: Path, study: Path) -> None:
    assert mvd("audit", tmp_path).out == "nothing was reviewed\n"
    outcome = mvd("audit", study, "--observer", "carl")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err == "mvd: nobody named 'carl' has reviewed anything here; observers are anna\n"
    outcome = mvd("audit", tmp_path / "nowhere")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
