"""The end-to-end Jacobian: linear maps against differences, singular values against known ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.architectures import ARCHITECTURES
from engine.errors import ForwardOverflow
from engine.jacobian import JacobianSpectrum, jacobian_spectrum
from engine.network import Network
from engine.spec import InitSpec
from tests.engine.support import CONNECTED, KINDS, activations_of, build, problem, small_spec

RECURRENT = [kind for kind in KINDS if ARCHITECTURES[kind].recurrent]
FEED_FORWARD = [kind for kind in KINDS if kind not in RECURRENT]

CASES = [
    *(
        pytest.param(kind, {"activation": activation}, id=f"{kind}-{activation}")
        for kind in KINDS
        for activation in activations_of(kind)
    ),
    pytest.param("cnn", {"padding": "circular"}, id="cnn-circular"),
    pytest.param("cnn", {"kernel_size": 4, "padding": "circular"}, id="cnn-even-circular"),
    pytest.param("cnn", {"kernel_size": 4}, id="cnn-even"),
    *(pytest.param(kind, {"bias": False, "depth": 1}, id=f"{kind}-one-layer") for kind in KINDS),
    *CONNECTED,
]


def product(network: Network, x: np.ndarray) -> np.ndarray:
    """The Jacobian as a matrix, (outputs, inputs), by pushing every unit vector."""
    hops = network.linearise(x)
    vectors = np.eye(hops[0].inputs)
    for hop in hops:
        vectors = hop.push(vectors)
    return vectors.T


@pytest.mark.parametrize(("kind", "changes"), CASES)
def test_pull_is_the_transpose_of_push_hop_by_hop(kind, changes):
    spec = small_spec(kind, **changes)
    rng = np.random.default_rng(0)
    hops = build(spec).linearise(problem(spec)[0])
    assert len(hops) == (spec.time_steps - 1 if kind in RECURRENT else spec.depth)
    for hop in hops:
        v = rng.standard_normal((7, hop.inputs))
        u = rng.standard_normal((7, hop.outputs))
        pushed, pulled = hop.push(v), hop.pull(u)
        assert pushed.shape == u.shape and pulled.shape == v.shape
        size = np.linalg.norm(pushed) * np.linalg.norm(u)
        assert abs(np.sum(pushed * u) - np.sum(v * pulled)) <= 1e-13 * size
        assert hop.work > 0


@pytest.mark.parametrize(
    ("kind", "changes"),
    [case for case in CASES if case.values[0] in FEED_FORWARD],
)
def test_feed_forward_pushes_match_central_differences(kind, changes):
    # Batch statistics are fixed where the Jacobian is taken, and differences would move them.
    if changes.get("norm") == "batch":
        changes = {**changes, "batch_size": 4000}
    spec = small_spec(kind, **changes)
    network = build(spec)
    x, _ = problem(spec)
    # Not the seed of x: layer normalisation is blind to a change of x's own size.
    rng = np.random.default_rng(5)
    jacobian = product(network, x)
    direction = rng.standard_normal(spec.input_shape)
    smooth = spec.activation not in ("relu", "leaky_relu", "elu", "selu")
    step = 1e-5 if smooth else 1e-7
    outputs = []
    for sign in (1.0, -1.0):
        moved = x.copy()
        moved[0, 0, 0] += sign * step * direction
        network.linearise(moved)
        outputs.append(network.layers[-1].arrays.own["h"][0, 0, 0].copy().ravel())
    found = (outputs[0] - outputs[1]) / (2.0 * step)
    expected = jacobian @ direction.ravel()
    bar = 5e-3 if spec.norm == "batch" else 1e-6 if smooth else 1e-5
    assert np.linalg.norm(found - expected) <= bar * np.linalg.norm(expected)


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("depth", [1, 2])
def test_states_of_recurrent_cells_match_central_differences(kind, depth):
    """h_1 cannot be moved from outside, but a bias of step 1 alone does: x_1 moves through W."""
    spec = small_spec(kind, depth=depth, input_shape=(6,), bias=False)
    network = build(spec)
    x, _ = problem(spec)
    jacobian = product(network, x)
    top = network.layers[-1].arrays.own
    rng = np.random.default_rng(2)
    direction = rng.standard_normal(6)
    step, ends = 1e-5, []
    for sign in (1.0, -1.0):
        moved = x.copy()
        moved[0, 0, 0] += sign * step * direction
        if depth == 2:
            # Only what the first layer adds to the second at step 1 may move.
            network.linearise(moved)
            below = network.layers[0].arrays.own["h"][0, 1, 0].copy()
            network.linearise(x)
            reads = network.layers[0].arrays.own["h"][:, 1:].copy()
            reads[0, 0, 0] = below
            network.layers[1].forward(reads)
        else:
            network.linearise(moved)
        parts = [top["h"][0, [1, -1], 0]] + ([top["c"][0, [1, -1], 0]] if "c" in top else [])
        ends.append(np.concatenate([part.copy() for part in parts], axis=1))
    first, last = (ends[0] - ends[1]) / (2.0 * step)
    error = np.linalg.norm(jacobian @ first - last)
    assert error <= 1e-6 * np.linalg.norm(last)


@pytest.mark.parametrize(("kind", "changes"), CASES)
def test_exact_values_are_those_of_the_matrix(kind, changes):
    spec = small_spec(kind, **changes)
    network = build(spec)
    x, _ = problem(spec)
    spectrum = jacobian_spectrum(network, x)
    jacobian = product(network, x)
    values = np.linalg.svd(jacobian, compute_uv=False)
    assert spectrum.method == "exact" and spectrum.log10_floor is None
    assert (spectrum.outputs, spectrum.inputs) == jacobian.shape
    assert len(spectrum.log10_values) + spectrum.zeros == spectrum.count == len(values)
    # LAPACK's own small values are only good to rounding beside the largest.
    found = np.append(10.0**spectrum.log10_values, [0.0] * int(spectrum.zeros))
    np.testing.assert_allclose(found, values, rtol=1e-10, atol=1e-13 * values[0])


def test_a_network_keeps_what_it_holds():
    for kind in KINDS:
        spec = small_spec(kind, dtype="float32")
        network = build(spec)
        x, target = problem(spec)
        before = network.evaluate(x, target)
        gradients = {name: network.gradient(name) for name in network.parameters}
        jacobian_spectrum(network, x)
        for name, gradient in gradients.items():
            np.testing.assert_array_equal(network.gradient(name), gradient)
        after = network.evaluate(x, target)
        np.testing.assert_array_equal(after.log10_grad_h, before.log10_grad_h)


def test_the_dtype_of_the_run_changes_nothing_but_the_parameters():
    spec = small_spec("mlp", depth=30, hidden_size=12)
    double = build(spec)
    single = build(replace(spec, dtype="float32"))
    for name, parameter in single.parameters.items():
        double.parameters[name][...] = parameter
    x = problem(spec)[0].astype(np.float32)
    ours, theirs = jacobian_spectrum(single, x), jacobian_spectrum(double, x.astype(np.float64))
    np.testing.assert_allclose(ours.log10_values, theirs.log10_values, atol=1e-12)


def test_cells_of_a_stack_have_their_own():
    spec = small_spec("rnn")
    inits = [InitSpec(recurrent_scale=0.5, seed=1), InitSpec(recurrent_scale=2.0, seed=2)]
    x, _ = problem(spec, cells=2)
    stack = build(spec, *inits)
    for cell, init in enumerate(inits):
        alone = jacobian_spectrum(build(spec, init), x[cell : cell + 1])
        found = jacobian_spectrum(stack, x, cell=cell)
        np.testing.assert_allclose(found.log10_values, alone.log10_values, atol=1e-12)


@pytest.mark.parametrize("kind", ["mlp", "rnn"])
def test_orthogonal_linear_networks_are_isometries(kind):
    shape = {"input_shape": (16,)} if kind == "mlp" else {"time_steps": 100}
    spec = small_spec(kind, "linear", depth=50 if kind == "mlp" else 1, hidden_size=16, **shape)
    network = build(spec, InitSpec(scheme="orthogonal"))
    for method in ("exact", "golub-kahan"):
        spectrum = jacobian_spectrum(network, problem(spec)[0], method=method)
        np.testing.assert_allclose(spectrum.log10_values, 0.0, atol=1e-12)
        assert spectrum.zeros == 0
        assert spectrum.log10_condition == pytest.approx(0.0, abs=1e-12)


def test_a_delta_orthogonal_linear_cnn_is_an_isometry():
    spec = small_spec("cnn", "linear", depth=40, hidden_size=6, padding="circular")
    network = build(spec, InitSpec(scheme="delta_orthogonal"))
    spectrum = jacobian_spectrum(network, problem(spec)[0])
    np.testing.assert_allclose(spectrum.log10_values, 0.0, atol=1e-12)


def test_a_delta_orthogonal_tanh_cnn_stays_near_isometry_where_a_gaussian_one_does_not():
    """Xiao et al. 2018: at the critical point q* -> 0, and small inputs keep tanh linear."""
    spec = small_spec("cnn", depth=60, hidden_size=6, padding="circular")
    x = 0.05 * problem(spec)[0]
    conditions = {
        scheme: jacobian_spectrum(build(spec, InitSpec(scheme=scheme)), x).log10_condition
        for scheme in ("delta_orthogonal", "gaussian")
    }
    assert conditions["delta_orthogonal"] < 0.5 < 4.0 < conditions["gaussian"]


def test_the_second_moment_of_gaussian_linear_products():
    """E[|J|_F^2] / n = sigma_w^(2 D) for independent Gaussian layers (Saxe et al. 2014, sec. 3)."""
    depth, width = 4, 60
    spec = small_spec("mlp", "linear", depth=depth, hidden_size=width, input_shape=(width,))
    moments = []
    for seed in range(20):
        network = build(spec, InitSpec(weight_scale=1.1, seed=seed))
        spectrum = jacobian_spectrum(network, problem(spec)[0])
        moments.append(np.mean(10.0 ** (2.0 * spectrum.log10_values)))
    # The standard deviation of the mean over seeds is below 1.5 %.
    assert np.mean(moments) == pytest.approx(1.1 ** (2 * depth), rel=0.06)


@pytest.mark.parametrize("kind", ["mlp", "rnn"])
def test_magnitudes_far_outside_float64(kind):
    length = {"depth": 600} if kind == "mlp" else {"time_steps": 601, "depth": 1}
    spec = small_spec(kind, "sigmoid", hidden_size=10, input_shape=(10,), **length)
    network = build(spec, InitSpec(scheme="orthogonal"))
    x, _ = problem(spec)
    spectrum = jacobian_spectrum(network, x)
    # Slopes are at most 1/4, and U and W isometries: 600 hops cost at least 361 decades.
    assert spectrum.largest < -361.0 and spectrum.zeros == 0
    assert np.isfinite(spectrum.log10_values).all()
    # The determinant is the product of all slopes, whatever the rotations.
    slopes = _sigmoid_slopes(network, x)
    assert spectrum.log10_values.sum() == pytest.approx(np.log10(slopes).sum(), abs=1e-6)
    estimate = jacobian_spectrum(network, x, method="golub-kahan")
    assert estimate.largest == pytest.approx(spectrum.largest, abs=1e-8)


def _sigmoid_slopes(network: Network, x: np.ndarray) -> np.ndarray:
    network.loss(x, np.zeros((1, 4, 2)))
    if ARCHITECTURES[network.spec.kind].recurrent:
        h = network.layers[-1].arrays.own["h"][0, 2:, 0]
    else:
        h = np.stack([layer.arrays.own["h"][0, 0, 0] for layer in network.layers])
    return h * (1.0 - h)


def test_closed_relus_are_exact_zeros():
    spec = small_spec("mlp", "relu", depth=8, hidden_size=30, input_shape=(30,))
    network = build(spec, InitSpec(scheme="he"))
    x, _ = problem(spec)
    spectrum = jacobian_spectrum(network, x)
    network.loss(x, np.zeros((1, 4, 2)))
    active = min(int((lay.arrays.own["h"][0, 0, 0] > 0.0).sum()) for lay in network.layers)
    assert 0 < active < 30
    assert spectrum.zeros >= 30 - active
    assert spectrum.smallest == -math.inf and spectrum.log10_condition == math.inf
    network.parameters["layer4.b"][...] = -1e9
    dead = jacobian_spectrum(network, x)
    assert dead.zeros == 30 and dead.largest == dead.median == -math.inf
    estimate = jacobian_spectrum(network, x, method="golub-kahan")
    assert estimate.zeros == 30 and estimate.largest == -math.inf


def test_golub_kahan_against_exact_on_a_mid_size_network():
    spec = small_spec("mlp", depth=3, hidden_size=300, input_shape=(260,))
    network = build(spec, InitSpec(scheme="orthogonal", weight_scale=1.2))
    x, _ = problem(spec)
    exact = jacobian_spectrum(network, x)
    estimate = jacobian_spectrum(network, x, method="golub-kahan")
    assert (exact.method, estimate.method) == ("exact", "golub-kahan")
    assert estimate.largest == pytest.approx(exact.largest, abs=1e-6)
    assert estimate.weights.sum() + estimate.zeros == pytest.approx(260.0)
    # Moments of the density: few start vectors leave an error of 1 / sqrt(n starts).
    for power in (1.0, 2.0, 4.0):
        true = np.mean(10.0 ** (power * exact.log10_values))
        found = np.sum(estimate.weights * 10.0 ** (power * estimate.log10_values)) / 260.0
        assert found == pytest.approx(true, rel=0.1)
    assert estimate.median == pytest.approx(exact.median, abs=0.1)
    # What the estimate leaves open is no more than there is below its floor, give or take a node.
    below = int((exact.log10_values < estimate.log10_floor).sum())
    assert estimate.zeros < 0.1 * 260 and below < 0.1 * 260


def test_golub_kahan_says_how_much_it_cannot_resolve():
    spec = small_spec("mlp", depth=30, hidden_size=200, input_shape=(200,))
    network = build(spec, InitSpec(seed=3))
    x, _ = problem(spec)
    exact = jacobian_spectrum(network, x)
    estimate = jacobian_spectrum(network, x, method="golub-kahan")
    assert exact.log10_condition > 30.0
    below = int((exact.log10_values < estimate.log10_floor).sum())
    assert estimate.zeros == pytest.approx(below, abs=0.1 * 200)
    assert estimate.smallest == -math.inf


def test_golub_kahan_with_as_many_steps_as_values_finds_them_all():
    spec = small_spec("lstm", depth=1, time_steps=3)
    network = build(spec)
    x, _ = problem(spec)
    exact = jacobian_spectrum(network, x)
    estimate = jacobian_spectrum(network, x, method="golub-kahan")
    distance = np.abs(estimate.log10_values[:, None] - exact.log10_values)
    assert (distance.min(axis=0) < 1e-8).all() and (distance.min(axis=1) < 1e-8).all()


@pytest.mark.parametrize("kind", RECURRENT)
def test_one_time_step_is_the_identity(kind):
    spec = small_spec(kind, time_steps=1)
    spectrum = jacobian_spectrum(build(spec), problem(spec)[0])
    assert spectrum.of == ("d (h, c)_1 / d (h, c)_1" if kind == "lstm" else "d h_1 / d h_1")
    np.testing.assert_allclose(spectrum.log10_values, 0.0, atol=1e-14)
    assert spectrum.count == (12 if kind == "lstm" else 6)


def test_a_forward_pass_that_overflows_is_said():
    spec = small_spec("mlp", "linear", depth=400)
    network = build(spec, InitSpec(weight_scale=1e3))
    with pytest.raises(ForwardOverflow, match="layer"):
        jacobian_spectrum(network, problem(spec)[0])


def test_the_median_counts_weights_and_zeros():
    def spectrum(values, weights, zeros):
        return JacobianSpectrum(
            np.array(values), np.array(weights), zeros, None, "", "exact", 9, 9, 0.0
        )

    assert spectrum([2.0, 1.0, 0.0], [1.0, 1.0, 1.0], 0.0).median == 1.0
    assert spectrum([2.0, 1.0, 0.0], [0.2, 0.2, 2.6], 0.0).median == 0.0
    assert spectrum([2.0, 1.0], [1.0, 1.0], 5.0).median == -math.inf


@pytest.mark.parametrize(
    ("kind", "changes"),
    [*((kind, {}) for kind in KINDS), ("cnn", {"convolution": "winograd"})],
)
def test_of_a_stack_the_first_cell_is_meant(kind, changes):
    spec = small_spec(kind, **changes)
    x, _ = problem(spec, cells=3)
    stack = build(spec, *(InitSpec(seed=seed) for seed in (1, 2, 3)))
    alone = build(spec, InitSpec(seed=1))
    one, other = product(stack, x), product(alone, x[:1])
    assert np.abs(one - other).max() <= 1e-13 * np.abs(other).max() and one.any()
