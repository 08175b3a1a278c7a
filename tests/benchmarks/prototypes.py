"""DESIGN section 7's prototypes: the plainest NumPy that does the work, a floor for the engine.

Forward, loss, backward with every parameter gradient, and norms of dL/dh and dL/da at the end.
Buffers are allocated once, `out=` is everywhere, the input projection and each weight gradient are
one GEMM over T*B, phi' is one pass over the whole network or sequence. There are no cells,
exponents, statistics, blocks or tiles. Where NumPy has two spellings the quicker one is written:
a transposed U is copied once, u is repeated over the batch, maximum takes an array of zeros, and
dL/dx of a convolution is im2col with the flipped kernel (col2im took twice as long).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from engine.spec import NetworkSpec

Array = NDArray[np.floating]


class Prototype(ABC):
    """One network of one workload; calling it does the whole work once.

    `x` is (T, B, *features), `target` (B, outputs), `parameters` the engine's without the stack
    axis. Layers are all of one shape, so h, dL/dh and dL/da of the network are one array each,
    layers first.

    Attributes:
        gradients: dL/d(parameter), by the engine's names.
        loss, log10_grad_h, log10_grad_a: as the engine's `Fields`; the norms (layers, T).
    """

    def __init__(
        self, spec: NetworkSpec, parameters: dict[str, Array], x: Array, target: Array
    ) -> None:
        self.spec, self.parameters, self.x, self.target = spec, parameters, x, target
        self.gradients = {name: np.empty_like(value) for name, value in parameters.items()}
        self.layers = [f"layer{index + 1}" for index in range(spec.depth)]
        self.unit = self._allocate()
        self.zeros = np.zeros(self.unit, x.dtype)

    def __call__(self) -> None:
        """Forward, loss, backward, norms."""
        parameters, gradients = self.parameters, self.gradients
        features = self._forward()
        error = features @ parameters["readout.W"]
        error += parameters["readout.b"]
        error -= self.target
        self.loss = float(np.mean(error * error))
        error *= 2.0 / error.size
        np.dot(features.T, error, out=gradients["readout.W"])
        error.sum(axis=0, out=gradients["readout.b"])
        self._backward(error @ parameters["readout.W"].T)
        self.log10_grad_h = self._log10_rms(self.grad_h)
        self.log10_grad_a = self._log10_rms(self.grad_a)

    @abstractmethod
    def _allocate(self) -> tuple[int, ...]:
        """Allocate h, grad_h, grad_a and slope; return the shape of one layer's h at one step."""

    @abstractmethod
    def _forward(self) -> Array:
        """Fill h and return the features for the readout."""

    @abstractmethod
    def _backward(self, grad_features: Array) -> None:
        """Fill grad_h, grad_a and the layers' gradients."""

    def _empty(self, *shape: int) -> Array:
        return np.empty(shape, self.x.dtype)

    def _phi(self, h: Array) -> None:
        if self.spec.activation == "tanh":
            np.tanh(h, out=h)
        else:
            np.maximum(h, self.zeros, out=h)

    def _slope(self, h: Array) -> None:
        if self.spec.activation == "tanh":
            np.multiply(h, h, out=self.slope)
            np.subtract(1.0, self.slope, out=self.slope)
        else:
            np.greater(h, 0.0, out=self.slope)

    def _log10_rms(self, values: Array) -> Array:
        flat = values.reshape(self.spec.depth, self.spec.time_steps, -1)
        # In float32 squares of a long vanished gradient are 0; the engine sums those with care.
        with np.errstate(divide="ignore"):
            return 0.5 * np.log10(np.vecdot(flat, flat) / flat.shape[-1])


class FeedForward(Prototype):
    """h[0] is the input, h[l + 1] layer l's output."""

    def _allocate(self) -> tuple[int, ...]:
        unit = self.x.shape[1:]
        self.h = self._empty(self.spec.depth + 1, *unit)
        self.grad_h, self.grad_a, self.slope = self._empty(3, self.spec.depth, *unit)
        return unit

    def _forward(self) -> Array:
        self.h[0] = self.x[0]
        for layer, before, after in zip(self.layers, self.h, self.h[1:], strict=False):
            self._linear(before, self.parameters[f"{layer}.W"], after)
            after += self.parameters[f"{layer}.b"]
            self._phi(after)
        return self._features(self.h[-1])

    def _backward(self, grad_features: Array) -> None:
        self._slope(self.h[1:])
        self._spread(grad_features, self.grad_h[-1])
        for index in reversed(range(self.spec.depth)):
            layer, grad_a = self.layers[index], self.grad_a[index]
            np.multiply(self.grad_h[index], self.slope[index], out=grad_a)
            self._linear_gradient(self.h[index], grad_a, self.gradients[f"{layer}.W"])
            rows = grad_a.reshape(-1, grad_a.shape[-1])
            rows.sum(axis=0, out=self.gradients[f"{layer}.b"])
            if index:
                below = self.grad_h[index - 1]
                self._linear_transposed(grad_a, self.parameters[f"{layer}.W"], below)

    @abstractmethod
    def _linear(self, x: Array, weight: Array, out: Array) -> None: ...

    @abstractmethod
    def _linear_transposed(self, grad_a: Array, weight: Array, out: Array) -> None: ...

    @abstractmethod
    def _linear_gradient(self, x: Array, grad_a: Array, out: Array) -> None: ...

    def _features(self, h: Array) -> Array:
        return h

    def _spread(self, grad_features: Array, out: Array) -> None:
        out[...] = grad_features


class Dense(FeedForward):
    """W1."""

    def _linear(self, x: Array, weight: Array, out: Array) -> None:
        np.dot(x, weight, out=out)

    def _linear_transposed(self, grad_a: Array, weight: Array, out: Array) -> None:
        np.dot(grad_a, weight.T, out=out)

    def _linear_gradient(self, x: Array, grad_a: Array, out: Array) -> None:
        np.dot(x.T, grad_a, out=out)


class Convolution(FeedForward):
    """W2: im2col of the whole batch, gathered again for the weight gradient rather than kept."""

    def _allocate(self) -> tuple[int, ...]:
        unit = batch, height, width, channels = super()._allocate()
        k = self.spec.kernel_size
        self.padded = np.zeros((batch, height + k - 1, width + k - 1, channels), self.x.dtype)
        self.patches = self._empty(batch, height, width, k, k * channels)
        image, row, column, value = self.padded.strides
        self.windows = np.lib.stride_tricks.as_strided(
            self.padded, self.patches.shape, (image, row, column, row, value)
        )
        self.flipped = self._empty(k, k, channels, channels)
        return unit

    def _im2col(self, images: Array) -> Array:
        border = self.spec.kernel_size // 2
        self.padded[:, border:-border, border:-border] = images
        np.copyto(self.patches, self.windows)
        return self.patches.reshape(-1, self.flipped[:, :, 0].size)

    def _linear(self, x: Array, weight: Array, out: Array) -> None:
        channels = out.shape[-1]
        np.dot(self._im2col(x), weight.reshape(-1, channels), out=out.reshape(-1, channels))

    def _linear_transposed(self, grad_a: Array, weight: Array, out: Array) -> None:
        self.flipped[...] = weight[::-1, ::-1].swapaxes(-1, -2)
        self._linear(grad_a, self.flipped, out)

    def _linear_gradient(self, x: Array, grad_a: Array, out: Array) -> None:
        channels = out.shape[-1]
        rows = grad_a.reshape(-1, channels)
        np.dot(self._im2col(x).T, rows, out=out.reshape(-1, channels))

    def _features(self, h: Array) -> Array:
        return h.mean(axis=(1, 2))

    def _spread(self, grad_features: Array, out: Array) -> None:
        out[...] = grad_features[:, None, None] / (out.shape[1] * out.shape[2])


class ThroughTime(Prototype):
    """h[l, 0] is zero, h[l, t + 1] layer l's state after step t; a alone is scratch."""

    def _allocate(self) -> tuple[int, ...]:
        depth, steps = self.spec.depth, self.spec.time_steps
        unit = (self.spec.batch_size, self.spec.hidden_size)
        self.h = np.zeros((depth, steps + 1, *unit), self.x.dtype)
        self.grad_h, self.grad_a = self._empty(2, depth, steps, *unit)
        self.a, self.slope = self._empty(2, steps, *unit)
        return unit

    def _forward(self) -> Array:
        x, a = self.x, self.a
        for layer, h in zip(self.layers, self.h, strict=True):
            weight = self.parameters[f"{layer}.W"]
            np.dot(x.reshape(-1, len(weight)), weight, out=a.reshape(-1, weight.shape[1]))
            a += self.parameters[f"{layer}.b"]
            hop, recur = self._recurrence(layer, transposed=False)
            for t in range(self.spec.time_steps):
                after = h[t + 1]
                hop(h[t], recur, out=after)
                np.add(after, a[t], out=after)
                self._phi(after)
            x = h[1:]
        return self.h[-1, -1]

    def _backward(self, grad_features: Array) -> None:
        external: Array | None = None
        for index in reversed(range(self.spec.depth)):
            layer, h = self.layers[index], self.h[index]
            grad_h, grad_a = self.grad_h[index], self.grad_a[index]
            self._slope(h[1:])
            grad_h[-1] = grad_features if external is None else external[-1]
            hop, recur = self._recurrence(layer, transposed=True)
            for t in reversed(range(self.spec.time_steps)):
                np.multiply(grad_h[t], self.slope[t], out=grad_a[t])
                if t:
                    hop(grad_a[t], recur, out=grad_h[t - 1])
                    if external is not None:
                        np.add(grad_h[t - 1], external[t - 1], out=grad_h[t - 1])
            weight = self.parameters[f"{layer}.W"]
            below = self.h[index - 1, 1:] if index else self.x
            rows = grad_a.reshape(-1, weight.shape[1])
            np.dot(below.reshape(-1, len(weight)).T, rows, out=self.gradients[f"{layer}.W"])
            rows.sum(axis=0, out=self.gradients[f"{layer}.b"])
            self._recurrent_gradient(layer, h[1:-1], grad_a[1:])
            if index:
                # a has served: its buffer carries what this layer hands down.
                external = self.a
                np.dot(rows, weight.T, out=external.reshape(-1, len(weight)))

    @abstractmethod
    def _recurrence(self, layer: str, transposed: bool) -> tuple[np.ufunc, Array]:
        """What takes h of one step to the next, or dL/da back to dL/dh, and its second operand."""

    @abstractmethod
    def _recurrent_gradient(self, layer: str, h: Array, grad_a: Array) -> None: ...


class Recurrent(ThroughTime):
    """W3 and W7."""

    def _recurrence(self, layer: str, transposed: bool) -> tuple[np.ufunc, Array]:
        weight = self.parameters[f"{layer}.U"]
        return np.dot, weight.T.copy() if transposed else weight

    def _recurrent_gradient(self, layer: str, h: Array, grad_a: Array) -> None:
        size = h.shape[-1]
        rows = grad_a.reshape(-1, size)
        np.dot(h.reshape(-1, size).T, rows, out=self.gradients[f"{layer}.U"])


class IndependentlyRecurrent(ThroughTime):
    """W4."""

    def _recurrence(self, layer: str, transposed: bool) -> tuple[np.ufunc, Array]:
        return np.multiply, np.broadcast_to(self.parameters[f"{layer}.u"], self.unit).copy()

    def _recurrent_gradient(self, layer: str, h: Array, grad_a: Array) -> None:
        np.einsum("tbh,tbh->h", h, grad_a, out=self.gradients[f"{layer}.u"])
