"""Feed-forward layers on a device: the engine's own, in as few launches as can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from engine.architectures.cnn import ConvolutionLayer
from engine.architectures.mlp import DenseLayer
from engine.convolution import choose
from engine.cuda.activations import flatness, record_saturated
from engine.cuda.convolution import DeviceConvolution, device_convolutions
from engine.cuda.kernels import has_formula, read
from engine.feedforward import FeedForwardLayer

if TYPE_CHECKING:
    from engine.activations import Activation
    from engine.arrays import Array
    from engine.backend import Backend
    from engine.convolution.base import Convolution, ConvolutionSizes
    from engine.cuda.compiler import Compiler
    from engine.cuda.convolution import Launch
    from engine.layer import Arrays
    from engine.spec import NetworkSpec


class DeviceFeedForward(FeedForwardLayer):
    """What follows the linear map is one kernel, and so is what comes before its transposes.

    A device has no cache to keep a in, and that kernel reads a for every slope. An activation
    without a formula stays as it is.
    """

    keeps_pre_activation: ClassVar[bool] = True

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        self._fused = has_formula(self.activation)
        #: b as a is, which the kernel needs.
        self._shift: Array | None = None
        if "b" in arrays.parameters:
            bias, shape = arrays.parameters["b"], self._a.shape
            bias = bias.reshape(cells, *(1,) * (len(shape) - 2), -1)
            self._shift = backend.xp.broadcast_to(bias, shape)

    def _respond(self, x: Array) -> None:
        skips = self._skips
        if not self._fused or (self._shift is None and not skips):
            return super()._respond(x)
        self._weigh(x)
        given = [] if self._shift is None else [self._shift]
        results = [self._a, self._phi]
        if skips:
            given.append(x)
            results.append(self._h)
        kernel = _forward(self.activation, self._compiler, self._shift is not None, skips)
        kernel(*given, *results)

    def _through_phi(self, x: Array, gradient: Array) -> Array:
        if not self._fused:
            return super()._through_phi(x, gradient)
        phi, grad_a = self._phi, self._slope
        kernel = _backward(self.activation, self._compiler, self.statistics)
        if self.statistics:
            flat = self._mask[: grad_a.size].reshape(grad_a.shape)
            kernel(gradient, self._a, phi, grad_a, flat)
            record_saturated(self, flat)
        else:
            kernel(gradient, self._a, phi, grad_a)
        return grad_a

    @property
    def _compiler(self) -> Compiler:
        assert self.backend.compiler is not None
        return self.backend.compiler


class DeviceMLP(DeviceFeedForward, DenseLayer):
    """Its products are the library's."""

    turns: ClassVar[bool] = False


class DeviceCNN(DeviceFeedForward, ConvolutionLayer):
    """A whole batch is convolved in a few launches, worked out once."""

    @classmethod
    def algorithm(cls, name: str, sizes: ConvolutionSizes) -> type[Convolution]:
        return choose(name, sizes, device_convolutions())

    def _linear(self, x: Array, out: Array) -> Callable[[], object]:
        if not isinstance(self._convolution, DeviceConvolution):
            return super()._linear(x, out)
        return _in_turn(self._convolution.convolution(x, self._kernel[: len(x)], out))

    def _linear_backward(self, gradient: Array, out: Array) -> Callable[[], object]:
        if not isinstance(self._convolution, DeviceConvolution):
            return super()._linear_backward(gradient, out)
        kernel = self._kernel[: len(gradient)]
        return _in_turn(self._convolution.transposed(gradient, kernel, out))

    def _weight_gradient(self, x: Array, gradient: Array) -> Callable[[], object]:
        if not isinstance(self._convolution, DeviceConvolution):
            return super()._weight_gradient(x, gradient)
        return _in_turn(self._convolution.gradient(x, gradient, self.arrays.gradients["W"]))


def _in_turn(launches: Iterable[Launch]) -> Callable[[], object]:
    """What launches all of these each time it is called."""
    kept = list(launches)

    def run() -> None:
        for launch in kept:
            launch()

    return run


@cache
def _forward(
    activation: Activation, compiler: Compiler, biased: bool, skips: bool
) -> Callable[..., object]:
    """A kernel ([bias], [x], a, phi, [h]) that adds the bias to a, and x to phi(a) where it skips.

    At least one of both is there.
    """
    given = ["T bias"] * biased + ["T x"] * skips
    operation = "a += bias; " * biased + f"phi = phi_{activation.name}(a)" + "; h = phi + x" * skips
    return compiler.elementwise(
        ", ".join(given),
        "T a, T phi" + ", T h" * skips,
        operation,
        f"nablascope_{activation.name}_of" + "_biased" * biased + "_skip" * skips,
        read("activations.cuh"),
    )


@cache
def _backward(activation: Activation, compiler: Compiler, marks: bool) -> Callable[..., object]:
    """A kernel (dL/dh, a, phi, dL/da, [flat]) that `marks` saturated units where that is asked."""
    operation = f"T slope = slope_{activation.name}(a, h); grad_a = grad_h * slope"
    return compiler.elementwise(
        "T grad_h, T a, T h",
        "T grad_a" + ", bool flat" * marks,
        operation + f"; flat = {flatness(activation)}" * marks,
        f"nablascope_{activation.name}_back" + "_marked" * marks,
        read("activations.cuh"),
    )
