"""Theory held against a measured curve, and where it is silent."""

from __future__ import annotations

import math
import random
import warnings
from dataclasses import replace

import numpy as np
import pytest

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.initialisers import INITIALISERS
from engine.spec import InitSpec, NetworkSpec
from engine.theory import OTHER_LAYER, TRAINED, compare, predict, silence
from tests.engine.theory.support import measure, seeds

WIDE = NetworkSpec("mlp", "tanh", 20, 256, 8, (16,))


def test_apart_is_measured_minus_predicted():
    prediction = predict(WIDE, InitSpec(weight_scale=0.8), 1.0)
    curve = np.array(prediction.log10_gradient)
    # A curve that starts anywhere: only differences count.
    found = compare(prediction, curve * 1.25 - 7.0)
    assert (found.curve, found.hops, found.of) == ("prediction", 19, 19)
    assert found.predicted == pytest.approx(prediction.decades)
    assert found.apart == pytest.approx(0.25 * prediction.decades)
    assert found.spread == prediction.spread_decades


def test_a_theory_that_ends_early_is_compared_as_far_as_it_goes():
    prediction = predict(replace(WIDE, depth=200, hidden_size=16), InitSpec(), 1.0)
    reach = prediction.reach
    assert prediction.decades is None and reach is not None and 0 < reach < 199
    measured = np.linspace(-3.0, 1.0, 200)
    found = compare(prediction, measured)
    assert (found.hops, found.of, found.spread) == (reach, 199, None)
    assert found.measured == pytest.approx(measured[-1 - reach] - measured[-1])


@pytest.mark.parametrize("missing", [-math.inf, math.nan])
def test_a_zero_or_an_overflow_is_not_compared(missing):
    prediction = predict(WIDE, InitSpec(), 1.0)
    found = compare(prediction, np.array([missing] + [0.0] * 19))
    assert found.measured is None and found.apart is None


def test_what_has_no_curve_cannot_be_compared():
    silent = predict(replace(WIDE, norm="batch"), InitSpec(), 1.0)
    with pytest.raises(ValueError, match="no curve"):
        compare(silent, np.zeros(20))
    with pytest.raises(ValueError, match="20 predicted and 3 measured"):
        compare(predict(WIDE, InitSpec(), 1.0), np.zeros(3))


def test_where_assumptions_fail_the_reason_is_given():
    drawn = predict(WIDE, InitSpec(), 1.0)
    assert silence(drawn) is None
    assert silence(drawn, trained=True) == TRAINED
    assert silence(drawn, last_layer=False) == OTHER_LAYER
    image = replace(WIDE, kind="cnn", input_shape=(8, 8, 3))
    for spec, word in (
        (replace(WIDE, hidden_size=8), "too few"),
        (image, "zero padding"),
        (replace(WIDE, norm="layer"), "layer normalisation"),
        (replace(WIDE, kind="rnn", depth=1, time_steps=9, norm="batch"), "batch normalisation"),
        (replace(WIDE, residual=True), "residual connections"),
        (replace(WIDE, kind="gru", time_steps=9, readout_steps=3), "the last 3 time steps"),
    ):
        reason = silence(predict(spec, InitSpec(), 1.0))
        assert reason is not None and word in reason, spec
    assert silence(predict(replace(image, padding="circular"), InitSpec(), 1.0)) is None
    # What the loss is, the way back from it does not know.
    assert silence(predict(replace(WIDE, loss="cross_entropy"), InitSpec(), 1.0)) is None


@pytest.mark.parametrize(
    "extra", [{"norm": "batch"}, {"norm": "layer"}, {"residual": True}, {"dense": True}]
)
def test_the_bound_of_independent_neurons_holds_whatever_enters_them(extra):
    spec = NetworkSpec("indrnn", "relu", 3, 64, 16, (8,), time_steps=40, **extra)
    init = InitSpec(scheme="recurrent_range", recurrent_lower=0.5, recurrent_upper=8.0)
    prediction = predict(spec, init, 1.0)
    assert prediction.curve == "bound" and prediction.bound_decades is not None
    for one in seeds(init, 3):
        curve, _ = measure(spec, [one])
        assert curve[-1, 0] - curve[-1, -1] <= prediction.bound_decades + 1e-5


def test_no_network_however_extreme_is_beyond_words():
    draw = random.Random(1)

    def scale() -> float:
        return draw.choice([0.0, 1e-300, 1e-6, 0.3, 1.0, 1.5, 10.0, 1e6])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(400):
            kind = draw.choice(list(ARCHITECTURES))
            kind_of = ARCHITECTURES[kind]
            schemes = [n for n in INITIALISERS if kind_of.hop_role in INITIALISERS[n].roles]
            side = draw.choice([1, 8])
            spec = NetworkSpec(
                kind=kind,
                activation=draw.choice(list(ACTIVATIONS)),
                depth=draw.choice([1, 2, 10, 100]),
                hidden_size=draw.choice([1, 3, 64, 1024]),
                batch_size=8,
                input_shape=(side, side, 3) if kind == "cnn" else (draw.choice([1, 64]),),
                time_steps=draw.choice([1, 2, 60]) if kind_of.recurrent else 1,
                bias=draw.random() < 0.5,
                padding=draw.choice(["zero", "circular"]),
                dtype=draw.choice(["float32", "float64"]),
            )
            init = InitSpec(
                scheme=draw.choice(schemes),
                weight_scale=scale(),
                bias_scale=scale(),
                recurrent_scale=scale(),
                recurrent_lower=draw.choice([0.0, 0.5, 1.0]),
                recurrent_upper=draw.choice([1.0, 2.0, 1e6]),
                forget_bias=draw.choice([-100.0, 0.0, 3.0, 100.0]),
            )
            prediction = predict(spec, init, draw.choice([0.0, 0.2, 1.0, 1e6]))
            assert (prediction.curve is None) == bool(silence(prediction)), (spec, init)
