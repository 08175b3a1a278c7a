"""Deep convolutional network: h_l = phi(conv(h_{l-1}, W) + b), stride 1, same size."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from engine.convolution import ConvolutionSizes, choose
from engine.feedforward import FeedForwardLayer, buffers
from engine.initialisers import WeightSpec
from engine.layer import LayerPlan, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.arrays import Array
    from engine.backend import Backend
    from engine.convolution.base import Convolution
    from engine.initialisers import Role
    from engine.layer import Arrays
    from engine.spec import NetworkSpec


class ConvolutionLayer(FeedForwardLayer):
    """A convolution, W of shape (k, k, C_in, C_out), images NHWC.

    Padding of k - 1 keeps the size, (k - 1) // 2 of it above and left; zeros or, circular, the
    opposite border. The spec's `convolution` names the algorithm, "auto" or one of CONVOLUTIONS.
    """

    hop_role: ClassVar[Role] = "kernel"

    @classmethod
    def plan(cls, spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        height, width, inputs = input_shape
        k, outputs = spec.kernel_size, spec.hidden_size
        own, shared = buffers(cls, spec, (height, width, outputs), cells)
        sizes = _sizes(spec, input_shape, cells)
        weight = WeightSpec((k, k, inputs, outputs), "kernel", k * k * inputs, k * k * outputs)
        return LayerPlan(
            weights={"W": weight},
            biases={"b": (outputs,)} if spec.bias else {},
            own=own,
            shared=shared | cls.algorithm(spec.convolution, sizes).plan(sizes),
            output_shape=(height, width, outputs),
        )

    def __init__(self, spec: NetworkSpec, arrays: Arrays, backend: Backend, cells: int) -> None:
        super().__init__(spec, arrays, backend, cells)
        self._kernel = arrays.parameters["W"]
        image = arrays.own["h"].shape[-3:-1]
        sizes = _sizes(spec, (*image, self._kernel.shape[-2]), cells)
        algorithm = self.algorithm(spec.convolution, sizes)
        self._convolution = algorithm(backend, sizes, arrays.shared)

    @classmethod
    def algorithm(cls, name: str, sizes: ConvolutionSizes) -> type[Convolution]:
        """What computes a convolution of these sizes: the algorithm called `name`, or "auto"."""
        return choose(name, sizes)

    @property
    def shares_work(self) -> bool:
        return self._convolution.hands > 1

    def _linear(self, x: Array, out: Array) -> Callable[[], object]:
        return partial(self._convolution.convolve, x, self._kernel[: len(x)], out)

    def _linear_backward(self, gradient: Array, out: Array) -> Callable[[], object]:
        kernel = self._kernel[: len(gradient)]
        return partial(self._convolution.convolve_transposed, gradient, kernel, out)

    def _weight_gradient(self, x: Array, gradient: Array) -> Callable[[], object]:
        return partial(self._convolution.kernel_gradient, x, gradient, self.arrays.gradients["W"])


def _sizes(spec: NetworkSpec, input_shape: Shape, cells: int) -> ConvolutionSizes:
    height, width, inputs = input_shape
    circular = spec.padding == "circular"
    return ConvolutionSizes(
        cells, spec.batch_size, height, width, inputs, spec.hidden_size, spec.kernel_size, circular
    )
