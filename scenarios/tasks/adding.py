"""The adding problem: remember two numbers across a long sequence and add them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from scenarios.tasks.base import data_generator

if TYPE_CHECKING:
    from engine.architectures import Architecture
    from scenarios.scenario import Scenario
    from scenarios.tasks.base import Batch


class Adding:
    """x_t = (value in U(0, 1), marker); the target is the sum of the two marked values.

    One marker lies in each half of the sequence. Always answering 1 scores a mean squared error
    of 1/6. Hochreiter and Schmidhuber 1997, in the form of Le, Jaitly and Hinton 2015, section 4.1.
    """

    name = "adding"
    title = "Adding problem"
    output_size = 1
    decides: Mapping[str, str] = MappingProxyType(
        {"task.input_size": "which always has 2 inputs, a value and a marker"}
    )
    minimums: Mapping[str, int] = MappingProxyType({"task.time_steps": 2})
    needs = "a recurrent network"

    def fits(self, architecture: Architecture) -> bool:
        return architecture.recurrent

    def input_shape(self, scenario: Scenario) -> tuple[int, ...]:
        return (2,)

    def input_variance(self, scenario: Scenario) -> float:
        # Values U(0, 1) have mean square 1/3, and two of T markers are 1.
        steps = scenario.task.time_steps
        assert steps is not None
        return (1.0 / 3.0 + 2.0 / steps) / 2.0

    def batches(self, scenario: Scenario) -> Iterator[Batch]:
        import numpy as np

        draw = data_generator(scenario)
        dtype = scenario.run.dtype
        steps, batch = scenario.task.time_steps, scenario.task.batch_size
        assert steps is not None
        column = np.arange(batch)
        while True:
            inputs = np.zeros((steps, batch, 2))
            inputs[:, :, 0] = draw.random((steps, batch))
            first = draw.integers(0, steps // 2, size=batch)
            second = draw.integers(steps // 2, steps, size=batch)
            inputs[first, column, 1] = 1.0
            inputs[second, column, 1] = 1.0
            target = inputs[first, column, 0] + inputs[second, column, 0]
            yield inputs.astype(dtype), target[:, None].astype(dtype)
