"""IndRNN: h_t = phi(x_t W + u * h_{t-1} + b), u of shape (H,) (Li et al. 2018, eq. 2)."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.initialisers import WeightSpec
from engine.layer import LayerPlan, Shape
from engine.recurrence import RecurrentLayer
from engine.recurrence_plan import plan_recurrence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.arrays import Array
    from engine.initialisers import Role
    from engine.spec import NetworkSpec


class IndRNNLayer(RecurrentLayer):
    """A Hadamard product in place of U: neuron n's gradient meets u_n^t and nothing else."""

    hop_role: ClassVar[Role] = "vector"
    hop_weight: ClassVar[str] = "u"

    @classmethod
    def plan(cls, spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        own, shared = plan_recurrence(cls, spec, cells)
        shared["repeated_u"] = (cells, spec.batch_size, spec.hidden_size)
        inputs, size = prod(input_shape), spec.hidden_size
        last = index == spec.depth - 1
        return LayerPlan(
            weights={
                "W": WeightSpec((inputs, size), "input", inputs, size),
                "u": WeightSpec((size,), "vector", 1, 1, spec.time_steps, last),
            },
            biases={"b": (size,)} if spec.bias else {},
            own=own,
            shared=shared,
            output_shape=(size,),
        )

    def _prepare_forward(self) -> None:
        # Repeated over the batch, u multiplies whole arrays instead of one row at a time.
        repeated = self.shared("repeated_u", self._step_shape())
        repeated[...] = self.arrays.parameters["u"][:, None]

    _prepare_backward = _prepare_forward

    def _forward_steps(self, block: slice) -> None:
        xp, u = self.backend.xp, self._repeated()
        a, h = self.each_step("a")[block], self.each_step("h")[block.start : block.stop + 1]
        scratch = self.cell(self.shared("step", self._step_shape()))
        multiply, add, activate = xp.multiply, xp.add, self.stepper()
        for a_t, h_before, h_t in zip(a, h, h[1:], strict=False):
            multiply(h_before, u, scratch)
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
        xp, u, (slope,), (grad_h,) = self.backend.xp, self._repeated(), local, states
        grad_a = self.each_step("a")[steps]
        multiply, add = xp.multiply, xp.add
        after = grad_h[-1]
        for grad_a_t, slope_t, before, part in self.downwards(grad_a, slope, grad_h, external):
            multiply(after, slope_t, grad_a_t)
            multiply(grad_a_t, u, before)
            if part is not None:
                add(before, part, before)
            after = before

    def _push_step(self, local: tuple[Array, ...], tangent: Array) -> Array:
        return tangent * (local[0] * self.arrays.parameters["u"][0])

    def _pull_step(self, local: tuple[Array, ...], cotangent: Array) -> Array:
        # A diagonal Jacobian is its own transpose.
        return self._push_step(local, cotangent)

    def _recurrent_gradients(self, steps: slice, out: Mapping[str, Array]) -> None:
        h_before, grad_a = self.arrays.own["h"][:, steps], self.grad_a[:, 0, steps]
        out["u"][...] = self.backend.xp.einsum("stbh,stbh->sh", h_before, grad_a)

    def _repeated(self) -> Array:
        return self.cell(self.shared("repeated_u", self._step_shape()))
