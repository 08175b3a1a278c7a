"""Spectra of a given U, random-matrix values, and what an RNN's prediction says and refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.backend import open_backend
from engine.initialisers import INITIALISERS
from engine.network import Network
from engine.spec import InitSpec, NetworkSpec
from engine.theory import predict
from engine.theory.reach import TOLERANCE_DECADES, trusted_hops
from engine.theory.recurrent import largest_singular_value, spectral_radius


def rnn(activation="tanh", **changes):
    shape = {"depth": 1, "hidden_size": 400, "batch_size": 4, "input_shape": (8,), "time_steps": 20}
    return NetworkSpec("rnn", activation, **(shape | changes))


def test_spectra_of_known_matrices():
    rotation = np.array([[0.0, -2.0], [2.0, 0.0]])
    assert spectral_radius(rotation) == pytest.approx(2.0)
    assert largest_singular_value(rotation) == pytest.approx(2.0)
    shear = np.array([[0.5, 3.0], [0.0, -0.4]])
    assert spectral_radius(shear) == pytest.approx(0.5)
    assert largest_singular_value(shear) > 3.0
    with pytest.raises(ValueError, match="square"):
        spectral_radius(np.ones((2, 3)))


@pytest.mark.parametrize("scheme", ["gaussian", "uniform", "glorot", "he", "lecun", "orthogonal"])
def test_random_matrix_values_are_those_of_a_wide_draw(scheme):
    spec = rnn(hidden_size=500)
    init = InitSpec(scheme, recurrent_scale=0.7)
    prediction = predict(spec, init, 1.0)
    u = Network(spec, [init], open_backend("cpu", "float32")).parameters["layer1.U"][0]
    assert spectral_radius(u) == pytest.approx(prediction.spectral_radius, rel=0.07)
    assert largest_singular_value(u) == pytest.approx(prediction.largest_singular_value, rel=0.03)


def test_pascanus_conditions():
    # Largest singular value g, sup |phi'| 1/4 for sigmoid and 1 for tanh.
    rotation = InitSpec("orthogonal", recurrent_scale=3.8)
    certain = predict(rnn("sigmoid"), rotation, 1.0)
    assert certain.vanishing_certain is True and certain.exploding_possible is False
    assert certain.bound_decades == pytest.approx(19 * np.log10(0.95))
    assert certain.decades < certain.bound_decades
    open_ = predict(rnn("tanh"), InitSpec(recurrent_scale=0.8), 1.0)
    assert open_.vanishing_certain is False and open_.exploding_possible is True
    # Necessary, not sufficient: it vanishes all the same.
    assert open_.decades < -3.0


@pytest.mark.parametrize("scheme", ["gaussian", "uniform"])
@pytest.mark.parametrize("units", [1, 2, 8, 64])
def test_what_follows_from_singular_values_holds_for_narrow_draws_too(scheme, units):
    init = InitSpec(scheme, recurrent_scale=0.45)
    prediction = predict(rnn("linear", hidden_size=units, time_steps=2), init, 1.0)
    most = 10.0**prediction.bound_decades
    inits = [replace(init, seed=seed) for seed in range(1000)]
    spec = rnn("linear", hidden_size=units, time_steps=2)
    us = Network(spec, inits, open_backend("cpu", "float32")).parameters["layer1.U"]
    norms = np.linalg.norm(us, 2, axis=(1, 2))
    # One in a thousand is expected to be above, at most.
    assert (norms > most).sum() <= 4
    assert norms.max() > 0.3 * most
    if (norms >= 1.0).sum() > 10:
        assert not prediction.vanishing_certain and prediction.exploding_possible


def test_the_input_drives_the_variance_and_moves_the_edge():
    silent = predict(rnn(), InitSpec(recurrent_scale=1.0, bias_scale=1e-3), 0.0)
    driven = predict(rnn(), InitSpec(recurrent_scale=1.0), 1.0)
    assert driven.q_star > 10.0 * silent.q_star
    assert driven.chi_1 < silent.chi_1
    # An input of variance 1 acts as sigma_b^2 = 1 does.
    assert driven.critical_recurrent_scale**2 == pytest.approx(3.443211, abs=1e-6)
    at_edge = predict(rnn(), InitSpec(recurrent_scale=driven.critical_recurrent_scale), 1.0)
    assert at_edge.phase == "critical"


def test_the_critical_scale_is_in_the_units_of_the_scheme():
    gaussian = predict(rnn(), InitSpec("gaussian"), 1.0)
    he = predict(rnn(), InitSpec("he", weight_scale=0.5**0.5), 1.0)
    assert he.critical_recurrent_scale * 2.0**0.5 == pytest.approx(
        gaussian.critical_recurrent_scale
    )


def test_relu_at_root_2_keeps_its_gradient_while_its_variance_grows():
    prediction = predict(rnn("relu", hidden_size=4000), InitSpec(recurrent_scale=2.0**0.5), 1.0)
    assert prediction.chi_1 == pytest.approx(1.0)
    assert prediction.phase == "critical"
    assert prediction.q_star is None and "grows" in prediction.reasons["q_star"]
    assert prediction.decades == pytest.approx(0.0, abs=1e-12)


def test_a_narrow_network_is_predicted_only_near_the_loss():
    narrow = predict(
        rnn("relu", hidden_size=64, time_steps=200), InitSpec(recurrent_scale=1.4), 1.0
    )
    assert 5 < narrow.reach < 60
    curve = narrow.log10_gradient
    assert len(curve) == 200
    assert curve[199 - narrow.reach] is not None and curve[198 - narrow.reach] is None
    assert narrow.decades is None and "64 units are few" in narrow.reasons["decades"]
    wide = predict(
        rnn("relu", hidden_size=2**20, time_steps=200), InitSpec(recurrent_scale=1.4), 1.0
    )
    assert wide.reach == 199
    # Slopes that change from step to step err independently, so tanh is trusted for longer.
    tanh = predict(rnn("tanh", hidden_size=64, time_steps=200), InitSpec(recurrent_scale=1.0), 1.0)
    assert tanh.reach > 2 * narrow.reach


def test_trusted_hops_ends_at_the_first_step_that_scatters_too_much():
    curve = np.zeros(6)
    spread = np.array([0.9, 0.7, 0.6, 0.3, 0.1, 0.0])
    assert trusted_hops(curve, spread) == 2
    assert trusted_hops(curve, np.zeros(6)) == 5
    # A twentieth of many decades is more than half a decade.
    assert trusted_hops(np.linspace(-100.0, 0.0, 6), spread) == 5
    assert TOLERANCE_DECADES == 0.5


def test_a_stack_says_that_it_has_no_edge_of_its_own():
    prediction = predict(rnn(depth=2), InitSpec(), 1.0)
    assert prediction.critical_recurrent_scale is None
    assert "stack" in prediction.reasons["critical_recurrent_scale"]
    assert prediction.q_star is not None
    growing = predict(rnn("relu", depth=2), InitSpec(recurrent_scale=1.6), 1.0)
    assert growing.q_star is None and growing.chi_1 == pytest.approx(1.28)


def test_identity_weights_are_bounded_not_averaged():
    init = InitSpec("identity", recurrent_scale=0.9)
    prediction = predict(rnn("relu"), init, 1.0)
    assert prediction.curve == "bound"
    assert prediction.bound_decades == pytest.approx(19 * np.log10(0.9))
    assert prediction.log10_gradient[0] == pytest.approx(prediction.bound_decades)
    assert prediction.chi_1 is None and "not random" in prediction.reasons["chi_1"]
    assert "identity" in INITIALISERS
