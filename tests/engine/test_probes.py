"""What a frame shows beside gradients, and the identity that lets a hop be split."""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from dataclasses import replace

import numpy as np
import pytest

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.architectures.cnn import ConvolutionLayer
from engine.architectures.mlp import DenseLayer
from engine.backend import open_backend
from engine.network import Network
from engine.optimizers import OPTIMIZERS
from engine.spec import InitSpec, NetworkSpec
from tests.engine.support import CONNECTED, KINDS, build, cell_parameters, problem, small_spec

#: Kinds whose gradient crosses layers and no time.
LAYERED = ("mlp", "cnn")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "changes"), [*((kind, {}) for kind in KINDS), *CONNECTED])
def test_statistics_can_be_left_out(kind, changes, dtype):
    """Nothing else changes: not the gradients, their sizes along the hops, nor a clipped update."""
    spec = small_spec(kind, dtype=dtype, **changes)
    whole, bare = (build(spec, InitSpec(seed=1), InitSpec(seed=2)) for _ in range(2))
    x, target = problem(spec, cells=2)
    for _ in range(3):
        fields, bare_fields = whole.evaluate(x, target), bare.evaluate(x, target, statistics=False)
        assert bare_fields.log10_grad_params == {}
        assert np.isnan(bare_fields.zero_fraction).all()
        assert np.isnan(bare_fields.saturated_fraction).all()
        for name in ("loss", "log10_grad_h", "activation_rms"):
            np.testing.assert_array_equal(getattr(bare_fields, name), getattr(fields, name))
        for network in (whole, bare):
            network.update(OPTIMIZERS["sgd"], [0.1, 0.1], [0.01, 0.0])
    for name, parameter in whole.parameters.items():
        np.testing.assert_array_equal(bare.parameters[name], parameter)
    again = bare.evaluate(x, target)
    assert list(again.log10_grad_params) == list(bare.parameters)
    assert not np.isnan(again.zero_fraction).any() and not np.isnan(again.saturated_fraction).any()


@pytest.mark.parametrize(("kind", "changes"), [*((kind, {}) for kind in KINDS), *CONNECTED])
def test_shapes_and_types(kind, changes):
    spec = small_spec(kind, **changes)
    network = build(spec, InitSpec(seed=1), InitSpec(seed=2))
    x, target = problem(spec, cells=2)
    fields = network.evaluate(x, target)
    shape = (2, spec.depth, spec.time_steps)
    gates = ARCHITECTURES[kind].layer.gates
    assert tuple(fields.log10_grad_gates) == gates
    assert (fields.log10_grad_a is None) == bool(gates)
    arrays = {
        name: getattr(fields, name)
        for name in ("log10_grad_h", "activation_rms", "zero_fraction", "saturated_fraction")
    } | fields.log10_grad_gates
    points = ARCHITECTURES[kind].layer.path
    if not ARCHITECTURES[kind].recurrent:
        points += ("projection",) * (spec.norm != "none") + ("branch",) * spec.residual
    assert tuple(fields.log10_path) == points
    arrays |= fields.log10_path
    if not gates:
        arrays["log10_grad_a"] = fields.log10_grad_a
    for name, values in arrays.items():
        assert (values.shape, values.dtype) == (shape, np.float64), name
    assert fields.loss.shape == (2,)
    assert set(fields.log10_grad_params) == set(network.parameters)
    assert all(value.shape == (2,) for value in fields.log10_grad_params.values())
    assert fields.overflow == [None, None]


@pytest.mark.parametrize(("kind", "changes"), [*((kind, {}) for kind in KINDS), *CONNECTED])
@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_leaving_parameters_gradients_out_changes_nothing_else(kind, changes, scale):
    spec = small_spec(kind, dtype="float32", depth=4, time_steps=1 if kind in LAYERED else 20)
    spec = replace(spec, **changes)
    inits = [
        InitSpec(
            scheme="identity" if kind == "irnn" else "gaussian",
            weight_scale=scale,
            recurrent_scale=scale,
            bias_scale=0.1,
            seed=seed,
        )
        for seed in (1, 2)
    ]
    x, target = problem(spec, cells=2)
    whole = build(spec, *inits).evaluate(x, target)
    network = build(spec, *inits)
    # Not only with what was never filled: gradients of an earlier pass must not matter either.
    network.evaluate(x, -target)
    fields = network.evaluate(x, target, parameters=False)

    assert fields.log10_grad_params == {}
    assert fields.overflow == whole.overflow
    for name in ("loss", "log10_grad_h", "activation_rms", "zero_fraction", "saturated_fraction"):
        np.testing.assert_array_equal(getattr(fields, name), getattr(whole, name), err_msg=name)
    parts = {**fields.log10_grad_gates, **fields.log10_path, "a": fields.log10_grad_a}
    others = {**whole.log10_grad_gates, **whole.log10_path, "a": whole.log10_grad_a}
    for name, values in parts.items():
        np.testing.assert_array_equal(values, others[name], err_msg=name)
    for forbidden in (
        lambda: network.gradient("readout.W"),
        lambda: network.update(OPTIMIZERS["sgd"], [0.1, 0.1], [0.0, 0.0]),
    ):
        with pytest.raises(RuntimeError, match="left the parameters' gradients out"):
            forbidden()


@pytest.mark.parametrize("kind", KINDS)
def test_fields_are_not_overwritten_by_the_next_evaluate(kind):
    spec = small_spec(kind)
    network = build(spec)
    x, target = problem(spec)
    first = network.evaluate(x, target)
    kept = {
        name: np.array(getattr(first, name))
        for name in ("log10_grad_h", "log10_grad_a", "zero_fraction", "saturated_fraction")
    }
    gradient = network.gradient("layer1.W")
    kept_gradient = gradient.copy()
    network.evaluate(2.0 * x, -target)
    for name, value in kept.items():
        np.testing.assert_array_equal(getattr(first, name), value)
    np.testing.assert_array_equal(gradient, kept_gradient)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_statistics_of_one_layer(activation):
    """Zero and saturated shares by counting, for pre-activations from -30 to 30."""
    spec = small_spec("mlp", activation, depth=1, hidden_size=1, batch_size=601, input_shape=(1,))
    network = build(spec, InitSpec())
    network.parameters["layer1.W"][...] = 1.0
    network.parameters["layer1.b"][...] = 0.0
    a = np.linspace(-30.0, 30.0, 601)
    a[300] = 0.0
    fields = network.evaluate(a.reshape(1, 1, 601, 1), np.zeros((1, 601, 2)))
    h, slope = np.empty_like(a), np.empty_like(a)
    with np.errstate(over="ignore"):
        ACTIVATIONS[activation].forward(np, a, h)
        ACTIVATIONS[activation].slope(np, a.copy(), h, slope)
    assert fields.zero_fraction[0, 0, 0] == pytest.approx(np.mean(h == 0.0), abs=1e-12)
    saturated = np.mean(np.abs(slope) < 0.05 * ACTIVATIONS[activation].max_slope)
    assert fields.saturated_fraction[0, 0, 0] == pytest.approx(saturated, abs=1e-12)
    assert fields.activation_rms[0, 0, 0] == pytest.approx(np.sqrt(np.mean(h**2)))


def test_a_hop_splits_into_slope_and_weights():
    """log10 |dL/dh_l| to log10 |dL/dh_{l-1}| = the phi' part + the W part, exactly."""
    spec = small_spec("mlp", "tanh", depth=8, hidden_size=16)
    network = build(spec)
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    grad_h, grad_a = fields.log10_grad_h[0, :, 0], fields.log10_grad_a[0, :, 0]
    slope_part = grad_a[1:] - grad_h[1:]
    weight_part = grad_h[:-1] - grad_a[1:]
    np.testing.assert_allclose(slope_part + weight_part, grad_h[:-1] - grad_h[1:], atol=1e-12)
    # phi' <= 1 for tanh, so its part never gains.
    assert (slope_part < 0.0).all()


def test_a_linear_net_loses_nothing_in_its_slopes():
    spec = small_spec("rnn", "linear", time_steps=12)
    network = build(spec)
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    np.testing.assert_allclose(fields.log10_grad_a, fields.log10_grad_h, atol=1e-12)


def test_orthogonal_weights_carry_the_gradient_unchanged():
    spec = small_spec("mlp", "linear", depth=30, hidden_size=12, dtype="float32")
    network = build(spec, InitSpec(scheme="orthogonal"))
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    np.testing.assert_allclose(np.ptp(fields.log10_grad_h[0]), 0.0, atol=1e-5)


def test_the_ten_layer_chain_loses_a_quarter_each_layer():
    """sigmoid'(0) = 1/4 and W = 1: 0.25^10 from the loss side of layer 10 to the input."""
    spec = small_spec("mlp", "sigmoid", depth=10, hidden_size=1, input_shape=(1,), batch_size=1)
    network = build(spec, InitSpec())
    for layer in range(1, 11):
        network.parameters[f"layer{layer}.W"][...] = 1.0
        # a = 0 at every layer: h below is 1/2, the input 0.
        network.parameters[f"layer{layer}.b"][...] = 0.0 if layer == 1 else -0.5
    fields = network.evaluate(np.zeros((1, 1, 1, 1)), np.ones((1, 1, 2)))
    grad_h = fields.log10_grad_h[0, :, 0]
    assert grad_h[0] - grad_h[9] == pytest.approx(9 * np.log10(0.25), abs=1e-12)
    assert fields.log10_grad_a[0, 0, 0] - grad_h[9] == pytest.approx(10 * np.log10(0.25), abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_mean_squared_error(kind):
    spec = small_spec(kind)
    network = build(spec)
    x, target = problem(spec)
    network.parameters["readout.W"][...] = 0.0
    network.parameters["readout.b"][...] = 0.0
    assert network.loss(x, target)[0] == pytest.approx(np.mean(target**2), rel=1e-14)
    assert set(cell_parameters(network)) == set(network.parameters)


@pytest.mark.parametrize("scale", [1.0, 6.0], ids=["mild", "saturated"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_features_first_in_memory_changes_nothing_but_rounding(activation, scale, monkeypatch):
    shapes = {"output_size": 2, "dtype": "float64"}
    spec = NetworkSpec("mlp", activation, 3, 160, 48, (50,), **shapes)
    x, target = problem(spec)
    seen = []
    for turns in (True, False):
        monkeypatch.setattr(DenseLayer, "turns", turns)
        network = build(spec, InitSpec(seed=1, weight_scale=scale, bias_scale=0.1))
        assert all(one.arrays.own["h"].flags.c_contiguous != turns for one in network.layers)
        fields = network.evaluate(x, target)
        shown = [getattr(fields, field.name) for field in dataclass_fields(fields)]
        arrays = [value for value in shown if isinstance(value, np.ndarray)]
        arrays += list(fields.log10_grad_params.values())
        arrays += [network.gradient(name) for name in network.parameters]
        arrays += [hop.push(np.eye(hop.inputs)[:5]) for hop in network.linearise(x)]
        seen.append([*arrays, network.loss(x, target)])
    assert len(seen[0]) > 15
    for one, other in zip(*seen, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12 * np.nanmax(np.abs(other)))


@pytest.mark.parametrize("scale", [1.0, 6.0], ids=["mild", "saturated"])
@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("activation", [n for n, phi in ACTIVATIONS.items() if phi.invertible])
@pytest.mark.parametrize(
    ("kind", "layer"), [("mlp", DenseLayer), ("cnn", ConvolutionLayer)], ids=["mlp", "cnn"]
)
def test_shared_pre_activations_show_what_kept_ones_do(
    kind, layer, activation, residual, cells, scale, monkeypatch
):
    """Bit for bit, also where slopes need a and it is computed again."""
    spec = small_spec(kind, activation, depth=4, residual=residual, dtype="float32")
    inits = [InitSpec(seed=seed, weight_scale=scale) for seed in range(cells)]
    x, target = problem(spec, cells)
    seen = []
    for kept in (False, True):
        monkeypatch.setattr(layer, "keeps_pre_activation", kept)
        network = Network(spec, inits, open_backend("cpu", "float32"))
        assert all(("a" in one.arrays.own) == kept for one in network.layers)
        fields = network.evaluate(x, target)
        gradients = {name: network.gradient(name) for name in network.parameters}
        hops = [hop.push(np.eye(hop.inputs, dtype="float32")) for hop in network.linearise(x)]
        seen.append((fields, gradients, hops))
    (shared, gradients, hops), (own, own_gradients, own_hops) = seen
    for field in ("loss", "log10_grad_h", "log10_grad_a", "saturated_fraction", "zero_fraction"):
        np.testing.assert_array_equal(getattr(shared, field), getattr(own, field))
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, own_gradients[name])
    for one, other in zip(hops, own_hops, strict=True):
        np.testing.assert_array_equal(one, other)
    if scale > 1.0 and activation in ("sigmoid", "tanh"):
        assert (shared.saturated_fraction > 0.2).any()
