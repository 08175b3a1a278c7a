"""Theory and measurement side by side, on networks about 1000 units wide, seeds averaged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.backend import open_backend
from engine.network import Network
from engine.spec import InitSpec, NetworkSpec
from engine.theory import predict
from engine.theory.weights import sigma_w
from tests.engine.theory.support import chi_of, measure, seeds

WIDTH = 1000
DEPTH = 20

#: Activation, sigma_w, sigma_b: below, at and above the edge, with and without biases.
GRID = [
    ("tanh", 0.8, 0.0),
    ("tanh", 1.0, 0.0),
    ("tanh", 1.5**0.5, 0.05**0.5),
    ("tanh", 2.0, 0.3),
    ("relu", 1.2, 0.2),
    ("relu", 2.0**0.5, 0.0),
    ("relu", 1.7, 0.0),
    ("sigmoid", 1.0, 0.5),
    ("sigmoid", 4.0, 0.0),
    ("leaky_relu", 1.5, 0.0),
    ("elu", 1.2, 0.1),
    ("selu", 1.0, 0.0),
    ("gelu", 1.5, 0.1),
    ("silu", 1.6, 0.2),
    ("softplus", 0.8, 0.1),
    ("linear", 0.9, 0.0),
]


def mlp(activation, **changes):
    shape = {"depth": DEPTH, "hidden_size": WIDTH, "batch_size": 8, "input_shape": (WIDTH,)}
    return NetworkSpec("mlp", activation, **(shape | changes))


@pytest.fixture(scope="module")
def grid_curves():
    """log10 RMS dL/dh of every layer relative to the last, (DEPTH,), by entry of GRID.

    A draw costs far more than a pass, and scales do not change it: each seed is drawn once.
    """
    curves = {entry: [] for entry in GRID}
    for seed in range(4):
        network = Network(
            mlp("tanh"), [InitSpec(bias_scale=1.0, seed=seed)], open_backend("cpu", "float32")
        )
        biases = {n: p.copy() for n, p in network.parameters.items() if n.endswith(".b")}
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
        x = rng.standard_normal((1, 1, 8, WIDTH)).astype("float32")
        target = rng.standard_normal((1, 8, 1)).astype("float32")
        drawn = 1.0
        for entry in GRID:
            activation, weight_scale, bias_scale = entry
            for layer in network.layers:
                layer.activation = ACTIVATIONS[activation]
            for index in range(1, DEPTH + 1):
                network.parameters[f"layer{index}.W"] *= np.float32(weight_scale / drawn)
                bias = f"layer{index}.b"
                network.parameters[bias][...] = bias_scale * biases[bias]
            drawn = weight_scale
            found = network.evaluate(x, target).log10_grad_h[0, :, 0]
            curves[entry].append(found - found[-1])
    return {entry: np.mean(found, axis=0) for entry, found in curves.items()}


@pytest.mark.parametrize("entry", GRID, ids="{0[0]}-{0[1]:.3g}-{0[2]:.2g}".format)
def test_mlp_chi_within_2_percent(grid_curves, entry):
    activation, weight_scale, bias_scale = entry
    init = InitSpec(weight_scale=weight_scale, bias_scale=bias_scale)
    prediction = predict(mlp(activation), init, 1.0)
    curve = grid_curves[entry]
    ratio = chi_of(curve[0], DEPTH - 1) / chi_of(prediction.decades, DEPTH - 1)
    assert ratio == pytest.approx(1.0, abs=0.02)
    # Not the ends alone: every layer on the way, the transient included.
    assert curve == pytest.approx(np.array(prediction.log10_gradient), abs=0.12)


@pytest.mark.parametrize("scheme", ["uniform", "orthogonal", "glorot", "he", "lecun"])
def test_every_scheme_has_the_gain_the_theory_gives_it(scheme):
    # A narrow input tells fan_in from fan_out in the first layer.
    spec = mlp("linear", depth=11, hidden_size=600, input_shape=(150,))
    init = InitSpec(scheme, weight_scale=1.1)
    prediction = predict(spec, init, 1.0)
    curve, sizes = measure(spec, seeds(init, 2))
    ratio = chi_of(curve[0, 0], 10) / chi_of(prediction.decades, 10)
    assert ratio == pytest.approx(1.0, abs=0.05)
    weights = ARCHITECTURES["mlp"].layer.plan(spec, 0, spec.input_shape, 1).weights
    entry = sigma_w(weights["W"], scheme, 1.1)
    assert sizes[0, 0] == pytest.approx(entry, rel=0.03)


@pytest.mark.parametrize(
    ("activation", "scheme", "scale"),
    [
        ("tanh", "gaussian", 1.0),
        ("tanh", "orthogonal", 1.0),
        ("tanh", "gaussian", 2.0),
        ("relu", "gaussian", 2.0**0.5),
        ("sigmoid", "gaussian", 3.0),
    ],
)
def test_rnn_chi_within_2_percent(activation, scheme, scale):
    steps = 10
    spec = NetworkSpec("rnn", activation, 1, WIDTH, 8, (WIDTH,), time_steps=steps)
    init = InitSpec(scheme, weight_scale=0.5, recurrent_scale=scale)
    prediction = predict(spec, init, 1.0)
    curve, _ = measure(spec, seeds(init, 3))
    ratio = chi_of(curve[0, 0], steps - 1) / chi_of(prediction.decades, steps - 1)
    assert ratio == pytest.approx(1.0, abs=0.02)
    assert curve[0] == pytest.approx(np.array(prediction.log10_gradient), abs=0.1)


def test_stacked_rnn_top_layer():
    spec = NetworkSpec("rnn", "tanh", 3, 600, 8, (100,), time_steps=8)
    init = InitSpec(weight_scale=0.9, bias_scale=0.2, recurrent_scale=1.3)
    prediction = predict(spec, init, 1.0)
    curve, _ = measure(spec, seeds(init, 3))
    assert curve[-1] == pytest.approx(np.array(prediction.log10_gradient), abs=0.08)


def test_circular_cnn_follows_mean_field_and_a_zero_padded_one_does_not():
    spec = NetworkSpec(
        "cnn", "relu", 10, 96, 4, (6, 6, 96), padding="circular", kernel_size=3, dtype="float32"
    )
    init = InitSpec(weight_scale=2.0**0.5)
    prediction = predict(spec, init, 1.0)
    curve, _ = measure(spec, seeds(init, 4))
    assert chi_of(curve[0, 0], 9) / chi_of(prediction.decades, 9) == pytest.approx(1.0, abs=0.03)
    assert curve[:, 0] == pytest.approx(np.array(prediction.log10_gradient), abs=0.12)
    padded = NetworkSpec("cnn", "relu", 10, 96, 4, (6, 6, 96))
    lost, _ = measure(padded, seeds(init, 2))
    assert lost[0, 0] < curve[0, 0] - 0.2
    refused = predict(padded, init, 1.0)
    assert refused.log10_gradient is None and refused.decades is None
    assert "zero padding" in refused.reasons["log10_gradient"]


@pytest.mark.parametrize("channels", [3, 32])
def test_delta_orthogonal_needs_no_circular_padding(channels):
    # Pixels of 3 channels differ in size, and each keeps its own: an average size is 0.1 off.
    spec = NetworkSpec("cnn", "tanh", 60, 32, 4, (6, 6, channels))
    init = InitSpec("delta_orthogonal", weight_scale=1.0)
    prediction = predict(spec, init, 1.0)
    curve, _ = measure(spec, seeds(init, 2))
    assert curve[:, 0] == pytest.approx(np.array(prediction.log10_gradient), abs=0.05)


def test_indrnn_with_open_gates_is_a_power_law():
    # u ~ U(0, 1), and linear units have no gate to close.
    spec = NetworkSpec("indrnn", "linear", 1, 2000, 2, (4,), time_steps=41)
    init = InitSpec("recurrent_range", recurrent_lower=0.0, recurrent_upper=1.0)
    prediction = predict(spec, init, 1.0)
    assert prediction.curve == "prediction"
    lags = np.arange(40, -1, -1)
    assert prediction.log10_gradient == pytest.approx(-0.5 * np.log10(2 * lags + 1), abs=1e-9)
    curve, _ = measure(spec, seeds(init, 4))
    assert curve[0] == pytest.approx(np.array(prediction.log10_gradient), abs=0.06)


def test_the_law_of_the_u_that_was_drawn_is_exact():
    spec = NetworkSpec("indrnn", "linear", 1, 50, 3, (4,), time_steps=60, dtype="float64")
    network = Network(spec, [InitSpec("gaussian")], open_backend("cpu", "float64"))
    # Every neuron matters alike to the loss.
    network.parameters["readout.W"][...] = 1.0
    rng = np.random.default_rng(1)
    fields = network.evaluate(rng.standard_normal((1, 60, 3, 4)), rng.standard_normal((1, 3, 1)))
    found = fields.log10_grad_h[0, 0] - fields.log10_grad_h[0, 0, -1]
    powers = network.parameters["layer1.u"] ** np.arange(59, -1, -1)[:, None]
    expected = 0.5 * np.log10((powers**2).mean(axis=1))
    assert found == pytest.approx(expected, abs=1e-9)


def test_relu_indrnn_stays_under_its_bound():
    spec = NetworkSpec("indrnn", "relu", 1, 400, 8, (16,), time_steps=50)
    init = InitSpec("recurrent_range")
    prediction = predict(spec, init, 1.0)
    assert prediction.curve == "bound"
    curve, _ = measure(spec, [init])
    assert np.all(curve[0] <= np.array(prediction.log10_gradient) + 0.05)
    assert curve[0, 0] <= prediction.bound_decades


def test_irnn_reaches_its_bound_while_pre_activations_stay_positive():
    spec = NetworkSpec("irnn", "relu", 1, 32, 4, (3,), time_steps=40, dtype="float64")
    init = InitSpec("identity", recurrent_scale=0.97, weight_scale=0.001, bias_scale=0.0)
    prediction = predict(spec, init, 1.0)
    network = Network(spec, [init], open_backend("cpu", "float64"))
    network.parameters["layer1.b"][...] = 1.0
    rng = np.random.default_rng(2)
    fields = network.evaluate(rng.standard_normal((1, 40, 4, 3)), rng.standard_normal((1, 4, 1)))
    found = fields.log10_grad_h[0, 0] - fields.log10_grad_h[0, 0, -1]
    assert found == pytest.approx(np.array(prediction.log10_gradient), abs=1e-9)


@pytest.mark.parametrize("bias", [0.0, 2.0])
def test_gru_without_weights_is_its_gate_path(bias):
    spec = NetworkSpec("gru", "tanh", 1, 6, 3, (4,), time_steps=30, dtype="float64")
    init = InitSpec(weight_scale=0.0, recurrent_scale=0.0, forget_bias=bias)
    prediction = predict(spec, init, 1.0)
    curve, _ = measure(spec, [init])
    assert curve[0] == pytest.approx(np.array(prediction.log10_gradient), abs=1e-9)


@pytest.mark.parametrize(
    ("kind", "activation", "scale"),
    [("mlp", "relu", 2.0**0.5), ("mlp", "sigmoid", 1.0), ("rnn", "linear", 1.0)],
)
def test_seeds_scatter_about_as_much_as_the_theory_says(kind, activation, scale):
    # Narrow and long on purpose; 16 seeds fix a standard deviation to within a third.
    recurrent = kind == "rnn"
    spec = NetworkSpec(
        kind, activation, 1 if recurrent else 40, 64, 8, (64,), time_steps=40 if recurrent else 1
    )
    init = InitSpec(weight_scale=scale, recurrent_scale=scale)
    wide = replace(spec, hidden_size=64 * 100)
    expected = 10.0 * predict(wide, init, 1.0).spread_decades
    ends = []
    for seed, one in enumerate(seeds(init, 16)):
        curve, _ = measure(spec, [one], input_seed=seed)
        ends.append(curve[0, 0])
    assert 0.4 < np.std(ends, ddof=1) / expected < 1.6
