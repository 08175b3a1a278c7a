"""The benchmark's parts at toy sizes: rivals, floors, growth, processes; never how fast."""

from __future__ import annotations

import math
import os
from types import ModuleType

import numpy as np
import pytest

from engine.plan import parameter_shapes
from engine.spec import NetworkSpec
from scenarios.bench import run as bench_run
from scenarios.bench.children import ChildError, in_child
from scenarios.bench.engine import Engine
from scenarios.bench.floors import flops, moved_bytes
from scenarios.bench.growth import fit, measure_growth
from scenarios.bench.memory import peak_memory
from scenarios.bench.run import Measured, Plan, bench
from scenarios.bench.timing import AGREEMENT, compare, measure, race
from scenarios.bench.workloads import WORKLOADS, chosen
from scenarios.errors import ScenarioError

TINY = {name: workload.tiny() for name, workload in WORKLOADS.items()}


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_rival_does_the_engines_work(peer: ModuleType, name: str) -> None:
    worst = compare(TINY[name], "cpu", {}, True)

    assert all(value <= AGREEMENT for value in worst.values()), worst
    assert "loop" in worst and "loop norms" in worst
    recurrent = WORKLOADS[name].spec.kind not in ("mlp", "cnn")
    assert ("tuned" in worst) == recurrent
    assert ("nn" in worst) == (WORKLOADS[name].spec.kind in ("rnn", "lstm", "gru"))


@pytest.mark.gpu
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_rival_does_the_engines_work_on_a_gpu(peer: ModuleType, name: str) -> None:
    """PyTorch's loops on CUDA, and its fused modules, which are cuDNN's there."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU")
    worst = compare(TINY[name], "cuda", {}, True)
    assert all(value <= AGREEMENT for value in worst.values()), worst


class Liar:
    """A rival that does something else."""

    def __init__(self, problem: object) -> None:
        self.gradients = {"readout.W": np.ones((4, 1))}
        self.log10_grad_h = None

    def __call__(self) -> None:
        pass


def test_where_gradients_differ_nothing_is_timed() -> None:
    plan = Plan(threads=(1,), seconds=0.01, extra={"liar": Liar})
    narrow = TINY["W1"].with_length(2)
    small = NetworkSpec("mlp", "tanh", 2, 4, 2, (4,))
    (measured,) = bench([type(narrow)("W1", "", small, narrow.init)], plan)

    assert measured.agreement["liar"] > AGREEMENT and not measured.agrees
    assert (measured.timings, measured.memory, measured.growth) == ([], {}, None)
    assert measured.problems == ["gradients differ, so nothing was timed"]


def test_a_timing_holds_all_rivals_and_the_machines_limits(peer: ModuleType) -> None:
    timing = measure(TINY["W7"], 1, "cpu", 0.01, {}, True, False)

    assert list(timing.seconds) == ["engine", "frame", "loop", "tuned", "nn"]
    assert all(seconds > 0.0 for seconds in timing.seconds.values())
    assert timing.ratio("engine") == 1.0 and timing.ratio("compiled") is None
    assert timing.peak > 0.0 and timing.bandwidth > 0.0
    floor = timing.floor
    assert timing.share_of_peak == pytest.approx(floor["flops"] / timing.seconds["engine"])
    assert timing.share_of_bandwidth == pytest.approx(floor["bytes"] / timing.seconds["engine"])


def test_without_pytorch_ours_is_measured_alone() -> None:
    (measured,) = bench([TINY["W7"]], Plan(threads=(1,), seconds=0.01))

    assert list(measured.timings[0].seconds) == ["engine", "frame"]
    assert list(measured.memory) == ["engine"] and measured.growth is not None
    assert measured.agrees and not measured.problems


def test_a_rival_short_of_memory_is_given_up_and_any_other_error_is_not() -> None:
    def short() -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    medians, given_up = race({"engine": lambda: None, "loop": short}, 0.0)
    assert list(medians) == ["engine"] and given_up["loop"].endswith("turns short of memory")

    def broken() -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        race({"engine": lambda: None, "loop": broken}, 0.0)


def test_floors_count_every_product_once_forward_and_twice_back() -> None:
    mlp = NetworkSpec("mlp", "tanh", 2, 8, 4, (5,))
    # 5x8 meets its gradient alone, 8x8 and the readout also that of what they read.
    assert flops(mlp, parameter_shapes(mlp)) == 2 * 4 * (2 * 40 + 3 * 64 + 3 * 8)
    cnn = NetworkSpec("cnn", "relu", 1, 8, 4, (6, 6, 3))
    assert flops(cnn, parameter_shapes(cnn)) == 2 * 4 * (2 * 36 * 9 * 3 * 8 + 3 * 8)
    lstm = NetworkSpec("lstm", "tanh", 1, 8, 4, (5,), time_steps=10)
    steps = 2 * 10 * 5 * 32 + 3 * 9 * 8 * 32
    assert flops(lstm, parameter_shapes(lstm)) == 2 * 4 * (steps + 3 * 8)
    # A single layer: its input twice, h twice, and nothing from above or to below.
    values = 4 * 10 * (2 * 5 + 2 * 8) + 3 * (5 * 32 + 8 * 32 + 32 + 8 + 1)
    assert moved_bytes(lstm, parameter_shapes(lstm)) == 4 * values
    double = NetworkSpec("lstm", "tanh", 1, 8, 4, (5,), time_steps=10, dtype="float64")
    assert moved_bytes(double, parameter_shapes(double)) == 8 * values


@pytest.mark.parametrize("exponent", [0.9, 1.0, 1.04, 1.5])
def test_the_fit_finds_the_exponent(exponent: float) -> None:
    lengths = (25, 50, 100, 200)
    growth = fit("depth", lengths, [1e-4 * length**exponent for length in lengths])

    assert growth.exponent == pytest.approx(exponent)
    assert growth.error < 1e-6
    assert growth.linear == (abs(exponent - 1.0) <= 0.05)


def test_growth_is_measured_along_time_or_depth() -> None:
    along_time = measure_growth(TINY["W3"].with_length(240), "cpu", 0.01)
    along_few = measure_growth(TINY["W3"].with_length(32), "cpu", 0.01)
    along_depth = measure_growth(TINY["W1"].with_length(8), "cpu", 0.01)

    assert (along_time.along, along_time.lengths) == ("time_steps", (60, 120, 240, 480))
    assert along_few.lengths == (50, 100, 200, 400)
    assert (along_depth.along, along_depth.lengths) == ("depth", (2, 4, 8, 16))
    assert math.isfinite(along_time.exponent) and math.isfinite(along_depth.error)


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux")
def test_peak_memory_sees_what_a_network_allocates() -> None:
    workload = WORKLOADS["W3"]
    peak = in_child(1, peak_memory, workload, "engine", "cpu")
    engine = Engine(workload, "cpu")
    held = sum(array.nbytes for array in engine.network.parameters.values())
    a_and_h = 2 * 4 * 500 * 32 * 128

    assert peak is not None and a_and_h + held < peak < 4 * a_and_h


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="needs Linux")
def test_peak_memory_of_pytorch(peer: ModuleType) -> None:
    peak = in_child(1, peak_memory, WORKLOADS["W7"], "nn", "cpu")

    # h of every step at the least.
    assert peak is not None and 4 * 100 * 16 * 64 < peak < 1e8


def _ended() -> None:
    os._exit(7)


def _threads() -> str:
    return os.environ["OMP_NUM_THREADS"]


def _refused() -> None:
    raise ValueError("no")


def test_a_child_has_its_own_threads_and_its_end_is_one_line() -> None:
    before = dict(os.environ)
    assert in_child(3, _threads) == "3"
    assert dict(os.environ) == before
    with pytest.raises(ChildError, match="ValueError: no"):
        in_child(1, _refused)
    with pytest.raises(ChildError, match="ended by exit code 7"):
        in_child(1, _ended)


def test_workloads_are_chosen_by_name_or_by_device() -> None:
    assert [w.name for w in chosen(None, False, "--only")] == [f"W{n}" for n in range(1, 9)]
    assert [w.name for w in chosen(None, True, "--only")] == list(WORKLOADS)
    assert [w.name for w in chosen(["w9", "W1"], False, "--only")] == ["W9", "W1"]
    with pytest.raises(ScenarioError, match=r"--only: W33: no workload.*did you mean W3\?"):
        chosen(["W33"], False, "--only")


def test_a_workload_that_fails_is_a_problem_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ChildError("needs 9 TiB, 3 GiB are free")

    monkeypatch.setattr(bench_run, "in_child", refuse)
    results = list(bench([TINY["W9"], TINY["W1"]], Plan(threads=(1,), seconds=0.01)))

    assert [one.problems for one in results] == [["needs 9 TiB, 3 GiB are free"]] * 2
    assert all(isinstance(one, Measured) and not one.timings for one in results)
