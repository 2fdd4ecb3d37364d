"""What befalls a run from outside: a second run beside it, a full disk, a disk that may not be written to.

Disks of a few kB, and such as are read-only, are mounted where only the run itself sees them. Nothing is simulated, and
nothing is left when it ends.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tifffile
from small_study import contents

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts and locks as Linux has them"),
]

RUN = "import sys; from mvd.cli import main; sys.exit(main(['run', sys.argv[1], '--quiet', '--workers', '1']))"
PATIENCE_S = 60.0
IS_ROOT = getattr(os, "geteuid", lambda: 1)() == 0


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    """Not measured yet."""
    return Path(shutil.copytree(measured_study, tmp_path / "study", ignore=shutil.ignore_patterns("results")))


# A run that waits in the middle of its first specimen

WAITING = f"""
import sys
import mvd.workers.process
mvd.workers.process.COMMAND = (sys.executable, {str(Path(__file__).with_name("poisoned_worker.py"))!r})
{RUN}
"""


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """As long as there is this file, the first specimen is not measured."""
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "p1_pre").write_text("wait")
    return tmp_path / "poison" / "p1_pre"


@pytest.fixture
def first(study: Path, held: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that holds the results."""
    command = [sys.executable, "-c", WAITING, str(study)]
    environment = {**os.environ, "POISON": str(held.parent)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        until, measuring = time.monotonic() + PATIENCE_S, held.with_suffix(".pid")
        while not measuring.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert measuring.exists(), "the run did not begin"
        yield process
        process.kill()


def run(study: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, str(study)], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


def test_the_second_of_two_runs_says_so_and_stops(
    study: Path, first: subprocess.Popen[str], held: Path, measured_study: Path
) -> None:
    before = contents(study)
    second = run(study)
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == (
        f"mvd: another mvd is at work in {study / 'results'} (process {first.pid}); wait until it has ended, or choose "
        "another folder\n"
    )
    assert contents(study) == before
    held.unlink()
    _, errors = first.communicate(timeout=PATIENCE_S)
    assert (first.returncode, errors) == (0, "")
    assert contents(study / "results") == contents(measured_study / "results")


def test_a_run_that_was_killed_in_the_middle_of_a_specimen_holds_nobody_up(
    study: Path, first: subprocess.Popen[str], measured_study: Path
) -> None:
    first.send_signal(signal.SIGKILL)
    assert first.wait(timeout=PATIENCE_S) == -signal.SIGKILL
    after = run(study)
    assert (after.returncode, after.stderr) == (0, "")
    assert contents(study / "results") == contents(measured_study / "results")


# A run whose results are on a disk of their own

ON_A_DISK = f"""
import json, os, shutil, subprocess, sys
from pathlib import Path
study, options = sys.argv[1:]
results, saved = Path(study, "results"), Path(study, "saved")
def system(*command):
    subprocess.run([*command, str(results)], check=True)
def run():
    done = subprocess.run([sys.executable, "-c", {RUN!r}, study], capture_output=True, text=True)
    files = [path for path in results.rglob("*") if path.is_file()]
    records = {{path.name: path.stat().st_mtime_ns for path in results.glob("[!.]*.json")}}
    temporary = [path.name for path in files if path.suffix == ".tmp"]
    return dict(status=done.returncode, out=done.stdout, err=done.stderr, records=records, temporary=temporary)
results.mkdir(exist_ok=True)
system("mount", "-t", "tmpfs", "-o", options, "tmpfs")
told = [run()]
shutil.copytree(results, saved)
system("umount")
shutil.copytree(saved, results, dirs_exist_ok=True)
told.append(run())
print(json.dumps(told))
"""


@dataclass(frozen=True)
class Told:
    status: int
    out: str
    err: str
    records: dict[str, int]
    """Results of specimens that are there, with the time at which each was written."""
    temporary: list[str]


def on_a_disk(study: Path, options: str) -> tuple[Told, Told]:
    """A run on a disk as the options say, and another when what that left was moved to one as it should be."""
    alone = ["unshare", "--mount", *([] if IS_ROOT else ["--user", "--map-root-user"])]
    try:
        probe = [*alone, "mount", "-t", "tmpfs", "tmpfs", str(study)]
        subprocess.run(probe, check=True, capture_output=True, timeout=PATIENCE_S)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    command = [*alone, sys.executable, "-c", ON_A_DISK, str(study), options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * PATIENCE_S)
    assert done.returncode == 0, done.stderr
    first, second = (Told(**one) for one in json.loads(done.stdout))
    return first, second


@pytest.mark.parametrize(
    ("size_kb", "finished"),
    [
        pytest.param(8, [], id="at once"),
        pytest.param(1000, [], id="while pictures are written"),
        pytest.param(3600, ["p1_pre.json"], id="in the second specimen"),
    ],
)
def test_a_full_disk_stops_the_run_and_a_larger_one_ends_it(
    study: Path, measured_study: Path, size_kb: int, finished: list[str]
) -> None:
    full, freed = on_a_disk(study, f"size={size_kb}k")
    assert (full.status, full.out) == (1, "")
    assert full.err.startswith(f"mvd: {study / 'results'}/")
    assert full.err.endswith("cannot be written: the disk is full; free some space and run again\n")
    assert len(full.err.splitlines()) == 1
    assert (sorted(full.records), full.temporary) == (finished, [])
    assert (freed.status, freed.err, freed.temporary) == (0, "", [])
    assert {name: freed.records[name] for name in finished} == full.records  # not measured again
    assert contents(study / "results") == contents(measured_study / "results")


def test_results_that_are_read_only_stop_the_run_before_anything_is_measured(study: Path, measured_study: Path) -> None:
    before = time.monotonic()
    locked_away, freed = on_a_disk(study, "ro")
    assert time.monotonic() - before < PATIENCE_S
    assert (locked_away.status, locked_away.out, locked_away.records) == (1, "", {})
    assert locked_away.err == (
        f"mvd: {study / 'results' / '.lock'} cannot be written: the disk is read-only; choose a folder that can be "
        "written to\n"
    )
    assert (freed.status, freed.err) == (0, "")
    assert contents(study / "results") == contents(measured_study / "results")


@pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
def test_results_that_one_may_not_write_to_are_one_sentence(study: Path) -> None:
    (study / "results").mkdir()
    (study / "results").chmod(0o555)
    done = run(study)
    (study / "results").chmod(0o755)
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be written: writing there is not permitted" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# A slide with a bad tile


def test_a_tile_cut_short_in_the_middle_of_a_slide_costs_that_slide_only(study: Path) -> None:
    for name in ("p1_pre", "p1_post"):
        path = study / f"{name}.ome.tif"
        pixels = tifffile.imread(path)
        tifffile.imwrite(
            path, pixels, photometric="rgb", tile=(64, 64), compression="jpeg",
            resolution=(20000, 20000), resolutionunit="CENTIMETER",
        )  # fmt: skip
    assert run(study).returncode == 0
    good = contents(study / "results")
    shutil.rmtree(study / "results")
    image = study / "p1_pre.ome.tif"
    whole = image.read_bytes()
    with tifffile.TiffFile(image) as tif:
        page = tif.pages.first
        middle = len(page.dataoffsets) // 2
        start, length = page.dataoffsets[middle], page.databytecounts[middle]
    image.write_bytes(whole[: start + length // 2] + bytes(length - length // 2) + whole[start + length :])
    done = run(study)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("mvd: p1_pre: failed: p1_pre.ome.tif is damaged at pixel ")
    assert len(done.stderr.splitlines()) == 1
    assert {name: data for name, data in contents(study / "results").items() if name.startswith("p1_post")} == {
        name: data for name, data in good.items() if name.startswith("p1_post")
    }
    image.write_bytes(whole)
    assert run(study).returncode == 0
    assert contents(study / "results") == good
