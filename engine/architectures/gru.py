"""GRU: h_t = (1 - z) * n + z * h_{t-1} (Cho et al. 2014, in cuDNN's form).

Gates r, z, n are H columns each, in this order, of W, U and b; n = tanh(x W_n + b_n +
r * (h U_n + c)), c being its second bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.activations import ACTIVATIONS
from engine.matrix_recurrence import GatedRecurrence, plan_matrix_recurrence
from engine.recurrence_plan import block_length

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.arrays import Array
    from engine.layer import LayerPlan, Shape
    from engine.spec import NetworkSpec


class GRULayer(GatedRecurrence):
    """An update gate z that carries h on, beside a candidate n that r lets see h."""

    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    squashes: ClassVar[tuple[str, ...]] = ("sigmoid", "sigmoid", "tanh")
    path: ClassVar[tuple[str, ...]] = ("kept",)
    forget_gate: ClassVar[str | None] = "z"
    fixed_activation: ClassVar[str | None] = "tanh"

    @classmethod
    def plan(cls, spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        plan = plan_matrix_recurrence(cls, spec, input_shape, cells)
        steps, (batch, size) = spec.time_steps, (spec.batch_size, spec.hidden_size)
        plan.own["gates"] = (cells, 3, steps, batch, size)
        # h U_n + c, and over it its gradient.
        plan.own["recalled"] = (cells, steps, batch, size)
        for name in ("slope_recalled", "kept"):
            plan.shared[name] = (cells, block_length(cls, spec, cells), batch, size)
        if spec.bias:
            plan.shared["repeated_c"] = (cells, batch, size)
            plan.biases["c"] = (size,)
        return plan

    def _forward_steps(self, block: slice) -> None:
        xp, own = self.backend.xp, self.arrays.own
        sigmoid, tanh, subtract = ACTIVATIONS["sigmoid"].forward, xp.tanh, xp.subtract
        product, add, multiply = xp.matmul, xp.add, xp.multiply
        weight, scratch, second_bias = self.weight(), self.step_scratch(), self._second_bias()
        to_rz, to_n = scratch[..., :2, :, :], scratch[..., 2, :, :]
        a = self.steps_by_gate(self.a[:, :, block])
        gates = self.steps_by_gate(own["gates"][:, :, block])
        h = self.loop(own["h"][:, block.start : block.stop + 1])
        steps = zip(
            *(a[..., :2, :, :], a[..., 2, :, :]),
            *(gates[..., :2, :, :], *(gates[..., gate, :, :] for gate in range(3))),
            *(self.loop(own["recalled"][:, block]), h[..., None, :, :], h, h[1:]),
            strict=False,
        )
        for a_rz, a_n, r_z, r, z, n, recalled, h_operand, h_before, h_t in steps:
            product(h_operand, weight, out=scratch)
            add(a_rz, to_rz, out=a_rz)
            sigmoid(xp, a_rz, r_z)
            add(to_n, second_bias, out=recalled)
            multiply(r, recalled, out=h_t)
            add(a_n, h_t, out=a_n)
            tanh(a_n, out=n)
            # (1 - z) n + z h = n + z (h - n).
            subtract(h_before, n, out=h_t)
            multiply(h_t, z, out=h_t)
            add(h_t, n, out=h_t)

    def _second_bias(self) -> Array:
        if "c" not in self.arrays.parameters:
            return 0.0
        repeated = self.shared("repeated_c", self._step_shape())
        repeated[...] = self.arrays.parameters["c"][:, None]
        return self.cell(repeated)

    def _local_gradients(self, block: slice) -> tuple[Array, ...]:
        """From dL/dh_t to dL/da by gate, and to dL/d(h U_n + c); and z."""
        xp, own = self.backend.xp, self.arrays.own
        slope, gates = self.gate_slopes(block), own["gates"][:, :, block]
        recalled, h_before = own["recalled"][:, block], own["h"][:, block.start : block.stop]
        r, z, n = (gates[:, gate] for gate in range(3))
        to_r, to_z, to_n = (slope[:, gate] for gate in range(3))
        to_recalled = self.shared("slope_recalled", recalled.shape)
        xp.subtract(h_before, n, out=to_recalled)
        xp.multiply(to_z, to_recalled, out=to_z)
        xp.subtract(1.0, z, out=to_recalled)
        xp.multiply(to_n, to_recalled, out=to_n)
        xp.multiply(to_r, recalled, out=to_r)
        xp.multiply(to_r, to_n, out=to_r)
        xp.multiply(to_n, r, out=to_recalled)
        return slope.swapaxes(1, 2), to_recalled, z

    def _backward_steps(
        self,
        local: tuple[Array, ...],
        states: tuple[Array, ...],
        steps: slice,
        external: Array | None,
    ) -> None:
        xp = self.backend.xp
        product, multiply, add = xp.matmul, xp.multiply, xp.add
        (slope, to_recalled, z), (grad_h,) = local, states
        grad_a = self.steps_by_gate(self.grad_a[:, :, steps])
        weight, scratch = self.weight(), self.step_scratch()
        # What U_n sees is dL/d(h U_n + c) = r dL/da_n, in dL/da_n's place.
        wide, narrow = weight[..., :2, :, :], weight[..., 2, :, :]
        from_rz, from_n = scratch[..., :2, :, :], scratch[..., 2, :, :]
        grad_recalled, kept = self._grad_recalled()[:, steps], self._kept(len(slope))
        downwards = zip(
            zip(slope, to_recalled, z, strict=True),
            zip(grad_a, grad_a[..., :2, :, :], self.loop(grad_recalled), strict=True),
            zip(grad_h[1:], grad_h[1:, ..., None, :, :], self.loop(kept), grad_h, strict=False),
            strict=True,
        )
        for (slopes, grads, around), part in zip(
            reversed(list(downwards)), self.parts(external), strict=False
        ):
            (slope_t, to_recalled_t, z_t), (grad_a_t, grad_rz, grad_recalled_t) = slopes, grads
            grad_h_t, grad_h_wide, kept_t, before = around
            multiply(grad_h_wide, slope_t, out=grad_a_t)
            multiply(grad_h_t, to_recalled_t, out=grad_recalled_t)
            product(grad_rz, wide, out=from_rz)
            product(grad_recalled_t, narrow, out=from_n)
            scratch.sum(axis=-3, out=before)
            # The direct path h_{t-1} -> h_t, through z alone.
            multiply(grad_h_t, z_t, out=kept_t)
            add(before, kept_t, out=before)
            if part is not None:
                add(before, part, out=before)

    def _push_step(self, local: tuple[Array, ...], tangent: Array) -> Array:
        (to_r, to_z, _), to_recalled, z = local
        du = self.backend.xp.matmul(tangent, self.arrays.parameters["U"][0])
        du_r, du_z, du_n = self.backend.xp.split(du, 3, axis=1)
        return tangent * z + du_z * to_z + du_r * to_r + du_n * to_recalled

    def _pull_step(self, local: tuple[Array, ...], cotangent: Array) -> Array:
        xp = self.backend.xp
        (to_r, to_z, _), to_recalled, z = local
        met = xp.concatenate([cotangent * part for part in (to_r, to_z, to_recalled)], axis=1)
        return cotangent * z + xp.matmul(met, self.arrays.parameters["U"][0].T)

    def _grad_recalled(self) -> Array:
        """Room for dL/d(h U_n + c), (S, T, B, H)."""
        return self.arrays.own["recalled"]

    def _kept(self, steps: int) -> Array:
        """Room for z * dL/dh of the steps just run, (S, n, B, H)."""
        return self.shared("kept", (self.cells, steps, *self._step_shape()[1:]))

    def _path_gradients(self, states: tuple[Array, ...]) -> dict[str, Array]:
        return {"kept": self._kept(states[0].shape[1] - 1)}

    def _scaled_like_a(self) -> tuple[Array, ...]:
        return (*super()._scaled_like_a(), self._grad_recalled())

    def _recurrent_gradients(self, steps: slice, out: Mapping[str, Array]) -> None:
        h_before, grad_recalled = self.arrays.own["h"][:, steps], self._grad_recalled()[:, steps]
        columns = self.columns(out["U"])
        self.matrix_gradient(h_before, self.grad_a[:, :2, steps], columns[:, :2])
        self.matrix_gradient(h_before, grad_recalled[:, None], columns[:, 2:])
        if "c" in out:
            self.sum_over_samples(grad_recalled[:, None], out["c"])
