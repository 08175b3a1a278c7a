"""Vanilla recurrent network: h_t = phi(x_t W + h_{t-1} U + b), U of shape (H, H)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.matrix_recurrence import MatrixRecurrence, plan_matrix_recurrence

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.layer import LayerPlan, Shape
    from engine.spec import NetworkSpec


class RNNLayer(MatrixRecurrence):
    """The same U at every step, so that the gradient meets U^t."""

    @classmethod
    def plan(cls, spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        return plan_matrix_recurrence(cls, spec, input_shape, cells)

    def _forward_steps(self, block: slice) -> None:
        weight = self.cell(self.arrays.parameters["U"])
        a, h = self.each_step("a")[block], self.each_step("h")[block.start : block.stop + 1]
        scratch = self.cell(self.shared("step", self._step_shape()))
        product, add, activate = self.product(), self.backend.xp.add, self.stepper()
        for a_t, h_before, h_t in zip(a, h, h[1:], strict=False):
            product(h_before, weight, scratch)
            add(a_t, scratch, a_t)
            activate(a_t, out=h_t)

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
        grad_a = self.each_step("a")[steps]
        product, multiply, add = self.product(), xp.multiply, xp.add
        weight = self.cell(self.transposed())
        after = grad_h[-1]
        for grad_a_t, slope_t, before, part in self.downwards(grad_a, slope, grad_h, external):
            multiply(after, slope_t, grad_a_t)
            product(grad_a_t, weight, before)
            if part is not None:
                add(before, part, before)
            after = before

    def _push_step(self, local: tuple[Array, ...], tangent: Array) -> Array:
        return self.backend.xp.matmul(tangent, self.arrays.parameters["U"][0]) * local[0]

    def _pull_step(self, local: tuple[Array, ...], cotangent: Array) -> Array:
        return self.backend.xp.matmul(cotangent * local[0], self.arrays.parameters["U"][0].T)
