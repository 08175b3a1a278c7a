"""What all feed-forward layers share: h = phi(affine(x) + b), and its backward pass.

With a residual connection h = phi(affine(x) + b) + x, in layers whose output is shaped like x.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import cached_property, partial
from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.activations import ACTIVATIONS
from engine.layer import Layer, Shape, mask_shape, sum_over_samples
from engine.linearisation import Hop
from engine.magnitude import ScaledGradient, add_scaled, put_log2_rms

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.arrays import Array, HostArray
    from engine.backend import Backend
    from engine.layer import Arrays
    from engine.normalisation import LinearNormalisation
    from engine.spec import NetworkSpec


#: A layer crossed once has one.
_THE_STEP = slice(0, 1)


class FeedForwardLayer(Layer):
    """A layer crossed once: a subclass writes the linear map and its two transposes.

    Attributes:
        keeps_pre_activation: whether every layer keeps its own a. Otherwise those whose slopes h
            tells share one, which stays in cache, and compute it again where they saturate.
    """

    recurrent: ClassVar[bool] = False
    keeps_pre_activation: ClassVar[bool] = False

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        # Views that every pass needs, made once: deep nets of small layers notice.
        for name in ("h", "a"):
            if name in arrays.own:
                arrays.own[name] = self.lay(arrays.own[name])
        self._h = arrays.own["h"]
        #: phi(a), which is h itself where nothing skips the layer.
        self._phi = arrays.own.get("phi", self._h)
        shape = self._h.shape
        self._shares_a = "a" not in arrays.own
        self._a = self.lay(arrays.scratch("a", shape)) if self._shares_a else arrays.own["a"]
        self._rows = self._a.reshape(cells, -1, shape[-1])
        self._slope = self.lay(arrays.scratch("slope", shape))
        # Where nothing lies between a and x W, their gradients are one, in the slope's place.
        self._grad_p = self._slope if self.plain else arrays.scratch("grad_p", shape)
        self._into: Array | None = None
        self._bias: Array | None = None
        if "b" in arrays.parameters:
            self._bias, ones = arrays.parameters["b"][:, None], arrays.shared["ones"]
            if cells == 1:
                # Two axes start quicker than three.
                self._rows, self._bias = self._rows[0], self._bias[0]
            self._fill_bias_gradient = sum_over_samples(
                backend, ones, self._slope, arrays.gradients["b"]
            )
        self._log2_projection = self.probe.log2_path.get("projection")
        if spec.residual:
            # nan stays where no gradient is passed on: in the first layer.
            self.probe.log2_path["branch"].fill(math.nan)

    @classmethod
    def points(cls, spec: NetworkSpec) -> tuple[str, ...]:
        projection = () if spec.norm == "none" else ("projection",)
        return (*cls.path, *projection, *(("branch",) if spec.residual else ()))

    @abstractmethod
    def _linear(self, x: Array, out: Array) -> Callable[[], object]:
        """What writes W x to `out`; x is (S, B, *input_shape), out (S, B, *output_shape)."""

    @abstractmethod
    def _linear_backward(self, gradient: Array, out: Array) -> Callable[[], object]:
        """What writes W^T gradient, shaped like x, to `out`."""

    @abstractmethod
    def _weight_gradient(self, x: Array, gradient: Array) -> Callable[[], object]:
        """What fills the gradient of W from dL/da."""

    def forward(self, x: Array) -> Array:
        self._respond(x)
        self._probe_activations(self._h, self._phi, _THE_STEP)
        return self._h

    def _respond(self, x: Array) -> None:
        """Compute a, phi(a) and, where it is another array, h from what the layer reads."""
        xp = self.backend.xp
        self._affine(x)
        self.activation.forward(xp, self._a, self._phi)
        if self._skips:
            xp.add(self._phi, x, out=self._h)

    @property
    def _skips(self) -> bool:
        """Whether h = phi(a) + x."""
        return self._phi is not self._h

    def _affine(self, x: Array) -> None:
        """Compute a from what the layer reads."""
        self._weigh(x)
        if self._bias is not None:
            self.backend.xp.add(self._rows, self._bias, out=self._rows)

    def _weigh(self, x: Array) -> None:
        """Compute what the bias is added to."""
        (self._apply if x is self.reads else self._linear(x[:, 0], self._a[:, 0]))()
        self._project(self._a)

    @cached_property
    def _apply(self) -> Callable[[], object]:
        return self._linear(self.reads[:, 0], self._a[:, 0])

    @cached_property
    def _fill(self) -> Callable[[], object]:
        return self._weight_gradient(self.reads[:, 0], self._grad_p[:, 0])

    def _slopes(self, x: Array) -> Array:
        """phi'(a) of the last forward pass, which read x."""
        xp, phi, slope = self.backend.xp, self._phi, self._slope
        if self._shares_a:
            if self.activation.slope_from_output(xp, phi, slope):
                return slope
            self._affine(x)
        self.activation.slope(xp, self._a, phi, slope)
        return slope

    def backward(self, x: Array, gradient: ScaledGradient, into: Array | None) -> ScaledGradient:
        probe = self.probe
        self.rescale(gradient, probe.log2_grad_h)
        if self.witness is not None:
            self.witness(gradient.data, gradient.exponent, _THE_STEP)
        grad_a = ScaledGradient(self._through_phi(x, gradient.data), gradient.exponent)
        self.rescale(grad_a, probe.log2_grad_a)
        grad_p, log2_grad_p = self._projection_gradient(grad_a, self._log2_projection)
        if into is None:
            below = ScaledGradient(into, grad_p.exponent)
        else:
            below = self._below(grad_p, gradient, into)
        if self.fills_gradients:
            self._fill_gradients(x, grad_a, grad_p, log2_grad_p)
        return below

    def _through_phi(self, x: Array, gradient: Array) -> Array:
        """dL/da, given dL/dh, in the slope's place; records the share of saturated units."""
        slope = self._slopes(x)
        self._probe_saturation(slope, _THE_STEP)
        self.backend.xp.multiply(gradient, slope, out=slope)
        return slope

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
        known = x is self.reads
        (self._fill if known else self._weight_gradient(x[:, 0], self._grad_p[:, 0]))()
        if self._bias is not None:
            self._fill_bias_gradient()
        if self.normaliser is not None:
            self.normaliser.sum_gain()
        self._probe_parameters(exponent, of_weights)

    def _below(
        self, grad_p: ScaledGradient, gradient: ScaledGradient, into: Array
    ) -> ScaledGradient:
        """dL/dx: the branch's part, through W, and where there is a skip dL/dh itself."""
        skips = self._skips
        # dL/dh may lie where dL/dx goes, so the branch needs room of its own.
        if into is not self._into:
            self._into = into
            self._branch = self.arrays.scratch("branch", into.shape) if skips else into
            self._pull_back = self._linear_backward(self._grad_p[:, 0], self._branch[:, 0])
        self._pull_back()
        branch = ScaledGradient(self._branch, grad_p.exponent)
        if not skips:
            return branch
        size = self.probe.log2_path["branch"]
        put_log2_rms(self.backend, branch.data, size)
        size += branch.exponent
        return add_scaled(self.backend, branch, gradient, into)

    def linearise(self, x: Array) -> list[Hop]:
        # Of one sample, and copied: the next layer uses the same scratch.
        kept, input_shape = self._slopes(x)[0, 0, 0].copy(), x.shape[3:]
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
        self._linear(tangent.reshape(1, -1, *input_shape), result[None])()
        if norm is not None:
            result = norm.push(result)
        result *= slope
        result = result.reshape(len(tangent), -1)
        if self._skips:
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
        self._linear_backward(projected[None], result[None])()
        result = result.reshape(len(cotangent), -1)
        if self._skips:
            result += cotangent
        return result


def buffers(
    layer: type[FeedForwardLayer], spec: NetworkSpec, output_shape: Shape, cells: int
) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """The buffers every feed-forward layer keeps, and its scratch."""
    shape = (cells, 1, spec.batch_size, *output_shape)
    own, shared = {"h": shape}, {"slope": shape, "mask": mask_shape(shape)}
    # Normalisation uses up what it was given, and a cannot be computed again.
    again = spec.norm == "none" and ACTIVATIONS[spec.activation].invertible
    (shared if again and not layer.keeps_pre_activation else own)["a"] = shape
    return own, shared
