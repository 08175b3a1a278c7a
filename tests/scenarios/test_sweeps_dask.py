"""Sweeps through a real Dask scheduler and two workers, all processes on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import scenarios
from scenarios.cells import CellResult
from scenarios.sweeps.cluster import DaskCluster, connect
from scenarios.sweeps.definition import load_sweep
from scenarios.sweeps.executors import ExecutorError
from scenarios.sweeps.run import SweepRun, SweptCell
from tests.commands.support import nablascope

distributed: Any = pytest.importorskip("distributed", reason="Dask is not installed")

SMALL: dict[str, object] = {
    "network.hidden_size": 4,
    "task.batch_size": 2,
    "task.input_size": 3,
    "task.time_steps": [5, 8],
    "init.recurrent_scale": [0.5, 1.0, 2.0],
    "run.seed": list(range(20)),
    "run.device": "cpu",
}


class Cluster:
    """A scheduler and two workers, started as a user would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        scheduler_file = folder / "scheduler.json"
        self.processes = [
            self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-show")
        ]
        deadline = time.monotonic() + 30
        while not scheduler_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        for _ in range(2):
            self.start_worker()

    def start_worker(self) -> None:
        self.processes.append(self._start("worker", "--nthreads", "1", "--no-nanny"))

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "dask", *arguments, "--no-dashboard"]
        file = str(self.folder / "scheduler.json")
        return subprocess.Popen(
            [*command, "--scheduler-file", file],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("dask"))
    yield made
    made.close()


@pytest.fixture
def client(cluster: Cluster) -> Iterator[Any]:
    with distributed.Client(
        scheduler_file=str(cluster.folder / "scheduler.json"), set_as_default=False
    ) as opened:
        opened.wait_for_workers(2, timeout=30)
        yield opened


def by_index(cells: list[SweptCell]) -> dict[int, CellResult]:
    return {cell.index: cell.result for cell in cells}


def assert_equal(one: dict[int, CellResult], other: dict[int, CellResult]) -> None:
    assert set(one) == set(other) == set(range(120))
    for index, result in one.items():
        assert (result.key, result.verdict) == (other[index].key, other[index].verdict)
        assert result.decades == pytest.approx(other[index].decades, abs=1e-4)


def test_a_cluster_gives_the_same_cells_as_this_machine(client: Any) -> None:
    there = by_index(list(scenarios.sweep("rnn-tanh-time", SMALL, client=client)))
    here = by_index(list(scenarios.sweep("rnn-tanh-time", SMALL, workers=1)))

    assert_equal(there, here)


def test_the_command_finds_the_scheduler_by_its_address(client: Any) -> None:
    arguments = [f"{key}={value}" for key, value in SMALL.items()]
    sets = [part for argument in arguments for part in ("--set", argument)]
    address = client.scheduler.address
    done = nablascope("sweep", "rnn-tanh-time", *sets, "--dask", address, "--no-store")

    assert (done.returncode, done.stderr) == (0, "")
    assert f"120 cells on 2 threads of the cluster at {address}" in done.stdout
    assert "120 of 120 cells: 120 run" in done.stdout


def test_a_worker_killed_in_the_middle_costs_no_cell(cluster: Cluster, client: Any) -> None:
    executor = DaskCluster(client)
    slow = {**SMALL, "training.steps": 200}
    cells = []
    for cell in SweepRun(load_sweep("rnn-tanh-time", slow), executor).cells():
        if not cells:
            victim = cluster.processes.pop()
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()
        cells.append(cell)
    cluster.start_worker()

    assert all(cell.result.error is None for cell in cells)
    assert_equal(by_index(cells), by_index(list(scenarios.sweep("rnn-tanh-time", slow, workers=1))))


def test_a_worker_of_another_version_is_refused(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scenarios.sweeps.cluster.RESULT_VERSION", 10**6)
    with pytest.raises(ExecutorError, match="install the same nablascope on both"):
        list(scenarios.sweep("rnn-tanh-time", SMALL, client=client))


def test_an_address_where_nobody_answers_is_one_line() -> None:
    with pytest.raises(ExecutorError, match="no Dask scheduler answers there"):
        connect("tcp://127.0.0.1:1")
    done = nablascope("sweep", "rnn-tanh-time", "--dask", "nonsense://here", "--no-store")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("--dask: nonsense://here: ") and done.stderr.count("\n") == 1
