"""A study measured by a Dask cluster: real scheduler and workers, each a process of its own."""

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_study import contents

import mvd.workers.cluster
import mvd.workers.process
from mvd.cohort import Watch
from mvd.errors import MvdError, StoreError
from mvd.study import run_study
from mvd.workers.cluster import Cluster

distributed: Any = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("cluster"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals and /proc as Linux has them"),
    pytest.mark.filterwarnings("ignore"),  # Dask's own, while it shuts down
]

PATIENCE_S = 60.0
WORKER = Path(__file__).with_name("poisoned_worker.py")


def _poisoned(folder: str) -> None:
    """On a Dask worker: its worker processes meet what `poisoned_worker` says."""
    os.environ["POISON"] = folder
    mvd.workers.process.COMMAND = (sys.executable, str(WORKER))
    while mvd.workers.cluster._idle:  # begun in another test
        mvd.workers.cluster._idle.pop().close()


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs="CRITICAL"
    ) as cluster:
        yield cluster


@pytest.fixture
def poison(tmp_path: Path, dask: Any) -> Path:
    folder = tmp_path / "poison"
    folder.mkdir()
    with distributed.Client(dask) as client:
        client.wait_for_workers(2, timeout=PATIENCE_S)  # one may have been killed
        client.run(_poisoned, str(folder))
    return folder


@pytest.fixture
def study(measured_study: Path, tmp_path: Path) -> Path:
    """Not measured yet."""
    return Path(shutil.copytree(measured_study, tmp_path / "study", ignore=shutil.ignore_patterns("results")))


def test_a_cluster_leaves_the_same_bytes(study: Path, measured_study: Path, dask: Any, poison: Path) -> None:
    told: list[tuple[object, ...]] = []
    watch = Watch(blocks=lambda *of: told.append(of), opened=lambda *of: told.append(of))
    with Cluster(dask.scheduler_address, patience_s=PATIENCE_S) as cluster:
        rows = run_study(study, pool=cluster, watch=watch)
    assert [row.status for row in rows] == ["measured", "measured"]
    assert contents(study / "results") == contents(measured_study / "results")
    assert {event[0] for event in told} == {"p1_pre", "p1_post"}
    assert ("p1_pre", 1, 1) in told


def test_a_dask_worker_killed_in_the_middle_of_a_specimen_costs_nothing(
    study: Path, measured_study: Path, dask: Any, poison: Path
) -> None:
    (poison / "p1_pre").write_text("wait")

    def kill() -> None:
        """The Dask worker whose own worker process has the specimen."""
        told, until = poison / "p1_pre.pid", time.monotonic() + PATIENCE_S
        while not (told.exists() and told.read_text()) and time.monotonic() < until:
            time.sleep(0.02)
        status = Path("/proc", told.read_text(), "status").read_text()
        (parent,) = (line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
        os.kill(int(parent), signal.SIGKILL)
        (poison / "p1_pre").unlink()

    killer = threading.Thread(target=kill)
    killer.start()
    with Cluster(dask.scheduler_address, patience_s=PATIENCE_S) as cluster:
        rows = run_study(study, pool=cluster)
    killer.join()
    assert [row.status for row in rows] == ["measured", "measured"]
    assert contents(study / "results") == contents(measured_study / "results")


def test_a_poisonous_slide_leaves_the_dask_worker_alive(
    study: Path, measured_study: Path, dask: Any, poison: Path
) -> None:
    (poison / "p1_pre").write_text("crash")
    with Cluster(dask.scheduler_address, patience_s=PATIENCE_S) as cluster:
        before = cluster_pids(dask)
        pre, post = run_study(study, pool=cluster)
        assert (pre.status, post.status) == ("failed", "measured")
        assert "crashed (SIGSEGV)" in pre.reason
        assert cluster_pids(dask) == before
        (poison / "p1_pre").unlink()
        run_study(study, pool=cluster)
    assert contents(study / "results") == contents(measured_study / "results")


def cluster_pids(dask: Any) -> set[int]:
    with distributed.Client(dask) as client:
        return set(client.run(os.getpid).values())


def test_big_slides_are_shared_out(
    study: Path, tmp_path: Path, dask: Any, poison: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (poison / "small blocks").touch()
    with Cluster(dask.scheduler_address, patience_s=PATIENCE_S) as cluster:
        run_study(study, pool=cluster)
    monkeypatch.setattr("mvd.blocks.CORE_UM", 64.0)
    run_study(study, out=tmp_path / "alone")
    assert contents(study / "results") == contents(tmp_path / "alone")
    assert len((poison / "parts.txt").read_text().split()) == 16


def test_results_that_cannot_be_written_stop_the_run(study: Path, dask: Any, poison: Path) -> None:
    (study / "results").mkdir()
    (study / "results" / "p1_pre").write_text("a file where a folder is needed")
    with Cluster(dask.scheduler_address, patience_s=PATIENCE_S) as cluster, pytest.raises(StoreError, match="p1_pre"):
        run_study(study, pool=cluster)


def test_a_worker_with_other_libraries_is_refused(dask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {"tcp://far:1": {**mvd.workers.cluster.versions(), "numpy": "1.0"}}
    monkeypatch.setattr("mvd.workers.cluster._ask_versions", lambda _: others)
    with pytest.raises(MvdError, match=r"tcp://far:1 has other versions than this program: numpy 1\.0 \(here \d"):
        Cluster(dask.scheduler_address, patience_s=PATIENCE_S)


def test_so_is_one_that_joins_later(study: Path, dask: Any, poison: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Cluster(dask.scheduler_address, patience_s=PATIENCE_S) as cluster:
        here = {**mvd.workers.cluster.versions(), "shapely": "1.0"}
        monkeypatch.setattr("mvd.workers.cluster.versions", lambda: here)
        with pytest.raises(StoreError, match=r"has other versions than this program: shapely \S+ \(here 1\.0\)"):
            run_study(study, pool=cluster)
    assert not list((study / "results").glob("p1*"))


def test_nobody_at_the_address_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvd.workers.cluster._CONNECT_S", 1.0)
    with pytest.raises(MvdError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        Cluster("tcp://127.0.0.1:9", patience_s=PATIENCE_S)


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MvdError, match=r"pip install 'mvd\[dask\]'"):
        Cluster("tcp://127.0.0.1:9", patience_s=PATIENCE_S)


def test_a_scheduler_that_is_lost_ends_the_run_with_a_sentence(study: Path, tmp_path: Path) -> None:
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "p1_pre").write_text("wait")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs="CRITICAL"
    ) as own:
        with distributed.Client(own) as client:
            client.run(_poisoned, str(tmp_path / "poison"))
        with Cluster(own.scheduler_address, patience_s=PATIENCE_S) as cluster:
            closing = Watch(opened=lambda *_: threading.Thread(target=own.close).start())
            with pytest.raises(MvdError, match="the Dask scheduler was lost"):
                run_study(study, pool=cluster, watch=closing)
