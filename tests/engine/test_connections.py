"""Residual, dense and normalised networks: what each connection means, and its magnitudes."""

from __future__ import annotations

import numpy as np
import pytest

from engine.spec import InitSpec, NetworkSpec
from engine.verdict import judge
from tests.engine import reference
from tests.engine.support import build, cell_parameters, problem, set_parameters, small_spec

#: Decades by which a reported magnitude may miss the true one.
BAR = 1e-3

NORMS = ("layer", "batch")


def deep(kind, activation, depth, steps=1, **changes):
    return NetworkSpec(
        kind=kind,
        activation=activation,
        depth=depth,
        hidden_size=16,
        batch_size=4,
        input_shape=(16,),
        time_steps=steps,
        **changes,
    )


def recurrences(network, low, high):
    """Draw every u from [low, high]."""
    for layer in range(1, network.spec.depth + 1):
        u = network.parameters[f"layer{layer}.u"]
        u[...] = np.random.default_rng(layer).uniform(low, high, u.shape)


def assert_true(network, x, target):
    fields = network.evaluate(x, target)
    true = reference.truth(network.spec, cell_parameters(network), x[0], target[0])
    for name in ("log10_grad_h", "log10_grad_a"):
        found, expected = getattr(fields, name)[0], getattr(true, name)
        np.testing.assert_allclose(found, expected, rtol=0, atol=BAR, err_msg=name)
    for name, expected in true.log10_grad_params.items():
        assert fields.log10_grad_params[name][0] == pytest.approx(expected, abs=BAR), name
    return true


needs_long_double = pytest.mark.skipif(
    not reference.AVAILABLE, reason="long double is no wider than float64 on this machine"
)


@needs_long_double
@pytest.mark.parametrize(
    ("spec", "scale", "span"),
    [
        # h_l doubles its square at every layer, and so does the gradient.
        pytest.param(deep("mlp", "linear", 200, residual=True), 1.0, (26, 53), id="growing"),
        pytest.param(deep("mlp", "tanh", 1000, residual=True), 1e-12, (-1, 0), id="tiny-branches"),
        pytest.param(deep("mlp", "tanh", 1000, residual=True), 0.0, (-1, 0), id="no-branches"),
        pytest.param(deep("mlp", "sigmoid", 500, norm="layer"), 1.0, (-214, 0), id="layer"),
        pytest.param(
            deep("mlp", "sigmoid", 500, norm="layer", residual=True), 1.0, (0, 3), id="both"
        ),
    ],
)
def test_deep_mlps(spec, scale, span):
    network = build(spec, InitSpec(weight_scale=scale))
    true = assert_true(network, *problem(spec))
    assert span[0] - 1 < true.log10_grad_h.min() <= true.log10_grad_h.max() < span[1] + 1


@needs_long_double
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("norm", NORMS)
def test_normalised_input_of_a_contracting_recurrence(norm, depth):
    spec = deep("rnn", "tanh", depth, steps=600, norm=norm)
    network = build(spec, InitSpec(weight_scale=1.0, recurrent_scale=0.3))
    true = assert_true(network, *problem(spec))
    assert true.log10_grad_h[-1].min() < -400
    if depth > 1:
        # What ties the steps of a batch together carries the gradient across all of them.
        assert (true.log10_grad_h[0].min() > -5) == (norm == "batch")


@needs_long_double
@pytest.mark.parametrize("norm", ["none", *NORMS])
@pytest.mark.parametrize("connection", ["residual", "dense"])
def test_deep_indrnns(connection, norm):
    spec = deep("indrnn", "tanh", 7, steps=400, norm=norm, **{connection: True})
    network = build(spec, InitSpec(weight_scale=0.5))
    recurrences(network, 0.3, 0.5)
    true = assert_true(network, *problem(spec))
    assert true.log10_grad_h[-1].min() < -100


@needs_long_double
@pytest.mark.parametrize("connection", ["residual", "dense"])
def test_deep_indrnns_that_explode(connection):
    spec = deep("indrnn", "linear", 4, steps=250, bias=False, **{connection: True})
    network = build(spec, InitSpec(weight_scale=0.5))
    recurrences(network, 1.3, 1.35)
    x, target = problem(spec)
    # Small enough for the way forward; the way back has no such bound.
    true = assert_true(network, 1e-30 * x, target)
    assert true.log10_grad_h[0].max() > 30


def test_a_stack_of_cells_far_apart():
    """A vanishing, a flat and a dead cell each keep their own exponents through skips."""
    spec = deep("mlp", "relu", 60, residual=True, norm="layer", dtype="float32")
    inits = [InitSpec(weight_scale=scale, seed=3) for scale in (1e-6, 1.0, 1.4)]
    stack = build(spec, *inits)
    x, target = problem(spec, cells=3)
    fields = stack.evaluate(x, target)
    for cell, init in enumerate(inits):
        alone = build(spec, init).evaluate(x[cell : cell + 1], target[cell : cell + 1])
        np.testing.assert_allclose(fields.log10_grad_h[cell], alone.log10_grad_h[0], atol=1e-4)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_a_skip_carries_the_gradient_past_a_dead_layer(kind):
    shape = {"input_shape": (4,), "hidden_size": 4} if kind == "mlp" else {}
    spec = small_spec(kind, "relu", depth=5, residual=True, dtype="float32", **shape)
    network = build(spec, InitSpec())
    network.parameters["layer3.b"][...] = -100.0
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    assert fields.zero_fraction[0, 2, 0] == 1.0
    assert fields.activation_rms[0, 2, 0] == pytest.approx(fields.activation_rms[0, 1, 0])
    assert fields.log10_path["branch"][0, 2, 0] == -np.inf
    assert fields.log10_grad_h[0, 1, 0] == pytest.approx(fields.log10_grad_h[0, 2, 0])
    assert judge(fields.log10_grad_h[0], recurrent=False).name == "healthy"


def test_skips_that_leave_float32_on_the_way_forward():
    """Doubling its square at every layer, h reaches 2^128 somewhere past layer 200."""
    spec = deep("mlp", "linear", 300, residual=True)
    x, target = problem(spec)
    fields = build(spec, InitSpec(weight_scale=1.0)).evaluate(x, target)
    (place,) = fields.overflow
    assert 220 < place.layer < 290
    assert np.isfinite(fields.activation_rms[0, : place.layer - 1]).all()
    wide = deep("mlp", "linear", 300, residual=True, dtype="float64")
    fields = build(wide, InitSpec(weight_scale=1.0)).evaluate(*problem(wide))
    assert fields.overflow == [None]
    assert fields.activation_rms[0, -1, 0] > 1e38


def test_a_residual_mlp_skips_only_where_shapes_agree():
    spec = small_spec("mlp", "tanh", residual=True, bias=False)
    network = build(spec, InitSpec(weight_scale=0.0))
    x, target = problem(spec)
    # Five inputs, six units: without weights the first layer gives zeros.
    np.testing.assert_array_equal(network.evaluate(x, target).activation_rms[0], 0.0)
    square = small_spec("mlp", "tanh", residual=True, bias=False, input_shape=(6,))
    network = build(square, InitSpec(weight_scale=0.0))
    x, target = problem(square)
    rms = network.evaluate(x, target).activation_rms[0]
    np.testing.assert_allclose(rms, np.sqrt(np.mean(x**2)), rtol=1e-14)


def test_residual_indrnn_adds_the_projection_two_layers_below():
    spec = small_spec("indrnn", "tanh", depth=5, residual=True)
    network = build(spec, InitSpec(weight_scale=1.3, bias_scale=0.5))
    set_parameters(network, layer3_W=0.0)
    for name in ("u", "b"):
        network.parameters[f"layer3.{name}"][...] = network.parameters[f"layer1.{name}"]
    x, target = problem(spec)
    rms = network.evaluate(x, target).activation_rms[0]
    np.testing.assert_array_equal(rms[2], rms[0])
    assert not np.allclose(rms[3], rms[1])


def test_a_dense_block_reads_everything_below():
    spec = small_spec("indrnn", "tanh", depth=4, dense=True)
    network = build(spec)
    widths = [network.parameters[f"layer{layer}.W"].shape[1] for layer in (1, 2, 3, 4)]
    assert widths == [3, 9, 15, 21]
    x, target = problem(spec)
    before = network.loss(x, target)
    # Rows of layer 1's output, then of the input.
    for rows in (slice(3, 9), slice(0, 3)):
        network.parameters["layer4.W"][:, rows] *= 2.0
        after = network.loss(x, target)
        assert after != before
        before = after


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["mlp", "cnn", "rnn", "indrnn", "lstm", "gru"])
def test_the_scale_of_normalised_weights_does_not_matter(kind, norm):
    """Also where squares leave float32; the gradient of W sinks by what W has grown."""
    spec = small_spec(kind, dtype="float32", norm=norm)
    network = build(spec, InitSpec(recurrent_scale=0.9))
    x, target = problem(spec)
    seen = []
    for factor in (1e4, 1e26):
        for name, parameter in network.parameters.items():
            if name.endswith(".W") and name.startswith("layer"):
                parameter *= np.float32(factor)
        seen.append(network.evaluate(x, target))
    (small, large), layers = seen, range(1, spec.depth + 1)
    assert large.overflow == [None]
    np.testing.assert_allclose(large.activation_rms, small.activation_rms, rtol=1e-3)
    np.testing.assert_allclose(large.log10_grad_h[0, -1], small.log10_grad_h[0, -1], atol=1e-2)
    for layer in layers:
        lost = [f.log10_grad_params[f"layer{layer}.W"][0] for f in (small, large)]
        assert lost[0] - lost[1] == pytest.approx(26, abs=0.01)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["mlp", "cnn", "rnn", "gru"])
def test_no_variance_is_no_nan(kind, norm):
    spec = small_spec(kind, dtype="float32", norm=norm)
    network = build(spec, InitSpec(weight_scale=0.0, bias_scale=0.5))
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    assert fields.overflow == [None]
    assert np.isfinite(fields.loss).all()
    assert not np.isnan(fields.log10_grad_h).any()
    assert not any(np.isnan(network.gradient(name)).any() for name in network.parameters)


@pytest.mark.parametrize("size", [1e-10, 1e-25])
@pytest.mark.parametrize("norm", NORMS)
def test_a_variance_far_below_epsilon(norm, size):
    """What is too small to be told from a constant stays small: n = p / sqrt(eps)."""
    spec = small_spec("mlp", "linear", depth=1, dtype="float32", norm=norm)
    network = build(spec, InitSpec(bias_scale=0.0))
    x, target = problem(spec)
    fields = network.evaluate(np.float32(size) * x, target)
    p = size * (x[0, 0].astype(np.float64) @ cell_parameters(network)["layer1.W"])
    p -= p.mean(axis=1 if norm == "layer" else 0, keepdims=True)
    assert fields.activation_rms[0, 0, 0] == pytest.approx(np.sqrt(np.mean(p**2) / 1e-5), rel=1e-3)
    assert np.isfinite(fields.log10_grad_params["layer1.W"]).all()


def test_batch_normalisation_of_one_sample_leaves_the_bias():
    spec = small_spec("mlp", "tanh", batch_size=1, norm="batch")
    network = build(spec, InitSpec(bias_scale=0.5))
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    bias = cell_parameters(network)["layer3.b"]
    assert fields.activation_rms[0, 2, 0] == pytest.approx(np.sqrt(np.mean(np.tanh(bias) ** 2)))
    assert fields.log10_grad_params["layer3.W"][0] == -np.inf
    assert np.isfinite(fields.log10_grad_params["layer3.b"][0])
    assert judge(fields.log10_grad_h[0], recurrent=False).name == "dead"


@pytest.mark.parametrize("norm", NORMS)
def test_gains_start_at_one_and_change_no_draw(norm):
    plain, normed = build(small_spec("gru")), build(small_spec("gru", norm=norm))
    for name, parameter in normed.parameters.items():
        if name.endswith(".gain"):
            np.testing.assert_array_equal(parameter, 1.0)
        else:
            np.testing.assert_array_equal(parameter, plain.parameters[name])
