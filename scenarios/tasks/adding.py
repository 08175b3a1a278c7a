"""The adding problem: remember two numbers across a long sequence and add them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from scenarios.tasks.base import Drawn, Trivial

if TYPE_CHECKING:
    import numpy as np

    from engine.architectures import Architecture
    from scenarios.scenario import Scenario
    from scenarios.tasks.base import Batch


class Adding(Drawn):
    """x_t = (value in U(0, 1), marker); the target is the sum of the two marked values.

    One marker lies in each half of the sequence. Always answering 1 scores a mean squared error
    of 1/6. Hochreiter and Schmidhuber 1997, in the form of Le, Jaitly and Hinton 2015, section 4.1.
    """

    name = "adding"
    title = "Adding problem"
    needs = "a recurrent network"
    decides: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"task.input_size": "which always has 2 inputs, a value and a marker"}
    )

    def fits(self, architecture: Architecture) -> bool:
        return architecture.recurrent

    def limits(self, values: Mapping[str, object]) -> Mapping[str, tuple[int, int]]:
        return {"task.time_steps": (2, 1_000_000)}

    def outputs(self, scenario: Scenario) -> int:
        return 1

    def input_shape(self, scenario: Scenario) -> tuple[int, ...]:
        return (2,)

    def input_variance(self, scenario: Scenario) -> float:
        # Values U(0, 1) have mean square 1/3, and two of T markers are 1.
        steps = scenario.task.time_steps
        assert steps is not None
        return (1.0 / 3.0 + 2.0 / steps) / 2.0

    def trivial(self, scenario: Scenario) -> Trivial:
        # The variance of a sum of two values from U(0, 1).
        return Trivial(1.0 / 6.0, "always 1")

    def draw(self, scenario: Scenario, rng: np.random.Generator) -> Batch:
        import numpy as np

        dtype = scenario.run.dtype
        steps, batch = scenario.task.time_steps, scenario.task.batch_size
        assert steps is not None
        column = np.arange(batch)
        inputs = np.zeros((steps, batch, 2))
        inputs[:, :, 0] = rng.random((steps, batch))
        first = rng.integers(0, steps // 2, size=batch)
        second = rng.integers(steps // 2, steps, size=batch)
        inputs[first, column, 1] = 1.0
        inputs[second, column, 1] = 1.0
        target = inputs[first, column, 0] + inputs[second, column, 0]
        return inputs.astype(dtype), target[:, None].astype(dtype)
