"""IRNN: a ReLU RNN whose U starts as recurrent_scale * I (Le, Jaitly, Hinton 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from engine.architectures.rnn import RNNLayer
from engine.matrix_recurrence import plan_matrix_recurrence

if TYPE_CHECKING:
    from engine.initialisers import Role
    from engine.layer import LayerPlan, Shape
    from engine.spec import NetworkSpec


class IRNNLayer(RNNLayer):
    """The vanilla recurrence, told apart by how it starts and by its fixed activation."""

    hop_role: ClassVar[Role] = "identity"
    fixed_activation: ClassVar[str | None] = "relu"

    @staticmethod
    def plan(spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        return plan_matrix_recurrence(IRNNLayer, spec, input_shape, cells)
