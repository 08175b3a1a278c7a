"""Backpropagation as a textbook writes it, in long double: its range is 1e-4932 to 1e+4932.

Slow and plain on purpose. Holds for mlp, rnn and indrnn of any depth, connected and normalised in
every way; T = 1 makes the first two one formula.
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
    """Magnitudes are log10 RMS, fields of shape (layers, time_steps).

    `grad_h` holds dL/dh itself, (B, H), by layer and time step from 1.
    """

    log10_grad_h: np.ndarray
    log10_grad_a: np.ndarray
    log10_grad_params: dict[str, float]
    largest_h: np.ndarray
    grad_h: dict[tuple[int, int], np.ndarray]


def truth(
    spec: NetworkSpec, parameters: Mapping[str, np.ndarray], x: np.ndarray, target: np.ndarray
) -> Truth:
    """One cell: parameters without a stack axis, x (T, B, features), target (B, outputs)."""
    p = {name: np.asarray(value).astype(WIDE) for name, value in parameters.items()}
    depth, steps = spec.depth, spec.time_steps
    h: list[list[np.ndarray]] = []
    phi: list[list[np.ndarray]] = []
    read: list[list[np.ndarray]] = []
    projections: list[np.ndarray] = []
    below = list(x.astype(WIDE))
    for layer in range(1, depth + 1):
        states: list[np.ndarray] = []
        outputs: list[np.ndarray] = []
        projection = np.stack([step @ p[f"layer{layer}.W"] for step in below])
        if _reaches_back(spec, layer):
            projection = projection + projections[-2]
        projections.append(projection)
        shift = _normalised(spec, projection)[0] * p.get(f"layer{layer}.gain", WIDE(1))
        for t in range(steps):
            a = shift[t]
            if spec.bias:
                a = a + p[f"layer{layer}.b"]
            if t:
                a = a + _recur(p, layer, states[t - 1])
            outputs.append(_phi(spec.activation, a))
            states.append(outputs[-1] + (below[t] if _skips(spec, below[t], outputs[-1]) else 0))
        read.append(below)
        h.append(states)
        phi.append(outputs)
        below = states
        if spec.dense:
            below = [np.concatenate(pair, axis=1) for pair in zip(read[-1], states, strict=True)]
    y = h[-1][-1] @ p["readout.W"] + p["readout.b"]
    error = 2.0 * (y - target.astype(WIDE)) / WIDE(target.size)
    gradients = {name: np.zeros_like(value) for name, value in p.items()}
    gradients["readout.W"] = h[-1][-1].T @ error
    gradients["readout.b"] = error.sum(axis=0)
    field_h = np.full((depth, steps), -np.inf)
    field_a = np.full((depth, steps), -np.inf)
    above = [[np.zeros_like(step) for step in states] for states in h]
    above[-1][-1] = error @ p["readout.W"].T
    stream = WIDE(0)
    every: dict[tuple[int, int], np.ndarray] = {}
    for layer in range(depth, 0, -1):
        after = np.zeros_like(above[layer - 1][0])
        grads_a = np.zeros_like(projections[layer - 1])
        skipped = np.zeros_like(grads_a)
        for t in reversed(range(steps)):
            grad_h = above[layer - 1][t] + after
            grads_a[t] = grad_h * _slope(spec.activation, phi[layer - 1][t])
            if _skips(spec, read[layer - 1][t], grad_h):
                skipped[t] = grad_h
            field_h[layer - 1, t] = log10_rms(grad_h)
            every[layer, t + 1] = grad_h
            field_a[layer - 1, t] = log10_rms(grads_a[t])
            if spec.bias:
                gradients[f"layer{layer}.b"] += grads_a[t].sum(axis=0)
            if t:
                _recurrent_gradient(gradients, layer, h[layer - 1][t - 1], grads_a[t])
                after = _recur_back(p, layer, grads_a[t])
        grads_p = grads_a
        if spec.norm != "none":
            normal, deviation, axes = _normalised(spec, projections[layer - 1])
            gradients[f"layer{layer}.gain"] = (grads_a * normal).sum(axis=(0, 1))
            grads_n = grads_a * p[f"layer{layer}.gain"]
            along = (grads_n * normal).mean(axis=axes, keepdims=True)
            grads_p = grads_n - grads_n.mean(axis=axes, keepdims=True) - normal * along
            grads_p = grads_p / deviation
        if spec.residual and spec.kind == "indrnn" and layer % 2:
            grads_p = stream = grads_p + stream
        for t in range(steps):
            gradients[f"layer{layer}.W"] += read[layer - 1][t].T @ grads_p[t]
            if layer == 1:
                continue
            passed = grads_p[t] @ p[f"layer{layer}.W"].T
            if not spec.dense:
                above[layer - 2][t] += passed + (skipped[t] if spec.kind == "mlp" else 0)
                continue
            for lower in range(layer - 1):
                first = spec.input_shape[0] + lower * spec.hidden_size
                above[lower][t] += passed[:, first : first + spec.hidden_size]
    return Truth(
        log10_grad_h=field_h,
        log10_grad_a=field_a,
        log10_grad_params={name: log10_rms(value) for name, value in gradients.items()},
        largest_h=np.array([[float(np.abs(s).max()) for s in states] for states in h]),
        grad_h=every,
    )


def _skips(spec: NetworkSpec, below: np.ndarray, output: np.ndarray) -> bool:
    """Whether h = phi(a) + x."""
    return spec.residual and spec.kind == "mlp" and below.shape == output.shape


def _reaches_back(spec: NetworkSpec, layer: int) -> bool:
    """Whether p_l = h_{l-1} W_l + p_{l-2}."""
    return spec.residual and spec.kind == "indrnn" and layer > 1 and layer % 2 == 1


def _normalised(
    spec: NetworkSpec, projection: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """N of (T, B, H), its deviations sqrt(var + eps), and the axes they run over."""
    if spec.norm == "none":
        return projection, WIDE(1), ()
    axes = (2,) if spec.norm == "layer" else (0, 1)
    centred = projection - projection.mean(axis=axes, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=axes, keepdims=True) + WIDE(1e-5))
    return centred / deviation, deviation, axes


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
