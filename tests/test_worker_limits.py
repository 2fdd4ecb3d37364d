"""How many workers fit, and what one may take."""

import pytest

from mvd.workers import limits

GB = 1 << 30


@pytest.mark.parametrize(
    ("cores", "memory", "workers"),
    [
        pytest.param(8, 64 * GB, 8, id="one for each core"),
        pytest.param(64, 16 * GB, 16, id="as memory has room for"),
        pytest.param(2, GB // 2, 1, id="at least one"),
        pytest.param(4, 0, 4, id="nobody says how much memory there is"),
    ],
)
def test_workers_fit_cores_and_memory(monkeypatch, cores, memory, workers):
    monkeypatch.setattr(limits, "cores", lambda: cores)
    monkeypatch.setattr(limits, "machine_memory", lambda: memory)
    assert limits.fitting_workers() == workers


def test_a_container_has_less_memory_than_its_machine(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(limits, "_CONTROL_GROUPS", tmp_path)
    machine = limits.machine_memory()
    assert machine > GB
    (tmp_path / "memory.max").write_text(f"{GB}\n")
    assert limits.machine_memory() == GB


@pytest.mark.parametrize(("quota", "most"), [("max 100000", 10_000), ("100000 100000", 1), ("50000 100000", 1)])
def test_a_container_has_fewer_cores_than_its_machine(monkeypatch, tmp_path, quota, most):
    monkeypatch.setattr(limits, "_CONTROL_GROUPS", tmp_path)
    before = limits.cores()
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert limits.cores() == min(before, most)


def test_a_batch_job_has_what_its_own_group_has(monkeypatch, tmp_path):
    (tmp_path / "own").write_text("0::/slurm/job_7\n")
    (tmp_path / "slurm" / "job_7").mkdir(parents=True)
    (tmp_path / "slurm" / "memory.max").write_text(f"{2 * GB}\n")
    (tmp_path / "slurm" / "job_7" / "memory.max").write_text("max\n")
    monkeypatch.setattr(limits, "_CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(limits, "_OWN_GROUPS", tmp_path / "own")
    assert limits.machine_memory() == 2 * GB
