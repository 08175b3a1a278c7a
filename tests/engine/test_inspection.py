"""One place in full: every gradient there beside long double's, and nothing else disturbed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from engine.errors import ForwardOverflow
from engine.inspection import PER_DECADE, histogram, inspect
from engine.optimizers import OPTIMIZERS
from engine.spec import InitSpec
from tests.engine import reference
from tests.engine.reference_gates import gated_truth
from tests.engine.support import (
    CONNECTED,
    KINDS,
    build,
    cell_gradients,
    cell_parameters,
    frame_of,
    problem,
    set_parameters,
    small_spec,
)

needs_long_double = pytest.mark.skipif(
    not reference.AVAILABLE, reason="long double is no wider than float64 on this machine"
)
RECURRENT = ("rnn", "indrnn", "lstm", "gru")


def truth_of(spec: Any, network: Any, x: np.ndarray, target: np.ndarray) -> Any:
    found = gated_truth if spec.kind in ("lstm", "gru") else reference.truth
    return found(spec, cell_parameters(network), x[0], target[0])


def counts_of(values: np.ndarray) -> dict[int, int]:
    """Bins by brute force, one value at a time."""
    bins: dict[int, int] = {}
    for value in values.ravel():
        if value != 0:
            place = math.floor(float(np.log10(np.abs(value))) * PER_DECADE)
            bins[place] = bins.get(place, 0) + 1
    return bins


def bins_of(found: Any) -> dict[int, int]:
    counts = found.counts.tolist()
    return {found.first + place: count for place, count in enumerate(counts) if count}


@needs_long_double
@pytest.mark.parametrize("kind", ["mlp", *RECURRENT])
def test_every_gradient_of_every_place(kind: str) -> None:
    spec = small_spec(kind)
    network = build(spec)
    x, target = problem(spec)
    true = truth_of(spec, network, x, target)
    for (layer, step), values in true.grad_h.items():
        found = inspect(network, x, target, layer, step)
        assert (found.layer, found.step) == (layer, step)
        assert found.gradients.count == values.size and not found.gradients.zeros
        assert bins_of(found.gradients) == counts_of(values)
        assert found.log10_rms == pytest.approx(reference.log10_rms(values), abs=1e-9)
        sizes = np.sort(np.log10(np.abs(values.ravel())))
        assert found.gradients.median == pytest.approx(float(sizes[(len(sizes) - 1) // 2]))


@needs_long_double
@pytest.mark.parametrize("kind", RECURRENT)
def test_magnitudes_that_no_float32_holds(kind: str) -> None:
    spec = small_spec(kind, depth=1, time_steps=260, dtype="float32", batch_size=2)
    network = build(spec, InitSpec(weight_scale=0.02, recurrent_scale=0.02, forget_bias=-3.0))
    if kind == "indrnn":
        # Neurons alike: beside a slower one the gradient of a faster one is 0 in float32.
        set_parameters(network, layer1_u=0.05)
    x, target = problem(spec)
    true = truth_of(spec, network, x, target)
    places = [1, 2, 130, 250, 260]
    assert reference.log10_rms(true.grad_h[1, 1]) < -300.0
    for step in places:
        found = inspect(network, x, target, 1, step).gradients
        values = true.grad_h[1, step]
        # Rounding in float32 may move a value over the edge of its bin.
        low = math.floor(float(np.log10(np.abs(values).min())) * PER_DECADE)
        high = math.floor(float(np.log10(np.abs(values).max())) * PER_DECADE)
        assert abs(found.first - low) <= 1
        assert abs(found.first + len(found.counts) - 1 - high) <= 1


def test_the_scale_of_sums_is_not_that_of_what_is_seen() -> None:
    """Both h and dL/dh are near 2^110: their products are summed at a scale of dL/da's own."""
    spec = small_spec("indrnn", "linear", depth=1, time_steps=110, dtype="float32")
    network = build(spec)
    set_parameters(network, layer1_u=2.0)
    x, target = problem(spec)
    assert frame_of(network, x, target).log10_grad_h[0, -1] > 30.0
    for step in (1, 55, 110):
        found = inspect(network, x, target, 1, step)
        assert found.gradients.median == pytest.approx(found.log10_rms, abs=1.0)


@pytest.mark.parametrize(
    ("kind", "changes"), [*(pytest.param(k, {}, id=k) for k in KINDS), *CONNECTED]
)
def test_it_agrees_with_the_frame_and_leaves_the_gradients(
    kind: str, changes: dict[str, Any]
) -> None:
    spec = small_spec(kind, **changes)
    network = build(spec)
    x, target = problem(spec)
    frame = frame_of(network, x, target)
    gradients = cell_gradients(network)
    for layer in range(1, spec.depth + 1):
        for step in (1, spec.time_steps):
            found = inspect(network, x, target, layer, step)
            assert found.log10_rms == frame.log10_grad_h[layer - 1, step - 1]
            for name, norms in found.parameters.items():
                full = f"layer{layer}.{name}"
                norm = float(np.linalg.norm(network.parameters[full][0]))
                gradient = float(np.linalg.norm(gradients[full]))
                assert norms.norm == pytest.approx(norm, rel=1e-12)
                assert 10.0**norms.log10_gradient == pytest.approx(gradient, rel=1e-9)
    after = cell_gradients(network)
    for name, value in gradients.items():
        np.testing.assert_array_equal(after[name], value)


@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_on_as_if_nobody_had_looked(kind: str) -> None:
    spec = small_spec(kind)
    x, target = problem(spec)
    parameters = []
    for looks in (False, True):
        network = build(spec)
        for _ in range(3):
            network.evaluate(x, target)
            if looks:
                inspect(network, x, target, 2)
            network.update(OPTIMIZERS["sgd"], [0.01], [1.0])
        parameters.append(cell_parameters(network))
    for name, value in parameters[0].items():
        np.testing.assert_array_equal(parameters[1][name], value)


@needs_long_double
@pytest.mark.parametrize(("kind", "names"), [("lstm", "ifgo"), ("gru", "rzn")])
def test_gates_as_they_are_at_that_step(kind: str, names: str) -> None:
    spec = small_spec(kind)
    network = build(spec, InitSpec(weight_scale=4.0, recurrent_scale=3.0, bias_scale=2.0))
    x, target = problem(spec)
    true = gated_truth(spec, cell_parameters(network), x[0], target[0])
    for step in range(1, spec.time_steps + 1):
        gates = inspect(network, x, target, 2, step).gates
        assert "".join(gates) == names
        for name, gate in gates.items():
            value = true.states[2, step][name]
            tanh = name in "gn"
            slope, steepest = (1 - value**2, 1.0) if tanh else (value * (1 - value), 0.25)
            assert gate.mean == pytest.approx(float(np.abs(value).mean()))
            assert gate.saturated == pytest.approx(float((slope < 0.05 * steepest).mean()))


def test_dead_units_are_those_that_no_sample_wakes() -> None:
    spec = small_spec("mlp", "relu", batch_size=2)
    network = build(spec)
    bias = np.zeros((1, 6))
    bias[0, :2] = -1e6
    set_parameters(network, layer2_b=bias)
    x, target = problem(spec)
    found = inspect(network, x, target, 2)
    h = network.layers[1].arrays.own["h"][0, 0]
    assert found.dead_units == float((h == 0).all(axis=0).mean()) >= 2 / 6
    assert not found.gates


def test_exact_zeros_are_counted_apart() -> None:
    spec = small_spec("mlp", "relu")
    network = build(spec)
    set_parameters(network, layer3_W=0.0)
    found = inspect(network, *problem(spec), 1).gradients
    assert (found.zeros, found.count, found.median) == (24, 24, -math.inf)
    assert not len(found.counts)
    mixed = histogram(np.array([0.0, 0.0, 1.0, -20.0]), 0)
    assert (mixed.zeros, mixed.first, mixed.median) == (2, 0, -math.inf)
    assert bins_of(mixed) == {0: 1, 13: 1}


def test_a_power_of_two_only_moves_a_histogram() -> None:
    values = np.random.default_rng(0).standard_normal(1000)
    far = histogram(values, -4000)
    assert far.median == pytest.approx(histogram(values).median - 4000 * math.log10(2.0))
    assert far.count == 1000


def test_places_that_are_not_there() -> None:
    spec = small_spec("rnn")
    network = build(spec)
    for layer, step in ((0, 1), (4, 1), (1, 0), (1, 7)):
        with pytest.raises(ValueError, match=f"layer {layer} with a step {step}"):
            inspect(network, *problem(spec), layer, step)


def test_an_overflow_is_named_by_its_place() -> None:
    spec = small_spec("rnn", "relu", dtype="float32", time_steps=60)
    network = build(spec, InitSpec(recurrent_scale=1e6))
    with pytest.raises(ForwardOverflow, match="layer 1, time step"):
        inspect(network, *problem(spec), 1)
    assert network.layers[0].witness is None


def test_a_stack_has_one_cell_looked_at() -> None:
    spec = small_spec("rnn")
    inits = [InitSpec(recurrent_scale=scale, seed=3) for scale in (0.5, 1.5)]
    stack, alone = build(spec, *inits), build(spec, inits[1])
    x, target = problem(spec)
    both = [np.repeat(values, 2, axis=0) for values in (x, target)]
    found, same = inspect(stack, *both, 2, 3, cell=1), inspect(alone, x, target, 2, 3)
    assert found.log10_rms == pytest.approx(same.log10_rms)
    assert bins_of(found.gradients) == bins_of(same.gradients)
