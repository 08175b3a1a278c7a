"""BLAS threads by size: a small network's steps run on one, a large one's on all there are."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np  # its BLAS has to be there before threads are counted
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from engine.backend import NumPyBackend
from engine.network import Network
from engine.spec import InitSpec
from scenarios.blas import largest_product, share_cores
from scenarios.runner import Run, network_spec
from scenarios.scenario import load
from tests.engine.device import DeviceBackend
from tests.engine.host_cuda import HostCompiler

SMALL = {"network.hidden_size": 8, "network.depth": 2, "task.batch_size": 4}
LARGE = {"network.hidden_size": 512, "network.depth": 2, "task.batch_size": 64}


def _threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


@pytest.mark.parametrize(("sizes", "inside"), [(SMALL, 1), (LARGE, 2)])
def test_threads_of_a_step(monkeypatch, sizes, inside):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    chosen = {**sizes, "run.device": "cpu", "training.steps": 1}
    with threadpool_limits(limits=2, user_api="blas"):
        run = Run(load("mlp-tanh", chosen))
        seen = []
        evaluate = run.network.evaluate

        def watched(*arguments, **options):
            seen.append(_threads())
            return evaluate(*arguments, **options)

        monkeypatch.setattr(run.network, "evaluate", watched)
        for _ in run.frames():
            # Whoever reads frames has the threads that they had before.
            seen.append(_threads())
    assert seen == [{inside}, {2}] * 2


#: Long enough that gradients leave float32's window, and are summed at several scales.
LONG = {"network.hidden_size": 32, "task.batch_size": 8, "task.time_steps": 400}
#: Large enough for Winograd, in several blocks of rows.
IMAGES = {"network.hidden_size": 32, "task.batch_size": 32, "task.image_size": 16}


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("cnn-tanh", IMAGES), *((name, LONG) for name in ("rnn-tanh", "indrnn-deep", "lstm", "gru"))],
)
def test_a_companion_changes_nothing(monkeypatch, name, sizes):
    chosen = {**sizes, "network.depth": 3, "run.device": "cpu", "training.steps": 2}
    monkeypatch.setattr("scenarios.blas._WORTH_THREADS", 2**16)
    monkeypatch.setattr("scenarios.blas._WORTH_COMPANION", 2**16)
    frames, threads = {}, {}
    for count in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        run = Run(load(name, chosen))
        frames[count] = [replace(frame, seconds=0.0) for frame in run.frames()]
        threads[count] = run.network.backend.companion
    assert threads["1"] is None and threads["2"] is not None
    np.testing.assert_equal(
        [asdict(frame) for frame in frames["2"]], [asdict(frame) for frame in frames["1"]]
    )


def test_a_gpu_has_no_companion(monkeypatch):
    monkeypatch.setattr("scenarios.blas._WORTH_THREADS", 2**16)
    monkeypatch.setattr("scenarios.blas._WORTH_COMPANION", 2**16)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    spec = network_spec(load("rnn-tanh", LONG))
    for backend in (NumPyBackend("float32"), DeviceBackend("float32", HostCompiler())):
        share_cores(Network(spec, [InitSpec()], backend))
        assert (backend.companion is None) == (backend.compiler is not None)


@pytest.mark.parametrize(
    ("name", "overrides", "beside"),
    [
        ("rnn-tanh", {"network.hidden_size": 128, "task.time_steps": 200}, True),
        ("rnn-tanh", {"network.hidden_size": 512, "task.time_steps": 50}, False),
        ("rnn-tanh", {"network.hidden_size": 16, "task.time_steps": 50}, False),
        ("mlp-tanh", {"network.hidden_size": 512}, False),
        ("cnn-tanh", IMAGES, True),
        ("cnn-tanh", {**IMAGES, "network.convolution": "im2col"}, False),
    ],
)
def test_a_companion_where_steps_are_small_and_sequences_long(monkeypatch, name, overrides, beside):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    chosen = {"task.batch_size": 32, "run.device": "cpu", "training.steps": 1, **overrides}
    network = Run(load(name, chosen)).network
    share_cores(network)
    assert (network.backend.companion is not None) == beside


@pytest.mark.parametrize("kernels", ["SkylakeX", "Haswell", None])
@pytest.mark.parametrize(
    ("threads", "sizes", "alone"), [("1", LARGE, True), ("2", SMALL, True), ("2", LARGE, False)]
)
def test_small_products_where_kernels_take_them_and_one_thread_does(
    monkeypatch, kernels, threads, sizes, alone
):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    monkeypatch.setattr("scenarios.blas._kernels", lambda: kernels)
    spec = network_spec(load("mlp-tanh", sizes))
    network = Network(spec, [InitSpec()], NumPyBackend("float32"))
    share_cores(network)
    assert network.backend.small_products == (alone and kernels == "SkylakeX")


@pytest.mark.parametrize(
    ("name", "overrides", "product"),
    [
        ("mlp-tanh", {**SMALL, "task.input_size": 16}, 4 * 16 * 8),
        (
            "lstm",
            {"network.hidden_size": 8, "task.time_steps": 10, "task.batch_size": 4},
            10 * 4 * 64 * 32,
        ),
    ],
)
def test_largest_product(name, overrides, product):
    assert largest_product(network_spec(load(name, overrides))) == product
