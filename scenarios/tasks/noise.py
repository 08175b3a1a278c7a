"""White noise: inputs and targets without structure, so that only the network shapes gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from scenarios.tasks.base import Task, Trivial, data_generator

if TYPE_CHECKING:
    from engine.architectures import Architecture
    from scenarios.scenario import Scenario
    from scenarios.tasks.base import Batch


class Noise(Task):
    """Inputs and targets N(0, 1), one output; one fixed batch, learnt by heart in training."""

    name = "noise"
    title = "Noise"
    needs = "any network"
    decides: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"training.evaluate_every": "which has nothing to learn but its one batch"}
    )

    def fits(self, architecture: Architecture) -> bool:
        return True

    def outputs(self, scenario: Scenario) -> int:
        return 1

    def input_shape(self, scenario: Scenario) -> tuple[int, ...]:
        task = scenario.task
        if task.image_size is not None and task.image_channels is not None:
            return (task.image_size, task.image_size, task.image_channels)
        assert task.input_size is not None
        return (task.input_size,)

    def input_variance(self, scenario: Scenario) -> float:
        return 1.0

    def trivial(self, scenario: Scenario) -> Trivial:
        _, target = next(self.batches(scenario))
        return Trivial(float((target.astype("float64") ** 2).mean()), "always 0")

    def batches(self, scenario: Scenario, start: int = 0) -> Iterator[Batch]:
        draw = data_generator(scenario)
        dtype = scenario.run.dtype
        lead = (scenario.task.time_steps or 1, scenario.task.batch_size)
        # Drawn in float64 and then rounded: both dtypes see the same data.
        target = draw.standard_normal((scenario.task.batch_size, self.outputs(scenario))).astype(
            dtype
        )
        inputs = draw.standard_normal(lead + self.input_shape(scenario)).astype(dtype)
        while True:
            yield inputs, target

    def held_out(self, scenario: Scenario) -> Iterator[tuple[Batch, int]]:
        return iter(())
