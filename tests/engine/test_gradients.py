"""Hand-written backprop against central differences of the loss, in float64."""

from __future__ import annotations

import numpy as np
import pytest

from engine.architectures import ARCHITECTURES
from engine.spec import InitSpec
from tests.engine.support import (
    CONNECTED,
    KINDS,
    SMOOTH,
    activations_of,
    build,
    directional_difference,
    entry_differences,
    judged_by,
    problem,
    relative_error,
    small_spec,
    words,
)

BAR = 1e-6

CASES = [
    pytest.param(small_spec(kind, activation), id=f"{kind}-{activation}")
    for kind in KINDS
    for activation in activations_of(kind)
] + [
    pytest.param(small_spec("cnn", padding="circular"), id="cnn-circular"),
    pytest.param(small_spec("cnn", convolution="winograd"), id="cnn-winograd"),
    pytest.param(
        small_spec("cnn", convolution="winograd", padding="circular", residual=True),
        id="cnn-winograd-circular",
    ),
    pytest.param(small_spec("cnn", kernel_size=2), id="cnn-even-kernel"),
    pytest.param(small_spec("cnn", kernel_size=4, padding="circular"), id="cnn-even-circular"),
    pytest.param(small_spec("cnn", kernel_size=7), id="cnn-kernel-larger-than-image"),
    pytest.param(
        small_spec("cnn", kernel_size=11, padding="circular"), id="cnn-circular-wraps-twice"
    ),
    pytest.param(small_spec("cnn", kernel_size=1), id="cnn-1x1"),
    *(pytest.param(small_spec(kind, bias=False), id=f"{kind}-no-bias") for kind in KINDS),
    *(pytest.param(small_spec(kind, depth=1), id=f"{kind}-one-layer") for kind in KINDS),
    *(pytest.param(small_spec(kind, hidden_size=1), id=f"{kind}-width-1") for kind in KINDS),
    *(pytest.param(small_spec(kind, batch_size=1), id=f"{kind}-batch-1") for kind in KINDS),
    *(
        pytest.param(small_spec(k, time_steps=1), id=f"{k}-one-step")
        for k in KINDS
        if ARCHITECTURES[k].recurrent
    ),
    *(
        pytest.param(small_spec(case.values[0], depth=5, **case.values[1]), id=case.id)
        for case in CONNECTED
    ),
    *(
        pytest.param(small_spec(kind, **changes), id=f"{kind}-{words(changes)}")
        for kind in KINDS
        for changes in judged_by(kind)
    ),
    pytest.param(small_spec("cnn", "relu", residual=True, norm="batch"), id="cnn-relu-residual"),
    pytest.param(small_spec("mlp", "silu", residual=True, hidden_size=5), id="mlp-from-the-input"),
    pytest.param(small_spec("rnn", norm="layer", bias=False), id="rnn-layer-no-bias"),
    pytest.param(small_spec("mlp", norm="batch", batch_size=1), id="mlp-batch-of-one"),
    pytest.param(small_spec("gru", norm="layer", hidden_size=3), id="gru-layer-width-3"),
]


@pytest.mark.parametrize("spec", CASES)
def test_every_parameter_matches_central_differences(spec):
    network = build(spec)
    x, target = problem(spec)
    network.evaluate(x, target)
    gradients = {name: network.gradient(name) for name in network.parameters}
    rng = np.random.default_rng(0)
    # A kink is met by chance alone; a shorter step makes the chance small enough.
    step = 1e-5 if spec.activation in SMOOTH else 1e-7
    bar = BAR if spec.activation in SMOOTH else 1e-5
    for name, gradient in gradients.items():
        flat = gradient.reshape(-1)
        entries = rng.choice(flat.size, size=min(8, flat.size), replace=False)
        differences = entry_differences(network, x, target, name, entries, step)
        error = np.abs(differences - flat[entries]).max()
        scale = max(np.abs(flat[entries]).max(), np.sqrt(np.mean(flat**2)))
        assert error <= bar * scale, (name, differences, flat[entries])


@pytest.mark.parametrize("spec", CASES)
def test_directional_derivative_over_all_parameters(spec):
    network = build(spec)
    x, target = problem(spec)
    network.evaluate(x, target)
    gradients = {name: network.gradient(name) for name in network.parameters}
    length = np.sqrt(sum(float(np.sum(g**2)) for g in gradients.values()))
    rng = np.random.default_rng(1)
    # Half along the gradient, so that the quotient is not lost among orthogonal directions.
    direction = {}
    for name, gradient in gradients.items():
        noise = rng.standard_normal(gradient.shape)
        direction[name] = gradient / length + noise / np.sqrt(noise.size * len(gradients))
    expected = sum(float(np.sum(gradients[name] * direction[name])) for name in gradients)
    smooth = spec.activation in SMOOTH
    step = 1e-5 if smooth else 1e-7
    found = directional_difference(network, x, target, direction, step)
    assert found[0] == pytest.approx(expected, rel=BAR if smooth else 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluate_and_loss_agree(kind):
    spec = small_spec(kind)
    network = build(spec)
    x, target = problem(spec)
    assert network.evaluate(x, target).loss == pytest.approx(network.loss(x, target), rel=1e-14)


@pytest.mark.parametrize(("kind", "changes"), [*((kind, {}) for kind in KINDS), *CONNECTED])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_stack_is_its_cells_side_by_side(kind, changes, dtype):
    steps = 9 if ARCHITECTURES[kind].recurrent else 1
    spec = small_spec(kind, dtype=dtype, time_steps=steps, **changes)
    inits = [
        InitSpec(weight_scale=0.3, recurrent_scale=0.2, bias_scale=0.5, seed=1),
        InitSpec(weight_scale=1.7, recurrent_scale=1.9, seed=2),
        InitSpec(scheme="uniform", weight_scale=1.0, recurrent_scale=1.0, seed=3),
    ]
    x, target = problem(spec, cells=3)
    stack = build(spec, *inits)
    fields = stack.evaluate(x, target)
    bar = 1e-13 if dtype == "float64" else 1e-5
    for cell, init in enumerate(inits):
        single = build(spec, init)
        alone = single.evaluate(x[cell : cell + 1], target[cell : cell + 1])
        assert fields.loss[cell] == pytest.approx(alone.loss[0], rel=bar)
        for name in ("log10_grad_h", "log10_grad_a", "activation_rms", "zero_fraction"):
            found, true = getattr(fields, name), getattr(alone, name)
            if found is not None:
                np.testing.assert_allclose(found[cell], true[0], atol=bar, err_msg=name)
        for gate, found in fields.log10_grad_gates.items():
            np.testing.assert_allclose(found[cell], alone.log10_grad_gates[gate][0], atol=bar)
        for name in single.parameters:
            np.testing.assert_array_equal(stack.parameters[name][cell], single.parameters[name][0])
            error = relative_error(stack.gradient(name)[cell], single.gradient(name)[0])
            assert error < bar, (name, error)


@pytest.mark.parametrize(("kind", "changes"), [*((kind, {}) for kind in KINDS), *CONNECTED])
def test_the_same_network_gives_the_same_bytes(kind, changes):
    spec = small_spec(kind, dtype="float32", **changes)
    x, target = problem(spec)
    runs = []
    for _ in range(2):
        network = build(spec)
        network.evaluate(x, target)
        fields = network.evaluate(x, target)
        runs.append((fields, [network.gradient(name) for name in network.parameters]))
    (first, first_gradients), (second, second_gradients) = runs
    np.testing.assert_array_equal(first.log10_grad_h, second.log10_grad_h)
    np.testing.assert_array_equal(first.loss, second.loss)
    for one, other in zip(first_gradients, second_gradients, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("kind", "changes"), [*((kind, {}) for kind in KINDS), *CONNECTED])
def test_evaluate_leaves_its_inputs_alone(kind, changes):
    spec = small_spec(kind, **changes)
    network = build(spec)
    x, target = problem(spec)
    kept = x.copy(), target.copy(), {n: np.array(p) for n, p in network.parameters.items()}
    network.evaluate(x, target)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(target, kept[1])
    for name, parameter in network.parameters.items():
        np.testing.assert_array_equal(parameter, kept[2][name])


def test_two_linear_indrnn_layers_are_an_rnn_with_diagonalisable_recurrence():
    """Li et al. 2018, section 4.1: linear IndRNN, then W_s^-1, equals U = W_s diag(u) W_s^-1."""
    width, steps = 4, 7
    rng = np.random.default_rng(5)
    basis = rng.standard_normal((width, width)) + 2.0 * np.eye(width)
    u = rng.uniform(0.3, 1.1, width)
    inward = rng.standard_normal((3, width))
    shape = {"time_steps": steps, "hidden_size": width, "activation": "linear", "bias": False}
    diagonal = build(small_spec("indrnn", depth=2, **shape))
    full = build(small_spec("rnn", depth=1, **shape))
    readout = rng.standard_normal((width, 2))
    for name, value in {
        "layer1.W": inward,
        "layer1.u": u,
        "layer2.W": basis,
        "layer2.u": 0.0,
    }.items():
        diagonal.parameters[name][0] = value
    full.parameters["layer1.W"][0] = inward @ basis
    full.parameters["layer1.U"][0] = np.linalg.solve(basis, np.diag(u) @ basis)
    for network in (diagonal, full):
        network.parameters["readout.W"][0] = readout
    x, target = problem(full.spec)
    one, other = diagonal.evaluate(x, target), full.evaluate(x, target)
    assert one.loss[0] == pytest.approx(other.loss[0], rel=1e-12)
    np.testing.assert_allclose(one.activation_rms[0, 1], other.activation_rms[0, 0], rtol=1e-11)
