"""Updates: in place, one rate a cell, clipped by the true norm."""

from __future__ import annotations

import numpy as np
import pytest

from engine.architectures import ARCHITECTURES
from engine.backend import open_backend
from engine.network import Network
from engine.optimizers import OPTIMIZERS
from engine.spec import InitSpec, NetworkSpec
from tests.engine.support import KINDS, cell_gradients, cell_parameters, problem, small_spec


def network_for(spec, *inits, optimizer="sgd"):
    slots = OPTIMIZERS[optimizer].slots
    cells = inits or (InitSpec(bias_scale=0.1),)
    return Network(spec, cells, open_backend("cpu", spec.dtype), slots=slots)


@pytest.mark.parametrize("kind", KINDS)
def test_sgd_steps_down_the_gradient(kind):
    network = network_for(small_spec(kind))
    x, target = problem(network.spec)
    network.evaluate(x, target)
    before, gradients = cell_parameters(network), cell_gradients(network)
    network.update(OPTIMIZERS["sgd"], [0.1], [0.0])
    for name, value in before.items():
        expected = value - 0.1 * gradients[name]
        np.testing.assert_allclose(network.parameters[name][0], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls(kind, optimizer):
    network = network_for(small_spec(kind, dtype="float32"), optimizer=optimizer)
    x, target = problem(network.spec)
    first = network.evaluate(x, target).loss[0]
    # Gates pass on so little of the gradient that plain descent wants a larger step.
    gain = 10.0 if ARCHITECTURES[kind].layer.gates and optimizer in ("sgd", "momentum") else 1.0
    rate = gain * {"sgd": 0.05, "momentum": 0.01, "rmsprop": 0.003, "adam": 0.01}[optimizer]
    for _ in range(60):
        loss = network.evaluate(x, target).loss[0]
        network.update(OPTIMIZERS[optimizer], [rate], [0.0])
    assert loss < 0.7 * first


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_cells_learn_at_their_own_rate(optimizer):
    spec = small_spec("mlp")
    inits = [InitSpec(seed=1), InitSpec(seed=2)]
    stack = network_for(spec, *inits, optimizer=optimizer)
    singles = [network_for(spec, init, optimizer=optimizer) for init in inits]
    x, target = problem(spec, cells=2)
    for _ in range(5):
        stack.evaluate(x, target)
        stack.update(OPTIMIZERS[optimizer], [0.05, 0.0001], [0.0, 0.3])
        for cell, (rate, clip) in enumerate(((0.05, 0.0), (0.0001, 0.3))):
            singles[cell].evaluate(x[cell : cell + 1], target[cell : cell + 1])
            singles[cell].update(OPTIMIZERS[optimizer], [rate], [clip])
    for cell, single in enumerate(singles):
        for name, value in single.parameters.items():
            np.testing.assert_allclose(
                stack.parameters[name][cell], value[0], rtol=1e-9, atol=1e-13
            )


def test_clipping_bounds_the_global_norm():
    network = network_for(small_spec("mlp"))
    x, target = problem(network.spec)
    network.evaluate(x, 100.0 * target)
    before, gradients = cell_parameters(network), cell_gradients(network)
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients.values()))
    assert norm > 1.0
    network.update(OPTIMIZERS["sgd"], [1.0], [0.5])
    moved = {name: before[name] - network.parameters[name][0] for name in before}
    assert np.sqrt(sum(np.sum(m**2) for m in moved.values())) == pytest.approx(0.5, rel=1e-9)
    for name, step in moved.items():
        np.testing.assert_allclose(step, 0.5 / norm * gradients[name], rtol=1e-7, atol=1e-13)


def test_clipping_by_value_bounds_every_entry_after_the_norm():
    spec = small_spec("mlp")
    network = Network(spec, [InitSpec(seed=1)] * 3, open_backend("cpu", spec.dtype))
    x, target = (np.repeat(array, 3, axis=0) for array in problem(spec))
    network.evaluate(x, 100.0 * target)
    before, gradients = cell_parameters(network), cell_gradients(network)
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients.values()))
    network.update(OPTIMIZERS["sgd"], [1.0] * 3, [0.0, 0.0, 1.0], [0.0, 0.3, 0.05])
    clipped = 0
    for name, gradient in gradients.items():
        wanted = [
            gradient,
            np.clip(gradient, -0.3, 0.3),
            np.clip(gradient / norm, -0.05, 0.05),
        ]
        clipped += int((np.abs(gradient) > 0.3).sum())
        for cell, step in enumerate(wanted):
            moved = before[name] - network.parameters[name][cell]
            np.testing.assert_allclose(moved, step, rtol=1e-7, atol=1e-13)
    assert clipped > 10


def test_clipping_by_value_tames_a_gradient_float32_cannot_hold():
    network, x, target = explosive()
    network.evaluate(x, target)
    before = cell_parameters(network)
    network.update(OPTIMIZERS["sgd"], [1.0], [0.0], [0.25])
    moved = before["layer1.b"] - network.parameters["layer1.b"][0]
    np.testing.assert_allclose(np.abs(moved), 0.25, rtol=1e-6)


def test_a_small_gradient_is_not_clipped():
    clipped, free = (network_for(small_spec("mlp")) for _ in range(2))
    x, target = problem(clipped.spec)
    for network, bound in ((clipped, 1e6), (free, 0.0)):
        network.evaluate(x, target)
        network.update(OPTIMIZERS["sgd"], [0.1], [bound])
    for name, value in free.parameters.items():
        np.testing.assert_array_equal(clipped.parameters[name], value)


def explosive():
    """The gradient is 1e+300 at least, the forward pass all zeros."""
    spec = NetworkSpec("rnn", "linear", 1, 4, 2, (3,), time_steps=1500, dtype="float32")
    network = network_for(spec, InitSpec())
    network.parameters["layer1.U"][0] = 1.7 * np.eye(4)
    network.parameters["layer1.b"][...] = 0.0
    x, target = problem(spec)
    return network, np.zeros_like(x), target


def test_clipping_tames_a_gradient_float32_cannot_hold():
    network, x, target = explosive()
    fields = network.evaluate(x, target)
    assert fields.log10_grad_params["layer1.b"][0] > 300
    before = cell_parameters(network)
    network.update(OPTIMIZERS["sgd"], [1.0], [0.25])
    moved = {name: before[name] - network.parameters[name][0] for name in before}
    total = np.sqrt(sum(np.sum(m.astype(np.float64) ** 2) for m in moved.values()))
    assert total == pytest.approx(0.25, rel=1e-5)
    assert np.abs(moved["layer1.b"]).max() > 0.1


def test_without_clipping_the_explosion_is_a_result_and_no_crash():
    network, x, target = explosive()
    network.evaluate(x, target)
    network.update(OPTIMIZERS["sgd"], [1.0], [0.0])
    fields = network.evaluate(x, target)
    assert fields.overflow[0] is not None


def test_a_vanished_gradient_moves_nothing_and_breaks_nothing():
    spec = NetworkSpec("mlp", "sigmoid", 300, 8, 4, (8,), dtype="float32")
    for name, optimizer in OPTIMIZERS.items():
        network = network_for(spec, InitSpec(), optimizer=name)
        x, target = problem(spec)
        for _ in range(3):
            network.evaluate(x, target)
            network.update(optimizer, [0.01], [1.0])
        for parameter in network.parameters.values():
            assert np.isfinite(parameter).all(), name
