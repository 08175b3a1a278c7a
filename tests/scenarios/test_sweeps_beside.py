"""A sweep over a scenario at hand, from coarse to fine, in a process beside the app."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scenarios.errors import ScenarioError
from scenarios.scenario import Scenario, load
from scenarios.store.store import Store
from scenarios.sweeps.definition import Sweep, sweep_over
from scenarios.sweeps.executors import InProcess
from scenarios.sweeps.run import SweepRun, SweptCell
from scenarios.sweeps.worker import Ended, Message, Noted, SweepWorker, Theory

SCALES = {"field": "init.recurrent_scale", "linspace": {"from": 0.5, "to": 2.0, "count": 4}}
STEPS = {"field": "task.time_steps", "list": [3, 4, 5, 6, 7]}
MODES = pytest.mark.parametrize("mode", ["thread", "process"])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "runs.sqlite"


def small() -> Scenario:
    return load("rnn-tanh", {"network.hidden_size": 4, "training.steps": 0, "task.batch_size": 2})


def over(*axes: dict[str, Any]) -> Sweep:
    x, y = SCALES["field"], STEPS["field"]
    return sweep_over(small(), axes or (STEPS, SCALES), x=str(x), y=str(y), source="map")


def heard(worker: SweepWorker, enough: Callable[[list[Message]], bool]) -> list[Message]:
    messages: list[Message] = []
    end = time.monotonic() + 30
    while not enough(messages):
        assert time.monotonic() < end
        messages += worker.poll()
        time.sleep(0.005)
    return messages


def ended(messages: list[Message]) -> bool:
    return bool(messages) and isinstance(messages[-1], Ended)


def cells(messages: list[Message]) -> list[SweptCell]:
    return [message for message in messages if isinstance(message, SweptCell)]


def test_a_scenario_at_hand_has_a_sweep_like_any_other() -> None:
    sweep = over(STEPS, SCALES, {"seeds": 2})
    assert (sweep.cells, sweep.x, sweep.y) == (40, "init.recurrent_scale", "task.time_steps")
    assert sweep.title == "Time steps × recurrent scale, RNN with tanh at the edge"
    assert sweep.base == small()


def test_what_is_wrong_with_an_axis_is_one_line() -> None:
    with pytest.raises(ScenarioError, match=r"map: task.time_steps = -1: "):
        over({"field": "task.time_steps", "list": [3, -1]}, SCALES)


def test_a_grid_fills_in_from_coarse_to_fine() -> None:
    sweep = over()
    coarse = [cell.index for cell in SweepRun(sweep, InProcess(), coarse_first=True).cells()]
    plain = list(SweepRun(sweep, InProcess()).cells())
    # Five rows of four: every fourth value of both, then every second, then the rest.
    assert sorted(coarse[:2]) == [0, 16]
    assert sorted(coarse[2:6]) == [2, 8, 10, 18]
    assert sorted(coarse) == sorted(cell.index for cell in plain) == list(range(20))


@MODES
def test_cells_arrive_and_are_stored(mode: Any, store: Path) -> None:
    worker = SweepWorker(mode, store)
    worker.start(over())
    first, *rest = messages = heard(worker, ended)
    assert isinstance(first, Theory) and first.line is not None and first.line.across
    assert rest[-1] == Ended()
    direct = {cell.index: cell.result for cell in SweepRun(over(), InProcess()).cells()}
    assert {cell.index: cell.result.decades for cell in cells(messages)} == {
        index: pytest.approx(result.decades, abs=1e-5) for index, result in direct.items()
    }
    worker.start(over())
    again = cells(heard(worker, ended))
    assert len(again) == 20 and all(cell.stored for cell in again)
    with Store.open(store, read_only=True) as opened:
        assert [(row["stored"], row["state"]) for row in opened.sweeps()] == [(20, "done")]


@MODES
def test_a_stopped_sweep_keeps_what_it_has_and_goes_on(mode: Any, store: Path) -> None:
    many = {"field": "init.recurrent_scale", "linspace": {"from": 0.5, "to": 2.0, "count": 400}}
    # Every depth is a stack of its own, so that there is something left to stop.
    worker = SweepWorker(mode, store)
    worker.start(over(STEPS, many))
    before = heard(worker, lambda messages: len(cells(messages)) > 0)
    worker.stop()
    before += heard(worker, ended)
    kept = len(cells(before))
    worker.start(over(STEPS, many))
    after = cells(heard(worker, ended))
    assert len(after) == 2000 and sum(cell.stored for cell in after) == kept


def test_a_sweep_let_go_of_stores_the_cells_under_way(store: Path) -> None:
    worker = SweepWorker("process", store)
    worker.start(over())
    heard(worker, lambda messages: len(cells(messages)) > 0)
    process = worker._process
    worker.close()
    assert process is not None and not worker.running
    process._popen.wait(10)
    with Store.open(store, read_only=True) as opened:
        (row,) = opened.sweeps()
    assert row["stored"] > 0 and row["state"] in ("interrupted", "done")


def test_a_killed_process_is_one_line(store: Path) -> None:
    worker = SweepWorker("process", store)
    worker.start(over())
    assert worker._process is not None
    os.kill(worker._process._popen.pid, signal.SIGKILL)
    assert heard(worker, ended)[-1] == Ended(
        "the sweep's process ended; what it finished is stored"
    )


def test_without_a_store_it_runs_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    worker = SweepWorker("thread", file / "runs.sqlite")
    worker.start(over())
    messages = heard(worker, ended)
    (noted,) = [message for message in messages if isinstance(message, Noted)]
    assert noted.line.startswith(str(file)) and noted.line.endswith("nothing is stored")
    assert len(cells(messages)) == 20
