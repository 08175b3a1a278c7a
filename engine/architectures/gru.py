"""GRU: h_t = (1 - z) * n + z * h_{t-1} (Cho et al. 2014, in cuDNN's form).

Gates r, z, n are H columns each, in this order, of W, U and b; n = tanh(x W_n + b_n +
r * (h U_n + c)), c being its second bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.activations import ACTIVATIONS
from engine.layer import matrix_gradient, sum_over_samples
from engine.matrix_recurrence import MatrixRecurrence, plan_matrix_recurrence
from engine.recurrence import block_length

if TYPE_CHECKING:
    from engine.arrays import Array
    from engine.layer import LayerPlan, Shape
    from engine.spec import NetworkSpec


class GRULayer(MatrixRecurrence):
    """An update gate z that carries h on, beside a candidate n that r lets see h."""

    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    squashes: ClassVar[tuple[str, ...]] = ("sigmoid", "sigmoid", "tanh")
    path: ClassVar[tuple[str, ...]] = ("kept",)
    forget_gate: ClassVar[str | None] = "z"
    fixed_activation: ClassVar[str | None] = "tanh"

    @staticmethod
    def plan(spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        plan = plan_matrix_recurrence(GRULayer, spec, input_shape, cells)
        steps, (batch, size) = spec.time_steps, (spec.batch_size, spec.hidden_size)
        plan.own["gates"] = (cells, steps, batch, 3 * size)
        # h U_n + c on the way forward, its gradient on the way back.
        plan.own["recalled"] = (cells, steps, batch, size)
        for name in ("slope_r", "kept"):
            plan.shared[name] = (cells, block_length(spec, cells), batch, size)
        if spec.bias:
            plan.biases["c"] = (size,)
        return plan

    def _forward_steps(self, block: slice) -> None:
        xp, size, own = self.backend.xp, self.spec.hidden_size, self.arrays.own
        sigmoid, tanh = ACTIVATIONS["sigmoid"].forward, xp.tanh
        product, add, multiply = self.product(), xp.add, xp.multiply
        weight = self.cell(self.arrays.parameters["U"])
        a, h, scratch = self.forward_views(block)
        gates, recalled = self.loop(own["gates"][:, block]), self.loop(own["recalled"][:, block])
        second_bias = self._second_bias()
        wide, narrow = slice(0, 2 * size), slice(2 * size, None)
        for k in range(len(a)):
            a_k, gates_k, recalled_k, h_k = a[k], gates[k], recalled[k], h[k + 1]
            product(h[k], weight, out=scratch)
            add(a_k[..., wide], scratch[..., wide], out=a_k[..., wide])
            sigmoid(xp, a_k[..., wide], gates_k[..., wide])
            r, z, n = (gates_k[..., m * size : (m + 1) * size] for m in range(3))
            add(scratch[..., narrow], second_bias, out=recalled_k)
            multiply(r, recalled_k, out=h_k)
            add(a_k[..., narrow], h_k, out=a_k[..., narrow])
            tanh(a_k[..., narrow], out=n)
            # (1 - z) n + z h = n + z (h - n).
            xp.subtract(h[k], n, out=h_k)
            multiply(h_k, z, out=h_k)
            add(h_k, n, out=h_k)

    def _second_bias(self) -> Array:
        if "c" not in self.arrays.parameters:
            return 0.0
        return self.cell(self.arrays.parameters["c"][:, None])

    def _local_gradients(self, block: slice) -> tuple[Array, ...]:
        xp, size, own = self.backend.xp, self.spec.hidden_size, self.arrays.own
        a, gates, recalled = own["a"][:, block], own["gates"][:, block], own["recalled"][:, block]
        h_before = own["h"][:, block.start : block.stop]
        slope = self.shared("slope", a.shape)
        parts = [slice(m * size, (m + 1) * size) for m in range(3)]
        shares = []
        for part, name in zip(parts, self.squashes, strict=True):
            phi = ACTIVATIONS[name]
            phi.slope(xp, a[..., part], gates[..., part], slope[..., part])
            if self.statistics:
                shares.append(self._saturated_share(slope[..., part], phi))
        if self.statistics:
            self.probe.saturated_fraction[:, block] = sum(shares) / len(shares)
        _, z, n = (gates[..., part] for part in parts)
        to_r, to_z, to_n = (slope[..., part] for part in parts)
        spare = self.shared("slope_r", recalled.shape)
        xp.multiply(to_r, recalled, out=to_r)
        xp.subtract(h_before, n, out=spare)
        xp.multiply(to_z, spare, out=to_z)
        xp.subtract(1.0, z, out=spare)
        xp.multiply(to_n, spare, out=to_n)
        return slope, gates

    def _backward_steps(
        self,
        local: tuple[Array, ...],
        states: tuple[Array, ...],
        steps: slice,
        external: Array | None,
    ) -> None:
        xp, size = self.backend.xp, self.spec.hidden_size
        product, multiply, add = self.product(), xp.multiply, xp.add
        (slope, gates), (grad_h,) = local, states
        grad_a = self.loop(self.arrays.own["a"][:, steps])
        recalled = self.loop(self.arrays.own["recalled"][:, steps])
        weight = self.cell(self.transposed())
        wide, narrow = slice(0, 2 * size), slice(2 * size, None)
        # What U sees: dL/da for r and z, but dL/d(h U_n) = r dL/da_n in n's place.
        seen = self.cell(self.shared("step", (self.cells, *self.arrays.own["a"].shape[2:])))
        kept = self.loop(self._kept(len(slope)))
        for k in range(len(slope) - 1, -1, -1):
            grad_h_k, slope_k, out = grad_h[k + 1], slope[k], grad_a[k]
            to_r, to_z, to_n = (slope_k[..., m * size : (m + 1) * size] for m in range(3))
            multiply(grad_h_k, to_n, out=out[..., narrow])
            multiply(out[..., narrow], to_r, out=out[..., :size])
            multiply(grad_h_k, to_z, out=out[..., size : 2 * size])
            multiply(out[..., narrow], gates[k][..., :size], out=recalled[k])
            seen[..., wide] = out[..., wide]
            seen[..., narrow] = recalled[k]
            product(seen, weight, out=grad_h[k])
            # The direct path h_{t-1} -> h_t, through z alone.
            multiply(grad_h_k, gates[k][..., size : 2 * size], out=kept[k])
            add(grad_h[k], kept[k], out=grad_h[k])
            if external is not None and k:
                add(grad_h[k], external[k - 1], out=grad_h[k])

    def _push_step(self, local: tuple[Array, ...], tangent: Array) -> Array:
        (to_r, to_z, to_n), (r, z, _) = self._split_step(local)
        du = self.backend.xp.matmul(tangent, self.arrays.parameters["U"][0])
        du_r, du_z, du_n = self.backend.xp.split(du, 3, axis=1)
        return tangent * z + du_z * to_z + (du_r * to_r + du_n * r) * to_n

    def _pull_step(self, local: tuple[Array, ...], cotangent: Array) -> Array:
        xp = self.backend.xp
        (to_r, to_z, to_n), (r, z, _) = self._split_step(local)
        grad_n = cotangent * to_n
        met = xp.concatenate([grad_n * to_r, cotangent * to_z, grad_n * r], axis=1)
        return cotangent * z + xp.matmul(met, self.arrays.parameters["U"][0].T)

    def _split_step(self, local: tuple[Array, ...]) -> tuple[list[Array], list[Array]]:
        """One step's slopes to r, z and n, and the three gates, each (H,)."""
        slope, gates = (self.backend.xp.split(part, 3) for part in local)
        return slope, gates

    def _kept(self, steps: int) -> Array:
        """Room for z * dL/dh of the steps just run, (S, n, B, H)."""
        return self.shared("kept", (self.cells, steps, *self._step_shape()[1:]))

    def _path_gradients(self, states: tuple[Array, ...]) -> dict[str, Array]:
        return {"kept": self._kept(states[0].shape[1] - 1)}

    def _scaled_like_a(self) -> tuple[Array, ...]:
        return (*super()._scaled_like_a(), self.arrays.own["recalled"])

    def _recurrent_gradients(self, h: Array) -> None:
        size, own, gradients = self.spec.hidden_size, self.arrays.own, self.arrays.gradients
        samples = h.reshape(self.cells, -1, size)
        out = gradients["U"]
        wide = own["a"][:, 1:, :, : 2 * size].reshape(self.cells, -1, 2 * size)
        recalled = own["recalled"]
        narrow = recalled[:, 1:].reshape(self.cells, -1, size)
        matrix_gradient(self.backend, samples, wide, out[..., : 2 * size])
        matrix_gradient(self.backend, samples, narrow, out[..., 2 * size :])
        if "c" in gradients:
            ones = self.arrays.shared["ones"]
            sum_over_samples(self.backend, ones, recalled, gradients["c"])
