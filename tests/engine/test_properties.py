"""Any shape a network can have: gradients against difference quotients and against PyTorch."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.normalisation import NORMALISATIONS
from engine.spec import InitSpec, NetworkSpec
from tests.engine.support import (
    KINDS,
    SMOOTH,
    activations_of,
    build,
    cell_parameters,
    directional_difference,
    has,
    problem,
)


@st.composite
def specs(draw, activations=tuple(ACTIVATIONS)):
    """Networks of every kind: batch 1, width 1, T 1, even kernels, kernels wider than the image."""
    kind = draw(st.sampled_from([k for k in KINDS if set(activations_of(k)) & set(activations)]))
    image = (draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 3)))
    connection = draw(st.sampled_from(["chain", "residual", "dense"]))
    return NetworkSpec(
        kind=kind,
        activation=draw(st.sampled_from(activations)),
        depth=draw(st.integers(1, 4)),
        hidden_size=draw(st.integers(1, 6)),
        batch_size=draw(st.integers(1, 5)),
        input_shape=image if kind == "cnn" else (draw(st.integers(1, 5)),),
        time_steps=draw(st.integers(1, 7)) if ARCHITECTURES[kind].recurrent else 1,
        output_size=draw(st.integers(1, 3)),
        bias=draw(st.booleans()),
        kernel_size=draw(st.integers(1, 6)) if kind == "cnn" else 3,
        padding=draw(st.sampled_from(["zero", "circular"])) if kind == "cnn" else "zero",
        dtype="float64",
        residual=connection == "residual" and has(kind, "network.residual"),
        dense=connection == "dense" and has(kind, "network.dense"),
        norm=draw(st.sampled_from(["none", *NORMALISATIONS])),
    )


def inits(count):
    return [
        InitSpec(weight_scale=1.1, recurrent_scale=0.8, bias_scale=0.4, seed=seed)
        for seed in range(count)
    ]


@settings(max_examples=60)
@given(spec=specs(activations=SMOOTH), cells=st.integers(1, 3), seed=st.integers(0, 99))
def test_directional_derivative(spec, cells, seed):
    network = build(spec, *inits(cells))
    x, target = problem(spec, cells, seed)
    network.evaluate(x, target)
    gradients = {name: network.gradient(name) for name in network.parameters}
    rng = np.random.default_rng(seed)
    direction = {name: rng.standard_normal(g.shape) for name, g in gradients.items()}
    # Two nearly equal values, normalised, turn on the scale of sqrt(eps) at every layer.
    step = 1e-5 if spec.norm == "none" else 1e-7
    found = directional_difference(network, x, target, direction, step)
    for cell in range(cells):
        expected = sum(float(np.sum(g[cell] * direction[n][cell])) for n, g in gradients.items())
        reach = np.sqrt(sum(float(np.sum(g[cell] ** 2)) for g in gradients.values()))
        assert abs(found[cell] - expected) <= 1e-6 * max(reach, abs(expected))


@settings(max_examples=120)
@given(spec=specs(), cells=st.integers(1, 3), seed=st.integers(0, 99))
def test_agrees_with_autograd(peer, spec, cells, seed):
    network = build(spec, *inits(cells))
    x, target = problem(spec, cells, seed)
    fields = network.evaluate(x, target)
    for cell in range(cells):
        true = peer.run(spec, cell_parameters(network, cell), x[cell], target[cell])
        reach = max(np.linalg.norm(gradient) for gradient in true.gradients.values())
        # Normalising few values takes nearly all of their gradient away, and rounding with it.
        rounding = 0.0 if spec.norm == "none" else 1e-12 * reach
        for name, gradient in true.gradients.items():
            found = network.gradient(name)[cell]
            error = np.linalg.norm(found - gradient)
            assert error <= 1e-10 * np.linalg.norm(gradient) + rounding, (name, error)
        pairs = [(fields.log10_grad_h[cell], true.log10_grad_h)]
        pairs += [(fields.log10_grad_gates[g][cell], f) for g, f in true.log10_grad_gates.items()]
        if true.log10_grad_a is not None:
            pairs.append((fields.log10_grad_a[cell], true.log10_grad_a))
        for found, expected in pairs:
            np.testing.assert_allclose(10.0**found, 10.0**expected, rtol=3e-10, atol=rounding)
