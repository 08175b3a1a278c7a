"""Step by step, where U is too large for one block of threads: a product, then one kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.cuda.kernels import MatrixLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.arrays import Array
    from engine.matrix_recurrence import MatrixRecurrence

#: Recordings of one layer that are kept; more mean that no two passes are alike.
_MOST_RECORDED = 16


class StepLoop(MatrixLoop):
    """The library's product and a kernel at each step; recorded, and from then on one launch.

    A pass that goes over the same steps in the same memory as one before launches the same kernels,
    so the second of its kind is recorded as a graph if the device can.
    """

    def __init__(self, layer: MatrixRecurrence, name: str) -> None:
        spec, backend, gates = layer.spec, layer.backend, max(1, len(layer.gates))
        assert backend.compiler is not None
        shape = (layer.cells, spec.batch_size, spec.hidden_size)
        super().__init__(name, backend.compiler, backend.dtype, shape, layer.activation.name)
        self._layer = layer
        self._through_u = backend.zeros(shape)
        self._rows = backend.zeros((*shape[:-1], gates * spec.hidden_size))
        #: By what a pass works on: None after the first, then what repeats it.
        self._recorded: dict[tuple[Any, ...], Callable[[], object] | None] = {}

    def forward(self, h: Array, u: Array, *arguments: Any) -> None:
        import numpy as np

        cell, count = self._layer.cell, len(h) - 1
        rows, sizes, weight = (
            self._rows,
            self._sizes(count),
            cell(self._layer.arrays.parameters["U"]),
        )

        def run() -> None:
            for t in range(count):
                self._layer.backend.xp.matmul(h[t], weight, out=cell(rows))
                self._launch_lone("forward_step", rows, *arguments, np.int64(t), sizes)

        self._repeat(("forward", count, *map(_memory, arguments)), run)

    def backward(self, grad_h: Array, transposed: Array, *arguments: Any) -> None:
        import numpy as np

        cell, count = self._layer.cell, len(grad_h) - 1
        rows, through_u, sizes = self._rows, self._through_u, self._sizes(count)

        def run() -> None:
            for t in reversed(range(count)):
                given = (rows, through_u, *arguments, np.int64(t), sizes)
                self._launch_lone("backward_step", *given)
                self._layer.backend.xp.matmul(cell(rows), cell(transposed), out=cell(through_u))
            # What came through U at the first step has yet to be put together.
            given = (rows, through_u, *arguments, np.int64(-1), sizes)
            self._launch_lone("backward_step", *given)

        self._repeat(("backward", count, *map(_memory, arguments)), run)

    def _repeat(self, key: tuple[Any, ...], run: Callable[[], None]) -> None:
        # Products of a stack allocate, which a recording must not.
        if self._cells > 1:
            run()
        elif key not in self._recorded:
            if len(self._recorded) == _MOST_RECORDED:
                self._recorded.clear()
            self._recorded[key] = None
            run()
        else:
            again = self._recorded[key] or self._compiler.recorded(run) or run
            self._recorded[key] = again
            again()


def _memory(argument: Any) -> object:
    """What tells a kernel's argument from another: the bytes of a `Steps`, an array as such."""
    return argument.tobytes() if type(argument).__module__ == "numpy" else id(argument)
