"""What recurrent layers with a matrix U share: its plan, its product in the loop, its gradient."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar

from engine.initialisers import WeightSpec
from engine.layer import LayerPlan, Shape, matrix_gradient
from engine.recurrence import RecurrentLayer, plan_recurrence

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.arrays import Array
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
        """U^T laid out for the time loop, (S, G H, H), as of the last `_prepare_backward`."""
        cells, rows, columns = self.arrays.parameters["U"].shape
        return self.shared("transposed_u", (cells, columns, rows))

    def _prepare_backward(self) -> None:
        # BLAS packs a transposed view anew at every step, at the cost of the product itself.
        self.transposed()[...] = self.arrays.parameters["U"].swapaxes(-1, -2)

    def _recurrent_gradients(self, h: Array) -> None:
        samples = h.reshape(self.cells, -1, h.shape[-1])
        grad_a = self.arrays.own["a"][:, 1:]
        rows = grad_a.reshape(self.cells, -1, grad_a.shape[-1])
        matrix_gradient(self.backend, samples, rows, self.arrays.gradients["U"])


def plan_matrix_recurrence(
    layer: type[MatrixRecurrence], spec: NetworkSpec, input_shape: Shape, cells: int
) -> LayerPlan:
    """The plan of such a layer, W (inputs, G H), U and b; a cell adds what else it keeps."""
    own, shared = plan_recurrence(layer, spec, cells)
    inputs, size, blocks = prod(input_shape), spec.hidden_size, max(1, len(layer.gates))
    shared["transposed_u"] = (cells, blocks * size, size)
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
