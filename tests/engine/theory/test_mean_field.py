"""Fixed points, edges and phases against the papers' figures and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.activations import ACTIVATIONS
from engine.theory.correlations import correlation_map
from engine.theory.mean_field import (
    MeanField,
    depth_scale,
    edge_of_chaos,
    is_scale_free,
    phase_of,
    same_at_every_variance,
)
from tests.engine.theory.support import Erf, erf_kernel

TANH, RELU = ACTIVATIONS["tanh"], ACTIVATIONS["relu"]


def value(map_, c):
    """C(c) as the power series that it is."""
    return map_.constant + map_.weights @ np.power(c, np.arange(len(map_.weights)))


@pytest.mark.parametrize(
    ("bias_variance", "weight_variance"),
    [(0.0, 1.0), (1e-3, 1.189190), (0.05, 1.760955), (1.0, 3.443211)],
)
def test_the_edge_of_tanh_is_where_the_papers_have_it(bias_variance, weight_variance):
    edge = edge_of_chaos(TANH, bias_variance)
    assert edge == pytest.approx(weight_variance, abs=1e-6)
    field = MeanField(TANH, edge, bias_variance)
    q = field.fate(1.0).q
    assert field.chi(q) == pytest.approx(1.0, abs=1e-10)
    if bias_variance == 0.05:
        assert q == pytest.approx(0.570048, abs=1e-6)


def test_an_ordered_tanh_network_has_the_papers_figures():
    field = MeanField(TANH, 1.5, 0.05)
    fate = field.fate(1.0)
    assert fate.kind == "settles"
    assert fate.q == pytest.approx(0.418037, abs=1e-6)
    chi = field.chi(fate.q)
    assert chi == pytest.approx(0.938636, abs=1e-6)
    assert depth_scale(chi) == pytest.approx(15.79, abs=5e-3)
    assert phase_of(chi) == "ordered"


def test_sigmoid_reaches_its_edge_at_103():
    edge = edge_of_chaos(ACTIVATIONS["sigmoid"], 0.0)
    assert edge == pytest.approx(103.0, abs=0.05)
    field = MeanField(ACTIVATIONS["sigmoid"], edge, 0.0)
    assert field.chi(field.fate(1.0).q) == pytest.approx(1.0, rel=1e-12)


def test_erf_agrees_with_its_closed_forms():
    erf = Erf()
    assert edge_of_chaos(erf, 0.0) == pytest.approx(math.pi / 4, rel=1e-12)
    field = MeanField(erf, 2.0, 0.1)
    for q in (1e-3, 0.4, 3.0, 50.0):
        assert field.variance_map(q) == pytest.approx(2.0 * erf_kernel(q) + 0.1, rel=1e-12)
        chi = 2.0 * 4.0 / math.pi / math.sqrt(1.0 + 4.0 * q)
        assert field.chi(q) == pytest.approx(chi, rel=1e-12)
    q = field.fate(1.0).q
    map_ = correlation_map(field, q)
    for c in (0.0, 0.2, 0.9, 1.0):
        assert value(map_, c) == pytest.approx((2.0 * erf_kernel(q, c) + 0.1) / q, rel=1e-12)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "linear"])
def test_scale_free_activations_have_one_chi_everywhere(name):
    activation = ACTIVATIONS[name]
    leak = {"relu": 0.0, "leaky_relu": 0.01, "linear": 1.0}[name]
    assert is_scale_free(activation) and same_at_every_variance(activation)
    edge = edge_of_chaos(activation, 0.3)
    assert edge == pytest.approx(2.0 / (1.0 + leak**2), rel=1e-12)
    field = MeanField(activation, 1.4, 0.0)
    chi = 1.4 * (1.0 + leak**2) / 2.0
    assert [field.chi(q) for q in (1e-9, 1.0, 1e9)] == pytest.approx([chi] * 3, rel=1e-12)


def test_relu_where_every_variance_none_or_one_is_fixed():
    assert MeanField(RELU, 2.0, 0.0).fate(0.7).kind == "every"
    assert MeanField(RELU, 2.0, 0.0).fixed_points() == []
    assert MeanField(RELU, 2.0, 0.1).fate(0.7).kind == "grows"
    assert MeanField(RELU, 2.2, 0.0).fate(0.7).kind == "grows"
    assert MeanField(RELU, 1.0, 0.0).fate(0.7).q == 0.0
    assert MeanField(RELU, 1.0, 0.1).fate(0.7).q == pytest.approx(0.2, rel=1e-12)
    # Beyond the grid on which fixed points are looked for.
    assert MeanField(RELU, 2.0 - 2e-9, 1e12).fate(1.0).q == pytest.approx(1e21, rel=1e-5)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
@pytest.mark.parametrize(("weight_variance", "bias_variance"), [(0.9, 0.0), (1.7, 0.2), (5.0, 0.0)])
def test_the_fate_of_a_variance_is_where_iterating_ends(name, weight_variance, bias_variance):
    field = MeanField(ACTIVATIONS[name], weight_variance, bias_variance)
    for start in (0.05, 2.0):
        fate = field.fate(start)
        q = start
        for _ in range(400):
            q = min(field.variance_map(q), 1e30)
        if fate.kind == "grows":
            assert q > 1e3
        elif fate.q == 0.0:
            assert q < 1e-4
        else:
            assert q == pytest.approx(fate.q, rel=1e-6)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_fixed_points_are_fixed_and_their_stability_is_told(name):
    for weight_variance, bias_variance in ((0.9, 0.0), (1.7, 0.2), (2.2, 0.05), (5.0, 0.0)):
        field = MeanField(ACTIVATIONS[name], weight_variance, bias_variance)
        for point in field.fixed_points():
            assert field.variance_map(point.q) == pytest.approx(point.q, rel=1e-10, abs=1e-100)
            near = point.q * 1.001 or 1e-9
            closer = abs(field.variance_map(near) - point.q) < abs(near - point.q)
            assert closer == point.stable


def test_gelu_has_an_unstable_fixed_point_between_dying_out_and_growing():
    field = MeanField(ACTIVATIONS["gelu"], 2.5, 0.0)
    nothing, between = field.fixed_points()
    assert nothing.q == 0.0 and nothing.stable and not between.stable
    assert field.fate(0.9 * between.q).q == 0.0
    assert field.fate(1.1 * between.q).kind == "grows"


def test_an_edge_that_no_variance_stays_at_is_no_edge():
    for name in ("gelu", "silu"):
        assert edge_of_chaos(ACTIVATIONS[name], 0.0) is None
        assert edge_of_chaos(ACTIVATIONS[name], 1.0) is not None
    assert all(edge_of_chaos(ACTIVATIONS["softplus"], b) is None for b in (0.0, 0.1, 1.0))


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "elu", "selu", "gelu", "silu"])
def test_a_network_at_its_edge_settles_there(name):
    activation = ACTIVATIONS[name]
    edge = edge_of_chaos(activation, 1.0)
    field = MeanField(activation, edge, 1.0)
    q = field.fate(1.0).q
    assert field.fate(q * 1.05).q == pytest.approx(q, rel=1e-6)
    assert phase_of(field.chi(q)) == "critical"


def test_the_critical_tanh_network_dies_out_as_a_power_law():
    field = MeanField(TANH, 1.0, 0.0)
    assert field.fate(1.0).q == 0.0
    assert field.chi(0.0) == 1.0
    assert depth_scale(field.chi(0.0)) is None
    assert phase_of(1.0) == "critical"


def test_chi_is_the_slope_of_the_correlation_map_at_1():
    for name, activation in ACTIVATIONS.items():
        field = MeanField(activation, 1.1, 0.3)
        q = 0.8
        map_ = correlation_map(field, q)
        assert map_.slope(1.0) == pytest.approx(field.chi(q), rel=1e-10), name
        difference = (value(map_, 0.501) - value(map_, 0.499)) / 0.002
        assert map_.slope(0.5) == pytest.approx(difference, rel=1e-4), name


def test_c_star_is_1_in_order_and_below_it_in_chaos():
    ordered = MeanField(TANH, 1.5, 0.05)
    assert correlation_map(ordered, ordered.fate(1.0).q).fixed_point() == 1.0
    chaotic = MeanField(TANH, 4.0, 0.3)
    map_ = correlation_map(chaotic, chaotic.fate(1.0).q)
    c_star = map_.fixed_point()
    assert 0.0 < c_star < 1.0
    assert value(map_, c_star) == pytest.approx(c_star, abs=1e-12)
    assert abs(map_.slope(c_star)) < 1.0
    # Without biases an odd activation sends c = 0 to 0.
    unbiased = MeanField(TANH, 4.0, 0.0)
    assert correlation_map(unbiased, unbiased.fate(1.0).q).fixed_point() == 0.0


def test_c_star_just_beyond_the_edge_is_found():
    edge = edge_of_chaos(TANH, 0.05)
    field = MeanField(TANH, edge * 1.0002, 0.05)
    q = field.fate(1.0).q
    map_ = correlation_map(field, q)
    c_star = map_.fixed_point()
    assert 0.99 < c_star < 1.0
    assert value(map_, c_star) == pytest.approx(c_star, abs=1e-12)


def test_c_star_agrees_with_two_inputs_sent_through_a_wide_network():
    # The Gaussian pair itself, sampled: no network, but also no power series.
    field = MeanField(TANH, 4.0, 0.3)
    q = field.fate(1.0).q
    c = correlation_map(field, q).fixed_point()
    rng = np.random.default_rng(0)
    first, other = rng.standard_normal((2, 2_000_000)) * math.sqrt(q)
    second = c * first + math.sqrt(1.0 - c * c) * other
    sampled = (4.0 * float((np.tanh(first) * np.tanh(second)).mean()) + 0.3) / q
    assert sampled == pytest.approx(c, abs=3e-3)


def test_a_variance_to_start_from_must_be_positive():
    with pytest.raises(ValueError, match="must be positive"):
        MeanField(TANH, 1.0, 0.0).fate(0.0)
