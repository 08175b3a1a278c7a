"""Learning-rate schedules: what every update's rate is, given the losses so far."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from engine.registry import Registry

if TYPE_CHECKING:
    from scenarios.scenario import Scenario


class Schedule(ABC):
    """How the learning rate goes on from the scenario's own.

    Attributes:
        name: the word to type.
        title: the name to show.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def rate(self, scenario: Scenario, step: int, memory: Memory) -> float:
        """The rate of update `step`, counted from 1."""


class Memory:
    """What a schedule knows of the losses so far: the means of windows of `schedule_steps` updates.

    Attributes:
        falls: how often a window's mean was not below the best before it.
        state: all there is to it, in plain numbers that a checkpoint can hold.
    """

    def __init__(self, length: int | None) -> None:
        self._length = length or 0
        self.state: list[float] = [0.0, 0.0, 0.0, math.inf, 0.0]

    @property
    def falls(self) -> int:
        return int(self.state[4])

    def take(self, loss: float | None) -> None:
        """One more update has been made; `loss` is what it led to, None where nobody looked."""
        updates, total, count, best, falls = self.state
        updates += 1.0
        if loss is not None:
            total, count = total + loss, count + 1.0
        if self._length and updates >= self._length and count:
            mean = total / count
            if mean < best:
                best = mean
            else:
                falls += 1.0
            updates = total = count = 0.0
        self.state = [updates, total, count, best, falls]


SCHEDULES: Registry[Schedule] = Registry()


class Constant(Schedule):
    """The same rate throughout."""

    name = "constant"
    title = "constant"

    def rate(self, scenario: Scenario, step: int, memory: Memory) -> float:
        return scenario.training.learning_rate


class Step(Schedule):
    """Multiplied by schedule_factor after every schedule_steps updates (Li et al. 2018, adding)."""

    name = "step"
    title = "falling in steps"

    def rate(self, scenario: Scenario, step: int, memory: Memory) -> float:
        training = scenario.training
        assert training.schedule_steps is not None and training.schedule_factor is not None
        return _fallen(scenario, (step - 1) // training.schedule_steps)


class Cosine(Schedule):
    """Half a cosine from the full rate down to 0 at the end (Loshchilov and Hutter 2017, eq. 5)."""

    name = "cosine"
    title = "falling along a cosine"

    def rate(self, scenario: Scenario, step: int, memory: Memory) -> float:
        training = scenario.training
        turn = math.cos(math.pi * (step - 1) / training.steps)
        return 0.5 * training.learning_rate * (1.0 + turn)


class Plateau(Schedule):
    """Multiplied by schedule_factor when stuck (Li et al. 2018, sequential MNIST: by a tenth).

    Stuck means that the mean loss of schedule_steps updates is not below the best such mean before:
    the loss on what is held out where it is looked at, else that of the batches trained on.
    """

    name = "plateau"
    title = "falling when stuck"

    def rate(self, scenario: Scenario, step: int, memory: Memory) -> float:
        return _fallen(scenario, memory.falls)


def _fallen(scenario: Scenario, times: int) -> float:
    training = scenario.training
    assert training.schedule_factor is not None
    return training.learning_rate * training.schedule_factor**times


for _schedule in (Constant(), Step(), Cosine(), Plateau()):
    SCHEDULES.register(_schedule)
