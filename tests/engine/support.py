"""Small networks for tests: build one, feed it, read its gradients, differentiate it by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.activations import ACTIVATIONS
from engine.architectures import ARCHITECTURES
from engine.backend import open_backend
from engine.frame import Frame
from engine.network import Network
from engine.normalisation import NORMALISATIONS
from engine.spec import InitSpec, NetworkSpec
from engine.verdict import judge

KINDS = ("mlp", "cnn", "rnn", "irnn", "indrnn", "lstm", "gru")

#: Their derivative has no jump, so a difference quotient can be trusted everywhere.
SMOOTH = ("sigmoid", "tanh", "gelu", "silu", "softplus", "linear")


def variants(kind: str) -> list[dict[str, Any]]:
    """Every way to connect and normalise that a kind has, the plain chain left out."""
    connections = [{name: True} for name in ("residual", "dense") if has(kind, f"network.{name}")]
    return [
        {**connection, "norm": norm}
        for norm in ("none", *NORMALISATIONS)
        for connection in ({}, *connections)
        if connection or norm != "none"
    ]


def has(kind: str, key: str) -> bool:
    """Whether scenarios of this kind have the field `key`."""
    return key in ARCHITECTURES[kind].fields


def words(changes: dict[str, Any]) -> str:
    """A test's name for changes to a spec."""
    shown = [n if v is True else str(v) for n, v in changes.items() if v != "none"]
    return "-".join(shown) or "plain"


#: Every kind with every way to connect and normalise its layers.
CONNECTED = [
    pytest.param(kind, changes, id=f"{kind}-{words(changes)}")
    for kind in KINDS
    for changes in variants(kind)
]


def small_spec(kind: str, activation: str = "tanh", **changes: Any) -> NetworkSpec:
    """A network of this kind small enough to differentiate by hand."""
    shapes: dict[str, Any] = {
        "mlp": {"input_shape": (5,)},
        "cnn": {"input_shape": (5, 4, 2), "hidden_size": 4},
    }.get(kind, {"input_shape": (3,), "time_steps": 6})
    base = NetworkSpec(
        kind=kind,
        activation=activation,
        depth=3,
        hidden_size=shapes.pop("hidden_size", 6),
        batch_size=4,
        output_size=2,
        dtype="float64",
        **shapes,
    )
    return replace(base, **changes)


def build(
    spec: NetworkSpec,
    *inits: InitSpec,
    scheme: str = "gaussian",
    seed: int = 0,
    device: str = "cpu",
    slots: int = 0,
) -> Network:
    """The network; without `inits`, one cell with biases and gains near critical."""
    cells = inits or (
        InitSpec(scheme=scheme, weight_scale=1.2, bias_scale=0.3, recurrent_scale=0.9, seed=seed),
    )
    if ARCHITECTURES[spec.kind].hop_role == "identity":
        cells = tuple(replace(cell, scheme="identity") for cell in cells)
    return Network(spec, cells, open_backend(device, spec.dtype), slots)


def activations_of(kind: str) -> tuple[str, ...]:
    """The activations worth trying: all of them, or the one that belongs to the kind."""
    fixed = ARCHITECTURES[kind].layer.fixed_activation
    return tuple(ACTIVATIONS) if fixed is None else (fixed,)


def problem(spec: NetworkSpec, cells: int = 1, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Normal inputs (S, T, B, *input_shape) and targets (S, B, outputs), in the spec's dtype.

    Targets are classes, one-hot, for cross-entropy, and have an axis K behind S for K > 1 steps.
    """
    rng = np.random.default_rng(seed)
    shape = (cells, spec.time_steps, spec.batch_size, *spec.input_shape)
    x = rng.standard_normal(shape).astype(spec.dtype)
    steps = (spec.readout_steps,) if spec.readout_steps > 1 else ()
    lead = (cells, *steps, spec.batch_size)
    if spec.loss == "cross_entropy":
        target = np.eye(spec.output_size)[rng.integers(spec.output_size, size=lead)]
    else:
        target = rng.standard_normal((*lead, spec.output_size))
    return x, target.astype(spec.dtype)


#: Losses other than that of the last step's squared error, as changes to a spec.
JUDGED: list[dict[str, Any]] = [
    {"loss": "cross_entropy", "output_size": 4},
    {"readout_steps": 3},
    {"loss": "cross_entropy", "output_size": 3, "readout_steps": 6},
]


def judged_by(kind: str) -> list[dict[str, Any]]:
    """Those of `JUDGED` that fit a kind."""
    recurrent = ARCHITECTURES[kind].recurrent
    return [changes for changes in JUDGED if recurrent or "readout_steps" not in changes]


def frame_of(network: Network, x: np.ndarray, target: np.ndarray, cell: int = 0) -> Frame:
    """One cell's frame, as a run would give it."""
    fields = network.evaluate(x, target)
    overflow = fields.overflow[cell]
    grad_h, grad_a = fields.log10_grad_h[cell], fields.log10_grad_a
    recurrent = ARCHITECTURES[network.spec.kind].recurrent
    return Frame(
        step=0,
        loss=float(fields.loss[cell]),
        log10_grad_h=grad_h,
        log10_grad_a=None if grad_a is None else grad_a[cell],
        log10_grad_gates={name: field[cell] for name, field in fields.log10_grad_gates.items()},
        log10_path={name: field[cell] for name, field in fields.log10_path.items()},
        log10_grad_params={name: float(v[cell]) for name, v in fields.log10_grad_params.items()},
        activation_rms=fields.activation_rms[cell],
        zero_fraction=fields.zero_fraction[cell],
        saturated_fraction=fields.saturated_fraction[cell],
        overflow=overflow,
        verdict=judge(grad_h, recurrent, overflow),
        seconds=0.0,
    )


def cell_parameters(network: Network, cell: int = 0) -> dict[str, np.ndarray]:
    """A copy of one cell's parameters, without the stack axis."""
    return {name: np.array(value[cell]) for name, value in network.parameters.items()}


def cell_gradients(network: Network, cell: int = 0) -> dict[str, np.ndarray]:
    """A copy of one cell's gradients of the last evaluate."""
    return {name: np.array(network.gradient(name)[cell]) for name in network.parameters}


def set_parameters(network: Network, **values: Any) -> None:
    """Assign parameters; `layer1_W` means layer1.W."""
    for name, value in values.items():
        network.parameters[name.replace("_", ".")][...] = value


def relative_error(found: np.ndarray, true: np.ndarray) -> float:
    """|found - true| / |true| in the 2-norm, and how far off 0 where the truth is 0."""
    found, true = np.asarray(found, dtype=np.float64), np.asarray(true, dtype=np.float64)
    assert found.shape == true.shape
    scale = float(np.linalg.norm(true))
    error = float(np.linalg.norm(found - true))
    return error / scale if scale > 0.0 else error


def directional_difference(
    network: Network,
    x: np.ndarray,
    target: np.ndarray,
    direction: dict[str, np.ndarray],
    step: float = 1e-5,
) -> np.ndarray:
    """(L(p + step v) - L(p - step v)) / (2 step) for every cell; v has the stack axis."""
    kept = {name: np.array(value) for name, value in network.parameters.items()}
    losses = []
    for sign in (1.0, -1.0):
        for name, value in kept.items():
            network.parameters[name][...] = value + sign * step * direction[name]
        losses.append(np.array(network.loss(x, target), dtype=np.float64))
    for name, value in kept.items():
        network.parameters[name][...] = value
    return (losses[0] - losses[1]) / (2.0 * step)


def entry_differences(
    network: Network,
    x: np.ndarray,
    target: np.ndarray,
    name: str,
    entries: Sequence[int],
    step: float = 1e-5,
) -> np.ndarray:
    """Central differences of a single cell's loss in some entries of one parameter."""
    parameter = network.parameters[name]
    flat = parameter.reshape(-1)
    assert np.shares_memory(flat, parameter)
    differences = []
    for entry in entries:
        kept = float(flat[entry])
        losses = []
        for sign in (1.0, -1.0):
            flat[entry] = kept + sign * step
            losses.append(float(network.loss(x, target)[0]))
        flat[entry] = kept
        differences.append((losses[0] - losses[1]) / (2.0 * step))
    return np.array(differences)
