"""Deep multilayer perceptron: h_l = phi(h_{l-1} W + b)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.feedforward import FeedForwardLayer, buffers
from engine.initialisers import WeightSpec
from engine.layer import LayerPlan, Shape, mask_shape, matrix_gradient

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.initialisers import Role
    from engine.spec import NetworkSpec


class DenseLayer(FeedForwardLayer):
    """A fully connected layer, W of shape (fan_in, fan_out)."""

    hop_role: ClassVar[Role] = "matrix"

    @staticmethod
    def plan(spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        fan_in, fan_out = prod(input_shape), spec.hidden_size
        own, scratch = buffers(cells, spec.batch_size, (fan_out,))
        return LayerPlan(
            weights={"W": WeightSpec((fan_in, fan_out), "matrix", fan_in, fan_out)},
            biases={"b": (fan_out,)} if spec.bias else {},
            own=own,
            shared={"slope": scratch, "mask": mask_shape(scratch)},
            output_shape=(fan_out,),
        )

    def _linear(self, x: Array, out: Array) -> None:
        self.backend.product(x, self.arrays.parameters["W"], out)

    def _linear_backward(self, gradient: Array, out: Array) -> None:
        weight = self.arrays.parameters["W"]
        self.backend.product(gradient, weight.swapaxes(-1, -2), out)

    def _weight_gradient(self, x: Array, gradient: Array) -> None:
        matrix_gradient(self.backend, x, gradient, self.arrays.gradients["W"])
