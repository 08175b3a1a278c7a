"""IndRNN's u never leaves its bound: as drawn, after every update, each cell its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.backend import open_backend
from engine.constraint import RecurrentBound, largest_size
from engine.network import Network
from engine.optimizers import OPTIMIZERS
from engine.spec import InitSpec
from tests.engine.support import problem, small_spec

LARGE = InitSpec(scheme="recurrent_range", recurrent_lower=0.1, recurrent_upper=1e6)


def network_of(*inits, optimizer="sgd", dtype="float64"):
    spec = small_spec("indrnn", dtype=dtype)
    slots = OPTIMIZERS[optimizer].slots
    return Network(spec, inits, open_backend("cpu", dtype), slots=slots)


def test_the_papers_bound():
    assert largest_size(2.0, 100) == pytest.approx(2.0**0.01)
    assert largest_size(0.0, 100) == np.inf


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("time_steps", [1, 7, 100, 784, 5000])
def test_no_rounding_lifts_a_power_above_gamma(dtype, time_steps):
    u = np.array([[5.0, -5.0, 0.5, np.nan, np.inf, -np.inf]], dtype)
    RecurrentBound(open_backend("cpu", dtype), [2.0], time_steps, [u]).apply()
    high = u[0, 0]
    assert u[0, 1] == -high and u[0, 4] == high and u[0, 5] == -high
    assert u[0, 2] == 0.5 and np.isnan(u[0, 3])
    assert float(high) <= largest_size(2.0, time_steps)
    assert float(np.nextafter(high, u.dtype.type(9.0))) > largest_size(2.0, time_steps)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_after_every_update(optimizer):
    bound = largest_size(2.0, small_spec("indrnn").time_steps)
    network = network_of(replace(LARGE, recurrent_bound=2.0), optimizer=optimizer)
    x, target = problem(network.spec)
    names = [name for name in network.parameters if name.endswith(".u")]
    assert len(names) == network.spec.depth
    moved = False
    for _ in range(8):
        before = {name: network.parameters[name].copy() for name in names}
        for name in names:
            assert np.abs(before[name]).max() <= bound
        network.evaluate(x, target)
        # Steps far too large, so that u would leave its bound each time.
        network.update(OPTIMIZERS[optimizer], [1.0], [0.0])
        moved |= any(np.abs(network.parameters[n] - before[n]).max() > 0.1 for n in names)
    assert moved


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_within_the_bound_nothing_changes(optimizer):
    free = network_of(LARGE, optimizer=optimizer)
    bounded = network_of(replace(LARGE, recurrent_bound=1e7), optimizer=optimizer)
    x, target = problem(free.spec)
    for _ in range(3):
        for network in (free, bounded):
            network.evaluate(x, target)
            network.update(OPTIMIZERS[optimizer], [1e-3], [0.0])
    for name, value in free.parameters.items():
        np.testing.assert_array_equal(value, bounded.parameters[name])


def test_the_update_is_the_free_one_cut_back():
    free, bounded = network_of(LARGE), network_of(LARGE)
    bounded._bound = RecurrentBound(
        bounded.backend,
        [2.0],
        bounded.spec.time_steps,
        [bounded.parameters[name] for name in bounded.parameters if name.endswith(".u")],
    )
    x, target = problem(free.spec)
    for network in (free, bounded):
        network.evaluate(x, target)
        network.update(OPTIMIZERS["sgd"], [0.1], [0.0])
    size = largest_size(2.0, free.spec.time_steps)
    for name, value in free.parameters.items():
        expected = np.clip(value, -size, size) if name.endswith(".u") else value
        np.testing.assert_allclose(bounded.parameters[name], expected, rtol=1e-15)


def test_every_cell_has_its_own_bound():
    stack = network_of(
        LARGE, replace(LARGE, recurrent_bound=2.0), replace(LARGE, recurrent_bound=0.5)
    )
    u = np.abs(stack.parameters["layer1.u"])
    steps = stack.spec.time_steps
    assert u[0].max() > largest_size(2.0, steps)
    assert u[1].max() == pytest.approx(largest_size(2.0, steps))
    assert u[2].max() == pytest.approx(largest_size(0.5, steps))
