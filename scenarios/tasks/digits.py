"""Handwritten digits, read pixel by pixel: scikit-learn's 8 x 8, or MNIST from the user's file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from scenarios.images import SIDE, read_images
from scenarios.tasks.base import Task, Trivial, data_generator, one_hot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.architectures import Architecture
    from scenarios.scenario import Scenario
    from scenarios.tasks.base import Batch

    #: Images (N, pixels) and their labels (N,).
    Examples = tuple[NDArray[np.float32], NDArray[np.integer]]

#: Height and width of scikit-learn's digits.
SMALL_SIDE = 8

#: Fixes what is no matter of a run's seed: the permutation, which the papers draw once as well.
_PERMUTATION_SEED = 92916


class Digits(Task):
    """One pixel a time step, row by row; after the last one the network names the digit.

    Without task.file the digits of scikit-learn, 64 steps, a fifth held out; with it MNIST, 784
    steps, its own test set held out (Le, Jaitly and Hinton 2015, section 4.2). Pixels go from 0 to
    1. With task.permuted all images have their pixels in the same random order. An epoch shows
    every example once, in an order of its own; what does not fill a batch waits for the next.
    """

    name = "digits"
    title = "Digits, pixel by pixel"
    needs = "a recurrent network"
    loss = "cross_entropy"
    decides: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"task.input_size": "which always has 1 input, a pixel"}
    )
    reads: ClassVar[frozenset[str]] = frozenset({"task.file", "task.permuted"})

    def fits(self, architecture: Architecture) -> bool:
        return architecture.recurrent

    def limits(self, values: Mapping[str, object]) -> Mapping[str, tuple[int, int]]:
        side = SIDE if values.get("task.file") else SMALL_SIDE
        return {"task.time_steps": (side * side, side * side)}

    def load(self, scenario: Scenario) -> None:
        read_images(scenario)

    def outputs(self, scenario: Scenario) -> int:
        return 10

    def input_shape(self, scenario: Scenario) -> tuple[int, ...]:
        return (1,)

    def input_variance(self, scenario: Scenario) -> float:
        return read_images(scenario).mean_square

    def trivial(self, scenario: Scenario) -> Trivial:
        return Trivial(math.log(10.0), "one digit in ten at random")

    def batches(self, scenario: Scenario, start: int = 0) -> Iterator[Batch]:
        import numpy as np

        images = read_images(scenario)
        examples, size = len(images.train_labels), scenario.task.batch_size

        def forever() -> Iterator[Batch]:
            epoch, order = -1, np.arange(0)
            number = start
            while True:
                # Examples are counted through the epochs, so that none is left out at a seam.
                places = np.arange(number * size, (number + 1) * size)
                chosen = np.empty(size, dtype=np.int64)
                for one in range(int(places[0]) // examples, int(places[-1]) // examples + 1):
                    if one != epoch:
                        epoch = one
                        order = data_generator(scenario, 0, epoch).permutation(examples)
                    inside = places // examples == one
                    chosen[inside] = order[places[inside] % examples]
                yield _batch(scenario, (images.train, images.train_labels), chosen)
                number += 1

        return forever()

    def held_out(self, scenario: Scenario) -> Iterator[tuple[Batch, int]]:
        import numpy as np

        images = read_images(scenario)
        count, size = len(images.test_labels), scenario.task.batch_size
        for start in range(0, count, size):
            # The last batch is filled up from the front.
            places = np.arange(start, start + size) % count
            batch = _batch(scenario, (images.test, images.test_labels), places)
            yield batch, min(size, count - start)


def _batch(scenario: Scenario, examples: Examples, chosen: NDArray[np.int64]) -> Batch:
    """The chosen examples, time first."""
    import numpy as np

    pixels, labels = examples[0][chosen], examples[1][chosen]
    if scenario.task.permuted:
        pixels = pixels[:, np.random.default_rng(_PERMUTATION_SEED).permutation(pixels.shape[1])]
    dtype = scenario.run.dtype
    inputs = np.ascontiguousarray(pixels.T[:, :, None], dtype=dtype)
    return inputs, one_hot(labels, 10, dtype)
