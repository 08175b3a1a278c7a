"""IRNN: a ReLU RNN whose U starts as recurrent_scale * I (Le, Jaitly, Hinton 2015)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from engine.architectures.rnn import RNNLayer

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
        plan = RNNLayer.plan(spec, index, input_shape, cells)
        plan.weights["U"] = replace(plan.weights["U"], role="identity")
        return plan
