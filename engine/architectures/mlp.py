"""Deep multilayer perceptron: h_l = phi(h_{l-1} W + b)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.feedforward import FeedForwardLayer, buffers
from engine.initialisers import WeightSpec
from engine.layer import LayerPlan, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.arrays import Array
    from engine.initialisers import Role
    from engine.spec import NetworkSpec


#: Samples, features for each of them, and products from which on a net alone lies features first.
#: Measured: 2 to 30 % quicker on one or two threads, and slower where samples outnumber features.
_FEWEST_SAMPLES, _FEWEST_EACH, _FEWEST_PRODUCTS = 32, 2, 2**20


class DenseLayer(FeedForwardLayer):
    """A fully connected layer, W of shape (fan_in, fan_out).

    Where products are large and wide, a net alone lies features first, (features, samples) in
    memory: the product with W^T then meets W as it lies, and threads share out features, of which
    there are more.
    """

    hop_role: ClassVar[Role] = "matrix"
    #: Whether a large net may lie features first.
    turns: ClassVar[bool] = True

    def lay(self, room: Array) -> Array:
        cells, steps, batch, features = room.shape
        wide = batch >= _FEWEST_SAMPLES and features >= _FEWEST_EACH * batch
        # A stack is multiplied, and measured, cell by cell as it lies.
        alone = cells == 1 and self.plain and not self.spec.residual
        if self.turns and alone and wide and batch * features**2 >= _FEWEST_PRODUCTS:
            return room.reshape(cells, steps, features, batch).swapaxes(2, 3)
        return room

    @classmethod
    def plan(cls, spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        fan_in, fan_out = prod(input_shape), spec.hidden_size
        own, shared = buffers(cls, spec, (fan_out,), cells)
        return LayerPlan(
            weights={"W": WeightSpec((fan_in, fan_out), "matrix", fan_in, fan_out)},
            biases={"b": (fan_out,)} if spec.bias else {},
            own=own,
            shared=shared,
            output_shape=(fan_out,),
        )

    def _linear(self, x: Array, out: Array) -> Callable[[], object]:
        return self.backend.product(x, self.arrays.parameters["W"], out)

    def _linear_backward(self, gradient: Array, out: Array) -> Callable[[], object]:
        weight = self.arrays.parameters["W"]
        return self.backend.product(gradient, weight.swapaxes(-1, -2), out)

    def _weight_gradient(self, x: Array, gradient: Array) -> Callable[[], object]:
        return self.backend.product(x.swapaxes(-1, -2), gradient, self.arrays.gradients["W"])
