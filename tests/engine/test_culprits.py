"""Who kills it: the parts of every hop add up exactly to the hop, and each says what it should."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.activations import ACTIVATIONS
from engine.culprits import culprits
from engine.spec import InitSpec
from engine.verdict import judge
from tests.engine.support import (
    CONNECTED,
    KINDS,
    activations_of,
    build,
    frame_of,
    problem,
    small_spec,
)

ACTIVATED = [
    pytest.param(kind, {"activation": name}, id=f"{kind}-{name}")
    for kind in KINDS
    for name in activations_of(kind)
]


@pytest.mark.parametrize(("kind", "changes"), [*ACTIVATED, *CONNECTED])
def test_the_parts_add_up_to_every_hop(kind: str, changes: dict[str, Any]) -> None:
    spec = small_spec(kind, **changes)
    network = build(spec)
    frame = frame_of(network, *problem(spec))
    for layer in range(1, spec.depth + 1):
        found = culprits(frame, layer)
        assert found is not None and found.layer == layer
        field = frame.log10_path["c"] if found.of == "c" else frame.log10_grad_h
        span = field[layer - 1] if found.axis == "time" else field[:, 0]
        whole = sum(found.parts.values())
        np.testing.assert_allclose(whole, span[:-1] - span[1:], rtol=0, atol=1e-9)
        for name, gains in found.parts.items():
            assert found.total[name] == pytest.approx(float(gains.sum()), abs=1e-9)
        assert found.killed is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_totals_add_up_to_the_verdict(kind: str) -> None:
    spec = small_spec(kind)
    frame = frame_of(build(spec), *problem(spec))
    found = culprits(frame)
    assert found is not None and (found.axis, found.layer) == (frame.verdict.axis, spec.depth)
    decades = frame.verdict.decades
    if kind == "lstm":
        assert found.of == "c"
        decades = judge(frame.log10_path["c"], recurrent=True).decades
    assert decades is not None
    assert sum(value or 0.0 for value in found.total.values()) == pytest.approx(decades, abs=1e-9)


def test_the_parts_of_each_kind() -> None:
    def parts(kind: str) -> tuple[str, ...]:
        spec = small_spec(kind)
        found = culprits(frame_of(build(spec), *problem(spec)))
        assert found is not None
        return tuple(found.parts)

    for kind in ("mlp", "cnn", "rnn", "irnn", "indrnn"):
        assert parts(kind) == ("activation", "weights")
    assert parts("gru") == ("update path", "gate paths")
    assert parts("lstm") == ("forget path", "gate paths")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sigmoid_takes_three_quarters_at_every_hop(dtype: str) -> None:
    spec = small_spec("mlp", "sigmoid", depth=400, hidden_size=12, dtype=dtype)
    found = culprits(frame_of(build(spec), *problem(spec)))
    assert found is not None
    assert (found.parts["activation"] <= math.log10(0.25) + 1e-6).all()
    assert found.total["activation"] is not None and found.total["activation"] < -240


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_no_activation_gives_more_than_its_steepest_slope(activation: str) -> None:
    spec = small_spec("rnn", activation, depth=1, time_steps=30)
    found = culprits(frame_of(build(spec), *problem(spec)))
    assert found is not None
    bound = math.log10(ACTIVATIONS[activation].max_slope)
    assert (found.parts["activation"] <= bound + 1e-9).all()


@pytest.mark.parametrize("kind", ["mlp", "rnn", "indrnn"])
def test_a_linear_net_leaves_it_all_to_its_weights(kind: str) -> None:
    spec = small_spec(kind, "linear")
    frame = frame_of(build(spec), *problem(spec))
    found = culprits(frame)
    assert found is not None
    np.testing.assert_allclose(found.parts["activation"], 0.0, atol=1e-12)
    assert found.total["weights"] == pytest.approx(frame.verdict.decades, abs=1e-9)


def test_orthogonal_weights_do_nothing_through_time() -> None:
    spec = small_spec("rnn", "tanh", depth=1, time_steps=40)
    init = InitSpec(scheme="orthogonal", recurrent_scale=1.0)
    found = culprits(frame_of(build(spec, init), *problem(spec)))
    assert found is not None
    np.testing.assert_allclose(found.parts["weights"], 0.0, atol=1e-12)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_gate_path_that_is_known(kind: str) -> None:
    """Without weights every hop is the forget or update gate alone: sigmoid(b)^k."""
    spec = small_spec(kind, depth=1, time_steps=12)
    network = build(spec)
    for name in ("W", "U", "b"):
        network.parameters[f"layer1.{name}"][...] = 0.0
    forget = slice(6, 12)
    network.parameters["layer1.b"][..., forget] = 1.5
    found = culprits(frame_of(network, *problem(spec)))
    assert found is not None
    kept, gates = found.parts
    expected = -math.log10(1.0 + math.exp(-1.5))
    np.testing.assert_allclose(found.parts[kept], expected, rtol=1e-12)
    np.testing.assert_allclose(found.parts[gates], 0.0, atol=1e-12)


def test_normalisation_and_skip_split_the_weights_share() -> None:
    spec = small_spec("mlp", "tanh", depth=5)
    frame = frame_of(build(spec), *problem(spec))
    assert frame.log10_grad_a is not None
    path = {"projection": frame.log10_grad_a + 0.5, "branch": frame.log10_grad_a - 1.0}
    found = culprits(replace(frame, log10_path=path))
    assert found is not None
    assert list(found.parts) == ["activation", "normalisation", "weights", "skip"]
    np.testing.assert_allclose(found.parts["normalisation"], 0.5)
    np.testing.assert_allclose(found.parts["weights"], -1.5)
    whole = sum(value or 0.0 for value in found.total.values())
    assert whole == pytest.approx(frame.verdict.decades, abs=1e-9)


def test_an_exact_zero_names_who_left_it() -> None:
    spec = small_spec("mlp", "relu", depth=6)
    network = build(spec, InitSpec())
    for layer, bias in ((4, -100.0), (5, 1.0), (6, 1.0)):
        network.parameters[f"layer{layer}.b"][...] = bias
    found = culprits(frame_of(network, *problem(spec)))
    assert found is not None and found.killed == ("activation", 4)
    assert found.total == {"activation": None, "weights": None}
    assert np.isfinite(found.parts["weights"][3:]).all()

    spec = small_spec("rnn", "tanh", depth=1)
    network = build(spec)
    network.parameters["layer1.U"][...] = 0.0
    found = culprits(frame_of(network, *problem(spec)))
    assert found is not None and found.killed == ("weights", 6)
    assert np.isfinite(found.parts["activation"][-1])


def test_a_skip_carries_past_an_exact_zero() -> None:
    spec = small_spec("mlp", "relu", depth=6, input_shape=(6,), residual=True)
    network = build(spec, InitSpec())
    network.parameters["layer4.b"][...] = -100.0
    found = culprits(frame_of(network, *problem(spec)))
    assert found is not None and found.killed is None
    assert found.total["activation"] is None
    assert (found.parts["activation"][2], found.parts["skip"][2]) == (-math.inf, math.inf)
    others = [gains[hop] for gains in found.parts.values() for hop in (0, 1, 3, 4)]
    assert np.isfinite(others).all()


def test_no_gradient_to_begin_with() -> None:
    spec = small_spec("mlp", "linear")
    network = build(spec, InitSpec())
    x, target = problem(spec)
    found = culprits(frame_of(network, 0.0 * x, 0.0 * target))
    assert found is not None and found.killed is None
    assert set(found.total.values()) == {None}


def test_where_there_is_nothing_to_split() -> None:
    spec = small_spec("mlp", depth=1)
    assert culprits(frame_of(build(spec), *problem(spec))) is None
    spec = small_spec("lstm", time_steps=1)
    assert culprits(frame_of(build(spec), *problem(spec))) is None
    spec = small_spec("rnn", "relu", time_steps=200, dtype="float32")
    network = build(spec)
    network.parameters["layer1.U"][...] = 1e6
    assert culprits(frame_of(network, *problem(spec))) is None


def test_a_layer_that_is_not_there() -> None:
    spec = small_spec("rnn")
    frame = frame_of(build(spec), *problem(spec))
    with pytest.raises(ValueError, match="layer 4 is not one of 1 to 3"):
        culprits(frame, 4)
