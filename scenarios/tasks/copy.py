"""The copying memory: ten symbols, a long silence, and then the ten symbols again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from scenarios.tasks.base import Drawn, Trivial, one_hot

if TYPE_CHECKING:
    import numpy as np

    from engine.architectures import Architecture
    from scenarios.scenario import Scenario
    from scenarios.tasks.base import Batch

#: Symbols to remember, their alphabet, and the two signs beside it: blank and delimiter.
LENGTH, SYMBOLS = 10, 8
BLANK, DELIMITER = SYMBOLS, SYMBOLS + 1


class Copy(Drawn):
    """Ten symbols out of eight, blanks, a delimiter eleven steps before the end, ten blanks.

    Of those last ten steps each has to name its symbol. The sequence is time_steps long, which is
    T + 20 of Arjovsky, Shah and Bengio 2016, section 4.1. They average the cross-entropy over all
    steps, blanks to be repeated included; here it is the mean over the ten steps that answer, so
    that the gradient's way leads from them to the symbols: memoryless guessing scores ln 8, which
    is their 10 ln 8 / (T + 20).
    """

    name = "copy"
    title = "Copying memory"
    needs = "a recurrent network"
    loss = "cross_entropy"
    decides: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"task.input_size": f"which always has {SYMBOLS + 2} inputs, one for each sign"}
    )

    def fits(self, architecture: Architecture) -> bool:
        return architecture.recurrent

    def limits(self, values: Mapping[str, object]) -> Mapping[str, tuple[int, int]]:
        return {"task.time_steps": (2 * LENGTH + 1, 1_000_000)}

    def outputs(self, scenario: Scenario) -> int:
        return SYMBOLS

    def readout_steps(self, scenario: Scenario) -> int:
        return LENGTH

    def input_shape(self, scenario: Scenario) -> tuple[int, ...]:
        return (SYMBOLS + 2,)

    def input_variance(self, scenario: Scenario) -> float:
        # Of the inputs of every step one is 1.
        return 1.0 / (SYMBOLS + 2)

    def trivial(self, scenario: Scenario) -> Trivial:
        return Trivial(math.log(SYMBOLS), f"one symbol in {SYMBOLS} at random")

    def draw(self, scenario: Scenario, rng: np.random.Generator) -> Batch:
        import numpy as np

        dtype = scenario.run.dtype
        steps, batch = scenario.task.time_steps, scenario.task.batch_size
        assert steps is not None
        symbols = rng.integers(SYMBOLS, size=(LENGTH, batch))
        signs = np.full((steps, batch), BLANK)
        signs[:LENGTH] = symbols
        signs[-LENGTH - 1] = DELIMITER
        return one_hot(signs, SYMBOLS + 2, dtype), one_hot(symbols, SYMBOLS, dtype)
