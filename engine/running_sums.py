"""Parameter gradients summed run by run of time steps, each run with a scale of its own.

A vanishing gradient leaves float32 long before a sequence ends. Summed run by run, while a run is
still in cache, it need never be brought to one scale: what a run adds is rescaled, not its steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.magnitude import multiply_by_power

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from engine.arrays import Array, Exponents
    from engine.backend import Backend

    Fill = Callable[[Mapping[str, Array]], None]


class RunningSums:
    """One layer's sums, in its parameters' gradients.

    Args:
        backend: whose companion adds a run while the time loop is at the next.
        totals: the gradients by name, (S, *shape); what a pass leaves in them is in units of
            2**exponent, as `finish` returns it.
        parts: room for what one run adds, of the same names and shapes.
    """

    def __init__(
        self, backend: Backend, totals: Mapping[str, Array], parts: Mapping[str, Array]
    ) -> None:
        self._backend = backend
        self._totals = totals
        self._parts = parts
        self._exponent: Exponents | None = None
        self._begun: list[Future[None]] = []

    def start(self) -> None:
        """Forget what a pass that never came to its end has left."""
        while self._begun:
            self._begun.pop().exception()
        self._exponent = None

    def add(self, exponent: Exponents, fill: Fill) -> None:
        """Add a run: `fill` writes its sums, in units of 2**exponent (S,), to arrays by name."""
        companion = self._backend.companion
        if companion is None:
            self._add(exponent, fill)
        else:
            self._begun.append(companion.submit(self._add, exponent, fill))

    def _add(self, exponent: Exponents, fill: Fill) -> None:
        import numpy as np

        if self._exponent is None:
            fill(self._totals)
            self._exponent = exponent
            return
        fill(self._parts)
        common = np.maximum(self._exponent, exponent)
        for name, total in self._totals.items():
            part = self._parts[name]
            multiply_by_power(self._backend, total, self._exponent - common)
            multiply_by_power(self._backend, part, exponent - common)
            self._backend.xp.add(total, part, out=total)
        self._exponent = common

    def finish(self) -> Exponents:
        """Wait for what was begun and return the sums' exponent, (S,).

        Where nothing was added the sums are zero.
        """
        import numpy as np

        begun, self._begun = self._begun, []
        for run in begun:
            run.result()
        exponent, self._exponent = self._exponent, None
        if exponent is None:
            for total in self._totals.values():
                total.fill(0.0)
            cells = len(next(iter(self._totals.values())))
            exponent = np.zeros(cells, dtype=np.int64)
        return exponent
