"""Backpropagation as a textbook writes it, in long double: its range is 1e-4932 to 1e+4932.

Slow and plain on purpose. Holds for mlp, rnn and indrnn of any depth; T = 1 makes the first two
one formula.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.spec import NetworkSpec

WIDE = np.longdouble

#: Where long double is no wider than float64 there is nothing to compare with.
AVAILABLE = np.finfo(WIDE).maxexp > 10000


@dataclass(frozen=True)
class Truth:
    """Magnitudes are log10 RMS, fields of shape (layers, time_steps)."""

    log10_grad_h: np.ndarray
    log10_grad_a: np.ndarray
    log10_grad_params: dict[str, float]
    largest_h: np.ndarray


def truth(
    spec: NetworkSpec, parameters: Mapping[str, np.ndarray], x: np.ndarray, target: np.ndarray
) -> Truth:
    """One cell: parameters without a stack axis, x (T, B, features), target (B, outputs)."""
    p = {name: np.asarray(value).astype(WIDE) for name, value in parameters.items()}
    depth, steps = spec.depth, spec.time_steps
    h: list[list[np.ndarray]] = []
    below = list(x.astype(WIDE))
    for layer in range(1, depth + 1):
        states: list[np.ndarray] = []
        for t in range(steps):
            a = below[t] @ p[f"layer{layer}.W"]
            if spec.bias:
                a = a + p[f"layer{layer}.b"]
            if t:
                a = a + _recur(p, layer, states[t - 1])
            states.append(_phi(spec.activation, a))
        h.append(states)
        below = states
    y = h[-1][-1] @ p["readout.W"] + p["readout.b"]
    error = 2.0 * (y - target.astype(WIDE)) / WIDE(target.size)
    gradients = {name: np.zeros_like(value) for name, value in p.items()}
    gradients["readout.W"] = h[-1][-1].T @ error
    gradients["readout.b"] = error.sum(axis=0)
    field_h = np.full((depth, steps), -np.inf)
    field_a = np.full((depth, steps), -np.inf)
    above: list[np.ndarray | None] = [None] * steps
    above[-1] = error @ p["readout.W"].T
    for layer in range(depth, 0, -1):
        inputs = h[layer - 2] if layer > 1 else list(x.astype(WIDE))
        after: np.ndarray | None = None
        passed: list[np.ndarray | None] = [None] * steps
        for t in reversed(range(steps)):
            parts = [part for part in (above[t], after) if part is not None]
            if not parts:
                continue
            grad_h = sum(parts[1:], parts[0])
            grad_a = grad_h * _slope(spec.activation, h[layer - 1][t])
            field_h[layer - 1, t] = log10_rms(grad_h)
            field_a[layer - 1, t] = log10_rms(grad_a)
            gradients[f"layer{layer}.W"] += inputs[t].T @ grad_a
            if spec.bias:
                gradients[f"layer{layer}.b"] += grad_a.sum(axis=0)
            passed[t] = grad_a @ p[f"layer{layer}.W"].T
            after = None
            if t:
                _recurrent_gradient(gradients, layer, h[layer - 1][t - 1], grad_a)
                after = _recur_back(p, layer, grad_a)
        above = passed
    return Truth(
        log10_grad_h=field_h,
        log10_grad_a=field_a,
        log10_grad_params={name: log10_rms(value) for name, value in gradients.items()},
        largest_h=np.array([[float(np.abs(s).max()) for s in states] for states in h]),
    )


def log10_rms(values: np.ndarray) -> float:
    """log10 of the root mean square, -inf for zeros."""
    with np.errstate(divide="ignore"):
        return float(np.log10(np.sqrt(np.mean(values.astype(WIDE) ** 2))))


def _recur(p: Mapping[str, np.ndarray], layer: int, h: np.ndarray) -> np.ndarray | float:
    if f"layer{layer}.U" in p:
        return h @ p[f"layer{layer}.U"]
    return h * p[f"layer{layer}.u"]


def _recur_back(p: Mapping[str, np.ndarray], layer: int, grad_a: np.ndarray) -> np.ndarray:
    if f"layer{layer}.U" in p:
        return grad_a @ p[f"layer{layer}.U"].T
    return grad_a * p[f"layer{layer}.u"]


def _recurrent_gradient(
    gradients: dict[str, np.ndarray], layer: int, before: np.ndarray, grad_a: np.ndarray
) -> None:
    if f"layer{layer}.U" in gradients:
        gradients[f"layer{layer}.U"] += before.T @ grad_a
    else:
        gradients[f"layer{layer}.u"] += (before * grad_a).sum(axis=0)


def _phi(name: str, a: np.ndarray) -> np.ndarray:
    if name == "sigmoid":
        return 1.0 / (1.0 + np.exp(-a))
    if name == "tanh":
        return np.tanh(a)
    return {"relu": np.maximum(a, 0), "linear": a}[name]


def _slope(name: str, h: np.ndarray) -> np.ndarray:
    if name == "sigmoid":
        return h * (1 - h)
    if name == "tanh":
        return 1 - h * h
    return {"relu": (h > 0).astype(WIDE), "linear": np.ones_like(h)}[name]
