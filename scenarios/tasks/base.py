"""What a task is, and the registry that tasks join."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias

from engine.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.architectures import Architecture
    from scenarios.scenario import Scenario

    #: Input (time_steps, batch, *features) and target (batch, outputs), in the scenario's dtype.
    Batch: TypeAlias = tuple[NDArray[np.floating], NDArray[np.floating]]


class Task(Protocol):
    """Where inputs and targets come from."""

    @property
    def name(self) -> str:
        """What a scenario's task.name says."""

    @property
    def title(self) -> str:
        """What the app shows."""

    @property
    def output_size(self) -> int:
        """Numbers in one target."""

    @property
    def decides(self) -> Mapping[str, str]:
        """Scenario keys the task settles itself, each with the reason."""

    @property
    def minimums(self) -> Mapping[str, int]:
        """Lower limits of this task, where they are above the key's own."""

    @property
    def needs(self) -> str:
        """What a network must be for the task to fit, in words."""

    def fits(self, architecture: Architecture) -> bool:
        """Whether a network of this architecture can be given the task."""

    def input_shape(self, scenario: Scenario) -> tuple[int, ...]:
        """One example's shape at one time step: (features,) or (height, width, channels)."""

    def input_variance(self, scenario: Scenario) -> float:
        """Mean square of an input's entries over batch and time, which theory starts from."""

    def batches(self, scenario: Scenario) -> Iterator[Batch]:
        """Endless batches: the same scenario and seed always give the same ones.

        Each input has shape (time_steps, batch_size, *input_shape), time_steps being 1 for
        feed-forward networks; each target has shape (batch_size, output_size).
        """


TASKS: Registry[Task] = Registry()


def data_generator(scenario: Scenario) -> np.random.Generator:
    """The scenario's own stream of data, independent of how its parameters are drawn."""
    import numpy as np

    # The spawn key ("task" in ASCII) keeps this stream apart from every other use of the seed.
    return np.random.default_rng(np.random.SeedSequence(scenario.run.seed, spawn_key=(0x7461736B,)))
