"""The engine's networks written plainly in PyTorch, from a dict of the engine's parameters.

Nothing here knows how the engine computes: forward is the table of conventions read line by line,
backward is autograd with the gradients of every h and a kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from engine.spec import NetworkSpec

Tensor = torch.Tensor

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": lambda a: F.leaky_relu(a, 0.01),
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    # F.softplus turns linear above 20, which float64 notices.
    "softplus": lambda a: torch.logaddexp(a, torch.zeros_like(a)),
    "linear": lambda a: a * 1.0,
}


@dataclass(frozen=True)
class Reference:
    """What autograd found; magnitudes are log10 RMS, shape (layers, time_steps)."""

    loss: float
    output: np.ndarray
    gradients: dict[str, np.ndarray]
    log10_grad_h: np.ndarray
    log10_grad_a: np.ndarray | None
    log10_grad_gates: dict[str, np.ndarray]
    log10_path: dict[str, np.ndarray]
    h: list[list[np.ndarray]]


def run(
    spec: NetworkSpec, parameters: Mapping[str, np.ndarray], x: np.ndarray, target: np.ndarray
) -> Reference:
    """One cell: parameters without a stack axis, x (T, B, *input_shape), target (B, outputs)."""
    dtype = getattr(torch, spec.dtype)
    leaves = {
        name: torch.tensor(np.asarray(value), dtype=dtype, requires_grad=True)
        for name, value in parameters.items()
    }
    inputs = torch.tensor(np.asarray(x), dtype=dtype)
    path: dict[str, list[list[Tensor]]] = {}
    a, h = _layers(spec, leaves, inputs, path)
    outputs = []
    for last in h[-1][-spec.readout_steps :]:
        if spec.kind == "cnn":
            last = last.mean(dim=(1, 2))
        outputs.append(last @ leaves["readout.W"] + leaves["readout.b"])
    output = torch.stack(outputs) if spec.readout_steps > 1 else outputs[0]
    wanted = torch.tensor(np.asarray(target), dtype=dtype)
    if spec.loss == "cross_entropy":
        rows, labels = output.flatten(0, -2), wanted.flatten(0, -2).argmax(dim=1)
        loss = F.cross_entropy(rows, labels)
    else:
        loss = (output - wanted).square().mean()
    loss.backward()
    return Reference(
        loss=loss.item(),
        output=output.detach().numpy(),
        gradients={
            name: np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
            for name, leaf in leaves.items()
        },
        log10_grad_h=_field(h),
        log10_grad_a=None if isinstance(a[0][0], dict) else _field(a),
        log10_grad_gates={
            gate: _field([[step[gate] for step in layer] for layer in a])
            for gate in (a[0][0] if isinstance(a[0][0], dict) else ())
        },
        log10_path={name: _field(layers) for name, layers in path.items()},
        h=[[step.detach().numpy() for step in layer] for layer in h],
    )


def jacobian(spec: NetworkSpec, parameters: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """The first sample's d h_D / d x, or of a recurrent net's last layer d h_T / d h_1.

    `x` is (T, B, *input_shape); a recurrent net has neither norm nor skips here.
    """
    spec = replace(spec, batch_size=1)
    leaves = {name: torch.tensor(np.asarray(value)) for name, value in parameters.items()}
    inputs = torch.tensor(np.asarray(x[:, :1]))
    if spec.kind in ("mlp", "cnn"):

        def output(sample: Tensor) -> Tensor:
            return _layers(spec, leaves, sample, {})[1][-1][0].ravel()

        found = torch.autograd.functional.jacobian(output, inputs)
        return found.reshape(len(found), -1).numpy()
    leaves = {name: leaf.requires_grad_() for name, leaf in leaves.items()}
    below = _layers(spec, leaves, inputs, {})[1][-2] if spec.depth > 1 else list(inputs)
    below = [step.detach() for step in below]
    own = {
        name: leaves[f"layer{spec.depth}.{name}"].detach()
        if f"layer{spec.depth}.{name}" in leaves
        else torch.zeros(())
        for name in ("W", "U", "u", "b", "c")
    }
    width = 2 * spec.hidden_size if spec.kind == "lstm" else spec.hidden_size
    first = _step(spec, own, below[0], torch.zeros((1, width), dtype=torch.float64))

    def last(state: Tensor) -> Tensor:
        for step in below[1:]:
            state = _step(spec, own, step, state)
        return state[0]

    return torch.autograd.functional.jacobian(last, first)[:, 0].numpy()


def _step(spec: NetworkSpec, own: Mapping[str, Tensor], x: Tensor, state: Tensor) -> Tensor:
    """One time step of one layer; the state of an LSTM is h and c side by side."""
    p = x @ own["W"] + own["b"]
    if spec.kind == "lstm":
        h, c = state.chunk(2, dim=1)
        i, f, g, o = (p + h @ own["U"]).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.cat([torch.sigmoid(o) * torch.tanh(c), c], dim=1)
    if spec.kind == "gru":
        (p_r, p_z, p_n), (u_r, u_z, u_n) = p.chunk(3, dim=1), (state @ own["U"]).chunk(3, dim=1)
        n = torch.tanh(p_n + torch.sigmoid(p_r + u_r) * (u_n + own["c"]))
        z = torch.sigmoid(p_z + u_z)
        return (1 - z) * n + z * state
    phi = torch.relu if spec.kind == "irnn" else ACTIVATIONS[spec.activation]
    recurrent = own["u"] * state if spec.kind == "indrnn" else state @ own["U"]
    return phi(p + recurrent)


def _layers(
    spec: NetworkSpec,
    leaves: Mapping[str, Tensor],
    inputs: Tensor,
    path: dict[str, list[list[Tensor]]],
) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """Pre-activations and outputs by layer and time step, their gradients kept.

    A pre-activation of a cell with gates is a dict by gate. `path` receives a feed-forward net's
    projections, if normalised, and what its W read, if there are skips.
    """
    phi = torch.relu if spec.kind == "irnn" else ACTIVATIONS[spec.activation]
    below = list(inputs)
    all_a, all_h, all_p = [], [], []
    for layer in range(1, spec.depth + 1):
        names = ("W", "U", "u", "b", "c", "gain")
        own = {name: leaves.get(f"layer{layer}.{name}") for name in names}
        layer_a, layer_h = [], []
        # What W reads is told apart from what a skip carries.
        read = [x * 1.0 for x in below]
        p = [_convolve(spec, x, own["W"]) if spec.kind == "cnn" else x @ own["W"] for x in read]
        if spec.kind in ("mlp", "cnn") and spec.residual and layer > 1:
            path.setdefault("branch", []).append(_kept_all(read))
        if spec.kind in ("mlp", "cnn") and spec.norm != "none":
            path.setdefault("projection", []).append(_kept_all(p))
        if spec.kind == "indrnn" and spec.residual and layer % 2 and layer > 1:
            p = [step + before for step, before in zip(p, all_p[-2], strict=True)]
        all_p.append(p)
        projected = list(_normalise(spec, torch.stack(p), own["gain"]))
        if spec.kind in ("lstm", "gru"):
            cell = _lstm if spec.kind == "lstm" else _gru
            layer_a, layer_h = cell(spec, own, projected)
            all_a.append(layer_a)
            all_h.append(layer_h)
            below = layer_h
            continue
        for x, a in zip(below, projected, strict=True):
            before = layer_h[-1] if layer_h else None
            if own["b"] is not None:
                a = a + own["b"]
            if before is not None and spec.kind in ("rnn", "irnn"):
                a = a + before @ own["U"]
            if before is not None and spec.kind == "indrnn":
                a = a + own["u"] * before
            a.retain_grad()
            h = phi(a)
            if spec.residual and spec.kind != "indrnn" and x.shape == h.shape:
                h = h + x
            h.retain_grad()
            layer_a.append(a)
            layer_h.append(h)
        all_a.append(layer_a)
        all_h.append(layer_h)
        if spec.dense:
            layer_h = [torch.cat(pair, dim=1) for pair in zip(below, layer_h, strict=True)]
        below = layer_h
    return all_a, all_h


def _normalise(spec: NetworkSpec, p: Tensor, gain: Tensor | None) -> Tensor:
    """P of all time steps, (T, B, ..., F), normalised and multiplied by the gain."""
    if spec.norm == "none":
        return p
    if spec.norm == "layer":
        return F.layer_norm(p, p.shape[2:]) * gain
    rows = p.reshape(-1, p.shape[-1])
    if len(rows) == 1:
        # PyTorch refuses a single value, whose distance from its own mean is 0.
        return (p - p) * gain
    return F.batch_norm(rows, None, None, weight=gain, training=True).reshape(p.shape)


def _lstm(
    spec: NetworkSpec, own: Mapping[str, Tensor | None], projected: list[Tensor]
) -> tuple[list[dict[str, Tensor]], list[Tensor]]:
    """The standard cell, gates i, f, g, o."""
    all_a, all_h = [], []
    h = c = projected[0].new_zeros(spec.batch_size, spec.hidden_size)
    for p in projected:
        a = p + h @ own["U"]
        if own["b"] is not None:
            a = a + own["b"]
        gates = _kept(dict(zip("ifgo", a.chunk(4, dim=1), strict=True)))
        c = torch.sigmoid(gates["f"]) * c + torch.sigmoid(gates["i"]) * torch.tanh(gates["g"])
        h = torch.sigmoid(gates["o"]) * torch.tanh(c)
        h.retain_grad()
        all_a.append(gates)
        all_h.append(h)
    return all_a, all_h


def _gru(
    spec: NetworkSpec, own: Mapping[str, Tensor | None], projected: list[Tensor]
) -> tuple[list[dict[str, Tensor]], list[Tensor]]:
    """PyTorch's cell, gates r, z, n, with the second bias inside r's reach."""
    all_a, all_h = [], []
    h = projected[0].new_zeros(spec.batch_size, spec.hidden_size)
    for a in projected:
        if own["b"] is not None:
            a = a + own["b"]
        (r, z, n), (u_r, u_z, u_n) = a.chunk(3, dim=1), (h @ own["U"]).chunk(3, dim=1)
        if own["c"] is not None:
            u_n = u_n + own["c"]
        gates = _kept({"r": r + u_r, "z": z + u_z})
        gates |= _kept({"n": n + torch.sigmoid(gates["r"]) * u_n})
        z = torch.sigmoid(gates["z"])
        h = (1 - z) * torch.tanh(gates["n"]) + z * h
        h.retain_grad()
        all_a.append(gates)
        all_h.append(h)
    return all_a, all_h


def _kept(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for tensor in tensors.values():
        tensor.retain_grad()
    return tensors


def _kept_all(tensors: list[Tensor]) -> list[Tensor]:
    for tensor in tensors:
        tensor.retain_grad()
    return tensors


def _convolve(spec: NetworkSpec, image: Tensor, kernel: Tensor) -> Tensor:
    """NHWC image, kernel (k, k, C_in, C_out), size kept: (k - 1) // 2 of padding before."""
    size = spec.kernel_size
    before, after = (size - 1) // 2, size // 2
    if spec.padding == "circular":
        for axis in (1, 2):
            length = image.shape[axis]
            image = image.index_select(axis, torch.arange(-before, length + after) % length)
    else:
        image = F.pad(image, (0, 0, before, after, before, after))
    # Contiguous, because PyTorch's plain convolution refuses strided weights in some shapes.
    weight = kernel.permute(3, 2, 0, 1).contiguous()
    return F.conv2d(image.permute(0, 3, 1, 2).contiguous(), weight).permute(0, 2, 3, 1)


def _field(tensors: list[list[Tensor]]) -> np.ndarray:
    return np.array([[_log10_rms(tensor.grad) for tensor in layer] for layer in tensors])


def _log10_rms(gradient: Tensor | None) -> float:
    if gradient is None:
        return -np.inf
    values = gradient.detach().numpy().astype(np.float64)
    # Scaled by the largest, so that squares stay in float64.
    largest = np.abs(values).max()
    if largest == 0.0:
        return -np.inf
    return float(np.log10(largest) + 0.5 * np.log10(np.mean((values / largest) ** 2)))
