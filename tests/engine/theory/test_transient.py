"""The variance on its way through a finite network, and the curve it predicts."""

from __future__ import annotations

import numpy as np
import pytest

from engine.activations import ACTIVATIONS
from engine.theory.mean_field import MeanField
from engine.theory.transient import MOST_HOPS, follow, starts_of_noise

TANH, RELU = ACTIVATIONS["tanh"], ACTIVATIONS["relu"]


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_every_variance_is_the_map_of_the_one_before(name):
    field = MeanField(ACTIVATIONS[name], 1.3, 0.1)
    found = follow(field, 0.6, 30)
    q = 0.6
    for place in range(31):
        assert found.q[place, 0] == pytest.approx(q, rel=1e-12)
        assert found.chi[place, 0] == pytest.approx(field.chi(q), rel=1e-12)
        q = field.variance_map(q)


def test_the_curve_multiplies_the_slopes_above_each_layer():
    found = follow(MeanField(TANH, 1.5, 0.05), 2.0, 4)
    curve = found.log10_gradient()
    assert curve[-1] == 0.0
    for layer in range(4):
        product = float(np.prod(found.chi[layer + 1 :]))
        assert curve[layer] == pytest.approx(0.5 * np.log10(product), rel=1e-12)


def test_critical_tanh_falls_as_1_over_2_l_and_its_gradient_as_a_power():
    found = follow(MeanField(TANH, 1.0, 0.0), 1.0, 2000)
    assert found.q[-1, 0] * 2.0 * 2000 == pytest.approx(1.0, rel=0.02)
    curve = found.log10_gradient()
    # chi = 1 - 2 q = 1 - 1 / l, so the amplitude falls as the square root of l.
    assert curve[1000] - curve[-1] == pytest.approx(-0.5 * np.log10(2.0), abs=2e-3)


def test_a_settled_variance_is_not_followed_further():
    found = follow(MeanField(TANH, 1.5, 0.05), 1.0, 1_000_000)
    assert found.q[-1, 0] == pytest.approx(0.418037, abs=1e-6)
    assert found.chi[-1, 0] == pytest.approx(0.938636, abs=1e-6)


@pytest.mark.parametrize(("weight_variance", "bias_variance"), [(2.0, 1.0), (1.0, 0.5), (3.0, 0.0)])
def test_relu_takes_no_integral(weight_variance, bias_variance):
    found = follow(MeanField(RELU, weight_variance, bias_variance), 1.0, 5)
    q = 1.0
    for place in range(6):
        assert found.q[place, 0] == pytest.approx(q, rel=1e-12)
        q = weight_variance * q / 2.0 + bias_variance
    assert np.all(found.chi == weight_variance / 2.0)


def test_growth_and_decay_go_on_beyond_float64_without_a_warning():
    grown = follow(MeanField(ACTIVATIONS["elu"], 4.0, 0.0), 1.0, 5000)
    assert grown.q[-1, 0] == np.inf
    assert grown.chi[-1, 0] == pytest.approx(2.0, rel=1e-6)
    faded = follow(MeanField(TANH, 0.25, 0.0), 1.0, 5000)
    assert faded.q[-1, 0] == 0.0
    assert faded.chi[-1, 0] == pytest.approx(0.25, rel=1e-12)


def test_a_drive_adds_at_every_place_after_the_first():
    field = MeanField(TANH, 1.2, 0.1)
    drive = np.linspace(0.5, 1.0, 8)
    found = follow(field, 0.7, 7, drive)
    q = 0.7
    for place in range(7):
        q = field.variance_map(q) + drive[place + 1]
        assert found.q[place + 1, 0] == pytest.approx(q, rel=1e-12)


def test_a_variance_that_never_settles_is_given_up():
    assert follow(MeanField(TANH, 1.0, 0.0), 1.0, MOST_HOPS + 5) is None


@pytest.mark.parametrize("features", [1, 2, 7, 300])
def test_starts_of_noise_have_the_moments_of_a_chi_square(features):
    starts = starts_of_noise(1.7, 0.2, features)
    size = (starts.q - 0.2) / 1.5
    assert starts.q.min() > 0.2
    assert starts.shares.sum() == pytest.approx(1.0, rel=1e-12)
    assert size @ starts.shares == pytest.approx(1.0, rel=1e-12)
    assert (size - 1.0) ** 2 @ starts.shares == pytest.approx(2.0 / features, rel=1e-10)
    assert (size - 1.0) ** 3 @ starts.shares == pytest.approx(8.0 / features**2, rel=1e-8)


def test_samples_of_many_features_are_all_of_one_size():
    assert starts_of_noise(1.0, 0.0, 5000).q.tolist() == [1.0]


def test_the_curve_is_the_mean_of_squares_over_samples():
    field = MeanField(TANH, 1.5, 0.05)
    starts = starts_of_noise(2.0, 0.05, 3)
    together = follow(field, starts, 6).log10_gradient()
    alone = [10.0 ** (2.0 * follow(field, float(q), 6).log10_gradient()) for q in starts.q]
    expected = 0.5 * np.log10(np.stack(alone, axis=1) @ starts.shares)
    assert together == pytest.approx(expected, abs=1e-12)
