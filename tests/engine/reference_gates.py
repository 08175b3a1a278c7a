"""Backpropagation through LSTM and GRU layers as a textbook writes it, in long double."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.spec import NetworkSpec
from tests.engine.reference import WIDE, log10_rms


@dataclass(frozen=True)
class GatedTruth:
    """Magnitudes are log10 RMS, fields of shape (layers, time_steps).

    `grad_h` holds dL/dh itself, (B, H), and `states` each step's gates, by layer and step from 1.
    """

    log10_grad_h: np.ndarray
    log10_path: dict[str, np.ndarray]
    grad_h: dict[tuple[int, int], np.ndarray]
    states: dict[tuple[int, int], dict[str, np.ndarray]]


def gated_truth(
    spec: NetworkSpec, parameters: Mapping[str, np.ndarray], x: np.ndarray, target: np.ndarray
) -> GatedTruth:
    """One cell: parameters without a stack axis, x (T, B, features), target (B, outputs)."""
    p = {name: np.asarray(value).astype(WIDE) for name, value in parameters.items()}
    run, back = {"lstm": (_lstm, _lstm_back), "gru": (_gru, _gru_back)}[spec.kind]
    shape = (spec.depth, spec.time_steps)
    field_h, path = np.full(shape, -np.inf), {}
    below, kept = list(x.astype(WIDE)), []
    for layer in range(1, spec.depth + 1):
        states = run(p, f"layer{layer}.", below, spec.hidden_size)
        kept.append(states)
        below = [state["h"] for state in states]
    error = 2.0 * (below[-1] @ p["readout.W"] + p["readout.b"] - target) / WIDE(target.size)
    above = [np.zeros_like(h) for h in below]
    above[-1] = error @ p["readout.W"].T
    every, gates = {}, {}
    for layer in reversed(range(spec.depth)):
        carried = (np.zeros_like(below[0]), np.zeros_like(below[0]))
        passed = []
        for t in reversed(range(spec.time_steps)):
            grad_h = above[t] + carried[0]
            field_h[layer, t] = log10_rms(grad_h)
            every[layer + 1, t + 1] = grad_h
            gates[layer + 1, t + 1] = kept[layer][t]
            points, grad_x, carried = back(
                p, f"layer{layer + 1}.", kept[layer][t], grad_h, carried[1]
            )
            for name, value in points.items():
                path.setdefault(name, np.full(shape, -np.inf))[layer, t] = log10_rms(value)
            passed.insert(0, grad_x)
        above = passed
    return GatedTruth(field_h, path, every, gates)


def _sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


def _lstm(p, prefix, inputs, size):
    h = c = np.zeros((len(inputs[0]), size), dtype=WIDE)
    states = []
    for x in inputs:
        i, f, g, o = np.split(x @ p[prefix + "W"] + h @ p[prefix + "U"] + p[prefix + "b"], 4, -1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        before, c = c, f * c + i * g
        h = o * np.tanh(c)
        states.append({"i": i, "f": f, "g": g, "o": o, "c": c, "before": before, "h": h})
    return states


def _lstm_back(p, prefix, s, grad_h, grad_c):
    i, f, g, o, tanh_c = s["i"], s["f"], s["g"], s["o"], np.tanh(s["c"])
    total = grad_c + grad_h * o * (1 - tanh_c**2)
    grad_a = np.concatenate(
        [
            total * g * i * (1 - i),
            total * s["before"] * f * (1 - f),
            total * i * (1 - g**2),
            grad_h * tanh_c * o * (1 - o),
        ],
        axis=-1,
    )
    points = {"c": total, "kept": total * f}
    return points, grad_a @ p[prefix + "W"].T, (grad_a @ p[prefix + "U"].T, total * f)


def _gru(p, prefix, inputs, size):
    h = np.zeros((len(inputs[0]), size), dtype=WIDE)
    states = []
    for x in inputs:
        r, z, n = np.split(x @ p[prefix + "W"] + p[prefix + "b"], 3, -1)
        u_r, u_z, u_n = np.split(h @ p[prefix + "U"], 3, -1)
        r, z, u_n = _sigmoid(r + u_r), _sigmoid(z + u_z), u_n + p[prefix + "c"]
        n = np.tanh(n + r * u_n)
        states.append({"r": r, "z": z, "n": n, "u_n": u_n, "before": h, "h": (1 - z) * n + z * h})
        h = states[-1]["h"]
    return states


def _gru_back(p, prefix, s, grad_h, unused):
    r, z, n = s["r"], s["z"], s["n"]
    grad_n = grad_h * (1 - z) * (1 - n**2)
    grad_z = grad_h * (s["before"] - n) * z * (1 - z)
    grad_r = grad_n * s["u_n"] * r * (1 - r)
    grad_x = np.concatenate([grad_r, grad_z, grad_n], axis=-1) @ p[prefix + "W"].T
    recurrent = np.concatenate([grad_r, grad_z, grad_n * r], axis=-1) @ p[prefix + "U"].T
    return {"kept": z * grad_h}, grad_x, (recurrent + z * grad_h, unused)
