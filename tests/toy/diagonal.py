"""A toy architecture, the one new file that one takes: h_l = phi(w * h_{l-1} + b), w a vector."""

from __future__ import annotations

from typing import Any, ClassVar

from engine.architectures import Architecture
from engine.feedforward import FeedForwardLayer, buffers
from engine.initialisers import Role, WeightSpec
from engine.layer import LayerPlan, Shape
from engine.spec import NetworkSpec


class DiagonalLayer(FeedForwardLayer):
    """Every unit feeds the one above it alone; the input is as wide as the layers."""

    hop_role: ClassVar[Role] = "vector"

    @staticmethod
    def plan(spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        own, scratch = buffers(cells, spec.batch_size, input_shape)
        return LayerPlan(
            weights={"w": WeightSpec(input_shape, "vector", 1, 1)},
            biases={"b": input_shape} if spec.bias else {},
            own=own,
            shared={"slope": scratch, "mask": scratch},
            output_shape=input_shape,
        )

    def _linear(self, x: Any, out: Any) -> None:
        self.backend.xp.multiply(x, self.arrays.parameters["w"][:, None], out=out)

    _linear_backward = _linear

    def _weight_gradient(self, x: Any, gradient: Any) -> None:
        self.backend.xp.sum(x * gradient, axis=1, out=self.arrays.gradients["w"])


ARCHITECTURE = Architecture(
    name="diagonal",
    title="Diagonal MLP",
    layer=DiagonalLayer,
    fields=frozenset({"network.activation", "task.input_size"}),
    hop_scale="init.weight_scale",
)
