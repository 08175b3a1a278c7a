"""What CuPy measures, and how the numbers come to the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.cuda.squares import Squares
from engine.measurements import Measurements

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.arrays import Array, HostArray
    from engine.backend import Backend


class CuPyMeasurements(Measurements):
    """Numbers copied to memory that the system does not move."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        assert backend.compiler is not None
        self._cupy = backend.xp
        self._squares = Squares(backend.xp, backend.compiler)

    def put_squares(self, blocks: Array, out: Array) -> None:
        self._squares(blocks, out)

    def slots(self, count: int) -> Array:
        return self._cupy.empty(count)

    def room(self, count: int) -> HostArray:
        import numpy as np

        pinned = self._cupy.cuda.alloc_pinned_memory(8 * count)
        room: HostArray = np.frombuffer(pinned, dtype=np.float64, count=count)
        return room

    def begin_copy(self, slots: Array, room: HostArray) -> Callable[[], object]:
        self._cupy.asnumpy(slots, out=room, blocking=False)
        event = self._cupy.cuda.Event(disable_timing=True)
        event.record()
        wait: Callable[[], object] = event.synchronize
        return wait
