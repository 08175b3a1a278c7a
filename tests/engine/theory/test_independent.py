"""Neurons on their own: bounds on u, its histograms, and the law of a draw."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.initialisers import INITIALISERS, WeightSpec
from engine.spec import InitSpec, NetworkSpec
from engine.theory import predict
from engine.theory.gates import chrono_bias, gate_path, log10_gate
from engine.theory.independent import (
    WeightLaw,
    describe_draw,
    largest_weight,
    recurrent_weights,
    relative_variance,
    steepest_slopes,
    weight_law,
    weights_within,
)
from engine.theory.lesson import product_bound_decades, slope_bound, slope_bound_decades

SPEC = NetworkSpec("indrnn", "relu", 1, 100, 4, (3,), time_steps=50)


def test_the_lessons_bound():
    assert slope_bound(0.25, 10) == pytest.approx(9.5367431640625e-07)
    assert slope_bound_decades(0.25, 10) == pytest.approx(-6.0206, abs=1e-4)
    assert slope_bound(1.0, 1000) == 1.0
    assert slope_bound_decades(0.25, 1000) == pytest.approx(-602.06, abs=1e-2)
    assert product_bound_decades(0.25, 4.0, 7) == 0.0
    assert product_bound_decades(1.0, 0.0, 3) == -math.inf
    assert product_bound_decades(1.0, 0.0, 0) == 0.0


def test_histogram_arrays_and_the_papers_line():
    look = recurrent_weights(np.array([0.5, -1.0, 2.0, 0.0]), 2000)
    assert look.line == pytest.approx(2.0 ** (1.0 / 2000))
    assert look.log10_power == pytest.approx([2000 * math.log10(0.5), 0.0, 602.06, -math.inf])
    assert look.log10_bound[0] == look.log10_power[0]
    quarter = recurrent_weights(np.array([4.0]), 10, max_slope=0.25)
    assert quarter.log10_bound[0] == pytest.approx(0.0, abs=1e-12)
    assert quarter.line == pytest.approx(4.0 * 2.0**0.1)
    with pytest.raises(ValueError, match="at least one hop"):
        recurrent_weights(np.ones(2), 0)


@pytest.mark.parametrize(
    ("init", "told"),
    [
        (
            InitSpec("recurrent_range", recurrent_lower=0.0, recurrent_upper=1.0),
            "|u| ~ U(0, 1), so the RMS of u^k is 1 / sqrt(2k + 1)",
        ),
        (
            InitSpec("uniform", recurrent_scale=0.5),
            "|u| ~ U(0, 0.866025), so the RMS of u^k is 0.866025^k / sqrt(2k + 1)",
        ),
        (InitSpec("recurrent_range"), "|u| ~ U(0.986233, 1.01396)"),
        (InitSpec("identity", recurrent_scale=0.9), "|u| = 0.9"),
        (
            InitSpec("gaussian", recurrent_scale=0.1, recurrent_bound=2.0),
            "u ~ N(0, 0.1^2), cut back to 1.01396",
        ),
        (
            InitSpec("identity", recurrent_scale=3.0, recurrent_bound=2.0),
            "|u| = 3, cut back to 1.01396",
        ),
    ],
)
def test_a_draw_in_words(init, told):
    assert describe_draw(SPEC, init) == told


def test_the_range_of_u_that_keeps_T_steps_within_decades():
    low, high = weights_within(3.0, 100)
    assert low**100 == pytest.approx(1e-3) and high**100 == pytest.approx(1e3)
    assert largest_weight(math.log10(2.0), 784) == pytest.approx(2.0 ** (1.0 / 784))
    assert weights_within(1.0, 10, max_slope=0.25)[1] == pytest.approx(4.0 * 10.0**0.1)


def test_the_power_law_of_u_between_0_and_1():
    law = WeightLaw("range", 0.0, 1.0)
    lags = np.arange(200, -1, -1)
    assert steepest_slopes(law, 200) == pytest.approx(-0.5 * np.log10(2 * lags + 1), abs=1e-12)
    assert np.exp(law.log_moment(lags.astype(float))) == pytest.approx(1.0 / (lags + 1))


@pytest.mark.parametrize("scheme", ["gaussian", "uniform", "identity", "recurrent_range"])
def test_moments_are_those_of_the_initialiser(scheme):
    init = InitSpec(scheme, recurrent_scale=0.8, recurrent_lower=0.1, recurrent_upper=1.5)
    spec = replace(SPEC, time_steps=4)
    law = weight_law(scheme, spec, init)
    weight = WeightSpec((400_000,), "vector", 1, 1, 4, True)
    u = INITIALISERS[scheme].draw(np.random.default_rng(0), weight, 0.8, init)
    powers = np.array([0.0, 2.0, 4.0])
    sampled = [float((u**power).mean()) for power in powers]
    assert np.exp(law.log_moment(powers)) == pytest.approx(sampled, rel=0.02)


def test_few_neurons_do_not_show_the_average():
    uniform = WeightLaw("range", 0.0, 1.0)
    variance = relative_variance(uniform, 400, 100)[::-1]
    lag = int(np.argmax(variance > 1.0))
    assert 25 < lag < 45
    init = InitSpec("recurrent_range", recurrent_lower=0.0, recurrent_upper=1.0)
    long = predict(replace(SPEC, time_steps=400), init, 1.0)
    assert long.reach == lag - 1
    assert long.decades is None and "fewer than one of 100" in long.reasons["decades"]


def test_gaussian_u_is_carried_by_the_rare_few_at_once():
    prediction = predict(SPEC, InitSpec("gaussian"), 1.0)
    assert prediction.reach < 5
    assert prediction.bound_decades is None and prediction.reasons["bound_decades"]


def test_every_size_of_u_equal_has_a_rate():
    prediction = predict(SPEC, InitSpec("identity", recurrent_scale=0.9), 1.0)
    assert prediction.decades_per_hop == pytest.approx(math.log10(0.9))
    assert prediction.decades == pytest.approx(49 * math.log10(0.9))
    assert prediction.reach == 49


def test_zero_u_is_told():
    prediction = predict(SPEC, InitSpec("recurrent_range", recurrent_scale=0.0), 1.0)
    assert prediction.log10_gradient is None
    assert "recurrent_scale = 0" in prediction.reasons["log10_gradient"]
    empty = InitSpec("recurrent_range", recurrent_lower=0.0, recurrent_upper=0.0)
    assert "recurrent_upper = 0" in predict(SPEC, empty, 1.0).reasons["log10_gradient"]


def test_gate_paths():
    assert gate_path(0.0, 3) == pytest.approx([-0.90309, -0.60206, -0.30103, 0.0], abs=1e-5)
    assert log10_gate(-2000.0) == pytest.approx(-2000.0 / math.log(10.0))
    assert log10_gate(2000.0) == 0.0
    # The chrono bias forgets a factor of about e over T steps.
    assert 1000 * log10_gate(chrono_bias(1000)) == pytest.approx(-1.0 / math.log(10), rel=1e-3)
    assert chrono_bias(1000) == pytest.approx(math.log(999))
    with pytest.raises(ValueError, match="nothing to remember"):
        chrono_bias(1)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_forget_bias_opens_the_path(kind):
    spec = replace(SPEC, kind=kind, activation="tanh")
    closed = predict(spec, InitSpec(forget_bias=0.0), 1.0)
    opened = predict(spec, InitSpec(forget_bias=1.0), 1.0)
    assert closed.curve == "path" and closed.gate == pytest.approx(0.5)
    assert closed.decades == pytest.approx(49 * math.log10(0.5))
    assert opened.gate == pytest.approx(1.0 / (1.0 + math.exp(-1.0)))
    without = predict(replace(spec, bias=False), InitSpec(forget_bias=1.0), 1.0)
    assert without.gate == pytest.approx(0.5)


@pytest.mark.parametrize("bound", [0.2, 0.7, 0.99, 1.5])
def test_moments_of_u_cut_back_to_a_bound(bound):
    u = np.minimum(np.random.default_rng(3).uniform(0.3, 1.2, 400_000), bound)
    law = WeightLaw("range", 0.3, 1.2).cut(bound)
    powers = np.array([0.0, 2.0, 10.0, 40.0])
    sampled = [(u**power).mean() for power in powers]
    assert np.exp(law.log_moment(powers)) == pytest.approx(sampled, rel=0.02)
    assert law.largest == min(1.2, bound)


def test_a_gaussian_u_cut_back_is_known_by_its_bound_alone():
    spec = NetworkSpec("indrnn", "linear", 1, 64, 8, (4,), time_steps=50)
    found = predict(spec, InitSpec(recurrent_scale=1.0, recurrent_bound=2.0), 1.0)
    assert found.curve == "bound"
    assert found.decades == pytest.approx(49 / 50 * math.log10(2.0))
    assert predict(spec, InitSpec(recurrent_scale=1.0), 1.0).curve == "prediction"
