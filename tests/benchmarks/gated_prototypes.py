"""The prototypes with gates, in the manner of prototypes.py: LSTM and GRU of a single layer.

Gates lie side by side in a row, as in W, U and b, so that every product is one GEMM; sigmoid and
tanh run over a step's gates where those are neighbours, and slopes over the whole sequence at once.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from tests.benchmarks.prototypes import Array, Prototype


def _sigmoid(a: Array, out: Array) -> None:
    np.negative(a, out=out)
    np.exp(out, out=out)
    np.add(out, 1.0, out=out)
    np.reciprocal(out, out=out)


class Gated(Prototype):
    """h[0] is zero; gates (T, B, G H) holds what is squashed, slope what a loop multiplies by."""

    count: int

    def _allocate(self) -> tuple[int, ...]:
        steps, batch, size = self.spec.time_steps, self.spec.batch_size, self.spec.hidden_size
        wide = self.count * size
        self.h = np.zeros((steps + 1, batch, size), self.x.dtype)
        self.a, self.gates, self.slope, grad_a = self._empty(4, steps, batch, wide)
        self.grad_a = grad_a[None]
        self.grad_h = self._empty(1, steps, batch, size)
        self.product = self._empty(batch, wide)
        self.parts = [slice(gate * size, (gate + 1) * size) for gate in range(self.count)]
        return (batch, size)

    def _forward(self) -> Array:
        weight = self.parameters["layer1.W"]
        rows = self.a.reshape(-1, weight.shape[1])
        np.dot(self.x.reshape(-1, len(weight)), weight, out=rows)
        self.a += self.parameters["layer1.b"]
        for t in range(self.spec.time_steps):
            np.dot(self.h[t], self.parameters["layer1.U"], out=self.product)
            self._step(t)
        return self.h[-1]

    def _backward(self, grad_features: Array) -> None:
        self._slopes()
        self.grad_h[0, -1] = grad_features
        transposed = self.parameters["layer1.U"].T.copy()
        for t in reversed(range(self.spec.time_steps)):
            self._step_back(t, transposed)
        weight = self.parameters["layer1.W"]
        rows = self.grad_a.reshape(-1, weight.shape[1])
        np.dot(self.x.reshape(-1, len(weight)).T, rows, out=self.gradients["layer1.W"])
        rows.sum(axis=0, out=self.gradients["layer1.b"])
        self._recurrent_gradient(self.h[1:-1].reshape(-1, self.h.shape[-1]).T)

    @abstractmethod
    def _step(self, t: int) -> None:
        """Fill h[t + 1], given h[t] U."""

    @abstractmethod
    def _slopes(self) -> None: ...

    @abstractmethod
    def _step_back(self, t: int, transposed: Array) -> None:
        """Fill grad_a[0, t] and, where there is one, grad_h[0, t - 1]."""

    @abstractmethod
    def _recurrent_gradient(self, h: Array) -> None:
        """Fill the gradients of U and what else h meets, given all h_{t-1} as columns."""


class LSTM(Gated):
    """W5."""

    count = 4

    def _allocate(self) -> tuple[int, ...]:
        unit = super()._allocate()
        steps = self.spec.time_steps
        self.c = np.zeros((steps + 1, *unit), self.x.dtype)
        self.tanh_c, self.slope_c = self._empty(2, steps, *unit)
        self.grad_c, self.scratch = self._empty(2, *unit)
        return unit

    def _step(self, t: int) -> None:
        gates, c, tanh_c = self.gates[t], self.c[t + 1], self.tanh_c[t]
        i, f, g, o = (gates[:, part] for part in self.parts)
        np.add(self.a[t], self.product, out=gates)
        _sigmoid(gates[:, : 2 * self.spec.hidden_size], gates[:, : 2 * self.spec.hidden_size])
        np.tanh(g, out=g)
        _sigmoid(o, o)
        np.multiply(f, self.c[t], out=c)
        np.multiply(i, g, out=self.scratch)
        np.add(c, self.scratch, out=c)
        np.tanh(c, out=tanh_c)
        np.multiply(o, tanh_c, out=self.h[t + 1])

    def _slopes(self) -> None:
        i, _, g, o = (self.gates[..., part] for part in self.parts)
        np.subtract(1.0, self.gates, out=self.slope)
        np.multiply(self.slope, self.gates, out=self.slope)
        to_i, to_f, to_g, to_o = (self.slope[..., part] for part in self.parts)
        np.multiply(g, g, out=to_g)
        np.subtract(1.0, to_g, out=to_g)
        for slope, partner in ((to_i, g), (to_f, self.c[:-1]), (to_g, i), (to_o, self.tanh_c)):
            np.multiply(slope, partner, out=slope)
        np.multiply(self.tanh_c, self.tanh_c, out=self.slope_c)
        np.subtract(1.0, self.slope_c, out=self.slope_c)
        np.multiply(self.slope_c, o, out=self.slope_c)

    def _step_back(self, t: int, transposed: Array) -> None:
        grad_h, grad_a, slope = self.grad_h[0, t], self.grad_a[0, t], self.slope[t]
        size = self.spec.hidden_size
        if t == self.spec.time_steps - 1:
            np.multiply(grad_h, self.slope_c[t], out=self.grad_c)
        else:
            # What the step after kept, and what comes through h.
            np.multiply(self.grad_c, self.gates[t + 1][:, self.parts[1]], out=self.grad_c)
            np.multiply(grad_h, self.slope_c[t], out=self.scratch)
            np.add(self.grad_c, self.scratch, out=self.grad_c)
        np.multiply(
            self.grad_c[:, None],
            slope[:, : 3 * size].reshape(len(slope), 3, size),
            out=grad_a[:, : 3 * size].reshape(len(slope), 3, size),
        )
        np.multiply(grad_h, slope[:, 3 * size :], out=grad_a[:, 3 * size :])
        if t:
            np.dot(grad_a, transposed, out=self.grad_h[0, t - 1])

    def _recurrent_gradient(self, h: Array) -> None:
        rows = self.grad_a[0, 1:].reshape(h.shape[1], -1)
        np.dot(h, rows, out=self.gradients["layer1.U"])


class GRU(Gated):
    """W6."""

    count = 3

    def _allocate(self) -> tuple[int, ...]:
        unit = super()._allocate()
        self.recalled, self.to_recalled = self._empty(2, self.spec.time_steps, *unit)
        self.seen, self.scratch = self._empty(*self.product.shape), self._empty(*unit)
        return unit

    def _step(self, t: int) -> None:
        gates, h, after, recalled = self.gates[t], self.h[t], self.h[t + 1], self.recalled[t]
        wide = 2 * self.spec.hidden_size
        r, z, n = (gates[:, part] for part in self.parts)
        np.add(self.a[t][:, :wide], self.product[:, :wide], out=gates[:, :wide])
        _sigmoid(gates[:, :wide], gates[:, :wide])
        np.add(self.product[:, wide:], self.parameters["layer1.c"], out=recalled)
        np.multiply(r, recalled, out=n)
        np.add(n, self.a[t][:, wide:], out=n)
        np.tanh(n, out=n)
        np.subtract(h, n, out=after)
        np.multiply(after, z, out=after)
        np.add(after, n, out=after)

    def _slopes(self) -> None:
        r, z, n = (self.gates[..., part] for part in self.parts)
        np.subtract(1.0, self.gates, out=self.slope)
        to_r, to_z, to_n = (self.slope[..., part] for part in self.parts)
        np.multiply(n, n, out=to_n)
        np.subtract(1.0, to_n, out=to_n)
        np.multiply(to_n, to_z, out=to_n)
        np.multiply(to_r, r, out=to_r)
        np.multiply(to_r, self.recalled, out=to_r)
        np.multiply(to_z, z, out=to_z)
        np.subtract(self.h[:-1], n, out=self.to_recalled)
        np.multiply(to_z, self.to_recalled, out=to_z)
        np.multiply(to_n, r, out=self.to_recalled)

    def _step_back(self, t: int, transposed: Array) -> None:
        grad_h, grad_a, slope = self.grad_h[0, t], self.grad_a[0, t], self.slope[t]
        wide = 2 * self.spec.hidden_size
        to_r, to_z, to_n = (slope[:, part] for part in self.parts)
        grad_r, grad_z, grad_n = (grad_a[:, part] for part in self.parts)
        np.multiply(grad_h, to_n, out=grad_n)
        np.multiply(grad_n, to_r, out=grad_r)
        np.multiply(grad_h, to_z, out=grad_z)
        # The buffer of h U_n + c has served: its gradient takes its place.
        np.multiply(grad_h, self.to_recalled[t], out=self.recalled[t])
        if t:
            self.seen[:, :wide] = grad_a[:, :wide]
            self.seen[:, wide:] = self.recalled[t]
            before = self.grad_h[0, t - 1]
            np.dot(self.seen, transposed, out=before)
            np.multiply(grad_h, self.gates[t][:, self.parts[1]], out=self.scratch)
            np.add(before, self.scratch, out=before)

    def _recurrent_gradient(self, h: Array) -> None:
        out, wide = self.gradients["layer1.U"], 2 * self.spec.hidden_size
        rows = self.grad_a[0, 1:].reshape(h.shape[1], -1)
        out[:, :wide] = h @ rows[:, :wide]
        recalled = self.recalled.reshape(-1, self.spec.hidden_size)
        out[:, wide:] = h @ recalled[self.spec.batch_size :]
        recalled.sum(axis=0, out=self.gradients["layer1.c"])
