"""Losses: what they say, also where the dtype ends."""

from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest

from engine.backend import open_backend
from engine.losses import LOSSES
from engine.spec import InitSpec, NetworkSpec
from engine.theory import predict
from tests.engine.support import build, judged_by, problem, small_spec

ENTROPY = LOSSES["cross_entropy"]


def judged(y, labels, dtype="float64"):
    """The judgement on one cell and step, outputs y (B, C), and its true dL/dy."""
    y = np.asarray(y, dtype=dtype)[None, None]
    target = np.eye(y.shape[-1], dtype=dtype)[np.asarray(labels)][None, None]
    found = ENTROPY.judge(open_backend("cpu", dtype), y, target)
    assert found.gradient.data.dtype == dtype
    wide = found.gradient.data.astype(np.float64)
    return found, np.ldexp(wide, found.gradient.exponent[..., None, None])[0, 0]


def test_equal_outputs_cost_the_logarithm_of_their_number():
    found, gradient = judged(np.zeros((3, 10)), [0, 4, 9])
    assert found.loss[0] == pytest.approx(np.log(10.0), rel=1e-15)
    np.testing.assert_allclose(gradient[1], (0.1 - np.eye(10)[4]) / 3, rtol=1e-14)


def test_the_loss_is_the_mean_and_the_accuracy_the_share():
    y = np.log([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
    found, gradient = judged(y, [0, 2, 1, 1])
    assert found.loss[0] == pytest.approx(-np.log(0.5 * 0.7 * 0.3 * 0.7) / 4, rel=1e-14)
    assert found.accuracy[0] == 0.75
    np.testing.assert_allclose(gradient[2], [0.15, -0.175, 0.025], rtol=1e-13)
    np.testing.assert_allclose(gradient.sum(axis=1), 0.0, atol=1e-16)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("gap", [1.0, 30.0, 100.0, 1000.0, 3e37])
def test_certain_and_wrong_answers_keep_their_loss_and_gradient(dtype, gap):
    getcontext().prec = 60
    gap = float(np.dtype(dtype).type(gap))
    for label, is_right in ((0, True), (1, False)):
        found, gradient = judged([[gap, 0.0]], [label], dtype)
        small = Decimal(-gap).exp()
        loss = (1 + small).ln() if is_right else Decimal(gap) + (1 + small).ln()
        assert found.accuracy[0] == is_right
        if small > Decimal("1e-300"):
            assert found.loss[0] == pytest.approx(float(loss), rel=1e-12)
        p = small / (1 + small) if is_right else 1 / (1 + small)
        exponent = int(found.gradient.exponent[0, 0])
        stored = Decimal(float(found.gradient.data[0, 0, 0, 1 - label]))
        if p < Decimal("1e-1000000000000"):
            assert stored == 0
            continue
        rounding = Decimal("1e-6") if dtype == "float32" else Decimal("1e-11")
        assert abs(stored * Decimal(2) ** exponent / p - 1) < rounding
        np.testing.assert_allclose(gradient.sum(), 0.0, atol=1e-300)


def test_outputs_beyond_the_dtype_are_no_number():
    for bad in (np.nan, np.inf):
        with np.errstate(invalid="ignore"):
            found, gradient = judged([[0.0, bad], [0.0, 1.0]], [0, 1], "float32")
        assert not np.isfinite(found.loss[0])
        assert np.isnan(gradient).any()


def test_a_network_that_is_certain_still_shows_its_gradient():
    spec = small_spec("rnn", dtype="float32", loss="cross_entropy", output_size=4)
    network = build(spec)
    x, target = problem(spec)
    before = network.evaluate(x, target)
    # The right answer to every sample, by 300 nats: autograd in float32 has nothing left of it.
    target[...] = np.eye(4)[2]
    network.parameters["readout.b"][...] = 300.0 * np.eye(4)[2]
    after = network.evaluate(x, target)
    assert after.accuracy[0] == 1.0
    assert after.overflow == [None]
    assert after.log10_grad_params["readout.b"][0] == pytest.approx(-300 / np.log(10), abs=3)
    shape = after.log10_grad_h - before.log10_grad_h
    np.testing.assert_allclose(shape, shape[0, 2, -1], atol=1.0)


@pytest.mark.parametrize("kind", ["rnn", "indrnn", "lstm", "gru"])
@pytest.mark.parametrize("steps", [1, 2, 5, 11, 30])
def test_a_window_of_outputs_is_the_sum_of_its_steps(kind, steps, monkeypatch):
    """Also where time is cut into blocks, on either side of the window's edge."""
    monkeypatch.setattr("engine.recurrence_plan._BLOCK_VALUES", 4 * 6 * 7)
    spec = small_spec(kind, time_steps=30, readout_steps=steps, loss="cross_entropy")
    network = build(spec)
    x, target = problem(spec)
    network.evaluate(x, target)
    whole = {name: network.gradient(name) for name in network.parameters}
    parts = dict.fromkeys(whole, 0.0)
    for step in range(steps):
        stop = spec.time_steps - step
        short = build(small_spec(kind, time_steps=stop, loss="cross_entropy"))
        for name, value in network.parameters.items():
            short.parameters[name][...] = value
        wanted = target if steps == 1 else target[:, steps - 1 - step]
        short.evaluate(x[:, :stop], wanted)
        for name in parts:
            parts[name] = parts[name] + short.gradient(name) / steps
    for name, gradient in whole.items():
        np.testing.assert_allclose(gradient, parts[name], rtol=1e-9, atol=1e-13, err_msg=name)


def test_a_window_of_outputs_with_steps_of_very_different_sizes():
    """Certain at some steps, wrong at others: every step has an exponent of its own."""
    spec = NetworkSpec(
        "indrnn", "linear", 1, 3, 2, (1,), 12, 2, dtype="float32", readout_steps=4,
        loss="cross_entropy",
    )  # fmt: skip
    wide = NetworkSpec(
        "indrnn", "linear", 1, 3, 2, (1,), 12, 2, dtype="float64", readout_steps=4,
        loss="cross_entropy",
    )  # fmt: skip
    fields = []
    for each in (spec, wide):
        network = build(each, InitSpec())
        network.parameters["layer1.W"][...] = 1.0
        network.parameters["layer1.u"][...] = 1e-3
        network.parameters["readout.W"][...] = [[1.0, -1.0]] * 3
        x = np.zeros((1, 12, 2, 1), each.dtype)
        x[0, 8:, :, 0] = np.array([40.0, -20.0, 55.0, 1.0])[:, None]
        target = np.zeros((1, 4, 2, 2), each.dtype)
        target[..., 0] = 1.0
        fields.append(network.evaluate(x, target))
    one, other = fields
    np.testing.assert_allclose(one.log10_grad_h, other.log10_grad_h, atol=1e-4)
    for name, value in other.log10_grad_params.items():
        np.testing.assert_allclose(one.log10_grad_params[name], value, atol=1e-4, err_msg=name)


def test_judging_leaves_the_gradients_alone():
    for changes in judged_by("lstm"):
        spec = small_spec("lstm", **changes)
        network = build(spec)
        fields = network.evaluate(*problem(spec))
        kept = {name: network.gradient(name) for name in network.parameters}
        found = network.judge(*problem(spec, seed=9))
        assert found.losses.shape == (1, spec.readout_steps, spec.batch_size)
        assert found.loss[0] != fields.loss[0]
        assert (found.accuracy is None) == (fields.accuracy is None)
        for name, gradient in kept.items():
            np.testing.assert_array_equal(network.gradient(name), gradient)


def test_theory_follows_one_loss_alone():
    plain = predict(small_spec("rnn"), InitSpec(), 1.0)
    assert predict(small_spec("rnn", loss="cross_entropy"), InitSpec(), 1.0) == plain
    several = predict(small_spec("rnn", readout_steps=3), InitSpec(), 1.0)
    assert several.log10_gradient is None
    assert "the last 3 time steps" in several.reasons["log10_gradient"]
