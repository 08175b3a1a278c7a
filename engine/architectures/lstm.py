"""LSTM: c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t) (Hochreiter, Schmidhuber 1997; Gers 2000).

Gates i, f, g, o are H columns each, in this order, of W, U and b.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.activations import ACTIVATIONS
from engine.matrix_recurrence import MatrixRecurrence, plan_matrix_recurrence
from engine.recurrence import block_length

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.layer import LayerPlan, Shape
    from engine.spec import NetworkSpec


class LSTMLayer(MatrixRecurrence):
    """A cell state c that the forget gate carries on, beside the h that the gates read."""

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    squashes: ClassVar[tuple[str, ...]] = ("sigmoid", "sigmoid", "tanh", "sigmoid")
    path: ClassVar[tuple[str, ...]] = ("c", "kept")
    forget_gate: ClassVar[str | None] = "f"
    states: ClassVar[int] = 2
    fixed_activation: ClassVar[str | None] = "tanh"

    @staticmethod
    def plan(spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        plan = plan_matrix_recurrence(LSTMLayer, spec, input_shape, cells)
        steps, (batch, size) = spec.time_steps, (spec.batch_size, spec.hidden_size)
        plan.own["gates"] = (cells, steps, batch, 4 * size)
        plan.own["c"] = (cells, steps + 1, batch, size)
        plan.own["tanh_c"] = (cells, steps, batch, size)
        for name in ("slope_c", "grad_c"):
            plan.shared[name] = (cells, block_length(spec, cells), batch, size)
        return plan

    def _forward_steps(self, block: slice) -> None:
        xp, own = self.backend.xp, self.arrays.own
        sigmoid, tanh = ACTIVATIONS["sigmoid"].forward, xp.tanh
        product, add, multiply = self.product(), xp.add, xp.multiply
        weight = self.cell(self.arrays.parameters["U"])
        a, h, scratch = self.forward_views(block)
        gates, tanh_c = self._by_gate(own["gates"], block), self.loop(own["tanh_c"][:, block])
        a_by_gate = self._by_gate(own["a"], block)
        c = self.loop(own["c"][:, block.start : block.stop + 1])
        for k in range(len(a)):
            product(h[k], weight, out=scratch)
            add(a[k], scratch, out=a[k])
            a_k, gates_k, c_k = a_by_gate[k], gates[k], c[k + 1]
            sigmoid(xp, a_k[..., :2, :], gates_k[..., :2, :])
            tanh(a_k[..., 2, :], out=gates_k[..., 2, :])
            sigmoid(xp, a_k[..., 3, :], gates_k[..., 3, :])
            multiply(gates_k[..., 1, :], c[k], out=c_k)
            multiply(gates_k[..., 0, :], gates_k[..., 2, :], out=tanh_c[k])
            add(c_k, tanh_c[k], out=c_k)
            tanh(c_k, out=tanh_c[k])
            multiply(gates_k[..., 3, :], tanh_c[k], out=h[k + 1])

    def _local_gradients(self, block: slice) -> tuple[Array, ...]:
        xp, size, own = self.backend.xp, self.spec.hidden_size, self.arrays.own
        a, gates, tanh_c = own["a"][:, block], own["gates"][:, block], own["tanh_c"][:, block]
        c_before = own["c"][:, block.start : block.stop]
        c = own["c"][:, block.start + 1 : block.stop + 1]
        slope, slope_c = self.shared("slope", a.shape), self.shared("slope_c", c.shape)
        parts = [slice(n * size, (n + 1) * size) for n in range(4)]
        i, f, g, o = (gates[..., part] for part in parts)
        shares = []
        # A gate's dL/da is its slope times what the gate multiplies.
        for part, name, partner in zip(parts, self.squashes, (g, c_before, i, tanh_c), strict=True):
            phi, own_slope = ACTIVATIONS[name], slope[..., part]
            phi.slope(xp, a[..., part], gates[..., part], own_slope)
            if self.statistics:
                shares.append(self._saturated_share(own_slope, phi))
            xp.multiply(own_slope, partner, out=own_slope)
        if self.statistics:
            self.probe.saturated_fraction[:, block] = sum(shares) / len(shares)
        # `a` is used up by now and lends its room to the copy of c that tanh's slope may spend.
        spare = a[..., :size]
        xp.copyto(spare, c)
        ACTIVATIONS["tanh"].slope(xp, spare, tanh_c, slope_c)
        xp.multiply(slope_c, o, out=slope_c)
        return slope, slope_c, f

    def _backward_steps(
        self,
        local: tuple[Array, ...],
        states: tuple[Array, ...],
        steps: slice,
        external: Array | None,
    ) -> None:
        xp, size = self.backend.xp, self.spec.hidden_size
        product, multiply, add = self.product(), xp.multiply, xp.add
        slope, slope_c, forget = local
        # kept[k + 1] is what c receives from the step after; what comes through h joins here.
        grad_h, kept = states
        grad_a = self.loop(self.arrays.own["a"][:, steps])
        grad_a_by_gate = self._by_gate(self.arrays.own["a"], steps)
        slope_by_gate = slope.reshape(*slope.shape[:-1], 4, size)
        weight = self.cell(self.transposed())
        grad_c = self.loop(self._grad_c(len(slope)))
        for k in range(len(slope) - 1, -1, -1):
            grad_h_k, slope_k, out = grad_h[k + 1], slope_by_gate[k], grad_a_by_gate[k]
            total = grad_c[k]
            multiply(grad_h_k, slope_c[k], out=total)
            add(total, kept[k + 1], out=total)
            multiply(total[..., None, :], slope_k[..., :3, :], out=out[..., :3, :])
            multiply(grad_h_k, slope_k[..., 3, :], out=out[..., 3, :])
            multiply(total, forget[k], out=kept[k])
            product(grad_a[k], weight, out=grad_h[k])
            if external is not None and k:
                add(grad_h[k], external[k - 1], out=grad_h[k])

    def _push_step(self, local: tuple[Array, ...], tangent: Array) -> Array:
        xp, size = self.backend.xp, self.spec.hidden_size
        slope, slope_c, forget = local
        dh, dc = tangent[:, :size], tangent[:, size:]
        gates = xp.matmul(dh, self.arrays.parameters["U"][0]) * slope
        by_gate = gates.reshape(-1, 4, size)
        dc = dc * forget + by_gate[:, :3].sum(axis=1)
        return xp.concatenate([by_gate[:, 3] + dc * slope_c, dc], axis=1)

    def _pull_step(self, local: tuple[Array, ...], cotangent: Array) -> Array:
        xp, size = self.backend.xp, self.spec.hidden_size
        slope, slope_c, forget = local
        grad_h, grad_c = cotangent[:, :size], cotangent[:, size:]
        total = grad_c + grad_h * slope_c
        met = xp.concatenate([total, total, total, grad_h], axis=1)
        below = xp.matmul(met * slope, self.arrays.parameters["U"][0].T)
        return xp.concatenate([below, total * forget], axis=1)

    def _grad_c(self, steps: int) -> Array:
        """Room for the total dL/dc of the steps just run, (S, n, B, H)."""
        return self.shared("grad_c", (self.cells, steps, *self._step_shape()[1:]))

    def _path_gradients(self, states: tuple[Array, ...]) -> dict[str, Array]:
        kept = states[1][:, :-1]
        return {"c": self._grad_c(kept.shape[1]), "kept": kept}

    def _by_gate(self, array: Array, steps: slice) -> Array:
        """Steps of (S, T, B, 4H) for the loop, as (n, ..., B, 4, H)."""
        view = self.loop(array[:, steps])
        return view.reshape(*view.shape[:-1], 4, -1)
