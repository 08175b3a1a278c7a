"""LSTM: c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t) (Hochreiter, Schmidhuber 1997; Gers 2000).

Gates i, f, g, o are H columns each, in this order, of W, U and b.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.activations import ACTIVATIONS
from engine.matrix_recurrence import GatedRecurrence, plan_matrix_recurrence
from engine.recurrence_plan import block_length

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.layer import LayerPlan, Shape
    from engine.spec import NetworkSpec


class LSTMLayer(GatedRecurrence):
    """A cell state c that the forget gate carries on, beside the h that the gates read."""

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    squashes: ClassVar[tuple[str, ...]] = ("sigmoid", "sigmoid", "tanh", "sigmoid")
    path: ClassVar[tuple[str, ...]] = ("c", "kept")
    forget_gate: ClassVar[str | None] = "f"
    states: ClassVar[int] = 2
    fixed_activation: ClassVar[str | None] = "tanh"

    @classmethod
    def plan(cls, spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        plan = plan_matrix_recurrence(cls, spec, input_shape, cells)
        steps, (batch, size) = spec.time_steps, (spec.batch_size, spec.hidden_size)
        plan.own["gates"] = (cells, 4, steps, batch, size)
        plan.own["c"] = (cells, steps + 1, batch, size)
        plan.own["tanh_c"] = (cells, steps, batch, size)
        for name in ("slope_c", "grad_c"):
            plan.shared[name] = (cells, block_length(cls, spec, cells), batch, size)
        return plan

    def _forward_steps(self, block: slice) -> None:
        xp, own = self.backend.xp, self.arrays.own
        sigmoid, tanh = ACTIVATIONS["sigmoid"].forward, xp.tanh
        product, add, multiply = xp.matmul, xp.add, xp.multiply
        weight, scratch = self.weight(), self.step_scratch()
        a = self.steps_by_gate(self.a[:, :, block])
        gates = self.steps_by_gate(own["gates"][:, :, block])
        h = self.loop(own["h"][:, block.start : block.stop + 1])
        c = self.loop(own["c"][:, block.start : block.stop + 1])
        steps = zip(
            *(a, a[..., :2, :, :], a[..., 2, :, :], a[..., 3, :, :]),
            *(gates[..., :2, :, :], *(gates[..., gate, :, :] for gate in range(4))),
            *(h[..., None, :, :], c, c[1:], self.loop(own["tanh_c"][:, block]), h[1:]),
            strict=False,
        )
        for a_t, a_if, a_g, a_o, i_f, i, f, g, o, h_before, c_before, c_t, tanh_c, h_t in steps:
            product(h_before, weight, out=scratch)
            add(a_t, scratch, out=a_t)
            sigmoid(xp, a_if, i_f)
            tanh(a_g, out=g)
            sigmoid(xp, a_o, o)
            multiply(f, c_before, out=c_t)
            multiply(i, g, out=tanh_c)
            add(c_t, tanh_c, out=c_t)
            tanh(c_t, out=tanh_c)
            multiply(o, tanh_c, out=h_t)

    def _local_gradients(self, block: slice) -> tuple[Array, ...]:
        xp, own = self.backend.xp, self.arrays.own
        slope, gates, tanh_c = (
            self.gate_slopes(block),
            own["gates"][:, :, block],
            own["tanh_c"][:, block],
        )
        c_before = own["c"][:, block.start : block.stop]
        c = own["c"][:, block.start + 1 : block.stop + 1]
        slope_c = self.shared("slope_c", c.shape)
        i, f, g, o = (gates[:, gate] for gate in range(4))
        # A gate's dL/da is its slope times what the gate multiplies.
        for gate, partner in enumerate((g, c_before, i, tanh_c)):
            xp.multiply(slope[:, gate], partner, out=slope[:, gate])
        # `a` is used up by now and lends its room to the copy of c that tanh's slope may spend.
        spare = self.a[:, 0, block]
        xp.copyto(spare, c)
        ACTIVATIONS["tanh"].slope(xp, spare, tanh_c, slope_c)
        xp.multiply(slope_c, o, out=slope_c)
        return slope.swapaxes(1, 2), slope_c, f

    def _backward_steps(
        self,
        local: tuple[Array, ...],
        states: tuple[Array, ...],
        steps: slice,
        external: Array | None,
    ) -> None:
        xp = self.backend.xp
        product, multiply, add = xp.matmul, xp.multiply, xp.add
        slope, slope_c, forget = local
        # kept[k + 1] is what c receives from the step after; what comes through h joins here.
        grad_h, kept = states
        grad_a = self.steps_by_gate(self.grad_a[:, :, steps])
        weight, scratch = self.weight(), self.step_scratch()
        total = self.loop(self._grad_c(len(slope)))
        downwards = zip(
            zip(slope_c, slope[..., :3, :, :], slope[..., 3, :, :], forget, strict=True),
            zip(total, total[..., None, :, :], strict=True),
            zip(grad_a, grad_a[..., :3, :, :], grad_a[..., 3, :, :], strict=True),
            zip(grad_h[1:], kept[1:], grad_h, kept, strict=False),
            strict=True,
        )
        for (slopes, totals, grads, around), part in zip(
            reversed(list(downwards)), self.parts(external), strict=False
        ):
            (slope_c_t, slope_ifg, slope_o, f), (grad_c, grad_c_wide) = slopes, totals
            (grad_a_t, grad_ifg, grad_o), (grad_h_t, kept_t, before, kept_before) = grads, around
            multiply(grad_h_t, slope_c_t, out=grad_c)
            add(grad_c, kept_t, out=grad_c)
            multiply(grad_c_wide, slope_ifg, out=grad_ifg)
            multiply(grad_h_t, slope_o, out=grad_o)
            multiply(grad_c, f, out=kept_before)
            product(grad_a_t, weight, out=scratch)
            scratch.sum(axis=-3, out=before)
            if part is not None:
                add(before, part, out=before)

    def _push_step(self, local: tuple[Array, ...], tangent: Array) -> Array:
        xp, size = self.backend.xp, self.spec.hidden_size
        slope, slope_c, forget = local
        dh, dc = tangent[:, :size], tangent[:, size:]
        by_gate = xp.matmul(dh, self.arrays.parameters["U"][0]).reshape(-1, 4, size) * slope
        dc = dc * forget + by_gate[:, :3].sum(axis=1)
        return xp.concatenate([by_gate[:, 3] + dc * slope_c, dc], axis=1)

    def _pull_step(self, local: tuple[Array, ...], cotangent: Array) -> Array:
        xp, size = self.backend.xp, self.spec.hidden_size
        slope, slope_c, forget = local
        grad_h, grad_c = cotangent[:, :size], cotangent[:, size:]
        total = grad_c + grad_h * slope_c
        met = xp.concatenate([total, total, total, grad_h], axis=1)
        below = xp.matmul(met * slope.reshape(-1), self.arrays.parameters["U"][0].T)
        return xp.concatenate([below, total * forget], axis=1)

    def _grad_c(self, steps: int) -> Array:
        """Room for the total dL/dc of the steps just run, (S, n, B, H)."""
        return self.shared("grad_c", (self.cells, steps, *self._step_shape()[1:]))

    def _path_gradients(self, states: tuple[Array, ...]) -> dict[str, Array]:
        kept = states[1][:, :-1]
        return {"c": self._grad_c(kept.shape[1]), "kept": kept}
