"""Vanilla recurrent network: h_t = phi(x_t W + h_{t-1} U + b), U of shape (H, H)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.initialisers import WeightSpec
from engine.layer import LayerPlan, Shape, matrix_gradient
from engine.recurrence import RecurrentLayer, plan_recurrence

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.initialisers import Role
    from engine.spec import NetworkSpec


class RNNLayer(RecurrentLayer):
    """The same U at every step, so that the gradient meets U^t."""

    hop_role: ClassVar[Role] = "square"

    @staticmethod
    def plan(spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        own, shared = plan_recurrence(RNNLayer, spec, cells)
        shared["transposed_u"] = (cells, spec.hidden_size, spec.hidden_size)
        inputs, size = prod(input_shape), spec.hidden_size
        return LayerPlan(
            weights={
                "W": WeightSpec((inputs, size), "input", inputs, size),
                "U": WeightSpec((size, size), "square", size, size),
            },
            biases={"b": (size,)} if spec.bias else {},
            own=own,
            shared=shared,
            output_shape=(size,),
        )

    def _forward_steps(self, block: slice) -> None:
        xp, weight = self.backend.xp, self.cell(self.arrays.parameters["U"])
        a, h, scratch = self.forward_views(block)
        product, add, activate = self.product(), xp.add, self.activation.forward
        for a_t, h_before, h_t in zip(a, h, h[1:], strict=False):
            product(h_before, weight, out=scratch)
            add(a_t, scratch, out=a_t)
            activate(xp, a_t, h_t)

    def _prepare_backward(self) -> None:
        # BLAS packs a transposed view anew at every step, at the cost of the product itself.
        weight = self.arrays.parameters["U"]
        self.shared("transposed_u", weight.shape)[...] = weight.swapaxes(-1, -2)

    def _local_gradients(self, block: slice) -> tuple[Array, ...]:
        return (self.slopes(block),)

    def _backward_steps(
        self,
        local: tuple[Array, ...],
        states: tuple[Array, ...],
        steps: slice,
        external: Array | None,
    ) -> None:
        xp, (slope,), (grad_h,) = self.backend.xp, local, states
        grad_a = self.loop(self.arrays.own["a"][:, steps])
        product, multiply, add = self.product(), xp.multiply, xp.add
        weight = self.cell(self.shared("transposed_u", self.arrays.parameters["U"].shape))
        for k in range(len(slope) - 1, -1, -1):
            grad_a_k, before = grad_a[k], grad_h[k]
            multiply(grad_h[k + 1], slope[k], out=grad_a_k)
            product(grad_a_k, weight, out=before)
            if external is not None and k:
                add(before, external[k - 1], out=before)

    def _recurrent_gradients(self, h: Array) -> None:
        rows = (self.cells, -1, h.shape[-1])
        grad_a = self.arrays.own["a"][:, 1:].reshape(rows)
        matrix_gradient(self.backend, h.reshape(rows), grad_a, self.arrays.gradients["U"])
