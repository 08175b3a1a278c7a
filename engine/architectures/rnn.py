"""Vanilla recurrent network: h_t = phi(x_t W + h_{t-1} U + b), U of shape (H, H)."""

from __future__ import annotations

from collections.abc import Callable
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
        own, shared = plan_recurrence(spec, cells)
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

    def _forward_steps(self, a: Array, h: Array, scratch: Array) -> None:
        xp, weight = self.backend.xp, self.cell(self.arrays.parameters["U"])
        product, add, activate = self._product(), xp.add, self.activation.forward
        for a_t, h_before, h_t in zip(a, h, h[1:], strict=False):
            product(h_before, weight, out=scratch)
            add(a_t, scratch, out=a_t)
            activate(xp, a_t, h_t)

    def _prepare_backward(self) -> None:
        # BLAS packs a transposed view anew at every step, at the cost of the product itself.
        weight = self.arrays.parameters["U"]
        self.shared("transposed_u", weight.shape)[...] = weight.swapaxes(-1, -2)

    def _backward_steps(
        self, slope: Array, grad_h: Array, grad_a: Array, external: Array | None
    ) -> None:
        xp = self.backend.xp
        product, multiply, add = self._product(), xp.multiply, xp.add
        weight = self.cell(self.shared("transposed_u", self.arrays.parameters["U"].shape))
        for k in range(len(slope) - 1, -1, -1):
            grad_a_k, before = grad_a[k], grad_h[k]
            multiply(grad_h[k + 1], slope[k], out=grad_a_k)
            product(grad_a_k, weight, out=before)
            if external is not None and k:
                add(before, external[k - 1], out=before)

    def _recurrent_gradient(self, h: Array, grad_a: Array) -> None:
        rows = (self.cells, -1, h.shape[-1])
        out = self.arrays.gradients["U"]
        matrix_gradient(self.backend, h.reshape(rows), grad_a.reshape(rows), out)

    def _product(self) -> Callable[..., Array]:
        """The matrix product of the time loop: for a stack of one, `dot` starts quicker."""
        xp = self.backend.xp
        product: Callable[..., Array] = xp.dot if self.cells == 1 else xp.matmul
        return product
