"""Running sweeps: stacks against single runs, failures, resuming, workers that die, reductions."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import pytest

import scenarios
from engine.cuda.compiler import Compiler
from engine.spec import InitSpec
from scenarios.cells import CellResult
from scenarios.runner import Run
from scenarios.scenario import Scenario
from scenarios.schema import Value
from scenarios.store.store import Store
from scenarios.sweeps import stack
from scenarios.sweeps.definition import REDUCE, load_sweep
from scenarios.sweeps.diagram import Diagram, Point, reduce_decades, theory_line
from scenarios.sweeps.executors import (
    ExecutorError,
    InProcess,
    LocalProcesses,
    local_executor,
)
from scenarios.sweeps.grid import cells_of
from scenarios.sweeps.run import SweepRun, SweptCell
from scenarios.sweeps.stack import Batch, run_batch, stack_key
from tests.engine.device import COPIES, DeviceBackend
from tests.engine.host_cuda import host_compiler  # noqa: F401

#: A sweep of 12 cells that take no time, 2 time steps x 3 scales x 2 seeds.
SMALL: dict[str, object] = {
    "network.hidden_size": 4,
    "task.batch_size": 2,
    "task.input_size": 3,
    "task.time_steps": [5, 8],
    "init.recurrent_scale": [0.5, 1.0, 2.0],
    "run.seed": [0, 1],
    "run.device": "cpu",
}

#: Scenarios of every kind, each with what it takes to make it small.
KINDS: dict[str, dict[str, object]] = {
    "mlp-tanh": {"network.depth": 5, "task.input_size": 3},
    "mlp-relu-batch": {"network.depth": 5, "task.input_size": 3},
    "cnn-relu": {"network.depth": 4, "task.image_size": 4},
    "rnn-tanh": {"task.time_steps": 7, "task.input_size": 3},
    "rnn-tanh-layer": {"task.time_steps": 7, "task.input_size": 3},
    "irnn": {"task.time_steps": 7, "task.input_size": 3},
    "indrnn-deep": {"task.time_steps": 7, "task.input_size": 3},
    "lstm": {"task.time_steps": 7, "task.input_size": 3},
    "gru": {"task.time_steps": 7, "task.input_size": 3},
    "adding-rnn": {"task.time_steps": 7},
}


def cells(name: str, **fixed: object) -> list[Scenario]:
    """Four cells that differ in scales, seed and learning rate, trained for three steps."""
    base = {
        "network.hidden_size": 6,
        "task.batch_size": 3,
        "training.steps": 3,
        "training.optimizer": "adam",
        "run.dtype": "float64",
        "run.device": "cpu",
        **KINDS[name],
        **fixed,
    }
    from scenarios.scenario import load

    scenario = load(name, base)
    return [
        scenario.with_changes(
            {
                "init.weight_scale": scale,
                "init.bias_scale": 0.1 * index,
                "run.seed": index // 2,
                "training.learning_rate": rate,
                "training.clip_norm": 0.5 * (index % 2),
            }
        )
        for index, (scale, rate) in enumerate([(0.5, 0.01), (1.0, 0.1), (1.5, 0.001), (2.0, 0.3)])
    ]


@pytest.mark.parametrize("name", KINDS)
def test_a_stack_gives_what_its_cells_give_alone(name: str) -> None:
    alone = cells(name)
    assert len({stack_key(scenario) for scenario in alone}) == 1
    keys = tuple(str(index) for index in range(len(alone)))

    together = run_batch(Batch(keys, tuple(alone)))

    assert [result.key for result in together] == list(keys)
    for scenario, result in zip(alone, together, strict=True):
        *_, frame = Run(scenario).frames()
        assert result.error is None and result.step == 3
        assert result.verdict == frame.verdict.name and result.hops == frame.verdict.hops
        assert result.loss == pytest.approx(frame.loss, rel=1e-9)
        assert result.decades == pytest.approx(frame.verdict.decades, abs=1e-8)
        assert result.final_log10_grad is not None and result.dead_at == frame.verdict.dead_at
        recurrent = frame.verdict.axis == "time"
        span = frame.log10_grad_h[-1] if recurrent else frame.log10_grad_h[:, 0]
        expected = [value if math.isfinite(value) else None for value in span.tolist()]
        assert list(result.final_log10_grad) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", ["mlp-relu-batch", "rnn-tanh", "indrnn-deep", "lstm"])
def test_a_stack_on_a_device_waits_for_its_first_frame(
    monkeypatch: pytest.MonkeyPatch,
    host_compiler: Compiler,  # noqa: F811
    name: str,
) -> None:
    """From then on a frame is one copy for all cells, and no other result."""
    calm: dict[str, Value] = {"training.clip_norm": 0.0, "training.learning_rate": 1e-4}
    trained = [cell.with_changes(calm) for cell in cells(name)]
    copies, results = [], []
    for steps in (0, 3):
        given = [cell.with_changes({"training.steps": steps}) for cell in trained]
        batch = Batch(tuple("abcd"), tuple(given))
        alone = run_batch(batch)
        with monkeypatch.context() as patch:
            patch.setattr(
                stack, "open_backend", lambda _, dtype: DeviceBackend(dtype, host_compiler)
            )
            COPIES.clear()
            results = run_batch(batch)
            copies.append(COPIES.copy())
        for found, true in zip(results, alone, strict=True):
            assert (found.error, found.verdict) == (None, true.verdict)
            assert found.loss == pytest.approx(true.loss, rel=1e-8)
            assert found.decades == pytest.approx(true.decades, abs=1e-8)
    first, all_four = copies
    assert all_four == {"waited": first["waited"], "asynchronous": 3}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_one_stack_after_another_gives_what_each_gives_alone(
    monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    alone = cells("rnn-tanh", **{"training.optimizer": optimizer})
    many = [one.with_changes({"run.seed": seed}) for seed in range(3) for one in alone[:3]]
    keys = tuple(map(str, range(len(many))))
    expected = [run_batch(Batch((key,), (one,)))[0] for key, one in zip(keys, many, strict=True)]
    made: list[int] = []
    network = stack.Network

    def counted(spec: object, inits: Sequence[object], *rest: object) -> object:
        made.append(len(inits))
        return network(spec, inits, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(stack, "Network", counted)
    monkeypatch.setattr(stack, "stack_length", lambda *_: 2)
    results = run_batch(Batch(keys, tuple(many)))

    # Four stacks of two in the memory of the first, and one of one.
    assert made == [2, 1]
    for result, single in zip(results, expected, strict=True):
        assert (result.key, result.verdict) == (single.key, single.verdict)
        assert result.loss == pytest.approx(single.loss, rel=1e-12)
        assert result.decades == pytest.approx(single.decades, abs=1e-10)


def test_cells_that_overflow_or_die_leave_their_neighbours_alone() -> None:
    healthy, *others = cells("rnn-tanh", **{"run.dtype": "float32", "training.steps": 0})
    changed = {"network.activation": "relu"}
    batch = [
        healthy.with_changes({**changed}),
        others[0].with_changes({**changed, "init.recurrent_scale": 1e6, "init.weight_scale": 1e6}),
        others[1].with_changes({**changed, "init.weight_scale": 0.0, "init.bias_scale": 0.0}),
    ]
    results = run_batch(Batch(("a", "b", "c"), tuple(batch)))
    *_, frame = Run(batch[0]).frames()

    assert [result.verdict for result in results] == [frame.verdict.name, "overflow", "dead"]
    assert [result.error for result in results] == [None, None, None]
    assert results[0].loss == pytest.approx(frame.loss, rel=1e-5)
    assert results[1].overflow is not None and results[2].dead_at == (1, 6)


def test_one_cell_that_fails_is_named_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec_of = stack.init_spec

    def failing(scenario: Scenario) -> InitSpec:
        if scenario.run.seed == 7:
            raise ValueError("seven is out of order")
        return spec_of(scenario)

    monkeypatch.setattr(stack, "init_spec", failing)
    overrides = {**SMALL, "run.seed": [6, 7, 8]}
    swept = list(scenarios.sweep("rnn-tanh-time", overrides, workers=1))

    failed = [cell for cell in swept if cell.result.error is not None]
    assert len(swept) == 18 and len(failed) == 6
    assert {cell.values["run.seed"] for cell in failed} == {7}
    assert failed[0].result.error == "the run failed: ValueError: seven is out of order"
    assert all(cell.result.verdict for cell in swept if cell not in failed)


def test_values_that_do_not_go_together_fail_alone(tmp_path: Path) -> None:
    file = tmp_path / "ranges.toml"
    file.write_text(
        """
        base = "indrnn"
        [network]
        hidden_size = 3
        [task]
        time_steps = 4
        [training]
        steps = 0
        [[axes]]
        field = "init.recurrent_lower"
        list = [0.1, 0.9]
        [[axes]]
        field = "init.recurrent_upper"
        list = [0.5, 2.0]
        """,
        encoding="utf-8",
    )
    errors = {
        tuple(cell.values.values()): cell.result.error for cell in scenarios.sweep(file, workers=1)
    }

    assert {values: error is None for values, error in errors.items()} == {
        (0.1, 0.5): True,
        (0.1, 2.0): True,
        (0.9, 0.5): False,
        (0.9, 2.0): True,
    }
    assert "must not be above init.recurrent_upper" in str(errors[0.9, 0.5])


def by_index(swept: Iterable[SweptCell]) -> dict[int, CellResult]:
    return {cell.index: cell.result for cell in swept}


def test_processes_give_the_same_cells() -> None:
    here = by_index(scenarios.sweep("rnn-tanh-time", SMALL, workers=1))
    beside = by_index(scenarios.sweep("rnn-tanh-time", SMALL, workers=2))

    assert set(here) == set(beside) == set(range(12))
    for index, result in here.items():
        other = beside[index]
        assert (result.key, result.verdict) == (other.key, other.verdict)
        assert result.decades == pytest.approx(other.decades, abs=1e-4)


def test_a_small_sweep_starts_no_processes_and_a_large_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scenarios.processes.cores", lambda: 3)
    small = load_sweep("rnn-tanh-time", SMALL)
    large = load_sweep("rnn-tanh-time", {**SMALL, "run.seed": list(range(1000))})

    assert isinstance(local_executor(None, small), InProcess)
    assert isinstance(local_executor(2, small), LocalProcesses)
    assert local_executor(None, large).workers == 3
    assert local_executor(cast(int, np.int64(2)), large).workers == 2
    assert isinstance(local_executor(1, large), InProcess)


def test_a_second_run_finds_everything_stored_and_runs_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.sqlite") as store:
        first = list(scenarios.sweep("rnn-tanh-time", SMALL, workers=1, store=store))
        second = list(scenarios.sweep("rnn-tanh-time", SMALL, workers=1, store=store))
        fresh = list(scenarios.sweep("rnn-tanh-time", SMALL, workers=1, store=store, fresh=True))

    assert not any(cell.stored for cell in first) and all(cell.stored for cell in second)
    assert not any(cell.stored for cell in fresh)
    assert by_index(first) == by_index(second)


def test_a_sweep_left_in_the_middle_goes_on_where_it_was(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.sqlite") as store:
        sweep = load_sweep("rnn-tanh-time", SMALL)
        begun = SweepRun(sweep, _OneByOne(), store).cells()
        first = list(islice(begun, 5))
        begun.close()
        second = list(scenarios.sweep("rnn-tanh-time", SMALL, workers=1, store=store))
        states = [row for row in store.rows("sweeps")]

    assert sorted(cell.index for cell in second) == list(range(12))
    assert sum(cell.stored for cell in second) == 5
    results = by_index(second)
    assert all(results[cell.index] == cell.result for cell in first)
    assert len(states) == 1


class _OneByOne(InProcess):
    """Batches of one cell, so that a sweep can be left between any two."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[str] = []

    def submit(self, batch: Batch) -> None:
        for index in range(len(batch)):
            super().submit(batch.part(index, index + 1))

    def collect(self) -> list[CellResult]:
        results = super().collect()
        self.ran += [result.key for result in results]
        return results


def test_the_same_cell_twice_in_a_sweep_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    executor, sweep = _OneByOne(), load_sweep("rnn-tanh-time", SMALL)
    twice = [*cells_of(sweep), *cells_of(sweep)]
    monkeypatch.setattr("scenarios.sweeps.run.cells_of", lambda sweep: iter(twice))

    assert len(list(SweepRun(sweep, executor).cells())) == 24
    assert len(executor.ran) == len(set(executor.ran)) == 12


def test_a_worker_that_is_killed_costs_no_cell() -> None:
    executor = LocalProcesses(2)
    sweep = load_sweep("rnn-tanh-time", {**SMALL, "run.seed": list(range(40))})
    seen: list[SweptCell] = []
    for cell in SweepRun(sweep, executor).cells():
        if not seen:
            for process in executor._processes.values():
                os.kill(process._popen.pid, signal.SIGKILL)
        seen.append(cell)

    assert sorted(cell.index for cell in seen) == list(range(240))
    assert all(cell.result.error is None for cell in seen)


def test_a_cell_that_kills_its_worker_every_time_fails_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scenarios.sweeps.executors._WORKER", _DEADLY)
    overrides = {**SMALL, "task.time_steps": 5, "init.recurrent_scale": 1, "run.seed": [5, 6, 7]}
    swept = list(SweepRun(load_sweep("rnn-tanh-time", overrides), LocalProcesses(1)).cells())

    failed = [cell for cell in swept if cell.result.error is not None]
    assert len(swept) == 3 and [cell.values["run.seed"] for cell in failed] == [7]
    assert "SIGKILL (out of memory?)" in str(failed[0].result.error)


#: A worker that is killed by every batch with a cell of seed 7.
_DEADLY = """
import os, signal, sys
from multiprocessing.connection import Connection
import scenarios.sweeps.stack as stack
from scenarios.sweeps.executors import serve
run_batch = stack.run_batch
def deadly(batch):
    if any(scenario.run.seed == 7 for scenario in batch.scenarios):
        os.kill(os.getpid(), signal.SIGKILL)
    return run_batch(batch)
stack.run_batch = deadly
serve(Connection(int(sys.argv[1])))
"""


def test_workers_that_do_not_even_start_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenarios.sweeps.executors._WORKER", "raise SystemExit(3)")
    with pytest.raises(ExecutorError, match="worker processes do not start: exit code 3"):
        list(SweepRun(load_sweep("rnn-tanh-time", SMALL), LocalProcesses(2)).cells())


@pytest.mark.parametrize(
    ("how", "expected"),
    [("median", 1.0), ("mean_of_logs", -1.0), ("log_of_mean", math.log10((1e-9 + 10 + 1e5) / 3))],
)
def test_the_mean_of_logs_is_not_the_log_of_the_mean(how: str, expected: float) -> None:
    assert how in REDUCE
    assert reduce_decades([-9.0, 1.0, 5.0], how) == pytest.approx(expected)


def test_zeros_and_overflows_are_reduced_as_what_they_are() -> None:
    diagram = Diagram(load_sweep("rnn-tanh-time", {**SMALL, "run.seed": [0, 1, 2]}))

    def point(*results: CellResult) -> Point:
        fresh = Diagram(diagram.sweep)
        values: Mapping[str, Value] = {
            "task.time_steps": 5,
            "init.recurrent_scale": 1.0,
            "run.seed": 0,
        }
        for result in results:
            fresh.add(SweptCell(0, values, result, False))
        return fresh.panels()[0].rows[0][1]

    dead, over = CellResult("d", "dead"), CellResult("o", "overflow")
    small, large = (CellResult("n", "healthy", decades=value) for value in (-1.0, 2.0))
    assert point() == Point("empty")
    assert point(small, large, large) == Point("decades", 2.0)
    assert point(dead, dead, large) == Point("dead")
    assert point(over, over, large) == Point("overflow")
    assert point(over, small, large) == Point("decades", 0.5)
    assert point(CellResult("f", error="no")) == Point("failed")
    assert point(CellResult("f", error="no"), small) == Point("decades", -1.0)


def test_theory_and_measurement_agree_on_where_the_edge_is() -> None:
    overrides = {
        "network.hidden_size": 64,
        "task.batch_size": 8,
        "network.depth": 40,
        "init.weight_scale": [0.8, 1.3, 3.0],
        "run.seed": [0, 1],
        "run.device": "cpu",
    }
    sweep = load_sweep("mlp-tanh-depth", overrides)
    diagram = Diagram(sweep)
    for cell in SweepRun(sweep, InProcess()).cells():
        diagram.add(cell)
    panel = diagram.panels()[0]
    line = theory_line(diagram, panel)

    assert line is not None and line.across and line.reason is None
    assert line.scales[0] == pytest.approx((math.sqrt(1.760955),), abs=1e-4)
    decades = [point.decades for point in panel.rows[0]]
    assert decades[0] < -3 < decades[1] < 3 < decades[2]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "far", "explodes"),
    [
        ("mlp-sigmoid-depth", {"network.depth": 40}, True),
        ("mlp-relu-depth", {"network.depth": 40}, True),
        ("mlp-tanh-bias", {"init.bias_scale": 0.5}, True),
        # A recurrent tanh takes back what U gives beyond the line, so it need not explode.
        ("rnn-tanh-time", {"task.time_steps": 60}, False),
        ("rnn-relu-time", {"task.time_steps": 60}, True),
    ],
)
def test_the_maps_of_the_catalogue_turn_at_theorys_line(
    name: str, far: dict[str, object], explodes: bool
) -> None:
    first = load_sweep(name, {**far, "run.seed": [0, 1]})
    diagram = Diagram(first)
    line = theory_line(diagram, diagram.panels()[0])
    assert line is not None and line.across and line.reason is None
    ((edge,),) = line.scales
    wide = {"network.hidden_size": 96, "task.batch_size": 8, "run.device": "cpu"}
    scales = {first.x: [0.6 * edge, edge, 2.0 * edge]}
    sweep = load_sweep(name, {**far, **scales, **wide, "run.seed": [0, 1]})
    diagram = Diagram(sweep)
    for cell in SweepRun(sweep, InProcess()).cells():
        diagram.add(cell)
    below, at, above = (point.decades for point in diagram.panels()[0].rows[0])

    assert below is not None and at is not None and above is not None
    assert below < -3.0 and abs(at) < 3.0
    assert (above > 3.0) if explodes else (above > below)


@pytest.mark.parametrize("name", ["irnn-time", "indrnn-time"])
def test_gates_that_stay_open_keep_within_the_band_and_no_further(name: str) -> None:
    overrides = {"task.time_steps": [5, 50], "init.recurrent_scale": [1.0], "run.seed": 0}
    sweep = load_sweep(name, overrides)
    diagram = Diagram(sweep)
    line = theory_line(diagram, diagram.panels()[0])

    assert line is not None and line.reason is None
    for steps, (low, high) in zip((5, 50), line.scales, strict=True):
        # IndRNN's u goes up to 2^(1/T) where its scale is 1, IRNN's U is I.
        largest = 2.0 ** (1.0 / steps) if name == "indrnn-time" else 1.0
        assert (low * largest) ** (steps - 1) == pytest.approx(1e-3)
        assert (high * largest) ** (steps - 1) == pytest.approx(1e3)
    assert line.meaning.startswith("below the first the gradient must vanish, above the second")
    assert "gate" not in line.meaning
