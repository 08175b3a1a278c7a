"""What all feed-forward layers share: h = phi(affine(x) + b), and its backward pass.

With a residual connection h = phi(affine(x) + b) + x, in layers whose output is shaped like x.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import partial
from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.layer import Layer, Shape, sum_over_samples
from engine.linearisation import Hop
from engine.magnitude import ScaledGradient, add_scaled, put_log2_rms

if TYPE_CHECKING:
    from engine.arrays import Array, HostArray
    from engine.backend import Backend
    from engine.layer import Arrays
    from engine.normalisation import LinearNormalisation
    from engine.spec import NetworkSpec


class FeedForwardLayer(Layer):
    """A layer crossed once: a subclass writes the linear map and its two transposes."""

    recurrent: ClassVar[bool] = False

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        # Views that every pass needs, made once: deep nets of small layers notice.
        a = arrays.own["a"]
        self._rows = a.reshape(cells, -1, a.shape[-1])
        self._slope = arrays.scratch("slope", a.shape)
        self._bias = arrays.parameters["b"][:, None] if "b" in arrays.parameters else None
        if spec.residual:
            # nan stays where no gradient is passed on: in the first layer.
            self.probe.log2_path["branch"].fill(math.nan)

    @classmethod
    def points(cls, spec: NetworkSpec) -> tuple[str, ...]:
        projection = () if spec.norm == "none" else ("projection",)
        return (*cls.path, *projection, *(("branch",) if spec.residual else ()))

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
        phi = self.arrays.own.get("phi", h)
        self._linear(x[:, 0], a[:, 0])
        self._project(a)
        if self._bias is not None:
            xp.add(self._rows, self._bias, out=self._rows)
        self.activation.forward(xp, a, phi)
        if phi is not h:
            xp.add(phi, x, out=h)
        self._probe_activations(h, phi, slice(0, 1))
        return h

    def backward(self, x: Array, gradient: ScaledGradient, into: Array | None) -> ScaledGradient:
        xp, a = self.backend.xp, self.arrays.own["a"]
        phi = self.arrays.own.get("phi", self.arrays.own["h"])
        probe = self.probe
        self.rescale(gradient, probe.log2_grad_h)
        if self.witness is not None:
            self.witness(gradient.data, gradient.exponent, slice(0, 1))
        slope = self._slope
        self.activation.slope(xp, a, phi, slope)
        self._probe_saturation(slope, slice(0, 1))
        # dL/da takes the slope's place, which is in cache as a is not.
        xp.multiply(gradient.data, slope, out=slope)
        grad_a = ScaledGradient(slope, gradient.exponent)
        self.rescale(grad_a, probe.log2_grad_a)
        grad_p, log2_grad_p = self._projection_gradient(grad_a)
        if self.normaliser is not None:
            probe.log2_path["projection"][:] = log2_grad_p
        below = ScaledGradient(into, grad_p.exponent)
        if into is not None:
            below = self._below(grad_p, gradient, into)
        if self.fills_gradients:
            self._fill_gradients(x, grad_a, grad_p, log2_grad_p)
        return below

    def _fill_gradients(
        self, x: Array, grad_a: ScaledGradient, grad_p: ScaledGradient, log2_grad_p: HostArray
    ) -> None:
        """The parameters' gradients, from dL/da and dL/d(x W), whose scales they use up."""
        of_weights = self.align(grad_p, log2_grad_p, self.log2_x)
        exponent = of_weights
        if grad_p is not grad_a:
            import numpy as np

            # gain and b meet n and 1, which have no scale.
            none = np.zeros_like(log2_grad_p)
            exponent = self.align(grad_a, self.probe.log2_grad_a, none, self._scaled_like_a())
        self._weight_gradient(x[:, 0], grad_p.data[:, 0])
        if self._bias is not None:
            ones = self.arrays.shared["ones"]
            sum_over_samples(self.backend, ones, grad_a.data, self.arrays.gradients["b"])
        if self.normaliser is not None:
            self.normaliser.sum_gain()
        self._probe_parameters(exponent, of_weights)

    def _below(
        self, grad_p: ScaledGradient, gradient: ScaledGradient, into: Array
    ) -> ScaledGradient:
        """dL/dx: the branch's part, through W, and where there is a skip dL/dh itself."""
        if "phi" not in self.arrays.own:
            self._linear_backward(grad_p.data[:, 0], into[:, 0])
            return ScaledGradient(into, grad_p.exponent)
        # dL/dh may lie where dL/dx goes, so the branch needs room of its own.
        branch = ScaledGradient(self.arrays.scratch("branch", into.shape), grad_p.exponent)
        self._linear_backward(grad_p.data[:, 0], branch.data[:, 0])
        size = self.probe.log2_path["branch"]
        put_log2_rms(self.backend, branch.data, size)
        size += branch.exponent
        return add_scaled(self.backend, branch, gradient, into)

    def linearise(self, x: Array) -> list[Hop]:
        a, input_shape = self.arrays.own["a"], x.shape[3:]
        phi = self.arrays.own.get("phi", self.arrays.own["h"])
        slope = self._slope
        self.activation.slope(self.backend.xp, a, phi, slope)
        # Of one sample, and copied: the next layer uses the same scratch.
        kept = slope[0, 0, 0].copy()
        norm = None if self.normaliser is None else self.normaliser.linearise()
        weights = sum(array[0].size for array in self.arrays.parameters.values())
        return [
            Hop(
                push=partial(self._push, input_shape, kept, norm),
                pull=partial(self._pull, input_shape, kept, norm),
                inputs=prod(input_shape),
                outputs=kept.size,
                work=weights * prod(kept.shape[:-1]),
            )
        ]

    def _push(
        self, input_shape: Shape, slope: Array, norm: LinearNormalisation | None, tangent: Array
    ) -> Array:
        """Tangents: phi' * (N W dx), and dx itself where there is a skip."""
        result = self.backend.empty((len(tangent), *slope.shape))
        self._linear(tangent.reshape(1, -1, *input_shape), result[None])
        if norm is not None:
            result = norm.push(result)
        result *= slope
        result = result.reshape(len(tangent), -1)
        if "phi" in self.arrays.own:
            result += tangent
        return result

    def _pull(
        self, input_shape: Shape, slope: Array, norm: LinearNormalisation | None, cotangent: Array
    ) -> Array:
        """Cotangents: W^T N^T (phi' * u), and u itself where there is a skip."""
        projected = cotangent.reshape(-1, *slope.shape) * slope
        if norm is not None:
            projected = norm.pull(projected)
        result = self.backend.empty((len(cotangent), *input_shape))
        self._linear_backward(projected[None], result[None])
        result = result.reshape(len(cotangent), -1)
        if "phi" in self.arrays.own:
            result += cotangent
        return result


def buffers(cells: int, batch: int, output_shape: Shape) -> tuple[dict[str, Shape], Shape]:
    """The buffers every feed-forward layer keeps, and the shape of its scratch."""
    shape = (cells, 1, batch, *output_shape)
    return {"a": shape, "h": shape}, shape
