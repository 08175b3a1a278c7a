"""Magnitudes far outside float32: log10 from -400 and below to +400 and above, and their verdicts.

The truth comes from plain backpropagation in long double, whose range no case here leaves.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.spec import InitSpec, NetworkSpec
from engine.verdict import judge
from tests.engine import reference
from tests.engine.reference_gates import gated_truth
from tests.engine.support import (
    build,
    cell_parameters,
    problem,
    relative_error,
    set_parameters,
    small_spec,
)

#: Decades by which a reported magnitude may miss the true one.
BAR = 1e-3

needs_long_double = pytest.mark.skipif(
    not reference.AVAILABLE, reason="long double is no wider than float64 on this machine"
)


def deep_sigmoid(dtype="float32", depth=400):
    return NetworkSpec(
        kind="mlp",
        activation="sigmoid",
        depth=depth,
        hidden_size=24,
        batch_size=8,
        input_shape=(24,),
        dtype=dtype,
    )


def recurrent(kind="rnn", activation="tanh", steps=2000, dtype="float32", **changes):
    return NetworkSpec(
        kind=kind,
        activation=activation,
        depth=changes.pop("depth", 1),
        hidden_size=changes.pop("hidden_size", 8),
        batch_size=4,
        input_shape=(2,),
        time_steps=steps,
        dtype=dtype,
    )


def assert_true(network, x, target, fields, cell=0, except_for=()):
    """Every magnitude of one cell within BAR decades of long double's, zeros where it has zeros."""
    true = reference.truth(network.spec, cell_parameters(network, cell), x[cell], target[cell])
    for name in ("log10_grad_h", "log10_grad_a"):
        found, expected = getattr(fields, name)[cell], getattr(true, name)
        np.testing.assert_allclose(found, expected, rtol=0, atol=BAR, err_msg=name)
    for name, expected in true.log10_grad_params.items():
        if name not in except_for:
            found = fields.log10_grad_params[name][cell]
            assert found == pytest.approx(expected, abs=BAR), name
    return true


@needs_long_double
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("depth", [400, 500, 700])
def test_deep_sigmoid_mlp(dtype, depth):
    spec = deep_sigmoid(dtype, depth)
    network = build(spec, InitSpec(weight_scale=1.0))
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    true = assert_true(network, x, target, fields)
    assert true.log10_grad_h[0, 0] < -0.58 * depth
    verdict = judge(fields.log10_grad_h[0], recurrent=False)
    assert (verdict.name, verdict.hops) == ("vanishing", depth - 1)


def test_where_autograd_says_zero(peer):
    """Depth 400 in float32: autograd loses the gradient, and in float64 it agrees with us."""
    spec = deep_sigmoid()
    network = build(spec, InitSpec(weight_scale=1.0))
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    narrow = peer.run(spec, cell_parameters(network), x[0], target[0])
    wide = peer.run(deep_sigmoid("float64"), cell_parameters(network), x[0], target[0])
    assert narrow.log10_grad_h[0, 0] == -math.inf
    assert not narrow.gradients["layer1.W"].any()
    assert -290.0 < fields.log10_grad_h[0, 0, 0] < -220.0
    np.testing.assert_allclose(fields.log10_grad_h[0], wide.log10_grad_h, rtol=0, atol=BAR)
    # The gradient itself comes back in float64, because float32 cannot hold it.
    gradient = network.gradient("layer1.W")[0]
    assert gradient.dtype == np.float64
    true = wide.gradients["layer1.W"] * 1e250
    assert relative_error(gradient * 1e250, true) < 1e-3


@needs_long_double
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["rnn", "indrnn"])
def test_contracting_recurrence(kind, dtype):
    spec = recurrent(kind, dtype=dtype)
    network = build(spec, InitSpec(scheme="uniform", recurrent_scale=0.6, bias_scale=0.1))
    if kind == "indrnn":
        set_parameters(network, layer1_u=np.linspace(0.3, 0.65, 8))
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    true = assert_true(network, x, target, fields)
    assert true.log10_grad_h[0, 0] < -400
    assert judge(fields.log10_grad_h[0], recurrent=True).name == "vanishing"


def exploding(kind, dtype, factors=(1.6,)):
    """Units 1 and 2 grow by `factor` a step backwards and stay exactly 0 forwards, one layer each.

    Units 3 and 4 are twins, and what feeds units 1 and 2 takes one minus the other. So gradients
    pass 1e+400 in every layer while the forward pass is tame. IndRNN's u meets those units' h,
    which is 0, so its gradient is what the other units leave, 400 decades below the layer's
    largest: out of reach of one exponent a layer, and not asked for.
    """
    spec = recurrent(kind, "tanh", dtype=dtype, hidden_size=4, depth=len(factors))
    network = build(spec, InitSpec())
    for layer, factor in enumerate(factors, start=1):
        if layer == 1:
            inward = np.array([[0.0, 0.0, 0.5, 0.5]] * 2)
        else:
            inward = np.array([[1, 1, 0, 0], [1, -1, 0, 0], [1, 1, 1, 1], [-1, -1, 1, 1]]) * 0.5
        decay = np.array([factor, 0.9 * factor, 0.5, 0.5])
        name, value = ("U", np.diag(decay)) if kind == "rnn" else ("u", decay)
        network.parameters[f"layer{layer}.W"][0] = inward
        network.parameters[f"layer{layer}.b"][0] = 0.0
        network.parameters[f"layer{layer}.{name}"][0] = value
    network.parameters["readout.W"][0] = 1.0
    return network


@needs_long_double
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["rnn", "indrnn"])
def test_exploding_twin(kind, dtype):
    network = exploding(kind, dtype)
    x, target = problem(network.spec)
    fields = network.evaluate(x, target)
    true = assert_true(network, x, target, fields, except_for=("layer1.u",))
    assert true.log10_grad_h[0, 0] > 400
    assert true.log10_grad_params["layer1.W"] > 400
    assert fields.overflow == [None]
    verdict = judge(fields.log10_grad_h[0], recurrent=True)
    assert verdict.name == "exploding"
    assert verdict.decades_per_hop == pytest.approx(math.log10(1.6), abs=1e-3)


@needs_long_double
@pytest.mark.parametrize("kind", ["rnn", "indrnn"])
@pytest.mark.parametrize("depth", [2, 3])
def test_stacked_recurrent_layers_far_outside_float32(kind, depth):
    """Layers whose gradients differ by hundreds of decades at one step meet at the join."""
    spec = recurrent(kind, "tanh", steps=700, depth=depth)
    network = build(spec, InitSpec(scheme="uniform", recurrent_scale=0.4, weight_scale=0.8))
    for layer in range(1, depth + 1):
        name = f"layer{layer}.{'U' if kind == 'rnn' else 'u'}"
        # The top layer forgets fastest, so the lower ones take over far from the loss.
        network.parameters[name][...] *= 0.5 if layer == depth else 1.0
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    true = assert_true(network, x, target, fields)
    assert true.log10_grad_h.min() < -100


@needs_long_double
@pytest.mark.parametrize("kind", ["rnn", "indrnn"])
@pytest.mark.parametrize("factors", [(1.7, 0.3), (0.3, 1.7), (1.7, 1.6), (0.4, 1.6, 0.3)])
def test_explosive_layers_above_and_below_contracting_ones(kind, factors):
    network = exploding(kind, "float32", factors)
    x, target = problem(network.spec)
    fields = network.evaluate(x, target)
    assert fields.overflow == [None]
    lost = tuple(f"layer{layer}.u" for layer in range(1, len(factors) + 1))
    true = assert_true(network, x, target, fields, except_for=lost)
    assert true.log10_grad_h.max() > 400


@needs_long_double
def test_cells_of_one_stack_keep_their_own_exponents():
    """Vanishing, healthy and exploding side by side: each as right as when it runs alone."""
    spec = recurrent("rnn", "linear", steps=1500, hidden_size=6)
    network = build(spec, *(InitSpec(seed=seed) for seed in range(3)))
    for cell, scale in enumerate((0.4, 1.0, 1.9)):
        network.parameters["layer1.U"][cell] = scale * np.eye(6)
        network.parameters["layer1.b"][cell] = 0.0
    x, target = problem(spec, cells=3)
    # Without input the explosive cell stays at 0 forwards.
    x[...] = 0.0
    fields = network.evaluate(x, target)
    for cell in range(3):
        assert_true(network, x, target, fields, cell)
    ends = fields.log10_grad_h[:, 0, 0]
    assert ends[0] < -400
    assert abs(ends[1]) < 5
    assert ends[2] > 400


def assert_gates_true(network, x, target):
    fields = network.evaluate(x, target)
    true = gated_truth(network.spec, cell_parameters(network), x[0], target[0])
    np.testing.assert_allclose(fields.log10_grad_h[0], true.log10_grad_h, rtol=0, atol=BAR)
    assert set(fields.log10_path) == set(true.log10_path)
    for name, expected in true.log10_path.items():
        np.testing.assert_allclose(fields.log10_path[name][0], expected, rtol=0, atol=BAR)
    return true


@needs_long_double
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("depth", [1, 2])
def test_paths_of_contracting_gates(kind, dtype, depth):
    spec = recurrent(kind, steps=1600 // depth, dtype=dtype, depth=depth)
    network = build(spec, InitSpec(weight_scale=0.3, recurrent_scale=0.3))
    # The top layer forgets faster, so that the lower one's scales are other ones.
    for layer in range(1, depth + 1):
        network.parameters[f"layer{layer}.b"][...] = -0.5 * layer
    true = assert_gates_true(network, *problem(spec))
    assert true.log10_path["kept"].min() < -200


@needs_long_double
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_paths_of_exploding_gates(kind, dtype):
    """Without input every gate stays at 1/2 and h at 0, while U = 4 I multiplies by 3/2 a step."""
    spec = recurrent(kind, steps=2400, dtype=dtype)
    network = build(spec, InitSpec())
    candidate = slice(16, 24)
    network.parameters["layer1.U"][...] = 0.0
    network.parameters["layer1.U"][0, :, candidate] = 4.0 * np.eye(8)
    x, target = problem(spec)
    x[...] = 0.0
    true = assert_gates_true(network, x, target)
    assert true.log10_path["kept"].max() > 400
    np.testing.assert_allclose(np.diff(true.log10_path["kept"][0, 5:-5]), -np.log10(1.5))


@pytest.mark.parametrize("scale", [1e-3, 1e-6, 1e4, 1e7])
@needs_long_double
def test_violent_hops(scale):
    """One hop may change the gradient by many decades; rescaling must not come too late."""
    spec = NetworkSpec("mlp", "linear", 60, 16, 4, (16,), dtype="float32")
    network = build(spec, InitSpec())
    for layer in range(1, spec.depth + 1):
        weight = network.parameters[f"layer{layer}.W"]
        # Forwards the first unit alone is used, by factor 1; backwards the others count.
        weight[...] *= scale
        weight[:, 0, :] = 0.0
        weight[:, 0, 0] = 1.0
        weight[:, 1:, 0] = scale
        network.parameters[f"layer{layer}.b"][...] = 0.0
    x, target = problem(spec)
    x[..., 1:] = 0.0
    fields = network.evaluate(x, target)
    assert_true(network, x, target, fields)


@needs_long_double
@pytest.mark.parametrize("size", [1e-30, 1e-10, 1e12, 1e18])
def test_tiny_and_huge_targets(size):
    """dL/dy itself may be near the ends of float32."""
    spec = small_spec("mlp", "tanh", dtype="float32")
    network = build(spec)
    x, target = problem(spec)
    if size < 1.0:
        set_parameters(network, readout_W=0.0, readout_b=0.0)
        network.parameters["readout.W"][...] = size
    target *= size
    fields = network.evaluate(x, target)
    true = reference.truth(spec, cell_parameters(network), x[0], target[0])
    np.testing.assert_allclose(fields.log10_grad_h[0], true.log10_grad_h, atol=BAR)
    for name, expected in true.log10_grad_params.items():
        assert fields.log10_grad_params[name][0] == pytest.approx(expected, abs=BAR), name


@pytest.mark.parametrize("cells", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_overflow_is_named_at_its_layer(dtype, cells):
    """h_l = 10^l: float32 ends at 3.4e38, float64 at 1.8e308."""
    spec = NetworkSpec("mlp", "linear", 60, 1, 3, (1,), dtype=dtype)
    network = build(spec, *[InitSpec()] * cells)
    for layer in range(1, 61):
        network.parameters[f"layer{layer}.W"][0] = 10.0
    if cells == 2:
        for layer in range(1, 61):
            network.parameters[f"layer{layer}.W"][1] = 1.0
    x, target = np.ones((cells, 1, 3, 1), dtype=dtype), np.zeros((cells, 3, 1), dtype=dtype)
    fields = network.evaluate(x, target)
    if dtype == "float32":
        assert (fields.overflow[0].layer, fields.overflow[0].step) == (39, 1)
        assert np.isnan(fields.log10_grad_h[0]).any()
        verdict = judge(fields.log10_grad_h[0], recurrent=False, overflow=fields.overflow[0])
        assert verdict.name == "overflow"
        assert np.isfinite(fields.activation_rms[0, :38]).all()
    else:
        assert fields.overflow[0] is None
        # h_60 = 1e60, and each hop down multiplies by 10.
        hops = -np.diff(fields.log10_grad_h[0, :, 0])
        np.testing.assert_allclose(hops, 1.0, atol=1e-9)
    if cells == 2:
        assert fields.overflow[1] is None
        np.testing.assert_allclose(np.diff(fields.log10_grad_h[1, :, 0]), 0.0, atol=1e-6)


@pytest.mark.parametrize("kind", ["rnn", "indrnn"])
def test_overflow_is_named_at_its_step(kind):
    """h_t = 2 h_{t-1} + 1 = 2^t - 1 rounds to 2^128 at t = 128, one past float32."""
    spec = NetworkSpec(kind, "linear", 2, 1, 2, (1,), time_steps=200, dtype="float32")
    network = build(spec, InitSpec())
    for layer in (1, 2):
        network.parameters[f"layer{layer}.W"][...] = 1.0
        name = "U" if kind == "rnn" else "u"
        network.parameters[f"layer{layer}.{name}"][...] = 2.0 if layer == 1 else 0.0
        network.parameters[f"layer{layer}.b"][...] = 0.0
    x, target = np.ones((1, 200, 2, 1), np.float32), np.zeros((1, 2, 1), np.float32)
    fields = network.evaluate(x, target)
    assert (fields.overflow[0].layer, fields.overflow[0].step) == (1, 128)
    assert np.isfinite(fields.activation_rms[0, 0, :127]).all()


@pytest.mark.parametrize("cells", [1, 2])
@pytest.mark.parametrize("kind", ["rnn", "indrnn"])
def test_a_nan_before_relu_is_an_overflow(kind, cells):
    """At step 2 the input gives -inf and the recurrence +inf: relu may not make that 0."""
    spec = NetworkSpec(kind, "relu", 1, 1, 1, (1,), time_steps=4, dtype="float32")
    network = build(spec, *[InitSpec()] * cells)
    network.parameters["layer1.W"][0] = 1e8
    network.parameters["layer1.b"][...] = 0.0
    network.parameters["layer1.U" if kind == "rnn" else "layer1.u"][0] = 10.0
    x = np.full((cells, 4, 1, 1), 1.0, np.float32)
    x[0, :, 0, 0] = 1e30, -1e31, 1.0, 1.0
    fields = network.evaluate(x, np.zeros((cells, 1, 1), np.float32))
    assert (fields.overflow[0].layer, fields.overflow[0].step) == (1, 2)
    assert fields.activation_rms[0, 0, 0] == pytest.approx(1e38, rel=1e-6)
    assert np.isnan(fields.activation_rms[0, 0, 1:]).all()
    assert np.isnan(fields.loss[0])
    assert fields.overflow[1:] == [None] * (cells - 1)


@pytest.mark.parametrize("kind", ["mlp", "cnn", "rnn"])
def test_an_overflow_in_the_readout_counts_with_the_last_layer(kind):
    spec = small_spec(kind, "linear", dtype="float32")
    network = build(spec, InitSpec(), InitSpec(seed=1))
    network.parameters["readout.W"][0] = 1e38
    x, target = problem(spec, cells=2)
    fields = network.evaluate(np.float32(100.0) * x, target)
    place = fields.overflow[0]
    assert (place.layer, place.step) == (spec.depth, spec.time_steps)
    assert fields.overflow[1] is None
    assert judge(fields.log10_grad_h[0], spec.kind == "rnn", place).name == "overflow"
    assert np.isfinite(fields.log10_grad_h[1]).all()


def test_a_net_recovers_from_overflow():
    """What overflowed once leaves no inf or nan behind in the buffers."""
    spec = small_spec("rnn", "relu", dtype="float32", time_steps=100)
    network = build(spec)
    x, target = problem(spec)
    before = network.evaluate(x, target)
    kept = np.array(network.parameters["layer2.U"])
    network.parameters["layer2.U"][...] = 1e3
    assert network.evaluate(x, target).overflow[0] is not None
    network.parameters["layer2.U"][...] = kept
    after = network.evaluate(x, target)
    assert after.overflow == [None]
    np.testing.assert_array_equal(before.log10_grad_h, after.log10_grad_h)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_dead_relu_is_an_exact_zero(kind):
    spec = small_spec(kind, "relu", depth=4, dtype="float32")
    network = build(spec, InitSpec())
    network.parameters["layer3.b"][...] = -100.0
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    assert fields.zero_fraction[0, 2, 0] == 1.0
    assert (fields.log10_grad_h[0, :2] == -math.inf).all()
    assert fields.log10_grad_a[0, 2, 0] == -math.inf
    assert fields.log10_grad_params["layer1.W"][0] == -math.inf
    verdict = judge(fields.log10_grad_h[0], recurrent=False)
    assert verdict.name == "dead"
    assert verdict.decades is None


@pytest.mark.parametrize("kind", ["rnn", "indrnn"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_dead_recurrent_relu(kind, depth):
    """Dead from some step back: finite above it, exactly zero below, and no crash."""
    spec = small_spec(kind, "relu", depth=depth, time_steps=40, dtype="float32")
    network = build(spec, InitSpec())
    # Every weight positive, so that an input of either sign opens or shuts all units.
    for name, parameter in network.parameters.items():
        parameter[...] = 0.0 if name.endswith(".b") else 0.1
    x, target = problem(spec)
    x[...] = 1.0
    x[:, :25] = -1.0
    fields = network.evaluate(x, target)
    top = fields.log10_grad_h[0, -1]
    assert np.isfinite(top[25:]).all()
    # dL/dh of step 25 (the last shut one) is still reached through step 26.
    assert np.isfinite(top[24])
    assert (top[:24] == -math.inf).all()
    verdict = judge(fields.log10_grad_h[0], recurrent=True)
    assert (verdict.name, verdict.dead_at) == ("dead", (depth, 24))


def test_a_wholly_dead_recurrent_net():
    spec = small_spec("rnn", "relu", time_steps=30, dtype="float32")
    network = build(spec, InitSpec())
    for layer in (1, 2, 3):
        network.parameters[f"layer{layer}.b"][...] = -50.0
    x, target = problem(spec)
    fields = network.evaluate(x, target)
    assert (fields.log10_grad_a == -math.inf).all()
    assert (fields.zero_fraction == 1.0).all()
    assert judge(fields.log10_grad_h[0], recurrent=True).name == "dead"


def test_training_on_an_exact_fit_reports_zero_gradients():
    """Where target = output dL/dy is exactly 0, and so is everything below."""
    spec = small_spec("mlp", "linear", depth=2, dtype="float32")
    network = build(spec, InitSpec())
    x, target = problem(spec)
    x[...] = 0.0
    target[...] = 0.0
    fields = network.evaluate(x, target)
    assert fields.loss[0] == 0.0
    assert (fields.log10_grad_h == -math.inf).all()
    assert judge(fields.log10_grad_h[0], recurrent=False).name == "dead"
