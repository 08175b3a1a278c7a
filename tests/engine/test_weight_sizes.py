"""How large weights are, beside what NumPy says of the parameters themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.spec import InitSpec
from engine.weight_sizes import weight_sizes
from tests.engine.support import build, set_parameters, small_spec


@pytest.mark.parametrize("kind", ["rnn", "irnn"])
def test_spectral_radius_and_largest_singular_value(kind: str) -> None:
    spec = small_spec(kind)
    network = build(spec)
    found = weight_sizes(network)
    assert list(found) == ["spectral radius", "largest singular value"]
    for layer in range(spec.depth):
        u = network.parameters[f"layer{layer + 1}.U"][0]
        # Powers of U grow with its spectral radius, whatever the rest does.
        power = np.linalg.norm(np.linalg.matrix_power(u / 0.9, 600)) ** (1 / 600) * 0.9
        assert found["spectral radius"][layer] == pytest.approx(power, rel=0.01)
        gram = np.linalg.eigvalsh(u.T @ u).max()
        assert found["largest singular value"][layer] == pytest.approx(math.sqrt(gram))


def test_range_of_u() -> None:
    spec = small_spec("indrnn")
    network = build(spec)
    u = np.array([[-0.9, 0.1, 0.5, 1.2, -0.3, 0.2]])
    set_parameters(network, layer2_u=u)
    found = weight_sizes(network)
    assert {name: sizes[1] for name, sizes in found.items()} == pytest.approx(
        {"smallest": 0.1, "median": 0.4, "largest": 1.2}
    )


@pytest.mark.parametrize(("kind", "gates"), [("lstm", "ifgo"), ("gru", "rzn")])
def test_each_gate_has_its_own_part_of_u(kind: str, gates: str) -> None:
    spec = small_spec(kind)
    network = build(spec)
    found = weight_sizes(network)
    assert list(found) == list(gates)
    u = network.parameters["layer3.U"][0].reshape(6, len(gates), 6)
    for number, sizes in enumerate(found.values()):
        gram = np.linalg.eigvalsh(u[:, number].T @ u[:, number]).max()
        assert sizes[2] == pytest.approx(math.sqrt(gram))


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_weight_scale_is_the_initialisers(kind: str) -> None:
    spec = small_spec(kind, hidden_size=64)
    (scale,) = weight_sizes(build(spec, InitSpec(weight_scale=1.7))).values()
    assert scale[1:] == pytest.approx(1.7, rel=0.05)


def test_too_many_units_have_a_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.weight_sizes.MOST_UNITS", 5)
    network = build(small_spec("rnn"))
    found = weight_sizes(network)
    u = network.parameters["layer1.U"][0]
    assert list(found) == ["norm per unit"]
    assert found["norm per unit"][0] == pytest.approx(math.sqrt((u**2).sum() / 6))


@pytest.mark.parametrize("kind", ["mlp", "rnn", "indrnn", "lstm"])
def test_what_is_not_finite_has_no_size(kind: str) -> None:
    network = build(small_spec(kind))
    for name in ("W", "U", "u"):
        if f"layer1.{name}" in network.parameters:
            network.parameters[f"layer1.{name}"][...] = np.nan
    for sizes in weight_sizes(network).values():
        assert math.isnan(sizes[0]) and math.isfinite(sizes[1])
