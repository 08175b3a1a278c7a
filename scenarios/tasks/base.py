"""What a task is, and the registry that tasks join."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from engine.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.architectures import Architecture
    from scenarios.scenario import Scenario

    #: Input (time_steps, batch, *features) and target, in the scenario's dtype.
    Batch: TypeAlias = tuple[NDArray[np.floating], NDArray[np.floating]]

#: Examples held out by tasks that can draw as many as they like, rounded up to whole batches.
HELD_OUT = 512


@dataclass(frozen=True, slots=True)
class Trivial:
    """The best loss of an answer that never looks at the input, and what it answers."""

    loss: float
    answer: str


class Task(ABC):
    """Where inputs and targets come from.

    Attributes:
        name: what a scenario's task.name says.
        title: what the app shows.
        needs: what a network must be for the task to fit, in words.
        loss: what is made small, a name of engine/losses.py.
        decides: scenario keys the task settles itself, each with the reason.
        reads: scenario keys that only tasks naming them have.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    needs: ClassVar[str]
    loss: ClassVar[str] = "mse"
    decides: ClassVar[Mapping[str, str]] = MappingProxyType({})
    reads: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def fits(self, architecture: Architecture) -> bool:
        """Whether a network of this architecture can be given the task."""

    def limits(self, values: Mapping[str, object]) -> Mapping[str, tuple[int, int]]:
        """Least and most of keys whose range is narrower here than elsewhere.

        `values` holds what is decided of the scenario so far, in the order fields are declared.
        """
        return {}

    def load(self, scenario: Scenario) -> None:
        """Have at hand what is read from elsewhere. Raises ScenarioError where that is not there.

        `batches`, `held_out` and `input_variance` do it by themselves, and raise the same.
        """
        return

    @abstractmethod
    def outputs(self, scenario: Scenario) -> int:
        """Numbers in one target; classes where it classifies."""

    def readout_steps(self, scenario: Scenario) -> int:
        """How many of the last time steps are read."""
        return 1

    @abstractmethod
    def input_shape(self, scenario: Scenario) -> tuple[int, ...]:
        """One example's shape at one time step: (features,) or (height, width, channels)."""

    @abstractmethod
    def input_variance(self, scenario: Scenario) -> float:
        """Mean square of an input's entries over batch and time, which theory starts from."""

    @abstractmethod
    def trivial(self, scenario: Scenario) -> Trivial:
        """What a network scores that has learnt nothing of how answers follow from inputs."""

    @abstractmethod
    def batches(self, scenario: Scenario, start: int = 0) -> Iterator[Batch]:
        """Endless batches from number `start` on: the same scenario and seed give the same ones.

        Each input has shape (time_steps, batch_size, *input_shape), time_steps being 1 for
        feed-forward networks; each target has shape (batch_size, outputs), with an axis of
        `readout_steps` in front where that is more than 1.
        """

    @abstractmethod
    def held_out(self, scenario: Scenario) -> Iterator[tuple[Batch, int]]:
        """What is never trained on, in batches, each with how many of its examples count.

        Always the same, and none where the task decides training.evaluate_every.
        """


TASKS: Registry[Task] = Registry()


class Drawn(Task):
    """A task whose every batch is drawn anew, each from a generator of its own."""

    @abstractmethod
    def draw(self, scenario: Scenario, rng: np.random.Generator) -> Batch:
        """One batch."""

    def batches(self, scenario: Scenario, start: int = 0) -> Iterator[Batch]:
        number = start
        while True:
            yield self.draw(scenario, data_generator(scenario, 0, number))
            number += 1

    def held_out(self, scenario: Scenario) -> Iterator[tuple[Batch, int]]:
        size = scenario.task.batch_size
        for number in range(-(-HELD_OUT // size)):
            yield self.draw(scenario, data_generator(scenario, 1, number)), size


def data_generator(scenario: Scenario, *place: int) -> np.random.Generator:
    """The scenario's own stream of data, independent of how its parameters are drawn.

    `place` tells its parts apart.
    """
    import numpy as np

    # The spawn key ("task" in ASCII) keeps this stream apart from every other use of the seed.
    key = (0x7461736B, *place)
    return np.random.default_rng(np.random.SeedSequence(scenario.run.seed, spawn_key=key))


def one_hot(labels: NDArray[np.integer], classes: int, dtype: str) -> NDArray[np.floating]:
    """Labels (...) as rows (..., classes) of zeros and a one."""
    import numpy as np

    rows: NDArray[np.floating] = np.zeros((*labels.shape, classes), dtype=dtype)
    np.put_along_axis(rows, labels[..., None], 1.0, axis=-1)
    return rows
