"""What all feed-forward layers share: h = phi(affine(x) + b), and its backward pass."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from engine.layer import Layer, Shape, sum_over_samples
from engine.magnitude import ScaledGradient

if TYPE_CHECKING:
    from engine.arrays import Array


class FeedForwardLayer(Layer):
    """A layer crossed once: a subclass writes the linear map and its two transposes."""

    recurrent: ClassVar[bool] = False

    @abstractmethod
    def _linear(self, x: Array, out: Array) -> None:
        """Write W x to `out`; x is (S, B, *input_shape), out (S, B, *output_shape)."""

    @abstractmethod
    def _linear_backward(self, gradient: Array, out: Array) -> None:
        """Write W^T gradient, shaped like x, to `out`."""

    @abstractmethod
    def _weight_gradient(self, x: Array, gradient: Array) -> None:
        """Fill the gradient of W from dL/da."""

    def forward(self, x: Array) -> Array:
        xp, a, h = self.backend.xp, self.arrays.own["a"], self.arrays.own["h"]
        self._linear(x[:, 0], a[:, 0])
        if "b" in self.arrays.parameters:
            flat = a.reshape(self.cells, -1, a.shape[-1])
            xp.add(flat, self.arrays.parameters["b"][:, None], out=flat)
        self.activation.forward(xp, a, h)
        self._probe_activations(h, slice(0, 1))
        return h

    def backward(self, x: Array, gradient: ScaledGradient, into: Array | None) -> ScaledGradient:
        xp, a, h = self.backend.xp, self.arrays.own["a"], self.arrays.own["h"]
        self.probe.log2_grad_h[:] = self.rescale(gradient)
        slope = self.arrays.shared["slope"][: a.size].reshape(a.shape)
        self.activation.slope(xp, a, h, slope)
        self._probe_saturation(slope, slice(0, 1))
        # a has served: its buffer carries dL/da from here on.
        xp.multiply(gradient.data, slope, out=a)
        grad_a = ScaledGradient(a, gradient.exponent)
        self.probe.log2_grad_a[:] = self.rescale(grad_a)
        below = ScaledGradient(into, grad_a.exponent)
        if into is not None:
            self._linear_backward(a[:, 0], into[:, 0])
        exponent = self.align(grad_a, self.probe.log2_grad_a, self.log2_x)
        self._weight_gradient(x[:, 0], a[:, 0])
        if "b" in self.arrays.parameters:
            sum_over_samples(self.backend, a, self.arrays.gradients["b"])
        self._probe_parameters(exponent)
        return below


def buffers(cells: int, batch: int, output_shape: Shape) -> tuple[dict[str, Shape], Shape]:
    """The buffers every feed-forward layer keeps, and the shape of its scratch."""
    shape = (cells, 1, batch, *output_shape)
    return {"a": shape, "h": shape}, shape
