"""The workspace: planned once, as large as announced, and refused before it is allocated."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from engine.activations import ACTIVATIONS
from engine.backend import open_backend
from engine.errors import EngineError, MemoryShortage
from engine.network import Network
from engine.optimizers import OPTIMIZERS
from engine.plan import workspace_bytes
from engine.spec import InitSpec, NetworkSpec
from tests.engine.support import problem

#: Large enough that bookkeeping is lost beside arrays.
SPECS = {
    "mlp": NetworkSpec("mlp", "tanh", 20, 160, 64, (160,)),
    "cnn": NetworkSpec("cnn", "relu", 8, 24, 16, (16, 16, 24)),
    "rnn": NetworkSpec("rnn", "tanh", 2, 96, 32, (32,), time_steps=150),
    "indrnn": NetworkSpec("indrnn", "relu", 2, 96, 32, (32,), time_steps=150),
}
SPECS |= {
    "cnn-im2col": replace(SPECS["cnn"], convolution="im2col"),
    "mlp-residual": replace(SPECS["mlp"], residual=True),
    "cnn-residual-batch": replace(SPECS["cnn"], residual=True, norm="batch"),
    "mlp-layer": replace(SPECS["mlp"], norm="layer"),
    "rnn-layer": replace(SPECS["rnn"], norm="layer"),
    "rnn-batch": replace(SPECS["rnn"], norm="batch"),
    "indrnn-residual": replace(SPECS["indrnn"], depth=5, residual=True, norm="layer"),
    "indrnn-dense": replace(SPECS["indrnn"], depth=4, dense=True),
}


def traced(action):
    """What `action` returns, the bytes it left allocated, and its peak above the start."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result = action()
        gc.collect()
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return result, now - before, peak - before


@cache
def imported(kind):
    """What a first call imports is no workspace."""
    build(kind).evaluate(*problem(SPECS[kind]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("kind", SPECS)
def test_workspace_bytes_is_what_gets_allocated(kind, cells, dtype):
    spec = replace(SPECS[kind], dtype=dtype)
    inits = [InitSpec(seed=seed) for seed in range(cells)]

    def build_and_run():
        network = Network(spec, inits, open_backend("cpu", dtype))
        x, target = problem(spec, cells)
        network.evaluate(x.astype(dtype), target.astype(dtype))
        # Input and target are part of what is announced, so they live on here.
        return network, x, target

    imported(kind)
    _, kept, _ = traced(build_and_run)
    announced = workspace_bytes(spec, cells)
    assert kept == pytest.approx(announced, rel=0.05)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimiser_slots_are_counted(name):
    spec, slots = SPECS["mlp"], OPTIMIZERS[name].slots
    one = sum(np.prod(p.shape) for p in build("mlp").parameters.values()) * 4
    assert workspace_bytes(spec, 1, slots) - workspace_bytes(spec, 1) == slots * one


def build(kind, slots=0):
    return Network(SPECS[kind], [InitSpec()], open_backend("cpu", "float32"), slots=slots)


@pytest.mark.parametrize("kind", SPECS)
def test_evaluating_again_allocates_nothing_that_stays(kind):
    network = build(kind)
    x, target = problem(SPECS[kind])
    for _ in range(3):
        network.evaluate(x, target)

    def twelve():
        for _ in range(12):
            network.evaluate(x, target)

    # NumPy keeps up to 20 kB of small blocks for later; an array of 12 kB each time is far more.
    _, kept, _ = traced(twelve)
    assert kept < 40_000


@pytest.mark.parametrize("kind", SPECS)
def test_a_step_works_inside_the_workspace(kind):
    """What an evaluation borrows on top is small beside the workspace: the probes' numbers."""
    network = build(kind)
    x, target = problem(SPECS[kind])
    for _ in range(3):
        network.evaluate(x, target)
    _, _, peak = traced(lambda: network.evaluate(x, target))
    assert peak < 0.02 * workspace_bytes(SPECS[kind])


#: Every activation, and every optimiser, of nets whose arrays are large beside a piece.
TRAINED = [
    *(pytest.param("mlp", activation, "adam", id=activation) for activation in ACTIVATIONS),
    *(pytest.param("mlp", "tanh", optimizer, id=optimizer) for optimizer in OPTIMIZERS),
    pytest.param("cnn", "selu", "adam", id="winograd"),
    pytest.param("cnn-im2col", "gelu", "rmsprop", id="im2col"),
]


@pytest.mark.parametrize(("kind", "activation", "optimizer"), TRAINED)
def test_a_training_step_allocates_no_array(kind, activation, optimizer):
    """After the first, what a step borrows is less than a third of one layer's activations."""
    spec = replace(SPECS[kind], activation=activation, depth=4)
    if kind == "mlp":
        spec = replace(spec, batch_size=512)
    rule = OPTIMIZERS[optimizer]
    network = Network(spec, [InitSpec()], open_backend("cpu", "float32"), slots=rule.slots)
    x, target = problem(spec)

    def step():
        network.evaluate(x, target)
        network.update(rule, [1e-3], [1.0], [0.5])

    step()
    step()
    _, kept, peak = traced(step)
    layer = 4 * spec.batch_size * spec.hidden_size * int(np.prod(spec.input_shape[:-1]))
    assert layer > 3e5
    assert peak < min(1e5, layer / 3)
    assert kept < 1e4


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_allocates_nothing_that_stays(name):
    optimizer = OPTIMIZERS[name]
    network = build("mlp", slots=optimizer.slots)
    x, target = problem(SPECS["mlp"])

    def train():
        for _ in range(5):
            network.evaluate(x, target)
            network.update(optimizer, [1e-3], [1.0])

    train()
    _, kept, _ = traced(train)
    assert kept < 20_000


def test_too_large_is_refused_before_anything_is_allocated(monkeypatch):
    spec = replace(SPECS["mlp"], hidden_size=60_000, depth=10_000)
    backend = open_backend("cpu", "float32")

    def attempt():
        with pytest.raises(MemoryShortage) as caught:
            Network(spec, [InitSpec()], backend)
        return caught.value

    shortage, _, peak = traced(attempt)
    assert isinstance(shortage, EngineError)
    assert shortage.needed_bytes == workspace_bytes(spec)
    assert shortage.needed_bytes > 1e13
    assert 0 < shortage.available_bytes < shortage.needed_bytes
    assert "\n" not in str(shortage)
    assert peak < 20e6


@pytest.mark.parametrize("kind", SPECS)
def test_a_network_drawn_again_is_a_new_one_in_the_old_memory(kind):
    spec = replace(SPECS[kind], dtype="float64")
    first, second = ([InitSpec(seed=seed, weight_scale=1.2)] * 2 for seed in (1, 2))
    backend = open_backend("cpu", "float64")
    slots = OPTIMIZERS["adam"].slots
    x, target = problem(spec, cells=2)

    def trained(network):
        network.evaluate(x, target)
        network.update(OPTIMIZERS["adam"], [0.01] * 2, [1.0] * 2)
        return network.evaluate(x, target)

    used = Network(spec, first, backend, slots)
    trained(used)
    _, left, _ = traced(lambda: used.redraw(second))
    again, fresh = trained(used), trained(Network(spec, second, backend, slots))

    assert left < 0.02 * workspace_bytes(spec, 2, slots)
    assert np.array_equal(again.loss, fresh.loss)
    assert np.array_equal(again.log10_grad_h, fresh.log10_grad_h)
    with pytest.raises(ValueError, match="1 draws for a stack of 2"):
        used.redraw(first[:1])
