"""How weights drift while a network trains, measured now and then so that it costs little."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.weight_sizes import WeightSizes
    from scenarios.runner import Run

#: The share of a run's time that measuring may take.
SHARE = 0.02


class Drift:
    """Decides after which training steps a run's weights are measured.

    After the first and the last, and in between whenever all measurements together have taken no
    more than SHARE of the time since the run began.
    """

    def __init__(self, run: Run, clock: Callable[[], float] = time.perf_counter) -> None:
        self._run, self._clock = run, clock
        self._begin: float | None = None
        self._spent = 0.0
        self._measured: int | None = None

    def measure(self, step: int, *, last: bool = False) -> WeightSizes | None:
        """The sizes after training step `step` if it is time for them, else None."""
        if self._measured == step or not self._run.scenario.training.steps:
            return None
        now = self._clock()
        if self._begin is None:
            self._begin = now
        if not last and self._spent > SHARE * (now - self._begin):
            return None
        self._measured = step
        sizes = self._run.weight_sizes()
        self._spent += self._clock() - now
        return sizes
