"""What recurrent layers with a matrix U share: its plan, its product in the loop, its gradient."""

from __future__ import annotations

from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.activations import ACTIVATIONS
from engine.initialisers import WeightSpec
from engine.layer import LayerPlan, Shape
from engine.recurrence import RecurrentLayer
from engine.recurrence_plan import plan_recurrence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.arrays import Array, HostArray
    from engine.initialisers import Role
    from engine.spec import NetworkSpec


class MatrixRecurrence(RecurrentLayer):
    """A layer whose h_{t-1} meets U of shape (H, G H), G being 1 or its number of gates."""

    hop_role: ClassVar[Role] = "square"
    hop_weight: ClassVar[str] = "U"

    def product(self) -> Callable[..., Array]:
        """The matrix product of the time loop: for a stack of one, the method starts quickest."""
        xp = self.backend.xp
        chosen: Callable[..., Array] = xp.ndarray.dot if self.cells == 1 else xp.matmul
        return chosen

    def transposed(self) -> Array:
        """U^T laid out for the time loop, (S, G H, H), as of the last `_prepare_backward`.

        Row block g of it is the transpose of gate g's columns.
        """
        cells, rows, columns = self.arrays.parameters["U"].shape
        return self.shared("laid_out_u", (cells, columns, rows))

    def _prepare_backward(self) -> None:
        # BLAS packs a transposed view anew at every step, at the cost of the product itself.
        self.transposed()[...] = self.arrays.parameters["U"].swapaxes(-1, -2)

    def _recurrent_gradients(self, steps: slice, out: Mapping[str, Array]) -> None:
        h_before = self.arrays.own["h"][:, steps]
        self.matrix_gradient(h_before, self.grad_a[:, :, steps], self.columns(out["U"]))


class GatedRecurrence(MatrixRecurrence):
    """A cell with gates, whose products with U are G of H columns each, laid out gate by gate.

    Small products start in BLAS without packing, and what follows finds each gate in one piece. A
    subclass plans `gates`, (S, G, T, B, H), for what the squashed pre-activations are.
    """

    def _prepare_forward(self) -> None:
        self._u()[...] = self.columns(self.arrays.parameters["U"])

    def _u(self) -> Array:
        """Room for the G blocks of U or U^T, (S, G, H, H)."""
        size = self.spec.hidden_size
        return self.shared("laid_out_u", (self.cells, len(self.gates), size, size))

    def weight(self) -> Array:
        """The blocks of U in a pass forward, of U^T in one back, (..., G, H, H) for the loop."""
        return self.cell(self._u())

    def gate_slopes(self, block: slice) -> Array:
        """Each gate's own slope over a block, (S, G, n, B, H), for which `a` is used up.

        Records the share of saturated units.
        """
        import numpy as np

        a, gates = self.a[:, :, block], self.arrays.own["gates"][:, :, block]
        slope = self.shared("slope", a.shape)
        shares: list[HostArray] = []
        first = 0
        for squash, alike in groupby(self.squashes):
            part = slice(first, first + len(list(alike)))
            first, phi = part.stop, self.backend.activation(ACTIVATIONS[squash])
            phi.slope(self.backend.xp, a[:, part], gates[:, part], slope[:, part])
            if self.statistics:
                for gate in slope[:, part].swapaxes(0, 1):
                    shares.append(np.empty(gate.shape[:2]))
                    self._put_saturated(gate, phi, shares[-1])
        if self.statistics:
            out = self.probe.saturated_fraction[:, block]
            self.backend.settle(lambda: np.divide(sum(shares), len(shares), out=out))
        return slope

    def step_scratch(self) -> Array:
        """Room for G products of one step, (..., G, B, H)."""
        return self.cell(self.by_gate(self.shared("step", self._gates_shape()))[:, :, 0])

    def _gates_shape(self) -> Shape:
        cells, batch, size = self._step_shape()
        return (cells, batch, len(self.gates) * size)

    def steps_by_gate(self, array: Array) -> Array:
        """(S, G, n, B, H) for the loop, (n, ..., G, B, H)."""
        return self.loop(array.swapaxes(1, 2))


def plan_matrix_recurrence(
    layer: type[MatrixRecurrence], spec: NetworkSpec, input_shape: Shape, cells: int
) -> LayerPlan:
    """The plan of such a layer, W (inputs, G H), U and b; a cell adds what else it keeps."""
    own, shared = plan_recurrence(layer, spec, cells)
    inputs, size, blocks = prod(input_shape), spec.hidden_size, max(1, len(layer.gates))
    shared["laid_out_u"] = (cells, blocks * size, size)
    return LayerPlan(
        weights={
            "W": WeightSpec((inputs, blocks * size), "input", inputs, size, blocks=blocks),
            "U": WeightSpec((size, blocks * size), layer.hop_role, size, size, blocks=blocks),
        },
        biases={"b": (blocks * size,)} if spec.bias else {},
        own=own,
        shared=shared,
        output_shape=(size,),
    )
