"""Finite-time Lyapunov exponents against eigenvalues, determinants and the product's own SVD."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.backend import open_backend
from engine.errors import ForwardOverflow
from engine.jacobian import jacobian_spectrum
from engine.network import Network
from engine.spec import InitSpec, NetworkSpec
from engine.theory.lyapunov import exponents, leading_exponents


def haar(size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


def exponents_of(u, slopes, count=None):
    """Of h_t = phi(x_t W + h_{t-1} U + b), with phi'(a_t) at each step given."""
    push = [lambda tangents, slope=slope: (tangents @ u) * slope for slope in slopes]
    pull = [lambda cotangents, slope=slope: (cotangents * slope) @ u.T for slope in slopes]
    return exponents(push, pull, len(u), len(u) if count is None else count)


def product(u, slopes):
    result = np.eye(len(u))
    for slope in slopes:
        result = (slope[:, None] * u.T) @ result
    return result


def test_linear_rotation_has_the_log_of_its_gain():
    found = exponents_of(0.9 * haar(12), np.ones((50, 12)))
    assert found == pytest.approx(np.full(12, math.log(0.9)), abs=1e-12)


def test_linear_symmetric_u_has_the_logs_of_its_eigenvalues():
    values = np.array([1.3, -1.0, 0.8, 0.5, -0.25, 0.1])
    q = haar(6, 1)
    found = exponents_of(q @ np.diag(values) @ q.T, np.ones((200, 6)))
    assert found == pytest.approx(np.log(np.sort(np.abs(values))[::-1]), abs=1e-6)


def test_any_linear_u_tends_to_the_logs_of_its_eigenvalues():
    basis = np.random.default_rng(3).standard_normal((5, 5))
    values = np.array([1.2, 0.9, 0.6, 0.4, 0.2])
    u = basis @ np.diag(values) @ np.linalg.inv(basis)
    found = exponents_of(u, np.ones((4000, 5)))
    assert found == pytest.approx(np.log(values), abs=3e-3)


def test_finite_time_exponents_are_log_singular_values_of_the_product():
    rng = np.random.default_rng(4)
    u = rng.standard_normal((8, 8)) / math.sqrt(8)
    slopes = rng.uniform(0.2, 1.0, (40, 8))
    found = exponents_of(u, slopes)
    singular = np.linalg.svd(product(u, slopes))[1]
    # The SVD itself resolves only values within 1e-16 of the largest.
    sound = singular > 1e-12 * singular[0]
    assert sound.sum() >= 3
    assert found[sound] == pytest.approx(np.log(singular[sound]) / 40, abs=2e-3)


def test_all_exponents_add_up_to_the_determinant():
    rng = np.random.default_rng(5)
    u = rng.standard_normal((10, 10)) / math.sqrt(10)
    slopes = rng.uniform(0.01, 1.0, (30, 10))
    total = np.linalg.slogdet(u)[1] + np.log(slopes).sum(axis=1).mean()
    assert exponents_of(u, slopes).sum() == pytest.approx(total, rel=1e-10)


def test_a_few_leading_exponents_are_those_of_the_whole_spectrum():
    rng = np.random.default_rng(6)
    u = rng.standard_normal((20, 20)) / math.sqrt(20)
    slopes = rng.uniform(0.5, 1.0, (300, 20))
    leading = exponents_of(u, slopes, count=2)
    assert leading.shape == (2,)
    assert leading == pytest.approx(exponents_of(u, slopes)[:2], abs=2e-3)


def test_directions_behind_closed_gates_die():
    slopes = np.ones((20, 6))
    slopes[7, :2] = 0.0
    found = exponents_of(haar(6, 2), slopes)
    assert np.isneginf(found[-2:]).all()
    assert np.isfinite(found[:4]).all()
    dead = exponents_of(haar(6, 2), np.zeros((3, 6)))
    assert np.isneginf(dead).all()


def test_the_leading_exponent_is_the_rate_of_the_measured_gradient():
    steps = 400
    spec = NetworkSpec("rnn", "tanh", 1, 40, 1, (4,), time_steps=steps, dtype="float64")
    init = InitSpec(weight_scale=0.3, recurrent_scale=1.2)
    network = Network(spec, [init], open_backend("cpu", "float64"))
    rng = np.random.default_rng(7)
    x = rng.standard_normal((1, steps, 1, 4))
    fields = network.evaluate(x, rng.standard_normal((1, 1, 1)))
    decades = fields.log10_grad_h[0, 0, 0] - fields.log10_grad_h[0, 0, -1]
    w, u, b = (network.parameters[f"layer1.{name}"][0] for name in ("W", "U", "b"))
    h, slopes = np.zeros(40), []
    for t in range(steps):
        h = np.tanh(x[0, t, 0] @ w + h @ u + b)
        slopes.append(1.0 - h * h)
    leading = exponents_of(u, np.array(slopes)[1:], count=1)[0]
    assert decades / (steps - 1) == pytest.approx(leading / math.log(10.0), abs=0.01)


@pytest.mark.parametrize("kind", ["rnn", "irnn", "indrnn", "lstm", "gru"])
def test_of_a_network_they_are_the_jacobians_singular_values(kind):
    steps = 60
    spec = NetworkSpec(kind, "tanh", 2, 12, 2, (3,), time_steps=steps)
    scheme = "gaussian" if kind != "irnn" else "identity"
    network = Network(spec, [InitSpec(scheme=scheme)], open_backend("cpu", "float32"))
    x = np.random.default_rng(8).standard_normal((1, steps, 2, 3)).astype(np.float32)
    found = leading_exponents(network, x, 3)
    assert found.shape == (3,)
    values = jacobian_spectrum(network, x).log10_values[:3] / (steps - 1)
    # A ReLU's gates may leave fewer directions than are asked for.
    alive = found[np.isfinite(found)] / math.log(10.0)
    assert alive == pytest.approx(values[: len(alive)], abs=0.01)
    assert len(alive) == min(3, len(values))


def test_of_a_network_that_leaves_float64_or_has_no_hop():
    spec = NetworkSpec("rnn", "relu", 1, 8, 1, (3,), time_steps=40)
    network = Network(spec, [InitSpec(recurrent_scale=1e20)], open_backend("cpu", "float32"))
    with pytest.raises(ForwardOverflow):
        leading_exponents(network, np.ones((1, 40, 1, 3), np.float32), 1)
    short = Network(replace(spec, time_steps=1), [InitSpec()], open_backend("cpu", "float32"))
    with pytest.raises(ValueError, match="no hop"):
        leading_exponents(short, np.ones((1, 1, 1, 3), np.float32), 1)
