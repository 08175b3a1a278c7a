"""The averages every formula is made of, against adaptive integration at 30 digits."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest

from engine.activations import ACTIVATIONS
from engine.theory.quadrature import ORDERS, evaluate, hermite_spectra, moments
from tests.engine.test_activations import EXACT


def exact_average(function, q):
    """E[function(a)], a ~ N(0, q), with the kink at 0 and the step around it given to mpmath."""
    root = mp.sqrt(q)
    edges = [mp.mpf(x) for x in (0, 0.05, 0.3, 1, 3, 8, 14)]
    with mp.workdps(25):
        return sum(
            mp.quad(lambda z, s=sign: function(s * root * z) * mp.npdf(z), edges)
            for sign in (1, -1)
        )


@pytest.mark.parametrize("name", list(ACTIVATIONS))
@pytest.mark.parametrize("q", [0.7, 60.0])
def test_averages_are_exact(name, q):
    phi, slope = EXACT[name]
    found = moments(ACTIVATIONS[name], q)
    for value, function in (
        (found.square, lambda a: phi(a) ** 2),
        (found.slope_square, lambda a: slope(a) ** 2),
        (found.slope_fourth, lambda a: slope(a) ** 4),
    ):
        assert float(value) == pytest.approx(float(exact_average(function, q)), rel=1e-12)


def test_selu_keeps_variance_1_with_chi_in_closed_form():
    # E[phi'^2] = scale^2 / 2 + (scale alpha)^2 e^2 Phi(-2), by completing the square.
    selu = ACTIVATIONS["selu"]
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    chi = scale**2 / 2 + (scale * alpha) ** 2 * math.exp(2.0) * 0.5 * math.erfc(math.sqrt(2.0))
    found = moments(selu, 1.0)
    assert float(found.square) == pytest.approx(1.0, abs=1e-12)
    assert float(found.slope_square) == pytest.approx(chi, abs=1e-12)
    assert chi == pytest.approx(1.071575, abs=1e-6)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_growth_is_the_derivative_of_the_mean_square(name):
    activation = ACTIVATIONS[name]
    for q in (1e-2, 1.0, 30.0):
        step = 1e-5 * q
        ends = moments(activation, np.array([q - step, q + step])).square
        difference = (ends[1] - ends[0]) / (2.0 * step)
        assert float(moments(activation, q).growth) == pytest.approx(difference, rel=1e-6)


@pytest.mark.parametrize("root", [1e3, 1e6])
def test_a_step_far_sharper_than_the_gaussian_is_resolved(root):
    # tanh(root z) is a sign but near 0, where phi'^2 has area 4 / 3 and 1 - phi^2 has area 2.
    found = moments(ACTIVATIONS["tanh"], root**2)
    density = 1.0 / math.sqrt(2.0 * math.pi)
    assert float(found.slope_square) == pytest.approx(4.0 / 3.0 / root * density, rel=1e-5)
    assert 1.0 - float(found.square) == pytest.approx(2.0 / root * density, rel=1e-3)


def test_the_limit_of_no_variance_sees_both_sides_of_a_kink():
    assert float(moments(ACTIVATIONS["relu"], 0.0).slope_square) == 0.5
    selu = ACTIVATIONS["selu"]
    expected = 0.5 * (selu.scale**2 + selu.max_slope**2)
    assert float(moments(selu, 0.0).slope_square) == pytest.approx(expected, rel=1e-12)
    assert float(moments(ACTIVATIONS["sigmoid"], 0.0).square) == 0.25


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_hermite_spectra_add_up_and_are_never_negative(name):
    activation = ACTIVATIONS[name]
    for q in (1e-3, 1.0, 40.0):
        spectrum, slopes = hermite_spectra(activation, q)
        assert spectrum.shape == slopes.shape == (ORDERS + 1,)
        assert spectrum.min() >= 0.0 and slopes.min() >= 0.0
        at = moments(activation, q)
        assert spectrum.sum() == pytest.approx(float(at.square), rel=1e-12)
        assert slopes.sum() == pytest.approx(float(at.slope_square), rel=1e-12)


def test_hermite_spectrum_of_relu_gives_the_arc_cosine_kernel():
    # Cho and Saul 2009: E[relu relu'] = (sin t + (pi - t) cos t) / 2 pi at angle t, q = 1.
    spectrum, slopes = hermite_spectra(ACTIVATIONS["relu"], 1.0)
    for c in (0.0, 0.3, 0.8, 0.95):
        angle = math.acos(c)
        powers = c ** np.arange(ORDERS + 1)
        kernel = (math.sin(angle) + (math.pi - angle) * c) / (2.0 * math.pi)
        assert float(spectrum @ powers) == pytest.approx(kernel, abs=1e-6)
        assert float(slopes @ powers) == pytest.approx(0.5 - angle / (2.0 * math.pi), abs=1e-4)


def test_evaluate_leaves_its_argument_alone():
    a = np.array([-1.0, 0.5, 40.0])
    kept = a.copy()
    h, slope = evaluate(ACTIVATIONS["sigmoid"], a)
    assert np.array_equal(a, kept)
    assert h.shape == slope.shape == a.shape
