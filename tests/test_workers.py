"""Specimens measured by other processes: the same results, and what befalls one of them is its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import pytest
from small_study import PROTOCOL, ROWS, contents, write_manifest, write_section

import mvd
import mvd.blocks
from mvd.cohort import Watch
from mvd.errors import MvdError, StoreError
from mvd.manifest import read_manifest
from mvd.measuring import Plan, measure
from mvd.slide import Slide
from mvd.store import read_result
from mvd.store.checksums import CHECKSUMS_FILE, Checksums, fingerprint
from mvd.store.lock import LOCK_FILE, locked
from mvd.store.times import measured_at
from mvd.study import run_study
from mvd.workers import Broken, Crew, Heard, Job, serve
from mvd.workers.job import Outcomes
from mvd.workers.process import Worker, WorkerLost, begin

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")]

WORKER = Path(__file__).with_name("poisoned_worker.py")
PATIENCE_S = 60.0


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    """Not measured yet."""
    return Path(shutil.copytree(measured_study, tmp_path / "study", ignore=shutil.ignore_patterns("results")))


@pytest.fixture
def poison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Has something befall a specimen in the workers to come."""
    folder = tmp_path / "poison"
    folder.mkdir()
    monkeypatch.setenv("POISON", str(folder))
    monkeypatch.setattr("mvd.workers.process.COMMAND", (sys.executable, str(WORKER)))

    def put(name: str, act: str) -> Path:
        (folder / name).write_text(act)
        return folder

    return put


Poison = Callable[[str, str], Path]


@pytest.mark.parametrize("number", [1, 2])
def test_any_number_of_workers_leave_the_same_bytes(study: Path, measured_study: Path, number: int) -> None:
    told: list[object] = []
    watch = Watch(
        lambda name, *_: told.append(("begins", name)),
        lambda name, mpix: told.append((name, mpix)),
        lambda name, done, blocks: told.append((name, done, blocks)),
        ends=lambda row, fresh: told.append(("ends", row.specimen, fresh)),
    )
    rows = run_study(study, pool=Crew(number), watch=watch)
    assert contents(study / "results") == contents(measured_study / "results")
    assert [row.specimen for row in rows] == ["p1_pre", "p1_post"]
    for name in ("p1_pre", "p1_post"):
        own = [event for event in told if name in event]
        assert own[0] == ("begins", name)
        assert own[1] == (name, pytest.approx(0.48**2, rel=0.01))
        assert own[2:-1] == [(name, 1, 1)]
        assert own[-1] == ("ends", name, True)
    assert sorted(measured_at(study / "results")) == ["p1_post", "p1_pre"]


def test_the_log_tells_what_happened_and_when(study: Path, poison: Poison) -> None:
    poison("p1_pre", "killed once")
    run_study(study, pool=Crew(1))
    run_study(study, pool=Crew(1))
    lines = (study / "results" / "run.log").read_text(encoding="utf-8").splitlines()
    told = [line.split("] ", 1)[1] for line in lines]
    assert all(line[:2] == "20" and line[19] == "Z" for line in lines)
    assert told[0].startswith("run begins: mvd ")
    assert told[1].startswith("p1_pre: tried once more: the process that measured it was killed")
    assert told[2].startswith("p1_post: measured in ")
    assert told[3].startswith("p1_pre: measured in ")
    assert told[4].startswith("run ends: 2 specimens, 0 without MVD, ")
    assert told[6:8] == ["p1_pre: measured, its result stands", "p1_post: measured, its result stands"]


LOST = {
    "crash": "the process that measured it crashed (SIGSEGV), most likely in a library that reads images",
    "killed": "the process that measured it was killed, most likely by the system for want of memory",
    "hang": "nothing was heard of it for 0.05 minutes, and it was given up; --patience gives it longer",
    "memory": "there is not enough memory for this image",
}


@pytest.mark.parametrize(("act", "reason"), LOST.items(), ids=LOST.keys())
def test_a_poisonous_slide_costs_that_slide_only(
    study: Path, measured_study: Path, poison: Poison, act: str, reason: str
) -> None:
    folder = poison("p1_pre", act)
    patience_s = 3.0 if act == "hang" else PATIENCE_S
    tried: list[str] = []
    watch = Watch(trouble=lambda name, _: tried.append(name))
    memory_bytes = 4 << 30 if act == "memory" else None
    crew = Crew(2, patience_s=patience_s, memory_bytes=memory_bytes)
    pre, post = run_study(study, pool=crew, watch=watch)
    assert (pre.status, pre.mvd_per_mm2, post.status) == ("failed", None, "measured")
    assert pre.reason.startswith(reason)
    assert tried == ([] if act in ("hang", "memory") else ["p1_pre"])
    table = (study / "results" / "specimens.csv").read_text(encoding="utf-8")
    assert reason in table
    trace = (read_result(study / "results", "p1_pre") or {}).get("trace", [])
    assert any("Segmentation fault" in line for line in trace) == (act == "crash")
    (folder / "p1_pre").unlink()
    run_study(study)
    assert contents(study / "results") == contents(measured_study / "results")


def test_a_worker_that_is_killed_once_costs_nothing(study: Path, measured_study: Path, poison: Poison) -> None:
    poison("p1_pre", "killed once")
    tried: list[tuple[str, str]] = []
    rows = run_study(study, pool=Crew(2), watch=Watch(trouble=lambda *told: tried.append(told)))
    assert [name for name, _ in tried] == ["p1_pre"]
    assert [row.status for row in rows] == ["measured", "measured"]
    assert contents(study / "results") == contents(measured_study / "results")


def test_what_libraries_print_disturbs_nothing(study: Path, measured_study: Path, poison: Poison) -> None:
    poison("p1_pre", "print")
    run_study(study, pool=Crew(1))
    assert contents(study / "results") == contents(measured_study / "results")


def test_no_worker_at_all_is_one_sentence(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvd.workers.process.COMMAND", (sys.executable, "-c", "raise SystemExit('no such library')"))
    with pytest.raises(MvdError, match="a worker process could not be started: no such library"):
        run_study(study, pool=Crew(2))
    assert not list((study / "results").glob("p1*"))


def test_results_that_cannot_be_written_stop_the_run(study: Path, measured_study: Path) -> None:
    (study / "results").mkdir()
    (study / "results" / "p1_pre").write_text("a file where a folder is needed")
    with pytest.raises(StoreError, match=r"p1_pre.*a file stands where a folder is needed; rename it"):
        run_study(study, pool=Crew(1))
    (study / "results" / "p1_pre").unlink()
    run_study(study)
    assert contents(study / "results") == contents(measured_study / "results")


# Big slides: all of each section is searched, in blocks as small as the sections are


@pytest.mark.parametrize("act", ["", "killed once"])
def test_a_big_slide_is_searched_by_all_who_are_idle(
    study: Path, tmp_path: Path, poison: Poison, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    write_manifest(study, ROWS[0])
    monkeypatch.setattr(mvd.blocks, "CORE_UM", 64.0)
    run_study(study, out=tmp_path / "alone")
    folder = poison("part" if act else "nothing", act or "print")
    poison("small blocks", "")
    seen: list[tuple[int, int]] = []
    watch = Watch(blocks=lambda _name, done, blocks: seen.append((done, blocks)))
    (row,) = run_study(study, out=tmp_path / "shared", pool=Crew(2), watch=watch)
    assert row.status == "measured"
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")
    pids = (folder / "parts.txt").read_text().split()
    assert len(pids) == 8 or act, "sixteen blocks, two a part"
    assert len(set(pids)) >= 2, "both workers took some"
    assert seen[-1] == (16, 16)


def test_a_part_that_kills_every_worker_is_the_slides_fault(study: Path, poison: Poison) -> None:
    folder = poison("part", "crash")
    poison("small blocks", "")
    pre, post = run_study(study, pool=Crew(2))
    assert (pre.status, post.status) == ("failed", "failed")
    assert "crashed (SIGSEGV)" in pre.reason and "crashed (SIGSEGV)" in post.reason
    (folder / "part").unlink()
    assert [row.status for row in run_study(study)] == ["measured", "measured"]


def test_one_image_is_searched_in_parts_by_a_crew(study: Path, poison: Poison, monkeypatch: pytest.MonkeyPatch) -> None:
    image = study / "p1_pre.ome.tif"
    alone = mvd.find(image)
    folder = poison("nothing", "print")
    monkeypatch.setattr(mvd.blocks, "CORE_UM", 64.0)
    monkeypatch.setattr(mvd.blocks, "PART_BLOCKS", 2)
    seen: list[tuple[int, int]] = []
    shared = mvd.find(image, share=Crew(2).share, progress=lambda *told: seen.append(told))
    assert [vessel.bounds for vessel in shared.vessels] == [vessel.bounds for vessel in alone.vessels]
    assert [vessel.outline.tobytes() for vessel in shared.vessels] == [v.outline.tobytes() for v in alone.vessels]
    assert len((folder / "parts.txt").read_text().split()) == 8
    assert seen[-1] == (16, 16)


# The end of the run itself

RUN = f"""
import signal, sys
import mvd.workers.process
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background of a shell
signal.signal(signal.SIGHUP, signal.SIG_DFL)
mvd.workers.process.COMMAND = (sys.executable, {str(WORKER)!r})
from mvd.cli import main
sys.exit(main(["run", sys.argv[1], "--workers", "2"]))
"""


def awaited(path: Path) -> Path:
    until = time.monotonic() + PATIENCE_S
    while not (path.exists() and path.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    assert path.exists(), f"no {path.name}"
    return path


def gone(pid: int) -> bool:
    """Whether a process ends soon, by itself."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text():
            return True  # ended, and nobody has asked how
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)],
    ids=["Ctrl-C", "SIGTERM", "a closed terminal", "kill -9"],
)
def test_a_run_that_is_stopped_leaves_no_worker_and_goes_on_later(
    study: Path, measured_study: Path, poison: Poison, number: signal.Signals, status: int
) -> None:
    folder = poison("p1_post", "wait")
    command = [sys.executable, "-c", RUN, str(study)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        worker = int(awaited(folder / "p1_post.pid").read_text())
        awaited(study / "results" / "times.csv")
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == status
    assert gone(worker)
    assert Checksums(study / "results").of(study / "p1_pre.ome.tif") is not None, "it need not be read again"
    if number is not signal.SIGKILL:
        assert (study / "results" / LOCK_FILE).read_bytes() == b"", "workers elsewhere see that nobody waits for them"
        assert f"run broken off: {number.name if number is not signal.SIGINT else 'KeyboardInterrupt'}\n" in (
            study / "results" / "run.log"
        ).read_text(encoding="utf-8")
        assert out == ""
        assert err.splitlines()[-1] == (
            f"mvd: stopped; what was finished is in {study}/results, and the same command goes on from there"
        )
        table = (study / "results" / "specimens.csv").read_text().splitlines()
        assert [line.split(",")[0] for line in table] == ["specimen", "p1_pre"]
    made = (study / "results" / "p1_pre.json").stat().st_mtime_ns
    (folder / "p1_post").unlink()
    fresh: list[str] = []
    run_study(study, watch=Watch(ends=lambda row, now: fresh.append(row.specimen) if now else None))
    assert fresh == ["p1_post"]
    assert (study / "results" / "p1_pre.json").stat().st_mtime_ns == made
    assert contents(study / "results") == contents(measured_study / "results")


class Late:
    """Workers of whom one is heard again after its specimen has ended, and one dies before it says that it began."""

    def outcomes(self, jobs: Sequence[Job], heard: Heard) -> Outcomes:
        first, second = jobs
        heard.begins("p1_pre")
        yield first, Broken("lost")
        heard.opened("p1_pre", 1.0)
        heard.blocks("p1_pre", 1, 2)
        heard.begins("p1_pre")
        yield second, Broken("lost at once")


def test_what_is_heard_of_a_specimen_that_has_ended_is_not_told(study: Path) -> None:
    told: list[object] = []
    watch = Watch(
        lambda *of: told.append(of), *[lambda *of: told.append(("too late", of))] * 3,
        ends=lambda row, _: told.append(row.reason),
    )  # fmt: skip
    run_study(study, pool=Late(), watch=watch)
    assert told == [("p1_pre", 1, 2), "lost", ("p1_post", 2, 2), "lost at once"]


def test_a_worker_that_reads_nothing_is_given_up(poison: Poison) -> None:
    worker = Worker()
    try:
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(WorkerLost):
            worker.ask(b"x" * 1_000_000, patience_s=0.5)  # type: ignore[arg-type]
        assert not worker.is_alive
    finally:
        worker.close()


def test_a_program_that_is_not_there_is_one_sentence(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvd.workers.process.COMMAND", (str(study / "no such program"),))
    with pytest.raises(MvdError, match=r"a worker process could not be started: No such file or directory"):
        run_study(study, pool=Crew(2))


# The first worker, which starts while the run loads


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The workers' processes, in the order in which they are begun."""
    processes: list[subprocess.Popen[bytes]] = []

    def noted(*, memory_bytes: int | None = None) -> subprocess.Popen[bytes]:
        processes.append(begin(memory_bytes=memory_bytes))
        return processes[-1]

    monkeypatch.setattr("mvd.workers.crew.begin", noted)
    return processes


def test_a_crew_begins_one_worker_at_once_and_asks_it_first(
    study: Path, begun: list[subprocess.Popen[bytes]], measured_study: Path
) -> None:
    with Crew(1) as crew:
        assert len(begun) == 1
        run_study(study, pool=crew)
        run_study(study, pool=crew, again=True)
        assert len(begun) == 2, "one for each call: a worker ends with the call that it worked for"
    assert all(process.returncode is not None for process in begun)
    assert contents(study / "results") == contents(measured_study / "results")


def test_a_worker_that_nobody_asks_is_ended(measured_study: Path, begun: list[subprocess.Popen[bytes]]) -> None:
    with Crew(2) as crew:
        run_study(measured_study, pool=crew)
        (process,) = begun
        assert process.returncode is None
    assert process.returncode == -signal.SIGKILL
    assert process.stdin is not None and process.stdin.closed


def test_a_first_worker_that_cannot_start_is_the_same_sentence(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvd.workers.process.COMMAND", (str(study / "no such program"),))
    sentence = r"a worker process could not be started: No such file or directory"
    with Crew(2) as crew, pytest.raises(MvdError, match=sentence):
        run_study(study, pool=crew)
    monkeypatch.setattr("mvd.workers.process.COMMAND", (sys.executable, "-c", "raise SystemExit('no such library')"))
    with Crew(2) as crew, pytest.raises(MvdError, match="a worker process could not be started: no such library"):
        run_study(study, pool=crew)


def test_what_a_worker_will_need_can_be_loaded() -> None:
    for name in serve.SOON_NEEDED:
        assert import_module(name)


def test_what_cannot_be_loaded_early_is_told_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(serve, "SOON_NEEDED", ("no_such_library", "json"))
    monkeypatch.setattr(serve, "import_module", lambda name: loaded.append(import_module(name).__name__))
    serve.load_soon_needed()
    assert loaded == ["json"]


@pytest.mark.parametrize(
    ("workers", "specimens", "each"), [(8, 8, 1), (8, 2, 4), (2, 9, 1), (2, 1, 2), (3, 2, 1), (1, 1, 1), (5, 2, 2)]
)
def test_cores_without_a_specimen_help_the_others(
    study: Path, monkeypatch: pytest.MonkeyPatch, workers: int, specimens: int, each: int
) -> None:
    seen: list[int] = []
    monkeypatch.setattr("mvd.workers.crew.Task", lambda job: seen.append(job.threads))
    monkeypatch.setattr("mvd.workers.crew.Board", lambda _: None)
    monkeypatch.setattr("mvd.workers.crew._Work.run", lambda *_: iter(()))
    job = Job(read_manifest(study, PROTOCOL).specimens[0], Plan(PROTOCOL, study / "results"))
    assert list(Crew(workers).outcomes([job] * specimens, Heard())) == []
    assert seen == [each] * specimens


def test_what_stands_is_told_without_opening_a_slide(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_study(study)
    (study / "results" / CHECKSUMS_FILE).unlink()
    monkeypatch.setattr("mvd.measuring.open_slide", None)
    monkeypatch.setattr("mvd.measuring.inspect_slide", None)
    fresh: list[bool] = []
    run_study(study, watch=Watch(ends=lambda _, now: fresh.append(now)))
    assert fresh == [False, False]


def test_files_that_an_ended_worker_left_half_written_are_removed(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / f".{'0' * 16}.tmp").touch()
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_FILE]


def test_a_worker_that_outlives_its_run_stores_nothing(study: Path) -> None:
    specimen = read_manifest(study, PROTOCOL).specimens[0]
    with locked(study / "results") as token:
        plan = Plan(PROTOCOL, study / "results", token=token)
    with locked(study / "results"):
        pass
    with pytest.raises(StoreError, match="the run that measured p1_pre has ended; its result is not stored"):
        measure(specimen, plan)
    assert not list((study / "results").glob("p1*"))


# Slides that are known


def test_a_slide_that_is_known_is_not_read_again(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_study(study)
    monkeypatch.setattr("mvd.measuring._SMALL_BYTES", -1)
    read: list[str] = []
    digest = Slide.sha256
    monkeypatch.setattr(Slide, "sha256", lambda slide: read.append(slide.path.name) or digest(slide))
    run_study(study)
    assert read == []
    (study / "results" / CHECKSUMS_FILE).write_text("damaged")
    run_study(study)
    assert read == ["p1_pre.ome.tif", "p1_post.ome.tif"]


def test_another_slide_of_the_same_size_and_date_is_another_slide(study: Path) -> None:
    run_study(study)
    image = study / "p1_post.ome.tif"
    before, size = image.stat(), image.stat().st_size
    write_section(image, seed=3)
    with image.open("r+b") as file:
        file.truncate(max(size, image.stat().st_size))
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    checksums = Checksums(study / "results")
    assert checksums.of(study / "p1_pre.ome.tif") is not None
    assert checksums.of(image) is None
    fresh: list[str] = []
    run_study(study, watch=Watch(ends=lambda row, now: fresh.append(row.specimen) if now else None))
    assert fresh == ["p1_post"]


def test_slides_of_several_files_are_always_read(tmp_path: Path) -> None:
    for name in ("slide.mrxs", "slide.svs"):
        (tmp_path / name).touch()
    assert fingerprint(tmp_path / "slide.mrxs") is None
    assert fingerprint(tmp_path / "gone.svs") is None
    assert fingerprint(tmp_path / "slide.svs") is not None
