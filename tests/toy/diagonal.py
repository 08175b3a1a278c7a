"""A toy architecture, the one new file that one takes: h_l = phi(w * h_{l-1} + b), w a vector."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from engine.architectures import Architecture
from engine.feedforward import FeedForwardLayer, buffers
from engine.initialisers import Role, WeightSpec
from engine.layer import LayerPlan, Shape
from engine.spec import NetworkSpec


class DiagonalLayer(FeedForwardLayer):
    """Every unit feeds the one above it alone; the input is as wide as the layers."""

    hop_role: ClassVar[Role] = "vector"
    hop_weight: ClassVar[str] = "w"

    @classmethod
    def plan(cls, spec: NetworkSpec, index: int, input_shape: Shape, cells: int) -> LayerPlan:
        own, shared = buffers(cls, spec, input_shape, cells)
        return LayerPlan(
            weights={"w": WeightSpec(input_shape, "vector", 1, 1)},
            biases={"b": input_shape} if spec.bias else {},
            own=own,
            shared=shared,
            output_shape=input_shape,
        )

    def _linear(self, x: Any, out: Any) -> Callable[[], object]:
        weight = self.arrays.parameters["w"][:, None]
        return partial(self.backend.xp.multiply, x, weight, out=out)

    _linear_backward = _linear

    def _weight_gradient(self, x: Any, gradient: Any) -> Callable[[], object]:
        out = self.arrays.gradients["w"]
        return lambda: self.backend.xp.sum(x * gradient, axis=1, out=out)


ARCHITECTURE = Architecture(
    name="diagonal",
    title="Diagonal MLP",
    layer=DiagonalLayer,
    fields=frozenset({"network.activation", "task.input_size"}),
    hop_scale="init.weight_scale",
)
